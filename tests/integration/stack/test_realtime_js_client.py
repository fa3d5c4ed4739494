"""The unmodified supabase-js under Deno against the stack."""

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.stack.realtime_own_server import HERE, start_deno
from tests.integration.stack.realtime_project import Project, run_sql, send_sql, token
from tests.integration.stack.realtime_world import ALICE, BOB, WORKER, order, world

SECONDS = 40.0


@pytest.fixture(scope="module", autouse=True)
def _world(stack: Project) -> Iterator[None]:
    with world(stack):
        yield


class Client:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self.process = process
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def next(self, event: str) -> Any:
        """Return the data of the client's next line, which must be of that event."""
        line = self._lines.get(timeout=SECONDS)
        said = json.loads(line) if line.startswith("{") else pytest.fail(line)
        assert said["event"] == event, said
        return said["data"]


@contextmanager
def client(project: Project, access_token: str, **task: str) -> Iterator[Client]:
    task |= {"url": project.url, "key": project.publishable_key, "token": access_token}
    process = start_deno("run", "-A", HERE / "realtime_client.ts", REALTIME_CLIENT=json.dumps(task))
    said = Client(process)
    try:
        yield said
    finally:
        process.kill()
        process.wait(10)
        said.reader.join(10)
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("role", [WORKER, "service_role"])
def test_a_message_sent_by_the_database_reaches_who_may_read_the_channel(stack: Project, role: str) -> None:
    with client(stack, token(stack, role), topic="worker") as js:
        assert js.next("status") == "SUBSCRIBED"
        run_sql(stack, send_sql("worker", '{"n": 7}', event="wake"))
        message = js.next("broadcast")
    assert message["event"] == "wake"
    assert message["payload"] == {"n": 7, "id": message["meta"]["id"]}


def test_a_role_without_a_policy_cannot_join_the_private_channel(stack: Project) -> None:
    with client(stack, token(stack, "authenticated", sub=ALICE), topic="worker") as js:
        assert js.next("status") == "CHANNEL_ERROR"


def test_each_trader_hears_of_his_own_rows_only(stack: Project) -> None:
    with (
        client(stack, token(stack, "authenticated", sub=ALICE), table="realtime_orders") as alice,
        client(stack, token(stack, "authenticated", sub=BOB), table="realtime_orders") as bob,
    ):
        for js in (alice, bob):
            assert js.next("status") == "SUBSCRIBED"
            assert js.next("system")["message"] == "Subscribed to PostgreSQL"
        run_sql(stack, order(ALICE, "1"), order(BOB, "2.50"))
        assert alice.next("change")["new"]["amount"] == 1
        change = bob.next("change")
    assert change["new"]["amount"] == 2.5
    assert change["eventType"] == "INSERT"


def test_a_broadcast_to_oneself_comes_back_as_text_and_as_bytes(stack: Project) -> None:
    with client(stack, token(stack, "anon"), echo="echo") as js:
        text = js.next("broadcast")
        assert (text["event"], text["payload"]) == ("text", {"n": 1})
        assert js.next("sent") == "ok"
        assert js.next("broadcast")["event"] == "bytes"
        assert js.next("sent") == "ok"
