// The endpoint with its real signature check and its real call, against a database on 127.0.0.1.

import assert from "node:assert/strict";
import { chunked, recordingLog, refusingUrl, serveLocally } from "../../../edge_webhook/testing/fakes.ts";
import { createHandler, createUnconfiguredHandler, MAX_BODY_BYTES } from "./handler.ts";
import {
  edge,
  EMAIL,
  EVENT,
  fakeRpc,
  NOW,
  OTHER_SECRET,
  PAYLOAD,
  post,
  SECRET,
  SERVICE_KEY,
  sign,
  storingRpc,
} from "./testing/fakes.ts";

const REFUSED = { status: "refused", reason_code: "signature_wrong" };
const UNAVAILABLE = { status: "unavailable", reason_code: "try_again" };

for (const path of ["/stripe_webhook", "/functions/v1/stripe_webhook", "/stripe_webhook?x=1"]) {
  Deno.test(`an event posted to ${path} is stored as it was signed`, async () => {
    await using rpc = storingRpc();
    const { handler, lines } = edge(rpc.url);
    const response = await handler(post(PAYLOAD, await sign(PAYLOAD), path));
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { status: "stored" });
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.deepEqual(rpc.bodies, [{ p_event: EVENT }]);
    assert.equal(lines.length, 1);
    assert.deepEqual(lines[0], {
      level: "info",
      event: "stripe_webhook_request",
      fields: {
        http: 200,
        status: "stored",
        reason_code: undefined,
        event_id: EVENT.id,
        event_type: EVENT.type,
        duration_ms: 0,
      },
    });
  });
}

Deno.test("an event that comes again is a duplicate, and that is fine", async () => {
  await using rpc = storingRpc();
  const { handler, lines } = edge(rpc.url);
  await handler(post(PAYLOAD, await sign(PAYLOAD)));
  const response = await handler(post(PAYLOAD, await sign(PAYLOAD, { timestamp: NOW - 5 })));
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: "duplicate" });
  assert.deepEqual(lines.map(({ level, fields }) => [level, fields.status]), [
    ["info", "stored"],
    ["info", "duplicate"],
  ]);
});

Deno.test("the second secret of a rotation is good", async () => {
  await using rpc = storingRpc();
  const { handler } = edge(rpc.url, { secrets: [SECRET, OTHER_SECRET] });
  const response = await handler(post(PAYLOAD, await sign(PAYLOAD, { secret: OTHER_SECRET })));
  assert.deepEqual(await response.json(), { status: "stored" });
});

const FORGED = `t=${NOW},v1=${"0".repeat(64)}`;
for (
  const [name, body, signature] of [
    ["without a signature", PAYLOAD, null],
    ["with a forged signature", PAYLOAD, FORGED],
    ["with a malformed signature", PAYLOAD, `t=${NOW},v1`],
    ["with a stale signature", PAYLOAD, await sign(PAYLOAD, { timestamp: NOW - 301 })],
    ["signed with another secret", PAYLOAD, await sign(PAYLOAD, { secret: OTHER_SECRET })],
    ["changed on the way", PAYLOAD.replace("1900", "1"), await sign(PAYLOAD)],
    ["that is not UTF-8", Uint8Array.of(0xff, 0xfe), await sign("\uFFFD\uFFFD")],
    ["that is empty", null, await sign("")],
  ] as const
) {
  Deno.test(`an event ${name} is refused and never stored`, async () => {
    await using rpc = storingRpc();
    const { handler, lines } = edge(rpc.url);
    const response = await handler(post(body, signature));
    assert.equal(response.status, 400);
    assert.deepEqual(await response.json(), REFUSED);
    assert.deepEqual(rpc.bodies, []);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.level, "warn");
  });
}

Deno.test("a thin event is refused by another name than a wrong signature", async () => {
  await using rpc = storingRpc();
  const { handler, lines } = edge(rpc.url);
  const thin = JSON.stringify({ ...EVENT, object: "v2.core.event" });
  const response = await handler(post(thin, await sign(thin)));
  assert.equal(response.status, 400);
  assert.deepEqual(await response.json(), { status: "refused", reason_code: "event_unusable" });
  assert.deepEqual(rpc.bodies, []);
  assert.equal(lines[0]?.level, "warn");
});

Deno.test("a body of exactly the limit is stored, one byte more is too large", async () => {
  assert.equal(MAX_BODY_BYTES, 524_288);
  await using rpc = storingRpc();
  const { handler } = edge(rpc.url);
  const padding = MAX_BODY_BYTES - new TextEncoder().encode(PAYLOAD).length;
  const fits = PAYLOAD + " ".repeat(padding);
  assert.equal((await handler(post(fits, await sign(fits)))).status, 200);
  const large = `${fits} `;
  const response = await handler(post(large, await sign(large)));
  assert.equal(response.status, 413);
  assert.deepEqual(await response.json(), { status: "refused", reason_code: "body_too_large" });
  assert.equal(rpc.bodies.length, 1);
});

Deno.test("a large body is not read to its end", async () => {
  const source = chunked([new Uint8Array(MAX_BODY_BYTES), new Uint8Array(1), new Uint8Array(1)]);
  const response = await edge(refusingUrl()).handler(post(source.stream, FORGED));
  assert.equal(response.status, 413);
  assert.deepEqual([source.sent(), source.cancelled()], [2, true]);
});

Deno.test("a body that breaks off is asked for again", async () => {
  const stream = new ReadableStream({
    pull(controller) {
      controller.error(new Error(`reset ${EMAIL}`));
    },
  });
  const { handler, lines } = edge(refusingUrl());
  const response = await handler(post(stream, FORGED));
  assert.equal(response.status, 503);
  assert.equal(lines[0]?.fields.cause, "body_cut_off");
});

for (
  const path of [
    "/",
    "/stripe_webhook/",
    "/stripe_webhook/x",
    "/stripe_webhooks",
    "//stripe_webhook",
    "/webhook",
    "/functions/v2/stripe_webhook",
    "/x/functions/v1/stripe_webhook",
    "/Stripe_webhook",
    "/stripe%5Fwebhook",
  ]
) {
  Deno.test(`${path} is not found, whatever the method and signature`, async () => {
    await using rpc = storingRpc();
    const { handler } = edge(rpc.url);
    const responses = [
      await handler(post(PAYLOAD, await sign(PAYLOAD), path)),
      await handler(new Request(`http://edge.test${path}`)),
    ];
    for (const response of responses) {
      assert.equal(response.status, 404);
      assert.deepEqual(await response.json(), { status: "refused", reason_code: "not_found" });
    }
    assert.deepEqual(rpc.bodies, []);
  });
}

for (const method of ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
  Deno.test(`${method} is not allowed`, async () => {
    await using rpc = storingRpc();
    const { handler, lines } = edge(rpc.url);
    const headers = { "stripe-signature": await sign(PAYLOAD) };
    const response = await handler(new Request("http://edge.test/stripe_webhook", { method, headers }));
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), "POST");
    assert.deepEqual(rpc.bodies, []);
    assert.equal(lines.length, 1);
  });
}

Deno.test("any failure of the database is answered 503 and logged by its cause", async () => {
  const released = Promise.withResolvers<void>();
  await using failing = fakeRpc(() => Response.json({ code: "57014", message: EMAIL }, { status: 500 }));
  await using garbled = fakeRpc(() => new Response("stored"));
  await using slow = fakeRpc(async () => {
    await released.promise;
    return Response.json(true);
  });
  for (
    const [url, cause, timeoutMs] of [
      [failing.url, "upstream_status", 5_000],
      [garbled.url, "unexpected_answer", 5_000],
      [refusingUrl(), "connection", 5_000],
      [slow.url, "timeout", 50],
    ] as const
  ) {
    const { handler, lines } = edge(url, { timeoutMs });
    const response = await handler(post(PAYLOAD, await sign(PAYLOAD)));
    assert.equal(response.status, 503);
    assert.deepEqual(await response.json(), UNAVAILABLE);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.level, "error");
    assert.equal(lines[0]?.fields.cause, cause);
    assert.equal(lines[0]?.fields.event_id, EVENT.id);
  }
  released.resolve();
});

Deno.test("a failure that nobody foresaw is answered 503 and logged by its kind", async () => {
  const { log, lines } = recordingLog();
  const handler = createHandler({
    verify: () => Promise.reject(new RangeError(`${EMAIL} ${SECRET}`)),
    store: () => Promise.resolve({ kind: "stored" }),
    log,
    now: () => 0,
    wallClock: () => NOW,
  });
  const response = await handler(post(PAYLOAD, null));
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), UNAVAILABLE);
  assert.deepEqual([lines[0]?.fields.cause, lines[0]?.fields.error], ["exception", "RangeError"]);
  assert.ok(!JSON.stringify(lines).includes(EMAIL));
});

Deno.test("a function without its settings is unavailable and names them", async () => {
  const { log, lines } = recordingLog();
  const handler = createUnconfiguredHandler({ missing: ["STRIPE_WEBHOOK_SECRET"], invalid: [] }, log);
  const response = await handler(post(PAYLOAD, await sign(PAYLOAD)));
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), UNAVAILABLE);
  assert.deepEqual(lines, [{
    level: "error",
    event: "configuration_error",
    fields: { http: 503, missing: ["STRIPE_WEBHOOK_SECRET"], invalid: [] },
  }]);
});

Deno.test("logs and answers hold no secret, no signature and nothing of the payload", async () => {
  const leaky = { code: "XX000", message: `${EMAIL} ${SECRET}`, details: SERVICE_KEY };
  await using good = storingRpc();
  await using bad = fakeRpc(() => Response.json(leaky, { status: 500 }));
  await using odd = fakeRpc(() => Response.json(leaky));
  const thin = JSON.stringify({ ...EVENT, object: "v2.core.event" });
  const written: string[] = [];
  const macs: string[] = [];
  for (const url of [good.url, bad.url, odd.url, refusingUrl()]) {
    const { handler, lines } = edge(url, { secrets: [SECRET, OTHER_SECRET] });
    for (const payload of [PAYLOAD, thin, `not JSON ${EMAIL}`]) {
      for (const secret of [SECRET, OTHER_SECRET, "whsec_unknown"]) {
        const header = await sign(payload, { secret });
        macs.push(header.split("v1=")[1] ?? "");
        written.push(await (await handler(post(payload, header))).text());
      }
    }
    assert.equal(lines.length, 9);
    written.push(JSON.stringify(lines));
  }
  const all = written.join("\n");
  for (const hidden of [SECRET, OTHER_SECRET, "whsec_", SERVICE_KEY, EMAIL, "amount_paid", "1900", ...macs]) {
    assert.ok(hidden !== "" && !all.includes(hidden), `"${hidden}" is written`);
  }
});

Deno.test("over a socket, Stripe's request is answered like any", async () => {
  await using rpc = storingRpc();
  const { handler, lines } = edge(rpc.url);
  await using server = serveLocally(handler);
  const headers = { "stripe-signature": await sign(PAYLOAD) };
  const url = `${server.url}/functions/v1/stripe_webhook`;
  const good = await fetch(url, { method: "POST", body: PAYLOAD, headers });
  assert.deepEqual([good.status, await good.json()], [200, { status: "stored" }]);
  const body = new Uint8Array(MAX_BODY_BYTES + 1);
  const large = await fetch(url, { method: "POST", body, headers });
  assert.deepEqual([large.status, (await large.json()).reason_code], [413, "body_too_large"]);
  assert.equal(lines.length, 2);
});
