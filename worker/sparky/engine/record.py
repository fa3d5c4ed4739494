"""What is known of the orders of one signal while it is executed."""

from sparky.domain.answers import Refused, VenueOrder
from sparky.domain.identifiers import ClientOrderId, SignalId
from sparky.domain.news import OrderNews
from sparky.domain.orders import OrderState
from sparky.domain.plan import Leg
from sparky.domain.reasons import Reason
from sparky.domain.work_order import EarlierOrder

News = tuple[OrderNews, ...]

_ENDED_WITH_ENTRY = {OrderState.CANCELLED, OrderState.EXPIRED}


class Record:
    """The news of each order, for the database, and what was done, in sentences for the trader.

    `reason_code` is what the signal ends with though it did what it should, where there is one.
    """

    def __init__(self) -> None:
        self._news: dict[tuple[SignalId | None, int], OrderNews] = {}
        self._sentences: list[str] = []
        self._told_of: dict[ClientOrderId, int] = {}
        self.reason_code: Reason | None = None

    @property
    def news(self) -> News:
        return tuple(self._news[key] for key in sorted(self._news, key=lambda key: (key[0] or "", key[1])))

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(self._sentences)

    def say(self, sentence: str) -> None:
        """Tell the trader something that was done or was left undone."""
        self._sentences.append(sentence)

    def say_of(self, order: ClientOrderId, sentence: str) -> None:
        """Tell what became of an order, in the place of what was told of it before."""
        if order in self._told_of:
            self._sentences[self._told_of[order]] = sentence
        else:
            self._told_of[order] = len(self._sentences)
            self._sentences.append(sentence)

    def state_of(self, leg: Leg) -> OrderState | None:
        """Return what was noted of a leg last, if anything was."""
        news = self._news.get((None, leg.number))
        return None if news is None else news.state

    def note_answer(self, leg: Leg, order: VenueOrder, elapsed_seconds: float) -> None:
        """Note what the venue says of an order; the first answer is the acknowledgement."""
        before = self._news.get((None, leg.number))
        elapsed_ms = None if before is None else before.elapsed_ms
        if elapsed_ms is None:
            elapsed_ms = round(elapsed_seconds * 1000)
        self._news[None, leg.number] = OrderNews.of(leg.number, order, elapsed_ms)

    def note_attached(self, exits: tuple[Leg, ...], entry: VenueOrder, elapsed_seconds: float) -> None:
        """Note that the venue has the exits that came with an entry, or that they ended with it."""
        gone = entry.state in _ENDED_WITH_ENTRY and not entry.filled_quantity
        for leg in exits:
            before = self._news.get((None, leg.number))
            self._news[None, leg.number] = OrderNews(
                leg=leg.number,
                state=entry.state if gone else OrderState.ACCEPTED,
                elapsed_ms=round(elapsed_seconds * 1000) if before is None else before.elapsed_ms,
            )

    def note_refusal(self, leg: Leg, refusal: Refused, elapsed_seconds: float) -> None:
        """Note that the venue said no."""
        self._news[None, leg.number] = OrderNews(
            leg=leg.number,
            state=OrderState.REFUSED,
            reason_code=refusal.reason_code,
            reason=refusal.reason,
            elapsed_ms=round(elapsed_seconds * 1000),
        )

    def note_absent(self, leg: Leg, why: str) -> None:
        """Note that the venue certainly does not have an order."""
        self._note_silence(leg, OrderState.ABSENT, Reason.VENUE_UNAVAILABLE, why)

    def note_unknown(self, leg: Leg, why: str) -> None:
        """Note that nobody can tell whether the venue has an order."""
        self._note_silence(leg, OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN, why)

    def note_other(self, order: EarlierOrder, seen: VenueOrder) -> None:
        """Note what became of an order of another signal, or of one that an earlier claim has sent."""
        self._news[order.signal_id, order.leg] = OrderNews.of(order.leg, seen, signal_id=order.signal_id)

    def _note_silence(self, leg: Leg, state: OrderState, code: Reason, why: str) -> None:
        self._news[None, leg.number] = OrderNews(leg=leg.number, state=state, reason_code=code, reason=why)
