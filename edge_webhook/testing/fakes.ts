import { createHandler, type Handler, type HandlerDeps } from "../handler.ts";
import type { Ingest, IngestInput, IngestResult } from "../ingest.ts";
import type { Level, Log, LogFields } from "../log.ts";

export const TOKEN = "tok_live-Zm9vYmFyYmF6cXV4";
export const SECRET = "s3cret-of-the-body";
export const SIGNAL_ID = "6f1c1c52-7f0e-4a63-9d0b-0c8f5c1f2a10";
export const ALERT = JSON.stringify({ secret: SECRET, symbol: "BTCUSDT", action: "buy" });
export const ACCEPTED: IngestResult = {
  kind: "decided",
  http: 200,
  body: { status: "accepted", signal_id: SIGNAL_ID },
  retryAfter: null,
};

export interface LogLine {
  level: Level;
  event: string;
  fields: LogFields;
}

/** A log that keeps its lines, and tells of the next one. */
export function recordingLog(): { log: Log; lines: LogLine[]; next: () => Promise<LogLine> } {
  const lines: LogLine[] = [];
  const waiting: ((line: LogLine) => void)[] = [];
  const log: Log = (level, event, fields) => {
    const line = { level, event, fields };
    lines.push(line);
    waiting.shift()?.(line);
  };
  return { log, lines, next: () => new Promise((resolve) => waiting.push(resolve)) };
}

export interface Harness {
  handler: Handler;
  inputs: IngestInput[];
  lines: LogLine[];
}

/** The handler over an ingest that answers as told and keeps what it was given. */
export function harness(answer: IngestResult | Ingest = ACCEPTED, deps: Partial<HandlerDeps> = {}): Harness {
  const inputs: IngestInput[] = [];
  const { log, lines } = recordingLog();
  const handler = createHandler({
    ingest: (input) => {
      inputs.push(input);
      return typeof answer === "function" ? answer(input) : Promise.resolve(answer);
    },
    clientIpHeader: "x-forwarded-for",
    log,
    now: () => 0,
    ...deps,
  });
  return { handler, inputs, lines };
}

export function post(path: string, body: BodyInit | null = ALERT, headers: HeadersInit = {}): Request {
  return new Request(`http://edge.test${path}`, { method: "POST", body, headers });
}

/** A stream of chunks that says whether its reader gave it up. */
export function chunked(chunks: Uint8Array<ArrayBuffer>[]): {
  stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  sent: () => number;
  cancelled: () => boolean;
} {
  let sent = 0;
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const chunk = chunks[sent];
      if (chunk === undefined) return controller.close();
      sent += 1;
      controller.enqueue(chunk);
    },
    cancel() {
      cancelled = true;
    },
  }, { highWaterMark: 0 });
  return { stream, sent: () => sent, cancelled: () => cancelled };
}

export interface LocalServer extends AsyncDisposable {
  url: string;
}

/** A real HTTP server on a free port of 127.0.0.1. */
export function serveLocally(
  handler: (request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) => Response | Promise<Response>,
): LocalServer {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** An address of 127.0.0.1 at which nobody listens. */
export function refusingUrl(): string {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return `http://127.0.0.1:${port}`;
}
