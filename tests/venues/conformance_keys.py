"""Cases about keys and the accounts behind them."""

from dataclasses import replace

import pytest

from sparky.domain.answers import Refused
from sparky.domain.errors import CredentialsInvalid, Refusal, VenueUnavailable
from sparky.venues.base import AccountAccess
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import Harness, refused, says_what_to_do
from tests.venues.subjects import Subject, needs


class KeyCases:
    """What a venue says of good, bad and dying keys."""

    async def test_good_keys_show_the_money(self, venue: Harness) -> None:
        check = await venue.adapter.validate(venue.access)
        assert check.balance.equity > 0
        assert check.balance.currency
        assert all(check.permissions)
        for note in check.notes:
            says_what_to_do(note)

    async def test_the_balance_is_that_of_the_account(self, venue: Harness) -> None:
        await venue.adapter.validate(venue.access)
        balance = await venue.adapter.balance(venue.access)
        assert balance.equity >= balance.available > 0
        assert balance.equity >= venue.price * venue.quantity / 100

    async def test_wrong_keys_are_named_as_such_everywhere(self, venue: Harness) -> None:
        with pytest.raises(CredentialsInvalid) as caught:
            await venue.adapter.validate(venue.wrong_access)
        says_what_to_do(caught.value.reason)
        refused(await venue.submit(venue.order(), access=venue.wrong_access), "credentials_invalid")
        with pytest.raises(CredentialsInvalid):
            await venue.adapter.find_order(venue.wrong_access, venue.ref(venue.order()))
        with pytest.raises(CredentialsInvalid):
            await venue.adapter.positions(venue.wrong_access)
        assert await venue.executions(venue.order().client_order_id) == 0

    async def test_missing_fields_are_named(self, venue: Harness) -> None:
        with pytest.raises(CredentialsInvalid) as caught:
            await venue.adapter.validate(replace(venue.access, credentials={}))
        says_what_to_do(caught.value.reason)
        assert "api_key" in caught.value.reason

    @needs(Subject.REVOCATION)
    async def test_keys_that_are_revoked_stop_to_trade(self, venue: Harness) -> None:
        await venue.enter(1)
        venue.revoke_key()
        # An access token that is still good may work on; it is the next one that is not given.
        venue.pass_time(3600)
        refused(await venue.submit(venue.order(2)), "credentials_invalid")
        with pytest.raises(CredentialsInvalid) as caught:
            await venue.adapter.validate(venue.access)
        says_what_to_do(caught.value.reason)
        assert await venue.executions(venue.order(2).client_order_id) == 0

    @needs(Subject.TOKEN_EXPIRY)
    async def test_an_expired_token_is_renewed_and_the_order_sent_once(self, venue: Harness) -> None:
        await venue.enter(1)
        venue.expire_token()
        order = await venue.enter(2)
        venue.expire_token()
        assert await venue.side() is not None
        assert await venue.executions(order.client_order_id) == 1

    @needs(Subject.OTHER_ENVIRONMENT)
    async def test_keys_of_the_other_environment_are_told_apart(self, venue: Harness) -> None:
        with pytest.raises(CredentialsInvalid) as caught:
            await venue.adapter.validate(venue.misplaced_access)
        says_what_to_do(caught.value.reason)
        others = {"sandbox", "practice", "testnet", "production", "live"}
        assert any(word in caught.value.reason.lower() for word in others), caught.value.reason
        with pytest.raises(CredentialsInvalid) as wrong:
            await venue.adapter.validate(venue.wrong_access)
        assert caught.value.reason != wrong.value.reason

    @needs(Subject.WITHDRAWAL)
    async def test_keys_that_may_withdraw_are_refused(self, venue: Harness) -> None:
        venue.allow_withdrawals()
        with pytest.raises(CredentialsInvalid, match="withdraw") as caught:
            await venue.adapter.validate(venue.access)
        says_what_to_do(caught.value.reason)

    @needs(Subject.KEY_EXPIRY)
    async def test_the_last_day_of_keys_is_told_and_kept(self, venue: Harness) -> None:
        check = await venue.adapter.validate(venue.access)
        assert check.expires_at is not None
        assert check.expires_at > venue.time.now()
        venue.expire_key()
        with pytest.raises(CredentialsInvalid, match="expired"):
            await venue.adapter.validate(venue.access)

    @needs(Subject.SEVERAL_ACCOUNTS)
    async def test_one_of_several_accounts_has_to_be_named(self, venue: Harness) -> None:
        known = (await venue.adapter.validate(venue.access)).account_number
        assert known is not None
        second = venue.add_account()
        with pytest.raises(CredentialsInvalid) as caught:
            await venue.adapter.validate(replace(venue.access, account_number=None))
        assert known in caught.value.reason
        assert second in caught.value.reason
        named = await venue.adapter.validate(replace(venue.access, account_number=second))
        assert named.account_number == second

    @needs(Subject.SEVERAL_ACCOUNTS)
    async def test_an_account_that_is_not_behind_the_keys_is_refused(self, venue: Harness) -> None:
        with pytest.raises(CredentialsInvalid) as caught:
            await venue.adapter.validate(replace(venue.access, account_number="NOT-MINE-1"))
        says_what_to_do(caught.value.reason)
        outcome = await venue.submit(venue.order(), access=replace(venue.access, account_number="NOT-MINE-1"))
        assert isinstance(outcome, Refused), outcome
        assert await venue.executions(venue.order().client_order_id) == 0

    async def test_two_traders_never_see_each_other(self, venue: Harness) -> None:
        order = await venue.enter(1)
        assert await venue.side(venue.other_access) is None
        assert list(await venue.adapter.positions(venue.other_access)) == []
        assert await venue.find(order, venue.other_access) is None
        assert await venue.side() is not None

    async def test_keys_show_up_nowhere(self, venue: Harness) -> None:
        accesses = (venue.access, venue.wrong_access)
        secrets = {secret.reveal() for access in accesses for secret in access.credentials.values()}
        shown = [repr(venue.access), repr(venue.adapter), repr(await venue.submit(venue.order()))]
        for number, fault in enumerate((Fault.DROP_REPLY, Fault.ERROR_500, Fault.GARBAGE, Fault.DOWN), 2):
            venue.fault(fault, times=None)
            for access in accesses:
                shown.append(repr(await venue.submit(venue.order(number), access=access)))
                shown.append(await _complaint(venue, access))
            venue.heal()
        shown.append(await _complaint(venue, venue.wrong_access))
        assert not [text for text in shown for secret in secrets if len(secret) > 7 and secret in text]

    @needs(Subject.HTTP)
    async def test_keys_are_sent_in_no_path(self, venue: Harness) -> None:
        await venue.adapter.validate(venue.access)
        await venue.enter(1)
        assert venue.server is not None
        secrets = [one.reveal() for one in venue.access.credentials.values() if len(one.reveal()) > 7]
        assert venue.sent(RequestKind.ORDER) == 1
        assert not [one for one in venue.server.log for secret in secrets if secret in one.path]


async def _complaint(venue: Harness, access: AccountAccess) -> str:
    try:
        await venue.adapter.validate(access)
    except (Refusal, VenueUnavailable) as error:
        chain = (error, error.__cause__, error.__context__)
        return " ".join(repr(one) + str(one) for one in chain)
    return ""
