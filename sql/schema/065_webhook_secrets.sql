-- Body secrets that traders choose themselves, and the address that they paste.

-- Null, or what is wrong with a secret that somebody chose.
create function private.weak_secret(p_secret text) returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when p_secret is null or length(p_secret) not between 16 and 200 then 'a webhook secret has 16 to 200 characters'
    when p_secret ~ '[[:cntrl:]]' or p_secret <> btrim(p_secret)
      then 'a webhook secret has no control characters and no blanks around it'
    when (select count(distinct c) from regexp_split_to_table(p_secret, '') c) < 8
      then 'a webhook secret has at least 8 different characters'
  end;
end
$$;

create function private.replace_webhook_secret(
  p_webhook public.user_webhook_configs, p_secret text, p_name text
) returns void
language plpgsql
set search_path = ''
as $$
declare
  stored jsonb := private.open_webhook(p_webhook);
  new_name text := p_webhook.name;
  latest integer;
begin
  if p_name <> new_name then
    new_name := private.webhook_name(p_webhook.user_id, p_name);
  end if;
  if stored ->> 'secret' <> p_secret then
    select max(c.generation) into latest from private.webhook_credentials c where c.webhook_id = p_webhook.id;
    delete from private.webhook_credentials c
    where c.webhook_id = p_webhook.id and c.kind = 'secret' and c.generation = latest;
    insert into private.webhook_credentials (hash, webhook_id, kind, generation)
    values (sha256(convert_to(p_secret, 'UTF8')), p_webhook.id, 'secret', coalesce(latest, 1));
    perform vault.update_secret(
      p_webhook.secret_id, (stored || jsonb_build_object('secret', p_secret))::text);
  end if;
  update public.user_webhook_configs w set name = new_name, secret_hint = right(p_secret, 4)
  where w.id = p_webhook.id;
end
$$;

-- Sets the body secret of the trader's oldest webhook and makes one if he has none; the URL token stays. Returns its id.
create function private.set_webhook_secret(p_user_id uuid, p_secret text, p_label text) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  weakness text := private.weak_secret(p_secret);
  actor text := case when private.caller_is_server() then 'dashboard' else 'trader' end;
  webhook public.user_webhook_configs;
  violated text;
begin
  if weakness is not null then
    raise exception '%', weakness using errcode = '22023', hint = 'a random UUID is a good secret';
  end if;
  -- Two first saves at once must make one webhook.
  perform private.lock_webhooks(p_user_id);
  select * into webhook from public.user_webhook_configs w
  where w.user_id = p_user_id order by w.created_at, w.id limit 1 for no key update;
  begin
    if webhook.id is null then
      webhook.id := (private.make_webhook(p_user_id, p_label, actor, p_secret) ->> 'id')::uuid;
    else
      perform private.replace_webhook_secret(webhook, p_secret, p_label);
    end if;
  exception when unique_violation then
    get stacked diagnostics violated = constraint_name;
    -- A taken name has its own sentence. Whose a taken secret is, nobody learns.
    if violated <> 'webhook_credentials_pkey' then
      raise;
    end if;
    raise exception 'this webhook secret cannot be used; choose another secret'
    using errcode = '22023', hint = 'a random UUID is a good secret';
  end;
  perform private.audit(p_user_id, actor, 'webhook.secret_set', webhook.id, '{}');
  return webhook.id;
end
$$;

create function public.webhook_url(p_webhook_id uuid) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  stored jsonb := private.open_webhook(private.own_webhook(trader, p_webhook_id));
  base text := private.api_base();
  bare text := base || '/functions/v1/webhook';
  notes text[] := array[
    'Paste url into TradingView''s webhook field. Whoever has it can send alerts to your accounts; keep it to yourself.',
    'With url_without_token, the message must carry the secret in a field "secret".'
  ];
begin
  if base is null then
    notes := array_append(notes, 'The address of the API is not known here; put it in front of path.');
  elsif base !~ '^https://[^:]+$' then
    notes := array_append(notes, 'TradingView posts only to the ports 80 and 443 of a public address.');
  end if;
  -- The address holds the token, so this is a reveal like any other.
  perform private.audit(trader, 'trader', 'webhook.revealed', p_webhook_id, '{"as": "url"}');
  return jsonb_build_object(
    'id', p_webhook_id,
    'url', bare || '/' || (stored ->> 'token'),
    'url_without_token', bare,
    'path', '/functions/v1/webhook/' || (stored ->> 'token'),
    'signature_header', 'X-Sparky-Signature: t=<unix seconds>,v1=<hex hmac-sha256(secret, t + "." + body)>',
    'notes', to_jsonb(notes));
end
$$;
comment on function public.webhook_url is 'The address of one of the caller''s webhooks as TradingView wants it. It holds the token, so each call is on record.';
