export type UnavailableCause = "timeout" | "connection" | "upstream_status" | "unexpected_answer";

/** The call was not answered: nobody knows whether it was executed, and the sender is asked to send again. */
export interface Unavailable {
  kind: "unavailable";
  cause: UnavailableCause;
  upstreamStatus?: number;
  /** The code of a PostgREST or Postgres error, for example `PGRST202` or `42501`. */
  upstreamCode?: string;
}

/** The function answered. What its answer means is for the caller to read. */
export interface Answered {
  kind: "answered";
  status: number;
  value: unknown;
}

export interface RpcOptions {
  /** Base address of the Supabase project. */
  url: string;
  /** Value of the `apikey` header. */
  apiKey: string;
  /** Token of the `Authorization` header. */
  bearer: string;
  /** Limit for the whole call, answer included. */
  timeoutMs: number;
}

export type Rpc = (parameters: Record<string, unknown>) => Promise<Answered | Unavailable>;

/**
 * Build the call of one database function. It never rejects and never retries: the sender does that, and the
 * database recognises what it has seen. Connections are kept alive by the runtime's own pool, which is why
 * every answer is read to its end.
 */
export function createRpc(name: string, options: RpcOptions): Rpc {
  const endpoint = `${options.url.replace(/\/+$/, "")}/rest/v1/rpc/${name}`;
  const headers = {
    "content-type": "application/json",
    "accept": "application/json",
    "apikey": options.apiKey,
    "authorization": `Bearer ${options.bearer}`,
  };

  return async (parameters) => {
    // The only thing that ends the call early. The sender's own signal is left out on purpose: what was sent
    // by somebody who hung up must be stored all the same.
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), options.timeoutMs);
    try {
      const response = await fetch(endpoint, {
        method: "POST",
        headers,
        body: JSON.stringify(parameters),
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

/** The function answered something that it never should. */
export function unexpected(answered: Answered): Unavailable {
  return { kind: "unavailable", cause: "unexpected_answer", upstreamStatus: answered.status };
}

function classify({ ok, status }: Response, value: unknown): Answered | Unavailable {
  if (ok) return { kind: "answered", status, value };
  return { kind: "unavailable", cause: "upstream_status", upstreamStatus: status, ...errorCode(value) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Only the code: message, details and hint of a Postgres error may quote what was sent.
function errorCode(value: unknown): { upstreamCode?: string } {
  if (typeof value !== "object" || value === null || !("code" in value)) return {};
  const { code } = value;
  return typeof code === "string" && /^[A-Z0-9]{5,8}$/.test(code) ? { upstreamCode: code } : {};
}
