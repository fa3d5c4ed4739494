-- The operator's switches: one row that every claim reads and only the operator writes.

create table private.platform_state (
  -- There is one platform.
  id boolean primary key default true check (id),
  trading_halted boolean not null default false,
  halt_reason text check (length(halt_reason) between 1 and 500),
  announcement text check (length(announcement) between 1 and 2000),
  -- Where traders reach the public API, without a slash at the end; null means the host of the request.
  api_url text check (length(api_url) <= 500),
  updated_at timestamptz not null default now(),
  updated_by text not null default 'database',
  check (trading_halted = (halt_reason is not null))
);
create trigger touch before update on private.platform_state
for each row execute function private.touch_updated_at();
insert into private.platform_state default values;

-- What a caller may show to everybody.
create function private.platform_answer() returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return coalesce(
    (select jsonb_build_object(
      'trading_halted', p.trading_halted, 'halt_reason', p.halt_reason, 'announcement', p.announcement)
    from private.platform_state p),
    -- Claims take a missing row for a halt, so it is shown as one.
    '{"trading_halted": true, "halt_reason": "The state of the platform is not known.", "announcement": null}');
end
$$;

create function private.change_platform(p_action text, p_changes jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  insert into private.platform_state (id) values (true) on conflict (id) do nothing;
  -- What is read below is written back: without the lock an announcement could undo a halt that was set meanwhile.
  perform from private.platform_state for update;
  update private.platform_state p set
    trading_halted = n.trading_halted, halt_reason = n.halt_reason, announcement = n.announcement, api_url = n.api_url,
    updated_by = coalesce(auth.uid()::text, nullif(current_setting('role', true), 'none'), session_user)
  from (
    select f.* from private.platform_state o, jsonb_populate_record(o, p_changes) f
  ) n;
  perform private.audit(null, 'operator', p_action, null, p_changes);
  return private.platform_answer();
end
$$;

create function public.halt_trading(p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  if coalesce(length(btrim(p_reason)) not between 1 and 500, true) then
    raise exception 'a halt needs a reason of 1 to 500 characters'
    using errcode = '22023', hint = 'Traders read it beside every entry that is turned away.';
  end if;
  return private.change_platform('platform.halted',
    jsonb_build_object('trading_halted', true, 'halt_reason', btrim(p_reason)));
end
$$;
comment on function public.halt_trading is 'Operator: from the next claim on no trader''s entries are executed; exits pass.';

create function public.resume_trading() returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  return private.change_platform('platform.resumed', '{"trading_halted": false, "halt_reason": null}');
end
$$;
comment on function public.resume_trading is 'Operator: ends a halt, from the next claim on.';

create function public.announce(p_text text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  if length(btrim(p_text)) > 2000 then
    raise exception 'an announcement has at most 2000 characters, not %', length(btrim(p_text))
    using errcode = '22023', hint = 'Shorten it, or link to a longer text.';
  end if;
  return private.change_platform('platform.announced', jsonb_build_object('announcement', nullif(btrim(p_text), '')));
end
$$;
comment on function public.announce is 'Operator: shows a text to every trader; null or an empty text takes it away.';

create function public.set_api_url(p_url text) returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  url text := nullif(rtrim(btrim(p_url), '/'), '');
begin
  -- Traders paste what is made of it into TradingView: their secrets may leave over http only to their own machine.
  if length(url) > 500 or url !~ '^(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$'
  then
    raise exception 'this is not the address of an API'
    using errcode = '22023', hint = 'Give an https address such as https://example.supabase.co, without query and user.';
  end if;
  perform private.change_platform('platform.api_url', jsonb_build_object('api_url', url));
  return url;
end
$$;
comment on function public.set_api_url is 'Operator: where traders reach the API; null means the host that they call.';

create function public.platform_status() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return private.platform_answer();
end
$$;
comment on function public.platform_status is 'Whether the operator has halted trading, why, and what he announces: {"trading_halted","halt_reason","announcement"}.';
