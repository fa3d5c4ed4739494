-- Closed trades by day: the data set of the feature advanced_analytics.

create view public.trade_stats_daily with (security_invoker = true) as
select
  t.user_id,
  t.exchange,
  t.strategy_id,
  (t.exit_time at time zone 'UTC')::date as day,
  count(*) as trades,
  count(*) filter (where t.is_winner) as winners,
  sum(t.pnl_usd) as pnl_usd
from public.trades as t
-- In a select, so that it is asked once and not for each row.
where (select public.has_feature('advanced_analytics'))
group by t.user_id, t.exchange, t.strategy_id, (t.exit_time at time zone 'UTC')::date;
comment on view public.trade_stats_daily is 'Closed trades by UTC day, exchange and strategy. Empty without the feature advanced_analytics.';
