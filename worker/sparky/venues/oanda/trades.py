"""Open trades: OANDA keeps each entry apart, and binds exits to it.

Fields: https://developer.oanda.com/rest-live-v20/trade-df.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from sparky.domain import fields
from sparky.domain.orders import PositionSide, Side
from sparky.venues.oanda.account import Account
from sparky.venues.oanda.client import OandaClient
from sparky.venues.oanda.errors import NO_SUCH_TRADE
from sparky.venues.oanda.parse import understanding
from sparky.venues.oanda.symbols import from_venue
from sparky.venues.oanda.transactions import side_of

_PLACE: Final = "trade"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One entry: `units` are open now, `first_units` were at first."""

    trade_id: str
    symbol: str
    side: PositionSide
    units: Decimal
    first_units: Decimal


async def find_trade(client: OandaClient, account: Account, specifier: str) -> Trade | None:
    """Return a trade, open or closed, by its id or by `@` and its client id; None if OANDA shows none.

    Raises:
        VenueUnavailable: no answer in OANDA's language.
        CredentialsInvalid: the token is not let in.
    """
    answer = await client.ask(account.login, account.path(f"trades/{quote(specifier, safe='@')}"))
    if answer.code in NO_SUCH_TRADE:
        return None
    with understanding("trade"):
        return _read(fields.present(answer.body, "trade", _PLACE))


async def open_trades(client: OandaClient, account: Account) -> dict[str, Trade]:
    """Return all trades that are open, by their ids. Raises as `find_trade`."""
    answer = await client.ask(account.login, account.path("openTrades"))
    with understanding("list of trades"):
        trades = [_read(one) for one in fields.items(answer.body, "trades", _PLACE)]
    return {one.trade_id: one for one in trades}


def _read(value: Any) -> Trade:
    source: Mapping[str, Any] = fields.mapping(value, _PLACE)
    first = fields.decimal(source, "initialUnits", _PLACE)
    return Trade(
        trade_id=fields.text(source, "id", _PLACE),
        symbol=from_venue(fields.text(source, "instrument", _PLACE)),
        side=PositionSide.LONG if side_of(first) is Side.BUY else PositionSide.SHORT,
        units=abs(fields.decimal(source, "currentUnits", _PLACE)),
        first_units=abs(first),
    )
