-- Accounts: one trader's login at one venue in one environment. The keys lie in Vault.

create table public.user_api_keys (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  exchange text not null check (exchange in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper')),
  environment text not null check (environment in ('production', 'sandbox', 'paper')),
  label text not null check (length(label) between 1 and 100),
  secret_id uuid not null unique,
  hint text check (length(hint) <= 4),
  -- sealed: to a worker's public key. plain: as the dashboard gave them, until a worker has sealed them.
  form text not null default 'sealed' check (form in ('sealed', 'plain')),
  secret_fields text[] not null default '{}' check (
    cardinality(secret_fields) <= 20 and length(secret_fields::text) <= 500
    and array_position(secret_fields, null) is null
  ),
  account_id text check (length(account_id) <= 100),
  found_account_id text check (length(found_account_id) between 1 and 100),
  base_url text check (length(base_url) <= 300),
  extra_metadata jsonb not null default '{}' check (
    jsonb_typeof(extra_metadata) = 'object' and length(extra_metadata::text) <= 8192
  ),
  last_tested timestamptz,
  key_version integer not null default 1,
  status text not null default 'pending' check (status in ('pending', 'valid', 'invalid', 'expired')),
  status_reason text,
  validated_at timestamptz,
  permissions text[] not null default '{}',
  notes text[] not null default '{}',
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, exchange, environment),
  unique (user_id, id),
  check ((exchange = 'paper') = (environment = 'paper'))
);
comment on table public.user_api_keys is 'A trader''s account at a venue. Its keys are kept in Vault, sealed to the worker; secret_id names them there.';
comment on column public.user_api_keys.hint is 'Last characters of the key, so that its owner recognises it.';
comment on column public.user_api_keys.key_version is 'Grows when the keys are replaced.';
comment on column public.user_api_keys.secret_fields is 'Names of the secrets that are stored. Of sealed keys: as their saver named them, else what the venue asks for.';
comment on column public.user_api_keys.account_id is 'The venue''s own number of the account, as the trader gave it.';
comment on column public.user_api_keys.found_account_id is 'The number of the account that the keys were found to be for, where the trader gave none.';
comment on column public.user_api_keys.permissions is 'What the keys may do, in the venue''s own words, at the last validation that it accepted.';
comment on column public.user_api_keys.notes is 'Sentences about the keys for the trader, of the last validation that the venue accepted.';
comment on column public.user_api_keys.expires_at is 'When the keys end at the venue, where it tells.';
comment on column public.user_api_keys.base_url is 'What the trader typed into the dashboard. Nothing ever connects to it: the venue and the environment decide where to.';
comment on column public.user_api_keys.last_tested is 'When a test of the keys was last asked for.';
create trigger touch before update on public.user_api_keys
for each row execute function private.touch_updated_at();

-- What the checks of the table forbid, in words for those who typed it.
create function private.check_account() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  wrong text := case
    when coalesce(new.exchange not in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper'), true)
      then 'the exchange must be aster, oanda, tradier, tastytrade or paper'
    when coalesce(new.environment not in ('production', 'sandbox', 'paper'), true)
      then 'the environment must be production, sandbox or paper'
    when (new.exchange = 'paper') <> (new.environment = 'paper')
      then 'the exchange paper has the environment paper, and no other exchange has it'
    when coalesce(length(new.label) not between 1 and 100, true) then 'the label must have 1 to 100 characters'
    when length(new.hint) > 4 then 'the hint has at most 4 characters'
    when array_ndims(new.secret_fields) > 1 or cardinality(new.secret_fields) > 20
      or array_position(new.secret_fields, null) is not null or length(new.secret_fields::text) > 500
      then 'the fields are a list of at most 20 names, together at most 500 characters'
    when length(new.account_id) > 100 then 'the account id has at most 100 characters'
    when length(new.base_url) > 300 then 'the base URL has at most 300 characters'
    when jsonb_typeof(new.extra_metadata) <> 'object' or length(new.extra_metadata::text) > 8192
      then 'the extra metadata must be an object of at most 8192 characters'
  end;
begin
  if wrong is not null then
    raise exception '%', wrong using errcode = '22023', hint = 'nothing was saved; correct the value and save again';
  end if;
  return new;
end
$$;
create trigger check_account before insert or update on public.user_api_keys
for each row execute function private.check_account();

-- Also runs when a trader is deleted: the cascade deletes his accounts, and this deletes their secrets.
create function private.delete_vault_secret() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from vault.secrets where id = old.secret_id;
  return null;
end
$$;
create trigger forget_keys after delete on public.user_api_keys
for each row execute function private.delete_vault_secret();

-- Keys are sealed for one trader, venue and environment, and one secret belongs to one account. Whoever could turn
-- secret_id round could have a worker open another trader's keys.
create function private.refuse_other_identity() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'whose an account is, where it is and which secret it has never changes'
  using errcode = '42501', hint = 'delete the account and save its keys anew';
end
$$;
create trigger keep_identity before update on public.user_api_keys
for each row when (
  (old.id, old.user_id, old.exchange, old.environment, old.secret_id)
  is distinct from (new.id, new.user_id, new.exchange, new.environment, new.secret_id)
) execute function private.refuse_other_identity();

create function private.require_trader() returns uuid
language plpgsql
stable
set search_path = ''
as $$
begin
  if auth.uid() is null then
    raise exception 'sign in first' using errcode = '42501', hint = 'send the access token of a signed-in trader';
  end if;
  -- A token outlives its trader by up to an hour.
  if not exists (select from auth.users u where u.id = auth.uid()) then
    raise exception 'this account is deleted already' using errcode = '42501', hint = 'sign out';
  end if;
  return auth.uid();
end
$$;

create function public.delete_api_key(p_account_id uuid) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
begin
  perform private.keep_trader(trader);
  delete from public.user_api_keys where id = p_account_id and user_id = trader;
  if not found then
    return false;
  end if;
  perform private.audit(trader, 'trader', 'api_key.deleted', p_account_id, '{}');
  return true;
end
$$;
comment on function public.delete_api_key is 'Deletes one of the caller''s accounts and its keys; false when there is none of this id.';

create function public.list_api_keys() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'exchange', k.exchange, 'environment', k.environment, 'label', k.label, 'hint', k.hint,
      'form', k.form, 'secret_fields', k.secret_fields, 'account_id', k.account_id,
      'found_account_id', k.found_account_id, 'key_version', k.key_version, 'status', k.status,
      'status_reason', k.status_reason, 'validated_at', k.validated_at, 'permissions', k.permissions,
      'notes', k.notes, 'expires_at', k.expires_at,
      'last_tested', k.last_tested, 'created_at', k.created_at, 'updated_at', k.updated_at
    ) order by k.created_at, k.id), '[]')
    from public.user_api_keys k
    where k.user_id = trader
  );
end
$$;
comment on function public.list_api_keys is 'The caller''s accounts and what is known of their keys; never a secret.';

alter table public.user_api_keys enable row level security;
alter table public.user_api_keys force row level security;
create policy own_accounts_select on public.user_api_keys for select to authenticated
using ((select auth.uid()) = user_id);
