-- The one way by which exchange keys leave the database: to a worker that has work on the account, one audit row each time.

-- Null when this secret does not open, so that its trader is told to save it again. Where Vault itself is out of order
-- the error goes on: that is no trader's fault, and what waits is tried again later.
create function private.open_secret(p_secret_id uuid) returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (select d.decrypted_secret from vault.decrypted_secrets d where d.id = p_secret_id);
exception
  when insufficient_resources or operator_intervention or system_error or object_not_in_prerequisite_state
    or syntax_error_or_access_rule_violation then
    raise;
  when others then
    raise warning 'secret % does not open (%)', p_secret_id, sqlstate;
    return null;
end
$$;

create function private.account_for_worker(p_account_id uuid) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'id', k.id, 'user_id', k.user_id, 'exchange', k.exchange, 'environment', k.environment,
      'key_version', k.key_version, 'status', k.status, 'form', k.form,
      'account_number', coalesce(k.account_id, k.found_account_id))
    from public.user_api_keys k
    where k.id = p_account_id
  );
end
$$;

-- Whether a worker holds a lease on anything of the account: a signal, a task or a comparison with the venue.
create function private.has_live_work(p_account_id uuid) returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  moment timestamptz := clock_timestamp();
begin
  return exists (
    select from private.reconciliations r where r.account_id = p_account_id and r.lease_until >= moment
  ) or exists (
    select from public.signals s
    where s.account_id = p_account_id and s.status = 'executing' and s.lease_until >= moment
  ) or exists (
    select from private.tasks t
    where t.account_id = p_account_id and t.state = 'running' and t.lease_until >= moment
  );
end
$$;

create function private.check_worker(p_worker text) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if coalesce(length(p_worker) not between 1 and 100, true) then
    raise exception 'a worker says its name, in 1 to 100 characters' using errcode = '22023';
  end if;
end
$$;

create function public.open_keys(p_worker text, p_account_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  opened record;
begin
  perform private.check_worker(p_worker);
  perform private.keep_trader((select k.user_id from public.user_api_keys k where k.id = p_account_id));
  -- One statement, so that version, form and secret are of one moment.
  select k.user_id, k.exchange, k.environment, k.form, k.key_version, private.open_secret(k.secret_id) as secret
  into opened
  from public.user_api_keys k
  where k.id = p_account_id and private.has_live_work(k.id);
  if not found then
    return jsonb_build_object('opened', false, 'reason', 'no_live_work');
  end if;
  if opened.secret is null then
    return jsonb_build_object('opened', false, 'reason', 'unreadable');
  end if;
  perform private.audit(opened.user_id, 'worker/' || p_worker, 'api_key.opened', p_account_id, jsonb_build_object(
    'exchange', opened.exchange, 'environment', opened.environment, 'form', opened.form,
    'key_version', opened.key_version));
  return jsonb_build_object(
    'opened', true, 'form', opened.form, 'secret', opened.secret, 'key_version', opened.key_version);
end
$$;
comment on function public.open_keys is 'The keys of an account on which a worker holds a lease, as they are stored; each opening is audited.';

create function public.reseal_keys(p_worker text, p_account_id uuid, p_key_version integer, p_sealed text)
returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  perform private.check_worker(p_worker);
  if not private.is_sealed(p_sealed) then
    raise exception 'plain keys are replaced by sealed ones only' using errcode = '22023';
  end if;
  perform private.keep_trader((select k.user_id from public.user_api_keys k where k.id = p_account_id));
  select * into account from public.user_api_keys k
  where k.id = p_account_id and k.key_version = p_key_version and k.form = 'plain' for update;
  if not found or not private.has_live_work(account.id) then
    return false;
  end if;
  perform vault.update_secret(account.secret_id, p_sealed);
  -- The same version: the content is the same, and whoever holds it opened may go on.
  update public.user_api_keys set form = 'sealed' where id = account.id;
  perform private.audit(account.user_id, 'worker/' || p_worker, 'api_key.resealed', account.id, jsonb_build_object(
    'exchange', account.exchange, 'environment', account.environment, 'key_version', account.key_version));
  return true;
end
$$;
comment on function public.reseal_keys is 'Replaces plain keys by the same keys sealed, if they are still those that the worker opened.';

-- A venue may give new keys for the old ones while a worker uses them. The version decides between two workers, and
-- between a worker and the trader: who stored first has won, and the other opens what is stored.
create function public.rotate_keys(p_worker text, p_account_id uuid, p_key_version integer, p_sealed text)
returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  perform private.check_worker(p_worker);
  if not private.is_sealed(p_sealed) then
    raise exception 'keys are replaced by sealed ones only' using errcode = '22023';
  end if;
  perform private.keep_trader((select k.user_id from public.user_api_keys k where k.id = p_account_id));
  select * into account from public.user_api_keys k
  where k.id = p_account_id and k.key_version = p_key_version for update;
  if not found or not private.has_live_work(account.id) then
    return null;
  end if;
  perform vault.update_secret(account.secret_id, p_sealed);
  update public.user_api_keys set form = 'sealed', key_version = key_version + 1 where id = account.id;
  perform private.audit(account.user_id, 'worker/' || p_worker, 'api_key.rotated', account.id, jsonb_build_object(
    'exchange', account.exchange, 'environment', account.environment, 'key_version', account.key_version + 1));
  return account.key_version + 1;
end
$$;
comment on function public.rotate_keys is 'Puts the keys that the venue gave in exchange in the place of those that the worker opened, and returns their version; null when others are stored by now or no work is live.';
