"""Logging in at tastytrade: once for all who wait, ahead of time, never again with refused keys."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from sparky.domain.answers import Accepted, NotSent, Refused
from sparky.domain.errors import CredentialsInvalid, DatabaseUnavailable, VenueUnavailable
from sparky.keys.secret import Secret
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.fakes.tastytrade.harness import TastytradeHarness, account_access
from tests.venues.fakes.tastytrade.logins import Grant, refresh_token
from tests.venues.harness import accepted, says_what_to_do


@pytest.fixture
async def venue() -> AsyncIterator[TastytradeHarness]:
    async with TastytradeHarness.open() as harness:
        yield harness


def logins(venue: TastytradeHarness) -> int:
    return venue.sent(RequestKind.TOKEN)


class Kept:
    """Where rotated credentials go, which may be out of order."""

    def __init__(self) -> None:
        self.kept: list[dict[str, str]] = []
        self.works = True

    async def __call__(self, credentials: Mapping[str, Secret]) -> None:
        if not self.works:
            raise DatabaseUnavailable("away")
        self.kept.append({name: secret.reveal() for name, secret in credentials.items()})


async def test_however_many_wait_there_is_one_login(venue: TastytradeHarness) -> None:
    adapter, access = venue.adapter, venue.access
    await asyncio.gather(
        venue.side(),
        adapter.balance(access),
        adapter.open_orders(access),
        adapter.rules(access, venue.symbol),
        *(venue.submit(venue.order(number)) for number in (1, 2)),
    )
    assert logins(venue) == 1


async def test_a_token_is_renewed_before_it_ends(venue: TastytradeHarness) -> None:
    await venue.side()
    venue.pass_time(719)
    await venue.side()
    assert logins(venue) == 1
    venue.pass_time(2)
    await venue.side()
    assert logins(venue) == 2


async def test_a_token_serves_to_its_end_while_the_venue_does_not_renew_it(venue: TastytradeHarness) -> None:
    await venue.side()
    venue.pass_time(721)
    venue.server.arm(Fault.ERROR_503, times=None, matching=RequestKind.TOKEN)
    await venue.side()
    await venue.side()
    assert logins(venue) == 2, "asked again without a pause"
    venue.pass_time(180)
    with pytest.raises(VenueUnavailable):
        await venue.side()
    assert isinstance(await venue.submit(venue.order()), NotSent)


async def test_keys_that_were_refused_are_not_tried_again_until_they_change(venue: TastytradeHarness) -> None:
    for _ in range(3):
        with pytest.raises(CredentialsInvalid) as caught:
            await venue.adapter.balance(venue.wrong_access)
        says_what_to_do(caught.value.reason)
        assert "invalid_grant" in caught.value.reason
    assert logins(venue) == 1
    changed = replace(venue.wrong_access, credentials=venue.access.credentials)
    await venue.adapter.balance(changed)
    assert logins(venue) == 2


async def test_many_bad_keys_do_not_get_our_address_blocked(venue: TastytradeHarness) -> None:
    await venue.side()
    for number in range(8):
        grant = Grant(
            refresh_token(f"nobody{number}", "https://api.cert.tastyworks.com"), "wrong-secret", ["X"]
        )
        with pytest.raises((CredentialsInvalid, VenueUnavailable)):
            await venue.adapter.balance(account_access(grant, f"bad{number}"))
    assert venue.server.logins.bad_logins == 5
    venue.expire_token()
    await venue.side()
    with pytest.raises(VenueUnavailable, match="Several keys were refused"):
        await venue.side(venue.other_access)
    venue.pass_time(601)
    await venue.side(venue.other_access)


async def test_bad_keys_of_others_stop_no_keys_that_are_proved(venue: TastytradeHarness) -> None:
    for number in range(6):
        grant = Grant(refresh_token(f"nobody{number}", "https://api.cert.tastyworks.com"), "wrong", ["X"])
        with pytest.raises((CredentialsInvalid, VenueUnavailable)):
            await venue.adapter.balance(account_access(grant, f"bad{number}"))
    # As after a restart: this process has never used them.
    await venue.side(replace(venue.access, is_proved=True))


async def test_a_rotated_token_is_written_back_under_its_name_and_used_from_then_on(
    venue: TastytradeHarness,
) -> None:
    kept = Kept()
    access = replace(venue.access, keep_credentials=kept)
    venue.server.logins.rotates = True
    await venue.side(access)
    assert kept.kept == [
        {"api_key": venue.grant.refresh_token, "api_secret": venue.grant.client_secret},
    ]
    assert venue.grant.refresh_token.startswith("rotated-1")
    venue.pass_time(800)
    await venue.side(access)
    assert [one["api_key"][:9] for one in kept.kept] == ["rotated-1", "rotated-2"]
    # Read again from where they are kept, the same login is meant.
    fresh = {"api_key": Secret(venue.grant.refresh_token), "api_secret": Secret(venue.grant.client_secret)}
    await venue.side(replace(access, credentials=fresh))
    assert logins(venue) == 2


async def test_a_rotated_token_that_cannot_be_stored_is_not_lost(venue: TastytradeHarness) -> None:
    kept = Kept()
    kept.works = False
    access = replace(venue.access, keep_credentials=kept)
    venue.server.logins.rotates = True
    await venue.side(access)
    venue.server.logins.rotates = False
    venue.pass_time(800)
    kept.works = True
    await venue.side(access)
    assert [one["api_key"] for one in kept.kept] == [venue.grant.refresh_token]


async def test_who_gives_up_waiting_does_not_lose_a_rotated_token(venue: TastytradeHarness) -> None:
    kept = Kept()
    access = replace(venue.access, keep_credentials=kept)
    venue.server.logins.rotates = True
    venue.server.arm(Fault.DELAY, matching=RequestKind.TOKEN, seconds=0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await venue.side(access)
    await venue.side(access)
    assert logins(venue) == 1
    assert len(kept.kept) == 1


async def test_an_order_answered_401_is_sent_once_more_with_a_permit_of_its_own(
    venue: TastytradeHarness,
) -> None:
    access = replace(venue.access, account_number="5WT00001")
    await venue.adapter.rules(access, venue.symbol)
    venue.expire_token()
    asked: list[None] = []
    accepted(await venue.submit(venue.order(), lambda: asked.append(None), access=access))
    assert (len(asked), logins(venue)) == (2, 2)
    assert await venue.executions(venue.client_id(1)) == 1


async def test_a_revoked_grant_is_told_with_the_order(venue: TastytradeHarness) -> None:
    await venue.adapter.rules(venue.access, venue.symbol)
    venue.revoke_key()
    outcome = await venue.submit(venue.order())
    assert isinstance(outcome, Refused), outcome
    assert outcome.reason_code == "credentials_invalid"
    says_what_to_do(outcome.reason)


async def test_a_token_of_the_sandbox_is_never_tried_in_production(venue: TastytradeHarness) -> None:
    access = replace(venue.access, environment="production")
    with pytest.raises(CredentialsInvalid, match="sandbox"):
        await venue.adapter.validate(access)
    assert venue.production.log == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"username": "me", "password": "guess"}, "no longer takes a username"),
        ({"api_secret": "secret"}, "lack the refresh token"),
        ({"refresh_token": "token"}, "lack the client secret"),
    ],
)
async def test_fields_that_are_missing_or_of_the_old_kind_are_named(
    venue: TastytradeHarness, given: dict[str, str], says: str
) -> None:
    credentials = {name: Secret(value) for name, value in given.items()}
    access = replace(venue.access, credentials=credentials)
    with pytest.raises(CredentialsInvalid, match=says) as caught:
        await venue.adapter.balance(access)
    says_what_to_do(caught.value.reason)
    assert venue.server.log == []


async def test_the_venues_own_names_of_the_fields_are_taken_too(venue: TastytradeHarness) -> None:
    credentials = {
        "refresh_token": venue.access.credentials["api_key"],
        "client_secret": venue.access.credentials["api_secret"],
        "account_number": Secret("5WT00001"),
    }
    outcome = await venue.submit(venue.order(), access=replace(venue.access, credentials=credentials))
    assert isinstance(outcome, Accepted), outcome
