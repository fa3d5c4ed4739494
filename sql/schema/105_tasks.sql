-- A small durable queue for work that is not an alert. Some kinds the worker does itself, the others the database does in
-- small batches while a worker keeps calling work_task (188_task_batches.sql).

create table private.tasks (
  id bigint generated always as identity primary key,
  kind text not null check (
    kind in (
      'validate_key', 'seal_audit', 'retention', 'retire_audit', 'export_data', 'delete_account', 'provision_trader'
    )
  ),
  user_id uuid references auth.users (id) on delete cascade,
  account_id uuid references public.user_api_keys (id) on delete cascade,
  payload jsonb not null default '{}',
  state text not null default 'pending' check (state in ('pending', 'running', 'done', 'dead')),
  run_at timestamptz not null default now(),
  attempt integer not null default 0,
  fence bigint not null default 0,
  lease_until timestamptz,
  last_error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  check ((state = 'running') = (lease_until is not null))
);
create index tasks_due on private.tasks (run_at) where state = 'pending';
create index tasks_lease on private.tasks (lease_until) where state = 'running';
create index tasks_user on private.tasks (user_id);
create index tasks_account on private.tasks (account_id);
create index tasks_finished on private.tasks (finished_at) where finished_at is not null;
-- Of a periodic kind one at most waits or runs, however slow it is.
create unique index tasks_one_periodic on private.tasks (kind)
where kind in ('seal_audit', 'retention', 'retire_audit') and state in ('pending', 'running');

create table private.periodic_tasks (
  kind text primary key check (kind in ('seal_audit', 'retention', 'retire_audit')),
  every interval not null check (every > interval '0'),
  next_run_at timestamptz not null default now()
);
insert into private.periodic_tasks (kind, every) values
('seal_audit', '1 minute'), ('retention', '1 hour'), ('retire_audit', '1 day');

-- Called by each claim: whoever comes first after the time enqueues it, the others pass.
create function private.enqueue_periodic(p_now timestamptz) returns void
language plpgsql
set search_path = ''
as $$
begin
  if not exists (select from private.periodic_tasks p where p.next_run_at <= p_now) then
    return;
  end if;
  with due as materialized (
    select p.kind from private.periodic_tasks p where p.next_run_at <= p_now for update skip locked
  ), advanced as (
    update private.periodic_tasks p set next_run_at = p_now + p.every from due where p.kind = due.kind
    returning p.kind
  )
  insert into private.tasks (kind) select a.kind from advanced a
  on conflict (kind) where kind in ('seal_audit', 'retention', 'retire_audit') and state in ('pending', 'running') do nothing;
end
$$;

create function private.enqueue_task(p_kind text, p_user_id uuid, p_account_id uuid, p_payload jsonb) returns bigint
language sql
set search_path = ''
as $$
  insert into private.tasks (kind, user_id, account_id, payload)
  values (p_kind, p_user_id, p_account_id, p_payload)
  returning id
$$;

-- What every claim must say, of signals and of tasks.
create function private.check_claim(p_worker text, p_limit integer, p_lease_seconds integer) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if coalesce(length(p_worker) not between 1 and 100, true) or coalesce(p_limit not between 1 and 500, true)
    or coalesce(p_lease_seconds not between 1 and 600, true) then
    raise exception 'a claim needs a worker''s name, a limit of 1 to 500 and a lease of 1 to 600 seconds'
    using errcode = '22023';
  end if;
end
$$;

-- A task whose workers never lived to finish it is a dead letter too.
create function private.bury_hopeless_tasks(p_now timestamptz) returns void
language sql
set search_path = ''
as $$
  update private.tasks set
    state = 'dead', lease_until = null, finished_at = p_now, fence = fence + 1,
    last_error = 'begun ten times and never finished'
  where id in (
    select id from private.tasks where state = 'running' and lease_until < p_now and attempt >= 10
    for update skip locked
  )
$$;

create function public.claim_tasks(p_worker text, p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  moment timestamptz := clock_timestamp();
  answer jsonb;
begin
  perform private.check_claim(p_worker, p_limit, p_lease_seconds);
  perform private.bury_hopeless_tasks(moment);
  perform private.enqueue_periodic(moment);
  -- Two lists, because one condition over both states could use neither partial index.
  with due as materialized (
    select t.id, t.run_at from private.tasks t
    where t.state = 'pending' and t.run_at <= moment
    order by t.run_at
    limit p_limit
    for update skip locked
  ), abandoned as materialized (
    select t.id, t.run_at from private.tasks t
    where t.state = 'running' and t.lease_until < moment
    order by t.lease_until
    limit p_limit
    for update skip locked
  ), chosen as materialized (
    select c.id from (select * from due union all select * from abandoned) c order by c.run_at, c.id limit p_limit
  ), claimed as (
    update private.tasks t set
      state = 'running', attempt = t.attempt + 1, fence = t.fence + 1,
      lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from chosen where t.id = chosen.id
    returning t.*
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'task_id', c.id, 'kind', c.kind, 'fence', c.fence, 'attempt', c.attempt, 'payload', c.payload,
    'user_id', c.user_id, 'account', private.account_for_worker(c.account_id)
  ) order by c.id), '[]') into answer
  from claimed c;
  return answer;
end
$$;
comment on function public.claim_tasks is 'Up to p_limit due tasks, leased to the worker.';

-- Tells a trader once that his keys do not serve any more.
create function private.notify_of_keys(p_account public.user_api_keys) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.notify(
    p_account.user_id, 'keys_' || p_account.status, 'critical',
    format('The keys of %s are %s: alerts for it cannot be executed', p_account.label, p_account.status),
    p_account.status_reason, jsonb_build_object('account_id', p_account.id, 'exchange', p_account.exchange));
end
$$;

-- Keys whose time the venue has told are expired after it, whether or not anybody asks the venue again.
-- p_known is the status that its owner has been told.
create function private.expire_keys(p_account_id uuid, p_known text) returns void
language plpgsql
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  update public.user_api_keys set
    status = 'expired',
    status_reason = 'The keys ended at the venue on ' || to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
      || ' UTC: make new ones there and save them.'
  where id = p_account_id and status = 'valid' and expires_at <= clock_timestamp()
  returning * into account;
  if found and p_known <> 'expired' then
    perform private.audit(account.user_id, 'worker', 'api_key.expired', account.id,
      jsonb_build_object('expires_at', account.expires_at));
    perform private.notify_of_keys(account);
  end if;
end
$$;

-- A list of texts, cut to what a row should hold.
create function private.short_texts(p_texts jsonb) returns text[]
language sql
immutable
set search_path = ''
as $$
  select array(
    select left(t.words, 500) from jsonb_array_elements_text(coalesce(nullif(p_texts, 'null'), '[]'))
    with ordinality as t (words, n) order by t.n limit 20
  )
$$;

-- What a validation found out about an account, unless its keys were replaced meanwhile: those have a task of their own.
create function private.record_validation(p_task private.tasks, p_result jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  account public.user_api_keys;
  known text := (select k.status from public.user_api_keys k where k.id = p_task.account_id);
  accepted boolean := p_result ->> 'account_status' = 'valid';
begin
  update public.user_api_keys set
    status = p_result ->> 'account_status', status_reason = left(p_result ->> 'status_reason', 2000),
    validated_at = clock_timestamp(),
    -- Keys that the venue does not accept tell nothing new about themselves.
    permissions = case when accepted then private.short_texts(p_result -> 'permissions') else permissions end,
    notes = case when accepted then private.short_texts(p_result -> 'notes') else notes end,
    expires_at = case when accepted then (p_result ->> 'expires_at')::timestamptz else expires_at end,
    found_account_id = case
      when account_id is null and length(p_result ->> 'account_number') between 1 and 100
        then p_result ->> 'account_number'
      else found_account_id
    end
  where id = p_task.account_id
    and not exists (
      select from private.tasks later
      where later.account_id = p_task.account_id and later.kind = 'validate_key' and later.id > p_task.id
    )
  returning * into account;
  if not found then
    return;
  end if;
  perform private.audit(account.user_id, 'worker', 'api_key.validated', account.id,
    -- Not the venue's words: what they name, nobody knows, and the log is for ever.
    jsonb_build_object('status', account.status));
  -- Told once, not after each test that finds the same.
  if account.status in ('invalid', 'expired') and account.status <> known then
    perform private.notify_of_keys(account);
  end if;
  perform private.expire_keys(account.id, known);
end
$$;

-- One result: {"task_id","fence","ok","again","error","retry_in_seconds","account_status","status_reason"}, and of keys that
-- the venue accepts {"account_number","permissions":[…],"expires_at","notes":[…]}. "again" gives back a task that goes well
-- and is not at its end yet, so that others get their turn.
create function private.finish_task(p_result jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  task private.tasks;
  succeeded boolean;
  again boolean;
  dead boolean;
begin
  succeeded := coalesce((p_result ->> 'ok')::boolean, false);
  again := succeeded and coalesce((p_result ->> 'again')::boolean, false);
  perform private.keep_trader((select t.user_id from private.tasks t where t.id = (p_result ->> 'task_id')::bigint));
  -- The account before the task: in this order the deletion of an account takes them too. With the account locked,
  -- no task for newer keys can appear unseen.
  perform from public.user_api_keys k
  where k.id = (select t.account_id from private.tasks t where t.id = (p_result ->> 'task_id')::bigint)
  for no key update;
  select * into task from private.tasks
  where id = (p_result ->> 'task_id')::bigint and fence = (p_result ->> 'fence')::bigint and state = 'running'
  for update;
  if not found then
    return jsonb_build_object('task_id', p_result -> 'task_id', 'ok', false);
  end if;
  -- After ten attempts a person has to look.
  dead := not succeeded and (task.attempt >= 10 or p_result ->> 'retry_in_seconds' is null);
  update private.tasks set
    state = case when again then 'pending' when succeeded then 'done' when dead then 'dead' else 'pending' end,
    attempt = case when again then 0 else attempt end,
    run_at = clock_timestamp() + make_interval(secs => coalesce((p_result ->> 'retry_in_seconds')::numeric, 0)::float8),
    last_error = left(p_result ->> 'error', 2000),
    lease_until = null,
    finished_at = case when (succeeded and not again) or dead then clock_timestamp() end
  where id = task.id;
  if task.kind = 'validate_key' and p_result ->> 'account_status' is not null then
    perform private.record_validation(task, p_result);
  end if;
  return jsonb_build_object('task_id', p_result -> 'task_id', 'ok', true);
exception
  -- One result that does not fit must not undo the others of the same call.
  when data_exception or integrity_constraint_violation or program_limit_exceeded then
    return jsonb_build_object('task_id', p_result -> 'task_id', 'ok', false, 'error', sqlerrm, 'sqlstate', sqlstate);
end
$$;

create function public.finish_tasks(p_results jsonb) returns jsonb
language sql
security definer
set search_path = ''
as $$
  select coalesce(jsonb_agg(private.finish_task(r) order by n), '[]')
  from jsonb_array_elements(p_results) with ordinality as results (r, n)
$$;
comment on function public.finish_tasks is 'Records results of tasks whose lease is still held; the rest answer false.';
