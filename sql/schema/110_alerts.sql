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

-- A name that stands twice with different values, in an object or in one of a list: jsonb would keep the last one and
-- nobody would know.
create function private.repeated_name(p_json json) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  if json_typeof(p_json) = 'object' then
    return (
      select min(k.key)
      from (select e.key from json_each(p_json) e group by e.key having count(distinct e.value::jsonb) > 1) k
    );
  elsif json_typeof(p_json) = 'array' then
    return (
      select min(private.repeated_name(i.value)) from json_array_elements(p_json) i
      where json_typeof(i.value) = 'object'
    );
  end if;
  return null;
end
$$;

-- JSON first, else pairs; null when it is neither. "twice" is a name that stands there twice with different values.
create function private.read_body(p_body text, out pairs jsonb, out twice text)
language plpgsql
immutable
set search_path = ''
as $$
begin
  begin
    pairs := p_body::jsonb;
    if jsonb_typeof(pairs) <> 'object' then
      pairs := null;
      return;
    end if;
    twice := private.repeated_name(p_body::json);
    if twice is null and strpos(p_body, '[') > 0 then
      select min(private.repeated_name(e.value)) into twice from json_each(p_body::json) e
      where json_typeof(e.value) = 'array' and private.canonical_name(e.key) in ('take_profits', 'legs');
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
  kind text;
  list record;
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
    where n.name <> 'secret' and coalesce(n.text, '') not in ('', '[]')
    order by n.key
  loop
    kind := private.field_kind(pair.name);
    if kind is null then
      warnings := warnings || left(format('unknown field "%s"', pair.key), 120);
    elsif kind in ('take_profits', 'legs') then
      select l.value, l.reason_code, l.reason into list from private.parse_list(kind, pair.given) l;
      reason := coalesce(reason, list.reason);
      reason_code := coalesce(reason_code, list.reason_code);
      fields := fields || jsonb_build_object(kind, list.value);
    else
      value := case when jsonb_typeof(pair.given) not in ('object', 'array')
        then private.parse_value(kind, pair.text) end;
      if value is null then
        reason_code := coalesce(reason_code, 'invalid_value');
        reason := coalesce(reason, format('"%s" is "%s"; it must be %s.', left(pair.key, 60), left(pair.text, 60),
          private.kind_in_words(kind)));
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
  if result.fields is null then
    return result;
  elsif body.twice is not null then
    result.reason_code := 'unknown_field_combination';
    result.reason := format('The alert says "%s" twice with different values.', left(body.twice, 60));
  elsif result.reason_code is null then
    result := private.complete_alert(result);
  end if;
  if result.fields ->> 'exchange' = 'tradier_options' then
    result.fields := result.fields || '{"exchange": "tradier"}';
  end if;
  return result;
end
$$;
