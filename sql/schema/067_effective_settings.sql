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

-- The smaller of two limits, where 0 and null are none.
create function private.smaller_limit(p_one numeric, p_other numeric) returns numeric
language plpgsql
immutable
set search_path = ''
as $$
begin
  return coalesce(least(nullif(p_one, 0), nullif(p_other, 0)), 0);
end
$$;

-- Both rows have to allow the moment. Who has no row of his own has not restricted himself.
create function private.trading_hours(p_everywhere public.trade_settings_global, p_here public.trade_settings_exchange)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  hours jsonb := jsonb_build_array(jsonb_build_object(
    'source', 'global', 'preset', coalesce(p_everywhere.trading_hours_preset, '24/7'),
    'begins', coalesce(p_everywhere.trading_window ->> 0, '00:00'),
    'ends', coalesce(p_everywhere.trading_window ->> 1, '23:59')));
begin
  if p_here.id is null then
    return hours;
  end if;
  return hours || jsonb_build_object(
    'source', p_here.exchange, 'preset', p_here.trading_hours_preset,
    'begins', p_here.trading_window ->> 0, 'ends', p_here.trading_window ->> 1);
end
$$;

-- What is no number, as the worker reads it (domain/trade_settings.py).
create function private.effective_switches(
  p_everywhere public.trade_settings_global, p_here public.trade_settings_exchange
) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  platform private.platform_state;
  everywhere jsonb := coalesce(p_everywhere.extra_settings, '{}');
  here jsonb := coalesce(p_here.extra_settings, '{}');
begin
  select * into platform from private.platform_state;
  return jsonb_build_object(
    -- What cannot be told fails closed: no row is a halt.
    'trading_halted', coalesce(platform.trading_halted, true),
    'halt_reason', platform.halt_reason,
    'enabled', coalesce(p_everywhere.enabled, true) and coalesce(p_here.enabled, true),
    'hours', private.trading_hours(p_everywhere, p_here),
    'allow_weekends', coalesce(p_everywhere.allow_weekends, true) and coalesce(p_here.allow_weekends, true),
    'max_signal_age_sec', coalesce(p_here.max_signal_age_sec, 60),
    'max_exit_age_sec', private.smaller_limit(
      (everywhere ->> 'max_exit_age_sec')::numeric, (here ->> 'max_exit_age_sec')::numeric)::integer,
    'on_opposite', case
      when 'reject' in (everywhere ->> 'on_opposite', here ->> 'on_opposite') then 'reject'
      when 'close' in (everywhere ->> 'on_opposite', here ->> 'on_opposite') then 'close'
      when 'reverse' in (everywhere ->> 'on_opposite', here ->> 'on_opposite') then 'reverse'
      -- What that is depends on the instrument.
      else 'default'
    end,
    -- A row that does not mention a switch leaves it to the other row; where neither does, the default counts.
    'pyramiding', coalesce(least((everywhere ->> 'pyramiding')::boolean, (here ->> 'pyramiding')::boolean), false),
    'allow_short', least((everywhere ->> 'allow_short')::boolean, (here ->> 'allow_short')::boolean));
end
$$;

-- Run for each signal of each claim: unique indexes and one row of each.
create function private.effective_settings(
  p_user_id uuid, p_exchange text, p_symbol text, p_alert jsonb default '{}', p_strategy_id uuid default null
) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  everywhere public.trade_settings_global;
  here public.trade_settings_exchange;
  strategy public.strategies;
  take_profit numeric;
  stop_loss numeric;
begin
  select * into everywhere from public.trade_settings_global g where g.user_id = p_user_id;
  select * into here from public.trade_settings_exchange e
  where e.user_id = p_user_id and e.exchange = private.settings_exchange(p_exchange, p_symbol, p_alert);
  if p_strategy_id is not null then
    select * into strategy from public.strategies s where s.user_id = p_user_id and s.id = p_strategy_id;
  end if;
  -- Those of options are percents of the premium, and have columns of their own.
  take_profit := case here.exchange when 'tradier_options' then here.tp_percent else here.take_profit_percent end;
  stop_loss := case here.exchange when 'tradier_options' then here.sl_percent else here.stop_loss_percent end;
  return private.effective_switches(everywhere, here) || jsonb_build_object(
    'max_position_size_usd', trim_scale(private.smaller_limit(
      private.smaller_limit(everywhere.max_position_size_usd, here.max_position_size_usd),
      strategy.max_position_size_usd))::text,
    'position_size_percent', trim_scale(coalesce(
      nullif(strategy.position_size_percent, 0), here.position_size_percent, 0))::text,
    'take_profit_percent', trim_scale(private.smaller_limit(
      private.smaller_limit(everywhere.take_profit_percent, take_profit), strategy.take_profit_percent))::text,
    'stop_loss_percent', trim_scale(private.smaller_limit(
      private.smaller_limit(everywhere.stop_loss_percent, stop_loss), strategy.stop_loss_percent))::text,
    'strike_tolerance_percent', trim_scale(coalesce(here.strike_tolerance_percent, 1))::text,
    'entry_limit_offset_percent', trim_scale(coalesce(here.entry_limit_offset_percent, 1))::text,
    'max_leverage', trim_scale(private.smaller_limit(
      (everywhere.extra_settings ->> 'max_leverage')::numeric, (here.extra_settings ->> 'max_leverage')::numeric))::text,
    'max_slippage_percent', trim_scale(private.smaller_limit(
      (everywhere.extra_settings ->> 'max_slippage_percent')::numeric,
      (here.extra_settings ->> 'max_slippage_percent')::numeric))::text,
    -- Testing is not active: the plan counts active strategies only, and nothing else may trade.
    'strategy', case when strategy.id is not null
      then jsonb_build_object('name', strategy.name, 'active', strategy.status = 'active') end);
end
$$;
