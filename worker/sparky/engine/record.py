"""What is known of the legs of one signal while it is executed."""

from decimal import Decimal

from sparky.domain.answers import Refused, VenueOrder
from sparky.domain.news import OrderNews
from sparky.domain.orders import OrderState, Side
from sparky.domain.plan import Leg, Purpose

News = tuple[OrderNews, ...]

_DID = {
    (Side.BUY, Purpose.OPEN): "Bought",
    (Side.SELL, Purpose.OPEN): "Sold short",
    (Side.BUY, Purpose.CLOSE): "Closed short",
    (Side.SELL, Purpose.CLOSE): "Closed long",
}


class Record:
    """The news of each leg, for the database, and the executed legs, in sentences for the trader."""

    def __init__(self) -> None:
        self._news: dict[int, OrderNews] = {}
        self._sentences: list[str] = []

    @property
    def news(self) -> News:
        return tuple(self._news[number] for number in sorted(self._news))

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(self._sentences)

    def state_of(self, leg: Leg) -> OrderState | None:
        """Return what was noted of a leg last, if anything was."""
        news = self._news.get(leg.number)
        return None if news is None else news.state

    def note_answer(self, leg: Leg, order: VenueOrder, elapsed_seconds: float) -> None:
        """Note what the venue says of an order; the first answer is the acknowledgement."""
        before = self._news.get(leg.number)
        elapsed_ms = None if before is None else before.elapsed_ms
        if elapsed_ms is None:
            elapsed_ms = round(elapsed_seconds * 1000)
        self._news[leg.number] = OrderNews.of(leg.number, order, elapsed_ms)

    def note_refusal(self, leg: Leg, refusal: Refused, elapsed_seconds: float) -> None:
        """Note that the venue said no."""
        self._news[leg.number] = OrderNews(
            leg=leg.number,
            state=OrderState.REFUSED,
            reason_code=refusal.reason_code,
            reason=refusal.reason,
            elapsed_ms=round(elapsed_seconds * 1000),
        )

    def note_silence(self, leg: Leg, state: OrderState, code: str, reason: str) -> None:
        """Note a state that no answer of the venue stands behind: absent or unknown."""
        self._news[leg.number] = OrderNews(leg=leg.number, state=state, reason_code=code, reason=reason)

    def note_executed(self, leg: Leg, order: VenueOrder) -> None:
        """Note that a leg has done what the plan needs of it."""
        self._sentences.append(_sentence(leg, order))


def readable(number: Decimal) -> str:
    """Write a number for a person: without an exponent, and without zeros at its end."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _sentence(leg: Leg, order: VenueOrder) -> str:
    filled = readable(order.filled_quantity)
    if not order.state.is_terminal:
        return (
            f"The order for {readable(order.quantity)} is {order.state.replace('_', ' ')} at the venue, with "
            f"{filled} filled so far: look at the venue."
        )
    partly = "" if order.filled_quantity >= leg.quantity else f" of {readable(leg.quantity)}"
    price = "" if order.average_price is None else f" at {readable(order.average_price)}"
    return f"{_DID[leg.side, leg.purpose]} {filled}{partly}{price}."
