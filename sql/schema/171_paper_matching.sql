-- How the paper venue executes. It has no clock that ticks: whenever a price of a symbol is told, every order that waits
-- for one is held against it, oldest first, under the lock of the book. A limit order fills at its price or better, a stop
-- at the price that reached it. What was missed between two prices stays missed.

create function private.paper_sign(p_side text) returns integer
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case p_side when 'buy' then 1 else -1 end;
end
$$;

-- Whether anything waits in a symbol: most of the time nothing does.
create function private.paper_has_open(p_book bigint, p_symbol text) returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select from private.paper_orders o
    where o.paper_account_id = p_book and o.symbol = p_symbol and o.state in ('waiting', 'working'));
end
$$;

-- Ends an order that has not filled, and with an entry the exits that wait for it.
create function private.paper_end(p_order_id bigint, p_state text, p_reason text) returns void
language plpgsql
set search_path = ''
as $$
begin
  update private.paper_orders set state = p_state, reason = p_reason
  where state in ('waiting', 'working')
    and (id = p_order_id or (state = 'waiting' and exit_group = p_order_id));
end
$$;

-- What an exit that has filled leaves to the others of its group, and a position to the orders that reduce it. A
-- take-profit takes its size off the stops, a stop off all others. What cannot reduce anything any more is cancelled.
create function private.paper_take_away(p_filled private.paper_orders, p_after numeric) returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_filled.exit_group is not null then
    update private.paper_orders o set
      quantity = case when o.quantity > p_filled.quantity then o.quantity - p_filled.quantity else o.quantity end,
      state = case when o.quantity > p_filled.quantity then o.state else 'cancelled' end,
      reason = case when o.quantity > p_filled.quantity then o.reason else 'another exit of the position has filled' end
    where o.exit_group = p_filled.exit_group and o.id <> p_filled.id and o.state = 'working'
      and not (o.order_type = 'limit' and p_filled.order_type = 'limit');
  end if;
  update private.paper_orders o set state = 'cancelled', reason = 'the position is closed'
  where o.paper_account_id = p_filled.paper_account_id and o.symbol = p_filled.symbol and o.state = 'working'
    and o.id <> p_filled.id and o.reduce_only and p_after * private.paper_sign(o.side) >= 0;
end
$$;

-- Fills an order whole and returns it as it is then, or ends it when it cannot be filled any more.
create function private.paper_fill(o private.paper_orders, p_price numeric) returns private.paper_orders
language plpgsql
set search_path = ''
as $$
declare
  book private.paper_accounts;
  held private.paper_positions;
  sign_of integer := private.paper_sign(o.side);
  refusal jsonb;
begin
  select * into book from private.paper_accounts where id = o.paper_account_id;
  select * into held from private.paper_positions where paper_account_id = book.id and symbol = o.symbol;
  if o.reduce_only then
    if coalesce(held.quantity, 0) * sign_of >= 0 then
      perform private.paper_end(o.id, 'cancelled', 'there is no position to reduce');
      return o;
    end if;
    o.quantity := least(o.quantity, abs(held.quantity));
  else
    refusal := private.paper_funds_refusal(book, held, sign_of * o.quantity, p_price, o.max_leverage);
    if refusal is not null then
      perform private.paper_end(o.id, 'cancelled', refusal -> 'refused' ->> 'message');
      return o;
    end if;
  end if;
  update private.paper_orders set
    state = 'filled', quantity = o.quantity, price = p_price, fee = round(o.quantity * p_price * o.fee_percent / 100, 8),
    executed_at = clock_timestamp()
  where id = o.id returning * into o;
  perform private.paper_apply(book.id, o.symbol, sign_of * o.quantity, p_price);
  update private.paper_accounts set cash = cash - sign_of * o.quantity * p_price - o.fee where id = book.id;
  if private.paper_has_open(book.id, o.symbol) then
    perform private.paper_take_away(o, coalesce(held.quantity, 0) + sign_of * o.quantity);
  end if;
  return o;
end
$$;

-- Where an order would trade at a price of the market; null while it waits. Keeps what the price has changed about it.
-- p_arrives: it meets the market for the first time, so that a limit may be better than its price.
create function private.paper_meets(o private.paper_orders, p_market numeric, p_arrives boolean) returns numeric
language plpgsql
set search_path = ''
as $$
declare
  sign_of integer := private.paper_sign(o.side);
  slipped numeric := greatest(round(p_market * (1 + sign_of * o.slippage_percent / 100), 8), 0.00000001);
  arrives boolean := p_arrives;
begin
  if o.order_type = 'trailing_stop' then
    o.best_price := case sign_of when 1 then least(o.best_price, p_market) else greatest(o.best_price, p_market) end;
    update private.paper_orders set best_price = o.best_price where id = o.id;
    o.stop_price := o.best_price + sign_of * coalesce(o.trail_distance, o.best_price * o.trail_percent / 100);
  end if;
  if o.stop_price is not null and not o.triggered then
    if sign_of * p_market < sign_of * o.stop_price then
      return null;
    end if;
    update private.paper_orders set triggered = true where id = o.id;
    arrives := true;
  end if;
  if o.limit_price is null then
    return slipped;
  end if;
  return case
    when sign_of * p_market > sign_of * o.limit_price then null
    when not arrives then o.limit_price
    when sign_of = 1 then least(slipped, o.limit_price)
    else greatest(slipped, o.limit_price)
  end;
end
$$;

-- Holds one order against a price, and when it fills the exits that have waited for it.
create function private.paper_try(p_order_id bigint, p_market numeric, p_arrives boolean) returns void
language plpgsql
set search_path = ''
as $$
declare
  price numeric;
  o private.paper_orders;
  child bigint;
begin
  select * into o from private.paper_orders where id = p_order_id and state = 'working';
  -- An order before this one may have ended it.
  if o.id is null then
    return;
  end if;
  price := private.paper_meets(o, p_market, p_arrives);
  if price is null then
    return;
  end if;
  o := private.paper_fill(o, price);
  if o.state <> 'filled' or not private.paper_has_open(o.paper_account_id, o.symbol) then
    return;
  end if;
  for child in
    update private.paper_orders set state = 'working', quantity = o.quantity, best_price = p_market
    where exit_group = o.id and state = 'waiting' returning id
  loop
    perform private.paper_try(child, p_market, true);
  end loop;
end
$$;

create function private.paper_match(p_book bigint, p_symbol text, p_market numeric) returns void
language plpgsql
set search_path = ''
as $$
declare
  each bigint;
begin
  if not private.paper_has_open(p_book, p_symbol) then
    return;
  end if;
  perform private.paper_expire(p_book);
  for each in
    select id from private.paper_orders
    where paper_account_id = p_book and symbol = p_symbol and state = 'working' order by id
  loop
    perform private.paper_try(each, p_market, false);
  end loop;
end
$$;
