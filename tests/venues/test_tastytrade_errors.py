"""Which answers of tastytrade are refusals, in which words, and which tell nothing of the order."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import NotSent, Refused, Unknown
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.domain.reasons import Reason
from sparky.venues.http import Reply
from sparky.venues.tastytrade.errors import outcome_of_error, read_error
from tests.venues.fakes.messages import FakeRequest, FakeResponse
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.fakes.tastytrade.harness import TastytradeHarness
from tests.venues.harness import accepted, says_what_to_do


@pytest.fixture
async def venue() -> AsyncIterator[TastytradeHarness]:
    async with TastytradeHarness.open() as harness:
        yield harness


def answered(status: int, error: Any) -> Reply:
    return Reply(status, {}, json.dumps({"error": error}).encode())


def failed(code: str, message: str) -> Reply:
    return answered(
        422,
        {
            "code": "preflight_check_failure",
            "message": "One or more preflight checks failed",
            "errors": [{"code": code, "message": message}],
        },
    )


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        ("margin_check_failed", "Account has insufficient buying power.", Reason.INSUFFICIENT_FUNDS),
        ("some_new_code", "Your buying power is too low", Reason.INSUFFICIENT_FUNDS),
        ("closing_with_no_position", "You cannot route a closing order", Reason.NO_POSITION),
        ("cant_buy_for_credit", "You cannot buy for a credit.", Reason.INVALID_PRICE),
        ("invalid_price_increment", "Price must be in increments of $0.05", Reason.INVALID_PRICE),
        ("some_new_code", "Orders cannot be submitted while the market is closed", Reason.MARKET_CLOSED),
        ("instrument_validation_failed", "Symbol XX is not tradeable", Reason.UNKNOWN_SYMBOL),
        ("closing_only", "Restricted to closing trades", Reason.VENUE_REFUSED),
        ("gtc_market_orders_not_supported", "Market orders cannot be GTC", Reason.NOT_SUPPORTED),
        ("some_new_code", "Short sell is not possible", Reason.SHORT_NOT_ALLOWED),
        ("some_new_code", "You have an opposite position", Reason.VENUE_REFUSED),
        ("never_seen_before", "The moon is full", Reason.VENUE_REFUSED),
    ],
)
def test_a_failed_check_is_refused_for_a_reason_in_the_venues_words(
    code: str, words: str, reason: Reason
) -> None:
    outcome = outcome_of_error(failed(code, words))
    assert isinstance(outcome, Refused)
    assert (outcome.reason_code, outcome.venue_code, outcome.try_again) == (reason, code, False)
    assert outcome.reason.startswith(f"Tastytrade refused the order: {words.rstrip('.')} ({code}). ")
    says_what_to_do(outcome.reason)


def test_all_failed_checks_are_told_and_the_other_shape_of_them_too() -> None:
    errors = [{"domain": "legs", "reason": "invalid_quantity"}, {"code": "two", "message": "Second thing."}]
    error = read_error(answered(422, {"code": "validation_error", "message": "No", "errors": errors}))
    assert error is not None
    assert (error.code, error.words) == ("invalid_quantity", "legs; Second thing")


@pytest.mark.parametrize(
    ("status", "reason", "again"),
    [
        (400, Reason.VENUE_REFUSED, False),
        (401, Reason.CREDENTIALS_INVALID, False),
        (403, Reason.CREDENTIALS_INVALID, False),
        (404, Reason.VENUE_REFUSED, False),
        (406, Reason.VENUE_REFUSED, False),
        (422, Reason.VENUE_REFUSED, False),
        (429, Reason.VENUE_UNAVAILABLE, True),
    ],
)
def test_an_error_in_the_venues_language_is_a_refusal(status: int, reason: Reason, *, again: bool) -> None:
    outcome = outcome_of_error(answered(status, {"code": "no", "message": "That is not possible"}))
    assert isinstance(outcome, Refused)
    assert (outcome.reason_code, outcome.try_again) == (reason, again)
    says_what_to_do(outcome.reason)


@pytest.mark.parametrize("status", [400, 403, 404, 408, 413, 422, 500, 502, 503, 504, 301, 600])
def test_a_page_of_somebody_else_says_nothing_of_the_order(status: int) -> None:
    page = Reply(status, {}, b"<html><body>Bad things</body></html>")
    assert isinstance(outcome_of_error(page), Unknown)


@pytest.mark.parametrize("status", [408, 500, 503])
def test_an_error_after_which_it_may_have_been_executed_is_unknown(status: int) -> None:
    assert isinstance(outcome_of_error(answered(status, {"code": "no", "message": "Failed"})), Unknown)


async def test_too_many_requests_of_one_trader_stop_that_trader_alone(venue: TastytradeHarness) -> None:
    await venue.side()
    await venue.side(venue.other_access)
    venue.fault(Fault.TOO_MANY, RequestKind.ORDER)
    outcome = await venue.submit(venue.order())
    assert isinstance(outcome, Refused)
    assert outcome.try_again
    begun = venue.time.monotonic()
    accepted(await venue.submit(venue.order(2), access=venue.other_access))
    assert venue.time.monotonic() - begun < 0.9
    begun = venue.time.monotonic()
    accepted(await venue.submit(venue.order()))
    assert venue.time.monotonic() - begun >= 0.9


async def test_a_pause_that_the_venue_asks_for_is_kept(venue: TastytradeHarness) -> None:
    await venue.side()
    handle = venue.server.handle

    async def busy(request: FakeRequest) -> FakeResponse:
        if request.path.endswith("/positions"):
            return FakeResponse(429, b'{"error":{"code":"too_many_requests"}}', {"Retry-After": "30"})
        return await handle(request)

    venue.server.handle = busy  # type: ignore[method-assign]
    with pytest.raises(VenueUnavailable):
        await venue.side()
    before = len(venue.server.log)
    assert isinstance(await venue.submit(venue.order()), NotSent)
    assert len(venue.server.log) == before
    venue.pass_time(31)
    accepted(await venue.submit(venue.order()))


async def test_keys_without_the_scope_to_trade_are_told_at_once(venue: TastytradeHarness) -> None:
    venue.grant.scopes = {"read"}
    with pytest.raises(CredentialsInvalid, match="not trade") as caught:
        await venue.adapter.validate(venue.access)
    says_what_to_do(caught.value.reason)
    outcome = await venue.submit(venue.order())
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == Reason.CREDENTIALS_INVALID


async def test_a_closed_account_is_refused_and_a_frozen_one_is_told(venue: TastytradeHarness) -> None:
    venue.server.status = {"is-frozen": True, "is-in-margin-call": True}
    venue.grant.authority = "trader"
    check = await venue.adapter.validate(venue.access)
    assert any("frozen" in note for note in check.notes)
    assert any("margin call" in note for note in check.notes)
    assert any("not the account's owner" in note for note in check.notes)
    assert check.permissions == ("read", "trade", "options level No Restrictions", "futures")
    for note in check.notes:
        says_what_to_do(note)
    venue.server.closed.append("5WT00001")
    with pytest.raises(CredentialsInvalid, match="no open account"):
        await venue.adapter.validate(venue.access)


async def test_a_dry_run_that_fails_for_another_reason_proves_the_right_to_trade(
    venue: TastytradeHarness,
) -> None:
    handle = venue.server.handle

    async def poor(request: FakeRequest) -> FakeResponse:
        if request.path.endswith("/dry-run"):
            return FakeResponse(422, b'{"error":{"code":"preflight_check_failure","message":"No money"}}')
        return await handle(request)

    venue.server.handle = poor  # type: ignore[method-assign]
    check = await venue.adapter.validate(venue.access)
    assert "trade" in check.permissions
    assert check.balance.equity == Decimal(1_000_000)
    assert venue.server.desk.orders == {}
