-- A million finished signals of five thousand traders, and what belongs to them. {trader} and {account} are the trader whom
-- the tests sign in: every hundredth row is his, the rest is spread over all others. Run without triggers and foreign keys.

insert into auth.users (id, email, aud, role)
select md5('trader' || n)::uuid, n || '@example.com', 'authenticated', 'authenticated' from generate_series(0, 4999) n;

insert into public.user_profiles (id) select md5('trader' || n)::uuid from generate_series(0, 4999) n;

insert into public.subscriptions (user_id) select md5('trader' || n)::uuid from generate_series(0, 4999) n;

insert into private.ingest_state (user_id) select md5('trader' || n)::uuid from generate_series(0, 4999) n;

insert into public.user_api_keys (id, user_id, exchange, environment, label, secret_id)
select md5('account' || n)::uuid, md5('trader' || n)::uuid, 'paper', 'paper', 'Paper', gen_random_uuid()
from generate_series(0, 4999) n;

insert into private.reconciliations (account_id, due_at)
select md5('account' || n)::uuid, now() + interval '1 day' from generate_series(0, 4999) n;

insert into public.user_webhook_configs (id, user_id, secret_id, hint, secret_hint)
select md5('webhook' || n)::uuid, md5('trader' || n)::uuid, gen_random_uuid(), 'abcd', 'abcd'
from generate_series(0, 4999) n;

insert into private.webhook_credentials (hash, webhook_id, kind)
select sha256(n::text::bytea), md5('webhook' || n)::uuid, 'token' from generate_series(0, 4999) n;

insert into public.strategies (user_id, name)
select md5('trader' || n % 5000)::uuid, 'S' || n from generate_series(0, 24999) n;
insert into public.strategies (user_id, name) select '{trader}', 'S' || n from generate_series(1, 20) n;

create temporary table h as
select
  n, now() - interval '2 hours' - make_interval(secs => n) as at,
  case when n % 100 = 0 then '{trader}' else md5('trader' || n % 5000)::uuid end as user_id,
  case when n % 100 = 0 then '{account}' else md5('account' || n % 5000)::uuid end as account_id,
  lpad(n::text, 32, '0')::uuid as id, 'S' || n % 500 as symbol
from generate_series(1, 1000000) n;

insert into public.signals (
  id, user_id, account_id, exchange, environment, symbol, action, status, alert, received_at, finished_at,
  entered_at
)
select
  id, user_id, account_id, 'paper', 'paper', symbol, 'buy',
  case when n % 4000 = 0 then 'review' when n % 50 = 1 then 'rate_limited' else 'done' end,
  '{"symbol": "BTCUSDT"}', at, at, case when n % 50 <> 1 then at end
from h;

delete from h where n > 200000;

insert into public.trades (
  user_id, account_id, exchange, symbol, side, entry_price, entry_time, exit_price, exit_time, quantity,
  position_size_usd, pnl_usd, pnl_percent, is_winner, order_id
)
select user_id, account_id, 'paper', symbol, 'BUY', 100, at, 101, at, 1, 100, 1, 1, true, 'o' || n from h;

insert into public.orders (
  id, user_id, account_id, signal_id, leg, client_order_id, exchange, environment, symbol, side, order_type, purpose,
  quantity, reduce_only, state
)
select
  id, user_id, account_id, id, 1, 'sp' || lpad(n::text, 26, '0'), 'paper', 'paper', symbol, 'buy', 'market', 'open', 1, false,
  'filled'
from h;

insert into public.fills (user_id, account_id, order_id, venue_fill_id, symbol, side, price, quantity, fee, filled_at)
select user_id, account_id, id, 'f' || n, symbol, 'buy', 100, 1, 0, at from h;

insert into public.audit_log (user_id, at, actor, action) select user_id, at, 'worker', 'signal.finished' from h;

insert into public.usage_logs (user_id, hour, kind, count) select user_id, at, 'accepted', 1 from h;

insert into private.alert_keys (user_id, key, signal_id, expires_at)
select user_id, sha256(n::text::bytea), id, 'infinity' from h;

insert into private.tasks (kind, state, finished_at) select 'validate_key', 'done', at from h where n <= 20000;

insert into public.positions (
  user_id, account_id, exchange, symbol, side, quantity, entry_price, entry_time, position_size_usd
)
select user_id, account_id, 'paper', 'S' || n, 'BUY', 1, 100, at, 100 from h where n <= 20000;

insert into public.option_trades (user_id, account_id, underlying_symbol, option_symbol, status, created_at)
select user_id, account_id, 'SPY', 'SPY', 'closed', at from h where n <= 50000;

insert into public.notifications (user_id, kind, severity, title, body, created_at, read_at)
select user_id, 'signal_failed', 'warning', 'A signal failed', '', at, case when n % 3 > 0 then at end
from h where n <= 50000;

drop table h;
