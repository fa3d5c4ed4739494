-- Saving exchange keys, in two forms. Sealed where they were typed, which is how new clients do it, or plain from the
-- dashboard's form: those go into Vault at once, and the first worker that opens them seals them.

-- What a venue asks for, where the saver of sealed keys does not name what is inside.
create function private.usual_secret_fields(p_exchange text) returns text[]
language sql
immutable
set search_path = ''
as $$
  select case when p_exchange in ('oanda', 'tradier', 'paper') then array['api_key'] else array['api_key', 'api_secret'] end
$$;

-- Two first saves at once must not leave a secret that no account names.
create function private.lock_account(p_user_id uuid, p_exchange text, p_environment text) returns public.user_api_keys
language plpgsql
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  perform private.keep_trader(p_user_id);
  perform pg_advisory_xact_lock(hashtextextended('save_api_key/' || p_user_id::text, 0));
  select * into account from public.user_api_keys k
  where k.user_id = p_user_id and k.exchange = p_exchange and k.environment = p_environment for update;
  return account;
end
$$;

-- In the place of one that waits: however often a trader saves, the others' validations wait for one of his.
create function private.validate_anew(p_user_id uuid, p_account uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from private.tasks t where t.account_id = p_account and t.kind = 'validate_key' and t.state = 'pending';
  perform private.enqueue_task('validate_key', p_user_id, p_account, '{}');
end
$$;

-- Puts a secret into Vault, under the account that is there or under a new one, and has it validated.
create function private.store_keys(
  p_found public.user_api_keys, p_user_id uuid, p_exchange text, p_environment text, p_label text,
  p_form text, p_secret text, p_fields text[], p_hint text
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  account uuid := coalesce(p_found.id, gen_random_uuid());
  secret uuid;
begin
  if p_found.id is not null then
    perform vault.update_secret(p_found.secret_id, p_secret);
    update public.user_api_keys set
      label = coalesce(p_label, label), hint = p_hint, form = p_form, secret_fields = p_fields,
      key_version = key_version + 1, status = 'pending', status_reason = null,
      -- All of it was said of the keys that were there.
      found_account_id = null, permissions = '{}', notes = '{}', expires_at = null
    where id = account;
  else
    secret := vault.create_secret(p_secret, 'api_key/' || account::text);
    insert into public.user_api_keys (id, user_id, exchange, environment, label, secret_id, hint, form, secret_fields)
    values (
      account, p_user_id, p_exchange, p_environment, coalesce(p_label, p_exchange), secret, p_hint, p_form, p_fields);
  end if;
  perform private.validate_anew(p_user_id, account);
  perform private.audit(
    p_user_id, case when private.caller_is_server() then 'dashboard' else 'trader' end, 'api_key.saved', account,
    jsonb_build_object('exchange', p_exchange, 'environment', p_environment, 'form', p_form));
  return account;
end
$$;

create function private.is_sealed(p_text text) returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(length(p_text) between 90 and 20000 and p_text ~ '^sparky1\.[0-9a-f]{16}\.[A-Za-z0-9_-]+$', false)
$$;

create function public.save_api_key(
  p_exchange text, p_environment text, p_label text, p_sealed text, p_hint text default null,
  p_fields text[] default null, p_account_id text default null
) returns uuid
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  account uuid;
begin
  if not private.is_sealed(p_sealed) then
    raise exception 'keys must be sealed to the worker before they are saved'
    using errcode = '22023', hint = 'docs/sealing.md shows how a browser seals them';
  end if;
  account := private.store_keys(
    private.lock_account(trader, p_exchange, p_environment), trader, p_exchange, p_environment, p_label,
    'sealed', p_sealed, coalesce(nullif(p_fields, '{}'), private.usual_secret_fields(p_exchange)), p_hint);
  if p_account_id is not null then
    update public.user_api_keys set account_id = nullif(p_account_id, '') where id = account;
  end if;
  return account;
end
$$;
comment on function public.save_api_key is 'Saves or replaces the caller''s sealed keys for one venue and environment; returns the account id.';

-- The values of a form that are there: null, absent and empty mean that the stored value stays.
create function private.given_secrets(p_secrets jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  said jsonb := coalesce(nullif(p_secrets, 'null'), '{}');
  given jsonb;
begin
  if jsonb_typeof(said) <> 'object' then
    raise exception 'secrets come as an object of texts' using errcode = '22023';
  end if;
  -- No value in any message: it is a secret.
  if exists (
    select from jsonb_each(said) e
    where e.key not in ('api_key', 'api_secret', 'passphrase', 'username', 'password')
      or jsonb_typeof(e.value) not in ('string', 'null') or length(e.value #>> '{}') > 4096
  ) then
    raise exception 'a secret is a text of at most 4096 characters'
    using errcode = '22023', hint = 'there are api_key, api_secret, passphrase, username and password';
  end if;
  select coalesce(jsonb_object_agg(e.key, e.value), '{}') into given from jsonb_each_text(said) e where e.value <> '';
  return given;
end
$$;

-- What is stored with the new values put over it. A sealed secret cannot be read here, so it has to be given whole.
create function private.merge_secrets(p_account public.user_api_keys, p_given jsonb) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  stored text := case when p_account.form = 'plain' then private.open_secret(p_account.secret_id) end;
begin
  if stored is not null then
    return stored::jsonb || p_given;
  end if;
  if not p_given ?& p_account.secret_fields then
    raise exception 'the saved keys are sealed; enter all of them again: %', array_to_string(p_account.secret_fields, ', ')
    using errcode = '22023', hint = 'sealed keys cannot be read here, so one of them cannot be changed alone';
  end if;
  return p_given;
end
$$;

-- Null and absent leave what is stored, an empty text clears it.
create function private.save_public_fields(p_account uuid, p_label text, p_public jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  given jsonb := coalesce(nullif(p_public, 'null'), '{}');
  before public.user_api_keys;
  number text;
begin
  if jsonb_typeof(given) <> 'object' then
    raise exception 'account_id, base_url and extra_metadata come as an object' using errcode = '22023';
  end if;
  if p_label is null and given = '{}' then
    return;
  end if;
  select * into strict before from public.user_api_keys k where k.id = p_account;
  number := nullif(coalesce(given ->> 'account_id', before.account_id), '');
  update public.user_api_keys k set
    label = coalesce(p_label, k.label),
    account_id = number,
    base_url = nullif(coalesce(given ->> 'base_url', k.base_url), ''),
    extra_metadata = coalesce(nullif(given -> 'extra_metadata', 'null'), k.extra_metadata)
  where k.id = p_account;
  -- The same keys for another of the trader's accounts are to be tested again.
  if number is distinct from before.account_id then
    update public.user_api_keys set status = 'pending', status_reason = null where id = p_account;
    perform private.validate_anew(before.user_id, p_account);
  end if;
end
$$;

-- p_secrets: new plain values by field name. p_public: {"account_id","base_url","extra_metadata"}. What is absent or null
-- in them stays as it is. Whoever calls this has decided that p_user_id is the one who asks.
create function private.save_plain_keys(
  p_user_id uuid, p_exchange text, p_environment text, p_label text, p_secrets jsonb, p_public jsonb
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  given jsonb := private.given_secrets(p_secrets);
  found_account public.user_api_keys;
  account uuid;
  merged jsonb;
begin
  found_account := private.lock_account(p_user_id, p_exchange, p_environment);
  account := found_account.id;
  if given <> '{}' then
    merged := case when account is null then given else private.merge_secrets(found_account, given) end;
    account := private.store_keys(
      found_account, p_user_id, p_exchange, p_environment, p_label, 'plain', merged::text,
      array(select k from jsonb_object_keys(merged) k order by k),
      -- Of a short key four characters would be a good part of it.
      case when length(merged ->> 'api_key') >= 12 then right(merged ->> 'api_key', 4) end);
  elsif account is null then
    raise exception 'there are no keys to save'
    using errcode = '22023', hint = 'enter the API key, and the secret where the exchange has one';
  end if;
  perform private.save_public_fields(account, p_label, p_public);
  return account;
end
$$;
