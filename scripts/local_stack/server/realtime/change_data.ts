/** The `data` object of a postgres_changes frame, member by member as Realtime v2.122.0 sends it. */
import type { Change, Value } from "./pgoutput.ts";
import type { Rendered, Row } from "./row_render.ts";
import type { Table } from "./tables.ts";

/** Why a subscriber gets an event without its row. */
export type Refusal =
  | "Error 400: Bad Request, no primary key"
  | "Error 401: Unauthorized";

export interface ChangeView {
  change: Change;
  table: Table;
  rendered: Rendered;
  /** Columns the role may see. */
  columns: Set<string>;
  /** Columns the subscriber wants, besides the primary key; null for all. */
  select: string[] | null;
  refusal: Refusal | undefined;
}

const MAX_RECORD_BYTES = 1024 * 1024;
/** In an event that is too large, values up to this many bytes are still sent. */
const SMALL_VALUE_BYTES = 64;
const TOO_LARGE = "Error 413: Payload Too Large";
const bytes = new TextEncoder();

export function changeData(view: ChangeView): string {
  const { change, table, refusal } = view;
  const tooLarge = isTooLarge(change);
  const errors = refusal ?? (tooLarge ? TOO_LARGE : undefined);
  const columns = refusal ? [] : shownColumns(view);
  const names = columns.map((column) => column.name);
  const members = [
    `"columns":[${
      columns.map(({ name, typeName }) =>
        `{"name":${JSON.stringify(name)},"type":${JSON.stringify(typeName)}}`
      )
        .join(",")
    }]`,
    `"commit_timestamp":${refusal ? "null" : `"${new Date(change.committedAt).toISOString()}"`}`,
    `"errors":${errors ? JSON.stringify([errors]) : "null"}`,
  ];
  if (change.kind !== "INSERT") {
    members.push(`"old_record":${record(view.rendered.before, oldNames(view, names), tooLarge)}`);
  }
  if (change.kind !== "DELETE") members.push(`"record":${record(view.rendered.after, names, tooLarge)}`);
  members.push(
    `"schema":${JSON.stringify(table.schema)}`,
    `"table":${JSON.stringify(table.name)}`,
    `"type":"${change.kind}"`,
  );
  return `{${members.join(",")}}`;
}

function isTooLarge({ before = [], after = [] }: Change): boolean {
  const size = (values: Value[]) => values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
  return size(before) + size(after) > MAX_RECORD_BYTES;
}

function shownColumns({ table, columns, select }: ChangeView): Table["columns"] {
  return table.columns.filter(({ name, primaryKey }) =>
    columns.has(name) && (select === null || primaryKey || select.includes(name))
  );
}

// Nobody can be asked any more whether he could see a deleted row, so that only its key is told.
function oldNames({ change, table }: ChangeView, names: string[]): string[] {
  if (change.kind !== "DELETE" || !table.rls) return names;
  return names.filter((name) => table.columns.some((column) => column.name === name && column.primaryKey));
}

function record(row: Row, names: string[], onlySmall: boolean): string {
  const members = names.flatMap((name) => {
    const value = row.get(name);
    if (value === undefined) return [];
    if (onlySmall && (value === "null" || bytes.encode(value).length > SMALL_VALUE_BYTES)) return [];
    return [`${JSON.stringify(name)}:${value}`];
  });
  return `{${members.join(",")}}`;
}
