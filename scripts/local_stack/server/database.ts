/** Connections to Postgres that survive its restart: a query fails at once while it is down, never later. */
import postgres from "postgres";
import { describe, type Logger } from "./log.ts";

export type Sql = postgres.Sql;

const CONNECT_SECONDS = 2;
const RETRY_SECONDS = 0.05;

export function connect(
  url: string,
  options: { max: number; name: string; extra?: Record<string, unknown> },
): Sql {
  return postgres(url, {
    max: options.max,
    connect_timeout: CONNECT_SECONDS,
    // The driver's own back-off grows to 20 s, and queries wait for it: a restarted server would look dead.
    backoff: () => RETRY_SECONDS,
    fetch_types: false,
    onnotice: () => {},
    ...options.extra,
    connection: { application_name: options.name, TimeZone: "UTC" },
  });
}

const DOWN = new Set([
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
]);

/** Tell whether an error means that there was no database to ask. */
export function isDown(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && DOWN.has(code);
}

/**
 * Call `heard` at every notification on a channel, and once after each (re)connection, because what was
 * said meanwhile is lost.
 */
export function listen(url: string, channel: string, heard: () => void, log: Logger): () => Promise<void> {
  let closed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  // The driver's own listen() gives up for good when the first reconnection fails.
  const sql = connect(url, {
    max: 1,
    name: `listen ${channel}`,
    extra: { idle_timeout: null, max_lifetime: null, onclose: () => again(), onnotify: heard },
  });
  function again() {
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(subscribe, RETRY_SECONDS * 1000);
  }
  async function subscribe() {
    try {
      await sql.unsafe(`listen ${channel}`);
      heard();
    } catch (error) {
      if (!isDown(error)) log("warning", "listen.failed", { channel, ...describe(error) });
      again();
    }
  }
  subscribe();
  return async () => {
    closed = true;
    clearTimeout(timer);
    await sql.end({ timeout: 1 });
  };
}
