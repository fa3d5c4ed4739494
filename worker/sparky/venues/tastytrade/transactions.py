"""What executions have cost: tastytrade tells fees in the account's transactions, not in its orders.

`GET /accounts/{n}/transactions`: one for each execution, with `order-id`, `exec-id` and every fee beside its
effect (https://developer.tastytrade.com/docs/guides/pagination-and-filtering). In recorded answers
`exec-id` is written as an order's `fill-id`, such as `3_OPT850090305`; `ext-exec-id` is the exchange's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.answers import AccountFill, Fill
from sparky.domain.errors import WorkOrderError
from sparky.domain.orders import Side
from sparky.venues.tastytrade.order_parse import CURRENCY, fill_id
from sparky.venues.tastytrade.symbols import to_ours
from sparky.venues.tastytrade.wire import data_items, identifier, number

_FEES: Final = ("commission", "clearing-fees", "regulatory-fees", "proprietary-index-option-fees")
_SIGNS: Final[Mapping[str, int]] = {"Debit": 1, "Credit": -1, "None": 0}


def read_trades(body: Mapping[str, Any]) -> tuple[AccountFill, ...]:
    """Read the executions of a page of transactions; deposits, dividends and assignments are left out.

    Raises:
        WorkOrderError: a trade is not in the venue's language.
    """
    return tuple(
        _read_trade(item)
        for item in data_items(body, "transactions")
        if item.get("transaction-type") == "Trade" and item.get("order-id") is not None
    )


def with_fees(fills: Sequence[Fill], trades: Iterable[AccountFill]) -> tuple[Fill, ...]:
    """Return the fills with the fees of the transactions of the same ids; the others have none yet."""
    fees = {trade.fill.venue_fill_id: trade.fill.fee for trade in trades}
    return tuple(replace(fill, fee=fees.get(fill.venue_fill_id)) for fill in fills)


def _read_trade(source: Mapping[str, Any]) -> AccountFill:
    order_id = identifier(source, "order-id", "transaction")
    action = fields.text(source, "action", "transaction")
    if not action.startswith(("Buy", "Sell")):
        raise WorkOrderError("transaction.action", "is neither Buy nor Sell")
    # Without it the transaction's own number does: it can name the execution here only.
    name = "exec-id" if source.get("exec-id") is not None else "id"
    return AccountFill(
        fill=Fill(
            venue_fill_id=fill_id(order_id, identifier(source, name, "transaction")),
            price=number(source, "price", "transaction"),
            quantity=number(source, "quantity", "transaction"),
            fee=_fee(source),
            fee_currency=CURRENCY,
            filled_at=fields.moment(source, "executed-at", "transaction"),
        ),
        symbol=to_ours(
            fields.text(source, "symbol", "transaction"),
            fields.text(source, "instrument-type", "transaction"),
        ),
        side=Side.BUY if action.startswith("Buy") else Side.SELL,
        venue_order_id=order_id,
    )


def _fee(source: Mapping[str, Any]) -> Decimal | None:
    total, told = Decimal(0), False
    for name in _FEES:
        if source.get(name) is None:
            continue
        effect = source.get(f"{name}-effect", "Debit")
        if not isinstance(effect, str) or effect not in _SIGNS:
            raise WorkOrderError(f"transaction.{name}-effect", "is not one that is known")
        amount = abs(number(source, name, "transaction"))
        if _SIGNS[effect] == 0 and amount:
            raise WorkOrderError(f"transaction.{name}-effect", "is None beside an amount")
        total, told = total + amount * _SIGNS[effect], True
    return total if told else None
