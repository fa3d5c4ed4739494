-- Where an alert goes: which strategy, account and symbol it means. Read-only; ingest decides what becomes of it.

-- The strategy that an alert names, or a reason code and sentence.
create function private.find_strategy(
  p_user_id uuid, p_fields jsonb, out strategy public.strategies, out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  named text := p_fields ->> 'strategy';
  given_id text := p_fields ->> 'strategy_id';
begin
  if given_id is not null then
    select * into strategy from public.strategies s where s.user_id = p_user_id and s.id = given_id::uuid;
  else
    select * into strategy from public.strategies s where s.user_id = p_user_id and s.name = named;
  end if;
  if strategy.id is null then
    reason_code := 'unknown_strategy';
    reason := format('You have no strategy %s; its name or id has to be exactly as in your list of strategies.',
      coalesce('with the id ' || given_id, format('called "%s"', left(named, 100))));
  elsif strategy.name <> named then
    strategy := null;
    reason_code := 'unknown_field_combination';
    reason := format('"strategy" is "%s", and "strategy_id" is that of another one; send one of them.', left(named, 100));
  end if;
end
$$;

-- Why a strategy takes no entries; nulls when it does.
create function private.refuse_entry_of(p_strategy public.strategies, out reason_code text, out reason text)
language plpgsql
stable
set search_path = ''
as $$
declare
  allowed integer;
begin
  if p_strategy.status <> 'active' then
    reason_code := 'strategy_inactive';
    reason := format('The status of the strategy "%s" is %s, so it takes no entries; set it to active. Exits still pass.',
      p_strategy.name, p_strategy.status);
  elsif exists (select from private.strategies_over_limit(p_strategy.user_id) o where o.id = p_strategy.id) then
    select coalesce(c.max_strategies, 0) into allowed from private.current_plan(p_strategy.user_id) c;
    reason_code := 'plan_limit';
    reason := format('Your plan allows %s active strategies, and "%s" is beyond that: it takes no new entries. Exits still '
      'pass. Deactivate another strategy or book a larger plan.', coalesce(allowed, 0), p_strategy.name);
  end if;
end
$$;

-- The account an alert means, or a reason code and sentence.
create function private.find_account(
  p_user_id uuid, p_fields jsonb, out account public.user_api_keys, out reason_code text, out reason text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  venue text := p_fields ->> 'exchange';
  wanted text := p_fields ->> 'environment';
  accounts bigint;
begin
  if venue is not null and venue not in ('aster', 'oanda', 'tradier', 'tastytrade', 'paper') then
    reason_code := 'unknown_exchange';
    reason := format('"exchange" is "%s"; it must be %s.', left(venue, 40),
      private.kind_in_words('exchange'));
    return;
  end if;
  select count(*) into accounts from public.user_api_keys k where k.user_id = p_user_id;
  if venue is null and accounts > 1 then
    reason_code := 'missing_field';
    reason := format('The alert has no "exchange", and you have %s accounts; name the one you mean.', accounts);
    return;
  end if;
  select * into account from public.user_api_keys k
  where k.user_id = p_user_id and (venue is null or k.exchange = venue)
    and (wanted is null and (k.environment in ('production', 'paper') or venue is null) or k.environment = wanted)
  order by k.environment = 'production' desc
  limit 1;
  if account.id is null then
    reason_code := 'no_account';
    reason := format('You have no %s account%s; save its keys first.', coalesce(venue, 'exchange'),
      coalesce(' for ' || wanted, ''));
  end if;
end
$$;

-- The alert's symbol as the account's exchange has it, or a reason code and sentence.
create function private.write_symbol(
  p_alert private.parsed_alert, p_exchange text, out symbol text, out reason_code text, out reason text
)
language plpgsql
immutable
set search_path = ''
as $$
begin
  symbol := case when p_alert.fields ->> 'action' = 'close_all' then '*'
    else private.canonical_symbol(p_exchange, p_alert.symbol_text) end;
  if symbol is null then
    symbol := p_alert.fields ->> 'symbol';
    reason_code := 'unknown_symbol';
    reason := format('"symbol" is "%s", which can be no symbol of %s; write it like %s.',
      left(p_alert.symbol_text, 60), p_exchange, private.symbol_examples(p_exchange));
  end if;
end
$$;

-- Where an alert goes: its strategy, account and symbol, or the reason why it goes nowhere. What holds entries back lets
-- exits pass, also those of a strategy that its trader has renamed or deleted meanwhile.
create function private.aim_alert(
  p_user_id uuid, p_alert private.parsed_alert, out alert private.parsed_alert, out strategy public.strategies,
  out account public.user_api_keys
)
language plpgsql
stable
set search_path = ''
as $$
declare
  exits boolean := private.is_exit(p_alert.fields);
  found record;
begin
  alert := p_alert;
  if alert.fields ?| '{strategy,strategy_id}' then
    select * into found from private.find_strategy(p_user_id, alert.fields);
    strategy := found.strategy;
    if found.reason_code = 'unknown_strategy' and exits then
      alert.warnings := alert.warnings || found.reason;
    elsif found.reason_code is not null then
      alert.reason_code := found.reason_code;
      alert.reason := found.reason;
      return;
    end if;
    alert.fields := jsonb_strip_nulls(jsonb_build_object('exchange', strategy.exchange, 'environment', case
      when coalesce(alert.fields ->> 'exchange', strategy.exchange) is distinct from 'paper' then strategy.environment end
    )) || alert.fields;
  end if;
  select * into found from private.find_account(p_user_id, alert.fields);
  account := found.account;
  if found.reason_code is null then
    select * into found from private.check_exchange(alert.fields, account.exchange);
  end if;
  if found.reason_code is null then
    select * into found from private.write_symbol(alert, account.exchange);
    alert.fields := alert.fields || jsonb_build_object('symbol', found.symbol);
  end if;
  if found.reason_code is null and strategy.id is not null and not exits then
    select * into found from private.refuse_entry_of(strategy);
  end if;
  if found.reason_code is null and not exits then
    select 'plan_limit' as reason_code, o.reason into found from private.account_over_limit(account) o (reason)
    where o.reason is not null;
  end if;
  alert.reason_code := found.reason_code;
  alert.reason := found.reason;
end
$$;
