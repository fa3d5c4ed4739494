"""What keys are worth: asked of `GET /fapi/v3/agent`, which lists a wallet's agents with their rights.

The path is not in Aster's written documentation but in its own demonstration code
(https://github.com/asterdex/api-docs, demo/aster-code.py). Where it is not served, the balance is what
proves that keys work, and rights are not told. Users report that some account questions are answered with
zeros when a signature is wrong, so an empty answer is believed only of an agent that is on the list.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sparky.domain.answers import Balance, KeyCheck
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.runtime.seams import Clock
from sparky.venues.aster.account import Agent, read_agents, read_balance
from sparky.venues.aster.client import HOSTS, AsterClient, NotServed, understood
from sparky.venues.aster.credentials import MAKE_ONE
from sparky.venues.aster.lookup import Account
from sparky.venues.cached import Cached

_BELIEVED_SECONDS: Final = 60.0
_AGENT_WEIGHT: Final = 5
_BALANCE_WEIGHT: Final = 5
_PLACES: Final = {"production": "Aster itself", "sandbox": "Aster's testnet"}


class KeyDesk:
    """Checks keys."""

    def __init__(self, client: AsterClient, clock: Clock) -> None:
        self._client = client
        self._proved: Cached[tuple[str, str, str], bool] = Cached(_BELIEVED_SECONDS, clock)

    async def check(self, account: Account) -> KeyCheck:
        """Prove that keys work, may trade perpetuals, and may not withdraw.

        Raises:
            CredentialsInvalid: they do not, in a sentence that says what to do.
            VenueUnavailable: Aster does not tell.
        """
        try:
            agents = await self._agents(account)
        except CredentialsInvalid as error:
            raise CredentialsInvalid(await self._elsewhere(account) or error.reason) from None
        notes: tuple[str, ...]
        if agents is None:
            agent = None
            notes = ("Aster does not tell what this API wallet may do: make sure that it may not withdraw.",)
        else:
            agent = _own(agents, account)
            if agent is None:
                raise CredentialsInvalid(await self._elsewhere(account) or _not_listed(account))
            await self._refuse_unfit(account, agent)
            notes = _notes(agent)
        return KeyCheck(
            balance=await self.balance(account),
            account_number=account.keys.user,
            permissions=() if agent is None else _permissions(agent),
            expires_at=None if agent is None else agent.expires_at,
            notes=notes,
        )

    async def balance(self, account: Account) -> Balance:
        """Return the account's money.

        Raises:
            CredentialsInvalid: Aster does not accept the keys.
            VenueUnavailable: no answer.
        """
        body = await self._client.ask(
            account.environment, account.keys, "/fapi/v3/balance", weight=_BALANCE_WEIGHT
        )
        balance = understood(read_balance, body)
        if not balance.equity:
            await self.prove(account)
        return balance

    async def prove(self, account: Account) -> None:
        """Make sure that an empty answer was one about this account.

        Raises:
            CredentialsInvalid: the agent is not one of the wallet's.
            VenueUnavailable: Aster does not tell.
        """

        async def load() -> bool:
            agents = await self._agents(account)
            if agents is not None and _own(agents, account) is None:
                raise CredentialsInvalid(_not_listed(account))
            return True

        key = (account.environment, account.keys.user, account.keys.agent.address)
        await self._proved.get(key, load)

    async def _agents(self, account: Account) -> Sequence[Agent] | None:
        try:
            body = await self._client.ask(
                account.environment, account.keys, "/fapi/v3/agent", weight=_AGENT_WEIGHT
            )
        except NotServed:
            return None
        return understood(read_agents, body)

    async def _elsewhere(self, account: Account) -> str | None:
        """Tell whether the keys are good in the other environment."""
        for environment in HOSTS:
            if environment == account.environment:
                continue
            other = Account(environment=environment, keys=account.keys)
            try:
                agents = await self._agents(other)
            except (CredentialsInvalid, VenueUnavailable):
                continue
            if agents is not None and _own(agents, other) is not None:
                return (
                    f"These keys are of {_PLACES[environment]}, not of {_PLACES[account.environment]}: save "
                    f"the account as {environment}, or make an API wallet in the other place."
                )
        return None

    async def _refuse_unfit(self, account: Account, agent: Agent) -> None:
        if agent.may_withdraw:
            raise CredentialsInvalid(
                f"This API wallet may withdraw your money, so it is not taken. {MAKE_ONE}"
            )
        if agent.may_trade is False:
            raise CredentialsInvalid(f"This API wallet may not trade perpetuals. {MAKE_ONE}")
        if agent.expires_at is not None:
            now_ms = await self._client.venue_milliseconds(account.environment)
            if agent.expires_at <= datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms):
                raise CredentialsInvalid(
                    f"This API wallet has expired on {agent.expires_at:%Y-%m-%d}. {MAKE_ONE}"
                )


def _own(agents: Sequence[Agent], account: Account) -> Agent | None:
    address = account.keys.agent.address
    return next((agent for agent in agents if agent.address == address), None)


def _not_listed(account: Account) -> str:
    return (
        f"Wallet {account.keys.user} has no API wallet {account.keys.agent.address}: it was removed, or "
        f"belongs to another wallet. {MAKE_ONE}"
    )


def _permissions(agent: Agent) -> tuple[str, ...]:
    told = {
        "canPerpTrade": agent.may_trade,
        "canSpotTrade": agent.may_spot,
        "canWithdraw": agent.may_withdraw,
    }
    return tuple(name for name, may in told.items() if may)


def _notes(agent: Agent) -> tuple[str, ...]:
    notes = []
    if agent.may_withdraw is None:
        notes.append("Aster does not tell whether this API wallet may withdraw: make sure that it may not.")
    if agent.may_spot:
        notes.append("This API wallet may also trade spot, which is not needed here.")
    if agent.addresses:
        notes.append("This API wallet works from listed addresses only: keep this service's on the list.")
    return tuple(notes)
