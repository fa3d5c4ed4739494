-- Webhooks: where a trader's alerts arrive, and from where they may come.

create table public.user_webhook_configs (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  name text not null default 'TradingView' check (length(name) between 1 and 100),
  active boolean not null default true,
  require_signature boolean not null default false,
  -- 'tradingview', addresses or networks; null allows every source.
  allowed_sources text[] check (cardinality(allowed_sources) <= 50),
  secret_id uuid not null unique,
  hint text not null check (length(hint) <= 4),
  secret_hint text not null check (length(secret_hint) <= 4),
  old_live_since timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, id),
  unique (user_id, name)
);
comment on table public.user_webhook_configs is 'Where a trader''s alerts arrive. reveal_webhook shows token and secret; a webhook that is not active answers as one that does not exist.';
comment on column public.user_webhook_configs.hint is 'Last characters of the URL token.';
comment on column public.user_webhook_configs.secret_hint is 'Last characters of the body secret.';
comment on column public.user_webhook_configs.old_live_since is 'Since when an older token and secret are live beside the current ones; null when none are.';
create trigger touch before update on public.user_webhook_configs
for each row execute function private.touch_updated_at();
create trigger forget_secret after delete on public.user_webhook_configs
for each row execute function private.delete_vault_secret();

-- reveal_webhook shows the secret to whose webhook it is. Whoever could give him another's, or turn secret_id round, would
-- have it shown.
create function private.refuse_other_webhook() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'whose a webhook is and which secret it has never changes'
  using errcode = '42501', hint = 'delete the webhook and make a new one';
end
$$;
create trigger keep_identity before update on public.user_webhook_configs
for each row when ((old.id, old.user_id, old.secret_id) is distinct from (new.id, new.user_id, new.secret_id))
execute function private.refuse_other_webhook();

create function private.source_allowed(p_sources text[], p_ip text) returns boolean
language plpgsql
immutable
set search_path = ''
as $$
declare
  address inet;
begin
  if p_sources is null then
    return true;
  end if;
  begin
    address := p_ip::inet;
  exception when invalid_text_representation then
    return false;
  end;
  return coalesce((
    select bool_or(
      case
        -- The four addresses that TradingView publishes in "How to configure webhook alerts".
        when lower(s) = 'tradingview' then address in (
          inet '52.89.214.238', inet '34.212.75.30', inet '54.218.53.128', inet '52.32.178.7')
        else address <<= s::inet
      end)
    from unnest(p_sources) s
  ), false);
end
$$;

create function private.check_webhook() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  source text;
begin
  if coalesce(length(new.name) not between 1 and 100, true) then
    raise exception 'a webhook''s name has 1 to 100 characters' using errcode = '22023', hint = 'choose another name';
  end if;
  if cardinality(new.allowed_sources) > 50 then
    raise exception 'a webhook has at most 50 allowed sources' using errcode = '22023', hint = 'use networks such as 10.0.0.0/8';
  end if;
  foreach source in array coalesce(new.allowed_sources, '{}') loop
    if lower(source) is distinct from 'tradingview' then
      -- Null is no address either; as it stands it would pass.
      perform coalesce(source, '')::inet;
    end if;
  end loop;
  return new;
exception when invalid_text_representation then
  raise exception 'allowed source "%" is neither "tradingview" nor an address or network', coalesce(left(source, 60), '')
  using errcode = '22023', hint = 'for example tradingview, 203.0.113.7 or 203.0.113.0/24';
end
$$;
create trigger check_webhook before insert or update of name, allowed_sources on public.user_webhook_configs
for each row execute function private.check_webhook();

alter table public.user_webhook_configs enable row level security;
alter table public.user_webhook_configs force row level security;
create policy own_webhooks_select on public.user_webhook_configs for select to authenticated
using ((select auth.uid()) = user_id);
create policy own_webhooks_update on public.user_webhook_configs for update to authenticated
using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy own_webhooks_delete on public.user_webhook_configs for delete to authenticated
using ((select auth.uid()) = user_id);
