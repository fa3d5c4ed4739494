/**
 * Bindings of postgres_changes as clients write them: event, schema, table, filter, select. Operators and
 * texts of errors as in Supabase Realtime v2.122.0.
 */
import { type JsonObject, stringAt } from "./json.ts";

export const OPERATORS = [
  "eq",
  "neq",
  "lt",
  "lte",
  "gt",
  "gte",
  "in",
  "like",
  "ilike",
  "is",
  "match",
  "imatch",
  "isdistinct",
] as const;
export type Operator = typeof OPERATORS[number];

export interface Filter {
  column: string;
  operator: Operator;
  /** For `in` an array literal of Postgres. */
  value: string;
  negate: boolean;
}

export interface Binding {
  /** What frames call this binding. */
  id: number;
  event: "*" | "INSERT" | "UPDATE" | "DELETE";
  schema: string;
  table: string;
  filters: Filter[];
  /** The columns wanted, besides the primary key; null for all. */
  select: string[] | null;
}

/** A binding that cannot be subscribed to; the message goes to the client. */
export class BindingRefused extends Error {}

/** @throws BindingRefused */
export function parseBinding(id: number, config: JsonObject): Binding {
  const schema = stringAt(config, "schema");
  const table = stringAt(config, "table");
  const filter = stringAt(config, "filter");
  if ((schema === undefined && table === undefined) || (filter !== undefined && !(schema && table))) {
    throw new BindingRefused(
      "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: " +
        JSON.stringify(config),
    );
  }
  const binding: Binding = {
    id,
    event: eventOf(stringAt(config, "event")),
    schema: schema ?? "public",
    table: table ?? "*",
    filters: filter?.trim() ? splitFilters(filter.trim()).map(parseFilter) : [],
    select: selectOf(config),
  };
  if (binding.select && (binding.schema === "*" || binding.table === "*")) {
    throw new BindingRefused(
      "Column selection is not supported for wildcard subscriptions. " +
        "Provide an explicit schema and table name.",
    );
  }
  return binding;
}

/** The binding as error messages show it. */
export function describeBinding({ event, schema, table, filters, select }: Binding): string {
  const shown = filters.map(({ column, operator, value, negate }) =>
    `{${JSON.stringify(column)}, ${JSON.stringify(operator)}, ${JSON.stringify(value)}, ${negate}}`
  );
  return `[event: ${event}, schema: ${schema}, table: ${table}, filters: [${shown.join(", ")}], ` +
    `select: ${select ? JSON.stringify(select) : "nil"}]`;
}

/** An id that depends on the binding alone, never 0: clients drop ids that are not positive integers. */
export function bindingId(config: JsonObject): number {
  let hash = 0x811c9dc5;
  for (const char of JSON.stringify(config, Object.keys(config).sort())) {
    hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  }
  return ((hash >>> 0) % 0x7fffffe) + 1;
}

/** SQL that is true when `operand` (an expression of type `type`) passes; `value` is a text expression. */
export function filterSql(filter: Filter, operand: string, type: string, value: string): string {
  const typed = `(${value})::${type}`;
  const sql = {
    eq: `${operand} = ${typed}`,
    neq: `${operand} <> ${typed}`,
    lt: `${operand} < ${typed}`,
    lte: `${operand} <= ${typed}`,
    gt: `${operand} > ${typed}`,
    gte: `${operand} >= ${typed}`,
    in: `${operand} = any ((${value})::${type}[])`,
    like: `${operand} like ${typed}`,
    ilike: `${operand} ilike ${typed}`,
    match: `${operand} ~ ${typed}`,
    imatch: `${operand} ~* ${typed}`,
    is: `${operand} is ${IS_KEYWORDS.has(filter.value) ? filter.value : "null"}`,
    isdistinct: `${operand} is distinct from ${typed}`,
  }[filter.operator];
  return `coalesce(${filter.negate ? "not " : ""}(${sql}), false)`;
}

export const IS_KEYWORDS: ReadonlySet<string> = new Set(["null", "true", "false", "unknown"]);

function eventOf(event: string | undefined): Binding["event"] {
  const upper = event?.toUpperCase();
  return upper === "INSERT" || upper === "UPDATE" || upper === "DELETE" ? upper : "*";
}

function selectOf(config: JsonObject): string[] | null {
  if (!Array.isArray(config.select)) return null;
  const columns = config.select.filter((column) => typeof column === "string");
  return columns.length > 0 ? columns : null;
}

// Commas separate conditions, except inside the parentheses of `in` and inside double quotes.
function splitFilters(text: string): string[] {
  const parts: string[] = [];
  let [start, depth, quoted] = [0, 0, false];
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (quoted && char === "\\") i++;
    else if (char === '"' && (quoted || /[.(,]/.test(text.charAt(i - 1)))) quoted = !quoted;
    else if (quoted) continue;
    else if (char === "(") depth++;
    else if (char === ")") depth = Math.max(0, depth - 1);
    else if (char === "," && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

function parseFilter(text: string): Filter {
  const [, column, rest] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (!column || rest === undefined) throw refusal([text]);
  const negate = rest.startsWith("not.");
  const condition = negate ? rest.slice("not.".length) : rest;
  const dot = condition.indexOf(".");
  const operator = OPERATORS.find((known) => known === condition.slice(0, dot));
  const value = condition.slice(dot + 1);
  if (dot < 0 || !operator) throw refusal(dot < 0 ? [rest] : [condition.slice(0, dot), value]);
  return { column: column.trim(), operator, value: literal(operator, value), negate };
}

function literal(operator: Operator, value: string): string {
  if (operator === "in") {
    const list = /^\((.*)\)$/s.exec(value);
    if (!list) {
      throw new BindingRefused(
        "Error parsing `filter` params: `in` filter value must be wrapped by parentheses",
      );
    }
    return `{${list[1]}}`;
  }
  return /^".*"$/s.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/gs, "$1") : value;
}

function refusal(parts: string[]): BindingRefused {
  return new BindingRefused(
    `Error parsing \`filter\` params: [${parts.map((part) => JSON.stringify(part)).join(", ")}]`,
  );
}
