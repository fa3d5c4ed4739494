"""What a venue shows at the moment of planning. What is wanted is asked at once, and nothing else."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sparky.domain.answers import Quote, VenuePosition
from sparky.domain.contracts import open_contract, pick_contract, pick_expiration
from sparky.domain.errors import Refusal
from sparky.domain.options import OptionContract
from sparky.domain.plan import Rejection
from sparky.domain.reasons import Reason
from sparky.domain.snapshot import NO_RULES, Snapshot, Wanted
from sparky.domain.work_order import WorkOrder
from sparky.engine.open_account import OpenAccount

# Options expire by the days of their exchange.
_EXCHANGE_TIME: Final = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The instrument that is traded. `asks_position` is false where its position is known."""

    symbol: str
    asks_position: bool = True
    position: VenuePosition | None = None
    contract: OptionContract | None = None
    underlying_quote: Quote | None = None


async def take_snapshot(
    account: OpenAccount, order: WorkOrder, wanted: Wanted, now: datetime
) -> Snapshot | Rejection:
    """Ask a venue for what planning wants to know.

    Rejected where an alert means an option that the venue does not list.

    Raises:
        VenueUnavailable: a question was not answered.
        Refusal: the venue does not know the symbol, or does not accept the keys.
    """
    positions = await account.positions() if wanted.positions else ()
    chosen = await _choose(account, order, wanted, positions, now)
    if isinstance(chosen, Rejection):
        return chosen
    asks_position = wanted.position and chosen.asks_position
    answers = await _at_once(
        {
            "rules": account.rules(chosen.symbol) if wanted.rules else None,
            "position": account.position(chosen.symbol) if asks_position else None,
            "quote": _quote(account, chosen.symbol) if wanted.quote else None,
            "balance": account.balance() if wanted.balance else None,
        }
    )
    return Snapshot(
        capabilities=account.capabilities,
        rules=answers.get("rules", NO_RULES),
        position=answers.get("position", chosen.position),
        positions=positions,
        quote=answers.get("quote"),
        balance=answers.get("balance"),
        contract=chosen.contract,
        underlying_quote=chosen.underlying_quote,
    )


async def _choose(
    account: OpenAccount,
    order: WorkOrder,
    wanted: Wanted,
    positions: Sequence[VenuePosition],
    now: datetime,
) -> _Chosen | Rejection:
    if order.unprotected is not None:
        # Of an option that was chosen from its chain, the signal's symbol is only the underlying.
        return _Chosen(symbol=order.unprotected.entry.symbol)
    if wanted.chain:
        return await _choose_contract(account, order, now)
    if order.alert.right is None or not wanted.positions:
        return _Chosen(symbol=order.symbol)
    meant = open_contract(order, positions)
    if isinstance(meant, VenuePosition):
        return _Chosen(symbol=meant.symbol, asks_position=False, position=meant)
    # Planning tells none from several. A position in the shares is another thing, so it is not asked for.
    return _Chosen(symbol=order.symbol, asks_position=False)


async def _choose_contract(account: OpenAccount, order: WorkOrder, now: datetime) -> _Chosen | Rejection:
    asked = await _at_once(
        {"expirations": account.expirations(order.symbol), "quote": account.quote(order.symbol)}
    )
    expiration = pick_expiration(order, asked["expirations"], now.astimezone(_EXCHANGE_TIME).date())
    if isinstance(expiration, Rejection):
        return expiration
    chain = await account.option_chain(order.symbol, expiration)
    contract = pick_contract(order, chain, asked["quote"])
    if isinstance(contract, Rejection):
        return contract
    return _Chosen(symbol=contract.symbol, contract=contract, underlying_quote=asked["quote"])


async def _quote(account: OpenAccount, symbol: str) -> Quote | None:
    """Return what it costs; None where the venue has no price, and planning has to do without."""
    try:
        return await account.quote(symbol)
    except Refusal as refusal:
        if refusal.reason_code in {Reason.NO_PRICE, Reason.NOT_SUPPORTED}:
            return None
        raise


async def _at_once(questions: dict[str, Coroutine[Any, Any, Any] | None]) -> dict[str, Any]:
    """Ask everything at once, and return the answers by name. The first failure ends the others."""
    asked = {name: question for name, question in questions.items() if question is not None}
    if len(asked) <= 1:
        return {name: await question for name, question in asked.items()}
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(question) for name, question in asked.items()}
    except BaseExceptionGroup as failed:
        # Each of them says alone what to do.
        raise failed.exceptions[0] from None
    return {name: task.result() for name, task in tasks.items()}
