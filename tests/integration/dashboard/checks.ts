/** What the checks of the dashboard's calls are written with: one line of output for each. */

// deno-lint-ignore no-explicit-any -- every answer is looked at as it is
export type Any = any;

export function check(name: string, good: unknown, seen: unknown): void {
  console.log(good ? "ok  " : "FAIL", name, good ? "" : JSON.stringify(seen)?.slice(0, 600));
}

/** Values of `fields` in an answer's row, for comparing with what was sent. */
export function holds(row: Any, fields: Record<string, unknown>): boolean {
  return Object.entries(fields).every(([name, value]) =>
    JSON.stringify(row?.[name]) === JSON.stringify(value)
  );
}

export function daysAgo(days: number): string {
  return new Date(Date.now() - days * 24 * 3600 * 1000).toISOString();
}
