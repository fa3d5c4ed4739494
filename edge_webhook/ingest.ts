import { type Decision, readDecision } from "./rpc_answer.ts";

/** One alert as it arrived. */
export interface IngestInput {
  /** The token of the URL, or null when the secret is in the body. */
  token: string | null;
  body: string;
  ip: string | null;
  /** The few request headers the database needs, names in lower case. */
  headers: Record<string, string>;
}

export type UnavailableCause = "timeout" | "connection" | "upstream_status" | "unexpected_answer";

/** Nobody knows whether the alert was stored; the sender is asked to send it again. */
export interface Unavailable {
  cause: UnavailableCause;
  upstreamStatus?: number;
  /** The code of a PostgREST or Postgres error, for example `PGRST202` or `42501`. */
  upstreamCode?: string;
}

export type IngestResult = ({ kind: "decided" } & Decision) | ({ kind: "unavailable" } & Unavailable);

export type Ingest = (input: IngestInput) => Promise<IngestResult>;

export interface IngestOptions {
  /** Base address of the Supabase project. */
  url: string;
  /** Value of the `apikey` header. */
  apiKey: string;
  /** Token of the `Authorization` header. */
  bearer: string;
  /** Limit for the whole call, answer included. */
  timeoutMs?: number;
}

/** TradingView gives up after 3 s; what remains is for the way there and back and for reading the body. */
export const INGEST_TIMEOUT_MS = 2_000;

/**
 * Build the call of `ingest_alert`. It never rejects and never retries: the sender does that, and the
 * database recognises what it has seen. Connections are kept alive by the runtime's own pool, which is why
 * every answer is read to its end.
 */
export function createIngest(options: IngestOptions): Ingest {
  const endpoint = `${options.url.replace(/\/+$/, "")}/rest/v1/rpc/ingest_alert`;
  const headers = {
    "content-type": "application/json",
    "accept": "application/json",
    "apikey": options.apiKey,
    "authorization": `Bearer ${options.bearer}`,
  };
  const timeoutMs = options.timeoutMs ?? INGEST_TIMEOUT_MS;

  return async (input) => {
    // The only thing that ends the call early. The sender's own signal is left out on purpose: an alert
    // whose sender hung up must be stored all the same.
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), timeoutMs);
    try {
      const response = await fetch(endpoint, {
        method: "POST",
        headers,
        body: JSON.stringify({
          p_token: input.token,
          p_body: input.body,
          p_ip: input.ip,
          p_headers: input.headers,
        }),
        redirect: "error", // a redirect would carry the key elsewhere
        signal: deadline.signal,
      });
      return classify(response.status, await response.text());
    } catch {
      // The error itself is dropped: its message may hold the address or a header.
      return { kind: "unavailable", cause: deadline.signal.aborted ? "timeout" : "connection" };
    } finally {
      clearTimeout(timer);
    }
  };
}

function classify(status: number, text: string): IngestResult {
  const value = parseJson(text);
  if (status < 200 || status > 299) {
    return { kind: "unavailable", cause: "upstream_status", upstreamStatus: status, ...errorCode(value) };
  }
  const decision = readDecision(value);
  if (decision === null) {
    return { kind: "unavailable", cause: "unexpected_answer", upstreamStatus: status };
  }
  return { kind: "decided", ...decision };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Only the code: message, details and hint of a Postgres error may quote the alert.
function errorCode(value: unknown): { upstreamCode?: string } {
  if (typeof value !== "object" || value === null || !("code" in value)) return {};
  const { code } = value;
  return typeof code === "string" && /^[A-Z0-9]{5,8}$/.test(code) ? { upstreamCode: code } : {};
}
