"""What Realtime is given to tell."""

from tests.database.world import World

WATCHED = {
    *("signals", "orders", "positions", "trades"),
    *("option_trades", "account_balances", "notifications"),
}


def test_exactly_these_tables_are_told_whole(shared: World) -> None:
    rows = shared.rows(
        "select tablename, rowfilter is null, cardinality(attnames) = (select count(*) from pg_attribute"
        " where attrelid = format('%%I.%%I', schemaname, tablename)::regclass and attnum > 0"
        " and not attisdropped and attgenerated = '')"
        " from pg_publication_tables where pubname = 'supabase_realtime'"
    )
    assert {name for name, *_ in rows} == WATCHED
    assert all(no_filter for _, no_filter, _ in rows)


def test_nothing_is_told_of_what_was_deleted(shared: World) -> None:
    # Row-level security cannot be asked about a deleted row, so its key would go to every subscriber.
    row = shared.row(
        "select pubinsert, pubupdate, pubdelete, pubtruncate from pg_publication"
        " where pubname = 'supabase_realtime'"
    )
    assert row == (True, True, False, False)


def test_whoever_may_select_a_watched_table_selects_by_row(shared: World) -> None:
    for table in WATCHED:
        assert shared.value(
            "select relrowsecurity and relforcerowsecurity from pg_class where oid = %s::regclass",
            f"public.{table}",
        )
        assert not shared.value("select has_table_privilege('anon', %s, 'select')", f"public.{table}")
