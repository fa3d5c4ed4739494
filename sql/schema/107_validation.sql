-- A trader has the keys of an account tested now.

create function public.request_validation(p_account_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  account public.user_api_keys;
  waiting private.tasks;
  task bigint;
begin
  perform private.keep_trader(trader);
  select * into account from public.user_api_keys k
  where k.id = p_account_id and k.user_id = trader for no key update;
  if not found then
    raise exception 'you have no account of this id' using errcode = 'PT404', hint = 'list_api_keys() names your accounts';
  end if;
  select * into waiting from private.tasks t
  where t.account_id = account.id and t.kind = 'validate_key' and t.state in ('pending', 'running')
  order by t.id desc limit 1;
  if waiting.state = 'running' or waiting.run_at <= now() then
    return jsonb_build_object('task_id', waiting.id, 'queued', false);
  end if;
  if account.last_tested between now() - interval '10 seconds' and now() then
    raise exception 'these keys were tested less than 10 seconds ago'
    using errcode = 'PT429', hint = 'wait 10 seconds; the result shows in status and status_reason';
  end if;
  -- One that waits for a later time is brought forward: a second one would only do the same again.
  update private.tasks t set run_at = now() where t.id = waiting.id and t.state = 'pending' returning t.id into task;
  task := coalesce(task, private.enqueue_task('validate_key', trader, account.id, '{}'));
  update public.user_api_keys set last_tested = now() where id = account.id;
  return jsonb_build_object('task_id', task, 'queued', true);
end
$$;
comment on function public.request_validation is 'Has the keys of one of the caller''s accounts tested at once; the result shows in its status.';
