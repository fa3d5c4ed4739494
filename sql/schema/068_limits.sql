-- How many exchanges and strategies a plan allows. Nothing is taken away by a smaller plan: what is over the limit, the
-- newest first, takes no new entries and is not edited. It may always be closed, deactivated and deleted.

create function private.exchanges_in_words(p_number integer) returns text
language sql
immutable
set search_path = ''
as $$
  select p_number::text || case p_number when 1 then ' exchange' else ' exchanges' end || ' beside paper'
$$;

-- Refuses what would be number p_place of what p_limit counts, while the trader has p_used of them.
create function private.check_plan_limit(p_user_id uuid, p_limit text, p_place integer, p_used integer) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  plan record;
  allowed integer;
  noun text;
begin
  select * into plan from private.current_plan(p_user_id);
  allowed := case p_limit when 'max_exchanges' then plan.max_exchanges else plan.max_strategies end;
  -- No plan at all, because an operator renamed or removed Free, is not a plan without limits.
  if plan.plan is null then
    allowed := 0;
  end if;
  if p_place > allowed then
    noun := case
      when p_limit = 'max_exchanges' then private.exchanges_in_words(allowed)
      else allowed::text || case allowed when 1 then ' active strategy' else ' active strategies' end
    end;
    -- PostgREST answers PTnnn with the status nnn: 402, payment required.
    raise exception 'Your plan % allows %, and you have %.', coalesce(plan.plan, 'Free'), noun, p_used
    using errcode = 'PT402',
      detail = json_build_object(
        'limit', p_limit, 'allowed', allowed, 'used', p_used, 'plan', coalesce(plan.plan, 'Free'), 'resets_at', null)::text,
      hint = case p_limit
        when 'max_exchanges' then 'Delete the keys of an exchange that you do not use, or book a larger plan.'
        else 'Deactivate or delete a strategy that you do not use, or book a larger plan.'
      end;
  end if;
end
$$;

-- Puts the changes that a limit counts in order, for one trader and no other.
create function private.lock_plan(p_user_id uuid, p_inserting boolean) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Before the lock of the plan, or the foreign key asks for the trader after it, while his deletion waits for a row
  -- whose update waits for this lock. An update holds its row already and must not ask.
  if p_inserting then
    perform private.keep_trader(p_user_id);
  end if;
  perform pg_advisory_xact_lock(hashtextextended('plan/' || p_user_id::text, 0));
end
$$;

-- A trader's exchanges, oldest first. Paper is no exchange that a plan counts.
create function private.exchanges_in_order(p_user_id uuid) returns text[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(array_agg(e.exchange order by e.since, e.exchange), '{}')
    from (
      select k.exchange, min(k.created_at) as since from public.user_api_keys k
      where k.user_id = p_user_id and k.exchange <> 'paper'
      group by k.exchange
    ) e
  );
end
$$;

create function private.limit_exchanges() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  exchanges text[];
begin
  perform private.lock_plan(new.user_id, tg_op = 'INSERT');
  exchanges := private.exchanges_in_order(new.user_id);
  -- A second account of an exchange that is over the limit is over it too.
  perform private.check_plan_limit(new.user_id, 'max_exchanges',
    coalesce(array_position(exchanges, new.exchange), cardinality(exchanges) + 1), cardinality(exchanges));
  return new;
end
$$;
create trigger limit_exchanges before insert or update of user_id, exchange on public.user_api_keys
for each row when (new.exchange <> 'paper') execute function private.limit_exchanges();

-- Why an account takes no new entries under the plan; null when it does. Asked with each entry.
create function private.account_over_limit(p_account public.user_api_keys) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  plan record;
begin
  if p_account.exchange = 'paper' then
    return null;
  end if;
  select * into plan from private.current_plan(p_account.user_id);
  if plan.plan is not null and plan.max_exchanges is null
    or array_position(private.exchanges_in_order(p_account.user_id), p_account.exchange) <= plan.max_exchanges then
    return null;
  end if;
  return format('Your plan %s allows %s, and %s is beyond that: it takes no new entries. Exits still pass. Delete the '
    'keys of another exchange or book a larger plan.',
    coalesce(plan.plan, 'Free'), private.exchanges_in_words(coalesce(plan.max_exchanges, 0)), p_account.exchange);
end
$$;

create function private.limit_strategies() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  used integer;
begin
  -- Row-level security refuses this row after the trigger: nothing of another trader may be told or locked before.
  if current_setting('role', true) = 'authenticated' and auth.uid() is distinct from new.user_id then
    return new;
  end if;
  perform private.lock_plan(new.user_id, tg_op = 'INSERT');
  select count(*)::integer into used from public.strategies s
  where s.user_id = new.user_id and s.status = 'active' and s.id <> new.id;
  perform private.check_plan_limit(new.user_id, 'max_strategies', used + 1, used);
  return new;
end
$$;
create trigger limit_active_insert before insert on public.strategies
for each row when (new.status = 'active') execute function private.limit_strategies();
create trigger limit_active_update before update of user_id, status on public.strategies
for each row when (new.status = 'active' and (old.status is distinct from 'active' or old.user_id <> new.user_id))
execute function private.limit_strategies();

-- The active strategies that the plan does not cover.
create function private.strategies_over_limit(p_user_id uuid) returns setof public.strategies
language plpgsql
stable
set search_path = ''
as $$
declare
  plan record;
begin
  select * into plan from private.current_plan(p_user_id);
  if plan.plan is not null and plan.max_strategies is null then
    return;
  end if;
  return query
  select s.* from public.strategies s
  where s.user_id = p_user_id and s.status = 'active'
  order by s.created_at, s.id
  offset coalesce(plan.max_strategies, 0);
end
$$;

create function private.keep_over_limit_as_it_is() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  used integer;
begin
  if exists (select from private.strategies_over_limit(old.user_id) o where o.id = old.id) then
    select count(*)::integer into used from public.strategies s where s.user_id = old.user_id and s.status = 'active';
    perform private.check_plan_limit(old.user_id, 'max_strategies', used, used);
  end if;
  return new;
end
$$;
-- Not status, so that it can be deactivated, and not the counters, which follow its trades.
create trigger keep_over_limit_as_it_is before update of
name, description, asset_class, pine_script, pine_script_version, risk_level, max_position_size_usd, stop_loss_percent,
take_profit_percent, exchange, environment, position_size_percent, timeframe, symbols, notes
on public.strategies
for each row when (old.status = 'active' and new.status = 'active')
execute function private.keep_over_limit_as_it_is();
