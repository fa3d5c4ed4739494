"""The orders of the fake Tradier: what was taken, and how the API shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sparky.domain.options import parse_option
from sparky.domain.orders import OrderState
from tests.venues.fakes.book import BookOrder
from tests.venues.fakes.tradier.forms import GROUPS, Form, Leg
from tests.venues.fakes.tradier.words import amount, stamp

_STATUS = {
    OrderState.WORKING: "open",
    OrderState.PARTIALLY_FILLED: "partially_filled",
    OrderState.FILLED: "filled",
    OrderState.CANCELLED: "canceled",
    OrderState.EXPIRED: "expired",
    OrderState.REFUSED: "rejected",
}


@dataclass(slots=True, kw_only=True)
class Taken:
    """An order that has an id. It has `parts` in the book once the market is open, and none if `rejected`."""

    order_id: int
    account: str
    form: Form
    created: datetime
    visible_at: datetime
    leg_ids: list[int]
    status: str = "pending"
    rejected: str | None = None
    parts: list[BookOrder] = field(default_factory=list)

    @property
    def is_group(self) -> bool:
        return self.form.order_class in GROUPS

    @property
    def is_spread(self) -> bool:
        return self.form.order_class == "multileg"

    def names(self, client_order_id: str) -> bool:
        """Tell whether the tag holds a client id."""
        return client_order_id in (self.form.tag or "").split("-")

    def shown(self, *, tags: bool) -> dict[str, Any]:
        """Return the order as the API shows it."""
        if self.is_group:
            shown = {
                "id": self.order_id,
                "class": self.form.order_class,
                "num_legs": len(self.form.legs),
                "create_date": stamp(self.created),
                "leg": [self._leg(index, self.leg_ids[index]) for index in range(len(self.form.legs))],
            }
        elif self.is_spread:
            shown = self._spread()
        else:
            shown = self._leg(0, self.order_id)
        if tags and self.form.tag is not None:
            shown["tag"] = self.form.tag
        return shown

    def _part(self, index: int) -> BookOrder | None:
        return self.parts[index] if index < len(self.parts) else None

    def _leg(self, index: int, order_id: int) -> dict[str, Any]:
        leg, part = self.form.legs[index], self._part(index)
        executed = part.filled if part else Decimal(0)
        shown = {
            "id": order_id,
            "type": leg.order_type,
            "symbol": leg.underlying,
            "side": leg.side,
            "quantity": amount(leg.quantity),
            "status": self._status(part),
            "duration": leg.duration,
            **_prices(leg),
            "avg_fill_price": amount((part.average if part else None) or Decimal(0)),
            "exec_quantity": amount(executed),
            "last_fill_price": amount(part.executions[-1].price if part and part.executions else Decimal(0)),
            "last_fill_quantity": amount(
                part.executions[-1].quantity if part and part.executions else Decimal(0)
            ),
            "remaining_quantity": amount(leg.quantity - executed),
            "create_date": stamp(self.created),
            "transaction_date": stamp(part.updated_at if part else self.created),
            "class": "option" if parse_option(leg.symbol) else "equity",
        }
        words = self.rejected or (part.reason if part and part.state is OrderState.REFUSED else None)
        if words is not None:
            shown["reason_description"] = words
        if parse_option(leg.symbol):
            shown["option_symbol"] = leg.symbol
        return shown

    def _status(self, part: BookOrder | None) -> str:
        if part is None:
            return self.status
        return "pending" if part.asleep and not part.state.is_terminal else _STATUS[part.state]

    def _spread(self) -> dict[str, Any]:
        legs = [self._leg(index, order_id) for index, order_id in enumerate(self.leg_ids)]
        executed = Decimal(1) if self.parts else Decimal(0)
        net = sum(
            (
                (part.average or Decimal(0)) * (1 if leg.side.startswith("buy") else -1)
                for leg, part in zip(self.form.legs, self.parts, strict=False)
            ),
            Decimal(0),
        )
        units = min(leg.quantity for leg in self.form.legs)
        shown = {
            "id": self.order_id,
            "type": self.form.net_type,
            "symbol": self.form.legs[0].underlying,
            "side": "buy",
            "quantity": amount(units),
            "status": "filled" if self.parts else self.status,
            "duration": self.form.legs[0].duration,
            "avg_fill_price": amount(abs(net)),
            "exec_quantity": amount(executed * units),
            "remaining_quantity": amount(units - executed * units),
            "create_date": stamp(self.created),
            "transaction_date": stamp(self.created),
            "class": "multileg",
            "num_legs": len(legs),
            "strategy": "spread",
            "leg": legs,
        }
        return shown if self.rejected is None else {**shown, "reason_description": self.rejected}


def _prices(leg: Leg) -> dict[str, Decimal]:
    shown = {}
    if leg.price is not None:
        shown["price"] = leg.price
    if leg.stop is not None:
        shown["stop_price"] = leg.stop
    return shown
