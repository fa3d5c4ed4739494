-- The one way by which sealed keys leave the database: inside an answer to a worker.

-- Null when Vault cannot open the secret. One damaged secret must not stop the claims of every trader.
create function private.open_secret(p_secret_id uuid) returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (select d.decrypted_secret from vault.decrypted_secrets d where d.id = p_secret_id);
exception when others then
  raise warning 'secret % does not open (%)', p_secret_id, sqlstate;
  return null;
end
$$;

create function private.account_for_worker(p_account_id uuid) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'id', k.id, 'user_id', k.user_id, 'exchange', k.exchange, 'environment', k.environment,
      'key_version', k.key_version, 'status', k.status, 'sealed', private.open_secret(k.secret_id))
    from public.user_api_keys k
    where k.id = p_account_id
  );
end
$$;
