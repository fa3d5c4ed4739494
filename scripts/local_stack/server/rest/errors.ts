/** PostgREST's errors: SQLSTATE to HTTP status, and errors that a function raises for the HTTP layer. */
import { isDown } from "../database.ts";
import { json } from "../http.ts";

export interface DatabaseError {
  code: string;
  message: string;
  detail?: string;
  hint?: string;
}

// First match wins. From PostgREST's documentation, "HTTP Status Codes".
const STATUS: [RegExp, number][] = [
  [/^(08|53(?!400)|57P01)/, 503],
  [/^(0L|0P|28)/, 403],
  [/^2350[35]$/, 409],
  [/^25006$/, 405],
  [/^(42883|42P01)$/, 404],
  [/^P0001$/, 400],
  [/^(09|25|2D|38|39|3B|40|42P17|53400|54|55|57|58|F0|HV|P0|XX)/, 500],
];

export function isDatabaseError(error: unknown): error is DatabaseError {
  const fields = error as { code?: unknown; severity?: unknown } | null;
  return typeof fields?.code === "string" && typeof fields.severity === "string";
}

export function statusOf(error: DatabaseError, authenticated: boolean): number {
  if (error.code === "42501") return authenticated ? 403 : 401;
  if (error.code === "22023" && /^role ".*" does not exist$/.test(error.message)) return 401;
  if (error.code === "21000") return /requires a WHERE clause$/.test(error.message) ? 400 : 500;
  const custom = /^PT(\d{3})$/.exec(error.code);
  if (custom) return Number(custom[1]);
  return STATUS.find(([pattern]) => pattern.test(error.code))?.[1] ?? 400;
}

export function errorBody(code: string, message: string, details: unknown = null, hint: unknown = null) {
  return { code, details, hint, message };
}

export function failure(
  status: number,
  code: string,
  message: string,
  details?: unknown,
  hint?: unknown,
): Response {
  return json(errorBody(code, message, details ?? null, hint ?? null), status);
}

export function databaseDown(): Response {
  return failure(503, "PGRST000", "Could not connect with the database due to an error.", null, null);
}

export function errorResponse(error: unknown, authenticated: boolean): Response {
  if (isDown(error)) return databaseDown();
  if (!isDatabaseError(error)) {
    return failure(500, "XX000", "The server failed to answer; its log says where.");
  }
  if (error.code === "PGRST") return raised(error);
  const body = errorBody(error.code, error.message, error.detail, error.hint);
  const status = statusOf(error, authenticated);
  return json(body, status, status === 401 ? { "www-authenticate": "Bearer" } : {});
}

/** `raise sqlstate 'PGRST'`: the function writes the whole answer, as JSON in message and detail. */
function raised(error: DatabaseError): Response {
  try {
    const body = JSON.parse(error.message), reply = JSON.parse(error.detail ?? "");
    if (body.code && body.message && Number.isInteger(reply.status)) {
      return json(
        errorBody(body.code, body.message, body.details, body.hint),
        reply.status,
        reply.headers ?? {},
      );
    }
  } catch {
    // Falls through to the answer for a badly written error.
  }
  return failure(
    500,
    "PGRST121",
    "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
    null,
    "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.",
  );
}
