-- The wake-up: a hint over Realtime that there is work. It carries nothing, and losing it loses nothing.

-- Holds the time of the last hint in milliseconds. A sequence, because it is shared by all sessions at once and
-- takes no lock that one ingest could hold against another.
create sequence private.wake_clock;

create function private.wake_up_is_due(p_now_ms bigint) returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
  last_ms bigint := (select last_value from private.wake_clock);
begin
  -- A clock that was set back by more than a second must not silence the hints until it has caught up.
  return p_now_ms - last_ms >= 20 or last_ms - p_now_ms > 1000;
end
$$;

create function private.send_hint() returns void
language plpgsql
set search_path = ''
as $$
declare
  now_ms bigint := (extract(epoch from clock_timestamp()) * 1000)::bigint;
begin
  -- At most one hint in 20 ms: a tenant of Realtime may send 100 events a second, averaged over a minute.
  -- Of all sessions that see the clock run out at once, the lock of this slot of 20 ms lets one through; the others do
  -- not wait. Its next holder finds the clock set.
  if private.wake_up_is_due(now_ms)
    and pg_try_advisory_xact_lock(hashtextextended('sparky/wake', now_ms / 20))
    and private.wake_up_is_due(now_ms) then
    perform setval('private.wake_clock', now_ms);
    perform realtime.send('{}', 'wake', 'worker', true);
  end if;
exception when others then
  -- No failure of the hint may fail the alert: the worker also claims on a timer.
  raise warning 'wake-up was not sent: % (%)', sqlerrm, sqlstate;
end
$$;

create function private.send_wake_up() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.send_hint();
  return null;
end
$$;
create trigger wake_worker after insert on public.signals
for each statement execute function private.send_wake_up();

create policy sparky_worker_hears_wake_ups on realtime.messages for select to sparky_worker
using ((select realtime.topic()) = 'worker' and extension = 'broadcast');
