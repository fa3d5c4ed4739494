-- Everything about one signal: what came, what was checked, what was planned, sent and executed, and when.

create function private.signal_times(s public.signals) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'alert_at', s.alert_at, 'received_at', s.received_at, 'claimed_at', s.claimed_at, 'entered_at', s.entered_at,
    'submitted_at', s.submitted_at, 'acknowledged_at', s.acknowledged_at, 'finished_at', s.finished_at);
end
$$;

create function private.signal_orders(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(private.order_for_worker(o) - '{signal_id,bookmark,begun_at}'::text[] || jsonb_build_object(
      'time_in_force', o.time_in_force, 'extended_hours', o.extended_hours, 'acknowledged_at', o.acknowledged_at,
      'submissions', o.submissions, 'reason_code', o.reason_code, 'reason', o.reason,
      'fills', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'venue_fill_id', f.venue_fill_id, 'price', f.price::text, 'quantity', f.quantity::text, 'fee', f.fee::text,
          'fee_currency', f.fee_currency, 'filled_at', f.filled_at) order by f.filled_at, f.venue_fill_id), '[]')
        from public.fills f where f.user_id = o.user_id and f.order_id = o.id)
    ) order by o.leg), '[]')
    from public.orders o where o.user_id = s.user_id and o.signal_id = s.id
  );
end
$$;

-- As its trader may see it.
create function private.signal_story(s public.signals) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'signal_id', s.id, 'exchange', s.exchange, 'environment', s.environment, 'account_id', s.account_id,
    'symbol', s.symbol, 'action', s.action, 'is_exit', s.is_exit, 'strategy_id', s.strategy_id,
    'status', s.status, 'reason_code', s.reason_code, 'reason', s.reason,
    'alert', s.alert, 'raw', s.raw, 'warnings', to_jsonb(s.warnings),
    'times', private.signal_times(s),
    'checks', coalesce(s.explanation -> 'checks', s.plan -> 'checks', '[]'),
    'plan', coalesce(nullif(s.plan, 'null'), nullif(s.explanation -> 'plan', 'null')),
    'orders', private.signal_orders(s),
    'parent_id', s.parent_id,
    'children', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'signal_id', c.id, 'symbol', c.symbol, 'action', c.action, 'status', c.status, 'reason_code', c.reason_code,
        'reason', c.reason) order by c.symbol, c.id), '[]')
      from public.signals c where c.user_id = s.user_id and c.parent_id = s.id));
end
$$;

create function public.my_signal(p_signal_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
begin
  return (
    select private.signal_story(s) from public.signals s where s.user_id = trader and s.id = p_signal_id
  );
end
$$;
comment on function public.my_signal is 'Everything about one of the caller''s signals: the alert, checks with value and limit, plan, orders, fills, times; null for any other id.';

create function public.explain_signal(p_signal_id uuid) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return (
    select private.signal_story(s) || jsonb_build_object(
      'user_id', s.user_id, 'lane', s.lane, 'seq', s.seq, 'attempt', s.attempt, 'fence', s.fence,
      'claimed_by', s.claimed_by, 'lease_until', s.lease_until,
      'audit', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'at', a.at, 'actor', a.actor, 'action', a.action, 'detail', a.detail) order by a.id), '[]')
        from public.audit_log a where a.subject = s.id))
    from public.signals s where s.id = p_signal_id
  );
end
$$;
comment on function public.explain_signal is 'Operator: everything about a signal, as my_signal, with its claims and its rows of the audit log; null when there is none.';
