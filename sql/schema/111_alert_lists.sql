-- The two lists of the alert language: several take-profits, and the options of a spread. Pure functions.

-- A list as it stands in the body, or as JSON in text, which is how key=value pairs carry it; null when it is neither.
create function private.read_list(p_given jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  found jsonb := p_given;
begin
  if jsonb_typeof(found) = 'string' then
    found := (p_given #>> '{}')::jsonb;
    if private.is_outsized(found) or private.repeated_name((p_given #>> '{}')::json) is not null then
      return null;
    end if;
  end if;
  return case when jsonb_typeof(found) = 'array' then found end;
exception
  -- Not JSON, or JSON that text, numeric or the stack cannot hold.
  when data_exception or program_limit_exceeded then
    return null;
end
$$;

-- One object of a list. p_names says what may stand in it: a spelling's bare word, and the name and kind that it means.
create function private.read_item(
  p_item jsonb, p_names jsonb, out fields jsonb, out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  pair record;
  meant jsonb;
  value jsonb;
begin
  fields := '{}';
  for pair in
    select e.key, e.value as given, private.trim_blank(e.value #>> '{}') as text from jsonb_each(p_item) e order by e.key
  loop
    meant := p_names -> private.bare_word(pair.key);
    if coalesce(pair.text, '') = '' then
      continue;
    elsif meant is null then
      reason_code := 'invalid_value';
      reason := format('"%s" is no field of it', left(pair.key, 60));
      return;
    end if;
    value := case when jsonb_typeof(pair.given) not in ('object', 'array')
      then private.parse_value(meant ->> 1, pair.text) end;
    if coalesce(value, 'null') = 'null' then
      reason_code := 'invalid_value';
      reason := format('"%s" is "%s"; it must be %s', left(pair.key, 60), left(pair.text, 60),
        private.kind_in_words(meant ->> 1));
      return;
    elsif fields -> (meant ->> 0) <> value then
      reason_code := 'unknown_field_combination';
      reason := format('it says "%s" twice with different values', meant ->> 0);
      return;
    end if;
    fields := fields || jsonb_build_object(meant ->> 0, value);
  end loop;
end
$$;

-- What an item needs beside values that are understood.
create function private.check_item(p_kind text, p_item jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  missing text;
begin
  if p_kind = 'take_profits' and p_item ?& '{percent,price}' then
    reason_code := 'unknown_field_combination';
    reason := 'it has both "percent" and "price"; keep one of them';
    return;
  elsif p_kind = 'take_profits' then
    missing := case
      when not p_item ?| '{percent,price}' then '"percent" or "price"'
      when not p_item ? 'quantity_percent' then '"quantity_percent", its share of the position' end;
  else
    select '"' || n.name || '"' into missing
    from unnest('{action,right,strike,expiration}'::text[]) with ordinality as n (name, place)
    where not p_item ? n.name order by n.place limit 1;
  end if;
  if missing is not null then
    reason_code := 'missing_field';
    reason := 'it has no ' || missing;
  end if;
end
$$;

-- A whole list in canonical form, or the first thing against it.
create function private.parse_list(
  p_kind text, p_given jsonb, out value jsonb, out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  items jsonb := private.read_list(p_given);
  names jsonb := (case p_kind
    when 'take_profits' then '{"percent": ["percent", "distance"], "price": ["price", "above_zero"],
      "quantitypercent": ["quantity_percent", "percent"]}'
    else '{"action": ["action", "leg_action"], "side": ["action", "leg_action"], "right": ["right", "right"],
      "optiontype": ["right", "right"], "strike": ["strike", "above_zero"], "expiration": ["expiration", "day"],
      "ratio": ["ratio", "ratio"]}' end)::jsonb;
  item record;
  found record;
  checked record;
begin
  if items is null or jsonb_array_length(items) > 20 then
    reason_code := 'invalid_value';
    reason := format('"%s" must be %s.', p_kind, private.kind_in_words(p_kind));
    return;
  end if;
  value := '[]';
  for item in select e.value as given, e.place from jsonb_array_elements(items) with ordinality as e (value, place) loop
    if jsonb_typeof(item.given) <> 'object' then
      reason_code := 'invalid_value';
      reason := format('Number %s of "%s" is no object; it must be %s.', item.place, p_kind, private.kind_in_words(p_kind));
      return;
    end if;
    select * into found from private.read_item(item.given, names);
    select * into checked from private.check_item(p_kind, found.fields);
    reason_code := coalesce(found.reason_code, checked.reason_code);
    if reason_code is not null then
      reason := format('Number %s of "%s" is wrong: %s.', item.place, p_kind, coalesce(found.reason, checked.reason));
      return;
    end if;
    value := value || jsonb_build_array(case p_kind when 'legs' then '{"ratio": 1}' else '{}' end::jsonb || found.fields);
  end loop;
  select c.reason_code, c.reason into reason_code, reason from private.check_list(p_kind, value) c;
end
$$;

-- What a list may be as a whole.
create function private.check_list(p_kind text, p_list jsonb, out reason_code text, out reason text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  number_of_items integer := jsonb_array_length(p_list);
  share numeric;
begin
  if p_kind = 'take_profits' and number_of_items > 10 then
    reason_code := 'invalid_value';
    reason := format('"take_profits" has %s targets; 10 is the most.', number_of_items);
  elsif p_kind = 'take_profits' then
    select sum((t.value ->> 'quantity_percent')::numeric) into share from jsonb_array_elements(p_list) t;
    if share > 100 then
      reason_code := 'invalid_value';
      reason := format('The targets of "take_profits" close %s percent of the position together; 100 is the most.', share);
    end if;
  elsif number_of_items not between 2 and 4 then
    reason_code := 'invalid_value';
    reason := format('"legs" has %s; a spread has 2 to 4 options. One option alone is named by "right", "strike" and '
      '"expiration".', number_of_items);
  elsif number_of_items > (
    select count(distinct l.value - '{action,ratio}'::text[]) from jsonb_array_elements(p_list) l
  ) then
    reason_code := 'unknown_field_combination';
    reason := '"legs" names one option twice; give it one leg with a "ratio".';
  end if;
end
$$;
