"""Tables, roles and policies for the tests of Realtime with real clients."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.stack.realtime_project import Project, run_sql

ALICE = "00000000-0000-0000-0000-0000000000a1"
BOB = "00000000-0000-0000-0000-0000000000b2"
WORKER = "realtime_test_worker"

_CREATE = """
create role realtime_test_worker nologin nobypassrls;
grant anon to realtime_test_worker;
grant realtime_test_worker to authenticator;
create policy test_worker on realtime.messages for select to realtime_test_worker
  using (realtime.topic() = 'worker' and extension = 'broadcast');
create policy test_chat_read on realtime.messages for select to authenticated
  using (realtime.topic() in ('chat', 'lobby'));
create policy test_chat_write on realtime.messages for insert to authenticated
  with check (realtime.topic() = 'chat');
create table public.realtime_orders (
  id bigint generated always as identity primary key, user_id uuid not null, amount numeric not null);
alter table public.realtime_orders enable row level security;
create policy own on public.realtime_orders for select to authenticated
  using (user_id = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid);
revoke all on public.realtime_orders from anon, authenticated;
grant select on public.realtime_orders to authenticated, service_role;
alter publication supabase_realtime add table public.realtime_orders;
"""
_DROP = """
drop table if exists public.realtime_orders;
drop policy if exists test_worker on realtime.messages;
drop policy if exists test_chat_read on realtime.messages;
drop policy if exists test_chat_write on realtime.messages;
drop role if exists realtime_test_worker;
"""


@contextmanager
def world(project: Project) -> Iterator[None]:
    run_sql(project, _DROP, _CREATE)
    try:
        yield
    finally:
        run_sql(project, _DROP)


def order(user: str, amount: str = "12.30") -> str:
    return f"insert into public.realtime_orders (user_id, amount) values ('{user}', {amount})"  # noqa: S608 - a test's own constants
