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
