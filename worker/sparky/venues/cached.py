"""Answers of venues that stay true for a while, such as the rules of an instrument."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sparky.runtime.seams import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    until: float


@dataclass(slots=True)
class _Load:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    askers: int = 0


class Cached(Generic[K, V]):
    """Keeps values for `max_age_seconds`, at most `most` of them: the longest unused one goes first.

    One that is past its time goes with it, and is not held for as long as the process runs.

    Whoever asks for a key that is being loaded waits for that load; when it fails, the next one loads.
    """

    def __init__(self, max_age_seconds: float, clock: Clock, most: int = 1000) -> None:
        self._max_age = max_age_seconds
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._loading: dict[K, _Load] = {}

    async def get(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        """Return the value of a key, loaded unless it is kept. What `load` raises passes, and is not kept."""
        kept = self._fresh(key)
        if kept is not None:
            return kept.value
        loading = self._loading.setdefault(key, _Load())
        loading.askers += 1
        try:
            async with loading.lock:
                kept = self._fresh(key)
                if kept is not None:
                    return kept.value
                value = await load()
                # Forgotten meanwhile: it may be older than what made it be forgotten.
                if self._loading.get(key) is loading:
                    self._keep(key, value)
                return value
        finally:
            loading.askers -= 1
            if not loading.askers and self._loading.get(key) is loading:
                del self._loading[key]

    def forget(self, key: K) -> None:
        """Load the key's value again the next time; a load that runs now is not kept."""
        self._kept.pop(key, None)
        self._loading.pop(key, None)

    def _fresh(self, key: K) -> _Kept[V] | None:
        kept = self._kept.get(key)
        if kept is None or self._clock.monotonic() >= kept.until:
            return None
        self._kept.move_to_end(key)
        return kept

    def _keep(self, key: K, value: V) -> None:
        self._kept[key] = _Kept(value, self._clock.monotonic() + self._max_age)
        self._kept.move_to_end(key)
        while self._kept and (len(self._kept) > self._most or self._is_over(next(iter(self._kept)))):
            self._kept.popitem(last=False)

    def _is_over(self, key: K) -> bool:
        return self._clock.monotonic() >= self._kept[key].until
