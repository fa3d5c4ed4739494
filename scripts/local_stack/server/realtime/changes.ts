/** postgres_changes: from a committed change to the frames of those who may see it. */
import type { Sql } from "postgres";
import type { Logger } from "../log.ts";
import type { Claims } from "./claims.ts";
import { describeError } from "./errors.ts";
import type { Binding, Filter } from "./filters.ts";
import type { Change, Relation, Value } from "./pgoutput.ts";
import { changeData, type Refusal } from "./change_data.ts";
import { renderChange, type Rendered } from "./row_render.ts";
import { type Table, Tables } from "./tables.ts";
import { untilVisible } from "./visibility.ts";

export interface ChangeListener {
  readonly bindings: Binding[];
  readonly claims: Claims;
  receiveChange(payload: string): void;
}

interface Hit {
  listener: ChangeListener;
  binding: Binding;
  /** The listener's when the change came: a new token must not mix with what was asked under the old one. */
  claims: Claims;
}

const VISIBLE_WITHIN_MS = 2_000;
const CHECK_TIMEOUT = "10s";

export class ChangeFeed {
  readonly #listeners = new Set<ChangeListener>();
  readonly #tables: Tables;
  #visibleXid: number | undefined;

  constructor(private readonly sql: Sql, private readonly log: Logger) {
    this.#tables = new Tables(sql);
  }

  add(listener: ChangeListener): void {
    this.#listeners.add(listener);
  }

  remove(listener: ChangeListener): void {
    this.#listeners.delete(listener);
  }

  forget(relation: Relation): void {
    this.#tables.forget(relation);
  }

  /** Undefined when nobody listens, else a promise that never rejects. */
  dispatch(change: Change): Promise<void> | undefined {
    const hits = this.#hits(change);
    if (hits.length === 0) return undefined;
    return this.#deliver(change, hits).catch((error) => {
      const { schema, table } = change.relation;
      this.log("warning", "realtime_change_dropped", { schema, table, ...describeError(error) });
    });
  }

  #hits({ kind, relation }: Change): Hit[] {
    return [...this.#listeners].flatMap((listener) =>
      listener.bindings.filter((binding) =>
        (binding.event === "*" || binding.event === kind) &&
        (binding.schema === "*" || binding.schema === relation.schema) &&
        (binding.table === "*" || binding.table === relation.table)
      ).map((binding) => ({ listener, binding, claims: listener.claims }))
    );
  }

  async #deliver(change: Change, hits: Hit[]): Promise<void> {
    const table = await this.#tables.get(change.relation);
    if (!table) return;
    const filterLists = [
      ...new Set(hits.map(({ binding }) => binding.filters).filter((list) => list.length)),
    ];
    const roles = [...new Set(hits.map(({ claims }) => claims.role))];
    const [rendered, selectable] = await Promise.all([
      renderChange(this.sql, table, change, filterLists),
      this.#tables.selectable(table, roles),
    ]);
    const passes = new Map(filterLists.map((list, i) => [list, rendered.passes[i] ?? false]));
    await Promise.all(roles.map(async (role) => {
      const columns = selectable.get(role);
      if (!columns) return;
      const ofRole = hits.filter(({ claims }) => claims.role === role);
      const refusal = refusalFor(change, table, columns);
      // A refusal is said to every subscriber of the role, whatever its filter.
      const seen = refusal ? ofRole : await this.#seen(change, table, role, ofRole, passes);
      this.#send(change, table, rendered, columns, seen, refusal);
    }));
  }

  async #seen(
    change: Change,
    table: Table,
    role: string,
    hits: Hit[],
    passes: Map<Filter[], boolean>,
  ): Promise<Hit[]> {
    const passing = hits.filter(({ binding }) => passes.get(binding.filters) ?? true);
    if (!table.rls || change.kind === "DELETE" || passing.length === 0) return passing;
    if (this.#visibleXid !== change.xid) {
      if (await untilVisible(this.sql, change.xid, VISIBLE_WITHIN_MS)) this.#visibleXid = change.xid;
      else this.log("warning", "realtime_commit_not_visible", { table: table.name });
    }
    const groups = Map.groupBy(passing, ({ claims }) => JSON.stringify(claims));
    const seen = await Promise.all([...groups].map(async ([claims, members]) => {
      const visible = await this.#maySee(change.after ?? [], table, role, claims);
      return visible ? members : [];
    }));
    return seen.flat();
  }

  async #maySee(values: Value[], table: Table, role: string, claims: string): Promise<boolean> {
    const keys = table.columns.flatMap(({ name, sqlType, primaryKey }, i) =>
      primaryKey ? [`${quoted(name)} = ($1::text::jsonb->>${i})::${sqlType}`] : []
    );
    try {
      return await this.sql.begin(async (tx) => {
        await tx`select
          set_config('statement_timeout', ${CHECK_TIMEOUT}, true),
          set_config('request.jwt.claims', ${claims}, true),
          set_config('role', ${role}, true)`;
        const rows = await tx.unsafe(
          `select from ${table.sqlName} where ${keys.join(" and ")}`,
          [JSON.stringify(values)],
        );
        return rows.length > 0;
      });
    } catch (error) {
      this.log("warning", "realtime_row_check_failed", { table: table.name, role, ...describeError(error) });
      return false;
    }
  }

  #send(
    change: Change,
    table: Table,
    rendered: Rendered,
    columns: Set<string>,
    hits: Hit[],
    refusal: Refusal | undefined,
  ): void {
    const data = new Map<string, string>();
    for (const [listener, members] of Map.groupBy(hits, (hit) => hit.listener)) {
      for (const [wanted, ofShape] of Map.groupBy(members, ({ binding }) => JSON.stringify(binding.select))) {
        let text = data.get(wanted);
        if (text === undefined) {
          text = changeData({ change, table, rendered, columns, select: JSON.parse(wanted), refusal });
          data.set(wanted, text);
        }
        listener.receiveChange(
          `{"data":${text},"ids":[${ofShape.map(({ binding }) => binding.id).join(",")}]}`,
        );
      }
    }
  }
}

function refusalFor(change: Change, table: Table, columns: Set<string>): Refusal | undefined {
  if (change.kind === "DELETE") return undefined;
  const keys = table.columns.filter((column) => column.primaryKey);
  if (keys.length === 0) return "Error 400: Bad Request, no primary key";
  if (!keys.every(({ name }) => columns.has(name))) return "Error 401: Unauthorized";
  return undefined;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
