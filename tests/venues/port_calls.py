"""Every method of the port, called with something sensible: for tests that go through all of them."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from sparky.domain.orders import ExitKind
from sparky.venues.base import VenueAdapter
from tests.venues.harness import Harness, allow
from tests.venues.subjects import Subject

Call = Callable[[VenueAdapter, Harness, int], Awaitable[Any]]
"""Calls an adapter about the first trader of a harness; the number makes client ids of the call's own."""

WRITES: Final = frozenset({"submit", "submit a limit", "submit with exits", "place exits", "cancel"})
_ENTRY: Final = 1


async def prepare(venue: Harness, number: int = _ENTRY) -> None:
    """Open a position, once for all calls."""
    await venue.enter(number)


async def clear_away(venue: Harness) -> None:
    """Cancel what works, so that nothing speaks for the position."""
    for order in await venue.adapter.open_orders(venue.access, venue.symbol):
        ref = venue.ref(venue.order(_ENTRY), order.venue_order_id)
        await venue.adapter.cancel(venue.access, ref, allow)


def calls(venue: type[Harness]) -> Mapping[str, Call]:
    """Return the calls that the venue can do, by name."""
    cannot = venue.cannot
    found = dict(_ALWAYS)
    if Subject.LIMIT not in cannot:
        found |= {"submit a limit": _submit_limit, "cancel": _cancel}
    if Subject.ATTACHED_EXITS not in cannot:
        found["submit with exits"] = _submit_with_exits
    if Subject.SEPARATE_EXITS not in cannot:
        found["place exits"] = _place_exits
    if Subject.LEVERAGE not in cannot:
        found["set leverage"] = lambda adapter, one, _: adapter.set_leverage(one.access, one.symbol, 3)
    if Subject.OPTIONS not in cannot:
        found |= {"expirations": _expirations, "option chain": _chain}
    return found


async def _submit(adapter: VenueAdapter, venue: Harness, number: int) -> Any:
    return await adapter.submit(venue.access, venue.order(number), allow)


async def _submit_limit(adapter: VenueAdapter, venue: Harness, number: int) -> Any:
    return await adapter.submit(venue.access, venue.resting(number), allow)


async def _submit_with_exits(adapter: VenueAdapter, venue: Harness, number: int) -> Any:
    entry_type = min(venue.adapter.capabilities.attached_exits)
    exits = (venue.leg(ExitKind.STOP_LOSS, number + 1, -20),)
    return await adapter.submit(venue.access, venue.typed(entry_type, number, exits=exits), allow)


async def _place_exits(adapter: VenueAdapter, venue: Harness, number: int) -> Any:
    legs = [venue.leg(ExitKind.TAKE_PROFIT, number), venue.leg(ExitKind.STOP_LOSS, number + 1)]
    return await adapter.place_exits(venue.access, venue.exits(*legs, entry=venue.order(_ENTRY)), allow)


async def _cancel(adapter: VenueAdapter, venue: Harness, number: int) -> Any:
    resting = await venue.marked(venue.resting(number))
    await venue.submit(resting)
    return await adapter.cancel(venue.access, venue.ref(resting), allow)


async def _find(adapter: VenueAdapter, venue: Harness, number: int) -> Any:
    del number
    return await adapter.find_order(venue.access, venue.ref(venue.order(_ENTRY)))


async def _fills(adapter: VenueAdapter, venue: Harness, number: int) -> Any:
    del number
    return await adapter.fills(venue.access, venue.symbol, venue.time.now() - timedelta(hours=1))


async def _expirations(adapter: VenueAdapter, venue: Harness, number: int) -> Any:
    del number
    return await adapter.expirations(venue.access, venue.underlying)


async def _chain(adapter: VenueAdapter, venue: Harness, number: int) -> Any:
    del number
    days = await venue.adapter.expirations(venue.access, venue.underlying)
    return await adapter.option_chain(venue.access, venue.underlying, days[0])


_ALWAYS: Final[Mapping[str, Call]] = {
    "validate": lambda adapter, venue, _: adapter.validate(venue.access),
    "balance": lambda adapter, venue, _: adapter.balance(venue.access),
    "rules": lambda adapter, venue, _: adapter.rules(venue.access, venue.symbol),
    "quote": lambda adapter, venue, _: adapter.quote(venue.access, venue.symbol),
    "bookmark": lambda adapter, venue, _: adapter.bookmark(venue.access),
    "position": lambda adapter, venue, _: adapter.position(venue.access, venue.symbol),
    "positions": lambda adapter, venue, _: adapter.positions(venue.access),
    "open orders": lambda adapter, venue, _: adapter.open_orders(venue.access),
    "fills": _fills,
    "find an order": _find,
    "submit": _submit,
}
