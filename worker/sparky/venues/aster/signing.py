"""The signature that Aster V3 asks for: EIP-712 over the parameter string, byte for byte as it is sent.

The scheme is Aster's "Authentication signature payload"
(https://github.com/asterdex/api-docs, V3, futures). Everything but the parameters is constant per
environment, so one signature is three short hashes and one point on the curve.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

from coincurve import PrivateKey

_CHAIN_IDS: Final[Mapping[str, int]] = {"production": 1666, "sandbox": 714}
_ADDRESS_BYTES: Final = 20
_WORD_BYTES: Final = 32
_V_OFFSET: Final = 27


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 digest, which is not SHA3-256."""
    # It parses C declarations as it is loaded, for a tenth of a second: `load` has that done early.
    from Crypto.Hash import keccak  # noqa: PLC0415

    return keccak.new(data=data, digest_bits=256).digest()


def _domain_separator(chain_id: int) -> bytes:
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    no_contract = bytes(_WORD_BYTES)
    return keccak256(
        keccak256(kind)
        + keccak256(b"AsterSignTransaction")
        + keccak256(b"1")
        + chain_id.to_bytes(_WORD_BYTES, "big")
        + no_contract
    )


@cache
def _head(environment: str) -> bytes:
    return b"\x19\x01" + _domain_separator(_CHAIN_IDS[environment])


@cache
def _message_kind() -> bytes:
    return keccak256(b"Message(string msg)")


def load() -> None:
    """Load what signing needs, so that the first signature does not wait for it."""
    _message_kind()


class AgentKey:
    """The private key of an agent. Printing it shows its address alone.

    Raises:
        ValueError: the bytes are no private key of secp256k1.
    """

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _WORD_BYTES:
            raise ValueError("not a private key")
        # coincurve's own error would be chained with the bytes in its frames.
        try:
            self._key = PrivateKey(secret)
        except ValueError:
            raise ValueError("not a private key") from None
        point = self._key.public_key.format(compressed=False)[1:]
        self.address: Final = "0x" + keccak256(point)[-_ADDRESS_BYTES:].hex()

    def __repr__(self) -> str:
        return f"AgentKey({self.address})"

    def sign(self, environment: str, message: str) -> str:
        """Return the signature of a parameter string: 65 bytes r, s, v in hex with 0x."""
        digest = keccak256(_head(environment) + keccak256(_message_kind() + keccak256(message.encode())))
        signature = self._key.sign_recoverable(digest, hasher=None)
        return f"0x{signature[:-1].hex()}{signature[-1] + _V_OFFSET:02x}"
