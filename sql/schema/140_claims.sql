-- Taking signals for execution. A claim has a lease (until when) and a fence (grows with each claim).

create function private.order_for_worker(o public.orders) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'signal_id', o.signal_id, 'leg', o.leg, 'client_order_id', o.client_order_id, 'state', o.state, 'symbol', o.symbol,
    'side', o.side, 'order_type', o.order_type, 'purpose', o.purpose, 'quantity', o.quantity::text,
    'reduce_only', o.reduce_only, 'limit_price', o.limit_price::text, 'stop_price', o.stop_price::text,
    'trail_distance', o.trail_distance::text, 'trail_percent', o.trail_percent::text,
    'reference_price', o.reference_price::text, 'attached_to', o.attached_to, 'spread', o.spread,
    'venue_order_id', o.venue_order_id, 'submitted_at', o.submitted_at, 'filled_quantity', o.filled_quantity::text,
    'average_price', o.average_price::text, 'bookmark', o.bookmark, 'begun_at', o.created_at);
end
$$;

-- Orders of other signals that the venue may have open in what this signal trades. The contract of an option may have been
-- traded by its own symbol, or by that of its underlying.
create function private.working_orders(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  -- Most accounts have none, and a claim asks for each signal.
  if not exists (
    select from public.orders o
    where o.account_id = s.account_id and o.signal_id <> s.id
      and o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown')
  ) then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(private.order_for_worker(o) order by o.created_at, o.signal_id, o.leg), '[]')
    from public.orders o
    join public.signals w on w.user_id = o.user_id and w.id = o.signal_id
    where o.account_id = s.account_id and o.user_id = s.user_id and o.signal_id <> s.id
      and o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown')
      and (o.symbol = s.symbol or w.symbol = s.symbol)
  );
end
$$;

-- The entry whose exits a signal of the action protect places.
create function private.unprotected(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('entry', private.order_for_worker(o), 'protection', e.plan -> 'protection')
    from public.signals e
    join public.orders o on o.user_id = e.user_id and o.signal_id = e.id
    where e.user_id = s.user_id and e.id = s.parent_id
      and o.leg = (e.plan #>> '{protection,entry}')::smallint
  );
end
$$;

create function private.work_order(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  traded_as text := private.settings_exchange(s.exchange, s.symbol, s.alert);
  settings jsonb;
  counted boolean;
begin
  select f.settings, f.counted into settings, counted
  from private.settings_and_limits(s.user_id, traded_as, s.strategy_id) f;
  return jsonb_build_object(
    'signal_id', s.id, 'user_id', s.user_id, 'fence', s.fence, 'attempt', s.attempt, 'lane', s.lane,
    'now', clock_timestamp(), 'lease_until', s.lease_until, 'received_at', s.received_at, 'alert_at', s.alert_at,
    'exchange', s.exchange, 'environment', s.environment, 'symbol', s.symbol, 'action', s.action,
    'is_exit', s.is_exit,
    'alert', s.alert - '{id,exchange,environment,symbol,action,timestamp,strategy,strategy_id,option_symbol}'::text[],
    'settings', settings,
    'account', private.account_for_worker(s.account_id),
    'position', (
      select jsonb_build_object(
        'side', case p.side when 'BUY' then 'long' else 'short' end,
        'quantity', trim_scale(p.quantity)::text, 'entry_price', trim_scale(p.entry_price)::text)
      from public.positions p
      where p.user_id = s.user_id and p.account_id = s.account_id and p.symbol = s.symbol),
    'plan', s.plan,
    'orders', (
      select coalesce(jsonb_agg(private.order_for_worker(o) order by o.leg), '[]')
      from public.orders o where o.user_id = s.user_id and o.signal_id = s.id),
    'working', private.working_orders(s),
    -- Exits always pass, and what was let in is not counted against itself.
    'limits', case when not counted or s.is_exit or s.entered_at is not null then '[]'
      else private.entry_limits(s.user_id, traded_as, s.account_id, array[s.symbol], s.id) end,
    'unprotected', case when s.action = 'protect' then private.unprotected(s) end
  );
end
$$;

create function private.notify_of_review(p_signal public.signals) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.notify_of_signal(p_signal, 'signal_review', 'critical', format(
    '%s of %s needs you: what came of it is not known', initcap(p_signal.action), p_signal.symbol));
end
$$;

-- A signal that was claimed so often and never finished takes its workers down with it: a person has to look.
create function private.retire_hopeless() returns void
language plpgsql
set search_path = ''
as $$
declare
  hopeless public.signals;
begin
  for hopeless in
    update public.signals set
      status = 'review', reason_code = 'internal_error', lease_until = null, finished_at = clock_timestamp(),
      fence = fence + 1,
      reason = 'Execution was begun 20 times and never came to an end; an operator has to look at it.'
    where id in (
      select id from public.signals
      where status = 'executing' and lease_until < clock_timestamp() and attempt >= 20
      for update skip locked
    )
    returning *
  loop
    perform private.audit(hopeless.user_id, 'worker', 'signal.finished', hopeless.id, '{"status": "review"}');
    perform private.notify_of_review(hopeless);
  end loop;
end
$$;

create function private.claim(p_worker text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  claimed public.signals [];
begin
  perform private.check_claim(p_worker, p_limit, p_lease_seconds);
  perform private.retire_hopeless();
  begin
    -- Materialised: inlined, the LIMIT could be evaluated anew for each row that the update locks.
    with abandoned as materialized (
      select s.id, s.seq from public.signals s
      where s.status = 'executing' and s.lease_until < clock_timestamp()
      order by s.lease_until
      limit p_limit
      for update skip locked
    ), waiting as materialized (
      select s.id, s.seq from public.signals s
      where s.status = 'pending'
        and not exists (select from public.signals e where e.lane = s.lane and e.status = 'executing')
        -- A lane under review lets exits pass and holds entries back.
        and (s.is_exit or not exists (select from public.signals r where r.lane = s.lane and r.status = 'review'))
        and not exists (
          select from public.signals o
          where o.lane = s.lane and o.status = 'pending' and o.seq < s.seq
            and (o.is_exit or not exists (select from public.signals r where r.lane = s.lane and r.status = 'review'))
        )
        -- What came after a close_all waits until that has made the signals that close each symbol: those come first.
        and not exists (
          select from public.signals c
          where c.account_id = s.account_id and c.action = 'close_all' and c.status in ('pending', 'executing')
            and c.seq < s.seq
        )
      order by s.seq
      limit p_limit
      for update skip locked
    ), chosen as materialized (
      select c.id from (select * from abandoned union all select * from waiting) c order by c.seq limit p_limit
    ), taken as (
      update public.signals s set
        status = 'executing', claimed_by = p_worker, claimed_at = clock_timestamp(),
        attempt = s.attempt + 1, fence = s.fence + 1,
        lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
      from chosen where s.id = chosen.id
      -- One value of the row's own type: an array of anonymous records would be turned into text and read again.
      returning s as signal
    )
    select array_agg(t.signal order by (t.signal).seq) into claimed from taken t;
  exception
    -- Another claim took an earlier or later signal of a lane that was settled, or got exits to place, between the two.
    -- What this one would have taken waits for the next; what was finished in the same call is kept.
    when unique_violation then
      perform private.send_hint();
      return '[]'::jsonb;
  end;
  return coalesce((select jsonb_agg(private.work_order(c)) from unnest(claimed) c), '[]');
end
$$;

create function public.claim_signals(p_worker text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  return private.claim(p_worker, p_limit, p_lease_seconds);
end
$$;
comment on function public.claim_signals is 'Up to p_limit work orders: the oldest pending signal of each free lane, and signals whose lease ran out.';

-- One claim: {"signal_id","fence"}.
create function public.extend_leases(p_claims jsonb, p_lease_seconds integer) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  kept jsonb;
begin
  perform private.check_claim('-', 1, p_lease_seconds);
  perform private.keep_claims(p_claims);
  with extended as (
    update public.signals s set lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from jsonb_to_recordset(p_claims) as c (signal_id uuid, fence bigint)
    where s.id = c.signal_id and s.fence = c.fence and s.status = 'executing'
    returning s.id, s.lease_until
  )
  select coalesce(jsonb_agg(jsonb_build_object('signal_id', e.id, 'lease_until', e.lease_until)), '[]')
  into kept
  from extended e;
  return kept;
end
$$;
comment on function public.extend_leases is 'Keeps claims that are still the caller''s. A claim that is missing from the answer is lost.';

create function public.release_signals(p_claims jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  given_back jsonb;
begin
  perform private.keep_claims(p_claims);
  with released as (
    update public.signals s set
      -- What was begun stays in its lane for the next worker to look up; the rest is as if never claimed.
      status = case when begun.yes then 'executing' else 'pending' end,
      lease_until = case when begun.yes then clock_timestamp() end,
      claimed_by = case when begun.yes then s.claimed_by end,
      fence = s.fence + 1
    from jsonb_to_recordset(p_claims) as c (signal_id uuid, fence bigint)
    cross join lateral (select exists (select from public.orders o where o.signal_id = c.signal_id) as yes) begun
    where s.id = c.signal_id and s.fence = c.fence and s.status = 'executing'
    returning s.id
  )
  select coalesce(jsonb_agg(r.id), '[]') into given_back from released r;
  if given_back <> '[]' then
    perform private.send_hint();
  end if;
  return given_back;
end
$$;
comment on function public.release_signals is 'Gives claims back, so that another worker takes them at once.';
