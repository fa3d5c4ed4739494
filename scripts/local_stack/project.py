"""What the launcher takes from the checkout: supabase/config.toml, its functions, and an env file."""

import tomllib
from pathlib import Path
from typing import Any

from scripts.local_stack.errors import StackError

REPOSITORY = Path(__file__).resolve().parents[2]


def read_config(supabase: Path) -> dict[str, Any]:
    path = supabase / "config.toml"
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise StackError(f"{path} is not valid TOML: {error}.") from error


def functions(supabase: Path, config: dict[str, Any]) -> list[dict[str, object]]:
    """Return the edge functions: every folder below functions/ and every [functions.<name>] of the config."""
    configured: dict[str, dict[str, Any]] = config.get("functions", {})
    names = {path.parent.name for path in (supabase / "functions").glob("*/index.ts")} | set(configured)
    found = []
    for name in sorted(names):
        settings = configured.get(name, {})
        entrypoint = (supabase / settings.get("entrypoint", f"functions/{name}/index.ts")).resolve()
        enabled = settings.get("enabled", True)
        if enabled and not entrypoint.is_file():
            raise StackError(
                f"Function {name}: {entrypoint} does not exist: correct `entrypoint` in config.toml."
            )
        found.append(
            {
                "name": name,
                "enabled": enabled,
                "verifyJwt": settings.get("verify_jwt", True),
                "entrypoint": str(entrypoint),
                "importMap": _import_map(supabase, settings, entrypoint),
            }
        )
    return found


def api_schemas(config: dict[str, Any]) -> list[str]:
    schemas = config.get("api", {}).get("schemas", ["public"])
    # graphql_public is in every project's default list, and there is no GraphQL here.
    return [schema for schema in schemas if schema != "graphql_public"] or ["public"]


def auth_settings(config: dict[str, Any]) -> dict[str, Any]:
    auth = config.get("auth", {})
    return {
        "siteUrl": auth.get("site_url", "http://127.0.0.1:3000"),
        "jwtSeconds": auth.get("jwt_expiry", 3600),
        "minimumPassword": auth.get("minimum_password_length", 6),
    }


def read_env_file(path: Path) -> dict[str, str]:
    """Read NAME=value lines as the Supabase CLI reads functions/.env: quotes go, # starts a comment.

    Raises:
        StackError: the file is missing or a line is not an assignment.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StackError(f"The env file {path} cannot be read: {error.strerror}.") from error
    values = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("export ").lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise StackError(f"{path}, line {number}: expected NAME=value.")
        values[name.strip()] = _unquote(value.strip())
    return values


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        inner = value[1:-1]
        return inner.replace("\\n", "\n").replace('\\"', '"') if value[0] == '"' else inner
    return value.split(" #", 1)[0].rstrip()


def _import_map(supabase: Path, settings: dict[str, Any], entrypoint: Path) -> str | None:
    if "import_map" in settings:
        path = (supabase / settings["import_map"]).resolve()
        if not path.is_file():
            raise StackError(f"{path} does not exist: correct `import_map` in config.toml.")
        return str(path)
    for name in ("deno.json", "deno.jsonc", "import_map.json"):
        if (entrypoint.parent / name).is_file():
            return str(entrypoint.parent / name)
    return None
