"""Reasons for which a signal ends without an order: its trader's settings, his position, the operator."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from sparky.runtime.seams import SystemClock
from tests.integration.reasons.stage import Ending, Stage, produces
from tests.integration.reasons.worker_main import SATURDAY_SYMBOL


@produces("no_size")
async def _no_size(stage: Stage) -> Ending:
    return await stage.end(action="buy")


@produces("no_price")
async def _no_price(stage: Stage) -> Ending:
    return await stage.end(action="buy", quantity="1", price=None)


@produces("dry_run")
async def _dry_run(stage: Stage) -> Ending:
    return await stage.end(action="buy", quantity="1", dry_run=True)


@produces("not_supported")
async def _not_supported(stage: Stage) -> Ending:
    return await stage.at("oanda", action="buy", order_type="stop_limit", price="1.2", stop_price="1.2")


@produces("position_exists")
async def _position_exists(stage: Stage) -> Ending:
    await stage.done(action="buy", quantity="1")
    return await stage.end(action="buy", quantity="1", price="101")


@produces("no_position")
async def _no_position(stage: Stage) -> Ending:
    return await stage.end(action="close")


@produces("already_there")
async def _already_there(stage: Stage) -> Ending:
    await stage.done(action="buy", market_position="long", quantity="1")
    return await stage.end(action="buy", market_position="long", quantity="1", price="101")


@produces("nothing_to_cancel")
async def _nothing_to_cancel(stage: Stage) -> Ending:
    return await stage.end(action="cancel")


@produces("opposite_rejected")
async def _opposite_rejected(stage: Stage) -> Ending:
    stage.allow(extra_settings={"on_opposite": "reject"})
    await stage.done(action="buy", quantity="1")
    return await stage.end(action="sell", quantity="1")


@produces("short_not_allowed")
async def _short_not_allowed(stage: Stage) -> Ending:
    stage.allow(extra_settings={"allow_short": False})
    return await stage.end(action="sell", quantity="1")


@produces("outside_trading_window")
async def _outside_trading_window(stage: Stage) -> Ending:
    now = SystemClock().now().astimezone(ZoneInfo("America/New_York"))
    window = [f"{now + timedelta(hours=hours):%H:%M}" for hours in (2, 3)]
    stage.allow(trading_hours_preset="custom", trading_window=window)
    return await stage.end(action="buy", quantity="1")


@produces("weekend")
async def _weekend(stage: Stage) -> Ending:
    stage.allow(allow_weekends=False)
    return await stage.end(action="buy", quantity="1", symbol=SATURDAY_SYMBOL)


@produces("max_trades_per_day", fresh=True)
async def _max_trades_per_day(stage: Stage) -> Ending:
    stage.allow(max_trades_per_day=1)
    await stage.done(action="buy", quantity="1")
    return await stage.end(action="buy", quantity="1", symbol="ETHUSDT")


@produces("max_open_positions", fresh=True)
async def _max_open_positions(stage: Stage) -> Ending:
    stage.allow(max_open_positions=1)
    await stage.done(action="buy", quantity="1")
    return await stage.end(action="buy", quantity="1", symbol="ETHUSDT")


@produces("max_daily_loss", fresh=True)
async def _max_daily_loss(stage: Stage) -> Ending:
    stage.allow(extra_settings={"max_daily_loss_usd": 10})
    await stage.done(action="buy", quantity="1")
    await stage.done(action="close", price="80")
    return await stage.end(action="buy", quantity="1")


@produces("cooldown")
async def _cooldown(stage: Stage) -> Ending:
    stage.allow(extra_settings={"cooldown_sec": 600})
    await stage.done(action="buy", quantity="1")
    await stage.done(action="close")
    return await stage.end(action="buy", quantity="1", price="101")


@produces("max_slippage")
async def _max_slippage(stage: Stage) -> Ending:
    stage.allow("aster", extra_settings={"max_slippage_percent": 1})
    venue = stage.venues["aster"]
    return await stage.at("aster", action="buy", price=f"{venue.price / 2:f}")


@produces("signal_too_old")
async def _signal_too_old(stage: Stage) -> Ending:
    stage.allow(max_signal_age_sec=1)
    long_ago = SystemClock().now() - timedelta(minutes=5)
    return await stage.end(action="buy", quantity="1", timestamp=long_ago.isoformat())


@produces("trading_disabled")
async def _trading_disabled(stage: Stage) -> Ending:
    stage.allow(enabled=False)
    return await stage.end(action="buy", quantity="1")


@produces("platform_halted")
async def _platform_halted(stage: Stage) -> Ending:
    stage.world.records.run(
        "update private.platform_state set trading_halted = true, halt_reason = 'maintenance'"
    )
    try:
        return await stage.end(action="buy", quantity="1")
    finally:
        stage.world.records.run(
            "update private.platform_state set trading_halted = false, halt_reason = null"
        )


@produces("internal_error")
async def _internal_error(stage: Stage) -> Ending:
    # A field that no version of the worker knows: what was stored is not what this one can execute.
    stage.world.records.run(
        "create function private.surprise() returns trigger language plpgsql as $$ begin"
        " new.alert := new.alert || '{\"surprise\": true}'; return new; end $$"
    )
    stage.world.records.run(
        "create trigger surprise before insert on public.signals for each row"
        " execute function private.surprise()"
    )
    try:
        return await stage.end(action="buy", quantity="1")
    finally:
        stage.world.records.run("drop function private.surprise() cascade")
