create table public.conformance_authors (
  id bigint generated always as identity primary key,
  name text not null unique
);
create table public.conformance_notes (
  id bigint generated always as identity primary key,
  owner uuid not null default auth.uid() references auth.users on delete cascade,
  author_id bigint references public.conformance_authors,
  slug text,
  title text not null default '' check (title <> 'forbidden'),
  price numeric,
  counter bigint,
  tags text[] not null default '{}',
  payload jsonb not null default '{}',
  created_at timestamptz not null default now(),
  unique (owner, slug)
);
alter table public.conformance_notes enable row level security;
create policy own_rows on public.conformance_notes for select to authenticated
  using ((select auth.uid()) = owner);
create policy own_inserts on public.conformance_notes for insert to authenticated
  with check ((select auth.uid()) = owner);
create policy own_updates on public.conformance_notes for update to authenticated
  using ((select auth.uid()) = owner) with check ((select auth.uid()) = owner);
alter table public.conformance_authors enable row level security;
create policy all_read on public.conformance_authors for select to authenticated using (true);
create table public.conformance_vault (id int primary key, content text);
insert into public.conformance_vault values (1, 'hidden');
revoke all on public.conformance_vault from anon, authenticated;

create function public.conformance_add(a int, b int default 10) returns int
language sql immutable as $$ select a + b $$;
create function public.conformance_pick(a int) returns text language sql immutable as $$ select 'one' $$;
create function public.conformance_pick(a int, b int) returns text language sql immutable as $$ select 'two' $$;
create function public.conformance_echo(value jsonb) returns jsonb language sql immutable as $$ select value $$;
create function public.conformance_numbers(value numeric) returns jsonb language sql immutable as $$
  select jsonb_build_object('same', value, 'big', 9223372036854775807, 'scaled', 1.500::numeric)
$$;
create function public.conformance_numeric(value numeric) returns numeric language sql immutable as $$ select value $$;
create function public.conformance_series(n int) returns setof int language sql immutable as $$
  select * from generate_series(1, n)
$$;
create function public.conformance_rows(n int) returns table (number int, label text) language sql immutable as $$
  select g, 'row ' || g from generate_series(1, n) g
$$;
create function public.conformance_pair(out one int, out two text) language sql immutable as $$ select 1, 'zwei' $$;
create function public.conformance_nothing() returns void language sql as $$ $$;
create function public.conformance_null() returns text language sql immutable as $$ select null::text $$;
create function public.conformance_join(variadic parts text[]) returns text language sql immutable as $$
  select array_to_string(parts, '-')
$$;
create function public.conformance_whole(jsonb) returns jsonb language sql immutable as $$ select $1 $$;
create function public.conformance_fail(state text, message text) returns void language plpgsql as $$
begin
  raise exception using errcode = state, message = message, detail = 'the detail', hint = 'the hint';
end
$$;
create function public.conformance_teapot() returns void language plpgsql as $$
begin
  raise sqlstate 'PGRST' using
    message = '{"code": "TEA", "message": "short and stout"}',
    detail = '{"status": 418, "headers": {"x-kind": "pot"}}';
end
$$;
create function public.conformance_created() returns text language plpgsql as $$
begin
  perform set_config('response.status', '201', true);
  perform set_config('response.headers', '[{"x-made": "yes"}]', true);
  return 'made';
end
$$;
create function public.conformance_slow() returns void language sql as $$ select pg_sleep(30) $$;
create function public.conformance_writes_though_stable() returns void language plpgsql stable as $$
begin
  perform nextval('public.conformance_authors_id_seq');
end
$$;
create function public.conformance_secret() returns text language sql security definer set search_path = '' as $$
  select 'secret'
$$;
revoke execute on function public.conformance_secret() from public, anon, authenticated;
create function public.conformance_whoami() returns jsonb language sql stable as $$
  select jsonb_build_object(
    'role', current_user, 'uid', auth.uid(), 'email', auth.email(), 'claims', auth.jwt(),
    'method', current_setting('request.method', true), 'path', current_setting('request.path', true),
    'agent', current_setting('request.headers', true)::json ->> 'x-conformance'
  )
$$;
