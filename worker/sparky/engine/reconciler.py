"""Compares our rows with the venues', account by account, and brings open ends to their end.

An order that outlived its signal is asked for until the venue has ended it. Positions are compared; what
differs is written down for the trader and the operator when it changes. A venue that does not answer says
nothing: silence never means "flat".
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final, Protocol

import structlog

from sparky.database.accounts import Comparison, DueAccount, Held, OpenEnd
from sparky.domain.answers import Accepted, VenuePosition
from sparky.domain.errors import CredentialsInvalid, LostClaim, Refusal, Retryable, VenueUnavailable
from sparky.domain.news import OrderNews
from sparky.domain.orders import PositionSide
from sparky.domain.work_order import Claim
from sparky.engine.access import AccountDesk
from sparky.engine.leases import Lease
from sparky.engine.open_account import OpenAccount
from sparky.engine.permits import SendingPermit
from sparky.engine.queues import Pace, all_of, work_off
from sparky.runtime.seams import Seams

_LEASE_SECONDS: Final = 60
# So many are asked at once: one slow venue keeps the others waiting for one account's time, and not for all.
_PACE: Final = Pace(batch=5, idle_seconds=5.0)
# Well within the lease, also when the last answer takes its whole time.
_NEWS_SECONDS: Final = 30.0
_INTERVAL_SECONDS: Final = 60
_SETTLED_SECONDS: Final = 60
_CANCEL_SECONDS: Final = 10.0
# Where an entry of ours works whose exits are to be placed as soon as it fills.
_SOON_SECONDS: Final = 10
# An account whose venue or keys do not answer is not worth asking every minute.
_TROUBLED_SECONDS: Final = 300

_log = structlog.get_logger(__name__)


class AccountStore(Protocol):
    """Where due accounts come from and results go."""

    async def claim_accounts(self, limit: int, lease_seconds: int) -> Sequence[DueAccount]:
        """Take up to `limit` accounts that are due."""
        ...

    async def finish_accounts(self, results: Sequence[Comparison]) -> None:
        """Record what was found."""
        ...


class Reconciler:
    """Works off due accounts, a few at once; its leases share them among workers."""

    def __init__(self, store: AccountStore, desk: AccountDesk, seams: Seams) -> None:
        self._store = store
        self._desk = desk
        self._seams = seams

    async def run(self) -> None:
        """Compare for ever."""
        await work_off("accounts", self._compare_batch, _PACE, self._seams)

    async def _compare_batch(self) -> int:
        due = await self._store.claim_accounts(_PACE.batch, _LEASE_SECONDS)
        await all_of(self._compare_one(account) for account in due)
        return len(due)

    async def _compare_one(self, due: DueAccount) -> None:
        with structlog.contextvars.bound_contextvars(account_id=due.account.id):
            try:
                await self._store.finish_accounts([await self._compare(due)])
            except LostClaim as error:
                _log.warning("comparison_left_alone", why=str(error))

    async def _compare(self, due: DueAccount) -> Comparison:
        if self._desk.is_silent(due.account.exchange, due.account.environment):
            return Comparison(due=due, due_in_seconds=_INTERVAL_SECONDS, differences=None)
        news: list[tuple[str, OrderNews]] = []
        try:
            opened = await self._desk.open(due.user_id, due.account)
            await self._gather_news(opened, due, news)
            positions = await opened.positions()
            await self._cancel_left_exits(opened, due, positions, news)
            differences = _differences(due.positions, positions)
        except (Refusal, Retryable) as error:
            _log.warning("account_not_compared", why=str(error))
            refused = isinstance(error, CredentialsInvalid)
            if refused:
                self._desk.forget(due.account)
            return Comparison(
                due=due,
                due_in_seconds=_TROUBLED_SECONDS,
                differences=None,
                news=tuple(news),
                keys_refused=refused,
            )
        if differences:
            _log.warning("positions_differ", symbols=[one["symbol"] for one in differences])
        seconds = _SOON_SECONDS if _awaits_entry(due, news) else _INTERVAL_SECONDS
        return Comparison(due=due, due_in_seconds=seconds, differences=differences, news=tuple(news))

    async def _cancel_left_exits(
        self,
        opened: OpenAccount,
        due: DueAccount,
        positions: Sequence[VenuePosition],
        news: list[tuple[str, OrderNews]],
    ) -> None:
        """Cancel exits of positions that are closed, where the venue leaves them: they would meet the next.

        Only where our books and the venue show nothing in the symbol, and only what has waited for a while:
        neither may know yet of a position that was opened a moment ago.
        """
        if opened.capabilities.cancels_siblings:
            return
        held = {one.symbol for one in due.positions} | {one.symbol for one in positions}
        ended = _ended(news)
        settled = self._seams.clock.now() - timedelta(seconds=_SETTLED_SECONDS)
        for end in due.open_ends:
            left = end.purpose.is_exit and end.ref.exit_of is None and end.ref.symbol not in held
            if not left or (end.signal_id, end.leg) in ended or end.ref.sent_at > settled:
                continue
            outcome = await opened.cancel(end.ref, self._permit(end))
            _log.info("exit_of_nothing_cancelled", client_order_id=end.ref.client_order_id)
            if isinstance(outcome, Accepted):
                news.append((end.signal_id, OrderNews.of(end.leg, outcome.order)))

    def _permit(self, end: OpenEnd) -> SendingPermit:
        # A cancel may be repeated, so nothing but time bounds it.
        clock = self._seams.clock
        lease = Lease(Claim(end.signal_id, 0), clock.monotonic() + _CANCEL_SECONDS)
        return SendingPermit(clock, lease, asked_at=clock.monotonic(), venue_timeout_seconds=_CANCEL_SECONDS)

    async def _gather_news(
        self, opened: OpenAccount, due: DueAccount, news: list[tuple[str, OrderNews]]
    ) -> None:
        """Ask for open ends; an order that the venue no longer shows is left for a person to see."""
        until = self._seams.clock.monotonic() + _NEWS_SECONDS
        # The database names those first of which there was no news for longest, so each has its turn.
        for end in due.open_ends:
            if self._seams.clock.monotonic() > until:
                break
            try:
                order = await opened.find_order(end.ref)
            except CredentialsInvalid:
                raise
            except (Refusal, VenueUnavailable) as error:
                if self._desk.is_silent(due.account.exchange, due.account.environment):
                    raise
                # One order that the venue cannot tell of must not hide the others for ever.
                _log.warning("no_news", client_order_id=end.ref.client_order_id, why=str(error))
                continue
            if order is not None:
                news.append((end.signal_id, OrderNews.of(end.leg, order)))


def _ended(news: Sequence[tuple[str, OrderNews]]) -> set[tuple[str, int]]:
    return {(signal_id, one.leg) for signal_id, one in news if one.state.is_terminal}


def _awaits_entry(due: DueAccount, news: Sequence[tuple[str, OrderNews]]) -> bool:
    ended = _ended(news)
    return any(
        end.unprotected and end.state.may_be_live and (end.signal_id, end.leg) not in ended
        for end in due.open_ends
    )


def _differences(ours: Sequence[Held], venue: Sequence[VenuePosition]) -> list[dict[str, str]]:
    """Return the symbols whose quantity differs, long above zero and short below.

    A venue may show both sides of a symbol at once; they are compared one by one.
    """
    held, shown = _by_symbol(ours), _by_symbol(venue)
    return [
        {"symbol": symbol, "ours": _both(held.get(symbol)), "venue": _both(shown.get(symbol))}
        for symbol in sorted(held.keys() | shown.keys())
        if held.get(symbol) != shown.get(symbol)
    ]


def _by_symbol(positions: Sequence[Held] | Sequence[VenuePosition]) -> dict[str, dict[PositionSide, Decimal]]:
    found: dict[str, dict[PositionSide, Decimal]] = {}
    for one in positions:
        sides = found.setdefault(one.symbol, {})
        sides[one.side] = sides.get(one.side, Decimal(0)) + one.quantity
    return found


def _both(sides: Mapping[PositionSide, Decimal] | None) -> str:
    signed = [
        format(quantity if side is PositionSide.LONG else -quantity, "f")
        for side, quantity in sorted((sides or {}).items())
    ]
    return " and ".join(signed) or "0"
