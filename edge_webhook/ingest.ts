import { createRpc, type RpcOptions, type Unavailable, unexpected } from "./rpc.ts";
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

export type IngestResult = ({ kind: "decided" } & Decision) | Unavailable;

export type Ingest = (input: IngestInput) => Promise<IngestResult>;

export type IngestOptions = Omit<RpcOptions, "timeoutMs"> & Partial<Pick<RpcOptions, "timeoutMs">>;

/** TradingView gives up after 3 s; what remains is for the way there and back and for reading the body. */
export const INGEST_TIMEOUT_MS = 2_000;

/** Build the call of `ingest_alert`, which decides everything about an alert. It never rejects. */
export function createIngest(options: IngestOptions): Ingest {
  const call = createRpc("ingest_alert", { timeoutMs: INGEST_TIMEOUT_MS, ...options });
  return async ({ token, body, ip, headers }) => {
    const answer = await call({ p_token: token, p_body: body, p_ip: ip, p_headers: headers });
    if (answer.kind === "unavailable") return answer;
    const decision = readDecision(answer.value);
    return decision === null ? unexpected(answer) : { kind: "decided", ...decision };
  };
}
