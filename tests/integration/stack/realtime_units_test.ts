import assert from "node:assert/strict";
import { SignJWT } from "jose";
import {
  decodeFrame,
  encodeUserBroadcast,
  MalformedFrame,
} from "../../../scripts/local_stack/server/realtime/codec.ts";
import {
  bindingId,
  BindingRefused,
  describeBinding,
  filterSql,
  parseBinding,
} from "../../../scripts/local_stack/server/realtime/filters.ts";
import { isCommittedIn } from "../../../scripts/local_stack/server/realtime/visibility.ts";
import { TokenRefused, TokenVerifier } from "../../../scripts/local_stack/server/realtime/claims.ts";
import { Hub } from "../../../scripts/local_stack/server/realtime/hub.ts";
import { JoinRefused, readJoin } from "../../../scripts/local_stack/server/realtime/join.ts";
import type { JsonObject } from "../../../scripts/local_stack/server/realtime/json.ts";
import { Presence } from "../../../scripts/local_stack/server/realtime/presence.ts";
import type { Services } from "../../../scripts/local_stack/server/realtime/services.ts";
import { PgOutputDecoder } from "../../../scripts/local_stack/server/realtime/pgoutput.ts";

const base64 = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");
const utf8 = new TextEncoder();

function push(encoding: number, payload: Uint8Array): ArrayBuffer {
  const fields = ["1", "2", "realtime:t", "ev", ""].map((field) => utf8.encode(field));
  const head = [3, ...fields.map((field) => field.length), encoding];
  return new Uint8Array([...head, ...fields.flatMap((field) => [...field]), ...payload]).buffer;
}

const filtersOf = (filter: string) =>
  parseBinding(1, { event: "*", schema: "public", table: "t", filter }).filters;

Deno.test("a binary push of JSON reaches protocol 1 as JSON and protocol 2 as bytes", () => {
  const frame = decodeFrame(2, push(1, utf8.encode('{"n":1}')));
  assert.deepEqual([frame.joinRef, frame.ref, frame.topic, frame.event], [
    "1",
    "2",
    "realtime:t",
    "broadcast",
  ]);
  assert.deepEqual(JSON.parse(String(encodeUserBroadcast(1, frame.topic, frame.userBroadcast!))), {
    event: "broadcast",
    payload: { event: "ev", payload: { n: 1 }, type: "broadcast" },
    ref: null,
    topic: "realtime:t",
  });
  const down = encodeUserBroadcast(2, frame.topic, frame.userBroadcast!) as Uint8Array;
  assert.deepEqual([...down.subarray(0, 5)], [4, 10, 2, 0, 1]);
  assert.equal(new TextDecoder().decode(down.subarray(5)), 'realtime:tev{"n":1}');
});

Deno.test("bytes cannot be told to protocol 1", () => {
  const frame = decodeFrame(2, push(0, new Uint8Array([0, 255])));
  assert.equal(encodeUserBroadcast(1, frame.topic, frame.userBroadcast!), null);
});

Deno.test("a binary push that says JSON and is none is malformed", () => {
  assert.throws(() => decodeFrame(2, push(1, utf8.encode("{"))), MalformedFrame);
});

Deno.test("filters are split at commas outside quotes and parentheses", () => {
  assert.deepEqual(filtersOf('a=in.(1,2),b=eq."x,y",c=not.is.null'), [
    { column: "a", operator: "in", value: "{1,2}", negate: false },
    { column: "b", operator: "eq", value: "x,y", negate: false },
    { column: "c", operator: "is", value: "null", negate: true },
  ]);
  assert.deepEqual(filtersOf("title=eq.a.b=c"), [{
    column: "title",
    operator: "eq",
    value: "a.b=c",
    negate: false,
  }]);
});

for (const filter of ["garbage", "a=1", "a=foo.1", "a=in.1,2", "=eq.1"]) {
  Deno.test(`filter ${filter} is refused`, () => assert.throws(() => filtersOf(filter), BindingRefused));
}

Deno.test("an event nobody knows means all of them", () => {
  const binding = parseBinding(1, { event: "TRUNCATE", schema: "public", table: "t" });
  assert.equal(describeBinding(binding), "[event: *, schema: public, table: t, filters: [], select: nil]");
});

Deno.test("the id of a binding depends on the binding alone and is a positive integer", () => {
  const id = bindingId({ event: "*", schema: "public" });
  assert.equal(id, bindingId({ schema: "public", event: "*" }));
  assert.notEqual(id, bindingId({ event: "*", schema: "other" }));
  assert.ok(Number.isInteger(id) && id > 0);
});

Deno.test("a transaction still running in the snapshot is not yet visible", () => {
  assert.equal(isCommittedIn(100, 100n, []), false);
  assert.equal(isCommittedIn(99, 100n, [99n]), false);
  assert.equal(isCommittedIn(99, 100n, [98n]), true);
});

Deno.test("visibility survives the wrap of transaction ids", () => {
  const epoch = 1n << 32n;
  assert.equal(isCommittedIn(4_294_967_290, epoch + 5n, []), true);
  assert.equal(isCommittedIn(4, epoch + 5n, [epoch + 4n]), false);
  assert.equal(isCommittedIn(4, epoch + 5n, []), true);
  // The snapshot was taken before the counter wrapped, the transaction began after.
  assert.equal(isCommittedIn(3, epoch - 2n, []), false);
});

Deno.test("the nulls of a key tuple are not taken for values", () => {
  const decoder = new PgOutputDecoder();
  const text = (value: string) => [...utf8.encode(value)];
  const u32 = (value: number) => [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255];
  const column = (key: number, name: string) => [key, ...text(name), 0, ...u32(25), ...u32(0)];
  const relation = [...text("R"), ...u32(7), ...text("public"), 0, ...text("t"), 0, ...text("d"), 0, 2];
  decoder.decode(new Uint8Array([...relation, ...column(1, "id"), ...column(0, "note")]));
  const gone = [
    ...text("D"),
    ...u32(7),
    ...text("K"),
    0,
    2,
    ...text("t"),
    ...u32(1),
    ...text("5"),
    ...text("n"),
  ];
  assert.deepEqual(decoder.decode(new Uint8Array(gone))?.before, ["5", undefined]);
});

const keys = { jwtSecret: "s".repeat(40), publishableKey: "sb_publishable_x", secretKey: "sb_secret_x" };

Deno.test("an unsigned token is refused", async () => {
  const claims = base64({ role: "service_role", exp: 4_000_000_000 });
  await assert.rejects(new TokenVerifier(keys).verify(`${base64({ alg: "none" })}.${claims}.`), TokenRefused);
});

Deno.test("a token for the role none, which is no role, is refused", async () => {
  const sign = (role: string) =>
    new SignJWT({ role }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h")
      .sign(utf8.encode(keys.jwtSecret));
  await assert.rejects(new TokenVerifier(keys).verify(await sign("none")), TokenRefused);
  assert.equal((await new TokenVerifier(keys).verify(await sign("anon"))).role, "anon");
});

Deno.test("API keys stand for their roles", async () => {
  const verifier = new TokenVerifier(keys);
  assert.deepEqual(await verifier.verify(keys.publishableKey), { role: "anon" });
  assert.deepEqual(await verifier.verify(keys.secretKey), { role: "service_role" });
});

Deno.test("a private join is refused while the stream of messages is down, whatever the policies say", async () => {
  // Only what a join asks of its surroundings.
  const services = {
    tokens: new TokenVerifier(keys),
    messages: { whenLive: () => new Promise<void>(() => {}), isLive: false },
    authorizer: { read: () => Promise.resolve({ broadcast: true, presence: true }) },
    limits: { streamWaitMs: 1 },
  } as unknown as Services;
  const join = (config: JsonObject) =>
    readJoin(
      services,
      { joinRef: "1", ref: "1", topic: "realtime:t", event: "phx_join", payload: { config } },
      keys.secretKey,
    );
  await assert.rejects(join({ private: true }), JoinRefused);
  assert.equal((await join({ private: false })).isPrivate, false);
});

Deno.test("a presence key may be any word", () => {
  const presence = new Presence(new Hub());
  const member = { room: "r", topic: "realtime:r", presenceKey: "__proto__", receive: () => {} };
  presence.track(member, { a: 1 });
  assert.match(
    JSON.stringify(presence.state("r")),
    /^{"__proto__":{"metas":\[{"phx_ref":"[^"]+","a":1}\]}}$/,
  );
});

Deno.test("the keyword of an is filter may be nothing but a keyword", () => {
  const [filter] = filtersOf("a=is.constructor");
  assert.equal(filterSql(filter!, "x", "text", "v"), "coalesce((x is null), false)");
});
