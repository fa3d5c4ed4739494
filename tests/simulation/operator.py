"""An operator, who looks at the venue and settles what nobody could find out."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sparky.domain.orders import OrderState
from tests.simulation.events import Events
from tests.simulation.loop import SimulationLoop
from tests.simulation.memory.database import MemoryDatabase
from tests.simulation.memory.rows import Order
from tests.simulation.venue import SimulatedVenue

_EVERY_SECONDS: Final = 15.0
# By then nothing that was on its way can still appear.
_LEAST_AGE: Final = timedelta(seconds=60)


class Operator:
    """Looks at what is under review now and then, once the venue can be looked at."""

    def __init__(
        self,
        database: MemoryDatabase,
        venues: Mapping[str, SimulatedVenue],
        loop: SimulationLoop,
        events: Events,
    ) -> None:
        self._database = database
        self._venues = venues
        self._loop = loop
        self._events = events
        loop.later(_EVERY_SECONDS, self._look)

    def _look(self) -> None:
        self._loop.later(_EVERY_SECONDS, self._look)
        for signal in list(self._database.store.signals):
            away = self._loop.time() < self._venues[signal.exchange].away_until
            if signal.status != "review" or signal.finished_at is None or away:
                continue
            if self._loop.now() - signal.finished_at < _LEAST_AGE:
                continue
            unsettled = self._database.settling.unsettled(signal)
            told = [self._seen(one) for one in unsettled if one.written.get("attached_to") is None]
            status = self._database.settle(signal.id, [one for one in told if one is not None])
            self._events.note(self._loop.time(), f"{signal.id[:8]}  an operator settles it: {status}")

    def _seen(self, order: Order) -> dict[str, Any] | None:
        book = self._venues[order.exchange].books[order.account_id]
        found = book.find(order.client_order_id, None)
        if found is None:
            return None
        if found.is_open:
            # What he says has not been executed must not be executed afterwards.
            book.end(found, OrderState.CANCELLED)
        if not found.fills:
            return None
        return {"leg": order.leg, "quantity": str(found.filled), "price": str(found.average)}
