"""What the answers of a round trip show."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from sparky.cli.venue.findings import Seen, cannot, confirmed, denied
from sparky.cli.venue.orders import describe, describe_order
from sparky.domain.answers import Accepted, AccountFill, Outcome, Refused, VenueOrder, VenuePosition
from sparky.domain.orders import OrderRef
from sparky.domain.reasons import Reason


def exists(order: VenueOrder) -> bool:
    """Say that an order is shown at all."""
    del order
    return True


def has_ended(order: VenueOrder) -> bool:
    """Say that nothing happens to an order any more."""
    return order.state.is_terminal


def nothing_open(found: tuple[VenuePosition | None, int]) -> Seen:
    """Read what is open before the round trip."""
    position, orders = found
    if position is None and not orders:
        return confirmed("no position and no order")
    return cannot("a position or orders are open already: choose another --symbol")


def as_accepted(outcome: Outcome) -> Seen:
    """Read how a write ended."""
    if isinstance(outcome, Accepted):
        return confirmed(describe_order(outcome.order))
    closed = isinstance(outcome, Refused) and outcome.reason_code == Reason.MARKET_CLOSED
    return cannot(describe(outcome)) if closed else denied(describe(outcome))


def as_all_accepted(outcomes: Sequence[Outcome]) -> Seen:
    """Read how several writes ended."""
    text = " ".join(describe(outcome) for outcome in outcomes)
    accepted = all(isinstance(outcome, Accepted) for outcome in outcomes)
    return confirmed(text) if accepted and outcomes else denied(text)


def shown(enough: Callable[[VenueOrder], bool]) -> Callable[[VenueOrder | None], Seen]:
    """Return what reads a look-up that is to find an order."""

    def read(order: VenueOrder | None) -> Seen:
        if order is None:
            return denied("the venue does not show it")
        return confirmed(describe_order(order)) if enough(order) else denied(describe_order(order))

    return read


def echo(ref: OrderRef) -> Callable[[VenueOrder | None], Seen]:
    """Return what reads a look-up that is to show our client id."""

    def read(order: VenueOrder | None) -> Seen:
        if order is None:
            return denied("the venue does not show it")
        if order.client_order_id != ref.client_order_id:
            return denied(f"{describe_order(order)}, without our client id")
        return confirmed(f"{describe_order(order)}, with our client id")

    return read


def listed_once(orders: Sequence[VenueOrder]) -> Seen:
    """Read a list that is to hold an order once."""
    return confirmed("once") if len(orders) == 1 else denied(f"{len(orders)} times")


def guarded(repeated: tuple[Outcome, bool]) -> Seen:
    """Read what became of an order that was sent again."""
    outcome, guarded = repeated
    if guarded:
        return confirmed(f"{describe(outcome)} It exists once.")
    return denied(f"{describe(outcome)} It was executed again.")


def holds(quantity: Decimal) -> Callable[[VenuePosition | None], Seen]:
    """Return what reads a position that is to have a size."""

    def read(position: VenuePosition | None) -> Seen:
        held = Decimal(0) if position is None else position.quantity
        text = "none" if position is None else f"{position.side} {held:f} from {position.entry_price:f}"
        return confirmed(text) if held == quantity else denied(text)

    return read


def fills_of(venue_order_ids: set[str]) -> Callable[[Sequence[AccountFill]], Seen]:
    """Return what reads fills that are to be of certain orders."""

    def read(fills: Sequence[AccountFill]) -> Seen:
        known = {fill.venue_order_id for fill in fills}
        fees = [fill.fill.fee for fill in fills]
        told = "fees are told later" if None in fees else f"fees {sum(fee or 0 for fee in fees):f}"
        text = f"{len(fills)} fills, {told}"
        return confirmed(text) if venue_order_ids <= known else denied(f"{text}; some are missing")

    return read


def what_is_left(orders: Sequence[VenueOrder]) -> Seen:
    """Read which exits work after the close."""
    if not orders:
        return confirmed("none")
    return confirmed(f"{len(orders)}: the venue does not take them away, we do")
