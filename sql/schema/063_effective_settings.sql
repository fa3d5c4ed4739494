-- What counts for one signal: the narrower of the trader's two rows, and the operator's switch.

-- The row of trade_settings_exchange that an instrument belongs to. A contract of Tradier is told by its OCC symbol.
create function private.settings_exchange(p_exchange text, p_symbol text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when p_exchange = 'tradier' and p_symbol ~ '^[A-Z0-9.]{1,6} *[0-9]{6}[CP][0-9]{8}$' then 'tradier_options'
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

-- Two unique indexes and one row: run for each signal of each claim.
create function private.effective_settings(p_user_id uuid, p_exchange text, p_symbol text) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  platform private.platform_state;
  everywhere public.trade_settings_global;
  here public.trade_settings_exchange;
  extras jsonb [];
begin
  select * into platform from private.platform_state;
  select * into everywhere from public.trade_settings_global g where g.user_id = p_user_id;
  select * into here from public.trade_settings_exchange e
  where e.user_id = p_user_id and e.exchange = private.settings_exchange(p_exchange, p_symbol);
  extras := array[coalesce(everywhere.extra_settings, '{}'), coalesce(here.extra_settings, '{}')];
  return jsonb_build_object(
    -- What cannot be told fails closed: no row is a halt.
    'trading_halted', coalesce(platform.trading_halted, true),
    'halt_reason', platform.halt_reason,
    'enabled', coalesce(everywhere.enabled, true) and coalesce(here.enabled, true),
    'max_signal_age_sec', coalesce(here.max_signal_age_sec, 60),
    'max_exit_age_sec', private.smaller_limit(
      (extras[1] ->> 'max_exit_age_sec')::numeric, (extras[2] ->> 'max_exit_age_sec')::numeric)::integer,
    'on_opposite', case
      when 'reject' in (extras[1] ->> 'on_opposite', extras[2] ->> 'on_opposite') then 'reject'
      when 'close' in (extras[1] ->> 'on_opposite', extras[2] ->> 'on_opposite') then 'close'
      else 'reverse'
    end,
    -- A row that does not mention a switch leaves it to the other row; where neither does, the default counts.
    'pyramiding', coalesce(
      least((extras[1] ->> 'pyramiding')::boolean, (extras[2] ->> 'pyramiding')::boolean), false),
    'allow_short', coalesce(
      least((extras[1] ->> 'allow_short')::boolean, (extras[2] ->> 'allow_short')::boolean), true));
end
$$;
