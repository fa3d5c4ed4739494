/** What the catalogue says of a replicated table, and what the roles may see of it. */
import type { Sql } from "postgres";
import type { Relation } from "./pgoutput.ts";

export interface TableColumn {
  name: string;
  /** Short name of the type, as clients know it (`int8`, `_text`). */
  typeName: string;
  /** The type for a cast (`bigint`, `text[]`). */
  sqlType: string;
  primaryKey: boolean;
}

export interface Table {
  oid: number;
  /** Quoted, for use in SQL. */
  sqlName: string;
  schema: string;
  name: string;
  rls: boolean;
  /** One per column of the relation, in its order. */
  columns: TableColumn[];
}

export class Tables {
  readonly #known = new Map<number, Promise<Table | undefined>>();

  constructor(private readonly sql: Sql) {}

  /** The stream announces a table anew after every DDL or change of grants on it. */
  forget(relation: Relation): void {
    this.#known.delete(relation.oid);
  }

  /** Undefined when the table is gone meanwhile. */
  get(relation: Relation): Promise<Table | undefined> {
    const known = this.#known.get(relation.oid);
    if (known) return known;
    const loading = this.#load(relation);
    this.#known.set(relation.oid, loading);
    loading.catch(() => this.#known.delete(relation.oid));
    return loading;
  }

  /** Names of the columns each role may SELECT, in order; a role that does not exist is left out. */
  async selectable(table: Table, roles: string[]): Promise<Map<string, Set<string>>> {
    const rows = await this.sql`
      select r.rolname as role, array_to_json(array(
        select a.attname
        from pg_catalog.pg_attribute as a
        where a.attrelid = ${table.oid} and a.attnum > 0 and not a.attisdropped
          and has_column_privilege(r.oid, a.attrelid, a.attnum, 'SELECT')
        order by a.attnum
      ))::text as columns
      from pg_catalog.pg_roles as r
      where r.rolname in (select json_array_elements_text(${JSON.stringify(roles)}::text::json))`;
    return new Map(rows.map((row) => [String(row.role), new Set<string>(JSON.parse(row.columns))]));
  }

  async #load(relation: Relation): Promise<Table | undefined> {
    const [found] = await this.sql`
      select
        c.relrowsecurity as rls,
        format('%I.%I', n.nspname, c.relname) as name,
        array_to_json(array(
          select a.attname
          from pg_catalog.pg_index as i
          join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
          where i.indrelid = c.oid and i.indisprimary
        ))::text as keys
      from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.oid = ${relation.oid}`;
    if (!found) return undefined;
    const keys = new Set<string>(JSON.parse(found.keys));
    const types = await this.#types(relation);
    return {
      oid: relation.oid,
      sqlName: found.name,
      schema: relation.schema,
      name: relation.table,
      rls: found.rls,
      columns: relation.columns.map(({ name, typeOid }) => {
        const [typeName, sqlType] = types.get(typeOid) ?? ["unknown", "text"];
        return { name, typeName, sqlType, primaryKey: keys.has(name) };
      }),
    };
  }

  async #types(relation: Relation): Promise<Map<number, [string, string]>> {
    const oids = JSON.stringify(relation.columns.map((column) => column.typeOid));
    const rows = await this.sql`
      select oid::int8::text as oid, typname as name, format_type(oid, -1) as sql
      from pg_catalog.pg_type
      where oid in (select json_array_elements_text(${oids}::text::json)::oid)`;
    return new Map(rows.map((row) => [Number(row.oid), [String(row.name), String(row.sql)]]));
  }
}
