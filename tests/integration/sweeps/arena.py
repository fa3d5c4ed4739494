"""A trader with an account at every venue, a worker behind gates, and alerts stopped on their way."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Self

from scripts.testbed.trader import Trader
from scripts.testbed.worker_process import WorkerProcess
from sparky.domain.orders import PositionSide, Side
from tests.integration.sweeps.gate import DatabaseGate, Journey, VenueGate
from tests.integration.sweeps.plans import SweptPlan
from tests.integration.sweeps.worker_main import limits_lifted
from tests.integration.worker.venue_accounts import save_keys
from tests.integration.worker.world import World, until
from tests.venues.fakes.book import Execution
from tests.venues.harness import Harness
from tests.venues.harnesses import HARNESSES
from tests.venues.real_time import in_real_time

SETTINGS: Final = {
    "lease_seconds": "3",
    "venue_timeout_seconds": "1",
    # Each claim is a call of its own, so that it can be stopped alone.
    "claim_batch": "1",
    "poll_interval_disconnected_seconds": "0.1",
    "poll_interval_seconds": "0.1",
}
_COMMAND: Final = ("-m", "tests.integration.sweeps.worker_main")
_ARRIVAL_SECONDS: Final = 15.0
_STILL_SECONDS: Final = 1.5
PAPER: Final = "paper"


@dataclass(slots=True, kw_only=True)
class Contender:
    """The trader's account at one venue. `harness` is None for the paper venue."""

    name: str
    symbol: str
    price: Decimal
    quantity: Decimal
    journey: Journey
    account_id: str
    harness: Harness | None
    signal_id: str = ""


class Arena:
    """Everything that one sweep uses."""

    def __init__(self, world: World, trader: Trader, gate: DatabaseGate) -> None:
        self.world = world
        self.trader = trader
        self.gate = gate
        self.contenders: list[Contender] = []
        self.hosts: dict[str, dict[str, str]] = {}
        self._workers = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, world: World) -> AsyncIterator[Self]:
        """Sign the trader up, save his keys at all venues, and put gates before everything."""
        async with AsyncExitStack() as resources:
            # The venues are asked from here too.
            resources.enter_context(limits_lifted())
            gate = await resources.enter_async_context(DatabaseGate(world.backend.url))
            trader = await world.trader("Sweep")
            arena = cls(world, trader, gate)
            arena._add(Contender(
                name=PAPER, symbol="BTCUSDT", price=Decimal(100), quantity=Decimal("1.5"),
                journey=Journey(PAPER), account_id=trader.account_id, harness=None,
            ))  # fmt: skip
            for kind in HARNESSES.values():
                venue = await resources.enter_async_context(in_real_time(kind))
                assert venue.server is not None
                venue.lift_limits()
                account_id = await save_keys(world, trader, venue)
                journey = Journey(venue.name)
                front = VenueGate(venue.server.url, venue.name, journey)
                await resources.enter_async_context(front)
                arena.hosts[venue.name] = {venue.access.environment: front.url}
                arena._add(Contender(
                    name=venue.name, symbol=venue.symbol, price=venue.price, quantity=venue.quantity,
                    journey=journey, account_id=account_id, harness=venue,
                ))  # fmt: skip
            arena._allow_everything()
            await arena._validated()
            yield arena

    def worker(self) -> WorkerProcess:
        """Start a worker behind the gates; it ends with the test."""
        self._workers += 1
        name = f"sweep-{self._workers}"
        world = self.world
        process = WorkerProcess(
            replace(world.backend, url=self.gate.url),
            world.key_file,
            world.logs / f"{name}.log",
            settings={
                **SETTINGS,
                "worker_id": name,
                "log_level": "info",
                "venue_hosts": json.dumps(self.hosts),
            },
            command=_COMMAND,
        )
        world.workers.append(process)
        return process.start()

    async def send(self, plan: SweptPlan, contenders: Sequence[Contender], stop_at: int | None) -> None:
        """Post the plan's alert to each of these, each to be stopped at its passage of that number."""
        self.gate.claims.clear()
        self.gate.by_signal.clear()
        for one in contenders:
            one.journey.begin(stop_at)
        posts = [self.world.accept(self.trader, self._alert(plan, one)) for one in contenders]
        for one, signal_id in zip(contenders, await asyncio.gather(*posts), strict=True):
            one.signal_id = signal_id
            self.gate.by_signal[signal_id] = one.journey
        self.gate.claims.set()

    async def standing(self, contenders: Sequence[Contender]) -> list[Contender]:
        """Wait until each one stands, has come to its end, or cannot go on; return who stands."""
        loop = asyncio.get_running_loop()
        began = moved = loop.time()
        before = -1
        while loop.time() - began < _ARRIVAL_SECONDS and loop.time() - moved < _STILL_SECONDS:
            if all(one.journey.stands.is_set() or self.has_ended(one) for one in contenders):
                break
            passages = sum(len(one.journey.trail) for one in contenders)
            # A worker that has just been started takes its time until the first one.
            if passages != before or not passages:
                before, moved = passages, loop.time()
            await asyncio.sleep(0.01)
        return [one for one in contenders if one.journey.stands.is_set()]

    def let_go(self, contenders: Sequence[Contender], *, cut: bool) -> None:
        """Let everybody go on, or cut off what stands."""
        for one in contenders:
            one.journey.let_go(cut=cut)

    def has_ended(self, contender: Contender) -> bool:
        """Return whether the contender's signal has ended."""
        return self.world.signal(contender.signal_id)["finished_at"] is not None

    async def problems(
        self, plan: SweptPlan, contenders: Sequence[Contender], seconds: float = 40
    ) -> list[str]:
        """Wait until every signal has ended, and return what is not as it must be."""
        found: list[str] = []
        try:
            await self.world.finished([one.signal_id for one in contenders], seconds)
        except AssertionError as error:
            found += [str(error), *self._last_words()]
        for one in contenders:
            found += [f"{one.name}: {what}" async for what in self._problems_of(plan, one)]
        return found

    def _last_words(self) -> Sequence[str]:
        """Return what the last worker has said of what stands in its way."""
        events = list(self.world.workers[-1].events())
        said = [one for one in events if one.get("level") != "info"][-8:]
        return [json.dumps(one)[:400] for one in said]

    async def everything(self, contenders: Sequence[Contender]) -> Mapping[str, Any]:
        """Return all that a worker could change: signals, orders, positions, and the venues' own books."""
        seen: dict[str, Any] = {}
        for one in contenders:
            orders = self._orders(one)
            counts = [await self._executions(one, row["client_order_id"]) for row in orders]
            held = (await self._held(one), self._booked(one))
            seen[one.name] = (
                self.world.signal(one.signal_id),
                [_settled(row) for row in orders],
                counts,
                held,
            )
        return seen

    async def _problems_of(self, plan: SweptPlan, one: Contender) -> AsyncIterator[str]:
        signal = self.world.signal(one.signal_id)
        if (signal["status"], signal["reason_code"]) != ("done", None):
            yield f"{signal['status']} {signal['reason_code']} {signal['reason']}"
        orders = self._orders(one)
        trades = [row for row in orders if row["purpose"] in {"open", "close"}]
        if len(trades) != plan.orders:
            yield f"{len(trades)} orders instead of {plan.orders}"
        for row in orders:
            times = await self._executions(one, row["client_order_id"])
            if times != 1:
                yield f"order {row['leg']} ({row['state']}) was taken {times} times"
        held = await self._held(one)
        wanted = None if plan.leaves is None else (plan.leaves, one.quantity)
        if held != wanted:
            yield f"the venue holds {held} instead of {wanted}"
        if self._booked(one) != wanted:
            yield f"we have {self._booked(one)} instead of {wanted}"
        working = await self._working(one) if plan.bracketed else 0
        if working != plan.exits:
            yield f"{working} orders work instead of {plan.exits}"

    async def _working(self, one: Contender) -> int:
        if one.harness is not None:
            return len(await one.harness.adapter.open_orders(one.harness.access, one.symbol))
        return int(
            self.world.records.value(
                "select count(*) from private.paper_orders o join private.paper_accounts a"
                " on a.id = o.paper_account_id where a.account_id = %s and o.state in ('waiting', 'working')",
                one.account_id,
            )
        )

    async def _truth(self, one: Contender) -> Sequence[Execution]:
        # Not asked through the adapter: a venue's limit of requests belongs to the worker alone.
        assert one.harness is not None
        return [each for each in await one.harness.truth() if each.symbol == one.symbol]

    def _orders(self, one: Contender) -> Sequence[Mapping[str, Any]]:
        return self.world.records.rows(
            "select * from public.orders where signal_id = %s order by leg", one.signal_id
        )

    async def _executions(self, one: Contender, client_order_id: str) -> int:
        if one.harness is not None:
            return await one.harness.executions(client_order_id)
        return int(self.world.records.value(
            "select coalesce(sum(arrivals), 0) from private.paper_orders where client_order_id = %s",
            client_order_id,
        ))  # fmt: skip

    async def _held(self, one: Contender) -> tuple[PositionSide, Decimal] | None:
        if one.harness is not None:
            signed = [
                each.quantity if each.side is Side.BUY else -each.quantity for each in await self._truth(one)
            ]
            total = sum(signed, Decimal(0))
            return _position(total) if total else None
        rows = self.world.records.rows(
            "select p.quantity from private.paper_positions p join private.paper_accounts a"
            " on a.id = p.paper_account_id where a.account_id = %s and p.symbol = %s",
            one.account_id,
            one.symbol,
        )
        return _position(rows[0]["quantity"]) if rows else None

    def _booked(self, one: Contender) -> tuple[PositionSide, Decimal] | None:
        rows = self.world.records.rows(
            "select case side when 'BUY' then quantity else -quantity end as quantity"
            " from public.positions where account_id = %s and symbol = %s",
            one.account_id,
            one.symbol,
        )
        return _position(rows[0]["quantity"]) if rows else None

    def _alert(self, plan: SweptPlan, one: Contender) -> Mapping[str, Any]:
        environment = PAPER if one.harness is None else one.harness.access.environment
        size = {"quantity": f"{one.quantity:f}"} if plan.sized else {}
        where = {"exchange": one.name, "environment": environment, "symbol": one.symbol}
        self._sent = getattr(self, "_sent", 0) + 1
        return {**where, **size, **plan.alert, "id": f"sweep-{self._sent}", "price": f"{one.price:f}"}

    def _add(self, one: Contender) -> None:
        self.contenders.append(one)
        self.gate.by_account[one.account_id] = one.journey

    def _allow_everything(self) -> None:
        self.world.records.run(
            "insert into public.trade_settings_exchange (user_id, exchange, trading_hours_preset,"
            " allow_weekends, max_signal_age_sec, max_open_positions, extra_settings)"
            ' select %s, e, \'24/7\', true, 0, 0, \'{"allow_short": true, "on_opposite": "reverse"}\''
            " from unnest(array['aster', 'oanda', 'tradier', 'tastytrade', 'paper']) e",
            self.trader.user_id,
        )
        # What compares accounts would ask the venues beside the signals.
        self.world.records.run(
            "update private.reconciliations set due_at = now() + interval '1 day'"
            " where account_id = any(%s::uuid[])",
            [one.account_id for one in self.contenders],
        )

    async def _validated(self) -> None:
        first = self.worker()
        query = "select count(*) from public.user_api_keys where user_id = %s and status = 'valid'"
        await until(lambda: self.world.records.value(query, self.trader.user_id) == len(self.contenders), 30)
        first.kill()


def _settled(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an order without what the comparison of its account may have news of meanwhile."""
    of_comparisons = {"updated_at"} | ({"state"} if order["purpose"] not in {"open", "close"} else set())
    return {name: value for name, value in order.items() if name not in of_comparisons}


def _position(quantity: Decimal) -> tuple[PositionSide, Decimal]:
    return (PositionSide.LONG if quantity > 0 else PositionSide.SHORT, abs(quantity))
