-- How long rows are kept, for every table, in one place. A periodic task removes what is older, in small batches.

create table private.retention (
  rule text primary key,
  relation regclass not null,
  -- Null: kept while the trader, the account or the installation is there.
  keep interval check (keep >= '0'),
  measured_by name,
  condition text not null default 'true',
  why text not null,
  check ((keep is null) = (measured_by is null))
);
comment on table private.retention is 'An operator may change keep. Conditions and columns are SQL: they never come from a trader.';

insert into private.retention (rule, relation, keep, measured_by, condition, why) values
(
  'alert_keys.repeatable', 'private.alert_keys', '0', 'expires_at', 'expires_at < ''infinity''',
  'the alert may be meant again'
),
(
  'alert_keys.lasting', 'private.alert_keys', '400 days', 'created_at', 'expires_at = ''infinity''',
  'no sender repeats an alert after a year'
),
(
  'signals.refused', 'public.signals', '90 days', 'finished_at',
  'submitted_at is null and status in (''rejected'', ''rate_limited'')', 'had no effect'
),
(
  'signals.without_orders', 'public.signals', '400 days', 'finished_at',
  'submitted_at is null and status in (''done'', ''expired'', ''failed'')', 'had no order'
),
('notifications', 'public.notifications', '180 days', 'created_at', 'true', 'news gets old'),
('usage_logs', 'public.usage_logs', '800 days', 'hour', 'true', 'two years of use can be compared'),
('data_exports', 'public.data_exports', '0', 'expires_at', 'true', 'a copy of everything should not lie about'),
('stripe_events', 'private.stripe_events', '400 days', 'received_at', 'true', 'worked into the rows of billing'),
('tasks.done', 'private.tasks', '7 days', 'finished_at', 'state = ''done''', 'enough to see what happened'),
('tasks.dead', 'private.tasks', '90 days', 'finished_at', 'state = ''dead''', 'a person looks at them'),
('workers', 'private.workers', '7 days', 'seen_at', 'true', 'stopped for good'),
-- By private.retire_audit, which keeps the chain whole.
('audit_log', 'public.audit_log', '2 years', 'at', 'true', 'what was done can be looked up');

insert into private.retention (rule, relation, why) values
('signals', 'public.signals', 'those with orders are the trader''s books'),
('orders', 'public.orders', 'the trader''s books'),
('fills', 'public.fills', 'the trader''s books'),
('trades', 'public.trades', 'the trader''s books'),
('option_trades', 'public.option_trades', 'the trader''s books'),
('positions', 'public.positions', 'what is open now'),
('account_balances', 'public.account_balances', 'one row for each account'),
('user_profiles', 'public.user_profiles', 'goes with the trader'),
('subscriptions', 'public.subscriptions', 'goes with the trader'),
('entitlements', 'public.entitlements', 'goes with the trader'),
('user_api_keys', 'public.user_api_keys', 'until the trader deletes it'),
('user_webhook_configs', 'public.user_webhook_configs', 'until the trader deletes it'),
('strategies', 'public.strategies', 'until the trader deletes it'),
('trade_settings_global', 'public.trade_settings_global', 'until the trader deletes it'),
('trade_settings_exchange', 'public.trade_settings_exchange', 'until the trader deletes it'),
('notification_preferences', 'public.notification_preferences', 'until the trader deletes it'),
('plans', 'public.plans', 'an operator''s'),
('platform_state', 'private.platform_state', 'an operator''s'),
('retention', 'private.retention', 'an operator''s'),
('periodic_tasks', 'private.periodic_tasks', 'one row for each kind'),
('ingest_state', 'private.ingest_state', 'one row for each trader'),
('pseudonyms', 'private.pseudonyms', 'one row for each trader'),
('webhook_credentials', 'private.webhook_credentials', 'goes with the webhook'),
('reconciliations', 'private.reconciliations', 'goes with the account'),
('paper_accounts', 'private.paper_accounts', 'goes with the account'),
('paper_orders', 'private.paper_orders', 'goes with the account'),
('paper_positions', 'private.paper_positions', 'goes with the account'),
('export_parts', 'private.export_parts', 'goes with the export'),
('export_progress', 'private.export_progress', 'goes with the export'),
('export_relations', 'private.export_relations', 'one row for each relation'),
('audit_chain', 'private.audit_chain', 'goes with the audit rows'),
('audit_chain_state', 'private.audit_chain_state', 'one row');

-- What a rule removes: $1 is the time before which rows are too old, $2 the most rows to take. Rows that somebody holds are
-- left for the next time.
create function private.retention_statement(p_rule private.retention) returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return format(
    'delete from %1$s where ctid = any (array('
    'select ctid from %1$s where %2$I < $1 and (%3$s) limit $2 for update skip locked))',
    p_rule.relation, p_rule.measured_by, p_rule.condition);
end
$$;

-- Up to p_limit rows of each rule; true when one of them has more.
create function private.retention_batch(p_limit integer) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  rule private.retention;
  removed integer;
  more boolean := false;
begin
  for rule in
    select r.* from private.retention r
    where r.keep is not null and r.relation <> 'public.audit_log'::regclass
    order by r.rule
  loop
    execute private.retention_statement(rule) using clock_timestamp() - rule.keep, p_limit;
    get diagnostics removed = row_count;
    more := more or removed >= p_limit;
  end loop;
  return more;
end
$$;

-- In a task of its own: a chain that does not hold must not stop the rest.
create function private.retire_audit_batch(p_limit integer) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  keep interval := (select r.keep from private.retention r where r.relation = 'public.audit_log'::regclass);
begin
  return keep is not null and private.retire_audit(keep, p_limit) >= p_limit;
end
$$;
