"""The same job as a task of pgqueuer: claimed, posted, ended. Run by `scripts.benchmarks.contest`."""

import asyncio
import json
import time

import asyncpg
from pgqueuer import AsyncpgDriver, Job, PgQueuer, Queries
from pgqueuer.types import QueueExecutionMode

from scripts.benchmarks.contest import Contested, Task
from scripts.benchmarks.posting import Poster

_ENTRYPOINT = "post"
_ENQUEUED_AT_ONCE = 500


async def _run(task: Task) -> None:
    connection = await asyncpg.connect(task.database_url)
    driver = AsyncpgDriver(connection)
    queries = Queries(driver)
    await queries.install()
    numbers = list(range(task.jobs))
    while numbers:
        batch, numbers = numbers[:_ENQUEUED_AT_ONCE], numbers[_ENQUEUED_AT_ONCE:]
        await queries.enqueue(
            [_ENTRYPOINT] * len(batch), [json.dumps(number).encode() for number in batch], [0] * len(batch)
        )
    await connection.execute("analyze")
    queue = PgQueuer(driver)
    async with Poster(task.venue_url, task.wallets, task.concurrency) as poster:

        @queue.entrypoint(_ENTRYPOINT)
        async def post(job: Job) -> None:
            await poster.post(json.loads(job.payload or b"0"), task.symbol)

        begun, used = time.perf_counter(), time.process_time()
        # Batches as large as it takes them with so many at once.
        await queue.run(
            batch_size=task.concurrency // 2,
            max_concurrent_tasks=task.concurrency,
            mode=QueueExecutionMode.drain,
        )
        seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - used
    if await connection.fetchval("select count(*) from pgqueuer"):
        raise RuntimeError("pgqueuer left jobs")
    await connection.close()
    Contested(jobs=task.jobs, seconds=seconds, cpu_seconds=cpu_seconds).say()


if __name__ == "__main__":
    asyncio.run(_run(Task.read()))
