"""The way from a worker to the database: calls that arrive or not, transactions that commit or not."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable
from tests.simulation.faults import Fault, Faults
from tests.simulation.loop import SimulationLoop
from tests.simulation.memory.database import MemoryDatabase
from tests.simulation.memory.store import CallRefused

_TIMEOUT: Final = 5.0
_STEPS: Final = frozenset({"begin_orders", "finish_signals"})


class DatabaseLink:
    """What `RpcClient` is to a worker."""

    def __init__(self, database: MemoryDatabase, loop: SimulationLoop, faults: Faults) -> None:
        self._database = database
        self._loop = loop
        self._faults = faults
        self.closed = False
        # Called by a worker at every step of an execution.
        self.at_step: Callable[[], None] = lambda: None
        # Called where nothing of the worker's own could wake it.
        self.between_two_lines: Callable[[], None] = lambda: None

    async def call(
        self,
        function: str,
        params: Mapping[str, Any],
        *,
        before_sending: Callable[[], None] = lambda: None,
    ) -> Any:
        """Call a function of the database; see `RpcClient.call`."""
        if self.closed:
            raise DatabaseUnavailable("the simulation is over", reached=False)
        if self._faults.strikes(Fault.DATABASE_UNREACHABLE):
            await asyncio.sleep(self._faults.within(0.0, 2.0))
            raise DatabaseUnavailable(f"{function}: ConnectError", reached=False)
        before_sending()
        if function in _STEPS:
            self.at_step()
            self.between_two_lines()
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._loop.later(self._delay(), self._arrive, function, params, answer)
        try:
            async with asyncio.timeout(_TIMEOUT):
                return await answer
        except TimeoutError:
            raise DatabaseUnavailable(f"{function}: TimeoutError") from None

    def _delay(self) -> float:
        if self._faults.strikes(Fault.DATABASE_SLOW):
            return self._faults.within(0.5, 7.0)
        return self._faults.within(0.0005, 0.004)

    def _arrive(self, function: str, params: Mapping[str, Any], answer: "asyncio.Future[Any]") -> None:
        undone = self._faults.strikes(Fault.DATABASE_UNDONE)
        try:
            told = self._database.call(function, params, commits=not undone)
        except CallRefused as error:
            self._loop.later(self._delay(), _fail, answer, DatabaseContractError(f"{function}: {error}"))
            return
        if undone:
            self._loop.later(self._delay(), _fail, answer, DatabaseUnavailable(f"{function}: HTTP 503 40001"))
        elif self._faults.strikes(Fault.COMMIT_UNANSWERED):
            # Either at once, by a reset connection, or never.
            if self._faults.within(0, 1) < 0.5:
                self._loop.later(self._delay(), _fail, answer, DatabaseUnavailable(f"{function}: ReadError"))
        else:
            self._loop.later(self._delay(), _reply, answer, told)


def _reply(answer: "asyncio.Future[Any]", told: Any) -> None:
    if not answer.done():
        answer.set_result(told)


def _fail(answer: "asyncio.Future[Any]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
