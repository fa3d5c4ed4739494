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
