"""What is made of each of Aster's refusals."""

from dataclasses import replace
from typing import Any

import pytest

from sparky.domain.answers import Refused, Unknown
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.domain.orders import OrderState
from sparky.domain.reasons import Reason
from sparky.venues.aster.errors import AsterError, read_error
from tests.venues.fakes.aster.harness import AsterHarness
from tests.venues.fakes.server import FakeRequest, FakeResponse, json_response
from tests.venues.harness import accepted, allow, refused

OPEN = (-1000, -1001, -1006, -1007, -1010)
CODES = {
    "credentials_invalid": (-1002, -1011, -1022, -1109, -2014, -2015),
    "insufficient_funds": (-2018, -2019, -4050, -4051, -5050),
    "no_position": (-2022, -2024, -4118),
    "below_minimum": (-4003, -4004, -4164),
    "above_maximum": (-4005, -2027, -2025, -4045),
    "invalid_price": (-2021, -4013, -4016, -4024, -4131, -4142, -4183, -4184),
    "market_closed": (-4140, -4141),
    "unknown_symbol": (-1121,),
    "venue_refused": (-1102, -1111, -2010, -2023, -4014, -4023, -4087, -4088, -4137, -5060, -5076, -9999),
}


@pytest.mark.parametrize(
    ("reason", "code"), [(reason, code) for reason, codes in CODES.items() for code in codes]
)
def test_a_code_of_aster_becomes_a_reason_and_a_sentence(reason: str, code: int) -> None:
    outcome = AsterError(code=code, words="Words of the venue.").for_a_write()
    refusal = refused(outcome, reason)
    assert (refusal.venue_code, refusal.try_again) == (str(code), False)
    assert f"Words of the venue ({code})." in refusal.reason


@pytest.mark.parametrize("code", [-1003, -1015, -1021, -4225, -4061])
def test_a_no_that_is_not_about_the_order_may_be_sent_again(code: int) -> None:
    assert refused(AsterError(code=code, words="Later.").for_a_write()).try_again


@pytest.mark.parametrize("code", OPEN)
def test_a_code_that_leaves_it_open_is_unknown(code: int) -> None:
    assert isinstance(AsterError(code=code, words="Something happened.").for_a_write(), Unknown)
    assert isinstance(AsterError(code=code, words="Something happened.").for_a_question(), VenueUnavailable)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-4116, "ClientOrderId is used."),
        (-2010, "Duplicate order sent."),
        (-9999, "clientOrderId already exists"),
    ],
)
def test_words_about_a_duplicate_mean_that_the_order_is_there(code: int, words: str) -> None:
    assert isinstance(AsterError(code=code, words=words).for_a_write(), Unknown)


def test_a_parameter_that_comes_twice_is_no_duplicate_order() -> None:
    words = "Duplicate values for a parameter detected."
    assert isinstance(AsterError(code=-1101, words=words).for_a_write(), Refused)


@pytest.mark.parametrize("words", ["No aster user found", "No agent found", "agent expired"])
def test_an_unknown_wallet_or_agent_is_about_the_keys(words: str) -> None:
    refused(AsterError(code=-1000, words=words).for_a_write(), Reason.CREDENTIALS_INVALID)
    assert isinstance(AsterError(code=-1000, words=words).for_a_question(), CredentialsInvalid)


@pytest.mark.parametrize(
    "body", [None, [], "text", {}, {"code": 200}, {"code": "-1121"}, {"code": True}, {"msg": "x"}]
)
def test_what_is_not_asters_error_is_none(body: Any) -> None:
    assert read_error(body) is None


@pytest.mark.parametrize("status", [200, 201, 500, 502, 503])
async def test_a_no_in_an_answer_that_is_not_a_refusal_is_unknown(status: int) -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)

        async def handle(request: FakeRequest) -> FakeResponse:
            del request
            return json_response(status, {"code": -2019, "msg": "Margin is insufficient."})

        venue.server.handle = handle  # type: ignore[method-assign]
        assert isinstance(await venue.submit(venue.order(2)), Unknown)
        assert isinstance(await venue.adapter.cancel(venue.access, venue.ref(venue.order(1)), allow), Unknown)


async def test_a_cancel_of_an_order_that_is_not_known_is_open_until_it_is_looked_up() -> None:
    async with AsterHarness.open() as venue:
        order = venue.resting()
        accepted(await venue.submit(order))
        handle = venue.server.handle

        async def forgetful(request: FakeRequest) -> FakeResponse:
            if request.method == "DELETE":
                return json_response(400, {"code": -2011, "msg": "Unknown order sent."})
            return FakeResponse(502, b"") if request.path == "/fapi/v3/order" else await handle(request)

        venue.server.handle = forgetful  # type: ignore[method-assign]
        assert isinstance(await venue.adapter.cancel(venue.access, venue.ref(order), allow), Unknown)
        venue.server.handle = handle  # type: ignore[method-assign]
        assert (await venue.shown(order)).state is OrderState.WORKING


async def test_the_id_of_an_open_order_is_not_taken_twice_and_that_is_never_called_refused() -> None:
    async with AsterHarness.open() as venue:
        order = venue.resting()
        accepted(await venue.submit(order))
        assert isinstance(await venue.submit(order), Unknown)
        assert await venue.executions(order.client_order_id) == 1


async def test_an_answer_about_another_order_is_not_ours() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        handle = venue.server.handle

        async def mistaken(request: Any) -> Any:
            answer = await handle(request)
            ours, other = venue.client_id(2).encode(), venue.client_id(3).encode()
            return replace(answer, body=answer.body.replace(ours, other))

        venue.server.handle = mistaken  # type: ignore[method-assign]
        assert isinstance(await venue.submit(venue.order(2)), Unknown)
