"""The prepared database has hosted Supabase's roles and rights."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scripts.local_stack import urls
from scripts.local_stack.bootstrap import prepare_database
from scripts.local_stack.errors import StackError
from scripts.local_stack.migrations import apply_migrations, changed_migrations
from scripts.local_stack.postgres import PostgresServer

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module")
def prepared(cluster: PostgresServer) -> str:
    """The superuser's URL of a prepared template database."""
    with psycopg.connect(cluster.admin_url(), autocommit=True) as connection:
        connection.execute("create database prepared")
    url = cluster.admin_url("prepared")
    prepare_database(url)
    return url


@pytest.fixture
def url(cluster: PostgresServer, prepared: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The superuser's URL of a database of this test, copied from the prepared one."""
    name = f"copy_{abs(hash(request.node.name))}"
    with psycopg.connect(cluster.admin_url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template prepared owner postgres".encode())
        yield urls.with_database(prepared, name)
        connection.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def postgres(url: str) -> Iterator[Connection]:
    with psycopg.connect(urls.with_role(url, "postgres"), autocommit=True) as connection:
        yield connection


def test_preparing_twice_changes_nothing(url: str) -> None:
    prepare_database(url)
    prepare_database(url)


def test_postgres_is_no_superuser_but_may_do_what_it_may_on_hosted(postgres: Connection) -> None:
    row = postgres.execute(
        "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        " from pg_roles where rolname = current_user"
    ).fetchone()
    assert row == (False, True, True, True, True)
    for statement in (
        "create table public.rooted (id uuid primary key references auth.users on delete cascade)",
        "create function public.hook() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger hooked after insert on auth.users for each row execute function public.hook()",
        "select email from auth.users",
        "alter publication supabase_realtime add table public.rooted",
        "create schema private",
        "set role anon",
        "reset role",
        "set role service_role",
    ):
        postgres.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "create table auth.mine (id int)",
        "alter table auth.users add column mine int",
        "insert into vault.secrets (secret) values ('plain')",
        "select pg_read_file('vault_root_key')",
        "select vault._root_key()",
        "alter system set fsync = off",
        "copy (select 1) to '/nowhere/x'",
        "alter role supabase_admin password 'x'",
        "create event trigger mine on ddl_command_end execute function extensions.pgrst_ddl_watch()",
    ],
)
def test_postgres_may_not_do_what_needs_more(postgres: Connection, statement: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        postgres.execute(statement.encode())
    assert refused.value.sqlstate == "42501"


def test_a_migration_may_make_a_worker_role(postgres: Connection) -> None:
    postgres.execute("create role test_worker nologin nobypassrls")
    postgres.execute("grant test_worker to authenticator")
    postgres.execute("grant anon to test_worker")
    row = postgres.execute("select pg_has_role('authenticator', 'test_worker', 'set')").fetchone()
    postgres.execute("drop role test_worker")
    assert row == (True,)


def test_new_objects_in_public_are_open_to_the_api_roles(postgres: Connection) -> None:
    postgres.execute("create table public.fresh (id bigint generated always as identity)")
    postgres.execute("create function public.fresh_call() returns int language sql as 'select 1'")
    for role in ("anon", "authenticated", "service_role"):
        row = postgres.execute(
            "select has_table_privilege(%(r)s, 'public.fresh', 'insert'),"
            " has_function_privilege(%(r)s, 'public.fresh_call()', 'execute'),"
            " has_table_privilege(%(r)s, 'auth.users', 'select'),"
            " has_schema_privilege(%(r)s, 'vault', 'usage')",
            {"r": role},
        ).fetchone()
        assert row == (True, True, False, role == "service_role")


def test_roles_log_in_with_passwords_of_their_own(url: str) -> None:
    for role in ("postgres", "authenticator", "supabase_auth_admin"):
        with psycopg.connect(urls.with_role(url, role)) as connection:
            assert connection.execute("select current_user").fetchone() == (role,)
    wrong = urls.with_role(url.replace(urls.password_of(url), "wrong"), "postgres")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(wrong)


def test_a_secret_goes_in_and_comes_out(postgres: Connection) -> None:
    row = postgres.execute("select vault.create_secret('the key', 'name', 'what for')").fetchone()
    assert row is not None
    read = "select decrypted_secret, name, description from vault.decrypted_secrets where id = %s"
    assert postgres.execute(read, row).fetchone() == ("the key", "name", "what for")
    stored = postgres.execute("select secret from vault.secrets where id = %s", row).fetchone()
    assert stored is not None
    assert "the key" not in str(stored[0])
    postgres.execute("select vault.update_secret(%s, 'another')", row)
    assert postgres.execute(read, row).fetchone() == ("another", "name", "what for")
    postgres.execute("select vault.update_secret(%s, new_description => 'changed')", row)
    assert postgres.execute(read, row).fetchone() == ("another", "name", "changed")
    assert postgres.execute("delete from vault.secrets where id = %s returning 1", row).fetchone() == (1,)


def test_the_same_secret_never_looks_the_same(postgres: Connection) -> None:
    for _ in range(2):
        postgres.execute("select vault.create_secret('twin')")
    row = postgres.execute(
        "select count(distinct secret), count(distinct nonce) from vault.secrets"
    ).fetchone()
    assert row == (2, 2)


@pytest.mark.parametrize("secret", ["", "ü€😀", "x" * 100_000, "line\nline"])
def test_any_text_is_a_secret(postgres: Connection, secret: str) -> None:
    row = postgres.execute("select vault.create_secret(%s)", (secret,)).fetchone()
    read = "select decrypted_secret from vault.decrypted_secrets where id = %s"
    assert postgres.execute(read, row).fetchone() == (secret,)


@pytest.mark.parametrize(
    "tamper",
    [
        "update vault.secrets set secret = overlay(secret placing 'AAAA' from 1)",
        "update vault.secrets set nonce = extensions.gen_random_bytes(16)",
        "update vault.secrets set id = gen_random_uuid()",
        "update vault.secrets set secret = encode('short', 'base64')",
    ],
)
def test_a_tampered_secret_does_not_open(postgres: Connection, url: str, tamper: str) -> None:
    postgres.execute("select vault.create_secret('the key')")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(tamper.encode())
    with pytest.raises(psycopg.DataError, match="altered, moved or sealed with another key"):
        postgres.execute("select decrypted_secret from vault.decrypted_secrets")


def test_a_name_is_used_once(postgres: Connection) -> None:
    postgres.execute("select vault.create_secret('a', 'same')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        postgres.execute("select vault.create_secret('b', 'same')")


def test_traders_cannot_reach_vault(postgres: Connection) -> None:
    postgres.execute("set role authenticated")
    for statement in (b"select * from vault.decrypted_secrets", b"select vault.create_secret('x')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            postgres.execute(statement)


def test_migrations_run_once_in_order_and_are_recorded_as_the_cli_does(url: str, tmp_path: Path) -> None:
    (tmp_path / "20260102000000_second.sql").write_text("insert into one values (2);\n")
    (tmp_path / "20260101000000_first_one.sql").write_text(
        "-- the table\ncreate table one (id int);\n\ninsert into one values (1); -- done\n"
    )
    (tmp_path / "notes.sql").write_text("this is not a migration")
    database = urls.with_role(url, "postgres")
    names = ["20260101000000_first_one.sql", "20260102000000_second.sql"]
    assert apply_migrations(database, tmp_path) == names
    assert apply_migrations(database, tmp_path) == []
    with psycopg.connect(database) as connection:
        history = connection.execute(
            "select version, name, statements from supabase_migrations.schema_migrations order by version"
        ).fetchall()
        owner = connection.execute("select tableowner from pg_tables where tablename = 'one'").fetchone()
    assert history == [
        (
            "20260101000000",
            "first_one",
            ["-- the table\ncreate table one (id int)", "insert into one values (1)"],
        ),
        ("20260102000000", "second", ["insert into one values (2)"]),
    ]
    assert owner == ("postgres",)


def test_a_migration_that_is_not_what_was_applied_is_named(url: str, tmp_path: Path) -> None:
    first, second = tmp_path / "20260101000000_first.sql", tmp_path / "20260102000000_second.sql"
    first.write_text("create table one (id int);\n")
    database = urls.with_role(url, "postgres")
    assert changed_migrations(database, tmp_path) == []
    apply_migrations(database, tmp_path)
    second.write_text("create table two (id int);\n")
    assert changed_migrations(database, tmp_path) == []
    first.write_text("create table one (id bigint);\n")
    assert changed_migrations(database, tmp_path) == [first.name]


def test_a_failing_migration_leaves_nothing_half_applied(url: str, tmp_path: Path) -> None:
    file = tmp_path / "20260101000000_bad.sql"
    file.write_text("create table half (id int);\n\ninsert into half\n  values ('x');\n")
    database = urls.with_role(url, "postgres")
    with pytest.raises(StackError, match=r"20260101000000_bad\.sql, line 4: invalid input syntax"):
        apply_migrations(database, tmp_path)
    with psycopg.connect(database) as connection:
        assert connection.execute("select to_regclass('half')").fetchone() == (None,)
    file.write_text("create table half (id int);")
    assert apply_migrations(database, tmp_path) == [file.name]


def test_a_lock_file_left_by_a_killed_server_is_no_obstacle(tmp_path: Path) -> None:
    with PostgresServer(tmp_path, throwaway=True) as server:
        server.stop()
        assert server._home is not None
        # The process id of the dead server now belongs to somebody else: this test.
        (server._home.cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{server._home.cluster}\n")
        server.start()
        with psycopg.connect(server.admin_url()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.usefixtures("as_root")
def test_root_without_an_account_postgres_uses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pwd.getpwnam

    def without_postgres(name: str) -> pwd.struct_passwd:
        if name == "postgres":
            raise KeyError(name)
        return real(name)

    monkeypatch.setattr(pwd, "getpwnam", without_postgres)
    with PostgresServer(tmp_path, throwaway=True) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == real("nobody").pw_uid
