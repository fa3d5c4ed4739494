"""Database URLs of the stack's roles, all derived from the superuser's."""

import hashlib
import hmac
from urllib.parse import quote, unquote, urlsplit, urlunsplit

ADMIN = "supabase_admin"


def database_url(host: str, port: int, role: str, password: str, database: str = "postgres") -> str:
    user = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{user}@{host}:{port}/{quote(database, safe='')}"


def with_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database, safe='')}"))


def with_role(admin_url: str, role: str) -> str:
    """Return the URL of another role in the same database.

    Its password is derived from the superuser's, one way: who holds a role's password learns no other.
    """
    parts = urlsplit(admin_url)
    address = parts.netloc.rpartition("@")[2]
    password = role_password(unquote(parts.password or ""), role)
    return urlunsplit(parts._replace(netloc=f"{quote(role, safe='')}:{password}@{address}"))


def role_password(admin_password: str, role: str) -> str:
    return hmac.new(admin_password.encode(), role.encode(), hashlib.sha256).hexdigest()


def password_of(url: str) -> str:
    return unquote(urlsplit(url).password or "")
