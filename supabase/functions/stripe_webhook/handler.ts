import { readBody } from "../../../edge_webhook/body.ts";
import type { ConfigProblem } from "../../../edge_webhook/config.ts";
import type { Level, Log, LogFields } from "../../../edge_webhook/log.ts";
import {
  type Answer,
  DUPLICATE,
  EVENT_UNUSABLE,
  METHOD_NOT_ALLOWED,
  NOT_FOUND,
  SIGNATURE_WRONG,
  STORED,
  TOO_LARGE,
  toResponse,
  UNAVAILABLE,
} from "./answers.ts";
import type { Store, StoreResult } from "./store.ts";
import type { StripeEvent, Verify } from "./verify.ts";

export interface HandlerDeps {
  verify: Verify;
  store: Store;
  log: Log;
  /** Milliseconds of a clock that never goes back. */
  now: () => number;
  /** Milliseconds of the wall clock. */
  wallClock: () => number;
}

export type Handler = (request: Request) => Promise<Response>;

/** Events of Stripe are mostly a few KiB; the limit leaves room for long invoices. */
export const MAX_BODY_BYTES = 512 * 1024;

// On hosted Supabase the function sees "/stripe_webhook"; other gateways leave the public prefix on.
const PATH = /^(?:\/functions\/v1)?\/stripe_webhook$/;

// An answer, and what the log says of it beside the answer's own fields.
interface Handled {
  answer: Answer;
  level: Level;
  notes?: LogFields;
}

/**
 * Build the endpoint. It stores what Stripe signed and does nothing else with it; it never rejects, and
 * writes one log line for each request.
 */
export function createHandler(deps: HandlerDeps): Handler {
  return async (request) => {
    const started = deps.now();
    const handled = await handle(request, deps).catch(fromException);
    const { http, body } = handled.answer;
    deps.log(handled.level, "stripe_webhook_request", {
      http,
      status: body.status,
      reason_code: body.reason_code,
      ...handled.notes,
      duration_ms: Math.round(deps.now() - started),
    });
    return toResponse(handled.answer);
  };
}

/** Build the endpoint of a function that was deployed without its settings: 503 for every request. */
export function createUnconfiguredHandler(problem: ConfigProblem, log: Log): Handler {
  return () => {
    log("error", "configuration_error", { http: UNAVAILABLE.http, ...problem });
    return Promise.resolve(toResponse(UNAVAILABLE));
  };
}

async function handle(request: Request, deps: HandlerDeps): Promise<Handled> {
  if (!PATH.test(new URL(request.url).pathname)) return { answer: NOT_FOUND, level: "info" };
  if (request.method !== "POST") return { answer: METHOD_NOT_ALLOWED, level: "info" };
  const body = await readBody(request.body, MAX_BODY_BYTES);
  if (body.kind === "too_large") return { answer: TOO_LARGE, level: "warn" };
  if (body.kind === "cut_off") {
    return { answer: UNAVAILABLE, level: "warn", notes: { cause: "body_cut_off" } };
  }

  const signature = request.headers.get("stripe-signature");
  const verified = await deps.verify(body.bytes, signature, deps.wallClock());
  if (verified.kind === "signature_wrong") return { answer: SIGNATURE_WRONG, level: "warn" };
  if (verified.kind === "event_unusable") return { answer: EVENT_UNUSABLE, level: "warn" };
  return fromResult(await deps.store(verified.event.content), verified.event);
}

function fromResult(result: StoreResult, event: StripeEvent): Handled {
  const notes = { event_id: event.id, event_type: event.type };
  if (result.kind === "stored") return { answer: STORED, level: "info", notes };
  if (result.kind === "duplicate") return { answer: DUPLICATE, level: "info", notes };
  return {
    answer: UNAVAILABLE,
    level: "error",
    notes: {
      ...notes,
      cause: result.cause,
      upstream_status: result.upstreamStatus,
      upstream_code: result.upstreamCode,
    },
  };
}

// The kind of the error and nothing more: its message, and with it the stack, may quote the event.
function fromException(error: unknown): Handled {
  const kind = error instanceof Error ? error.constructor.name : typeof error;
  return { answer: UNAVAILABLE, level: "error", notes: { cause: "exception", error: kind } };
}
