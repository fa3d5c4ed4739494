-- Accounts due for a comparison with their venue: leased like signals, so that workers share them.

create table private.reconciliations (
  account_id uuid primary key references public.user_api_keys (id) on delete cascade,
  due_at timestamptz not null default clock_timestamp(),
  fence bigint not null default 0,
  claimed_at timestamptz,
  lease_until timestamptz,
  checked_at timestamptz,
  -- What differed at the last comparison: told when it changes, not at every comparison.
  differences jsonb not null default '[]'
);
create index reconciliations_due on private.reconciliations (due_at);

create function private.schedule_reconciliation() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.reconciliations (account_id) values (new.id);
  return null;
end
$$;
create trigger schedule_reconciliation after insert on public.user_api_keys
for each row execute function private.schedule_reconciliation();

-- Orders that nobody executes any more and that are not known to have ended, and those that ended a moment ago with a fee
-- that the venue had not told yet. Not for longer: some venues never tell.
create function private.open_ends(p_account_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  with ends as materialized (
    select l.id from public.orders l
    where l.account_id = p_account_id and l.state in ('accepted', 'working', 'partially_filled')
    union
    (
      select f.order_id from public.fills f
      where f.account_id = p_account_id and f.fee is null and f.filled_at > clock_timestamp() - interval '15 minutes'
      order by f.filled_at desc limit 10
    )
  )
  select coalesce(jsonb_agg(
    private.order_for_worker(o) || jsonb_build_object(
      'unprotected', o.purpose = 'open' and jsonb_typeof(s.plan -> 'protection') = 'object')
    -- A worker that has not the time for all begins with those of which there was no news for longest.
    order by o.updated_at, o.id), '[]')
  from ends
  join public.orders o on o.id = ends.id
  join public.signals s on s.user_id = o.user_id and s.id = o.signal_id
  where s.status not in ('pending', 'executing')
$$;

create function private.held_positions(p_account_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'symbol', p.symbol, 'side', case p.side when 'BUY' then 'long' else 'short' end,
    'quantity', trim_scale(p.quantity)::text) order by p.symbol), '[]')
  from public.positions p
  join public.user_api_keys k on k.user_id = p.user_id and k.id = p.account_id
  where k.id = p_account_id
$$;

create function public.claim_accounts(p_worker text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  answer jsonb;
begin
  perform private.check_claim(p_worker, p_limit, p_lease_seconds);
  with due as materialized (
    select r.account_id from private.reconciliations r
    where r.due_at <= clock_timestamp() and coalesce(r.lease_until, '-infinity') < clock_timestamp()
    order by r.due_at
    limit p_limit
    for update skip locked
  ), claimed as (
    update private.reconciliations r set
      fence = r.fence + 1, claimed_at = clock_timestamp(),
      lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from due where r.account_id = due.account_id
    returning r.account_id, r.fence
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'fence', c.fence, 'account', private.account_for_worker(c.account_id),
    'orders', private.open_ends(c.account_id), 'positions', private.held_positions(c.account_id))), '[]')
  into answer
  from claimed c;
  return answer;
end
$$;
comment on function public.claim_accounts is 'Up to p_limit accounts due for a comparison with their venue, with our open ends and positions.';

create function private.notify_of_differences(p_account public.user_api_keys, p_differences jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  data jsonb := jsonb_build_object('account_id', p_account.id, 'exchange', p_account.exchange);
begin
  if p_differences = '[]' then
    perform private.notify(p_account.user_id, 'account_differs', 'info',
      format('%s agrees with our record again', p_account.label), '', data);
    return;
  end if;
  perform private.notify(
    p_account.user_id, 'account_differs', 'warning', format('%s differs from our record', p_account.label),
    (select string_agg(format('%s: we have %s, the venue has %s.', d ->> 'symbol', d ->> 'ours', d ->> 'venue'), ' ')
    from (select d from jsonb_array_elements(p_differences) d limit 20) shown), data);
end
$$;

-- One result: {"account_id","fence","news":[{"signal_id",…as for an order…}],"differences":[{"symbol","ours","venue"}] or
-- null when the venue could not be asked,"keys_refused","due_in_seconds"}. Symbols that were traded since the claim are left out: what differs there may be the trade.
create function private.finish_account(p_result jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  account public.user_api_keys;
  held private.reconciliations;
  differing jsonb;
begin
  perform private.keep_trader((
    select k.user_id from public.user_api_keys k where k.id = (p_result ->> 'account_id')::uuid));
  select * into account from public.user_api_keys k where k.id = (p_result ->> 'account_id')::uuid for key share;
  select * into held from private.reconciliations r
  where r.account_id = account.id and r.fence = (p_result ->> 'fence')::bigint and r.lease_until is not null
  for update;
  if held.account_id is null then
    return jsonb_build_object('account_id', p_result -> 'account_id', 'ok', false);
  end if;
  perform private.record_late_order(s, n)
  from jsonb_array_elements(coalesce(p_result -> 'news', '[]')) n
  join public.signals s on s.user_id = account.user_id and s.id = (n ->> 'signal_id')::uuid
    and s.account_id = account.id and s.status not in ('pending', 'executing');
  select coalesce(jsonb_agg(d order by d ->> 'symbol'), '[]') into differing
  from jsonb_array_elements(case jsonb_typeof(p_result -> 'differences') when 'array' then p_result -> 'differences'
    else '[]' end) d
  where not exists (
    select from public.signals s
    where s.lane = account.id::text || '/' || (d ->> 'symbol')
      and (s.status = 'executing' or s.finished_at >= held.claimed_at)
  );
  if p_result ->> 'differences' is null then
    -- The venue could not be asked, which says nothing.
    differing := held.differences;
  end if;
  if differing <> held.differences then
    perform private.audit(account.user_id, 'worker', 'account.compared', account.id,
      jsonb_build_object('differences', differing));
    perform private.notify_of_differences(account, differing);
  end if;
  perform private.expire_keys(account.id, account.status);
  -- A validation tells the trader; one that waits or runs will.
  if coalesce((p_result ->> 'keys_refused')::boolean, false) and account.status = 'valid' and not exists (
    select from private.tasks t
    where t.account_id = account.id and t.kind = 'validate_key' and t.state in ('pending', 'running')
  ) then
    perform private.enqueue_task('validate_key', account.user_id, account.id, '{}');
  end if;
  update private.reconciliations set
    differences = differing, checked_at = clock_timestamp(), lease_until = null,
    due_at = clock_timestamp() + make_interval(secs => (p_result ->> 'due_in_seconds')::numeric::float8)
  where account_id = account.id;
  return jsonb_build_object('account_id', account.id, 'ok', true);
exception
  -- One result that does not fit must not undo the others of the same call.
  when data_exception or integrity_constraint_violation or no_data_found or program_limit_exceeded then
    return jsonb_build_object(
      'account_id', p_result -> 'account_id', 'ok', false, 'error', sqlerrm, 'sqlstate', sqlstate);
end
$$;

create function public.finish_accounts(p_results jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.keep_batch(
    private.ids_in(p_results, '$[*].news[*].signal_id'), private.ids_in(p_results, '$[*].account_id'),
    p_results @? '$[*].news[*].fills[*]');
  perform private.keep_orders(private.ids_in(p_results, '$[*].news[*].signal_id'));
  return (
    select coalesce(jsonb_agg(private.finish_account(r) order by n), '[]')
    from jsonb_array_elements(p_results) with ordinality as results (r, n)
  );
end
$$;
comment on function public.finish_accounts is 'Records what comparisons found, where their lease is still held: news of open orders, and differences, told when they change.';
