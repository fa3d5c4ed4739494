"""Whose account is meant, what is open in it, and what a token may."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from sparky.domain.answers import NotSent, Refused, Unknown
from sparky.domain.errors import CredentialsInvalid, UnknownSymbol, VenueUnavailable
from sparky.domain.orders import PositionSide, Side
from sparky.keys.secret import Secret
from sparky.venues.base import AccountAccess
from sparky.venues.oanda.credentials import read_login
from tests.venues.fakes.oanda.harness import LIVE_NUMBER, LIVE_TOKEN, NUMBER, TOKEN, OandaHarness, access_of
from tests.venues.fakes.server import FakeRequest, FakeResponse, Fault, RequestKind
from tests.venues.harness import accepted, refused, says_what_to_do


@pytest.fixture
async def venue() -> AsyncIterator[OandaHarness]:
    async with OandaHarness.open() as harness:
        yield harness


def given(**fields: str) -> AccountAccess:
    return replace(access_of(TOKEN), credentials={name: Secret(value) for name, value in fields.items()})


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": TOKEN},
        {"token": TOKEN},
        {"api_key": f" {TOKEN}\n", "api_secret": ""},
        {"api_key": "", "token": TOKEN, "account_id": ""},
        {"api_key": TOKEN, "account_id": NUMBER},
        {"token": TOKEN, "account_number": NUMBER},
    ],
)
async def test_a_token_is_taken_under_our_name_or_oandas(venue: OandaHarness, fields: dict[str, str]) -> None:
    assert (await venue.adapter.validate(given(**fields))).account_number == NUMBER


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"api_key": "short"},
        {"api_key": "with a blank in the middle of it"},
        {"api_key": f"{TOKEN}\r\nHost: elsewhere"},
        {"api_key": TOKEN, "account_id": "12345"},
        {"api_key": TOKEN, "account_id": "../../v3/accounts"},
    ],
)
def test_what_cannot_be_a_token_or_a_number_is_refused_without_being_shown(fields: dict[str, str]) -> None:
    with pytest.raises(CredentialsInvalid) as caught:
        read_login(given(**fields))
    says_what_to_do(caught.value.reason)
    assert not [value for value in fields.values() if value in caught.value.reason]


def test_a_login_does_not_show_its_token() -> None:
    login = read_login(access_of(TOKEN))
    assert TOKEN not in repr(login)
    assert login.fingerprint not in repr(login)


async def test_an_account_linked_to_metatrader_is_passed_over_or_refused(venue: OandaHarness) -> None:
    second = venue.add_account()
    venue.server.ledgers[second].mt4 = "6789"
    assert (await venue.adapter.validate(venue.access)).account_number == NUMBER
    with pytest.raises(CredentialsInvalid, match="MetaTrader") as caught:
        await venue.adapter.validate(access_of(TOKEN, number=second))
    says_what_to_do(caught.value.reason)
    order = venue.order()
    refused(await venue.submit(order, access=access_of(TOKEN, number=second)), "credentials_invalid")
    assert not venue.server.asked(RequestKind.ORDER)


async def test_a_token_without_a_usable_account_is_refused(venue: OandaHarness) -> None:
    venue.ledger.mt4 = "6789"
    with pytest.raises(CredentialsInvalid) as caught:
        await venue.adapter.validate(venue.access)
    says_what_to_do(caught.value.reason)


async def test_a_live_token_is_named_with_the_environment_to_save_it_under(venue: OandaHarness) -> None:
    with pytest.raises(CredentialsInvalid) as caught:
        await venue.adapter.validate(venue.misplaced_access)
    assert "production" in caught.value.reason
    practice = replace(access_of(TOKEN), environment="production")
    with pytest.raises(CredentialsInvalid) as caught:
        await venue.adapter.validate(practice)
    assert "practice token" in caught.value.reason
    assert "sandbox" in caught.value.reason
    live = replace(access_of(LIVE_TOKEN), environment="production")
    assert (await venue.adapter.validate(live)).account_number == LIVE_NUMBER


async def test_an_order_with_a_misplaced_token_asks_no_other_host(venue: OandaHarness) -> None:
    refused(await venue.submit(venue.order(), access=venue.misplaced_access), "credentials_invalid")
    assert not venue.live.log


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize("body", [b"<html>Access denied</html>", b'{"message": "no route"}', b"[]"])
async def test_a_gateways_no_is_not_oandas(
    venue: OandaHarness, status: int, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await venue.enter(1)

    async def handle(request: FakeRequest) -> FakeResponse:
        del request
        return FakeResponse(status, body)

    order = await venue.marked(venue.order(2))
    monkeypatch.setattr(venue.server, "handle", handle)
    with pytest.raises(VenueUnavailable):
        await venue.adapter.find_order(venue.access, venue.ref(order))
    assert isinstance(await venue.submit(order), Unknown)


async def test_a_hedged_position_is_the_difference_of_its_sides(venue: OandaHarness) -> None:
    venue.ledger.hedging = True
    assert "difference" in " ".join((await venue.adapter.validate(venue.access)).notes)
    await venue.enter(1, quantity=venue.quantity * 3)
    await venue.enter(2, side=Side.SELL)
    assert await venue.side() == (PositionSide.LONG, venue.quantity * 2)
    close = await venue.enter(3, side=Side.SELL, reduce_only=True, quantity=venue.quantity * 2)
    assert venue.server.asked(RequestKind.ORDER)[-1].json()["longUnits"] == "2000"
    assert await venue.executions(close.client_order_id) == 1
    assert await venue.side() is None
    assert venue.ledger.side(venue.symbol, 1)[0] == venue.ledger.side(venue.symbol, -1)[0] == venue.quantity


async def test_a_part_is_closed_by_its_units_and_the_rest_by_all(venue: OandaHarness) -> None:
    await venue.enter(1, side=Side.SELL, quantity=Decimal(1500))
    for number, sent in ((2, "1000"), (3, "ALL")):
        await venue.enter(number, side=Side.BUY, reduce_only=True)
        assert venue.server.asked(RequestKind.ORDER)[-1].json()["shortUnits"] == sent
    assert await venue.side() is None


async def test_a_position_that_is_not_shown_yet_can_be_closed(
    venue: OandaHarness,
) -> None:
    await venue.enter(1)
    venue.server.shows_positions = False
    accepted(await venue.submit(venue.order(2, Side.SELL, reduce_only=True)))
    venue.server.shows_positions = True
    assert await venue.side() is None


@pytest.mark.parametrize("names_unknown", [True, False])
async def test_an_unknown_symbol_is_refused_whatever_oanda_answers(
    venue: OandaHarness, *, names_unknown: bool
) -> None:
    venue.server.names_unknown = names_unknown
    with pytest.raises(UnknownSymbol, match="EUR_USD"):
        await venue.adapter.rules(venue.access, "EUR_USX")
    with pytest.raises(UnknownSymbol) as caught:
        await venue.adapter.rules(venue.access, "AAPL")
    says_what_to_do(caught.value.reason)


async def test_rules_are_those_of_the_instrument(venue: OandaHarness) -> None:
    rules = await venue.adapter.rules(venue.access, "SPX500_USD")
    assert (rules.quantity_step, rules.price_tick) == (Decimal("0.1"), Decimal("0.1"))
    assert (rules.min_quantity, rules.max_quantity) == (Decimal("0.1"), Decimal(5000))


async def test_one_request_too_many_slows_down_and_stops_nothing_for_long(venue: OandaHarness) -> None:
    await venue.enter(1)
    venue.fault(Fault.TOO_MANY, RequestKind.ORDER)
    outcome = await venue.submit(venue.order(2))
    assert isinstance(outcome, Refused)
    assert outcome.try_again
    begun = venue.time.monotonic()
    accepted(await venue.submit(venue.order(2)))
    assert 0 < venue.time.monotonic() - begun <= 1.1


async def test_oanda_is_left_alone_for_as_long_as_it_asks(
    venue: OandaHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(request: FakeRequest) -> FakeResponse:
        del request
        return FakeResponse(429, b"", {"Retry-After": "30"})

    await venue.enter(1)
    monkeypatch.setattr(venue.server, "too_many", too_many)
    venue.fault(Fault.TOO_MANY, RequestKind.QUESTION)
    with pytest.raises(VenueUnavailable):
        await venue.side()
    outcome = await venue.submit(venue.order(2))
    assert isinstance(outcome, NotSent)
    assert len(venue.server.asked(RequestKind.ORDER)) == 1
    venue.pass_time(30)
    accepted(await venue.submit(venue.order(2)))
