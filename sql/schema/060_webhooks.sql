-- Webhooks: where a trader's alerts arrive. Tokens and secrets are found by hash and kept readable only in Vault.

create table public.user_webhook_configs (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  name text not null default 'TradingView' check (length(name) between 1 and 100),
  active boolean not null default true,
  require_signature boolean not null default false,
  -- 'tradingview', addresses or networks; null allows every source.
  allowed_sources text[] check (cardinality(allowed_sources) <= 50),
  secret_id uuid not null unique,
  hint text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, id),
  unique (user_id, name)
);
comment on table public.user_webhook_configs is 'Where a trader''s alerts arrive. Token and secret are shown once, when it is made.';
create trigger touch before update on public.user_webhook_configs
for each row execute function private.touch_updated_at();
create trigger forget_secret after delete on public.user_webhook_configs
for each row execute function private.delete_vault_secret();

create table private.webhook_credentials (
  hash bytea primary key check (length(hash) = 32),
  webhook_id uuid not null references public.user_webhook_configs (id) on delete cascade,
  kind text not null check (kind in ('token', 'secret')),
  created_at timestamptz not null default now()
);
comment on table private.webhook_credentials is 'sha256 of the URL token and of the body secret. Several may be live at once, for rotation.';
create index webhook_credentials_webhook on private.webhook_credentials (webhook_id);

create function private.random_token() returns text
language sql
volatile
set search_path = ''
as $$
  select translate(encode(extensions.gen_random_bytes(24), 'base64'), '+/', '-_')
$$;

create function public.create_webhook(p_name text default 'TradingView') returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  webhook uuid := gen_random_uuid();
  token text := private.random_token();
  secret text := private.random_token();
  vaulted uuid;
begin
  if (select count(*) from public.user_webhook_configs where user_id = trader) >= 50 then
    raise exception 'a trader has at most 50 webhooks' using errcode = '54000', hint = 'delete one that is not used';
  end if;
  vaulted := vault.create_secret(
    jsonb_build_object('token', token, 'secret', secret)::text, 'webhook/' || webhook::text);
  insert into public.user_webhook_configs (id, user_id, name, secret_id, hint)
  values (webhook, trader, coalesce(p_name, 'TradingView'), vaulted, right(token, 4));
  insert into private.webhook_credentials (hash, webhook_id, kind)
  values (sha256(convert_to(token, 'UTF8')), webhook, 'token'), (sha256(convert_to(secret, 'UTF8')), webhook, 'secret');
  perform private.audit(trader, 'trader', 'webhook.created', webhook, '{}');
  return jsonb_build_object(
    'id', webhook, 'token', token, 'secret', secret, 'path', '/functions/v1/webhook/' || token);
end
$$;
comment on function public.create_webhook is 'Makes a webhook for the caller and shows its token and secret, once.';

create function private.source_allowed(p_sources text[], p_ip text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
declare
  address inet;
begin
  if p_sources is null then
    return true;
  end if;
  begin
    address := p_ip::inet;
  exception when invalid_text_representation then
    return false;
  end;
  return coalesce((
    select bool_or(
      case
        -- The four addresses that TradingView publishes in "How to configure webhook alerts".
        when lower(s) = 'tradingview' then address in (
          inet '52.89.214.238', inet '34.212.75.30', inet '54.218.53.128', inet '52.32.178.7')
        else address <<= s::inet
      end)
    from unnest(p_sources) s
  ), false);
end
$$;

create function private.check_sources() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  source text;
  network inet;
begin
  foreach source in array coalesce(new.allowed_sources, '{}') loop
    if lower(source) <> 'tradingview' then
      network := source::inet;
    end if;
  end loop;
  return new;
exception when invalid_text_representation then
  raise exception 'allowed source "%" is neither "tradingview" nor an address or network', left(source, 60)
  using errcode = '22023';
end
$$;
create trigger check_sources before insert or update of allowed_sources on public.user_webhook_configs
for each row execute function private.check_sources();

alter table public.user_webhook_configs enable row level security;
alter table public.user_webhook_configs force row level security;
create policy own_webhooks_select on public.user_webhook_configs for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_webhooks_update on public.user_webhook_configs for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_webhooks_delete on public.user_webhook_configs for delete to authenticated
using ((select auth.uid()) = user_id);
