import assert from "node:assert/strict";
import { refusingUrl, serveLocally } from "../../../edge_webhook/testing/fakes.ts";
import { createStore, STORE_TIMEOUT_MS } from "./store.ts";
import { EMAIL, EVENT, fakeRpc, SERVICE_KEY, storingRpc } from "./testing/fakes.ts";

const storeAt = (url: string, timeoutMs = 5_000) => createStore({ url, serviceKey: SERVICE_KEY, timeoutMs });

Deno.test("the event is sent once, whole, with the service key", async () => {
  await using rpc = storingRpc();
  assert.deepEqual(await storeAt(`${rpc.url}/`)(EVENT), { kind: "stored" });
  assert.deepEqual(rpc.bodies, [{ p_event: EVENT }]);
});

Deno.test("an event the database has is a duplicate", async () => {
  await using rpc = storingRpc();
  const store = storeAt(rpc.url);
  assert.deepEqual(await store(EVENT), { kind: "stored" });
  assert.deepEqual(await store(EVENT), { kind: "duplicate" });
});

for (
  const [name, response, expected] of [
    [
      "an error of the database is named by its code",
      () => Response.json({ code: "42501", message: EMAIL }, { status: 403 }),
      { cause: "upstream_status", upstreamStatus: 403, upstreamCode: "42501" },
    ],
    [
      "an error code of another form is not repeated",
      () => Response.json({ code: EMAIL }, { status: 500 }),
      { cause: "upstream_status", upstreamStatus: 500 },
    ],
    [
      "a true that comes with an error is an error",
      () => Response.json(true, { status: 500 }),
      { cause: "upstream_status", upstreamStatus: 500 },
    ],
    [
      "a gateway's page is an error by its status",
      () => new Response("<h1>Bad gateway</h1>", { status: 502 }),
      { cause: "upstream_status", upstreamStatus: 502 },
    ],
    [
      "an answer that is not JSON is unexpected",
      () => new Response("stored"),
      { cause: "unexpected_answer", upstreamStatus: 200 },
    ],
    [
      "an empty answer is unexpected",
      () => new Response(null, { status: 204 }),
      { cause: "unexpected_answer", upstreamStatus: 204 },
    ],
    ...[null, "true", 1, 0, {}, [true]].map((value) =>
      [
        `the answer ${JSON.stringify(value)} is unexpected`,
        () => Response.json(value),
        { cause: "unexpected_answer", upstreamStatus: 200 },
      ] as const
    ),
  ] as const
) {
  Deno.test(name, async () => {
    await using rpc = fakeRpc(response);
    assert.deepEqual(await storeAt(rpc.url)(EVENT), { kind: "unavailable", ...expected });
    assert.equal(rpc.bodies.length, 1, "there is no second try");
  });
}

Deno.test("a redirect is not followed", async () => {
  await using elsewhere = storingRpc();
  await using rpc = fakeRpc(() => Response.redirect(`${elsewhere.url}/rest/v1/rpc/store_stripe_event`, 307));
  assert.deepEqual(await storeAt(rpc.url)(EVENT), { kind: "unavailable", cause: "connection" });
  assert.deepEqual(elsewhere.bodies, []);
});

Deno.test("a database that is down is unavailable", async () => {
  assert.deepEqual(await storeAt(refusingUrl())(EVENT), { kind: "unavailable", cause: "connection" });
});

Deno.test("a key that no header can hold is unavailable, not an exception", async () => {
  const store = createStore({ url: refusingUrl(), serviceKey: "a\nb" });
  assert.deepEqual(await store(EVENT), { kind: "unavailable", cause: "connection" });
});

Deno.test("a database that does not answer in time is unavailable", async () => {
  const released = Promise.withResolvers<void>();
  await using rpc = fakeRpc(async () => {
    await released.promise;
    return Response.json(true);
  });
  const result = await storeAt(rpc.url, 50)(EVENT);
  released.resolve();
  assert.deepEqual(result, { kind: "unavailable", cause: "timeout" });
});

Deno.test("the limit covers the answer's body too", async () => {
  await using rpc = serveLocally(() =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("tr"));
        },
      }),
    )
  );
  assert.deepEqual(await storeAt(rpc.url, 50)(EVENT), { kind: "unavailable", cause: "timeout" });
});

Deno.test("the limit is eight seconds", () => assert.equal(STORE_TIMEOUT_MS, 8_000));
