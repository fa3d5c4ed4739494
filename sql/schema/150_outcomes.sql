-- What a claim does and what came of it. Every write carries the fence; a late worker changes nothing.

-- The signal of a claim, locked, when the claim still holds. Trader and account are locked before it: that is the
-- order in which their deletion takes them, and orders and fills refer to both.
create function private.held_signal(p_claim jsonb) returns public.signals
language plpgsql
set search_path = ''
as $$
declare
  claimed uuid := (p_claim ->> 'signal_id')::uuid;
  held public.signals;
begin
  perform private.keep_trader((select s.user_id from public.signals s where s.id = claimed));
  perform from public.user_api_keys k
  where k.id = (select s.account_id from public.signals s where s.id = claimed) for key share;
  select * into held from public.signals s
  where s.id = claimed and s.fence = (p_claim ->> 'fence')::bigint and s.status = 'executing'
  for update;
  return held;
end
$$;

-- One order's news: {"leg","state","venue_order_id","filled_quantity","average_price","reason_code","reason",
-- "elapsed_ms","fills":[…]}. A terminal order takes no more news but fills, and those only once.
create function private.record_order(p_signal public.signals, p_news jsonb) returns public.orders
language plpgsql
set search_path = ''
as $$
declare
  target public.orders;
begin
  update public.orders set
    state = p_news ->> 'state',
    venue_order_id = coalesce(p_news ->> 'venue_order_id', venue_order_id),
    filled_quantity = coalesce((p_news ->> 'filled_quantity')::numeric, filled_quantity),
    average_price = coalesce((p_news ->> 'average_price')::numeric, average_price),
    reason_code = p_news ->> 'reason_code',
    reason = left(p_news ->> 'reason', 2000),
    -- The worker sends how long it took, so that its clock does not matter.
    acknowledged_at = case
      -- No answer is no acknowledgement.
      when p_news ->> 'state' in ('submitting', 'unknown', 'absent') then acknowledged_at
      else coalesce(
        acknowledged_at, submitted_at + make_interval(secs => (p_news ->> 'elapsed_ms')::numeric::float8 / 1000))
    end
  where user_id = p_signal.user_id and signal_id = p_signal.id and leg = (p_news ->> 'leg')::smallint
    and state not in ('filled', 'cancelled', 'expired', 'refused')
    -- What the venue once had is never absent: absent orders may be sent again.
    and (p_news ->> 'state' <> 'absent' or state in ('submitting', 'unknown', 'absent'));
  select * into strict target from public.orders
  where user_id = p_signal.user_id and signal_id = p_signal.id and leg = (p_news ->> 'leg')::smallint;
  perform private.apply_fill(target, f)
  from jsonb_array_elements(coalesce(p_news -> 'fills', '[]')) with ordinality as fills (f, n)
  -- What an operator has settled counts as he said: a claim that found the same execution meanwhile comes too late.
  where not exists (
    select from public.fills s
    where s.user_id = target.user_id and s.account_id = target.account_id and s.symbol = target.symbol
      and s.venue_fill_id = 'settled/' || target.client_order_id
  )
  order by n;
  if target.purpose not in ('open', 'close') then
    perform private.show_exits(target.user_id, target.account_id, target.symbol);
  end if;
  return target;
end
$$;

-- News that a claim tells: of its own orders, and with {"signal_id"} of those of another signal of its account, which it
-- cancels.
create function private.record_news(p_signal public.signals, p_news jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  owner public.signals;
  other uuid := coalesce((p_news ->> 'signal_id')::uuid, p_signal.id);
begin
  if other = p_signal.id then
    perform private.record_order(p_signal, p_news);
    return;
  end if;
  select * into strict owner from public.signals s
  where s.user_id = p_signal.user_id and s.account_id = p_signal.account_id and s.id = other;
  perform private.record_late_order(owner, p_news);
end
$$;

-- Writes one leg down, or makes it sendable again. Null when neither may be.
create function private.write_order(p_signal public.signals, p_leg jsonb) returns timestamptz
language plpgsql
set search_path = ''
as $$
declare
  begun timestamptz;
begin
  insert into public.orders as o (
    user_id, account_id, signal_id, leg, client_order_id, exchange, environment, symbol, side, order_type, purpose,
    quantity, reduce_only, limit_price, stop_price, trail_distance, trail_percent, time_in_force, extended_hours,
    reference_price, attached_to, spread, bookmark, submitted_at
  ) values (
    p_signal.user_id, p_signal.account_id, p_signal.id, (p_leg ->> 'leg')::smallint, p_leg ->> 'client_order_id',
    p_signal.exchange, p_signal.environment, p_leg ->> 'symbol', p_leg ->> 'side', p_leg ->> 'order_type',
    p_leg ->> 'purpose', (p_leg ->> 'quantity')::numeric, (p_leg ->> 'reduce_only')::boolean,
    (p_leg ->> 'limit_price')::numeric, (p_leg ->> 'stop_price')::numeric, (p_leg ->> 'trail_distance')::numeric,
    (p_leg ->> 'trail_percent')::numeric, p_leg ->> 'time_in_force', (p_leg ->> 'extended_hours')::boolean,
    (p_leg ->> 'reference_price')::numeric, (p_leg ->> 'attached_to')::smallint, coalesce(p_leg -> 'spread', '[]'),
    p_leg ->> 'bookmark', clock_timestamp()
  )
  on conflict (signal_id, leg) do update set
    state = 'submitting', submitted_at = excluded.submitted_at, submissions = o.submissions + 1,
    reason_code = null, reason = null, acknowledged_at = null,
    -- The first one stays: the order may show up anywhere after it.
    bookmark = coalesce(o.bookmark, excluded.bookmark)
  -- Only an order that a look-up did not find may be sent again, and only the very same order.
  where o.state = 'absent' and o.client_order_id = excluded.client_order_id and o.symbol = excluded.symbol
    and o.quantity = excluded.quantity and o.side = excluded.side and o.order_type = excluded.order_type
    and o.reduce_only = excluded.reduce_only
    and (o.limit_price, o.stop_price, o.trail_distance, o.trail_percent, o.spread)
      is not distinct from (
        excluded.limit_price, excluded.stop_price, excluded.trail_distance, excluded.trail_percent, excluded.spread)
  returning o.submitted_at into begun;
  return begun;
end
$$;

-- The limit that keeps an entry out; null when it may come in. Asked under the trader's lock (private.lock_entries).
create function private.entry_obstacle(p_signal public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return jsonb_path_query_first(private.entry_limits(
    p_signal.user_id, private.settings_exchange(p_signal.exchange, p_signal.symbol, p_signal.alert),
    p_signal.account_id, array[p_signal.symbol, private.opened_symbol(p_signal)], p_signal.id), '$[*] ? (@.ok == false)');
end
$$;

-- One claim: {"signal_id","fence","plan","news":[…of earlier legs…],"orders":[the legs to send now, in one write]}. All
-- of them are written down, or none. The first time with a plan that opens something, the trader's limits decide:
-- {"ok":false,"obstacle":{"name","scope","limit","used","ok"}}, and nothing is written. p_limited are the traders who have
-- any, and who are locked.
create function private.begin_order(p_claim jsonb, p_limited uuid[]) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  held public.signals;
  wanted jsonb;
  obstacle jsonb;
  begun timestamptz;
begin
  held := private.held_signal(p_claim);
  if held.id is null then
    return jsonb_build_object('signal_id', p_claim -> 'signal_id', 'ok', false);
  end if;
  held.plan := coalesce(held.plan, nullif(p_claim -> 'plan', 'null'));
  -- Exits that are placed again before it has begun to trade pass like any other.
  if held.entered_at is null and not held.is_exit and held.plan @? '$.legs[*] ? (@.purpose == "open")'
    and p_claim @? '$.orders[*] ? (@.purpose == "open" || @.purpose == "close")' then
    if held.user_id = any(p_limited) then
      obstacle := private.entry_obstacle(held);
    end if;
    if obstacle is not null then
      return jsonb_build_object('signal_id', held.id, 'ok', false, 'obstacle', obstacle);
    end if;
    held.entered_at := clock_timestamp();
  end if;
  perform private.record_news(held, n) from jsonb_array_elements(coalesce(p_claim -> 'news', '[]')) n;
  begin
    for wanted in select o from jsonb_array_elements(p_claim -> 'orders') o loop
      begun := private.write_order(held, wanted);
      if begun is null then
        raise sqlstate 'SP001';
      end if;
    end loop;
  exception
    when sqlstate 'SP001' then
      return jsonb_build_object('signal_id', held.id, 'ok', false);
  end;
  update public.signals set
    plan = held.plan, entered_at = held.entered_at, submitted_at = coalesce(submitted_at, begun)
  where id = held.id;
  return jsonb_build_object(
    'signal_id', held.id, 'ok', true, 'submitted_at', begun,
    'lease_left_ms', floor(extract(epoch from held.lease_until - clock_timestamp()) * 1000));
exception
  -- One claim that does not fit must not undo those of other traders in the same call. The worker sees and reports it.
  when data_exception or integrity_constraint_violation or program_limit_exceeded or no_data_found then
    return jsonb_build_object('signal_id', p_claim -> 'signal_id', 'ok', false, 'error', sqlerrm, 'sqlstate', sqlstate);
end
$$;

create function public.begin_orders(p_claims jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  limited uuid[] := private.lock_entries(p_claims);
begin
  perform private.keep_claims(p_claims);
  return (
    select coalesce(jsonb_agg(private.begin_order(c, limited) order by n), '[]')
    from jsonb_array_elements(p_claims) with ordinality as claims (c, n)
  );
end
$$;
comment on function public.begin_orders is 'Writes planned orders in state submitting where the claim still holds. Only after ok may the worker open the socket, and only while enough of lease_left_ms remains.';

-- Whether an entry counts: something of it was opened, or may still be.
create function private.entry_stands(p_user_id uuid, p_signal_id uuid) returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select from public.orders o
    where o.user_id = p_user_id and o.signal_id = p_signal_id and o.purpose = 'open'
      and (o.filled_quantity > 0
        or o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'filled', 'unknown'))
  );
end
$$;

-- An order that works is followed by the comparisons of its account; the first of them is not to be a minute away. A
-- comparison that is running holds its row and waits for orders that this transaction holds: it is never waited for.
create function private.compare_soon(p_account_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  update private.reconciliations r set due_at = clock_timestamp() + interval '10 seconds'
  where r.account_id = (
    select d.account_id from private.reconciliations d
    where d.account_id = p_account_id and d.due_at > clock_timestamp() + interval '10 seconds' and d.lease_until is null
    for update skip locked
  );
end
$$;

-- One result: {"signal_id","fence","status","reason_code","reason","news":[…],"explanation":{"checks","plan"},
-- "close_symbols":[…] of a close_all}. Status null keeps the claim.
create function private.finish_signal(p_result jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  held public.signals;
  ended public.signals;
begin
  held := private.held_signal(p_result);
  if held.id is null then
    return jsonb_build_object('signal_id', p_result -> 'signal_id', 'ok', false);
  end if;
  perform private.record_news(held, n) from jsonb_array_elements(coalesce(p_result -> 'news', '[]')) n;
  if p_result ->> 'status' is null then
    return jsonb_build_object('signal_id', held.id, 'ok', true);
  end if;
  update public.signals s set
    status = p_result ->> 'status', reason_code = p_result ->> 'reason_code', reason = left(p_result ->> 'reason', 2000),
    lease_until = null, finished_at = clock_timestamp(),
    explanation = coalesce(nullif(p_result -> 'explanation', 'null'), s.explanation),
    entered_at = case when s.entered_at is not null and private.entry_stands(s.user_id, s.id) then s.entered_at end,
    acknowledged_at = (select min(o.acknowledged_at) from public.orders o where o.signal_id = s.id)
  where s.id = held.id
  returning * into ended;
  perform private.audit(held.user_id, 'worker/' || held.claimed_by, 'signal.finished', held.id, jsonb_build_object(
    'status', p_result ->> 'status', 'reason_code', p_result ->> 'reason_code', 'attempt', held.attempt,
    'fence', held.fence));
  if p_result -> 'news' @? '$[*] ? (@.state == "accepted" || @.state == "working" || @.state == "partially_filled")' then
    perform private.compare_soon(held.account_id);
  end if;
  if ended.status = 'review' then
    perform private.notify_of_review(ended);
  -- A dry run of a close_all is done as well, and names nothing to close.
  elsif ended.action = 'close_all' and ended.status = 'done' and jsonb_typeof(p_result -> 'close_symbols') = 'array' then
    perform private.close_each(ended, p_result -> 'close_symbols');
  end if;
  return jsonb_build_object('signal_id', held.id, 'ok', true);
exception
  -- One result that does not fit must not undo those of other traders in the same call. The worker sees and reports it.
  when data_exception or integrity_constraint_violation or program_limit_exceeded or no_data_found then
    return jsonb_build_object('signal_id', p_result -> 'signal_id', 'ok', false, 'error', sqlerrm, 'sqlstate', sqlstate);
end
$$;

create function public.finish_signals(
  p_results jsonb, p_worker text default null, p_limit integer default 0, p_lease_seconds integer default 15
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  finished jsonb;
begin
  perform private.keep_claims(p_results);
  select coalesce(jsonb_agg(private.finish_signal(r) order by n), '[]') into finished
  from jsonb_array_elements(p_results) with ordinality as results (r, n);
  return jsonb_build_object(
    'finished', finished,
    'claims', case when p_limit > 0 then private.claim(p_worker, p_limit, p_lease_seconds) else '[]' end);
end
$$;
comment on function public.finish_signals is 'Records outcomes, fills, positions, trades and audit rows where the claim still holds, and can return the next claims.';
