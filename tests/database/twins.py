"""The worker functions of Postgres beside those in memory: the same calls, and the answers compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from psycopg.types.json import Jsonb

from tests.database.twin_rows import in_order, number, tables
from tests.database.world import BUY, Trader, World, call
from tests.simulation.memory.database import MemoryDatabase, ParsedAlert
from tests.simulation.memory.rows import Account

_TIMES: Final = frozenset(
    {"now", "lease_until", "received_at", "alert_at", "submitted_at", "begun_at", "lease_left_ms"}
)
_MORE_THAN_MAY_BE: Final = 200
_COLUMNS: Final = frozenset({"max_trades_per_day", "max_open_positions"})
_NUMBERS: Final = frozenset({"quantity", "filled_quantity", "average_price", "entry_price", "used", "limit"})


_EVERYWHERE: Final = """
insert into public.trade_settings_global (user_id, extra_settings, max_trades_per_day) values (%s, %s, %s)
on conflict (user_id) do update
set extra_settings = excluded.extra_settings, max_trades_per_day = excluded.max_trades_per_day
"""
_HERE: Final = """
insert into public.trade_settings_exchange
  (user_id, extra_settings, max_trades_per_day, max_open_positions, exchange) values (%s, %s, %s, %s, %s)
on conflict (user_id, exchange) do update
set extra_settings = excluded.extra_settings, max_trades_per_day = excluded.max_trades_per_day,
  max_open_positions = excluded.max_open_positions
"""

Limits = Mapping[str, Decimal]
LIMITS: Final[Sequence[Mapping[str, Limits]]] = (
    {"paper": {}, "all": {}},
    {
        "paper": {"max_trades_per_day": Decimal(5), "max_open_positions": Decimal(1)},
        "all": {"max_trades_per_day": Decimal(4)},
    },
    {
        "paper": {"cooldown_sec": Decimal(3000), "max_daily_loss_usd": Decimal(2)},
        "all": {"cooldown_sec": Decimal(100), "max_daily_loss_usd": Decimal(1)},
    },
)
"""What each of the traders has set of the limits that are counted."""


def set_limits(world: World, traders: Sequence[Trader]) -> None:
    """Let the traders have set their limits."""
    for trader, limits in zip(traders, LIMITS, strict=True):
        for exchange, found in limits.items():
            extras = {name: int(found[name]) for name in found if name not in _COLUMNS}
            where = (trader.id, Jsonb(extras), found.get("max_trades_per_day", 0))
            if exchange == "all":
                world.run(_EVERYWHERE, *where)
            else:
                world.run(_HERE, *where, found.get("max_open_positions", 0), exchange)


class Twins:
    """One database of each kind, with the same traders; every call goes to both."""

    def __init__(self, world: World, traders: Sequence[Trader]) -> None:
        self.world = world
        self.traders = traders
        self._now = datetime.now(UTC)
        self.memory = MemoryDatabase(self._tick)
        for place, trader in enumerate(traders):
            account = Account(id=trader.account, user_id=trader.id, exchange="paper", environment="paper")
            self.memory.add_account(account, {})
            for exchange in ("paper", "all"):
                self.memory.store.limits[trader.id, exchange] = LIMITS[place][exchange]
        empty(world)

    def _tick(self) -> datetime:
        self._now += timedelta(microseconds=1)
        return self._now

    def call(self, function: str, **params: Any) -> Any:
        """Call a function on both, compare what they answer, and return it."""
        real = call(self.world.worker, function, *params.values())
        memory = self.memory.call(function, {f"p_{name}": value for name, value in params.items()})
        found, expected = (told(self._by_arrival(answer)) for answer in (memory, real))
        assert found == expected, (function, params, found, expected)
        return memory

    def room(self, limit: int) -> int:
        """Return how many to claim: more than may be where several have one place in the order of arrival."""
        places = [one.seq for one in self.memory.store.signals if one.status in {"pending", "executing"}]
        return limit if len(set(places)) == len(places) else _MORE_THAN_MAY_BE

    def _by_arrival(self, answer: Any) -> Any:
        if isinstance(answer, Mapping):
            return {name: self._by_arrival(value) for name, value in answer.items()}
        if not isinstance(answer, list) or not all("fence" in one and "lane" in one for one in answer):
            return answer
        places = [self.memory.store.signals[one["signal_id"]].seq for one in answer]
        assert places == sorted(places)
        return sorted(answer, key=lambda one: one["signal_id"])

    def accept(self, trader: Trader, **fields: Any) -> str:
        """Ingest an alert in Postgres, and what came of it in memory."""
        answer = self.world.ingest(trader, BUY | fields)
        assert answer["http"] == 200, answer
        found = self.world.signal(answer["body"]["signal_id"])
        signal_id = self.memory.ingest(
            ParsedAlert(
                signal_id=found["id"] if answer["body"]["status"] == "accepted" else "a repetition",
                account_id=trader.account,
                symbol=found["symbol"],
                action=found["action"],
                is_exit=found["is_exit"],
                alert=found["alert"],
                key=str(fields["id"]),
            )
        )
        assert signal_id == answer["body"]["signal_id"]
        return signal_id

    def let_lease_run_out(self, signal_id: str) -> None:
        self.world.let_lease_run_out(signal_id)
        store = self.memory.store
        row = store.signals[signal_id]
        store.signals.put(row.id, replace(row, lease_until=self._tick() - timedelta(seconds=1)))
        store.commit()

    def wear_out(self, signal_id: str) -> None:
        """Let a signal have been claimed as often as it may be."""
        self.world.run("update public.signals set attempt = 20 where id = %s", signal_id)
        store = self.memory.store
        store.signals.put(signal_id, replace(store.signals[signal_id], attempt=20))
        store.commit()

    def make_due(self) -> None:
        """Let every account be due for a comparison, one after the other, whoever compares them."""
        store = self.memory.store
        for place, trader in enumerate(self.traders):
            ago = timedelta(seconds=100 - place)
            self.world.run(
                "update private.reconciliations set due_at = clock_timestamp() - %s, "
                "lease_until = case when lease_until is not null then clock_timestamp() - %s end "
                "where account_id = %s",
                ago,
                ago,
                trader.account,
            )
            row = store.comparisons[trader.account]
            run_out = None if row.lease_until is None else self._tick() - ago
            store.comparisons.put(
                row.account_id, replace(row, due_at=self._tick() - ago, lease_until=run_out)
            )
        store.commit()

    def compare_rows(self) -> None:
        """Compare everything that both have stored."""
        for name, (query, rows) in tables(self.memory).items():
            real = self.world.rows(query)
            assert in_order(rows) == in_order(real), name


def empty(world: World) -> None:
    """Take away what an earlier sequence of calls has left."""
    world.run("truncate public.signals, private.alert_keys, public.trades, public.notifications cascade")
    world.run("truncate public.positions cascade")
    world.run(
        "update private.reconciliations set due_at = now() + interval '1 day', fence = 0, claimed_at = null, "
        "lease_until = null, differences = '[]'"
    )


def told(answer: Any, name: str = "") -> Any:
    """Return an answer without its times and the notation of its numbers."""
    if isinstance(answer, Mapping):
        if answer.get("name") == "cooldown_sec":
            answer = {**answer, "used": "seconds"}
        return {key: told(value, key) for key, value in answer.items() if key not in {"settings", "error"}}
    if isinstance(answer, list):
        return [told(value) for value in answer]
    if name in _TIMES:
        return None if answer is None else "a time"
    return number(answer) if name in _NUMBERS and answer is not None else answer
