"""What Aster says of an account: its money, its position mode, and the agents that may sign for it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sparky.domain.answers import Balance
from sparky.venues.aster.reading import (
    Unreadable,
    decimal,
    integer,
    list_of,
    mapping,
    milliseconds,
    moment,
    text,
)

_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
# The margin asset comes first that most symbols are settled in.
_CURRENCIES: Final = ("USDT", "USDF", "USDC", "USD1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent of a wallet. None stands for what Aster does not tell."""

    address: str
    may_trade: bool | None
    may_spot: bool | None
    may_withdraw: bool | None
    expires_at: datetime | None
    addresses: str


def read_time(body: Any) -> int:
    """Read the milliseconds of the venue's clock."""
    return milliseconds(mapping(body, "time"), "serverTime")


def read_balance(body: Any) -> Balance:
    """Read the money: of USDT, or of the first margin currency that the account has any of."""
    listed = [mapping(item, "balance") for item in list_of(body, "balances")]
    rows = {text(row, "asset"): row for row in listed}
    filled = [asset for asset, row in rows.items() if _cash(row)]
    currency = min(filled, key=_rank, default=_CURRENCIES[0])
    row = rows.get(currency)
    if row is None:
        return Balance(currency=currency, equity=Decimal(0), available=Decimal(0), cash=Decimal(0))
    cash = _cash(row)
    unrealized = decimal(row, "crossUnPnl")
    return Balance(
        currency=currency,
        equity=cash + unrealized,
        available=decimal(row, "availableBalance"),
        cash=cash,
        unrealized_pnl=unrealized,
    )


def _cash(row: Mapping[str, Any]) -> Decimal:
    # Documented as "balance"; clients of Aster have met the older "walletBalance" too.
    return decimal(row, "balance" if "balance" in row else "walletBalance")


def _rank(asset: str) -> tuple[int, str]:
    return (_CURRENCIES.index(asset) if asset in _CURRENCIES else len(_CURRENCIES), asset)


def read_mode(body: Any) -> bool:
    """Read whether the account holds long and short apart ("hedge mode")."""
    value = mapping(body, "mode").get("dualSidePosition")
    # The documentation shows a boolean and describes it as text.
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    raise Unreadable("aster.mode.dualSidePosition is neither true nor false")


def read_leverage(body: Any) -> int:
    """Read the leverage that holds now."""
    return integer(mapping(body, "leverage"), "leverage")


def read_agents(body: Any) -> Sequence[Agent]:
    """Read the agents of a wallet: a list, or an object with the list in it."""
    if isinstance(body, Mapping):
        inside = next(
            (body[name] for name in ("data", "agents", "rows") if isinstance(body.get(name), list)), None
        )
        body = [body] if inside is None else inside
    return [_read_agent(mapping(item, "agent")) for item in list_of(body, "agents")]


def _read_agent(source: Mapping[str, Any]) -> Agent:
    expired = source.get("expired")
    if isinstance(expired, str):
        expired = int(expired) if _MILLISECONDS.fullmatch(expired) else None
    listed = source.get("ipWhitelist")
    return Agent(
        address=text(source, "agentAddress").lower(),
        may_trade=_told(source, "canPerpTrade"),
        may_spot=_told(source, "canSpotTrade"),
        may_withdraw=_told(source, "canWithdraw"),
        expires_at=moment({"expired": expired}, "expired") if expired else None,
        addresses=listed.strip() if isinstance(listed, str) else "",
    )


def _told(source: Mapping[str, Any], name: str) -> bool | None:
    value = source.get(name)
    return value if isinstance(value, bool) else None
