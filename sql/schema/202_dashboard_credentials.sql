-- bot_credentials: a trader's accounts, and his oldest webhook as the exchange "webhook". No secret is ever shown: a mask
-- stands in its place, and a mask or a null that comes back means that the stored value stays.

create policy server_accounts_select on public.user_api_keys for select to dashboard_server using (true);
create policy server_webhooks_select on public.user_webhook_configs for select to dashboard_server using (true);

create view public.bot_credentials with (security_invoker = true) as
select
  account.id,
  account.user_id,
  account.exchange,
  account.label,
  account.environment,
  account.account_id,
  account.extra_metadata,
  account.created_at,
  account.updated_at,
  account.last_tested,
  account.base_url,
  case when 'api_key' = any(account.secret_fields) then '••••••••' || coalesce(account.hint, '') end as api_key,
  case when 'api_secret' = any(account.secret_fields) then '••••••••' end as api_secret,
  case when 'passphrase' = any(account.secret_fields) then '••••••••' end as passphrase,
  null::text as webhook_secret,
  case when 'username' = any(account.secret_fields) then '••••••••' end as username,
  case when 'password' = any(account.secret_fields) then '••••••••' end as password
from public.user_api_keys as account
union all
select
  webhook.id,
  webhook.user_id,
  'webhook' as exchange,
  webhook.name as label,
  'production' as environment,
  null as account_id,
  '{}' as extra_metadata,
  webhook.created_at,
  webhook.updated_at,
  null as last_tested,
  null as base_url,
  null as api_key,
  null as api_secret,
  null as passphrase,
  '••••••••' || webhook.secret_hint as webhook_secret,
  null as username,
  null as password
from (
  select distinct on (user_id)
    id,
    user_id,
    name,
    secret_hint,
    created_at,
    updated_at
  from public.user_webhook_configs
  order by user_id, created_at, id
) as webhook;
comment on view public.bot_credentials is 'Accounts and the oldest webhook of a trader, their secrets masked. Writing puts new secrets into Vault.';

-- Null where a form sent nothing new: no value, or the mask that it was shown.
create function private.new_secret(p_value text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case when p_value like '••••••••%' and length(p_value) <= 12 then null else nullif(p_value, '') end;
end
$$;

-- A request of a server is about one trader. One that forgot to say which would replace or delete everybody's keys.
create function private.keep_to_one_trader(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  if nullif(current_setting('sparky.credentials_of', true), '') <> p_user_id::text then
    raise exception 'one request changes the credentials of one trader, and this one would change those of several'
    using errcode = '22023', hint = 'filter by user_id';
  end if;
  -- Until the transaction ends.
  perform set_config('sparky.credentials_of', p_user_id::text, true);
end
$$;

create function private.check_credential(p_row public.bot_credentials) returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_row.user_id is null then
    raise exception 'user_id is missing' using errcode = '22023', hint = 'send the id of the trader whose credentials these are';
  end if;
  if p_row.user_id is distinct from auth.uid() and not private.caller_is_server() then
    raise exception 'credentials belong to the signed-in trader' using errcode = '42501',
    hint = 'leave user_id out, or send the id of the signed-in trader';
  end if;
  perform private.keep_to_one_trader(p_row.user_id);
  if p_row.exchange is null
    or p_row.exchange not in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper', 'webhook') then
    raise exception 'exchange "%" is not served', coalesce(left(p_row.exchange, 40), '')
    using errcode = '22023', hint = 'there are aster, oanda, tradier, tastytrade and paper, and webhook for the secret of alerts';
  end if;
  if p_row.environment not in ('production', 'sandbox', 'paper')
    or (p_row.environment = 'paper') <> (p_row.exchange = 'paper')
    or p_row.exchange = 'webhook' and p_row.environment <> 'production' then
    raise exception 'environment "%" does not exist for %', left(p_row.environment, 40), p_row.exchange
    using errcode = '22023', hint = 'exchanges have production and sandbox, paper has paper, webhook has production';
  end if;
  if length(p_row.label) not between 1 and 100 or length(p_row.account_id) > 100 or length(p_row.base_url) > 300
    or jsonb_typeof(p_row.extra_metadata) <> 'object' or length(p_row.extra_metadata::text) > 8000 then
    raise exception 'a label has 1 to 100 characters, an account_id up to 100, a base_url up to 300, and extra_metadata is an object of up to 8000'
    using errcode = '22023', hint = 'shorten what was sent';
  end if;
end
$$;

-- Saves what is new in p_row and returns the id of the account or webhook.
create function private.save_credential(p_row public.bot_credentials, p_label text) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  secret text := private.new_secret(p_row.webhook_secret);
  saved uuid;
begin
  if p_row.exchange <> 'webhook' then
    saved := private.save_plain_keys(
      p_row.user_id, p_row.exchange, p_row.environment, p_label,
      jsonb_strip_nulls(jsonb_build_object(
        'api_key', private.new_secret(p_row.api_key), 'api_secret', private.new_secret(p_row.api_secret),
        'passphrase', private.new_secret(p_row.passphrase), 'username', private.new_secret(p_row.username),
        'password', private.new_secret(p_row.password))),
      jsonb_strip_nulls(jsonb_build_object('account_id', p_row.account_id, 'base_url', p_row.base_url))
      || case when p_row.extra_metadata is null then '{}' else
        jsonb_build_object('extra_metadata', p_row.extra_metadata) end);
    update public.user_api_keys k set last_tested = p_row.last_tested
    where k.id = saved and p_row.last_tested is distinct from k.last_tested and p_row.last_tested is not null;
    return saved;
  end if;
  if secret is not null then
    return private.set_webhook_secret(p_row.user_id, secret, p_label);
  end if;
  if p_row.id is null then
    raise exception 'there is no webhook secret to save' using errcode = '22023', hint = 'a random UUID is a good secret';
  end if;
  if p_label is not null then
    update public.user_webhook_configs w set name = private.webhook_name(p_row.user_id, p_label) where w.id = p_row.id;
  end if;
  return p_row.id;
end
$$;

create function private.insert_credential() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  saved uuid;
begin
  new.user_id := coalesce(new.user_id, auth.uid());
  new.environment := coalesce(new.environment, case new.exchange when 'paper' then 'paper' else 'production' end);
  -- A form that was filled in for a row of its own choosing gets the row that its trader has.
  new.id := null;
  perform private.check_credential(new);
  if not exists (select from auth.users u where u.id = new.user_id) then
    raise exception 'there is no trader with this user_id' using errcode = '23503', hint = 'send the id of a trader who signed up';
  end if;
  saved := private.save_credential(new, new.label);
  select * into new from public.bot_credentials b where b.id = saved;
  return new;
end
$$;
create trigger save_new instead of insert on public.bot_credentials
for each row execute function private.insert_credential();

create function private.update_credential() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  account public.user_api_keys;
begin
  perform private.check_credential(new);
  if (new.id, new.user_id, new.exchange, new.environment)
    is distinct from (old.id, old.user_id, old.exchange, old.environment) then
    raise exception 'whose credentials these are and of which exchange never changes'
    using errcode = '22023', hint = 'delete them and save those of the other exchange anew';
  end if;
  if old.exchange = 'webhook' then
    perform private.lock_webhooks(old.user_id);
    if not exists (select from public.bot_credentials b where b.id = old.id) then
      return null;
    end if;
  else
    account := private.lock_account(old.user_id, old.exchange, old.environment);
    if account.id is distinct from old.id then
      return null;
    end if;
  end if;
  perform private.save_credential(new, nullif(new.label, old.label));
  select * into new from public.bot_credentials b where b.id = old.id;
  return new;
end
$$;
create trigger save instead of update on public.bot_credentials
for each row execute function private.update_credential();

create function private.delete_credential() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  actor text := case when private.caller_is_server() then 'dashboard' else 'trader' end;
begin
  perform private.check_credential(old);
  perform private.keep_trader(old.user_id);
  if old.exchange = 'webhook' then
    delete from public.user_webhook_configs w where w.id = old.id and w.user_id = old.user_id;
  else
    delete from public.user_api_keys k where k.id = old.id and k.user_id = old.user_id;
  end if;
  if not found then
    return null;
  end if;
  perform private.audit(
    old.user_id, actor, case old.exchange when 'webhook' then 'webhook.deleted' else 'api_key.deleted' end, old.id, '{}');
  return old;
end
$$;
create trigger forget instead of delete on public.bot_credentials
for each row execute function private.delete_credential();
