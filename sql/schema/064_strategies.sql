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
