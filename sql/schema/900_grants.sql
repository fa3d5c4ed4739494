-- Who may do what. Nothing is granted anywhere else.

revoke all on all tables in schema public from anon, authenticated;
revoke all on all functions in schema public from public, anon, authenticated;

-- Traders read what is theirs; row-level security decides which rows those are.
grant select on
public.plans, public.user_profiles, public.subscriptions, public.usage_logs, public.audit_log, public.signals,
public.orders, public.fills, public.positions, public.trades
to authenticated;
grant update (full_name, avatar_url) on public.user_profiles to authenticated;
-- Not secret_id: the name of a secret is nobody's business.
grant select (
  id, user_id, exchange, environment, label, hint, form, secret_fields, account_id, found_account_id, base_url,
  extra_metadata, last_tested, key_version, status, status_reason, validated_at, permissions, notes, expires_at,
  created_at, updated_at
) on public.user_api_keys to authenticated;
grant select (
  id, user_id, name, active, require_signature, allowed_sources, hint, secret_hint, old_live_since, created_at,
  updated_at
) on public.user_webhook_configs to authenticated;
grant update (name, active, require_signature, allowed_sources) on public.user_webhook_configs to authenticated;
grant delete on public.user_webhook_configs to authenticated;

grant select on public.option_trades, public.account_balances to authenticated;
grant select, delete on public.notifications, public.notification_preferences to authenticated;
grant update (read_at) on public.notifications to authenticated;
grant insert (user_id, kind, in_app), update (kind, in_app) on public.notification_preferences to authenticated;
-- Not the counters, which follow trades.
grant select, delete on public.strategies to authenticated;
grant insert (
  user_id, name, description, asset_class, status, pine_script, pine_script_version, risk_level, max_position_size_usd,
  stop_loss_percent, take_profit_percent, exchange, environment, position_size_percent, timeframe, symbols, notes
) on public.strategies to authenticated;
grant update (
  name, description, asset_class, status, pine_script, pine_script_version, risk_level, max_position_size_usd,
  stop_loss_percent, take_profit_percent, exchange, environment, position_size_percent, timeframe, symbols, notes
) on public.strategies to authenticated;

grant execute on function
public.save_api_key(text, text, text, text, text, text[], text), public.delete_api_key(uuid),
public.list_api_keys(), public.request_validation(uuid)
to authenticated;
grant execute on function
public.create_webhook(text), public.reveal_webhook(uuid), public.rotate_webhook(uuid),
public.end_old_webhook_credentials(uuid), public.webhook_url(uuid), public.alert_template(text, text),
public.alert_templates()
to authenticated;

-- Plans and settings.
grant select on public.entitlements, public.usage_today, public.usage_this_month to authenticated;
grant select, delete on public.trade_settings_global, public.trade_settings_exchange to authenticated;
-- Not id: whether another's row has it, nobody learns. Upserts set the columns of their conflict target too.
grant
insert (
  user_id, enabled, trading_hours_preset, trading_window, max_trades_per_day, max_position_size_usd,
  take_profit_percent, stop_loss_percent, allow_weekends, news_filter, notes, extra_settings
),
update (
  user_id, enabled, trading_hours_preset, trading_window, max_trades_per_day, max_position_size_usd,
  take_profit_percent, stop_loss_percent, allow_weekends, news_filter, notes, extra_settings
) on public.trade_settings_global to authenticated;
grant
insert (
  user_id, exchange, enabled, trading_hours_preset, trading_window, max_trades_per_day, max_position_size_usd,
  take_profit_percent, stop_loss_percent, allow_weekends, news_filter, notes, position_size_percent,
  strike_tolerance_percent, entry_limit_offset_percent, tp_percent, sl_percent, max_signal_age_sec,
  auto_close_outside_window, max_open_positions, extra_settings
),
update (
  user_id, exchange, enabled, trading_hours_preset, trading_window, max_trades_per_day, max_position_size_usd,
  take_profit_percent, stop_loss_percent, allow_weekends, news_filter, notes, position_size_percent,
  strike_tolerance_percent, entry_limit_offset_percent, tp_percent, sl_percent, max_signal_age_sec,
  auto_close_outside_window, max_open_positions, extra_settings
) on public.trade_settings_exchange to authenticated;
grant select on public.trade_stats_daily to authenticated;
grant execute on function public.my_plan(), public.my_settings(), public.my_signal(uuid) to authenticated;
grant execute on function public.delete_my_account(text) to authenticated;
grant execute on function public.platform_status() to authenticated, service_role;
grant execute on function public.has_feature(text) to authenticated, service_role, dashboard_server;

-- The trader's rights over his data.
grant select on public.data_exports to authenticated;
grant execute on function public.export_my_data(), public.read_export(uuid, integer) to authenticated;

-- The service key administers; it changes nothing in the audit log.
grant select, insert, update, delete on
public.plans, public.user_profiles, public.subscriptions, public.usage_logs, public.user_api_keys,
public.user_webhook_configs, public.strategies, public.option_trades, public.account_balances, public.notifications,
public.notification_preferences, public.signals, public.orders, public.fills, public.positions,
public.trades
to service_role;
grant select on public.audit_log, public.data_exports to service_role;

grant execute on function public.ingest_alert(text, text, text, jsonb) to sparky_edge, service_role;

grant execute on function public.store_stripe_event(jsonb) to service_role;

grant execute on function public.audit_head(), public.verify_audit(bigint, integer, bigint, text) to service_role;

grant execute on function
public.claim_signals(text, integer, integer),
public.begin_orders(jsonb),
public.finish_signals(jsonb, text, integer, integer),
public.extend_leases(jsonb, integer),
public.release_signals(jsonb),
public.worker_heartbeat(text, text, jsonb, text),
public.claim_accounts(text, integer, integer),
public.finish_accounts(jsonb),
public.claim_tasks(text, integer, integer),
public.finish_tasks(jsonb),
public.work_task(bigint, bigint),
public.paper_open(uuid, text, numeric, text),
public.paper_submit(uuid, text, jsonb, jsonb),
public.paper_place_exits(uuid, text, jsonb, jsonb),
public.paper_cancel(uuid, text),
public.paper_mark(uuid, text, text, numeric),
public.paper_find_order(uuid, text),
public.paper_list_open(uuid, text),
public.paper_list_positions(uuid, text),
public.paper_list_fills(uuid, text, text, timestamptz)
to sparky_worker, service_role;

-- The dashboard under the names that it knows. The views run with the rights of whoever asks.
grant select on public.webhook_requests, public.tradier_option_trades, public.trade_stats
to authenticated, service_role;
grant select, insert, update, delete on public.bot_credentials to authenticated, service_role, dashboard_server;
grant execute on function
public.get_user_subscription_plan_safe(uuid), public.check_webhook_limit(uuid, text)
to authenticated, service_role, dashboard_server;

-- The dashboard's server: what its routes use. Never a limit, a role or a secret.
grant usage on schema public to dashboard_server;
grant select on public.webhook_requests to dashboard_server;
-- For the sentence that the view refuses with.
grant insert, update on public.webhook_requests to dashboard_server, service_role;
grant select (
  id, user_id, strategy_id, exchange, action, symbol, alert, status, reason, reason_code, received_at, finished_at,
  parent_id
) on public.signals to dashboard_server;
-- What bot_credentials shows of the tables beneath it.
grant select (
  id, user_id, exchange, environment, label, hint, secret_fields, account_id, base_url, extra_metadata, last_tested,
  created_at, updated_at
) on public.user_api_keys to dashboard_server;
grant select (id, user_id, name, secret_hint, created_at, updated_at)
on public.user_webhook_configs to dashboard_server;
grant select on public.subscriptions, public.user_profiles, public.strategies to dashboard_server;
-- PostgREST's upsert also sets the columns of its conflict target, so they are among those to update.
grant
insert (
  user_id, plan, status, stripe_customer_id, stripe_subscription_id, stripe_price_id, current_period_start,
  current_period_end, cancel_at_period_end, canceled_at, trial_start, trial_end, metadata, updated_at
),
update (
  user_id, plan, status, stripe_customer_id, stripe_subscription_id, stripe_price_id, current_period_start,
  current_period_end, cancel_at_period_end, canceled_at, trial_start, trial_end, metadata, updated_at
) on public.subscriptions to dashboard_server;
grant
insert (id, email, full_name, avatar_url, updated_at),
update (id, email, full_name, avatar_url, updated_at)
on public.user_profiles to dashboard_server;

-- The operator, who holds a service key.
grant select on public.usage_today, public.usage_this_month to service_role;
-- The views run with the rights of whoever asks, so the server needs the table too.
grant select on public.usage_logs, public.usage_today, public.usage_this_month to dashboard_server;
grant select, insert, update, delete on
public.entitlements, public.trade_settings_global, public.trade_settings_exchange
to service_role;
grant execute on function
public.halt_trading(text), public.resume_trading(), public.announce(text), public.set_api_url(text),
public.review_signals(), public.settle_signal(uuid, text, text, text, jsonb), public.explain_signal(uuid)
to service_role;

-- Not the service key: exchange keys go to nobody but a worker.
grant execute on function
public.open_keys(text, uuid),
public.reseal_keys(text, uuid, integer, text),
public.rotate_keys(text, uuid, integer, text)
to sparky_worker;
