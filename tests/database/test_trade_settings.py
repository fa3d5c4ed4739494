"""Trade settings: what a dashboard writes, what is refused, and what counts for a signal."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from sparky.domain.trade_settings import parse_limits, parse_settings
from sparky.domain.work_order import parse_work_order
from tests.database.world import World, call

# What the dashboard posts for every exchange; it never sends user_id.
POSTED = {
    "exchange": "aster",
    "trading_hours_preset": "24/7",
    "trading_window": ["00:00", "23:59"],
    "max_trades_per_day": 5,
    "max_position_size_usd": 100,
    "allow_weekends": True,
    "position_size_percent": 2,
    "strike_tolerance_percent": 1,
    "entry_limit_offset_percent": 1,
    "max_signal_age_sec": 10,
    "auto_close_outside_window": True,
    "max_open_positions": 0,
}
TABLES = ("trade_settings_global", "trade_settings_exchange")


def insert(
    connection: psycopg.Connection[tuple[Any, ...]], table: str, row: dict[str, Any]
) -> tuple[Any, ...] | None:
    values = [Jsonb(value) if isinstance(value, (dict, list)) else value for value in row.values()]
    changes = sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name))
        for name in (row.keys() - {"user_id"} or {"notes"})
    )
    # A trader has a global row since he signed up; it takes the values of the one given.
    conflict = sql.SQL(" on conflict (user_id) do update set {}").format(changes)
    statement = sql.SQL("insert into public.{} ({}) values ({}){} returning user_id::text, id").format(
        sql.Identifier(table),
        sql.SQL(", ").join([sql.Identifier(name) for name in row]),
        sql.SQL(", ").join([sql.Placeholder()] * len(row)),
        conflict if table == "trade_settings_global" else sql.SQL(""),
    )
    return connection.execute(statement, values).fetchone()


def effective(world: World, trader: str, exchange: str = "aster", symbol: str = "BTCUSDT") -> dict[str, Any]:
    return dict(world.value("select private.effective_settings(%s, %s, %s)", trader, exchange, symbol))


def test_a_dashboard_saves_first_and_again_without_saying_who_the_trader_is(world: World) -> None:
    trader = world.sign_up()
    with world.signed_in(trader) as connection:
        find = "select id from public.trade_settings_exchange where exchange = 'aster'"
        assert connection.execute(find).fetchone() is None
        made = insert(connection, "trade_settings_exchange", POSTED)
        assert made is not None
        assert made[0] == trader
        saved = connection.execute("select updated_at from public.trade_settings_exchange").fetchone()
        changed = connection.execute(
            "update public.trade_settings_exchange set exchange = 'aster', max_trades_per_day = 7"
            " where id = %s returning max_trades_per_day, updated_at",
            [made[1]],
        ).fetchone()
        assert saved is not None
        assert changed is not None
        assert changed[0] == 7
        assert changed[1] > saved[0]
        with pytest.raises(psycopg.errors.UniqueViolation):
            insert(connection, "trade_settings_exchange", POSTED)


def test_the_defaults_of_an_exchange_are_those_that_dashboards_know(world: World) -> None:
    trader = world.sign_up()
    with world.signed_in(trader) as connection:
        insert(connection, "trade_settings_exchange", {"exchange": "tradier_options"})
    row = world.value(
        "select to_jsonb(s) - '{id,user_id,created_at,updated_at}'::text[] from"
        " public.trade_settings_exchange s"
    )
    assert row == {
        "exchange": "tradier_options",
        "enabled": True,
        "trading_hours_preset": "24/5",
        "trading_window": ["00:00", "23:59"],
        "max_trades_per_day": 0,
        "max_position_size_usd": 0,
        "take_profit_percent": 0,
        "stop_loss_percent": 0,
        "allow_weekends": False,
        "news_filter": False,
        "notes": None,
        "position_size_percent": 0,
        "strike_tolerance_percent": 1,
        "entry_limit_offset_percent": 1,
        "tp_percent": 5,
        "sl_percent": 8,
        "max_signal_age_sec": 10,
        "auto_close_outside_window": True,
        "max_open_positions": 3,
        "extra_settings": {},
    }


def test_a_global_row_of_defaults_restricts_nothing(world: World) -> None:
    trader = world.sign_up()
    with_row = effective(world, trader)
    assert world.run("delete from public.trade_settings_global") == 1
    assert effective(world, trader) == with_row
    with world.signed_in(trader) as connection:
        insert(connection, "trade_settings_global", {"notes": None})
    assert effective(world, trader) == with_row
    assert world.row(
        "select trading_hours_preset, allow_weekends, max_trades_per_day, max_position_size_usd"
        " from public.trade_settings_global"
    ) == ("24/7", True, 0, Decimal(0))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("trading_window", ["9:30", "16:00"], "trading_window must be two times of day"),
        ("trading_window", ["09:30", "24:00"], "trading_window must be two times of day"),
        ("trading_window", ["09:30"], "trading_window must be two times of day"),
        ("trading_window", {"from": "09:30"}, "trading_window must be two times of day"),
        ("trading_window", [930, 1600], "trading_window must be two times of day"),
        ("trading_window", None, "trading_window must be two times of day"),
        ("trading_window", ["x" * 1_000_000, "16:00"], "trading_window must be two times of day"),
        ("extra_settings", None, "extra_settings must be an object"),
        ("extra_settings", [], "extra_settings must be an object"),
        ("extra_settings", {"max_leverag": 3}, 'extra_settings has no setting "max_leverag"'),
        ("extra_settings", {"x" * 1_000_000: 3}, "extra_settings has no setting"),
        ("extra_settings", {"on_opposite": "flip"}, "extra_settings.on_opposite must be"),
        ("extra_settings", {"on_opposite": None}, "extra_settings.on_opposite must be"),
        ("extra_settings", {"pyramiding": "true"}, "extra_settings.pyramiding must be true or false"),
        ("extra_settings", {"allow_short": None}, "extra_settings.allow_short must be true or false"),
        ("extra_settings", {"max_leverage": "3"}, "extra_settings.max_leverage must be a number"),
        ("extra_settings", {"max_leverage": -1}, "extra_settings.max_leverage must be a number"),
        ("extra_settings", {"max_exit_age_sec": 1.5}, "extra_settings.max_exit_age_sec must be a number"),
        ("extra_settings", {"max_leverage": 1e-13}, "extra_settings.max_leverage must be a number"),
        (
            "extra_settings",
            {"max_daily_loss_usd": 1e-300},
            "extra_settings.max_daily_loss_usd must be a number",
        ),
        ("extra_settings", {"cooldown_sec": 10**10}, "extra_settings.cooldown_sec must be a number"),
        ("max_trades_per_day", -1, "max_trades_per_day must be a number from 0 to 2147483647"),
        ("max_trades_per_day", None, "max_trades_per_day must be a number"),
        ("max_position_size_usd", Decimal("NaN"), "max_position_size_usd must be a number"),
        ("stop_loss_percent", 101, "stop_loss_percent must be a number from 0 to 100"),
        ("trading_hours_preset", "", "trading_hours_preset must have 1 to 50 characters"),
        ("trading_hours_preset", "x" * 1_000_000, "trading_hours_preset must have 1 to 50 characters"),
        ("notes", "x" * 10_001, "notes must have at most 10000 characters"),
        ("enabled", None, "enabled must be true or false"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name_and_not_stored(
    shared: World, table: str, column: str, value: Any, sentence: str
) -> None:
    trader = shared.sign_up()
    row = {column: value} | ({"exchange": "aster"} if table == "trade_settings_exchange" else {})
    with (
        shared.signed_in(trader) as connection,
        pytest.raises(psycopg.errors.InvalidParameterValue, match=sentence) as caught,
    ):
        insert(connection, table, row)
    assert caught.value.diag.message_hint
    assert effective(shared, trader)["enabled"] is True
    changed = "select count(*) from public.trade_settings_global where updated_at <> created_at"
    assert shared.value(changed) == 0
    assert shared.value("select count(*) from public.trade_settings_exchange") == 0


@pytest.mark.parametrize("exchange", ["binance", "tradier options", "", "x" * 1_000_000])
def test_an_unknown_exchange_has_no_settings(shared: World, exchange: str) -> None:
    with (
        shared.signed_in(shared.sign_up()) as connection,
        pytest.raises(psycopg.errors.InvalidParameterValue, match="the exchange must be aster, oanda"),
    ):
        insert(connection, "trade_settings_exchange", {"exchange": exchange})


@pytest.mark.parametrize(
    "column",
    [
        "position_size_percent",
        "strike_tolerance_percent",
        "entry_limit_offset_percent",
        "tp_percent",
        "sl_percent",
        "max_signal_age_sec",
        "max_open_positions",
    ],
)
def test_a_number_of_an_exchange_out_of_range_is_refused_by_name(shared: World, column: str) -> None:
    for value in (-1, None):
        with (
            shared.signed_in(shared.sign_up()) as connection,
            pytest.raises(psycopg.errors.InvalidParameterValue, match=f"{column} must be a number from 0"),
        ):
            insert(connection, "trade_settings_exchange", {"exchange": "aster", column: value})


def test_any_preset_that_a_dashboard_names_is_stored(shared: World) -> None:
    trader = shared.sign_up()
    with shared.signed_in(trader) as connection:
        connection.execute("begin")
        insert(connection, "trade_settings_global", {"trading_hours_preset": "Custom Window"})
        connection.execute("rollback")


NOTHING: dict[str, Any] = {}
DEFAULTS: dict[str, Any] = {
    "trading_halted": False,
    "halt_reason": None,
    "enabled": True,
    "max_signal_age_sec": 60,
    "max_exit_age_sec": 0,
    "on_opposite": "default",
    "pyramiding": False,
    "allow_short": None,
    "hours": [{"source": "global", "preset": "24/7", "begins": "00:00", "ends": "23:59"}],
    "allow_weekends": True,
    "max_position_size_usd": "0",
    "position_size_percent": "0",
    "take_profit_percent": "0",
    "stop_loss_percent": "0",
    "strike_tolerance_percent": "1",
    "entry_limit_offset_percent": "1",
    "max_leverage": "0",
    "max_slippage_percent": "0",
    "strategy": None,
}
# What a row of an exchange says whose columns were left as they are.
OWN_HOURS = {"source": "aster", "preset": "24/5", "begins": "00:00", "ends": "23:59"}
ROW_OF_AN_EXCHANGE: dict[str, Any] = {
    "max_signal_age_sec": 10,
    "hours": [*DEFAULTS["hours"], OWN_HOURS],
    "allow_weekends": False,
}


@pytest.mark.parametrize(
    ("everywhere", "here", "expected"),
    [
        (None, None, {}),
        (NOTHING, NOTHING, {"max_signal_age_sec": 10}),
        (
            {"trading_hours_preset": "market-hours", "allow_weekends": False},
            None,
            {"hours": [DEFAULTS["hours"][0] | {"preset": "market-hours"}], "allow_weekends": False},
        ),
        (
            {"trading_hours_preset": "own", "trading_window": ["22:00", "04:00"]},
            {"trading_hours_preset": "mine", "trading_window": ["09:30", "16:00"], "allow_weekends": True},
            {
                "max_signal_age_sec": 10,
                "allow_weekends": True,
                "hours": [
                    {"source": "global", "preset": "own", "begins": "22:00", "ends": "04:00"},
                    {"source": "aster", "preset": "mine", "begins": "09:30", "ends": "16:00"},
                ],
            },
        ),
        (
            {"max_position_size_usd": 500, "take_profit_percent": 3, "stop_loss_percent": 0},
            {"max_position_size_usd": 0, "take_profit_percent": 2.5, "stop_loss_percent": 1.25},
            {"max_position_size_usd": "500", "take_profit_percent": "2.5", "stop_loss_percent": "1.25"},
        ),
        (
            {"max_position_size_usd": 500, "take_profit_percent": 0, "stop_loss_percent": 0.5},
            {"max_position_size_usd": 499.99, "take_profit_percent": 2, "stop_loss_percent": 1.25},
            {"max_position_size_usd": "499.99", "take_profit_percent": "2", "stop_loss_percent": "0.5"},
        ),
        (
            NOTHING,
            {
                "position_size_percent": 12.5,
                "strike_tolerance_percent": 0,
                "entry_limit_offset_percent": 2,
                "tp_percent": 7,
                "sl_percent": 7,
            },
            {
                "position_size_percent": "12.5",
                "strike_tolerance_percent": "0",
                "entry_limit_offset_percent": "2",
            },
        ),
        (
            {"extra_settings": {"max_leverage": 5, "max_slippage_percent": 0}},
            {"extra_settings": {"max_leverage": 3, "max_slippage_percent": 0.5}},
            {"max_leverage": "3", "max_slippage_percent": "0.5"},
        ),
        ({"extra_settings": {"max_leverage": 5}}, None, {"max_leverage": "5"}),
        ({"enabled": False}, None, {"enabled": False}),
        (None, {"enabled": False}, {"enabled": False}),
        (NOTHING, {"max_signal_age_sec": 0}, {"max_signal_age_sec": 0}),
        ({"extra_settings": {"pyramiding": True}}, None, {"pyramiding": True}),
        (
            {"extra_settings": {"pyramiding": True}},
            {"extra_settings": {"pyramiding": False}},
            {"pyramiding": False},
        ),
        ({"extra_settings": {"allow_short": False}}, None, {"allow_short": False}),
        (
            {"extra_settings": {"allow_short": True}},
            {"extra_settings": {"allow_short": False}},
            {"allow_short": False},
        ),
        (
            {"extra_settings": {"on_opposite": "reject"}},
            {"extra_settings": {"on_opposite": "close"}},
            {"on_opposite": "reject"},
        ),
        (
            {"extra_settings": {"on_opposite": "reverse"}},
            {"extra_settings": {"on_opposite": "close"}},
            {"on_opposite": "close"},
        ),
        (
            {"extra_settings": {"max_exit_age_sec": 0}},
            {"extra_settings": {"max_exit_age_sec": 90}},
            {"max_exit_age_sec": 90},
        ),
        (
            {"extra_settings": {"max_exit_age_sec": 30}},
            {"extra_settings": {"max_exit_age_sec": 90}},
            {"max_exit_age_sec": 30},
        ),
    ],
)
def test_the_narrower_of_both_rows_counts(
    shared: World, everywhere: dict[str, Any] | None, here: dict[str, Any] | None, expected: dict[str, Any]
) -> None:
    trader = shared.sign_up()
    try:
        if everywhere is None:
            shared.run("delete from public.trade_settings_global where user_id = %s", trader)
        else:
            insert(shared.admin, "trade_settings_global", {"user_id": trader} | everywhere)
        if here is not None:
            insert(shared.admin, "trade_settings_exchange", {"user_id": trader, "exchange": "aster"} | here)
        row = ROW_OF_AN_EXCHANGE if here is not None else {}
        assert effective(shared, trader) == DEFAULTS | row | expected
        other = effective(shared, trader, "oanda", "EURUSD")
        assert other["max_signal_age_sec"] == 60
    finally:
        shared.run("delete from auth.users where id = %s", trader)


def test_options_of_tradier_have_settings_of_their_own(world: World) -> None:
    trader = world.sign_up()
    for exchange, age in (("tradier", 11), ("tradier_options", 12)):
        row = {"user_id": trader, "exchange": exchange, "max_signal_age_sec": age}
        insert(world.admin, "trade_settings_exchange", row)
    ages = {
        symbol: effective(world, trader, "tradier", symbol)["max_signal_age_sec"]
        for symbol in ("AAPL", "AAPL250117C00150000", "AAPL  250117P00150000", "BRK.B250117P00150000")
    }
    assert list(ages.values()) == [11, 12, 12, 12]
    assert effective(world, trader, "aster", "AAPL250117C00150000")["max_signal_age_sec"] == 60


def test_a_change_of_settings_reaches_the_next_claim(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    assert world.claim_one()["settings"]["enabled"] is True
    changed = {"enabled": False, "max_position_size_usd": 50}
    insert(world.admin, "trade_settings_global", {"user_id": trader.id} | changed)
    world.accept(trader, symbol="ETHUSDT")
    assert world.claim_one()["settings"] == DEFAULTS | changed | {"max_position_size_usd": "50"}


@pytest.mark.parametrize(
    "chosen",
    [
        {"trading_hours_preset": "24/5"},
        {"allow_weekends": False},
        {"extra_settings": {"max_leverage": 2}},
        {"max_position_size_usd": 1},
        {"take_profit_percent": 1},
        {"stop_loss_percent": 1},
    ],
)
def test_whatever_a_trader_chose_is_told_with_the_claim(world: World, chosen: dict[str, Any]) -> None:
    trader = world.trader()
    insert(world.admin, "trade_settings_global", {"user_id": trader.id} | chosen)
    world.accept(trader)
    assert world.claim_one()["settings"] == effective(world, trader.id, "paper")


def test_every_column_of_a_global_row_is_one_of_an_exchange(shared: World) -> None:
    columns = [
        dict(
            shared.rows(
                "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
                " where attrelid = ('public.' || %s)::regclass and attnum > 0 and not attisdropped",
                table,
            )
        )
        for table in TABLES
    ]
    everywhere, here = columns
    assert everywhere.items() <= here.items()
    assert here["trading_window"] == "jsonb"
    assert here["position_size_percent"] == "numeric(10,4)"


EXTRAS: dict[str, Any] = {
    "on_opposite": "close",
    "pyramiding": True,
    "allow_short": False,
    "max_daily_loss_usd": 1,
    "max_leverage": 1,
    "max_slippage_percent": 1,
    "cooldown_sec": 1,
    "max_exit_age_sec": 90,
}


def test_a_trader_is_told_what_counts_on_each_exchange(world: World) -> None:
    trader, other = world.sign_up(), world.sign_up()
    with world.signed_in(trader) as connection:
        insert(connection, "trade_settings_global", {"extra_settings": EXTRAS})
        insert(connection, "trade_settings_exchange", {"exchange": "tradier_options", "enabled": False})
        exchanges = call(connection, "my_settings")["exchanges"]
    chosen = {name: EXTRAS[name] for name in ("on_opposite", "pyramiding", "allow_short", "max_exit_age_sec")}
    counted = [
        {"name": "max_daily_loss_usd", "scope": "all", "limit": "1", "used": "0", "ok": True},
        {"name": "cooldown_sec", "scope": "all", "limit": "1", "used": "1", "ok": True},
    ]
    everywhere = DEFAULTS | chosen | {"max_leverage": "1", "max_slippage_percent": "1", "limits": counted}
    options = (
        everywhere
        | ROW_OF_AN_EXCHANGE
        | {
            "enabled": False,
            "hours": [*DEFAULTS["hours"], OWN_HOURS | {"source": "tradier_options"}],
            "take_profit_percent": "5",
            "stop_loss_percent": "8",
            "limits": [
                {
                    "name": "max_open_positions",
                    "scope": "tradier_options",
                    "limit": "3",
                    "used": "0",
                    "ok": True,
                },
                *counted,
            ],
        }
    )
    assert exchanges.pop("tradier_options") == options
    assert exchanges == dict.fromkeys(("aster", "oanda", "tradier", "tastytrade", "paper"), everywhere)
    with world.signed_in(other) as connection:
        theirs = call(connection, "my_settings")["exchanges"]["tradier_options"]
    assert theirs == DEFAULTS | {"limits": []}


def test_every_setting_either_counts_or_is_told_to_have_no_effect(world: World) -> None:
    with world.signed_in(world.sign_up()) as connection:
        every_limit = {"exchange": "aster", "max_trades_per_day": 1, "extra_settings": EXTRAS}
        insert(connection, "trade_settings_exchange", every_limit)
        answer = call(connection, "my_settings")
    columns = {
        str(name)
        for (name,) in world.rows(
            "select attname from pg_attribute"
            " where attrelid = 'public.trade_settings_exchange'::regclass and attnum > 0"
        )
    }
    no_settings = {"id", "user_id", "exchange", "notes", "extra_settings", "created_at", "updated_at"}
    aster = answer["exchanges"]["aster"]
    shown_as = {"hours": {"trading_hours_preset", "trading_window"}}
    obeyed: set[str] = {"tp_percent", "sl_percent"} | {one["name"] for one in aster["limits"]}
    for name in aster.keys() - {"trading_halted", "halt_reason", "limits", "strategy"}:
        obeyed |= shown_as.get(name, {name})
    assert obeyed.isdisjoint(answer["without_effect"])
    assert obeyed | answer["without_effect"].keys() == (columns - no_settings) | EXTRAS.keys()
    assert answer["without_effect"]["news_filter"] == "Saved, but there is no calendar of news."


def test_a_strategy_narrows_further_and_tells_whether_it_is_active(world: World) -> None:
    trader, other = world.sign_up(), world.sign_up()
    insert(
        world.admin,
        "trade_settings_exchange",
        {
            "user_id": trader,
            "exchange": "aster",
            "max_position_size_usd": 500,
            "take_profit_percent": 2,
            "stop_loss_percent": 1,
            "position_size_percent": 5,
        },
    )
    strategy = world.value(
        "insert into public.strategies (user_id, name, status, max_position_size_usd, take_profit_percent,"
        " stop_loss_percent) values (%s, 'Dip', 'testing', 300, 4, 0.5) returning id::text",
        trader,
    )
    read = "select private.effective_settings(%s, 'aster', 'BTCUSDT', '{}', %s)"
    narrowed = world.value(read, trader, strategy)
    assert {
        name: narrowed[name]
        for name in ("max_position_size_usd", "take_profit_percent", "stop_loss_percent", "strategy")
    } == {
        "max_position_size_usd": "300",
        "take_profit_percent": "2",
        "stop_loss_percent": "0.5",
        "strategy": {"name": "Dip", "active": False},
    }
    world.run("update public.strategies set status = 'active'")
    assert world.value(read, trader, strategy)["strategy"] == {"name": "Dip", "active": True}
    # The strategy of somebody else is none.
    assert world.value(read, other, strategy) == DEFAULTS


@pytest.mark.parametrize(
    ("symbol", "alert", "percent"),
    [
        ("AAPL", {}, "3"),
        ("AAPL250117C00150000", {}, "7"),
        ("AAPL", {"right": "call"}, "7"),
        ("AAPL", {"legs": []}, "7"),
    ],
)
def test_an_alert_of_an_option_has_the_settings_of_options(
    shared: World, symbol: str, alert: dict[str, Any], percent: str
) -> None:
    trader = shared.sign_up()
    try:
        for exchange in ("tradier", "tradier_options"):
            row = {"user_id": trader, "exchange": exchange, "stop_loss_percent": 3, "sl_percent": 7}
            insert(shared.admin, "trade_settings_exchange", row)
        read = "select private.effective_settings(%s, 'tradier', %s, %s)"
        assert shared.value(read, trader, symbol, Jsonb(alert))["stop_loss_percent"] == percent
    finally:
        shared.run("delete from auth.users where id = %s", trader)


def test_what_the_database_writes_is_what_the_worker_reads(world: World) -> None:
    trader = world.sign_up()
    insert(world.admin, "trade_settings_exchange", {"user_id": trader} | POSTED)
    settings = parse_settings(effective(world, trader), "settings")
    assert [one.source for one in settings.hours] == ["global", "aster"]
    assert settings.max_position_size_usd == 100
    assert settings.position_size_percent == 2
    limits = {"limits": world.value("select private.entry_limits(%s, 'aster', null, '{}', null)", trader)}
    assert [(one.name, one.limit, one.used) for one in parse_limits(limits, "limits", "$")] == [
        ("max_trades_per_day", Decimal(5), Decimal(0))
    ]


def test_a_number_in_another_spelling_stops_nobodys_claims(world: World) -> None:
    odd, other = world.trader(), world.trader()
    numbers = (
        '{"max_exit_age_sec": 60.0, "cooldown_sec": 30.0, "max_leverage": 2.000000000000000000000000000,'
        ' "max_slippage_percent": 1e-12, "max_daily_loss_usd": 1.5e2}'
    )
    with world.signed_in(odd.id) as connection:
        connection.execute("update public.trade_settings_global set extra_settings = %s::jsonb", [numbers])
    world.accept(odd)
    world.accept(other)
    mine, his = sorted(map(parse_work_order, world.claim()), key=lambda one: one.user_id != odd.id)
    assert mine.user_id == odd.id
    assert his.user_id == other.id
    assert (mine.settings.max_exit_age_sec, mine.settings.max_leverage) == (60, Decimal(2))
