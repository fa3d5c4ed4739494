-- Counted limits on entries: how many a day, how many open, how much loss a day, how soon after the last. A claim shows
-- them, so that an entry that will not pass is not planned; private.begin_order decides, under a lock of the trader.

create function private.trading_day() returns timestamptz
language plpgsql
stable
set search_path = ''
as $$
begin
  return date_trunc('day', clock_timestamp(), 'America/New_York');
end
$$;

-- In all of these p_exchange is a row of trade_settings_exchange, or null for all of them together.

create function private.entries_today(p_user_id uuid, p_exchange text, p_except uuid) returns bigint
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select count(*) from public.signals s
    where s.user_id = p_user_id and s.entered_at >= private.trading_day() and s.id is distinct from p_except
      and (p_exchange is null or private.settings_exchange(s.exchange, s.symbol, s.alert) = p_exchange)
  );
end
$$;

-- Above zero is a loss. Of closed trades: what is open has lost nothing yet.
create function private.loss_today(p_user_id uuid, p_exchange text) returns numeric
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(-sum(t.pnl_usd), 0) from public.trades t
    where t.user_id = p_user_id and t.exit_time >= private.trading_day()
      and (p_exchange is null or private.settings_exchange(t.exchange, t.symbol) = p_exchange)
  );
end
$$;

-- What opens when a signal's plan is executed; the symbol of a chosen contract is known only to its plan.
create function private.opened_symbol(p_signal public.signals) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return coalesce(
    jsonb_path_query_first(p_signal.plan, '$.legs[*] ? (@.purpose == "open").symbol') #>> '{}', p_signal.symbol);
end
$$;

-- Positions of the exchange and those that its entries are about to open, but for those of p_symbols in p_account_id:
-- to add to a position, or to turn it, opens no further one.
create function private.open_positions(
  p_user_id uuid, p_exchange text, p_account_id uuid, p_symbols text[], p_except uuid
) returns bigint
language plpgsql
stable
set search_path = ''
as $$
declare
  since timestamptz := clock_timestamp() - interval '1 day';
begin
  return (
    select count(*)
    from (
      select p.account_id, p.symbol from public.positions p
      where p.user_id = p_user_id and private.settings_exchange(p.exchange, p.symbol) = p_exchange
      union
      select o.account_id, o.symbol from public.user_api_keys k
      join public.orders o on o.account_id = k.id and o.user_id = p_user_id
      where k.user_id = p_user_id and o.purpose = 'open' and o.signal_id is distinct from p_except
        and o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown')
        and private.settings_exchange(o.exchange, o.symbol) = p_exchange
      union
      -- One that is being executed has its place from the moment it was let in: its order may not be written yet, or be
      -- about to be sent again. Nothing is executed for a day: after twenty claims a person looks at it.
      select s.account_id, private.opened_symbol(s) from public.signals s
      where s.user_id = p_user_id and s.entered_at > since and s.status = 'executing'
        and s.id is distinct from p_except
        and private.settings_exchange(s.exchange, s.symbol, s.alert) = p_exchange
    ) u
    where p_account_id is null or u.account_id is distinct from p_account_id or u.symbol <> all(p_symbols)
  );
end
$$;

-- Whole seconds since the last entry in one of the symbols, and p_most when that is longer ago.
create function private.seconds_since_entry(
  p_user_id uuid, p_account_id uuid, p_symbols text[], p_except uuid, p_most numeric
) returns numeric
language plpgsql
stable
set search_path = ''
as $$
declare
  -- A value, because no index is searched by what is volatile.
  since timestamptz := clock_timestamp() - make_interval(secs => p_most::float8);
begin
  return coalesce((
    select floor(extract(epoch from clock_timestamp() - max(e.entered_at)))
    from (
      -- Offset 0 keeps the rest of the conditions out, or all signals of the account would be read by another index.
      select s.id, s.account_id, s.symbol, s.entered_at from public.signals s
      where s.user_id = p_user_id and s.entered_at > since
      offset 0
    ) e
    where e.account_id = p_account_id and e.symbol = any(p_symbols) and e.id is distinct from p_except
  ), p_most);
end
$$;

create function private.entry_limit(p_name text, p_scope text, p_limit numeric, p_used numeric, p_ok boolean)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'name', p_name, 'scope', p_scope, 'limit', trim_scale(p_limit)::text, 'used', trim_scale(p_used)::text, 'ok', p_ok);
end
$$;

-- Every counted limit that is set, and what is used of it: [{"name","scope","limit","used","ok"}]. p_except is the signal
-- that asks; p_symbols are those that it would open in p_account_id.
create function private.entry_limits(
  p_user_id uuid, p_exchange text, p_account_id uuid, p_symbols text[], p_except uuid
) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  everywhere public.trade_settings_global;
  here public.trade_settings_exchange;
  allowed numeric;
  used numeric;
  found jsonb := '[]'::jsonb;
begin
  select * into everywhere from public.trade_settings_global g where g.user_id = p_user_id;
  select * into here from public.trade_settings_exchange e where e.user_id = p_user_id and e.exchange = p_exchange;
  if here.max_trades_per_day > 0 then
    used := private.entries_today(p_user_id, p_exchange, p_except)::numeric;
    found := found || private.entry_limit(
      'max_trades_per_day', p_exchange, here.max_trades_per_day, used, used < here.max_trades_per_day);
  end if;
  if everywhere.max_trades_per_day > 0 then
    used := private.entries_today(p_user_id, null, p_except)::numeric;
    found := found || private.entry_limit(
      'max_trades_per_day', 'all', everywhere.max_trades_per_day, used, used < everywhere.max_trades_per_day);
  end if;
  if here.max_open_positions > 0 then
    used := private.open_positions(p_user_id, p_exchange, p_account_id, p_symbols, p_except)::numeric;
    found := found || private.entry_limit(
      'max_open_positions', p_exchange, here.max_open_positions, used, used < here.max_open_positions);
  end if;
  allowed := (here.extra_settings ->> 'max_daily_loss_usd')::numeric;
  if allowed > 0 then
    used := private.loss_today(p_user_id, p_exchange);
    found := found || private.entry_limit('max_daily_loss_usd', p_exchange, allowed, used, used < allowed);
  end if;
  allowed := (everywhere.extra_settings ->> 'max_daily_loss_usd')::numeric;
  if allowed > 0 then
    used := private.loss_today(p_user_id, null);
    found := found || private.entry_limit('max_daily_loss_usd', 'all', allowed, used, used < allowed);
  end if;
  -- The longer pause is the narrower limit.
  allowed := greatest(
    (here.extra_settings ->> 'cooldown_sec')::numeric, (everywhere.extra_settings ->> 'cooldown_sec')::numeric);
  if allowed > 0 then
    used := private.seconds_since_entry(p_user_id, p_account_id, p_symbols, p_except, allowed);
    found := found || private.entry_limit('cooldown_sec', case
      when (here.extra_settings ->> 'cooldown_sec')::numeric = allowed then p_exchange else 'all' end,
    allowed, used, used >= allowed);
  end if;
  return found;
end
$$;
