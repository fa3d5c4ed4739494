"""One answer for all who ask the same while it is still to be asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Shared(Generic[V]):
    """Joins equal questions. Nobody gets an answer to a request that had left before he asked.

    One question of a key is under way at a time; whoever asks meanwhile shares the one after it.
    """

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, list[object]]] = {}
        self._next: dict[Hashable, asyncio.Task[V]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[V]]) -> V:
        """Return what `ask` returns; what it raises is raised for all who share it."""
        task = self._next.get(key)
        if task is None:
            # A task of its own: who gives up waiting must not end it for the others.
            task = self._next[key] = asyncio.create_task(self._ask(key, ask))
            task.add_done_callback(_look_at)
        return await asyncio.shield(task)

    async def _ask(self, key: Hashable, ask: Callable[[], Awaitable[V]]) -> V:
        lock, waiting = self._locks.setdefault(key, (asyncio.Lock(), []))
        waiting.append(ask)
        try:
            async with lock:
                # From here on the request may leave: later ones begin anew.
                self._next.pop(key, None)
                return await ask()
        finally:
            waiting.pop()
            if not waiting:
                del self._locks[key]


def _look_at(task: asyncio.Task[V]) -> None:
    # Else asyncio complains of an error that nobody waited for any more.
    if not task.cancelled():
        task.exception()
