"""What Aster's keys are, and what is said of those that are no good."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sparky.domain.answers import Accepted
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.keys.secret import Secret
from sparky.venues.aster.account import read_agents
from sparky.venues.aster.credentials import read_keys
from sparky.venues.aster.reading import Unreadable
from tests.venues.fakes.aster.harness import AsterHarness, agent, secret, wallet
from tests.venues.fakes.server import FakeRequest, FakeResponse, json_response
from tests.venues.harness import accepted, refused, says_what_to_do

USER = wallet(7)
ROW = {"agentAddress": agent(3).upper().replace("0X", "0x"), "canPerpTrade": True, "canWithdraw": False}


def fields(**given: str) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in given.items()}


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": USER, "api_secret": f"0x{secret(3)}"},
        {"user": f" {USER.upper().replace('0X', '0x')}\n", "private_key": secret(3).upper()},
    ],
)
def test_keys_go_by_our_names_and_by_asters(given: dict[str, str]) -> None:
    keys = read_keys(fields(**given), None)
    assert (keys.user, keys.agent.address) == (USER, agent(3))
    assert secret(3) not in repr(keys)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "api_key is missing"),
        ({"api_key": USER}, "api_secret is missing"),
        ({"api_key": "a1" * 32, "api_secret": "b2" * 32}, "old API"),
        ({"api_key": "trader@example.com", "api_secret": secret(3)}, "not a wallet's address"),
        ({"api_key": USER, "api_secret": "hunter2hunter2"}, "not a private key"),
        ({"api_key": USER, "api_secret": "0" * 64}, "not a private key"),
        ({"api_key": agent(3), "api_secret": secret(3)}, "the wallet itself"),
    ],
)
def test_what_is_no_key_is_named_with_what_to_do(given: dict[str, str], said: str) -> None:
    with pytest.raises(CredentialsInvalid, match=said) as caught:
        read_keys(fields(**given), None)
    says_what_to_do(caught.value.reason)
    assert "Make an API wallet" in caught.value.reason
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert not [value for name, value in given.items() if "secret" in name and value in shown]


def test_keys_of_another_wallet_than_the_accounts_are_refused() -> None:
    given = fields(api_key=USER, api_secret=secret(3))
    with pytest.raises(CredentialsInvalid, match=wallet(8)):
        read_keys(given, wallet(8))
    # What is no address is a name that the trader has given, not an account.
    for name in (USER, "", "my aster", None):
        assert read_keys(given, name).user == USER


@pytest.mark.parametrize(
    "body", [[ROW], {"data": [ROW]}, {"agents": [ROW]}, {"rows": [ROW]}, ROW, [{**ROW, "expired": "0"}]]
)
def test_the_list_of_agents_is_read_in_either_shape(body: Any) -> None:
    (found,) = read_agents(body)
    assert (found.address, found.may_trade, found.may_withdraw) == (agent(3), True, False)
    assert (found.may_spot, found.expires_at, found.addresses) == (None, None, "")


@pytest.mark.parametrize("expired", [1_867_945_395_040, "1867945395040"])
def test_the_last_day_of_an_agent_is_read_as_number_or_text(expired: Any) -> None:
    (found,) = read_agents([{**ROW, "expired": expired}])
    assert found.expires_at == datetime(2029, 3, 11, 17, 43, 15, 40_000, tzinfo=UTC)


def test_a_last_day_of_thousands_of_digits_is_none_that_is_told() -> None:
    (found,) = read_agents([{**ROW, "expired": "9" * 5000}])
    assert found.expires_at is None


@pytest.mark.parametrize("body", [None, [], "", 3, [None], [{}], {"data": 3}, [{"agentAddress": 3}]])
def test_what_is_no_list_of_agents_is_none(body: Any) -> None:
    if body == []:
        assert list(read_agents(body)) == []
        return
    with pytest.raises(Unreadable):
        read_agents(body)


async def test_rights_expiry_and_addresses_are_told() -> None:
    async with AsterHarness.open() as venue:
        one = venue.wallet.agents[venue.agent]
        one.may_spot, one.addresses = True, "10.0.0.1"
        check = await venue.adapter.validate(venue.access)
        assert check.account_number == venue.address
        assert check.permissions == ("canPerpTrade", "canSpotTrade")
        assert check.expires_at is not None
        assert [note.split(",")[0] for note in check.notes] == [
            "This API wallet may also trade spot",
            "This API wallet works from listed addresses only: keep this service's on the list.",
        ]


async def test_an_agent_without_the_right_to_trade_is_refused() -> None:
    async with AsterHarness.open() as venue:
        venue.wallet.agents[venue.agent].may_trade = False
        with pytest.raises(CredentialsInvalid, match="may not trade perpetuals") as caught:
            await venue.adapter.validate(venue.access)
        says_what_to_do(caught.value.reason)
        refused(await venue.submit(venue.order()), "credentials_invalid")


async def test_where_agents_are_not_listed_the_balance_proves_the_keys_and_a_note_says_so() -> None:
    async with AsterHarness.open() as venue:
        venue.server.serves_agents = False
        check = await venue.adapter.validate(venue.access)
        assert check.permissions == ()
        assert "may not withdraw" in check.notes[0]
        assert await venue.side() is None
        with pytest.raises(CredentialsInvalid):
            await venue.adapter.validate(venue.wrong_access)


async def test_what_strangers_are_told_of_a_wallet_is_not_taken_for_its_own_traders() -> None:
    async with AsterHarness.open() as venue:
        venue.wallet.hedged = True
        true_answers = venue.server.handle

        async def zeros(request: FakeRequest) -> FakeResponse:
            if request.path == "/fapi/v3/positionSide/dual":
                return json_response(200, {"dualSidePosition": False})
            return await true_answers(request)

        venue.server.handle = zeros  # type: ignore[method-assign]
        assert not isinstance(await venue.submit(venue.order(1), access=venue.wrong_access), Accepted)
        venue.server.handle = true_answers  # type: ignore[method-assign]
        accepted(await venue.submit(venue.order(2)))


async def test_an_agent_that_is_gone_is_named_even_where_strangers_get_zeros() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        venue.server.answers_strangers_with_zeros = True
        venue.revoke_key()
        for name, question in venue.questions().items():
            if name not in {"rules", "quote"}:
                with pytest.raises(CredentialsInvalid):
                    print(name, await question())


async def test_an_order_is_not_called_absent_by_what_strangers_are_told() -> None:
    async with AsterHarness.open() as venue:
        order = await venue.enter(1)
        venue.server.answers_strangers_with_zeros = True
        venue.revoke_key()
        handle = venue.server.handle

        async def knows_no_order(request: FakeRequest) -> FakeResponse:
            if request.path == "/fapi/v3/order":
                return json_response(400, {"code": -2013, "msg": "Order does not exist."})
            return await handle(request)

        venue.server.handle = knows_no_order  # type: ignore[method-assign]
        with pytest.raises(CredentialsInvalid):
            await venue.adapter.find_order(venue.access, venue.ref(order))


async def test_nothing_is_flat_while_the_agents_cannot_be_asked_for() -> None:
    async with AsterHarness.open() as venue:
        venue.server.answers_strangers_with_zeros = True
        assert await venue.side() is None
        venue.pass_time(61)
        handle = venue.server.handle

        async def without_agents(request: Any) -> FakeResponse:
            if request.path == "/fapi/v3/agent":
                return FakeResponse(502, b"")
            return await handle(request)

        venue.server.handle = without_agents  # type: ignore[method-assign]
        with pytest.raises(VenueUnavailable):
            await venue.side()


async def test_good_keys_in_the_wrong_environment_are_told_where_they_belong() -> None:
    async with AsterHarness.open() as venue:
        with pytest.raises(CredentialsInvalid, match="as sandbox") as caught:
            await venue.adapter.validate(venue.misplaced_access)
        says_what_to_do(caught.value.reason)
        with pytest.raises(CredentialsInvalid, match="as production"):
            await venue.adapter.validate(replace(venue.access, environment="sandbox"))
        check = await venue.adapter.validate(replace(venue.misplaced_access, environment="sandbox"))
        assert check.balance.equity > 0


async def test_an_environment_that_aster_does_not_have_is_refused_in_words() -> None:
    async with AsterHarness.open() as venue:
        elsewhere = replace(venue.access, environment="paper")
        refused(await venue.submit(venue.order(), access=elsewhere), "not_supported")
