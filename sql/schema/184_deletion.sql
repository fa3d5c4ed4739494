-- A trader leaves. Rows and secrets go by the cascade of auth.users, whoever deletes him there; a large account goes in
-- batches before it, so that no statement runs for minutes. The audit log keeps its rows under his pseudonym.

-- Stripe's events name him too. Before the deletion, because his subscription still tells which customer he is.
create function private.forget_stripe_events() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  customers text[] := array(
    select s.stripe_customer_id from public.subscriptions s
    where s.user_id = old.id and s.stripe_customer_id is not null);
begin
  delete from private.stripe_events e
  where e.payload #>> '{data,object,metadata,user_id}' = old.id::text
    or e.payload #>> '{data,object,customer}' = any (customers)
    or e.payload #>> '{data,object,id}' = any (customers);
  return old;
end
$$;
create trigger sparky_forget_payments before delete on auth.users
for each row execute function private.forget_stripe_events();

-- Whether a trader has more rows than one statement should delete.
create function private.is_large_account(p_user_id uuid, p_rows integer) returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select count(*) > p_rows from (
      (select 1 from public.signals s where s.user_id = p_user_id limit p_rows + 1)
      union all (select 1 from public.fills f where f.user_id = p_user_id limit p_rows + 1)
      union all (select 1 from public.trades t where t.user_id = p_user_id limit p_rows + 1)
      union all (select 1 from public.notifications n where n.user_id = p_user_id limit p_rows + 1)
      union all (select 1 from public.audit_log a where a.user_id = p_user_id limit p_rows + 1)
    ) counted);
end
$$;

-- Nothing arrives, nothing waits and no key can be opened from here on. What a worker has in flight it may still end.
create function private.close_account(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from private.webhook_credentials c using public.user_webhook_configs w
  where w.id = c.webhook_id and w.user_id = p_user_id;
  delete from vault.secrets v where v.id in (
    select k.secret_id from public.user_api_keys k where k.user_id = p_user_id
    union all select w.secret_id from public.user_webhook_configs w where w.user_id = p_user_id);
  update public.signals set
    status = 'failed', reason_code = 'no_account', finished_at = clock_timestamp(), fence = fence + 1,
    reason = 'The trader asked for his account to be deleted before this alert was executed.'
  where user_id = p_user_id and status = 'pending';
end
$$;

create function public.delete_my_account(p_confirm text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  address text;
begin
  -- First of all locks: that is where every other transaction that writes his rows begins.
  select u.email::text into address from auth.users u where u.id = trader for update;
  if not found then
    raise exception 'this account is deleted already' using errcode = '42501', hint = 'sign out';
  end if;
  if lower(btrim(p_confirm)) is distinct from lower(coalesce(address, trader::text)) then
    raise exception 'to delete the account, confirm with the e-mail address that you sign in with'
    using errcode = '22023', hint = 'nothing was deleted';
  end if;
  if exists (select from public.user_profiles p where p.id = trader and p.deletion_requested_at is not null) then
    -- A task that was given up is begun anew by whoever asks again.
    if not exists (
      select from private.tasks t
      where t.kind = 'delete_account' and t.state in ('pending', 'running') and t.payload ->> 'user_id' = trader::text
    ) then
      perform private.enqueue_task('delete_account', null, null, jsonb_build_object('user_id', trader));
    end if;
    return jsonb_build_object('status', 'deleting');
  end if;
  if not private.is_large_account(trader, 2000) then
    perform private.audit(trader, 'trader', 'account.deleted', null, '{}');
    delete from auth.users where id = trader;
    return jsonb_build_object('status', 'deleted');
  end if;
  insert into public.user_profiles (id, deletion_requested_at) values (trader, clock_timestamp())
  on conflict (id) do update set deletion_requested_at = excluded.deletion_requested_at;
  perform private.close_account(trader);
  perform private.audit(trader, 'trader', 'account.deletion_requested', null, '{}');
  -- Not the task's own user_id: it would go with the last batch while its worker still holds it.
  perform private.enqueue_task('delete_account', null, null, jsonb_build_object('user_id', trader));
  return jsonb_build_object('status', 'deleting');
end
$$;
comment on function public.delete_my_account is 'Deletes the caller, his rows and his secrets. p_confirm is his e-mail address. Large accounts answer "deleting" and go in batches.';

-- Up to p_limit rows of one table; 0 when there is none left.
create function private.delete_rows_of(p_relation regclass, p_user_id uuid, p_limit integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  removed integer;
begin
  execute format(
    'delete from %1$s where ctid = any (array(select ctid from %1$s where user_id = $1 limit $2))', p_relation)
  using p_user_id, p_limit;
  get diagnostics removed = row_count;
  return removed;
end
$$;

-- One batch of a large account; true while there is more. The tables that grow, in an order in which no row refers to one
-- that is gone; what is left is little, and goes with the trader himself.
create function private.delete_account_batch(p_task private.tasks, p_limit integer) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  trader uuid := (p_task.payload ->> 'user_id')::uuid;
  relation regclass;
begin
  perform from auth.users u where u.id = trader for update;
  if not found then
    update private.tasks set payload = '{}' where id = p_task.id;
    return false;
  end if;
  foreach relation in array array[
    'public.fills', 'public.trades', 'public.option_trades', 'public.orders', 'private.alert_keys', 'public.signals',
    'public.notifications', 'public.usage_logs'
  ]::regclass[] loop
    if private.delete_rows_of(relation, trader, p_limit) > 0 then
      return true;
    end if;
  end loop;
  delete from private.paper_orders where id in (
    select o.id from private.paper_orders o
    join private.paper_accounts b on b.id = o.paper_account_id
    join public.user_api_keys k on k.id = b.account_id
    where k.user_id = trader limit p_limit);
  if found then
    return true;
  end if;
  -- Up to a megabyte each.
  delete from private.export_parts where (export_id, part) in (
    select p.export_id, p.part from private.export_parts p
    join public.data_exports d on d.id = p.export_id
    where d.user_id = trader limit ceil(p_limit / 20.0));
  if found then
    return true;
  end if;
  update public.audit_log set user_id = null where id in (
    select a.id from public.audit_log a where a.user_id = trader limit p_limit);
  if found then
    return true;
  end if;
  perform private.audit(trader, 'database', 'account.deleted', null, '{}');
  delete from auth.users where id = trader;
  update private.tasks set payload = '{}' where id = p_task.id;
  return false;
end
$$;
