"""Where the command gets credentials from: a file, standard input or prompts; never from arguments."""

import getpass
import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sparky.domain.errors import ConfigurationError
from sparky.keys.secret import Secret

STANDARD_INPUT: Final = Path("-")
_OWNER_ONLY: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MAX_BYTES: Final = 64 * 1024

PROMPTS: Final[Mapping[str, Mapping[str, str]]] = {
    "aster": {
        "user": "Address of the wallet you log in with (0x...)",
        "private_key": "Private key of the API wallet",
    },
    "oanda": {"token": "Personal access token"},
    "tradier": {"access_token": "Access token"},
    "tastytrade": {"client_secret": "Client secret", "refresh_token": "Refresh token"},
}


def read_credentials(venue: str, file: Path | None) -> dict[str, Secret]:
    """Return what a trader would give for an account.

    Raises:
        ConfigurationError: there is nobody to prompt, or the file is not readable by its owner alone, or
            holds no JSON object of texts. The message repeats nothing of it.
    """
    if file is not None:
        text = sys.stdin.read(_MAX_BYTES) if file == STANDARD_INPUT else _read_private(file)
        return {name: Secret(value) for name, value in _parse(text, file).items()}
    if not sys.stdin.isatty():
        raise ConfigurationError("there is no terminal to ask at: give --credentials FILE, or - for input")
    return {name: Secret(getpass.getpass(f"{prompt}: ").strip()) for name, prompt in PROMPTS[venue].items()}


def write_back(file: Path | None, venue: str, credentials: Mapping[str, Secret]) -> Path:
    """Store credentials that the venue has rotated where they came from, else in a new file; return it.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    target = Path(f"{venue}-credentials.json") if file is None or file == STANDARD_INPUT else file
    text = json.dumps({name: secret.reveal() for name, secret in credentials.items()})
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(descriptor, _OWNER_ONLY)  # it may have been there before, for others to read
            stream.write(text)
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from None
    return target


def _read_private(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & _OTHERS:
                raise ConfigurationError(f"{file} can be read by others: run chmod 600 {file}")
            return stream.read(_MAX_BYTES).decode()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not text") from None


def _parse(text: str, file: Path) -> dict[str, str]:
    try:
        given: Any = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        where = "standard input" if file == STANDARD_INPUT else str(file)
        # The text is not repeated: it holds credentials.
        raise ConfigurationError(f"{where} is not a JSON object whose values are strings")
    return given
