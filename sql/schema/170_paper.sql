-- The book of the paper venue. It is a venue, not our record: it knows orders by client id, fills them at a price it
-- is given, and answers when asked. A new paper key is a new paper account with a fresh balance.

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
  price numeric not null check (price > 0 and price < 'infinity'),
  fee numeric not null check (fee > '-infinity' and fee < 'infinity'),
  -- How often this order arrived. More than once means that somebody sent it blindly again.
  arrivals integer not null default 1,
  executed_at timestamptz not null default clock_timestamp(),
  unique (paper_account_id, client_order_id)
);
create index paper_orders_symbol on private.paper_orders (paper_account_id, symbol, id);

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
    'quantity', trim_scale(o.quantity)::text, 'price', trim_scale(o.price)::text, 'fee', trim_scale(o.fee)::text,
    'executed_at', o.executed_at);
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

-- p_order: {"client_order_id","symbol","side","quantity","reduce_only","price"?}; p_terms: {"slippage_percent",
-- "fee_percent","max_leverage"}. The whole order fills at once, or is refused.
create function public.paper_submit(p_account_id uuid, p_key_hash text, p_order jsonb, p_terms jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  book private.paper_accounts;
  sign_of integer := case p_order ->> 'side' when 'buy' then 1 else -1 end;
  amount numeric := (p_order ->> 'quantity')::numeric;
  reduce boolean := (p_order ->> 'reduce_only')::boolean;
  held private.paper_positions;
  price numeric := (p_order ->> 'price')::numeric;
  refusal jsonb;
  placed private.paper_orders;
begin
  select * into book from private.paper_accounts
  where account_id = p_account_id and key_hash = decode(p_key_hash, 'hex') for update;
  if book.id is null then
    return private.paper_refusal('unknown_key', 'no paper account is open for this key');
  end if;
  -- Under any key of the account: keys may have been replaced since the order was sent.
  update private.paper_orders o set arrivals = o.arrivals + 1
  from private.paper_accounts a
  where a.account_id = p_account_id and o.paper_account_id = a.id
    and o.client_order_id = p_order ->> 'client_order_id';
  if found then
    return private.paper_refusal('duplicate_client_order_id', 'an order with this client id exists');
  end if;
  -- NaN sorts above infinity.
  if not coalesce(amount > 0 and amount < 'infinity', false) then
    return private.paper_refusal('invalid_order', 'the quantity must be a positive number');
  end if;
  select * into held from private.paper_positions
  where paper_account_id = book.id and symbol = p_order ->> 'symbol';
  if reduce then
    if coalesce(held.quantity, 0) * sign_of >= 0 then
      return private.paper_refusal('nothing_to_reduce', 'a reduce-only order needs an opposite position');
    end if;
    amount := least(amount, abs(held.quantity));
  end if;
  -- An exit must never fail for want of a price: the last one known of this symbol serves.
  price := coalesce(price, (
    select o.price from private.paper_orders o
    where o.paper_account_id = book.id and o.symbol = p_order ->> 'symbol' order by o.id desc limit 1
  ));
  if price is null then
    return private.paper_refusal('no_price', 'the paper venue has no price for this symbol');
  end if;
  price := round(price * (1 + sign_of * (p_terms ->> 'slippage_percent')::numeric / 100), 8);
  if not coalesce(price > 0 and price < 'infinity', false) then
    return private.paper_refusal('invalid_order', 'the price must be a positive number');
  end if;
  refusal := private.paper_funds_refusal(
    book, held, sign_of * amount, price, (p_terms ->> 'max_leverage')::numeric);
  if refusal is not null then
    return refusal;
  end if;
  insert into private.paper_orders (
    paper_account_id, client_order_id, symbol, side, quantity, reduce_only, price, fee
  ) values (
    book.id, p_order ->> 'client_order_id', p_order ->> 'symbol', p_order ->> 'side', amount, reduce, price,
    round(amount * price * (p_terms ->> 'fee_percent')::numeric / 100, 8)
  ) returning * into placed;
  perform private.paper_apply(book.id, placed.symbol, sign_of * amount, price);
  update private.paper_accounts set cash = cash - sign_of * amount * price - placed.fee where id = book.id;
  return jsonb_build_object('order', private.paper_order_json(placed));
end
$$;
comment on function public.paper_submit is 'The paper venue takes an order: fills it whole or refuses it. A client id that it knows is refused.';

create function public.paper_find_order(p_account_id uuid, p_client_order_id text) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return (
    select private.paper_order_json(o)
    from private.paper_accounts a
    join private.paper_orders o on o.paper_account_id = a.id and o.client_order_id = p_client_order_id
    where a.account_id = p_account_id
  );
end
$$;
comment on function public.paper_find_order is 'The paper venue''s order of this client id under any key of the account, or null: replaced keys must not make an order look absent.';

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
  select coalesce(jsonb_agg(private.paper_order_json(o) order by o.id), '[]')
  from private.paper_orders o
  where o.paper_account_id = (private.paper_account(p_account_id, p_key_hash)).id and o.symbol = p_symbol
    and o.executed_at >= p_since
$$;
comment on function public.paper_list_fills is 'The paper venue''s orders in a symbol since a moment, oldest first: each is filled whole in one execution.';
