-- Notifications: what a trader should know without looking for it. Traders choose which kinds they want.

create table public.notifications (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  kind text not null check (
    kind in ('signal_review', 'signal_failed', 'keys_invalid', 'keys_expired', 'account_differs')
  ),
  severity text not null check (severity in ('info', 'warning', 'critical')),
  title text not null check (length(title) between 1 and 200),
  body text not null check (length(body) <= 2000),
  data jsonb not null default '{}' check (octet_length(data::text) <= 8192),
  read_at timestamptz,
  created_at timestamptz not null default clock_timestamp()
);
comment on table public.notifications is 'What a trader should know. He reads, marks as read and deletes; the database writes.';
comment on column public.notifications.data is 'What it is about, for a link: ids of signal or account, symbol, exchange.';
create index notifications_user on public.notifications (user_id, created_at desc);
create index notifications_age on public.notifications (created_at);
create index notifications_unread on public.notifications (user_id) where read_at is null;

create table public.notification_preferences (
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  -- The kinds of notifications.
  kind text not null check (
    kind in ('signal_review', 'signal_failed', 'keys_invalid', 'keys_expired', 'account_differs')
  ),
  in_app boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (user_id, kind)
);
comment on table public.notification_preferences is 'Kinds of notifications that a trader switched on or off. Without a row a kind is on.';
create trigger touch before update on public.notification_preferences
for each row execute function private.touch_updated_at();

-- Whoever calls this may hold the trader's rows already, while a deletion of the trader waits for them: so it never waits
-- for the trader. Who is being deleted is not told anything. Whoever called private.keep_trader before misses nothing.
create function private.notify(
  p_user_id uuid, p_kind text, p_severity text, p_title text, p_body text, p_data jsonb
) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.notifications (user_id, kind, severity, title, body, data)
  select u.id, p_kind, p_severity, left(p_title, 200), left(coalesce(p_body, ''), 2000), coalesce(p_data, '{}')
  from auth.users u
  where u.id = p_user_id
    and not exists (
      select from public.notification_preferences p
      where p.user_id = p_user_id and p.kind = p_kind and not p.in_app
    )
  for key share of u skip locked;
end
$$;

alter table public.notifications enable row level security;
alter table public.notifications force row level security;
create policy own_notifications_select on public.notifications for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_notifications_update on public.notifications for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_notifications_delete on public.notifications for delete to authenticated
using ((select auth.uid()) = user_id);

alter table public.notification_preferences enable row level security;
alter table public.notification_preferences force row level security;
create policy own_preferences_select on public.notification_preferences for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_preferences_insert on public.notification_preferences for insert to authenticated
with check ((select auth.uid()) = user_id);
create policy own_preferences_update on public.notification_preferences for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_preferences_delete on public.notification_preferences for delete to authenticated
using ((select auth.uid()) = user_id);
