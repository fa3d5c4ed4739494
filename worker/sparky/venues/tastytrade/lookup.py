"""Finding orders again: by the venue's number, else by listing what was sent and matching our identifier.

`GET /accounts/{n}/orders` has no filter for identifiers. tastytrade documents that it gives
`external-identifier` back (https://developer.tastytrade.com/docs/guides/idempotency-and-retries). Should it
not, an order is recognised by what it says, when no other one can be meant; else nobody can tell.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from sparky.domain.answers import AccountFill, VenueOrder
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable, WorkOrderError
from sparky.domain.orders import ExitKind, OrderRef
from sparky.runtime.seams import Seams
from sparky.venues.budget import Priority
from sparky.venues.tastytrade.client import Caller, Group, Question, TastytradeClient
from sparky.venues.tastytrade.order_parse import ReadOrder, read_order
from sparky.venues.tastytrade.orders import SOURCE
from sparky.venues.tastytrade.symbols import to_ours, to_venue
from sparky.venues.tastytrade.transactions import read_trades, with_fees
from sparky.venues.tastytrade.wire import LABEL, data_items, understood

_BEFORE: Final = timedelta(minutes=1)
# Days without a time are days in New York, which may have begun yesterday by ours.
_DAY: Final = timedelta(days=1)
_PER_PAGE: Final = 200
_MOST_PAGES: Final = 25
_MOST_REMEMBERED: Final = 10_000
_UNTIL_FILLS: Final = (0.05, 0.1, 0.2)
_LIVE: Final = (
    "Received",
    "Routed",
    "In Flight",
    "Live",
    "Contingent",
    "Cancel Requested",
    "Replace Requested",
)
_EXIT_TYPES: Final[Mapping[ExitKind, str]] = {ExitKind.TAKE_PROFIT: "Limit", ExitKind.STOP_LOSS: "Stop"}


@dataclass(frozen=True, slots=True)
class _Looks:
    """What an order says that has no identifier."""

    order_type: str
    legs: tuple[tuple[str, str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class _Unread:
    """An order that is not understood; `is_certain` when its identifier, or that it has none, is."""

    client_order_id: str | None
    is_certain: bool

    def check_is_not(self, ref: OrderRef) -> None:
        if not self.is_certain or self.client_order_id == ref.client_order_id:
            raise VenueUnavailable(f"{LABEL}'s order {ref.client_order_id} was not understood.")


class Orders:
    """The orders and executions of accounts."""

    def __init__(self, client: TastytradeClient, seams: Seams) -> None:
        self._client = client
        self._sleeper = seams.sleeper
        self._sent: OrderedDict[str, _Looks] = OrderedDict()
        self._echoing: set[str] = set()
        self._numbers: OrderedDict[tuple[str, str], str] = OrderedDict()

    def remember(self, body: Mapping[str, Any]) -> None:
        """Keep what an order that is about to be sent says."""
        legs = tuple(
            (leg["symbol"], str(leg["action"]).partition(" ")[0], Decimal(leg["quantity"]))
            for leg in body["legs"]
        )
        self._sent[body["external-identifier"]] = _Looks(body["order-type"], legs)
        while len(self._sent) > _MOST_REMEMBERED:
            self._sent.popitem(last=False)

    def note_number(self, environment: str, order: VenueOrder) -> None:
        """Keep whose order a number of the venue is: it can be no other one's."""
        if order.client_order_id is not None:
            self._numbers[environment, order.venue_order_id] = order.client_order_id
        while len(self._numbers) > _MOST_REMEMBERED:
            self._numbers.popitem(last=False)

    def has_echoed(self, environment: str) -> None:
        """Take note that the venue gives identifiers back there."""
        self._echoing.add(environment)

    async def find(
        self, caller: Caller, account: str, ref: OrderRef, priority: Priority = Priority.READ
    ) -> ReadOrder | None:
        """Return an order; None when the venue shows none.

        Raises:
            CredentialsInvalid: the keys are not accepted.
            VenueUnavailable: the venue does not say, or it cannot be told from what it says.
        """
        if ref.venue_order_id is not None:
            return _named(await self.by_number(caller, account, ref.venue_order_id, priority), ref)
        seen: list[ReadOrder] = []
        named: list[ReadOrder] = []
        nameless = False
        async for read in self._listed(caller, account, ref.sent_at - _BEFORE, priority):
            if isinstance(read, _Unread):
                read.check_is_not(ref)
                nameless = nameless or read.client_order_id is None
                continue
            if read.order.client_order_id == ref.client_order_id:
                if _has_executed(read):
                    return read
                named.append(read)
            seen.append(read)
        if named:
            # An id is taken twice there: the one counts that did most, and of equals the newest.
            return max(named, key=lambda one: (not one.order.state.is_terminal, one.status != "Rejected"))
        found = _sibling(ref, seen) or self._guess(caller, ref, seen)
        # Whether the parts of a complex order keep identifiers is not known even where orders do.
        if found is None and nameless and (ref.exit_of is not None or not self._echoes(caller, seen)):
            raise VenueUnavailable(f"{LABEL} shows an order that is not understood and may be this one.")
        return _named(found, ref)

    async def by_number(
        self, caller: Caller, account: str, order_id: str, priority: Priority = Priority.READ
    ) -> ReadOrder | None:
        """Return the order of a venue's number; None when the venue shows none.

        Raises:
            CredentialsInvalid: the keys are not accepted.
            VenueUnavailable: the venue does not say.
        """
        if not (order_id.isascii() and order_id.isalnum()):
            return None
        path = f"/accounts/{account}/orders/{order_id}"
        body = await self._client.ask(caller, Question(path, Group.HISTORY, priority=priority))
        return None if body is None else understood(lambda: read_order(body["data"]), "orders")

    async def complete(self, caller: Caller, account: str, read: ReadOrder) -> VenueOrder:
        """Return an order with the fills that the venue says it has, and their fees as far as told.

        Raises:
            CredentialsInvalid: the keys are not accepted.
            VenueUnavailable: the venue does not say.
        """
        for pause in _UNTIL_FILLS:
            if not read.awaits_fills:
                break
            await self._sleeper.sleep(pause)
            again = await self.by_number(caller, account, read.order.venue_order_id)
            if again is not None:
                named = replace(again.order, client_order_id=read.order.client_order_id)
                read = replace(again, order=named)
        fills = read.order.fills
        if not fills:
            return read.order
        since = min(fill.filled_at for fill in fills)
        try:
            trades = await self._trades(caller, account, str(read.order.symbol), since)
        except VenueUnavailable:
            # The order is the answer; what it has cost is told later.
            trades = ()
        return replace(read.order, fills=with_fees(fills, trades))

    async def open(self, caller: Caller, account: str) -> Sequence[VenueOrder]:
        """Return the orders that work.

        Raises:
            CredentialsInvalid: the keys are not accepted.
            VenueUnavailable: the venue does not say.
        """
        query = [("status[]", status) for status in _LIVE]
        pages = self._pages(caller, account, query, Priority.READ)
        return [read.order async for read in pages if isinstance(read, ReadOrder)]

    async def fills(
        self, caller: Caller, account: str, symbol: str, since: datetime
    ) -> Sequence[AccountFill]:
        """Return the executions in a symbol since a moment, oldest first.

        Raises:
            CredentialsInvalid: the keys are not accepted.
            VenueUnavailable: the venue does not say.
        """
        trades = await self._trades(caller, account, symbol, since)
        late = [trade for trade in trades if trade.fill.filled_at >= since and trade.symbol == symbol]
        if not late:
            return []
        ours = {
            read.order.venue_order_id: read.order.client_order_id
            async for read in self._listed(caller, account, since - _DAY, Priority.READ)
            if isinstance(read, ReadOrder)
        }
        # The newest come first; those of one moment keep the venue's order.
        named = [
            replace(trade, client_order_id=ours.get(trade.venue_order_id or "")) for trade in reversed(late)
        ]
        return sorted(named, key=lambda trade: trade.fill.filled_at)

    async def _trades(
        self, caller: Caller, account: str, symbol: str, since: datetime
    ) -> Sequence[AccountFill]:
        instrument = to_venue(symbol)
        query = [("start-date", f"{(since.astimezone(UTC) - _DAY):%Y-%m-%d}"), ("sort", "Desc")]
        if instrument is not None:
            query.append(("symbol", instrument.symbol))
        found: list[AccountFill] = []
        async for body in self._paged(caller, f"/accounts/{account}/transactions", query, Priority.READ):
            found.extend(understood(partial(read_trades, body), "transactions"))
        return found

    def _listed(
        self, caller: Caller, account: str, since: datetime, priority: Priority
    ) -> AsyncIterator["ReadOrder | _Unread"]:
        start = since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self._pages(caller, account, [("start-at", start), ("sort", "Desc")], priority)

    async def _pages(
        self, caller: Caller, account: str, query: Sequence[tuple[str, str]], priority: Priority
    ) -> AsyncIterator["ReadOrder | _Unread"]:
        async for body in self._paged(caller, f"/accounts/{account}/orders", query, priority):
            for read in understood(partial(_read_page, body), "orders"):
                yield read

    async def _paged(
        self, caller: Caller, path: str, query: Sequence[tuple[str, str]], priority: Priority
    ) -> AsyncIterator[Mapping[str, Any]]:
        for page in range(_MOST_PAGES):
            fields = [*query, ("per-page", str(_PER_PAGE)), ("page-offset", str(page))]
            question = Question(path, Group.HISTORY, urlencode(fields), priority=priority)
            body = await self._client.ask(caller, question)
            if body is None:
                raise CredentialsInvalid(
                    "Tastytrade does not show this account to these keys. Check the account's number."
                )
            yield body
            if _is_last(body, page):
                return
        raise VenueUnavailable(f"{LABEL} lists more than {_MOST_PAGES * _PER_PAGE} entries for one question.")

    def _echoes(self, caller: Caller, seen: Sequence[ReadOrder]) -> bool:
        named = any(read.order.client_order_id is not None for read in seen)
        return named or caller.login.environment in self._echoing

    def _guess(self, caller: Caller, ref: OrderRef, seen: Sequence[ReadOrder]) -> ReadOrder | None:
        if self._echoes(caller, seen):
            return None
        looks = self._sent.get(ref.client_order_id)
        environment, nobodys = caller.login.environment, {None, ref.client_order_id}
        earliest = ref.sent_at - _BEFORE
        alike = [
            read
            for read in seen
            if read.source in {SOURCE, None}
            and (read.received_at is None or read.received_at >= earliest)
            and _may_be(read, ref, looks)
            and self._numbers.get((environment, read.order.venue_order_id)) in nobodys
        ]
        if not alike:
            return None
        if len(alike) == 1 and (looks is not None or alike[0].source == SOURCE):
            return alike[0]
        raise VenueUnavailable(
            f"{LABEL} shows {len(alike)} orders in {ref.symbol} without an identifier that may be this one: "
            "look at the account by hand."
        )


def _has_executed(read: ReadOrder) -> bool:
    return read.order.filled_quantity > 0 or read.status == "Filled"


def _sibling(ref: OrderRef, seen: Sequence[ReadOrder]) -> ReadOrder | None:
    # Whether the parts of a complex order keep identifiers of their own is not documented.
    entry = next((one for one in seen if one.order.client_order_id == ref.exit_of), None)
    if ref.exit_of is None or ref.exit_kind is None or entry is None or entry.complex_id is None:
        return None
    exits = [
        one
        for one in seen
        if one.complex_id == entry.complex_id
        and not one.is_trigger
        and one.order.client_order_id is None
        and one.order_type == _EXIT_TYPES.get(ref.exit_kind)
    ]
    return exits[0] if len(exits) == 1 else None


def _read_page(body: Mapping[str, Any]) -> "list[ReadOrder | _Unread]":
    return [_read_one(item) for item in data_items(body, "orders")]


def _read_one(item: Mapping[str, Any]) -> "ReadOrder | _Unread":
    try:
        return read_order(item)
    except WorkOrderError as error:
        name = item.get("external-identifier")
        # An order for an amount of money, placed by hand, has no quantity: it must not hide the others.
        # A worker has it loaded; for a command it would be a tenth of what all venues take to load.
        import structlog  # noqa: PLC0415

        structlog.get_logger(__name__).warning(
            "order_not_understood", venue_order_id=str(item.get("id"))[:40], field=error.field
        )
        return _Unread(
            name if isinstance(name, str) else None, is_certain=name is None or isinstance(name, str)
        )


def _may_be(read: ReadOrder, ref: OrderRef, looks: _Looks | None) -> bool:
    if looks is not None:
        legs = tuple((leg.symbol, leg.action.partition(" ")[0], leg.quantity) for leg in read.legs)
        return read.order_type == looks.order_type and sorted(legs) == sorted(looks.legs)
    if ref.exit_kind is not None and read.order_type != _EXIT_TYPES.get(ref.exit_kind):
        return False
    return ref.symbol in {read.order.symbol, *(to_ours(leg.symbol, leg.kind) for leg in read.legs)}


def _named(read: ReadOrder | None, ref: OrderRef) -> ReadOrder | None:
    if read is None or read.order.client_order_id is not None:
        return read
    return replace(read, order=replace(read.order, client_order_id=ref.client_order_id))


def _is_last(body: Mapping[str, Any], page: int) -> bool:
    pagination = body.get("pagination")
    total = pagination.get("total-pages") if isinstance(pagination, Mapping) else None
    if isinstance(total, int):
        return page + 1 >= total
    # Without a count only an empty page is the last: how many it puts on one is the venue's choice.
    return not data_items(body, "page")
