-- What a trader used, by hour and kind.

create table public.usage_logs (
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  hour timestamptz not null,
  kind text not null check (kind in ('accepted', 'duplicate', 'rejected', 'rate_limited', 'refused')),
  count bigint not null default 0,
  primary key (user_id, hour, kind)
);
create index usage_logs_hour on public.usage_logs (hour);
comment on table public.usage_logs is 'Alerts per trader, UTC hour and answer.';

create function private.count_usage(p_user_id uuid, p_kind text, p_at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.usage_logs (user_id, hour, kind, count)
  values (p_user_id, date_trunc('hour', p_at, 'UTC'), p_kind, 1)
  on conflict (user_id, hour, kind) do update set count = public.usage_logs.count + 1;
end
$$;

create view public.usage_today with (security_invoker = true) as
select
  l.user_id,
  l.kind,
  sum(l.count)::bigint as count
from public.usage_logs as l
where l.hour >= date_trunc('day', now(), 'UTC')
group by l.user_id, l.kind;
comment on view public.usage_today is 'Alerts per trader and answer since 00:00 UTC.';

create view public.usage_this_month with (security_invoker = true) as
select
  l.user_id,
  l.kind,
  sum(l.count)::bigint as count
from public.usage_logs as l
where l.hour >= date_trunc('month', now(), 'UTC')
group by l.user_id, l.kind;
comment on view public.usage_this_month is 'Alerts per trader and answer since the first of the month, 00:00 UTC.';

alter table public.usage_logs enable row level security;
alter table public.usage_logs force row level security;
create policy own_usage_select on public.usage_logs for select to authenticated
using ((select auth.uid()) = user_id);
create policy server_usage_select on public.usage_logs for select to dashboard_server using (true);
