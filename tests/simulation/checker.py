"""What has to hold, by the truth of the venues' books."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from sparky.domain.orders import Side
from tests.simulation.book import Book, TrueOrder
from tests.simulation.memory.rows import Order, Signal
from tests.simulation.memory.store import Store
from tests.simulation.venue import SimulatedVenue

# Why nothing, or not all of it, may have been executed.
EXCUSES: Final = frozenset(
    {
        "signal_too_old",
        "venue_unavailable",
        "venue_refused",
        "insufficient_funds",
        "position_exists",
        "no_position",
        "opposite_rejected",
        "short_not_allowed",
        "below_minimum",
        "above_maximum",
        "close_not_filled",
        "max_trades_per_day",
        "max_open_positions",
        "cooldown",
        "exit_not_placed",
        "invalid_price",
        "outcome_unknown",
        "not_supported",
        "unknown_field_combination",
    }
)
_ENDED: Final = frozenset({"done", "rejected", "expired", "failed", "review"})
_TRADES: Final = frozenset({"open", "close"})
_STOPS: Final = ("stop_loss_percent", "stop_loss_price", "trailing_stop_percent")
# Words of the sentences that tell a trader that an exit is missing, or left.
_TELLS: Final = re.compile(r"exit|stop|protect|An operator looked", re.IGNORECASE)


class Checker:
    """Compares the rows of the database with the books."""

    def __init__(self, store: Store, venues: Mapping[str, SimulatedVenue]) -> None:
        self._store = store
        self._venues = venues

    def violations(self) -> tuple[str, ...]:
        """Return what does not hold now; while things are under way, that is much."""
        return (
            *self._not_ended(),
            *self._unexecuted(),
            *self._rows(),
            *self._positions(),
            *self._fills(),
            *self._unprotected(),
            *self._left_over(),
        )

    def lasting(self) -> Iterator[str]:
        """Return what went wrong and stays so."""
        yield from self._doubled()
        yield from self._strangers()
        yield from self._out_of_order()
        yield from self._wrong_endings()
        yield from self._ended_twice()
        yield from self._over_the_limit()

    def _books(self) -> Iterator[Book]:
        for venue in self._venues.values():
            yield from venue.books.values()

    def _taken(self) -> dict[str, TrueOrder]:
        return {str(one.client_order_id): one for book in self._books() for one in book.orders}

    def _signal_of(self, order: Order) -> Signal:
        return self._store.signals[order.signal_id]

    def _doubled(self) -> Iterator[str]:
        for book in self._books():
            taken: dict[str, int] = defaultdict(int)
            for one in book.orders:
                taken[one.client_order_id] += 1
            for client_order_id, times in taken.items():
                if times > 1:
                    yield f"order {client_order_id} was taken {times} times"

    def _strangers(self) -> Iterator[str]:
        rows = {one.client_order_id: one for one in self._store.orders}
        for book in self._books():
            for one in book.orders:
                row = rows.get(one.client_order_id)
                if row is None:
                    yield f"order {one.client_order_id} is at the venue and was never written down"
                elif row.account_id != book.account_id:
                    yield f"order {one.client_order_id} is in the account of another trader"
                elif (row.symbol, row.side) != (one.symbol, one.side.value):
                    yield f"order {one.client_order_id} is another one than was written down"

    def _out_of_order(self) -> Iterator[str]:
        rows = {one.client_order_id: one for one in self._store.orders}
        for book in self._books():
            latest: dict[str, Signal] = {}
            for one in sorted(book.orders, key=lambda order: (order.taken_at, order.number)):
                row = rows.get(one.client_order_id)
                if row is None or row.written["purpose"] not in _TRADES:
                    continue
                signal = self._signal_of(row)
                if signal.action == "protect":
                    # It stands where its entry does, and comes when that has filled.
                    continue
                before = latest.get(signal.lane)
                # While a signal of a lane is under review exits pass, and entries before them come later.
                passed = before is not None and before.is_exit and self._was_reviewed(signal.lane)
                if before is not None and before.seq > signal.seq and not passed:
                    yield f"signal {signal.id} was executed after {before.id}, which came later"
                latest[signal.lane] = signal

    def _was_reviewed(self, lane: str) -> bool:
        in_lane = (one for one in self._store.signals if one.lane == lane)
        return any("An operator looked" in (one.reason or "") for one in in_lane)

    def _wrong_endings(self) -> Iterator[str]:
        for signal in self._store.signals:
            if signal.status == "review" and not self._venues[signal.exchange].was_away:
                yield f"signal {signal.id} is in review ({signal.reason}), and its venue was never away"
            elif signal.status in _ENDED and signal.status != "done" and signal.reason_code not in EXCUSES:
                yield f"signal {signal.id} is {signal.status} for {signal.reason_code}: {signal.reason}"
            if signal.status in _ENDED and not signal.reason:
                yield f"signal {signal.id} is {signal.status} and does not say why"

    def _over_the_limit(self) -> Iterator[str]:
        """Tell of entries beyond what their trader allows a day; a simulation is of one day."""
        found = self._taken()
        entered: dict[tuple[str, str], set[str]] = defaultdict(set)
        for row in self._store.orders:
            true = found.get(row.client_order_id)
            if row.written["purpose"] == "open" and true is not None and (true.fills or true.is_open):
                entered[row.user_id, row.exchange].add(row.signal_id)
        for key, signals in entered.items():
            allowed = self._store.limits.get(key, {}).get("max_trades_per_day")
            if allowed and len(signals) > allowed:
                yield f"trader {key[0]} allows {allowed} entries a day, and {len(signals)} were executed"

    def _ended_twice(self) -> Iterator[str]:
        ended = Counter(subject for subject, action, _ in self._store.audit if action == "signal.finished")
        for signal_id, times in ended.items():
            if times > 1:
                yield f"signal {signal_id} ended {times} times"

    def _not_ended(self) -> Iterator[str]:
        for signal in self._store.signals:
            # What is in review is settled by an operator.
            if signal.status not in _ENDED or signal.status == "review":
                yield f"signal {signal.id} is still {signal.status}, claimed {signal.attempt} times"

    def _unexecuted(self) -> Iterator[str]:
        found = self._taken()
        for signal in self._store.signals:
            legs = () if signal.plan is None else signal.plan["legs"]
            traded = [leg["client_order_id"] for leg in legs if leg["purpose"] in _TRADES]
            if signal.status == "done" and "An operator looked" not in (signal.reason or ""):
                for missing in [one for one in traded if one not in found]:
                    yield f"signal {signal.id} is done and its order {missing} was never executed"
            elif signal.status in {"rejected", "expired"}:
                for one in [found[name] for name in traded if name in found]:
                    if one.fills or one.is_open:
                        yield f"signal {signal.id} is {signal.status}, and the venue has its order"

    def _rows(self) -> Iterator[str]:
        found = self._taken()
        for row in self._store.orders:
            problem = _differs(row, found.get(row.client_order_id))
            if problem:
                yield f"order {row.client_order_id} (leg {row.leg} of {row.signal_id}) {problem}"

    def _positions(self) -> Iterator[str]:
        for book in self._books():
            for symbol, net in book.net.items():
                row = self._store.positions.get((book.account_id, symbol))
                ours = Decimal(0) if row is None else row.quantity * (1 if row.side == "BUY" else -1)
                if ours != net:
                    yield f"{book.account_id} has {ours} {symbol} in our books, and {net} at the venue"

    def _fills(self) -> Iterator[str]:
        for book in self._books():
            # What an operator has seen is one fill of his own.
            settled = {one.order for one in self._store.fills if one.venue_fill_id.startswith("settled/")}
            names = {self._store.orders[key].client_order_id for key in settled}
            true = {
                (one.symbol, fill.venue_fill_id, fill.quantity, fill.fee)
                for one in book.orders
                for fill in one.fills
                if one.client_order_id not in names
            }
            ours = {
                (one.symbol, one.venue_fill_id, one.quantity, one.fee)
                for one in self._store.fills
                if one.account_id == book.account_id and one.order not in settled
            }
            if true != ours:
                yield f"{book.account_id}: fills {sorted(true ^ ours, key=str)} are not the same at the venue"

    def _unprotected(self) -> Iterator[str]:
        """Positions whose stop is missing, and nobody was told."""
        rows = {one.client_order_id: one for one in self._store.orders}
        for book in self._books():
            for symbol, net in book.net.items():
                if net == 0 or any(
                    one.is_open and one.is_stop and one.symbol == symbol for one in book.orders
                ):
                    continue
                opened = self._opened_by(book, symbol, rows)
                asked = [one for one in opened if _asks_for_a_stop(one)]
                if asked and not self._told_of_exits(book.account_id, symbol):
                    yield f"{book.account_id} has {net} {symbol} without the stop of {asked[-1].id}"

    def _opened_by(self, book: Book, symbol: str, rows: Mapping[str, Order]) -> list[Signal]:
        # Since it was flat: what was there before is gone with its exits.
        net = Decimal(0)
        opened: list[Signal] = []
        executed = [(fill, one) for one in book.orders if one.symbol == symbol for fill in one.fills]
        for fill, order in sorted(executed, key=lambda pair: int(pair[0].venue_fill_id)):
            before = net
            net += fill.quantity if order.side is Side.BUY else -fill.quantity
            if before == 0 or (before > 0) != (net > 0):
                opened = []
            row = rows.get(order.client_order_id)
            if row is not None and row.written["purpose"] == "open":
                opened.append(self._signal_of(row))
        return opened

    def _told_of_exits(self, account_id: str, symbol: str) -> bool:
        return any(
            one.account_id == account_id and one.symbol == symbol and _TELLS.search(one.reason or "")
            for one in self._store.signals
        )

    def _left_over(self) -> Iterator[str]:
        """Exits that would open a position, because there is none left and the venue does not mind."""
        for book in self._books():
            if book.profile.capabilities.reduces_natively:
                continue
            for one in book.orders:
                waits = one.waits_for is not None and one.waits_for.is_open
                left = one.exit_kind and one.is_open and not waits and book.net[one.symbol] == 0
                if left and not self._told_of_exits(book.account_id, one.symbol):
                    yield f"exit {one.client_order_id} of {one.symbol} works without a position"


def _asks_for_a_stop(signal: Signal) -> bool:
    return any(name in signal.alert for name in _STOPS)


def _differs(row: Order, found: TrueOrder | None) -> str | None:
    if found is None:
        looked_up = row.state == "cancelled" and row.reason_code == "outcome_unknown"
        gone = row.state in {"absent", "refused"} or looked_up
        return None if gone else f"is {row.state} in our books and not at the venue"
    if row.state != found.state.value:
        return f"is {row.state} in our books and {found.state.value} at the venue"
    if row.filled_quantity != found.filled:
        return f"has {row.filled_quantity} filled in our books and {found.filled} at the venue"
    return None
