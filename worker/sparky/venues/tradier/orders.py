"""Our orders as Tradier's forms.

Tradier keeps one tag of letters, digits and dashes, at most 255 characters, for an order and all its legs.
The tag of an order with exits holds all their client ids, the entry's first, then the take-profit's, then
the stop-loss's, with dashes between them: so each is found again by its own id.
Forms: https://documentation.tradier.com/brokerage-api/trading/place-equity-order and its neighbours.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from sparky.domain.fields import decimal_text
from sparky.domain.orders import ExitKind, ExitLeg, OrderRequest, Side
from sparky.venues.tradier.sides import side_word
from sparky.venues.tradier.symbols import is_option

Form = list[tuple[str, str]]

_GTC: Final = "gtc"
_EXIT_ORDER: Final = (ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS)


def plain_form(order: OrderRequest, underlying: str, side: str, duration: str) -> Form:
    """Return the form of an order of one share or option."""
    form: Form = [
        ("class", "option" if is_option(order.symbol) else "equity"),
        ("symbol", underlying),
        ("side", side),
        ("quantity", decimal_text(order.quantity)),
        ("type", order.order_type.value),
        ("duration", duration),
        *_prices(order, ""),
        ("tag", order.client_order_id),
    ]
    return [*form, ("option_symbol", order.symbol)] if is_option(order.symbol) else form


def entry_form(order: OrderRequest, underlying: str, side: str, duration: str) -> Form:
    """Return the form of an entry with its exits: `oto` with one, `otoco` with two.

    The exits work until they are cancelled, as they have to outlive the day of the entry.
    """
    exits = in_order(order.exits)
    legs: Form = [
        ("symbol[0]", underlying),
        *([("option_symbol[0]", order.symbol)] if is_option(order.symbol) else []),
        ("side[0]", side),
        ("quantity[0]", decimal_text(order.quantity)),
        ("type[0]", order.order_type.value),
        ("duration[0]", duration),
        *_prices(order, "[0]"),
    ]
    for index, leg in enumerate(exits, start=1):
        legs += _exit_leg(leg, order.symbol, underlying, order.side.opposite, order.quantity, index)
    return [
        ("class", "otoco" if len(exits) > 1 else "oto"),
        ("duration", duration),
        ("tag", joined_tag([order.client_order_id, *(leg.client_order_id for leg in exits)])),
        *legs,
    ]


def pair_form(exits: Sequence[ExitLeg], symbol: str, underlying: str, side: Side, quantity: Decimal) -> Form:
    """Return the form of two exits of which one cancels the other."""
    ordered = in_order(exits)
    form: Form = [
        ("class", "oco"),
        ("duration", _GTC),
        ("tag", joined_tag([leg.client_order_id for leg in ordered])),
    ]
    for index, leg in enumerate(ordered):
        form += _exit_leg(leg, symbol, underlying, side, quantity, index)
    return form


def exit_form(leg: ExitLeg, symbol: str, underlying: str, side: Side, quantity: Decimal) -> Form:
    """Return the form of a single exit, which is a plain order."""
    form: Form = [
        ("class", "option" if is_option(symbol) else "equity"),
        ("symbol", underlying),
        ("side", side_word(symbol, side, closes=True)),
        ("quantity", decimal_text(quantity)),
        *_exit_terms(leg, ""),
        ("duration", _GTC),
        ("tag", leg.client_order_id),
    ]
    return [*form, ("option_symbol", symbol)] if is_option(symbol) else form


def spread_form(order: OrderRequest, underlying: str, duration: str) -> Form:
    """Return the form of a spread: whoever buys it pays the net price (debit), whoever sells it gets it."""
    form: Form = [
        ("class", "multileg"),
        ("symbol", underlying),
        ("type", _net_type(order)),
        ("duration", duration),
    ]
    if order.limit_price:
        form.append(("price", decimal_text(order.limit_price)))
    form.append(("tag", order.client_order_id))
    for index, leg in enumerate(order.legs):
        form += [
            (f"option_symbol[{index}]", leg.symbol),
            (f"side[{index}]", side_word(leg.symbol, leg.side, closes=leg.closes)),
            (f"quantity[{index}]", decimal_text(order.quantity * leg.ratio)),
        ]
    return form


def _net_type(order: OrderRequest) -> str:
    if order.limit_price is None:
        return "market"
    if not order.limit_price:
        return "even"
    return "debit" if order.side is Side.BUY else "credit"


def in_order(exits: Sequence[ExitLeg]) -> list[ExitLeg]:
    """Return exits as they stand in forms and tags: take-profit, then stop-loss."""
    return sorted(exits, key=lambda leg: _EXIT_ORDER.index(leg.kind))


def joined_tag(client_order_ids: Sequence[str]) -> str:
    """Return the tag of a group."""
    return "-".join(client_order_ids)


def _exit_leg(leg: ExitLeg, symbol: str, underlying: str, side: Side, quantity: Decimal, index: int) -> Form:
    form: Form = [
        (f"symbol[{index}]", underlying),
        (f"side[{index}]", side_word(symbol, side, closes=True)),
        (f"quantity[{index}]", decimal_text(quantity)),
        *_exit_terms(leg, f"[{index}]"),
        (f"duration[{index}]", _GTC),
    ]
    return [*form, (f"option_symbol[{index}]", symbol)] if is_option(symbol) else form


def _exit_terms(leg: ExitLeg, suffix: str) -> Form:
    if leg.price is None:
        raise ValueError("a trailing stop has no form")
    if leg.kind is ExitKind.TAKE_PROFIT:
        return [(f"type{suffix}", "limit"), (f"price{suffix}", decimal_text(leg.price))]
    return [(f"type{suffix}", "stop"), (f"stop{suffix}", decimal_text(leg.price))]


def _prices(order: OrderRequest, suffix: str) -> Form:
    form: Form = []
    if order.order_type.has_limit_price and order.limit_price is not None:
        form.append((f"price{suffix}", decimal_text(order.limit_price)))
    if order.order_type.has_stop_price and order.stop_price is not None:
        form.append((f"stop{suffix}", decimal_text(order.stop_price)))
    return form
