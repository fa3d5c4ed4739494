"""What was lost and what was doubled: our records against the venue's own book, a sentence a finding."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from scripts.demo.evidence import FINAL_STATUSES, Book, Order, Position, Records, Sent, Signal
from scripts.demo.scenario import ACCEPTED


def accepted(sent: Iterable[Sent]) -> list[Sent]:
    """Return the POSTs whose alerts became signals to execute."""
    return [one for one in sent if one.reply == ACCEPTED]


def lost(sent: Sequence[Sent], records: Records) -> list[str]:
    """Return accepted alerts without a signal, a final status, or the filled orders that they need."""
    return [finding for one in accepted(sent) if (finding := _what_is_missing(one, records)) is not None]


def _what_is_missing(one: Sent, records: Records) -> str | None:
    name = one.alert.name
    signal = next((row for row in records.signals if row.id == one.answer.signal_id), None)
    if signal is None:
        return f"{name} was accepted and has no signal"
    if not _is_final(signal):
        return f"{name} is still {signal.status}"
    filled = sum(order.signal_id == signal.id and order.state == "filled" for order in records.orders)
    if filled < one.alert.orders:
        return f"{name} ended as {signal.status} with {filled} of {one.alert.orders} orders filled"
    return None


def _is_final(signal: Signal) -> bool:
    return signal.status in FINAL_STATUSES and signal.finished_at is not None


def doubled(sent: Sequence[Sent], records: Records, book: Book) -> list[str]:
    """Return whatever took effect more than once, or differs between our records and the venue's book."""
    return [
        *_too_many_orders(sent, records),
        *_venue_against_orders(records.orders, book),
        *_fills_against_orders(records),
        *_positions_against_book(records.positions, book.positions),
    ]


def _too_many_orders(sent: Sequence[Sent], records: Records) -> Iterator[str]:
    orders = Counter(order.signal_id for order in records.orders)
    for one in accepted(sent):
        made = orders[one.answer.signal_id]
        if made > one.alert.orders:
            yield f"{one.alert.name} made {made} orders, not {one.alert.orders}"
    legs = Counter((order.signal_id, order.leg) for order in records.orders)
    yield from (f"leg {leg} of signal {signal} has {n} orders" for (signal, leg), n in legs.items() if n > 1)


def _venue_against_orders(orders: Sequence[Order], book: Book) -> Iterator[str]:
    ours = {order.client_order_id: order for order in orders}
    at_venue = Counter(order.client_order_id for order in book.orders)
    yield from (f"the venue has order {name} {n} times" for name, n in at_venue.items() if n > 1)
    for booked in book.orders:
        name = booked.client_order_id
        known = ours.get(name)
        if booked.arrivals is not None and booked.arrivals > 1:
            yield f"order {name} was sent to the venue {booked.arrivals} times"
        if known is None:
            yield f"the venue has order {name}, which no signal asked for"
        elif known.filled_quantity != booked.quantity or known.user_id != booked.user_id:
            yield f"order {name} is {known.filled_quantity} here, {booked.quantity} at the venue"
    for order in orders:
        if order.state == "filled" and order.client_order_id not in at_venue:
            yield f"order {order.client_order_id} is filled here and unknown to the venue"


def _fills_against_orders(records: Records) -> Iterator[str]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for fill in records.fills:
        sums[fill.order_id] += fill.quantity
    for order in records.orders:
        if sums[order.id] != order.filled_quantity:
            name = order.client_order_id
            yield f"the fills of order {name} make {sums[order.id]}, not {order.filled_quantity}"


def _positions_against_book(ours: Iterable[Position], venue: Iterable[Position]) -> Iterator[str]:
    here = {(one.user_id, one.symbol): one.quantity for one in ours}
    there = {(one.user_id, one.symbol): one.quantity for one in venue}
    for user_id, symbol in sorted(here.keys() | there.keys()):
        key = (user_id, symbol)
        if here.get(key, Decimal(0)) != there.get(key, Decimal(0)):
            yield f"{symbol} is {here.get(key, 0)} here, {there.get(key, 0)} at the venue"
