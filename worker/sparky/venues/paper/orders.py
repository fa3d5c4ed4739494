"""Our orders as the paper venue's book takes them."""

from decimal import Decimal
from typing import Any, Final

from sparky.domain.answers import Refused
from sparky.domain.orders import ExitKind, ExitLeg, ExitRequest, OrderRequest
from sparky.domain.reasons import Reason
from sparky.venues.paper.credentials import PaperTerms

_MOST_PERCENT: Final = Decimal(100)


def order_to_book(order: OrderRequest) -> dict[str, Any]:
    """Return the order in the book's words; without a price the book takes the last one it knows."""
    return {
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "reduce_only": order.reduce_only,
        "order_type": order.order_type,
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "time_in_force": order.time_in_force,
        "price": order.reference_price,
        "exits": [_exit(leg) for leg in order.exits],
    }


def exits_to_book(request: ExitRequest, market: Decimal | None) -> dict[str, Any]:
    """Return exits of an open position in the book's words; `market` is the price now, where it is known."""
    return {
        "symbol": request.symbol,
        "side": request.side.closed_by,
        "price": market,
        "entry": None if request.entry is None else request.entry.client_order_id,
        "exits": [{**_exit(leg), "quantity": request.quantity} for leg in request.exits],
    }


def terms_to_book(terms: PaperTerms) -> dict[str, Any]:
    """Return the terms under which the book fills."""
    return {
        "slippage_percent": terms.slippage_percent,
        "fee_percent": terms.fee_percent,
        "max_leverage": terms.max_leverage,
    }


def trail_misfit(exits: tuple[ExitLeg, ...]) -> Refused | None:
    """Return why the book cannot follow a price so; None when it can."""
    for leg in exits:
        if leg.trail_percent is not None and leg.trail_percent >= _MOST_PERCENT:
            return Refused(
                Reason.INVALID_VALUE,
                f"A trail of {leg.trail_percent:f} % of the price is as much as all of it: send less than "
                f"{_MOST_PERCENT}.",
            )
    return None


def _exit(leg: ExitLeg) -> dict[str, Any]:
    target = leg.kind is ExitKind.TAKE_PROFIT
    stop = leg.kind is ExitKind.STOP_LOSS
    return {
        "client_order_id": leg.client_order_id,
        "order_type": "limit" if target else "stop" if stop else "trailing_stop",
        "limit_price": leg.price if target else None,
        "stop_price": leg.price if stop else None,
        "trail_distance": leg.trail_distance,
        "trail_percent": leg.trail_percent,
    }
