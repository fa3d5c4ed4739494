/**
 * Values of a change as JSON text, rendered by Postgres so that every type looks as it does everywhere else in
 * Supabase and no number loses a digit; in the same query the outcome of the filters.
 */
import type { Sql } from "postgres";
import { type Filter, filterSql } from "./filters.ts";
import type { Change, Value } from "./pgoutput.ts";
import type { Table } from "./tables.ts";

/** JSON text per column name; columns the WAL does not carry are absent. */
export type Row = Map<string, string>;

export interface Rendered {
  after: Row;
  before: Row;
  /** For each list of filters given, whether the row passes all of them. */
  passes: boolean[];
}

interface Cell {
  name: string;
  index: number;
  sqlType: string;
}

export async function renderChange(
  sql: Sql,
  table: Table,
  change: Change,
  filterLists: Filter[][],
): Promise<Rendered> {
  const after = change.after ?? [];
  const before = oldIdentity(change, table);
  const values: string[] = [];
  const select: string[] = [];
  const [afterCells, beforeCells] = [cells(table, after), cells(table, before)];
  const current = change.kind === "DELETE" ? beforeCells : afterCells;
  const cast = (source: string, { index, sqlType }: Cell) => `(${source}->>${index})::${sqlType}`;
  for (const cell of afterCells) select.push(`to_jsonb(${cast("a", cell)})::text`);
  for (const cell of beforeCells) select.push(`to_jsonb(${cast("b", cell)})::text`);
  for (const filters of filterLists) {
    const conditions = filters.map((filter) => {
      const cell = current.find(({ name }) => name === filter.column);
      if (!cell) return "false";
      values.push(filter.value);
      const operand = cast(change.kind === "DELETE" ? "b" : "a", cell);
      return filterSql(filter, operand, cell.sqlType, `f->>${values.length - 1}`);
    });
    select.push(conditions.join(" and ") || "true");
  }
  const [out = []] = await sql.unsafe(
    `select ${
      select.join(", ")
    } from (select $1::text::jsonb as a, $2::text::jsonb as b, $3::text::jsonb as f) as v`,
    [JSON.stringify(after), JSON.stringify(before), JSON.stringify(values)],
    { prepare: true },
  ).values() as (string | boolean | null)[][];
  const row = (list: Cell[], offset: number): Row =>
    new Map(list.map(({ name }, i) => [name, String(out[offset + i] ?? "null")]));
  return {
    after: row(afterCells, 0),
    before: row(beforeCells, afterCells.length),
    passes: out.slice(afterCells.length + beforeCells.length).map((value) => value === true),
  };
}

// An UPDATE that leaves the key alone carries no old row: its identity is then that of the new one. A value
// left out of the new row (unchanged TOAST) is taken from the old one where the identity holds it.
function oldIdentity(change: Change, table: Table): Value[] {
  const { before, after, kind, relation } = change;
  if (before && after) {
    after.forEach((value, i) => {
      if (value === undefined && before[i] !== undefined) after[i] = before[i];
    });
  }
  if (before) return before;
  if (kind !== "UPDATE" || !after) return [];
  return table.columns.map((_, i) => relation.columns[i]?.key ? after[i] : undefined);
}

function cells(table: Table, values: Value[]): Cell[] {
  return table.columns.flatMap(({ name, sqlType }, index) =>
    values[index] === undefined ? [] : [{ name, index, sqlType }]
  );
}
