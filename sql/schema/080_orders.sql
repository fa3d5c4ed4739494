-- Orders: one row for each order we want, written before the venue is asked. Fills: what the venue executed.

create table public.orders (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  account_id uuid,
  signal_id uuid not null,
  leg smallint not null check (leg between 1 and 20),
  client_order_id text not null unique check (client_order_id ~ '^[A-Za-z][A-Za-z0-9]{2,27}$'),
  exchange text not null,
  environment text not null,
  symbol text not null,
  side text not null check (side in ('buy', 'sell')),
  -- An exit is a limit order as a take-profit and a stop order as a stop-loss or trailing stop.
  order_type text not null check (order_type in ('market', 'limit', 'stop', 'stop_limit')),
  purpose text not null check (purpose in ('open', 'close', 'take_profit', 'stop_loss', 'trailing_stop')),
  -- Below infinity also keeps NaN out, which sorts above every number.
  quantity numeric not null check (quantity > 0 and quantity < 'infinity'),
  reduce_only boolean not null default false,
  reference_price numeric check (reference_price > 0 and reference_price < 'infinity'),
  -- The net price of a spread may be zero.
  limit_price numeric check (limit_price >= 0 and limit_price < 'infinity'),
  stop_price numeric check (stop_price > 0 and stop_price < 'infinity'),
  trail_distance numeric check (trail_distance > 0 and trail_distance < 'infinity'),
  trail_percent numeric check (trail_percent > 0 and trail_percent < 'infinity'),
  time_in_force text check (time_in_force in ('gtc', 'day', 'ioc', 'fok')),
  extended_hours boolean not null default false,
  attached_to smallint check (attached_to between 1 and 20),
  spread jsonb not null default '[]',
  state text not null default 'submitting' check (
    state in (
      'submitting', 'accepted', 'working', 'partially_filled', 'filled', 'cancelled', 'expired', 'refused', 'unknown',
      'absent'
    )
  ),
  venue_order_id text check (length(venue_order_id) <= 200),
  bookmark text check (length(bookmark) between 1 and 200),
  filled_quantity numeric not null default 0 check (filled_quantity >= 0 and filled_quantity < 'infinity'),
  average_price numeric check (average_price > 0 and average_price < 'infinity'),
  reason_code text,
  reason text,
  submissions integer not null default 1,
  submitted_at timestamptz not null default clock_timestamp(),
  acknowledged_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (signal_id, leg),
  unique (user_id, id),
  foreign key (user_id, signal_id) references public.signals (user_id, id) on delete cascade,
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id) on delete set null (account_id)
);
comment on table public.orders is 'One row for each order we want, written before the venue is asked.';
comment on column public.orders.submissions is 'How often a worker was allowed to send this order. More than 1 only after the venue certainly did not have it: by a look-up, because it never left, or because the venue said "not now".';
comment on column public.orders.bookmark is 'Where the venue''s record stood before the order was sent for the first time: a look-up reads from there. Null where the venue keeps none.';
comment on column public.orders.created_at is 'Before its first byte left: the row commits first, and being sent again does not change it.';
create trigger touch before update on public.orders
for each row execute function private.touch_updated_at();
create index orders_user on public.orders (user_id, created_at desc);
create index orders_signal on public.orders (user_id, signal_id);
create index orders_account on public.orders (user_id, account_id);
create index orders_live on public.orders (account_id)
where state in ('submitting', 'accepted', 'working', 'partially_filled', 'unknown');

create table public.fills (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  account_id uuid,
  order_id uuid not null,
  venue_fill_id text not null check (length(venue_fill_id) between 1 and 200),
  symbol text not null,
  side text not null check (side in ('buy', 'sell')),
  price numeric not null check (price > 0 and price < 'infinity'),
  quantity numeric not null check (quantity > 0 and quantity < 'infinity'),
  -- Below zero is a rebate.
  fee numeric check (fee > '-infinity' and fee < 'infinity'),
  fee_currency text,
  filled_at timestamptz not null,
  -- Rather than what it opened: a fee that comes later is charged by it.
  closed_quantity numeric not null default 0,
  created_at timestamptz not null default now(),
  check (closed_quantity >= 0 and closed_quantity <= quantity),
  foreign key (user_id, order_id) references public.orders (user_id, id) on delete cascade,
  foreign key (user_id, account_id) references public.user_api_keys (user_id, id) on delete set null (account_id)
);
comment on table public.fills is 'What the venue executed, one row for each of its own fill ids.';
comment on column public.fills.fee is 'Null until the venue has told it: until then it counts as none, and afterwards it is charged once.';
comment on column public.fills.closed_quantity is 'How much of it took off a position; the rest opened one.';
-- Applying a fill twice changes nothing: the venue's own id decides. Some venues count fills per symbol.
create unique index fills_once on public.fills (user_id, account_id, symbol, venue_fill_id);
create index fills_user on public.fills (user_id, filled_at desc);
create index fills_without_fee on public.fills (account_id, filled_at) where fee is null;
create index fills_order on public.fills (user_id, order_id);

alter table public.orders enable row level security;
alter table public.orders force row level security;
create policy own_orders_select on public.orders for select to authenticated
using ((select auth.uid()) = user_id);

alter table public.fills enable row level security;
alter table public.fills force row level security;
create policy own_fills_select on public.fills for select to authenticated
using ((select auth.uid()) = user_id);
