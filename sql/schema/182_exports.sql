-- A trader's copy of everything that is his, as JSON lines. Written in small batches: those of a small account within the
-- call that asks for it, the others by a task.

create table public.data_exports (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  status text not null default 'pending' check (status in ('pending', 'ready', 'failed')),
  parts integer not null default 0,
  rows bigint not null default 0,
  tables jsonb not null default '{}',
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  expires_at timestamptz not null default now() + interval '7 days',
  check ((status = 'pending') = (finished_at is null))
);
comment on table public.data_exports is 'Copies of a trader''s data that he asked for. read_export reads the parts of one that is ready.';
comment on column public.data_exports.tables is 'How many rows of each table it holds.';
create index data_exports_user on public.data_exports (user_id, created_at desc);
create index data_exports_expiry on public.data_exports (expires_at);
create unique index data_exports_one_pending on public.data_exports (user_id) where status = 'pending';

create table private.export_parts (
  export_id uuid references public.data_exports (id) on delete cascade,
  part integer check (part > 0),
  body text not null,
  primary key (export_id, part)
);

-- Where an export that is being written stands: at which relation, and after which of its rows.
create table private.export_progress (
  export_id uuid primary key references public.data_exports (id) on delete cascade,
  place integer not null default 1,
  after jsonb
);

-- What is exported, in this order. key_columns order a trader's rows and tell each from the next; an index of the owner
-- and the first of them makes a page cheap. Hidden is what names a secret.
create table private.export_relations (
  place integer primary key,
  relation text not null unique,
  owner_column text not null default 'user_id',
  key_columns text[] not null default '{id}',
  hidden text[] not null default '{}'
);
insert into private.export_relations (place, relation, owner_column, key_columns, hidden) values
(10, 'user_profiles', 'id', '{id}', '{}'),
(20, 'subscriptions', 'user_id', '{id}', '{}'),
(30, 'entitlements', 'user_id', '{id}', '{}'),
(40, 'trade_settings_global', 'user_id', '{id}', '{}'),
(50, 'trade_settings_exchange', 'user_id', '{id}', '{}'),
(60, 'notification_preferences', 'user_id', '{kind}', '{}'),
(70, 'user_api_keys', 'user_id', '{id}', '{secret_id}'),
(80, 'user_webhook_configs', 'user_id', '{id}', '{secret_id}'),
(90, 'strategies', 'user_id', '{id}', '{}'),
(100, 'signals', 'user_id', '{received_at, id}', '{}'),
(110, 'orders', 'user_id', '{created_at, id}', '{}'),
(120, 'fills', 'user_id', '{filled_at, id}', '{}'),
(130, 'positions', 'user_id', '{id}', '{}'),
(140, 'trades', 'user_id', '{exit_time, id}', '{}'),
(150, 'option_trades', 'user_id', '{created_at, id}', '{}'),
(160, 'account_balances', 'user_id', '{account_id}', '{}'),
(170, 'notifications', 'user_id', '{created_at, id}', '{}'),
(180, 'usage_logs', 'user_id', '{hour, kind}', '{}'),
(190, 'audit_log', 'user_id', '{at, id}', '{}');

-- The statement that reads a page: $1 is the trader, $2 the key of the row before or null, $3 the most rows.
create function private.export_query(p_relation private.export_relations, p_first boolean) returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  keys text;
  cursor_values text;
  decimals text;
begin
  select
    string_agg(format('t.%I', k.name), ', ' order by k.n),
    string_agg(format('($2 ->> %s)::%s', k.n - 1, format_type(a.atttypid, null)), ', ' order by k.n)
  into keys, cursor_values
  from unnest(p_relation.key_columns) with ordinality k (name, n)
  join pg_catalog.pg_attribute a
    on a.attrelid = ('public.' || quote_ident(p_relation.relation))::regclass and a.attname = k.name;
  -- Money is text: a reader that takes JSON numbers for floats changes no digit.
  select string_agg(format('%L, (page.t).%I::text', a.attname, a.attname), ', ') into decimals
  from pg_catalog.pg_attribute a
  where a.attrelid = ('public.' || quote_ident(p_relation.relation))::regclass
    and a.atttypid = 'numeric'::regtype and not a.attisdropped;
  return format(
    'select json_build_object(''table'', %L, ''row'', (to_jsonb((page.t)) || jsonb_build_object(%s)) - %L::text[])::text as line,'
    ' page.key from (select t, jsonb_build_array(%s) as key from public.%I t where t.%I = $1%s order by %s limit $3) page',
    p_relation.relation, coalesce(decimals, ''), p_relation.hidden, keys,
    p_relation.relation, p_relation.owner_column,
    case when p_first then '' else format(' and (%s) > (%s)', keys, cursor_values) end, keys);
end
$$;

-- Rows of one relation after a key: as many as fit into p_rows and p_bytes, but one at least.
create function private.export_page(
  p_relation private.export_relations, p_user_id uuid, p_after jsonb, p_rows integer, p_bytes integer,
  out lines text[], out after jsonb, out complete boolean
)
language plpgsql
stable
set search_path = ''
as $$
declare
  line text;
  key jsonb;
  bytes integer := 0;
begin
  lines := '{}';
  after := p_after;
  for line, key in execute private.export_query(p_relation, p_after is null) using p_user_id, p_after, p_rows loop
    bytes := bytes + octet_length(line) + 1;
    if bytes > p_bytes and cardinality(lines) > 0 then
      complete := false;
      return;
    end if;
    lines := lines || line;
    after := key;
  end loop;
  complete := cardinality(lines) < p_rows;
end
$$;

-- Writes one part, of 1,000 rows or a megabyte at most, and returns whether there is more.
create function private.export_batch(p_export_id uuid) returns boolean
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  export public.data_exports;
  progress private.export_progress;
  relation private.export_relations;
  page record;
  lines text[] := array[]::text[];
  bytes integer := 0;
begin
  select * into export from public.data_exports d where d.id = p_export_id and d.status = 'pending' for update;
  if not found then
    return false;
  end if;
  select * into progress from private.export_progress p where p.export_id = p_export_id;
  loop
    select * into relation from private.export_relations r where r.place >= progress.place order by r.place limit 1;
    exit when not found or cardinality(lines) >= 1000 or bytes >= 1000000;
    select * into page
    from private.export_page(
      relation, export.user_id, progress.after, 1000 - cardinality(lines), 1000000 - bytes);
    lines := lines || page.lines;
    bytes := bytes + coalesce(octet_length(array_to_string(page.lines, ' ')), 0);
    export.tables := export.tables || jsonb_build_object(
      relation.relation, coalesce((export.tables ->> relation.relation)::bigint, 0) + cardinality(page.lines));
    progress.place := case when page.complete then relation.place + 1 else relation.place end;
    progress.after := case when page.complete then null else page.after end;
    exit when not page.complete;
  end loop;
  if cardinality(lines) > 0 or export.parts = 0 then
    export.parts := export.parts + 1;
    insert into private.export_parts (export_id, part, body)
    values (p_export_id, export.parts, array_to_string(lines, E'\n'));
  end if;
  update public.data_exports d set
    parts = export.parts, rows = export.rows + cardinality(lines), tables = export.tables,
    status = case when relation.place is null then 'ready' else 'pending' end,
    finished_at = case when relation.place is null then clock_timestamp() end,
    expires_at = clock_timestamp() + interval '7 days'
  where d.id = p_export_id;
  if relation.place is null then
    delete from private.export_progress p where p.export_id = p_export_id;
  else
    update private.export_progress p set place = progress.place, after = progress.after where p.export_id = p_export_id;
  end if;
  return relation.place is not null;
end
$$;

-- A trader waits for one export at a time, and has at most one a day: copies of a large account are large.
create function private.check_export(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  latest public.data_exports;
begin
  select * into latest from public.data_exports d
  where d.user_id = p_user_id and d.status <> 'failed' order by d.created_at desc limit 1;
  if latest.status = 'pending' then
    raise exception 'an export of your data is being written'
    using errcode = 'PT409', hint = format('wait until the row %s of data_exports is ready', latest.id);
  end if;
  if latest.created_at > clock_timestamp() - interval '1 day' then
    raise exception 'you have an export of your data from less than a day ago'
    using errcode = 'PT429', hint = format(
      'read %s with read_export, or ask again after %s', latest.id,
      to_char((latest.created_at + interval '1 day') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
  end if;
end
$$;

create function public.export_my_data() returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  export uuid;
  more boolean;
begin
  perform private.keep_trader(trader);
  perform pg_advisory_xact_lock(hashtextextended('exports/' || trader::text, 0));
  perform private.check_export(trader);
  insert into public.data_exports (user_id) values (trader) returning id into export;
  insert into private.export_progress (export_id) values (export);
  perform private.audit(trader, 'trader', 'data.exported', export, '{}');
  for batch in 1..5 loop
    more := private.export_batch(export);
    exit when not more;
  end loop;
  if more then
    perform private.enqueue_task('export_data', trader, null, jsonb_build_object('export_id', export));
  end if;
  return jsonb_build_object('export_id', export, 'status', case when more then 'pending' else 'ready' end);
end
$$;
comment on function public.export_my_data is 'Begins a copy of everything that is the caller''s: {"export_id","status"}. A small one is ready at once; of a large one data_exports tells when.';

-- The first line of an export.
create function private.export_header(p_export public.data_exports) returns text
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
as $$
begin
  return (
    select json_build_object(
      'format', 1, 'export_id', p_export.id, 'made_at', p_export.created_at, 'finished_at', p_export.finished_at,
      'parts', p_export.parts, 'rows', p_export.rows, 'tables', p_export.tables,
      'account', json_build_object(
        'id', u.id, 'email', u.email, 'phone', u.phone, 'created_at', u.created_at,
        'last_sign_in_at', u.last_sign_in_at, 'user_metadata', u.raw_user_meta_data))::text
    from auth.users u where u.id = p_export.user_id
  );
end
$$;

create function public.read_export(p_export_id uuid, p_part integer default 1) returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  trader uuid := private.require_trader();
  export public.data_exports;
  content text;
begin
  select * into export from public.data_exports d
  where d.id = p_export_id and d.user_id = trader and d.expires_at > clock_timestamp();
  if not found then
    raise exception 'you have no export of this id' using errcode = 'PT404', hint = 'your exports are the rows of data_exports';
  end if;
  if export.status <> 'ready' then
    raise exception 'this export is not there to be read: it is %', export.status
    using errcode = 'PT409', hint = case export.status
      when 'failed' then 'begin another with export_my_data()' else 'ask again once data_exports shows it as ready'
    end;
  end if;
  select p.body into content from private.export_parts p where p.export_id = export.id and p.part = p_part;
  if content is null then
    raise exception 'this export has no part of this number'
    using errcode = '22023', hint = format('its parts are 1 to %s', export.parts);
  end if;
  perform private.audit(trader, 'trader', 'data.read', export.id, jsonb_build_object('part', p_part));
  return case when p_part = 1 then private.export_header(export) || E'\n' else '' end || content || E'\n';
end
$$;
comment on function public.read_export is 'One part of an export of the caller''s data, as JSON lines. The first line of part 1 tells what the export holds.';

-- Without this its trader would wait for ever, and could not begin another.
create function private.fail_export() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update public.data_exports set status = 'failed', finished_at = clock_timestamp()
  where id = (
    select d.id from public.data_exports d
    where d.id = (new.payload ->> 'export_id')::uuid and d.status = 'pending'
    -- Locked means that it is being deleted with its trader, who must not be waited for from here.
    for update skip locked
  );
  return null;
end
$$;
create trigger fail_export after update of state on private.tasks
for each row when (new.kind = 'export_data' and new.state = 'dead') execute function private.fail_export();

alter table public.data_exports enable row level security;
alter table public.data_exports force row level security;
create policy own_exports_select on public.data_exports for select to authenticated
using ((select auth.uid()) = user_id);
