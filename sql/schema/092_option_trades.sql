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
