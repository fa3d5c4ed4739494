-- What a batch of a worker locks before it writes. A batch holds signals of several traders and strategies in any order,
-- and another worker's batch holds others of the same in another order: each takes all it needs first, sorted.

-- The ids that a path finds. What is no id is left out: it fails later, alone, and not the whole batch here.
create function private.ids_in(p_items jsonb, p_path jsonpath) returns uuid[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  return (
    select array_agg(distinct (v #>> '{}')::uuid) from jsonb_path_query(p_items, p_path) v
    where v #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  );
end
$$;

-- With p_fills the batch may open positions and write trades, which change the counters of strategies: those of the
-- position that a signal closes too, and of a trade that grows.
create function private.strategies_of(p_signals uuid[], p_fills boolean) returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
  concerned uuid[];
begin
  if not p_fills then
    select array_agg(distinct s.strategy_id) into concerned
    from public.signals s where s.id = any(p_signals) and s.strategy_id is not null;
    return concerned;
  end if;
  with claimed as materialized (
    select s.id, s.user_id, s.account_id, s.symbol, s.strategy_id from public.signals s where s.id = any(p_signals)
  )
  select array_agg(f.strategy_id) into concerned
  from (
    select c.strategy_id from claimed c
    union
    -- By the symbol of the order: the contract of an option was chosen by its underlying's signal.
    select p.strategy_id from claimed c
    join public.orders o on o.user_id = c.user_id and o.signal_id = c.id
    join public.positions p on p.user_id = o.user_id and p.account_id = o.account_id and p.symbol = o.symbol
    union
    select t.strategy_id from claimed c
    join public.orders o on o.user_id = c.user_id and o.signal_id = c.id
    join public.trades t on t.user_id = o.user_id and t.order_id = o.client_order_id
  ) f
  where f.strategy_id is not null;
  return concerned;
end
$$;

-- Also keeps traders, accounts, webhooks and strategies from being deleted meanwhile: a deletion writes all signals that name what
-- is deleted, in an order of its own.
create function private.keep_batch(p_signals uuid[], p_accounts uuid[], p_fills boolean) returns void
language plpgsql
set search_path = ''
as $$
declare
  traders uuid[];
  accounts uuid[];
  webhooks uuid[];
  strategies uuid[];
begin
  select array_agg(distinct b.user_id), array_agg(distinct b.account_id), array_agg(distinct b.webhook_id)
  into traders, accounts, webhooks
  from (
    select s.user_id, s.account_id, s.webhook_id from public.signals s where s.id = any(p_signals)
    union all
    select k.user_id, k.id, null from public.user_api_keys k where k.id = any(p_accounts)
  ) b;
  perform from auth.users u where u.id = any(traders) order by u.id for key share;
  perform from public.user_api_keys k where k.id = any(accounts) order by k.id for key share;
  perform from public.user_webhook_configs w where w.id = any(webhooks) order by w.id for key share;
  strategies := private.strategies_of(p_signals, p_fills);
  if p_fills then
    perform from public.strategies s where s.id = any(strategies) order by s.id for no key update;
  elsif strategies is not null then
    perform from public.strategies s where s.id = any(strategies) order by s.id for key share;
  end if;
end
$$;

-- Orders of other signals, which a comparison of their account may be writing too.
create function private.keep_orders(p_signals uuid[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_signals is not null then
    perform from public.orders o where o.signal_id = any(p_signals) order by o.id for update;
  end if;
end
$$;

-- For claims {"signal_id","news":[{"signal_id" of another,"fills":[…]}]}.
create function private.keep_claims(p_claims jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  others uuid[] := private.ids_in(p_claims, '$[*].news[*].signal_id');
begin
  perform private.keep_batch(
    private.ids_in(p_claims, '$[*].signal_id') || others, null, p_claims @? '$[*].news[*].fills[*]');
  perform private.keep_orders(others);
end
$$;

-- Whether some limit on entries that private.entry_limits counts is set.
create function private.has_entry_limits(p_user_id uuid) returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select from public.trade_settings_global g
    where g.user_id = p_user_id
      and (g.max_trades_per_day > 0 or g.extra_settings ?| '{max_daily_loss_usd,cooldown_sec}'::text[])
  ) or exists (
    select from public.trade_settings_exchange e
    where e.user_id = p_user_id
      and (e.max_trades_per_day > 0 or e.max_open_positions > 0
        or e.extra_settings ?| '{max_daily_loss_usd,cooldown_sec}'::text[])
  );
end
$$;

-- One entry of a trader at a time comes in while he has limits that are counted: the next one finds it counted. Before
-- every other lock of the batch, because nothing but this function takes it. Answers with those traders.
create function private.lock_entries(p_claims jsonb) returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  claimed uuid;
  trader uuid;
  limited uuid[] := '{}'::uuid[];
begin
  -- One at a time by index: a statement for the whole batch would be planned anew for each length of it.
  foreach claimed in array coalesce(private.ids_in(p_claims, '$[*].signal_id'), '{}') loop
    select s.user_id into trader from public.signals s where s.id = claimed and s.entered_at is null and not s.is_exit;
    if found and trader <> all(limited) and private.has_entry_limits(trader) then
      limited := limited || trader;
    end if;
  end loop;
  if limited <> '{}' then
    perform pg_advisory_xact_lock(hashtextextended('entries/' || l.trader::text, 0))
    from (select u as trader from unnest(limited) u order by u) l;
  end if;
  return limited;
end
$$;
