/** What the fast path of RPC knows of the database: functions of the exposed schemas, and roles' settings. */
import type { Sql } from "../database.ts";

export interface Argument {
  name: string;
  type: string;
  required: boolean;
}

export interface DatabaseFunction {
  schema: string;
  name: string;
  arguments: Argument[];
  variadic: boolean;
  volatile: boolean;
  set: boolean;
  /** True where one result is a row: a composite type, or OUT or TABLE columns. */
  row: boolean;
  returnsVoid: boolean;
  /** The type of a single argument without a name, which takes the whole body. */
  bodyType: string | null;
}

export interface Catalog {
  functions: Map<string, DatabaseFunction[]>;
  /** Settings of a role that apply when it is impersonated, such as statement_timeout. */
  settings: Map<string, [string, string][]>;
}

// character and bit without a length mean one character: their unlimited twins hold any value.
const FUNCTIONS = `
select
  n.nspname as schema,
  p.proname as name,
  coalesce((
    select json_agg(
      json_build_object(
        'name', coalesce(a.name, ''),
        'type', case a.type
          when 'character'::regtype then 'character varying'
          when 'character[]'::regtype then 'character varying[]'
          when 'bit'::regtype then 'bit varying'
          when 'bit[]'::regtype then 'bit varying[]'
          else format_type(a.type, null)
        end,
        'required', a.position <= p.pronargs - p.pronargdefaults
      ) order by a.position
    )
    from (
      select i.name, i.type, row_number() over (order by i.position) as position
      from unnest(
        p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes
      ) with ordinality as i (name, type, mode, position)
      where i.type is not null and coalesce(i.mode, 'i') in ('i', 'b', 'v')
    ) as a
  ), '[]')::text as arguments,
  p.provariadic <> 0 as variadic,
  p.provolatile = 'v' as volatile,
  p.proretset as set,
  t.typtype = 'c' or coalesce(p.proargmodes::text[] && '{t,b,o}', false) as row,
  p.prorettype = 'void'::regtype as void
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
join pg_catalog.pg_type as t on t.oid = p.prorettype
where n.nspname = any (string_to_array($1, ',')) and p.prokind = 'f'`;

const SETTINGS = `
select r.rolname as role, s as setting
from pg_catalog.pg_roles as r
join pg_catalog.pg_db_role_setting as d on d.setrole = r.oid and d.setdatabase = 0
cross join unnest(d.setconfig) as s
where split_part(s, '=', 1) in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')`;

export function key(schema: string, name: string): string {
  return `${schema}.${name}`;
}

function toFunction(row: Record<string, unknown>): DatabaseFunction {
  const list = JSON.parse(row.arguments as string) as Argument[];
  const only = list.length === 1 && list[0]!.name === "" ? list[0]!.type : null;
  return {
    schema: row.schema as string,
    name: row.name as string,
    arguments: list,
    variadic: row.variadic as boolean,
    volatile: row.volatile as boolean,
    set: row.set as boolean,
    row: row.row as boolean,
    returnsVoid: row.void as boolean,
    bodyType: only === "json" || only === "jsonb" ? only : null,
  };
}

export async function loadCatalog(sql: Sql, schemas: string[]): Promise<Catalog> {
  const [functionRows, settingRows] = await Promise.all([
    sql.unsafe(FUNCTIONS, [schemas.join(",")]),
    sql.unsafe(SETTINGS),
  ]);
  const functions = new Map<string, DatabaseFunction[]>();
  for (const row of functionRows) {
    const found = toFunction(row);
    const at = key(found.schema, found.name);
    functions.set(at, [...(functions.get(at) ?? []), found]);
  }
  const settings = new Map<string, [string, string][]>();
  for (const { role, setting } of settingRows) {
    const at = setting.indexOf("=");
    settings.set(role, [...(settings.get(role) ?? []), [setting.slice(0, at), setting.slice(at + 1)]]);
  }
  return { functions, settings };
}
