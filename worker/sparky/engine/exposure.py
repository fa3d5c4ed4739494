"""What is to be protected: what an entry has opened, or a position that is open already."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

import structlog

from sparky.domain.answers import NotSent, VenueOrder
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderRef
from sparky.domain.plan import Leg, Plan, Protection, Purpose
from sparky.domain.rules import exact_difference, exact_sum
from sparky.domain.work_order import Unprotected
from sparky.engine.in_hand import InHand, ref_of_order
from sparky.engine.open_account import OpenAccount

Answer = TypeVar("Answer")

# Some venues tell the price of a fill a moment later than the fill.
_TRIES: Final = 4

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A position, or the part of it that one entry has opened, with the price it was opened at."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    entry: OrderRef | None = None


async def exposed_by(hand: InHand, account: OpenAccount, leg: Leg, entry: VenueOrder) -> Exposed | None:
    """Return what an entry has opened; None where that is nothing.

    Raises:
        Ended: the venue does not tell at what price.
    """
    if not entry.filled_quantity:
        return None
    ref = hand.ref_of(leg, entry.venue_order_id or None)
    price = entry.average_price or await _ask_price(hand, account, leg.symbol, ref)
    return Exposed(symbol=leg.symbol, quantity=entry.filled_quantity, average_price=price, entry=ref)


async def exposed_position(
    hand: InHand, account: OpenAccount, plan: Plan, protection: Protection, done: Mapping[int, VenueOrder]
) -> Exposed | None:
    """Return what is left open of a position; None where nothing is.

    The plan's quantity is what is left when its closes have filled. What did not fill is left as well, but
    for what an order that still works will close.

    Raises:
        Ended: the venue does not tell.
    """
    symbol = plan.legs[0].symbol if plan.legs else hand.order.symbol
    left = protection.quantity
    for leg in (one for one in plan.legs if one.purpose is Purpose.CLOSE):
        order = done.get(leg.number)
        if left is not None and (order is None or order.state.is_terminal):
            filled = Decimal(0) if order is None else order.filled_quantity
            left = exact_sum(left, exact_difference(leg.quantity, filled))
    if left is not None and not left:
        return None
    held = await ask_at_any_age(hand, lambda: account.position(symbol))
    if held is None or held.side.closed_by is not protection.side_closed_by:
        return None
    # The venue may show what was closed a moment longer.
    quantity = held.quantity if left is None else min(left, held.quantity)
    return Exposed(symbol=symbol, quantity=quantity, average_price=held.entry_price)


async def unprotected_entry(
    hand: InHand, account: OpenAccount, unprotected: Unprotected, protection: Protection
) -> Exposed:
    """Return what an entry has opened that filled after its signal had ended.

    Raises:
        Ended: the venue does not tell at what price.
    """
    entry = unprotected.entry
    ref = ref_of_order(entry)
    price = entry.average_price or await _ask_price(hand, account, entry.symbol, ref)
    quantity = protection.quantity or entry.filled_quantity
    return Exposed(symbol=entry.symbol, quantity=quantity, average_price=price, entry=ref)


async def _ask_price(hand: InHand, account: OpenAccount, symbol: str, ref: OrderRef) -> Decimal:
    for tries in range(1, _TRIES + 1):
        seen = await ask_at_any_age(hand, lambda: account.find_order(ref))
        if seen is not None and seen.average_price:
            return seen.average_price
        await hand.pause(tries)
    held = await ask_at_any_age(hand, lambda: account.position(symbol))
    if held is not None and held.entry_price:
        return held.entry_price
    why = "the venue does not tell at what price it was filled, so its exits were not placed"
    raise hand.in_review(ref.client_order_id, why)


async def ask_at_any_age(hand: InHand, question: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until the venue answers, at any age of the signal: something is open without its exits."""
    since = hand.monotonic()
    failures = 0
    while True:
        try:
            return await question()
        except VenueUnavailable as error:
            failures += 1
            _log.warning("exposure_not_told", error=str(error), failures=failures)
            await hand.wait_to_retry(failures, NotSent(str(error)), since=since)
