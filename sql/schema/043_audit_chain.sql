-- Tamper evidence of the audit log. Rows are written without a hash, so that no trader waits for another; a task links
-- them to the chain afterwards, in batches. Each link's hash covers its row and the hash before it.

create table private.audit_chain (
  seq bigint primary key check (seq > 0),
  audit_id bigint not null unique,
  hash bytea not null check (length(hash) = 32)
);

-- One row. anchor_seq and anchor_hash are the last link that retention took away; the chain goes on from there.
create table private.audit_chain_state (
  one_row boolean primary key default true check (one_row),
  anchor_seq bigint not null default 0,
  anchor_hash bytea not null default sha256('') check (length(anchor_hash) = 32),
  -- Every row up to this id has its link, and no transaction is left that could still commit one below it.
  linked_through bigint not null default 0,
  -- The next such id, and the transactions that must have ended before it is one. Null: none is waited for.
  candidate_id bigint,
  candidate_xid xid8,
  check ((candidate_id is null) = (candidate_xid is null))
);
insert into private.audit_chain_state default values;

-- What the hash covers. Not user_id, which goes when the trader goes. The text of a jsonb array is the same on every version.
create function private.audit_hash(p_previous bytea, p_row public.audit_log) returns bytea
language plpgsql
stable
set search_path = ''
as $$
begin
  return sha256(p_previous || convert_to(jsonb_build_array(
    p_row.id, to_char(p_row.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), p_row.pseudonym, p_row.actor,
    p_row.action, p_row.subject, p_row.detail)::text, 'UTF8'));
end
$$;

-- The newest link, or what stands for it in an empty chain.
create function private.audit_tip(out seq bigint, out hash bytea)
language plpgsql
stable
set search_path = ''
as $$
begin
  select c.seq, c.hash into seq, hash from private.audit_chain c order by c.seq desc limit 1;
  if seq is null then
    select s.anchor_seq, s.anchor_hash into seq, hash from private.audit_chain_state s;
  end if;
end
$$;

-- Moves linked_through. p_ended is the oldest transaction that ran before the rows were read: one that ended later may have
-- committed a row unseen. The hour covers the instant in which a row has its id and its transaction none yet.
create function private.settle_audit(p_ended xid8) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- A copy of the database in another cluster counts its transactions anew, and would wait for one that never comes.
  update private.audit_chain_state s set candidate_id = null, candidate_xid = null
  where s.candidate_xid > pg_snapshot_xmax(pg_current_snapshot());
  update private.audit_chain_state s
  set linked_through = s.candidate_id, candidate_id = null, candidate_xid = null
  where s.candidate_xid <= p_ended;
  update private.audit_chain_state s
  set candidate_id = settled.id, candidate_xid = pg_snapshot_xmax(pg_current_snapshot())
  from (
    select max(a.id) as id from public.audit_log a
    where a.id > (select st.linked_through from private.audit_chain_state st)
      and a.at < clock_timestamp() - interval '1 hour'
  ) settled
  where s.candidate_id is null and settled.id is not null;
end
$$;

-- Links up to p_limit rows and returns how many. A row that was committed after rows of higher ids comes after them.
create function private.seal_audit(p_limit integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  entry public.audit_log;
  tip_seq bigint;
  tip_hash bytea;
  ended xid8;
  linked integer := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('sparky/audit_chain', 0));
  ended := pg_snapshot_xmin(pg_current_snapshot());
  select t.seq, t.hash into tip_seq, tip_hash from private.audit_tip() t;
  for entry in
    select a.* from public.audit_log a
    where a.id > (select s.linked_through from private.audit_chain_state s)
      and not exists (select from private.audit_chain c where c.audit_id = a.id)
    order by a.id
    limit p_limit
  loop
    tip_seq := tip_seq + 1;
    tip_hash := private.audit_hash(tip_hash, entry);
    insert into private.audit_chain (seq, audit_id, hash) values (tip_seq, entry.id, tip_hash);
    linked := linked + 1;
  end loop;
  if linked < p_limit then
    perform private.settle_audit(ended);
  end if;
  return linked;
end
$$;

create function public.audit_head() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('seq', t.seq, 'hash', encode(t.hash, 'hex'), 'at', clock_timestamp())
    from private.audit_tip() t);
end
$$;
comment on function public.audit_head is 'The newest link of the audit chain. Keep it elsewhere: verify_audit then notices that the end was cut off.';

-- The first link after p_after that does not hold, of p_limit links: null when all hold.
create function private.first_bad_link(p_after bigint, p_hash bytea, p_limit integer) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    with links as (
      select
        c.seq, c.audit_id, c.hash, lag(c.seq, 1, p_after) over by_seq as previous_seq,
        lag(c.hash, 1, p_hash) over by_seq as previous, lead(c.hash) over by_seq as following,
        lead(c.audit_id) over by_seq as following_id
      from (
        select * from private.audit_chain where seq > p_after order by seq limit p_limit
      ) c
      window by_seq as (order by c.seq)
    ), judged as (
      select
        l.seq, l.audit_id,
        case
          when l.seq <> l.previous_seq + 1 then 'link removed'
          when a.id is null then 'removed'
          when l.hash = private.audit_hash(l.previous, a) then null
          -- The next row still fits the hash that stands here, so it is this row that is not what it was.
          when l.following is null or n.id is null or l.following = private.audit_hash(l.hash, n) then 'changed'
          else 'link broken'
        end as what
      from links l
      left join public.audit_log a on a.id = l.audit_id
      left join public.audit_log n on n.id = l.following_id
    )
    select jsonb_build_object('seq', j.seq, 'audit_id', j.audit_id, 'what', j.what)
    from judged j where j.what is not null order by j.seq limit 1
  );
end
$$;

-- What the chain should hold besides its links: the head that was kept elsewhere, and a link for each settled row.
create function private.missing_link(p_head_seq bigint, p_head_hash text) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  state private.audit_chain_state;
  unlinked bigint;
begin
  select * into state from private.audit_chain_state;
  if p_head_seq < state.anchor_seq then
    raise exception 'link % is older than what is kept', p_head_seq
    using errcode = '22023', hint = format('keep a newer head: the chain begins after link %s', state.anchor_seq);
  end if;
  if p_head_seq is not null and not exists (
    select from (
      select c.seq, c.hash from private.audit_chain c where c.seq = p_head_seq
      union all select state.anchor_seq, state.anchor_hash
    ) kept
    where kept.seq = p_head_seq and encode(kept.hash, 'hex') = lower(p_head_hash)
  ) then
    return jsonb_build_object('seq', p_head_seq, 'audit_id', null, 'what', 'removed');
  end if;
  select min(a.id) into unlinked from public.audit_log a
  where a.id <= state.linked_through and not exists (select from private.audit_chain c where c.audit_id = a.id);
  if unlinked is not null then
    return jsonb_build_object('seq', null, 'audit_id', unlinked, 'what', 'unlinked');
  end if;
  return null;
end
$$;

create function public.verify_audit(
  p_from_seq bigint default null, p_limit integer default 100000, p_head_seq bigint default null,
  p_head_hash text default null
) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  state private.audit_chain_state;
  after bigint;
  after_hash bytea;
  tip record;
  bad jsonb;
  checked bigint;
begin
  if coalesce(p_limit not between 1 and 1000000, true) or p_from_seq < 1 or (p_head_seq is null) <> (p_head_hash is null)
    or length(p_head_hash) > 64 then
    raise exception 'verify_audit takes a first link of 1 or more, a limit of 1 to 1,000,000, and a head with its hash'
    using errcode = '22023', hint = 'audit_head() tells the head: {"seq","hash"}';
  end if;
  select * into state from private.audit_chain_state;
  select t.seq, t.hash into tip from private.audit_tip() t;
  after := least(greatest(coalesce(p_from_seq, 1) - 1, state.anchor_seq), tip.seq);
  select c.hash into after_hash from private.audit_chain c where c.seq = after;
  if after_hash is null and after > state.anchor_seq then
    bad := jsonb_build_object('seq', after, 'audit_id', null, 'what', 'link removed');
  else
    bad := private.first_bad_link(after, coalesce(after_hash, state.anchor_hash), p_limit);
  end if;
  checked := least(p_limit, tip.seq - after);
  if bad is null and after + checked >= tip.seq then
    bad := private.missing_link(p_head_seq, p_head_hash);
  end if;
  return jsonb_build_object(
    'ok', bad is null, 'checked', checked, 'first_bad', bad,
    'next_seq', case when after + checked < tip.seq then after + checked + 1 end,
    'head', jsonb_build_object('seq', tip.seq, 'hash', encode(tip.hash, 'hex')),
    'unsealed', (
      select count(*) from public.audit_log a
      where a.id > state.linked_through and not exists (select from private.audit_chain c where c.audit_id = a.id)));
end
$$;
comment on function public.verify_audit is 'Walks the audit chain and tells the first row that was changed, removed or never linked. With a head that was kept elsewhere, a cut end is noticed too.';

-- Takes the oldest links and their rows away, up to p_limit, where the row is older than p_keep. What does not hold is
-- never taken: it would be evidence destroyed.
create function private.retire_audit(p_keep interval, p_limit integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  state private.audit_chain_state;
  last_seq bigint;
  bad jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended('sparky/audit_chain', 0));
  select * into state from private.audit_chain_state;
  select max(r.seq) into last_seq from (
    select c.seq, bool_and(coalesce(a.at < clock_timestamp() - p_keep, true)) over (order by c.seq) as old
    from (
      select * from private.audit_chain where seq > state.anchor_seq order by seq limit p_limit
    ) c
    left join public.audit_log a on a.id = c.audit_id
  ) r where r.old;
  if last_seq is null then
    return 0;
  end if;
  bad := private.first_bad_link(state.anchor_seq, state.anchor_hash, (last_seq - state.anchor_seq)::integer);
  if bad is not null then
    raise exception 'the audit chain does not hold at link %: nothing is removed (%)', bad ->> 'seq', bad ->> 'what'
    using errcode = '55000', hint = 'verify_audit() tells more';
  end if;
  update private.audit_chain_state s set anchor_seq = c.seq, anchor_hash = c.hash
  from private.audit_chain c where c.seq = last_seq;
  delete from public.audit_log a using private.audit_chain c where c.audit_id = a.id and c.seq <= last_seq;
  delete from private.audit_chain c where c.seq <= last_seq;
  return (last_seq - state.anchor_seq)::integer;
end
$$;

-- Rows leave by retention alone, which has moved the anchor beyond their links before.
create function private.refuse_audit_delete() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if not exists (
    select from private.audit_chain c, private.audit_chain_state s where c.audit_id = old.id and c.seq <= s.anchor_seq
  ) then
    raise exception 'audit_log is append-only: delete is not possible' using errcode = '42501';
  end if;
  return old;
end
$$;
create trigger only_retired before delete on public.audit_log
for each row execute function private.refuse_audit_delete();
