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
