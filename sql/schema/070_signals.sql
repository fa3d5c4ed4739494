-- Signals: accepted alerts, and those a trader must see because they were refused.

create table public.signals (
  id uuid primary key default gen_random_uuid(),
  -- Order of arrival. Per trader it is also the order of commit: ingest holds the trader's lock.
  seq bigint generated always as identity,
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  webhook_id uuid,
  account_id uuid,
  strategy_id uuid,
  exchange text,
  environment text,
  symbol text,
  action text,
  is_exit boolean not null default false,
  alert jsonb not null default '{}',
  raw text,
  warnings text[] not null default '{}',
  lane text generated always as (account_id::text || '/' || symbol) stored,
  status text not null default 'pending' check (
    status in ('pending', 'executing', 'done', 'rejected', 'rate_limited', 'expired', 'failed', 'review')
  ),
  reason_code text,
  reason text,
  plan jsonb,
  explanation jsonb,
  parent_id uuid,
  alert_at timestamptz,
  received_at timestamptz not null default clock_timestamp(),
  claimed_at timestamptz,
  entered_at timestamptz,
  submitted_at timestamptz,
  acknowledged_at timestamptz,
  finished_at timestamptz,
  claimed_by text,
  attempt integer not null default 0,
  fence bigint not null default 0,
  lease_until timestamptz,
  created_at timestamptz not null default now(),
  unique (user_id, id),
  foreign key (user_id, webhook_id) references public.user_webhook_configs (user_id, id)
  on delete set null (webhook_id),
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id)
  on delete set null (account_id),
  foreign key (user_id, strategy_id) references public.strategies (user_id, id)
  on delete set null (strategy_id),
  foreign key (user_id, parent_id) references public.signals (user_id, id)
  on delete set null (parent_id),
  check (status not in ('pending', 'executing') or lane is not null),
  check ((status = 'executing') = (lease_until is not null)),
  check ((status in ('pending', 'executing')) = (finished_at is null))
);
comment on table public.signals is 'Alerts that were accepted, and those refused that their trader must see. One signal has one effect.';
comment on column public.signals.alert is 'The alert as understood: canonical names, decimals as text, no secret.';
comment on column public.signals.raw is 'The alert as it came, without its secret.';
comment on column public.signals.fence is 'Grows with each claim; every later write must carry it.';
comment on column public.signals.parent_id is 'The signal that made this one: a close_all that closes each symbol, or an entry whose exits are still to be placed.';
comment on column public.signals.explanation is 'What was checked with its value and limit, and what was or would have been sent: {"checks","plan"}.';
comment on column public.signals.entered_at is 'When it was let in as an entry, which the trader''s limits count. Null again when nothing of it was opened.';
comment on column public.signals.plan is 'The legs decided by the first claim. Later claims continue it and never plan anew.';

create index signals_user on public.signals (user_id, received_at desc);
create index signals_webhook on public.signals (user_id, webhook_id);
create index signals_account on public.signals (user_id, account_id);
create index signals_strategy on public.signals (user_id, strategy_id) where strategy_id is not null;
create index signals_parent on public.signals (user_id, parent_id) where parent_id is not null;
create index signals_entered on public.signals (user_id, entered_at) where entered_at is not null;
-- Partial indexes on the live states: cost follows the work waiting, not the history.
create index signals_pending on public.signals (seq) where status = 'pending';
create index signals_pending_lane on public.signals (lane, seq) where status = 'pending';
-- For retention: alerts that never came to an order.
create index signals_without_orders on public.signals (status, finished_at)
where submitted_at is null and finished_at is not null;
create index signals_lease on public.signals (lease_until) where status = 'executing';
create index signals_review on public.signals (lane) where status = 'review';
create index signals_closing_all on public.signals (account_id)
where action = 'close_all' and status in ('pending', 'executing');
create unique index signals_one_executing_per_lane on public.signals (lane) where status = 'executing';

create function private.notify_of_signal(
  p_signal public.signals, p_kind text, p_severity text, p_title text
) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.notify(p_signal.user_id, p_kind, p_severity, p_title, p_signal.reason, jsonb_build_object(
    'signal_id', p_signal.id, 'account_id', p_signal.account_id, 'exchange', p_signal.exchange,
    'symbol', p_signal.symbol, 'reason_code', p_signal.reason_code));
end
$$;

-- Deleting an account ends what waits for it, before the foreign key takes the account off the signal.
create function private.end_signals_of_account() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  ended public.signals;
begin
  for ended in
    update public.signals set
      status = 'failed', reason_code = 'no_account', lease_until = null, finished_at = clock_timestamp(),
      fence = fence + 1,
      reason = case status
        when 'executing' then 'The account of this alert was deleted while it was executed; look at the venue itself.'
        else 'The account of this alert was deleted before it was executed.'
      end
    where user_id = old.user_id and account_id = old.id and status in ('pending', 'executing')
    returning *
  loop
    perform private.audit(ended.user_id, 'database', 'signal.finished', ended.id,
      '{"status": "failed", "reason_code": "no_account"}');
    -- Only what was begun may have left something at the venue.
    if ended.submitted_at is not null then
      perform private.notify_of_signal(ended, 'signal_failed', 'warning', format(
        '%s of %s was cut off', initcap(ended.action), ended.symbol));
    end if;
  end loop;
  return old;
end
$$;
create trigger end_signals before delete on public.user_api_keys
for each row execute function private.end_signals_of_account();

-- What makes an alert a repetition. Only accepted alerts are kept here: a refused one had no effect.
create table private.alert_keys (
  user_id uuid not null references auth.users (id) on delete cascade,
  key bytea not null,
  signal_id uuid not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (user_id, key)
);
create index alert_keys_expiry on private.alert_keys (expires_at) where expires_at < 'infinity';
create index alert_keys_lasting on private.alert_keys (created_at) where expires_at = 'infinity';

alter table public.signals enable row level security;
alter table public.signals force row level security;
create policy own_signals_select on public.signals for select to authenticated
using ((select auth.uid()) = user_id);
