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
