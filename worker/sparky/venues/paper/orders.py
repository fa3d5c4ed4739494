"""Our order as the paper venue's book takes it."""

from typing import Any

from sparky.domain.orders import OrderRequest
from sparky.venues.paper.credentials import PaperTerms


def order_to_book(order: OrderRequest) -> dict[str, Any]:
    """Return the order in the book's words; without a price the book takes the last one it knows."""
    return {
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "reduce_only": order.reduce_only,
        "price": order.reference_price,
    }


def terms_to_book(terms: PaperTerms) -> dict[str, Any]:
    """Return the terms under which the book fills."""
    return {
        "slippage_percent": terms.slippage_percent,
        "fee_percent": terms.fee_percent,
        "max_leverage": terms.max_leverage,
    }
