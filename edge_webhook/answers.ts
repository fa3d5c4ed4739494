/** HTTP status codes the database may choose for an alert. */
export const ANSWER_CODES = [200, 401, 403, 404, 422, 429] as const;
export type AnswerCode = typeof ANSWER_CODES[number];

export const ANSWER_STATUSES = [
  "accepted",
  "duplicate",
  "rejected",
  "rate_limited",
  "refused",
  "unavailable",
] as const;
export type AnswerStatus = typeof ANSWER_STATUSES[number];

/** The body of every response of this function. */
export interface AnswerBody {
  status: AnswerStatus;
  signal_id?: string;
  reason_code?: string;
  reason?: string;
}

/** A whole response, before it becomes HTTP. */
export interface Answer {
  http: number;
  body: AnswerBody;
  /** Extra response headers. */
  headers?: Record<string, string>;
}

export const MAX_BODY_BYTES = 16 * 1024;

/**
 * The body of every 401 and 404. One constant, so that an unknown token, a malformed one and a wrong path
 * cannot be told apart, whatever words the database chose.
 */
const UNKNOWN_CREDENTIAL: AnswerBody = {
  status: "refused",
  reason_code: "unknown_webhook",
  reason: "No such webhook. Check the address or the secret.",
};

export const NOT_FOUND: Answer = { http: 404, body: UNKNOWN_CREDENTIAL };

export const METHOD_NOT_ALLOWED: Answer = {
  http: 405,
  body: {
    status: "refused",
    reason_code: "method_not_allowed",
    reason: "Alerts are sent with POST.",
  },
  headers: { allow: "POST" },
};

export const TOO_LARGE: Answer = {
  http: 413,
  body: {
    status: "refused",
    reason_code: "body_too_large",
    reason: `The alert is larger than ${MAX_BODY_BYTES} bytes.`,
  },
};

// 503 and nothing else: TradingView re-sends on it, but takes 504 and every 4xx as final.
export const UNAVAILABLE: Answer = {
  http: 503,
  body: {
    status: "unavailable",
    reason_code: "try_again",
    reason: "The alert could not be stored just now. Please send it again.",
  },
};

/** What the database said, as an answer to the sender. */
export function fromDatabase(http: AnswerCode, body: AnswerBody, retryAfter: number | null): Answer {
  return {
    http,
    body: http === 401 || http === 404 ? UNKNOWN_CREDENTIAL : body,
    ...(retryAfter !== null && { headers: { "retry-after": String(retryAfter) } }),
  };
}

export function toResponse(answer: Answer): Response {
  return new Response(JSON.stringify(answer.body), {
    status: answer.http,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...answer.headers },
  });
}
