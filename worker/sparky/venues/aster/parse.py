"""Aster's answers in our types. Amounts travel as text; what is not of Aster's language is Unreadable."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sparky.domain.answers import AccountFill, Fill, VenueOrder, VenuePosition
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderState, PositionSide, Side
from sparky.domain.reasons import Reason
from sparky.venues.aster.reading import (
    Unreadable,
    decimal,
    integer,
    list_of,
    mapping,
    moment,
    optional_decimal,
    text,
)
from sparky.venues.aster.symbols import from_venue

_STATES: Final[Mapping[str, OrderState]] = {
    "NEW": OrderState.WORKING,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "REJECTED": OrderState.REFUSED,
    # A market or IOC order may end so with a part of it filled, which `filled_quantity` tells.
    "EXPIRED": OrderState.EXPIRED,
    # Not documented for Aster, whose engine prevents trades with oneself as the one does that has this.
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
_OURS: Final = re.compile(r"sp[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)
_SIDES: Final[Mapping[str, Side]] = {"BUY": Side.BUY, "SELL": Side.SELL}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAnswer:
    """An order, with what its fills are looked up by. `created_at` is missing in answers to writes."""

    order: VenueOrder
    symbol: str
    created_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One execution, with the number of its order."""

    order_id: str
    symbol: str
    side: Side
    fill: Fill
    realized_pnl: Decimal | None
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPosition:
    """A position, and the price by which Aster values it."""

    position: VenuePosition
    mark_price: Decimal | None


def read_order(body: Any) -> OrderAnswer:
    """Read an order."""
    source = mapping(body, "order")
    state = _STATES.get(text(source, "status"))
    side = _SIDES.get(text(source, "side"))
    if state is None or side is None:
        raise Unreadable("aster.order.status or side has a value that is not known")
    filled = decimal(source, "executedQty")
    # An order that closes whatever is open has no quantity of its own until it fires.
    quantity = max(decimal(source, "origQty"), filled)
    price = optional_decimal(source, "avgPrice")
    symbol = from_venue(text(source, "symbol"))
    rejected = state is OrderState.REFUSED
    return OrderAnswer(
        order=VenueOrder(
            client_order_id=_ours(source.get("clientOrderId")),
            venue_order_id=str(integer(source, "orderId")),
            state=state,
            quantity=quantity,
            filled_quantity=filled,
            average_price=price if price and filled else None,
            reason_code=Reason.VENUE_REFUSED if rejected else None,
            reason="Aster's engine rejected the order after it was taken" if rejected else None,
            symbol=symbol,
            side=side,
        ),
        symbol=symbol,
        created_at=moment(source, "time") if source.get("time") is not None else None,
        updated_at=moment(source, "updateTime"),
    )


def _ours(client_order_id: Any) -> ClientOrderId | None:
    # Aster makes an id up for an order that comes without, such as "web_...".
    if isinstance(client_order_id, str) and _OURS.fullmatch(client_order_id):
        return ClientOrderId(client_order_id)
    return None


def read_orders(body: Any) -> Sequence[OrderAnswer]:
    """Read a list of orders."""
    return [read_order(item) for item in list_of(body, "orders")]


def read_trades(body: Any) -> Sequence[Trade]:
    """Read a list of executions."""
    return [_read_trade(mapping(item, "trade")) for item in list_of(body, "trades")]


def _read_trade(source: Mapping[str, Any]) -> Trade:
    side = _SIDES.get(text(source, "side"))
    if side is None:
        raise Unreadable("aster.trade.side has a value that is not known")
    commission = decimal(source, "commission")
    number = integer(source, "id")
    return Trade(
        order_id=str(integer(source, "orderId")),
        symbol=from_venue(text(source, "symbol")),
        side=side,
        number=number,
        realized_pnl=optional_decimal(source, "realizedPnl"),
        fill=Fill(
            # Aster numbers executions per symbol.
            venue_fill_id=f"{text(source, 'symbol')}-{number}",
            price=decimal(source, "price"),
            quantity=decimal(source, "qty"),
            # A cost is below zero here. A taker never earns, so that his is a cost whatever its sign.
            fee=-commission if source.get("maker") is True else abs(commission),
            fee_currency=text(source, "commissionAsset"),
            filled_at=moment(source, "time"),
        ),
    )


def account_fill(trade: Trade, client_order_id: str | None, pnl_currency: str | None) -> AccountFill:
    """Return an execution as one of the account."""
    return AccountFill(
        fill=trade.fill,
        symbol=trade.symbol,
        side=trade.side,
        venue_order_id=trade.order_id,
        client_order_id=None if client_order_id is None else ClientOrderId(client_order_id),
        realized_pnl=trade.realized_pnl,
        pnl_currency=pnl_currency,
    )


def read_positions(body: Any) -> Sequence[OpenPosition]:
    """Read what is open. Aster lists every symbol, most of them with nothing."""
    found = [_read_position(mapping(item, "position")) for item in list_of(body, "positions")]
    return [position for position in found if position is not None]


def _read_position(source: Mapping[str, Any]) -> OpenPosition | None:
    amount = decimal(source, "positionAmt")
    named = text(source, "positionSide")
    if named not in {"BOTH", "LONG", "SHORT"}:
        raise Unreadable("aster.position.positionSide has a value that is not known")
    if not amount:
        return None
    short = named == "SHORT" or (named == "BOTH" and amount < 0)
    mark = optional_decimal(source, "markPrice")
    return OpenPosition(
        position=VenuePosition(
            symbol=from_venue(text(source, "symbol")),
            side=PositionSide.SHORT if short else PositionSide.LONG,
            quantity=abs(amount),
            entry_price=decimal(source, "entryPrice"),
            unrealized_pnl=optional_decimal(source, "unRealizedProfit"),
        ),
        mark_price=mark or None,
    )
