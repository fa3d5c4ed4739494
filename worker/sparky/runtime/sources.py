"""Where settings come from beside the environment, and what may not be there."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from sparky.domain.errors import ConfigurationError

# Read by other programs of this project, which may share an environment with a worker.
_NOT_OURS: Final = frozenset({"SPARKY_CONFIG", "SPARKY_EDGE_KEY"})
_TOKEN_CREDENTIAL: Final = "worker_token"  # noqa: S105 - the name of a file
_SEALING_KEYS: Final = "sealing_key*"


def refuse_unknown_variables(environ: Mapping[str, str], known: frozenset[str], prefix: str) -> None:
    """Refuse variables that look like settings and are none: a misspelt limit must not be ignored.

    Raises:
        ConfigurationError: there is one.
    """
    ours = {f"{prefix}{name.upper()}" for name in known}
    unknown = sorted(
        name for name in environ if name.upper().startswith(prefix) and name.upper() not in ours | _NOT_OURS
    )
    if unknown:
        raise ConfigurationError(
            "\n".join(f"{name} is not a setting{_suggest(name.upper(), ours)}." for name in unknown)
        )


def read_config_file(path: Path, known: frozenset[str]) -> dict[str, Any]:
    """Read a TOML file of settings.

    Raises:
        ConfigurationError: the file cannot be read, is not TOML, or holds an unknown setting.
    """
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = str(error).rpartition("(")[2].rstrip(")")
        raise ConfigurationError(f"The settings file {path} is not TOML ({where}).") from None
    unknown = sorted(name for name in values if name not in known)
    if unknown:
        raise ConfigurationError(
            "\n".join(f"{name} in {path} is not a setting{_suggest(name, known)}." for name in unknown)
        )
    return values


def read_credentials(directory: Path) -> dict[str, Any]:
    """Read what systemd's LoadCredential= has put there: worker_token and sealing_key* files.

    Raises:
        ConfigurationError: the directory or a file cannot be read.
    """
    values: dict[str, Any] = {}
    try:
        token = directory / _TOKEN_CREDENTIAL
        if token.is_file():
            values["worker_token"] = token.read_text("utf-8").strip()
        keys = sorted(path for path in directory.glob(_SEALING_KEYS) if path.is_file())
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"The credentials in {directory} cannot be read.") from None
    if keys:
        values["sealing_key_files"] = tuple(keys)
    return values


def _suggest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f": did you mean {near[0]}?" if near else ""
