"""Two traders who both have rows in every table of schema public, for tests of who sees and changes what.

A new table that nothing here fills fails test_matrix.py. Fill it by what really fills it, or by a statement
of ROWS.
"""

from dataclasses import dataclass
from typing import LiteralString

from tests.database.world import Trader, World, fill, filled, held, order

# Rows that no step below leads to, once for each trader: %(trader)s, %(account)s and %(webhook)s are his ids.
ROWS: tuple[LiteralString, ...] = (
    "insert into public.entitlements (user_id, addon) values (%(trader)s, 'backtesting')",
    "insert into public.trade_settings_exchange (user_id, exchange) values (%(trader)s, 'paper')",
    "insert into public.strategies (user_id, name) values (%(trader)s, 'Breakout')",
    (
        "insert into public.notifications (user_id, kind, severity, title, body)"
        " values (%(trader)s, 'signal_review', 'critical', 'Look', '')"
    ),
    "insert into public.notification_preferences (user_id, kind) values (%(trader)s, 'signal_failed')",
    (
        "insert into public.option_trades (user_id, underlying_symbol, option_symbol)"
        " values (%(trader)s, 'SPY', 'SPY   261218C00600000')"
    ),
    (
        "insert into public.account_balances"
        " (user_id, account_id, exchange, environment, currency, equity, as_of)"
        " values (%(trader)s, %(account)s, 'paper', 'paper', 'USD', 100000, now())"
    ),
    # Of some days ago, so that the next is not refused.
    (
        "insert into public.data_exports (user_id, status, parts, created_at, finished_at)"
        " values (%(trader)s, 'ready', 1, now() - interval '2 days', now() - interval '2 days')"
    ),
    (
        "insert into private.export_parts (export_id, part, body)"
        " select id, 1, '{}' from public.data_exports where user_id = %(trader)s"
    ),
)


@dataclass(frozen=True, slots=True)
class Two:
    world: World
    owner: Trader
    other: Trader


def populate(world: World) -> Two:
    traders = [world.trader(), world.trader()]
    for trader in traders:
        _trade(world, trader)
        names = {"trader": trader.id, "account": trader.account, "webhook": trader.webhook}
        for statement in ROWS:
            world.admin.execute(statement, names)
    return Two(world, *traders)


def _trade(world: World, trader: Trader) -> None:
    """Buy, sell and buy again: signals, orders, fills, a trade and an open position."""
    for number, action in enumerate(("buy", "sell", "buy")):
        signal_id = world.accept(trader, action=action)
        claimed = next(one for one in world.claim() if one["signal_id"] == signal_id)
        world.begin(order(claimed, side=action))
        news = filled(fills=[fill(f"{trader.id}{number}", "1")])
        assert world.finish(held(claimed) | {"status": "done", "news": [news]})[0]["ok"] is True
