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
