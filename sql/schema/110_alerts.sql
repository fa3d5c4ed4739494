-- The alert language, parsed in one place: a body in, canonical fields or a reason out. Pure functions.

create type private.parsed_alert as (
  secret text,       -- as sent in the body, for finding the webhook; never stored
  fields jsonb,      -- canonical names; decimals as text; null when the body was not understood
  symbol_text text,  -- the symbol as sent: how it is written depends on the exchange, known with the account
  raw text,          -- the body without its secret
  warnings text [],
  reason_code text,  -- set when the alert cannot be accepted
  reason text
);

-- key=value pairs, one a line or separated by semicolons. No row when the text is anything else.
create function private.read_pairs(p_body text) returns table (name text, value jsonb)
language sql
immutable
set search_path = ''
as $$
  with pairs as materialized (
    select private.trim_blank(p) as pair from regexp_split_to_table(p_body, E'[;\r\n]+') p where private.trim_blank(p) <> ''
  )
  select
    private.trim_blank(split_part(pair, '=', 1)),
    to_jsonb(private.trim_blank(substr(pair, strpos(pair, '=') + 1)))
  from pairs
  where (select bool_and(pair ~ '^[A-Za-z_][A-Za-z0-9_]*[ \t]*=') from pairs)
$$;

-- JSON first, else pairs; null when it is neither. "twice" is a name that stands there twice with different values:
-- jsonb would keep the last one and nobody would know.
create function private.read_body(p_body text, out pairs jsonb, out twice text)
language plpgsql
immutable
set search_path = ''
as $$
begin
  begin
    pairs := p_body::jsonb;
    if jsonb_typeof(pairs) = 'object' then
      select min(k.key) into twice from (
        select e.key from json_each(p_body::json) e group by e.key having count(distinct e.value::jsonb) > 1
      ) k;
    else
      pairs := null;
    end if;
    return;
  exception
    -- Not JSON, or JSON that text, numeric or the stack cannot hold.
    when data_exception or program_limit_exceeded then
      pairs := null;
  end;
  select jsonb_object_agg(p.name, p.value) into pairs from private.read_pairs(p_body) p;
  select min(n.name) into twice from (
    select p.name from private.read_pairs(p_body) p group by p.name having count(distinct p.value) > 1
  ) n;
end
$$;

-- Numbers that are short to send and long to store (1e99999), and nesting that no alert needs.
create function private.is_outsized(p_pairs jsonb) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when jsonb_path_exists(p_pairs, 'strict $.**{9}') then true
    else jsonb_path_exists(p_pairs, 'strict $.** ? (@.type() == "number"
      && (@ > 1e30 || @ < -1e30 || (@ != 0 && @ > -1e-30 && @ < 1e-30)))')
  end;
end
$$;

create function private.is_executed_field(p_name text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return p_name in (
    'id', 'exchange', 'environment', 'symbol', 'action', 'order_type', 'price', 'quantity', 'position_size_usd',
    'close_percent', 'reduce_only', 'timestamp', 'dry_run');
end
$$;

-- Fields of the alert language that change what is executed. An alert that carries one which is not executed yet is
-- refused: an entry without the stop that its trader asked for is worse than no entry.
create function private.is_pending_field(p_name text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return p_name in (
    'market_position', 'market_position_size', 'stop_price', 'time_in_force', 'position_size_percent', 'risk_percent',
    'risk_usd', 'leverage', 'stop_loss_percent', 'take_profit_percent', 'stop_loss_price', 'take_profit_price',
    'take_profits', 'trailing_stop_percent', 'trailing_stop_pips', 'use_trailing_stop', 'strategy', 'strategy_id',
    'right', 'strike', 'expiration', 'dte', 'option_symbol', 'exit_strategy', 'legs');
end
$$;

-- What can only make a position smaller. It passes the plan limit and a lane under review.
create function private.is_exit(p_fields jsonb) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return coalesce(p_fields ->> 'action' like 'close%' or (p_fields ->> 'reduce_only')::boolean, false);
end
$$;

create function private.check_alert(p_fields jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  exit_action boolean := p_fields ->> 'action' like 'close%';
begin
  if p_fields -> 'symbol' is null or p_fields -> 'action' is null then
    reason_code := 'missing_field';
    reason := format('The alert has no "%s".', case when p_fields -> 'symbol' is null then 'symbol' else 'action' end);
  elsif p_fields ->> 'order_type' not in ('market', 'limit', 'stop', 'stop_limit') then
    reason_code := 'invalid_value';
    reason := format('"order_type" is "%s"; known are market, limit, stop and stop_limit.',
      left(p_fields ->> 'order_type', 60));
  elsif p_fields ->> 'order_type' <> 'market' then
    reason_code := 'not_supported';
    reason := format('"order_type" is "%s"; only market orders are executed so far.', p_fields ->> 'order_type');
  elsif p_fields -> 'quantity' is not null and p_fields -> 'position_size_usd' is not null then
    reason_code := 'size_conflict';
    reason := 'The alert has both "quantity" and "position_size_usd"; send one of them.';
  elsif p_fields -> 'close_percent' is not null and not exit_action then
    reason_code := 'unknown_field_combination';
    reason := '"close_percent" belongs to a closing action; this alert''s action is "' || (p_fields ->> 'action') || '".';
  end if;
end
$$;

-- Walks the pairs of the body in order and fills fields, warnings and the first reason against it.
create function private.read_fields(
  p_pairs jsonb, out fields jsonb, out symbol_text text, out warnings text[], out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
-- Canonical times do not depend on the session.
set timezone = 'UTC'
as $$
declare
  pair record;
  value jsonb;
  given_names jsonb := '[]'::jsonb;
begin
  fields := '{"order_type": "market"}';
  warnings := '{}';
  for pair in
    with named as materialized (
      select e.key, private.canonical_name(e.key) as name, e.value as given, private.trim_blank(e.value #>> '{}') as text
      from jsonb_each(p_pairs) e
    )
    select n.* from named n
    -- TradingView leaves a placeholder without a value empty.
    where n.name <> 'secret' and coalesce(n.text, '') <> ''
    order by n.key
  loop
    if private.is_executed_field(pair.name) then
      value := case when jsonb_typeof(pair.given) not in ('object', 'array')
        then private.parse_field(pair.name, pair.text) end;
      if value is null or value = 'null' then
        reason_code := coalesce(reason_code, 'invalid_value');
        reason := coalesce(reason, format('"%s" is "%s", which is not understood.', left(pair.key, 60), left(pair.text, 60)));
      elsif pair.name = 'timestamp' and given_names ? 'timestamp' then
        -- {{time}} is the bar's, {{timenow}} the alert's own; a template may carry both, and the later one is meant.
        fields := fields || jsonb_build_object('timestamp', to_jsonb(greatest(
          (fields ->> 'timestamp')::timestamptz, (value #>> '{}')::timestamptz)));
      elsif given_names ? pair.name and fields -> pair.name <> value then
        reason_code := coalesce(reason_code, 'unknown_field_combination');
        reason := coalesce(reason, format('The alert says "%s" twice with different values.', pair.name));
      else
        fields := fields || jsonb_build_object(pair.name, value);
        given_names := given_names || to_jsonb(pair.name);
        symbol_text := case when pair.name = 'symbol' then pair.text else symbol_text end;
      end if;
    elsif private.is_pending_field(pair.name) then
      reason_code := coalesce(reason_code, 'not_supported');
      reason := coalesce(reason, format('"%s" is not executed yet; remove it from the alert.', left(pair.key, 60)));
    else
      warnings := warnings || left(format('unknown field "%s"', pair.key), 120);
    end if;
  end loop;
end
$$;

-- What cannot be read may hold a secret anywhere, so only its length is kept.
create function private.unread_alert(p_body text, p_reason_code text, p_reason text) returns private.parsed_alert
language sql
immutable
set search_path = ''
as $$
  select row(
    null, null, null, format('(%s bytes that are not understood)', octet_length(p_body)), '{}'::text[], p_reason_code, p_reason
  )::private.parsed_alert
$$;

create function private.parse_alert(p_body text) returns private.parsed_alert
language plpgsql
stable
set search_path = ''
as $$
declare
  body record;
  secret_names text[];
  result private.parsed_alert;
begin
  -- The edge function refuses what is longer than 16 KiB; decoding may lengthen it.
  if octet_length(p_body) > 65536 then
    return private.unread_alert(p_body, 'invalid_value', 'The alert is too long; 16 KiB is the limit.');
  end if;
  select b.pairs, b.twice into body from private.read_body(p_body) b;
  if body.pairs is null then
    return private.unread_alert(
      p_body, 'invalid_json', 'The alert is neither a JSON object nor key=value pairs.');
  end if;
  secret_names := array(
    select k from jsonb_object_keys(body.pairs) k where private.canonical_name(k) = 'secret' order by k
  );
  if private.is_outsized(body.pairs) then
    result := private.unread_alert(
      p_body, 'invalid_value', 'The alert has a number beyond 30 digits or is nested too deep.');
  else
    result.raw := (body.pairs - secret_names)::text;
    select f.fields, f.symbol_text, f.warnings, f.reason_code, f.reason
    into result.fields, result.symbol_text, result.warnings, result.reason_code, result.reason
    from private.read_fields(body.pairs) f;
  end if;
  select body.pairs ->> s.name into result.secret
  from unnest(secret_names) with ordinality as s (name, n)
  where jsonb_typeof(body.pairs -> s.name) = 'string' order by s.n limit 1;
  if body.twice is not null and result.fields is not null then
    result.reason_code := 'unknown_field_combination';
    result.reason := format('The alert says "%s" twice with different values.', left(body.twice, 60));
  elsif result.reason_code is null then
    select c.reason_code, c.reason into result.reason_code, result.reason from private.check_alert(result.fields) c;
  end if;
  return result;
end
$$;
