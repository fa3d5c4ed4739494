"""Which base URLs a setting may hold."""

from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def check_url(value: str, *, query: bool) -> str:
    """Return a base URL without its last slash; `query` says whether it may have a query.

    Raises:
        ValueError: it is no URL, would send secrets in the clear to another machine, or holds a password.
            The message does not repeat the value: what is refused may hold one.
    """
    try:
        parts = urlsplit(value)
        host = parts.hostname
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if not host or parts.scheme not in {"https", "http"} or port == 0:
        raise ValueError("must be a URL such as https://example.supabase.co")
    if parts.username or parts.password or parts.fragment or (parts.query and not query):
        raise ValueError(f"must hold no user name, password{'' if query else ', query'} or fragment")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError("must use https: plain connections are for this machine only")
    return value.rstrip("/")
