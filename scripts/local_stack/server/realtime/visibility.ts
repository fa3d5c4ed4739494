/** Waiting until a commit that the WAL already tells of is visible to new snapshots. */
import type { Sql } from "postgres";

const STEP_MS = 2;

/**
 * The walsender may be ahead of the list of running transactions, so that a row just committed is not yet
 * seen by a new query: without this wait a row-level security check would lose the event.
 *
 * @returns false when the transaction is still not visible after `timeoutMs`.
 */
export async function untilVisible(sql: Sql, xid: number, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isVisible(sql, xid))) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  return true;
}

async function isVisible(sql: Sql, xid: number): Promise<boolean> {
  const [row] = await sql`
    select
      pg_snapshot_xmax(s)::text as xmax,
      array_to_json(array(select x::text from pg_snapshot_xip(s) as x))::text as running
    from pg_current_snapshot() as s`;
  return row !== undefined &&
    isCommittedIn(xid, BigInt(row.xmax), (JSON.parse(row.running) as string[]).map(BigInt));
}

/** Whether a 32-bit xid that has ended is visible in the snapshot (`xmax`, `running`), both with epoch. */
export function isCommittedIn(xid: number, xmax: bigint, running: bigint[]): boolean {
  // The nearest transaction to the snapshot's end with these lower 32 bits.
  const full = xmax + BigInt.asIntN(32, BigInt(xid) - xmax);
  return full < xmax && !running.includes(full);
}
