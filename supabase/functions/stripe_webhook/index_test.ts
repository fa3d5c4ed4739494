import assert from "node:assert/strict";
import type { Handler } from "./handler.ts";
import {
  EMAIL,
  EVENT,
  OTHER_SECRET,
  PAYLOAD,
  post,
  SECRET,
  SERVICE_KEY,
  sign,
  storingRpc,
} from "./testing/fakes.ts";

const NAMES = ["SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "STRIPE_WEBHOOK_SECRET"];

// Import index.ts in this environment, and return what it serves and what it writes. The query makes it a
// module of its own; the specifier stays a literal, as only those are loaded without a read permission.
async function load(env: Record<string, string>, index: () => Promise<unknown>) {
  const handlers: Handler[] = [];
  const lines: string[] = [];
  const { serve } = Deno;
  const { error, warn, info } = console;
  const before = NAMES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of NAMES) Deno.env.delete(name);
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  Deno.serve = ((handler: Handler) => handlers.push(handler)) as unknown as typeof Deno.serve;
  try {
    await index();
  } finally {
    Deno.serve = serve;
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  }
  console.error = console.warn = console.info = (line: string) => lines.push(line);
  const [handler] = handlers;
  assert.ok(handler !== undefined && handlers.length === 1);
  return { handler, lines, [Symbol.dispose]: () => void Object.assign(console, { error, warn, info }) };
}

const currentSecond = () => Math.floor(Date.now() / 1_000);

Deno.test("the deployed function stores an event signed now, with any of its secrets", async () => {
  await using rpc = storingRpc();
  const env = {
    SUPABASE_URL: rpc.url,
    SUPABASE_SERVICE_ROLE_KEY: SERVICE_KEY,
    STRIPE_WEBHOOK_SECRET: `${OTHER_SECRET},${SECRET}`,
  };
  using loaded = await load(env, () => import("./index.ts?configured"));
  const fresh = await sign(PAYLOAD, { timestamp: currentSecond() });
  const stale = await sign(PAYLOAD, { timestamp: currentSecond() - 302 });
  assert.equal((await loaded.handler(post(PAYLOAD, fresh))).status, 200);
  assert.equal((await loaded.handler(post(PAYLOAD, stale))).status, 400);
  assert.deepEqual(rpc.bodies, [{ p_event: EVENT }]);
  assert.equal(loaded.lines.length, 2);
  const [stored, refused] = loaded.lines.map((line) => JSON.parse(line));
  assert.deepEqual([stored.level, stored.status, stored.event_id], ["info", "stored", EVENT.id]);
  assert.deepEqual([refused.level, refused.reason_code], ["warn", "signature_wrong"]);
  for (const hidden of [SECRET, OTHER_SECRET, SERVICE_KEY, EMAIL]) {
    assert.ok(!loaded.lines.join().includes(hidden));
  }
});

Deno.test("a function deployed without its signing secret answers 503 and names the variable", async () => {
  const env = { SUPABASE_URL: "http://127.0.0.1:1", SUPABASE_SERVICE_ROLE_KEY: SERVICE_KEY };
  using loaded = await load(env, () => import("./index.ts?unconfigured"));
  const signature = await sign(PAYLOAD, { timestamp: currentSecond() });
  assert.equal((await loaded.handler(post(PAYLOAD, signature))).status, 503);
  assert.deepEqual(loaded.lines.map((line) => JSON.parse(line)), [{
    level: "error",
    event: "configuration_error",
    http: 503,
    missing: ["STRIPE_WEBHOOK_SECRET"],
    invalid: [],
  }]);
});
