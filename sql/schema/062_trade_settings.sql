-- What a trader allows: one row for all exchanges, one for each exchange. 0 means no limit.
-- Columns, types and the defaults of an exchange are those that dashboards know. docs/plans.md says which settings the
-- worker obeys so far.

create table public.trade_settings_global (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null unique default auth.uid() references auth.users (id) on delete cascade,
  enabled boolean not null default true,
  -- Unlike those of an exchange these defaults restrict nothing: the narrower of both rows wins, and a trader who
  -- never saw this row has chosen nothing.
  trading_hours_preset text not null default '24/7' check (length(trading_hours_preset) between 1 and 50),
  trading_window jsonb not null default '["00:00", "23:59"]',
  max_trades_per_day integer not null default 0 check (max_trades_per_day >= 0),
  max_position_size_usd numeric(18, 2) not null default 0 check (max_position_size_usd between 0 and 1e15),
  take_profit_percent numeric(10, 4) not null default 0 check (take_profit_percent between 0 and 10000),
  stop_loss_percent numeric(10, 4) not null default 0 check (stop_loss_percent between 0 and 100),
  allow_weekends boolean not null default true,
  news_filter boolean not null default false,
  notes text check (length(notes) <= 10000),
  extra_settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.trade_settings_global is 'What a trader allows on all exchanges together. The narrower of this row and the exchange''s wins.';
comment on column public.trade_settings_global.news_filter is 'Stored; has no effect, because there is no calendar of news.';

create table public.trade_settings_exchange (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  exchange text not null check (exchange in ('aster', 'oanda', 'tradier', 'tradier_options', 'tastytrade', 'paper')),
  enabled boolean not null default true,
  trading_hours_preset text not null default '24/5' check (length(trading_hours_preset) between 1 and 50),
  trading_window jsonb not null default '["00:00", "23:59"]',
  max_trades_per_day integer not null default 0 check (max_trades_per_day >= 0),
  max_position_size_usd numeric(18, 2) not null default 0 check (max_position_size_usd between 0 and 1e15),
  take_profit_percent numeric(10, 4) not null default 0 check (take_profit_percent between 0 and 10000),
  stop_loss_percent numeric(10, 4) not null default 0 check (stop_loss_percent between 0 and 100),
  allow_weekends boolean not null default false,
  news_filter boolean not null default false,
  notes text check (length(notes) <= 10000),
  position_size_percent numeric(10, 4) not null default 0 check (position_size_percent between 0 and 10000),
  strike_tolerance_percent numeric(10, 4) not null default 1 check (strike_tolerance_percent between 0 and 100),
  entry_limit_offset_percent numeric(10, 4) not null default 1 check (entry_limit_offset_percent between 0 and 100),
  tp_percent numeric(10, 4) not null default 5 check (tp_percent between 0 and 10000),
  sl_percent numeric(10, 4) not null default 8 check (sl_percent between 0 and 100),
  max_signal_age_sec integer not null default 10 check (max_signal_age_sec >= 0),
  auto_close_outside_window boolean not null default true,
  max_open_positions integer not null default 3 check (max_open_positions >= 0),
  extra_settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, exchange)
);
comment on table public.trade_settings_exchange is 'What a trader allows on one exchange. The narrower of this row and the global one wins.';
comment on column public.trade_settings_exchange.exchange is 'tradier_options are the options of Tradier accounts, tradier their shares.';
comment on column public.trade_settings_exchange.news_filter is 'Stored; has no effect, because there is no calendar of news.';

-- What the checks of both tables forbid, in words for those who typed it; null when nothing is wrong.
create function private.wrong_setting(p_row jsonb) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  wrong text := case
    when p_row ->> 'exchange' not in ('aster', 'oanda', 'tradier', 'tradier_options', 'tastytrade', 'paper')
      or p_row -> 'exchange' = 'null'
      then 'the exchange must be aster, oanda, tradier, tradier_options, tastytrade or paper'
    when coalesce(length(p_row ->> 'trading_hours_preset') not between 1 and 50, true)
      then 'trading_hours_preset must have 1 to 50 characters'
    when length(p_row ->> 'notes') > 10000 then 'notes must have at most 10000 characters'
  end;
begin
  return coalesce(wrong, (
    select format('%s must be true or false', s.name)
    from unnest(array['enabled', 'allow_weekends', 'news_filter', 'auto_close_outside_window']) as s (name)
    where p_row -> s.name = 'null' limit 1
  ), (
    select format('%s must be a number from 0 to %s', l.name, l.most)
    from (
      values
      ('max_trades_per_day', 2147483647), ('max_position_size_usd', 1000000000000000), ('take_profit_percent', 10000),
      ('stop_loss_percent', 100), ('position_size_percent', 10000), ('strike_tolerance_percent', 100),
      ('entry_limit_offset_percent', 100), ('tp_percent', 10000), ('sl_percent', 100), ('max_signal_age_sec', 2147483647),
      ('max_open_positions', 2147483647)
    ) as l (name, most)
    where p_row ? l.name and coalesce((p_row ->> l.name)::numeric not between 0 and l.most, true) limit 1
  ));
end
$$;

-- Checks by a trigger where a constraint could only say that something is wrong, and not what.
create function private.check_trade_settings() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  setting record;
  amount numeric;
  wrong text := private.wrong_setting(to_jsonb(new));
begin
  if wrong is not null then
    raise exception '%', wrong
    using errcode = '22023', hint = 'Nothing was saved; correct the value. 0 means no limit, and null is no value here.';
  end if;
  -- As text, because a constraint on an element would fail on what is no array. jsonb writes one blank after a comma.
  if coalesce(new.trading_window::text !~ '^\["([01]\d|2[0-3]):[0-5]\d", "([01]\d|2[0-3]):[0-5]\d"\]$', true) then
    raise exception 'trading_window must be two times of day'
    using errcode = '22023', hint = 'For example ["09:30", "16:00"]; the times are those of New York.';
  end if;
  if coalesce(jsonb_typeof(new.extra_settings) <> 'object', true) then
    raise exception 'extra_settings must be an object' using errcode = '22023', hint = 'For example {"pyramiding": true}.';
  end if;
  for setting in select e.key, e.value, jsonb_typeof(e.value) as kind from jsonb_each(new.extra_settings) e loop
    if setting.key = 'on_opposite' then
      if setting.value not in ('"reverse"', '"close"', '"reject"') then
        raise exception 'extra_settings.on_opposite must be "reverse", "close" or "reject"'
        using errcode = '22023', hint = 'It says what an entry does while the other side is open.';
      end if;
    elsif setting.key in ('pyramiding', 'allow_short') then
      if setting.kind <> 'boolean' then
        raise exception 'extra_settings.% must be true or false', setting.key
        using errcode = '22023', hint = 'Without quotation marks.';
      end if;
    elsif setting.key in (
      'max_daily_loss_usd', 'max_leverage', 'max_slippage_percent', 'cooldown_sec', 'max_exit_age_sec') then
      amount := case when setting.kind = 'number' then setting.value::numeric end;
      -- A work order carries no more decimals than 20, and one that cannot be read is not executed, exits neither.
      if coalesce(amount not between 0 and 1000000000, true) or scale(trim_scale(amount)) > 12
        or setting.key in ('cooldown_sec', 'max_exit_age_sec') and amount <> trunc(amount) then
        raise exception 'extra_settings.% must be a number from 0 to 1000000000, in whole seconds if it is a time',
          setting.key
        using errcode = '22023', hint = 'Without quotation marks, with at most 12 decimals; 0 means no limit.';
      end if;
    else
      raise exception 'extra_settings has no setting "%"', left(setting.key, 60)
      using errcode = '22023', hint = 'Known are on_opposite, pyramiding, allow_short, max_daily_loss_usd, max_leverage, '
        'max_slippage_percent, cooldown_sec and max_exit_age_sec.';
    end if;
  end loop;
  return new;
end
$$;
create trigger check_settings before insert or update on public.trade_settings_global
for each row execute function private.check_trade_settings();
create trigger touch before update on public.trade_settings_global
for each row execute function private.touch_updated_at();
create trigger check_settings before insert or update on public.trade_settings_exchange
for each row execute function private.check_trade_settings();
create trigger touch before update on public.trade_settings_exchange
for each row execute function private.touch_updated_at();

alter table public.trade_settings_global enable row level security;
alter table public.trade_settings_global force row level security;
create policy own_settings_select on public.trade_settings_global for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_settings_insert on public.trade_settings_global for insert to authenticated
with check ((select auth.uid()) = user_id);
create policy own_settings_update on public.trade_settings_global for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_settings_delete on public.trade_settings_global for delete to authenticated
using ((select auth.uid()) = user_id);

alter table public.trade_settings_exchange enable row level security;
alter table public.trade_settings_exchange force row level security;
create policy own_exchange_settings_select on public.trade_settings_exchange for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_exchange_settings_insert on public.trade_settings_exchange for insert to authenticated
with check ((select auth.uid()) = user_id);
create policy own_exchange_settings_update on public.trade_settings_exchange for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_exchange_settings_delete on public.trade_settings_exchange for delete to authenticated
using ((select auth.uid()) = user_id);
