-- What a trader's plan allows and what he uses of it, in one answer.

create function private.exchange_use(p_user_id uuid, p_allowed integer) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  exchanges text[] := private.exchanges_in_order(p_user_id);
begin
  return jsonb_build_object('allowed', p_allowed, 'used', cardinality(exchanges), 'over', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'exchange', k.exchange, 'environment', k.environment, 'label', k.label) order by k.created_at), '[]')
    from public.user_api_keys k
    where k.user_id = p_user_id and array_position(exchanges, k.exchange) > p_allowed
  ));
end
$$;

create function private.strategy_use(p_user_id uuid, p_allowed integer) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'allowed', p_allowed,
    'used', (select count(*) from public.strategies s where s.user_id = p_user_id and s.status = 'active'),
    'over', (
      select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'name', o.name) order by o.created_at, o.id), '[]')
      from private.strategies_over_limit(p_user_id) o));
end
$$;

create function private.alert_use(p_user_id uuid, p_allowed integer) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  moment timestamptz := clock_timestamp();
  room record;
begin
  select * into room from private.over_limit(p_user_id, moment);
  return jsonb_build_object(
    'allowed', p_allowed,
    'used', (
      select count(*) from public.signals s
      where s.user_id = p_user_id and s.received_at > moment - interval '1 hour'
        and (s.status not in ('rejected', 'rate_limited') or s.claimed_at is not null) and s.parent_id is null),
    'resets_at', case when room.reason is not null then moment + make_interval(secs => room.retry_after) end);
end
$$;

create function public.my_plan() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  plan record;
  booked public.subscriptions;
  addons text[];
begin
  select
    c.plan, p.features,
    -- No plan at all, because an operator renamed or removed Free, is not a plan without limits.
    case when c.plan is null then 0 else c.max_exchanges end as max_exchanges,
    case when c.plan is null then 0 else c.max_strategies end as max_strategies,
    case when c.plan is null then 0 else c.webhooks_per_hour end as webhooks_per_hour
  into plan
  from (select trader as wanted) w
  left join private.current_plan(trader) c on true
  left join public.plans p on p.name = c.plan;
  select * into booked from public.subscriptions s where s.user_id = trader;
  select coalesce(array_agg(e.addon order by e.addon), '{}') into addons from public.entitlements e
  where e.user_id = trader and private.booking_counts(e.status, e.current_period_end, e.past_due_since);
  return jsonb_build_object(
    'plan', coalesce(plan.plan, 'Free'),
    'booked_plan', coalesce(booked.plan, 'Free'),
    'status', coalesce(booked.status, 'active'),
    'grace_until', case
      when not private.booking_counts(booked.status, booked.current_period_end, booked.past_due_since) then null
      when booked.status = 'past_due' then booked.past_due_since + interval '7 days'
      when booked.status = 'canceled' then booked.current_period_end
    end,
    'current_period_end', booked.current_period_end,
    'cancel_at_period_end', coalesce(booked.cancel_at_period_end, false),
    'limits', jsonb_build_object(
      'max_exchanges', private.exchange_use(trader, plan.max_exchanges),
      'max_strategies', private.strategy_use(trader, plan.max_strategies),
      'webhooks_per_hour', private.alert_use(trader, plan.webhooks_per_hour)),
    'features', to_jsonb(array(select distinct f from unnest(plan.features || addons) f order by f)),
    'addons', to_jsonb(addons));
end
$$;
comment on function public.my_plan is 'The caller''s plan, its limits with what is used and what is over, his features and add-ons. A limit of null is none.';
