/** Daily partitions of realtime.messages: created ahead, dropped after three days. */
import type { Sql } from "postgres";
import type { Logger } from "../log.ts";
import { describeError } from "./errors.ts";

const DAY_MS = 86_400_000;
const DAYS_BEHIND = 1;
const DAYS_AHEAD = 3;
const KEEP_DAYS = 3;
const INTERVAL_MS = 3_600_000;
const NAME = /^messages_(\d{4})_(\d{2})_(\d{2})$/;

export class Partitions {
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly sql: Sql, private readonly log: Logger) {}

  /** Makes the partitions now (throws when it cannot) and then keeps them up every hour. */
  async open(): Promise<void> {
    await this.maintain(new Date());
    this.#timer = setInterval(() => {
      this.maintain(new Date()).catch((error) =>
        this.log("warning", "realtime_partitions_failed", describeError(error))
      );
    }, INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async maintain(now: Date): Promise<void> {
    const existing = await this.#existing();
    const today = Math.floor(now.getTime() / DAY_MS) * DAY_MS;
    for (let day = -DAYS_BEHIND; day <= DAYS_AHEAD; day++) {
      const start = new Date(today + day * DAY_MS);
      if (!existing.has(nameOf(start))) await this.#create(start);
    }
    for (const name of existing) {
      const start = dayOf(name);
      if (start !== undefined && start < today - KEEP_DAYS * DAY_MS) await this.#drop(name);
    }
  }

  async #existing(): Promise<Set<string>> {
    const rows = await this.sql`
      select child.relname as name
      from pg_catalog.pg_inherits as i
      join pg_catalog.pg_class as child on child.oid = i.inhrelid
      where i.inhparent = 'realtime.messages'::regclass`;
    return new Set(rows.map((row) => String(row.name)));
  }

  // CREATE TABLE … PARTITION OF locks the parent against senders; LIKE and ATTACH do not.
  async #create(start: Date): Promise<void> {
    const name = nameOf(start);
    const [from, to] = [start, new Date(start.getTime() + DAY_MS)].map((day) =>
      day.toISOString().slice(0, 10)
    );
    await this.sql.begin(async (tx) => {
      await tx.unsafe(`set local role supabase_realtime_admin`);
      await tx.unsafe(`create table realtime.${name} (like realtime.messages including all)`);
      await tx.unsafe(
        `alter table realtime.messages attach partition realtime.${name} for values from ('${from}') to ('${to}')`,
      );
    });
    this.log("debug", "realtime_partition_created", { name });
  }

  // DROP locks the parent: better to try again in an hour than to make senders wait for a long transaction.
  async #drop(name: string): Promise<void> {
    await this.sql.begin(async (tx) => {
      await tx.unsafe(`set local lock_timeout = '200ms'`);
      await tx.unsafe(`drop table realtime.${name}`);
    });
    this.log("debug", "realtime_partition_dropped", { name });
  }
}

function nameOf(day: Date): string {
  return `messages_${day.toISOString().slice(0, 10).replaceAll("-", "_")}`;
}

function dayOf(name: string): number | undefined {
  const parts = NAME.exec(name);
  return parts ? Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])) : undefined;
}
