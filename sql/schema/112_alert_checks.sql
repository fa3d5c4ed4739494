-- What the fields of an alert mean together, and which of them contradict each other. Pure functions but for the day.

-- What can only make a position smaller. It passes the plan limit and a lane under review.
create function private.is_exit(p_fields jsonb) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case p_fields ->> 'market_position'
    -- The state that is wanted decides: reaching it may open, whatever the action.
    when 'long' then false
    when 'short' then false
    when 'flat' then true
    else coalesce(
      p_fields ->> 'action' like 'close%' or p_fields ->> 'action' = 'cancel' or (p_fields ->> 'reduce_only')::boolean, false)
  end;
end
$$;

create function private.is_option_symbol(p_symbol text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return coalesce(p_symbol ~ '^[A-Z][A-Z0-9]{0,5}[0-9]{6}[CP][0-9]{8}$', false);
end
$$;

-- What an OCC symbol says of its option, in the alert's own fields.
create function private.option_parts(p_symbol text) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  tail text := right(p_symbol, 15);
begin
  return jsonb_build_object(
    'right', case substr(tail, 7, 1) when 'C' then 'call' else 'put' end,
    'strike', trim_scale(right(tail, 8)::numeric / 1000)::text,
    'expiration', format('20%s-%s-%s', left(tail, 2), substr(tail, 3, 2), substr(tail, 5, 2)));
end
$$;

-- An OCC symbol, in "symbol" or in "option_symbol", becomes the symbol, and says what "right", "strike" and "expiration"
-- would say.
create function private.complete_option(p_alert private.parsed_alert) returns private.parsed_alert
language plpgsql
stable
set search_path = ''
as $$
declare
  named text := p_alert.fields ->> 'option_symbol';
  symbol text := coalesce(named, p_alert.fields ->> 'symbol');
  underlying text := replace(p_alert.fields ->> 'symbol', '.', '');
  parts jsonb;
  other text;
begin
  if named is not null and underlying <> named
    -- SPXW is an option on SPX, and AAPL1 one on AAPL.
    and not starts_with(left(named, -15), underlying) and not starts_with(underlying, left(named, -15)) then
    p_alert.reason_code := 'unknown_field_combination';
    p_alert.reason := format('"option_symbol" is %s, which is no option on the "symbol" %s; send one of them.', named,
      p_alert.fields ->> 'symbol');
    return p_alert;
  end if;
  if named is not null then
    p_alert.fields := p_alert.fields - 'option_symbol' || jsonb_build_object('symbol', named);
    p_alert.symbol_text := named;
  end if;
  parts := private.option_parts(symbol);
  select p.key into other from jsonb_each(parts) p where p_alert.fields -> p.key <> p.value order by p.key limit 1;
  other := coalesce(other, case when p_alert.fields ? 'dte' then 'dte' end);
  if other is not null then
    p_alert.reason_code := 'unknown_field_combination';
    p_alert.reason := format('The option %s is of %s, a %s with the strike %s; "%s" is %s. Remove "%s".', symbol,
      parts ->> 'expiration', parts ->> 'right', parts ->> 'strike', other, p_alert.fields ->> other, other);
  end if;
  p_alert.fields := p_alert.fields - '{right,strike,expiration}'::text[];
  return p_alert;
end
$$;

-- One message often serves a strategy's entries and exits, so what only an entry can use does not hold an exit back: it is
-- left out, and listed as a warning where the alert asks for an exit by its action.
create function private.leave_out_idle(p_alert private.parsed_alert) returns private.parsed_alert
language plpgsql
immutable
set search_path = ''
as $$
declare
  flat boolean := p_alert.fields ->> 'market_position' = 'flat';
  idle text[] := '{leverage,stop_loss_percent,take_profit_percent,stop_loss_price,take_profit_price,take_profits,
    trailing_stop_percent,trailing_stop_pips,use_trailing_stop,exit_strategy}'::text[];
begin
  if coalesce(flat, false) or p_alert.fields ->> 'action' in ('close_all', 'cancel') then
    idle := idle || '{quantity,position_size_usd,position_size_percent,risk_percent,risk_usd,market_position_size}'::text[];
  elsif p_alert.fields ->> 'action' not in ('buy', 'sell') then
    -- The other sizes say how much is closed.
    idle := idle || '{risk_percent,risk_usd}'::text[];
  end if;
  if p_alert.fields ?| idle then
    if flat is null then
      p_alert.warnings := p_alert.warnings || array(
        select format('"%s" has no effect on an exit', k.name)
        from jsonb_object_keys(p_alert.fields) k (name) where k.name = any(idle) order by k.name
      );
    end if;
    p_alert.fields := p_alert.fields - idle;
  end if;
  return p_alert;
end
$$;

-- Adds what follows from what was said, and then checks it.
create function private.complete_alert(p_alert private.parsed_alert) returns private.parsed_alert
language plpgsql
stable
set search_path = ''
as $$
declare
  checked record;
begin
  if not p_alert.fields ? 'action' and p_alert.fields ? 'market_position' then
    p_alert.fields := p_alert.fields || jsonb_build_object('action', case p_alert.fields ->> 'market_position'
      when 'long' then 'buy' when 'short' then 'sell' else 'close' end);
  end if;
  if p_alert.fields ->> 'action' = 'close_all' then
    if p_alert.fields ?| '{symbol,option_symbol}' then
      p_alert.warnings := p_alert.warnings || 'close_all closes every symbol of the account; "symbol" has no effect'::text;
    end if;
    p_alert.fields := p_alert.fields - 'option_symbol' || '{"symbol": "*"}';
    p_alert.symbol_text := null;
  elsif p_alert.fields ? 'option_symbol' or private.is_option_symbol(p_alert.fields ->> 'symbol') then
    p_alert := private.complete_option(p_alert);
  end if;
  if private.is_exit(p_alert.fields) then
    p_alert := private.leave_out_idle(p_alert);
  end if;
  if p_alert.reason_code is null then
    select c.reason_code, c.reason into checked from private.check_alert(p_alert.fields) c;
    p_alert.reason_code := checked.reason_code;
    p_alert.reason := checked.reason;
  end if;
  return p_alert;
end
$$;

-- Of fields that say one thing, those that are there, when they are more than one.
create function private.said_twice(p_fields jsonb, p_names text[]) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  given text[] := array(
    select n.name from unnest(p_names) with ordinality as n (name, place) where p_fields ? n.name order by n.place
  );
begin
  return case when cardinality(given) > 1 then '"' || array_to_string(given, '" and "') || '"' end;
end
$$;

create function private.check_sizes(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  sizes text := private.said_twice(p_fields, '{quantity,position_size_usd,position_size_percent,risk_percent,risk_usd,
    close_percent}');
begin
  if p_fields ? 'close_percent' and (
    p_fields ->> 'action' not in ('close', 'close_long', 'close_short') or p_fields ? 'market_position') then
    reason_code := 'unknown_field_combination';
    reason := case
      when p_fields ? 'market_position' then
        '"close_percent" and "market_position" contradict each other; "market_position_size" says how much is to stay open.'
      else format('"close_percent" belongs to close, close_long and close_short; this alert''s action is "%s".',
        p_fields ->> 'action') end;
  elsif sizes is not null then
    reason_code := 'size_conflict';
    reason := format('The alert has %s, which both say how much; send one of them.', sizes);
  end if;
end
$$;

create function private.check_exits(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  twice text := coalesce(
    private.said_twice(p_fields, '{stop_loss_percent,stop_loss_price}'),
    private.said_twice(p_fields, '{take_profit_percent,take_profit_price,take_profits}'),
    private.said_twice(p_fields, '{trailing_stop_percent,trailing_stop_pips}'),
    private.said_twice(p_fields, '{stop_loss_price,trailing_stop_percent,trailing_stop_pips}'),
    case when (p_fields ->> 'use_trailing_stop')::boolean
      then private.said_twice(p_fields, '{stop_loss_price,use_trailing_stop}') end);
begin
  if twice is not null then
    reason_code := 'unknown_field_combination';
    reason := format('The alert has %s, which both say where to leave the position; send one of them.', twice);
  end if;
end
$$;

create function private.check_target(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  wanted text := p_fields ->> 'market_position';
begin
  reason := case
    when wanted is null then '"market_position_size" says how much of a "market_position", and the alert has none; send '
      '"quantity" instead.'
    when p_fields ->> 'action' in ('cancel', 'close_all') then format(
      'The action "%s" and "market_position" contradict each other; send one of them.', p_fields ->> 'action')
    when p_fields ? 'legs' then 'A spread has no "market_position"; send the action buy or close.'
    when wanted <> 'flat' and (p_fields ->> 'reduce_only')::boolean then format(
      '"reduce_only" and the "market_position" %s contradict each other, because it may have to be opened; send one of '
      'them.', wanted)
    when wanted <> 'flat' and (p_fields ->> 'market_position_size')::numeric = 0 then format(
      '"market_position" is %s and "market_position_size" is 0; a size of 0 is flat.', wanted)
  end;
  reason_code := case when reason is not null then 'unknown_field_combination' end;
end
$$;

create function private.check_spread(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  other text;
begin
  select k.name into other from jsonb_object_keys(p_fields) k (name)
  where k.name in ('right', 'strike', 'expiration', 'dte', 'exit_strategy') order by k.name limit 1;
  if other is not null or private.is_option_symbol(p_fields ->> 'symbol') then
    reason_code := 'unknown_field_combination';
    reason := case
      when other is not null then format('"legs" name the options of a spread, "%s" belongs to one option alone; send '
        'one of them.', other)
      else format('The symbol of a spread is what its options are on, and %s is an option.', p_fields ->> 'symbol') end;
  end if;
end
$$;

create function private.check_option(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  named boolean := p_fields ? 'right' or private.is_option_symbol(p_fields ->> 'symbol');
  lone text;
begin
  select k.name into lone from jsonb_object_keys(p_fields) k (name)
  where k.name in ('strike', 'expiration', 'dte', 'exit_strategy') order by k.name limit 1;
  if p_fields ?& '{expiration,dte}' then
    reason_code := 'unknown_field_combination';
    reason := 'The alert has "expiration" and "dte", which both say when the option ends; send one of them.';
  elsif not named and lone is not null then
    reason_code := 'missing_field';
    reason := format('"%s" belongs to an option, and the alert has no "right"; send "right":"call" or "right":"put".', lone);
  elsif not named and p_fields ->> 'action' not in ('cancel', 'close_all') then
    reason_code := 'missing_field';
    reason := '"exchange" is "tradier_options", and the alert names no option; send "right":"call" or "right":"put", an '
      'OCC symbol or "legs". For shares the exchange is tradier.';
  elsif p_fields ? 'right' and p_fields ->> 'symbol' !~ '^[A-Z]{1,6}([.-][A-Z]{1,3})?$' then
    reason_code := 'unknown_field_combination';
    reason := format('"right" asks for an option on a share, and "symbol" is "%s".', left(p_fields ->> 'symbol', 60));
  end if;
end
$$;

-- The first day that has passed, of those on which the options of an entry end. Options of an exit may have ended.
create function private.check_days(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
stable
set search_path = ''
as $$
declare
  today date := (statement_timestamp() at time zone 'America/New_York')::date;
  day date := least(
    (p_fields ->> 'expiration')::date,
    case when private.is_option_symbol(p_fields ->> 'symbol')
      then private.parse_day(private.option_parts(p_fields ->> 'symbol') ->> 'expiration') end,
    (select min((l.value ->> 'expiration')::date) from jsonb_array_elements(p_fields -> 'legs') l));
begin
  if day < today and not private.is_exit(p_fields) then
    reason_code := 'invalid_value';
    reason := format('The option''s expiration %s has passed; in New York it is %s.', day, today);
  end if;
end
$$;

create function private.check_order_type(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  order_type text := p_fields ->> 'order_type';
  missing text := case
    when order_type in ('limit', 'stop_limit') and not p_fields ? 'price' then 'price'
    when order_type in ('stop', 'stop_limit') and not p_fields ? 'stop_price' then 'stop_price' end;
begin
  if missing is not null then
    reason_code := 'missing_field';
    reason := format('"order_type" is %s, and the alert has no "%s".', order_type, missing);
  elsif p_fields ? 'stop_price' and order_type in ('market', 'limit') then
    reason_code := 'unknown_field_combination';
    reason := format('"stop_price" belongs to the order types stop and stop_limit; this alert''s is %s. Where to leave '
      'the position is said by "stop_loss_price".', order_type);
  end if;
end
$$;

-- The first thing that an alert says wrongly as a whole. Each group is looked at only where it is there at all.
create function private.check_alert(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
stable
set search_path = ''
as $$
declare
  missing text := case
    when not p_fields ? 'symbol' then 'symbol'
    when not p_fields ? 'action' then 'action' end;
begin
  if missing is not null then
    reason_code := 'missing_field';
    reason := format('The alert has no "%s".', missing);
    return;
  end if;
  if p_fields ?| '{market_position,market_position_size}' then
    select * into reason_code, reason from private.check_target(p_fields);
  end if;
  if reason_code is null and (p_fields ->> 'order_type' <> 'market' or p_fields ? 'stop_price') then
    select * into reason_code, reason from private.check_order_type(p_fields);
  end if;
  if reason_code is null and (p_fields ? 'close_percent' or 1 < (p_fields ? 'quantity')::integer
    + (p_fields ? 'position_size_usd')::integer + (p_fields ? 'position_size_percent')::integer
    + (p_fields ? 'risk_percent')::integer + (p_fields ? 'risk_usd')::integer) then
    select * into reason_code, reason from private.check_sizes(p_fields);
  end if;
  if reason_code is null and p_fields ?| '{stop_loss_percent,stop_loss_price,take_profit_percent,take_profit_price,
    take_profits,trailing_stop_percent,trailing_stop_pips}' then
    select * into reason_code, reason from private.check_exits(p_fields);
  end if;
  if reason_code is not null then
    return;
  end if;
  if p_fields ? 'legs' then
    select * into reason_code, reason from private.check_spread(p_fields);
  elsif p_fields ?| '{right,strike,expiration,dte,exit_strategy}' or p_fields ->> 'exchange' = 'tradier_options' then
    select * into reason_code, reason from private.check_option(p_fields);
  end if;
  if reason_code is null and (
    p_fields ?| '{expiration,legs}' or private.is_option_symbol(p_fields ->> 'symbol')) then
    select * into reason_code, reason from private.check_days(p_fields);
  end if;
end
$$;

-- What only some exchanges have, once the account is known.
create function private.check_exchange(p_fields jsonb, p_exchange text, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_fields ? 'leverage' and p_exchange <> 'aster' then
    reason_code := 'unknown_field_combination';
    reason := format('"leverage" is %s, and %s takes none with an order, only aster does; remove it.',
      p_fields ->> 'leverage', p_exchange);
  elsif p_exchange not in ('tradier', 'tastytrade') and p_fields ?| '{right,legs}' then
    reason_code := 'unknown_field_combination';
    reason := format('"%s" asks for options, and %s has none; they are traded at tradier and tastytrade.',
      case when p_fields ? 'legs' then 'legs' else 'right' end, p_exchange);
  end if;
end
$$;
