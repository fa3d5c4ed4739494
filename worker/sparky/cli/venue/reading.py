"""The part of the check that only reads."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from sparky.cli.venue.findings import Notebook, Seen, cannot, confirmed, denied
from sparky.domain.answers import AccountFill, Balance, KeyCheck, Quote, VenueOrder, VenuePosition
from sparky.domain.errors import UnknownSymbol
from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.options import OptionContract
from sparky.domain.orders import OrderRef
from sparky.domain.rules import InstrumentRules
from sparky.runtime.seams import Seams
from sparky.venues.base import AccountAccess, VenueAdapter
from sparky.venues.http import Request, VenueHttp

Item = TypeVar("Item")

_NO_SYMBOL: Final = "QQZZX"
_SHOWN: Final = 3
_FILLS_SINCE: Final = timedelta(hours=24)
# A header tells whole seconds, and half of the way there and back is not known.
_CLOCK_TOLERANCE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is checked: an account at a venue, and an instrument to check it with."""

    adapter: VenueAdapter
    access: AccountAccess
    http: VenueHttp
    symbol: str
    seams: Seams


async def read_everything(subject: Subject, notebook: Notebook) -> bool:
    """Ask all that can be asked without sending an order; False when the keys are not accepted."""
    adapter, access, symbol = subject.adapter, subject.access, subject.symbol
    if await notebook.ask("keys are accepted", adapter.validate(access), _keys) is None:
        return False
    await notebook.ask("balance", adapter.balance(access), _balance)
    await notebook.ask(f"rules of {symbol}", adapter.rules(access, symbol), _rules)
    await notebook.ask(f"price of {symbol}", adapter.quote(access, symbol), _quote)
    await notebook.ask("an unknown symbol is named", _unknown_symbol(subject), _unknown)
    await notebook.ask("positions", adapter.positions(access), _positions)
    await notebook.ask("open orders", adapter.open_orders(access), _orders)
    since = subject.seams.clock.now() - _FILLS_SINCE
    await notebook.ask(f"fills in {symbol} of a day", adapter.fills(access, symbol, since), _fills)
    await notebook.ask("an order never sent is absent", _never_sent(subject), _absent)
    if adapter.capabilities.option_legs:
        await _options(subject, notebook)
    await notebook.ask("clocks agree", _clock_offset(subject), _clock)
    return True


async def _options(subject: Subject, notebook: Notebook) -> None:
    question = subject.adapter.expirations(subject.access, subject.symbol)
    days = await notebook.ask(f"expirations of {subject.symbol}", question, _expirations)
    if days:
        chain = subject.adapter.option_chain(subject.access, subject.symbol, days[0])
        await notebook.ask(f"option chain of {days[0]:%Y-%m-%d}", chain, _chain)


def _keys(check: KeyCheck) -> Seen:
    parts = [f"account {check.account_number}"] if check.account_number else []
    parts.append(f"may: {', '.join(check.permissions)}" if check.permissions else "permissions are not told")
    parts.append("no expiry told" if check.expires_at is None else f"expire {check.expires_at:%Y-%m-%d}")
    return confirmed(" ".join(("; ".join(parts) + ".", *check.notes)))


def _balance(balance: Balance) -> Seen:
    return confirmed(f"equity {balance.equity:f}, available {balance.available:f} {balance.currency}")


def _rules(rules: InstrumentRules) -> Seen:
    text = f"size in steps of {rules.quantity_step:f} from {rules.smallest_quantity:f}"
    text += f", price in steps of {rules.price_tick:f}"
    if rules.min_notional:
        text += f", least value {rules.min_notional:f}"
    return confirmed(text) if rules.tradable else denied(f"{text}; it is not tradable now")


def _quote(quote: Quote) -> Seen:
    prices = (("bid", quote.bid), ("ask", quote.ask), ("last", quote.last))
    text = ", ".join(f"{name} {price:f}" for name, price in prices if price is not None)
    if quote.account_rate != 1:
        text += f", its currency is worth {quote.account_rate:f} of the account's"
    return confirmed(f"{text}, not of this moment" if quote.is_delayed else text)


async def _unknown_symbol(subject: Subject) -> str | None:
    try:
        await subject.adapter.rules(subject.access, _NO_SYMBOL)
    except UnknownSymbol as error:
        return error.reason
    return None


def _unknown(reason: str | None) -> Seen:
    return denied(f"{_NO_SYMBOL} has rules") if reason is None else confirmed(reason)


def _positions(positions: Sequence[VenuePosition]) -> Seen:
    return confirmed(_list("none open", [f"{one.symbol} {one.side} {one.quantity:f}" for one in positions]))


def _orders(orders: Sequence[VenueOrder]) -> Seen:
    return confirmed(_list("none open", [f"{one.symbol} {one.side} {one.quantity:f}" for one in orders]))


def _fills(fills: Sequence[AccountFill]) -> Seen:
    shown = [f"{one.side} {one.fill.quantity:f} at {one.fill.price:f}" for one in fills]
    return confirmed(_list("none", shown))


def _list(nothing: str, items: Sequence[str]) -> str:
    if not items:
        return nothing
    more = len(items) - _SHOWN
    return f"{len(items)}: {', '.join(items[:_SHOWN])}" + (f" and {more} more" if more > 0 else "")


def _never_sent(subject: Subject) -> Awaitable[VenueOrder | None]:
    seams = subject.seams
    ref = OrderRef(
        client_order_id=client_order_id(SignalId(seams.random.hexadecimal(32)), 1),
        symbol=subject.symbol,
        sent_at=seams.clock.now(),
    )
    return subject.adapter.find_order(subject.access, ref)


def _absent(order: VenueOrder | None) -> Seen:
    if order is None:
        return confirmed("the look-up says that there is none")
    return denied(f"the look-up returned order {order.venue_order_id}")


def _expirations(days: Sequence[date]) -> Seen:
    if not days:
        return denied("none")
    return confirmed(f"{len(days)}, from {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}")


def _chain(contracts: Sequence[OptionContract]) -> Seen:
    if not contracts:
        return denied("no contracts")
    quoted = sum(one.bid is not None and one.ask is not None for one in contracts)
    return confirmed(f"{len(contracts)} contracts, {quoted} with bid and ask, such as {contracts[0].symbol}")


async def _clock_offset(subject: Subject) -> float | None:
    clock = subject.seams.clock
    began, asked = clock.monotonic(), clock.now()
    reply = await subject.http.ask(subject.access.environment, Request(method="GET", path="/"))
    halfway = asked + timedelta(seconds=(clock.monotonic() - began) / 2)
    told = _date_of(reply.headers.get("date", ""))
    # The header cuts its second off, so the venue's clock stood half a second later on average.
    return None if told is None else (told - halfway).total_seconds() + 0.5


def _date_of(header: str) -> datetime | None:
    try:
        told = parsedate_to_datetime(header)
    except ValueError:
        return None
    return told if told.tzinfo is not None else None


def _clock(offset: float | None) -> Seen:
    if offset is None:
        return cannot("the venue's answers carry no date")
    ahead = "ahead of" if offset > 0 else "behind"
    text = f"the venue's is {abs(offset):.1f} s {ahead} ours, to within a second"
    return confirmed(text) if abs(offset) <= _CLOCK_TOLERANCE_SECONDS else denied(text)
