import Stripe from "stripe";
import { type LogLine, recordingLog, serveLocally } from "../../../../edge_webhook/testing/fakes.ts";
import { createHandler, type Handler } from "../handler.ts";
import { createStore } from "../store.ts";
import { createVerify } from "../verify.ts";

export const SECRET = "whsec_9f3c2a71d04e";
export const OTHER_SECRET = "whsec_51b7e0c8a966";
export const SERVICE_KEY = "service-key-value";
export const EMAIL = "trader@example.test";
/** Seconds of the wall clock of every test. */
export const NOW = 1_800_000_000;

export const EVENT = {
  id: "evt_1QxYzA2eZvKYlo2C",
  object: "event",
  type: "invoice.paid",
  api_version: "2024-11-20.acacia",
  livemode: false,
  data: { object: { object: "invoice", amount_paid: 1900, customer_email: EMAIL, note: "é€𝄞" } },
};
export const PAYLOAD = JSON.stringify(EVENT);

/** The header of `Stripe-Signature`, as Stripe's own library makes it. */
export function sign(
  payload: string,
  { secret = SECRET, timestamp = NOW, scheme = "v1" } = {},
): Promise<string> {
  const cryptoProvider = Stripe.createSubtleCryptoProvider();
  return Stripe.webhooks.generateTestHeaderStringAsync({
    payload,
    secret,
    timestamp,
    scheme,
    cryptoProvider,
  });
}

export function post(body: BodyInit | null, signature: string | null, path = "/stripe_webhook"): Request {
  const headers = new Headers({ "content-type": "application/json; charset=utf-8" });
  if (signature !== null) headers.set("stripe-signature", signature);
  return new Request(`http://edge.test${path}`, { method: "POST", body, headers });
}

export interface Rpc extends AsyncDisposable {
  url: string;
  /** The JSON bodies that arrived. */
  bodies: unknown[];
}

/** The database's side over a real socket: true for an event id it has not seen, false for others. */
export function storingRpc(): Rpc {
  const seen = new Set<unknown>();
  return fakeRpc((body) => {
    const { id } = (body as { p_event: { id: unknown } }).p_event;
    const isNew = !seen.has(id);
    seen.add(id);
    return Response.json(isNew);
  });
}

export function fakeRpc(answer: (body: unknown) => Response | Promise<Response>): Rpc {
  const bodies: unknown[] = [];
  const server = serveLocally(async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method !== "POST" || pathname !== "/rest/v1/rpc/store_stripe_event") {
      return Response.json({ code: "PGRST202" }, { status: 404 });
    }
    const wanted = [SERVICE_KEY, `Bearer ${SERVICE_KEY}`, "application/json"];
    const given = ["apikey", "authorization", "content-type"].map((name) => request.headers.get(name));
    if (given.join() !== wanted.join()) return Response.json({ code: "42501" }, { status: 401 });
    const body = await request.json();
    bodies.push(body);
    return answer(body);
  });
  return { url: server.url, bodies, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

export interface Edge {
  handler: Handler;
  lines: LogLine[];
}

/** The endpoint with its real parts, over a database at `url`. */
export function edge(url: string, { secrets = [SECRET], timeoutMs = 5_000 } = {}): Edge {
  const { log, lines } = recordingLog();
  const handler = createHandler({
    verify: createVerify(secrets),
    store: createStore({ url, serviceKey: SERVICE_KEY, timeoutMs }),
    log,
    now: () => 0,
    wallClock: () => NOW * 1_000,
  });
  return { handler, lines };
}
