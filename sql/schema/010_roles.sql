-- Roles, schemas and default privileges. Everything below starts with nothing granted to the API roles.

-- Triggers and foreign keys on auth.users lock it: rather fail and be tried again than hold up sign-ups.
set lock_timeout = '5s';
set statement_timeout = '60s';

create extension if not exists pgcrypto with schema extensions;

create schema if not exists private;
comment on schema private is 'Internal tables and functions. The API does not expose this schema.';
revoke all on schema private from public;

-- Roles belong to the whole cluster, so a second database of the same cluster finds them already there.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'sparky_worker') then
    -- Inherits anon because Realtime needs USAGE on schema realtime and SELECT on realtime.messages, which on
    -- hosted projects `postgres` cannot grant. In our own schemas anon may do nothing.
    create role sparky_worker nologin inherit nobypassrls in role anon;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'sparky_edge') then
    create role sparky_edge nologin inherit nobypassrls in role anon;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'dashboard_server') then
    create role dashboard_server nologin inherit nobypassrls;
  end if;
end
$$;
comment on role sparky_worker is 'The worker: may execute the worker functions and hear the wake-up channel.';
comment on role sparky_edge is 'The webhook function: may execute ingest_alert.';
comment on role dashboard_server is 'The dashboard''s server: what its routes read and write, and no key or secret in clear.';
grant sparky_worker to authenticator;
grant sparky_edge to authenticator;
grant dashboard_server to authenticator;

-- Hosted projects grant everything on new objects in public to the API roles. Revoke first, then grant by name.
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;
-- PUBLIC holds EXECUTE by a built-in default that only a default without a schema can take away.
alter default privileges revoke execute on functions from public;

create function private.touch_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

-- Whether the API caller is a server that acts for any trader. In a security definer function current_user is the
-- function's owner; the setting `role` still names the role that the API gave the caller.
create function private.caller_is_server() returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return coalesce(current_setting('role', true) in ('service_role', 'dashboard_server'), false);
end
$$;
