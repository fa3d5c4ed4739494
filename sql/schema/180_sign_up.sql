-- What a new trader starts with: profile, Free plan, settings and a first webhook. Nothing here may cost anybody his sign-up.

-- Each step leaves alone what is there already, but for the address, so that it can be repeated.
create function private.provision_rows(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.user_profiles (id, email, full_name, avatar_url)
  select
    u.id, u.email, left(u.raw_user_meta_data ->> 'full_name', 200),
    -- Half an address is none.
    case when length(u.raw_user_meta_data ->> 'avatar_url') <= 2000 then u.raw_user_meta_data ->> 'avatar_url' end
  from auth.users u where u.id = p_user_id
  on conflict (id) do update set email = excluded.email
  where public.user_profiles.email is distinct from excluded.email;
  insert into public.subscriptions (user_id) values (p_user_id) on conflict (user_id) do nothing;
  insert into private.ingest_state (user_id) values (p_user_id) on conflict (user_id) do nothing;
  insert into public.trade_settings_global (user_id) values (p_user_id) on conflict (user_id) do nothing;
end
$$;

create function private.provision_webhook(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.lock_webhooks(p_user_id);
  if not exists (select from public.user_webhook_configs w where w.user_id = p_user_id) then
    perform private.make_webhook(p_user_id, null, 'sign_up', null);
  end if;
end
$$;

create function private.provision_trader(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform private.keep_trader(p_user_id);
  if exists (select from auth.users u where u.id = p_user_id) then
    perform private.provision_rows(p_user_id);
    perform private.provision_webhook(p_user_id);
  end if;
end
$$;

-- Never raises: a step that fails is undone alone, told to the log, and tried again by a task.
create function private.try_provision(p_user_id uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  failed boolean := false;
begin
  begin
    perform private.provision_rows(p_user_id);
  exception when others then
    failed := true;
    raise warning 'the rows of trader % could not be made: % (%)', p_user_id, sqlerrm, sqlstate;
  end;
  begin
    perform private.provision_webhook(p_user_id);
  exception when others then
    failed := true;
    raise warning 'the first webhook of trader % could not be made: % (%)', p_user_id, sqlerrm, sqlstate;
  end;
  if failed then
    perform private.enqueue_task('provision_trader', p_user_id, null, '{}');
  end if;
exception when others then
  raise warning 'trader % is not provisioned and no task will do it: % (%)', p_user_id, sqlerrm, sqlstate;
end
$$;

create function private.on_sign_up() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.try_provision(new.id);
  return null;
end
$$;
create trigger sparky_on_sign_up after insert on auth.users
for each row execute function private.on_sign_up();

create function private.on_email_change() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update public.user_profiles set email = new.email where id = new.id;
  return null;
end
$$;
create trigger sparky_on_email_change after update of email on auth.users
for each row when (old.email is distinct from new.email) execute function private.on_email_change();

-- Those who signed up before this schema was here.
do $$
begin
  perform private.try_provision(u.id) from auth.users u;
end
$$;
