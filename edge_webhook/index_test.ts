import assert from "node:assert/strict";
import type { Handler } from "./handler.ts";
import { post, serveLocally, SIGNAL_ID, TOKEN } from "./testing/fakes.ts";

const NAMES = [
  "SUPABASE_URL",
  "SUPABASE_ANON_KEY",
  "SUPABASE_SERVICE_ROLE_KEY",
  "SPARKY_EDGE_KEY",
  "SPARKY_CLIENT_IP_HEADER",
  "SB_REGION",
];
const KEY = "service-key-value";

type EdgeRuntime = { waitUntil(work: Promise<unknown>): void };
const platform = globalThis as { EdgeRuntime?: EdgeRuntime };

// Import index.ts in this environment, and return what it serves and what it writes. The query makes it a
// module of its own; the specifier stays a literal, as only those are loaded without a read permission.
async function load(env: Record<string, string>, index: () => Promise<unknown>, edgeRuntime?: EdgeRuntime) {
  const handlers: Handler[] = [];
  const lines: string[] = [];
  const [serve, { error, info }] = [Deno.serve, console];
  const before = NAMES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of NAMES) Deno.env.delete(name);
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  if (edgeRuntime !== undefined) platform.EdgeRuntime = edgeRuntime;
  Deno.serve = ((handler: Handler) => handlers.push(handler)) as unknown as typeof Deno.serve;
  try {
    await index();
  } finally {
    Deno.serve = serve;
    delete platform.EdgeRuntime;
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  }
  console.error = console.info = (line: string) => lines.push(line);
  const [handler] = handlers;
  assert.ok(handler !== undefined && handlers.length === 1);
  return { handler, lines, [Symbol.dispose]: () => void Object.assign(console, { error, info }) };
}

Deno.test("the deployed function ingests an alert with the key of the environment", async () => {
  const keys: (string | null)[] = [];
  const ips: unknown[] = [];
  await using rpc = serveLocally(async (request) => {
    keys.push(request.headers.get("apikey"), request.headers.get("authorization"));
    ips.push((await request.json()).p_ip);
    return Response.json({ http: 200, body: { status: "accepted", signal_id: SIGNAL_ID } });
  });
  const env = { SUPABASE_URL: rpc.url, SUPABASE_SERVICE_ROLE_KEY: KEY, SB_REGION: "eu-central-1" };
  const work: Promise<unknown>[] = [];
  using loaded = await load(env, () => import("./index.ts?configured"), {
    waitUntil: (promise) => work.push(promise),
  });
  const headers = { "x-forwarded-for": "52.89.214.238", "cf-connecting-ip": "203.0.113.9" };
  const response = await loaded.handler(post(`/webhook/${TOKEN}`, "{}", headers));
  assert.equal(response.status, 200);
  assert.deepEqual(keys, [KEY, `Bearer ${KEY}`]);
  assert.deepEqual(ips, ["203.0.113.9"]);
  assert.equal(work.length, 1, "the platform is told of the work under way");
  assert.equal(loaded.lines.length, 1);
  const line = JSON.parse(loaded.lines[0] ?? "");
  assert.equal(line.level, "info");
  assert.equal(line.signal_id, SIGNAL_ID);
  assert.ok(!loaded.lines[0]?.includes(TOKEN) && !loaded.lines[0]?.includes(KEY));
});

Deno.test("a function deployed without its address answers 503 and names the variable", async () => {
  using loaded = await load({ SUPABASE_SERVICE_ROLE_KEY: KEY }, () => import("./index.ts?unconfigured"));
  const response = await loaded.handler(post(`/webhook/${TOKEN}`));
  assert.equal(response.status, 503);
  assert.deepEqual(JSON.parse(loaded.lines[0] ?? ""), {
    level: "error",
    event: "configuration_error",
    http: 503,
    missing: ["SUPABASE_URL"],
    invalid: [],
  });
});
