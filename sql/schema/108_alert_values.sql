-- Names and values of the alert language: one text in, one canonical value out, or null. Pure functions.

-- What may stand around a name or a value.
create function private.trim_blank(p_text text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- PostgreSQL 15 takes \v for the letter.
  return btrim(p_text, E' \t\r\n\f\x0b');
end
$$;

-- Names and words are compared without case, underscores, hyphens and blanks: a misspelt "StopLoss" must not become an
-- unknown field and its entry go out without a stop.
create function private.bare_word(p_text text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return translate(lower(p_text), E'_- \t\r\n\f\x0b\u00a0', '');
end
$$;

create function private.canonical_name(p_name text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- One constant, looked up: this runs for every name of every alert.
  return coalesce('{
    "secret": "secret",
    "id": "id", "signalid": "id", "alertid": "id",
    "exchange": "exchange", "venue": "exchange", "broker": "exchange",
    "environment": "environment",
    "symbol": "symbol", "ticker": "symbol", "underlying": "symbol",
    "action": "action", "side": "action",
    "marketposition": "market_position",
    "prevmarketposition": "prev_market_position",
    "marketpositionsize": "market_position_size",
    "ordertype": "order_type", "type": "order_type",
    "price": "price", "limitprice": "price",
    "stopprice": "stop_price",
    "timeinforce": "time_in_force",
    "quantity": "quantity", "qty": "quantity", "contracts": "quantity", "units": "quantity", "shares": "quantity",
    "positionsizeusd": "position_size_usd", "amountusd": "position_size_usd",
    "positionsizepercent": "position_size_percent", "sizepercent": "position_size_percent",
    "size": "position_size_percent",
    "riskpercent": "risk_percent", "riskusd": "risk_usd",
    "leverage": "leverage",
    "stoplosspercent": "stop_loss_percent", "stoploss": "stop_loss_percent",
    "takeprofitpercent": "take_profit_percent", "takeprofit": "take_profit_percent",
    "stoplossprice": "stop_loss_price", "takeprofitprice": "take_profit_price",
    "takeprofits": "take_profits",
    "trailingstoppercent": "trailing_stop_percent",
    "trailingstoppips": "trailing_stop_pips", "trailingstop": "trailing_stop_pips",
    "usetrailingstop": "use_trailing_stop",
    "closepercent": "close_percent", "sellpercentage": "close_percent",
    "reduceonly": "reduce_only",
    "strategy": "strategy", "strategyid": "strategy_id",
    "timestamp": "timestamp", "time": "timestamp", "timenow": "timestamp",
    "right": "right", "optiontype": "right",
    "strike": "strike", "expiration": "expiration", "dte": "dte", "optionsymbol": "option_symbol",
    "exitstrategy": "exit_strategy",
    "legs": "legs",
    "dryrun": "dry_run"
  }'::jsonb ->> private.bare_word(p_name), p_name);
end
$$;

-- How the value of a field is read; null for a name that is none of the language.
create function private.field_kind(p_name text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return '{
    "id": "id", "exchange": "exchange", "environment": "environment", "symbol": "symbol", "action": "action",
    "market_position": "market_position", "prev_market_position": "market_position",
    "market_position_size": "zero_or_more", "order_type": "order_type", "price": "above_zero",
    "stop_price": "above_zero", "time_in_force": "time_in_force", "quantity": "above_zero",
    "position_size_usd": "above_zero", "position_size_percent": "percent", "risk_percent": "percent",
    "risk_usd": "above_zero", "leverage": "leverage", "stop_loss_percent": "distance",
    "take_profit_percent": "distance", "stop_loss_price": "above_zero", "take_profit_price": "above_zero",
    "take_profits": "take_profits", "trailing_stop_percent": "percent", "trailing_stop_pips": "above_zero",
    "use_trailing_stop": "switch", "close_percent": "part", "reduce_only": "switch", "strategy": "name",
    "strategy_id": "uuid", "timestamp": "time", "right": "right", "strike": "above_zero", "expiration": "day",
    "dte": "days", "option_symbol": "option_symbol", "exit_strategy": "exit_strategy", "legs": "legs",
    "dry_run": "switch"
  }'::jsonb ->> p_name;
end
$$;

-- What a value of the kind has to be, in the words of a sentence that ends with it.
create function private.kind_in_words(p_kind text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return '{
    "id": "a text of at most 128 characters",
    "exchange": "aster, oanda, tradier, tradier_options, tastytrade or paper",
    "environment": "production (live), sandbox (practice, testnet) or paper",
    "symbol": "a symbol such as BTCUSDT, EUR_USD or AAPL",
    "action": "buy (long), sell (short), close (exit, flat), close_long, close_short, close_all or cancel",
    "leg_action": "buy or sell",
    "market_position": "long, short or flat",
    "order_type": "market, limit, stop or stop_limit",
    "time_in_force": "gtc, day, ioc or fok",
    "right": "call or put",
    "exit_strategy": "fixed_tp_sl, time_1h, time_2h or eod",
    "above_zero": "a plain number above zero, such as 1.5",
    "zero_or_more": "a plain number, zero or more, such as 1.5",
    "percent": "a percent above 0 and at most 100, such as 2.5",
    "distance": "a percent of the entry price, above 0 and below 1000, such as 2.5; a price belongs into the field whose name ends with _price",
    "part": "a percent from 0.1 to 100",
    "leverage": "a whole number from 1 to 1000",
    "days": "a whole number of days from 0 to 3650",
    "ratio": "a whole number from 1 to 100",
    "switch": "true or false",
    "name": "a name of at most 100 characters",
    "uuid": "the id of one of your strategies",
    "time": "unix seconds, unix milliseconds or a time such as 2026-04-17T14:30:00Z",
    "day": "a day that exists, such as 2026-04-17",
    "option_symbol": "an OCC symbol such as AAPL260417C00200000",
    "take_profits": "a list such as [{\"percent\":2,\"quantity_percent\":50},{\"price\":120,\"quantity_percent\":50}]",
    "legs": "a list such as [{\"action\":\"buy\",\"right\":\"call\",\"strike\":200,\"expiration\":\"2026-04-17\"},{\"action\":\"sell\",\"right\":\"call\",\"strike\":210,\"expiration\":\"2026-04-17\"}]"
  }'::jsonb ->> p_kind;
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
  moment timestamptz;
begin
  if value ~ '^[0-9]{9,10}(\.[0-9]{1,6})?$' then
    moment := to_timestamp(value::numeric::float8);
  elsif value ~ '^[0-9]{12,13}$' then
    moment := to_timestamp((value::numeric / 1000)::float8);
  elsif value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)? ?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?$'
    then
    moment := value::timestamptz;
  end if;
  -- The worker reads no others.
  return case when moment >= '1971-01-01' and moment < '2199-01-01' then moment end;
-- A day or an offset that does not exist.
exception when data_exception then
  return null;
end
$$;

create function private.parse_day(p_value text) returns date
language plpgsql
immutable
set search_path = ''
as $$
begin
  -- The worker reads no others.
  return case when p_value ~ '^(19[7-9][0-9]|20[0-9]{2}|21[0-9]{2})-[0-9]{2}-[0-9]{2}$'
    then make_date(left(p_value, 4)::integer, substr(p_value, 6, 2)::integer, right(p_value, 2)::integer) end;
-- A day that does not exist.
exception when data_exception then
  return null;
end
$$;

-- One of the words that a field of the kind may have, in its canonical spelling; null when it is none of them.
create function private.parse_word(p_kind text, p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return '{
    "action": {
      "buy": "buy", "long": "buy", "sell": "sell", "short": "sell", "close": "close", "exit": "close", "flat": "close",
      "closelong": "close_long", "closeshort": "close_short", "closeall": "close_all", "cancel": "cancel"
    },
    "leg_action": {"buy": "buy", "sell": "sell"},
    "environment": {
      "production": "production", "live": "production", "sandbox": "sandbox", "practice": "sandbox",
      "testnet": "sandbox", "paper": "paper"
    },
    "market_position": {"long": "long", "short": "short", "flat": "flat"},
    "order_type": {"market": "market", "limit": "limit", "stop": "stop", "stoplimit": "stop_limit"},
    "time_in_force": {"gtc": "gtc", "day": "day", "ioc": "ioc", "fok": "fok"},
    "right": {"call": "call", "c": "call", "put": "put", "p": "put"},
    "exit_strategy": {"fixedtpsl": "fixed_tp_sl", "time1h": "time_1h", "time2h": "time_2h", "eod": "eod"}
  }'::jsonb -> p_kind ->> private.bare_word(p_value);
end
$$;

-- A number as jsonb: amounts as text, counts as number. Null when it is none, or out of the range of its kind.
create function private.parse_number(p_kind text, p_value text) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  plain text := private.plain_decimal(p_value);
  amount numeric := plain::numeric;
begin
  return case
    when p_kind in ('leverage', 'days', 'ratio') then case
      when amount = trunc(amount) and (
        p_kind = 'leverage' and amount between 1 and 1000
        or p_kind = 'days' and amount between 0 and 3650
        or p_kind = 'ratio' and amount between 1 and 100) then to_jsonb(amount) end
    when p_kind = 'above_zero' and amount > 0
      or p_kind = 'zero_or_more' and amount >= 0
      or p_kind = 'percent' and amount > 0 and amount <= 100
      or p_kind = 'distance' and amount > 0 and amount < 1000
      or p_kind = 'part' and amount between 0.1 and 100 then to_jsonb(plain)
  end;
end
$$;

-- One value as jsonb, or null when it cannot be understood. Lists have functions of their own.
create function private.parse_value(p_kind text, p_value text) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return case
    when p_kind in ('above_zero', 'percent', 'distance', 'zero_or_more', 'part', 'leverage', 'days', 'ratio')
      then private.parse_number(p_kind, p_value)
    when p_kind = 'symbol' then to_jsonb(private.canonical_symbol(null, p_value))
    when p_kind = 'time' then to_jsonb(private.parse_time(p_value))
    when p_kind = 'switch' then to_jsonb(private.parse_boolean(p_value))
    when p_kind = 'exchange' then to_jsonb(lower(btrim(p_value)))
    when p_kind = 'id' then case when length(p_value) <= 128 then to_jsonb(p_value) end
    when p_kind = 'name' then case when length(p_value) <= 100 then to_jsonb(p_value) end
    when p_kind = 'day' then to_jsonb(private.parse_day(p_value))
    when p_kind = 'uuid' then case
      when p_value ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' then to_jsonb(lower(p_value)) end
    when p_kind = 'option_symbol' then to_jsonb(private.option_symbol(
      regexp_replace(upper(p_value collate "C"), '^[A-Z0-9_]+:', '')))
    else to_jsonb(private.parse_word(p_kind, p_value))
  end;
end
$$;
