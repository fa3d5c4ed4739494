"""The orders of a round trip: as small as the venue allows, and told in words."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_UP, Context, Decimal
from typing import Final

from sparky.domain.answers import Accepted, NotSent, Outcome, Refused, VenueOrder
from sparky.domain.identifiers import ClientOrderId, SignalId, client_order_id
from sparky.domain.orders import ExitKind, ExitLeg, OrderRequest, OrderType, Side, TimeInForce
from sparky.domain.rules import InstrumentRules, exact_product, round_up_to_step
from sparky.runtime.seams import RandomSource

_SEED_DIGITS: Final = 32
_BELOW: Final = Decimal("0.8")
_ABOVE: Final = Decimal("1.2")
_SLACK: Final = Decimal("1.05")
_UP: Final = Context(prec=28, rounding=ROUND_UP)


def allow() -> None:
    """Permit a write: a person has asked for all of them."""


class Ids:
    """Client ids of one run."""

    def __init__(self, random: RandomSource) -> None:
        self._seed = SignalId(random.hexadecimal(_SEED_DIGITS))
        self._used = 0

    def next(self) -> ClientOrderId:
        """Return a new one."""
        self._used += 1
        return client_order_id(self._seed, self._used)


def size_for(rules: InstrumentRules, price: Decimal) -> Decimal:
    """Return the smallest size that is enough even for a limit far below `price`."""
    value = exact_product(rules.min_notional, _SLACK)
    least = max(rules.smallest_quantity, _UP.divide(value, exact_product(price, _BELOW)))
    if rules.min_market_quantity is not None:
        least = max(least, rules.min_market_quantity)
    step = rules.market_quantity_step or rules.quantity_step
    return round_up_to_step(round_up_to_step(least, rules.quantity_step), step)


def far_limit(market: OrderRequest, price: Decimal) -> OrderRequest:
    """Return the order as a limit that does not fill soon."""
    limit = exact_product(price, _BELOW if market.side is Side.BUY else _ABOVE)
    return replace(market, order_type=OrderType.LIMIT, limit_price=limit, time_in_force=TimeInForce.GTC)


def exits_around(ids: Ids, price: Decimal) -> tuple[ExitLeg, ExitLeg]:
    """Return a target and a stop for a long position, both far away."""
    return (
        ExitLeg(client_order_id=ids.next(), kind=ExitKind.TAKE_PROFIT, price=exact_product(price, _ABOVE)),
        ExitLeg(client_order_id=ids.next(), kind=ExitKind.STOP_LOSS, price=exact_product(price, _BELOW)),
    )


def describe(outcome: Outcome) -> str:
    """Return an outcome in words."""
    if isinstance(outcome, Accepted):
        return f"Accepted: {describe_order(outcome.order)}."
    if isinstance(outcome, Refused):
        code = f" [{outcome.venue_code}]" if outcome.venue_code else ""
        return f"Refused{code}: {outcome.reason}"
    return f"{'Not sent' if isinstance(outcome, NotSent) else 'In doubt'}: {outcome.reason}"


def describe_order(order: VenueOrder) -> str:
    """Return an order in words."""
    text = f"order {order.venue_order_id} is {order.state}"
    if order.average_price is not None and order.filled_quantity:
        text += f", {order.filled_quantity:f} at {order.average_price:f}"
    return f"{text}: {order.reason}" if order.reason else text


def describe_orders(orders: Sequence[VenueOrder]) -> str:
    """Return orders in words."""
    return "; ".join(map(describe_order, orders)) or "none"
