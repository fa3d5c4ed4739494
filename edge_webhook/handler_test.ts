import assert from "node:assert/strict";
import { createUnconfiguredHandler } from "./handler.ts";
import type { IngestResult } from "./ingest.ts";
import { ALERT, chunked, harness, post, recordingLog, SECRET, SIGNAL_ID, TOKEN } from "./testing/fakes.ts";

const KIB_16 = 16 * 1024;
const REFUSED_404 = {
  kind: "decided",
  http: 404,
  body: { status: "refused", reason_code: "unknown_webhook", reason: "Other words." },
  retryAfter: null,
} as const satisfies IngestResult;
const fill = (length: number) => new Uint8Array(length).fill(97);

for (const prefix of ["", "/functions/v1"]) {
  Deno.test(`"${prefix}/webhook/<token>" passes the token on`, async () => {
    const { handler, inputs } = harness();
    const response = await handler(post(`${prefix}/webhook/${TOKEN}?x=1`, "symbol=BTCUSDT;action=buy"));
    assert.equal(response.status, 200);
    assert.deepEqual(inputs, [{ token: TOKEN, body: "symbol=BTCUSDT;action=buy", ip: null, headers: {} }]);
  });

  Deno.test(`"${prefix}/webhook" leaves the secret to the database`, async () => {
    const { handler, inputs } = harness();
    const response = await handler(post(`${prefix}/webhook`));
    assert.equal(response.status, 200);
    assert.deepEqual(inputs, [{ token: null, body: ALERT, ip: null, headers: {} }]);
  });
}

for (
  const result of [
    { http: 200, body: { status: "accepted", signal_id: SIGNAL_ID }, retryAfter: null },
    { http: 200, body: { status: "duplicate", signal_id: SIGNAL_ID }, retryAfter: null },
    { http: 403, body: { status: "refused", reason_code: "bad_signature", reason: "…" }, retryAfter: null },
    {
      http: 422,
      body: { status: "rejected", signal_id: SIGNAL_ID, reason_code: "invalid_json", reason: "Not JSON." },
      retryAfter: null,
    },
    { http: 429, body: { status: "rate_limited", reason_code: "plan_limit" }, retryAfter: 61 },
    { http: 429, body: { status: "rate_limited", reason_code: "plan_limit" }, retryAfter: 0 },
  ] as const
) {
  Deno.test(`${result.http} ${result.body.status} (${result.retryAfter}) is passed on as JSON`, async () => {
    const { handler, lines } = harness({ kind: "decided", ...result });
    const response = await handler(post(`/webhook/${TOKEN}`));
    assert.equal(response.status, result.http);
    assert.deepEqual(await response.json(), result.body);
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(response.headers.get("cache-control"), "no-store");
    const wait = result.retryAfter === null ? null : String(result.retryAfter);
    assert.equal(response.headers.get("retry-after"), wait);
    assert.equal(lines.length, 1);
  });
}

Deno.test("401 and 404 say the same, whatever words the database chose", async () => {
  const unknown = await harness(REFUSED_404).handler(post(`/webhook/${TOKEN}`));
  const wrong = await harness({ ...REFUSED_404, http: 401, body: { status: "refused", reason: "Wrong." } })
    .handler(post("/webhook"));
  assert.deepEqual([unknown.status, wrong.status], [404, 401]);
  assert.equal(await unknown.text(), await wrong.text());
});

for (
  const path of [
    "/webhook/a/b",
    "/",
    "/webhook/a%2Fb",
    "/webhook/%zz",
    "/webhook/%00",
    "/webhook/a%20b",
    "/webhook/<b>",
    "/webhook/ünï",
    `/webhook/${"a".repeat(129)}`,
    `/webhook/${"a".repeat(7_000)}`,
  ]
) {
  Deno.test(`${path.slice(0, 20)} (${path.length}) is answered like an unknown token`, async () => {
    const { handler, inputs } = harness();
    const response = await handler(post(path));
    const unknown = await harness(REFUSED_404).handler(post(`/webhook/${TOKEN}`));
    assert.equal(inputs.length, 0);
    assert.equal(response.status, unknown.status);
    assert.deepEqual([...response.headers], [...unknown.headers]);
    assert.equal(await response.text(), await unknown.text());
  });

  Deno.test(`${path.slice(0, 20)} (${path.length}) with too large a body is, too`, async () => {
    const response = await harness().handler(post(path, fill(KIB_16 + 1)));
    const unknown = await harness(REFUSED_404).handler(post(`/webhook/${TOKEN}`, fill(KIB_16 + 1)));
    assert.deepEqual([response.status, unknown.status], [413, 413]);
    assert.equal(await response.text(), await unknown.text());
  });
}

for (const method of ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
  Deno.test(`${method} is not allowed, at any path`, async () => {
    const { handler, inputs } = harness();
    for (const path of ["/webhook", `/webhook/${TOKEN}`, "/elsewhere"]) {
      const response = await handler(new Request(`http://edge.test${path}`, { method }));
      assert.equal(response.status, 405);
      assert.equal(response.headers.get("allow"), "POST");
    }
    assert.equal(inputs.length, 0);
  });
}

for (
  const contentType of ["application/json", "text/plain", "application/x-www-form-urlencoded", "image/png"]
) {
  Deno.test(`a body sent as ${contentType} is passed on as it is`, async () => {
    const { handler, inputs } = harness();
    await handler(post("/webhook", "a=1&b=2", { "content-type": contentType }));
    assert.equal(inputs[0]?.body, "a=1&b=2");
  });
}

for (const contentLength of [null, "0", "5", String(KIB_16), "99999999", "-1", "abc"]) {
  const headers: Record<string, string> = contentLength === null ? {} : { "content-length": contentLength };

  Deno.test(`16 KiB fit, with content-length ${contentLength}`, async () => {
    const { handler, inputs } = harness();
    const { stream } = chunked([fill(KIB_16 - 1), fill(1)]);
    const response = await handler(post("/webhook", stream, headers));
    assert.equal(response.status, 200);
    assert.equal(inputs[0]?.body.length, KIB_16);
  });

  Deno.test(`16 KiB and one byte do not, with content-length ${contentLength}`, async () => {
    const { handler, inputs } = harness();
    const source = chunked([fill(KIB_16), fill(1), fill(1)]);
    const response = await handler(post("/webhook", source.stream, headers));
    assert.equal(response.status, 413);
    assert.equal((await response.json()).reason_code, "body_too_large");
    assert.equal(inputs.length, 0);
    assert.equal(source.sent(), 2, "reading stops at the limit");
  });
}

Deno.test("the limit counts bytes, not characters", async () => {
  const { handler } = harness();
  assert.equal((await handler(post("/webhook", "€".repeat(5_461)))).status, 200);
  assert.equal((await handler(post("/webhook", "€".repeat(5_462)))).status, 413);
});

Deno.test("an empty body is the database's to refuse", async () => {
  const { handler, inputs } = harness();
  await handler(post("/webhook", null));
  await handler(post("/webhook", ""));
  assert.deepEqual(inputs.map((input) => input.body), ["", ""]);
});

Deno.test("what Postgres cannot hold arrives as U+FFFD, without the byte order mark", async () => {
  const { handler, inputs } = harness();
  await handler(post("/webhook", Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0xff, 0x00, 0x7d)));
  assert.equal(inputs[0]?.body, "{\uFFFD\uFFFD}");
});

Deno.test("a body that breaks off is never ingested", async () => {
  const { handler, inputs, lines } = harness();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"symbol":'));
    },
    pull(controller) {
      controller.error(new Error(SECRET));
    },
  });
  const response = await handler(post("/webhook", stream));
  assert.equal(response.status, 503);
  assert.equal(inputs.length, 0);
  assert.equal(lines[0]?.fields.cause, "body_cut_off");
});

Deno.test("of the headers only the signature is passed on", async () => {
  const { handler, inputs } = harness();
  const headers = {
    "X-Sparky-Signature": "t=1,v1=00",
    authorization: "Bearer x",
    cookie: "a=b",
    apikey: "k",
    "x-forwarded-for": "10.0.0.1, ::ffff:203.0.113.9",
  };
  await handler(post(`/webhook/${TOKEN}`, ALERT, headers));
  assert.deepEqual(inputs[0]?.headers, { "x-sparky-signature": "t=1,v1=00" });
  assert.equal(inputs[0]?.ip, "203.0.113.9");
});

Deno.test("an unavailable database is 503, and the log says why", async () => {
  const { handler, lines } = harness({
    kind: "unavailable",
    cause: "upstream_status",
    upstreamStatus: 404,
    upstreamCode: "PGRST202",
  });
  const response = await handler(post("/webhook"));
  assert.equal(response.status, 503);
  const body = await response.json();
  assert.deepEqual(Object.keys(body), ["status", "reason_code", "reason"]);
  assert.deepEqual([body.status, body.reason_code], ["unavailable", "try_again"]);
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.level, "error");
  assert.equal(lines[0]?.fields.cause, "upstream_status");
  assert.equal(lines[0]?.fields.upstream_status, 404);
  assert.equal(lines[0]?.fields.upstream_code, "PGRST202");
});

for (
  const thrown of [
    new TypeError(`cannot read ${TOKEN}\n    at ${SECRET}`),
    `thrown text with ${SECRET}`,
    null,
    Object.assign(new Error("x"), { stack: undefined }),
  ]
) {
  Deno.test(`an exception (${thrown?.constructor.name}) is 503 and tells nothing of the alert`, async () => {
    const { handler, lines } = harness(() => Promise.reject(thrown));
    const response = await handler(post(`/webhook/${TOKEN}`));
    assert.equal(response.status, 503);
    const said = (await response.text()) + JSON.stringify(lines);
    assert.ok(!said.includes(TOKEN) && !said.includes(SECRET), said);
    assert.equal(lines[0]?.fields.cause, "exception");
  });
}

Deno.test("an exception before the first await is caught, too", async () => {
  const { handler } = harness(() => {
    throw new RangeError("at once");
  });
  assert.equal((await handler(post("/webhook"))).status, 503);
});

Deno.test("one line is logged for a request, with the outcome and the time it took", async () => {
  const times = [1_000, 1_012.4];
  const { handler, lines } = harness(undefined, { now: () => times.shift() ?? NaN });
  await handler(post(`/webhook/${TOKEN}`));
  assert.deepEqual(lines, [{
    level: "info",
    event: "webhook_request",
    fields: {
      http: 200,
      status: "accepted",
      reason_code: undefined,
      signal_id: SIGNAL_ID,
      duration_ms: 12,
    },
  }]);
});

Deno.test("no answer and no log line repeats the token, the secret, the body or the address", async () => {
  const ip = "203.0.113.9";
  const results: IngestResult[] = [
    { kind: "decided", http: 200, body: { status: "accepted", signal_id: SIGNAL_ID }, retryAfter: null },
    REFUSED_404,
    { kind: "unavailable", cause: "timeout" },
    { kind: "unavailable", cause: "unexpected_answer", upstreamStatus: 200 },
  ];
  const requests = [
    () => post(`/webhook/${TOKEN}`, ALERT, { "x-forwarded-for": ip, "x-sparky-signature": SECRET }),
    () => post("/webhook", ALERT, { "x-forwarded-for": ip }),
    () => post(`/webhook/${TOKEN}/${SECRET}`, ALERT),
    () => post(`/webhook/${TOKEN}`, ALERT.padEnd(KIB_16 + 1)),
    () => new Request(`http://edge.test/webhook/${TOKEN}`, { method: "PUT", body: ALERT }),
  ];
  const said = await Promise.all(results.flatMap((result) =>
    requests.map(async (request) => {
      const { handler, lines } = harness(result);
      const response = await handler(request());
      assert.ok(response.status !== 500 && response.status !== 504);
      assert.equal(lines.length, 1);
      return JSON.stringify([...response.headers]) + await response.text() + JSON.stringify(lines);
    })
  ));
  for (const text of said) {
    for (const private_ of [TOKEN, SECRET, "BTCUSDT", ip]) assert.ok(!text.includes(private_), text);
  }
});

Deno.test("without its settings the function answers 503 and names what is missing", async () => {
  const { log, lines } = recordingLog();
  const handler = createUnconfiguredHandler({ missing: ["SUPABASE_URL"], invalid: [] }, log);
  const responses = await Promise.all([handler(post("/webhook")), handler(new Request("http://edge.test/"))]);
  assert.deepEqual(responses.map((response) => response.status), [503, 503]);
  assert.equal((await responses[0]?.json()).status, "unavailable");
  assert.deepEqual(lines.map((line) => line.fields.missing), [["SUPABASE_URL"], ["SUPABASE_URL"]]);
});
