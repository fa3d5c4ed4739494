-- What counts for one signal: the trader's two rows and his strategy, narrowed, and the operator's switch.

-- The row of trade_settings_exchange that an instrument belongs to. A contract of Tradier is told by its OCC symbol, or by
-- an alert that names an option of its symbol.
create function private.settings_exchange(p_exchange text, p_symbol text, p_alert jsonb default '{}') returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when p_exchange = 'tradier'
      and (p_symbol ~ '^[A-Z0-9.]{1,6} *[0-9]{6}[CP][0-9]{8}$' or p_alert ?| '{right,legs}'::text[])
      then 'tradier_options'
    else p_exchange
  end;
end
$$;

-- Run for each signal of each claim: unique indexes and one row of each, and expressions that call no function of ours. What
-- is as private.default_settings says may be missing: most traders have chosen nothing, and pay for nothing else.
-- In least null is nothing; 0 is made null where it means no limit. p_exchange is a row of trade_settings_exchange. counted:
-- some limit that private.entry_limits counts is set.
create function private.settings_and_limits(
  p_user_id uuid, p_exchange text, p_strategy_id uuid, out settings jsonb, out counted boolean
)
language plpgsql
stable
set search_path = ''
as $$
declare
  platform private.platform_state;
  everywhere public.trade_settings_global;
  here public.trade_settings_exchange;
  strategy public.strategies;
begin
  select * into platform from private.platform_state;
  select * into everywhere from public.trade_settings_global g where g.user_id = p_user_id;
  select * into here from public.trade_settings_exchange e where e.user_id = p_user_id and e.exchange = p_exchange;
  if p_strategy_id is not null then
    select * into strategy from public.strategies s where s.user_id = p_user_id and s.id = p_strategy_id;
  end if;
  settings := jsonb_build_object(
    -- What cannot be told fails closed: no row is a halt.
    'trading_halted', coalesce(platform.trading_halted, true),
    'halt_reason', platform.halt_reason,
    'enabled', coalesce(everywhere.enabled, true) and coalesce(here.enabled, true),
    'max_signal_age_sec', coalesce(here.max_signal_age_sec, 60),
    -- Through numeric: 60.0 is a whole number that no integer is read from, and one error ends the claims of all traders.
    'max_exit_age_sec', coalesce(least(
      nullif((everywhere.extra_settings ->> 'max_exit_age_sec')::numeric::integer, 0),
      nullif((here.extra_settings ->> 'max_exit_age_sec')::numeric::integer, 0)), 0),
    'on_opposite', case
      when 'reject' in (everywhere.extra_settings ->> 'on_opposite', here.extra_settings ->> 'on_opposite') then 'reject'
      when 'close' in (everywhere.extra_settings ->> 'on_opposite', here.extra_settings ->> 'on_opposite') then 'close'
      when 'reverse' in (everywhere.extra_settings ->> 'on_opposite', here.extra_settings ->> 'on_opposite') then 'reverse'
      -- What that is depends on the instrument.
      else 'default'
    end,
    -- A row that does not mention a switch leaves it to the other row; where neither does, the default counts.
    'pyramiding', coalesce(least(
      (everywhere.extra_settings ->> 'pyramiding')::boolean, (here.extra_settings ->> 'pyramiding')::boolean), false),
    'allow_short', least(
      (everywhere.extra_settings ->> 'allow_short')::boolean, (here.extra_settings ->> 'allow_short')::boolean));
  counted := coalesce(
    everywhere.max_trades_per_day > 0 or everywhere.extra_settings ?| '{max_daily_loss_usd,cooldown_sec}'::text[], false)
  or coalesce(
    here.max_trades_per_day > 0 or here.max_open_positions > 0
    or here.extra_settings ?| '{max_daily_loss_usd,cooldown_sec}'::text[], false);
  if here.id is null and strategy.id is null and coalesce(
    everywhere.trading_hours_preset = '24/7' and everywhere.allow_weekends and everywhere.extra_settings = '{}'
    and everywhere.max_position_size_usd = 0 and everywhere.take_profit_percent = 0 and everywhere.stop_loss_percent = 0,
    true) then
    return;
  end if;
  settings := settings || jsonb_build_object(
    -- Both rows have to allow the moment. Who has no row has not restricted himself.
    'hours', jsonb_build_array(jsonb_build_object(
      'source', 'global', 'preset', coalesce(everywhere.trading_hours_preset, '24/7'),
      'begins', coalesce(everywhere.trading_window ->> 0, '00:00'), 'ends', coalesce(everywhere.trading_window ->> 1, '23:59')))
      || case when here.id is null then '[]' else jsonb_build_array(jsonb_build_object(
        'source', here.exchange, 'preset', here.trading_hours_preset,
        'begins', here.trading_window ->> 0, 'ends', here.trading_window ->> 1)) end,
    'allow_weekends', coalesce(everywhere.allow_weekends, true) and coalesce(here.allow_weekends, true),
    'max_position_size_usd', trim_scale(coalesce(least(
      nullif(everywhere.max_position_size_usd, 0), nullif(here.max_position_size_usd, 0), nullif(strategy.max_position_size_usd, 0)
    ), 0))::text,
    'position_size_percent', trim_scale(coalesce(
      nullif(strategy.position_size_percent, 0), here.position_size_percent, 0))::text,
    -- Those of options are percents of the premium, and have columns of their own.
    'take_profit_percent', trim_scale(coalesce(least(
      nullif(everywhere.take_profit_percent, 0), nullif(strategy.take_profit_percent, 0),
      nullif(case here.exchange when 'tradier_options' then here.tp_percent else here.take_profit_percent end, 0)), 0))::text,
    'stop_loss_percent', trim_scale(coalesce(least(
      nullif(everywhere.stop_loss_percent, 0), nullif(strategy.stop_loss_percent, 0),
      nullif(case here.exchange when 'tradier_options' then here.sl_percent else here.stop_loss_percent end, 0)), 0))::text,
    'strike_tolerance_percent', trim_scale(coalesce(here.strike_tolerance_percent, 1))::text,
    'entry_limit_offset_percent', trim_scale(coalesce(here.entry_limit_offset_percent, 1))::text,
    'max_leverage', trim_scale(coalesce(least(
      nullif((everywhere.extra_settings ->> 'max_leverage')::numeric, 0),
      nullif((here.extra_settings ->> 'max_leverage')::numeric, 0)), 0))::text,
    'max_slippage_percent', trim_scale(coalesce(least(
      nullif((everywhere.extra_settings ->> 'max_slippage_percent')::numeric, 0),
      nullif((here.extra_settings ->> 'max_slippage_percent')::numeric, 0)), 0))::text,
    -- Testing is not active: the plan counts active strategies only, and nothing else may trade.
    'strategy', case when strategy.id is not null
      then jsonb_build_object('name', strategy.name, 'active', strategy.status = 'active') end);
end
$$;

-- What counts where nobody has chosen anything: the worker takes the same for a field that it is not told.
create function private.default_settings() returns jsonb
language sql
immutable
set search_path = ''
as $$
  select '{
    "hours": [{"source": "global", "preset": "24/7", "begins": "00:00", "ends": "23:59"}], "allow_weekends": true,
    "max_position_size_usd": "0", "position_size_percent": "0", "take_profit_percent": "0", "stop_loss_percent": "0",
    "strike_tolerance_percent": "1", "entry_limit_offset_percent": "1", "max_leverage": "0", "max_slippage_percent": "0",
    "strategy": null}'::jsonb
$$;

create function private.effective_settings(
  p_user_id uuid, p_exchange text, p_symbol text, p_alert jsonb default '{}', p_strategy_id uuid default null
) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select private.default_settings() || f.settings from private.settings_and_limits(
      p_user_id, private.settings_exchange(p_exchange, p_symbol, p_alert), p_strategy_id) f
  );
end
$$;
