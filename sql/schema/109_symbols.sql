-- Symbols as we write them, from whatever an alert says. worker/sparky/domain/symbols.py keeps the same rule, and one
-- table of cases holds both. Two spellings of one instrument must become one text, because it makes the lane.

-- The compact OCC symbol of an option, from a padded one or from one with a plain strike; null when it is none.
create function private.option_symbol(p_bare text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  day text := '[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])';
  parts text[];
begin
  if p_bare ~ ('^[A-Z][A-Z0-9]{0,5} {0,5}' || day || '[CP][0-9]{8}$') then
    return replace(p_bare, ' ', '');
  end if;
  parts := regexp_match(p_bare, '^([A-Z][A-Z0-9]{0,5}' || day || '[CP])([0-9]{1,5}(?:\.[0-9]{1,3})?)$');
  return parts[1] || lpad(trunc(parts[2]::numeric * 1000)::text, 8, '0');
end
$$;

create function private.share_symbol(p_bare text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  parts text[] := regexp_match(p_bare, '^([A-Z]{1,6})(?:[./-]([A-Z]{1,3}))?$');
begin
  return case
    when parts is null then private.option_symbol(p_bare)
    else parts[1] || coalesce('.' || parts[2], '')
  end;
end
$$;

create function private.future_symbol(p_bare text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  parts text[] := regexp_match(p_bare, '^/?([A-Z0-9]{1,4})([FGHJKMNQUVXZ])(?:20[0-9]|[0-9])?([0-9])$');
begin
  return '/' || parts[1] || parts[2] || parts[3];
end
$$;

-- Null when the text can be no symbol at that exchange. Without an exchange, and for one of no rule of its own: upper
-- case without exchange, suffix of perpetuals and slash.
create function private.canonical_symbol(p_exchange text, p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  trimmed text := private.trim_blank(p_value);
  bare text := regexp_replace(upper(trimmed collate "C"), '^[A-Z0-9_]+:', '');
  perpetual text := '(\.P|(?<=[A-Z0-9])[._-]?PERP)$';
  plain text;
begin
  if octet_length(trimmed) <> char_length(trimmed) then
    return null;
  elsif p_exchange = 'aster' then
    plain := regexp_replace(regexp_replace(bare, perpetual, ''), '[/._-]', '', 'g');
    return case when plain ~ '^[A-Z0-9]{1,40}$' then plain end;
  elsif p_exchange = 'oanda' then
    return case when bare ~ '^[A-Z0-9]{2,16}[/_-]?[A-Z]{3}$'
      then regexp_replace(bare, '[/_-]?([A-Z]{3})$', '_\1') end;
  elsif p_exchange = 'tradier' then
    return private.share_symbol(bare);
  elsif p_exchange = 'tastytrade' then
    return coalesce(private.future_symbol(bare), private.share_symbol(bare));
  end if;
  plain := coalesce(private.option_symbol(bare), replace(regexp_replace(bare, perpetual, ''), '/', ''));
  return case when plain ~ '^[A-Z0-9][A-Z0-9._-]{0,39}$' then plain end;
end
$$;

-- What to write, for a trader whose symbol can be none.
create function private.symbol_examples(p_exchange text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case p_exchange
    when 'aster' then 'BTCUSDT'
    when 'oanda' then 'EUR_USD or EURUSD'
    when 'tradier' then 'AAPL, BRK.B or, for an option, AAPL260417C00200000'
    when 'tastytrade' then 'AAPL, BRK.B, AAPL260417C00200000 for an option or /ESZ6 for a future'
    else 'BTCUSDT, EUR_USD or AAPL'
  end;
end
$$;
