-- What Realtime tells a dashboard: new and changed rows of these tables, each to the trader whose row it is.

-- Realtime asks row-level security who may see a new or a changed row. Of a deleted row there is nothing left to ask
-- about, so that every subscriber of the table would be told its key. Deletions are therefore not published at all.
alter publication supabase_realtime set (publish = 'insert, update');
alter publication supabase_realtime add table
public.signals, public.orders, public.positions, public.trades, public.option_trades, public.account_balances,
public.notifications;
