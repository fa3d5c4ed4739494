"""A Realtime server of the test's own, with a database of its own."""

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from scripts.local_stack.binaries import find_deno
from scripts.local_stack.bootstrap import prepare_database
from scripts.local_stack.ports import free_port
from scripts.local_stack.postgres import PostgresServer
from scripts.local_stack.urls import with_role

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
CONFIG = REPOSITORY / "scripts" / "local_stack" / "server" / "deno.json"


@dataclass
class OwnServer:
    url: str
    database_url: str
    admin_database_url: str
    postgres: PostgresServer
    publishable_key: str = "sb_publishable_of_a_test"
    secret_key: str = "sb_secret_of_a_test"
    jwt_secret: str = "a-secret-of-at-least-thirty-two-characters"
    lines: list[dict[str, Any]] = field(default_factory=list)
    _fresh: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    def await_event(self, event: str, seconds: float = 20.0) -> dict[str, Any]:
        """Wait for the next log line of that event."""
        deadline = time.monotonic() + seconds
        while True:
            line = self._fresh.get(timeout=max(0.01, deadline - time.monotonic()))
            if line["event"] == event:
                return line

    def read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for text in process.stdout:
            line = json.loads(text) if text.startswith("{") else {"level": "raw", "event": text}
            self.lines.append(line)
            self._fresh.put(line)


@contextmanager
def own_server(data: Path, *before: LiteralString, **limits: int) -> Iterator[OwnServer]:
    """Start one; the statements `before` run in its database first."""
    with PostgresServer(data, throwaway=True) as postgres:
        admin = postgres.admin_url()
        prepare_database(admin)
        with psycopg.connect(admin, autocommit=True) as connection:
            for statement in before:
                connection.execute(statement)
        port = free_port()
        server = OwnServer(f"http://127.0.0.1:{port}", with_role(admin, "postgres"), admin, postgres)
        settings = {
            "port": port,
            "databaseUrl": admin,
            "jwtSecret": server.jwt_secret,
            "publishableKey": server.publishable_key,
            "secretKey": server.secret_key,
            "limits": limits,
        }
        process = start_deno("run", "-A", HERE / "realtime_server.ts", REALTIME_SETTINGS=json.dumps(settings))
        reader = threading.Thread(target=server.read, args=(process,), daemon=True)
        reader.start()
        try:
            server.await_event("serving", 60)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            reader.join(10)
            assert process.stdout is not None
            process.stdout.close()


def start_deno(command: str, *arguments: str | Path, **variables: str) -> "subprocess.Popen[str]":
    """Start Deno with the server's configuration; errors go to the same stream as its output."""
    return subprocess.Popen(
        [find_deno(), command, "--quiet", "--no-lock", "--config", CONFIG, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "NO_COLOR": "1",
            "DENO_TLS_CA_STORE": "system",
            "DENO_NO_UPDATE_CHECK": "1",
            **variables,
        },
    )
