"""Waiting for a venue's limits of requests, which a round trip reaches where they are low."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from sparky.domain.answers import NotSent, Outcome
from sparky.domain.errors import VenueUnavailable
from sparky.runtime.seams import Seams

Answer = TypeVar("Answer")

# Limits of requests are free again within a minute.
_SECONDS: Final = 65.0
_PAUSE_SECONDS: Final = 2.5

PATIENT_SECONDS: Final = 95.0
"""How long an answer may take, with the waiting."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Asks and sends again what certainly did not go out, or was not answered, for a little over a minute."""

    seams: Seams

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer to a question.

        Raises:
            VenueUnavailable: there was none in all that time.
        """
        give_up_at = self._give_up_at()
        while True:
            try:
                return await question()
            except VenueUnavailable:
                if self.seams.clock.monotonic() >= give_up_at:
                    raise
            await self.seams.sleeper.sleep(_PAUSE_SECONDS)

    async def send(self, write: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Return how a write ended. Only what certainly never left is sent again."""
        give_up_at = self._give_up_at()
        while True:
            outcome = await write()
            if not isinstance(outcome, NotSent) or self.seams.clock.monotonic() >= give_up_at:
                return outcome
            await self.seams.sleeper.sleep(_PAUSE_SECONDS)

    def _give_up_at(self) -> float:
        return self.seams.clock.monotonic() + _SECONDS
