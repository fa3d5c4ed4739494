"""What a trader gives for a paper account: a key of his own making, and the terms of the simulation."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from sparky.domain.errors import CredentialsInvalid
from sparky.keys.secret import Secret

_KEY_LENGTH: Final = 16
_TERMS: Final = frozenset(
    {
        "api_key",
        "starting_balance",
        "slippage_percent",
        "fee_percent",
        "latency_ms",
        "max_leverage",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTerms:
    """Terms of one paper account. Percent of price and of notional; latency is added to each order."""

    key_hash: str = field(repr=False)
    starting_balance: Decimal
    slippage_percent: Decimal
    fee_percent: Decimal
    latency_ms: Decimal
    max_leverage: Decimal


def read_terms(credentials: Mapping[str, Secret]) -> PaperTerms:
    """Read the credential fields of a paper account.

    Raises:
        CredentialsInvalid: a field is missing, unknown or out of range.
    """
    unknown = sorted(set(credentials) - _TERMS)
    if unknown:
        raise CredentialsInvalid(f"A paper account has no field {unknown[0][:40]!r}.")
    key = credentials.get("api_key")
    if key is None or len(key.reveal()) < _KEY_LENGTH:
        raise CredentialsInvalid(
            f"A paper account needs an api_key of at least {_KEY_LENGTH} characters; choose any."
        )
    return PaperTerms(
        key_hash=hashlib.sha256(key.reveal().encode()).hexdigest(),
        starting_balance=_number(credentials, "starting_balance", "100000", "1000000000"),
        slippage_percent=_number(credentials, "slippage_percent", "0", "10"),
        fee_percent=_number(credentials, "fee_percent", "0", "10"),
        latency_ms=_number(credentials, "latency_ms", "0", "2000"),
        max_leverage=_number(credentials, "max_leverage", "10", "1000"),
    )


def _number(credentials: Mapping[str, Secret], name: str, default: str, most: str) -> Decimal:
    given = credentials.get(name)
    try:
        value = Decimal(default if given is None else given.reveal())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= Decimal(most):
        raise CredentialsInvalid(f"The paper account's {name} must be a number from 0 to {most}.")
    return value
