-- Who is alive. A beat may carry a ping that comes back over Realtime: the proof that hints arrive.

create table private.workers (
  worker text primary key check (length(worker) between 1 and 100),
  version text not null,
  counters jsonb not null default '{}',
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp()
);

create function public.worker_heartbeat(p_worker text, p_version text, p_counters jsonb, p_ping text default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  if length(p_ping) > 100 or pg_column_size(p_counters) > 16384 or length(p_version) > 100 then
    raise exception 'a beat carries a ping and a version of 100 characters and counters of 16 KiB at most'
    using errcode = '22023';
  end if;
  insert into private.workers (worker, version, counters) values (p_worker, p_version, coalesce(p_counters, '{}'))
  on conflict (worker) do update
  set version = excluded.version, counters = excluded.counters, seen_at = clock_timestamp();
  if p_ping is not null then
    perform realtime.send(jsonb_build_object('ping', p_ping), 'ping', 'worker', true);
  end if;
  return jsonb_build_object(
    'now', clock_timestamp(),
    'pending', (select count(*) from public.signals where status = 'pending'),
    'executing', (select count(*) from public.signals where status = 'executing'));
end
$$;
comment on function public.worker_heartbeat is 'Notes that the worker is alive; p_ping is broadcast to the wake-up channel.';
