-- What the existing dashboard calls by other names: views over our tables, two functions, and what its server may do.

-- The server's routes act for any trader, so its policies are wide; its grants are narrow.
create policy server_signals_select on public.signals for select to dashboard_server using (true);
create policy server_strategies_select on public.strategies for select to dashboard_server using (true);
create policy server_subscriptions_select on public.subscriptions for select to dashboard_server using (true);
create policy server_subscriptions_insert on public.subscriptions for insert to dashboard_server with check (true);
create policy server_subscriptions_update on public.subscriptions for update to dashboard_server
using (true) with check (true);
create policy server_profiles_select on public.user_profiles for select to dashboard_server using (true);
create policy server_profiles_insert on public.user_profiles for insert to dashboard_server with check (true);
create policy server_profiles_update on public.user_profiles for update to dashboard_server
using (true) with check (true);

create view public.webhook_requests with (security_invoker = true) as
select
  signals.id,
  signals.user_id,
  signals.strategy_id,
  signals.alert as payload,
  signals.finished_at as processed_at,
  -- Not created_at of the signal: the index for "newest first" is by the time of receipt.
  signals.received_at as created_at,
  null::text as webhook_secret,
  coalesce(signals.exchange, 'unknown') as exchange,
  coalesce(signals.action, 'unknown') as action,
  coalesce(signals.symbol, 'unknown') as symbol,
  case
    when signals.status in ('pending', 'executing') then 'pending'
    when signals.status = 'done' then 'processed'
    when signals.status = 'rate_limited' then 'rate_limited'
    else 'failed'
  end as status,
  case
    when signals.status not in ('pending', 'executing', 'done') then coalesce(signals.reason, signals.reason_code)
  end as error_message
from public.signals
-- Alerts, and not what was made of them.
where signals.parent_id is null;
comment on view public.webhook_requests is 'Signals as the dashboard lists them. Read-only: alerts go to the webhook endpoint.';

create function private.refuse_webhook_request() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'webhook_requests shows the alerts that arrived; it takes none and changes none'
  using errcode = '0A000', hint = 'send alerts to the address of the trader''s webhook';
end
$$;
create trigger refuse instead of insert or update or delete on public.webhook_requests
for each row execute function private.refuse_webhook_request();

create view public.tradier_option_trades with (security_invoker = true) as
select
  traded.id,
  traded.user_id,
  traded.status,
  traded.strategy,
  traded.underlying_symbol,
  traded.option_symbol,
  traded.option_type,
  traded.strike_price,
  traded.expiration_date,
  traded.contract_size,
  traded.quantity_contracts,
  traded.entry_order_id,
  traded.tp_order_id,
  traded.sl_order_id,
  traded.time_exit_order_id,
  traded.entry_order,
  traded.tp_leg,
  traded.sl_leg,
  traded.time_exit_order,
  traded.entry_limit_price,
  traded.tp_limit_price,
  traded.sl_stop_price,
  traded.sl_limit_price,
  traded.cost_usd,
  traded.pnl_usd,
  traded.pnl_percent,
  traded.config_snapshot,
  traded.extra_metadata,
  traded.created_at,
  traded.updated_at
from public.option_trades as traded
where traded.exchange = 'tradier';
comment on view public.tradier_option_trades is 'Option trades at Tradier.';

create view public.trade_stats with (security_invoker = true) as
select
  profile.id as user_id,
  closed.total_trades,
  closed.winning_trades,
  closed.total_pnl_usd,
  closed.avg_pnl_per_trade,
  closed.largest_win,
  closed.largest_loss,
  closed.avg_win,
  closed.avg_loss,
  closed.total_trades - closed.winning_trades as losing_trades,
  case
    when closed.total_trades > 0 then round(closed.winning_trades * 100.0 / closed.total_trades, 2) else 0
  end as win_rate_percent
from public.user_profiles as profile
cross join lateral (
  select
    count(*) as total_trades,
    count(*) filter (where trade.is_winner) as winning_trades,
    coalesce(sum(trade.pnl_usd), 0) as total_pnl_usd,
    coalesce(round(avg(trade.pnl_usd), 8), 0) as avg_pnl_per_trade,
    coalesce(max(trade.pnl_usd) filter (where trade.is_winner), 0) as largest_win,
    coalesce(min(trade.pnl_usd) filter (where not trade.is_winner), 0) as largest_loss,
    coalesce(round(avg(trade.pnl_usd) filter (where trade.is_winner), 8), 0) as avg_win,
    coalesce(round(avg(trade.pnl_usd) filter (where not trade.is_winner), 8), 0) as avg_loss
  from public.trades as trade
  where trade.user_id = profile.id
) as closed;
comment on view public.trade_stats is 'One row for each trader, with zeros before the first trade.';

create function private.require_self_or_server(p_user_id uuid) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if p_user_id is null then
    raise exception 'p_user_id is missing' using errcode = '22023', hint = 'name the trader whose plan is asked for';
  end if;
  if p_user_id is distinct from auth.uid() and not private.caller_is_server() then
    raise exception 'a trader may ask for himself only' using errcode = '42501',
    hint = 'pass the id of the signed-in trader';
  end if;
end
$$;

create function public.get_user_subscription_plan_safe(p_user_id uuid) returns text
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_self_or_server(p_user_id);
  return coalesce((select c.plan from private.current_plan(p_user_id) c), 'Free');
end
$$;
comment on function public.get_user_subscription_plan_safe is 'The plan that counts now, for the caller himself or for a server.';

create function public.check_webhook_limit(p_user_id uuid, p_plan text default 'Free') returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_self_or_server(p_user_id);
  return (select l.reason is null from private.over_limit(p_user_id, clock_timestamp()) l);
end
$$;
comment on function public.check_webhook_limit is 'Whether one more alert fits into this hour. p_plan is not believed: the database knows the plan.';
