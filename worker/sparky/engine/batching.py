"""Many small writes as few large ones, without waiting: what arrives during a call goes out in the next."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from sparky.domain.errors import DatabaseContractError

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Sends items through `send`, one call at a time, at most `most` items each.

    An idle batcher sends at once, so batching costs no latency. An exception of `send` reaches every
    caller whose item was in that call. A call that the database refuses is repeated item by item: one
    that does not fit must not stop those of other traders.
    """

    def __init__(self, send: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], most: int) -> None:
        self._send = send
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Answer:
        """Send one item and return its answer. It may be sent even when the caller is cancelled."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._sender is None or self._sender.done():
            # The sender works for all callers, so it logs under the ids of none.
            self._sender = asyncio.get_running_loop().create_task(
                self._drain(), context=contextvars.Context()
            )
        return await future

    async def close(self) -> None:
        """Return when nothing is being sent any more."""
        if self._sender is not None:
            await asyncio.wait((self._sender,))

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            await self._send_batch(batch)

    async def _send_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._send([item for item, _ in batch])
            answered = list(zip(batch, answers, strict=True))
        except asyncio.CancelledError:
            for _, future in (*batch, *self._waiting):
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - handed to every caller, none is lost
            if isinstance(error, DatabaseContractError) and len(batch) > 1:
                for one in batch:
                    await self._send_batch((one,))
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in answered:
            if not future.done():
                future.set_result(answer)
