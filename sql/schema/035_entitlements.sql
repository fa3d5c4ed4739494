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
