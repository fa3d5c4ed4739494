import assert from "node:assert/strict";
import { createIngest, INGEST_TIMEOUT_MS, type IngestInput } from "./ingest.ts";
import { ACCEPTED, ALERT, refusingUrl, serveLocally, SIGNAL_ID, TOKEN } from "./testing/fakes.ts";

const KEY = "service-key";
const DECISION = { http: 200, body: { status: "accepted", signal_id: SIGNAL_ID } };
const INPUT: IngestInput = { token: TOKEN, body: ALERT, ip: "203.0.113.9", headers: {} };
const ingestAt = (url: string, timeoutMs = 5_000) =>
  createIngest({ url, apiKey: KEY, bearer: "edge-key", timeoutMs });

Deno.test("the call is what the database expects", async () => {
  const seen: { method: string; path: string; headers: Headers; body: unknown }[] = [];
  await using rpc = serveLocally(async (request) => {
    const { method, headers } = request;
    seen.push({ method, headers, path: new URL(request.url).pathname, body: await request.json() });
    return Response.json(DECISION);
  });
  const headers = { "x-sparky-signature": "t=1,v1=00" };
  const result = await ingestAt(`${rpc.url}/`)({ token: null, body: "é\uFFFD", ip: null, headers });
  assert.deepEqual(result, ACCEPTED);
  assert.equal(seen.length, 1);
  assert.equal(seen[0]?.method, "POST");
  assert.equal(seen[0]?.path, "/rest/v1/rpc/ingest_alert");
  assert.equal(seen[0]?.headers.get("apikey"), KEY);
  assert.equal(seen[0]?.headers.get("authorization"), "Bearer edge-key");
  assert.equal(seen[0]?.headers.get("content-type"), "application/json");
  assert.deepEqual(seen[0]?.body, { p_token: null, p_body: "é\uFFFD", p_ip: null, p_headers: headers });
});

Deno.test("calls one after another share a connection", async () => {
  const ports = new Set<number>();
  let calls = 0;
  await using rpc = serveLocally((_request, info) => {
    ports.add(info.remoteAddr.port);
    calls += 1;
    // Failures keep the connection too: they come in bursts.
    return calls % 2 ? Response.json(DECISION) : Response.json({ code: "57014" }, { status: 500 });
  });
  const ingest = ingestAt(rpc.url);
  for (const _ of [1, 2, 3, 4]) {
    await ingest(INPUT);
  }
  assert.equal(calls, 4);
  assert.equal(ports.size, 1);
});

for (
  const [name, response, expected] of [
    [
      "an error of the database is named by its code",
      () => Response.json({ code: "42501", message: `no ${TOKEN}` }, { status: 500 }),
      { cause: "upstream_status", upstreamStatus: 500, upstreamCode: "42501" },
    ],
    [
      "an error code of another form is not repeated",
      () => Response.json({ code: `token ${TOKEN}` }, { status: 401 }),
      { cause: "upstream_status", upstreamStatus: 401 },
    ],
    [
      "a gateway's page is an error by its status",
      () => new Response("<html>bad gateway</html>", { status: 502 }),
      { cause: "upstream_status", upstreamStatus: 502 },
    ],
    [
      "an answer that is not JSON is unexpected",
      () => new Response("accepted"),
      { cause: "unexpected_answer", upstreamStatus: 200 },
    ],
    [
      "an empty answer is unexpected",
      () => new Response(null, { status: 204 }),
      { cause: "unexpected_answer", upstreamStatus: 204 },
    ],
    [
      "a list of answers is unexpected",
      () => Response.json([DECISION]),
      { cause: "unexpected_answer", upstreamStatus: 200 },
    ],
  ] as const
) {
  Deno.test(name, async () => {
    let calls = 0;
    await using rpc = serveLocally(() => {
      calls += 1;
      return response();
    });
    assert.deepEqual(await ingestAt(rpc.url)(INPUT), { kind: "unavailable", ...expected });
    assert.equal(calls, 1, "nothing is sent a second time");
  });
}

Deno.test("a redirect does not carry the key elsewhere", async () => {
  let visitors = 0;
  await using elsewhere = serveLocally(() => {
    visitors += 1;
    return Response.json(DECISION);
  });
  const redirect = { status: 307, headers: { location: elsewhere.url } };
  await using rpc = serveLocally(() => new Response(null, redirect));
  assert.deepEqual(await ingestAt(rpc.url)(INPUT), { kind: "unavailable", cause: "connection" });
  assert.equal(visitors, 0);
});

Deno.test("a database that cannot be reached is unavailable", async () => {
  assert.deepEqual(await ingestAt(refusingUrl())(INPUT), { kind: "unavailable", cause: "connection" });
});

Deno.test("a connection that is cut in the middle of the answer is unavailable", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(4_096));
    await connection.write(
      new TextEncoder().encode('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"http": 200'),
    );
    connection.close();
    listener.close();
  })();
  const result = await ingestAt(`http://127.0.0.1:${listener.addr.port}`)(INPUT);
  assert.deepEqual(result, { kind: "unavailable", cause: "connection" });
  await served;
});

Deno.test("a key that no header can hold is unavailable, not an exception", async () => {
  const ingest = createIngest({ url: refusingUrl(), apiKey: "a\nb", bearer: "a\nb" });
  assert.deepEqual(await ingest(INPUT), { kind: "unavailable", cause: "connection" });
});

Deno.test("a database that does not answer in time is unavailable", async () => {
  const released = Promise.withResolvers<void>();
  await using rpc = serveLocally(async () => {
    await released.promise;
    return Response.json(DECISION);
  });
  const started = performance.now();
  const result = await ingestAt(rpc.url, 50)(INPUT);
  const elapsed = performance.now() - started;
  released.resolve();
  assert.deepEqual(result, { kind: "unavailable", cause: "timeout" });
  assert.ok(elapsed >= 45 && elapsed < 2_000, `${elapsed} ms`);
});

Deno.test("the limit covers the answer's body too", async () => {
  await using rpc = serveLocally(() =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("{"));
        },
      }),
      { headers: { "content-type": "application/json" } },
    )
  );
  assert.deepEqual(await ingestAt(rpc.url, 50)(INPUT), { kind: "unavailable", cause: "timeout" });
});

Deno.test("the limit leaves TradingView's three seconds some room", () => {
  assert.ok(INGEST_TIMEOUT_MS <= 2_000);
});
