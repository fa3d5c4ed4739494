-- What was done, for ever.

create table public.audit_log (
  id bigint generated always as identity primary key,
  -- No foreign key: what was done stays on record when a trader leaves.
  user_id uuid,
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  action text not null,
  subject uuid,
  detail jsonb not null default '{}'
);
comment on table public.audit_log is 'Append-only for everyone. Never holds a secret.';
create index audit_log_user_at on public.audit_log (user_id, at desc);
create index audit_log_subject on public.audit_log (subject);

create function private.refuse_change() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception '% is append-only: % is not possible', tg_table_name, lower(tg_op) using errcode = '42501';
end
$$;
create trigger append_only before update or delete or truncate on public.audit_log
for each statement execute function private.refuse_change();

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
