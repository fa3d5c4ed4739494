"""A fee that the venue tells after the fill: charged once, to what the fill opened and to what it closed."""

import itertools
import uuid
from decimal import Decimal
from typing import Any

from tests.database.world import Trader, World, call, fill, filled, held, order

_ids = itertools.count(1)


class Sent:
    """An executed order, whose news may be told again."""

    def __init__(self, world: World, trader: Trader, side: str, *fills: dict[str, Any]) -> None:
        self.world = world
        self.fills = fills
        self.signal = world.accept(trader, action=side)
        self.work = next(one for one in world.claim() if one["signal_id"] == self.signal)
        wanted = order(self.work, side=side)
        self.id = str(wanted["orders"][0]["client_order_id"])
        assert world.begin(wanted)[0]["ok"] is True
        self.account = trader.account
        self._finish(fills)

    def tell(self, fee: str | None, number: int = 0) -> None:
        """Let a comparison see a fill again."""
        self.world.run(
            "update private.reconciliations set due_at = now() where account_id = %s", self.account
        )
        (claimed,) = [
            one
            for one in call(self.world.worker, "claim_accounts", "w1", 10, 60)
            if one["account"]["id"] == self.account
        ]
        news = filled(fills=[self.fills[number] | {"fee": fee}]) | {"signal_id": self.signal}
        sent = {"account_id": self.account, "fence": claimed["fence"], "due_in_seconds": 60, "news": [news]}
        assert call(self.world.worker, "finish_accounts", [sent])[0]["ok"] is True

    def _finish(self, fills: tuple[dict[str, Any], ...]) -> None:
        done = held(self.work) | {"status": "done", "news": [filled(fills=fills)]}
        assert self.world.finish(done)[0]["ok"] is True


def some(quantity: str, price: str, fee: str | None = None, minute: int = 0) -> dict[str, Any]:
    return fill(f"late{next(_ids)}", quantity, price, "0", minute) | {"fee": fee}


def entry_fees(world: World, trader: Trader) -> Decimal | None:
    found = world.rows("select trim_scale(entry_fees) from public.positions where user_id = %s", trader.id)
    return found[0][0] if found else None


def trades(world: World, trader: Trader) -> list[tuple[Any, ...]]:
    return world.rows(
        "select order_id, trim_scale(fees_usd), trim_scale(pnl_usd), pnl_percent, is_winner"
        " from public.trades where user_id = %s order by exit_time, created_at",
        trader.id,
    )


def fees(world: World, trader: Trader) -> list[Any]:
    return [
        row[0] for row in world.rows("select fee from public.fills where user_id = %s order by 1", trader.id)
    ]


def test_a_fee_that_is_not_told_is_no_fee_of_zero(world: World) -> None:
    trader = world.trader()
    Sent(world, trader, "buy", some("2", "100"))
    assert fees(world, trader) == [None]
    assert entry_fees(world, trader) == 0


def test_the_fee_of_an_entry_comes_to_its_open_position_once(world: World) -> None:
    trader = world.trader()
    bought = Sent(world, trader, "buy", some("2", "100"))
    for fee in (None, "0.5", "0.5", "7", None):
        bought.tell(fee)
    assert fees(world, trader) == [Decimal("0.5")]
    assert entry_fees(world, trader) == Decimal("0.5")


def test_a_fee_that_was_told_is_not_told_anew(world: World) -> None:
    trader = world.trader()
    bought = Sent(world, trader, "buy", some("2", "100", "0"))
    bought.tell("0.5")
    assert fees(world, trader) == [0]
    assert entry_fees(world, trader) == 0


def test_the_fee_of_an_exit_comes_off_its_trade(world: World) -> None:
    trader = world.trader()
    Sent(world, trader, "buy", some("2", "100", "1"))
    sold = Sent(world, trader, "sell", some("2", "101", minute=1))
    assert trades(world, trader) == [(sold.id, 1, 1, Decimal("0.5"), True)]
    sold.tell("3")
    assert trades(world, trader) == [(sold.id, 4, -2, Decimal("-1.0"), False)]


def test_the_fee_of_an_entry_that_is_closed_already_comes_off_the_trade(world: World) -> None:
    trader = world.trader()
    bought = Sent(world, trader, "buy", some("2", "100"))
    sold = Sent(world, trader, "sell", some("2", "110", "1", minute=1))
    # A position of another time does not pay for it.
    Sent(world, trader, "buy", some("1", "100", "0", minute=2))
    bought.tell("4")
    assert trades(world, trader) == [(sold.id, 5, 15, Decimal("7.5"), True)]
    assert entry_fees(world, trader) == 0


def test_the_fee_of_a_fill_across_zero_is_shared_by_quantity(world: World) -> None:
    trader = world.trader()
    Sent(world, trader, "buy", some("1", "100", "0"))
    sold = Sent(world, trader, "sell", some("4", "110", minute=1))
    sold.tell("2")
    assert trades(world, trader) == [(sold.id, Decimal("0.5"), Decimal("9.5"), Decimal("9.5"), True)]
    assert entry_fees(world, trader) == Decimal("1.5")


def test_the_counters_of_a_strategy_follow_a_late_fee(world: World) -> None:
    trader = world.trader()
    name = f"S{uuid.uuid4().hex[:6]}"
    world.run("insert into public.strategies (user_id, name) values (%s, %s)", trader.id, name)
    Sent(world, trader, "buy", some("1", "100", "0"))
    world.run(
        "update public.positions set strategy_id = (select id from public.strategies where name = %s)", name
    )
    sold = Sent(world, trader, "sell", some("1", "101", minute=1))
    counters = "select total_trades, winning_trades, trim_scale(total_pnl_usd) from public.strategies"
    assert world.row(counters) == (1, 1, 1)
    sold.tell("3")
    assert world.row(counters) == (1, 0, -2)


def test_an_order_with_a_fee_not_told_is_asked_for_again_for_a_quarter_of_an_hour(world: World) -> None:
    trader = world.trader()
    silent = Sent(world, trader, "buy", some("1", "100"))
    Sent(world, trader, "buy", some("1", "100", "0"))
    ends = "select jsonb_path_query_array(private.open_ends(%s), '$[*].client_order_id')"
    assert world.value(ends, trader.account) == []
    world.run("update public.fills set filled_at = now() - interval '14 minutes'")
    assert world.value(ends, trader.account) == [silent.id]
    world.run("update public.fills set filled_at = now() - interval '16 minutes'")
    assert world.value(ends, trader.account) == []
