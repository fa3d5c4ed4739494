-- Signals that the database makes itself: one for each symbol that a close_all closes, and one that places the exits of an
-- entry that was filled after its signal had ended. They count as no alert and no plan limits them. Their ids follow from
-- what made them, so nothing is made twice.

-- At the place of its parent in the order of arrival, so that a lane does not close what came after a close_all.
create function private.add_signal(p_parent public.signals, p_symbol text, p_action text, p_key text) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.signals (
    id, seq, user_id, webhook_id, account_id, strategy_id, exchange, environment, symbol, action, is_exit, alert, parent_id
  ) overriding system value values (
    md5(p_parent.id::text || '/' || p_key)::uuid, p_parent.seq, p_parent.user_id, p_parent.webhook_id,
    p_parent.account_id, p_parent.strategy_id, p_parent.exchange, p_parent.environment, p_symbol, p_action, true,
    '{"order_type": "market"}', p_parent.id
  ) on conflict (id) do nothing;
end
$$;

-- What the venue shows open, and what we know that it may not show: our positions, orders that may still open one, and
-- entries that arrived before and are not at the venue yet.
create function private.close_each(p_signal public.signals, p_symbols jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.add_signal(p_signal, c.symbol, 'close', c.symbol)
  from (
    select v.symbol from jsonb_array_elements_text(p_symbols) as v (symbol)
    union
    select p.symbol from public.positions p where p.user_id = p_signal.user_id and p.account_id = p_signal.account_id
    union
    select o.symbol from public.orders o
    where o.user_id = p_signal.user_id and o.account_id = p_signal.account_id and o.purpose = 'open'
      and o.state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown')
    union
    select s.symbol from public.signals s
    where s.user_id = p_signal.user_id and s.account_id = p_signal.account_id and s.seq < p_signal.seq
      and s.status in ('pending', 'executing') and not s.is_exit
  ) c;
end
$$;

-- The news of an order whose signal has ended, or is somebody else's: it may have opened a position whose exits nobody is
-- there to place, and an entry that came to nothing counts no more.
create function private.record_late_order(p_signal public.signals, p_news jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  written public.orders := private.record_order(p_signal, p_news);
begin
  if written.purpose <> 'open' or p_signal.status in ('pending', 'executing')
    or written.state not in ('filled', 'cancelled', 'expired', 'refused') then
    return;
  end if;
  -- Exits that were attached to it wait at the venue already.
  perform private.show_exits(written.user_id, written.account_id, written.symbol);
  if not private.entry_stands(p_signal.user_id, p_signal.id) then
    update public.signals s set entered_at = null where s.id = p_signal.id and s.entered_at is not null;
  end if;
  if (written.filled_quantity > 0 or written.state = 'filled') and jsonb_typeof(p_signal.plan -> 'protection') = 'object'
    and p_signal.plan #>> '{protection,entry}' = written.leg::text
    and not exists (
      select from public.orders o
      where o.user_id = written.user_id and o.signal_id = written.signal_id and o.attached_to is null
        and o.purpose in ('take_profit', 'stop_loss', 'trailing_stop')
    ) then
    perform private.add_signal(p_signal, p_signal.symbol, 'protect', 'protect/' || written.leg::text);
  end if;
end
$$;
