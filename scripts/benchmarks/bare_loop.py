"""The limit of a loop: the same signed POSTs with httpx and nothing else. `contest` runs it."""

import asyncio
import time

from scripts.benchmarks.contest import Contested, Task
from scripts.benchmarks.posting import Poster


async def _run(task: Task) -> None:
    numbers = iter(range(task.jobs))
    async with Poster(task.venue_url, task.wallets, task.concurrency) as poster:

        async def post_all() -> None:
            for number in numbers:
                await poster.post(number, task.symbol)

        begun, used = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(task.concurrency):
                group.create_task(post_all())
        Contested(
            jobs=task.jobs, seconds=time.perf_counter() - begun, cpu_seconds=time.process_time() - used
        ).say()


if __name__ == "__main__":
    asyncio.run(_run(Task.read()))
