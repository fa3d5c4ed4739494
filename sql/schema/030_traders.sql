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
