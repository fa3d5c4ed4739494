-- Stripe's events, stored once each as they come. What they mean is worked out from the stored rows.

create table private.stripe_events (
  id text primary key check (length(id) between 1 and 255),
  type text not null,
  livemode boolean not null,
  created_at timestamptz not null,
  payload jsonb not null,
  received_at timestamptz not null default clock_timestamp()
);
create index stripe_events_received on private.stripe_events (received_at);
-- Whom an event is about: they go when he goes.
create index stripe_events_trader on private.stripe_events ((payload #>> '{data,object,metadata,user_id}'));
create index stripe_events_customer on private.stripe_events ((payload #>> '{data,object,customer}'));
create index stripe_events_object on private.stripe_events ((payload #>> '{data,object,id}'));

create function public.store_stripe_event(p_event jsonb) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.stripe_events (id, type, livemode, created_at, payload)
  values (
    p_event ->> 'id', p_event ->> 'type', (p_event ->> 'livemode')::boolean,
    to_timestamp((p_event ->> 'created')::bigint), p_event)
  on conflict (id) do nothing;
  return found;
end
$$;
comment on function public.store_stripe_event is 'Stores one verified Stripe event; false when it was stored before.';
