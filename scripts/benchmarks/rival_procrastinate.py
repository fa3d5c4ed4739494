"""The same job as a task of procrastinate: claimed, posted, ended. Run by `scripts.benchmarks.contest`."""

import asyncio
import time
from typing import Any

from procrastinate import App, PsycopgConnector

from scripts.benchmarks.contest import Contested, Task
from scripts.benchmarks.posting import Poster

_DEFERRED_AT_ONCE = 500


async def _run(task: Task) -> None:
    app = App(connector=PsycopgConnector(conninfo=task.database_url, max_size=20))
    async with (
        app.open_async(),
        Poster(task.venue_url, task.wallets, task.concurrency) as poster,
    ):
        await app.schema_manager.apply_schema_async()

        @app.task(name="post")
        async def post(number: int) -> None:
            await poster.post(number, task.symbol)

        numbers = list(range(task.jobs))
        while numbers:
            batch, numbers = numbers[:_DEFERRED_AT_ONCE], numbers[_DEFERRED_AT_ONCE:]
            jobs: list[dict[str, Any]] = [{"number": number} for number in batch]
            await post.batch_defer_async(*jobs)
        await app.connector.execute_query_async("analyze")
        begun, used = time.perf_counter(), time.process_time()
        await app.run_worker_async(
            concurrency=task.concurrency, wait=False, listen_notify=False, install_signal_handlers=False
        )
        seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - used
        left = await app.connector.execute_query_one_async(
            "select count(*) as left from procrastinate_jobs where status <> 'succeeded'"
        )
    if left["left"]:
        raise RuntimeError("procrastinate left jobs")
    Contested(jobs=task.jobs, seconds=seconds, cpu_seconds=cpu_seconds).say()


if __name__ == "__main__":
    asyncio.run(_run(Task.read()))
