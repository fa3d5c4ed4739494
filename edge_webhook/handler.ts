import {
  type Answer,
  fromDatabase,
  MAX_BODY_BYTES,
  METHOD_NOT_ALLOWED,
  NOT_FOUND,
  TOO_LARGE,
  toResponse,
  UNAVAILABLE,
} from "./answers.ts";
import { readBody, toStorableText } from "./body.ts";
import { clientIp, type ClientIpHeader } from "./client_ip.ts";
import type { ConfigProblem } from "./config.ts";
import type { Ingest, IngestResult } from "./ingest.ts";
import type { Level, Log, LogFields } from "./log.ts";
import { parseRoute } from "./route.ts";

export interface HandlerDeps {
  ingest: Ingest;
  clientIpHeader: ClientIpHeader;
  log: Log;
  /** Milliseconds of a clock that never goes back. */
  now: () => number;
}

export type Handler = (request: Request) => Promise<Response>;

// An answer, and what the log says of it beside the answer's own fields.
interface Handled {
  answer: Answer;
  level: Level;
  notes?: LogFields;
}

/**
 * Build the endpoint. It turns bytes into one call of the database and the decision into a response; it
 * never rejects, and writes one log line for each request.
 */
export function createHandler(deps: HandlerDeps): Handler {
  return async (request) => {
    const started = deps.now();
    const handled = await handle(request, deps).catch(fromException);
    const { http, body } = handled.answer;
    deps.log(handled.level, "webhook_request", {
      http,
      status: body.status,
      reason_code: body.reason_code,
      signal_id: body.signal_id,
      ...handled.notes,
      duration_ms: Math.round(deps.now() - started),
    });
    return toResponse(handled.answer);
  };
}

/** Build the endpoint of a function that was deployed without its settings: 503 for every request. */
export function createUnconfiguredHandler(problem: ConfigProblem, log: Log): Handler {
  return () => {
    log("error", "configuration_error", {
      http: UNAVAILABLE.http,
      missing: problem.missing,
      invalid: problem.invalid,
    });
    return Promise.resolve(toResponse(UNAVAILABLE));
  };
}

async function handle(request: Request, deps: HandlerDeps): Promise<Handled> {
  if (request.method !== "POST") return { answer: METHOD_NOT_ALLOWED, level: "info" };
  // The body comes before the path, so that a malformed token and an unknown one get the same answers.
  const body = await readBody(request.body, MAX_BODY_BYTES);
  if (body.kind === "too_large") return { answer: TOO_LARGE, level: "info" };
  if (body.kind === "cut_off") {
    return { answer: UNAVAILABLE, level: "warn", notes: { cause: "body_cut_off" } };
  }
  const route = parseRoute(new URL(request.url).pathname);
  if (route === null) return { answer: NOT_FOUND, level: "info" };

  const signature = request.headers.get("x-sparky-signature");
  return fromResult(
    await deps.ingest({
      token: route.token,
      body: toStorableText(body.bytes),
      ip: clientIp(request.headers, deps.clientIpHeader),
      headers: signature === null ? {} : { "x-sparky-signature": signature },
    }),
  );
}

function fromResult(result: IngestResult): Handled {
  if (result.kind === "decided") {
    return { answer: fromDatabase(result.http, result.body, result.retryAfter), level: "info" };
  }
  return {
    answer: UNAVAILABLE,
    level: "error",
    notes: {
      cause: result.cause,
      upstream_status: result.upstreamStatus,
      upstream_code: result.upstreamCode,
    },
  };
}

// The kind of the error and where it arose; its message may quote the alert.
function fromException(error: unknown): Handled {
  const frames = error instanceof Error ? (error.stack ?? "").replace(error.message, "").split("\n") : [];
  return {
    answer: UNAVAILABLE,
    level: "error",
    notes: {
      cause: "exception",
      error: error instanceof Error ? error.constructor.name : typeof error,
      at: frames.map((line) => line.trim()).filter((line) => line.startsWith("at ")).slice(0, 3),
    },
  };
}
