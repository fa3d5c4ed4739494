"""Identifiers that cannot be mistaken for one another, and the id of an order."""

import hashlib
from typing import Final, NewType

UserId = NewType("UserId", str)
AccountId = NewType("AccountId", str)
SignalId = NewType("SignalId", str)
ClientOrderId = NewType("ClientOrderId", str)
WorkerId = NewType("WorkerId", str)
Lane = NewType("Lane", str)

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PREFIX: Final = "sp"
_CHARACTERS: Final = 26
_BITS_PER_CHARACTER: Final = 5
_HASH_BITS: Final = 256


def client_order_id(signal_id: SignalId, leg: int) -> ClientOrderId:
    """Derive the id under which a venue knows one leg of a signal.

    The same signal and leg give the same bytes after any crash, so that an order can be looked up,
    and sent twice without being executed twice. The id is "sp" and 26 characters of Crockford base32:
    the first 130 bits of sha256("<signal uuid, lower case>/<leg>"). It fits every field of every venue.

    Raises:
        ValueError: `leg` is not a positive number.
    """
    if leg < 1:
        raise ValueError(f"legs are numbered from 1, not {leg}")
    digest = hashlib.sha256(f"{signal_id.lower()}/{leg}".encode("ascii")).digest()
    bits = int.from_bytes(digest, "big") >> (_HASH_BITS - _CHARACTERS * _BITS_PER_CHARACTER)
    characters = (
        _CROCKFORD[(bits >> (_BITS_PER_CHARACTER * place)) & 0b11111]
        for place in reversed(range(_CHARACTERS))
    )
    return ClientOrderId(_PREFIX + "".join(characters))
