-- Roles, schemas and default privileges. Everything below starts with nothing granted to the API roles.

-- Triggers and foreign keys on auth.users lock it: rather fail and be tried again than hold up sign-ups.
set lock_timeout = '5s';
set statement_timeout = '60s';

create extension if not exists pgcrypto with schema extensions;

create schema if not exists private;
comment on schema private is 'Internal tables and functions. The API does not expose this schema.';
revoke all on schema private from public;

-- Roles belong to the whole cluster, so a second database of the same cluster finds them already there.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'sparky_worker') then
    -- Inherits anon because Realtime needs USAGE on schema realtime and SELECT on realtime.messages, which on
    -- hosted projects `postgres` cannot grant. In our own schemas anon may do nothing.
    create role sparky_worker nologin inherit nobypassrls in role anon;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'sparky_edge') then
    create role sparky_edge nologin inherit nobypassrls in role anon;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'dashboard_server') then
    create role dashboard_server nologin inherit nobypassrls;
  end if;
end
$$;
comment on role sparky_worker is 'The worker: may execute the worker functions and hear the wake-up channel.';
comment on role sparky_edge is 'The webhook function: may execute ingest_alert.';
comment on role dashboard_server is 'The dashboard''s server: what its routes read and write, and no key or secret in clear.';
grant sparky_worker to authenticator;
grant sparky_edge to authenticator;
grant dashboard_server to authenticator;

-- Hosted projects grant everything on new objects in public to the API roles. Revoke first, then grant by name.
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;
-- PUBLIC holds EXECUTE by a built-in default that only a default without a schema can take away.
alter default privileges revoke execute on functions from public;

create function private.touch_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

-- Whether the API caller is a server that acts for any trader. In a security definer function current_user is the
-- function's owner; the setting `role` still names the role that the API gave the caller.
create function private.caller_is_server() returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return coalesce(current_setting('role', true) in ('service_role', 'dashboard_server'), false);
end
$$;
-- The operator's switches: one row that every claim reads and only the operator writes.

create table private.platform_state (
  -- There is one platform.
  id boolean primary key default true check (id),
  trading_halted boolean not null default false,
  halt_reason text check (length(halt_reason) between 1 and 500),
  announcement text check (length(announcement) between 1 and 2000),
  -- Where traders reach the public API, without a slash at the end; null means the host of the request.
  api_url text check (length(api_url) <= 500),
  updated_at timestamptz not null default now(),
  updated_by text not null default 'database',
  check (trading_halted = (halt_reason is not null))
);
create trigger touch before update on private.platform_state
for each row execute function private.touch_updated_at();
insert into private.platform_state default values;

-- What a caller may show to everybody.
create function private.platform_answer() returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return coalesce(
    (select jsonb_build_object(
      'trading_halted', p.trading_halted, 'halt_reason', p.halt_reason, 'announcement', p.announcement)
    from private.platform_state p),
    -- Claims take a missing row for a halt, so it is shown as one.
    '{"trading_halted": true, "halt_reason": "The state of the platform is not known.", "announcement": null}');
end
$$;

create function private.change_platform(p_action text, p_changes jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  insert into private.platform_state (id) values (true) on conflict (id) do nothing;
  -- What is read below is written back: without the lock an announcement could undo a halt that was set meanwhile.
  perform from private.platform_state for update;
  update private.platform_state p set
    trading_halted = n.trading_halted, halt_reason = n.halt_reason, announcement = n.announcement, api_url = n.api_url,
    updated_by = coalesce(auth.uid()::text, nullif(current_setting('role', true), 'none'), session_user)
  from (
    select f.* from private.platform_state o, jsonb_populate_record(o, p_changes) f
  ) n;
  perform private.audit(null, 'operator', p_action, null, p_changes);
  return private.platform_answer();
end
$$;

create function public.halt_trading(p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  if coalesce(length(btrim(p_reason)) not between 1 and 500, true) then
    raise exception 'a halt needs a reason of 1 to 500 characters'
    using errcode = '22023', hint = 'Traders read it beside every entry that is turned away.';
  end if;
  return private.change_platform('platform.halted',
    jsonb_build_object('trading_halted', true, 'halt_reason', btrim(p_reason)));
end
$$;
comment on function public.halt_trading is 'Operator: from the next claim on no trader''s entries are executed; exits pass.';

create function public.resume_trading() returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  return private.change_platform('platform.resumed', '{"trading_halted": false, "halt_reason": null}');
end
$$;
comment on function public.resume_trading is 'Operator: ends a halt, from the next claim on.';

create function public.announce(p_text text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  if length(btrim(p_text)) > 2000 then
    raise exception 'an announcement has at most 2000 characters, not %', length(btrim(p_text))
    using errcode = '22023', hint = 'Shorten it, or link to a longer text.';
  end if;
  return private.change_platform('platform.announced', jsonb_build_object('announcement', nullif(btrim(p_text), '')));
end
$$;
comment on function public.announce is 'Operator: shows a text to every trader; null or an empty text takes it away.';

create function public.set_api_url(p_url text) returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  url text := nullif(rtrim(btrim(p_url), '/'), '');
begin
  -- Traders paste what is made of it into TradingView: their secrets may leave over http only to their own machine.
  if length(url) > 500 or url !~ '^(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$'
  then
    raise exception 'this is not the address of an API'
    using errcode = '22023', hint = 'Give an https address such as https://example.supabase.co, without query and user.';
  end if;
  perform private.change_platform('platform.api_url', jsonb_build_object('api_url', url));
  return url;
end
$$;
comment on function public.set_api_url is 'Operator: where traders reach the API; null means the host that they call.';

create function public.platform_status() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return private.platform_answer();
end
$$;
comment on function public.platform_status is 'Whether the operator has halted trading, why, and what he announces: {"trading_halted","halt_reason","announcement"}.';
-- Plans: numbers an operator changes without code. A limit of null means unlimited.

create table public.plans (
  name text primary key,
  monthly_price_usd numeric(10, 2),
  max_exchanges integer check (max_exchanges >= 0),
  max_strategies integer check (max_strategies >= 0),
  webhooks_per_hour integer check (webhooks_per_hour >= 0),
  features text[] not null default '{}',
  position integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.plans is 'What each plan allows. Null limits mean unlimited; by contract where the price is null.';
create trigger touch before update on public.plans
for each row execute function private.touch_updated_at();

insert into public.plans (name, monthly_price_usd, max_exchanges, max_strategies, webhooks_per_hour, features, position)
values
('Free', 0, 1, 3, 10, '{basic_analytics,community_support}', 1),
('Basic', 29, 2, 10, 100, '{basic_analytics,advanced_analytics,email_support}', 2),
(
  'Pro', 99, 4, null, null,
  '{basic_analytics,advanced_analytics,all_analytics,custom_integrations,priority_support}', 3
),
(
  'Enterprise', null, null, null, null,
  '{basic_analytics,advanced_analytics,all_analytics,custom_integrations,dedicated_resources,sla,white_label}', 4
);

alter table public.plans enable row level security;
alter table public.plans force row level security;
create policy plans_are_readable on public.plans for select to authenticated using (true);
-- A trader is one row of auth.users. Profile, subscription and ingest state are made when he signs up (180_sign_up.sql).

create table public.user_profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  email text check (length(email) <= 320),
  full_name text check (length(full_name) <= 200),
  avatar_url text check (length(avatar_url) <= 2000),
  -- Set while a large account is being deleted.
  deletion_requested_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.user_profiles is 'Who a trader is: one row for each row of auth.users.';
create trigger touch before update on public.user_profiles
for each row execute function private.touch_updated_at();

create table public.subscriptions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null unique references auth.users (id) on delete cascade,
  plan text not null default 'Free' references public.plans (name) on update cascade,
  status text not null default 'active' check (
    status in ('active', 'trialing', 'past_due', 'canceled', 'incomplete', 'incomplete_expired', 'unpaid', 'paused')
  ),
  stripe_customer_id text unique check (length(stripe_customer_id) <= 255),
  stripe_subscription_id text unique check (length(stripe_subscription_id) <= 255),
  stripe_price_id text check (length(stripe_price_id) <= 255),
  current_period_start timestamptz,
  current_period_end timestamptz,
  cancel_at_period_end boolean not null default false,
  canceled_at timestamptz,
  past_due_since timestamptz,
  trial_start timestamptz,
  trial_end timestamptz,
  webhooks_per_hour integer check (webhooks_per_hour >= 0),
  max_exchanges integer check (max_exchanges >= 0),
  max_strategies integer check (max_strategies >= 0),
  metadata jsonb not null default '{}' check (octet_length(metadata::text) <= 16384),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.subscriptions is 'What a trader has booked. private.current_plan tells which plan counts now.';
comment on column public.subscriptions.webhooks_per_hour is 'Overrides the limit of the plan for this trader; null follows the plan.';
create trigger touch before update on public.subscriptions
for each row execute function private.touch_updated_at();
create index subscriptions_plan on public.subscriptions (plan);

-- The days of grace count from the first failed payment, not from the latest news of it.
create function private.start_grace() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if new.status <> 'past_due' then
    new.past_due_since := null;
  else
    new.past_due_since := coalesce(new.past_due_since, old.past_due_since, now());
  end if;
  return new;
end
$$;
create trigger start_grace before insert or update of status, past_due_since on public.subscriptions
for each row execute function private.start_grace();

-- One row per trader whose lock puts that trader's alerts in order. No trader ever waits for another.
create table private.ingest_state (
  user_id uuid primary key references auth.users (id) on delete cascade
);

-- Keeps a trader from being deleted until the transaction ends. The deletion locks auth.users first and his rows after it,
-- so whoever locks one of his rows and then refers to him must come this way first, or the two wait for each other.
create function private.keep_trader(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform from auth.users u where u.id = p_user_id for key share;
end
$$;

-- A paid plan or add-on lasts through 7 days of past_due and to the end of a paid period.
create function private.booking_counts(p_status text, p_period_end timestamptz, p_past_due_since timestamptz)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return coalesce(
    p_status in ('active', 'trialing')
    or p_status = 'past_due' and p_past_due_since > now() - interval '7 days'
    or p_status = 'canceled' and p_period_end > now(), false);
end
$$;

-- The plan that counts now; the only place that says so.
create function private.current_plan(p_user_id uuid)
returns table (plan text, webhooks_per_hour integer, max_exchanges integer, max_strategies integer)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  with subscription as (
    select
      s.*,
      case
        when private.booking_counts(s.status, s.current_period_end, s.past_due_since) then s.plan
        else 'Free'
      end as effective_plan
    from (select p_user_id as wanted) w
    left join public.subscriptions s on s.user_id = w.wanted
  )
  select
    p.name,
    case when s.plan = p.name and s.webhooks_per_hour is not null then s.webhooks_per_hour else p.webhooks_per_hour end,
    case when s.plan = p.name and s.max_exchanges is not null then s.max_exchanges else p.max_exchanges end,
    case when s.plan = p.name and s.max_strategies is not null then s.max_strategies else p.max_strategies end
  from subscription s
  join public.plans p on p.name = s.effective_plan;
end
$$;

alter table public.user_profiles enable row level security;
alter table public.user_profiles force row level security;
create policy own_profile_select on public.user_profiles for select to authenticated
using ((select auth.uid()) = id);
create policy own_profile_update on public.user_profiles for update to authenticated
using ((select auth.uid()) = id) with check ((select auth.uid()) = id);

alter table public.subscriptions enable row level security;
alter table public.subscriptions force row level security;
create policy own_subscription_select on public.subscriptions for select to authenticated
using ((select auth.uid()) = user_id);
-- Add-ons that a trader books beside a plan, and the one answer to "may he use this feature".

create table public.entitlements (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  addon text not null check (addon in ('advanced_analytics', 'backtesting', 'white_label')),
  status text not null default 'active' check (
    status in ('active', 'trialing', 'past_due', 'canceled', 'incomplete', 'incomplete_expired', 'unpaid', 'paused')
  ),
  -- Several add-ons may stand in one Stripe subscription, each as an item of its own.
  stripe_subscription_id text check (length(stripe_subscription_id) <= 255),
  stripe_subscription_item_id text unique check (length(stripe_subscription_item_id) <= 255),
  stripe_price_id text check (length(stripe_price_id) <= 255),
  current_period_start timestamptz,
  current_period_end timestamptz,
  cancel_at_period_end boolean not null default false,
  canceled_at timestamptz,
  past_due_since timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, addon)
);
comment on table public.entitlements is 'Add-ons that a trader has booked. has_feature tells whether one counts now.';
create trigger touch before update on public.entitlements
for each row execute function private.touch_updated_at();
create trigger start_grace before insert or update of status, past_due_since on public.entitlements
for each row execute function private.start_grace();

create function public.has_feature(p_name text) returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  trader uuid := auth.uid();
begin
  -- A service key acts for nobody, and nobody has no plan.
  if trader is null then
    return false;
  end if;
  return exists (
    select from private.current_plan(trader) c
    join public.plans p on p.name = c.plan
    where p_name = any(p.features)
  ) or exists (
    select from public.entitlements e
    where e.user_id = trader and e.addon = p_name
      and private.booking_counts(e.status, e.current_period_end, e.past_due_since)
  );
end
$$;
comment on function public.has_feature is 'Whether the caller''s plan or one of his add-ons has this feature now. An unknown name is false.';

alter table public.entitlements enable row level security;
alter table public.entitlements force row level security;
create policy own_entitlements_select on public.entitlements for select to authenticated
using ((select auth.uid()) = user_id);
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
-- What was done, for ever: append-only for everyone. 043_audit_chain.sql makes a change noticed that was made all the same.

-- The name of a trader in the audit log. It goes when he goes, and then nothing tells whose rows they were.
-- No foreign key: its cascade would take this row before those that other transactions still hold. The trigger below
-- comes after every cascade of auth.users (a foreign key's trigger is named RI_..., and triggers fire by name).
create table private.pseudonyms (
  user_id uuid primary key,
  pseudonym uuid not null unique default gen_random_uuid()
);

create table public.audit_log (
  id bigint generated always as identity primary key,
  -- Null once the trader has left. No foreign key: an audit row must never wait for, or fail with, his deletion.
  user_id uuid,
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  action text not null,
  subject uuid,
  detail jsonb not null default '{}',
  pseudonym uuid
);
comment on table public.audit_log is 'What was done, by whom. Append-only for everyone, chained by hash. Never holds a secret.';
comment on column public.audit_log.pseudonym is 'Stands for the trader, also after he has left.';
create index audit_log_user_at on public.audit_log (user_id, at desc);
create index audit_log_subject on public.audit_log (subject);

create function private.name_trader() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.pseudonyms (user_id) values (new.id) on conflict (user_id) do nothing;
  return null;
end
$$;
-- Before sparky_on_sign_up, by name: what signing up does is in the log already.
create trigger sparky_name_trader after insert on auth.users
for each row execute function private.name_trader();
insert into private.pseudonyms (user_id) select users.id from auth.users;

-- Writes down whose row it is. The lock makes the deletion of the trader wait for this row and take its name off too.
create function private.pseudonymise() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  new.pseudonym := null;
  if new.user_id is null then
    return new;
  end if;
  select p.pseudonym into new.pseudonym from private.pseudonyms p where p.user_id = new.user_id for key share;
  if new.subject = new.user_id then
    new.subject := new.pseudonym;
  end if;
  if strpos(new.detail::text, new.user_id::text) > 0 then
    new.detail := replace(new.detail::text, new.user_id::text, coalesce(new.pseudonym::text, 'deleted'))::jsonb;
  end if;
  if new.pseudonym is null then
    -- He left a moment ago.
    new.user_id := null;
  end if;
  return new;
end
$$;
create trigger pseudonymise before insert on public.audit_log
for each row execute function private.pseudonymise();

create function private.refuse_change() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception '% is append-only: % is not possible', tg_table_name, lower(tg_op) using errcode = '42501';
end
$$;
create trigger no_truncate before truncate on public.audit_log
for each statement execute function private.refuse_change();

-- The one change there is: the trader leaves, and his id is taken off.
create function private.refuse_audit_update() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if old.user_id is not null and new.user_id is null then
    old.user_id := null;
  end if;
  if old is distinct from new then
    raise exception 'audit_log is append-only: update is not possible' using errcode = '42501';
  end if;
  return new;
end
$$;
create trigger append_only before update on public.audit_log
for each row execute function private.refuse_audit_update();

create function private.forget_pseudonym() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- In this order: the first statement waits for whoever is writing an audit row of his, the second sees that row.
  delete from private.pseudonyms where user_id = old.id;
  update public.audit_log set user_id = null where user_id = old.id;
  return null;
end
$$;
create trigger sparky_zz_forget_pseudonym after delete on auth.users
for each row execute function private.forget_pseudonym();

create function private.audit(p_user_id uuid, p_actor text, p_action text, p_subject uuid, p_detail jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.audit_log (user_id, actor, action, subject, detail)
  values (p_user_id, p_actor, p_action, p_subject, coalesce(p_detail, '{}'));
end
$$;

alter table public.audit_log enable row level security;
alter table public.audit_log force row level security;
create policy own_audit_select on public.audit_log for select to authenticated
using ((select auth.uid()) = user_id);
-- Tamper evidence of the audit log. Rows are written without a hash, so that no trader waits for another; a task links
-- them to the chain afterwards, in batches. Each link's hash covers its row and the hash before it.

create table private.audit_chain (
  seq bigint primary key check (seq > 0),
  audit_id bigint not null unique,
  hash bytea not null check (length(hash) = 32)
);

-- One row. anchor_seq and anchor_hash are the last link that retention took away; the chain goes on from there.
create table private.audit_chain_state (
  one_row boolean primary key default true check (one_row),
  anchor_seq bigint not null default 0,
  anchor_hash bytea not null default sha256('') check (length(anchor_hash) = 32),
  -- Every row up to this id has its link, and no transaction is left that could still commit one below it.
  linked_through bigint not null default 0,
  -- The next such id, and the transactions that must have ended before it is one. Null: none is waited for.
  candidate_id bigint,
  candidate_xid xid8,
  check ((candidate_id is null) = (candidate_xid is null))
);
insert into private.audit_chain_state default values;

-- What the hash covers. Not user_id, which goes when the trader goes. The text of a jsonb array is the same on every version.
create function private.audit_hash(p_previous bytea, p_row public.audit_log) returns bytea
language plpgsql
stable
set search_path = ''
as $$
begin
  return sha256(p_previous || convert_to(jsonb_build_array(
    p_row.id, to_char(p_row.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), p_row.pseudonym, p_row.actor,
    p_row.action, p_row.subject, p_row.detail)::text, 'UTF8'));
end
$$;

-- The newest link, or what stands for it in an empty chain.
create function private.audit_tip(out seq bigint, out hash bytea)
language plpgsql
stable
set search_path = ''
as $$
begin
  select c.seq, c.hash into seq, hash from private.audit_chain c order by c.seq desc limit 1;
  if seq is null then
    select s.anchor_seq, s.anchor_hash into seq, hash from private.audit_chain_state s;
  end if;
end
$$;

-- Moves linked_through. p_ended is the oldest transaction that ran before the rows were read: one that ended later may have
-- committed a row unseen. The hour covers the instant in which a row has its id and its transaction none yet.
create function private.settle_audit(p_ended xid8) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- A copy of the database in another cluster counts its transactions anew, and would wait for one that never comes.
  update private.audit_chain_state s set candidate_id = null, candidate_xid = null
  where s.candidate_xid > pg_snapshot_xmax(pg_current_snapshot());
  update private.audit_chain_state s
  set linked_through = s.candidate_id, candidate_id = null, candidate_xid = null
  where s.candidate_xid <= p_ended;
  update private.audit_chain_state s
  set candidate_id = settled.id, candidate_xid = pg_snapshot_xmax(pg_current_snapshot())
  from (
    select max(a.id) as id from public.audit_log a
    where a.id > (select st.linked_through from private.audit_chain_state st)
      and a.at < clock_timestamp() - interval '1 hour'
  ) settled
  where s.candidate_id is null and settled.id is not null;
end
$$;

-- Links up to p_limit rows and returns how many. A row that was committed after rows of higher ids comes after them.
create function private.seal_audit(p_limit integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  entry public.audit_log;
  tip_seq bigint;
  tip_hash bytea;
  ended xid8;
  linked integer := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('sparky/audit_chain', 0));
  ended := pg_snapshot_xmin(pg_current_snapshot());
  select t.seq, t.hash into tip_seq, tip_hash from private.audit_tip() t;
  for entry in
    select a.* from public.audit_log a
    where a.id > (select s.linked_through from private.audit_chain_state s)
      and not exists (select from private.audit_chain c where c.audit_id = a.id)
    order by a.id
    limit p_limit
  loop
    tip_seq := tip_seq + 1;
    tip_hash := private.audit_hash(tip_hash, entry);
    insert into private.audit_chain (seq, audit_id, hash) values (tip_seq, entry.id, tip_hash);
    linked := linked + 1;
  end loop;
  if linked < p_limit then
    perform private.settle_audit(ended);
  end if;
  return linked;
end
$$;

create function public.audit_head() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('seq', t.seq, 'hash', encode(t.hash, 'hex'), 'at', clock_timestamp())
    from private.audit_tip() t);
end
$$;
comment on function public.audit_head is 'The newest link of the audit chain. Keep it elsewhere: verify_audit then notices that the end was cut off.';

-- The first link after p_after that does not hold, of p_limit links: null when all hold.
create function private.first_bad_link(p_after bigint, p_hash bytea, p_limit integer) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    with links as (
      select
        c.seq, c.audit_id, c.hash, lag(c.seq, 1, p_after) over by_seq as previous_seq,
        lag(c.hash, 1, p_hash) over by_seq as previous, lead(c.hash) over by_seq as following,
        lead(c.audit_id) over by_seq as following_id
      from (
        select * from private.audit_chain where seq > p_after order by seq limit p_limit
      ) c
      window by_seq as (order by c.seq)
    ), judged as (
      select
        l.seq, l.audit_id,
        case
          when l.seq <> l.previous_seq + 1 then 'link removed'
          when a.id is null then 'removed'
          when l.hash = private.audit_hash(l.previous, a) then null
          -- The next row still fits the hash that stands here, so it is this row that is not what it was.
          when l.following is null or n.id is null or l.following = private.audit_hash(l.hash, n) then 'changed'
          else 'link broken'
        end as what
      from links l
      left join public.audit_log a on a.id = l.audit_id
      left join public.audit_log n on n.id = l.following_id
    )
    select jsonb_build_object('seq', j.seq, 'audit_id', j.audit_id, 'what', j.what)
    from judged j where j.what is not null order by j.seq limit 1
  );
end
$$;

-- What the chain should hold besides its links: the head that was kept elsewhere, and a link for each settled row.
create function private.missing_link(p_head_seq bigint, p_head_hash text) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  state private.audit_chain_state;
  unlinked bigint;
begin
  select * into state from private.audit_chain_state;
  if p_head_seq < state.anchor_seq then
    raise exception 'link % is older than what is kept', p_head_seq
    using errcode = '22023', hint = format('keep a newer head: the chain begins after link %s', state.anchor_seq);
  end if;
  if p_head_seq is not null and not exists (
    select from (
      select c.seq, c.hash from private.audit_chain c where c.seq = p_head_seq
      union all select state.anchor_seq, state.anchor_hash
    ) kept
    where kept.seq = p_head_seq and encode(kept.hash, 'hex') = lower(p_head_hash)
  ) then
    return jsonb_build_object('seq', p_head_seq, 'audit_id', null, 'what', 'removed');
  end if;
  select min(a.id) into unlinked from public.audit_log a
  where a.id <= state.linked_through and not exists (select from private.audit_chain c where c.audit_id = a.id);
  if unlinked is not null then
    return jsonb_build_object('seq', null, 'audit_id', unlinked, 'what', 'unlinked');
  end if;
  return null;
end
$$;

create function public.verify_audit(
  p_from_seq bigint default null, p_limit integer default 100000, p_head_seq bigint default null,
  p_head_hash text default null
) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  state private.audit_chain_state;
  after bigint;
  after_hash bytea;
  tip record;
  bad jsonb;
  checked bigint;
begin
  if coalesce(p_limit not between 1 and 1000000, true) or p_from_seq < 1 or (p_head_seq is null) <> (p_head_hash is null)
    or length(p_head_hash) > 64 then
    raise exception 'verify_audit takes a first link of 1 or more, a limit of 1 to 1,000,000, and a head with its hash'
    using errcode = '22023', hint = 'audit_head() tells the head: {"seq","hash"}';
  end if;
  select * into state from private.audit_chain_state;
  select t.seq, t.hash into tip from private.audit_tip() t;
  after := least(greatest(coalesce(p_from_seq, 1) - 1, state.anchor_seq), tip.seq);
  select c.hash into after_hash from private.audit_chain c where c.seq = after;
  if after_hash is null and after > state.anchor_seq then
    bad := jsonb_build_object('seq', after, 'audit_id', null, 'what', 'link removed');
  else
    bad := private.first_bad_link(after, coalesce(after_hash, state.anchor_hash), p_limit);
  end if;
  checked := least(p_limit, tip.seq - after);
  if bad is null and after + checked >= tip.seq then
    bad := private.missing_link(p_head_seq, p_head_hash);
  end if;
  return jsonb_build_object(
    'ok', bad is null, 'checked', checked, 'first_bad', bad,
    'next_seq', case when after + checked < tip.seq then after + checked + 1 end,
    'head', jsonb_build_object('seq', tip.seq, 'hash', encode(tip.hash, 'hex')),
    'unsealed', (
      select count(*) from public.audit_log a
      where a.id > state.linked_through and not exists (select from private.audit_chain c where c.audit_id = a.id)));
end
$$;
comment on function public.verify_audit is 'Walks the audit chain and tells the first row that was changed, removed or never linked. With a head that was kept elsewhere, a cut end is noticed too.';

-- Takes the oldest links and their rows away, up to p_limit, where the row is older than p_keep. What does not hold is
-- never taken: it would be evidence destroyed.
create function private.retire_audit(p_keep interval, p_limit integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  state private.audit_chain_state;
  last_seq bigint;
  bad jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended('sparky/audit_chain', 0));
  select * into state from private.audit_chain_state;
  select max(r.seq) into last_seq from (
    select c.seq, bool_and(coalesce(a.at < clock_timestamp() - p_keep, true)) over (order by c.seq) as old
    from (
      select * from private.audit_chain where seq > state.anchor_seq order by seq limit p_limit
    ) c
    left join public.audit_log a on a.id = c.audit_id
  ) r where r.old;
  if last_seq is null then
    return 0;
  end if;
  bad := private.first_bad_link(state.anchor_seq, state.anchor_hash, (last_seq - state.anchor_seq)::integer);
  if bad is not null then
    raise exception 'the audit chain does not hold at link %: nothing is removed (%)', bad ->> 'seq', bad ->> 'what'
    using errcode = '55000', hint = 'verify_audit() tells more';
  end if;
  update private.audit_chain_state s set anchor_seq = c.seq, anchor_hash = c.hash
  from private.audit_chain c where c.seq = last_seq;
  delete from public.audit_log a using private.audit_chain c where c.audit_id = a.id and c.seq <= last_seq;
  delete from private.audit_chain c where c.seq <= last_seq;
  return (last_seq - state.anchor_seq)::integer;
end
$$;

-- Rows leave by retention alone, which has moved the anchor beyond their links before.
create function private.refuse_audit_delete() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if not exists (
    select from private.audit_chain c, private.audit_chain_state s where c.audit_id = old.id and c.seq <= s.anchor_seq
  ) then
    raise exception 'audit_log is append-only: delete is not possible' using errcode = '42501';
  end if;
  return old;
end
$$;
create trigger only_retired before delete on public.audit_log
for each row execute function private.refuse_audit_delete();
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
-- Accounts: one trader's login at one venue in one environment. The keys lie in Vault.

create table public.user_api_keys (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  exchange text not null check (exchange in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper')),
  environment text not null check (environment in ('production', 'sandbox', 'paper')),
  label text not null check (length(label) between 1 and 100),
  secret_id uuid not null unique,
  hint text check (length(hint) <= 4),
  -- sealed: to a worker's public key. plain: as the dashboard gave them, until a worker has sealed them.
  form text not null default 'sealed' check (form in ('sealed', 'plain')),
  secret_fields text[] not null default '{}' check (
    cardinality(secret_fields) <= 20 and length(secret_fields::text) <= 500
    and array_position(secret_fields, null) is null
  ),
  account_id text check (length(account_id) <= 100),
  found_account_id text check (length(found_account_id) between 1 and 100),
  base_url text check (length(base_url) <= 300),
  extra_metadata jsonb not null default '{}' check (
    jsonb_typeof(extra_metadata) = 'object' and length(extra_metadata::text) <= 8192
  ),
  last_tested timestamptz,
  key_version integer not null default 1,
  status text not null default 'pending' check (status in ('pending', 'valid', 'invalid', 'expired')),
  status_reason text,
  validated_at timestamptz,
  permissions text[] not null default '{}',
  notes text[] not null default '{}',
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, exchange, environment),
  unique (user_id, id),
  check ((exchange = 'paper') = (environment = 'paper'))
);
comment on table public.user_api_keys is 'A trader''s account at a venue. Its keys are kept in Vault, sealed to the worker; secret_id names them there.';
comment on column public.user_api_keys.hint is 'Last characters of the key, so that its owner recognises it.';
comment on column public.user_api_keys.key_version is 'Grows when the keys are replaced.';
comment on column public.user_api_keys.secret_fields is 'Names of the secrets that are stored. Of sealed keys: as their saver named them, else what the venue asks for.';
comment on column public.user_api_keys.account_id is 'The venue''s own number of the account, as the trader gave it.';
comment on column public.user_api_keys.found_account_id is 'The number of the account that the keys were found to be for, where the trader gave none.';
comment on column public.user_api_keys.permissions is 'What the keys may do, in the venue''s own words, at the last validation that it accepted.';
comment on column public.user_api_keys.notes is 'Sentences about the keys for the trader, of the last validation that the venue accepted.';
comment on column public.user_api_keys.expires_at is 'When the keys end at the venue, where it tells.';
comment on column public.user_api_keys.base_url is 'What the trader typed into the dashboard. Nothing ever connects to it: the venue and the environment decide where to.';
comment on column public.user_api_keys.last_tested is 'When a test of the keys was last asked for.';
create trigger touch before update on public.user_api_keys
for each row execute function private.touch_updated_at();

-- What the checks of the table forbid, in words for those who typed it.
create function private.check_account() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  wrong text := case
    when coalesce(new.exchange not in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper'), true)
      then 'the exchange must be aster, oanda, tradier, tastytrade or paper'
    when coalesce(new.environment not in ('production', 'sandbox', 'paper'), true)
      then 'the environment must be production, sandbox or paper'
    when (new.exchange = 'paper') <> (new.environment = 'paper')
      then 'the exchange paper has the environment paper, and no other exchange has it'
    when coalesce(length(new.label) not between 1 and 100, true) then 'the label must have 1 to 100 characters'
    when length(new.hint) > 4 then 'the hint has at most 4 characters'
    when array_ndims(new.secret_fields) > 1 or cardinality(new.secret_fields) > 20
      or array_position(new.secret_fields, null) is not null or length(new.secret_fields::text) > 500
      then 'the fields are a list of at most 20 names, together at most 500 characters'
    when length(new.account_id) > 100 then 'the account id has at most 100 characters'
    when length(new.base_url) > 300 then 'the base URL has at most 300 characters'
    when jsonb_typeof(new.extra_metadata) <> 'object' or length(new.extra_metadata::text) > 8192
      then 'the extra metadata must be an object of at most 8192 characters'
  end;
begin
  if wrong is not null then
    raise exception '%', wrong using errcode = '22023', hint = 'nothing was saved; correct the value and save again';
  end if;
  return new;
end
$$;
create trigger check_account before insert or update on public.user_api_keys
for each row execute function private.check_account();

-- Also runs when a trader is deleted: the cascade deletes his accounts, and this deletes their secrets.
create function private.delete_vault_secret() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from vault.secrets where id = old.secret_id;
  return null;
end
$$;
create trigger forget_keys after delete on public.user_api_keys
for each row execute function private.delete_vault_secret();

-- Keys are sealed for one trader, venue and environment, and one secret belongs to one account. Whoever could turn
-- secret_id round could have a worker open another trader's keys.
create function private.refuse_other_identity() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'whose an account is, where it is and which secret it has never changes'
  using errcode = '42501', hint = 'delete the account and save its keys anew';
end
$$;
create trigger keep_identity before update on public.user_api_keys
for each row when (
  (old.id, old.user_id, old.exchange, old.environment, old.secret_id)
  is distinct from (new.id, new.user_id, new.exchange, new.environment, new.secret_id)
) execute function private.refuse_other_identity();

create function private.require_trader() returns uuid
language plpgsql
stable
set search_path = ''
as $$
begin
  if auth.uid() is null then
    raise exception 'sign in first' using errcode = '42501', hint = 'send the access token of a signed-in trader';
  end if;
  -- A token outlives its trader by up to an hour.
  if not exists (select from auth.users u where u.id = auth.uid()) then
    raise exception 'this account is deleted already' using errcode = '42501', hint = 'sign out';
  end if;
  return auth.uid();
end
$$;

create function public.delete_api_key(p_account_id uuid) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
begin
  perform private.keep_trader(trader);
  delete from public.user_api_keys where id = p_account_id and user_id = trader;
  if not found then
    return false;
  end if;
  perform private.audit(trader, 'trader', 'api_key.deleted', p_account_id, '{}');
  return true;
end
$$;
comment on function public.delete_api_key is 'Deletes one of the caller''s accounts and its keys; false when there is none of this id.';

create function public.list_api_keys() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'exchange', k.exchange, 'environment', k.environment, 'label', k.label, 'hint', k.hint,
      'form', k.form, 'secret_fields', k.secret_fields, 'account_id', k.account_id,
      'found_account_id', k.found_account_id, 'key_version', k.key_version, 'status', k.status,
      'status_reason', k.status_reason, 'validated_at', k.validated_at, 'permissions', k.permissions,
      'notes', k.notes, 'expires_at', k.expires_at,
      'last_tested', k.last_tested, 'created_at', k.created_at, 'updated_at', k.updated_at
    ) order by k.created_at, k.id), '[]')
    from public.user_api_keys k
    where k.user_id = trader
  );
end
$$;
comment on function public.list_api_keys is 'The caller''s accounts and what is known of their keys; never a secret.';

alter table public.user_api_keys enable row level security;
alter table public.user_api_keys force row level security;
create policy own_accounts_select on public.user_api_keys for select to authenticated
using ((select auth.uid()) = user_id);
-- Saving exchange keys, in two forms. Sealed where they were typed, which is how new clients do it, or plain from the
-- dashboard's form: those go into Vault at once, and the first worker that opens them seals them.

-- What a venue asks for, where the saver of sealed keys does not name what is inside.
create function private.usual_secret_fields(p_exchange text) returns text[]
language sql
immutable
set search_path = ''
as $$
  select case when p_exchange in ('oanda', 'tradier', 'paper') then array['api_key'] else array['api_key', 'api_secret'] end
$$;

-- Two first saves at once must not leave a secret that no account names.
create function private.lock_account(p_user_id uuid, p_exchange text, p_environment text) returns public.user_api_keys
language plpgsql
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  perform private.keep_trader(p_user_id);
  perform pg_advisory_xact_lock(hashtextextended('save_api_key/' || p_user_id::text, 0));
  select * into account from public.user_api_keys k
  where k.user_id = p_user_id and k.exchange = p_exchange and k.environment = p_environment for update;
  return account;
end
$$;

-- In the place of one that waits: however often a trader saves, the others' validations wait for one of his.
create function private.validate_anew(p_user_id uuid, p_account uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from private.tasks t where t.account_id = p_account and t.kind = 'validate_key' and t.state = 'pending';
  perform private.enqueue_task('validate_key', p_user_id, p_account, '{}');
end
$$;

-- Puts a secret into Vault, under the account that is there or under a new one, and has it validated.
create function private.store_keys(
  p_found public.user_api_keys, p_user_id uuid, p_exchange text, p_environment text, p_label text,
  p_form text, p_secret text, p_fields text[], p_hint text
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  account uuid := coalesce(p_found.id, gen_random_uuid());
  secret uuid;
begin
  if p_found.id is not null then
    perform vault.update_secret(p_found.secret_id, p_secret);
    update public.user_api_keys set
      label = coalesce(p_label, label), hint = p_hint, form = p_form, secret_fields = p_fields,
      key_version = key_version + 1, status = 'pending', status_reason = null,
      -- All of it was said of the keys that were there.
      found_account_id = null, permissions = '{}', notes = '{}', expires_at = null
    where id = account;
  else
    secret := vault.create_secret(p_secret, 'api_key/' || account::text);
    insert into public.user_api_keys (id, user_id, exchange, environment, label, secret_id, hint, form, secret_fields)
    values (
      account, p_user_id, p_exchange, p_environment, coalesce(p_label, p_exchange), secret, p_hint, p_form, p_fields);
  end if;
  perform private.validate_anew(p_user_id, account);
  perform private.audit(
    p_user_id, case when private.caller_is_server() then 'dashboard' else 'trader' end, 'api_key.saved', account,
    jsonb_build_object('exchange', p_exchange, 'environment', p_environment, 'form', p_form));
  return account;
end
$$;

create function private.is_sealed(p_text text) returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(length(p_text) between 90 and 20000 and p_text ~ '^sparky1\.[0-9a-f]{16}\.[A-Za-z0-9_-]+$', false)
$$;

create function public.save_api_key(
  p_exchange text, p_environment text, p_label text, p_sealed text, p_hint text default null,
  p_fields text[] default null, p_account_id text default null
) returns uuid
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  account uuid;
begin
  if not private.is_sealed(p_sealed) then
    raise exception 'keys must be sealed to the worker before they are saved'
    using errcode = '22023', hint = 'docs/sealing.md shows how a browser seals them';
  end if;
  account := private.store_keys(
    private.lock_account(trader, p_exchange, p_environment), trader, p_exchange, p_environment, p_label,
    'sealed', p_sealed, coalesce(nullif(p_fields, '{}'), private.usual_secret_fields(p_exchange)), p_hint);
  if p_account_id is not null then
    update public.user_api_keys set account_id = nullif(p_account_id, '') where id = account;
  end if;
  return account;
end
$$;
comment on function public.save_api_key is 'Saves or replaces the caller''s sealed keys for one venue and environment; returns the account id.';

-- The values of a form that are there: null, absent and empty mean that the stored value stays.
create function private.given_secrets(p_secrets jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  said jsonb := coalesce(nullif(p_secrets, 'null'), '{}');
  given jsonb;
begin
  if jsonb_typeof(said) <> 'object' then
    raise exception 'secrets come as an object of texts' using errcode = '22023';
  end if;
  -- No value in any message: it is a secret.
  if exists (
    select from jsonb_each(said) e
    where e.key not in ('api_key', 'api_secret', 'passphrase', 'username', 'password')
      or jsonb_typeof(e.value) not in ('string', 'null') or length(e.value #>> '{}') > 4096
  ) then
    raise exception 'a secret is a text of at most 4096 characters'
    using errcode = '22023', hint = 'there are api_key, api_secret, passphrase, username and password';
  end if;
  select coalesce(jsonb_object_agg(e.key, e.value), '{}') into given from jsonb_each_text(said) e where e.value <> '';
  return given;
end
$$;

-- What is stored with the new values put over it. A sealed secret cannot be read here, so it has to be given whole.
create function private.merge_secrets(p_account public.user_api_keys, p_given jsonb) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  stored text := case when p_account.form = 'plain' then private.open_secret(p_account.secret_id) end;
begin
  if stored is not null then
    return stored::jsonb || p_given;
  end if;
  if not p_given ?& p_account.secret_fields then
    raise exception 'the saved keys are sealed; enter all of them again: %', array_to_string(p_account.secret_fields, ', ')
    using errcode = '22023', hint = 'sealed keys cannot be read here, so one of them cannot be changed alone';
  end if;
  return p_given;
end
$$;

-- Null and absent leave what is stored, an empty text clears it.
create function private.save_public_fields(p_account uuid, p_label text, p_public jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  given jsonb := coalesce(nullif(p_public, 'null'), '{}');
  before public.user_api_keys;
  number text;
begin
  if jsonb_typeof(given) <> 'object' then
    raise exception 'account_id, base_url and extra_metadata come as an object' using errcode = '22023';
  end if;
  if p_label is null and given = '{}' then
    return;
  end if;
  select * into strict before from public.user_api_keys k where k.id = p_account;
  number := nullif(coalesce(given ->> 'account_id', before.account_id), '');
  update public.user_api_keys k set
    label = coalesce(p_label, k.label),
    account_id = number,
    base_url = nullif(coalesce(given ->> 'base_url', k.base_url), ''),
    extra_metadata = coalesce(nullif(given -> 'extra_metadata', 'null'), k.extra_metadata)
  where k.id = p_account;
  -- The same keys for another of the trader's accounts are to be tested again.
  if number is distinct from before.account_id then
    update public.user_api_keys set status = 'pending', status_reason = null where id = p_account;
    perform private.validate_anew(before.user_id, p_account);
  end if;
end
$$;

-- p_secrets: new plain values by field name. p_public: {"account_id","base_url","extra_metadata"}. What is absent or null
-- in them stays as it is. Whoever calls this has decided that p_user_id is the one who asks.
create function private.save_plain_keys(
  p_user_id uuid, p_exchange text, p_environment text, p_label text, p_secrets jsonb, p_public jsonb
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  given jsonb := private.given_secrets(p_secrets);
  found_account public.user_api_keys;
  account uuid;
  merged jsonb;
begin
  found_account := private.lock_account(p_user_id, p_exchange, p_environment);
  account := found_account.id;
  if given <> '{}' then
    merged := case when account is null then given else private.merge_secrets(found_account, given) end;
    account := private.store_keys(
      found_account, p_user_id, p_exchange, p_environment, p_label, 'plain', merged::text,
      array(select k from jsonb_object_keys(merged) k order by k),
      -- Of a short key four characters would be a good part of it.
      case when length(merged ->> 'api_key') >= 12 then right(merged ->> 'api_key', 4) end);
  elsif account is null then
    raise exception 'there are no keys to save'
    using errcode = '22023', hint = 'enter the API key, and the secret where the exchange has one';
  end if;
  perform private.save_public_fields(account, p_label, p_public);
  return account;
end
$$;
-- Webhooks: where a trader's alerts arrive, and from where they may come.

create table public.user_webhook_configs (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  name text not null default 'TradingView' check (length(name) between 1 and 100),
  active boolean not null default true,
  require_signature boolean not null default false,
  -- 'tradingview', addresses or networks; null allows every source.
  allowed_sources text[] check (cardinality(allowed_sources) <= 50),
  secret_id uuid not null unique,
  hint text not null check (length(hint) <= 4),
  secret_hint text not null check (length(secret_hint) <= 4),
  old_live_since timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, id),
  unique (user_id, name)
);
comment on table public.user_webhook_configs is 'Where a trader''s alerts arrive. reveal_webhook shows token and secret; a webhook that is not active answers as one that does not exist.';
comment on column public.user_webhook_configs.hint is 'Last characters of the URL token.';
comment on column public.user_webhook_configs.secret_hint is 'Last characters of the body secret.';
comment on column public.user_webhook_configs.old_live_since is 'Since when an older token and secret are live beside the current ones; null when none are.';
create trigger touch before update on public.user_webhook_configs
for each row execute function private.touch_updated_at();
create trigger forget_secret after delete on public.user_webhook_configs
for each row execute function private.delete_vault_secret();

-- reveal_webhook shows the secret to whose webhook it is. Whoever could give him another's, or turn secret_id round, would
-- have it shown.
create function private.refuse_other_webhook() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'whose a webhook is and which secret it has never changes'
  using errcode = '42501', hint = 'delete the webhook and make a new one';
end
$$;
create trigger keep_identity before update on public.user_webhook_configs
for each row when ((old.id, old.user_id, old.secret_id) is distinct from (new.id, new.user_id, new.secret_id))
execute function private.refuse_other_webhook();

create function private.source_allowed(p_sources text[], p_ip text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
declare
  address inet;
begin
  if p_sources is null then
    return true;
  end if;
  begin
    address := p_ip::inet;
  exception when invalid_text_representation then
    return false;
  end;
  return coalesce((
    select bool_or(
      case
        -- The four addresses that TradingView publishes in "How to configure webhook alerts".
        when lower(s) = 'tradingview' then address in (
          inet '52.89.214.238', inet '34.212.75.30', inet '54.218.53.128', inet '52.32.178.7')
        else address <<= s::inet
      end)
    from unnest(p_sources) s
  ), false);
end
$$;

create function private.check_webhook() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  source text;
begin
  if coalesce(length(new.name) not between 1 and 100, true) then
    raise exception 'a webhook''s name has 1 to 100 characters' using errcode = '22023', hint = 'choose another name';
  end if;
  if cardinality(new.allowed_sources) > 50 then
    raise exception 'a webhook has at most 50 allowed sources' using errcode = '22023', hint = 'use networks such as 10.0.0.0/8';
  end if;
  foreach source in array coalesce(new.allowed_sources, '{}') loop
    if lower(source) is distinct from 'tradingview' then
      -- Null is no address either; as it stands it would pass.
      perform coalesce(source, '')::inet;
    end if;
  end loop;
  return new;
exception when invalid_text_representation then
  raise exception 'allowed source "%" is neither "tradingview" nor an address or network', coalesce(left(source, 60), '')
  using errcode = '22023', hint = 'for example tradingview, 203.0.113.7 or 203.0.113.0/24';
end
$$;
create trigger check_webhook before insert or update of name, allowed_sources on public.user_webhook_configs
for each row execute function private.check_webhook();

alter table public.user_webhook_configs enable row level security;
alter table public.user_webhook_configs force row level security;
create policy own_webhooks_select on public.user_webhook_configs for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_webhooks_update on public.user_webhook_configs for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_webhooks_delete on public.user_webhook_configs for delete to authenticated
using ((select auth.uid()) = user_id);
-- Tokens and secrets of webhooks: found by hash, readable only in Vault, rotated with an overlap.

create table private.webhook_credentials (
  hash bytea primary key check (length(hash) = 32),
  webhook_id uuid not null references public.user_webhook_configs (id) on delete cascade,
  kind text not null check (kind in ('token', 'secret')),
  -- Grows with each rotation. Two are live while their owner moves his alerts from the old one to the new one.
  generation integer not null default 1,
  created_at timestamptz not null default now(),
  unique (webhook_id, generation, kind)
);
comment on table private.webhook_credentials is 'sha256 of the URL tokens and body secrets that are live.';

create function private.random_token() returns text
language sql
volatile
set search_path = ''
as $$
  select translate(encode(extensions.gen_random_bytes(24), 'base64'), '+/', '-_')
$$;

create function private.store_webhook_credentials(
  p_webhook_id uuid, p_generation integer, p_token text, p_secret text
) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into private.webhook_credentials (hash, webhook_id, kind, generation)
  values
  (sha256(convert_to(p_token, 'UTF8')), p_webhook_id, 'token', p_generation),
  (sha256(convert_to(p_secret, 'UTF8')), p_webhook_id, 'secret', p_generation);
end
$$;

-- Puts the making and naming of one trader's webhooks in order.
create function private.lock_webhooks(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.keep_trader(p_user_id);
  perform pg_advisory_xact_lock(hashtextextended('webhooks/' || p_user_id::text, 0));
end
$$;

-- The webhook, locked, or the same refusal for one that does not exist and one of another trader.
create function private.own_webhook(p_user_id uuid, p_webhook_id uuid) returns public.user_webhook_configs
language plpgsql
set search_path = ''
as $$
declare
  webhook public.user_webhook_configs;
begin
  perform private.keep_trader(p_user_id);
  -- Not "for update": alerts that arrive meanwhile refer to the webhook and must not wait.
  select * into webhook from public.user_webhook_configs w
  where w.user_id = p_user_id and w.id = p_webhook_id for no key update;
  if webhook.id is null then
    raise exception 'you have no webhook of this id'
    using errcode = 'PT404', hint = 'your webhooks are the rows of user_webhook_configs';
  end if;
  return webhook;
end
$$;

-- What Vault keeps of a webhook: {"token","secret"}, and "old" with the same two while an older pair is live.
create function private.open_webhook(p_webhook public.user_webhook_configs) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  stored jsonb;
begin
  select d.decrypted_secret::jsonb into stored from vault.decrypted_secrets d where d.id = p_webhook.secret_id;
  if stored is null then
    raise exception 'token and secret of this webhook are not in Vault any more'
    using errcode = 'PT409', hint = 'delete the webhook and make a new one';
  end if;
  return stored;
end
$$;

-- Where the outside world reaches the API: what the operator says, else what this request shows; null when it does not.
create function private.api_base() returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  headers jsonb;
  host text;
  port text;
  scheme text;
  told text;
begin
  select p.api_url into told from private.platform_state p;
  if told is not null then
    return told;
  end if;
  begin
    headers := nullif(current_setting('request.headers', true), '')::jsonb;
  exception when invalid_text_representation then
    return null;
  end;
  -- Behind a gateway "host" is the inner server. Each proxy appends to the lists; the first entry is the outermost.
  host := lower(btrim(split_part(coalesce(headers ->> 'x-forwarded-host', headers ->> 'host'), ',', 1)));
  if coalesce(host !~ '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$', true) then
    return null;
  end if;
  port := btrim(split_part(headers ->> 'x-forwarded-port', ',', 1));
  if port ~ '^[0-9]{1,5}$' and port not in ('80', '443') and strpos(host, ':') = 0 then
    host := host || ':' || port;
  end if;
  scheme := lower(btrim(split_part(headers ->> 'x-forwarded-proto', ',', 1)));
  if scheme is null or scheme not in ('http', 'https') then
    scheme := case when host ~ '^(localhost|127[.])' then 'http' else 'https' end;
  end if;
  return scheme || '://' || host;
end
$$;

create function private.show_webhook(p_id uuid, p_stored jsonb) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  path text := '/functions/v1/webhook/' || (p_stored ->> 'token');
begin
  return jsonb_build_object(
    'id', p_id, 'token', p_stored -> 'token', 'secret', p_stored -> 'secret', 'path', path,
    'url', private.api_base() || path, 'old_live', p_stored ? 'old');
end
$$;

-- The name of a new webhook: the one given, unless it is taken, or the first free of "TradingView", "TradingView 2", ...
create function private.webhook_name(p_user_id uuid, p_name text) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  free text;
begin
  if length(p_name) not between 1 and 100 then
    raise exception 'a webhook''s name has 1 to 100 characters' using errcode = '22023', hint = 'choose a shorter name';
  end if;
  if exists (select from public.user_webhook_configs w where w.user_id = p_user_id and w.name = p_name) then
    raise exception 'you have a webhook named "%" already', p_name
    using errcode = '23505', hint = 'choose another name, or leave the name out';
  end if;
  if p_name is not null then
    return p_name;
  end if;
  select c.name into free
  from (
    select n, 'TradingView' || case when n > 1 then ' ' || n::text else '' end as name from generate_series(1, 51) n
  ) c
  where not exists (select from public.user_webhook_configs w where w.user_id = p_user_id and w.name = c.name)
  order by c.n limit 1;
  return free;
end
$$;

create function private.make_webhook(p_user_id uuid, p_name text, p_actor text, p_secret text) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  webhook uuid := gen_random_uuid();
  name text;
  stored jsonb := jsonb_build_object(
    'token', private.random_token(), 'secret', coalesce(p_secret, private.random_token()));
begin
  perform private.lock_webhooks(p_user_id);
  if (select count(*) from public.user_webhook_configs w where w.user_id = p_user_id) >= 50 then
    raise exception 'a trader has at most 50 webhooks' using errcode = '54000', hint = 'delete one that is not used';
  end if;
  name := private.webhook_name(p_user_id, p_name);
  insert into public.user_webhook_configs (id, user_id, name, secret_id, hint, secret_hint)
  values (
    webhook, p_user_id, name, vault.create_secret(stored::text, 'webhook/' || webhook::text),
    right(stored ->> 'token', 4), right(stored ->> 'secret', 4));
  perform private.store_webhook_credentials(webhook, 1, stored ->> 'token', stored ->> 'secret');
  perform private.audit(p_user_id, p_actor, 'webhook.created', webhook, '{}');
  return private.show_webhook(webhook, stored);
end
$$;

create function public.create_webhook(p_name text default null) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  return private.make_webhook(private.require_trader(), p_name, 'trader', null);
end
$$;
comment on function public.create_webhook is 'Makes a webhook for the caller and shows its token and secret.';

create function public.reveal_webhook(p_webhook_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  answer jsonb := private.show_webhook(p_webhook_id, private.open_webhook(private.own_webhook(trader, p_webhook_id)));
begin
  perform private.audit(trader, 'trader', 'webhook.revealed', p_webhook_id, '{}');
  return answer;
end
$$;
comment on function public.reveal_webhook is 'Shows the caller the current token and secret of one webhook. Each call is on record.';

create function public.rotate_webhook(p_webhook_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  webhook public.user_webhook_configs := private.own_webhook(trader, p_webhook_id);
  stored jsonb := private.open_webhook(webhook);
  generation integer;
begin
  if webhook.old_live_since is not null then
    raise exception 'an older token and secret of this webhook are still live'
    using errcode = 'PT409', hint = 'once your alerts use the new ones, call end_old_webhook_credentials; then rotate again';
  end if;
  stored := jsonb_build_object(
    'token', private.random_token(), 'secret', private.random_token(), 'old', stored);
  select max(c.generation) + 1 into generation from private.webhook_credentials c where c.webhook_id = webhook.id;
  perform private.store_webhook_credentials(
    webhook.id, coalesce(generation, 1), stored ->> 'token', stored ->> 'secret');
  perform vault.update_secret(webhook.secret_id, stored::text);
  update public.user_webhook_configs set
    hint = right(stored ->> 'token', 4), secret_hint = right(stored ->> 'secret', 4), old_live_since = clock_timestamp()
  where id = webhook.id;
  perform private.audit(trader, 'trader', 'webhook.rotated', webhook.id, '{}');
  return private.show_webhook(webhook.id, stored);
end
$$;
comment on function public.rotate_webhook is 'Gives one of the caller''s webhooks a new token and secret; the old ones stay live until end_old_webhook_credentials.';

create function public.end_old_webhook_credentials(p_webhook_id uuid) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  webhook public.user_webhook_configs := private.own_webhook(trader, p_webhook_id);
begin
  if webhook.old_live_since is null then
    return false;
  end if;
  delete from private.webhook_credentials c
  where c.webhook_id = webhook.id
    and c.generation < (select max(n.generation) from private.webhook_credentials n where n.webhook_id = webhook.id);
  perform vault.update_secret(webhook.secret_id, (private.open_webhook(webhook) - 'old')::text);
  update public.user_webhook_configs set old_live_since = null where id = webhook.id;
  perform private.audit(trader, 'trader', 'webhook.old_ended', webhook.id, '{}');
  return true;
end
$$;
comment on function public.end_old_webhook_credentials is 'Ends the token and secret from before the last rotation; false when none were live.';
-- What a trader allows: one row for all exchanges, one for each exchange. 0 means no limit.
-- Columns, types and the defaults of an exchange are those that dashboards know. docs/plans.md says which settings the
-- worker obeys so far.

create table public.trade_settings_global (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null unique default auth.uid() references auth.users (id) on delete cascade,
  enabled boolean not null default true,
  -- Unlike those of an exchange these defaults restrict nothing: the narrower of both rows wins, and a trader who
  -- never saw this row has chosen nothing.
  trading_hours_preset text not null default '24/7' check (length(trading_hours_preset) between 1 and 50),
  trading_window jsonb not null default '["00:00", "23:59"]',
  max_trades_per_day integer not null default 0 check (max_trades_per_day >= 0),
  max_position_size_usd numeric(18, 2) not null default 0 check (max_position_size_usd between 0 and 1e15),
  take_profit_percent numeric(10, 4) not null default 0 check (take_profit_percent between 0 and 10000),
  stop_loss_percent numeric(10, 4) not null default 0 check (stop_loss_percent between 0 and 100),
  allow_weekends boolean not null default true,
  news_filter boolean not null default false,
  notes text check (length(notes) <= 10000),
  extra_settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.trade_settings_global is 'What a trader allows on all exchanges together. The narrower of this row and the exchange''s wins.';
comment on column public.trade_settings_global.news_filter is 'Stored; has no effect, because there is no calendar of news.';

create table public.trade_settings_exchange (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  exchange text not null check (exchange in ('aster', 'oanda', 'tradier', 'tradier_options', 'tastytrade', 'paper')),
  enabled boolean not null default true,
  trading_hours_preset text not null default '24/5' check (length(trading_hours_preset) between 1 and 50),
  trading_window jsonb not null default '["00:00", "23:59"]',
  max_trades_per_day integer not null default 0 check (max_trades_per_day >= 0),
  max_position_size_usd numeric(18, 2) not null default 0 check (max_position_size_usd between 0 and 1e15),
  take_profit_percent numeric(10, 4) not null default 0 check (take_profit_percent between 0 and 10000),
  stop_loss_percent numeric(10, 4) not null default 0 check (stop_loss_percent between 0 and 100),
  allow_weekends boolean not null default false,
  news_filter boolean not null default false,
  notes text check (length(notes) <= 10000),
  position_size_percent numeric(10, 4) not null default 0 check (position_size_percent between 0 and 10000),
  strike_tolerance_percent numeric(10, 4) not null default 1 check (strike_tolerance_percent between 0 and 100),
  entry_limit_offset_percent numeric(10, 4) not null default 1 check (entry_limit_offset_percent between 0 and 100),
  tp_percent numeric(10, 4) not null default 5 check (tp_percent between 0 and 10000),
  sl_percent numeric(10, 4) not null default 8 check (sl_percent between 0 and 100),
  max_signal_age_sec integer not null default 10 check (max_signal_age_sec >= 0),
  auto_close_outside_window boolean not null default true,
  max_open_positions integer not null default 3 check (max_open_positions >= 0),
  extra_settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, exchange)
);
comment on table public.trade_settings_exchange is 'What a trader allows on one exchange. The narrower of this row and the global one wins.';
comment on column public.trade_settings_exchange.exchange is 'tradier_options are the options of Tradier accounts, tradier their shares.';
comment on column public.trade_settings_exchange.news_filter is 'Stored; has no effect, because there is no calendar of news.';

-- What the checks of both tables forbid, in words for those who typed it; null when nothing is wrong.
create function private.wrong_setting(p_row jsonb) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  wrong text := case
    when p_row ->> 'exchange' not in ('aster', 'oanda', 'tradier', 'tradier_options', 'tastytrade', 'paper')
      or p_row -> 'exchange' = 'null'
      then 'the exchange must be aster, oanda, tradier, tradier_options, tastytrade or paper'
    when coalesce(length(p_row ->> 'trading_hours_preset') not between 1 and 50, true)
      then 'trading_hours_preset must have 1 to 50 characters'
    when length(p_row ->> 'notes') > 10000 then 'notes must have at most 10000 characters'
  end;
begin
  return coalesce(wrong, (
    select format('%s must be true or false', s.name)
    from unnest(array['enabled', 'allow_weekends', 'news_filter', 'auto_close_outside_window']) as s (name)
    where p_row -> s.name = 'null' limit 1
  ), (
    select format('%s must be a number from 0 to %s', l.name, l.most)
    from (
      values
      ('max_trades_per_day', 2147483647), ('max_position_size_usd', 1000000000000000), ('take_profit_percent', 10000),
      ('stop_loss_percent', 100), ('position_size_percent', 10000), ('strike_tolerance_percent', 100),
      ('entry_limit_offset_percent', 100), ('tp_percent', 10000), ('sl_percent', 100), ('max_signal_age_sec', 2147483647),
      ('max_open_positions', 2147483647)
    ) as l (name, most)
    where p_row ? l.name and coalesce((p_row ->> l.name)::numeric not between 0 and l.most, true) limit 1
  ));
end
$$;

-- Checks by a trigger where a constraint could only say that something is wrong, and not what.
create function private.check_trade_settings() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  setting record;
  amount numeric;
  wrong text := private.wrong_setting(to_jsonb(new));
begin
  if wrong is not null then
    raise exception '%', wrong
    using errcode = '22023', hint = 'Nothing was saved; correct the value. 0 means no limit, and null is no value here.';
  end if;
  -- As text, because a constraint on an element would fail on what is no array. jsonb writes one blank after a comma.
  if coalesce(new.trading_window::text !~ '^\["([01]\d|2[0-3]):[0-5]\d", "([01]\d|2[0-3]):[0-5]\d"\]$', true) then
    raise exception 'trading_window must be two times of day'
    using errcode = '22023', hint = 'For example ["09:30", "16:00"]; the times are those of New York.';
  end if;
  if coalesce(jsonb_typeof(new.extra_settings) <> 'object', true) then
    raise exception 'extra_settings must be an object' using errcode = '22023', hint = 'For example {"pyramiding": true}.';
  end if;
  for setting in select e.key, e.value, jsonb_typeof(e.value) as kind from jsonb_each(new.extra_settings) e loop
    if setting.key = 'on_opposite' then
      if setting.value not in ('"reverse"', '"close"', '"reject"') then
        raise exception 'extra_settings.on_opposite must be "reverse", "close" or "reject"'
        using errcode = '22023', hint = 'It says what an entry does while the other side is open.';
      end if;
    elsif setting.key in ('pyramiding', 'allow_short') then
      if setting.kind <> 'boolean' then
        raise exception 'extra_settings.% must be true or false', setting.key
        using errcode = '22023', hint = 'Without quotation marks.';
      end if;
    elsif setting.key in (
      'max_daily_loss_usd', 'max_leverage', 'max_slippage_percent', 'cooldown_sec', 'max_exit_age_sec') then
      amount := case when setting.kind = 'number' then setting.value::numeric end;
      -- A work order carries no more decimals than 20, and one that cannot be read is not executed, exits neither.
      if coalesce(amount not between 0 and 1000000000, true) or scale(trim_scale(amount)) > 12
        or setting.key in ('cooldown_sec', 'max_exit_age_sec') and amount <> trunc(amount) then
        raise exception 'extra_settings.% must be a number from 0 to 1000000000, in whole seconds if it is a time',
          setting.key
        using errcode = '22023', hint = 'Without quotation marks, with at most 12 decimals; 0 means no limit.';
      end if;
    else
      raise exception 'extra_settings has no setting "%"', left(setting.key, 60)
      using errcode = '22023', hint = 'Known are on_opposite, pyramiding, allow_short, max_daily_loss_usd, max_leverage, '
        'max_slippage_percent, cooldown_sec and max_exit_age_sec.';
    end if;
  end loop;
  return new;
end
$$;
create trigger check_settings before insert or update on public.trade_settings_global
for each row execute function private.check_trade_settings();
create trigger touch before update on public.trade_settings_global
for each row execute function private.touch_updated_at();
create trigger check_settings before insert or update on public.trade_settings_exchange
for each row execute function private.check_trade_settings();
create trigger touch before update on public.trade_settings_exchange
for each row execute function private.touch_updated_at();

alter table public.trade_settings_global enable row level security;
alter table public.trade_settings_global force row level security;
create policy own_settings_select on public.trade_settings_global for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_settings_insert on public.trade_settings_global for insert to authenticated
with check ((select auth.uid()) = user_id);
create policy own_settings_update on public.trade_settings_global for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_settings_delete on public.trade_settings_global for delete to authenticated
using ((select auth.uid()) = user_id);

alter table public.trade_settings_exchange enable row level security;
alter table public.trade_settings_exchange force row level security;
create policy own_exchange_settings_select on public.trade_settings_exchange for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_exchange_settings_insert on public.trade_settings_exchange for insert to authenticated
with check ((select auth.uid()) = user_id);
create policy own_exchange_settings_update on public.trade_settings_exchange for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_exchange_settings_delete on public.trade_settings_exchange for delete to authenticated
using ((select auth.uid()) = user_id);
-- Strategies: what a trader calls his ideas, with counters of the trades that came from each.

create type public.asset_class_type as enum ('forex', 'crypto', 'options', 'stocks', 'futures');

create table public.strategies (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  name text not null check (length(name) <= 100 and btrim(name) <> ''),
  description text check (length(description) <= 5000),
  asset_class public.asset_class_type,
  status text not null default 'inactive' check (status in ('active', 'inactive', 'testing')),
  pine_script text check (length(pine_script) <= 100000),
  pine_script_version text default 'v5' check (length(pine_script_version) <= 20),
  risk_level text check (risk_level in ('low', 'medium', 'high')),
  -- Below an upper bound also keeps NaN out, which sorts above every number.
  max_position_size_usd numeric(10, 2) check (max_position_size_usd >= 0 and max_position_size_usd < 100000000),
  stop_loss_percent numeric(5, 2) check (stop_loss_percent >= 0 and stop_loss_percent < 1000),
  take_profit_percent numeric(5, 2) check (take_profit_percent >= 0 and take_profit_percent < 1000),
  -- Where its alerts go when they do not say, and their size.
  exchange text check (exchange in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper')),
  environment text check (environment in ('production', 'sandbox', 'paper')),
  position_size_percent numeric(5, 2) check (position_size_percent >= 0 and position_size_percent <= 100),
  timeframe text check (length(timeframe) <= 20),
  symbols text[] check (cardinality(symbols) <= 200 and length(array_to_string(symbols, ',')) <= 10000),
  notes text check (length(notes) <= 10000),
  total_trades integer not null default 0 check (total_trades >= 0),
  winning_trades integer not null default 0 check (winning_trades >= 0),
  total_pnl_usd numeric not null default 0,
  losing_trades integer generated always as (total_trades - winning_trades) stored,
  success_rate numeric(5, 2) generated always as (round(winning_trades * 100.0 / nullif(total_trades, 0), 2)) stored,
  avg_profit numeric generated always as (round(total_pnl_usd / nullif(total_trades, 0), 2)) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- A name means one strategy of its trader. This is also the index of a trader's strategies.
  unique (user_id, name),
  unique (user_id, id)
);
comment on table public.strategies is 'A trader''s strategies. The counters follow his trades; nobody else writes them.';
comment on column public.strategies.notes is 'The trader''s own words, kept as they are: the dashboard reads lines of it.';
comment on column public.strategies.losing_trades is 'Trades that are no winners, so those without profit or loss too.';
comment on column public.strategies.success_rate is 'Winners in percent of all trades; null before the first.';
comment on column public.strategies.avg_profit is 'Profit per trade in USD; null before the first.';
create trigger touch before update on public.strategies
for each row execute function private.touch_updated_at();

-- What the checks of the table forbid, in words for those who typed it.
create function private.check_strategy() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  wrong text := case
    when coalesce(btrim(new.name) = '' or length(new.name) > 100, true) then 'a strategy''s name has 1 to 100 characters'
    when coalesce(new.status not in ('active', 'inactive', 'testing'), true)
      then 'a strategy''s status is active, inactive or testing'
    when new.risk_level not in ('low', 'medium', 'high') then 'a strategy''s risk level is low, medium or high'
    when not (new.max_position_size_usd >= 0 and new.max_position_size_usd < 100000000)
      then 'max_position_size_usd is a number from 0 to 100000000'
    when not (new.stop_loss_percent >= 0 and new.stop_loss_percent < 1000)
      then 'stop_loss_percent is a number from 0 to 1000'
    when not (new.take_profit_percent >= 0 and new.take_profit_percent < 1000)
      then 'take_profit_percent is a number from 0 to 1000'
    when new.exchange not in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper')
      then 'a strategy''s exchange is aster, oanda, tradier, tastytrade or paper'
    when new.environment not in ('production', 'sandbox', 'paper')
      then 'a strategy''s environment is production, sandbox or paper'
    when not (new.position_size_percent >= 0 and new.position_size_percent <= 100)
      then 'position_size_percent is a number from 0 to 100'
    when cardinality(new.symbols) > 200 or length(array_to_string(new.symbols, ',')) > 10000
      then 'a strategy has at most 200 symbols, together at most 10000 characters'
    when length(new.description) > 5000 then 'a description has at most 5000 characters'
    when length(new.notes) > 10000 then 'notes have at most 10000 characters'
    when length(new.pine_script) > 100000 then 'a Pine script has at most 100000 characters'
    when length(new.pine_script_version) > 20 or length(new.timeframe) > 20
      then 'pine_script_version and timeframe have at most 20 characters'
  end;
begin
  if wrong is not null then
    raise exception '%', wrong using errcode = '22023', hint = 'nothing was saved; correct the value and save again';
  end if;
  return new;
end
$$;
create trigger check_strategy before insert or update of
name, description, status, pine_script, pine_script_version, risk_level, max_position_size_usd, stop_loss_percent,
take_profit_percent, exchange, environment, position_size_percent, timeframe, symbols, notes
on public.strategies
for each row execute function private.check_strategy();

-- Whoever writes trades of several strategies locks those in the order of their ids. A trader who changes several of his
-- with one statement would lock them in any order, and the two could wait for each other.
create function private.lock_own_strategies() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform from public.strategies s where s.user_id = auth.uid() order by s.id for update;
  return null;
end
$$;
create trigger lock_in_order before update or delete on public.strategies
for each statement when (pg_trigger_depth() = 0) execute function private.lock_own_strategies();

alter table public.strategies enable row level security;
alter table public.strategies force row level security;
create policy own_strategies_select on public.strategies for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_strategies_insert on public.strategies for insert to authenticated
with check ((select auth.uid()) = user_id);
create policy own_strategies_update on public.strategies for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_strategies_delete on public.strategies for delete to authenticated
using ((select auth.uid()) = user_id);
-- Body secrets that traders choose themselves, and the address that they paste.

-- Null, or what is wrong with a secret that somebody chose.
create function private.weak_secret(p_secret text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when p_secret is null or length(p_secret) not between 16 and 200 then 'a webhook secret has 16 to 200 characters'
    when p_secret ~ '[[:cntrl:]]' or p_secret <> btrim(p_secret)
      then 'a webhook secret has no control characters and no blanks around it'
    when (select count(distinct c) from regexp_split_to_table(p_secret, '') c) < 8
      then 'a webhook secret has at least 8 different characters'
  end;
end
$$;

create function private.replace_webhook_secret(
  p_webhook public.user_webhook_configs, p_secret text, p_name text
) returns void
language plpgsql
set search_path = ''
as $$
declare
  stored jsonb := private.open_webhook(p_webhook);
  new_name text := p_webhook.name;
  latest integer;
begin
  if p_name <> new_name then
    new_name := private.webhook_name(p_webhook.user_id, p_name);
  end if;
  if stored ->> 'secret' <> p_secret then
    select max(c.generation) into latest from private.webhook_credentials c where c.webhook_id = p_webhook.id;
    delete from private.webhook_credentials c
    where c.webhook_id = p_webhook.id and c.kind = 'secret' and c.generation = latest;
    insert into private.webhook_credentials (hash, webhook_id, kind, generation)
    values (sha256(convert_to(p_secret, 'UTF8')), p_webhook.id, 'secret', coalesce(latest, 1));
    perform vault.update_secret(
      p_webhook.secret_id, (stored || jsonb_build_object('secret', p_secret))::text);
  end if;
  update public.user_webhook_configs w set name = new_name, secret_hint = right(p_secret, 4)
  where w.id = p_webhook.id;
end
$$;

-- Sets the body secret of the trader's oldest webhook and makes one if he has none; the URL token stays. Returns its id.
create function private.set_webhook_secret(p_user_id uuid, p_secret text, p_label text) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  weakness text := private.weak_secret(p_secret);
  actor text := case when private.caller_is_server() then 'dashboard' else 'trader' end;
  webhook public.user_webhook_configs;
  violated text;
begin
  if weakness is not null then
    raise exception '%', weakness using errcode = '22023', hint = 'a random UUID is a good secret';
  end if;
  -- Two first saves at once must make one webhook.
  perform private.lock_webhooks(p_user_id);
  select * into webhook from public.user_webhook_configs w
  where w.user_id = p_user_id order by w.created_at, w.id limit 1 for no key update;
  begin
    if webhook.id is null then
      webhook.id := (private.make_webhook(p_user_id, p_label, actor, p_secret) ->> 'id')::uuid;
    else
      perform private.replace_webhook_secret(webhook, p_secret, p_label);
    end if;
  exception when unique_violation then
    get stacked diagnostics violated = constraint_name;
    -- A taken name has its own sentence. Whose a taken secret is, nobody learns.
    if violated <> 'webhook_credentials_pkey' then
      raise;
    end if;
    raise exception 'this webhook secret cannot be used; choose another secret'
    using errcode = '22023', hint = 'a random UUID is a good secret';
  end;
  perform private.audit(p_user_id, actor, 'webhook.secret_set', webhook.id, '{}');
  return webhook.id;
end
$$;

create function public.webhook_url(p_webhook_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  stored jsonb := private.open_webhook(private.own_webhook(trader, p_webhook_id));
  base text := private.api_base();
  bare text := base || '/functions/v1/webhook';
  notes text[] := array[
    'Paste url into TradingView''s webhook field. Whoever has it can send alerts to your accounts; keep it to yourself.',
    'With url_without_token, the message must carry the secret in a field "secret".'
  ];
begin
  if base is null then
    notes := array_append(notes, 'The address of the API is not known here; put it in front of path.');
  elsif base !~ '^https://[^:]+$' then
    notes := array_append(notes, 'TradingView posts only to the ports 80 and 443 of a public address.');
  end if;
  -- The address holds the token, so this is a reveal like any other.
  perform private.audit(trader, 'trader', 'webhook.revealed', p_webhook_id, '{"as": "url"}');
  return jsonb_build_object(
    'id', p_webhook_id,
    'url', bare || '/' || (stored ->> 'token'),
    'url_without_token', bare,
    'path', '/functions/v1/webhook/' || (stored ->> 'token'),
    'signature_header', 'X-Sparky-Signature: t=<unix seconds>,v1=<hex hmac-sha256(secret, t + "." + body)>',
    'notes', to_jsonb(notes));
end
$$;
comment on function public.webhook_url is 'The address of one of the caller''s webhooks as TradingView wants it. It holds the token, so each call is on record.';
-- What a trader's settings come to: for a dashboard that shows what counts beside what was saved.

-- Saved, and obeyed by nothing so far. What is obeyed is what private.effective_settings and private.entry_limits name.
create function private.settings_without_effect() returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'auto_close_outside_window', 'Saved, but positions stay open when the window ends.',
    'news_filter', 'Saved, but there is no calendar of news.')
$$;

create function public.my_settings() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
begin
  return jsonb_build_object(
    'exchanges', (
      select jsonb_object_agg(e.exchange, private.effective_settings(trader, e.exchange, null)
        || jsonb_build_object('limits', private.entry_limits(trader, e.exchange, null, '{}', null)))
      from unnest(array['aster', 'oanda', 'tradier', 'tradier_options', 'tastytrade', 'paper']) as e (exchange)
    ),
    'without_effect', private.settings_without_effect());
end
$$;
comment on function public.my_settings is 'What counts for the caller''s next entry on each exchange, and the settings that are saved and have no effect yet.';
-- What counts for one signal: the trader's two rows and his strategy, narrowed, and the operator's switch.

-- The row of trade_settings_exchange that an instrument belongs to. A contract of Tradier is told by its OCC symbol, or by
-- an alert that names an option of its symbol.
create function private.settings_exchange(p_exchange text, p_symbol text, p_alert jsonb default '{}') returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when p_exchange = 'tradier'
      and (p_symbol ~ '^[A-Z0-9.]{1,6} *[0-9]{6}[CP][0-9]{8}$' or p_alert ?| '{right,legs}'::text[])
      then 'tradier_options'
    else p_exchange
  end;
end
$$;

-- Run for each signal of each claim: unique indexes and one row of each, and expressions that call no function of ours. What
-- is as private.default_settings says may be missing: most traders have chosen nothing, and pay for nothing else.
-- In least null is nothing; 0 is made null where it means no limit. p_exchange is a row of trade_settings_exchange. counted:
-- some limit that private.entry_limits counts is set.
create function private.settings_and_limits(
  p_user_id uuid, p_exchange text, p_strategy_id uuid, out settings jsonb, out counted boolean
)
language plpgsql
stable
set search_path = ''
as $$
declare
  platform private.platform_state;
  everywhere public.trade_settings_global;
  here public.trade_settings_exchange;
  strategy public.strategies;
begin
  select * into platform from private.platform_state;
  select * into everywhere from public.trade_settings_global g where g.user_id = p_user_id;
  select * into here from public.trade_settings_exchange e where e.user_id = p_user_id and e.exchange = p_exchange;
  if p_strategy_id is not null then
    select * into strategy from public.strategies s where s.user_id = p_user_id and s.id = p_strategy_id;
  end if;
  settings := jsonb_build_object(
    -- What cannot be told fails closed: no row is a halt.
    'trading_halted', coalesce(platform.trading_halted, true),
    'halt_reason', platform.halt_reason,
    'enabled', coalesce(everywhere.enabled, true) and coalesce(here.enabled, true),
    'max_signal_age_sec', coalesce(here.max_signal_age_sec, 60),
    -- Through numeric: 60.0 is a whole number that no integer is read from, and one error ends the claims of all traders.
    'max_exit_age_sec', coalesce(least(
      nullif((everywhere.extra_settings ->> 'max_exit_age_sec')::numeric::integer, 0),
      nullif((here.extra_settings ->> 'max_exit_age_sec')::numeric::integer, 0)), 0),
    'on_opposite', case
      when 'reject' in (everywhere.extra_settings ->> 'on_opposite', here.extra_settings ->> 'on_opposite') then 'reject'
      when 'close' in (everywhere.extra_settings ->> 'on_opposite', here.extra_settings ->> 'on_opposite') then 'close'
      when 'reverse' in (everywhere.extra_settings ->> 'on_opposite', here.extra_settings ->> 'on_opposite') then 'reverse'
      -- What that is depends on the instrument.
      else 'default'
    end,
    -- A row that does not mention a switch leaves it to the other row; where neither does, the default counts.
    'pyramiding', coalesce(least(
      (everywhere.extra_settings ->> 'pyramiding')::boolean, (here.extra_settings ->> 'pyramiding')::boolean), false),
    'allow_short', least(
      (everywhere.extra_settings ->> 'allow_short')::boolean, (here.extra_settings ->> 'allow_short')::boolean));
  counted := coalesce(
    everywhere.max_trades_per_day > 0 or everywhere.extra_settings ?| '{max_daily_loss_usd,cooldown_sec}'::text[], false)
  or coalesce(
    here.max_trades_per_day > 0 or here.max_open_positions > 0
    or here.extra_settings ?| '{max_daily_loss_usd,cooldown_sec}'::text[], false);
  if here.id is null and strategy.id is null and coalesce(
    everywhere.trading_hours_preset = '24/7' and everywhere.allow_weekends and everywhere.extra_settings = '{}'
    and everywhere.max_position_size_usd = 0 and everywhere.take_profit_percent = 0 and everywhere.stop_loss_percent = 0,
    true) then
    return;
  end if;
  settings := settings || jsonb_build_object(
    -- Both rows have to allow the moment. Who has no row has not restricted himself.
    'hours', jsonb_build_array(jsonb_build_object(
      'source', 'global', 'preset', coalesce(everywhere.trading_hours_preset, '24/7'),
      'begins', coalesce(everywhere.trading_window ->> 0, '00:00'), 'ends', coalesce(everywhere.trading_window ->> 1, '23:59')))
      || case when here.id is null then '[]' else jsonb_build_array(jsonb_build_object(
        'source', here.exchange, 'preset', here.trading_hours_preset,
        'begins', here.trading_window ->> 0, 'ends', here.trading_window ->> 1)) end,
    'allow_weekends', coalesce(everywhere.allow_weekends, true) and coalesce(here.allow_weekends, true),
    'max_position_size_usd', trim_scale(coalesce(least(
      nullif(everywhere.max_position_size_usd, 0), nullif(here.max_position_size_usd, 0), nullif(strategy.max_position_size_usd, 0)
    ), 0))::text,
    'position_size_percent', trim_scale(coalesce(
      nullif(strategy.position_size_percent, 0), here.position_size_percent, 0))::text,
    -- Those of options are percents of the premium, and have columns of their own.
    'take_profit_percent', trim_scale(coalesce(least(
      nullif(everywhere.take_profit_percent, 0), nullif(strategy.take_profit_percent, 0),
      nullif(case here.exchange when 'tradier_options' then here.tp_percent else here.take_profit_percent end, 0)), 0))::text,
    'stop_loss_percent', trim_scale(coalesce(least(
      nullif(everywhere.stop_loss_percent, 0), nullif(strategy.stop_loss_percent, 0),
      nullif(case here.exchange when 'tradier_options' then here.sl_percent else here.stop_loss_percent end, 0)), 0))::text,
    'strike_tolerance_percent', trim_scale(coalesce(here.strike_tolerance_percent, 1))::text,
    'entry_limit_offset_percent', trim_scale(coalesce(here.entry_limit_offset_percent, 1))::text,
    'max_leverage', trim_scale(coalesce(least(
      nullif((everywhere.extra_settings ->> 'max_leverage')::numeric, 0),
      nullif((here.extra_settings ->> 'max_leverage')::numeric, 0)), 0))::text,
    'max_slippage_percent', trim_scale(coalesce(least(
      nullif((everywhere.extra_settings ->> 'max_slippage_percent')::numeric, 0),
      nullif((here.extra_settings ->> 'max_slippage_percent')::numeric, 0)), 0))::text,
    -- Testing is not active: the plan counts active strategies only, and nothing else may trade.
    'strategy', case when strategy.id is not null
      then jsonb_build_object('name', strategy.name, 'active', strategy.status = 'active') end);
end
$$;

-- What counts where nobody has chosen anything: the worker takes the same for a field that it is not told.
create function private.default_settings() returns jsonb
language sql
immutable
set search_path = ''
as $$
  select '{
    "hours": [{"source": "global", "preset": "24/7", "begins": "00:00", "ends": "23:59"}], "allow_weekends": true,
    "max_position_size_usd": "0", "position_size_percent": "0", "take_profit_percent": "0", "stop_loss_percent": "0",
    "strike_tolerance_percent": "1", "entry_limit_offset_percent": "1", "max_leverage": "0", "max_slippage_percent": "0",
    "strategy": null}'::jsonb
$$;

create function private.effective_settings(
  p_user_id uuid, p_exchange text, p_symbol text, p_alert jsonb default '{}', p_strategy_id uuid default null
) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select private.default_settings() || f.settings from private.settings_and_limits(
      p_user_id, private.settings_exchange(p_exchange, p_symbol, p_alert), p_strategy_id) f
  );
end
$$;
-- How many exchanges and strategies a plan allows. Nothing is taken away by a smaller plan: what is over the limit, the
-- newest first, takes no new entries and is not edited. It may always be closed, deactivated and deleted.

create function private.exchanges_in_words(p_number integer) returns text
language sql
immutable
set search_path = ''
as $$
  select p_number::text || case p_number when 1 then ' exchange' else ' exchanges' end || ' beside paper'
$$;

-- Refuses what would be number p_place of what p_limit counts, while the trader has p_used of them.
create function private.check_plan_limit(p_user_id uuid, p_limit text, p_place integer, p_used integer) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  plan record;
  allowed integer;
  noun text;
begin
  select * into plan from private.current_plan(p_user_id);
  allowed := case p_limit when 'max_exchanges' then plan.max_exchanges else plan.max_strategies end;
  -- No plan at all, because an operator renamed or removed Free, is not a plan without limits.
  if plan.plan is null then
    allowed := 0;
  end if;
  if p_place > allowed then
    noun := case
      when p_limit = 'max_exchanges' then private.exchanges_in_words(allowed)
      else allowed::text || case allowed when 1 then ' active strategy' else ' active strategies' end
    end;
    -- PostgREST answers PTnnn with the status nnn: 402, payment required.
    raise exception 'Your plan % allows %, and you have %.', coalesce(plan.plan, 'Free'), noun, p_used
    using errcode = 'PT402',
      detail = json_build_object(
        'limit', p_limit, 'allowed', allowed, 'used', p_used, 'plan', coalesce(plan.plan, 'Free'), 'resets_at', null)::text,
      hint = case p_limit
        when 'max_exchanges' then 'Delete the keys of an exchange that you do not use, or book a larger plan.'
        else 'Deactivate or delete a strategy that you do not use, or book a larger plan.'
      end;
  end if;
end
$$;

-- Puts the changes that a limit counts in order, for one trader and no other.
create function private.lock_plan(p_user_id uuid, p_inserting boolean) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Before the lock of the plan, or the foreign key asks for the trader after it, while his deletion waits for a row
  -- whose update waits for this lock. An update holds its row already and must not ask.
  if p_inserting then
    perform private.keep_trader(p_user_id);
  end if;
  perform pg_advisory_xact_lock(hashtextextended('plan/' || p_user_id::text, 0));
end
$$;

-- A trader's exchanges, oldest first. Paper is no exchange that a plan counts.
create function private.exchanges_in_order(p_user_id uuid) returns text[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(array_agg(e.exchange order by e.since, e.exchange), '{}')
    from (
      select k.exchange, min(k.created_at) as since from public.user_api_keys k
      where k.user_id = p_user_id and k.exchange <> 'paper'
      group by k.exchange
    ) e
  );
end
$$;

create function private.limit_exchanges() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  exchanges text[];
begin
  perform private.lock_plan(new.user_id, tg_op = 'INSERT');
  exchanges := private.exchanges_in_order(new.user_id);
  -- A second account of an exchange that is over the limit is over it too.
  perform private.check_plan_limit(new.user_id, 'max_exchanges',
    coalesce(array_position(exchanges, new.exchange), cardinality(exchanges) + 1), cardinality(exchanges));
  return new;
end
$$;
create trigger limit_exchanges before insert or update of user_id, exchange on public.user_api_keys
for each row when (new.exchange <> 'paper') execute function private.limit_exchanges();

-- Why an account takes no new entries under the plan; null when it does. Asked with each entry.
create function private.account_over_limit(p_account public.user_api_keys) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  plan record;
begin
  if p_account.exchange = 'paper' then
    return null;
  end if;
  select * into plan from private.current_plan(p_account.user_id);
  if plan.plan is not null and plan.max_exchanges is null
    or array_position(private.exchanges_in_order(p_account.user_id), p_account.exchange) <= plan.max_exchanges then
    return null;
  end if;
  return format('Your plan %s allows %s, and %s is beyond that: it takes no new entries. Exits still pass. Delete the '
    'keys of another exchange or book a larger plan.',
    coalesce(plan.plan, 'Free'), private.exchanges_in_words(coalesce(plan.max_exchanges, 0)), p_account.exchange);
end
$$;

create function private.limit_strategies() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  used integer;
begin
  -- Row-level security refuses this row after the trigger: nothing of another trader may be told or locked before.
  if current_setting('role', true) = 'authenticated' and auth.uid() is distinct from new.user_id then
    return new;
  end if;
  perform private.lock_plan(new.user_id, tg_op = 'INSERT');
  select count(*)::integer into used from public.strategies s
  where s.user_id = new.user_id and s.status = 'active' and s.id <> new.id;
  perform private.check_plan_limit(new.user_id, 'max_strategies', used + 1, used);
  return new;
end
$$;
create trigger limit_active_insert before insert on public.strategies
for each row when (new.status = 'active') execute function private.limit_strategies();
create trigger limit_active_update before update of user_id, status on public.strategies
for each row when (new.status = 'active' and (old.status is distinct from 'active' or old.user_id <> new.user_id))
execute function private.limit_strategies();

-- The active strategies that the plan does not cover.
create function private.strategies_over_limit(p_user_id uuid) returns setof public.strategies
language plpgsql
stable
set search_path = ''
as $$
declare
  plan record;
begin
  select * into plan from private.current_plan(p_user_id);
  if plan.plan is not null and plan.max_strategies is null then
    return;
  end if;
  return query
  select s.* from public.strategies s
  where s.user_id = p_user_id and s.status = 'active'
  order by s.created_at, s.id
  offset coalesce(plan.max_strategies, 0);
end
$$;

create function private.keep_over_limit_as_it_is() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  used integer;
begin
  if exists (select from private.strategies_over_limit(old.user_id) o where o.id = old.id) then
    select count(*)::integer into used from public.strategies s where s.user_id = old.user_id and s.status = 'active';
    perform private.check_plan_limit(old.user_id, 'max_strategies', used, used);
  end if;
  return new;
end
$$;
-- Not status, so that it can be deactivated, and not the counters, which follow its trades.
create trigger keep_over_limit_as_it_is before update of
name, description, asset_class, pine_script, pine_script_version, risk_level, max_position_size_usd, stop_loss_percent,
take_profit_percent, exchange, environment, position_size_percent, timeframe, symbols, notes
on public.strategies
for each row when (old.status = 'active' and new.status = 'active')
execute function private.keep_over_limit_as_it_is();
-- Signals: accepted alerts, and those a trader must see because they were refused.

create table public.signals (
  id uuid primary key default gen_random_uuid(),
  -- Order of arrival. Per trader it is also the order of commit: ingest holds the trader's lock.
  seq bigint generated always as identity,
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  webhook_id uuid,
  account_id uuid,
  strategy_id uuid,
  exchange text,
  environment text,
  symbol text,
  action text,
  is_exit boolean not null default false,
  alert jsonb not null default '{}',
  raw text,
  warnings text[] not null default '{}',
  lane text generated always as (account_id::text || '/' || symbol) stored,
  status text not null default 'pending' check (
    status in ('pending', 'executing', 'done', 'rejected', 'rate_limited', 'expired', 'failed', 'review')
  ),
  reason_code text,
  reason text,
  plan jsonb,
  explanation jsonb,
  parent_id uuid,
  alert_at timestamptz,
  received_at timestamptz not null default clock_timestamp(),
  claimed_at timestamptz,
  entered_at timestamptz,
  submitted_at timestamptz,
  acknowledged_at timestamptz,
  finished_at timestamptz,
  claimed_by text,
  attempt integer not null default 0,
  fence bigint not null default 0,
  lease_until timestamptz,
  created_at timestamptz not null default now(),
  unique (user_id, id),
  foreign key (user_id, webhook_id) references public.user_webhook_configs (user_id, id)
  on delete set null (webhook_id),
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id)
  on delete set null (account_id),
  foreign key (user_id, strategy_id) references public.strategies (user_id, id)
  on delete set null (strategy_id),
  foreign key (user_id, parent_id) references public.signals (user_id, id)
  on delete set null (parent_id),
  check (status not in ('pending', 'executing') or lane is not null),
  check ((status = 'executing') = (lease_until is not null)),
  check ((status in ('pending', 'executing')) = (finished_at is null))
);
comment on table public.signals is 'Alerts that were accepted, and those refused that their trader must see. One signal has one effect.';
comment on column public.signals.alert is 'The alert as understood: canonical names, decimals as text, no secret.';
comment on column public.signals.raw is 'The alert as it came, without its secret.';
comment on column public.signals.fence is 'Grows with each claim; every later write must carry it.';
comment on column public.signals.parent_id is 'The signal that made this one: a close_all that closes each symbol, or an entry whose exits are still to be placed.';
comment on column public.signals.explanation is 'What was checked with its value and limit, and what was or would have been sent: {"checks","plan"}.';
comment on column public.signals.entered_at is 'When it was let in as an entry, which the trader''s limits count. Null again when nothing of it was opened.';
comment on column public.signals.plan is 'The legs decided by the first claim. Later claims continue it and never plan anew.';

create index signals_user on public.signals (user_id, received_at desc);
create index signals_webhook on public.signals (user_id, webhook_id);
create index signals_account on public.signals (user_id, account_id);
create index signals_strategy on public.signals (user_id, strategy_id) where strategy_id is not null;
create index signals_parent on public.signals (user_id, parent_id) where parent_id is not null;
create index signals_entered on public.signals (user_id, entered_at) where entered_at is not null;
-- Partial indexes on the live states: cost follows the work waiting, not the history.
create index signals_pending on public.signals (seq) where status = 'pending';
create index signals_pending_lane on public.signals (lane, seq) where status = 'pending';
-- For retention: alerts that never came to an order.
create index signals_without_orders on public.signals (status, finished_at)
where submitted_at is null and finished_at is not null;
create index signals_lease on public.signals (lease_until) where status = 'executing';
create index signals_review on public.signals (lane) where status = 'review';
create index signals_closing_all on public.signals (account_id)
where action = 'close_all' and status in ('pending', 'executing');
create unique index signals_one_executing_per_lane on public.signals (lane) where status = 'executing';

create function private.notify_of_signal(
  p_signal public.signals, p_kind text, p_severity text, p_title text
) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.notify(p_signal.user_id, p_kind, p_severity, p_title, p_signal.reason, jsonb_build_object(
    'signal_id', p_signal.id, 'account_id', p_signal.account_id, 'exchange', p_signal.exchange,
    'symbol', p_signal.symbol, 'reason_code', p_signal.reason_code));
end
$$;

-- Deleting an account ends what waits for it, before the foreign key takes the account off the signal.
create function private.end_signals_of_account() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  ended public.signals;
begin
  for ended in
    update public.signals set
      status = 'failed', reason_code = 'no_account', lease_until = null, finished_at = clock_timestamp(),
      fence = fence + 1,
      reason = case status
        when 'executing' then 'The account of this alert was deleted while it was executed; look at the venue itself.'
        else 'The account of this alert was deleted before it was executed.'
      end
    where user_id = old.user_id and account_id = old.id and status in ('pending', 'executing')
    returning *
  loop
    perform private.audit(ended.user_id, 'database', 'signal.finished', ended.id,
      '{"status": "failed", "reason_code": "no_account"}');
    -- Only what was begun may have left something at the venue.
    if ended.submitted_at is not null then
      perform private.notify_of_signal(ended, 'signal_failed', 'warning', format(
        '%s of %s was cut off', initcap(ended.action), ended.symbol));
    end if;
  end loop;
  return old;
end
$$;
create trigger end_signals before delete on public.user_api_keys
for each row execute function private.end_signals_of_account();

-- What makes an alert a repetition. Only accepted alerts are kept here: a refused one had no effect.
create table private.alert_keys (
  user_id uuid not null references auth.users (id) on delete cascade,
  key bytea not null,
  signal_id uuid not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (user_id, key)
);
create index alert_keys_expiry on private.alert_keys (expires_at) where expires_at < 'infinity';
create index alert_keys_lasting on private.alert_keys (created_at) where expires_at = 'infinity';

alter table public.signals enable row level security;
alter table public.signals force row level security;
create policy own_signals_select on public.signals for select to authenticated
using ((select auth.uid()) = user_id);
-- Counted limits on entries: how many a day, how many open, how much loss a day, how soon after the last. A claim shows
-- them, so that an entry that will not pass is not planned; private.begin_order decides, under a lock of the trader.

create function private.trading_day() returns timestamptz
language plpgsql
stable
set search_path = ''
as $$
begin
  return date_trunc('day', clock_timestamp(), 'America/New_York');
end
$$;

-- In all of these p_exchange is a row of trade_settings_exchange, or null for all of them together.

create function private.entries_today(p_user_id uuid, p_exchange text, p_except uuid) returns bigint
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select count(*) from public.signals s
    where s.user_id = p_user_id and s.entered_at >= private.trading_day() and s.id is distinct from p_except
      and (p_exchange is null or private.settings_exchange(s.exchange, s.symbol, s.alert) = p_exchange)
  );
end
$$;

-- Above zero is a loss. Of closed trades: what is open has lost nothing yet.
create function private.loss_today(p_user_id uuid, p_exchange text) returns numeric
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(-sum(t.pnl_usd), 0) from public.trades t
    where t.user_id = p_user_id and t.exit_time >= private.trading_day()
      and (p_exchange is null or private.settings_exchange(t.exchange, t.symbol) = p_exchange)
  );
end
$$;

-- What opens when a signal's plan is executed; the symbol of a chosen contract is known only to its plan.
create function private.opened_symbol(p_signal public.signals) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return coalesce(
    jsonb_path_query_first(p_signal.plan, '$.legs[*] ? (@.purpose == "open").symbol') #>> '{}', p_signal.symbol);
end
$$;

-- Positions of the exchange and those that its entries are about to open, but for those of p_symbols in p_account_id:
-- to add to a position, or to turn it, opens no further one.
create function private.open_positions(
  p_user_id uuid, p_exchange text, p_account_id uuid, p_symbols text[], p_except uuid
) returns bigint
language plpgsql
stable
set search_path = ''
as $$
declare
  since timestamptz := clock_timestamp() - interval '1 day';
begin
  return (
    select count(*)
    from (
      select p.account_id, p.symbol from public.positions p
      where p.user_id = p_user_id and private.settings_exchange(p.exchange, p.symbol) = p_exchange
      union
      select o.account_id, o.symbol from public.user_api_keys k
      join public.orders o on o.account_id = k.id and o.user_id = p_user_id
      where k.user_id = p_user_id and o.purpose = 'open' and o.signal_id is distinct from p_except
        and o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown')
        and private.settings_exchange(o.exchange, o.symbol) = p_exchange
      union
      -- One that is being executed has its place from the moment it was let in: its order may not be written yet, or be
      -- about to be sent again. Nothing is executed for a day: after twenty claims a person looks at it.
      select s.account_id, private.opened_symbol(s) from public.signals s
      where s.user_id = p_user_id and s.entered_at > since and s.status = 'executing'
        and s.id is distinct from p_except
        and private.settings_exchange(s.exchange, s.symbol, s.alert) = p_exchange
    ) u
    where p_account_id is null or u.account_id is distinct from p_account_id or u.symbol <> all(p_symbols)
  );
end
$$;

-- Whole seconds since the last entry in one of the symbols, and p_most when that is longer ago.
create function private.seconds_since_entry(
  p_user_id uuid, p_account_id uuid, p_symbols text[], p_except uuid, p_most numeric
) returns numeric
language plpgsql
stable
set search_path = ''
as $$
declare
  -- A value, because no index is searched by what is volatile.
  since timestamptz := clock_timestamp() - make_interval(secs => p_most::float8);
begin
  return coalesce((
    select floor(extract(epoch from clock_timestamp() - max(e.entered_at)))
    from (
      -- Offset 0 keeps the rest of the conditions out, or all signals of the account would be read by another index.
      select s.id, s.account_id, s.symbol, s.entered_at from public.signals s
      where s.user_id = p_user_id and s.entered_at > since
      offset 0
    ) e
    where e.account_id = p_account_id and e.symbol = any(p_symbols) and e.id is distinct from p_except
  ), p_most);
end
$$;

create function private.entry_limit(p_name text, p_scope text, p_limit numeric, p_used numeric, p_ok boolean)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'name', p_name, 'scope', p_scope, 'limit', trim_scale(p_limit)::text, 'used', trim_scale(p_used)::text, 'ok', p_ok);
end
$$;

-- Every counted limit that is set, and what is used of it: [{"name","scope","limit","used","ok"}]. p_except is the signal
-- that asks; p_symbols are those that it would open in p_account_id.
create function private.entry_limits(
  p_user_id uuid, p_exchange text, p_account_id uuid, p_symbols text[], p_except uuid
) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  everywhere public.trade_settings_global;
  here public.trade_settings_exchange;
  allowed numeric;
  used numeric;
  found jsonb := '[]'::jsonb;
begin
  select * into everywhere from public.trade_settings_global g where g.user_id = p_user_id;
  select * into here from public.trade_settings_exchange e where e.user_id = p_user_id and e.exchange = p_exchange;
  if here.max_trades_per_day > 0 then
    used := private.entries_today(p_user_id, p_exchange, p_except)::numeric;
    found := found || private.entry_limit(
      'max_trades_per_day', p_exchange, here.max_trades_per_day, used, used < here.max_trades_per_day);
  end if;
  if everywhere.max_trades_per_day > 0 then
    used := private.entries_today(p_user_id, null, p_except)::numeric;
    found := found || private.entry_limit(
      'max_trades_per_day', 'all', everywhere.max_trades_per_day, used, used < everywhere.max_trades_per_day);
  end if;
  if here.max_open_positions > 0 then
    used := private.open_positions(p_user_id, p_exchange, p_account_id, p_symbols, p_except)::numeric;
    found := found || private.entry_limit(
      'max_open_positions', p_exchange, here.max_open_positions, used, used < here.max_open_positions);
  end if;
  allowed := (here.extra_settings ->> 'max_daily_loss_usd')::numeric;
  if allowed > 0 then
    used := private.loss_today(p_user_id, p_exchange);
    found := found || private.entry_limit('max_daily_loss_usd', p_exchange, allowed, used, used < allowed);
  end if;
  allowed := (everywhere.extra_settings ->> 'max_daily_loss_usd')::numeric;
  if allowed > 0 then
    used := private.loss_today(p_user_id, null);
    found := found || private.entry_limit('max_daily_loss_usd', 'all', allowed, used, used < allowed);
  end if;
  -- The longer pause is the narrower limit.
  allowed := greatest(
    (here.extra_settings ->> 'cooldown_sec')::numeric, (everywhere.extra_settings ->> 'cooldown_sec')::numeric);
  if allowed > 0 then
    used := private.seconds_since_entry(p_user_id, p_account_id, p_symbols, p_except, allowed);
    found := found || private.entry_limit('cooldown_sec', case
      when (here.extra_settings ->> 'cooldown_sec')::numeric = allowed then p_exchange else 'all' end,
    allowed, used, used >= allowed);
  end if;
  return found;
end
$$;
-- Orders: one row for each order we want, written before the venue is asked. Fills: what the venue executed.

create table public.orders (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  account_id uuid,
  signal_id uuid not null,
  leg smallint not null check (leg between 1 and 20),
  client_order_id text not null unique check (client_order_id ~ '^[A-Za-z][A-Za-z0-9]{2,27}$'),
  exchange text not null,
  environment text not null,
  symbol text not null,
  side text not null check (side in ('buy', 'sell')),
  -- An exit is a limit order as a take-profit and a stop order as a stop-loss or trailing stop.
  order_type text not null check (order_type in ('market', 'limit', 'stop', 'stop_limit')),
  purpose text not null check (purpose in ('open', 'close', 'take_profit', 'stop_loss', 'trailing_stop')),
  -- Below infinity also keeps NaN out, which sorts above every number.
  quantity numeric not null check (quantity > 0 and quantity < 'infinity'),
  reduce_only boolean not null default false,
  reference_price numeric check (reference_price > 0 and reference_price < 'infinity'),
  -- The net price of a spread may be zero.
  limit_price numeric check (limit_price >= 0 and limit_price < 'infinity'),
  stop_price numeric check (stop_price > 0 and stop_price < 'infinity'),
  trail_distance numeric check (trail_distance > 0 and trail_distance < 'infinity'),
  trail_percent numeric check (trail_percent > 0 and trail_percent < 'infinity'),
  time_in_force text check (time_in_force in ('gtc', 'day', 'ioc', 'fok')),
  extended_hours boolean not null default false,
  attached_to smallint check (attached_to between 1 and 20),
  spread jsonb not null default '[]',
  state text not null default 'submitting' check (
    state in (
      'submitting', 'accepted', 'working', 'partially_filled', 'filled', 'cancelled', 'expired', 'refused', 'unknown',
      'absent'
    )
  ),
  venue_order_id text check (length(venue_order_id) <= 200),
  bookmark text check (length(bookmark) between 1 and 200),
  filled_quantity numeric not null default 0 check (filled_quantity >= 0 and filled_quantity < 'infinity'),
  average_price numeric check (average_price > 0 and average_price < 'infinity'),
  reason_code text,
  reason text,
  submissions integer not null default 1,
  submitted_at timestamptz not null default clock_timestamp(),
  acknowledged_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (signal_id, leg),
  unique (user_id, id),
  foreign key (user_id, signal_id) references public.signals (user_id, id) on delete cascade,
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id) on delete set null (account_id)
);
comment on table public.orders is 'One row for each order we want, written before the venue is asked.';
comment on column public.orders.submissions is 'How often a worker was allowed to send this order. More than 1 only after the venue certainly did not have it: by a look-up, because it never left, or because the venue said "not now".';
comment on column public.orders.bookmark is 'Where the venue''s record stood before the order was sent for the first time: a look-up reads from there. Null where the venue keeps none.';
comment on column public.orders.created_at is 'Before its first byte left: the row commits first, and being sent again does not change it.';
create trigger touch before update on public.orders
for each row execute function private.touch_updated_at();
create index orders_user on public.orders (user_id, created_at desc);
create index orders_signal on public.orders (user_id, signal_id);
create index orders_account on public.orders (user_id, account_id);
create index orders_live on public.orders (account_id)
where state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown');

create table public.fills (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  account_id uuid,
  order_id uuid not null,
  venue_fill_id text not null check (length(venue_fill_id) between 1 and 200),
  symbol text not null,
  side text not null check (side in ('buy', 'sell')),
  price numeric not null check (price > 0 and price < 'infinity'),
  quantity numeric not null check (quantity > 0 and quantity < 'infinity'),
  -- Below zero is a rebate.
  fee numeric check (fee > '-infinity' and fee < 'infinity'),
  fee_currency text,
  filled_at timestamptz not null,
  -- Rather than what it opened: a fee that comes later is charged by it.
  closed_quantity numeric not null default 0,
  created_at timestamptz not null default now(),
  check (closed_quantity >= 0 and closed_quantity <= quantity),
  foreign key (user_id, order_id) references public.orders (user_id, id) on delete cascade,
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id) on delete set null (account_id)
);
comment on table public.fills is 'What the venue executed, one row for each of its own fill ids.';
comment on column public.fills.fee is 'Null until the venue has told it: until then it counts as none, and afterwards it is charged once.';
comment on column public.fills.closed_quantity is 'How much of it took off a position; the rest opened one.';
-- Applying a fill twice changes nothing: the venue's own id decides. Some venues count fills per symbol.
create unique index fills_once on public.fills (user_id, account_id, symbol, venue_fill_id);
create index fills_user on public.fills (user_id, filled_at desc);
create index fills_without_fee on public.fills (account_id, filled_at) where fee is null;
create index fills_order on public.fills (user_id, order_id);

alter table public.orders enable row level security;
alter table public.orders force row level security;
create policy own_orders_select on public.orders for select to authenticated
using ((select auth.uid()) = user_id);

alter table public.fills enable row level security;
alter table public.fills force row level security;
create policy own_fills_select on public.fills for select to authenticated
using ((select auth.uid()) = user_id);
-- Positions: what is open now. Trades: closed round trips. Both follow fills and nothing else.
-- Prices and quantities have 18 decimals, more than any venue sends. Money and percent have no upper bound: a fill that
-- happened must never be refused because its product does not fit a column.

create table public.positions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  account_id uuid not null,
  strategy_id uuid,
  exchange text,
  asset_class public.asset_class_type,
  symbol text not null,
  side text not null check (side in ('BUY', 'SELL')),
  quantity numeric(38, 18) not null check (quantity > 0),
  entry_price numeric(38, 18) not null check (entry_price > 0),
  entry_time timestamptz not null,
  position_size_usd numeric not null,
  entry_fees numeric(38, 18) not null default 0,
  entry_order_id text,
  stop_loss_order_id text,
  take_profit_order_id text,
  stop_loss_price numeric(38, 18),
  take_profit_price numeric(38, 18),
  stop_loss_percent numeric(10, 4),
  take_profit_percent numeric(10, 4),
  current_price numeric(38, 18),
  unrealized_pnl_usd numeric,
  unrealized_pnl_percent numeric,
  last_price_update timestamptz,
  notes text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, account_id, symbol),
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id) on delete cascade,
  foreign key (user_id, strategy_id) references public.strategies (user_id, id) on delete set null (strategy_id)
);
comment on table public.positions is 'What is open now.';
comment on column public.positions.strategy_id is 'The strategy of the signal that opened it.';
comment on column public.positions.entry_fees is 'Fees of the open quantity; they count when it is closed.';
create trigger touch before update on public.positions
for each row execute function private.touch_updated_at();
create index positions_strategy on public.positions (user_id, strategy_id) where strategy_id is not null;

create table public.trades (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  account_id uuid,
  strategy_id uuid,
  exchange text,
  asset_class public.asset_class_type,
  symbol text not null,
  side text not null check (side in ('BUY', 'SELL')),
  entry_price numeric(38, 18) not null check (entry_price > 0),
  entry_time timestamptz not null,
  exit_price numeric(38, 18) not null check (exit_price > 0),
  exit_time timestamptz not null,
  quantity numeric(38, 18) not null check (quantity > 0),
  position_size_usd numeric not null,
  stop_loss_price numeric(38, 18),
  take_profit_price numeric(38, 18),
  stop_loss_percent numeric(10, 4),
  take_profit_percent numeric(10, 4),
  pnl_usd numeric not null,
  pnl_percent numeric not null,
  fees_usd numeric(38, 18) not null default 0,
  is_winner boolean not null,
  exit_reason text not null default 'signal',
  order_id text not null,
  notes text,
  created_at timestamptz not null default now(),
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id) on delete set null (account_id),
  foreign key (user_id, strategy_id) references public.strategies (user_id, id) on delete set null (strategy_id)
);
comment on table public.trades is 'Closed round trips, entry to exit, with their profit.';
comment on column public.trades.strategy_id is 'The strategy of the position that was closed first.';
comment on column public.trades.side is 'Side of the position that was closed.';
comment on column public.trades.pnl_usd is 'Net of the fees of entry and exit.';
-- One row for what one closing order took off one position, however many fills it came in.
create unique index trades_once on public.trades (user_id, order_id);
create index trades_exit on public.trades (user_id, exit_time desc);
create index trades_account on public.trades (user_id, account_id);
create index trades_strategy on public.trades (user_id, strategy_id) where strategy_id is not null;

-- Closes p_quantity of a position at p_price and writes it into the trade of the closing order.
create function private.close_quantity(
  p_position public.positions, p_order public.orders, p_price numeric, p_quantity numeric, p_fee numeric,
  p_at timestamptz
) returns void
language plpgsql
set search_path = ''
as $$
declare
  direction integer := case p_position.side when 'BUY' then 1 else -1 end;
  entry_fee numeric := p_position.entry_fees * p_quantity / p_position.quantity;
  pnl numeric := (p_price - p_position.entry_price) * p_quantity * direction - entry_fee - p_fee;
  cost numeric := p_position.entry_price * p_quantity;
begin
  insert into public.trades as t (
    user_id, account_id, strategy_id, exchange, asset_class, symbol, side, entry_price, entry_time, exit_price,
    exit_time, quantity, position_size_usd, pnl_usd, pnl_percent, fees_usd, is_winner, order_id
  ) values (
    p_position.user_id, p_position.account_id, p_position.strategy_id, p_position.exchange, p_position.asset_class,
    p_position.symbol, p_position.side, p_position.entry_price, p_position.entry_time, p_price, p_at, p_quantity,
    round(cost, 2), round(pnl, 8), round(pnl * 100 / cost, 4), entry_fee + p_fee, pnl > 0, p_order.client_order_id
  )
  on conflict (user_id, order_id) do update set
    -- The two differ when a fill of another order raised the position between two fills of this one.
    entry_price = (t.entry_price * t.quantity + excluded.entry_price * excluded.quantity)
      / (t.quantity + excluded.quantity),
    entry_time = least(t.entry_time, excluded.entry_time),
    exit_price = (t.exit_price * t.quantity + excluded.exit_price * excluded.quantity) / (t.quantity + excluded.quantity),
    exit_time = greatest(t.exit_time, excluded.exit_time),
    quantity = t.quantity + excluded.quantity,
    position_size_usd = t.position_size_usd + excluded.position_size_usd,
    pnl_usd = t.pnl_usd + excluded.pnl_usd,
    pnl_percent = round((t.pnl_usd + excluded.pnl_usd) * 100
      / (t.entry_price * t.quantity + excluded.entry_price * excluded.quantity), 4),
    fees_usd = t.fees_usd + excluded.fees_usd,
    is_winner = t.pnl_usd + excluded.pnl_usd > 0;
  if p_quantity >= p_position.quantity then
    delete from public.positions where id = p_position.id;
  else
    update public.positions set
      quantity = quantity - p_quantity,
      entry_fees = entry_fees - entry_fee,
      position_size_usd = round(entry_price * (quantity - p_quantity), 2)
    where id = p_position.id;
  end if;
end
$$;

create function private.open_quantity(
  p_order public.orders, p_price numeric, p_quantity numeric, p_fee numeric, p_at timestamptz
) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.positions as p (
    user_id, account_id, strategy_id, exchange, symbol, side, quantity, entry_price, entry_time, position_size_usd,
    entry_fees, entry_order_id
  ) values (
    p_order.user_id, p_order.account_id, (select s.strategy_id from public.signals s where s.id = p_order.signal_id),
    p_order.exchange, p_order.symbol, upper(p_order.side), p_quantity, p_price, p_at, round(p_price * p_quantity, 2), p_fee,
    p_order.client_order_id
  )
  on conflict (user_id, account_id, symbol) do update set
    entry_price = (p.entry_price * p.quantity + excluded.entry_price * excluded.quantity)
      / (p.quantity + excluded.quantity),
    quantity = p.quantity + excluded.quantity,
    entry_fees = p.entry_fees + excluded.entry_fees,
    position_size_usd = p.position_size_usd + excluded.position_size_usd;
end
$$;

-- Takes a fee off the profit of a trade that is written already.
create function private.charge_trade(p_trade uuid, p_fee numeric) returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.trades t set
    fees_usd = t.fees_usd + p_fee,
    pnl_usd = round(t.pnl_usd - p_fee, 8),
    pnl_percent = round((t.pnl_usd - p_fee) * 100 / (t.entry_price * t.quantity), 4),
    is_winner = t.pnl_usd - p_fee > 0
  where t.id = p_trade;
end
$$;

-- The fee of a fill that was applied without one, charged once: what closed, to the trade of its order; what opened, to
-- the position while that is open, and else to the trade that closed it last.
create function private.charge_late_fee(p_order public.orders, p_fill jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  late numeric := (p_fill ->> 'fee')::numeric;
  filled public.fills;
  opened numeric;
begin
  update public.fills f set fee = late, fee_currency = p_fill ->> 'fee_currency'
  where f.user_id = p_order.user_id and f.account_id = p_order.account_id and f.symbol = p_order.symbol
    and f.venue_fill_id = p_fill ->> 'venue_fill_id' and f.fee is null and late is not null
  returning * into filled;
  if not found or late = 0 then
    return;
  end if;
  opened := late * (filled.quantity - filled.closed_quantity) / filled.quantity;
  perform private.charge_trade(t.id, late - opened)
  from public.trades t
  where t.user_id = p_order.user_id and t.order_id = p_order.client_order_id and filled.closed_quantity > 0;
  if filled.closed_quantity = filled.quantity then
    return;
  end if;
  update public.positions p set entry_fees = p.entry_fees + opened
  where p.user_id = p_order.user_id and p.account_id = p_order.account_id and p.symbol = p_order.symbol
    and p.side = upper(p_order.side) and p.entry_time <= filled.filled_at;
  if not found then
    perform private.charge_trade(t.id, opened)
    from (
      select c.id from public.trades c
      where c.user_id = p_order.user_id and c.account_id = p_order.account_id and c.symbol = p_order.symbol
        and c.side = upper(p_order.side) and filled.filled_at between c.entry_time and c.exit_time
      order by c.exit_time desc limit 1
    ) t;
  end if;
end
$$;

-- What leaves a position at the venue, beside it: the stop nearest and the target nearest, as a dashboard has one column.
create function private.show_exits(p_user_id uuid, p_account_id uuid, p_symbol text) returns void
language plpgsql
set search_path = ''
as $$
declare
  held public.positions;
  stop public.orders;
  target public.orders;
begin
  select * into held from public.positions p
  where p.user_id = p_user_id and p.account_id = p_account_id and p.symbol = p_symbol;
  if not found then
    return;
  end if;
  select o.* into stop from public.orders o
  where o.account_id = p_account_id and o.user_id = p_user_id and o.symbol = p_symbol
    and o.state in ('accepted', 'working', 'partially_filled') and o.purpose in ('stop_loss', 'trailing_stop')
  order by abs(o.stop_price - held.entry_price), o.leg limit 1;
  select o.* into target from public.orders o
  where o.account_id = p_account_id and o.user_id = p_user_id and o.symbol = p_symbol
    and o.state in ('accepted', 'working', 'partially_filled') and o.purpose = 'take_profit'
  order by abs(o.limit_price - held.entry_price), o.leg limit 1;
  update public.positions p set
    stop_loss_order_id = stop.client_order_id, stop_loss_price = stop.stop_price,
    stop_loss_percent = least(coalesce(
      round(abs(stop.stop_price - held.entry_price) * 100 / held.entry_price, 4), stop.trail_percent), 999999),
    take_profit_order_id = target.client_order_id, take_profit_price = target.limit_price,
    take_profit_percent = least(round(abs(target.limit_price - held.entry_price) * 100 / held.entry_price, 4), 999999)
  where p.id = held.id;
end
$$;

-- Applies one fill, once: position and trade follow. A fill that crosses zero closes and then opens.
create function private.apply_fill(p_order public.orders, p_fill jsonb) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  price numeric := (p_fill ->> 'price')::numeric;
  quantity numeric := (p_fill ->> 'quantity')::numeric;
  -- What is not told yet counts as none until it is.
  fee numeric := coalesce((p_fill ->> 'fee')::numeric, 0);
  at timestamptz := (p_fill ->> 'filled_at')::timestamptz;
  held public.positions;
  closing numeric := 0::numeric;
begin
  insert into public.fills (
    user_id, account_id, order_id, venue_fill_id, symbol, side, price, quantity, fee, fee_currency, filled_at
  ) values (
    p_order.user_id, p_order.account_id, p_order.id, p_fill ->> 'venue_fill_id', p_order.symbol, p_order.side, price,
    quantity, (p_fill ->> 'fee')::numeric, p_fill ->> 'fee_currency', at
  ) on conflict (user_id, account_id, symbol, venue_fill_id) do nothing;
  if not found then
    perform private.charge_late_fee(p_order, p_fill);
    return false;
  end if;
  if p_order.spread <> '[]' then
    -- Its price is the net one of several options: no position and no trade of the underlying.
    return true;
  end if;
  select * into held from public.positions p
  where p.user_id = p_order.user_id and p.account_id = p_order.account_id and p.symbol = p_order.symbol
  for update;
  if found and held.side <> upper(p_order.side) then
    closing := least(quantity, held.quantity);
    update public.fills f set closed_quantity = closing
    where f.user_id = p_order.user_id and f.account_id = p_order.account_id and f.symbol = p_order.symbol
      and f.venue_fill_id = p_fill ->> 'venue_fill_id';
    perform private.close_quantity(held, p_order, price, closing, fee * closing / quantity, at);
  end if;
  if quantity > closing then
    perform private.open_quantity(p_order, price, quantity - closing, fee * (quantity - closing) / quantity, at);
  end if;
  return true;
end
$$;

alter table public.positions enable row level security;
alter table public.positions force row level security;
create policy own_positions_select on public.positions for select to authenticated
using ((select auth.uid()) = user_id);

alter table public.trades enable row level security;
alter table public.trades force row level security;
create policy own_trades_select on public.trades for select to authenticated
using ((select auth.uid()) = user_id);
-- The counters of strategies follow trades: written, grown by a later fill, moved, deleted.

-- One change: {"id","trades","winners","pnl"}. Strategies are locked in the order of their ids, as everywhere.
create function private.add_to_strategies(p_changes jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_changes is null then
    return;
  end if;
  perform from public.strategies s
  where s.id in (select (c ->> 'id')::uuid from jsonb_array_elements(p_changes) c)
  order by s.id for no key update;
  update public.strategies s set
    total_trades = s.total_trades + c.trades,
    winning_trades = s.winning_trades + c.winners,
    total_pnl_usd = s.total_pnl_usd + c.pnl
  from jsonb_to_recordset(p_changes) as c (id uuid, trades integer, winners integer, pnl numeric)
  where s.id = c.id;
end
$$;

-- By statement and not by row: a thousand trades that go at once change each strategy once.
create function private.count_new_trades() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.add_to_strategies(jsonb_agg(jsonb_build_object(
    'id', c.strategy_id, 'trades', c.trades, 'winners', c.winners, 'pnl', c.pnl)))
  from (
    select n.strategy_id, count(*) as trades, count(*) filter (where n.is_winner) as winners, sum(n.pnl_usd) as pnl
    from new_rows n where n.strategy_id is not null group by n.strategy_id
  ) c;
  return null;
end
$$;
create trigger count_new_trades after insert on public.trades
referencing new table as new_rows
for each statement execute function private.count_new_trades();

create function private.count_deleted_trades() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.add_to_strategies(jsonb_agg(jsonb_build_object(
    'id', c.strategy_id, 'trades', -c.trades, 'winners', -c.winners, 'pnl', -c.pnl)))
  from (
    select o.strategy_id, count(*) as trades, count(*) filter (where o.is_winner) as winners, sum(o.pnl_usd) as pnl
    from old_rows o where o.strategy_id is not null group by o.strategy_id
  ) c;
  return null;
end
$$;
create trigger count_deleted_trades after delete on public.trades
referencing old table as old_rows
for each statement execute function private.count_deleted_trades();

create function private.count_changed_trades() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.add_to_strategies(jsonb_agg(jsonb_build_object(
    'id', c.strategy_id, 'trades', c.trades, 'winners', c.winners, 'pnl', c.pnl)))
  from (
    select b.strategy_id, sum(b.trades) as trades, sum(b.winners) as winners, sum(b.pnl) as pnl
    from (
      select n.strategy_id, 1 as trades, n.is_winner::integer as winners, n.pnl_usd as pnl from new_rows n
      union all
      select o.strategy_id, -1, -o.is_winner::integer, -o.pnl_usd from old_rows o
    ) b
    where b.strategy_id is not null
    group by b.strategy_id
    -- What changes nothing locks nothing: the deletion of an account takes the account off its trades.
    having sum(b.trades) <> 0 or sum(b.winners) <> 0 or sum(b.pnl) <> 0
  ) c;
  return null;
end
$$;
create trigger count_changed_trades after update on public.trades
referencing old table as old_rows new table as new_rows
for each statement execute function private.count_changed_trades();
-- Option trades: an option bought with its exits, from entry order to end. One row for each contract that was traded.

create table public.option_trades (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  account_id uuid,
  strategy_id uuid,
  signal_id uuid,
  exchange text not null default 'tradier' check (exchange in ('tradier', 'tastytrade')),
  environment text not null default 'production' check (environment in ('production', 'sandbox')),
  status text not null default 'pending' check (
    status in ('pending', 'open', 'closed', 'cancelled', 'expired', 'assigned', 'failed')
  ),
  -- The name of the strategy when the trade was made, which stays when the strategy is deleted.
  strategy text check (length(strategy) <= 100),
  underlying_symbol text not null check (length(underlying_symbol) between 1 and 20),
  -- As the venue writes it: 21 characters with blanks in between, or without them.
  option_symbol text not null check (length(option_symbol) between 1 and 21),
  option_type text check (option_type in ('call', 'put')),
  -- Below infinity also keeps NaN out, which sorts above every number.
  strike_price numeric(18, 4) check (strike_price > 0 and strike_price < 'infinity'),
  expiration_date date,
  contract_size integer not null default 100 check (contract_size > 0),
  quantity_contracts numeric(18, 4) check (quantity_contracts > 0 and quantity_contracts < 'infinity'),
  entry_order_id text check (length(entry_order_id) <= 200),
  tp_order_id text check (length(tp_order_id) <= 200),
  sl_order_id text check (length(sl_order_id) <= 200),
  time_exit_order_id text check (length(time_exit_order_id) <= 200),
  entry_order jsonb,
  tp_leg jsonb,
  sl_leg jsonb,
  time_exit_order jsonb,
  entry_limit_price numeric(18, 8),
  tp_limit_price numeric(18, 8),
  sl_stop_price numeric(18, 8),
  sl_limit_price numeric(18, 8),
  -- Without an upper bound: what was executed must never be refused because it does not fit a column.
  cost_usd numeric,
  pnl_usd numeric,
  pnl_percent numeric,
  config_snapshot jsonb not null default '{}',
  extra_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id) on delete set null (account_id),
  foreign key (user_id, strategy_id) references public.strategies (user_id, id) on delete set null (strategy_id),
  foreign key (user_id, signal_id) references public.signals (user_id, id) on delete set null (signal_id)
);
comment on table public.option_trades is 'Options traded, each with the orders of its entry and its exits.';
comment on column public.option_trades.expiration_date is 'The day at the exchange, as it stands in the contract.';
create trigger touch before update on public.option_trades
for each row execute function private.touch_updated_at();
create index option_trades_user on public.option_trades (user_id, created_at desc);
create index option_trades_account on public.option_trades (user_id, account_id) where account_id is not null;
create index option_trades_strategy on public.option_trades (user_id, strategy_id) where strategy_id is not null;
create index option_trades_signal on public.option_trades (user_id, signal_id) where signal_id is not null;
create index option_trades_live on public.option_trades (account_id) where status in ('pending', 'open');

alter table public.option_trades enable row level security;
alter table public.option_trades force row level security;
create policy own_option_trades_select on public.option_trades for select to authenticated
using ((select auth.uid()) = user_id);
-- Balances: what an account held when its venue was last asked. One row for each account, without history.

create table public.account_balances (
  account_id uuid primary key,
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  exchange text not null,
  environment text not null,
  currency text not null check (length(currency) between 1 and 20),
  -- Between the infinities also keeps NaN out, which sorts above every number. Without another bound, as venues may owe.
  equity numeric not null check (equity > '-infinity' and equity < 'infinity'),
  cash numeric check (cash > '-infinity' and cash < 'infinity'),
  available numeric check (available > '-infinity' and available < 'infinity'),
  unrealised_pnl numeric check (unrealised_pnl > '-infinity' and unrealised_pnl < 'infinity'),
  as_of timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, account_id),
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id) on delete cascade
);
comment on table public.account_balances is 'What each account held when its venue was last asked, in the currency of the account.';
comment on column public.account_balances.equity is 'Cash and the value of open positions.';
comment on column public.account_balances.available is 'What new positions may use; null where the venue does not say.';
comment on column public.account_balances.as_of is 'When the venue said so.';
create trigger touch before update on public.account_balances
for each row execute function private.touch_updated_at();

alter table public.account_balances enable row level security;
alter table public.account_balances force row level security;
create policy own_balances_select on public.account_balances for select to authenticated
using ((select auth.uid()) = user_id);
-- Closed trades by day: the data set of the feature advanced_analytics.

create view public.trade_stats_daily with (security_invoker = true) as
select
  t.user_id,
  t.exchange,
  t.strategy_id,
  (t.exit_time at time zone 'UTC')::date as day,
  count(*) as trades,
  count(*) filter (where t.is_winner) as winners,
  sum(t.pnl_usd) as pnl_usd
from public.trades as t
-- In a select, so that it is asked once and not for each row.
where (select public.has_feature('advanced_analytics'))
group by t.user_id, t.exchange, t.strategy_id, (t.exit_time at time zone 'UTC')::date;
comment on view public.trade_stats_daily is 'Closed trades by UTC day, exchange and strategy. Empty without the feature advanced_analytics.';
-- The one way by which exchange keys leave the database: to a worker that has work on the account, one audit row each time.

-- Null when this secret does not open, so that its trader is told to save it again. Where Vault itself is out of order
-- the error goes on: that is no trader's fault, and what waits is tried again later.
create function private.open_secret(p_secret_id uuid) returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (select d.decrypted_secret from vault.decrypted_secrets d where d.id = p_secret_id);
exception
  when insufficient_resources or operator_intervention or system_error or object_not_in_prerequisite_state
    or syntax_error_or_access_rule_violation then
    raise;
  when others then
    raise warning 'secret % does not open (%)', p_secret_id, sqlstate;
    return null;
end
$$;

create function private.account_for_worker(p_account_id uuid) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'id', k.id, 'user_id', k.user_id, 'exchange', k.exchange, 'environment', k.environment,
      'key_version', k.key_version, 'status', k.status, 'form', k.form,
      'account_number', coalesce(k.account_id, k.found_account_id))
    from public.user_api_keys k
    where k.id = p_account_id
  );
end
$$;

-- Whether a worker holds a lease on anything of the account: a signal, a task or a comparison with the venue.
create function private.has_live_work(p_account_id uuid) returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  moment timestamptz := clock_timestamp();
begin
  return exists (
    select from private.reconciliations r where r.account_id = p_account_id and r.lease_until >= moment
  ) or exists (
    select from public.signals s
    where s.account_id = p_account_id and s.status = 'executing' and s.lease_until >= moment
  ) or exists (
    select from private.tasks t
    where t.account_id = p_account_id and t.state = 'running' and t.lease_until >= moment
  );
end
$$;

create function private.check_worker(p_worker text) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if coalesce(length(p_worker) not between 1 and 100, true) then
    raise exception 'a worker says its name, in 1 to 100 characters' using errcode = '22023';
  end if;
end
$$;

create function public.open_keys(p_worker text, p_account_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  opened record;
begin
  perform private.check_worker(p_worker);
  perform private.keep_trader((select k.user_id from public.user_api_keys k where k.id = p_account_id));
  -- One statement, so that version, form and secret are of one moment.
  select k.user_id, k.exchange, k.environment, k.form, k.key_version, private.open_secret(k.secret_id) as secret
  into opened
  from public.user_api_keys k
  where k.id = p_account_id and private.has_live_work(k.id);
  if not found then
    return jsonb_build_object('opened', false, 'reason', 'no_live_work');
  end if;
  if opened.secret is null then
    return jsonb_build_object('opened', false, 'reason', 'unreadable');
  end if;
  perform private.audit(opened.user_id, 'worker/' || p_worker, 'api_key.opened', p_account_id, jsonb_build_object(
    'exchange', opened.exchange, 'environment', opened.environment, 'form', opened.form,
    'key_version', opened.key_version));
  return jsonb_build_object(
    'opened', true, 'form', opened.form, 'secret', opened.secret, 'key_version', opened.key_version);
end
$$;
comment on function public.open_keys is 'The keys of an account on which a worker holds a lease, as they are stored; each opening is audited.';

create function public.reseal_keys(p_worker text, p_account_id uuid, p_key_version integer, p_sealed text)
returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  perform private.check_worker(p_worker);
  if not private.is_sealed(p_sealed) then
    raise exception 'plain keys are replaced by sealed ones only' using errcode = '22023';
  end if;
  perform private.keep_trader((select k.user_id from public.user_api_keys k where k.id = p_account_id));
  select * into account from public.user_api_keys k
  where k.id = p_account_id and k.key_version = p_key_version and k.form = 'plain' for update;
  if not found or not private.has_live_work(account.id) then
    return false;
  end if;
  perform vault.update_secret(account.secret_id, p_sealed);
  -- The same version: the content is the same, and whoever holds it opened may go on.
  update public.user_api_keys set form = 'sealed' where id = account.id;
  perform private.audit(account.user_id, 'worker/' || p_worker, 'api_key.resealed', account.id, jsonb_build_object(
    'exchange', account.exchange, 'environment', account.environment, 'key_version', account.key_version));
  return true;
end
$$;
comment on function public.reseal_keys is 'Replaces plain keys by the same keys sealed, if they are still those that the worker opened.';

-- A venue may give new keys for the old ones while a worker uses them. The version decides between two workers, and
-- between a worker and the trader: who stored first has won, and the other opens what is stored.
create function public.rotate_keys(p_worker text, p_account_id uuid, p_key_version integer, p_sealed text)
returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  perform private.check_worker(p_worker);
  if not private.is_sealed(p_sealed) then
    raise exception 'keys are replaced by sealed ones only' using errcode = '22023';
  end if;
  perform private.keep_trader((select k.user_id from public.user_api_keys k where k.id = p_account_id));
  select * into account from public.user_api_keys k
  where k.id = p_account_id and k.key_version = p_key_version for update;
  if not found or not private.has_live_work(account.id) then
    return null;
  end if;
  perform vault.update_secret(account.secret_id, p_sealed);
  update public.user_api_keys set form = 'sealed', key_version = key_version + 1 where id = account.id;
  perform private.audit(account.user_id, 'worker/' || p_worker, 'api_key.rotated', account.id, jsonb_build_object(
    'exchange', account.exchange, 'environment', account.environment, 'key_version', account.key_version + 1));
  return account.key_version + 1;
end
$$;
comment on function public.rotate_keys is 'Puts the keys that the venue gave in exchange in the place of those that the worker opened, and returns their version; null when others are stored by now or no work is live.';
-- A small durable queue for work that is not an alert. Some kinds the worker does itself, the others the database does in
-- small batches while a worker keeps calling work_task (188_task_batches.sql).

create table private.tasks (
  id bigint generated always as identity primary key,
  kind text not null check (
    kind in (
      'validate_key', 'seal_audit', 'retention', 'retire_audit', 'export_data', 'delete_account', 'provision_trader'
    )
  ),
  user_id uuid references auth.users (id) on delete cascade,
  account_id uuid references public.user_api_keys (id) on delete cascade,
  payload jsonb not null default '{}',
  state text not null default 'pending' check (state in ('pending', 'running', 'done', 'dead')),
  run_at timestamptz not null default now(),
  attempt integer not null default 0,
  fence bigint not null default 0,
  lease_until timestamptz,
  last_error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  check ((state = 'running') = (lease_until is not null))
);
create index tasks_due on private.tasks (run_at) where state = 'pending';
create index tasks_lease on private.tasks (lease_until) where state = 'running';
create index tasks_user on private.tasks (user_id);
create index tasks_account on private.tasks (account_id);
create index tasks_finished on private.tasks (finished_at) where finished_at is not null;
-- Of a periodic kind one at most waits or runs, however slow it is.
create unique index tasks_one_periodic on private.tasks (kind)
where kind in ('seal_audit', 'retention', 'retire_audit') and state in ('pending', 'running');

create table private.periodic_tasks (
  kind text primary key check (kind in ('seal_audit', 'retention', 'retire_audit')),
  every interval not null check (every > interval '0'),
  next_run_at timestamptz not null default now()
);
insert into private.periodic_tasks (kind, every) values
('seal_audit', '1 minute'), ('retention', '1 hour'), ('retire_audit', '1 day');

-- Called by each claim: whoever comes first after the time enqueues it, the others pass.
create function private.enqueue_periodic(p_now timestamptz) returns void
language plpgsql
set search_path = ''
as $$
begin
  if not exists (select from private.periodic_tasks p where p.next_run_at <= p_now) then
    return;
  end if;
  with due as materialized (
    select p.kind from private.periodic_tasks p where p.next_run_at <= p_now for update skip locked
  ), advanced as (
    update private.periodic_tasks p set next_run_at = p_now + p.every from due where p.kind = due.kind
    returning p.kind
  )
  insert into private.tasks (kind) select a.kind from advanced a
  on conflict (kind) where kind in ('seal_audit', 'retention', 'retire_audit') and state in ('pending', 'running') do nothing;
end
$$;

create function private.enqueue_task(p_kind text, p_user_id uuid, p_account_id uuid, p_payload jsonb) returns bigint
language sql
set search_path = ''
as $$
  insert into private.tasks (kind, user_id, account_id, payload)
  values (p_kind, p_user_id, p_account_id, p_payload)
  returning id
$$;

-- What every claim must say, of signals and of tasks.
create function private.check_claim(p_worker text, p_limit integer, p_lease_seconds integer) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if coalesce(length(p_worker) not between 1 and 100, true) or coalesce(p_limit not between 1 and 500, true)
    or coalesce(p_lease_seconds not between 1 and 600, true) then
    raise exception 'a claim needs a worker''s name, a limit of 1 to 500 and a lease of 1 to 600 seconds'
    using errcode = '22023';
  end if;
end
$$;

-- A task whose workers never lived to finish it is a dead letter too.
create function private.bury_hopeless_tasks(p_now timestamptz) returns void
language sql
set search_path = ''
as $$
  update private.tasks set
    state = 'dead', lease_until = null, finished_at = p_now, fence = fence + 1,
    last_error = 'begun ten times and never finished'
  where id in (
    select id from private.tasks where state = 'running' and lease_until < p_now and attempt >= 10
    for update skip locked
  )
$$;

create function public.claim_tasks(p_worker text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  moment timestamptz := clock_timestamp();
  answer jsonb;
begin
  perform private.check_claim(p_worker, p_limit, p_lease_seconds);
  perform private.bury_hopeless_tasks(moment);
  perform private.enqueue_periodic(moment);
  -- Two lists, because one condition over both states could use neither partial index.
  with due as materialized (
    select t.id, t.run_at from private.tasks t
    where t.state = 'pending' and t.run_at <= moment
    order by t.run_at
    limit p_limit
    for update skip locked
  ), abandoned as materialized (
    select t.id, t.run_at from private.tasks t
    where t.state = 'running' and t.lease_until < moment
    order by t.lease_until
    limit p_limit
    for update skip locked
  ), chosen as materialized (
    select c.id from (select * from due union all select * from abandoned) c order by c.run_at, c.id limit p_limit
  ), claimed as (
    update private.tasks t set
      state = 'running', attempt = t.attempt + 1, fence = t.fence + 1,
      lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from chosen where t.id = chosen.id
    returning t.*
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'task_id', c.id, 'kind', c.kind, 'fence', c.fence, 'attempt', c.attempt, 'payload', c.payload,
    'user_id', c.user_id, 'account', private.account_for_worker(c.account_id)
  ) order by c.id), '[]') into answer
  from claimed c;
  return answer;
end
$$;
comment on function public.claim_tasks is 'Up to p_limit due tasks, leased to the worker.';

-- Tells a trader once that his keys do not serve any more.
create function private.notify_of_keys(p_account public.user_api_keys) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.notify(
    p_account.user_id, 'keys_' || p_account.status, 'critical',
    format('The keys of %s are %s: alerts for it cannot be executed', p_account.label, p_account.status),
    p_account.status_reason, jsonb_build_object('account_id', p_account.id, 'exchange', p_account.exchange));
end
$$;

-- Keys whose time the venue has told are expired after it, whether or not anybody asks the venue again.
-- p_known is the status that its owner has been told.
create function private.expire_keys(p_account_id uuid, p_known text) returns void
language plpgsql
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  update public.user_api_keys set
    status = 'expired',
    status_reason = 'The keys ended at the venue on ' || to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
      || ' UTC: make new ones there and save them.'
  where id = p_account_id and status = 'valid' and expires_at <= clock_timestamp()
  returning * into account;
  if found and p_known <> 'expired' then
    perform private.audit(account.user_id, 'worker', 'api_key.expired', account.id,
      jsonb_build_object('expires_at', account.expires_at));
    perform private.notify_of_keys(account);
  end if;
end
$$;

-- A list of texts, cut to what a row should hold.
create function private.short_texts(p_texts jsonb) returns text[]
language sql
immutable
set search_path = ''
as $$
  select array(
    select left(t.words, 500) from jsonb_array_elements_text(coalesce(nullif(p_texts, 'null'), '[]'))
    with ordinality as t (words, n) order by t.n limit 20
  )
$$;

-- What a validation found out about an account, unless its keys were replaced meanwhile: those have a task of their own.
create function private.record_validation(p_task private.tasks, p_result jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  account public.user_api_keys;
  known text := (select k.status from public.user_api_keys k where k.id = p_task.account_id);
  accepted boolean := p_result ->> 'account_status' = 'valid';
begin
  update public.user_api_keys set
    status = p_result ->> 'account_status', status_reason = left(p_result ->> 'status_reason', 2000),
    validated_at = clock_timestamp(),
    -- Keys that the venue does not accept tell nothing new about themselves.
    permissions = case when accepted then private.short_texts(p_result -> 'permissions') else permissions end,
    notes = case when accepted then private.short_texts(p_result -> 'notes') else notes end,
    expires_at = case when accepted then (p_result ->> 'expires_at')::timestamptz else expires_at end,
    found_account_id = case
      when account_id is null and length(p_result ->> 'account_number') between 1 and 100
        then p_result ->> 'account_number'
      else found_account_id
    end
  where id = p_task.account_id
    and not exists (
      select from private.tasks later
      where later.account_id = p_task.account_id and later.kind = 'validate_key' and later.id > p_task.id
    )
  returning * into account;
  if not found then
    return;
  end if;
  perform private.audit(account.user_id, 'worker', 'api_key.validated', account.id,
    -- Not the venue's words: what they name, nobody knows, and the log is for ever.
    jsonb_build_object('status', account.status));
  -- Told once, not after each test that finds the same.
  if account.status in ('invalid', 'expired') and account.status <> known then
    perform private.notify_of_keys(account);
  end if;
  perform private.expire_keys(account.id, known);
end
$$;

-- One result: {"task_id","fence","ok","again","error","retry_in_seconds","account_status","status_reason"}, and of keys that
-- the venue accepts {"account_number","permissions":[…],"expires_at","notes":[…]}. "again" gives back a task that goes well
-- and is not at its end yet, so that others get their turn.
create function private.finish_task(p_result jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  task private.tasks;
  succeeded boolean;
  again boolean;
  dead boolean;
begin
  succeeded := coalesce((p_result ->> 'ok')::boolean, false);
  again := succeeded and coalesce((p_result ->> 'again')::boolean, false);
  perform private.keep_trader((select t.user_id from private.tasks t where t.id = (p_result ->> 'task_id')::bigint));
  -- The account before the task: in this order the deletion of an account takes them too. With the account locked,
  -- no task for newer keys can appear unseen.
  perform from public.user_api_keys k
  where k.id = (select t.account_id from private.tasks t where t.id = (p_result ->> 'task_id')::bigint)
  for no key update;
  select * into task from private.tasks
  where id = (p_result ->> 'task_id')::bigint and fence = (p_result ->> 'fence')::bigint and state = 'running'
  for update;
  if not found then
    return jsonb_build_object('task_id', p_result -> 'task_id', 'ok', false);
  end if;
  -- After ten attempts a person has to look.
  dead := not succeeded and (task.attempt >= 10 or p_result ->> 'retry_in_seconds' is null);
  update private.tasks set
    state = case when again then 'pending' when succeeded then 'done' when dead then 'dead' else 'pending' end,
    attempt = case when again then 0 else attempt end,
    run_at = clock_timestamp() + make_interval(secs => coalesce((p_result ->> 'retry_in_seconds')::numeric, 0)::float8),
    last_error = left(p_result ->> 'error', 2000),
    lease_until = null,
    finished_at = case when (succeeded and not again) or dead then clock_timestamp() end
  where id = task.id;
  if task.kind = 'validate_key' and p_result ->> 'account_status' is not null then
    perform private.record_validation(task, p_result);
  end if;
  return jsonb_build_object('task_id', p_result -> 'task_id', 'ok', true);
exception
  -- One result that does not fit must not undo the others of the same call.
  when data_exception or integrity_constraint_violation or program_limit_exceeded then
    return jsonb_build_object('task_id', p_result -> 'task_id', 'ok', false, 'error', sqlerrm, 'sqlstate', sqlstate);
end
$$;

create function public.finish_tasks(p_results jsonb) returns jsonb
language sql
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(private.finish_task(r) order by n), '[]')
  from jsonb_array_elements(p_results) with ordinality as results (r, n)
$$;
comment on function public.finish_tasks is 'Records results of tasks whose lease is still held; the rest answer false.';
-- A trader has the keys of an account tested now.

create function public.request_validation(p_account_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  account public.user_api_keys;
  waiting private.tasks;
  task bigint;
begin
  perform private.keep_trader(trader);
  select * into account from public.user_api_keys k
  where k.id = p_account_id and k.user_id = trader for no key update;
  if not found then
    raise exception 'you have no account of this id' using errcode = 'PT404', hint = 'list_api_keys() names your accounts';
  end if;
  select * into waiting from private.tasks t
  where t.account_id = account.id and t.kind = 'validate_key' and t.state in ('pending', 'running')
  order by t.id desc limit 1;
  if waiting.state = 'running' or waiting.run_at <= now() then
    return jsonb_build_object('task_id', waiting.id, 'queued', false);
  end if;
  if account.last_tested between now() - interval '10 seconds' and now() then
    raise exception 'these keys were tested less than 10 seconds ago'
    using errcode = 'PT429', hint = 'wait 10 seconds; the result shows in status and status_reason';
  end if;
  -- One that waits for a later time is brought forward: a second one would only do the same again.
  update private.tasks t set run_at = now() where t.id = waiting.id and t.state = 'pending' returning t.id into task;
  task := coalesce(task, private.enqueue_task('validate_key', trader, account.id, '{}'));
  update public.user_api_keys set last_tested = now() where id = account.id;
  return jsonb_build_object('task_id', task, 'queued', true);
end
$$;
comment on function public.request_validation is 'Has the keys of one of the caller''s accounts tested at once; the result shows in its status.';
-- Names and values of the alert language: one text in, one canonical value out, or null. Pure functions.

-- What may stand around a name or a value.
create function private.trim_blank(p_text text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- PostgreSQL 15 takes \v for the letter.
  return btrim(p_text, E' \t\r\n\f\x0b');
end
$$;

-- Names and words are compared without case, underscores, hyphens and blanks: a misspelt "StopLoss" must not become an
-- unknown field and its entry go out without a stop.
create function private.bare_word(p_text text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return translate(lower(p_text), E'_- \t\r\n\f\x0b\u00a0', '');
end
$$;

create function private.canonical_name(p_name text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- One constant, looked up: this runs for every name of every alert.
  return coalesce('{
    "secret": "secret",
    "id": "id", "signalid": "id", "alertid": "id",
    "exchange": "exchange", "venue": "exchange", "broker": "exchange",
    "environment": "environment",
    "symbol": "symbol", "ticker": "symbol", "underlying": "symbol",
    "action": "action", "side": "action",
    "marketposition": "market_position",
    "prevmarketposition": "prev_market_position",
    "marketpositionsize": "market_position_size",
    "ordertype": "order_type", "type": "order_type",
    "price": "price", "limitprice": "price",
    "stopprice": "stop_price",
    "timeinforce": "time_in_force",
    "quantity": "quantity", "qty": "quantity", "contracts": "quantity", "units": "quantity", "shares": "quantity",
    "positionsizeusd": "position_size_usd", "amountusd": "position_size_usd",
    "positionsizepercent": "position_size_percent", "sizepercent": "position_size_percent",
    "size": "position_size_percent",
    "riskpercent": "risk_percent", "riskusd": "risk_usd",
    "leverage": "leverage",
    "stoplosspercent": "stop_loss_percent", "stoploss": "stop_loss_percent",
    "takeprofitpercent": "take_profit_percent", "takeprofit": "take_profit_percent",
    "stoplossprice": "stop_loss_price", "takeprofitprice": "take_profit_price",
    "takeprofits": "take_profits",
    "trailingstoppercent": "trailing_stop_percent",
    "trailingstoppips": "trailing_stop_pips", "trailingstop": "trailing_stop_pips",
    "usetrailingstop": "use_trailing_stop",
    "closepercent": "close_percent", "sellpercentage": "close_percent",
    "reduceonly": "reduce_only",
    "strategy": "strategy", "strategyid": "strategy_id",
    "timestamp": "timestamp", "time": "timestamp", "timenow": "timestamp",
    "right": "right", "optiontype": "right",
    "strike": "strike", "expiration": "expiration", "dte": "dte", "optionsymbol": "option_symbol",
    "exitstrategy": "exit_strategy",
    "legs": "legs",
    "dryrun": "dry_run"
  }'::jsonb ->> private.bare_word(p_name), p_name);
end
$$;

-- How the value of a field is read; null for a name that is none of the language.
create function private.field_kind(p_name text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return '{
    "id": "id", "exchange": "exchange", "environment": "environment", "symbol": "symbol", "action": "action",
    "market_position": "market_position", "prev_market_position": "market_position",
    "market_position_size": "zero_or_more", "order_type": "order_type", "price": "above_zero",
    "stop_price": "above_zero", "time_in_force": "time_in_force", "quantity": "above_zero",
    "position_size_usd": "above_zero", "position_size_percent": "percent", "risk_percent": "percent",
    "risk_usd": "above_zero", "leverage": "leverage", "stop_loss_percent": "distance",
    "take_profit_percent": "distance", "stop_loss_price": "above_zero", "take_profit_price": "above_zero",
    "take_profits": "take_profits", "trailing_stop_percent": "percent", "trailing_stop_pips": "above_zero",
    "use_trailing_stop": "switch", "close_percent": "part", "reduce_only": "switch", "strategy": "name",
    "strategy_id": "uuid", "timestamp": "time", "right": "right", "strike": "above_zero", "expiration": "day",
    "dte": "days", "option_symbol": "option_symbol", "exit_strategy": "exit_strategy", "legs": "legs",
    "dry_run": "switch"
  }'::jsonb ->> p_name;
end
$$;

-- What a value of the kind has to be, in the words of a sentence that ends with it.
create function private.kind_in_words(p_kind text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return '{
    "id": "a text of at most 128 characters",
    "exchange": "aster, oanda, tradier, tradier_options, tastytrade or paper",
    "environment": "production (live), sandbox (practice, testnet) or paper",
    "symbol": "a symbol such as BTCUSDT, EUR_USD or AAPL",
    "action": "buy (long), sell (short), close (exit, flat), close_long, close_short, close_all or cancel",
    "leg_action": "buy or sell",
    "market_position": "long, short or flat",
    "order_type": "market, limit, stop or stop_limit",
    "time_in_force": "gtc, day, ioc or fok",
    "right": "call or put",
    "exit_strategy": "fixed_tp_sl, time_1h, time_2h or eod",
    "above_zero": "a plain number above zero, such as 1.5",
    "zero_or_more": "a plain number, zero or more, such as 1.5",
    "percent": "a percent above 0 and at most 100, such as 2.5",
    "distance": "a percent of the entry price, above 0 and below 1000, such as 2.5; a price belongs into the field whose name ends with _price",
    "part": "a percent from 0.1 to 100",
    "leverage": "a whole number from 1 to 1000",
    "days": "a whole number of days from 0 to 3650",
    "ratio": "a whole number from 1 to 100",
    "switch": "true or false",
    "name": "a name of at most 100 characters",
    "uuid": "the id of one of your strategies",
    "time": "unix seconds, unix milliseconds or a time such as 2026-04-17T14:30:00Z",
    "day": "a day that exists, such as 2026-04-17",
    "option_symbol": "an OCC symbol such as AAPL260417C00200000",
    "take_profits": "a list such as [{\"percent\":2,\"quantity_percent\":50},{\"price\":120,\"quantity_percent\":50}]",
    "legs": "a list such as [{\"action\":\"buy\",\"right\":\"call\",\"strike\":200,\"expiration\":\"2026-04-17\"},{\"action\":\"sell\",\"right\":\"call\",\"strike\":210,\"expiration\":\"2026-04-17\"}]"
  }'::jsonb ->> p_kind;
end
$$;

-- A plain decimal as canonical text, or null. NaN, infinities, exponents and separators are not plain.
create function private.plain_decimal(p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    -- Digits are spelt out, because \d also fits those of other scripts in some locales.
    when p_value ~ '^[+-]?([0-9]{1,15}(\.[0-9]{0,12})?|\.[0-9]{1,12})$' then trim_scale(p_value::numeric)::text
  end;
end
$$;

create function private.parse_boolean(p_value text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when lower(btrim(p_value)) in ('true', 'yes', '1', 'on') then true
    when lower(btrim(p_value)) in ('false', 'no', '0', 'off') then false
  end;
end
$$;

-- Unix seconds, unix milliseconds or ISO 8601 (without a zone: UTC). Null when it is none of them.
create function private.parse_time(p_value text) returns timestamptz
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
as $$
declare
  value text := btrim(p_value);
  moment timestamptz;
begin
  if value ~ '^[0-9]{9,10}(\.[0-9]{1,6})?$' then
    moment := to_timestamp(value::numeric::float8);
  elsif value ~ '^[0-9]{12,13}$' then
    moment := to_timestamp((value::numeric / 1000)::float8);
  elsif value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)? ?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?$'
    then
    moment := value::timestamptz;
  end if;
  -- The worker reads no others.
  return case when moment >= '1971-01-01' and moment < '2199-01-01' then moment end;
-- A day or an offset that does not exist.
exception when data_exception then
  return null;
end
$$;

create function private.parse_day(p_value text) returns date
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- The worker reads no others.
  return case when p_value ~ '^(19[7-9][0-9]|20[0-9]{2}|21[0-9]{2})-[0-9]{2}-[0-9]{2}$'
    then make_date(left(p_value, 4)::integer, substr(p_value, 6, 2)::integer, right(p_value, 2)::integer) end;
-- A day that does not exist.
exception when data_exception then
  return null;
end
$$;

-- One of the words that a field of the kind may have, in its canonical spelling; null when it is none of them.
create function private.parse_word(p_kind text, p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return '{
    "action": {
      "buy": "buy", "long": "buy", "sell": "sell", "short": "sell", "close": "close", "exit": "close", "flat": "close",
      "closelong": "close_long", "closeshort": "close_short", "closeall": "close_all", "cancel": "cancel"
    },
    "leg_action": {"buy": "buy", "sell": "sell"},
    "environment": {
      "production": "production", "live": "production", "sandbox": "sandbox", "practice": "sandbox",
      "testnet": "sandbox", "paper": "paper"
    },
    "market_position": {"long": "long", "short": "short", "flat": "flat"},
    "order_type": {"market": "market", "limit": "limit", "stop": "stop", "stoplimit": "stop_limit"},
    "time_in_force": {"gtc": "gtc", "day": "day", "ioc": "ioc", "fok": "fok"},
    "right": {"call": "call", "c": "call", "put": "put", "p": "put"},
    "exit_strategy": {"fixedtpsl": "fixed_tp_sl", "time1h": "time_1h", "time2h": "time_2h", "eod": "eod"}
  }'::jsonb -> p_kind ->> private.bare_word(p_value);
end
$$;

-- A number as jsonb: amounts as text, counts as number. Null when it is none, or out of the range of its kind.
create function private.parse_number(p_kind text, p_value text) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  plain text := private.plain_decimal(p_value);
  amount numeric := plain::numeric;
begin
  return case
    when p_kind in ('leverage', 'days', 'ratio') then case
      when amount = trunc(amount) and (
        p_kind = 'leverage' and amount between 1 and 1000
        or p_kind = 'days' and amount between 0 and 3650
        or p_kind = 'ratio' and amount between 1 and 100) then to_jsonb(amount) end
    when p_kind = 'above_zero' and amount > 0
      or p_kind = 'zero_or_more' and amount >= 0
      or p_kind = 'percent' and amount > 0 and amount <= 100
      or p_kind = 'distance' and amount > 0 and amount < 1000
      or p_kind = 'part' and amount between 0.1 and 100 then to_jsonb(plain)
  end;
end
$$;

-- One value as jsonb, or null when it cannot be understood. Lists have functions of their own.
create function private.parse_value(p_kind text, p_value text) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return case
    when p_kind in ('above_zero', 'percent', 'distance', 'zero_or_more', 'part', 'leverage', 'days', 'ratio')
      then private.parse_number(p_kind, p_value)
    when p_kind = 'symbol' then to_jsonb(private.canonical_symbol(null, p_value))
    when p_kind = 'time' then to_jsonb(private.parse_time(p_value))
    when p_kind = 'switch' then to_jsonb(private.parse_boolean(p_value))
    when p_kind = 'exchange' then to_jsonb(lower(btrim(p_value)))
    when p_kind = 'id' then case when length(p_value) <= 128 then to_jsonb(p_value) end
    when p_kind = 'name' then case when length(p_value) <= 100 then to_jsonb(p_value) end
    when p_kind = 'day' then to_jsonb(private.parse_day(p_value))
    when p_kind = 'uuid' then case
      when p_value ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' then to_jsonb(lower(p_value)) end
    when p_kind = 'option_symbol' then to_jsonb(private.option_symbol(
      regexp_replace(upper(p_value collate "C"), '^[A-Z0-9_]+:', '')))
    else to_jsonb(private.parse_word(p_kind, p_value))
  end;
end
$$;
-- Symbols as we write them, from whatever an alert says. worker/sparky/domain/symbols.py keeps the same rule, and one
-- table of cases holds both. Two spellings of one instrument must become one text, because it makes the lane.

-- The compact OCC symbol of an option, from a padded one or from one with a plain strike; null when it is none.
create function private.option_symbol(p_bare text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  day text := '[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])';
  parts text[];
begin
  if p_bare ~ ('^[A-Z][A-Z0-9]{0,5} {0,5}' || day || '[CP][0-9]{8}$') then
    return replace(p_bare, ' ', '');
  end if;
  parts := regexp_match(p_bare, '^([A-Z][A-Z0-9]{0,5}' || day || '[CP])([0-9]{1,5}(?:\.[0-9]{1,3})?)$');
  return parts[1] || lpad(trunc(parts[2]::numeric * 1000)::text, 8, '0');
end
$$;

create function private.share_symbol(p_bare text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  parts text[] := regexp_match(p_bare, '^([A-Z]{1,6})(?:[./-]([A-Z]{1,3}))?$');
begin
  return case
    when parts is null then private.option_symbol(p_bare)
    else parts[1] || coalesce('.' || parts[2], '')
  end;
end
$$;

create function private.future_symbol(p_bare text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  parts text[] := regexp_match(p_bare, '^/?([A-Z0-9]{1,4})([FGHJKMNQUVXZ])(?:20[0-9]|[0-9])?([0-9])$');
begin
  return '/' || parts[1] || parts[2] || parts[3];
end
$$;

-- Null when the text can be no symbol at that exchange. Without an exchange, and for one of no rule of its own: upper
-- case without exchange, suffix of perpetuals and slash.
create function private.canonical_symbol(p_exchange text, p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  trimmed text := private.trim_blank(p_value);
  bare text := regexp_replace(upper(trimmed collate "C"), '^[A-Z0-9_]+:', '');
  perpetual text := '(\.P|(?<=[A-Z0-9])[._-]?PERP)$';
  plain text;
begin
  if octet_length(trimmed) <> char_length(trimmed) then
    return null;
  elsif p_exchange = 'aster' then
    plain := regexp_replace(regexp_replace(bare, perpetual, ''), '[/._-]', '', 'g');
    return case when plain ~ '^[A-Z0-9]{1,40}$' then plain end;
  elsif p_exchange = 'oanda' then
    return case when bare ~ '^[A-Z0-9]{2,16}[/_-]?[A-Z]{3}$'
      then regexp_replace(bare, '[/_-]?([A-Z]{3})$', '_\1') end;
  elsif p_exchange = 'tradier' then
    return private.share_symbol(bare);
  elsif p_exchange = 'tastytrade' then
    return coalesce(private.future_symbol(bare), private.share_symbol(bare));
  end if;
  plain := coalesce(private.option_symbol(bare), replace(regexp_replace(bare, perpetual, ''), '/', ''));
  return case when plain ~ '^[A-Z0-9][A-Z0-9._-]{0,39}$' then plain end;
end
$$;

-- What to write, for a trader whose symbol can be none.
create function private.symbol_examples(p_exchange text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case p_exchange
    when 'aster' then 'BTCUSDT'
    when 'oanda' then 'EUR_USD or EURUSD'
    when 'tradier' then 'AAPL, BRK.B or, for an option, AAPL260417C00200000'
    when 'tastytrade' then 'AAPL, BRK.B, AAPL260417C00200000 for an option or /ESZ6 for a future'
    else 'BTCUSDT, EUR_USD or AAPL'
  end;
end
$$;
-- The alert language, parsed in one place: a body in, canonical fields or a reason out. Pure functions.

create type private.parsed_alert as (
  secret text,       -- as sent in the body, for finding the webhook; never stored
  fields jsonb,      -- canonical names; decimals as text; null when the body was not understood
  symbol_text text,  -- the symbol as sent: how it is written depends on the exchange, known with the account
  raw text,          -- the body without its secret
  warnings text [],
  reason_code text,  -- set when the alert cannot be accepted
  reason text
);

-- key=value pairs, one a line or separated by semicolons; null when the text is anything else.
create function private.read_pairs(p_body text, out pairs jsonb, out twice text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  text_of_pair text := '^[A-Za-z_][A-Za-z0-9_]*[ \t]*=';
begin
  if p_body !~ '^[; \t\r\n\f\v]*[A-Za-z_][A-Za-z0-9_]*[ \t]*=' then
    return;
  end if;
  with found as materialized (
    select private.trim_blank(p) as pair from regexp_split_to_table(p_body, E'[;\r\n]+') p where private.trim_blank(p) <> ''
  ), named as (
    select
      private.trim_blank(split_part(f.pair, '=', 1)) as name,
      to_jsonb(private.trim_blank(substr(f.pair, strpos(f.pair, '=') + 1))) as value
    from found f
    where (select bool_and(g.pair ~ text_of_pair) from found g)
  ), joined as (
    select n.name, max(n.value #>> '{}') as value, count(distinct n.value) > 1 as differs from named n group by n.name
  )
  select jsonb_object_agg(j.name, j.value), min(j.name) filter (where j.differs) into pairs, twice from joined j;
end
$$;

-- A name that stands twice with different values, in an object or in one of a list: jsonb would keep the last one and
-- nobody would know.
create function private.repeated_name(p_json json) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  if json_typeof(p_json) = 'object' then
    return (
      select min(k.key)
      from (select e.key from json_each(p_json) e group by e.key having count(distinct e.value::jsonb) > 1) k
    );
  elsif json_typeof(p_json) = 'array' then
    return (
      select min(private.repeated_name(i.value)) from json_array_elements(p_json) i
      where json_typeof(i.value) = 'object'
    );
  end if;
  return null;
end
$$;

-- JSON first, else pairs; null when it is neither. "twice" is a name that stands there twice with different values.
create function private.read_body(p_body text, out pairs jsonb, out twice text)
language plpgsql
immutable
set search_path = ''
as $$
begin
  begin
    pairs := p_body::jsonb;
    if jsonb_typeof(pairs) <> 'object' then
      pairs := null;
      return;
    end if;
    twice := private.repeated_name(p_body::json);
    if twice is null and strpos(p_body, '[') > 0 then
      select min(private.repeated_name(e.value)) into twice from json_each(p_body::json) e
      where json_typeof(e.value) = 'array' and private.canonical_name(e.key) in ('take_profits', 'legs');
    end if;
    return;
  exception
    -- Not JSON, or JSON that text, numeric or the stack cannot hold.
    when data_exception or program_limit_exceeded then
      pairs := null;
  end;
  select p.pairs, p.twice into pairs, twice from private.read_pairs(p_body) p;
end
$$;

-- Numbers that are short to send and long to store (1e99999), and nesting that no alert needs.
create function private.is_outsized(p_pairs jsonb) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when jsonb_path_exists(p_pairs, 'strict $.**{9}') then true
    else jsonb_path_exists(p_pairs, 'strict $.** ? (@.type() == "number"
      && (@ > 1e30 || @ < -1e30 || (@ != 0 && @ > -1e-30 && @ < 1e-30)))')
  end;
end
$$;

-- Walks the pairs of the body and fills fields, warnings and the first reason against it.
create function private.read_fields(
  p_pairs jsonb, out fields jsonb, out symbol_text text, out secret_names text[], out warnings text[],
  out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
-- Canonical times do not depend on the session.
set timezone = 'UTC'
as $$
declare
  pair record;
  name text;
  said text;
  kind text;
  list record;
  value jsonb;
begin
  fields := '{}';
  warnings := '{}';
  secret_names := '{}';
  for pair in select e.key, e.value as given from jsonb_each(p_pairs) e loop
    name := private.canonical_name(pair.key);
    said := private.trim_blank(pair.given #>> '{}');
    if name = 'secret' then
      secret_names := secret_names || pair.key;
      continue;
    -- TradingView leaves a placeholder without a value empty.
    elsif coalesce(said, '') in ('', '[]') then
      continue;
    end if;
    kind := private.field_kind(name);
    if kind is null then
      warnings := warnings || left(format('unknown field "%s"', pair.key), 120);
      continue;
    elsif kind in ('take_profits', 'legs') then
      select l.value, l.reason_code, l.reason into list from private.parse_list(kind, pair.given) l;
      value := list.value;
      reason := coalesce(reason, list.reason);
      reason_code := coalesce(reason_code, list.reason_code);
    else
      value := case when jsonb_typeof(pair.given) not in ('object', 'array') then private.parse_value(kind, said) end;
    end if;
    if value is null then
      reason_code := coalesce(reason_code, 'invalid_value');
      reason := coalesce(reason, format('"%s" is "%s"; it must be %s.', left(pair.key, 60), left(said, 60),
        private.kind_in_words(kind)));
    elsif kind = 'time' and fields ? name then
      -- {{time}} is the bar's, {{timenow}} the alert's own; a template may carry both, and the later one is meant.
      fields := fields || jsonb_build_object(name, to_jsonb(greatest(
        (fields ->> name)::timestamptz, (value #>> '{}')::timestamptz)));
    elsif fields -> name <> value then
      reason_code := coalesce(reason_code, 'unknown_field_combination');
      reason := coalesce(reason, format('The alert says "%s" twice with different values.', name));
    else
      fields := fields || jsonb_build_object(name, value);
      symbol_text := case when name = 'symbol' then said else symbol_text end;
    end if;
  end loop;
  if not fields ? 'order_type' then
    fields := fields || '{"order_type": "market"}';
  end if;
end
$$;

-- What cannot be read may hold a secret anywhere, so only its length is kept.
create function private.unread_alert(p_body text, p_reason_code text, p_reason text) returns private.parsed_alert
language sql
immutable
set search_path = ''
as $$
  select row(
    null, null, null, format('(%s bytes that are not understood)', octet_length(p_body)), '{}'::text[], p_reason_code, p_reason
  )::private.parsed_alert
$$;

-- The first of the names in order that has a text.
create function private.secret_of(p_pairs jsonb, p_names text[]) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case when p_names <> '{}' then (
    select p_pairs ->> n.name from unnest(p_names) n (name) where jsonb_typeof(p_pairs -> n.name) = 'string'
    order by n.name limit 1
  ) end;
end
$$;

create function private.parse_alert(p_body text) returns private.parsed_alert
language plpgsql
stable
set search_path = ''
as $$
declare
  body record;
  read record;
  result private.parsed_alert;
begin
  -- The edge function refuses what is longer than 16 KiB; decoding may lengthen it.
  if octet_length(p_body) > 65536 then
    return private.unread_alert(p_body, 'invalid_value', 'The alert is too long; 16 KiB is the limit.');
  end if;
  select b.pairs, b.twice into body from private.read_body(p_body) b;
  if body.pairs is null then
    return private.unread_alert(
      p_body, 'invalid_json', 'The alert is neither a JSON object nor key=value pairs.');
  elsif private.is_outsized(body.pairs) then
    result := private.unread_alert(
      p_body, 'invalid_value', 'The alert has a number beyond 30 digits or is nested too deep.');
    result.secret := private.secret_of(body.pairs, array(
      select k from jsonb_object_keys(body.pairs) k where private.canonical_name(k) = 'secret'
    ));
    return result;
  end if;
  select * into read from private.read_fields(body.pairs);
  result := row(
    private.secret_of(body.pairs, read.secret_names), read.fields, read.symbol_text,
    (body.pairs - read.secret_names)::text, read.warnings, read.reason_code, read.reason);
  if body.twice is not null then
    result.reason_code := 'unknown_field_combination';
    result.reason := format('The alert says "%s" twice with different values.', left(body.twice, 60));
  elsif result.reason_code is null then
    result := private.complete_alert(result);
  end if;
  if result.fields ->> 'exchange' = 'tradier_options' then
    result.fields := result.fields || '{"exchange": "tradier"}';
  end if;
  return result;
end
$$;
-- The two lists of the alert language: several take-profits, and the options of a spread. Pure functions.

-- A list as it stands in the body, or as JSON in text, which is how key=value pairs carry it; null when it is neither.
create function private.read_list(p_given jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  found jsonb := p_given;
begin
  if jsonb_typeof(found) = 'string' then
    found := (p_given #>> '{}')::jsonb;
    if private.is_outsized(found) or private.repeated_name((p_given #>> '{}')::json) is not null then
      return null;
    end if;
  end if;
  return case when jsonb_typeof(found) = 'array' then found end;
exception
  -- Not JSON, or JSON that text, numeric or the stack cannot hold.
  when data_exception or program_limit_exceeded then
    return null;
end
$$;

-- One object of a list. p_names says what may stand in it: a spelling's bare word, and the name and kind that it means.
create function private.read_item(
  p_item jsonb, p_names jsonb, out fields jsonb, out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  pair record;
  meant jsonb;
  value jsonb;
begin
  fields := '{}';
  for pair in
    select e.key, e.value as given, private.trim_blank(e.value #>> '{}') as text from jsonb_each(p_item) e order by e.key
  loop
    meant := p_names -> private.bare_word(pair.key);
    if coalesce(pair.text, '') = '' then
      continue;
    elsif meant is null then
      reason_code := 'invalid_value';
      reason := format('"%s" is no field of it', left(pair.key, 60));
      return;
    end if;
    value := case when jsonb_typeof(pair.given) not in ('object', 'array')
      then private.parse_value(meant ->> 1, pair.text) end;
    if coalesce(value, 'null') = 'null' then
      reason_code := 'invalid_value';
      reason := format('"%s" is "%s"; it must be %s', left(pair.key, 60), left(pair.text, 60),
        private.kind_in_words(meant ->> 1));
      return;
    elsif fields -> (meant ->> 0) <> value then
      reason_code := 'unknown_field_combination';
      reason := format('it says "%s" twice with different values', meant ->> 0);
      return;
    end if;
    fields := fields || jsonb_build_object(meant ->> 0, value);
  end loop;
end
$$;

-- What an item needs beside values that are understood.
create function private.check_item(p_kind text, p_item jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  missing text;
begin
  if p_kind = 'take_profits' and p_item ?& '{percent,price}' then
    reason_code := 'unknown_field_combination';
    reason := 'it has both "percent" and "price"; keep one of them';
    return;
  elsif p_kind = 'take_profits' then
    missing := case
      when not p_item ?| '{percent,price}' then '"percent" or "price"'
      when not p_item ? 'quantity_percent' then '"quantity_percent", its share of the position' end;
  else
    select '"' || n.name || '"' into missing
    from unnest('{action,right,strike,expiration}'::text[]) with ordinality as n (name, place)
    where not p_item ? n.name order by n.place limit 1;
  end if;
  if missing is not null then
    reason_code := 'missing_field';
    reason := 'it has no ' || missing;
  end if;
end
$$;

-- A whole list in canonical form, or the first thing against it.
create function private.parse_list(
  p_kind text, p_given jsonb, out value jsonb, out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  items jsonb := private.read_list(p_given);
  names jsonb := (case p_kind
    when 'take_profits' then '{"percent": ["percent", "distance"], "price": ["price", "above_zero"],
      "quantitypercent": ["quantity_percent", "percent"]}'
    else '{"action": ["action", "leg_action"], "side": ["action", "leg_action"], "right": ["right", "right"],
      "optiontype": ["right", "right"], "strike": ["strike", "above_zero"], "expiration": ["expiration", "day"],
      "ratio": ["ratio", "ratio"]}' end)::jsonb;
  item record;
  found record;
  checked record;
begin
  if items is null or jsonb_array_length(items) > 20 then
    reason_code := 'invalid_value';
    reason := format('"%s" must be %s.', p_kind, private.kind_in_words(p_kind));
    return;
  end if;
  value := '[]';
  for item in select e.value as given, e.place from jsonb_array_elements(items) with ordinality as e (value, place) loop
    if jsonb_typeof(item.given) <> 'object' then
      reason_code := 'invalid_value';
      reason := format('Number %s of "%s" is no object; it must be %s.', item.place, p_kind, private.kind_in_words(p_kind));
      return;
    end if;
    select * into found from private.read_item(item.given, names);
    select * into checked from private.check_item(p_kind, found.fields);
    reason_code := coalesce(found.reason_code, checked.reason_code);
    if reason_code is not null then
      reason := format('Number %s of "%s" is wrong: %s.', item.place, p_kind, coalesce(found.reason, checked.reason));
      return;
    end if;
    value := value || jsonb_build_array(case p_kind when 'legs' then '{"ratio": 1}' else '{}' end::jsonb || found.fields);
  end loop;
  select c.reason_code, c.reason into reason_code, reason from private.check_list(p_kind, value) c;
end
$$;

-- What a list may be as a whole.
create function private.check_list(p_kind text, p_list jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  number_of_items integer := jsonb_array_length(p_list);
  share numeric;
begin
  if p_kind = 'take_profits' and number_of_items > 10 then
    reason_code := 'invalid_value';
    reason := format('"take_profits" has %s targets; 10 is the most.', number_of_items);
  elsif p_kind = 'take_profits' then
    select sum((t.value ->> 'quantity_percent')::numeric) into share from jsonb_array_elements(p_list) t;
    if share > 100 then
      reason_code := 'invalid_value';
      reason := format('The targets of "take_profits" close %s percent of the position together; 100 is the most.', share);
    end if;
  elsif number_of_items not between 2 and 4 then
    reason_code := 'invalid_value';
    reason := format('"legs" has %s; a spread has 2 to 4 options. One option alone is named by "right", "strike" and '
      '"expiration".', number_of_items);
  elsif number_of_items > (
    select count(distinct l.value - '{action,ratio}'::text[]) from jsonb_array_elements(p_list) l
  ) then
    reason_code := 'unknown_field_combination';
    reason := '"legs" names one option twice; give it one leg with a "ratio".';
  end if;
end
$$;
-- What the fields of an alert mean together, and which of them contradict each other. Pure functions but for the day.

-- What can only make a position smaller. It passes the plan limit and a lane under review.
create function private.is_exit(p_fields jsonb) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case p_fields ->> 'market_position'
    -- The state that is wanted decides: reaching it may open, whatever the action.
    when 'long' then false
    when 'short' then false
    when 'flat' then true
    else coalesce(
      p_fields ->> 'action' like 'close%' or p_fields ->> 'action' = 'cancel' or (p_fields ->> 'reduce_only')::boolean, false)
  end;
end
$$;

create function private.is_option_symbol(p_symbol text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return coalesce(p_symbol ~ '^[A-Z][A-Z0-9]{0,5}[0-9]{6}[CP][0-9]{8}$', false);
end
$$;

-- What an OCC symbol says of its option, in the alert's own fields.
create function private.option_parts(p_symbol text) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  tail text := right(p_symbol, 15);
begin
  return jsonb_build_object(
    'right', case substr(tail, 7, 1) when 'C' then 'call' else 'put' end,
    'strike', trim_scale(right(tail, 8)::numeric / 1000)::text,
    'expiration', format('20%s-%s-%s', left(tail, 2), substr(tail, 3, 2), substr(tail, 5, 2)));
end
$$;

-- An OCC symbol, in "symbol" or in "option_symbol", becomes the symbol, and says what "right", "strike" and "expiration"
-- would say.
create function private.complete_option(p_alert private.parsed_alert) returns private.parsed_alert
language plpgsql
stable
set search_path = ''
as $$
declare
  named text := p_alert.fields ->> 'option_symbol';
  symbol text := coalesce(named, p_alert.fields ->> 'symbol');
  underlying text := replace(p_alert.fields ->> 'symbol', '.', '');
  parts jsonb;
  other text;
begin
  if named is not null and underlying <> named
    -- SPXW is an option on SPX, and AAPL1 one on AAPL.
    and not starts_with(left(named, -15), underlying) and not starts_with(underlying, left(named, -15)) then
    p_alert.reason_code := 'unknown_field_combination';
    p_alert.reason := format('"option_symbol" is %s, which is no option on the "symbol" %s; send one of them.', named,
      p_alert.fields ->> 'symbol');
    return p_alert;
  end if;
  if named is not null then
    p_alert.fields := p_alert.fields - 'option_symbol' || jsonb_build_object('symbol', named);
    p_alert.symbol_text := named;
  end if;
  parts := private.option_parts(symbol);
  select p.key into other from jsonb_each(parts) p where p_alert.fields -> p.key <> p.value order by p.key limit 1;
  other := coalesce(other, case when p_alert.fields ? 'dte' then 'dte' end);
  if other is not null then
    p_alert.reason_code := 'unknown_field_combination';
    p_alert.reason := format('The option %s is of %s, a %s with the strike %s; "%s" is %s. Remove "%s".', symbol,
      parts ->> 'expiration', parts ->> 'right', parts ->> 'strike', other, p_alert.fields ->> other, other);
  end if;
  p_alert.fields := p_alert.fields - '{right,strike,expiration}'::text[];
  return p_alert;
end
$$;

-- One message often serves a strategy's entries and exits, so what only an entry can use does not hold an exit back: it is
-- left out, and listed as a warning where the alert asks for an exit by its action.
create function private.leave_out_idle(p_alert private.parsed_alert) returns private.parsed_alert
language plpgsql
immutable
set search_path = ''
as $$
declare
  flat boolean := p_alert.fields ->> 'market_position' = 'flat';
  idle text[] := '{leverage,stop_loss_percent,take_profit_percent,stop_loss_price,take_profit_price,take_profits,
    trailing_stop_percent,trailing_stop_pips,use_trailing_stop,exit_strategy}'::text[];
begin
  if coalesce(flat, false) or p_alert.fields ->> 'action' in ('close_all', 'cancel') then
    idle := idle || '{quantity,position_size_usd,position_size_percent,risk_percent,risk_usd,market_position_size}'::text[];
  elsif p_alert.fields ->> 'action' not in ('buy', 'sell') then
    -- The other sizes say how much is closed.
    idle := idle || '{risk_percent,risk_usd}'::text[];
  end if;
  if p_alert.fields ?| idle then
    if flat is null then
      p_alert.warnings := p_alert.warnings || array(
        select format('"%s" has no effect on an exit', k.name)
        from jsonb_object_keys(p_alert.fields) k (name) where k.name = any(idle) order by k.name
      );
    end if;
    p_alert.fields := p_alert.fields - idle;
  end if;
  return p_alert;
end
$$;

-- Adds what follows from what was said, and then checks it.
create function private.complete_alert(p_alert private.parsed_alert) returns private.parsed_alert
language plpgsql
stable
set search_path = ''
as $$
declare
  checked record;
begin
  if not p_alert.fields ? 'action' and p_alert.fields ? 'market_position' then
    p_alert.fields := p_alert.fields || jsonb_build_object('action', case p_alert.fields ->> 'market_position'
      when 'long' then 'buy' when 'short' then 'sell' else 'close' end);
  end if;
  if p_alert.fields ->> 'action' = 'close_all' then
    if p_alert.fields ?| '{symbol,option_symbol}' then
      p_alert.warnings := p_alert.warnings || 'close_all closes every symbol of the account; "symbol" has no effect'::text;
    end if;
    p_alert.fields := p_alert.fields - 'option_symbol' || '{"symbol": "*"}';
    p_alert.symbol_text := null;
  elsif p_alert.fields ? 'option_symbol' or private.is_option_symbol(p_alert.fields ->> 'symbol') then
    p_alert := private.complete_option(p_alert);
  end if;
  if private.is_exit(p_alert.fields) then
    p_alert := private.leave_out_idle(p_alert);
  end if;
  if p_alert.reason_code is null then
    select c.reason_code, c.reason into checked from private.check_alert(p_alert.fields) c;
    p_alert.reason_code := checked.reason_code;
    p_alert.reason := checked.reason;
  end if;
  return p_alert;
end
$$;

-- Of fields that say one thing, those that are there, when they are more than one.
create function private.said_twice(p_fields jsonb, p_names text[]) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  given text[] := array(
    select n.name from unnest(p_names) with ordinality as n (name, place) where p_fields ? n.name order by n.place
  );
begin
  return case when cardinality(given) > 1 then '"' || array_to_string(given, '" and "') || '"' end;
end
$$;

create function private.check_sizes(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  sizes text := private.said_twice(p_fields, '{quantity,position_size_usd,position_size_percent,risk_percent,risk_usd,
    close_percent}');
begin
  if p_fields ? 'close_percent' and (
    p_fields ->> 'action' not in ('close', 'close_long', 'close_short') or p_fields ? 'market_position') then
    reason_code := 'unknown_field_combination';
    reason := case
      when p_fields ? 'market_position' then
        '"close_percent" and "market_position" contradict each other; "market_position_size" says how much is to stay open.'
      else format('"close_percent" belongs to close, close_long and close_short; this alert''s action is "%s".',
        p_fields ->> 'action') end;
  elsif sizes is not null then
    reason_code := 'size_conflict';
    reason := format('The alert has %s, which both say how much; send one of them.', sizes);
  end if;
end
$$;

create function private.check_exits(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  twice text := coalesce(
    private.said_twice(p_fields, '{stop_loss_percent,stop_loss_price}'),
    private.said_twice(p_fields, '{take_profit_percent,take_profit_price,take_profits}'),
    private.said_twice(p_fields, '{trailing_stop_percent,trailing_stop_pips}'),
    private.said_twice(p_fields, '{stop_loss_price,trailing_stop_percent,trailing_stop_pips}'),
    case when (p_fields ->> 'use_trailing_stop')::boolean
      then private.said_twice(p_fields, '{stop_loss_price,use_trailing_stop}') end);
begin
  if twice is not null then
    reason_code := 'unknown_field_combination';
    reason := format('The alert has %s, which both say where to leave the position; send one of them.', twice);
  end if;
end
$$;

create function private.check_target(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  wanted text := p_fields ->> 'market_position';
begin
  reason := case
    when wanted is null then '"market_position_size" says how much of a "market_position", and the alert has none; send '
      '"quantity" instead.'
    when p_fields ->> 'action' in ('cancel', 'close_all') then format(
      'The action "%s" and "market_position" contradict each other; send one of them.', p_fields ->> 'action')
    when p_fields ? 'legs' then 'A spread has no "market_position"; send the action buy or close.'
    when wanted <> 'flat' and (p_fields ->> 'reduce_only')::boolean then format(
      '"reduce_only" and the "market_position" %s contradict each other, because it may have to be opened; send one of '
      'them.', wanted)
    when wanted <> 'flat' and (p_fields ->> 'market_position_size')::numeric = 0 then format(
      '"market_position" is %s and "market_position_size" is 0; a size of 0 is flat.', wanted)
  end;
  reason_code := case when reason is not null then 'unknown_field_combination' end;
end
$$;

create function private.check_spread(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  other text;
begin
  select k.name into other from jsonb_object_keys(p_fields) k (name)
  where k.name in ('right', 'strike', 'expiration', 'dte', 'exit_strategy') order by k.name limit 1;
  if other is not null or private.is_option_symbol(p_fields ->> 'symbol') then
    reason_code := 'unknown_field_combination';
    reason := case
      when other is not null then format('"legs" name the options of a spread, "%s" belongs to one option alone; send '
        'one of them.', other)
      else format('The symbol of a spread is what its options are on, and %s is an option.', p_fields ->> 'symbol') end;
  end if;
end
$$;

create function private.check_option(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  named boolean := p_fields ? 'right' or private.is_option_symbol(p_fields ->> 'symbol');
  lone text;
begin
  select k.name into lone from jsonb_object_keys(p_fields) k (name)
  where k.name in ('strike', 'expiration', 'dte', 'exit_strategy') order by k.name limit 1;
  if p_fields ?& '{expiration,dte}' then
    reason_code := 'unknown_field_combination';
    reason := 'The alert has "expiration" and "dte", which both say when the option ends; send one of them.';
  elsif not named and lone is not null then
    reason_code := 'missing_field';
    reason := format('"%s" belongs to an option, and the alert has no "right"; send "right":"call" or "right":"put".', lone);
  elsif not named and p_fields ->> 'action' not in ('cancel', 'close_all') then
    reason_code := 'missing_field';
    reason := '"exchange" is "tradier_options", and the alert names no option; send "right":"call" or "right":"put", an '
      'OCC symbol or "legs". For shares the exchange is tradier.';
  elsif p_fields ? 'right' and p_fields ->> 'symbol' !~ '^[A-Z]{1,6}([.-][A-Z]{1,3})?$' then
    reason_code := 'unknown_field_combination';
    reason := format('"right" asks for an option on a share, and "symbol" is "%s".', left(p_fields ->> 'symbol', 60));
  end if;
end
$$;

-- The first day that has passed, of those on which the options of an entry end. Options of an exit may have ended.
create function private.check_days(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
stable
set search_path = ''
as $$
declare
  today date := (statement_timestamp() at time zone 'America/New_York')::date;
  day date := least(
    (p_fields ->> 'expiration')::date,
    case when private.is_option_symbol(p_fields ->> 'symbol')
      then private.parse_day(private.option_parts(p_fields ->> 'symbol') ->> 'expiration') end,
    (select min((l.value ->> 'expiration')::date) from jsonb_array_elements(p_fields -> 'legs') l));
begin
  if day < today and not private.is_exit(p_fields) then
    reason_code := 'invalid_value';
    reason := format('The option''s expiration %s has passed; in New York it is %s.', day, today);
  end if;
end
$$;

create function private.check_order_type(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  order_type text := p_fields ->> 'order_type';
  missing text := case
    when order_type in ('limit', 'stop_limit') and not p_fields ? 'price' then 'price'
    when order_type in ('stop', 'stop_limit') and not p_fields ? 'stop_price' then 'stop_price' end;
begin
  if missing is not null then
    reason_code := 'missing_field';
    reason := format('"order_type" is %s, and the alert has no "%s".', order_type, missing);
  elsif p_fields ? 'stop_price' and order_type in ('market', 'limit') then
    reason_code := 'unknown_field_combination';
    reason := format('"stop_price" belongs to the order types stop and stop_limit; this alert''s is %s. Where to leave '
      'the position is said by "stop_loss_price".', order_type);
  end if;
end
$$;

-- The first thing that an alert says wrongly as a whole. Each group is looked at only where it is there at all.
create function private.check_alert(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
stable
set search_path = ''
as $$
declare
  missing text := case
    when not p_fields ? 'symbol' then 'symbol'
    when not p_fields ? 'action' then 'action' end;
begin
  if missing is not null then
    reason_code := 'missing_field';
    reason := format('The alert has no "%s".', missing);
    return;
  end if;
  if p_fields ?| '{market_position,market_position_size}' then
    select * into reason_code, reason from private.check_target(p_fields);
  end if;
  if reason_code is null and (p_fields ->> 'order_type' <> 'market' or p_fields ? 'stop_price') then
    select * into reason_code, reason from private.check_order_type(p_fields);
  end if;
  if reason_code is null and (p_fields ? 'close_percent' or 1 < (p_fields ? 'quantity')::integer
    + (p_fields ? 'position_size_usd')::integer + (p_fields ? 'position_size_percent')::integer
    + (p_fields ? 'risk_percent')::integer + (p_fields ? 'risk_usd')::integer) then
    select * into reason_code, reason from private.check_sizes(p_fields);
  end if;
  if reason_code is null and p_fields ?| '{stop_loss_percent,stop_loss_price,take_profit_percent,take_profit_price,
    take_profits,trailing_stop_percent,trailing_stop_pips}' then
    select * into reason_code, reason from private.check_exits(p_fields);
  end if;
  if reason_code is not null then
    return;
  end if;
  if p_fields ? 'legs' then
    select * into reason_code, reason from private.check_spread(p_fields);
  elsif p_fields ?| '{right,strike,expiration,dte,exit_strategy}' or p_fields ->> 'exchange' = 'tradier_options' then
    select * into reason_code, reason from private.check_option(p_fields);
  end if;
  if reason_code is null and (
    p_fields ?| '{expiration,legs}' or private.is_option_symbol(p_fields ->> 'symbol')) then
    select * into reason_code, reason from private.check_days(p_fields);
  end if;
end
$$;

-- What only some exchanges have, once the account is known.
create function private.check_exchange(p_fields jsonb, p_exchange text, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_fields ? 'leverage' and p_exchange <> 'aster' then
    reason_code := 'unknown_field_combination';
    reason := format('"leverage" is %s, and %s takes none with an order, only aster does; remove it.',
      p_fields ->> 'leverage', p_exchange);
  elsif p_exchange not in ('tradier', 'tastytrade') and p_fields ?| '{right,legs}' then
    reason_code := 'unknown_field_combination';
    reason := format('"%s" asks for options, and %s has none; they are traded at tradier and tastytrade.',
      case when p_fields ? 'legs' then 'legs' else 'right' end, p_exchange);
  end if;
end
$$;
-- The messages that traders paste into TradingView, by exchange and style.

-- Exchange and style, as they can be combined. TradingView fills in what stands in double braces.
create function private.alert_styles() returns table (exchange text, style text, message text, sample text)
language sql
immutable
set search_path = ''
as $$
  select
    e.exchange,
    s.style,
    replace(s.message, '(exchange)', e.exchange) as message,
    e.sample
  from (
    values
    (1, 'aster', 'BTCUSDT', false),
    (2, 'oanda', 'EURUSD', false),
    (3, 'tradier', 'AAPL', false),
    (4, 'tradier_options', 'AAPL', true),
    (5, 'tastytrade', 'AAPL', false),
    (6, 'paper', 'BTCUSDT', false)
  ) as e (position, exchange, sample, options)
  join (
    values
    (1, 'strategy', false,
      '{"symbol":"{{ticker}}","action":"{{strategy.order.action}}","market_position":"{{strategy.market_position}}",'
      '"market_position_size":"{{strategy.market_position_size}}",'
      '"prev_market_position":"{{strategy.prev_market_position}}","quantity":"{{strategy.order.contracts}}",'
      '"price":"{{strategy.order.price}}","order_id":"{{strategy.order.id}}","timenow":"{{timenow}}",'
      '"exchange":"(exchange)"}'),
    (2, 'indicator', false,
      '{"symbol":"{{ticker}}","action":"buy","price":"{{close}}","timenow":"{{timenow}}","exchange":"(exchange)",'
      '"position_size_usd":500,"stop_loss_percent":1,"take_profit_percent":3}'),
    (3, 'market', false,
      '{"symbol":"{{ticker}}","action":"buy","price":"{{close}}","timenow":"{{timenow}}","exchange":"(exchange)",'
      '"position_size_usd":500}'),
    (4, 'close', false,
      '{"symbol":"{{ticker}}","action":"close","price":"{{close}}","timenow":"{{timenow}}","exchange":"(exchange)"}'),
    (5, 'option', true,
      '{"symbol":"{{ticker}}","action":"buy","right":"call","dte":7,"position_size_percent":5,"timenow":"{{timenow}}",'
      '"exchange":"(exchange)"}'),
    (6, 'close', true,
      '{"symbol":"{{ticker}}","action":"close","right":"call","timenow":"{{timenow}}","exchange":"(exchange)"}')
  ) as s (position, style, options, message) on s.options = e.options
  order by e.position, s.position
$$;

-- The message as TradingView would send it.
create function private.sample_alert(p_message text, p_sample text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  filled text := p_message;
  pair text[];
begin
  foreach pair slice 1 in array array[
    ['{{ticker}}', p_sample], ['{{close}}', '100.5'], ['{{timenow}}', '2026-01-02T03:04:05Z'],
    ['{{strategy.order.action}}', 'buy'], ['{{strategy.order.contracts}}', '2'], ['{{strategy.order.price}}', '100.5'],
    ['{{strategy.order.id}}', 'Long'], ['{{strategy.market_position}}', 'long'],
    ['{{strategy.market_position_size}}', '2'], ['{{strategy.prev_market_position}}', 'flat']
  ] loop
    filled := replace(filled, pair[1], pair[2]);
  end loop;
  return filled;
end
$$;

create function private.alert_field_notes() returns jsonb
language sql
immutable
set search_path = ''
as $$
  select '{
    "symbol": "The chart''s symbol; TradingView fills it in.",
    "action": "buy, sell or close; in a strategy''s alert TradingView fills it in.",
    "market_position": "The strategy''s position after this order. It decides: long, short or flat is what is reached.",
    "market_position_size": "How large that position is. The order''s own size is no measure of it: that of a reversal holds what it closes too.",
    "prev_market_position": "The strategy''s position before this order; shows an alert that was missed.",
    "quantity": "Size in the exchange''s unit: coins, units, shares.",
    "price": "The price when the alert fired; a size in dollars is counted by it.",
    "order_id": "Tells orders of the same second apart.",
    "timenow": "When the alert fired. A repetition is known by it, and an entry that comes too late expires.",
    "exchange": "Where the order goes.",
    "position_size_usd": "Size in US dollars. Change it to what you want to trade.",
    "position_size_percent": "Size in percent of the buying power.",
    "stop_loss_percent": "Closes when the price is this much worse than the entry.",
    "take_profit_percent": "Closes when the price is this much better than the entry.",
    "right": "call or put; the contract is chosen by your settings, by \"strike\" and by \"expiration\" or \"dte\".",
    "dte": "Days to the expiration."
  }'::jsonb
$$;

-- Asks the parser itself, so that a template never promises more than an alert gets.
create function private.describe_template(p_exchange text, p_style text, p_message text, p_sample text) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  alert private.parsed_alert := private.parse_alert(private.sample_alert(p_message, p_sample));
  wrong record;
begin
  select alert.reason_code, alert.reason into wrong;
  if wrong.reason_code is null then
    -- Nobody has accounts here: what matters is whether the exchange is one that an alert may name.
    select a.reason_code, a.reason into wrong from private.find_account(null, alert.fields) a
    where a.reason_code = 'unknown_exchange';
  end if;
  if wrong.reason_code is null then
    select * into wrong from private.check_exchange(alert.fields, alert.fields ->> 'exchange');
  end if;
  return jsonb_build_object(
    'exchange', p_exchange, 'style', p_style, 'message', p_message,
    'fields', (
      select jsonb_object_agg(k.name, private.alert_field_notes() -> k.name)
      from jsonb_object_keys(p_message::jsonb) k (name)
    ),
    'accepted_now', wrong.reason_code is null,
    'reason', wrong.reason);
end
$$;

create function public.alert_template(p_exchange text, p_style text) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  chosen record;
begin
  perform private.require_trader();
  select t.* into chosen from private.alert_styles() t where t.exchange = p_exchange and t.style = p_style;
  if chosen.exchange is null then
    raise exception 'there is no alert template for this exchange and style'
    using errcode = '22023', hint = (
      select 'there are: ' || string_agg(k.exchange || ' (' || k.styles || ')', ', ' order by k.n)
      from (
        select t.exchange, min(t.n) as n, string_agg(t.style, ', ' order by t.n) as styles
        from private.alert_styles() with ordinality as t (exchange, style, message, sample, n)
        group by t.exchange
      ) k
    );
  end if;
  return private.describe_template(chosen.exchange, chosen.style, chosen.message, chosen.sample);
end
$$;
comment on function public.alert_template is 'The message to paste into TradingView for an exchange and a style, what its fields mean, and whether it is accepted now.';

create function public.alert_templates() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_trader();
  return (
    select jsonb_agg(private.describe_template(t.exchange, t.style, t.message, t.sample) order by t.n)
    from private.alert_styles() with ordinality as t (exchange, style, message, sample, n)
  );
end
$$;
comment on function public.alert_templates is 'All alert templates there are.';
-- Where an alert goes: which strategy, account and symbol it means. Read-only; ingest decides what becomes of it.

-- The strategy that an alert names, or a reason code and sentence.
create function private.find_strategy(
  p_user_id uuid, p_fields jsonb, out strategy public.strategies, out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  named text := p_fields ->> 'strategy';
  given_id text := p_fields ->> 'strategy_id';
begin
  if given_id is not null then
    select * into strategy from public.strategies s where s.user_id = p_user_id and s.id = given_id::uuid;
  else
    select * into strategy from public.strategies s where s.user_id = p_user_id and s.name = named;
  end if;
  if strategy.id is null then
    reason_code := 'unknown_strategy';
    reason := format('You have no strategy %s; its name or id has to be exactly as in your list of strategies.',
      coalesce('with the id ' || given_id, format('called "%s"', left(named, 100))));
  elsif strategy.name <> named then
    strategy := null;
    reason_code := 'unknown_field_combination';
    reason := format('"strategy" is "%s", and "strategy_id" is that of another one; send one of them.', left(named, 100));
  end if;
end
$$;

-- Why a strategy takes no entries; nulls when it does.
create function private.refuse_entry_of(p_strategy public.strategies, out reason_code text, out reason text)
language plpgsql
stable
set search_path = ''
as $$
declare
  allowed integer;
begin
  if p_strategy.status <> 'active' then
    reason_code := 'strategy_inactive';
    reason := format('The status of the strategy "%s" is %s, so it takes no entries; set it to active. Exits still pass.',
      p_strategy.name, p_strategy.status);
  elsif exists (select from private.strategies_over_limit(p_strategy.user_id) o where o.id = p_strategy.id) then
    select coalesce(c.max_strategies, 0) into allowed from private.current_plan(p_strategy.user_id) c;
    reason_code := 'plan_limit';
    reason := format('Your plan allows %s active strategies, and "%s" is beyond that: it takes no new entries. Exits still '
      'pass. Deactivate another strategy or book a larger plan.', coalesce(allowed, 0), p_strategy.name);
  end if;
end
$$;

-- The account an alert means, or a reason code and sentence.
create function private.find_account(
  p_user_id uuid, p_fields jsonb, out account public.user_api_keys, out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  venue text := p_fields ->> 'exchange';
  wanted text := p_fields ->> 'environment';
  accounts bigint;
begin
  if venue is not null and venue not in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper') then
    reason_code := 'unknown_exchange';
    reason := format('"exchange" is "%s"; it must be %s.', left(venue, 40),
      private.kind_in_words('exchange'));
    return;
  end if;
  select count(*) into accounts from public.user_api_keys k where k.user_id = p_user_id;
  if venue is null and accounts > 1 then
    reason_code := 'missing_field';
    reason := format('The alert has no "exchange", and you have %s accounts; name the one you mean.', accounts);
    return;
  end if;
  select * into account from public.user_api_keys k
  where k.user_id = p_user_id and (venue is null or k.exchange = venue)
    and (wanted is null and (k.environment in ('production', 'paper') or venue is null) or k.environment = wanted)
  order by k.environment = 'production' desc
  limit 1;
  if account.id is null then
    reason_code := 'no_account';
    reason := format('You have no %s account%s; save its keys first.', coalesce(venue, 'exchange'),
      coalesce(' for ' || wanted, ''));
  end if;
end
$$;

-- The alert's symbol as the account's exchange has it, or a reason code and sentence.
create function private.write_symbol(
  p_alert private.parsed_alert, p_exchange text, out symbol text, out reason_code text, out reason text
)
language plpgsql
immutable
set search_path = ''
as $$
begin
  symbol := case when p_alert.fields ->> 'action' = 'close_all' then '*'
    else private.canonical_symbol(p_exchange, p_alert.symbol_text) end;
  if symbol is null then
    symbol := p_alert.fields ->> 'symbol';
    reason_code := 'unknown_symbol';
    reason := format('"symbol" is "%s", which can be no symbol of %s; write it like %s.',
      left(p_alert.symbol_text, 60), p_exchange, private.symbol_examples(p_exchange));
  end if;
end
$$;

-- Where an alert goes: its strategy, account and symbol, or the reason why it goes nowhere. What holds entries back lets
-- exits pass, also those of a strategy that its trader has renamed or deleted meanwhile.
create function private.aim_alert(
  p_user_id uuid, p_alert private.parsed_alert, out alert private.parsed_alert, out strategy public.strategies,
  out account public.user_api_keys
)
language plpgsql
stable
set search_path = ''
as $$
declare
  exits boolean := private.is_exit(p_alert.fields);
  found record;
begin
  alert := p_alert;
  if alert.fields ?| '{strategy,strategy_id}' then
    select * into found from private.find_strategy(p_user_id, alert.fields);
    strategy := found.strategy;
    if found.reason_code = 'unknown_strategy' and exits then
      alert.warnings := alert.warnings || found.reason;
    elsif found.reason_code is not null then
      alert.reason_code := found.reason_code;
      alert.reason := found.reason;
      return;
    end if;
    alert.fields := jsonb_strip_nulls(jsonb_build_object('exchange', strategy.exchange, 'environment', case
      when coalesce(alert.fields ->> 'exchange', strategy.exchange) is distinct from 'paper' then strategy.environment end
    )) || alert.fields;
  end if;
  select * into found from private.find_account(p_user_id, alert.fields);
  account := found.account;
  if found.reason_code is null then
    select * into found from private.check_exchange(alert.fields, account.exchange);
  end if;
  if found.reason_code is null then
    select * into found from private.write_symbol(alert, account.exchange);
    alert.fields := alert.fields || jsonb_build_object('symbol', found.symbol);
  end if;
  if found.reason_code is null and strategy.id is not null and not exits then
    select * into found from private.refuse_entry_of(strategy);
  end if;
  if found.reason_code is null and not exits then
    select 'plan_limit' as reason_code, o.reason into found from private.account_over_limit(account) o (reason)
    where o.reason is not null;
  end if;
  alert.reason_code := found.reason_code;
  alert.reason := found.reason;
end
$$;
-- One alert in, one answer out, in one transaction. Called by the edge function and by nobody else.

create function private.answer(
  p_http integer, p_status text, p_signal_id uuid default null, p_reason_code text default null,
  p_reason text default null, p_retry_after integer default null
) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_strip_nulls(jsonb_build_object(
    'http', p_http,
    'retry_after', p_retry_after,
    'body', jsonb_build_object(
      'status', p_status, 'signal_id', p_signal_id, 'reason_code', p_reason_code, 'reason', p_reason)
  ));
end
$$;

-- t=<unix seconds>,v1=<hex hmac-sha256(secret, t + "." + body)>, five minutes tolerance either way.
create function private.signature_fits(p_header text, p_body text, p_secret text) returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce((
    select
      abs(extract(epoch from clock_timestamp()) - m [1]::numeric) <= 300
      -- Hashes of the two are compared, so that the time taken tells nothing of the expected value.
      and sha256(decode(m [2], 'hex')) = sha256(
        extensions.hmac(convert_to(m [1] || '.' || p_body, 'UTF8'), convert_to(p_secret, 'UTF8'), 'sha256'))
    from regexp_match(p_header, '^\s*t=(\d{9,11})\s*,\s*v1=([0-9a-fA-F]{64})\s*$') m
  ), false)
$$;

-- Null when the source may send to this webhook, else the reason.
create function private.refuse_source(
  p_webhook public.user_webhook_configs, p_body text, p_ip text, p_headers jsonb
) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  header text := p_headers ->> 'x-sparky-signature';
  stored jsonb;
begin
  if not private.source_allowed(p_webhook.allowed_sources, p_ip) then
    return 'source_not_allowed';
  end if;
  if header is null then
    return case when p_webhook.require_signature then 'signature_missing' end;
  end if;
  select d.decrypted_secret::jsonb into stored from vault.decrypted_secrets d where d.id = p_webhook.secret_id;
  -- After a rotation the older secret signs too, until its owner ends it.
  if private.signature_fits(header, p_body, stored ->> 'secret')
    or private.signature_fits(header, p_body, stored #>> '{old,secret}') then
    return null;
  end if;
  return 'signature_wrong';
end
$$;

-- What the plan leaves for this hour: null when there is room, else the answer that says when there will be.
create function private.over_limit(p_user_id uuid, p_now timestamptz, out reason text, out retry_after integer)
language plpgsql
stable
set search_path = ''
as $$
declare
  allowed integer;
  plan_name text;
  used bigint;
  oldest timestamptz;
begin
  select c.webhooks_per_hour, c.plan into allowed, plan_name from private.current_plan(p_user_id) c;
  if allowed is null and plan_name is not null then
    return;
  end if;
  -- No plan at all, because an operator renamed or removed Free, is not a plan without limits.
  allowed := coalesce(allowed, 0);
  select count(*), min(s.received_at) into used, oldest from (
    select received_at from public.signals
    where user_id = p_user_id and received_at > p_now - interval '1 hour'
      -- What a worker has looked at was accepted, or alerts that are all rejected later would be without limit.
      and (status not in ('rejected', 'rate_limited') or claimed_at is not null) and parent_id is null
    order by received_at desc
    limit greatest(allowed, 1)
  ) s;
  if used >= allowed then
    retry_after := greatest(1, ceil(extract(epoch from coalesce(oldest, p_now) + interval '1 hour' - p_now)))::integer;
    reason := format('Your plan %s allows %s alerts an hour and %s came in the last hour; there is room again at %s UTC. '
      'Exits still pass.', plan_name, allowed, used,
      to_char((p_now + make_interval(secs => retry_after)) at time zone 'UTC', 'HH24:MI:SS'));
  end if;
end
$$;

create function private.alert_key(p_webhook_id uuid, p_fields jsonb, p_body text) returns bytea
language plpgsql
immutable
set search_path = ''
as $$
begin
  return sha256(convert_to(
    case
      when p_fields ->> 'id' is not null then 'id/' || p_webhook_id::text || '/' || (p_fields ->> 'id')
      else 'body/' || p_webhook_id::text || '/' || p_body
    end, 'UTF8'));
end
$$;

-- Takes the alert's key, or answers with the signal that holds it.
create function private.take_alert_key(
  p_user_id uuid, p_alert_key bytea, p_fields jsonb, p_signal_id uuid, p_now timestamptz
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  -- A body that carries an id or a time names one event for ever; another may well be meant again a minute later.
  until_when timestamptz := case
    when p_fields ->> 'id' is not null or p_fields ->> 'timestamp' is not null then 'infinity'
    else p_now + interval '60 seconds' end;
  holder uuid;
begin
  insert into private.alert_keys as k (user_id, key, signal_id, expires_at)
  values (p_user_id, p_alert_key, p_signal_id, until_when)
  on conflict (user_id, key) do update
  set signal_id = excluded.signal_id, expires_at = excluded.expires_at
  where k.expires_at <= p_now
  returning k.signal_id into holder;
  if holder is null then
    select k.signal_id into holder from private.alert_keys k where k.user_id = p_user_id and k.key = p_alert_key;
  end if;
  return holder;
end
$$;

create function private.store_signal(
  p_id uuid, p_webhook public.user_webhook_configs, p_alert private.parsed_alert, p_strategy_id uuid,
  p_account public.user_api_keys, p_status text, p_reason_code text, p_reason text, p_now timestamptz
) returns void
language plpgsql
set search_path = ''
as $$
declare
  ended boolean := p_status <> 'pending';
begin
  insert into public.signals (
    id, user_id, webhook_id, account_id, strategy_id, exchange, environment, symbol, action, is_exit, alert, raw, warnings, status,
    reason_code, reason, alert_at, received_at, finished_at
  ) values (
    p_id, p_webhook.user_id, p_webhook.id, p_account.id, p_strategy_id, coalesce(p_account.exchange, p_alert.fields ->> 'exchange'),
    p_account.environment, p_alert.fields ->> 'symbol', p_alert.fields ->> 'action',
    private.is_exit(p_alert.fields), coalesce(p_alert.fields, '{}'), p_alert.raw,
    p_alert.warnings, p_status, p_reason_code, p_reason, (p_alert.fields ->> 'timestamp')::timestamptz, p_now,
    case when ended then clock_timestamp() end
  );
  if ended then
    perform private.audit(p_webhook.user_id, 'ingest', 'signal.finished', p_id,
      jsonb_build_object('status', p_status, 'reason_code', p_reason_code));
  end if;
end
$$;

-- Puts one trader's alerts in order.
create function private.lock_trader(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.keep_trader(p_user_id);
  perform from private.ingest_state s where s.user_id = p_user_id for update;
  if not found then
    insert into private.ingest_state (user_id) values (p_user_id) on conflict (user_id) do nothing;
    perform from private.ingest_state s where s.user_id = p_user_id for update;
  end if;
end
$$;

-- Everything after the sender is known. Holds the trader's lock, so his alerts get their order here.
create function private.accept_alert(
  p_webhook public.user_webhook_configs, p_alert private.parsed_alert, p_body text
) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  received timestamptz := clock_timestamp();
  signal_id uuid := gen_random_uuid();
  alert_key bytea := private.alert_key(p_webhook.id, p_alert.fields, p_body);
  holder uuid;
  aimed record;
  strategy_id uuid;
  target public.user_api_keys;
  room record;
begin
  perform private.lock_trader(p_webhook.user_id);
  if p_alert.reason_code is null then
    select * into aimed from private.aim_alert(p_webhook.user_id, p_alert);
    p_alert := aimed.alert;
    strategy_id := (aimed.strategy).id;
    target := aimed.account;
  end if;
  if p_alert.reason_code is not null then
    perform private.store_signal(
      signal_id, p_webhook, p_alert, strategy_id, target, 'rejected', p_alert.reason_code, p_alert.reason, received);
    perform private.count_usage(p_webhook.user_id, 'rejected', received);
    return private.answer(422, 'rejected', signal_id, p_alert.reason_code, p_alert.reason);
  end if;
  holder := private.take_alert_key(p_webhook.user_id, alert_key, p_alert.fields, signal_id, received);
  if holder <> signal_id then
    perform private.count_usage(p_webhook.user_id, 'duplicate', received);
    return private.answer(
      200, 'duplicate', holder, 'duplicate', 'This alert was received before; it has had its effect, or will have.');
  end if;
  select * into room from private.over_limit(p_webhook.user_id, received);
  if room.reason is not null and not private.is_exit(p_alert.fields) then
    delete from private.alert_keys k where k.user_id = p_webhook.user_id and k.key = alert_key;
    perform private.store_signal(
      signal_id, p_webhook, p_alert, strategy_id, target, 'rate_limited', 'plan_limit', room.reason, received);
    perform private.count_usage(p_webhook.user_id, 'rate_limited', received);
    return private.answer(429, 'rate_limited', signal_id, 'plan_limit', room.reason, room.retry_after);
  end if;
  perform private.store_signal(
    signal_id, p_webhook, p_alert, strategy_id, target, 'pending', null, null, received);
  perform private.count_usage(p_webhook.user_id, 'accepted', received);
  return private.answer(200, 'accepted', signal_id);
end
$$;

create function public.ingest_alert(p_token text, p_body text, p_ip text, p_headers jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  alert private.parsed_alert := private.parse_alert(coalesce(p_body, ''));
  credential text := coalesce(p_token, alert.secret, '');
  webhook public.user_webhook_configs;
  refusal text;
begin
  select w.* into webhook
  from private.webhook_credentials c
  join public.user_webhook_configs w on w.id = c.webhook_id
  where c.hash = sha256(convert_to(credential, 'UTF8'))
    and c.kind = case when p_token is null then 'secret' else 'token' end;
  if webhook.id is null or not webhook.active then
    return private.answer(case when p_token is null then 401 else 404 end, 'refused', null, 'unknown_webhook',
      'No such webhook. Check the address or the secret.');
  end if;
  refusal := private.refuse_source(webhook, p_body, p_ip, coalesce(p_headers, '{}'));
  if refusal is not null then
    perform private.count_usage(webhook.user_id, 'refused', clock_timestamp());
    return private.answer(403, 'refused', null, refusal, case refusal
      when 'source_not_allowed' then 'This webhook does not take alerts from this address.'
      when 'signature_missing' then 'This webhook takes signed alerts only; X-Sparky-Signature is missing.'
      else 'X-Sparky-Signature does not fit this body and secret, or is older than five minutes.' end);
  end if;
  return private.accept_alert(webhook, alert, p_body);
end
$$;
comment on function public.ingest_alert is 'Takes one alert: finds the webhook, parses, drops repetitions, keeps to the plan, stores and wakes the worker. Answers {"http","body","retry_after"}.';
-- What a trader's plan allows and what he uses of it, in one answer.

create function private.exchange_use(p_user_id uuid, p_allowed integer) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  exchanges text[] := private.exchanges_in_order(p_user_id);
begin
  return jsonb_build_object('allowed', p_allowed, 'used', cardinality(exchanges), 'over', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'exchange', k.exchange, 'environment', k.environment, 'label', k.label) order by k.created_at), '[]')
    from public.user_api_keys k
    where k.user_id = p_user_id and array_position(exchanges, k.exchange) > p_allowed
  ));
end
$$;

create function private.strategy_use(p_user_id uuid, p_allowed integer) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'allowed', p_allowed,
    'used', (select count(*) from public.strategies s where s.user_id = p_user_id and s.status = 'active'),
    'over', (
      select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'name', o.name) order by o.created_at, o.id), '[]')
      from private.strategies_over_limit(p_user_id) o));
end
$$;

create function private.alert_use(p_user_id uuid, p_allowed integer) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  moment timestamptz := clock_timestamp();
  room record;
begin
  select * into room from private.over_limit(p_user_id, moment);
  return jsonb_build_object(
    'allowed', p_allowed,
    'used', (
      select count(*) from public.signals s
      where s.user_id = p_user_id and s.received_at > moment - interval '1 hour'
        and (s.status not in ('rejected', 'rate_limited') or s.claimed_at is not null) and s.parent_id is null),
    'resets_at', case when room.reason is not null then moment + make_interval(secs => room.retry_after) end);
end
$$;

create function public.my_plan() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  plan record;
  booked public.subscriptions;
  addons text[];
begin
  select
    c.plan, p.features,
    -- No plan at all, because an operator renamed or removed Free, is not a plan without limits.
    case when c.plan is null then 0 else c.max_exchanges end as max_exchanges,
    case when c.plan is null then 0 else c.max_strategies end as max_strategies,
    case when c.plan is null then 0 else c.webhooks_per_hour end as webhooks_per_hour
  into plan
  from (select trader as wanted) w
  left join private.current_plan(trader) c on true
  left join public.plans p on p.name = c.plan;
  select * into booked from public.subscriptions s where s.user_id = trader;
  select coalesce(array_agg(e.addon order by e.addon), '{}') into addons from public.entitlements e
  where e.user_id = trader and private.booking_counts(e.status, e.current_period_end, e.past_due_since);
  return jsonb_build_object(
    'plan', coalesce(plan.plan, 'Free'),
    'booked_plan', coalesce(booked.plan, 'Free'),
    'status', coalesce(booked.status, 'active'),
    'grace_until', case
      when not private.booking_counts(booked.status, booked.current_period_end, booked.past_due_since) then null
      when booked.status = 'past_due' then booked.past_due_since + interval '7 days'
      when booked.status = 'canceled' then booked.current_period_end
    end,
    'current_period_end', booked.current_period_end,
    'cancel_at_period_end', coalesce(booked.cancel_at_period_end, false),
    'limits', jsonb_build_object(
      'max_exchanges', private.exchange_use(trader, plan.max_exchanges),
      'max_strategies', private.strategy_use(trader, plan.max_strategies),
      'webhooks_per_hour', private.alert_use(trader, plan.webhooks_per_hour)),
    'features', to_jsonb(array(select distinct f from unnest(plan.features || addons) f order by f)),
    'addons', to_jsonb(addons));
end
$$;
comment on function public.my_plan is 'The caller''s plan, its limits with what is used and what is over, his features and add-ons. A limit of null is none.';
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
-- What a batch of a worker locks before it writes. A batch holds signals of several traders and strategies in any order,
-- and another worker's batch holds others of the same in another order: each takes all it needs first, sorted.

-- The ids that a path finds. What is no id is left out: it fails later, alone, and not the whole batch here.
create function private.ids_in(p_items jsonb, p_path jsonpath) returns uuid[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  return (
    select array_agg(distinct (v #>> '{}')::uuid) from jsonb_path_query(p_items, p_path) v
    where v #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  );
end
$$;

-- With p_fills the batch may open positions and write trades, which change the counters of strategies: those of the
-- position that a signal closes too, and of a trade that grows.
create function private.strategies_of(p_signals uuid[], p_fills boolean) returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
  concerned uuid[];
begin
  if not p_fills then
    select array_agg(distinct s.strategy_id) into concerned
    from public.signals s where s.id = any(p_signals) and s.strategy_id is not null;
    return concerned;
  end if;
  with claimed as materialized (
    select s.id, s.user_id, s.account_id, s.symbol, s.strategy_id from public.signals s where s.id = any(p_signals)
  )
  select array_agg(f.strategy_id) into concerned
  from (
    select c.strategy_id from claimed c
    union
    -- By the symbol of the order: the contract of an option was chosen by its underlying's signal.
    select p.strategy_id from claimed c
    join public.orders o on o.user_id = c.user_id and o.signal_id = c.id
    join public.positions p on p.user_id = o.user_id and p.account_id = o.account_id and p.symbol = o.symbol
    union
    select t.strategy_id from claimed c
    join public.orders o on o.user_id = c.user_id and o.signal_id = c.id
    join public.trades t on t.user_id = o.user_id and t.order_id = o.client_order_id
  ) f
  where f.strategy_id is not null;
  return concerned;
end
$$;

-- Also keeps traders, accounts, webhooks and strategies from being deleted meanwhile: a deletion writes all signals that name what
-- is deleted, in an order of its own.
create function private.keep_batch(p_signals uuid[], p_accounts uuid[], p_fills boolean) returns void
language plpgsql
set search_path = ''
as $$
declare
  traders uuid[];
  accounts uuid[];
  webhooks uuid[];
  strategies uuid[];
begin
  select array_agg(distinct b.user_id), array_agg(distinct b.account_id), array_agg(distinct b.webhook_id)
  into traders, accounts, webhooks
  from (
    select s.user_id, s.account_id, s.webhook_id from public.signals s where s.id = any(p_signals)
    union all
    select k.user_id, k.id, null from public.user_api_keys k where k.id = any(p_accounts)
  ) b;
  perform from auth.users u where u.id = any(traders) order by u.id for key share;
  perform from public.user_api_keys k where k.id = any(accounts) order by k.id for key share;
  perform from public.user_webhook_configs w where w.id = any(webhooks) order by w.id for key share;
  strategies := private.strategies_of(p_signals, p_fills);
  if p_fills then
    perform from public.strategies s where s.id = any(strategies) order by s.id for no key update;
  elsif strategies is not null then
    perform from public.strategies s where s.id = any(strategies) order by s.id for key share;
  end if;
end
$$;

-- Orders of other signals, which a comparison of their account may be writing too.
create function private.keep_orders(p_signals uuid[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_signals is not null then
    perform from public.orders o where o.signal_id = any(p_signals) order by o.id for update;
  end if;
end
$$;

-- For claims {"signal_id","news":[{"signal_id" of another,"fills":[…]}]}.
create function private.keep_claims(p_claims jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  others uuid[] := private.ids_in(p_claims, '$[*].news[*].signal_id');
begin
  perform private.keep_batch(
    private.ids_in(p_claims, '$[*].signal_id') || others, null, p_claims @? '$[*].news[*].fills[*]');
  perform private.keep_orders(others);
end
$$;

-- Whether some limit on entries that private.entry_limits counts is set.
create function private.has_entry_limits(p_user_id uuid) returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select from public.trade_settings_global g
    where g.user_id = p_user_id
      and (g.max_trades_per_day > 0 or g.extra_settings ?| '{max_daily_loss_usd,cooldown_sec}'::text[])
  ) or exists (
    select from public.trade_settings_exchange e
    where e.user_id = p_user_id
      and (e.max_trades_per_day > 0 or e.max_open_positions > 0
        or e.extra_settings ?| '{max_daily_loss_usd,cooldown_sec}'::text[])
  );
end
$$;

-- One entry of a trader at a time comes in while he has limits that are counted: the next one finds it counted. Before
-- every other lock of the batch, because nothing but this function takes it. Answers with those traders.
create function private.lock_entries(p_claims jsonb) returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  claimed uuid;
  trader uuid;
  limited uuid[] := '{}'::uuid[];
begin
  -- One at a time by index: a statement for the whole batch would be planned anew for each length of it.
  foreach claimed in array coalesce(private.ids_in(p_claims, '$[*].signal_id'), '{}') loop
    select s.user_id into trader from public.signals s where s.id = claimed and s.entered_at is null and not s.is_exit;
    if found and trader <> all(limited) and private.has_entry_limits(trader) then
      limited := limited || trader;
    end if;
  end loop;
  if limited <> '{}' then
    perform pg_advisory_xact_lock(hashtextextended('entries/' || l.trader::text, 0))
    from (select u as trader from unnest(limited) u order by u) l;
  end if;
  return limited;
end
$$;
-- Taking signals for execution. A claim has a lease (until when) and a fence (grows with each claim).

create function private.order_for_worker(o public.orders) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'signal_id', o.signal_id, 'leg', o.leg, 'client_order_id', o.client_order_id, 'state', o.state, 'symbol', o.symbol,
    'side', o.side, 'order_type', o.order_type, 'purpose', o.purpose, 'quantity', o.quantity::text,
    'reduce_only', o.reduce_only, 'limit_price', o.limit_price::text, 'stop_price', o.stop_price::text,
    'trail_distance', o.trail_distance::text, 'trail_percent', o.trail_percent::text,
    'reference_price', o.reference_price::text, 'attached_to', o.attached_to, 'spread', o.spread,
    'venue_order_id', o.venue_order_id, 'submitted_at', o.submitted_at, 'filled_quantity', o.filled_quantity::text,
    'average_price', o.average_price::text, 'bookmark', o.bookmark, 'begun_at', o.created_at);
end
$$;

-- Orders of other signals that the venue may have open in what this signal trades. The contract of an option may have been
-- traded by its own symbol, or by that of its underlying.
create function private.working_orders(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  -- Most accounts have none, and a claim asks for each signal.
  if not exists (
    select from public.orders o
    where o.account_id = s.account_id and o.signal_id <> s.id
      and o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown')
  ) then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(private.order_for_worker(o) order by o.created_at, o.signal_id, o.leg), '[]')
    from public.orders o
    join public.signals w on w.user_id = o.user_id and w.id = o.signal_id
    where o.account_id = s.account_id and o.user_id = s.user_id and o.signal_id <> s.id
      and o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown')
      and (o.symbol = s.symbol or w.symbol = s.symbol)
  );
end
$$;

-- The entry whose exits a signal of the action protect places.
create function private.unprotected(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('entry', private.order_for_worker(o), 'protection', e.plan -> 'protection')
    from public.signals e
    join public.orders o on o.user_id = e.user_id and o.signal_id = e.id
    where e.user_id = s.user_id and e.id = s.parent_id
      and o.leg = (e.plan #>> '{protection,entry}')::smallint
  );
end
$$;

create function private.work_order(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  traded_as text := private.settings_exchange(s.exchange, s.symbol, s.alert);
  settings jsonb;
  counted boolean;
begin
  select f.settings, f.counted into settings, counted
  from private.settings_and_limits(s.user_id, traded_as, s.strategy_id) f;
  return jsonb_build_object(
    'signal_id', s.id, 'user_id', s.user_id, 'fence', s.fence, 'attempt', s.attempt, 'lane', s.lane,
    'now', clock_timestamp(), 'lease_until', s.lease_until, 'received_at', s.received_at, 'alert_at', s.alert_at,
    'exchange', s.exchange, 'environment', s.environment, 'symbol', s.symbol, 'action', s.action,
    'is_exit', s.is_exit,
    'alert', s.alert - '{id,exchange,environment,symbol,action,timestamp,strategy,strategy_id,option_symbol}'::text[],
    'settings', settings,
    'account', private.account_for_worker(s.account_id),
    'position', (
      select jsonb_build_object(
        'side', case p.side when 'BUY' then 'long' else 'short' end,
        'quantity', trim_scale(p.quantity)::text, 'entry_price', trim_scale(p.entry_price)::text)
      from public.positions p
      where p.user_id = s.user_id and p.account_id = s.account_id and p.symbol = s.symbol),
    'plan', s.plan,
    'orders', (
      select coalesce(jsonb_agg(private.order_for_worker(o) order by o.leg), '[]')
      from public.orders o where o.user_id = s.user_id and o.signal_id = s.id),
    'working', private.working_orders(s),
    -- Exits always pass, and what was let in is not counted against itself.
    'limits', case when not counted or s.is_exit or s.entered_at is not null then '[]'
      else private.entry_limits(s.user_id, traded_as, s.account_id, array[s.symbol], s.id) end,
    'unprotected', case when s.action = 'protect' then private.unprotected(s) end
  );
end
$$;

create function private.notify_of_review(p_signal public.signals) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.notify_of_signal(p_signal, 'signal_review', 'critical', format(
    '%s of %s needs you: what came of it is not known', initcap(p_signal.action), p_signal.symbol));
end
$$;

-- A signal that was claimed so often and never finished takes its workers down with it: a person has to look.
create function private.retire_hopeless() returns void
language plpgsql
set search_path = ''
as $$
declare
  hopeless public.signals;
begin
  for hopeless in
    update public.signals set
      status = 'review', reason_code = 'internal_error', lease_until = null, finished_at = clock_timestamp(),
      fence = fence + 1,
      reason = 'Execution was begun 20 times and never came to an end; an operator has to look at it.'
    where id in (
      select id from public.signals
      where status = 'executing' and lease_until < clock_timestamp() and attempt >= 20
      for update skip locked
    )
    returning *
  loop
    perform private.audit(hopeless.user_id, 'worker', 'signal.finished', hopeless.id, '{"status": "review"}');
    perform private.notify_of_review(hopeless);
  end loop;
end
$$;

create function private.claim(p_worker text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  claimed public.signals [];
begin
  perform private.check_claim(p_worker, p_limit, p_lease_seconds);
  perform private.retire_hopeless();
  begin
    -- Materialised: inlined, the LIMIT could be evaluated anew for each row that the update locks.
    with abandoned as materialized (
      select s.id, s.seq from public.signals s
      where s.status = 'executing' and s.lease_until < clock_timestamp()
      order by s.lease_until
      limit p_limit
      for update skip locked
    ), waiting as materialized (
      select s.id, s.seq from public.signals s
      where s.status = 'pending'
        and not exists (select from public.signals e where e.lane = s.lane and e.status = 'executing')
        -- A lane under review lets exits pass and holds entries back.
        and (s.is_exit or not exists (select from public.signals r where r.lane = s.lane and r.status = 'review'))
        and not exists (
          select from public.signals o
          where o.lane = s.lane and o.status = 'pending' and o.seq < s.seq
            and (o.is_exit or not exists (select from public.signals r where r.lane = s.lane and r.status = 'review'))
        )
        -- What came after a close_all waits until that has made the signals that close each symbol: those come first.
        and not exists (
          select from public.signals c
          where c.account_id = s.account_id and c.action = 'close_all' and c.status in ('pending', 'executing')
            and c.seq < s.seq
        )
      order by s.seq
      limit p_limit
      for update skip locked
    ), chosen as materialized (
      select c.id from (select * from abandoned union all select * from waiting) c order by c.seq limit p_limit
    ), taken as (
      update public.signals s set
        status = 'executing', claimed_by = p_worker, claimed_at = clock_timestamp(),
        attempt = s.attempt + 1, fence = s.fence + 1,
        lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
      from chosen where s.id = chosen.id
      -- One value of the row's own type: an array of anonymous records would be turned into text and read again.
      returning s as signal
    )
    select array_agg(t.signal order by (t.signal).seq) into claimed from taken t;
  exception
    -- Another claim took an earlier or later signal of a lane that was settled, or got exits to place, between the two.
    -- What this one would have taken waits for the next; what was finished in the same call is kept.
    when unique_violation then
      perform private.send_hint();
      return '[]'::jsonb;
  end;
  return coalesce((select jsonb_agg(private.work_order(c)) from unnest(claimed) c), '[]');
end
$$;

create function public.claim_signals(p_worker text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  return private.claim(p_worker, p_limit, p_lease_seconds);
end
$$;
comment on function public.claim_signals is 'Up to p_limit work orders: the oldest pending signal of each free lane, and signals whose lease ran out.';

-- One claim: {"signal_id","fence"}.
create function public.extend_leases(p_claims jsonb, p_lease_seconds integer) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  kept jsonb;
begin
  perform private.check_claim('-', 1, p_lease_seconds);
  perform private.keep_claims(p_claims);
  with extended as (
    update public.signals s set lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from jsonb_to_recordset(p_claims) as c (signal_id uuid, fence bigint)
    where s.id = c.signal_id and s.fence = c.fence and s.status = 'executing'
    returning s.id, s.lease_until
  )
  select coalesce(jsonb_agg(jsonb_build_object('signal_id', e.id, 'lease_until', e.lease_until)), '[]')
  into kept
  from extended e;
  return kept;
end
$$;
comment on function public.extend_leases is 'Keeps claims that are still the caller''s. A claim that is missing from the answer is lost.';

create function public.release_signals(p_claims jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  given_back jsonb;
begin
  perform private.keep_claims(p_claims);
  with released as (
    update public.signals s set
      -- What was begun stays in its lane for the next worker to look up; the rest is as if never claimed.
      status = case when begun.yes then 'executing' else 'pending' end,
      lease_until = case when begun.yes then clock_timestamp() end,
      claimed_by = case when begun.yes then s.claimed_by end,
      fence = s.fence + 1
    from jsonb_to_recordset(p_claims) as c (signal_id uuid, fence bigint)
    cross join lateral (select exists (select from public.orders o where o.signal_id = c.signal_id) as yes) begun
    where s.id = c.signal_id and s.fence = c.fence and s.status = 'executing'
    returning s.id
  )
  select coalesce(jsonb_agg(r.id), '[]') into given_back from released r;
  if given_back <> '[]' then
    perform private.send_hint();
  end if;
  return given_back;
end
$$;
comment on function public.release_signals is 'Gives claims back, so that another worker takes them at once.';
-- Signals that the database makes itself: one for each symbol that a close_all closes, and one that places the exits of an
-- entry that was filled after its signal had ended. They count as no alert and no plan limits them. Their ids follow from
-- what made them, so nothing is made twice.

-- At the place of its parent in the order of arrival, so that a lane does not close what came after a close_all.
create function private.add_signal(p_parent public.signals, p_symbol text, p_action text, p_key text) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.signals (
    id, seq, user_id, webhook_id, account_id, strategy_id, exchange, environment, symbol, action, is_exit, alert, parent_id
  ) overriding system value values (
    md5(p_parent.id::text || '/' || p_key)::uuid, p_parent.seq, p_parent.user_id, p_parent.webhook_id,
    p_parent.account_id, p_parent.strategy_id, p_parent.exchange, p_parent.environment, p_symbol, p_action, true,
    '{"order_type": "market"}', p_parent.id
  ) on conflict (id) do nothing;
end
$$;

-- What the venue shows open, and what we know that it may not show: our positions, orders that may still open one, and
-- entries that arrived before and are not at the venue yet.
create function private.close_each(p_signal public.signals, p_symbols jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.add_signal(p_signal, c.symbol, 'close', c.symbol)
  from (
    select v.symbol from jsonb_array_elements_text(p_symbols) as v (symbol)
    union
    select p.symbol from public.positions p where p.user_id = p_signal.user_id and p.account_id = p_signal.account_id
    union
    select o.symbol from public.orders o
    where o.user_id = p_signal.user_id and o.account_id = p_signal.account_id and o.purpose = 'open'
      and o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown')
    union
    select s.symbol from public.signals s
    where s.user_id = p_signal.user_id and s.account_id = p_signal.account_id and s.seq < p_signal.seq
      and s.status in ('pending', 'executing') and not s.is_exit
  ) c;
end
$$;

-- The news of an order whose signal has ended, or is somebody else's: it may have opened a position whose exits nobody is
-- there to place, and an entry that came to nothing counts no more.
create function private.record_late_order(p_signal public.signals, p_news jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  written public.orders := private.record_order(p_signal, p_news);
begin
  if written.purpose <> 'open' or p_signal.status in ('pending', 'executing')
    or written.state not in ('filled', 'cancelled', 'expired', 'refused') then
    return;
  end if;
  -- Exits that were attached to it wait at the venue already.
  perform private.show_exits(written.user_id, written.account_id, written.symbol);
  if not private.entry_stands(p_signal.user_id, p_signal.id) then
    update public.signals s set entered_at = null where s.id = p_signal.id and s.entered_at is not null;
  end if;
  if (written.filled_quantity > 0 or written.state = 'filled') and jsonb_typeof(p_signal.plan -> 'protection') = 'object'
    and p_signal.plan #>> '{protection,entry}' = written.leg::text
    and not exists (
      select from public.orders o
      where o.user_id = written.user_id and o.signal_id = written.signal_id and o.attached_to is null
        and o.purpose in ('take_profit', 'stop_loss', 'trailing_stop')
    ) then
    perform private.add_signal(p_signal, p_signal.symbol, 'protect', 'protect/' || written.leg::text);
  end if;
end
$$;
-- What a claim does and what came of it. Every write carries the fence; a late worker changes nothing.

-- The signal of a claim, locked, when the claim still holds. Trader and account are locked before it: that is the
-- order in which their deletion takes them, and orders and fills refer to both.
create function private.held_signal(p_claim jsonb) returns public.signals
language plpgsql
set search_path = ''
as $$
declare
  claimed uuid := (p_claim ->> 'signal_id')::uuid;
  held public.signals;
begin
  perform private.keep_trader((select s.user_id from public.signals s where s.id = claimed));
  perform from public.user_api_keys k
  where k.id = (select s.account_id from public.signals s where s.id = claimed) for key share;
  select * into held from public.signals s
  where s.id = claimed and s.fence = (p_claim ->> 'fence')::bigint and s.status = 'executing'
  for update;
  return held;
end
$$;

-- One order's news: {"leg","state","venue_order_id","filled_quantity","average_price","reason_code","reason",
-- "elapsed_ms","fills":[…]}. A terminal order takes no more news but fills, and those only once.
create function private.record_order(p_signal public.signals, p_news jsonb) returns public.orders
language plpgsql
set search_path = ''
as $$
declare
  target public.orders;
begin
  update public.orders set
    state = p_news ->> 'state',
    venue_order_id = coalesce(p_news ->> 'venue_order_id', venue_order_id),
    filled_quantity = coalesce((p_news ->> 'filled_quantity')::numeric, filled_quantity),
    average_price = coalesce((p_news ->> 'average_price')::numeric, average_price),
    reason_code = p_news ->> 'reason_code',
    reason = left(p_news ->> 'reason', 2000),
    -- The worker sends how long it took, so that its clock does not matter.
    acknowledged_at = case
      -- No answer is no acknowledgement.
      when p_news ->> 'state' in ('submitting', 'unknown', 'absent') then acknowledged_at
      else coalesce(
        acknowledged_at, submitted_at + make_interval(secs => (p_news ->> 'elapsed_ms')::numeric::float8 / 1000))
    end
  where user_id = p_signal.user_id and signal_id = p_signal.id and leg = (p_news ->> 'leg')::smallint
    and state not in ('filled', 'cancelled', 'expired', 'refused')
    -- What the venue once had is never absent: absent orders may be sent again.
    and (p_news ->> 'state' <> 'absent' or state in ('submitting', 'unknown', 'absent'));
  select * into strict target from public.orders
  where user_id = p_signal.user_id and signal_id = p_signal.id and leg = (p_news ->> 'leg')::smallint;
  perform private.apply_fill(target, f)
  from jsonb_array_elements(coalesce(p_news -> 'fills', '[]')) with ordinality as fills (f, n)
  -- What an operator has settled counts as he said: a claim that found the same execution meanwhile comes too late.
  where not exists (
    select from public.fills s
    where s.user_id = target.user_id and s.account_id = target.account_id and s.symbol = target.symbol
      and s.venue_fill_id = 'settled/' || target.client_order_id
  )
  order by n;
  if target.purpose not in ('open', 'close') then
    perform private.show_exits(target.user_id, target.account_id, target.symbol);
  end if;
  return target;
end
$$;

-- News that a claim tells: of its own orders, and with {"signal_id"} of those of another signal of its account, which it
-- cancels.
create function private.record_news(p_signal public.signals, p_news jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  owner public.signals;
  other uuid := coalesce((p_news ->> 'signal_id')::uuid, p_signal.id);
begin
  if other = p_signal.id then
    perform private.record_order(p_signal, p_news);
    return;
  end if;
  select * into strict owner from public.signals s
  where s.user_id = p_signal.user_id and s.account_id = p_signal.account_id and s.id = other;
  perform private.record_late_order(owner, p_news);
end
$$;

-- Writes one leg down, or makes it sendable again. Null when neither may be.
create function private.write_order(p_signal public.signals, p_leg jsonb) returns timestamptz
language plpgsql
set search_path = ''
as $$
declare
  begun timestamptz;
begin
  insert into public.orders as o (
    user_id, account_id, signal_id, leg, client_order_id, exchange, environment, symbol, side, order_type, purpose,
    quantity, reduce_only, limit_price, stop_price, trail_distance, trail_percent, time_in_force, extended_hours,
    reference_price, attached_to, spread, bookmark, submitted_at
  ) values (
    p_signal.user_id, p_signal.account_id, p_signal.id, (p_leg ->> 'leg')::smallint, p_leg ->> 'client_order_id',
    p_signal.exchange, p_signal.environment, p_leg ->> 'symbol', p_leg ->> 'side', p_leg ->> 'order_type',
    p_leg ->> 'purpose', (p_leg ->> 'quantity')::numeric, (p_leg ->> 'reduce_only')::boolean,
    (p_leg ->> 'limit_price')::numeric, (p_leg ->> 'stop_price')::numeric, (p_leg ->> 'trail_distance')::numeric,
    (p_leg ->> 'trail_percent')::numeric, p_leg ->> 'time_in_force', (p_leg ->> 'extended_hours')::boolean,
    (p_leg ->> 'reference_price')::numeric, (p_leg ->> 'attached_to')::smallint, coalesce(p_leg -> 'spread', '[]'),
    p_leg ->> 'bookmark', clock_timestamp()
  )
  on conflict (signal_id, leg) do update set
    state = 'submitting', submitted_at = excluded.submitted_at, submissions = o.submissions + 1,
    reason_code = null, reason = null, acknowledged_at = null,
    -- The first one stays: the order may show up anywhere after it.
    bookmark = coalesce(o.bookmark, excluded.bookmark)
  -- Only an order that a look-up did not find may be sent again, and only the very same order.
  where o.state = 'absent' and o.client_order_id = excluded.client_order_id and o.symbol = excluded.symbol
    and o.quantity = excluded.quantity and o.side = excluded.side and o.order_type = excluded.order_type
    and o.reduce_only = excluded.reduce_only
    and (o.limit_price, o.stop_price, o.trail_distance, o.trail_percent, o.spread)
      is not distinct from (
        excluded.limit_price, excluded.stop_price, excluded.trail_distance, excluded.trail_percent, excluded.spread)
  returning o.submitted_at into begun;
  return begun;
end
$$;

-- The limit that keeps an entry out; null when it may come in. Asked under the trader's lock (private.lock_entries).
create function private.entry_obstacle(p_signal public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return jsonb_path_query_first(private.entry_limits(
    p_signal.user_id, private.settings_exchange(p_signal.exchange, p_signal.symbol, p_signal.alert),
    p_signal.account_id, array[p_signal.symbol, private.opened_symbol(p_signal)], p_signal.id), '$[*] ? (@.ok == false)');
end
$$;

-- One claim: {"signal_id","fence","plan","news":[…of earlier legs…],"orders":[the legs to send now, in one write]}. All
-- of them are written down, or none. The first time with a plan that opens something, the trader's limits decide:
-- {"ok":false,"obstacle":{"name","scope","limit","used","ok"}}, and nothing is written. p_limited are the traders who have
-- any, and who are locked.
create function private.begin_order(p_claim jsonb, p_limited uuid[]) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  held public.signals;
  wanted jsonb;
  obstacle jsonb;
  begun timestamptz;
begin
  held := private.held_signal(p_claim);
  if held.id is null then
    return jsonb_build_object('signal_id', p_claim -> 'signal_id', 'ok', false);
  end if;
  held.plan := coalesce(held.plan, nullif(p_claim -> 'plan', 'null'));
  -- Exits that are placed again before it has begun to trade pass like any other.
  if held.entered_at is null and not held.is_exit and held.plan @? '$.legs[*] ? (@.purpose == "open")'
    and p_claim @? '$.orders[*] ? (@.purpose == "open" || @.purpose == "close")' then
    if held.user_id = any(p_limited) then
      obstacle := private.entry_obstacle(held);
    end if;
    if obstacle is not null then
      return jsonb_build_object('signal_id', held.id, 'ok', false, 'obstacle', obstacle);
    end if;
    held.entered_at := clock_timestamp();
  end if;
  perform private.record_news(held, n) from jsonb_array_elements(coalesce(p_claim -> 'news', '[]')) n;
  begin
    for wanted in select o from jsonb_array_elements(p_claim -> 'orders') o loop
      begun := private.write_order(held, wanted);
      if begun is null then
        raise sqlstate 'SP001';
      end if;
    end loop;
  exception
    when sqlstate 'SP001' then
      return jsonb_build_object('signal_id', held.id, 'ok', false);
  end;
  update public.signals set
    plan = held.plan, entered_at = held.entered_at, submitted_at = coalesce(submitted_at, begun)
  where id = held.id;
  return jsonb_build_object(
    'signal_id', held.id, 'ok', true, 'submitted_at', begun,
    'lease_left_ms', floor(extract(epoch from held.lease_until - clock_timestamp()) * 1000));
exception
  -- One claim that does not fit must not undo those of other traders in the same call. The worker sees and reports it.
  when data_exception or integrity_constraint_violation or program_limit_exceeded or no_data_found then
    return jsonb_build_object('signal_id', p_claim -> 'signal_id', 'ok', false, 'error', sqlerrm, 'sqlstate', sqlstate);
end
$$;

create function public.begin_orders(p_claims jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  limited uuid[] := private.lock_entries(p_claims);
begin
  perform private.keep_claims(p_claims);
  return (
    select coalesce(jsonb_agg(private.begin_order(c, limited) order by n), '[]')
    from jsonb_array_elements(p_claims) with ordinality as claims (c, n)
  );
end
$$;
comment on function public.begin_orders is 'Writes planned orders in state submitting where the claim still holds. Only after ok may the worker open the socket, and only while enough of lease_left_ms remains.';

-- Whether an entry counts: something of it was opened, or may still be.
create function private.entry_stands(p_user_id uuid, p_signal_id uuid) returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select from public.orders o
    where o.user_id = p_user_id and o.signal_id = p_signal_id and o.purpose = 'open'
      and (o.filled_quantity > 0
        or o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'filled', 'unknown'))
  );
end
$$;

-- An order that works is followed by the comparisons of its account; the first of them is not to be a minute away. A
-- comparison that is running holds its row and waits for orders that this transaction holds: it is never waited for.
create function private.compare_soon(p_account_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  update private.reconciliations r set due_at = clock_timestamp() + interval '10 seconds'
  where r.account_id = (
    select d.account_id from private.reconciliations d
    where d.account_id = p_account_id and d.due_at > clock_timestamp() + interval '10 seconds' and d.lease_until is null
    for update skip locked
  );
end
$$;

-- One result: {"signal_id","fence","status","reason_code","reason","news":[…],"explanation":{"checks","plan"},
-- "close_symbols":[…] of a close_all}. Status null keeps the claim.
create function private.finish_signal(p_result jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  held public.signals;
  ended public.signals;
begin
  held := private.held_signal(p_result);
  if held.id is null then
    return jsonb_build_object('signal_id', p_result -> 'signal_id', 'ok', false);
  end if;
  perform private.record_news(held, n) from jsonb_array_elements(coalesce(p_result -> 'news', '[]')) n;
  if p_result ->> 'status' is null then
    return jsonb_build_object('signal_id', held.id, 'ok', true);
  end if;
  update public.signals s set
    status = p_result ->> 'status', reason_code = p_result ->> 'reason_code', reason = left(p_result ->> 'reason', 2000),
    lease_until = null, finished_at = clock_timestamp(),
    explanation = coalesce(nullif(p_result -> 'explanation', 'null'), s.explanation),
    entered_at = case when s.entered_at is not null and private.entry_stands(s.user_id, s.id) then s.entered_at end,
    acknowledged_at = (select min(o.acknowledged_at) from public.orders o where o.signal_id = s.id)
  where s.id = held.id
  returning * into ended;
  perform private.audit(held.user_id, 'worker/' || held.claimed_by, 'signal.finished', held.id, jsonb_build_object(
    'status', p_result ->> 'status', 'reason_code', p_result ->> 'reason_code', 'attempt', held.attempt,
    'fence', held.fence));
  if p_result -> 'news' @? '$[*] ? (@.state == "accepted" || @.state == "working" || @.state == "partially_filled")' then
    perform private.compare_soon(held.account_id);
  end if;
  if ended.status = 'review' then
    perform private.notify_of_review(ended);
  -- A dry run of a close_all is done as well, and names nothing to close.
  elsif ended.action = 'close_all' and ended.status = 'done' and jsonb_typeof(p_result -> 'close_symbols') = 'array' then
    perform private.close_each(ended, p_result -> 'close_symbols');
  end if;
  return jsonb_build_object('signal_id', held.id, 'ok', true);
exception
  -- One result that does not fit must not undo those of other traders in the same call. The worker sees and reports it.
  when data_exception or integrity_constraint_violation or program_limit_exceeded or no_data_found then
    return jsonb_build_object('signal_id', p_result -> 'signal_id', 'ok', false, 'error', sqlerrm, 'sqlstate', sqlstate);
end
$$;

create function public.finish_signals(
  p_results jsonb, p_worker text default null, p_limit integer default 0, p_lease_seconds integer default 15
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  finished jsonb;
begin
  perform private.keep_claims(p_results);
  select coalesce(jsonb_agg(private.finish_signal(r) order by n), '[]') into finished
  from jsonb_array_elements(p_results) with ordinality as results (r, n);
  return jsonb_build_object(
    'finished', finished,
    'claims', case when p_limit > 0 then private.claim(p_worker, p_limit, p_lease_seconds) else '[]' end);
end
$$;
comment on function public.finish_signals is 'Records outcomes, fills, positions, trades and audit rows where the claim still holds, and can return the next claims.';
-- Accounts due for a comparison with their venue: leased like signals, so that workers share them.

create table private.reconciliations (
  account_id uuid primary key references public.user_api_keys (id) on delete cascade,
  due_at timestamptz not null default clock_timestamp(),
  fence bigint not null default 0,
  claimed_at timestamptz,
  lease_until timestamptz,
  checked_at timestamptz,
  -- What differed at the last comparison: told when it changes, not at every comparison.
  differences jsonb not null default '[]'
);
create index reconciliations_due on private.reconciliations (due_at);

create function private.schedule_reconciliation() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.reconciliations (account_id) values (new.id);
  return null;
end
$$;
create trigger schedule_reconciliation after insert on public.user_api_keys
for each row execute function private.schedule_reconciliation();

-- Orders that nobody executes any more and that are not known to have ended, and those that ended a moment ago with a fee
-- that the venue had not told yet. Not for longer: some venues never tell.
create function private.open_ends(p_account_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  with ends as materialized (
    select l.id from public.orders l
    where l.account_id = p_account_id and l.state in ('accepted', 'working', 'partially_filled')
    union
    (
      select f.order_id from public.fills f
      where f.account_id = p_account_id and f.fee is null and f.filled_at > clock_timestamp() - interval '15 minutes'
      order by f.filled_at desc limit 10
    )
  )
  select coalesce(jsonb_agg(
    private.order_for_worker(o) || jsonb_build_object(
      'unprotected', o.purpose = 'open' and jsonb_typeof(s.plan -> 'protection') = 'object')
    -- A worker that has not the time for all begins with those of which there was no news for longest.
    order by o.updated_at, o.id), '[]')
  from ends
  join public.orders o on o.id = ends.id
  join public.signals s on s.user_id = o.user_id and s.id = o.signal_id
  where s.status not in ('pending', 'executing')
$$;

create function private.held_positions(p_account_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'symbol', p.symbol, 'side', case p.side when 'BUY' then 'long' else 'short' end,
    'quantity', trim_scale(p.quantity)::text) order by p.symbol), '[]')
  from public.positions p
  join public.user_api_keys k on k.user_id = p.user_id and k.id = p.account_id
  where k.id = p_account_id
$$;

create function public.claim_accounts(p_worker text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  answer jsonb;
begin
  perform private.check_claim(p_worker, p_limit, p_lease_seconds);
  with due as materialized (
    select r.account_id from private.reconciliations r
    where r.due_at <= clock_timestamp() and coalesce(r.lease_until, '-infinity') < clock_timestamp()
    order by r.due_at
    limit p_limit
    for update skip locked
  ), claimed as (
    update private.reconciliations r set
      fence = r.fence + 1, claimed_at = clock_timestamp(),
      lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from due where r.account_id = due.account_id
    returning r.account_id, r.fence
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'fence', c.fence, 'account', private.account_for_worker(c.account_id),
    'orders', private.open_ends(c.account_id), 'positions', private.held_positions(c.account_id))), '[]')
  into answer
  from claimed c;
  return answer;
end
$$;
comment on function public.claim_accounts is 'Up to p_limit accounts due for a comparison with their venue, with our open ends and positions.';

create function private.notify_of_differences(p_account public.user_api_keys, p_differences jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  data jsonb := jsonb_build_object('account_id', p_account.id, 'exchange', p_account.exchange);
begin
  if p_differences = '[]' then
    perform private.notify(p_account.user_id, 'account_differs', 'info',
      format('%s agrees with our record again', p_account.label), '', data);
    return;
  end if;
  perform private.notify(
    p_account.user_id, 'account_differs', 'warning', format('%s differs from our record', p_account.label),
    (select string_agg(format('%s: we have %s, the venue has %s.', d ->> 'symbol', d ->> 'ours', d ->> 'venue'), ' ')
    from (select d from jsonb_array_elements(p_differences) d limit 20) shown), data);
end
$$;

-- One result: {"account_id","fence","news":[{"signal_id",…as for an order…}],"differences":[{"symbol","ours","venue"}] or
-- null when the venue could not be asked,"keys_refused","due_in_seconds"}. Symbols that were traded since the claim are left out: what differs there may be the trade.
create function private.finish_account(p_result jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  account public.user_api_keys;
  held private.reconciliations;
  differing jsonb;
begin
  perform private.keep_trader((
    select k.user_id from public.user_api_keys k where k.id = (p_result ->> 'account_id')::uuid));
  select * into account from public.user_api_keys k where k.id = (p_result ->> 'account_id')::uuid for key share;
  select * into held from private.reconciliations r
  where r.account_id = account.id and r.fence = (p_result ->> 'fence')::bigint and r.lease_until is not null
  for update;
  if held.account_id is null then
    return jsonb_build_object('account_id', p_result -> 'account_id', 'ok', false);
  end if;
  perform private.record_late_order(s, n)
  from jsonb_array_elements(coalesce(p_result -> 'news', '[]')) n
  join public.signals s on s.user_id = account.user_id and s.id = (n ->> 'signal_id')::uuid
    and s.account_id = account.id and s.status not in ('pending', 'executing');
  select coalesce(jsonb_agg(d order by d ->> 'symbol'), '[]') into differing
  from jsonb_array_elements(case jsonb_typeof(p_result -> 'differences') when 'array' then p_result -> 'differences'
    else '[]' end) d
  where not exists (
    select from public.signals s
    where s.lane = account.id::text || '/' || (d ->> 'symbol')
      and (s.status = 'executing' or s.finished_at >= held.claimed_at)
  );
  if p_result ->> 'differences' is null then
    -- The venue could not be asked, which says nothing.
    differing := held.differences;
  end if;
  if differing <> held.differences then
    perform private.audit(account.user_id, 'worker', 'account.compared', account.id,
      jsonb_build_object('differences', differing));
    perform private.notify_of_differences(account, differing);
  end if;
  perform private.expire_keys(account.id, account.status);
  -- A validation tells the trader; one that waits or runs will.
  if coalesce((p_result ->> 'keys_refused')::boolean, false) and account.status = 'valid' and not exists (
    select from private.tasks t
    where t.account_id = account.id and t.kind = 'validate_key' and t.state in ('pending', 'running')
  ) then
    perform private.enqueue_task('validate_key', account.user_id, account.id, '{}');
  end if;
  update private.reconciliations set
    differences = differing, checked_at = clock_timestamp(), lease_until = null,
    due_at = clock_timestamp() + make_interval(secs => (p_result ->> 'due_in_seconds')::numeric::float8)
  where account_id = account.id;
  return jsonb_build_object('account_id', account.id, 'ok', true);
exception
  -- One result that does not fit must not undo the others of the same call.
  when data_exception or integrity_constraint_violation or no_data_found or program_limit_exceeded then
    return jsonb_build_object(
      'account_id', p_result -> 'account_id', 'ok', false, 'error', sqlerrm, 'sqlstate', sqlstate);
end
$$;

create function public.finish_accounts(p_results jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.keep_batch(
    private.ids_in(p_results, '$[*].news[*].signal_id'), private.ids_in(p_results, '$[*].account_id'),
    p_results @? '$[*].news[*].fills[*]');
  perform private.keep_orders(private.ids_in(p_results, '$[*].news[*].signal_id'));
  return (
    select coalesce(jsonb_agg(private.finish_account(r) order by n), '[]')
    from jsonb_array_elements(p_results) with ordinality as results (r, n)
  );
end
$$;
comment on function public.finish_accounts is 'Records what comparisons found, where their lease is still held: news of open orders, and differences, told when they change.';
-- Signals of which nobody knows what came: an operator looks at the venue and settles them.

create function public.review_signals() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'signal_id', s.id, 'user_id', s.user_id, 'account_id', s.account_id, 'exchange', s.exchange,
      'environment', s.environment, 'symbol', s.symbol, 'action', s.action, 'is_exit', s.is_exit,
      'received_at', s.received_at, 'review_since', s.finished_at,
      'age_seconds', floor(extract(epoch from clock_timestamp() - s.finished_at))::bigint,
      'reason_code', s.reason_code, 'reason', s.reason,
      'held_back', (
        select count(*) from public.signals p where p.lane = s.lane and p.status = 'pending' and not p.is_exit),
      'orders', (
        select coalesce(jsonb_agg(private.order_for_worker(o) order by o.leg), '[]')
        from public.orders o where o.user_id = s.user_id and o.signal_id = s.id)
    ) order by s.finished_at, s.seq), '[]')
    from (
      select r.* from public.signals r where r.status = 'review' order by r.finished_at, r.seq limit 500
    ) s
  );
end
$$;
comment on function public.review_signals is 'Operator: the signals that wait for somebody to look at the venue, oldest first, with their orders and how many entries they hold back.';

-- What is wrong with a verdict, in words; null when it can be carried out.
create function private.wrong_verdict(
  p_signal public.signals, p_verdict text, p_operator text, p_note text, p_fills jsonb
) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  told record;
  known public.orders;
begin
  if p_signal.id is null then
    return 'no signal of this id waits for a review';
  end if;
  if coalesce(p_verdict not in ('executed', 'not_executed'), true) then
    return 'the verdict must be executed or not_executed';
  end if;
  if coalesce(length(btrim(p_operator)) not between 1 and 100 or length(btrim(p_note)) not between 1 and 1000, true) then
    return 'a verdict needs the operator''s name, of at most 100 characters, and a note of at most 1000';
  end if;
  if coalesce(jsonb_typeof(p_fills) <> 'array', true) then
    return 'the fills must be a list';
  end if;
  if (p_verdict = 'executed') <> (p_fills <> '[]') then
    return 'executed needs what was filled, and not_executed has none';
  end if;
  for told in
    select
      f ->> 'leg' as leg, f ->> 'quantity' as quantity, f ->> 'price' as price,
      -- 01 is 1.
      count(*) over (partition by ltrim(f ->> 'leg', '0')) as times
    from jsonb_array_elements(p_fills) f
  loop
    if coalesce(told.leg !~ '^[0-9]{1,2}$' or told.quantity !~ '^[0-9]{1,30}(\.[0-9]{1,20})?$'
      or told.price !~ '^[0-9]{1,30}(\.[0-9]{1,20})?$', true) then
      return 'each fill is {"leg","quantity","price"} with plain decimal numbers';
    end if;
    select * into known from public.orders o
    where o.user_id = p_signal.user_id and o.signal_id = p_signal.id and o.leg = told.leg::smallint
      and o.state in ('submitting', 'unknown', 'absent');
    if not found or told.times > 1 then
      return format('leg %s is no order of this signal that is still unknown, or is named twice', told.leg);
    end if;
    if told.quantity::numeric not between 0 and known.quantity or told.quantity::numeric = 0 or told.price::numeric = 0 then
      return format('leg %s was for %s: quantity and price are above zero, and no more was filled than was ordered',
        told.leg, trim_scale(known.quantity)::text);
    end if;
  end loop;
  return null;
end
$$;

-- What the venue did with one order, as the operator saw it; p_fill is null where it did nothing.
create function private.settle_order(p_signal public.signals, p_order public.orders, p_fill jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  amount numeric := (p_fill ->> 'quantity')::numeric;
begin
  if p_fill is null then
    perform private.record_late_order(p_signal, jsonb_build_object(
      'leg', p_order.leg, 'state', 'cancelled', 'reason_code', 'outcome_unknown',
      'reason', 'An operator looked it up: the venue did not execute it.'));
    return;
  end if;
  perform private.record_late_order(p_signal, jsonb_build_object(
    'leg', p_order.leg, 'state', case when amount < p_order.quantity then 'cancelled' else 'filled' end,
    'filled_quantity', amount::text, 'average_price', p_fill ->> 'price',
    'fills', jsonb_build_array(jsonb_build_object(
      'venue_fill_id', 'settled/' || p_order.client_order_id, 'price', p_fill ->> 'price', 'quantity', amount::text,
      -- None, and not unknown: nobody is to ask the venue for it and find this execution under its own id.
      'fee', '0', 'filled_at', p_order.submitted_at))));
  -- Its attached exits went in the same write; the comparison of the account finds out how they stand.
  update public.orders o set state = 'accepted'
  where o.user_id = p_order.user_id and o.signal_id = p_order.signal_id and o.attached_to = p_order.leg
    and o.state in ('submitting', 'unknown', 'absent');
end
$$;

create function public.settle_signal(
  p_signal_id uuid, p_verdict text, p_operator text, p_note text, p_fills jsonb default '[]'
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  held public.signals;
  unsettled public.orders;
  wrong text;
begin
  perform private.keep_batch(array[p_signal_id], null, true);
  perform from public.orders o where o.signal_id = p_signal_id order by o.id for update;
  select * into held from public.signals s where s.id = p_signal_id and s.status = 'review' for update;
  wrong := private.wrong_verdict(held, p_verdict, p_operator, p_note, p_fills);
  if wrong is not null then
    raise exception '%', wrong using errcode = '22023', hint = 'nothing was changed; review_signals() tells what waits';
  end if;
  -- Entries first, so that their attached exits are found to have gone with them.
  for unsettled in
    select o.* from public.orders o
    where o.user_id = held.user_id and o.signal_id = held.id and o.state in ('submitting', 'unknown', 'absent')
    order by o.leg
  loop
    perform private.settle_order(held, o, (
      select f from jsonb_array_elements(p_fills) f where (f ->> 'leg')::smallint = unsettled.leg))
    from public.orders o where o.id = unsettled.id and o.state in ('submitting', 'unknown', 'absent');
  end loop;
  update public.signals s set
    status = case p_verdict when 'executed' then 'done' else 'failed' end,
    reason_code = case p_verdict when 'executed' then s.reason_code else 'outcome_unknown' end,
    reason = left(format('%s An operator looked at the venue: %s (%s)', s.reason, case p_verdict
      when 'executed' then 'it was executed.' else 'it was not executed.' end, btrim(p_note)), 2000),
    fence = s.fence + 1
  where s.id = held.id
  returning * into held;
  perform private.audit(held.user_id, 'operator/' || btrim(p_operator), 'signal.settled', held.id,
    jsonb_build_object('verdict', p_verdict, 'note', btrim(p_note), 'fills', p_fills));
  perform private.notify_of_signal(held, 'signal_review', 'info', format(
    '%s of %s is settled: it was %s', initcap(held.action), held.symbol, replace(p_verdict, '_', ' ')));
  perform private.send_hint();
  return jsonb_build_object('signal_id', held.id, 'status', held.status, 'reason', held.reason);
end
$$;
comment on function public.settle_signal is 'Operator: ends a signal under review with what the venue did, executed with fills [{"leg","quantity","price"}] or not_executed. Its lane is free at once.';
-- Everything about one signal: what came, what was checked, what was planned, sent and executed, and when.

create function private.signal_times(s public.signals) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'alert_at', s.alert_at, 'received_at', s.received_at, 'claimed_at', s.claimed_at, 'entered_at', s.entered_at,
    'submitted_at', s.submitted_at, 'acknowledged_at', s.acknowledged_at, 'finished_at', s.finished_at);
end
$$;

create function private.signal_orders(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(private.order_for_worker(o) - '{signal_id,bookmark,begun_at}'::text[] || jsonb_build_object(
      'time_in_force', o.time_in_force, 'extended_hours', o.extended_hours, 'acknowledged_at', o.acknowledged_at,
      'submissions', o.submissions, 'reason_code', o.reason_code, 'reason', o.reason,
      'fills', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'venue_fill_id', f.venue_fill_id, 'price', f.price::text, 'quantity', f.quantity::text, 'fee', f.fee::text,
          'fee_currency', f.fee_currency, 'filled_at', f.filled_at) order by f.filled_at, f.venue_fill_id), '[]')
        from public.fills f where f.user_id = o.user_id and f.order_id = o.id)
    ) order by o.leg), '[]')
    from public.orders o where o.user_id = s.user_id and o.signal_id = s.id
  );
end
$$;

-- As its trader may see it.
create function private.signal_story(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'signal_id', s.id, 'exchange', s.exchange, 'environment', s.environment, 'account_id', s.account_id,
    'symbol', s.symbol, 'action', s.action, 'is_exit', s.is_exit, 'strategy_id', s.strategy_id,
    'status', s.status, 'reason_code', s.reason_code, 'reason', s.reason,
    'alert', s.alert, 'raw', s.raw, 'warnings', to_jsonb(s.warnings),
    'times', private.signal_times(s),
    'checks', coalesce(s.explanation -> 'checks', s.plan -> 'checks', '[]'),
    'plan', coalesce(nullif(s.plan, 'null'), nullif(s.explanation -> 'plan', 'null')),
    'orders', private.signal_orders(s),
    'parent_id', s.parent_id,
    'children', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'signal_id', c.id, 'symbol', c.symbol, 'action', c.action, 'status', c.status, 'reason_code', c.reason_code,
        'reason', c.reason) order by c.symbol, c.id), '[]')
      from public.signals c where c.user_id = s.user_id and c.parent_id = s.id));
end
$$;

create function public.my_signal(p_signal_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
begin
  return (
    select private.signal_story(s) from public.signals s where s.user_id = trader and s.id = p_signal_id
  );
end
$$;
comment on function public.my_signal is 'Everything about one of the caller''s signals: the alert, checks with value and limit, plan, orders, fills, times; null for any other id.';

create function public.explain_signal(p_signal_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return (
    select private.signal_story(s) || jsonb_build_object(
      'user_id', s.user_id, 'lane', s.lane, 'seq', s.seq, 'attempt', s.attempt, 'fence', s.fence,
      'claimed_by', s.claimed_by, 'lease_until', s.lease_until,
      'audit', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'at', a.at, 'actor', a.actor, 'action', a.action, 'detail', a.detail) order by a.id), '[]')
        from public.audit_log a where a.subject = s.id))
    from public.signals s where s.id = p_signal_id
  );
end
$$;
comment on function public.explain_signal is 'Operator: everything about a signal, as my_signal, with its claims and its rows of the audit log; null when there is none.';
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
-- Stripe's events, stored once each as they come. What they mean is worked out from the stored rows.

create table private.stripe_events (
  id text primary key check (length(id) between 1 and 255),
  type text not null,
  livemode boolean not null,
  created_at timestamptz not null,
  payload jsonb not null,
  received_at timestamptz not null default clock_timestamp()
);
create index stripe_events_received on private.stripe_events (received_at);
-- Whom an event is about: they go when he goes.
create index stripe_events_trader on private.stripe_events ((payload #>> '{data,object,metadata,user_id}'));
create index stripe_events_customer on private.stripe_events ((payload #>> '{data,object,customer}'));
create index stripe_events_object on private.stripe_events ((payload #>> '{data,object,id}'));

create function public.store_stripe_event(p_event jsonb) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.stripe_events (id, type, livemode, created_at, payload)
  values (
    p_event ->> 'id', p_event ->> 'type', (p_event ->> 'livemode')::boolean,
    to_timestamp((p_event ->> 'created')::bigint), p_event)
  on conflict (id) do nothing;
  return found;
end
$$;
comment on function public.store_stripe_event is 'Stores one verified Stripe event; false when it was stored before.';
-- The book of the paper venue. It is a venue, not our record: it knows orders by client id, fills them at a price it
-- is given (171_paper_matching.sql), and answers when asked. A new paper key is a new paper account with a fresh balance.

create table private.paper_accounts (
  id bigint generated always as identity primary key,
  account_id uuid not null references public.user_api_keys (id) on delete cascade,
  key_hash bytea not null check (length(key_hash) = 32),
  currency text not null default 'USD',
  cash numeric not null check (cash > '-infinity' and cash < 'infinity'),
  created_at timestamptz not null default now(),
  unique (account_id, key_hash)
);

create table private.paper_orders (
  id bigint generated always as identity primary key,
  paper_account_id bigint not null references private.paper_accounts (id) on delete cascade,
  client_order_id text not null check (length(client_order_id) between 1 and 100),
  symbol text not null check (length(symbol) between 1 and 100),
  side text not null check (side in ('buy', 'sell')),
  quantity numeric not null check (quantity > 0 and quantity < 'infinity'),
  reduce_only boolean not null,
  order_type text not null check (order_type in ('market', 'limit', 'stop', 'stop_limit', 'trailing_stop')),
  limit_price numeric check (limit_price > 0 and limit_price < 'infinity'),
  stop_price numeric check (stop_price > 0 and stop_price < 'infinity'),
  trail_distance numeric check (trail_distance > 0 and trail_distance < 'infinity'),
  trail_percent numeric check (trail_percent > 0 and trail_percent < 100),
  time_in_force text not null check (time_in_force in ('gtc', 'day', 'ioc', 'fok')),
  slippage_percent numeric not null check (slippage_percent >= 0 and slippage_percent < 100),
  fee_percent numeric not null check (fee_percent >= 0 and fee_percent < 'infinity'),
  max_leverage numeric not null check (max_leverage >= 0 and max_leverage < 'infinity'),
  -- The price of the market that came with the order.
  seen_price numeric,
  -- Exits of one group take one another away. It is named by the entry's id; without one by that of its first exit.
  exit_group bigint,
  -- waiting: an exit whose entry has not filled.
  state text not null check (state in ('waiting', 'working', 'filled', 'cancelled', 'expired')),
  reason text,
  -- A stop-limit order whose stop was reached is a limit order from then on.
  triggered boolean not null default false,
  -- The best price that a trailing stop has seen.
  best_price numeric,
  price numeric check (price > 0 and price < 'infinity'),
  fee numeric check (fee > '-infinity' and fee < 'infinity'),
  -- How often this order arrived. More than once means that somebody sent it blindly again.
  arrivals integer not null default 1,
  sent_at timestamptz not null default clock_timestamp(),
  executed_at timestamptz,
  unique (paper_account_id, client_order_id),
  check ((state = 'filled') = (price is not null and fee is not null and executed_at is not null)),
  check ((limit_price is not null) = (order_type in ('limit', 'stop_limit'))),
  check ((stop_price is not null) = (order_type in ('stop', 'stop_limit'))),
  check (num_nonnulls(trail_distance, trail_percent) = (case order_type when 'trailing_stop' then 1 else 0 end))
);
create index paper_orders_symbol on private.paper_orders (paper_account_id, symbol, id);
create index paper_orders_open on private.paper_orders (paper_account_id, symbol, id)
where state in ('waiting', 'working');

create table private.paper_positions (
  paper_account_id bigint not null references private.paper_accounts (id) on delete cascade,
  symbol text not null,
  quantity numeric not null check (quantity <> 0),
  entry_price numeric not null,
  primary key (paper_account_id, symbol)
);
comment on column private.paper_positions.quantity is 'Signed: below zero is short.';

create function private.paper_account(p_account_id uuid, p_key_hash text) returns private.paper_accounts
language sql
stable
set search_path = ''
as $$
  select * from private.paper_accounts where account_id = p_account_id and key_hash = decode(p_key_hash, 'hex')
$$;

create function public.paper_open(p_account_id uuid, p_key_hash text, p_starting_balance numeric, p_currency text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  book private.paper_accounts;
begin
  insert into private.paper_accounts (account_id, key_hash, cash, currency)
  values (p_account_id, decode(p_key_hash, 'hex'), p_starting_balance, p_currency)
  on conflict (account_id, key_hash) do nothing;
  book := private.paper_account(p_account_id, p_key_hash);
  return jsonb_build_object(
    'currency', book.currency, 'cash', trim_scale(book.cash)::text,
    'equity', trim_scale(book.cash + coalesce((
      select sum(p.quantity * p.entry_price) from private.paper_positions p where p.paper_account_id = book.id
    ), 0))::text);
end
$$;
comment on function public.paper_open is 'Opens the paper account of a key, or finds it; answers with its balance, positions valued at entry.';

create function private.paper_order_json(o private.paper_orders) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'order_id', o.id::text, 'client_order_id', o.client_order_id, 'symbol', o.symbol, 'side', o.side,
    'quantity', trim_scale(o.quantity)::text, 'state', o.state, 'reason', o.reason,
    'price', trim_scale(o.price)::text, 'fee', trim_scale(o.fee)::text, 'executed_at', o.executed_at);
end
$$;

-- What the order does to the position: average in, reduce, or cross zero.
create function private.paper_apply(p_book bigint, p_symbol text, p_signed numeric, p_price numeric) returns void
language plpgsql
set search_path = ''
as $$
declare
  held private.paper_positions;
  after numeric;
begin
  select * into held from private.paper_positions where paper_account_id = p_book and symbol = p_symbol;
  after := coalesce(held.quantity, 0) + p_signed;
  if after = 0 then
    delete from private.paper_positions where paper_account_id = p_book and symbol = p_symbol;
  else
    insert into private.paper_positions (paper_account_id, symbol, quantity, entry_price)
    values (p_book, p_symbol, after, p_price)
    on conflict (paper_account_id, symbol) do update set
      quantity = after,
      entry_price = case
        when sign(held.quantity) <> sign(after) then p_price
        when sign(held.quantity) = sign(p_signed)
          then round((held.quantity * held.entry_price + p_signed * p_price) / after, 18)
        else held.entry_price
      end;
  end if;
end
$$;

-- Refusals as a venue gives them: a code and words.
create function private.paper_refusal(p_code text, p_message text) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object('refused', jsonb_build_object('code', p_code, 'message', p_message))
$$;

-- What an order of p_signed would open, against what the equity carries: null when it fits, else the refusal. What only
-- closes always fits; an order that crosses zero is judged by what it opens beyond it.
create function private.paper_funds_refusal(
  p_book private.paper_accounts, p_held private.paper_positions, p_signed numeric, p_price numeric, p_leverage numeric
) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  held_quantity numeric := coalesce(p_held.quantity, 0);
  closing numeric := case when held_quantity * p_signed < 0 then least(abs(held_quantity), abs(p_signed)) else 0 end;
  opening numeric := (abs(p_signed) - closing) * p_price;
  exposure numeric;
  equity numeric;
begin
  select
    coalesce(sum(abs(p.quantity) * p.entry_price), 0) - closing * coalesce(p_held.entry_price, 0),
    p_book.cash + coalesce(sum(p.quantity * p.entry_price), 0)
  into exposure, equity
  from private.paper_positions p where p.paper_account_id = p_book.id;
  if opening > 0 and exposure + opening > equity * coalesce(p_leverage, 1) then
    return private.paper_refusal('insufficient_funds', format(
      'equity %s carries %s at most; open is %s and this order needs %s', round(equity, 2),
      round(equity * coalesce(p_leverage, 1), 2), round(exposure, 2), round(opening, 2)));
  end if;
  return null;
end
$$;

-- Orders for the day end at midnight in New York, where the trader's days begin.
create function private.paper_expire(p_book bigint) returns void
language plpgsql
set search_path = ''
as $$
declare
  today timestamptz := date_trunc('day', now() at time zone 'America/New_York') at time zone 'America/New_York';
begin
  -- In one order, whoever does it: a question does not hold the lock of the book.
  with over as materialized (
    select o.id from private.paper_orders o
    where o.paper_account_id = p_book and o.state in ('waiting', 'working')
      and (
        (o.time_in_force = 'day' and o.sent_at < today)
        or (o.state = 'waiting' and exists (
          select from private.paper_orders e
          where e.id = o.exit_group and e.state = 'working' and e.time_in_force = 'day' and e.sent_at < today
        ))
      )
    order by o.id for update
  )
  update private.paper_orders o set state = 'expired', reason = 'its day is over'
  from over where o.id = over.id and o.state in ('waiting', 'working');
end
$$;

create function public.paper_find_order(p_account_id uuid, p_client_order_id text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.paper_expire(a.id) from private.paper_accounts a where a.account_id = p_account_id;
  return (
    select private.paper_order_json(o)
    from private.paper_accounts a
    join private.paper_orders o on o.paper_account_id = a.id and o.client_order_id = p_client_order_id
    where a.account_id = p_account_id
  );
end
$$;
comment on function public.paper_find_order is 'The paper venue''s order of this client id under any key of the account, or null: replaced keys must not make an order look absent.';

create function public.paper_list_open(p_account_id uuid, p_key_hash text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  book private.paper_accounts := private.paper_account(p_account_id, p_key_hash);
begin
  perform private.paper_expire(book.id);
  return (
    select coalesce(jsonb_agg(private.paper_order_json(o) order by o.id), '[]')
    from private.paper_orders o
    where o.paper_account_id = book.id and o.state in ('waiting', 'working')
  );
end
$$;
comment on function public.paper_list_open is 'The paper venue''s orders that work, and the exits that wait for their entry, oldest first.';

create function public.paper_list_positions(p_account_id uuid, p_key_hash text) returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'symbol', p.symbol, 'quantity', trim_scale(p.quantity)::text, 'entry_price', trim_scale(p.entry_price)::text)
    order by p.symbol), '[]')
  from private.paper_positions p
  where p.paper_account_id = (private.paper_account(p_account_id, p_key_hash)).id
$$;
comment on function public.paper_list_positions is 'The paper venue''s open positions; a quantity below zero is short.';

create function public.paper_list_fills(p_account_id uuid, p_key_hash text, p_symbol text, p_since timestamptz)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(private.paper_order_json(o) order by o.executed_at, o.id), '[]')
  from private.paper_orders o
  where o.paper_account_id = (private.paper_account(p_account_id, p_key_hash)).id and o.symbol = p_symbol
    and o.state = 'filled' and o.executed_at >= p_since
$$;
comment on function public.paper_list_fills is 'The paper venue''s executions in a symbol since a moment, oldest first: an order is filled whole in one.';
-- How the paper venue executes. It has no clock that ticks: whenever a price of a symbol is told, every order that waits
-- for one is held against it, oldest first, under the lock of the book. A limit order fills at its price or better, a stop
-- at the price that reached it. What was missed between two prices stays missed.

create function private.paper_sign(p_side text) returns integer
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case p_side when 'buy' then 1 else -1 end;
end
$$;

-- Whether anything waits in a symbol: most of the time nothing does.
create function private.paper_has_open(p_book bigint, p_symbol text) returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select from private.paper_orders o
    where o.paper_account_id = p_book and o.symbol = p_symbol and o.state in ('waiting', 'working'));
end
$$;

-- Ends an order that has not filled, and with an entry the exits that wait for it.
create function private.paper_end(p_order_id bigint, p_state text, p_reason text) returns void
language plpgsql
set search_path = ''
as $$
begin
  update private.paper_orders set state = p_state, reason = p_reason
  where state in ('waiting', 'working')
    and (id = p_order_id or (state = 'waiting' and exit_group = p_order_id));
end
$$;

-- What an exit that has filled leaves to the others of its group, and a position to the orders that reduce it. A
-- take-profit takes its size off the stops, a stop off all others. What cannot reduce anything any more is cancelled.
create function private.paper_take_away(p_filled private.paper_orders, p_after numeric) returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_filled.exit_group is not null then
    update private.paper_orders o set
      quantity = case when o.quantity > p_filled.quantity then o.quantity - p_filled.quantity else o.quantity end,
      state = case when o.quantity > p_filled.quantity then o.state else 'cancelled' end,
      reason = case when o.quantity > p_filled.quantity then o.reason else 'another exit of the position has filled' end
    where o.exit_group = p_filled.exit_group and o.id <> p_filled.id and o.state = 'working'
      and not (o.order_type = 'limit' and p_filled.order_type = 'limit');
  end if;
  update private.paper_orders o set state = 'cancelled', reason = 'the position is closed'
  where o.paper_account_id = p_filled.paper_account_id and o.symbol = p_filled.symbol and o.state = 'working'
    and o.id <> p_filled.id and o.reduce_only and p_after * private.paper_sign(o.side) >= 0;
end
$$;

-- Fills an order whole and returns it as it is then, or ends it when it cannot be filled any more.
create function private.paper_fill(o private.paper_orders, p_price numeric) returns private.paper_orders
language plpgsql
set search_path = ''
as $$
declare
  book private.paper_accounts;
  held private.paper_positions;
  sign_of integer := private.paper_sign(o.side);
  refusal jsonb;
begin
  select * into book from private.paper_accounts where id = o.paper_account_id;
  select * into held from private.paper_positions where paper_account_id = book.id and symbol = o.symbol;
  if o.reduce_only then
    if coalesce(held.quantity, 0) * sign_of >= 0 then
      perform private.paper_end(o.id, 'cancelled', 'there is no position to reduce');
      return o;
    end if;
    o.quantity := least(o.quantity, abs(held.quantity));
  else
    refusal := private.paper_funds_refusal(book, held, sign_of * o.quantity, p_price, o.max_leverage);
    if refusal is not null then
      perform private.paper_end(o.id, 'cancelled', refusal -> 'refused' ->> 'message');
      return o;
    end if;
  end if;
  update private.paper_orders set
    state = 'filled', quantity = o.quantity, price = p_price, fee = round(o.quantity * p_price * o.fee_percent / 100, 8),
    executed_at = clock_timestamp()
  where id = o.id returning * into o;
  perform private.paper_apply(book.id, o.symbol, sign_of * o.quantity, p_price);
  update private.paper_accounts set cash = cash - sign_of * o.quantity * p_price - o.fee where id = book.id;
  if private.paper_has_open(book.id, o.symbol) then
    perform private.paper_take_away(o, coalesce(held.quantity, 0) + sign_of * o.quantity);
  end if;
  return o;
end
$$;

-- Where an order would trade at a price of the market; null while it waits. Keeps what the price has changed about it.
-- p_arrives: it meets the market for the first time, so that a limit may be better than its price.
create function private.paper_meets(o private.paper_orders, p_market numeric, p_arrives boolean) returns numeric
language plpgsql
set search_path = ''
as $$
declare
  sign_of integer := private.paper_sign(o.side);
  slipped numeric := greatest(round(p_market * (1 + sign_of * o.slippage_percent / 100), 8), 0.00000001);
  arrives boolean := p_arrives;
begin
  if o.order_type = 'trailing_stop' then
    o.best_price := case sign_of when 1 then least(o.best_price, p_market) else greatest(o.best_price, p_market) end;
    update private.paper_orders set best_price = o.best_price where id = o.id;
    o.stop_price := o.best_price + sign_of * coalesce(o.trail_distance, o.best_price * o.trail_percent / 100);
  end if;
  if o.stop_price is not null and not o.triggered then
    if sign_of * p_market < sign_of * o.stop_price then
      return null;
    end if;
    update private.paper_orders set triggered = true where id = o.id;
    arrives := true;
  end if;
  if o.limit_price is null then
    return slipped;
  end if;
  return case
    when sign_of * p_market > sign_of * o.limit_price then null
    when not arrives then o.limit_price
    when sign_of = 1 then least(slipped, o.limit_price)
    else greatest(slipped, o.limit_price)
  end;
end
$$;

-- Holds one order against a price, and when it fills the exits that have waited for it.
create function private.paper_try(p_order_id bigint, p_market numeric, p_arrives boolean) returns void
language plpgsql
set search_path = ''
as $$
declare
  price numeric;
  o private.paper_orders;
  child bigint;
begin
  select * into o from private.paper_orders where id = p_order_id and state = 'working';
  -- An order before this one may have ended it.
  if o.id is null then
    return;
  end if;
  price := private.paper_meets(o, p_market, p_arrives);
  if price is null then
    return;
  end if;
  o := private.paper_fill(o, price);
  if o.state <> 'filled' or not private.paper_has_open(o.paper_account_id, o.symbol) then
    return;
  end if;
  for child in
    update private.paper_orders set state = 'working', quantity = o.quantity, best_price = p_market
    where exit_group = o.id and state = 'waiting' returning id
  loop
    perform private.paper_try(child, p_market, true);
  end loop;
end
$$;

create function private.paper_match(p_book bigint, p_symbol text, p_market numeric) returns void
language plpgsql
set search_path = ''
as $$
declare
  each bigint;
begin
  if not private.paper_has_open(p_book, p_symbol) then
    return;
  end if;
  perform private.paper_expire(p_book);
  for each in
    select id from private.paper_orders
    where paper_account_id = p_book and symbol = p_symbol and state = 'working' order by id
  loop
    perform private.paper_try(each, p_market, false);
  end loop;
end
$$;
-- What the paper venue is asked to do: take an order, take exits, cancel, and learn a price.

-- One order as it comes in. p_order: {"client_order_id","symbol","side","quantity","reduce_only","order_type"?,
-- "limit_price"?,"stop_price"?,"trail_distance"?,"trail_percent"?,"time_in_force"?}
create function private.paper_note(
  p_book bigint, p_order jsonb, p_terms jsonb, p_seen numeric, p_group bigint, p_state text
) returns private.paper_orders
language plpgsql
set search_path = ''
as $$
declare
  noted private.paper_orders;
begin
  insert into private.paper_orders (
    paper_account_id, client_order_id, symbol, side, quantity, reduce_only, order_type, limit_price, stop_price,
    trail_distance, trail_percent, time_in_force, slippage_percent, fee_percent, max_leverage, seen_price, best_price,
    exit_group, state
  ) values (
    p_book, p_order ->> 'client_order_id', p_order ->> 'symbol', p_order ->> 'side', (p_order ->> 'quantity')::numeric,
    (p_order ->> 'reduce_only')::boolean, coalesce(p_order ->> 'order_type', 'market'),
    (p_order ->> 'limit_price')::numeric, (p_order ->> 'stop_price')::numeric, (p_order ->> 'trail_distance')::numeric,
    (p_order ->> 'trail_percent')::numeric, coalesce(p_order ->> 'time_in_force', 'gtc'),
    (p_terms ->> 'slippage_percent')::numeric, (p_terms ->> 'fee_percent')::numeric,
    coalesce((p_terms ->> 'max_leverage')::numeric, 1), p_seen, p_seen, p_group, p_state
  ) returning * into noted;
  return noted;
end
$$;

-- Counts a client id that has come before, under whatever key of the account: keys may have been replaced since.
create function private.paper_is_known(p_account_id uuid, p_client_order_ids text[]) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update private.paper_orders o set arrivals = o.arrivals + 1
  from private.paper_accounts a
  where a.account_id = p_account_id and o.paper_account_id = a.id and o.client_order_id = any (p_client_order_ids);
  return found;
end
$$;

-- The price by which an order is judged when it comes in: that of the market with its slippage, or its own.
create function private.paper_asked_price(p_order jsonb, p_terms jsonb, p_market numeric) returns numeric
language plpgsql
immutable
set search_path = ''
as $$
begin
  return coalesce(
    (p_order ->> 'limit_price')::numeric,
    (p_order ->> 'stop_price')::numeric,
    round(p_market * (
      1 + private.paper_sign(p_order ->> 'side') * (p_terms ->> 'slippage_percent')::numeric / 100
    ), 8)
  );
end
$$;

-- Why an order is not taken; null when it is.
create function private.paper_order_refusal(p_book bigint, p_order jsonb, p_terms jsonb, p_market numeric) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  book private.paper_accounts;
  held private.paper_positions;
  sign_of integer := private.paper_sign(p_order ->> 'side');
  amount numeric := (p_order ->> 'quantity')::numeric;
  price numeric := private.paper_asked_price(p_order, p_terms, p_market);
begin
  select * into book from private.paper_accounts where id = p_book;
  select * into held from private.paper_positions where paper_account_id = p_book and symbol = p_order ->> 'symbol';
  if (p_order ->> 'reduce_only')::boolean and coalesce(held.quantity, 0) * sign_of >= 0 then
    return private.paper_refusal('nothing_to_reduce', 'a reduce-only order needs an opposite position');
  end if;
  if coalesce(p_order ->> 'order_type', 'market') = 'market' and p_market is null then
    return private.paper_refusal('no_price', 'the paper venue has no price for this symbol');
  end if;
  -- NaN sorts above infinity.
  if not coalesce(price > 0 and price < 'infinity', false) then
    return private.paper_refusal('invalid_order', 'the price must be a positive number');
  end if;
  if (p_order ->> 'reduce_only')::boolean then
    return null;
  end if;
  return private.paper_funds_refusal(book, held, sign_of * amount, price, (p_terms ->> 'max_leverage')::numeric);
end
$$;

-- Takes in the price that comes with a request, and answers with the last one known of the symbol.
create function private.paper_market(p_book bigint, p_symbol text, p_told numeric) returns numeric
language plpgsql
set search_path = ''
as $$
begin
  if p_told is null then
    -- An exit must never fail for want of a price.
    return (
      select o.seen_price from private.paper_orders o
      where o.paper_account_id = p_book and o.symbol = p_symbol and o.seen_price is not null order by o.id desc limit 1
    );
  end if;
  perform private.paper_match(p_book, p_symbol, p_told);
  return p_told;
end
$$;

-- p_order as private.paper_note has it, with "price"?, that of the market, and "exits"?: orders without symbol, side,
-- quantity and reduce_only, which work once the entry has filled. p_terms: {"slippage_percent","fee_percent",
-- "max_leverage"}. What can fill now fills whole; the rest works, or ends where it may not.
create function public.paper_submit(p_account_id uuid, p_key_hash text, p_order jsonb, p_terms jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  book private.paper_accounts;
  exits jsonb := coalesce(p_order -> 'exits', '[]');
  market numeric := (p_order ->> 'price')::numeric;
  told boolean := market is not null;
  refusal jsonb;
  placed private.paper_orders;
begin
  select * into book from private.paper_accounts
  where account_id = p_account_id and key_hash = decode(p_key_hash, 'hex') for update;
  if book.id is null then
    return private.paper_refusal('unknown_key', 'no paper account is open for this key');
  end if;
  if private.paper_is_known(p_account_id, array[p_order ->> 'client_order_id'] || array(
    select e ->> 'client_order_id' from jsonb_array_elements(exits) e)) then
    return private.paper_refusal('duplicate_client_order_id', 'an order with this client id exists');
  end if;
  if not coalesce((p_order ->> 'quantity')::numeric > 0 and (p_order ->> 'quantity')::numeric < 'infinity', false) then
    return private.paper_refusal('invalid_order', 'the quantity must be a positive number');
  end if;
  if market is not null and not (market > 0 and market < 'infinity') then
    return private.paper_refusal('invalid_order', 'the price must be a positive number');
  end if;
  market := private.paper_market(book.id, p_order ->> 'symbol', market);
  refusal := private.paper_order_refusal(book.id, p_order, p_terms, market);
  if refusal is not null then
    return refusal;
  end if;
  placed := private.paper_note(book.id, p_order, p_terms, market, null, 'working');
  perform private.paper_note(book.id, e || jsonb_build_object(
    'symbol', placed.symbol, 'side', case placed.side when 'buy' then 'sell' else 'buy' end,
    'quantity', placed.quantity, 'reduce_only', true), p_terms, market, placed.id, 'waiting')
  from jsonb_array_elements(exits) e;
  -- An older price serves what must be decided now; what may wait, waits for the next one.
  if told or (market is not null and (placed.order_type = 'market' or placed.time_in_force in ('ioc', 'fok'))) then
    perform private.paper_try(placed.id, market, true);
  end if;
  if placed.time_in_force in ('ioc', 'fok') then
    perform private.paper_end(placed.id, 'expired', 'it could not be filled at once');
  end if;
  return jsonb_build_object('order', (
    select private.paper_order_json(o) from private.paper_orders o where o.id = placed.id));
end
$$;
comment on function public.paper_submit is 'The paper venue takes an order, with the exits that go with it: fills it whole, lets it work, or refuses it. A client id that it knows is refused.';

-- p_request: {"symbol","side" of the exits' orders,"price"?,"entry"? the client id of the position's entry,"exits":
-- [{"client_order_id","quantity","order_type",...}]}. All are placed, or none.
create function public.paper_place_exits(p_account_id uuid, p_key_hash text, p_request jsonb, p_terms jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  book private.paper_accounts;
  market numeric := (p_request ->> 'price')::numeric;
  told boolean := market is not null;
  exits_group bigint;
  refusal jsonb;
  each jsonb;
  placed private.paper_orders;
  ids bigint[] := array[]::bigint[];
begin
  select * into book from private.paper_accounts
  where account_id = p_account_id and key_hash = decode(p_key_hash, 'hex') for update;
  if book.id is null then
    return private.paper_refusal('unknown_key', 'no paper account is open for this key');
  end if;
  if private.paper_is_known(p_account_id, array(
    select e ->> 'client_order_id' from jsonb_array_elements(p_request -> 'exits') e)) then
    return private.paper_refusal('duplicate_client_order_id', 'an order with this client id exists');
  end if;
  if market is not null and not (market > 0 and market < 'infinity') then
    return private.paper_refusal('invalid_order', 'the price must be a positive number');
  end if;
  market := private.paper_market(book.id, p_request ->> 'symbol', market);
  exits_group := (
    select o.id from private.paper_orders o
    where o.paper_account_id = book.id and o.client_order_id = p_request ->> 'entry');
  for each in select e from jsonb_array_elements(p_request -> 'exits') e
  loop
    each := each || jsonb_build_object(
      'symbol', p_request ->> 'symbol', 'side', p_request ->> 'side', 'reduce_only', true);
    refusal := private.paper_order_refusal(book.id, each, p_terms, coalesce(market, 1));
    if refusal is not null then
      -- Before anything is noted: what holds for one holds for all.
      return refusal;
    end if;
  end loop;
  for each in select e from jsonb_array_elements(p_request -> 'exits') e
  loop
    each := each || jsonb_build_object(
      'symbol', p_request ->> 'symbol', 'side', p_request ->> 'side', 'reduce_only', true);
    placed := private.paper_note(book.id, each, p_terms, market, exits_group, 'working');
    ids := ids || placed.id;
    exits_group := coalesce(exits_group, placed.id);
    update private.paper_orders set exit_group = exits_group where id = placed.id;
  end loop;
  if told then
    perform private.paper_try(one, market, true) from unnest(ids) one;
  end if;
  return jsonb_build_object('orders', (
    select coalesce(jsonb_agg(private.paper_order_json(o) order by o.id), '[]')
    from private.paper_orders o where o.id = any (ids)));
end
$$;
comment on function public.paper_place_exits is 'The paper venue takes exits of an open position, all or none. They reduce it and open nothing.';

create function public.paper_cancel(p_account_id uuid, p_client_order_id text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  found_id bigint;
begin
  -- The lock of the book first, as everywhere.
  perform from private.paper_accounts a
  where a.account_id = p_account_id and exists (
    select from private.paper_orders o where o.paper_account_id = a.id and o.client_order_id = p_client_order_id
  ) for update of a;
  found_id := (
    select o.id from private.paper_accounts a
    join private.paper_orders o on o.paper_account_id = a.id and o.client_order_id = p_client_order_id
    where a.account_id = p_account_id);
  if found_id is null then
    return private.paper_refusal('unknown_order', 'there is no order of this client id');
  end if;
  perform private.paper_expire(a.id) from private.paper_accounts a where a.account_id = p_account_id;
  perform private.paper_end(found_id, 'cancelled', 'it was cancelled');
  return jsonb_build_object('order', (
    select private.paper_order_json(o) from private.paper_orders o where o.id = found_id));
end
$$;
comment on function public.paper_cancel is 'The paper venue cancels an order, and with an entry the exits that wait for it; one that has ended stays as it is.';

create function public.paper_mark(p_account_id uuid, p_key_hash text, p_symbol text, p_price numeric) returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  book private.paper_accounts;
  before integer;
begin
  if not coalesce(p_price > 0 and p_price < 'infinity', false) then
    raise exception 'a price is above zero' using errcode = '22023';
  end if;
  select * into book from private.paper_accounts
  where account_id = p_account_id and key_hash = decode(p_key_hash, 'hex') for update;
  before := (
    select count(*)::integer from private.paper_orders o
    where o.paper_account_id = book.id and o.symbol = p_symbol and o.state in ('waiting', 'working'));
  if before > 0 then
    perform private.paper_match(book.id, p_symbol, p_price);
  end if;
  return before - (
    select count(*)::integer from private.paper_orders o
    where o.paper_account_id = book.id and o.symbol = p_symbol and o.state in ('waiting', 'working'));
end
$$;
comment on function public.paper_mark is 'The paper venue learns a price: what waits for it is executed. Answers with how many orders have ended.';
-- What a new trader starts with: profile, Free plan, settings and a first webhook. Nothing here may cost anybody his sign-up.

-- Each step leaves alone what is there already, but for the address, so that it can be repeated.
create function private.provision_rows(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.user_profiles (id, email, full_name, avatar_url)
  select
    u.id, u.email, left(u.raw_user_meta_data ->> 'full_name', 200),
    -- Half an address is none.
    case when length(u.raw_user_meta_data ->> 'avatar_url') <= 2000 then u.raw_user_meta_data ->> 'avatar_url' end
  from auth.users u where u.id = p_user_id
  on conflict (id) do update set email = excluded.email
  where public.user_profiles.email is distinct from excluded.email;
  insert into public.subscriptions (user_id) values (p_user_id) on conflict (user_id) do nothing;
  insert into private.ingest_state (user_id) values (p_user_id) on conflict (user_id) do nothing;
  insert into public.trade_settings_global (user_id) values (p_user_id) on conflict (user_id) do nothing;
end
$$;

create function private.provision_webhook(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.lock_webhooks(p_user_id);
  if not exists (select from public.user_webhook_configs w where w.user_id = p_user_id) then
    perform private.make_webhook(p_user_id, null, 'sign_up', null);
  end if;
end
$$;

create function private.provision_trader(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.keep_trader(p_user_id);
  if exists (select from auth.users u where u.id = p_user_id) then
    perform private.provision_rows(p_user_id);
    perform private.provision_webhook(p_user_id);
  end if;
end
$$;

-- Never raises: a step that fails is undone alone, told to the log, and tried again by a task.
create function private.try_provision(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  failed boolean := false;
begin
  begin
    perform private.provision_rows(p_user_id);
  exception when others then
    failed := true;
    raise warning 'the rows of trader % could not be made: % (%)', p_user_id, sqlerrm, sqlstate;
  end;
  begin
    perform private.provision_webhook(p_user_id);
  exception when others then
    failed := true;
    raise warning 'the first webhook of trader % could not be made: % (%)', p_user_id, sqlerrm, sqlstate;
  end;
  if failed then
    perform private.enqueue_task('provision_trader', p_user_id, null, '{}');
  end if;
exception when others then
  raise warning 'trader % is not provisioned and no task will do it: % (%)', p_user_id, sqlerrm, sqlstate;
end
$$;

create function private.on_sign_up() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.try_provision(new.id);
  return null;
end
$$;
create trigger sparky_on_sign_up after insert on auth.users
for each row execute function private.on_sign_up();

create function private.on_email_change() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update public.user_profiles set email = new.email where id = new.id;
  return null;
end
$$;
create trigger sparky_on_email_change after update of email on auth.users
for each row when (old.email is distinct from new.email) execute function private.on_email_change();

-- Those who signed up before this schema was here.
do $$
begin
  perform private.try_provision(u.id) from auth.users u;
end
$$;
-- A trader's copy of everything that is his, as JSON lines. Written in small batches: those of a small account within the
-- call that asks for it, the others by a task.

create table public.data_exports (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  status text not null default 'pending' check (status in ('pending', 'ready', 'failed')),
  parts integer not null default 0,
  rows bigint not null default 0,
  tables jsonb not null default '{}',
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  expires_at timestamptz not null default now() + interval '7 days',
  check ((status = 'pending') = (finished_at is null))
);
comment on table public.data_exports is 'Copies of a trader''s data that he asked for. read_export reads the parts of one that is ready.';
comment on column public.data_exports.tables is 'How many rows of each table it holds.';
create index data_exports_user on public.data_exports (user_id, created_at desc);
create index data_exports_expiry on public.data_exports (expires_at);
create unique index data_exports_one_pending on public.data_exports (user_id) where status = 'pending';

create table private.export_parts (
  export_id uuid references public.data_exports (id) on delete cascade,
  part integer check (part > 0),
  body text not null,
  primary key (export_id, part)
);

-- Where an export that is being written stands: at which relation, and after which of its rows.
create table private.export_progress (
  export_id uuid primary key references public.data_exports (id) on delete cascade,
  place integer not null default 1,
  after jsonb
);

-- What is exported, in this order. key_columns order a trader's rows and tell each from the next; an index of the owner
-- and the first of them makes a page cheap. Hidden is what names a secret.
create table private.export_relations (
  place integer primary key,
  relation text not null unique,
  owner_column text not null default 'user_id',
  key_columns text[] not null default '{id}',
  hidden text[] not null default '{}'
);
insert into private.export_relations (place, relation, owner_column, key_columns, hidden) values
(10, 'user_profiles', 'id', '{id}', '{}'),
(20, 'subscriptions', 'user_id', '{id}', '{}'),
(30, 'entitlements', 'user_id', '{id}', '{}'),
(40, 'trade_settings_global', 'user_id', '{id}', '{}'),
(50, 'trade_settings_exchange', 'user_id', '{id}', '{}'),
(60, 'notification_preferences', 'user_id', '{kind}', '{}'),
(70, 'user_api_keys', 'user_id', '{id}', '{secret_id}'),
(80, 'user_webhook_configs', 'user_id', '{id}', '{secret_id}'),
(90, 'strategies', 'user_id', '{id}', '{}'),
(100, 'signals', 'user_id', '{received_at, id}', '{}'),
(110, 'orders', 'user_id', '{created_at, id}', '{}'),
(120, 'fills', 'user_id', '{filled_at, id}', '{}'),
(130, 'positions', 'user_id', '{id}', '{}'),
(140, 'trades', 'user_id', '{exit_time, id}', '{}'),
(150, 'option_trades', 'user_id', '{created_at, id}', '{}'),
(160, 'account_balances', 'user_id', '{account_id}', '{}'),
(170, 'notifications', 'user_id', '{created_at, id}', '{}'),
(180, 'usage_logs', 'user_id', '{hour, kind}', '{}'),
(190, 'audit_log', 'user_id', '{at, id}', '{}');

-- The statement that reads a page: $1 is the trader, $2 the key of the row before or null, $3 the most rows.
create function private.export_query(p_relation private.export_relations, p_first boolean) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  keys text;
  cursor_values text;
  decimals text;
begin
  select
    string_agg(format('t.%I', k.name), ', ' order by k.n),
    string_agg(format('($2 ->> %s)::%s', k.n - 1, format_type(a.atttypid, null)), ', ' order by k.n)
  into keys, cursor_values
  from unnest(p_relation.key_columns) with ordinality k (name, n)
  join pg_catalog.pg_attribute a
    on a.attrelid = ('public.' || quote_ident(p_relation.relation))::regclass and a.attname = k.name;
  -- Money is text: a reader that takes JSON numbers for floats changes no digit.
  select string_agg(format('%L, (page.t).%I::text', a.attname, a.attname), ', ') into decimals
  from pg_catalog.pg_attribute a
  where a.attrelid = ('public.' || quote_ident(p_relation.relation))::regclass
    and a.atttypid = 'numeric'::regtype and not a.attisdropped;
  return format(
    'select json_build_object(''table'', %L, ''row'', (to_jsonb((page.t)) || jsonb_build_object(%s)) - %L::text[])::text as line,'
    ' page.key from (select t, jsonb_build_array(%s) as key from public.%I t where t.%I = $1%s order by %s limit $3) page',
    p_relation.relation, coalesce(decimals, ''), p_relation.hidden, keys,
    p_relation.relation, p_relation.owner_column,
    case when p_first then '' else format(' and (%s) > (%s)', keys, cursor_values) end, keys);
end
$$;

-- Rows of one relation after a key: as many as fit into p_rows and p_bytes, but one at least.
create function private.export_page(
  p_relation private.export_relations, p_user_id uuid, p_after jsonb, p_rows integer, p_bytes integer,
  out lines text[], out after jsonb, out complete boolean
)
language plpgsql
stable
set search_path = ''
as $$
declare
  line text;
  key jsonb;
  bytes integer := 0;
begin
  lines := '{}';
  after := p_after;
  for line, key in execute private.export_query(p_relation, p_after is null) using p_user_id, p_after, p_rows loop
    bytes := bytes + octet_length(line) + 1;
    if bytes > p_bytes and cardinality(lines) > 0 then
      complete := false;
      return;
    end if;
    lines := lines || line;
    after := key;
  end loop;
  complete := cardinality(lines) < p_rows;
end
$$;

-- Writes one part, of 1,000 rows or a megabyte at most, and returns whether there is more.
create function private.export_batch(p_export_id uuid) returns boolean
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  export public.data_exports;
  progress private.export_progress;
  relation private.export_relations;
  page record;
  lines text[] := array[]::text[];
  bytes integer := 0;
begin
  select * into export from public.data_exports d where d.id = p_export_id and d.status = 'pending' for update;
  if not found then
    return false;
  end if;
  select * into progress from private.export_progress p where p.export_id = p_export_id;
  loop
    select * into relation from private.export_relations r where r.place >= progress.place order by r.place limit 1;
    exit when not found or cardinality(lines) >= 1000 or bytes >= 1000000;
    select * into page
    from private.export_page(
      relation, export.user_id, progress.after, 1000 - cardinality(lines), 1000000 - bytes);
    lines := lines || page.lines;
    bytes := bytes + coalesce(octet_length(array_to_string(page.lines, ' ')), 0);
    export.tables := export.tables || jsonb_build_object(
      relation.relation, coalesce((export.tables ->> relation.relation)::bigint, 0) + cardinality(page.lines));
    progress.place := case when page.complete then relation.place + 1 else relation.place end;
    progress.after := case when page.complete then null else page.after end;
    exit when not page.complete;
  end loop;
  if cardinality(lines) > 0 or export.parts = 0 then
    export.parts := export.parts + 1;
    insert into private.export_parts (export_id, part, body)
    values (p_export_id, export.parts, array_to_string(lines, E'\n'));
  end if;
  update public.data_exports d set
    parts = export.parts, rows = export.rows + cardinality(lines), tables = export.tables,
    status = case when relation.place is null then 'ready' else 'pending' end,
    finished_at = case when relation.place is null then clock_timestamp() end,
    expires_at = clock_timestamp() + interval '7 days'
  where d.id = p_export_id;
  if relation.place is null then
    delete from private.export_progress p where p.export_id = p_export_id;
  else
    update private.export_progress p set place = progress.place, after = progress.after where p.export_id = p_export_id;
  end if;
  return relation.place is not null;
end
$$;

-- A trader waits for one export at a time, and has at most one a day: copies of a large account are large.
create function private.check_export(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  latest public.data_exports;
begin
  select * into latest from public.data_exports d
  where d.user_id = p_user_id and d.status <> 'failed' order by d.created_at desc limit 1;
  if latest.status = 'pending' then
    raise exception 'an export of your data is being written'
    using errcode = 'PT409', hint = format('wait until the row %s of data_exports is ready', latest.id);
  end if;
  if latest.created_at > clock_timestamp() - interval '1 day' then
    raise exception 'you have an export of your data from less than a day ago'
    using errcode = 'PT429', hint = format(
      'read %s with read_export, or ask again after %s', latest.id,
      to_char((latest.created_at + interval '1 day') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
  end if;
end
$$;

create function public.export_my_data() returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  export uuid;
  more boolean;
begin
  perform private.keep_trader(trader);
  perform pg_advisory_xact_lock(hashtextextended('exports/' || trader::text, 0));
  perform private.check_export(trader);
  insert into public.data_exports (user_id) values (trader) returning id into export;
  insert into private.export_progress (export_id) values (export);
  perform private.audit(trader, 'trader', 'data.exported', export, '{}');
  for batch in 1..5 loop
    more := private.export_batch(export);
    exit when not more;
  end loop;
  if more then
    perform private.enqueue_task('export_data', trader, null, jsonb_build_object('export_id', export));
  end if;
  return jsonb_build_object('export_id', export, 'status', case when more then 'pending' else 'ready' end);
end
$$;
comment on function public.export_my_data is 'Begins a copy of everything that is the caller''s: {"export_id","status"}. A small one is ready at once; of a large one data_exports tells when.';

-- The first line of an export.
create function private.export_header(p_export public.data_exports) returns text
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
as $$
begin
  return (
    select json_build_object(
      'format', 1, 'export_id', p_export.id, 'made_at', p_export.created_at, 'finished_at', p_export.finished_at,
      'parts', p_export.parts, 'rows', p_export.rows, 'tables', p_export.tables,
      'account', json_build_object(
        'id', u.id, 'email', u.email, 'phone', u.phone, 'created_at', u.created_at,
        'last_sign_in_at', u.last_sign_in_at, 'user_metadata', u.raw_user_meta_data))::text
    from auth.users u where u.id = p_export.user_id
  );
end
$$;

create function public.read_export(p_export_id uuid, p_part integer default 1) returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  export public.data_exports;
  content text;
begin
  select * into export from public.data_exports d
  where d.id = p_export_id and d.user_id = trader and d.expires_at > clock_timestamp();
  if not found then
    raise exception 'you have no export of this id' using errcode = 'PT404', hint = 'your exports are the rows of data_exports';
  end if;
  if export.status <> 'ready' then
    raise exception 'this export is not there to be read: it is %', export.status
    using errcode = 'PT409', hint = case export.status
      when 'failed' then 'begin another with export_my_data()' else 'ask again once data_exports shows it as ready'
    end;
  end if;
  select p.body into content from private.export_parts p where p.export_id = export.id and p.part = p_part;
  if content is null then
    raise exception 'this export has no part of this number'
    using errcode = '22023', hint = format('its parts are 1 to %s', export.parts);
  end if;
  perform private.audit(trader, 'trader', 'data.read', export.id, jsonb_build_object('part', p_part));
  return case when p_part = 1 then private.export_header(export) || E'\n' else '' end || content || E'\n';
end
$$;
comment on function public.read_export is 'One part of an export of the caller''s data, as JSON lines. The first line of part 1 tells what the export holds.';

-- Without this its trader would wait for ever, and could not begin another.
create function private.fail_export() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update public.data_exports set status = 'failed', finished_at = clock_timestamp()
  where id = (
    select d.id from public.data_exports d
    where d.id = (new.payload ->> 'export_id')::uuid and d.status = 'pending'
    -- Locked means that it is being deleted with its trader, who must not be waited for from here.
    for update skip locked
  );
  return null;
end
$$;
create trigger fail_export after update of state on private.tasks
for each row when (new.kind = 'export_data' and new.state = 'dead') execute function private.fail_export();

alter table public.data_exports enable row level security;
alter table public.data_exports force row level security;
create policy own_exports_select on public.data_exports for select to authenticated
using ((select auth.uid()) = user_id);
-- A trader leaves. Rows and secrets go by the cascade of auth.users, whoever deletes him there; a large account goes in
-- batches before it, so that no statement runs for minutes. The audit log keeps its rows under his pseudonym.

-- Stripe's events name him too. Before the deletion, because his subscription still tells which customer he is.
create function private.forget_stripe_events() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  customers text[] := array(
    select s.stripe_customer_id from public.subscriptions s
    where s.user_id = old.id and s.stripe_customer_id is not null);
begin
  delete from private.stripe_events e
  where e.payload #>> '{data,object,metadata,user_id}' = old.id::text
    or e.payload #>> '{data,object,customer}' = any (customers)
    or e.payload #>> '{data,object,id}' = any (customers);
  return old;
end
$$;
create trigger sparky_forget_payments before delete on auth.users
for each row execute function private.forget_stripe_events();

-- Whether a trader has more rows than one statement should delete.
create function private.is_large_account(p_user_id uuid, p_rows integer) returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select count(*) > p_rows from (
      (select 1 from public.signals s where s.user_id = p_user_id limit p_rows + 1)
      union all (select 1 from public.fills f where f.user_id = p_user_id limit p_rows + 1)
      union all (select 1 from public.trades t where t.user_id = p_user_id limit p_rows + 1)
      union all (select 1 from public.notifications n where n.user_id = p_user_id limit p_rows + 1)
      union all (select 1 from public.audit_log a where a.user_id = p_user_id limit p_rows + 1)
    ) counted);
end
$$;

-- Nothing arrives, nothing waits and no key can be opened from here on. What a worker has in flight it may still end.
create function private.close_account(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from private.webhook_credentials c using public.user_webhook_configs w
  where w.id = c.webhook_id and w.user_id = p_user_id;
  delete from vault.secrets v where v.id in (
    select k.secret_id from public.user_api_keys k where k.user_id = p_user_id
    union all select w.secret_id from public.user_webhook_configs w where w.user_id = p_user_id);
  update public.signals set
    status = 'failed', reason_code = 'no_account', finished_at = clock_timestamp(), fence = fence + 1,
    reason = 'The trader asked for his account to be deleted before this alert was executed.'
  where user_id = p_user_id and status = 'pending';
end
$$;

create function public.delete_my_account(p_confirm text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  address text;
begin
  -- First of all locks: that is where every other transaction that writes his rows begins.
  select u.email::text into address from auth.users u where u.id = trader for update;
  if not found then
    raise exception 'this account is deleted already' using errcode = '42501', hint = 'sign out';
  end if;
  if lower(btrim(p_confirm)) is distinct from lower(coalesce(address, trader::text)) then
    raise exception 'to delete the account, confirm with the e-mail address that you sign in with'
    using errcode = '22023', hint = 'nothing was deleted';
  end if;
  if exists (select from public.user_profiles p where p.id = trader and p.deletion_requested_at is not null) then
    -- A task that was given up is begun anew by whoever asks again.
    if not exists (
      select from private.tasks t
      where t.kind = 'delete_account' and t.state in ('pending', 'running') and t.payload ->> 'user_id' = trader::text
    ) then
      perform private.enqueue_task('delete_account', null, null, jsonb_build_object('user_id', trader));
    end if;
    return jsonb_build_object('status', 'deleting');
  end if;
  if not private.is_large_account(trader, 2000) then
    perform private.audit(trader, 'trader', 'account.deleted', null, '{}');
    delete from auth.users where id = trader;
    return jsonb_build_object('status', 'deleted');
  end if;
  insert into public.user_profiles (id, deletion_requested_at) values (trader, clock_timestamp())
  on conflict (id) do update set deletion_requested_at = excluded.deletion_requested_at;
  perform private.close_account(trader);
  perform private.audit(trader, 'trader', 'account.deletion_requested', null, '{}');
  -- Not the task's own user_id: it would go with the last batch while its worker still holds it.
  perform private.enqueue_task('delete_account', null, null, jsonb_build_object('user_id', trader));
  return jsonb_build_object('status', 'deleting');
end
$$;
comment on function public.delete_my_account is 'Deletes the caller, his rows and his secrets. p_confirm is his e-mail address. Large accounts answer "deleting" and go in batches.';

-- Up to p_limit rows of one table; 0 when there is none left.
create function private.delete_rows_of(p_relation regclass, p_user_id uuid, p_limit integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  removed integer;
begin
  execute format(
    'delete from %1$s where ctid = any (array(select ctid from %1$s where user_id = $1 limit $2))', p_relation)
  using p_user_id, p_limit;
  get diagnostics removed = row_count;
  return removed;
end
$$;

-- One batch of a large account; true while there is more. The tables that grow, in an order in which no row refers to one
-- that is gone; what is left is little, and goes with the trader himself.
create function private.delete_account_batch(p_task private.tasks, p_limit integer) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  trader uuid := (p_task.payload ->> 'user_id')::uuid;
  relation regclass;
begin
  perform from auth.users u where u.id = trader for update;
  if not found then
    update private.tasks set payload = '{}' where id = p_task.id;
    return false;
  end if;
  foreach relation in array array[
    'public.fills', 'public.trades', 'public.option_trades', 'public.orders', 'private.alert_keys', 'public.signals',
    'public.notifications', 'public.usage_logs'
  ]::regclass[] loop
    if private.delete_rows_of(relation, trader, p_limit) > 0 then
      return true;
    end if;
  end loop;
  delete from private.paper_orders where id in (
    select o.id from private.paper_orders o
    join private.paper_accounts b on b.id = o.paper_account_id
    join public.user_api_keys k on k.id = b.account_id
    where k.user_id = trader limit p_limit);
  if found then
    return true;
  end if;
  -- Up to a megabyte each.
  delete from private.export_parts where (export_id, part) in (
    select p.export_id, p.part from private.export_parts p
    join public.data_exports d on d.id = p.export_id
    where d.user_id = trader limit ceil(p_limit / 20.0));
  if found then
    return true;
  end if;
  update public.audit_log set user_id = null where id in (
    select a.id from public.audit_log a where a.user_id = trader limit p_limit);
  if found then
    return true;
  end if;
  perform private.audit(trader, 'database', 'account.deleted', null, '{}');
  delete from auth.users where id = trader;
  update private.tasks set payload = '{}' where id = p_task.id;
  return false;
end
$$;
-- How long rows are kept, for every table, in one place. A periodic task removes what is older, in small batches.

create table private.retention (
  rule text primary key,
  relation regclass not null,
  -- Null: kept while the trader, the account or the installation is there.
  keep interval check (keep >= '0'),
  measured_by name,
  condition text not null default 'true',
  why text not null,
  check ((keep is null) = (measured_by is null))
);
comment on table private.retention is 'An operator may change keep. Conditions and columns are SQL: they never come from a trader.';

insert into private.retention (rule, relation, keep, measured_by, condition, why) values
(
  'alert_keys.repeatable', 'private.alert_keys', '0', 'expires_at', 'expires_at < ''infinity''',
  'the alert may be meant again'
),
(
  'alert_keys.lasting', 'private.alert_keys', '400 days', 'created_at', 'expires_at = ''infinity''',
  'no sender repeats an alert after a year'
),
(
  'signals.refused', 'public.signals', '90 days', 'finished_at',
  'submitted_at is null and status in (''rejected'', ''rate_limited'')', 'had no effect'
),
(
  'signals.without_orders', 'public.signals', '400 days', 'finished_at',
  'submitted_at is null and status in (''done'', ''expired'', ''failed'')', 'had no order'
),
('notifications', 'public.notifications', '180 days', 'created_at', 'true', 'news gets old'),
('usage_logs', 'public.usage_logs', '800 days', 'hour', 'true', 'two years of use can be compared'),
('data_exports', 'public.data_exports', '0', 'expires_at', 'true', 'a copy of everything should not lie about'),
('stripe_events', 'private.stripe_events', '400 days', 'received_at', 'true', 'worked into the rows of billing'),
('tasks.done', 'private.tasks', '7 days', 'finished_at', 'state = ''done''', 'enough to see what happened'),
('tasks.dead', 'private.tasks', '90 days', 'finished_at', 'state = ''dead''', 'a person looks at them'),
('workers', 'private.workers', '7 days', 'seen_at', 'true', 'stopped for good'),
-- By private.retire_audit, which keeps the chain whole.
('audit_log', 'public.audit_log', '2 years', 'at', 'true', 'what was done can be looked up');

insert into private.retention (rule, relation, why) values
('signals', 'public.signals', 'those with orders are the trader''s books'),
('orders', 'public.orders', 'the trader''s books'),
('fills', 'public.fills', 'the trader''s books'),
('trades', 'public.trades', 'the trader''s books'),
('option_trades', 'public.option_trades', 'the trader''s books'),
('positions', 'public.positions', 'what is open now'),
('account_balances', 'public.account_balances', 'one row for each account'),
('user_profiles', 'public.user_profiles', 'goes with the trader'),
('subscriptions', 'public.subscriptions', 'goes with the trader'),
('entitlements', 'public.entitlements', 'goes with the trader'),
('user_api_keys', 'public.user_api_keys', 'until the trader deletes it'),
('user_webhook_configs', 'public.user_webhook_configs', 'until the trader deletes it'),
('strategies', 'public.strategies', 'until the trader deletes it'),
('trade_settings_global', 'public.trade_settings_global', 'until the trader deletes it'),
('trade_settings_exchange', 'public.trade_settings_exchange', 'until the trader deletes it'),
('notification_preferences', 'public.notification_preferences', 'until the trader deletes it'),
('plans', 'public.plans', 'an operator''s'),
('platform_state', 'private.platform_state', 'an operator''s'),
('retention', 'private.retention', 'an operator''s'),
('periodic_tasks', 'private.periodic_tasks', 'one row for each kind'),
('ingest_state', 'private.ingest_state', 'one row for each trader'),
('pseudonyms', 'private.pseudonyms', 'one row for each trader'),
('webhook_credentials', 'private.webhook_credentials', 'goes with the webhook'),
('reconciliations', 'private.reconciliations', 'goes with the account'),
('paper_accounts', 'private.paper_accounts', 'goes with the account'),
('paper_orders', 'private.paper_orders', 'goes with the account'),
('paper_positions', 'private.paper_positions', 'goes with the account'),
('export_parts', 'private.export_parts', 'goes with the export'),
('export_progress', 'private.export_progress', 'goes with the export'),
('export_relations', 'private.export_relations', 'one row for each relation'),
('audit_chain', 'private.audit_chain', 'goes with the audit rows'),
('audit_chain_state', 'private.audit_chain_state', 'one row');

-- What a rule removes: $1 is the time before which rows are too old, $2 the most rows to take. Rows that somebody holds are
-- left for the next time.
create function private.retention_statement(p_rule private.retention) returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return format(
    'delete from %1$s where ctid = any (array('
    'select ctid from %1$s where %2$I < $1 and (%3$s) limit $2 for update skip locked))',
    p_rule.relation, p_rule.measured_by, p_rule.condition);
end
$$;

-- Up to p_limit rows of each rule; true when one of them has more.
create function private.retention_batch(p_limit integer) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  rule private.retention;
  removed integer;
  more boolean := false;
begin
  for rule in
    select r.* from private.retention r
    where r.keep is not null and r.relation <> 'public.audit_log'::regclass
    order by r.rule
  loop
    execute private.retention_statement(rule) using clock_timestamp() - rule.keep, p_limit;
    get diagnostics removed = row_count;
    more := more or removed >= p_limit;
  end loop;
  return more;
end
$$;

-- In a task of its own: a chain that does not hold must not stop the rest.
create function private.retire_audit_batch(p_limit integer) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  keep interval := (select r.keep from private.retention r where r.relation = 'public.audit_log'::regclass);
begin
  return keep is not null and private.retire_audit(keep, p_limit) >= p_limit;
end
$$;
-- The kinds of tasks that the database does itself. A worker calls work_task until there is no more; each call is one
-- small batch in a transaction of its own, so that nothing holds locks for long and a crash repeats one batch at most.

-- True when there is more to do.
create function private.work_batch(p_task private.tasks) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  case p_task.kind
    when 'seal_audit' then
      return private.seal_audit(1000) = 1000;
    when 'provision_trader' then
      perform private.provision_trader(p_task.user_id);
      return false;
    when 'export_data' then
      return private.export_batch((p_task.payload ->> 'export_id')::uuid);
    when 'retention' then
      return private.retention_batch(1000);
    when 'retire_audit' then
      return private.retire_audit_batch(1000);
    when 'delete_account' then
      return private.delete_account_batch(p_task, 1000);
    else
      raise exception 'tasks of kind % are not done in the database', p_task.kind using errcode = '0A000';
  end case;
end
$$;

create function public.work_task(p_task_id bigint, p_fence bigint) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  task private.tasks;
  more boolean;
begin
  perform private.keep_trader((select t.user_id from private.tasks t where t.id = p_task_id));
  update private.tasks t set lease_until = greatest(t.lease_until, clock_timestamp() + interval '60 seconds')
  where t.id = p_task_id and t.fence = p_fence and t.state = 'running'
  returning t.* into task;
  if not found then
    return jsonb_build_object('ok', false, 'more', false);
  end if;
  begin
    more := private.work_batch(task);
  exception when others then
    -- Told in the answer, because it belongs in the task's row; what the batch did is undone.
    return jsonb_build_object('ok', true, 'more', false, 'error', format('%s (%s)', sqlerrm, sqlstate));
  end;
  return jsonb_build_object('ok', true, 'more', more);
end
$$;
comment on function public.work_task is 'Does one small batch of a task that the database does itself. Not ok: the lease is not the caller''s any more.';
-- What Realtime tells a dashboard: new and changed rows of these tables, each to the trader whose row it is.

-- Realtime asks row-level security who may see a new or a changed row. Of a deleted row there is nothing left to ask
-- about, so that every subscriber of the table would be told its key. Deletions are therefore not published at all.
alter publication supabase_realtime set (publish = 'insert, update');
alter publication supabase_realtime add table
public.signals, public.orders, public.positions, public.trades, public.option_trades, public.account_balances,
public.notifications;
-- What the existing dashboard calls by other names: views over our tables, two functions, and what its server may do.

-- The server's routes act for any trader, so its policies are wide; its grants are narrow.
create policy server_signals_select on public.signals for select to dashboard_server using (true);
create policy server_strategies_select on public.strategies for select to dashboard_server using (true);
create policy server_subscriptions_select on public.subscriptions for select to dashboard_server using (true);
create policy server_subscriptions_insert on public.subscriptions for insert to dashboard_server with check (true);
create policy server_subscriptions_update on public.subscriptions for update to dashboard_server
using (true) with check (true);
create policy server_profiles_select on public.user_profiles for select to dashboard_server using (true);
create policy server_profiles_insert on public.user_profiles for insert to dashboard_server with check (true);
create policy server_profiles_update on public.user_profiles for update to dashboard_server
using (true) with check (true);

create view public.webhook_requests with (security_invoker = true) as
select
  signals.id,
  signals.user_id,
  signals.strategy_id,
  signals.alert as payload,
  signals.finished_at as processed_at,
  -- Not created_at of the signal: the index for "newest first" is by the time of receipt.
  signals.received_at as created_at,
  null::text as webhook_secret,
  coalesce(signals.exchange, 'unknown') as exchange,
  coalesce(signals.action, 'unknown') as action,
  coalesce(signals.symbol, 'unknown') as symbol,
  case
    when signals.status in ('pending', 'executing') then 'pending'
    when signals.status = 'done' then 'processed'
    when signals.status = 'rate_limited' then 'rate_limited'
    else 'failed'
  end as status,
  case
    when signals.status not in ('pending', 'executing', 'done') then coalesce(signals.reason, signals.reason_code)
  end as error_message
from public.signals
-- Alerts, and not what was made of them.
where signals.parent_id is null;
comment on view public.webhook_requests is 'Signals as the dashboard lists them. Read-only: alerts go to the webhook endpoint.';

create function private.refuse_webhook_request() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'webhook_requests shows the alerts that arrived; it takes none and changes none'
  using errcode = '0A000', hint = 'send alerts to the address of the trader''s webhook';
end
$$;
create trigger refuse instead of insert or update or delete on public.webhook_requests
for each row execute function private.refuse_webhook_request();

create view public.tradier_option_trades with (security_invoker = true) as
select
  traded.id,
  traded.user_id,
  traded.status,
  traded.strategy,
  traded.underlying_symbol,
  traded.option_symbol,
  traded.option_type,
  traded.strike_price,
  traded.expiration_date,
  traded.contract_size,
  traded.quantity_contracts,
  traded.entry_order_id,
  traded.tp_order_id,
  traded.sl_order_id,
  traded.time_exit_order_id,
  traded.entry_order,
  traded.tp_leg,
  traded.sl_leg,
  traded.time_exit_order,
  traded.entry_limit_price,
  traded.tp_limit_price,
  traded.sl_stop_price,
  traded.sl_limit_price,
  traded.cost_usd,
  traded.pnl_usd,
  traded.pnl_percent,
  traded.config_snapshot,
  traded.extra_metadata,
  traded.created_at,
  traded.updated_at
from public.option_trades as traded
where traded.exchange = 'tradier';
comment on view public.tradier_option_trades is 'Option trades at Tradier.';

create view public.trade_stats with (security_invoker = true) as
select
  profile.id as user_id,
  closed.total_trades,
  closed.winning_trades,
  closed.total_pnl_usd,
  closed.avg_pnl_per_trade,
  closed.largest_win,
  closed.largest_loss,
  closed.avg_win,
  closed.avg_loss,
  closed.total_trades - closed.winning_trades as losing_trades,
  case
    when closed.total_trades > 0 then round(closed.winning_trades * 100.0 / closed.total_trades, 2) else 0
  end as win_rate_percent
from public.user_profiles as profile
cross join lateral (
  select
    count(*) as total_trades,
    count(*) filter (where trade.is_winner) as winning_trades,
    coalesce(sum(trade.pnl_usd), 0) as total_pnl_usd,
    coalesce(round(avg(trade.pnl_usd), 8), 0) as avg_pnl_per_trade,
    coalesce(max(trade.pnl_usd) filter (where trade.is_winner), 0) as largest_win,
    coalesce(min(trade.pnl_usd) filter (where not trade.is_winner), 0) as largest_loss,
    coalesce(round(avg(trade.pnl_usd) filter (where trade.is_winner), 8), 0) as avg_win,
    coalesce(round(avg(trade.pnl_usd) filter (where not trade.is_winner), 8), 0) as avg_loss
  from public.trades as trade
  where trade.user_id = profile.id
) as closed;
comment on view public.trade_stats is 'One row for each trader, with zeros before the first trade.';

create function private.require_self_or_server(p_user_id uuid) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if p_user_id is null then
    raise exception 'p_user_id is missing' using errcode = '22023', hint = 'name the trader whose plan is asked for';
  end if;
  if p_user_id is distinct from auth.uid() and not private.caller_is_server() then
    raise exception 'a trader may ask for himself only' using errcode = '42501',
    hint = 'pass the id of the signed-in trader';
  end if;
end
$$;

create function public.get_user_subscription_plan_safe(p_user_id uuid) returns text
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_self_or_server(p_user_id);
  return coalesce((select c.plan from private.current_plan(p_user_id) c), 'Free');
end
$$;
comment on function public.get_user_subscription_plan_safe is 'The plan that counts now, for the caller himself or for a server.';

create function public.check_webhook_limit(p_user_id uuid, p_plan text default 'Free') returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_self_or_server(p_user_id);
  return (select l.reason is null from private.over_limit(p_user_id, clock_timestamp()) l);
end
$$;
comment on function public.check_webhook_limit is 'Whether one more alert fits into this hour. p_plan is not believed: the database knows the plan.';
-- bot_credentials: a trader's accounts, and his oldest webhook as the exchange "webhook". No secret is ever shown: a mask
-- stands in its place, and a mask or a null that comes back means that the stored value stays.

create policy server_accounts_select on public.user_api_keys for select to dashboard_server using (true);
create policy server_webhooks_select on public.user_webhook_configs for select to dashboard_server using (true);

create view public.bot_credentials with (security_invoker = true) as
select
  account.id,
  account.user_id,
  account.exchange,
  account.label,
  account.environment,
  account.account_id,
  account.extra_metadata,
  account.created_at,
  account.updated_at,
  account.last_tested,
  account.base_url,
  case when 'api_key' = any(account.secret_fields) then '••••••••' || coalesce(account.hint, '') end as api_key,
  case when 'api_secret' = any(account.secret_fields) then '••••••••' end as api_secret,
  case when 'passphrase' = any(account.secret_fields) then '••••••••' end as passphrase,
  null::text as webhook_secret,
  case when 'username' = any(account.secret_fields) then '••••••••' end as username,
  case when 'password' = any(account.secret_fields) then '••••••••' end as password
from public.user_api_keys as account
union all
select
  webhook.id,
  webhook.user_id,
  'webhook' as exchange,
  webhook.name as label,
  'production' as environment,
  null as account_id,
  '{}' as extra_metadata,
  webhook.created_at,
  webhook.updated_at,
  null as last_tested,
  null as base_url,
  null as api_key,
  null as api_secret,
  null as passphrase,
  '••••••••' || webhook.secret_hint as webhook_secret,
  null as username,
  null as password
from (
  select distinct on (user_id)
    id,
    user_id,
    name,
    secret_hint,
    created_at,
    updated_at
  from public.user_webhook_configs
  order by user_id, created_at, id
) as webhook;
comment on view public.bot_credentials is 'Accounts and the oldest webhook of a trader, their secrets masked. Writing puts new secrets into Vault.';

-- Null where a form sent nothing new: no value, or the mask that it was shown.
create function private.new_secret(p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case when p_value like '••••••••%' and length(p_value) <= 12 then null else nullif(p_value, '') end;
end
$$;

-- A request of a server is about one trader. One that forgot to say which would replace or delete everybody's keys.
create function private.keep_to_one_trader(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  if nullif(current_setting('sparky.credentials_of', true), '') <> p_user_id::text then
    raise exception 'one request changes the credentials of one trader, and this one would change those of several'
    using errcode = '22023', hint = 'filter by user_id';
  end if;
  -- Until the transaction ends.
  perform set_config('sparky.credentials_of', p_user_id::text, true);
end
$$;

create function private.check_credential(p_row public.bot_credentials) returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_row.user_id is null then
    raise exception 'user_id is missing' using errcode = '22023', hint = 'send the id of the trader whose credentials these are';
  end if;
  if p_row.user_id is distinct from auth.uid() and not private.caller_is_server() then
    raise exception 'credentials belong to the signed-in trader' using errcode = '42501',
    hint = 'leave user_id out, or send the id of the signed-in trader';
  end if;
  perform private.keep_to_one_trader(p_row.user_id);
  if p_row.exchange is null
    or p_row.exchange not in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper', 'webhook') then
    raise exception 'exchange "%" is not served', coalesce(left(p_row.exchange, 40), '')
    using errcode = '22023', hint = 'there are aster, oanda, tradier, tastytrade and paper, and webhook for the secret of alerts';
  end if;
  if p_row.environment not in ('production', 'sandbox', 'paper')
    or (p_row.environment = 'paper') <> (p_row.exchange = 'paper')
    or p_row.exchange = 'webhook' and p_row.environment <> 'production' then
    raise exception 'environment "%" does not exist for %', left(p_row.environment, 40), p_row.exchange
    using errcode = '22023', hint = 'exchanges have production and sandbox, paper has paper, webhook has production';
  end if;
  if length(p_row.label) not between 1 and 100 or length(p_row.account_id) > 100 or length(p_row.base_url) > 300
    or jsonb_typeof(p_row.extra_metadata) <> 'object' or length(p_row.extra_metadata::text) > 8000 then
    raise exception 'a label has 1 to 100 characters, an account_id up to 100, a base_url up to 300, and extra_metadata is an object of up to 8000'
    using errcode = '22023', hint = 'shorten what was sent';
  end if;
end
$$;

-- Saves what is new in p_row and returns the id of the account or webhook.
create function private.save_credential(p_row public.bot_credentials, p_label text) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  secret text := private.new_secret(p_row.webhook_secret);
  saved uuid;
begin
  if p_row.exchange <> 'webhook' then
    saved := private.save_plain_keys(
      p_row.user_id, p_row.exchange, p_row.environment, p_label,
      jsonb_strip_nulls(jsonb_build_object(
        'api_key', private.new_secret(p_row.api_key), 'api_secret', private.new_secret(p_row.api_secret),
        'passphrase', private.new_secret(p_row.passphrase), 'username', private.new_secret(p_row.username),
        'password', private.new_secret(p_row.password))),
      jsonb_strip_nulls(jsonb_build_object('account_id', p_row.account_id, 'base_url', p_row.base_url))
      || case when p_row.extra_metadata is null then '{}' else
        jsonb_build_object('extra_metadata', p_row.extra_metadata) end);
    update public.user_api_keys k set last_tested = p_row.last_tested
    where k.id = saved and p_row.last_tested is distinct from k.last_tested and p_row.last_tested is not null;
    return saved;
  end if;
  if secret is not null then
    return private.set_webhook_secret(p_row.user_id, secret, p_label);
  end if;
  if p_row.id is null then
    raise exception 'there is no webhook secret to save' using errcode = '22023', hint = 'a random UUID is a good secret';
  end if;
  if p_label is not null then
    update public.user_webhook_configs w set name = private.webhook_name(p_row.user_id, p_label) where w.id = p_row.id;
  end if;
  return p_row.id;
end
$$;

create function private.insert_credential() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  saved uuid;
begin
  new.user_id := coalesce(new.user_id, auth.uid());
  new.environment := coalesce(new.environment, case new.exchange when 'paper' then 'paper' else 'production' end);
  -- A form that was filled in for a row of its own choosing gets the row that its trader has.
  new.id := null;
  perform private.check_credential(new);
  if not exists (select from auth.users u where u.id = new.user_id) then
    raise exception 'there is no trader with this user_id' using errcode = '23503', hint = 'send the id of a trader who signed up';
  end if;
  saved := private.save_credential(new, new.label);
  select * into new from public.bot_credentials b where b.id = saved;
  return new;
end
$$;
create trigger save_new instead of insert on public.bot_credentials
for each row execute function private.insert_credential();

create function private.update_credential() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  perform private.check_credential(new);
  if (new.id, new.user_id, new.exchange, new.environment)
    is distinct from (old.id, old.user_id, old.exchange, old.environment) then
    raise exception 'whose credentials these are and of which exchange never changes'
    using errcode = '22023', hint = 'delete them and save those of the other exchange anew';
  end if;
  if old.exchange = 'webhook' then
    perform private.lock_webhooks(old.user_id);
    if not exists (select from public.bot_credentials b where b.id = old.id) then
      return null;
    end if;
  else
    account := private.lock_account(old.user_id, old.exchange, old.environment);
    if account.id is distinct from old.id then
      return null;
    end if;
  end if;
  perform private.save_credential(new, nullif(new.label, old.label));
  select * into new from public.bot_credentials b where b.id = old.id;
  return new;
end
$$;
create trigger save instead of update on public.bot_credentials
for each row execute function private.update_credential();

create function private.delete_credential() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  actor text := case when private.caller_is_server() then 'dashboard' else 'trader' end;
begin
  perform private.check_credential(old);
  perform private.keep_trader(old.user_id);
  if old.exchange = 'webhook' then
    delete from public.user_webhook_configs w where w.id = old.id and w.user_id = old.user_id;
  else
    delete from public.user_api_keys k where k.id = old.id and k.user_id = old.user_id;
  end if;
  if not found then
    return null;
  end if;
  perform private.audit(
    old.user_id, actor, case old.exchange when 'webhook' then 'webhook.deleted' else 'api_key.deleted' end, old.id, '{}');
  return old;
end
$$;
create trigger forget instead of delete on public.bot_credentials
for each row execute function private.delete_credential();
-- Who may do what. Nothing is granted anywhere else.

revoke all on all tables in schema public from anon, authenticated;
revoke all on all functions in schema public from public, anon, authenticated;

-- Traders read what is theirs; row-level security decides which rows those are.
grant select on
public.plans, public.user_profiles, public.subscriptions, public.usage_logs, public.audit_log, public.signals,
public.orders, public.fills, public.positions, public.trades
to authenticated;
grant update (full_name, avatar_url) on public.user_profiles to authenticated;
-- Not secret_id: the name of a secret is nobody's business.
grant select (
  id, user_id, exchange, environment, label, hint, form, secret_fields, account_id, found_account_id, base_url,
  extra_metadata, last_tested, key_version, status, status_reason, validated_at, permissions, notes, expires_at,
  created_at, updated_at
) on public.user_api_keys to authenticated;
grant select (
  id, user_id, name, active, require_signature, allowed_sources, hint, secret_hint, old_live_since, created_at,
  updated_at
) on public.user_webhook_configs to authenticated;
grant update (name, active, require_signature, allowed_sources) on public.user_webhook_configs to authenticated;
grant delete on public.user_webhook_configs to authenticated;

grant select on public.option_trades, public.account_balances to authenticated;
grant select, delete on public.notifications, public.notification_preferences to authenticated;
grant update (read_at) on public.notifications to authenticated;
grant insert (user_id, kind, in_app), update (kind, in_app) on public.notification_preferences to authenticated;
-- Not the counters, which follow trades.
grant select, delete on public.strategies to authenticated;
grant insert (
  user_id, name, description, asset_class, status, pine_script, pine_script_version, risk_level, max_position_size_usd,
  stop_loss_percent, take_profit_percent, exchange, environment, position_size_percent, timeframe, symbols, notes
) on public.strategies to authenticated;
grant update (
  name, description, asset_class, status, pine_script, pine_script_version, risk_level, max_position_size_usd,
  stop_loss_percent, take_profit_percent, exchange, environment, position_size_percent, timeframe, symbols, notes
) on public.strategies to authenticated;

grant execute on function
public.save_api_key(text, text, text, text, text, text[], text), public.delete_api_key(uuid),
public.list_api_keys(), public.request_validation(uuid)
to authenticated;
grant execute on function
public.create_webhook(text), public.reveal_webhook(uuid), public.rotate_webhook(uuid),
public.end_old_webhook_credentials(uuid), public.webhook_url(uuid), public.alert_template(text, text),
public.alert_templates()
to authenticated;

-- Plans and settings.
grant select on public.entitlements, public.usage_today, public.usage_this_month to authenticated;
grant select, delete on public.trade_settings_global, public.trade_settings_exchange to authenticated;
-- Not id: whether another's row has it, nobody learns. Upserts set the columns of their conflict target too.
grant
insert (
  user_id, enabled, trading_hours_preset, trading_window, max_trades_per_day, max_position_size_usd,
  take_profit_percent, stop_loss_percent, allow_weekends, news_filter, notes, extra_settings
),
update (
  user_id, enabled, trading_hours_preset, trading_window, max_trades_per_day, max_position_size_usd,
  take_profit_percent, stop_loss_percent, allow_weekends, news_filter, notes, extra_settings
) on public.trade_settings_global to authenticated;
grant
insert (
  user_id, exchange, enabled, trading_hours_preset, trading_window, max_trades_per_day, max_position_size_usd,
  take_profit_percent, stop_loss_percent, allow_weekends, news_filter, notes, position_size_percent,
  strike_tolerance_percent, entry_limit_offset_percent, tp_percent, sl_percent, max_signal_age_sec,
  auto_close_outside_window, max_open_positions, extra_settings
),
update (
  user_id, exchange, enabled, trading_hours_preset, trading_window, max_trades_per_day, max_position_size_usd,
  take_profit_percent, stop_loss_percent, allow_weekends, news_filter, notes, position_size_percent,
  strike_tolerance_percent, entry_limit_offset_percent, tp_percent, sl_percent, max_signal_age_sec,
  auto_close_outside_window, max_open_positions, extra_settings
) on public.trade_settings_exchange to authenticated;
grant select on public.trade_stats_daily to authenticated;
grant execute on function public.my_plan(), public.my_settings(), public.my_signal(uuid) to authenticated;
grant execute on function public.delete_my_account(text) to authenticated;
grant execute on function public.platform_status() to authenticated, service_role;
grant execute on function public.has_feature(text) to authenticated, service_role, dashboard_server;

-- The trader's rights over his data.
grant select on public.data_exports to authenticated;
grant execute on function public.export_my_data(), public.read_export(uuid, integer) to authenticated;

-- The service key administers; it changes nothing in the audit log.
grant select, insert, update, delete on
public.plans, public.user_profiles, public.subscriptions, public.usage_logs, public.user_api_keys,
public.user_webhook_configs, public.strategies, public.option_trades, public.account_balances, public.notifications,
public.notification_preferences, public.signals, public.orders, public.fills, public.positions,
public.trades
to service_role;
grant select on public.audit_log, public.data_exports to service_role;

grant execute on function public.ingest_alert(text, text, text, jsonb) to sparky_edge, service_role;

grant execute on function public.store_stripe_event(jsonb) to service_role;

grant execute on function public.audit_head(), public.verify_audit(bigint, integer, bigint, text) to service_role;

grant execute on function
public.claim_signals(text, integer, integer),
public.begin_orders(jsonb),
public.finish_signals(jsonb, text, integer, integer),
public.extend_leases(jsonb, integer),
public.release_signals(jsonb),
public.worker_heartbeat(text, text, jsonb, text),
public.claim_accounts(text, integer, integer),
public.finish_accounts(jsonb),
public.claim_tasks(text, integer, integer),
public.finish_tasks(jsonb),
public.work_task(bigint, bigint),
public.paper_open(uuid, text, numeric, text),
public.paper_submit(uuid, text, jsonb, jsonb),
public.paper_place_exits(uuid, text, jsonb, jsonb),
public.paper_cancel(uuid, text),
public.paper_mark(uuid, text, text, numeric),
public.paper_find_order(uuid, text),
public.paper_list_open(uuid, text),
public.paper_list_positions(uuid, text),
public.paper_list_fills(uuid, text, text, timestamptz)
to sparky_worker, service_role;

-- The dashboard under the names that it knows. The views run with the rights of whoever asks.
grant select on public.webhook_requests, public.tradier_option_trades, public.trade_stats
to authenticated, service_role;
grant select, insert, update, delete on public.bot_credentials to authenticated, service_role, dashboard_server;
grant execute on function
public.get_user_subscription_plan_safe(uuid), public.check_webhook_limit(uuid, text)
to authenticated, service_role, dashboard_server;

-- The dashboard's server: what its routes use. Never a limit, a role or a secret.
grant usage on schema public to dashboard_server;
grant select on public.webhook_requests to dashboard_server;
-- For the sentence that the view refuses with.
grant insert, update on public.webhook_requests to dashboard_server, service_role;
grant select (
  id, user_id, strategy_id, exchange, action, symbol, alert, status, reason, reason_code, received_at, finished_at,
  parent_id
) on public.signals to dashboard_server;
-- What bot_credentials shows of the tables beneath it.
grant select (
  id, user_id, exchange, environment, label, hint, secret_fields, account_id, base_url, extra_metadata, last_tested,
  created_at, updated_at
) on public.user_api_keys to dashboard_server;
grant select (id, user_id, name, secret_hint, created_at, updated_at)
on public.user_webhook_configs to dashboard_server;
grant select on public.subscriptions, public.user_profiles, public.strategies to dashboard_server;
-- PostgREST's upsert also sets the columns of its conflict target, so they are among those to update.
grant
insert (
  user_id, plan, status, stripe_customer_id, stripe_subscription_id, stripe_price_id, current_period_start,
  current_period_end, cancel_at_period_end, canceled_at, trial_start, trial_end, metadata, updated_at
),
update (
  user_id, plan, status, stripe_customer_id, stripe_subscription_id, stripe_price_id, current_period_start,
  current_period_end, cancel_at_period_end, canceled_at, trial_start, trial_end, metadata, updated_at
) on public.subscriptions to dashboard_server;
grant
insert (id, email, full_name, avatar_url, updated_at),
update (id, email, full_name, avatar_url, updated_at)
on public.user_profiles to dashboard_server;

-- The operator, who holds a service key.
grant select on public.usage_today, public.usage_this_month to service_role;
-- The views run with the rights of whoever asks, so the server needs the table too.
grant select on public.usage_logs, public.usage_today, public.usage_this_month to dashboard_server;
grant select, insert, update, delete on
public.entitlements, public.trade_settings_global, public.trade_settings_exchange
to service_role;
grant execute on function
public.halt_trading(text), public.resume_trading(), public.announce(text), public.set_api_url(text),
public.review_signals(), public.settle_signal(uuid, text, text, text, jsonb), public.explain_signal(uuid)
to service_role;

-- Not the service key: exchange keys go to nobody but a worker.
grant execute on function
public.open_keys(text, uuid),
public.reseal_keys(text, uuid, integer, text),
public.rotate_keys(text, uuid, integer, text)
to sparky_worker;
