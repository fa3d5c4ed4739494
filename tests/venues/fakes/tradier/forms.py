"""The forms of Tradier's orders, read as strictly as Tradier does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sparky.domain.options import parse_option
from sparky.domain.orders import OrderType, Side
from tests.venues.fakes.tradier.words import refuse

SHARE_SIDES = {"buy", "buy_to_cover", "sell", "sell_short"}
OPTION_SIDES = {"buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"}
OPENING = {"buy", "sell_short", "buy_to_open", "sell_to_open"}
GROUPS = {"oto": 2, "oco": 2, "otoco": 3}
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,10})?", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
_DURATIONS = {"day", "gtc", "pre", "post"}
_COMMON = {"class", "symbol", "duration", "tag", "preview", "type", "price", "stop"}
_SINGLE = _COMMON | {"side", "quantity", "option_symbol"}
_OF_LEG = {"symbol", "side", "quantity", "type", "price", "stop", "duration", "option_symbol"}
_OF_SPREAD_LEG = {"option_symbol", "side", "quantity"}
_INDEXED = re.compile(r"([a-z_]+)\[([0-3])\]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One order of a form."""

    symbol: str
    underlying: str
    side: str
    quantity: Decimal
    order_type: str
    duration: str
    price: Decimal | None = None
    stop: Decimal | None = None

    @property
    def direction(self) -> Side:
        return Side.BUY if self.side.startswith("buy") else Side.SELL

    @property
    def opens(self) -> bool:
        return self.side in OPENING

    @property
    def kind(self) -> OrderType:
        return OrderType(self.order_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """An order form that Tradier would take on."""

    order_class: str
    tag: str | None
    preview: bool
    legs: tuple[Leg, ...]
    net_type: str = ""
    net_price: Decimal | None = None


def read_form(form: Mapping[str, str]) -> Form:
    """Read a form.

    Raises:
        AnsweredEarly: Tradier refuses it.
    """
    order_class = form.get("class", "")
    tag = _tag(form.get("tag"))
    if form.get("preview", "false") not in {"true", "false"}:
        raise refuse("Invalid parameter, preview: must be true or false.")
    preview = form.get("preview") == "true"
    if order_class in {"equity", "option"}:
        _only(form, _SINGLE)
        legs: tuple[Leg, ...] = (_leg(form, order_class == "option"),)
    elif order_class == "multileg":
        return _spread(form, tag, preview=preview)
    elif order_class in GROUPS:
        legs = _group(form, order_class)
    else:
        raise refuse("Invalid parameter, class: must be equity, option, combo, multileg, oto, oco or otoco.")
    return Form(order_class=order_class, tag=tag, preview=preview, legs=legs)


def _tag(tag: str | None) -> str | None:
    if tag is None:
        return None
    if len(tag) > 255:
        raise refuse("Invalid parameter, tag: contains more than 255 characters.")
    if not _TAG.fullmatch(tag):
        raise refuse("Invalid parameter, tag: contains invalid characters.")
    return tag


def _leg(form: Mapping[str, str], option: bool) -> Leg:  # noqa: FBT001
    order_type = form.get("type", "")
    if order_type not in set(OrderType):
        raise refuse("Invalid parameter, type: must be market, limit, stop or stop_limit.")
    duration = form.get("duration", "")
    if duration not in _DURATIONS:
        raise refuse("Invalid parameter, duration: must be day, gtc, pre or post.")
    price = _price(form, "price", needed=OrderType(order_type).has_limit_price)
    stop = _price(form, "stop", needed=OrderType(order_type).has_stop_price)
    if duration in {"pre", "post"} and (order_type != "limit" or option):
        raise refuse("Invalid parameter, duration: extended hours take limit orders of equities only.")
    return Leg(
        symbol=_symbol(form, option=option),
        underlying=form.get("symbol", ""),
        side=_side(form.get("side", ""), OPTION_SIDES if option else SHARE_SIDES),
        quantity=_quantity(form.get("quantity", "")),
        order_type=order_type,
        duration=duration,
        price=price,
        stop=stop,
    )


def _symbol(form: Mapping[str, str], *, option: bool) -> str:
    underlying = form.get("symbol", "")
    if not underlying or "." in underlying:
        raise refuse("Invalid parameter, symbol: is required.")
    if not option:
        if "option_symbol" in form:
            raise refuse("Invalid parameter, option_symbol: not for equities.")
        return underlying
    symbol = form.get("option_symbol", "")
    parsed = parse_option(symbol)
    if parsed is None or parsed.compact != symbol:
        raise refuse("Invalid parameter, option_symbol: is not an OCC symbol.")
    # The root of class shares has no slash; adjusted contracts add a digit to it.
    if parsed.root.rstrip("0123456789") != underlying.replace("/", ""):
        raise refuse("Invalid parameter, symbol: is not the underlying of the option.")
    return symbol


def _side(side: str, known: set[str]) -> str:
    if side not in known:
        raise refuse(f"Invalid parameter, side: must be one of {', '.join(sorted(known))}.")
    return side


def _quantity(text: str) -> Decimal:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise refuse("Invalid parameter, quantity: must be a whole number above zero.")
    return Decimal(text)


def _price(form: Mapping[str, str], name: str, *, needed: bool) -> Decimal | None:
    text = form.get(name)
    if (text is not None) != needed:
        raise refuse(f"Invalid parameter, {name}: {'is required' if needed else 'is not for this type'}.")
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or Decimal(text) == 0:
        raise refuse(f"Invalid parameter, {name}: is not a number above zero.")
    return Decimal(text)


def _indexed(form: Mapping[str, str], common: set[str], of_leg: set[str]) -> list[dict[str, str]]:
    legs: list[dict[str, str]] = [{} for _ in range(4)]
    for name, value in form.items():
        found = _INDEXED.fullmatch(name)
        if found is None or found[1] not in of_leg:
            _only({name: value}, common)
        else:
            legs[int(found[2])][found[1]] = value
    filled = [leg for leg in legs if leg]
    if filled != legs[: len(filled)]:
        raise refuse("Invalid parameter, legs: a leg is missing.")
    return filled


def _group(form: Mapping[str, str], order_class: str) -> tuple[Leg, ...]:
    given = _indexed(form, {"class", "duration", "tag", "preview"}, _OF_LEG)
    if len(given) != GROUPS[order_class]:
        raise refuse(f"Invalid parameter, legs: {order_class} takes {GROUPS[order_class]}.")
    legs = tuple(_leg({"duration": form.get("duration", ""), **leg}, "option_symbol" in leg) for leg in given)
    if order_class != "oco" and legs[0].order_type == "market":
        raise refuse("OtoFirstLesIsMarketNotAllowed: First market order in OTO is not allowed.")
    pair = legs if order_class == "oco" else legs[1:]
    if order_class != "oto":
        if any(leg.order_type == "market" for leg in pair):
            raise refuse("OtoOcoMarketNotAllowed: OCO market orders are not allowed.")
        if pair[0].symbol != pair[1].symbol or pair[0].order_type == pair[1].order_type:
            raise refuse("Invalid parameter, legs: one symbol and two types.")
        if pair[0].duration != pair[1].duration:
            raise refuse("OcoExpirationTypeNotTheSame: Expiration type of OCO orders must be the same.")
        if pair[0].direction is not pair[1].direction:
            raise refuse("OcoOrderWithOppositeLegs: the legs trade in opposite directions.")
    return legs


def _spread(form: Mapping[str, str], tag: str | None, *, preview: bool) -> Form:
    given = _indexed(form, _COMMON - {"stop"}, _OF_SPREAD_LEG)
    net_type = form.get("type", "")
    if net_type not in {"market", "debit", "credit", "even"}:
        raise refuse("Invalid parameter, type: must be market, debit, credit or even.")
    if not 2 <= len(given) <= 4:
        raise refuse("Invalid parameter, legs: a multileg order takes 2 to 4.")
    base = {"symbol": form.get("symbol", ""), "duration": form.get("duration", ""), "type": "market"}
    return Form(
        order_class="multileg",
        tag=tag,
        preview=preview,
        legs=tuple(_leg({**base, **leg}, option=True) for leg in given),
        net_type=net_type,
        net_price=_price(form, "price", needed=net_type in {"debit", "credit"}),
    )


def _only(form: Mapping[str, str], known: set[str]) -> None:
    for name in form:
        if name not in known:
            raise refuse(f"Invalid parameter, {name}: is not known.")
