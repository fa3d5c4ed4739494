-- The kinds of tasks that the database does itself. A worker calls work_task until there is no more; each call is one
-- small batch in a transaction of its own, so that nothing holds locks for long and a crash repeats one batch at most.

-- True when there is more to do.
create function private.work_batch(p_task private.tasks) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  case p_task.kind
    when 'seal_audit' then
      return private.seal_audit(1000) = 1000;
    when 'provision_trader' then
      perform private.provision_trader(p_task.user_id);
      return false;
    when 'export_data' then
      return private.export_batch((p_task.payload ->> 'export_id')::uuid);
    when 'retention' then
      return private.retention_batch(1000);
    when 'retire_audit' then
      return private.retire_audit_batch(1000);
    when 'delete_account' then
      return private.delete_account_batch(p_task, 1000);
    else
      raise exception 'tasks of kind % are not done in the database', p_task.kind using errcode = '0A000';
  end case;
end
$$;

create function public.work_task(p_task_id bigint, p_fence bigint) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  task private.tasks;
  more boolean;
begin
  perform private.keep_trader((select t.user_id from private.tasks t where t.id = p_task_id));
  update private.tasks t set lease_until = greatest(t.lease_until, clock_timestamp() + interval '60 seconds')
  where t.id = p_task_id and t.fence = p_fence and t.state = 'running'
  returning t.* into task;
  if not found then
    return jsonb_build_object('ok', false, 'more', false);
  end if;
  begin
    more := private.work_batch(task);
  exception when others then
    -- Told in the answer, because it belongs in the task's row; what the batch did is undone.
    return jsonb_build_object('ok', true, 'more', false, 'error', format('%s (%s)', sqlerrm, sqlstate));
  end;
  return jsonb_build_object('ok', true, 'more', more);
end
$$;
comment on function public.work_task is 'Does one small batch of a task that the database does itself. Not ok: the lease is not the caller''s any more.';
