"""A stack on a PostgreSQL that somebody else runs."""

from pathlib import Path

import pytest

from scripts.local_stack.binaries import PostgresTree, find_postgres
from scripts.local_stack.bootstrap import prepare_database
from scripts.local_stack.postgres import PostgresServer
from scripts.local_stack.stack import Stack

DEBIAN = Path("/usr/lib/postgresql/15")


def test_a_stack_uses_the_server_it_is_given(tmp_path: Path, cluster: PostgresServer, project: Path) -> None:
    url = cluster.admin_url()
    with Stack(tmp_path, supabase=project, database_url=url, throwaway=True) as stack:
        state = stack.state
        assert (state.postgres_pid, state.postgres_port) == (None, None)
        assert state.admin_database_url == url
        assert f"127.0.0.1:{cluster.port}" in state.database_url
        assert state.database_url.startswith("postgresql://postgres:")
    assert cluster.pid is not None


def test_the_oldest_supported_server_can_be_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (DEBIAN / "bin" / "postgres").exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    oldest = PostgresTree(DEBIAN, DEBIAN / "bin", 15, relocatable=False)
    assert find_postgres().major >= oldest.major
    monkeypatch.setattr("scripts.local_stack.postgres.find_postgres", lambda: oldest)
    with PostgresServer(tmp_path, throwaway=True) as server:
        prepare_database(server.admin_url())
