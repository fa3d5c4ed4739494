"""Many small writes as few large ones: every caller gets its own answer, whatever happens to the others."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable
from sparky.engine.batching import Batcher
from tests.unit.engine.virtual_loop import run_virtually


class Wire:
    def __init__(self, seconds: float = 0.01) -> None:
        self.calls: list[tuple[int, ...]] = []
        self.seconds = seconds
        self.under_way = 0
        self.poison: set[int] = set()
        self.unavailable: set[int] = set()

    async def send(self, items: Sequence[int]) -> Sequence[str]:
        self.calls.append(tuple(items))
        self.under_way += 1
        assert self.under_way == 1
        await asyncio.sleep(self.seconds)
        self.under_way -= 1
        if self.unavailable.intersection(items):
            raise DatabaseUnavailable("no answer")
        if self.poison.intersection(items):
            raise DatabaseContractError("refused")
        return [f"answer to {item}" for item in items]


Caller = tuple[int, int, int | None]
CALLERS = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 60), st.none() | st.integers(0, 40)),
    max_size=30,
    unique_by=lambda caller: caller[0],
)


@given(callers=CALLERS, most=st.integers(1, 7), data=st.data())
def test_every_caller_gets_its_own_answer_or_its_own_failure(
    callers: list[Caller], most: int, data: st.DataObject
) -> None:
    items = [item for item, _, _ in callers]
    wire = Wire()
    if items:
        wire.poison = set(data.draw(st.lists(st.sampled_from(items), max_size=3)))

    async def scenario() -> None:
        batcher = Batcher(wire.send, most)
        cancelled = {item for item, _, patience in callers if patience is not None}

        async def call(item: int, start: int, patience: int | None) -> str:
            await asyncio.sleep(start / 1000)
            async with asyncio.timeout(None if patience is None else patience / 1000):
                return await batcher.submit(item)

        answers = await asyncio.gather(*(call(*caller) for caller in callers), return_exceptions=True)
        await batcher.close()
        for item, answer in zip(items, answers, strict=True):
            if isinstance(answer, TimeoutError):
                assert item in cancelled
            elif item in wire.poison:
                assert isinstance(answer, DatabaseContractError)
            else:
                assert answer == f"answer to {item}"

    run_virtually(scenario())
    assert all(len(call) <= most for call in wire.calls)
    sent_alone = [call for call in wire.calls if len(call) == 1]
    for item in items:
        together = [call for call in wire.calls if item in call and len(call) > 1]
        # Once, and once more alone where its company was refused.
        assert len(together) + sent_alone.count((item,)) == (
            2 if any(wire.poison.intersection(call) for call in together) else 1
        )


async def test_an_idle_batcher_sends_at_once_and_a_busy_one_collects() -> None:
    wire = Wire()
    batcher = Batcher(wire.send, 3)
    await asyncio.gather(*(batcher.submit(item) for item in range(6)))
    assert wire.calls == [(0, 1, 2), (3, 4, 5)]
    first = asyncio.create_task(batcher.submit(10))
    await asyncio.sleep(0.001)
    rest = asyncio.gather(*(batcher.submit(item) for item in (11, 12)))
    await first
    await rest
    assert wire.calls[2:] == [(10,), (11, 12)]


async def test_no_answer_reaches_every_caller_and_is_not_repeated() -> None:
    wire = Wire()
    wire.unavailable.add(2)
    batcher = Batcher(wire.send, 10)
    answers = await asyncio.gather(*(batcher.submit(item) for item in range(4)), return_exceptions=True)
    assert all(isinstance(answer, DatabaseUnavailable) for answer in answers)
    assert len(wire.calls) == 1
    assert await batcher.submit(7) == "answer to 7"


async def test_too_few_answers_fail_every_caller_instead_of_leaving_one_waiting() -> None:
    async def forgetful(items: Sequence[int]) -> Sequence[int]:
        return items[1:]

    batcher = Batcher(forgetful, 10)
    answers = await asyncio.gather(*(batcher.submit(item) for item in range(3)), return_exceptions=True)
    assert all(isinstance(answer, ValueError) for answer in answers)


async def test_a_cancelled_sender_leaves_nobody_waiting() -> None:
    wire = Wire(seconds=10)
    batcher = Batcher(wire.send, 1)
    calls = [asyncio.create_task(batcher.submit(item)) for item in range(3)]
    await asyncio.sleep(1)
    assert batcher._sender is not None
    batcher._sender.cancel()
    for call in calls:
        with pytest.raises(asyncio.CancelledError):
            await call
    await batcher.close()
