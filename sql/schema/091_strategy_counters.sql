-- The counters of strategies follow trades: written, grown by a later fill, moved, deleted.

-- One change: {"id","trades","winners","pnl"}. Strategies are locked in the order of their ids, as everywhere.
create function private.add_to_strategies(p_changes jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_changes is null then
    return;
  end if;
  perform from public.strategies s
  where s.id in (select (c ->> 'id')::uuid from jsonb_array_elements(p_changes) c)
  order by s.id for no key update;
  update public.strategies s set
    total_trades = s.total_trades + c.trades,
    winning_trades = s.winning_trades + c.winners,
    total_pnl_usd = s.total_pnl_usd + c.pnl
  from jsonb_to_recordset(p_changes) as c (id uuid, trades integer, winners integer, pnl numeric)
  where s.id = c.id;
end
$$;

-- By statement and not by row: a thousand trades that go at once change each strategy once.
create function private.count_new_trades() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.add_to_strategies(jsonb_agg(jsonb_build_object(
    'id', c.strategy_id, 'trades', c.trades, 'winners', c.winners, 'pnl', c.pnl)))
  from (
    select n.strategy_id, count(*) as trades, count(*) filter (where n.is_winner) as winners, sum(n.pnl_usd) as pnl
    from new_rows n where n.strategy_id is not null group by n.strategy_id
  ) c;
  return null;
end
$$;
create trigger count_new_trades after insert on public.trades
referencing new table as new_rows
for each statement execute function private.count_new_trades();

create function private.count_deleted_trades() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.add_to_strategies(jsonb_agg(jsonb_build_object(
    'id', c.strategy_id, 'trades', -c.trades, 'winners', -c.winners, 'pnl', -c.pnl)))
  from (
    select o.strategy_id, count(*) as trades, count(*) filter (where o.is_winner) as winners, sum(o.pnl_usd) as pnl
    from old_rows o where o.strategy_id is not null group by o.strategy_id
  ) c;
  return null;
end
$$;
create trigger count_deleted_trades after delete on public.trades
referencing old table as old_rows
for each statement execute function private.count_deleted_trades();

create function private.count_changed_trades() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.add_to_strategies(jsonb_agg(jsonb_build_object(
    'id', c.strategy_id, 'trades', c.trades, 'winners', c.winners, 'pnl', c.pnl)))
  from (
    select b.strategy_id, sum(b.trades) as trades, sum(b.winners) as winners, sum(b.pnl) as pnl
    from (
      select n.strategy_id, 1 as trades, n.is_winner::integer as winners, n.pnl_usd as pnl from new_rows n
      union all
      select o.strategy_id, -1, -o.is_winner::integer, -o.pnl_usd from old_rows o
    ) b
    where b.strategy_id is not null
    group by b.strategy_id
    -- What changes nothing locks nothing: the deletion of an account takes the account off its trades.
    having sum(b.trades) <> 0 or sum(b.winners) <> 0 or sum(b.pnl) <> 0
  ) c;
  return null;
end
$$;
create trigger count_changed_trades after update on public.trades
referencing old table as old_rows new table as new_rows
for each statement execute function private.count_changed_trades();
