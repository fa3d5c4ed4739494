"""What became of an order, on its way into the database."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sparky.domain import fields
from sparky.domain.answers import Fill, VenueOrder
from sparky.domain.identifiers import SignalId
from sparky.domain.orders import OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNews:
    """The news of one leg. `elapsed_ms` is the time from the order's writing down to the venue's answer.

    `signal_id` names another signal of the same account whose order it is, such as one that was cancelled.
    """

    leg: int
    state: OrderState
    venue_order_id: str | None = None
    filled_quantity: Decimal | None = None
    average_price: Decimal | None = None
    reason_code: str | None = None
    reason: str | None = None
    elapsed_ms: int | None = None
    fills: tuple[Fill, ...] = ()
    signal_id: SignalId | None = None

    @classmethod
    def of(
        cls, leg: int, order: VenueOrder, elapsed_ms: int | None = None, signal_id: SignalId | None = None
    ) -> "OrderNews":
        """Return what a venue's order says of a leg."""
        return cls(
            leg=leg,
            state=order.state,
            venue_order_id=order.venue_order_id,
            filled_quantity=order.filled_quantity,
            average_price=order.average_price,
            reason_code=order.reason_code,
            reason=order.reason,
            elapsed_ms=elapsed_ms,
            fills=order.fills,
            signal_id=signal_id,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the news as JSON values, numbers of money and size as text."""
        own = {} if self.signal_id is None else {"signal_id": self.signal_id}
        return own | {
            "leg": self.leg,
            "state": self.state.value,
            "venue_order_id": self.venue_order_id,
            "filled_quantity": fields.optional_decimal_text(self.filled_quantity),
            "average_price": fields.optional_decimal_text(self.average_price),
            "reason_code": self.reason_code,
            "reason": self.reason,
            "elapsed_ms": self.elapsed_ms,
            "fills": [_fill_to_json(fill) for fill in self.fills],
        }


def _fill_to_json(fill: Fill) -> dict[str, Any]:
    return {
        "venue_fill_id": fill.venue_fill_id,
        "price": fields.optional_decimal_text(fill.price),
        "quantity": fields.optional_decimal_text(fill.quantity),
        "fee": fields.optional_decimal_text(fill.fee),
        "fee_currency": fill.fee_currency,
        "filled_at": fill.filled_at.isoformat(),
    }
