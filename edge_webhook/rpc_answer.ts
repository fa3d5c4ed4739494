import { ANSWER_CODES, ANSWER_STATUSES, type AnswerBody, type AnswerCode } from "./answers.ts";

/** What `ingest_alert` decided. */
export interface Decision {
  http: AnswerCode;
  body: AnswerBody;
  /** Whole seconds, or null when the database gave none. */
  retryAfter: number | null;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const REASON_CODE = /^[a-z][a-z0-9_]{0,63}$/;

/**
 * Read the JSON value that `ingest_alert` returned.
 *
 * Returns null for anything that is not exactly a decision: to guess would tell a sender that an alert is
 * stored when nobody knows. Only the four agreed fields of the body are kept. A status of `unavailable` is
 * no decision either: the database says that it stored nothing.
 */
export function readDecision(value: unknown): Decision | null {
  if (!isRecord(value) || !isRecord(value.body)) return null;
  const http = ANSWER_CODES.find((code) => code === value.http);
  const body = readBody(value.body);
  const retryAfter = readSeconds(value.retry_after);
  if (http === undefined || body === null || retryAfter === undefined) return null;
  return { http, body, retryAfter };
}

function readBody(value: Record<string, unknown>): AnswerBody | null {
  const status = ANSWER_STATUSES.find((known) => known === value.status);
  const signalId = readText(value.signal_id, UUID);
  const reasonCode = readText(value.reason_code, REASON_CODE);
  const reason = readText(value.reason, /[^]*/);
  if (status === undefined || status === "unavailable") return null;
  if (signalId === undefined || reasonCode === undefined || reason === undefined) return null;
  return {
    status,
    ...(signalId !== null && { signal_id: signalId }),
    ...(reasonCode !== null && { reason_code: reasonCode }),
    ...(reason !== null && { reason }),
  };
}

// In these two: null is "absent", undefined is "wrong". SQL builds JSON with null for what it has not.
function readText(value: unknown, shape: RegExp): string | null | undefined {
  if (value === undefined || value === null) return null;
  return typeof value === "string" && shape.test(value) ? value : undefined;
}

function readSeconds(value: unknown): number | null | undefined {
  if (value === undefined || value === null) return null;
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.ceil(value) : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
