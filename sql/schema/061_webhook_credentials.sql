-- Tokens and secrets of webhooks: found by hash, readable only in Vault, rotated with an overlap.

create table private.webhook_credentials (
  hash bytea primary key check (length(hash) = 32),
  webhook_id uuid not null references public.user_webhook_configs (id) on delete cascade,
  kind text not null check (kind in ('token', 'secret')),
  -- Grows with each rotation. Two are live while their owner moves his alerts from the old one to the new one.
  generation integer not null default 1,
  created_at timestamptz not null default now(),
  unique (webhook_id, generation, kind)
);
comment on table private.webhook_credentials is 'sha256 of the URL tokens and body secrets that are live.';

create function private.random_token() returns text
language sql
volatile
set search_path = ''
as $$
  select translate(encode(extensions.gen_random_bytes(24), 'base64'), '+/', '-_')
$$;

create function private.store_webhook_credentials(
  p_webhook_id uuid, p_generation integer, p_token text, p_secret text
) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into private.webhook_credentials (hash, webhook_id, kind, generation)
  values
  (sha256(convert_to(p_token, 'UTF8')), p_webhook_id, 'token', p_generation),
  (sha256(convert_to(p_secret, 'UTF8')), p_webhook_id, 'secret', p_generation);
end
$$;

-- Puts the making and naming of one trader's webhooks in order.
create function private.lock_webhooks(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.keep_trader(p_user_id);
  perform pg_advisory_xact_lock(hashtextextended('webhooks/' || p_user_id::text, 0));
end
$$;

-- The webhook, locked, or the same refusal for one that does not exist and one of another trader.
create function private.own_webhook(p_user_id uuid, p_webhook_id uuid) returns public.user_webhook_configs
language plpgsql
set search_path = ''
as $$
declare
  webhook public.user_webhook_configs;
begin
  perform private.keep_trader(p_user_id);
  -- Not "for update": alerts that arrive meanwhile refer to the webhook and must not wait.
  select * into webhook from public.user_webhook_configs w
  where w.user_id = p_user_id and w.id = p_webhook_id for no key update;
  if webhook.id is null then
    raise exception 'you have no webhook of this id'
    using errcode = 'PT404', hint = 'your webhooks are the rows of user_webhook_configs';
  end if;
  return webhook;
end
$$;

-- What Vault keeps of a webhook: {"token","secret"}, and "old" with the same two while an older pair is live.
create function private.open_webhook(p_webhook public.user_webhook_configs) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  stored jsonb;
begin
  select d.decrypted_secret::jsonb into stored from vault.decrypted_secrets d where d.id = p_webhook.secret_id;
  if stored is null then
    raise exception 'token and secret of this webhook are not in Vault any more'
    using errcode = 'PT409', hint = 'delete the webhook and make a new one';
  end if;
  return stored;
end
$$;

-- Where the outside world reaches the API: what the operator says, else what this request shows; null when it does not.
create function private.api_base() returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  headers jsonb;
  host text;
  port text;
  scheme text;
  told text;
begin
  select p.api_url into told from private.platform_state p;
  if told is not null then
    return told;
  end if;
  begin
    headers := nullif(current_setting('request.headers', true), '')::jsonb;
  exception when invalid_text_representation then
    return null;
  end;
  -- Behind a gateway "host" is the inner server. Each proxy appends to the lists; the first entry is the outermost.
  host := lower(btrim(split_part(coalesce(headers ->> 'x-forwarded-host', headers ->> 'host'), ',', 1)));
  if coalesce(host !~ '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$', true) then
    return null;
  end if;
  port := btrim(split_part(headers ->> 'x-forwarded-port', ',', 1));
  if port ~ '^[0-9]{1,5}$' and port not in ('80', '443') and strpos(host, ':') = 0 then
    host := host || ':' || port;
  end if;
  scheme := lower(btrim(split_part(headers ->> 'x-forwarded-proto', ',', 1)));
  if scheme is null or scheme not in ('http', 'https') then
    scheme := case when host ~ '^(localhost|127[.])' then 'http' else 'https' end;
  end if;
  return scheme || '://' || host;
end
$$;

create function private.show_webhook(p_id uuid, p_stored jsonb) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  path text := '/functions/v1/webhook/' || (p_stored ->> 'token');
begin
  return jsonb_build_object(
    'id', p_id, 'token', p_stored -> 'token', 'secret', p_stored -> 'secret', 'path', path,
    'url', private.api_base() || path, 'old_live', p_stored ? 'old');
end
$$;

-- The name of a new webhook: the one given, unless it is taken, or the first free of "TradingView", "TradingView 2", ...
create function private.webhook_name(p_user_id uuid, p_name text) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  free text;
begin
  if length(p_name) not between 1 and 100 then
    raise exception 'a webhook''s name has 1 to 100 characters' using errcode = '22023', hint = 'choose a shorter name';
  end if;
  if exists (select from public.user_webhook_configs w where w.user_id = p_user_id and w.name = p_name) then
    raise exception 'you have a webhook named "%" already', p_name
    using errcode = '23505', hint = 'choose another name, or leave the name out';
  end if;
  if p_name is not null then
    return p_name;
  end if;
  select c.name into free
  from (
    select n, 'TradingView' || case when n > 1 then ' ' || n::text else '' end as name from generate_series(1, 51) n
  ) c
  where not exists (select from public.user_webhook_configs w where w.user_id = p_user_id and w.name = c.name)
  order by c.n limit 1;
  return free;
end
$$;

create function private.make_webhook(p_user_id uuid, p_name text, p_actor text, p_secret text) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  webhook uuid := gen_random_uuid();
  name text;
  stored jsonb := jsonb_build_object(
    'token', private.random_token(), 'secret', coalesce(p_secret, private.random_token()));
begin
  perform private.lock_webhooks(p_user_id);
  if (select count(*) from public.user_webhook_configs w where w.user_id = p_user_id) >= 50 then
    raise exception 'a trader has at most 50 webhooks' using errcode = '54000', hint = 'delete one that is not used';
  end if;
  name := private.webhook_name(p_user_id, p_name);
  insert into public.user_webhook_configs (id, user_id, name, secret_id, hint, secret_hint)
  values (
    webhook, p_user_id, name, vault.create_secret(stored::text, 'webhook/' || webhook::text),
    right(stored ->> 'token', 4), right(stored ->> 'secret', 4));
  perform private.store_webhook_credentials(webhook, 1, stored ->> 'token', stored ->> 'secret');
  perform private.audit(p_user_id, p_actor, 'webhook.created', webhook, '{}');
  return private.show_webhook(webhook, stored);
end
$$;

create function public.create_webhook(p_name text default null) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  return private.make_webhook(private.require_trader(), p_name, 'trader', null);
end
$$;
comment on function public.create_webhook is 'Makes a webhook for the caller and shows its token and secret.';

create function public.reveal_webhook(p_webhook_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  answer jsonb := private.show_webhook(p_webhook_id, private.open_webhook(private.own_webhook(trader, p_webhook_id)));
begin
  perform private.audit(trader, 'trader', 'webhook.revealed', p_webhook_id, '{}');
  return answer;
end
$$;
comment on function public.reveal_webhook is 'Shows the caller the current token and secret of one webhook. Each call is on record.';

create function public.rotate_webhook(p_webhook_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  webhook public.user_webhook_configs := private.own_webhook(trader, p_webhook_id);
  stored jsonb := private.open_webhook(webhook);
  generation integer;
begin
  if webhook.old_live_since is not null then
    raise exception 'an older token and secret of this webhook are still live'
    using errcode = 'PT409', hint = 'once your alerts use the new ones, call end_old_webhook_credentials; then rotate again';
  end if;
  stored := jsonb_build_object(
    'token', private.random_token(), 'secret', private.random_token(), 'old', stored);
  select max(c.generation) + 1 into generation from private.webhook_credentials c where c.webhook_id = webhook.id;
  perform private.store_webhook_credentials(
    webhook.id, coalesce(generation, 1), stored ->> 'token', stored ->> 'secret');
  perform vault.update_secret(webhook.secret_id, stored::text);
  update public.user_webhook_configs set
    hint = right(stored ->> 'token', 4), secret_hint = right(stored ->> 'secret', 4), old_live_since = clock_timestamp()
  where id = webhook.id;
  perform private.audit(trader, 'trader', 'webhook.rotated', webhook.id, '{}');
  return private.show_webhook(webhook.id, stored);
end
$$;
comment on function public.rotate_webhook is 'Gives one of the caller''s webhooks a new token and secret; the old ones stay live until end_old_webhook_credentials.';

create function public.end_old_webhook_credentials(p_webhook_id uuid) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  webhook public.user_webhook_configs := private.own_webhook(trader, p_webhook_id);
begin
  if webhook.old_live_since is null then
    return false;
  end if;
  delete from private.webhook_credentials c
  where c.webhook_id = webhook.id
    and c.generation < (select max(n.generation) from private.webhook_credentials n where n.webhook_id = webhook.id);
  perform vault.update_secret(webhook.secret_id, (private.open_webhook(webhook) - 'old')::text);
  update public.user_webhook_configs set old_live_since = null where id = webhook.id;
  perform private.audit(trader, 'trader', 'webhook.old_ended', webhook.id, '{}');
  return true;
end
$$;
comment on function public.end_old_webhook_credentials is 'Ends the token and secret from before the last rotation; false when none were live.';
