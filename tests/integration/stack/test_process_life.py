"""No process outlives its stack, however that ends, and no data is lost with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from scripts.local_stack.folder_lock import holder
from tests.integration.stack import processes
from tests.integration.stack.target import eventually

KEPT = ("port", "postgres_port", "secret_key", "jwt_secret", "admin_database_url")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("life") / "data"
    yield folder
    processes.run("reset", "--data", folder)


@pytest.fixture
def flags(data: Path, project: Path) -> list[str | Path]:
    return ["--data", data, "--supabase", project, "--throwaway"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_launcher_leaves_no_process_and_keeps_the_data(
    data: Path, flags: list[str | Path], how: signal.Signals
) -> None:
    process = processes.start(*flags)
    found = processes.ready(data, process)
    with psycopg.connect(found["database_url"], autocommit=True) as connection:
        connection.execute("create table if not exists public.kept (signal text)")
        connection.execute("insert into public.kept values (%s)", (how.name,))
    code = processes.end(process, how)
    processes.await_gone(found["pid"], found["postgres_pid"], found["deno_pid"])
    assert code == (-signal.SIGKILL if how is signal.SIGKILL else 0)

    again = processes.start(*flags)
    before, found = found, processes.ready(data, again)
    assert [found[name] for name in KEPT] == [before[name] for name in KEPT]
    with psycopg.connect(found["database_url"]) as connection:
        rows = connection.execute("select signal from public.kept").fetchall()
    processes.end(again)
    assert (how.name,) in rows
    processes.await_gone(found["postgres_pid"], found["deno_pid"])


def test_a_program_that_uses_the_stack_and_is_killed_takes_it_along(tmp_path: Path, project: Path) -> None:
    data = tmp_path / "data ü # folder"
    program = (
        "import os, pathlib, signal; from scripts.local_stack.stack import Stack\n"
        f"with Stack(pathlib.Path({str(data)!r}), supabase=pathlib.Path({str(project)!r}), throwaway=True):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=processes.REPOSITORY, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    eventually(lambda: True if holder(data) is None else None)
    assert processes.state(data)["pid"] is None
    assert processes.run("reset", "--data", data).returncode == 0


def test_detached_it_runs_until_down(data: Path, flags: list[str | Path]) -> None:
    up = processes.run("up", *flags, "--detach")
    assert up.returncode == 0, up.stderr
    found = processes.state(data)
    assert found["url"] in up.stdout
    assert os.getsid(found["pid"]) == found["pid"]
    status = processes.run("status", "--data", data, "--json")
    assert status.returncode == 0
    assert '"healthy": true' in status.stdout

    again = processes.run("up", *flags)
    assert (again.returncode, processes.state(data)["pid"]) == (0, found["pid"])
    assert f"already runs on {data} (process {found['pid']})" in again.stdout

    down = processes.run("down", "--data", data)
    assert (down.returncode, down.stdout) == (0, "Stopped.\n")
    processes.await_gone(found["pid"], found["postgres_pid"], found["deno_pid"])
    assert processes.run("status", "--data", data).returncode == 1
    assert processes.run("down", "--data", data).returncode == 0


def test_a_dead_server_and_a_dead_database_come_back(data: Path, flags: list[str | Path]) -> None:
    assert processes.run("up", *flags, "--detach").returncode == 0
    before = processes.state(data)
    os.kill(before["deno_pid"], signal.SIGKILL)
    eventually(lambda: True if processes.state(data)["deno_pid"] not in (None, before["deno_pid"]) else None)
    os.kill(before["postgres_pid"], signal.SIGKILL)
    eventually(
        lambda: True if processes.state(data)["postgres_pid"] not in (None, before["postgres_pid"]) else None
    )
    eventually(lambda: True if _healthy(before["url"]) else None)
    journal = (data / "logs" / "supervisor.log").read_text(encoding="utf-8")
    assert '"server.died"' in journal
    assert '"postgres.died"' in journal
    assert processes.run("down", "--data", data).returncode == 0


def test_realtime_alone_stops_and_starts_and_reset_leaves_none(data: Path, flags: list[str | Path]) -> None:
    assert processes.run("up", *flags, "--detach").returncode == 0
    found = processes.state(data)
    address = f"{found['url']}/realtime/v1/websocket?apikey={found['publishable_key']}&vsn=1.0.0"
    assert processes.run("realtime", "stop", "--data", data).stdout == "Realtime is stopped.\n"
    assert httpx.get(address, headers=_UPGRADE, trust_env=False).status_code == 503
    assert processes.run("realtime", "start", "--data", data).stdout == "Realtime is running.\n"
    eventually(lambda: True if _healthy(found["url"]) else None)
    assert processes.run("reset", "--data", data).returncode == 0
    assert not data.exists()
    processes.await_gone(found["pid"], found["postgres_pid"], found["deno_pid"])


_UPGRADE = {
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/__stack/health", trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False
