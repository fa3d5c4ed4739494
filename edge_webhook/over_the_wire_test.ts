// The handler and the real call of the database, both over sockets of 127.0.0.1.

import assert from "node:assert/strict";
import { createHandler } from "./handler.ts";
import { createIngest } from "./ingest.ts";
import {
  ALERT,
  chunked,
  type LocalServer,
  recordingLog,
  refusingUrl,
  serveLocally,
  SIGNAL_ID,
  TOKEN,
} from "./testing/fakes.ts";

const DECISION = { http: 200, body: { status: "accepted", signal_id: SIGNAL_ID } };

function edge(rpcUrl: string, timeoutMs = 5_000) {
  const recording = recordingLog();
  const server: LocalServer = serveLocally(createHandler({
    ingest: createIngest({ url: rpcUrl, apiKey: "key", bearer: "key", timeoutMs }),
    clientIpHeader: "x-forwarded-for",
    log: recording.log,
    now: () => performance.now(),
  }));
  return { ...recording, server };
}

Deno.test("two hundred alerts at once each get their own answer", async () => {
  const idOf = (n: string) => `6f1c1c52-7f0e-4a63-9d0b-${n.padStart(12, "0")}`;
  await using rpc = serveLocally(async (request) => {
    const { p_token, p_body } = await request.json();
    assert.equal(p_token, `token-${p_body}`);
    return Response.json({ http: 200, body: { status: "accepted", signal_id: idOf(p_body) } });
  });
  const { server, lines } = edge(rpc.url);
  await using _server = server;
  const numbers = Array.from({ length: 200 }, (_, n) => String(n));
  const answers = await Promise.all(numbers.map(async (n) => {
    const response = await fetch(`${server.url}/webhook/token-${n}`, { method: "POST", body: n });
    return (await response.json()).signal_id;
  }));
  assert.deepEqual(answers, numbers.map(idOf));
  assert.equal(lines.length, 200);
});

Deno.test("a slow database is 503 within the limit", async () => {
  const released = Promise.withResolvers<void>();
  await using rpc = serveLocally(async () => {
    await released.promise;
    return Response.json(DECISION);
  });
  const { server, lines } = edge(rpc.url, 50);
  await using _server = server;
  const started = performance.now();
  const response = await fetch(`${server.url}/webhook`, { method: "POST", body: ALERT });
  const elapsed = performance.now() - started;
  released.resolve();
  assert.equal(response.status, 503);
  assert.equal((await response.json()).reason_code, "try_again");
  assert.ok(elapsed < 2_200, `${elapsed} ms`);
  assert.equal(lines[0]?.fields.cause, "timeout");
});

Deno.test("an unreachable database is 503", async () => {
  const { server, lines } = edge(refusingUrl());
  await using _server = server;
  const response = await fetch(`${server.url}/webhook`, { method: "POST", body: ALERT });
  assert.equal(response.status, 503);
  assert.equal((await response.json()).status, "unavailable");
  assert.equal(lines[0]?.fields.cause, "connection");
});

Deno.test("an alert whose sender hangs up is stored all the same", async () => {
  const arrived = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  await using rpc = serveLocally(async (request) => {
    await request.json();
    arrived.resolve();
    await released.promise;
    return Response.json(DECISION);
  });
  const { server, next } = edge(rpc.url);
  await using _server = server;
  const logged = next();
  const sender = new AbortController();
  const sent = fetch(`${server.url}/webhook/${TOKEN}`, {
    method: "POST",
    body: ALERT,
    signal: sender.signal,
  });
  await arrived.promise;
  sender.abort();
  await assert.rejects(sent, { name: "AbortError" });
  released.resolve();
  assert.equal((await logged).fields.status, "accepted");
});

Deno.test("a sender of too large a body reads 413", async () => {
  await using rpc = serveLocally(() => Response.json(DECISION));
  const { server } = edge(rpc.url);
  await using _server = server;
  const body = chunked([new Uint8Array(16 * 1024), new Uint8Array(1)]).stream;
  for (const given of [body, new Uint8Array(16 * 1024 + 1)]) {
    const response = await fetch(`${server.url}/webhook`, { method: "POST", body: given });
    assert.equal(response.status, 413);
    assert.equal((await response.json()).reason_code, "body_too_large");
  }
});

Deno.test("HEAD is refused without a body", async () => {
  const { server } = edge(refusingUrl());
  await using _server = server;
  const response = await fetch(`${server.url}/webhook`, { method: "HEAD" });
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("allow"), "POST");
  assert.equal(await response.text(), "");
});
