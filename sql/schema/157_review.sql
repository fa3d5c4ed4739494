-- Signals of which nobody knows what came: an operator looks at the venue and settles them.

create function public.review_signals() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'signal_id', s.id, 'user_id', s.user_id, 'account_id', s.account_id, 'exchange', s.exchange,
      'environment', s.environment, 'symbol', s.symbol, 'action', s.action, 'is_exit', s.is_exit,
      'received_at', s.received_at, 'review_since', s.finished_at,
      'age_seconds', floor(extract(epoch from clock_timestamp() - s.finished_at))::bigint,
      'reason_code', s.reason_code, 'reason', s.reason,
      'held_back', (
        select count(*) from public.signals p where p.lane = s.lane and p.status = 'pending' and not p.is_exit),
      'orders', (
        select coalesce(jsonb_agg(private.order_for_worker(o) order by o.leg), '[]')
        from public.orders o where o.user_id = s.user_id and o.signal_id = s.id)
    ) order by s.finished_at, s.seq), '[]')
    from (
      select r.* from public.signals r where r.status = 'review' order by r.finished_at, r.seq limit 500
    ) s
  );
end
$$;
comment on function public.review_signals is 'Operator: the signals that wait for somebody to look at the venue, oldest first, with their orders and how many entries they hold back.';

-- What is wrong with a verdict, in words; null when it can be carried out.
create function private.wrong_verdict(
  p_signal public.signals, p_verdict text, p_operator text, p_note text, p_fills jsonb
) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  told record;
  known public.orders;
begin
  if p_signal.id is null then
    return 'no signal of this id waits for a review';
  end if;
  if coalesce(p_verdict not in ('executed', 'not_executed'), true) then
    return 'the verdict must be executed or not_executed';
  end if;
  if coalesce(length(btrim(p_operator)) not between 1 and 100 or length(btrim(p_note)) not between 1 and 1000, true) then
    return 'a verdict needs the operator''s name, of at most 100 characters, and a note of at most 1000';
  end if;
  if coalesce(jsonb_typeof(p_fills) <> 'array', true) then
    return 'the fills must be a list';
  end if;
  if (p_verdict = 'executed') <> (p_fills <> '[]') then
    return 'executed needs what was filled, and not_executed has none';
  end if;
  for told in
    select
      f ->> 'leg' as leg, f ->> 'quantity' as quantity, f ->> 'price' as price,
      -- 01 is 1.
      count(*) over (partition by ltrim(f ->> 'leg', '0')) as times
    from jsonb_array_elements(p_fills) f
  loop
    if coalesce(told.leg !~ '^[0-9]{1,2}$' or told.quantity !~ '^[0-9]{1,30}(\.[0-9]{1,20})?$'
      or told.price !~ '^[0-9]{1,30}(\.[0-9]{1,20})?$', true) then
      return 'each fill is {"leg","quantity","price"} with plain decimal numbers';
    end if;
    select * into known from public.orders o
    where o.user_id = p_signal.user_id and o.signal_id = p_signal.id and o.leg = told.leg::smallint
      and o.state in ('submitting', 'unknown', 'absent');
    if not found or told.times > 1 then
      return format('leg %s is no order of this signal that is still unknown, or is named twice', told.leg);
    end if;
    if told.quantity::numeric not between 0 and known.quantity or told.quantity::numeric = 0 or told.price::numeric = 0 then
      return format('leg %s was for %s: quantity and price are above zero, and no more was filled than was ordered',
        told.leg, trim_scale(known.quantity)::text);
    end if;
  end loop;
  return null;
end
$$;

-- What the venue did with one order, as the operator saw it; p_fill is null where it did nothing.
create function private.settle_order(p_signal public.signals, p_order public.orders, p_fill jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  amount numeric := (p_fill ->> 'quantity')::numeric;
begin
  if p_fill is null then
    perform private.record_late_order(p_signal, jsonb_build_object(
      'leg', p_order.leg, 'state', 'cancelled', 'reason_code', 'outcome_unknown',
      'reason', 'An operator looked it up: the venue did not execute it.'));
    return;
  end if;
  perform private.record_late_order(p_signal, jsonb_build_object(
    'leg', p_order.leg, 'state', case when amount < p_order.quantity then 'cancelled' else 'filled' end,
    'filled_quantity', amount::text, 'average_price', p_fill ->> 'price',
    'fills', jsonb_build_array(jsonb_build_object(
      'venue_fill_id', 'settled/' || p_order.client_order_id, 'price', p_fill ->> 'price', 'quantity', amount::text,
      -- None, and not unknown: nobody is to ask the venue for it and find this execution under its own id.
      'fee', '0', 'filled_at', p_order.submitted_at))));
  -- Its attached exits went in the same write; the comparison of the account finds out how they stand.
  update public.orders o set state = 'accepted'
  where o.user_id = p_order.user_id and o.signal_id = p_order.signal_id and o.attached_to = p_order.leg
    and o.state in ('submitting', 'unknown', 'absent');
end
$$;

create function public.settle_signal(
  p_signal_id uuid, p_verdict text, p_operator text, p_note text, p_fills jsonb default '[]'
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  held public.signals;
  unsettled public.orders;
  wrong text;
begin
  perform private.keep_batch(array[p_signal_id], null, true);
  perform from public.orders o where o.signal_id = p_signal_id order by o.id for update;
  select * into held from public.signals s where s.id = p_signal_id and s.status = 'review' for update;
  wrong := private.wrong_verdict(held, p_verdict, p_operator, p_note, p_fills);
  if wrong is not null then
    raise exception '%', wrong using errcode = '22023', hint = 'nothing was changed; review_signals() tells what waits';
  end if;
  -- Entries first, so that their attached exits are found to have gone with them.
  for unsettled in
    select o.* from public.orders o
    where o.user_id = held.user_id and o.signal_id = held.id and o.state in ('submitting', 'unknown', 'absent')
    order by o.leg
  loop
    perform private.settle_order(held, o, (
      select f from jsonb_array_elements(p_fills) f where (f ->> 'leg')::smallint = unsettled.leg))
    from public.orders o where o.id = unsettled.id and o.state in ('submitting', 'unknown', 'absent');
  end loop;
  update public.signals s set
    status = case p_verdict when 'executed' then 'done' else 'failed' end,
    reason_code = case p_verdict when 'executed' then s.reason_code else 'outcome_unknown' end,
    reason = left(format('%s An operator looked at the venue: %s (%s)', s.reason, case p_verdict
      when 'executed' then 'it was executed.' else 'it was not executed.' end, btrim(p_note)), 2000),
    fence = s.fence + 1
  where s.id = held.id
  returning * into held;
  perform private.audit(held.user_id, 'operator/' || btrim(p_operator), 'signal.settled', held.id,
    jsonb_build_object('verdict', p_verdict, 'note', btrim(p_note), 'fills', p_fills));
  perform private.notify_of_signal(held, 'signal_review', 'info', format(
    '%s of %s is settled: it was %s', initcap(held.action), held.symbol, replace(p_verdict, '_', ' ')));
  perform private.send_hint();
  return jsonb_build_object('signal_id', held.id, 'status', held.status, 'reason', held.reason);
end
$$;
comment on function public.settle_signal is 'Operator: ends a signal under review with what the venue did, executed with fills [{"leg","quantity","price"}] or not_executed. Its lane is free at once.';
