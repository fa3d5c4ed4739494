import { createRpc, type Unavailable, unexpected } from "../../../edge_webhook/rpc.ts";

/** When nobody knows whether the event was stored, Stripe is asked to send it again. */
export type StoreResult = { kind: "stored" } | { kind: "duplicate" } | Unavailable;

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

/** Build the call of `store_stripe_event`, which answers true for a new event and false for a known one. */
export function createStore({ url, serviceKey, timeoutMs = STORE_TIMEOUT_MS }: StoreOptions): Store {
  const call = createRpc("store_stripe_event", { url, apiKey: serviceKey, bearer: serviceKey, timeoutMs });
  return async (event) => {
    const answer = await call({ p_event: event });
    if (answer.kind === "unavailable") return answer;
    if (answer.value === true) return { kind: "stored" };
    if (answer.value === false) return { kind: "duplicate" };
    return unexpected(answer);
  };
}
