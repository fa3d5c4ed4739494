-- What a trader's settings come to: for a dashboard that shows what counts beside what was saved.

-- Saved, and obeyed by nothing so far. What is obeyed is what private.effective_settings and private.entry_limits name.
create function private.settings_without_effect() returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'auto_close_outside_window', 'Saved, but positions stay open when the window ends.',
    'news_filter', 'Saved, but there is no calendar of news.')
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
      select jsonb_object_agg(e.exchange, private.effective_settings(trader, e.exchange, null)
        || jsonb_build_object('limits', private.entry_limits(trader, e.exchange, null, '{}', null)))
      from unnest(array['aster', 'oanda', 'tradier', 'tradier_options', 'tastytrade', 'paper']) as e (exchange)
    ),
    'without_effect', private.settings_without_effect());
end
$$;
comment on function public.my_settings is 'What counts for the caller''s next entry on each exchange, and the settings that are saved and have no effect yet.';
