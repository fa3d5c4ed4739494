"""What a person did wrong is told in one sentence that says what to do, with exit code 2."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from scripts.local_stack import account, binaries, preparation
from scripts.local_stack import project as project_files
from scripts.local_stack.errors import StackError
from scripts.local_stack.postgres import PostgresServer
from tests.integration.stack import processes


@pytest.fixture
def taken_port() -> Iterator[int]:
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def refused(result: "subprocess.CompletedProcess[str]", *words: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize("option", ["--port", "--postgres-port"])
@pytest.mark.parametrize("detach", [True, False])
def test_a_taken_port(tmp_path: Path, project: Path, taken_port: int, option: str, *, detach: bool) -> None:
    more = ["--detach"] if detach else []
    result = processes.run("up", "--data", tmp_path, "--supabase", project, option, str(taken_port), *more)
    refused(result, str(taken_port), option)


def test_a_port_out_of_range(tmp_path: Path) -> None:
    refused(processes.run("up", "--data", tmp_path, "--port", "70000"), "70000", "65535")


def test_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    refused(processes.run("up", "--data", tmp_path), str(tmp_path), "--data")
    refused(processes.run("reset", "--data", tmp_path), str(tmp_path), "left as it is")
    assert (tmp_path / "letter.txt").exists()


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(processes.run("up", "--data", tmp_path / "file"), "not a folder")


@pytest.mark.parametrize("content", ["{", '{"url": 1}', "[]"])
def test_a_damaged_state_file(tmp_path: Path, content: str) -> None:
    (tmp_path / ".sparky-stack").write_text("")
    (tmp_path / "stack.json").write_text(content)
    for command in ("up", "status"):
        refused(processes.run(command, "--data", tmp_path), "stack.json is damaged", "reset")
    assert processes.run("reset", "--data", tmp_path).returncode == 0
    assert not tmp_path.exists()


def test_a_broken_config(tmp_path: Path) -> None:
    supabase = tmp_path / "supabase"
    supabase.mkdir()
    (supabase / "config.toml").write_text("[functions.x]\nentrypoint = ")
    up = ("up", "--data", tmp_path / "data", "--supabase", supabase, "--throwaway")
    refused(processes.run(*up), "config.toml is not valid TOML")
    (supabase / "config.toml").write_text('[functions.x]\nentrypoint = "nowhere.ts"')
    refused(processes.run(*up), "Function x", "nowhere.ts")
    (supabase / "config.toml").write_text("")
    refused(processes.run(*up, "--env-file", tmp_path / "no.env"), "no.env")
    processes.run("reset", "--data", tmp_path / "data")


def test_a_failing_migration_names_file_and_line_and_leaves_nothing(tmp_path: Path) -> None:
    migrations = tmp_path / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "20260101000000_first.sql").write_text(
        "create table a (id int);\n\nselect 1,\n  nowhere;\n"
    )
    up = ("up", "--data", tmp_path / "data", "--supabase", tmp_path / "supabase", "--throwaway")
    refused(processes.run(*up), "20260101000000_first.sql, line 4", 'column "nowhere" does not exist')
    processes.run("reset", "--data", tmp_path / "data")


def test_a_database_url_that_nobody_answers(tmp_path: Path) -> None:
    url = "postgresql://supabase_admin:x@127.0.0.1:1/postgres"
    refused(processes.run("up", "--data", tmp_path, "--database-url", url), "database")


def test_a_database_url_without_the_rights(tmp_path: Path, cluster: PostgresServer, project: Path) -> None:
    with psycopg.connect(cluster.admin_url(), autocommit=True) as connection:
        connection.execute("create role weak login password 'weak'")
    url = f"postgresql://weak:weak@127.0.0.1:{cluster.port}/postgres"
    result = processes.run("up", "--data", tmp_path, "--database-url", url, "--supabase", project)
    refused(result, "superuser")


def test_realtime_of_a_stack_that_does_not_run(tmp_path: Path) -> None:
    refused(processes.run("realtime", "stop", "--data", tmp_path), "No stack runs")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=499_000_000))
    with pytest.raises(StackError, match="499 MB are free"):
        preparation.check_space(tmp_path)


def test_a_missing_deno(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)
    with pytest.raises(StackError, match="uv sync"):
        binaries.find_deno()


@pytest.mark.parametrize(
    ("script", "words"),
    [("echo 'deno 1.0.0'", "is `deno 1.0.0`"), ("exit 3", "does not run on this machine")],
)
def test_a_wrong_or_broken_deno(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    program = tmp_path / "deno"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: str(program))
    with pytest.raises(StackError, match=words):
        binaries.find_deno()


def test_a_wrong_or_empty_postgres_wheel(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text('POSTGRES_VERSION = "16.1.0"\n')
    with pytest.raises(StackError, match=r"is of version 16\.1\.0"):
        binaries._wheel(tmp_path)
    (tmp_path / "__init__.py").write_text('POSTGRES_VERSION = "17.10.0"\n')
    with pytest.raises(StackError, match="holds no server"):
        binaries._wheel(tmp_path)


def test_without_the_wheel_another_postgres_serves_or_its_lack_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = binaries.find_postgres()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    debian = tmp_path / "17" / "bin"
    monkeypatch.setattr(binaries, "DEBIAN_POSTGRES", tmp_path)
    with pytest.raises(StackError, match="No PostgreSQL server was found"):
        binaries.find_postgres()
    debian.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (debian / name).symlink_to(real.tool(name))
    found = binaries.find_postgres()
    assert (found.bin, found.major) == (debian, real.major)


def test_data_of_another_major_version(tmp_path: Path) -> None:
    with PostgresServer(tmp_path, throwaway=True) as server:
        server.stop()
        assert server._home is not None
        (server._home.cluster / "PG_VERSION").write_text("12\n")
        with pytest.raises(StackError, match="made by PostgreSQL 12"):
            server.start()


@pytest.mark.usefixtures("as_root")
def test_root_can_keep_checkout_and_data_under_a_private_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    tree = binaries.find_postgres()
    shutil.copytree(tree.root, home / "pginstall", symlinks=True)
    hidden = binaries.PostgresTree(
        home / "pginstall", home / "pginstall" / "bin", tree.major, relocatable=True
    )
    server = PostgresServer(home / "data", throwaway=True)
    server.data.mkdir()
    server._home = account.settle(server.data, hidden)
    with server:
        process = server.pid
        assert process is not None
        assert Path(f"/proc/{process}").stat().st_uid != 0
        outside = account.outside_folder(server.data)
        assert oct(outside.stat().st_mode)[-3:] == "700"
        assert Path(f"/proc/{process}/exe").readlink().is_relative_to(outside)
    assert not outside.exists()


@pytest.mark.usefixtures("as_root")
def test_a_folder_of_somebody_else_in_the_way_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    outside = account.outside_folder(tmp_path)
    outside.mkdir()
    try:
        with pytest.raises(StackError, match="remove it"):
            account.settle(tmp_path, binaries.find_postgres())
    finally:
        outside.rmdir()


def test_an_env_file_is_read_as_the_cli_reads_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# comment\nA=1\nexport B='two # words'\nC=\"line\\nnext\"\nD=x # note\n\nE=\n")
    expected = {"A": "1", "B": "two # words", "C": "line\nnext", "D": "x", "E": ""}
    assert project_files.read_env_file(file) == expected
    file.write_text("A=1\nnonsense\n")
    with pytest.raises(StackError, match=r"line 2: expected NAME=value"):
        project_files.read_env_file(file)


def test_no_command_is_told_by_the_parser() -> None:
    assert processes.run().returncode == 2
    assert "usage" in processes.run("--help").stdout
