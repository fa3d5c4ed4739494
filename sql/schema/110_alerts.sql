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

-- key=value pairs, one a line or separated by semicolons; null when the text is anything else.
create function private.read_pairs(p_body text, out pairs jsonb, out twice text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  text_of_pair text := '^[A-Za-z_][A-Za-z0-9_]*[ \t]*=';
begin
  if p_body !~ '^[; \t\r\n\f\v]*[A-Za-z_][A-Za-z0-9_]*[ \t]*=' then
    return;
  end if;
  with found as materialized (
    select private.trim_blank(p) as pair from regexp_split_to_table(p_body, E'[;\r\n]+') p where private.trim_blank(p) <> ''
  ), named as (
    select
      private.trim_blank(split_part(f.pair, '=', 1)) as name,
      to_jsonb(private.trim_blank(substr(f.pair, strpos(f.pair, '=') + 1))) as value
    from found f
    where (select bool_and(g.pair ~ text_of_pair) from found g)
  ), joined as (
    select n.name, max(n.value #>> '{}') as value, count(distinct n.value) > 1 as differs from named n group by n.name
  )
  select jsonb_object_agg(j.name, j.value), min(j.name) filter (where j.differs) into pairs, twice from joined j;
end
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
  select p.pairs, p.twice into pairs, twice from private.read_pairs(p_body) p;
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

-- Walks the pairs of the body and fills fields, warnings and the first reason against it.
create function private.read_fields(
  p_pairs jsonb, out fields jsonb, out symbol_text text, out secret_names text[], out warnings text[],
  out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
-- Canonical times do not depend on the session.
set timezone = 'UTC'
as $$
declare
  pair record;
  name text;
  said text;
  kind text;
  list record;
  value jsonb;
begin
  fields := '{}';
  warnings := '{}';
  secret_names := '{}';
  for pair in select e.key, e.value as given from jsonb_each(p_pairs) e loop
    name := private.canonical_name(pair.key);
    said := private.trim_blank(pair.given #>> '{}');
    if name = 'secret' then
      secret_names := secret_names || pair.key;
      continue;
    -- TradingView leaves a placeholder without a value empty.
    elsif coalesce(said, '') in ('', '[]') then
      continue;
    end if;
    kind := private.field_kind(name);
    if kind is null then
      warnings := warnings || left(format('unknown field "%s"', pair.key), 120);
      continue;
    elsif kind in ('take_profits', 'legs') then
      select l.value, l.reason_code, l.reason into list from private.parse_list(kind, pair.given) l;
      value := list.value;
      reason := coalesce(reason, list.reason);
      reason_code := coalesce(reason_code, list.reason_code);
    else
      value := case when jsonb_typeof(pair.given) not in ('object', 'array') then private.parse_value(kind, said) end;
    end if;
    if value is null then
      reason_code := coalesce(reason_code, 'invalid_value');
      reason := coalesce(reason, format('"%s" is "%s"; it must be %s.', left(pair.key, 60), left(said, 60),
        private.kind_in_words(kind)));
    elsif kind = 'time' and fields ? name then
      -- {{time}} is the bar's, {{timenow}} the alert's own; a template may carry both, and the later one is meant.
      fields := fields || jsonb_build_object(name, to_jsonb(greatest(
        (fields ->> name)::timestamptz, (value #>> '{}')::timestamptz)));
    elsif fields -> name <> value then
      reason_code := coalesce(reason_code, 'unknown_field_combination');
      reason := coalesce(reason, format('The alert says "%s" twice with different values.', name));
    else
      fields := fields || jsonb_build_object(name, value);
      symbol_text := case when name = 'symbol' then said else symbol_text end;
    end if;
  end loop;
  if not fields ? 'order_type' then
    fields := fields || '{"order_type": "market"}';
  end if;
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

-- The first of the names in order that has a text.
create function private.secret_of(p_pairs jsonb, p_names text[]) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case when p_names <> '{}' then (
    select p_pairs ->> n.name from unnest(p_names) n (name) where jsonb_typeof(p_pairs -> n.name) = 'string'
    order by n.name limit 1
  ) end;
end
$$;

create function private.parse_alert(p_body text) returns private.parsed_alert
language plpgsql
stable
set search_path = ''
as $$
declare
  body record;
  read record;
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
  elsif private.is_outsized(body.pairs) then
    result := private.unread_alert(
      p_body, 'invalid_value', 'The alert has a number beyond 30 digits or is nested too deep.');
    result.secret := private.secret_of(body.pairs, array(
      select k from jsonb_object_keys(body.pairs) k where private.canonical_name(k) = 'secret'
    ));
    return result;
  end if;
  select * into read from private.read_fields(body.pairs);
  result := row(
    private.secret_of(body.pairs, read.secret_names), read.fields, read.symbol_text,
    (body.pairs - read.secret_names)::text, read.warnings, read.reason_code, read.reason);
  if body.twice is not null then
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
