-- The messages that traders paste into TradingView, by exchange and style.

-- Exchange and style, as they can be combined. TradingView fills in what stands in double braces.
create function private.alert_styles() returns table (exchange text, style text, message text, sample text)
language sql
immutable
set search_path = ''
as $$
  select
    e.exchange,
    s.style,
    replace(s.message, '(exchange)', e.exchange) as message,
    e.sample
  from (
    values
    (1, 'aster', 'BTCUSDT', false),
    (2, 'oanda', 'EURUSD', false),
    (3, 'tradier', 'AAPL', false),
    (4, 'tradier_options', 'AAPL', true),
    (5, 'tastytrade', 'AAPL', false),
    (6, 'paper', 'BTCUSDT', false)
  ) as e (position, exchange, sample, options)
  join (
    values
    (1, 'strategy', false,
      '{"symbol":"{{ticker}}","action":"{{strategy.order.action}}","market_position":"{{strategy.market_position}}",'
      '"market_position_size":"{{strategy.market_position_size}}",'
      '"prev_market_position":"{{strategy.prev_market_position}}","quantity":"{{strategy.order.contracts}}",'
      '"price":"{{strategy.order.price}}","order_id":"{{strategy.order.id}}","timenow":"{{timenow}}",'
      '"exchange":"(exchange)"}'),
    (2, 'indicator', false,
      '{"symbol":"{{ticker}}","action":"buy","price":"{{close}}","timenow":"{{timenow}}","exchange":"(exchange)",'
      '"position_size_usd":500,"stop_loss_percent":1,"take_profit_percent":3}'),
    (3, 'market', false,
      '{"symbol":"{{ticker}}","action":"buy","price":"{{close}}","timenow":"{{timenow}}","exchange":"(exchange)",'
      '"position_size_usd":500}'),
    (4, 'close', false,
      '{"symbol":"{{ticker}}","action":"close","price":"{{close}}","timenow":"{{timenow}}","exchange":"(exchange)"}'),
    (5, 'option', true,
      '{"symbol":"{{ticker}}","action":"buy","right":"call","dte":7,"position_size_percent":5,"timenow":"{{timenow}}",'
      '"exchange":"(exchange)"}'),
    (6, 'close', true,
      '{"symbol":"{{ticker}}","action":"close","right":"call","timenow":"{{timenow}}","exchange":"(exchange)"}')
  ) as s (position, style, options, message) on s.options = e.options
  order by e.position, s.position
$$;

-- The message as TradingView would send it.
create function private.sample_alert(p_message text, p_sample text) returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  filled text := p_message;
  pair text[];
begin
  foreach pair slice 1 in array array[
    ['{{ticker}}', p_sample], ['{{close}}', '100.5'], ['{{timenow}}', '2026-01-02T03:04:05Z'],
    ['{{strategy.order.action}}', 'buy'], ['{{strategy.order.contracts}}', '2'], ['{{strategy.order.price}}', '100.5'],
    ['{{strategy.order.id}}', 'Long'], ['{{strategy.market_position}}', 'long'],
    ['{{strategy.market_position_size}}', '2'], ['{{strategy.prev_market_position}}', 'flat']
  ] loop
    filled := replace(filled, pair[1], pair[2]);
  end loop;
  return filled;
end
$$;

create function private.alert_field_notes() returns jsonb
language sql
immutable
set search_path = ''
as $$
  select '{
    "symbol": "The chart''s symbol; TradingView fills it in.",
    "action": "buy, sell or close; in a strategy''s alert TradingView fills it in.",
    "market_position": "The strategy''s position after this order. It decides: long, short or flat is what is reached.",
    "market_position_size": "How large that position is. The order''s own size is no measure of it: that of a reversal holds what it closes too.",
    "prev_market_position": "The strategy''s position before this order; shows an alert that was missed.",
    "quantity": "Size in the exchange''s unit: coins, units, shares.",
    "price": "The price when the alert fired; a size in dollars is counted by it.",
    "order_id": "Tells orders of the same second apart.",
    "timenow": "When the alert fired. A repetition is known by it, and an entry that comes too late expires.",
    "exchange": "Where the order goes.",
    "position_size_usd": "Size in US dollars. Change it to what you want to trade.",
    "position_size_percent": "Size in percent of the buying power.",
    "stop_loss_percent": "Closes when the price is this much worse than the entry.",
    "take_profit_percent": "Closes when the price is this much better than the entry.",
    "right": "call or put; the contract is chosen by your settings, by \"strike\" and by \"expiration\" or \"dte\".",
    "dte": "Days to the expiration."
  }'::jsonb
$$;

-- Asks the parser itself, so that a template never promises more than an alert gets.
create function private.describe_template(p_exchange text, p_style text, p_message text, p_sample text) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  alert private.parsed_alert := private.parse_alert(private.sample_alert(p_message, p_sample));
  wrong record;
begin
  select alert.reason_code, alert.reason into wrong;
  if wrong.reason_code is null then
    -- Nobody has accounts here: what matters is whether the exchange is one that an alert may name.
    select a.reason_code, a.reason into wrong from private.find_account(null, alert.fields) a
    where a.reason_code = 'unknown_exchange';
  end if;
  if wrong.reason_code is null then
    select * into wrong from private.check_exchange(alert.fields, alert.fields ->> 'exchange');
  end if;
  return jsonb_build_object(
    'exchange', p_exchange, 'style', p_style, 'message', p_message,
    'fields', (
      select jsonb_object_agg(k.name, private.alert_field_notes() -> k.name)
      from jsonb_object_keys(p_message::jsonb) k (name)
    ),
    'accepted_now', wrong.reason_code is null,
    'reason', wrong.reason);
end
$$;

create function public.alert_template(p_exchange text, p_style text) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  chosen record;
begin
  perform private.require_trader();
  select t.* into chosen from private.alert_styles() t where t.exchange = p_exchange and t.style = p_style;
  if chosen.exchange is null then
    raise exception 'there is no alert template for this exchange and style'
    using errcode = '22023', hint = (
      select 'there are: ' || string_agg(k.exchange || ' (' || k.styles || ')', ', ' order by k.n)
      from (
        select t.exchange, min(t.n) as n, string_agg(t.style, ', ' order by t.n) as styles
        from private.alert_styles() with ordinality as t (exchange, style, message, sample, n)
        group by t.exchange
      ) k
    );
  end if;
  return private.describe_template(chosen.exchange, chosen.style, chosen.message, chosen.sample);
end
$$;
comment on function public.alert_template is 'The message to paste into TradingView for an exchange and a style, what its fields mean, and whether it is accepted now.';

create function public.alert_templates() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_trader();
  return (
    select jsonb_agg(private.describe_template(t.exchange, t.style, t.message, t.sample) order by t.n)
    from private.alert_styles() with ordinality as t (exchange, style, message, sample, n)
  );
end
$$;
comment on function public.alert_templates is 'All alert templates there are.';
