-- What a trader's settings come to: for a dashboard that shows what counts beside what was saved.

-- Saved, and obeyed by nothing so far. What is obeyed is what private.effective_settings names.
create function private.settings_without_effect() returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_object_agg(s.name, 'Saved, but no order is held back or changed by it so far.')
    || '{"news_filter": "Saved, but there is no calendar of news."}'
  from unnest(array[
    'trading_hours_preset', 'trading_window', 'allow_weekends', 'max_trades_per_day', 'max_position_size_usd',
    'position_size_percent', 'max_open_positions', 'take_profit_percent', 'stop_loss_percent', 'tp_percent', 'sl_percent',
    'strike_tolerance_percent', 'entry_limit_offset_percent', 'auto_close_outside_window', 'max_daily_loss_usd',
    'max_leverage', 'max_slippage_percent', 'cooldown_sec'
  ]) as s (name)
$$;

create function public.my_settings() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
begin
  return jsonb_build_object(
    'exchanges', (
      select jsonb_object_agg(e.exchange, private.effective_settings(trader, e.exchange, null))
      from unnest(array['aster', 'oanda', 'tradier', 'tradier_options', 'tastytrade', 'paper']) as e (exchange)
    ),
    'without_effect', private.settings_without_effect());
end
$$;
comment on function public.my_settings is 'What counts for the caller''s next entry on each exchange, and the settings that are saved and have no effect yet.';
