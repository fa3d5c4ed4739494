"""Files of private sealing keys: PKCS #8 PEM, readable by their owner alone."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sparky.domain.errors import ConfigurationError
from sparky.keys.sealing import KeyRing, SealingKey

_OWNER_ONLY: Final = 0o600
_FORBIDDEN: Final = stat.S_IRWXG | stat.S_IRWXO
_FORBIDDEN_IN_CREDENTIALS: Final = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
_MAX_FILE_BYTES: Final = 16 * 1024


def generate_key_file(path: Path) -> SealingKey:
    """Draw a new key and write it to a new file of mode 0600.

    Raises:
        ConfigurationError: the file exists already, or cannot be written.
    """
    key = SealingKey.generate()
    text = key.private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        # O_EXCL: an existing key is never overwritten, because what is sealed to it would be lost.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already: choose another name for the new key.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return key


def load_key_file(path: Path, *, credentials_directory: Path | None = None) -> SealingKey:
    """Read one private key.

    A file below `credentials_directory` (systemd's $CREDENTIALS_DIRECTORY) may be readable by its group:
    systemd gives the service access by an ACL, which shows as such.

    Raises:
        ConfigurationError: the file is missing, open to others, or not an X25519 private key.
    """
    by_systemd = credentials_directory is not None and path.is_relative_to(credentials_directory)
    text = _read_private_file(path, _FORBIDDEN_IN_CREDENTIALS if by_systemd else _FORBIDDEN)
    try:
        private = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's message may quote the file.
        private = None
    if not isinstance(private, X25519PrivateKey):
        raise ConfigurationError(
            f"{path} does not hold an unencrypted X25519 private key in PEM form: "
            f"create one with `sparky keys generate`."
        )
    return SealingKey.from_private(private)


def load_key_ring(paths: Iterable[Path], *, credentials_directory: Path | None = None) -> KeyRing:
    """Read several private keys; all of them open, so that keys can be rotated.

    Raises:
        ConfigurationError: as `load_key_file`.
    """
    return KeyRing(load_key_file(path, credentials_directory=credentials_directory) for path in paths)


def _read_private_file(path: Path, forbidden: int) -> bytes:
    try:
        # The mode is asked of the open file: the path could be exchanged between asking and reading.
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & forbidden:
                raise ConfigurationError(
                    f"{path} is open to others (mode {mode:04o}): run `chmod 600 {path}`."
                )
            return file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(f"The sealing key file {path} cannot be read: {error.strerror}.") from None
