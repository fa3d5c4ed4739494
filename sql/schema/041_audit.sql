-- What was done, for ever: append-only for everyone. 043_audit_chain.sql makes a change noticed that was made all the same.

-- The name of a trader in the audit log. It goes when he goes, and then nothing tells whose rows they were.
-- No foreign key: its cascade would take this row before those that other transactions still hold. The trigger below
-- comes after every cascade of auth.users (a foreign key's trigger is named RI_..., and triggers fire by name).
create table private.pseudonyms (
  user_id uuid primary key,
  pseudonym uuid not null unique default gen_random_uuid()
);

create table public.audit_log (
  id bigint generated always as identity primary key,
  -- Null once the trader has left. No foreign key: an audit row must never wait for, or fail with, his deletion.
  user_id uuid,
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  action text not null,
  subject uuid,
  detail jsonb not null default '{}',
  pseudonym uuid
);
comment on table public.audit_log is 'What was done, by whom. Append-only for everyone, chained by hash. Never holds a secret.';
comment on column public.audit_log.pseudonym is 'Stands for the trader, also after he has left.';
create index audit_log_user_at on public.audit_log (user_id, at desc);
create index audit_log_subject on public.audit_log (subject);

create function private.name_trader() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.pseudonyms (user_id) values (new.id) on conflict (user_id) do nothing;
  return null;
end
$$;
-- Before sparky_on_sign_up, by name: what signing up does is in the log already.
create trigger sparky_name_trader after insert on auth.users
for each row execute function private.name_trader();
insert into private.pseudonyms (user_id) select users.id from auth.users;

-- Writes down whose row it is. The lock makes the deletion of the trader wait for this row and take its name off too.
create function private.pseudonymise() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  new.pseudonym := null;
  if new.user_id is null then
    return new;
  end if;
  select p.pseudonym into new.pseudonym from private.pseudonyms p where p.user_id = new.user_id for key share;
  if new.subject = new.user_id then
    new.subject := new.pseudonym;
  end if;
  if strpos(new.detail::text, new.user_id::text) > 0 then
    new.detail := replace(new.detail::text, new.user_id::text, coalesce(new.pseudonym::text, 'deleted'))::jsonb;
  end if;
  if new.pseudonym is null then
    -- He left a moment ago.
    new.user_id := null;
  end if;
  return new;
end
$$;
create trigger pseudonymise before insert on public.audit_log
for each row execute function private.pseudonymise();

create function private.refuse_change() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception '% is append-only: % is not possible', tg_table_name, lower(tg_op) using errcode = '42501';
end
$$;
create trigger no_truncate before truncate on public.audit_log
for each statement execute function private.refuse_change();

-- The one change there is: the trader leaves, and his id is taken off.
create function private.refuse_audit_update() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if old.user_id is not null and new.user_id is null then
    old.user_id := null;
  end if;
  if old is distinct from new then
    raise exception 'audit_log is append-only: update is not possible' using errcode = '42501';
  end if;
  return new;
end
$$;
create trigger append_only before update on public.audit_log
for each row execute function private.refuse_audit_update();

create function private.forget_pseudonym() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- In this order: the first statement waits for whoever is writing an audit row of his, the second sees that row.
  delete from private.pseudonyms where user_id = old.id;
  update public.audit_log set user_id = null where user_id = old.id;
  return null;
end
$$;
create trigger sparky_zz_forget_pseudonym after delete on auth.users
for each row execute function private.forget_pseudonym();

create function private.audit(p_user_id uuid, p_actor text, p_action text, p_subject uuid, p_detail jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.audit_log (user_id, actor, action, subject, detail)
  values (p_user_id, p_actor, p_action, p_subject, coalesce(p_detail, '{}'));
end
$$;

alter table public.audit_log enable row level security;
alter table public.audit_log force row level security;
create policy own_audit_select on public.audit_log for select to authenticated
using ((select auth.uid()) = user_id);
