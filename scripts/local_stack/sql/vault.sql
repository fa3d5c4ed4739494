-- Stand-in for the extension supabase_vault 0.3.1 where the server does not ship it: the same schema,
-- signatures and rights. Secrets are AES-256-CBC with a fresh IV, then HMAC-SHA256 over the secret's id,
-- the IV and the ciphertext (encrypt-then-MAC), so that a moved or altered row does not open.
-- The root key is a file in the data directory, outside every dump and readable by the superuser only.
create schema if not exists vault;

do $$
begin
  if (pg_catalog.pg_stat_file('vault_root_key', true)).size is null then
    execute format(
      'copy (select encode(extensions.gen_random_bytes(32), ''hex'')) to %L',
      current_setting('data_directory') || '/vault_root_key'
    );
  end if;
end
$$;

create or replace function vault._root_key() returns bytea
language sql stable set search_path = '' as $$
  select decode(left(pg_catalog.pg_read_file('vault_root_key'), 64), 'hex')
$$;

create table if not exists vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  key_id uuid,
  nonce bytea default extensions.gen_random_bytes(16),
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp
);
create unique index if not exists secrets_name_idx on vault.secrets (name) where name is not null;

create or replace function vault._crypto_aead_det_noncegen() returns bytea
language sql volatile set search_path = '' as $$
  select extensions.gen_random_bytes(16)
$$;

create or replace function vault._tag(root bytea, message bytea, additional bytea, nonce bytea) returns bytea
language sql immutable set search_path = '' as $$
  select extensions.hmac(
    int4send(length(additional)) || additional || nonce || message,
    extensions.hmac('authenticate'::bytea, root, 'sha256'),
    'sha256'
  )
$$;

create or replace function vault._crypto_aead_det_encrypt(
  message bytea, additional bytea, key_id bigint, context bytea default 'pgsodium', nonce bytea default null
) returns bytea
language plpgsql stable set search_path = '' as $$
declare
  root constant bytea := vault._root_key();
  sealed bytea;
begin
  if nonce is null or length(nonce) <> 16 then
    raise exception 'a nonce of 16 bytes is required' using errcode = '22023';
  end if;
  sealed := extensions.encrypt_iv(
    message, extensions.hmac('encrypt'::bytea, root, 'sha256'), nonce, 'aes-cbc/pad:pkcs'
  );
  return sealed || vault._tag(root, sealed, additional, nonce);
end
$$;

create or replace function vault._crypto_aead_det_decrypt(
  message bytea, additional bytea, key_id bigint, context bytea default 'pgsodium', nonce bytea default null
) returns bytea
language plpgsql stable security definer set search_path = '' as $$
declare
  root constant bytea := vault._root_key();
  sealed constant bytea := substr(message, 1, greatest(length(message) - 32, 0));
  tag constant bytea := substr(message, greatest(length(message) - 31, 1));
begin
  -- Hashing both sides under the key keeps the time of the comparison independent of the tag.
  if extensions.hmac(tag, root, 'sha256')
    is distinct from extensions.hmac(vault._tag(root, sealed, additional, nonce), root, 'sha256')
  then
    raise exception 'the secret was altered, moved or sealed with another key' using errcode = '22000';
  end if;
  return extensions.decrypt_iv(
    sealed, extensions.hmac('encrypt'::bytea, root, 'sha256'), nonce, 'aes-cbc/pad:pkcs'
  );
end
$$;

create or replace view vault.decrypted_secrets as
select
  s.id,
  s.name,
  s.description,
  s.secret,
  convert_from(
    vault._crypto_aead_det_decrypt(
      message := decode(s.secret, 'base64'),
      additional := convert_to(s.id::text, 'utf8'),
      key_id := 0,
      context := 'pgsodium'::bytea,
      nonce := s.nonce
    ),
    'utf8'
  ) as decrypted_secret,
  s.key_id,
  s.nonce,
  s.created_at,
  s.updated_at
from vault.secrets s;

create or replace function vault._seal(secret text, id uuid, nonce bytea) returns text
language sql stable set search_path = '' as $$
  select encode(
    vault._crypto_aead_det_encrypt(
      convert_to(secret, 'utf8'), convert_to(id::text, 'utf8'), 0, 'pgsodium'::bytea, nonce
    ),
    'base64'
  )
$$;

create or replace function vault.create_secret(
  new_secret text, new_name text default null, new_description text default '', new_key_id uuid default null
) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  new_id constant uuid := gen_random_uuid();
  new_nonce constant bytea := vault._crypto_aead_det_noncegen();
begin
  insert into vault.secrets (id, secret, name, description, nonce)
  values (new_id, vault._seal(new_secret, new_id, new_nonce), new_name, new_description, new_nonce);
  return new_id;
end
$$;

create or replace function vault.update_secret(
  secret_id uuid,
  new_secret text default null,
  new_name text default null,
  new_description text default null,
  new_key_id uuid default null
) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  new_nonce constant bytea := vault._crypto_aead_det_noncegen();
begin
  update vault.secrets s
  set
    secret = coalesce(vault._seal(new_secret, s.id, new_nonce), s.secret),
    -- A nonce must never be used for two texts under one key.
    nonce = case when new_secret is null then s.nonce else new_nonce end,
    name = coalesce(new_name, s.name),
    description = coalesce(new_description, s.description),
    updated_at = now()
  where s.id = secret_id;
end
$$;

revoke all on schema vault from public;
revoke all on all tables in schema vault from public;
revoke all on all functions in schema vault from public;
