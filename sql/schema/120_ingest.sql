-- One alert in, one answer out, in one transaction. Called by the edge function and by nobody else.

create function private.answer(
  p_http integer, p_status text, p_signal_id uuid default null, p_reason_code text default null,
  p_reason text default null, p_retry_after integer default null
) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_strip_nulls(jsonb_build_object(
    'http', p_http,
    'retry_after', p_retry_after,
    'body', jsonb_build_object(
      'status', p_status, 'signal_id', p_signal_id, 'reason_code', p_reason_code, 'reason', p_reason)
  ));
end
$$;

-- t=<unix seconds>,v1=<hex hmac-sha256(secret, t + "." + body)>, five minutes tolerance either way.
create function private.signature_fits(p_header text, p_body text, p_secret text) returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce((
    select
      abs(extract(epoch from clock_timestamp()) - m [1]::numeric) <= 300
      -- Hashes of the two are compared, so that the time taken tells nothing of the expected value.
      and sha256(decode(m [2], 'hex')) = sha256(
        extensions.hmac(convert_to(m [1] || '.' || p_body, 'UTF8'), convert_to(p_secret, 'UTF8'), 'sha256'))
    from regexp_match(p_header, '^\s*t=(\d{9,11})\s*,\s*v1=([0-9a-fA-F]{64})\s*$') m
  ), false)
$$;

-- Null when the source may send to this webhook, else the reason.
create function private.refuse_source(
  p_webhook public.user_webhook_configs, p_body text, p_ip text, p_headers jsonb
) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  header text := p_headers ->> 'x-sparky-signature';
  stored jsonb;
begin
  if not private.source_allowed(p_webhook.allowed_sources, p_ip) then
    return 'source_not_allowed';
  end if;
  if header is null then
    return case when p_webhook.require_signature then 'signature_missing' end;
  end if;
  select d.decrypted_secret::jsonb into stored from vault.decrypted_secrets d where d.id = p_webhook.secret_id;
  -- After a rotation the older secret signs too, until its owner ends it.
  if private.signature_fits(header, p_body, stored ->> 'secret')
    or private.signature_fits(header, p_body, stored #>> '{old,secret}') then
    return null;
  end if;
  return 'signature_wrong';
end
$$;

-- What the plan leaves for this hour: null when there is room, else the answer that says when there will be.
create function private.over_limit(p_user_id uuid, p_now timestamptz, out reason text, out retry_after integer)
language plpgsql
stable
set search_path = ''
as $$
declare
  allowed integer;
  plan_name text;
  used bigint;
  oldest timestamptz;
begin
  select c.webhooks_per_hour, c.plan into allowed, plan_name from private.current_plan(p_user_id) c;
  if allowed is null and plan_name is not null then
    return;
  end if;
  -- No plan at all, because an operator renamed or removed Free, is not a plan without limits.
  allowed := coalesce(allowed, 0);
  select count(*), min(s.received_at) into used, oldest from (
    select received_at from public.signals
    where user_id = p_user_id and received_at > p_now - interval '1 hour'
      -- What a worker has looked at was accepted, or alerts that are all rejected later would be without limit.
      and (status not in ('rejected', 'rate_limited') or claimed_at is not null) and parent_id is null
    order by received_at desc
    limit greatest(allowed, 1)
  ) s;
  if used >= allowed then
    retry_after := greatest(1, ceil(extract(epoch from coalesce(oldest, p_now) + interval '1 hour' - p_now)))::integer;
    reason := format('Your plan %s allows %s alerts an hour and %s came in the last hour; there is room again at %s UTC. '
      'Exits still pass.', plan_name, allowed, used,
      to_char((p_now + make_interval(secs => retry_after)) at time zone 'UTC', 'HH24:MI:SS'));
  end if;
end
$$;

create function private.alert_key(p_webhook_id uuid, p_fields jsonb, p_body text) returns bytea
language plpgsql
immutable
set search_path = ''
as $$
begin
  return sha256(convert_to(
    case
      when p_fields ->> 'id' is not null then 'id/' || p_webhook_id::text || '/' || (p_fields ->> 'id')
      else 'body/' || p_webhook_id::text || '/' || p_body
    end, 'UTF8'));
end
$$;

-- Takes the alert's key, or answers with the signal that holds it.
create function private.take_alert_key(
  p_user_id uuid, p_alert_key bytea, p_fields jsonb, p_signal_id uuid, p_now timestamptz
) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  -- A body that carries an id or a time names one event for ever; another may well be meant again a minute later.
  until_when timestamptz := case
    when p_fields ->> 'id' is not null or p_fields ->> 'timestamp' is not null then 'infinity'
    else p_now + interval '60 seconds' end;
  holder uuid;
begin
  insert into private.alert_keys as k (user_id, key, signal_id, expires_at)
  values (p_user_id, p_alert_key, p_signal_id, until_when)
  on conflict (user_id, key) do update
  set signal_id = excluded.signal_id, expires_at = excluded.expires_at
  where k.expires_at <= p_now
  returning k.signal_id into holder;
  if holder is null then
    select k.signal_id into holder from private.alert_keys k where k.user_id = p_user_id and k.key = p_alert_key;
  end if;
  return holder;
end
$$;

create function private.store_signal(
  p_id uuid, p_webhook public.user_webhook_configs, p_alert private.parsed_alert, p_strategy_id uuid,
  p_account public.user_api_keys, p_status text, p_reason_code text, p_reason text, p_now timestamptz
) returns void
language plpgsql
set search_path = ''
as $$
declare
  ended boolean := p_status <> 'pending';
begin
  insert into public.signals (
    id, user_id, webhook_id, account_id, strategy_id, exchange, environment, symbol, action, is_exit, alert, raw, warnings, status,
    reason_code, reason, alert_at, received_at, finished_at
  ) values (
    p_id, p_webhook.user_id, p_webhook.id, p_account.id, p_strategy_id, coalesce(p_account.exchange, p_alert.fields ->> 'exchange'),
    p_account.environment, p_alert.fields ->> 'symbol', p_alert.fields ->> 'action',
    private.is_exit(p_alert.fields), coalesce(p_alert.fields, '{}'), p_alert.raw,
    p_alert.warnings, p_status, p_reason_code, p_reason, (p_alert.fields ->> 'timestamp')::timestamptz, p_now,
    case when ended then clock_timestamp() end
  );
  if ended then
    perform private.audit(p_webhook.user_id, 'ingest', 'signal.finished', p_id,
      jsonb_build_object('status', p_status, 'reason_code', p_reason_code));
  end if;
end
$$;

-- Puts one trader's alerts in order.
create function private.lock_trader(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.keep_trader(p_user_id);
  perform from private.ingest_state s where s.user_id = p_user_id for update;
  if not found then
    insert into private.ingest_state (user_id) values (p_user_id) on conflict (user_id) do nothing;
    perform from private.ingest_state s where s.user_id = p_user_id for update;
  end if;
end
$$;

-- Everything after the sender is known. Holds the trader's lock, so his alerts get their order here.
create function private.accept_alert(
  p_webhook public.user_webhook_configs, p_alert private.parsed_alert, p_body text
) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  received timestamptz := clock_timestamp();
  signal_id uuid := gen_random_uuid();
  alert_key bytea := private.alert_key(p_webhook.id, p_alert.fields, p_body);
  holder uuid;
  aimed record;
  strategy_id uuid;
  target public.user_api_keys;
  room record;
begin
  perform private.lock_trader(p_webhook.user_id);
  if p_alert.reason_code is null then
    select * into aimed from private.aim_alert(p_webhook.user_id, p_alert);
    p_alert := aimed.alert;
    strategy_id := (aimed.strategy).id;
    target := aimed.account;
  end if;
  if p_alert.reason_code is not null then
    perform private.store_signal(
      signal_id, p_webhook, p_alert, strategy_id, target, 'rejected', p_alert.reason_code, p_alert.reason, received);
    perform private.count_usage(p_webhook.user_id, 'rejected', received);
    return private.answer(422, 'rejected', signal_id, p_alert.reason_code, p_alert.reason);
  end if;
  holder := private.take_alert_key(p_webhook.user_id, alert_key, p_alert.fields, signal_id, received);
  if holder <> signal_id then
    perform private.count_usage(p_webhook.user_id, 'duplicate', received);
    return private.answer(
      200, 'duplicate', holder, 'duplicate', 'This alert was received before; it has had its effect, or will have.');
  end if;
  select * into room from private.over_limit(p_webhook.user_id, received);
  if room.reason is not null and not private.is_exit(p_alert.fields) then
    delete from private.alert_keys k where k.user_id = p_webhook.user_id and k.key = alert_key;
    perform private.store_signal(
      signal_id, p_webhook, p_alert, strategy_id, target, 'rate_limited', 'plan_limit', room.reason, received);
    perform private.count_usage(p_webhook.user_id, 'rate_limited', received);
    return private.answer(429, 'rate_limited', signal_id, 'plan_limit', room.reason, room.retry_after);
  end if;
  perform private.store_signal(
    signal_id, p_webhook, p_alert, strategy_id, target, 'pending', null, null, received);
  perform private.count_usage(p_webhook.user_id, 'accepted', received);
  return private.answer(200, 'accepted', signal_id);
end
$$;

create function public.ingest_alert(p_token text, p_body text, p_ip text, p_headers jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  alert private.parsed_alert := private.parse_alert(coalesce(p_body, ''));
  credential text := coalesce(p_token, alert.secret, '');
  webhook public.user_webhook_configs;
  refusal text;
begin
  select w.* into webhook
  from private.webhook_credentials c
  join public.user_webhook_configs w on w.id = c.webhook_id
  where c.hash = sha256(convert_to(credential, 'UTF8'))
    and c.kind = case when p_token is null then 'secret' else 'token' end;
  if webhook.id is null or not webhook.active then
    return private.answer(case when p_token is null then 401 else 404 end, 'refused', null, 'unknown_webhook',
      'No such webhook. Check the address or the secret.');
  end if;
  refusal := private.refuse_source(webhook, p_body, p_ip, coalesce(p_headers, '{}'));
  if refusal is not null then
    perform private.count_usage(webhook.user_id, 'refused', clock_timestamp());
    return private.answer(403, 'refused', null, refusal, case refusal
      when 'source_not_allowed' then 'This webhook does not take alerts from this address.'
      when 'signature_missing' then 'This webhook takes signed alerts only; X-Sparky-Signature is missing.'
      else 'X-Sparky-Signature does not fit this body and secret, or is older than five minutes.' end);
  end if;
  return private.accept_alert(webhook, alert, p_body);
end
$$;
comment on function public.ingest_alert is 'Takes one alert: finds the webhook, parses, drops repetitions, keeps to the plan, stores and wakes the worker. Answers {"http","body","retry_after"}.';
