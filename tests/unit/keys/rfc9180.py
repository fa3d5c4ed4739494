"""A second implementation of sealing, written from RFC 9180 sections 4 and 5 with plain primitives.

The RFC prints no vector for X25519 with AES-256-GCM. This is checked against the vector it prints for
AES-128-GCM, and then checks the worker's suite.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEM_X25519 = b"KEM" + (0x0020).to_bytes(2)
AES_128_GCM = 0x0001
AES_256_GCM = 0x0002
_KEY_BYTES = {AES_128_GCM: 16, AES_256_GCM: 32}
_MODE_BASE = b"\x00"


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2) + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labelled + b"\x01", "sha256")[:length]


def seal_base(
    aead: int,
    recipient: bytes,
    ephemeral: X25519PrivateKey,
    *,
    info: bytes,
    aad: bytes,
    plaintext: bytes,
) -> bytes:
    """Return the encapsulated key and the ciphertext."""
    enc = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    secret = _expand(
        KEM_X25519,
        _extract(KEM_X25519, b"", b"eae_prk", shared),
        b"shared_secret",
        enc + recipient,
        hashlib.sha256().digest_size,
    )
    suite = b"HPKE" + (0x0020).to_bytes(2) + (0x0001).to_bytes(2) + aead.to_bytes(2)
    context = (
        _MODE_BASE + _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    )
    scheduled = _extract(suite, secret, b"secret", b"")
    key = _expand(suite, scheduled, b"key", context, _KEY_BYTES[aead])
    nonce = _expand(suite, scheduled, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plaintext, aad)
