/** The body of every response of this function. */
export interface AnswerBody {
  status: "stored" | "duplicate" | "refused" | "unavailable";
  reason_code?: string;
}

/** A whole response, before it becomes HTTP. */
export interface Answer {
  http: number;
  body: AnswerBody;
  /** Extra response headers. */
  headers?: Record<string, string>;
}

export const STORED: Answer = { http: 200, body: { status: "stored" } };

export const DUPLICATE: Answer = { http: 200, body: { status: "duplicate" } };

// One answer for a missing, a forged and a stale signature: a forger learns nothing from it.
export const SIGNATURE_WRONG: Answer = refused(400, "signature_wrong");

export const EVENT_UNUSABLE: Answer = refused(400, "event_unusable");

export const NOT_FOUND: Answer = refused(404, "not_found");

export const METHOD_NOT_ALLOWED: Answer = {
  ...refused(405, "method_not_allowed"),
  headers: { allow: "POST" },
};

export const TOO_LARGE: Answer = refused(413, "body_too_large");

/** Stripe sends the event again, for up to three days (https://docs.stripe.com/webhooks). */
export const UNAVAILABLE: Answer = { http: 503, body: { status: "unavailable", reason_code: "try_again" } };

export function toResponse(answer: Answer): Response {
  return new Response(JSON.stringify(answer.body), {
    status: answer.http,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...answer.headers },
  });
}

function refused(http: number, reasonCode: string): Answer {
  return { http, body: { status: "refused", reason_code: reasonCode } };
}
