/** Whether the database can serve a binding to a role; the words of a refusal as in Realtime v2.122.0. */
import type { Sql } from "postgres";
import type { Claims } from "./claims.ts";
import { codeOf, concernsRequest } from "./errors.ts";
import {
  type Binding,
  BindingRefused,
  describeBinding,
  type Filter,
  filterSql,
  IS_KEYWORDS,
} from "./filters.ts";

export const CHANGES_PUBLICATION = "supabase_realtime";
const MAX_IN_VALUES = 100;
const CONDITION_NAMES: Record<string, string> = {
  "22003": "numeric_value_out_of_range",
  "22007": "invalid_datetime_format",
  "22008": "datetime_field_overflow",
  "22023": "invalid_parameter_value",
  "22P02": "invalid_text_representation",
  "42501": "insufficient_privilege",
  "42704": "undefined_object",
  "42883": "undefined_function",
  P0001: "raise_exception",
};

const PATTERN_OPERATORS = new Map([["like", "~~"], ["ilike", "~~*"], ["match", "~"], ["imatch", "~*"]]);

interface TableColumn {
  name: string;
  type: string;
  selectable: boolean;
}

/** A refusal in the database's own form: SQLSTATE and message. */
class Raised extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

export class SubscriptionCheck {
  constructor(private readonly sql: Sql) {}

  /** @throws BindingRefused; any other error is the database's absence. */
  async check(bindings: Binding[], claims: Claims): Promise<void> {
    for (const binding of bindings) {
      try {
        await this.#check(binding, claims.role);
      } catch (error) {
        const code = codeOf(error);
        if (error instanceof BindingRefused || !code || !concernsRequest(code)) throw error;
        throw new BindingRefused(
          "Unable to subscribe to changes with given parameters. An exception happened so please check your " +
            `connect parameters: ${describeBinding(binding)}. Exception: ERROR ${code} ` +
            `(${CONDITION_NAMES[code] ?? code}) ${(error as Error).message}`,
        );
      }
    }
  }

  async #check(binding: Binding, role: string): Promise<void> {
    const tables = await this.sql`
      select c.oid::int8::text as oid
      from pg_catalog.pg_publication_tables as p
      join pg_catalog.pg_namespace as n on n.nspname = p.schemaname
      join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = p.tablename
      where p.pubname = ${CHANGES_PUBLICATION}
        and (${binding.schema} = '*' or p.schemaname = ${binding.schema})
        and (${binding.table} = '*' or p.tablename = ${binding.table})`;
    if (tables.length === 0) {
      throw new BindingRefused(
        "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given " +
          `connect parameters: ${describeBinding(binding)}`,
      );
    }
    const roles = await this.sql`select from pg_catalog.pg_roles where rolname = ${role}`;
    if (roles.length === 0) throw new Raised("42704", `role "${role}" does not exist`);
    if (binding.filters.length === 0 && !binding.select) return;
    for (const { oid } of tables) {
      const columns = await this.#columns(String(oid), role);
      for (const filter of binding.filters) await this.#checkFilter(filter, columns);
      for (const name of binding.select ?? []) find(columns, name, "select");
    }
  }

  async #columns(oid: string, role: string): Promise<TableColumn[]> {
    const rows = await this.sql`
      select
        attname as name,
        format_type(atttypid, -1) as type,
        has_column_privilege(${role}::name, attrelid, attnum, 'SELECT') as selectable
      from pg_catalog.pg_attribute
      where attrelid = ${oid}::oid and attnum > 0 and not attisdropped`;
    return rows.map((row) => ({ name: row.name, type: row.type, selectable: row.selectable }));
  }

  async #checkFilter(filter: Filter, columns: TableColumn[]): Promise<void> {
    const { column, operator, value } = filter;
    const { type } = find(columns, column, "filter");
    if (operator === "is") return checkIs(value, type);
    if (operator === "in") {
      const [row] = await this.sql.unsafe(`select cardinality($1::text::${type}[]) as n`, [value]);
      if (Number(row?.n) > MAX_IN_VALUES) {
        throw new Raised("P0001", `too many values for \`in\` filter. Maximum ${MAX_IN_VALUES}`);
      }
      return;
    }
    const symbol = PATTERN_OPERATORS.get(operator);
    if (symbol) await this.#checkPattern(operator, symbol, value, type);
    await this.sql.unsafe(`select $1::text::${type}`, [value]);
    // An operator that the type lacks must fail here, not for everybody when a change comes.
    await this.sql.unsafe(`select ${filterSql(filter, `null::${type}`, type, "$1::text")}`, [value]);
  }

  async #checkPattern(operator: string, symbol: string, value: string, type: string): Promise<void> {
    const [known] = await this.sql`
      select exists (
        select from pg_catalog.pg_operator where oprname = ${symbol} and oprleft = ${type}::regtype
      ) as ok`;
    if (!known?.ok) {
      throw new Raised("P0001", `operator ${operator} requires a text-compatible column type, got ${type}`);
    }
    if (operator !== "match" && operator !== "imatch") return;
    await this.sql`select '' ~ ${value}`.catch((error: Error) => {
      throw new Raised("P0001", `invalid regular expression for ${operator} filter: ${error.message}`);
    });
  }
}

function find(columns: TableColumn[], name: string, use: "filter" | "select"): TableColumn {
  const column = columns.find((candidate) => candidate.name === name);
  if (!column?.selectable) throw new Raised("P0001", `invalid column for ${use} ${name}`);
  return column;
}

function checkIs(value: string, type: string): void {
  if (!IS_KEYWORDS.has(value)) {
    throw new Raised("P0001", "invalid value for is filter: must be null, true, false, or unknown");
  }
  if (value !== "null" && type !== "boolean") {
    throw new Raised("P0001", `is ${value} filter requires a boolean column, got ${type}`);
  }
}
