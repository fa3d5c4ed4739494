"""Exactly these privileges exist, although hosted projects grant everything to the API roles by default."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

from typing import Any

from tests.database.world import World

ROLES = (
    "anon",
    "authenticated",
    "service_role",
    "sparky_worker",
    "sparky_edge",
    "dashboard_server",
    "public",
)
CRUD = "DELETE,INSERT,SELECT,UPDATE"

TABLES = {
    ("public.plans", "authenticated"): "SELECT",
    ("public.user_profiles", "authenticated"): "SELECT",
    ("public.subscriptions", "authenticated"): "SELECT",
    ("public.usage_logs", "authenticated"): "SELECT",
    ("public.audit_log", "authenticated"): "SELECT",
    ("public.signals", "authenticated"): "SELECT",
    ("public.orders", "authenticated"): "SELECT",
    ("public.fills", "authenticated"): "SELECT",
    ("public.positions", "authenticated"): "SELECT",
    ("public.trades", "authenticated"): "SELECT",
    ("public.user_webhook_configs", "authenticated"): "DELETE",
    ("public.entitlements", "authenticated"): "SELECT",
    ("public.usage_today", "authenticated"): "SELECT",
    ("public.usage_this_month", "authenticated"): "SELECT",
    ("public.trade_stats_daily", "authenticated"): "SELECT",
    ("public.trade_settings_global", "authenticated"): "DELETE,SELECT",
    ("public.trade_settings_exchange", "authenticated"): "DELETE,SELECT",
    ("public.entitlements", "service_role"): CRUD,
    ("public.usage_today", "service_role"): "SELECT",
    ("public.usage_logs", "dashboard_server"): "SELECT",
    ("public.usage_today", "dashboard_server"): "SELECT",
    ("public.usage_this_month", "dashboard_server"): "SELECT",
    ("public.usage_this_month", "service_role"): "SELECT",
    ("public.trade_settings_global", "service_role"): CRUD,
    ("public.trade_settings_exchange", "service_role"): CRUD,
    ("public.strategies", "authenticated"): "DELETE,SELECT",
    ("public.notifications", "authenticated"): "DELETE,SELECT",
    ("public.notification_preferences", "authenticated"): "DELETE,SELECT",
    ("public.option_trades", "authenticated"): "SELECT",
    ("public.account_balances", "authenticated"): "SELECT",
    ("public.plans", "service_role"): CRUD,
    ("public.user_profiles", "service_role"): CRUD,
    ("public.subscriptions", "service_role"): CRUD,
    ("public.usage_logs", "service_role"): CRUD,
    ("public.user_api_keys", "service_role"): CRUD,
    ("public.user_webhook_configs", "service_role"): CRUD,
    ("public.strategies", "service_role"): CRUD,
    ("public.notifications", "service_role"): CRUD,
    ("public.notification_preferences", "service_role"): CRUD,
    ("public.option_trades", "service_role"): CRUD,
    ("public.account_balances", "service_role"): CRUD,
    ("public.signals", "service_role"): CRUD,
    ("public.orders", "service_role"): CRUD,
    ("public.fills", "service_role"): CRUD,
    ("public.positions", "service_role"): CRUD,
    ("public.trades", "service_role"): CRUD,
    ("public.audit_log", "service_role"): "SELECT",
    ("public.data_exports", "authenticated"): "SELECT",
    ("public.data_exports", "service_role"): "SELECT",
    ("public.webhook_requests", "authenticated"): "SELECT",
    ("public.webhook_requests", "service_role"): "INSERT,SELECT,UPDATE",
    ("public.webhook_requests", "dashboard_server"): "INSERT,SELECT,UPDATE",
    ("public.bot_credentials", "authenticated"): CRUD,
    ("public.bot_credentials", "service_role"): CRUD,
    ("public.bot_credentials", "dashboard_server"): CRUD,
    ("public.tradier_option_trades", "authenticated"): "SELECT",
    ("public.tradier_option_trades", "service_role"): "SELECT",
    ("public.trade_stats", "authenticated"): "SELECT",
    ("public.trade_stats", "service_role"): "SELECT",
    ("public.subscriptions", "dashboard_server"): "SELECT",
    ("public.user_profiles", "dashboard_server"): "SELECT",
    ("public.strategies", "dashboard_server"): "SELECT",
}
_KEY = (
    "id user_id exchange environment label hint form secret_fields account_id found_account_id base_url"
    " extra_metadata last_tested key_version status status_reason validated_at permissions notes expires_at"
    " created_at updated_at"
)
_SERVER_SIGNAL = (
    "id user_id strategy_id exchange action symbol alert status reason reason_code received_at finished_at"
    " parent_id"
)
_SERVER_SUBSCRIPTION = (
    "user_id plan status stripe_customer_id stripe_subscription_id stripe_price_id current_period_start"
    " current_period_end cancel_at_period_end canceled_at trial_start trial_end metadata updated_at"
)
_SERVER_ACCOUNT = (
    "id user_id exchange environment label hint secret_fields account_id base_url extra_metadata last_tested"
    " created_at updated_at"
)
_SERVER_WEBHOOK = "id user_id name secret_hint created_at updated_at"
_SERVER_PROFILE = "id email full_name avatar_url updated_at"
_HOOK = (
    "id user_id name active require_signature allowed_sources hint secret_hint old_live_since"
    " created_at updated_at"
)
# Not the counters.
_STRATEGY = (
    "name description asset_class status pine_script pine_script_version risk_level max_position_size_usd"
    " stop_loss_percent take_profit_percent exchange environment position_size_percent timeframe symbols"
    " notes"
)
# Not the id.
_SETTINGS = (
    "user_id enabled trading_hours_preset trading_window max_trades_per_day max_position_size_usd"
    " take_profit_percent stop_loss_percent allow_weekends news_filter notes extra_settings"
)
_EXCHANGE_SETTINGS = (
    f"{_SETTINGS} exchange position_size_percent strike_tolerance_percent entry_limit_offset_percent"
    " tp_percent sl_percent max_signal_age_sec auto_close_outside_window max_open_positions"
)
COLUMNS = {
    ("public.trade_settings_global", "authenticated", "INSERT"): set(_SETTINGS.split()),
    ("public.trade_settings_global", "authenticated", "UPDATE"): set(_SETTINGS.split()),
    ("public.trade_settings_exchange", "authenticated", "INSERT"): set(_EXCHANGE_SETTINGS.split()),
    ("public.trade_settings_exchange", "authenticated", "UPDATE"): set(_EXCHANGE_SETTINGS.split()),
    ("public.strategies", "authenticated", "INSERT"): {"user_id", *_STRATEGY.split()},
    ("public.strategies", "authenticated", "UPDATE"): set(_STRATEGY.split()),
    ("public.notifications", "authenticated", "UPDATE"): {"read_at"},
    ("public.notification_preferences", "authenticated", "INSERT"): {"user_id", "kind", "in_app"},
    ("public.notification_preferences", "authenticated", "UPDATE"): {"kind", "in_app"},
    ("public.user_profiles", "authenticated", "UPDATE"): {"full_name", "avatar_url"},
    ("public.user_api_keys", "authenticated", "SELECT"): set(_KEY.split()),
    ("public.user_webhook_configs", "authenticated", "SELECT"): set(_HOOK.split()),
    ("public.user_webhook_configs", "authenticated", "UPDATE"): {
        "name",
        "active",
        "require_signature",
        "allowed_sources",
    },
    ("public.user_api_keys", "dashboard_server", "SELECT"): set(_SERVER_ACCOUNT.split()),
    ("public.user_webhook_configs", "dashboard_server", "SELECT"): set(_SERVER_WEBHOOK.split()),
    ("public.signals", "dashboard_server", "SELECT"): set(_SERVER_SIGNAL.split()),
    ("public.subscriptions", "dashboard_server", "INSERT"): set(_SERVER_SUBSCRIPTION.split()),
    ("public.subscriptions", "dashboard_server", "UPDATE"): set(_SERVER_SUBSCRIPTION.split()),
    ("public.user_profiles", "dashboard_server", "INSERT"): set(_SERVER_PROFILE.split()),
    ("public.user_profiles", "dashboard_server", "UPDATE"): set(_SERVER_PROFILE.split()),
}
WORKER = (
    *(
        "claim_signals",
        "begin_orders",
        "finish_signals",
        "extend_leases",
        "release_signals",
        "worker_heartbeat",
    ),
    *(
        "claim_accounts",
        "finish_accounts",
        "claim_tasks",
        "finish_tasks",
        "work_task",
        "paper_open",
        "paper_submit",
        "paper_place_exits",
        "paper_cancel",
        "paper_mark",
        "paper_find_order",
        "paper_list_open",
        "paper_list_positions",
        "paper_list_fills",
    ),
)
OPERATOR = (
    *("halt_trading", "resume_trading", "announce", "set_api_url"),
    *("review_signals", "settle_signal", "explain_signal"),
)
FUNCTIONS = {
    *((f"public.{name}", "service_role") for name in OPERATOR),
    *(
        (f"public.{name}", role)
        for name in ("platform_status", "has_feature")
        for role in ("authenticated", "service_role")
    ),
    ("public.has_feature", "dashboard_server"),
    ("public.my_plan", "authenticated"),
    ("public.my_settings", "authenticated"),
    ("public.my_signal", "authenticated"),
    ("public.save_api_key", "authenticated"),
    ("public.delete_api_key", "authenticated"),
    ("public.list_api_keys", "authenticated"),
    ("public.request_validation", "authenticated"),
    ("public.open_keys", "sparky_worker"),
    ("public.reseal_keys", "sparky_worker"),
    ("public.rotate_keys", "sparky_worker"),
    ("public.create_webhook", "authenticated"),
    ("public.delete_my_account", "authenticated"),
    *(
        (f"public.{name}", role)
        for name in ("get_user_subscription_plan_safe", "check_webhook_limit")
        for role in ("authenticated", "service_role", "dashboard_server")
    ),
    ("public.reveal_webhook", "authenticated"),
    ("public.rotate_webhook", "authenticated"),
    ("public.end_old_webhook_credentials", "authenticated"),
    ("public.webhook_url", "authenticated"),
    ("public.alert_template", "authenticated"),
    ("public.alert_templates", "authenticated"),
    ("public.ingest_alert", "sparky_edge"),
    ("public.ingest_alert", "service_role"),
    ("public.store_stripe_event", "service_role"),
    ("public.export_my_data", "authenticated"),
    ("public.read_export", "authenticated"),
    ("public.audit_head", "service_role"),
    ("public.verify_audit", "service_role"),
    *((f"public.{name}", role) for name in WORKER for role in ("sparky_worker", "service_role")),
}
OUR_SCHEMAS = "('public'::regnamespace, 'private'::regnamespace)"


def granted(world: World, objects: str, acl: str, where: str) -> list[tuple[Any, ...]]:
    """Return object, grantee and privilege of every grant to somebody who is not the owner."""
    return world.rows(
        f"select {objects}, coalesce(r.rolname, 'public'), a.privilege_type, a.is_grantable"
        f" from {where}, aclexplode({acl}) a left join pg_roles r on r.oid = a.grantee where"
        " a.grantee <> o.owner"
    )


def test_tables_and_sequences(shared: World) -> None:
    source = (
        "(select oid, relowner as owner, relacl, relkind from pg_class"
        f" where relnamespace in {OUR_SCHEMAS} and relkind in ('r', 'v', 'm', 'S', 'p', 'f')) o"
    )
    kind = "case o.relkind when 'S' then 's'::\"char\" else 'r'::\"char\" end"
    default = f"coalesce(o.relacl, acldefault({kind}, o.owner))"
    found: dict[tuple[str, str], list[str]] = {}
    for name, role, privilege, grantable in granted(shared, "o.oid::regclass::text", default, source):
        assert not grantable
        full = name if "." in name else f"public.{name}"
        found.setdefault((full, role), []).append(privilege)
    assert {key: ",".join(sorted(value)) for key, value in found.items()} == TABLES


def test_columns(shared: World) -> None:
    source = (
        "(select c.oid, c.relowner as owner, t.attname, t.attacl from pg_attribute t join pg_class"
        " c on c.oid = t.attrelid"
        f" where c.relnamespace in {OUR_SCHEMAS} and t.attacl is not null) o"
    )
    found: dict[tuple[str, str, str], set[str]] = {}
    for name, role, privilege, _ in granted(
        shared, "o.oid::regclass::text || ' ' || o.attname", "o.attacl", source
    ):
        table, _, column = name.partition(" ")
        full = table if "." in table else f"public.{table}"
        found.setdefault((full, role, privilege), set()).add(column)
    assert found == COLUMNS


def test_functions(shared: World) -> None:
    source = (
        "(select oid, pronamespace, proname, proowner as owner, proacl from pg_proc"
        f" where pronamespace in {OUR_SCHEMAS}) o"
    )
    acl = "coalesce(o.proacl, acldefault('f', o.owner))"
    found = granted(shared, "o.pronamespace::regnamespace::text || '.' || o.proname", acl, source)
    assert {(name, role) for name, role, _, _ in found} == FUNCTIONS
    assert not any(grantable for *_, grantable in found)


def test_schemas(shared: World) -> None:
    source = (
        "(select oid, nspname, nspowner as owner, nspacl from pg_namespace"
        " where nspname in ('public', 'private')) o"
    )
    found = granted(shared, "o.nspname", "coalesce(o.nspacl, acldefault('n', o.owner))", source)
    ours = {(name, role, privilege) for name, role, privilege, _ in found if role in ROLES}
    assert {one for one in ours if one[0] == "private"} == set()
    assert {one for one in ours if one[2] == "CREATE"} == set()


def test_default_privileges_give_nothing_to_api_roles(shared: World) -> None:
    for statement in (
        "create table public.later (id bigint generated always as identity primary key)",
        "create function public.later() returns int language sql as 'select 1'",
        "create sequence public.later_seq",
        "create function private.later() returns int language sql as 'select 1'",
    ):
        shared.run("set role postgres")
        shared.run(statement)
        shared.run("reset role")
    for role in ROLES[:-1]:
        assert shared.row(
            "select has_table_privilege(%s, 'public.later',"
            " 'select,insert,update,delete,truncate,references,trigger'),"
            " has_function_privilege(%s, 'public.later()', 'execute'), has_sequence_privilege(%s,"
            " 'public.later_seq', 'usage,select,update'),"
            " has_function_privilege(%s, 'private.later()', 'execute')",
            *(role for _ in range(4)),
        ) == (False, False, False, False), role
    for statement in (
        "drop table public.later",
        "drop function public.later()",
        "drop sequence public.later_seq",
        "drop function private.later()",
    ):
        shared.run(statement)


def test_worker_and_edge_are_powerless_roles(shared: World) -> None:
    rows = shared.rows(
        "select rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,"
        " rolbypassrls from pg_roles"
        " where rolname in ('sparky_worker', 'sparky_edge')"
    )
    assert sorted(rows) == [(name, *[False] * 6) for name in ("sparky_edge", "sparky_worker")]
    memberships = shared.rows(
        "select m.rolname, g.rolname from pg_auth_members a join pg_roles m on m.oid = a.member"
        " join pg_roles g on g.oid = a.roleid where m.rolname in ('sparky_worker', 'sparky_edge', 'anon')"
    )
    assert sorted(memberships) == [("sparky_edge", "anon"), ("sparky_worker", "anon")]
    members = shared.rows(
        "select g.rolname, m.rolname from pg_auth_members a join pg_roles m on m.oid = a.member"
        " join pg_roles g on g.oid = a.roleid where g.rolname in ('sparky_worker', 'sparky_edge')"
    )
    assert {member for _, member in members} <= {"authenticator", "postgres"}
