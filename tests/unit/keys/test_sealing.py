import base64
import copy
import json
import pickle
import re
import traceback

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import assume, given
from hypothesis import strategies as st

from sparky.domain.errors import (
    CredentialsInvalid,
    MalformedSealError,
    SealError,
    UnknownKeyError,
    WrongContextError,
)
from sparky.domain.reasons import Reason
from sparky.keys.sealing import KeyRing, SealedBox, SealingContext, SealingKey, SealingPublicKey, seal
from sparky.keys.secret import Secret
from tests.unit.keys.rfc9180 import AES_128_GCM, AES_256_GCM, seal_base

USER = "6a0c7f3e-52d4-4f5b-9f5b-5d1c64c1c1aa"
CONTEXT = SealingContext(USER, "aster", "production")
FIELDS = {"api_key": "the-api-key", "api_secret": "the-api-secret"}
KEY = SealingKey.generate()
RING = KeyRing([KEY])
GOOD = seal(KEY.public, CONTEXT, FIELDS)
SEALED_BYTES = len(SealedBox.parse(GOOD).ciphertext)


def revealed(sealed: str, context: SealingContext = CONTEXT, ring: KeyRing = RING) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in ring.open(sealed, context).items()}


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_what_was_sealed_opens(fields: dict[str, str]) -> None:
    assert revealed(seal(KEY.public, CONTEXT, fields)) == fields


def test_sealing_twice_gives_different_texts_of_the_agreed_form() -> None:
    first, second = (seal(KEY.public, CONTEXT, FIELDS) for _ in range(2))
    assert first != second
    assert re.fullmatch(rf"sparky1\.{KEY.key_id}\.[A-Za-z0-9_-]+", first)


def test_the_key_id_is_made_of_the_public_key() -> None:
    public = SealingPublicKey(bytes(range(32)))
    assert public.key_id == "630dcd2966c43366"


def test_a_public_key_travels_as_text() -> None:
    text = KEY.public.to_text()
    assert len(text) == 43
    assert SealingPublicKey.from_text(text) == KEY.public


@pytest.mark.parametrize("text", ["", "AAAA", "!" * 43, "A" * 44, "A" * 42 + "B", "ä" * 43])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"public key"):
        SealingPublicKey.from_text(text)


@pytest.mark.parametrize(
    "other",
    [
        SealingContext("00000000-0000-0000-0000-000000000000", "aster", "production"),
        SealingContext(USER, "oanda", "production"),
        SealingContext(USER, "aster", "sandbox"),
    ],
)
def test_sealed_keys_do_not_open_elsewhere(other: SealingContext) -> None:
    with pytest.raises(WrongContextError, match=f"do not open for {other.exchange} {other.environment}"):
        RING.open(seal(KEY.public, CONTEXT, FIELDS), other)


@pytest.mark.parametrize("parts", [("", "a", "b"), ("u", "a|b", "c"), ("u", "a", "")])
def test_a_context_cannot_be_spelt_in_two_ways(parts: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="sealing context"):
        SealingContext(*parts)


def test_several_keys_open_while_they_are_rotated() -> None:
    old, new = SealingKey.generate(), SealingKey.generate()
    ring = KeyRing([old, new])
    assert ring.key_ids == (old.key_id, new.key_id)
    assert revealed(seal(old.public, CONTEXT, FIELDS), ring=ring) == FIELDS
    assert revealed(seal(new.public, CONTEXT, FIELDS), ring=ring) == FIELDS


def test_a_key_that_is_not_held_is_named() -> None:
    stranger = SealingKey.generate()
    with pytest.raises(UnknownKeyError, match=stranger.key_id):
        RING.open(seal(stranger.public, CONTEXT, FIELDS), CONTEXT)


def test_a_key_id_that_does_not_fit_the_ciphertext_does_not_open() -> None:
    other = SealingKey.generate()
    body = seal(other.public, CONTEXT, FIELDS).rpartition(".")[2]
    with pytest.raises(WrongContextError):
        RING.open(f"sparky1.{KEY.key_id}.{body}", CONTEXT)


@given(st.integers(0, SEALED_BYTES - 1), st.integers(0, 7))
def test_no_bit_can_be_changed(position: int, bit: int) -> None:
    # X25519 ignores the highest bit of the encapsulated key (RFC 7748, section 5).
    assume((position, bit) != (31, 7))
    altered = bytearray(SealedBox.parse(GOOD).ciphertext)
    altered[position] ^= 1 << bit
    with pytest.raises(WrongContextError):
        RING.open(SealedBox(KEY.key_id, bytes(altered)).to_text(), CONTEXT)


MALFORMED = {
    "empty": "",
    "never sealed": "plain api key",
    "version alone": "sparky1.",
    "no body": f"sparky1.{KEY.key_id}.",
    "short body": f"sparky1.{KEY.key_id}.AAAA",
    "other version": f"sparky2.{KEY.key_id}.{GOOD.rpartition('.')[2]}",
    "odd key id": f"sparky1.{KEY.key_id.upper()}X.{GOOD.rpartition('.')[2]}",
    "padded": GOOD + "=",
    "line end": GOOD + "\n",
    "leading space": " " + GOOD,
    "two at once": GOOD + "." + GOOD,
    "too long": f"sparky1.{KEY.key_id}.{'A' * 70_000}",
    "impossible length": f"sparky1.{KEY.key_id}.{'A' * 65}",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_sealed_text_is_malformed(text: str) -> None:
    with pytest.raises(MalformedSealError, match="save them again"):
        RING.open(text, CONTEXT)


@given(st.text())
def test_no_text_breaks_opening(text: str) -> None:
    with pytest.raises(SealError):
        RING.open(text, CONTEXT)


@pytest.mark.parametrize("plaintext", [b"not json the-api-secret", b"[]", b'{"a":1}', b"\xff", b"[" * 5000])
def test_sealed_content_that_is_not_fields_is_malformed_and_stays_hidden(plaintext: bytes) -> None:
    body = seal_base(
        AES_256_GCM,
        KEY.public.raw,
        X25519PrivateKey.generate(),
        info=CONTEXT.info(),
        aad=b"",
        plaintext=plaintext,
    )
    with pytest.raises(MalformedSealError) as caught:
        RING.open(SealedBox(KEY.key_id, body).to_text(), CONTEXT)
    assert "the-api-secret" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_no_error_shows_plaintext_sealed_text_or_keys() -> None:
    private = KEY.private_key().private_bytes_raw()
    hidden = {"the-api-secret", GOOD.rpartition(".")[2], private.hex(), base64.b64encode(private).decode()}
    elsewhere = SealingContext(USER, "oanda", "production")
    for text, context, ring in (
        (GOOD, elsewhere, RING),
        (GOOD, CONTEXT, KeyRing([])),
        (GOOD[:-5] + "!", CONTEXT, RING),
    ):
        with pytest.raises(SealError) as caught:
            ring.open(text, context)
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert not [secret for secret in hidden if secret in shown]
        assert caught.value.reason_code is Reason.CREDENTIALS_INVALID


def test_keys_and_boxes_do_not_show_themselves() -> None:
    private = KEY.private_key().private_bytes_raw()
    shown = f"{KEY!r} {RING!r} {SealedBox.parse(GOOD)!r}"
    assert KEY.key_id in shown
    assert repr(private) not in shown
    assert private.hex() not in shown
    assert GOOD.rpartition(".")[2] not in shown


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("the-api-secret")
    assert f"{secret} {secret!r} {secret:>40} {[secret]}".count("the-api-secret") == 0
    assert secret.reveal() == "the-api-secret"
    assert secret == Secret("the-api-secret")
    assert secret != Secret("another")
    assert secret != "the-api-secret"
    assert bool(secret)
    assert not Secret("")


def test_a_secret_is_not_written_out() -> None:
    secret = Secret("the-api-secret")
    for write in (pickle.dumps, copy.copy, json.dumps, hash):
        with pytest.raises(TypeError):
            write(secret)


def test_bad_keys_are_a_refusal_with_the_code_for_credentials() -> None:
    assert CredentialsInvalid("The venue says no.").reason_code is Reason.CREDENTIALS_INVALID


# RFC 9180, A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode, sequence number 0
RFC_RECIPIENT = bytes.fromhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")
RFC_EPHEMERAL = bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
RFC_ENC = "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"
RFC_CIPHERTEXT = "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"


def test_the_second_implementation_gives_the_vector_of_the_rfc() -> None:
    sealed = seal_base(
        AES_128_GCM,
        RFC_RECIPIENT,
        X25519PrivateKey.from_private_bytes(RFC_EPHEMERAL),
        info=b"Ode on a Grecian Urn",
        aad=b"Count-0",
        plaintext=b"Beauty is truth, truth beauty",
    )
    assert sealed.hex() == RFC_ENC + RFC_CIPHERTEXT


def test_what_the_second_implementation_seals_opens_here() -> None:
    plaintext = json.dumps(FIELDS).encode()
    sealed = seal_base(
        AES_256_GCM,
        KEY.public.raw,
        X25519PrivateKey.from_private_bytes(RFC_EPHEMERAL),
        info=f"sparky/v1|{USER}|aster|production".encode(),
        aad=b"",
        plaintext=plaintext,
    )
    assert revealed(SealedBox(KEY.key_id, sealed).to_text()) == FIELDS


def test_a_public_key_can_be_typed_as_an_argument() -> None:
    assert not any(SealingKey.generate().public.to_text().startswith("-") for _ in range(500))
