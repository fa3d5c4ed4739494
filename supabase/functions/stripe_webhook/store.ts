export type UnavailableCause = "timeout" | "connection" | "upstream_status" | "unexpected_answer";

export type StoreResult =
  | { kind: "stored" }
  | { kind: "duplicate" }
  /** Nobody knows whether the event was stored; Stripe is asked to send it again. */
  | {
    kind: "unavailable";
    cause: UnavailableCause;
    upstreamStatus?: number;
    /** The code of a PostgREST or Postgres error, for example `PGRST202` or `42501`. */
    upstreamCode?: string;
  };

/** Store a verified event, as Stripe sent it. Never rejects. */
export type Store = (event: unknown) => Promise<StoreResult>;

export interface StoreOptions {
  /** Base address of the Supabase project. */
  url: string;
  serviceKey: string;
  /** Limit for the whole call, answer included. */
  timeoutMs?: number;
}

export const STORE_TIMEOUT_MS = 8_000;

/**
 * Build the call of `store_stripe_event`, which answers true for a new event and false for a known one. It
 * is never retried here: Stripe does that, and the database recognises what it has.
 */
export function createStore(options: StoreOptions): Store {
  const endpoint = `${options.url.replace(/\/+$/, "")}/rest/v1/rpc/store_stripe_event`;
  const headers = {
    "content-type": "application/json",
    "accept": "application/json",
    "apikey": options.serviceKey,
    "authorization": `Bearer ${options.serviceKey}`,
  };
  const timeoutMs = options.timeoutMs ?? STORE_TIMEOUT_MS;

  return async (event) => {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), timeoutMs);
    try {
      const response = await fetch(endpoint, {
        method: "POST",
        headers,
        body: JSON.stringify({ p_event: event }),
        redirect: "error", // a redirect would carry the key elsewhere
        signal: deadline.signal,
      });
      return classify(response, parseJson(await response.text()));
    } catch {
      // The error itself is dropped: its message may hold the address or a header.
      return { kind: "unavailable", cause: deadline.signal.aborted ? "timeout" : "connection" };
    } finally {
      clearTimeout(timer);
    }
  };
}

function classify({ ok, status }: Response, value: unknown): StoreResult {
  if (!ok) {
    return { kind: "unavailable", cause: "upstream_status", upstreamStatus: status, ...errorCode(value) };
  }
  if (value === true) return { kind: "stored" };
  if (value === false) return { kind: "duplicate" };
  return { kind: "unavailable", cause: "unexpected_answer", upstreamStatus: status };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Only the code: message, details and hint of a Postgres error may quote the event.
function errorCode(value: unknown): { upstreamCode?: string } {
  if (typeof value !== "object" || value === null || !("code" in value)) return {};
  const { code } = value;
  return typeof code === "string" && /^[A-Z0-9]{5,8}$/.test(code) ? { upstreamCode: code } : {};
}
