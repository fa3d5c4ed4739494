-- Accounts: one trader's login at one venue in one environment. The sealed keys lie in Vault.

create table public.user_api_keys (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  exchange text not null check (exchange in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper')),
  environment text not null check (environment in ('production', 'sandbox', 'paper')),
  label text not null check (length(label) between 1 and 100),
  secret_id uuid not null unique,
  hint text check (length(hint) <= 4),
  key_version integer not null default 1,
  status text not null default 'pending' check (status in ('pending', 'valid', 'invalid', 'expired')),
  status_reason text,
  validated_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, exchange, environment),
  unique (user_id, id),
  check ((exchange = 'paper') = (environment = 'paper'))
);
comment on table public.user_api_keys is 'A trader''s account at a venue. Keys are sealed to the worker and kept in Vault; secret_id names them there.';
comment on column public.user_api_keys.hint is 'Last characters of the key, so that its owner recognises it.';
comment on column public.user_api_keys.key_version is 'Grows when the keys are replaced.';
create trigger touch before update on public.user_api_keys
for each row execute function private.touch_updated_at();

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

create function private.require_trader() returns uuid
language plpgsql
stable
set search_path = ''
as $$
begin
  if auth.uid() is null then
    raise exception 'sign in first' using errcode = '42501';
  end if;
  return auth.uid();
end
$$;

create function public.save_api_key(
  p_exchange text, p_environment text, p_label text, p_sealed text, p_hint text default null
) returns uuid
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  account public.user_api_keys;
begin
  if coalesce(p_sealed !~ '^sparky1\.[0-9a-f]{16}\.[A-Za-z0-9_-]+$' or length(p_sealed) not between 90 and 20000, true) then
    raise exception 'keys must be sealed to the worker before they are saved'
    using errcode = '22023', hint = 'docs/sealing.md shows how a browser seals them';
  end if;
  perform private.keep_trader(trader);
  -- Two first saves at once must not leave a secret that no account names.
  perform pg_advisory_xact_lock(hashtextextended('save_api_key/' || trader::text, 0));
  select * into account from public.user_api_keys
  where user_id = trader and exchange = p_exchange and environment = p_environment for update;
  if found then
    perform vault.update_secret(account.secret_id, p_sealed);
    update public.user_api_keys set
      label = coalesce(p_label, label), hint = p_hint, key_version = key_version + 1,
      status = 'pending', status_reason = null
    where id = account.id;
  else
    account.id := gen_random_uuid();
    account.secret_id := vault.create_secret(p_sealed, 'api_key/' || account.id::text);
    insert into public.user_api_keys (id, user_id, exchange, environment, label, secret_id, hint)
    values (account.id, trader, p_exchange, p_environment, coalesce(p_label, p_exchange), account.secret_id, p_hint);
  end if;
  perform private.enqueue_task('validate_key', trader, account.id, '{}');
  perform private.audit(trader, 'trader', 'api_key.saved', account.id,
    jsonb_build_object('exchange', p_exchange, 'environment', p_environment));
  return account.id;
end
$$;
comment on function public.save_api_key is 'Saves or replaces the caller''s sealed keys for one venue and environment; returns the account id.';

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

alter table public.user_api_keys enable row level security;
alter table public.user_api_keys force row level security;
create policy own_accounts_select on public.user_api_keys for select to authenticated
using ((select auth.uid()) = user_id);
