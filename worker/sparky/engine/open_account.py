"""One trader's account at a venue. Whatever is asked or written there is bounded in time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeVar

import structlog

from sparky.domain.answers import (
    Balance,
    KeyCheck,
    NotSent,
    Outcome,
    Quote,
    Unknown,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.capabilities import Capabilities
from sparky.domain.errors import LostClaim, VenueUnavailable
from sparky.domain.options import OptionContract
from sparky.domain.orders import ExitRequest, OrderRef, OrderRequest
from sparky.domain.rules import InstrumentRules
from sparky.engine.permits import SendingPermit
from sparky.engine.silences import Silences
from sparky.runtime.seams import Clock
from sparky.venues.base import AccountAccess, VenueAdapter

Answer = TypeVar("Answer")

_VALIDATION_TIMES: Final = 2
_EXIT_TIMES: Final = 2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """One trader's account at a venue, with its opened keys.

    Questions raise what the port says, and VenueUnavailable when the venue takes too long. A write ends in
    an `Outcome`; when it returns or raises, no byte of it leaves any more. It raises LostClaim where its
    permit did not allow it, and then nothing was sent.
    """

    adapter: VenueAdapter
    access: AccountAccess
    timeout_seconds: float
    clock: Clock
    silences: Silences

    @property
    def visibility_seconds(self) -> float:
        return self.adapter.visibility_seconds

    @property
    def capabilities(self) -> Capabilities:
        return self.adapter.capabilities

    async def validate(self) -> KeyCheck:
        """Prove that the keys work, and return what the venue says of them."""
        # Nobody waits for it, and it asks for much at once: accounts, permissions, money, a trial order.
        return await self._in_time(self.adapter.validate(self.access), _VALIDATION_TIMES)

    async def balance(self) -> Balance:
        """Return the account's money."""
        return await self._in_time(self.adapter.balance(self.access))

    async def rules(self, symbol: str) -> InstrumentRules:
        """Return steps and minima of an instrument."""
        return await self._in_time(self.adapter.rules(self.access, symbol))

    async def quote(self, symbol: str) -> Quote:
        """Return what an instrument costs now."""
        return await self._in_time(self.adapter.quote(self.access, symbol))

    async def position(self, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol."""
        return await self._in_time(self.adapter.position(self.access, symbol))

    async def positions(self) -> Sequence[VenuePosition]:
        """Return everything that is open."""
        return await self._in_time(self.adapter.positions(self.access))

    async def open_orders(self, symbol: str | None = None) -> Sequence[VenueOrder]:
        """Return the orders that work, ours or not."""
        return await self._in_time(self.adapter.open_orders(self.access, symbol))

    async def find_order(self, ref: OrderRef) -> VenueOrder | None:
        """Return the venue's order of that reference."""
        return await self._in_time(self.adapter.find_order(self.access, ref))

    async def bookmark(self) -> str | None:
        """Return where the venue's record stands now; None where it keeps none."""
        return await self._in_time(self.adapter.bookmark(self.access))

    async def expirations(self, underlying: str) -> Sequence[date]:
        """Return the days on which options of an underlying expire."""
        return await self._in_time(self.adapter.expirations(self.access, underlying))

    async def option_chain(self, underlying: str, expiration: date) -> Sequence[OptionContract]:
        """Return the contracts of one expiration."""
        return await self._in_time(self.adapter.option_chain(self.access, underlying, expiration))

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set the leverage of a symbol's next entries. It may be repeated, so it counts as a question."""
        await self._in_time(self.adapter.set_leverage(self.access, symbol, leverage))

    async def submit(self, order: OrderRequest, permit: SendingPermit) -> Outcome:
        """Send an order, once."""
        return await self._write(self.adapter.submit(self.access, order, permit), permit, _same)

    async def cancel(self, ref: OrderRef, permit: SendingPermit) -> Outcome:
        """Cancel an order. It may be repeated."""
        return await self._write(self.adapter.cancel(self.access, ref, permit), permit, _same)

    async def place_exits(self, request: ExitRequest, permit: SendingPermit) -> Sequence[Outcome]:
        """Place exits of a position, and return one outcome for each.

        Where nothing is known of the answer, each of them may have been sent, from the first use of the
        permit on: how many writes they take is the venue's own business.
        """

        def each(outcome: Outcome) -> Sequence[Outcome]:
            return [outcome for _ in request.exits]

        # Each may be a write of its own; the permit lets the last one leave within two time-outs.
        times = min(len(request.exits), _EXIT_TIMES)
        placed = await self._write(
            self.adapter.place_exits(self.access, request, permit), permit, each, times=times
        )
        if len(placed) == len(request.exits):
            return placed
        _log.error(
            "exits_not_told_apart", venue=self.adapter.name, asked=len(request.exits), told=len(placed)
        )
        return each(Unknown(f"the answer of {self.adapter.name} could not be worked on"))

    async def _write(
        self,
        writing: Awaitable[Answer],
        permit: SendingPermit,
        of: Callable[[Outcome], Answer],
        times: int = 1,
    ) -> Answer:
        try:
            async with asyncio.timeout(times * self.timeout_seconds):
                return await writing
        except LostClaim:
            raise
        except TimeoutError:
            why = self._too_slow(times)
        except Exception:  # noqa: BLE001 - it may have arrived whatever went wrong here: it is looked up
            _log.exception("write_failed", venue=self.adapter.name)
            why = f"the answer of {self.adapter.name} could not be worked on"
        return of(Unknown(why) if permit.used else NotSent(why))

    async def _in_time(self, question: Awaitable[Answer], times: int = 1) -> Answer:
        asked_at = self.clock.monotonic()
        place = (self.access.exchange, self.access.environment)
        try:
            async with asyncio.timeout(times * self.timeout_seconds):
                answer = await question
        except (TimeoutError, VenueUnavailable) as error:
            self.silences.note_silence(*place, self.clock.monotonic() - asked_at)
            if isinstance(error, VenueUnavailable):
                raise
            raise VenueUnavailable(self._too_slow(times)) from None
        self.silences.note_answer(*place)
        return answer

    def _too_slow(self, times: int = 1) -> str:
        return f"{self.adapter.name} did not answer within {times * self.timeout_seconds:g} s"


def _same(outcome: Outcome) -> Outcome:
    return outcome
