"""Replays what was recorded against Supabase Realtime v2.122.0 and compares every frame."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.stack.realtime_project import Project, Socket, database, open_socket, run_sql, token

FRAMES = Path(__file__).parent / "realtime_frames"
OWNER = "00000000-0000-0000-0000-0000000000aa"
OTHER = "00000000-0000-0000-0000-0000000000bb"
MARK = "replay_mark"
MARK_TOPIC = "realtime:replay-mark"

# Recorded, but not compared, each with its reason. Nothing else is left out.
NOT_REPRODUCED: dict[str, str] = {}

TABLES = f"""
create table public.todos (
  id bigint generated always as identity primary key, title text, done boolean default false, meta jsonb,
  tags text[], amount numeric, price float8, created_at timestamptz default now(), d date, uid uuid);
create table public.private_notes (
  id bigint generated always as identity primary key, user_id uuid, body text);
alter table public.private_notes enable row level security;
alter table public.private_notes replica identity full;
create policy own on public.private_notes for select to authenticated
  using (user_id = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid);
create table public.not_in_pub (id bigint primary key);
create table public.{MARK} (id bigint generated always as identity primary key);
grant all on public.todos, public.private_notes, public.not_in_pub, public.{MARK}
  to anon, authenticated, service_role;
alter publication supabase_realtime add table public.todos, public.private_notes, public.{MARK};
create policy replay on realtime.messages for select to authenticated
  using (realtime.topic() = 'priv' and extension = 'broadcast');
"""
DROP = f"""
drop table if exists public.todos, public.private_notes, public.not_in_pub, public.{MARK};
drop policy if exists replay on realtime.messages;
"""

TODOS = (
    "insert into public.todos (title) values ('hit'), ('miss')",
    "update public.todos set done = true where title = 'hit'",
    "delete from public.todos where title = 'miss'; delete from public.todos where title = 'hit'",
)
NOTES = (
    "insert into public.private_notes values (default, '00000000-0000-0000-0000-0000000000aa', 'mine')",
    "update public.private_notes set body = 'b2'",
    "delete from public.private_notes",
)
BIG = (
    "insert into public.todos (title, meta, tags, amount)"
    " values (repeat('x', 2000000), '[1, null]', '{a b,NULL}', 1000.0)"
)
FULL_ROW = (
    "insert into public.todos (title, meta, tags, amount, price, d, uid) values"
    " ('hello', '{\"a\": 1}', '{x,y}', 12.30, 1.5, '2026-01-02', '00000000-0000-0000-0000-000000000001')"
)
# What happens in the database once a scenario's bindings are live, unless its recording holds `sql` lines.
WHEN_LIVE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "svc todos *",
            "svc 3 bindings",
            "svc whole schema",
            "svc all schemas",
            "svc filter eq",
            "svc filter in",
            "svc filter bad op",
            "svc filter bool",
            "svc bad event",
            "anon todos",
            "no token todos",
        ),
        TODOS,
    ),
    "svc big row / toast": (BIG, "delete from public.todos"),
    "rls owner, row deleted at once (no pause)": (f"{NOTES[0]}; {NOTES[2]}",),
    "replica identity full, no RLS": (
        "insert into public.todos (title) values ('hit')",
        "update public.todos set done = true",
        "delete from public.todos",
    ),
    "anon without SELECT grant": (NOTES[0], NOTES[2]),
    "anon column grants": ("insert into public.todos (title) values ('c')", "delete from public.todos"),
    "vsn2 svc": ("insert into public.todos (title) values ('v2')",),
    "python client": (FULL_ROW, "update public.todos set done = true", "delete from public.todos"),
}
BEFORE: dict[str, str] = {
    "replica identity full, no RLS": "alter table public.todos replica identity full",
    "anon without SELECT grant": "revoke select on public.private_notes from anon",
    "anon column grants": (
        "revoke select on public.todos from anon; grant select (id, title) on public.todos to anon"
    ),
}
# What happens in the database before a frame that does not follow from the client's: (scenario, event, nth).
BEFORE_FRAME: dict[tuple[str, str, int], str] = {
    ("private authenticated", "broadcast", 1): "select realtime.send('{\"k\": 1}', 'ev', 'priv')",
    ("vsn2 svc", "postgres_changes", 2): "delete from public.todos",
}
Record = dict[str, Any]


def load() -> dict[str, list[Record]]:
    """Group the recorded lines by what was done: both ends of one conversation belong together."""
    scenarios: dict[str, list[Record]] = {}
    for name in ("scenarios-1.jsonl", "scenarios-2.jsonl"):
        for line in (FRAMES / name).read_text().splitlines():
            record = json.loads(line)
            title = re.sub(r"(bcast\+presence) [AB]$", r"\1", record["scenario"])
            scenarios.setdefault(title, []).append(record)
    client = [json.loads(line) for line in (FRAMES / "python-client.jsonl").read_text().splitlines()]
    scenarios["python client"] = [
        {"scenario": "python client", "dir": line["dir"], "frame": line["json"]}
        for line in client
        if "json" in line
    ]
    return scenarios


SCENARIOS = load()
REFUSED = {name: lines for name, lines in SCENARIOS.items() if lines[0]["dir"] == "connect_error"}
SPOKEN = {
    name: lines for name, lines in SCENARIOS.items() if name not in REFUSED and name not in NOT_REPRODUCED
}


@pytest.fixture
def tables(stack: Project) -> Iterator[None]:
    run_sql(stack, DROP, TABLES)
    yield
    run_sql(stack, DROP)


def access_token(project: Project, scenario: str) -> str:
    special: dict[str, Callable[[], str]] = {
        "rls owner": lambda: token(project, "authenticated", sub=OWNER),
        "rls owner, row deleted at once (no pause)": lambda: token(project, "authenticated", sub=OWNER),
        "rls other": lambda: token(project, "authenticated", sub=OTHER),
        "private authenticated": lambda: token(project, "authenticated", sub=OWNER),
        "join expired token": lambda: token(project, "anon", seconds=-19),
        "join wrong-secret token": lambda: token(project, "anon", secret="x" * 40),
        "join token w/o role": lambda: token(project, None),
        "join unknown role": lambda: token(project, "norole"),
        "token expires while subscribed": lambda: token(project, "anon", seconds=2),
    }
    if scenario in special:
        return special[scenario]()
    return token(project, "anon" if "anon" in scenario else "service_role")


def with_token(frame: Any, value: str) -> Any:
    return json.loads(json.dumps(frame).replace("<jwt>", value)) if not isinstance(frame, str) else frame


class Normaliser:
    """Replaces what differs from run to run by the order of its first appearance."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def alias(self, kind: str, value: Any) -> str:
        return self.seen.setdefault(f"{kind}:{value}", f"<{kind} {len(self.seen)}>")

    def __call__(self, value: Any, key: str = "", inside: str = "") -> Any:
        if isinstance(value, list):
            return [self(item, key, inside) for item in value]
        if isinstance(value, dict):
            # JSON objects have no order, but aliases are given in one.
            return {name: self(value[name], name, key) for name in sorted(value)}
        if key in ("created_at", "commit_timestamp") and isinstance(value, str):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|\+00:00)", value), value
            return f"<time ending in {value[-1]}>"
        if key == "phx_ref" or (key == "id" and value is not None) or key == "ids":
            kind = {"record": "row", "old_record": "row", "meta": "message", "payload": "message"}.get(
                inside, key
            )
            return self.alias("binding" if kind in ("ids", "id") else kind, value)
        if key in ("message", "reason") and isinstance(value, str):
            return re.sub(r"\d+ seconds ago", "N seconds ago", value)
        return value


class Replay:
    def __init__(self, project: Project, title: str, sockets: dict[str, Socket]) -> None:
        self.project = project
        self.title = title
        self.sockets = sockets
        self.token = access_token(project, title)
        self.recorded = Normaliser()
        self.answered = Normaliser()
        self.counts: dict[str, int] = {}

    async def run(self, lines: list[Record]) -> None:
        statements = iter(NOTES)
        with database(self.project) as db:
            for line in lines:
                socket = self.sockets[line["scenario"]]
                if line["dir"] == "sql":
                    db.execute(next(statements))
                elif line["dir"] == "c2s":
                    await socket.send(with_token(line["frame"], self.token))
                else:
                    await self.expect(socket, line["frame"], db)
            await self.expect_no_more(db)

    async def expect(self, socket: Socket, frame: Any, db: Any) -> None:
        event = frame["event"] if isinstance(frame, dict) else frame[3]
        self.counts[event] = self.counts.get(event, 0) + 1
        if statement := BEFORE_FRAME.get((self.title, event, self.counts[event])):
            db.execute(statement)
        received = await socket.receive()
        assert self.answered(received) == self.recorded(frame)
        payload = frame["payload"] if isinstance(frame, dict) else frame[4]
        if event == "system" and payload["status"] == "ok":
            for statement in WHEN_LIVE.get(self.title, ()):
                db.execute(statement)

    async def expect_no_more(self, db: Any) -> None:
        """Make every socket hear of one last change: whatever arrives before it was not recorded."""
        for socket in self.sockets.values():
            binding = {"event": "*", "schema": "public", "table": MARK}
            config = {
                "config": {"postgres_changes": [binding]},
                "access_token": token(self.project, "service_role"),
            }
            two = self.title == "vsn2 svc"
            join = {"topic": MARK_TOPIC, "event": "phx_join", "payload": config, "ref": "m", "join_ref": "m"}
            await socket.send(["m", "m", MARK_TOPIC, "phx_join", config] if two else join)
            for _ in ("reply", "system"):
                received = await socket.receive()
                assert (received[2] if two else received["topic"]) == MARK_TOPIC
            db.execute(f"insert into public.{MARK} default values")
            received = await socket.receive()
            data = (received[4] if two else received["payload"])["data"]
            assert data["table"] == MARK, f"not recorded: {received}"


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("title", SPOKEN)
async def test_a_recorded_conversation_goes_the_same_way(stack: Project, title: str) -> None:
    lines = SPOKEN[title]
    if title in BEFORE:
        run_sql(stack, BEFORE[title])
    role = "anon" if title in ("no token todos", "rls anon") else "service_role"
    async with AsyncExitStack() as open_sockets:
        vsn = "2.0.0" if title == "vsn2 svc" else "1.0.0"
        sockets = {
            name: await open_sockets.enter_async_context(open_socket(stack, token(stack, role), vsn))
            for name in dict.fromkeys(line["scenario"] for line in lines)
        }
        await Replay(stack, title, sockets).run(lines)


@pytest.mark.parametrize("title", REFUSED)
async def test_a_bad_key_is_refused_before_the_upgrade(stack: Project, title: str) -> None:
    keys = {
        "connect bad-apikey": "garbage",
        "connect expired-apikey": token(stack, "anon", seconds=-5),
        "connect wrong-secret": token(stack, "anon", secret="x" * 40),
        "connect no-exp": token(stack, "anon", seconds=None),
    }
    recorded = str(REFUSED[title][0]["frame"])
    body = re.search(r"body=bytearray\(b'(\{.*?\})'\)", recorded)
    assert body is not None
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(stack, keys[title]):
            pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"") == json.loads(body[1])


def test_every_recorded_scenario_is_replayed_or_named() -> None:
    assert set(NOT_REPRODUCED) <= set(SCENARIOS)
    assert len(SPOKEN) + len(REFUSED) + len(NOT_REPRODUCED) == len(SCENARIOS)
    assert len(SCENARIOS) > 40
