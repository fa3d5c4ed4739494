"""Tradier's language, without a socket: lists, numbers, errors, forms and symbols."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.answers import OutcomeKind, Refused, Unknown
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.domain.fitting import Misfit, fit
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import ExitKind, ExitLeg, OrderRequest, OrderType, Side, SpreadLeg, TimeInForce
from sparky.domain.rules import InstrumentRules
from sparky.venues.http import Reply
from sparky.venues.tradier import codes, limits, orders, rules, wire
from sparky.venues.tradier.errors import Kind, hear, question_failed, rejected, write_failed
from sparky.venues.tradier.sides import Drawn, draw
from sparky.venues.tradier.symbols import from_venue, to_venue
from tests.venues.fakes.tradier.forms import read_form

FEW = settings(max_examples=60, deadline=None)
CALL = "AAPL260417C00200000"
AMOUNTS = st.decimals(min_value="0.0001", max_value="20000000", allow_nan=False, places=6)
PAGE = b"<html><body>502 Bad Gateway</body></html>"


def reply(status: int, content: bytes | dict[str, Any], content_type: str = "text/plain") -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status, {"content-type": content_type}, body)


def fault(words: str, code: str) -> dict[str, Any]:
    return {"fault": {"faultstring": words, "detail": {"errorcode": code}}}


def order(**changes: Any) -> OrderRequest:
    request = OrderRequest(
        client_order_id=ClientOrderId("sp0123456789ABCDEFGHJKMNPQRS"),
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(10),
        reduce_only=False,
    )
    return replace(request, **changes)


def share_rules(symbol: str = "AAPL") -> InstrumentRules:
    found = rules.read_instrument({"quotes": {"quote": {"symbol": symbol, "type": "stock"}}}, symbol)
    assert found is not None
    return found.rules


def option_rules() -> InstrumentRules:
    quote = {"symbol": CALL, "type": "option", "underlying": "AAPL", "contract_size": 100}
    found = rules.read_instrument({"quotes": {"quote": quote}}, CALL)
    assert found is not None
    return found.rules


@pytest.mark.parametrize("nothing", [{"orders": None}, {"orders": "null"}, {"orders": {"order": None}}])
def test_none_at_all_is_spelt_in_three_ways(nothing: Any) -> None:
    assert wire.one_or_many(nothing, "orders", "order") == ()


@given(st.lists(st.integers(), min_size=1, max_size=4))
@FEW
def test_one_is_an_object_and_several_are_a_list(ids: list[int]) -> None:
    many: list[Any] = [{"id": one} for one in ids]
    spelt = many[0] if len(many) == 1 else many
    assert list(wire.one_or_many({"orders": {"order": spelt}}, "orders", "order")) == many


@pytest.mark.parametrize(
    "strange", [{}, [], None, "null", {"orders": {}}, {"orders": "soon"}, {"orders": {"order": [1]}}]
)
def test_a_list_that_is_not_there_is_not_an_empty_one(strange: Any) -> None:
    with pytest.raises(wire.NotUnderstood):
        wire.one_or_many(strange, "orders", "order")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**17), max_value=10**17))
@FEW
def test_numbers_keep_their_value_and_lose_their_zeros(value: Decimal) -> None:
    assert wire.number({"price": value}, "price") == value
    assert wire.number({"price": format(value, "f")}, "price") == value


@pytest.mark.parametrize("strange", [None, True, "1e5", "NaN", "1,000", [], "\u0661"])
def test_what_is_no_number_is_not_understood(strange: Any) -> None:
    with pytest.raises(wire.NotUnderstood):
        wire.number({"price": strange}, "price")


WRITES: list[tuple[str, Reply, OutcomeKind, str | None]] = [
    ("a sentence", reply(400, b"Invalid parameter, duration: is required."), OutcomeKind.REFUSED, None),
    (
        "a list of errors",
        reply(400, {"errors": {"error": ["InitialMargin: too little buying power.", "More."]}}),
        OutcomeKind.REFUSED,
        "insufficient_funds",
    ),
    (
        "errors under 200",
        reply(200, {"errors": {"error": "OptionLevelRestriction: ask the desk."}}),
        OutcomeKind.REFUSED,
        "venue_refused",
    ),
    (
        "an invalid token",
        reply(401, fault("Invalid Access Token", "keymanagement.service.invalid_access_token")),
        OutcomeKind.REFUSED,
        "credentials_invalid",
    ),
    (
        "an expired token, as a 500",
        reply(500, fault("Access Token expired", "keymanagement.service.access_token_expired")),
        OutcomeKind.REFUSED,
        "credentials_invalid",
    ),
    (
        "another's account",
        reply(401, b"Unauthorized Account: VA1"),
        OutcomeKind.REFUSED,
        "credentials_invalid",
    ),
    (
        "the limit",
        reply(429, fault("Rate limit quota violation", "policies.ratelimit.QuotaViolation")),
        OutcomeKind.REFUSED,
        "venue_unavailable",
    ),
    ("the limit, as a page", reply(429, PAGE), OutcomeKind.REFUSED, "venue_unavailable"),
    ("a page", reply(502, PAGE), OutcomeKind.UNKNOWN, None),
    ("a page under 400", reply(400, PAGE), OutcomeKind.UNKNOWN, None),
    ("a page under 200", reply(200, PAGE), OutcomeKind.UNKNOWN, None),
    ("a data store", reply(500, b"Datastore Error"), OutcomeKind.UNKNOWN, None),
    ("a data store under 400", reply(400, b"Datastore Error"), OutcomeKind.UNKNOWN, None),
    (
        "a broken gateway",
        reply(500, fault("Execution failed", "steps.servicecallout.ExecutionFailed")),
        OutcomeKind.UNKNOWN,
        None,
    ),
    (
        "a broken order service",
        reply(400, {"errors": {"error": "OmsUnavailable: Sorry, try later."}}),
        OutcomeKind.UNKNOWN,
        None,
    ),
    ("nothing", reply(400, b""), OutcomeKind.UNKNOWN, None),
    ("half of it", reply(400, b'{"errors": {"err'), OutcomeKind.UNKNOWN, None),
    ("another language", reply(400, {"surprise": 1}), OutcomeKind.UNKNOWN, None),
    ("empty errors", reply(400, {"errors": "null"}), OutcomeKind.UNKNOWN, None),
    ("errors of errors", reply(400, {"errors": {"error": {"error": 1}}}), OutcomeKind.UNKNOWN, None),
]


@pytest.mark.parametrize(("name", "answer", "kind", "code"), WRITES, ids=[one[0] for one in WRITES])
def test_an_answer_to_a_write_is_refused_only_where_it_was_understood(
    name: str, answer: Reply, kind: OutcomeKind, code: str | None
) -> None:
    heard = hear(answer)
    assert heard.kind is not Kind.GOOD, name
    outcome = write_failed(heard)
    assert outcome.kind is kind
    if isinstance(outcome, Refused):
        assert outcome.reason.endswith(".")
        assert code in {None, outcome.reason_code}
        assert outcome.try_again == (answer.status == 429)
    assert isinstance(question_failed(heard, "GET /"), VenueUnavailable | CredentialsInvalid)


@pytest.mark.parametrize(
    ("words", "code", "advice"),
    [
        ("InitialMargin", "insufficient_funds", "smaller size"),
        ("You do not have enough buying power for this trade.", "insufficient_funds", "smaller size"),
        ("SecurityUndefined: no such security", "unknown_symbol", "Check the symbol"),
        ("LongPositionCrossZero", "not_supported", "Close the position"),
        ("UnexpectedSellOrder", "no_position", "cancel the working exits"),
        ("BuyStopOrderStopPriceLessAsk", "invalid_price", "above the market"),
        ("PennyPilotDivisionPrice: divisible by 0.05", "invalid_price", "step"),
        ("ShortStockTradingDeniedForAccount", "short_not_allowed", "long only"),
        ("MarketOrderIsGtc", "not_supported", "time_in_force day"),
        ("FatFingersStockSizeExceedsMaximum", "above_maximum", "smaller size"),
        ("The market is closed.", "market_closed", "open"),
        ("AccountDisabled", "venue_refused", "Ask Tradier"),
        ("Something new.", "venue_refused", "ask Tradier"),
    ],
)
def test_a_rejection_says_what_to_do_and_keeps_the_venues_words(words: str, code: str, advice: str) -> None:
    outcome = rejected(words)
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == code
    assert words.rstrip(".") in outcome.reason
    assert advice in outcome.reason
    assert outcome.venue_code == codes.code_in(words)


@pytest.mark.parametrize("words", ["OmsUnavailable", "OmsInternalError: unknown"])
def test_an_order_service_that_fails_decides_nothing(words: str) -> None:
    assert isinstance(rejected(words), Unknown)


@given(
    quantity=AMOUNTS,
    price=AMOUNTS,
    stop=AMOUNTS,
    order_type=st.sampled_from(OrderType),
    side=st.sampled_from(Side),
    option=st.booleans(),
)
@FEW
def test_whatever_is_sent_is_a_form_that_tradier_takes_and_never_more_than_asked(
    quantity: Decimal, price: Decimal, stop: Decimal, order_type: OrderType, side: Side, *, option: bool
) -> None:
    symbol = CALL if option else "BRK.B"
    allowed = option_rules() if option else share_rules("BRK/B")
    asked = order(
        symbol=symbol,
        side=side,
        quantity=quantity,
        order_type=order_type,
        limit_price=price if order_type.has_limit_price else None,
        stop_price=stop if order_type.has_stop_price else None,
    )
    fitted = fit(asked, replace(allowed, symbol=symbol))
    if isinstance(fitted, Misfit):
        assert fitted.reason.endswith(".")
        return
    word = {Side.BUY: "buy", Side.SELL: "sell_short"}[side]
    word = {"buy": "buy_to_open", "sell_short": "sell_to_open"}[word] if option else word
    form = orders.plain_form(fitted, "AAPL" if option else to_venue(symbol), word, "day")
    assert len(dict(form)) == len(form)
    (leg,) = read_form(dict(form)).legs
    assert leg.quantity <= quantity
    assert leg.quantity == leg.quantity.to_integral_value()
    for sent in (leg.price, leg.stop):
        assert sent is None or not sent % allowed.tick_at(sent)
    if leg.price is not None:
        assert leg.price <= price if side is Side.BUY else leg.price >= price


@given(st.decimals(min_value="0", max_value="5000", places=2), st.integers(2, 4), st.sampled_from(Side))
@FEW
def test_a_spread_is_a_form_that_tradier_takes(net: Decimal, legs: int, side: Side) -> None:
    parts = tuple(
        SpreadLeg(symbol=f"AAPL260417C00{200 + index}000", side=Side.BUY, ratio=1 + index, closes=index == 1)
        for index in range(legs)
    )
    asked = order(side=side, quantity=Decimal(3), order_type=OrderType.LIMIT, limit_price=net, legs=parts)
    form = read_form(dict(orders.spread_form(asked, "AAPL", "day")))
    assert form.net_type == ("even" if not net else "debit" if side is Side.BUY else "credit")
    assert (form.net_price or 0) == net
    assert [leg.quantity for leg in form.legs] == [3 * (1 + index) for index in range(legs)]
    assert [leg.side for leg in form.legs][:2] == ["buy_to_open", "buy_to_close"]


def test_the_tag_of_an_entry_names_every_leg_in_characters_that_tradier_takes() -> None:
    legs = tuple(
        ExitLeg(client_order_id=ClientOrderId(f"sp{number * 26}"), kind=kind, price=Decimal(200))
        for number, kind in (("1", ExitKind.STOP_LOSS), ("2", ExitKind.TAKE_PROFIT))
    )
    asked = order(order_type=OrderType.LIMIT, limit_price=Decimal(190), exits=legs)
    form = read_form(dict(orders.entry_form(asked, "AAPL", "buy", "day")))
    assert form.tag == f"{asked.client_order_id}-sp{'2' * 26}-sp{'1' * 26}"
    assert [(leg.order_type, leg.side, leg.duration) for leg in form.legs] == [
        ("limit", "buy", "day"),
        ("limit", "sell", "gtc"),
        ("stop", "sell", "gtc"),
    ]


@pytest.mark.parametrize(
    ("side", "held", "reduce_only", "word", "at_most"),
    [
        (Side.BUY, 0, False, "buy", None),
        (Side.BUY, 5, False, "buy", None),
        (Side.SELL, 0, False, "sell_short", None),
        (Side.SELL, -5, False, "sell_short", None),
        (Side.SELL, 10, False, "sell", None),
        (Side.BUY, -10, False, "buy_to_cover", None),
        (Side.SELL, 4, True, "sell", 4),
        (Side.BUY, -4, True, "buy_to_cover", 4),
    ],
)
def test_a_side_follows_from_what_is_held(
    side: Side, held: int, *, reduce_only: bool, word: str, at_most: int | None
) -> None:
    drawn = draw(order(side=side, reduce_only=reduce_only), Decimal(held), can_short=True)
    assert isinstance(drawn, Drawn)
    assert (drawn.word, drawn.at_most) == (word, at_most)


@pytest.mark.parametrize(
    ("side", "held", "reduce_only", "can_short", "code"),
    [
        (Side.SELL, 5, False, True, "not_supported"),
        (Side.BUY, -5, False, True, "not_supported"),
        (Side.SELL, 0, False, False, "short_not_allowed"),
        (Side.SELL, 0, True, True, "no_position"),
        (Side.BUY, 5, True, True, "no_position"),
    ],
)
def test_no_order_crosses_zero(
    side: Side, held: int, *, reduce_only: bool, can_short: bool, code: str
) -> None:
    drawn = draw(order(side=side, reduce_only=reduce_only), Decimal(held), can_short=can_short)
    assert isinstance(drawn, Refused)
    assert drawn.reason_code == code
    assert drawn.reason.endswith(".")


@given(
    held=st.decimals(min_value=-50, max_value=50, places=0),
    quantity=st.integers(1, 60),
    side=st.sampled_from(Side),
    reduce_only=st.booleans(),
)
@FEW
def test_what_is_sent_never_turns_a_position_around(
    held: Decimal, quantity: int, side: Side, *, reduce_only: bool
) -> None:
    asked = order(side=side, quantity=Decimal(quantity), reduce_only=reduce_only)
    drawn = draw(asked, held, can_short=True)
    if isinstance(drawn, Refused):
        return
    sent = asked.quantity if drawn.at_most is None else min(asked.quantity, drawn.at_most)
    after = held + (sent if side is Side.BUY else -sent)
    assert held * after >= 0
    if reduce_only:
        assert abs(after) < abs(held)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"time_in_force": TimeInForce.IOC}, "day"),
        ({"time_in_force": TimeInForce.FOK}, "day"),
        ({"time_in_force": TimeInForce.GTC}, "day"),
        ({"extended_hours": True}, "limit order"),
        (
            {
                "extended_hours": True,
                "order_type": OrderType.LIMIT,
                "limit_price": Decimal(1),
                "time_in_force": TimeInForce.GTC,
            },
            "day",
        ),
    ],
)
def test_what_tradier_does_not_have_is_refused_with_its_nearest(change: dict[str, Any], named: str) -> None:
    refused = limits.beyond(order(**change))
    assert refused is not None
    assert refused.reason_code == "not_supported"
    assert named in refused.reason


@pytest.mark.parametrize(
    ("ours", "theirs"), [("AAPL", "AAPL"), ("BRK.B", "BRK/B"), (CALL, CALL), ("SPXW260417P04000000",) * 2]
)
def test_symbols_go_there_and_back(ours: str, theirs: str) -> None:
    assert to_venue(ours) == theirs
    assert from_venue(theirs) == ours


def test_a_padded_option_is_the_same_option() -> None:
    assert from_venue("AAPL  260417C00200000") == CALL
