-- Names and values of the alert language: one text in, one canonical value out, or null. Pure functions.

-- What may stand around a name or a value.
create function private.trim_blank(p_text text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return btrim(p_text, E' \t\r\n\f\v');
end
$$;

-- Names are compared without case, underscores, hyphens and blanks: a misspelt "StopLoss" must not become an unknown
-- field and its entry go out without a stop.
create function private.canonical_name(p_name text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  bare text := lower(regexp_replace(p_name, '[\s_-]', '', 'g'));
begin
  return case
    when bare = 'secret' then 'secret'
    when bare in ('id', 'signalid', 'alertid') then 'id'
    when bare in ('exchange', 'venue', 'broker') then 'exchange'
    when bare = 'environment' then 'environment'
    when bare in ('symbol', 'ticker', 'underlying') then 'symbol'
    when bare in ('action', 'side') then 'action'
    when bare in ('ordertype', 'type') then 'order_type'
    when bare in ('price', 'limitprice') then 'price'
    when bare in ('quantity', 'qty', 'contracts', 'units', 'shares') then 'quantity'
    when bare in ('positionsizeusd', 'amountusd') then 'position_size_usd'
    when bare in ('positionsizepercent', 'sizepercent', 'size') then 'position_size_percent'
    when bare in ('stoplosspercent', 'stoploss') then 'stop_loss_percent'
    when bare in ('takeprofitpercent', 'takeprofit') then 'take_profit_percent'
    when bare in ('trailingstoppips', 'trailingstop') then 'trailing_stop_pips'
    when bare in ('closepercent', 'sellpercentage') then 'close_percent'
    when bare in ('timestamp', 'time', 'timenow') then 'timestamp'
    when bare in ('right', 'optiontype') then 'right'
    else coalesce((
      select k from unnest('{reduce_only,dry_run,market_position,market_position_size,stop_price,time_in_force,
        risk_percent,risk_usd,leverage,stop_loss_price,take_profit_price,take_profits,trailing_stop_percent,
        use_trailing_stop,strategy,strategy_id,strike,expiration,dte,option_symbol,exit_strategy,legs}'::text[]) k
      where replace(k, '_', '') = bare
    ), p_name)
  end;
end
$$;

-- A plain decimal as canonical text, or null. NaN, infinities, exponents and separators are not plain.
create function private.plain_decimal(p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    -- Digits are spelt out, because \d also fits those of other scripts in some locales.
    when p_value ~ '^[+-]?([0-9]{1,15}(\.[0-9]{0,12})?|\.[0-9]{1,12})$' then trim_scale(p_value::numeric)::text
  end;
end
$$;

create function private.parse_boolean(p_value text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when lower(btrim(p_value)) in ('true', 'yes', '1', 'on') then true
    when lower(btrim(p_value)) in ('false', 'no', '0', 'off') then false
  end;
end
$$;

-- Unix seconds, unix milliseconds or ISO 8601 (without a zone: UTC). Null when it is none of them.
create function private.parse_time(p_value text) returns timestamptz
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
as $$
declare
  value text := btrim(p_value);
begin
  if value ~ '^[0-9]{9,10}(\.[0-9]{1,6})?$' then
    return to_timestamp(value::numeric::float8);
  elsif value ~ '^[0-9]{12,13}$' then
    return to_timestamp((value::numeric / 1000)::float8);
  elsif value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)? ?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?$'
    then
    return value::timestamptz;
  end if;
  return null;
-- A day or an offset that does not exist.
exception when data_exception then
  return null;
end
$$;

create function private.parse_action(p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case lower(btrim(p_value))
    when 'buy' then 'buy'
    when 'long' then 'buy'
    when 'sell' then 'sell'
    when 'short' then 'sell'
    when 'close' then 'close'
    when 'exit' then 'close'
    when 'flat' then 'close'
    when 'close_long' then 'close_long'
    when 'close_short' then 'close_short'
  end;
end
$$;

create function private.parse_environment(p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case lower(btrim(p_value))
    when 'production' then 'production'
    when 'live' then 'production'
    when 'sandbox' then 'sandbox'
    when 'practice' then 'sandbox'
    when 'testnet' then 'sandbox'
    when 'paper' then 'paper'
  end;
end
$$;

-- One field's canonical value as jsonb, or null when it cannot be understood.
create function private.parse_field(p_name text, p_value text) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return case
    when p_name in ('quantity', 'position_size_usd', 'price', 'close_percent')
      then to_jsonb(case when private.plain_decimal(p_value)::numeric > 0
        and (p_name <> 'close_percent' or private.plain_decimal(p_value)::numeric between 0.1 and 100)
        then private.plain_decimal(p_value) end)
    when p_name in ('reduce_only', 'dry_run') then to_jsonb(private.parse_boolean(p_value))
    when p_name = 'timestamp' then to_jsonb(private.parse_time(p_value))
    when p_name = 'symbol' then to_jsonb(private.canonical_symbol(null, p_value))
    when p_name = 'action' then to_jsonb(private.parse_action(p_value))
    when p_name = 'environment' then to_jsonb(private.parse_environment(p_value))
    when p_name = 'exchange' then to_jsonb(lower(btrim(p_value)))
    when p_name = 'order_type' then to_jsonb(lower(btrim(p_value)))
    when p_name = 'id' and length(p_value) <= 128 then to_jsonb(p_value)
  end;
end
$$;
