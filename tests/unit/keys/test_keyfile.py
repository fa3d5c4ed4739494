import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sparky.domain.errors import ConfigurationError
from sparky.keys.keyfile import generate_key_file, load_key_file, load_key_ring
from sparky.keys.sealing import SealingContext, seal


def write_private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_a_new_key_file_is_private_and_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "sealing_key.pem"
    key = generate_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert load_key_file(path).public == key.public


def test_an_existing_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "sealing_key.pem"
    before = generate_key_file(path)
    with pytest.raises(ConfigurationError, match="exists already"):
        generate_key_file(path)
    assert load_key_file(path).public == before.public


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "key.pem"
    with pytest.raises(ConfigurationError, match="nowhere"):
        generate_key_file(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_key_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    generate_key_file(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"mode {mode:04o}.*chmod 600"):
        load_key_file(path)


def test_in_the_credentials_directory_of_systemd_the_group_may_read(tmp_path: Path) -> None:
    path = tmp_path / "sealing_key"
    key = generate_key_file(path)
    path.chmod(0o440)
    assert load_key_file(path, credentials_directory=tmp_path).public == key.public
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_key_file(path, credentials_directory=tmp_path / "other")


@pytest.mark.parametrize("mode", [0o604, 0o460, 0o450])
def test_in_the_credentials_directory_nobody_else_may_do_more(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "sealing_key"
    generate_key_file(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="open to others"):
        load_key_file(path, credentials_directory=tmp_path)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.pem cannot be read"):
        load_key_file(tmp_path / "absent.pem")


CONTENTS = [
    b"",
    b"not a key: 0123456789abcdef",
    Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    X25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw")
    ),
    b"-----BEGIN PRIVATE KEY-----\n0123456789abcdef\n-----END PRIVATE KEY-----\n",
]


@pytest.mark.parametrize("content", CONTENTS, ids=["empty", "text", "ed25519", "encrypted", "damaged"])
def test_what_is_no_private_sealing_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = write_private(tmp_path / "key.pem", content)
    with pytest.raises(ConfigurationError, match="sparky keys generate") as caught:
        load_key_file(path)
    assert "0123456789abcdef" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_ring_of_several_files_opens_what_was_sealed_to_each(tmp_path: Path) -> None:
    context = SealingContext("user", "paper", "paper")
    paths = [tmp_path / name for name in ("old.pem", "new.pem")]
    keys = [generate_key_file(path) for path in paths]
    ring = load_key_ring(paths)
    for key in keys:
        assert ring.open(seal(key.public, context, {"k": "v"}), context)["k"].reveal() == "v"
