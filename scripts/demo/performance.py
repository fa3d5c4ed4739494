"""Plays the scenario against a Supabase and gathers the evidence."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.text import Text

from scripts.demo.book import read_book
from scripts.demo.errors import DemoError
from scripts.demo.evidence import Evidence, Kill, Order
from scripts.demo.killing import Crew
from scripts.demo.leaks import UsedSecrets
from scripts.demo.observing import Operator, Watch
from scripts.demo.posting import Poster
from scripts.demo.scenario import LEAST_AT_VENUE, LEAST_IN_FLIGHT, PLANS, Scenario
from scripts.demo.seen import look_as
from scripts.demo.view import View
from scripts.testbed.backend import Backend
from scripts.testbed.trader import Trader
from sparky.keys.keyfile import generate_key_file
from sparky.keys.sealing import SealingPublicKey

_ENDED_WITHIN_SECONDS: Final = 30.0
# Leases of 4 s, and as long again as an order that was sent may stay invisible at the venue.
_RECOVERED_WITHIN_SECONDS: Final = 60.0
# What was on its way to the database when the worker died has arrived by then.
_SETTLED_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the demo plays: a Supabase, a private folder for its key file, and the folder of all logs.

    `ours` is a stack that was started for the demo: by this machine's clock, thrown away with its traders.
    """

    backend: Backend
    folder: Path
    logs: Path
    ours: bool


class Performance:
    """One run. `secrets` learns of every secret as it comes to be."""

    def __init__(self, scenario: Scenario, place: Place, view: View, used: UsedSecrets) -> None:
        self._scenario = scenario
        self._place = place
        self._view = view
        self._used = used
        self._traders: dict[str, Trader] = {}
        self._kill: Kill | None = None
        self._killed_at = 0.0

    async def run(self, *, keep: bool) -> Evidence:
        """Play everything and return what was seen.

        Raises:
            DemoError: a step failed.
        """
        backend, view = self._place.backend, self._view
        operator = await Operator.sign_in(backend)
        if await operator.strangers_accounts():
            raise DemoError(
                "other traders have exchange accounts there, and the demo's worker would take their alerts: "
                "use a Supabase of its own"
            )
        key_file = self._place.folder / "sealing.pem"
        key_file.unlink(missing_ok=True)
        key = generate_key_file(key_file).public
        self._used.add_key_file(key_file)
        try:
            with Crew(backend, key_file, self._place.logs) as crew:
                view.workers = lambda: crew.states
                view.step("Starting worker 1; two traders sign up, seal and save their keys")
                crew.start()
                await self._sign_up(key)
                operator.follow(self._user_ids)
                await crew.ready()
                view.step("Posting alerts. Times are ms after an alert was received")
                return await self._play(operator, crew, key)
        finally:
            if not keep and not self._place.ours:
                await self._remove(operator)

    @property
    def _user_ids(self) -> Mapping[str, str]:
        return {name: trader.user_id for name, trader in self._traders.items()}

    async def _sign_up(self, key: SealingPublicKey) -> None:
        async def sign_up(name: str, plan: str) -> None:
            trader = self._traders[name] = await Trader.sign_up(self._place.backend, name)
            await trader.save_paper_keys(key)
            await trader.reveal_webhook()
            await trader.set_plan(plan)
            await self._used.add_trader(trader)

        await asyncio.gather(*(sign_up(name, plan) for name, plan in PLANS.items()))

    async def _play(self, operator: Operator, crew: Crew, key: SealingPublicKey) -> Evidence:
        watch = Watch(operator, self._view.on_signals)
        url = self._place.backend.webhook_url
        async with asyncio.TaskGroup() as group, Poster(url, self._traders, self._view.on_sent) as poster:
            watching = group.create_task(watch.run())
            for number, act in enumerate(self._scenario.acts):
                self._view.act(number + 1, len(self._scenario.acts), act.title)
                if act.venue_ms is not None:
                    await self._set_venue_latency(key, act.venue_ms)
                if act.after_recovery:
                    await self._await_recovery(operator, watch, poster)
                if act.kills:
                    await self._play_with_kill(poster, number, operator, crew)
                else:
                    await poster.play(act, number)
                    await watch.until_ended(poster.accepted(number), _ENDED_WITHIN_SECONDS)
            watching.cancel()
        return await self._gather(operator, crew, poster)

    async def _set_venue_latency(self, key: SealingPublicKey, milliseconds: int) -> None:
        trader = self._traders["Ada"]
        await trader.save_paper_keys(key, latency_ms=str(milliseconds))
        self._view.note(
            f"Ada saves her keys anew: her venue now takes {milliseconds} ms for an order.", style="dim"
        )

    async def _play_with_kill(self, poster: Poster, number: int, operator: Operator, crew: Crew) -> None:
        act = self._scenario.acts[number]
        async with asyncio.TaskGroup() as group:
            group.create_task(poster.play(act, number))
            code = await crew.kill_when(lambda: self._enough_in_flight(operator))
            self._killed_at = time.monotonic()
            await asyncio.sleep(_SETTLED_SECONDS)
            self._kill = await self._look_at_the_wreck(operator, code)
            self._view.note(_what_the_dead_held(self._kill), style="bold red")
            crew.start()
            self._view.note(
                "Worker 2 starts. When the leases of worker 1 run out, after 4 s, it takes over what that "
                "held, and looks each order up before it sends anything.",
                style="dim",
            )
        await crew.ready()

    async def _enough_in_flight(self, operator: Operator) -> bool:
        orders = await operator.orders_in_flight()
        if len(orders) < LEAST_IN_FLIGHT:
            return False
        # Without SQL, asking the venue takes so long that the orders would be answered meanwhile.
        by_sql = self._place.backend.database_url is not None
        return not by_sql or await self._count_at_venue(orders) >= LEAST_AT_VENUE

    async def _count_at_venue(self, orders: list[Order]) -> int:
        book = await read_book(self._place.backend, self._traders, orders)
        asked = {order.client_order_id for order in orders}
        return sum(order.client_order_id in asked for order in book.orders)

    async def _look_at_the_wreck(self, operator: Operator, code: int) -> Kill:
        orders = await operator.orders_in_flight()
        signals = await operator.signals()
        return Kill(
            exit_code=code,
            executing=frozenset(one.id for one in signals if one.status == "executing"),
            waiting=sum(one.status == "pending" for one in signals),
            submitting=frozenset(order.client_order_id for order in orders),
            at_venue=await self._count_at_venue(orders),
        )

    async def _await_recovery(self, operator: Operator, watch: Watch, poster: Poster) -> None:
        if self._kill is None:
            return
        for number, act in enumerate(self._scenario.acts):
            if act.kills:
                await watch.until_ended(poster.accepted(number), _RECOVERED_WITHIN_SECONDS)
        seconds = time.monotonic() - self._killed_at
        orders = [one for one in await operator.orders() if one.client_order_id in self._kill.submitting]
        again = sum(order.submissions > 1 for order in orders)
        self._view.note(
            f"{seconds:.1f} s after the kill all its signals have ended. Of the orders in flight, "
            f"{len(orders) - again} were found at the venue; {again} were not there and were sent again.",
            style="bold green",
        )

    async def _gather(self, operator: Operator, crew: Crew, poster: Poster) -> Evidence:
        if self._kill is None:
            raise DemoError("the scenario has no act that kills the worker")
        self._view.print(Text())
        self._view.step("Stopping worker 2")
        stopped_with = await asyncio.to_thread(crew.current.stop)
        self._view.step("Signing in anew as each trader; reading the venue's book")
        seen = await asyncio.gather(
            *(
                look_as(self._traders[name], self._place.backend, self._others(name), self._used)
                for name in PLANS
            )
        )
        records = await operator.records()
        book = await read_book(self._place.backend, self._traders, records.orders)
        self._view.step("Searching every log for every secret")
        return Evidence(
            traders=self._user_ids,
            sent=poster.sent,
            records=records,
            book=book,
            kill=self._kill,
            seen=seen,
            search=self._used.search(self._place.logs),
            stopped_with=stopped_with,
            one_clock=self._place.ours,
        )

    def _others(self, name: str) -> list[str]:
        return [user_id for other, user_id in self._user_ids.items() if other != name]

    async def _remove(self, operator: Operator) -> None:
        for user_id in self._user_ids.values():
            await operator.remove(user_id)


def _what_the_dead_held(kill: Kill) -> str:
    return (
        f"SIGKILL for worker 1: it held {len(kill.executing)} signals with {len(kill.submitting)} orders in "
        f"flight, {kill.at_venue} of them at the venue already; {kill.waiting} more signals wait."
    )
