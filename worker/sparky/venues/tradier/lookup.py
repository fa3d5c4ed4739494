"""Orders found again: by id, or by their tag in the lists that Tradier keeps.

The list of orders covers the current day in New York only, which has been measured on the sandbox: minutes
after midnight there the orders of the day before were gone from it. Older ones are asked for with
`filter=all&start=&end=`, over at most a month. A list comes in pages of 25 by default.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sparky.domain.answers import VenueOrder
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderRef
from sparky.runtime.seams import Clock
from sparky.venues.cached import Cached
from sparky.venues.tradier import parse
from sparky.venues.tradier.client import TradierClient, account_path
from sparky.venues.tradier.credentials import Login
from sparky.venues.tradier.errors import Kind, question_failed, says_no_such_order
from sparky.venues.tradier.parse import Raw, Seen
from sparky.venues.tradier.reading import read

MOST_DAYS: Final = 30
_OLDER_SECONDS: Final = 60.0
_MOST_PAGES: Final = 40
_TAGS: Final = {"includeTags": "true"}
# New York is one of these behind UTC; which one does not matter where both give the same day.
_OFFSETS: Final = (timedelta(hours=4), timedelta(hours=5))
# How long a failed order service may take to say what became of an order, and how long after its first try a
# close whose exits were in its way may show up again.
_UNDECIDED: Final = timedelta(seconds=30)
_MARGIN: Final = timedelta(hours=1)


Listed = Mapping[str, Raw]


class OrderBook:
    """Reads an account's orders."""

    def __init__(self, client: TradierClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._older: Cached[tuple[str, str, str], Listed] = Cached(_OLDER_SECONDS, clock)

    async def find(self, login: Login, number: str, ref: OrderRef) -> VenueOrder | None:
        """Return the order of a reference; None if Tradier shows none, in every list that could hold it.

        Raises:
            VenueUnavailable: Tradier did not answer, or the order is older than its lists go back.
        """
        if ref.venue_order_id is not None:
            seen = await self.one(login, number, ref.venue_order_id.partition(":")[0])
            found = None if seen is None else pick([seen], ref)
            if found is not None:
                return self._decided(found)
        found = pick(_concerned(await self._today(login, number), ref), ref)
        if found is None and self._may_be_earlier(ref.sent_at):
            found = pick(_concerned(await self._around(login, number, ref.sent_at), ref), ref)
        return None if found is None else self._decided(found)

    async def one(self, login: Login, number: str, order_id: str) -> Seen | None:
        """Return an order by Tradier's id; None if Tradier says that the account has none of that id.

        Tradier answers 401 "Unauthorized Account" for such an id, so only a list proves that it is absent.
        """
        if not order_id.isdigit():
            return None
        path = account_path(number, f"/orders/{order_id}")
        heard = await self._client.hear(login, path, _TAGS)
        if says_no_such_order(heard):
            return None
        if heard.kind is not Kind.GOOD:
            raise question_failed(heard, f"GET {path}")
        return read(parse.read_one, heard.answer, "an order")

    async def recent(self, login: Login, number: str, *, fresh: bool = False) -> Sequence[Seen]:
        """Return the orders of the last 29 days, oldest first; those of earlier days as of a minute ago.

        Earlier orders may work still, or be executed today. They are read seldom, as Tradier asks; `fresh`
        reads them now.
        """
        key = (login.environment, login.fingerprint, number)
        if fresh:
            self._older.forget(key)
        begin = self._clock.now() - timedelta(days=MOST_DAYS - 1) + _MARGIN
        older = await self._older.get(key, lambda: self._around(login, number, begin))
        raw = {**older, **await self._today(login, number)}
        orders = read(parse.read_orders, raw.values(), "the orders")
        return sorted(orders, key=lambda one: (one.created, int(one.order_id)))

    async def _today(self, login: Login, number: str) -> Listed:
        return await self._pages(login, number, {})

    async def _around(self, login: Login, number: str, moment: datetime) -> Listed:
        now = self._clock.now()
        if now - moment > timedelta(days=MOST_DAYS - 1):
            raise VenueUnavailable(
                f"Tradier lists the orders of the last {MOST_DAYS} days, and {moment:%Y-%m-%d} is longer "
                "ago: it cannot tell. Look into the account's history there."
            )
        span = {
            "filter": "all",
            "start": (moment - timedelta(days=1)).date().isoformat(),
            "end": now.date().isoformat(),
        }
        return await self._pages(login, number, span)

    async def _pages(self, login: Login, number: str, span: Mapping[str, str]) -> Listed:
        path = account_path(number, "/orders")
        orders: dict[str, Raw] = {}
        for page in range(1, _MOST_PAGES + 1):
            answer = await self._client.ask(login, path, {**_TAGS, **span, "page": str(page)})
            known = len(orders)
            orders |= dict(read(parse.read_page, answer, "the orders"))
            # A short page need not be the last one: only a page with nothing new ends the list.
            if len(orders) == known:
                return orders
        raise VenueUnavailable(f"Tradier's list of orders goes on after {_MOST_PAGES} pages.")

    def _may_be_earlier(self, moment: datetime) -> bool:
        now = self._clock.now()
        return any((moment - offset).date() != (now - offset).date() for offset in _OFFSETS)

    def _decided(self, found: tuple[Seen, VenueOrder]) -> VenueOrder:
        seen, order = found
        is_new = self._clock.now() - seen.created < _UNDECIDED
        if is_new and seen.is_bound:
            raise VenueUnavailable(
                "Tradier has turned the close down because of working orders, and may have it once more."
            )
        if is_new and seen.is_undecided:
            raise VenueUnavailable(
                "Tradier's order service failed and has not said yet what became of the order."
            )
        return order


def _concerned(listed: Listed, ref: OrderRef) -> tuple[Seen, ...]:
    # The others stay unread: one that is not understood must not keep ours from being found.
    group = (ref.venue_order_id or "").partition(":")[0]
    wanted = {ref.client_order_id, ref.exit_of}
    raw = [
        one
        for order_id, one in listed.items()
        if order_id == group or wanted & set(read(parse.names, one, "an order's tag"))
    ]
    return read(parse.read_orders, raw, "the order")


def pick(seen: Iterable[Seen], ref: OrderRef) -> tuple[Seen, VenueOrder] | None:
    """Return the order of a reference.

    Tradier takes an id twice: of several orders with it the one counts that did most.
    """
    every = tuple(seen)
    found = [
        (one, order)
        for one, order in parse_views(every)
        if ref.client_order_id == order.client_order_id
        or (ref.venue_order_id is not None and ref.venue_order_id == order.venue_order_id)
    ]
    if not found and ref.exit_of is not None:
        found = _exits_of(every, ref)
    return max(
        found, key=lambda pair: (pair[1].filled_quantity > 0, not pair[1].state.is_terminal), default=None
    )


def _exits_of(seen: Iterable[Seen], ref: OrderRef) -> list[tuple[Seen, VenueOrder]]:
    groups = [one for one in seen if one.is_group]
    return [
        (leg, order)
        for group in groups
        if any(order.client_order_id == ref.exit_of for _, order in parse_views([group]))
        for leg, order in parse_views([group])
        if not leg.opens and leg.exit_kind is ref.exit_kind
    ]


def parse_views(seen: Iterable[Seen]) -> tuple[tuple[Seen, VenueOrder], ...]:
    """Return what we say of orders and legs.

    Raises:
        VenueUnavailable: what Tradier shows contradicts itself.
    """
    return read(parse.views, seen, "the orders")
