"""Sealed credentials: HPKE (RFC 9180) to the worker's public key, bound to trader, venue, environment.

Base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM. The context is HPKE's `info`,
so a sealed text that is moved to another trader, venue or environment does not open.

Text form: "sparky1." + key id + "." + base64url without padding (encapsulated key, then ciphertext).
The key id is the first 16 hex characters of sha256(raw public key).
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from sparky.domain.errors import ConfigurationError, MalformedSealError, UnknownKeyError, WrongContextError
from sparky.keys.secret import Secret

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_FORM: Final = re.compile(r"sparky1\.([0-9a-f]{16})\.([A-Za-z0-9_-]+)", re.ASCII)
_RAW_KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16
_KEY_ID_CHARACTERS: Final = 16
_MAX_TEXT_CHARACTERS: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class SealingContext:
    """Whose credentials they are, and for where.

    Raises:
        ValueError: a part is empty or holds the separator.
    """

    user_id: str
    exchange: str
    environment: str

    def __post_init__(self) -> None:
        for part in (self.user_id, self.exchange, self.environment):
            if not part or "|" in part:
                raise ValueError("the parts of a sealing context are not empty and hold no '|'")

    def info(self) -> bytes:
        """Return the bytes that HPKE binds the ciphertext to."""
        return f"sparky/v1|{self.user_id}|{self.exchange}|{self.environment}".encode()


@dataclass(frozen=True, slots=True)
class SealingPublicKey:
    """What the browser needs to seal: 32 raw bytes of X25519, as base64url text outside."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != _RAW_KEY_BYTES:
            raise ValueError(f"an X25519 public key has {_RAW_KEY_BYTES} bytes, not {len(self.raw)}")

    @property
    def key_id(self) -> str:
        """Return the first 16 hex characters of sha256(raw public key)."""
        return hashlib.sha256(self.raw).hexdigest()[:_KEY_ID_CHARACTERS]

    def to_text(self) -> str:
        """Return the key as base64url without padding."""
        return base64.urlsafe_b64encode(self.raw).rstrip(b"=").decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> "SealingPublicKey":
        """Read what `to_text` wrote.

        Raises:
            ValueError: it is not base64url of 32 bytes.
        """
        try:
            return cls(_decode_base64url(text))
        except binascii.Error:
            raise ValueError("a sealing public key is base64url text without padding") from None


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The worker's private key. It never shows itself."""

    public: SealingPublicKey
    _private: X25519PrivateKey = field(repr=False, compare=False)

    @property
    def key_id(self) -> str:
        return self.public.key_id

    @classmethod
    def generate(cls) -> "SealingKey":
        """Draw a new key. The text of its public half never begins with a dash, as an option would."""
        while True:
            key = cls.from_private(X25519PrivateKey.generate())
            if not key.public.to_text().startswith("-"):
                return key

    @classmethod
    def from_private(cls, private: X25519PrivateKey) -> "SealingKey":
        """Wrap a private key."""
        return cls(SealingPublicKey(private.public_key().public_bytes_raw()), private)

    def private_key(self) -> X25519PrivateKey:
        """Return the private key itself, for writing it to its file and for opening."""
        return self._private


@dataclass(frozen=True, slots=True)
class SealedBox:
    """A sealed text, taken apart: which key opens it, and the bytes to open."""

    key_id: str
    ciphertext: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "SealedBox":
        """Take a sealed text apart.

        Raises:
            MalformedSealError: it is not of the form that sealing produces.
        """
        match = _FORM.fullmatch(text) if len(text) <= _MAX_TEXT_CHARACTERS else None
        if match is None:
            raise MalformedSealError(
                "The stored exchange keys are not in sealed form (sparky1.<key id>.<data>): save them again."
            )
        try:
            ciphertext = _decode_base64url(match[2])
        except binascii.Error:
            raise MalformedSealError("The stored exchange keys are damaged: save them again.") from None
        if len(ciphertext) <= _RAW_KEY_BYTES + _TAG_BYTES:
            raise MalformedSealError("The stored exchange keys are cut short: save them again.")
        return cls(match[1], ciphertext)

    def to_text(self) -> str:
        """Return the sealed text."""
        data = base64.urlsafe_b64encode(self.ciphertext).rstrip(b"=").decode("ascii")
        return f"sparky1.{self.key_id}.{data}"


def seal(public_key: SealingPublicKey, context: SealingContext, fields: Mapping[str, str]) -> str:
    """Seal credential fields for one trader, venue and environment. Sealing twice gives different texts."""
    plaintext = json.dumps(dict(fields), ensure_ascii=False, separators=(",", ":")).encode()
    recipient = X25519PublicKey.from_public_bytes(public_key.raw)
    return SealedBox(public_key.key_id, _SUITE.encrypt(plaintext, recipient, context.info())).to_text()


class KeyRing:
    """The private keys that a worker holds, the active one first; several are live while they are rotated."""

    def __init__(self, keys: Iterable[SealingKey]) -> None:
        self._keys = {key.key_id: key for key in keys}

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys) or 'empty'})"

    @property
    def key_ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def seal(self, context: SealingContext, fields: Mapping[str, Secret]) -> str:
        """Seal credential fields to the active key.

        Raises:
            ConfigurationError: there is no key on this ring.
        """
        active = next(iter(self._keys.values()), None)
        if active is None:
            raise ConfigurationError("There is no sealing key: name one in sealing_key_files.")
        return seal(active.public, context, {name: secret.reveal() for name, secret in fields.items()})

    def open(self, sealed: str, context: SealingContext) -> Mapping[str, Secret]:
        """Open sealed credentials.

        Raises:
            MalformedSealError: the text is not sealed text, or does not hold credential fields.
            UnknownKeyError: it is sealed to a key that is not on this ring.
            WrongContextError: it was sealed for another context, or altered.
        """
        box = SealedBox.parse(sealed)
        key = self._keys.get(box.key_id)
        if key is None:
            raise UnknownKeyError(
                f"The exchange keys are sealed to key {box.key_id}, which this worker does not hold: "
                f"give it that key file, or save the exchange keys again."
            )
        try:
            plaintext = _SUITE.decrypt(box.ciphertext, key.private_key(), context.info())
        except (InvalidTag, ValueError):
            raise WrongContextError(
                f"The exchange keys do not open for {context.exchange} {context.environment} of this trader: "
                f"they were sealed for another trader, exchange or environment, or altered. Save them again."
            ) from None
        return read_fields(plaintext)


def read_fields(plaintext: str | bytes) -> Mapping[str, Secret]:
    """Read the credential fields that opened or plain keys hold.

    Raises:
        MalformedSealError: it is not a JSON object of texts.
    """
    problem = "The stored exchange keys do not hold a JSON object of texts: save them again."
    try:
        value: Any = json.loads(plaintext)
    except (ValueError, RecursionError):
        # The decoder's error carries the document: it must not be chained.
        raise MalformedSealError(problem) from None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise MalformedSealError(problem)
    return {name: Secret(text) for name, text in value.items()}


def _decode_base64url(text: str) -> bytes:
    raw = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    # Several texts decode to the same bytes when unused bits are set: only the canonical one counts.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != text:
        raise binascii.Error("not canonical")
    return raw
