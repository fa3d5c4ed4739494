import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { EVENT, NOW, OTHER_SECRET, PAYLOAD, SECRET, sign } from "./testing/fakes.ts";
import { createVerify, TOLERANCE_SECONDS } from "./verify.ts";

const WRONG = { kind: "signature_wrong" };
const UNUSABLE = { kind: "event_unusable" };
const encode = (text: string) => new TextEncoder().encode(text);
const check = (body: string | Uint8Array, signature: string | null, secrets = [SECRET], now = NOW * 1_000) =>
  createVerify(secrets)(typeof body === "string" ? encode(body) : body, signature, now);

Deno.test("an event that Stripe signed is read whole", async () => {
  assert.deepEqual(await check(PAYLOAD, await sign(PAYLOAD)), {
    kind: "event",
    event: { id: EVENT.id, type: EVENT.type, content: EVENT },
  });
});

Deno.test("one right signature among others is enough", async () => {
  const right = (await sign(PAYLOAD)).split(",")[1];
  const wrong = `v1=${"0".repeat(64)}`;
  const header = `t=${NOW},${wrong},v0=${"1".repeat(64)},${right}`;
  assert.equal((await check(PAYLOAD, header)).kind, "event");
});

Deno.test("during a rotation both secrets are good, and a third is not", async () => {
  for (const secret of [SECRET, OTHER_SECRET]) {
    const header = await sign(PAYLOAD, { secret });
    assert.equal((await check(PAYLOAD, header, [SECRET, OTHER_SECRET])).kind, "event");
  }
  const third = await sign(PAYLOAD, { secret: "whsec_third" });
  assert.deepEqual(await check(PAYLOAD, third, [SECRET, OTHER_SECRET]), WRONG);
});

Deno.test("a secret that was taken out of service is wrong", async () => {
  assert.deepEqual(await check(PAYLOAD, await sign(PAYLOAD), [OTHER_SECRET]), WRONG);
});

Deno.test("a signature is good for 300 seconds and not for 301", async () => {
  assert.equal(TOLERANCE_SECONDS, 300);
  const lastMoment = await sign(PAYLOAD, { timestamp: NOW - 300 });
  assert.equal((await check(PAYLOAD, lastMoment)).kind, "event");
  assert.deepEqual(await check(PAYLOAD, lastMoment, [SECRET], (NOW + 1) * 1_000), WRONG);
  assert.deepEqual(await check(PAYLOAD, await sign(PAYLOAD, { timestamp: NOW - 301 })), WRONG);
});

Deno.test("the stale signature of the second secret is stale, too", async () => {
  const header = await sign(PAYLOAD, { secret: OTHER_SECRET, timestamp: NOW - 301 });
  assert.deepEqual(await check(PAYLOAD, header, [SECRET, OTHER_SECRET]), WRONG);
});

Deno.test("a signature from the future is good: only a holder of the secret can make one", async () => {
  const header = await sign(PAYLOAD, { timestamp: NOW + 3_600 });
  assert.equal((await check(PAYLOAD, header)).kind, "event");
});

Deno.test("a stale signature is not freshened by another time", async () => {
  const stale = await sign(PAYLOAD, { timestamp: NOW - 301 });
  for (const header of [stale.replace(/^t=\d+/, `t=${NOW}`), `t=${NOW},${stale}`, `${stale},t=${NOW}`]) {
    assert.deepEqual(await check(PAYLOAD, header), WRONG);
  }
});

Deno.test("a body that was changed after signing is refused", async () => {
  const header = await sign(PAYLOAD);
  for (
    const tampered of [
      PAYLOAD.replace("1900", "1901"),
      `${PAYLOAD}\n`,
      ` ${PAYLOAD}`,
      PAYLOAD.slice(0, -1),
      JSON.stringify(EVENT, null, 1),
      `\uFEFF${PAYLOAD}`,
      "",
    ]
  ) {
    assert.notEqual(tampered, PAYLOAD);
    assert.deepEqual(await check(tampered, header), WRONG);
  }
});

Deno.test("bytes that are not UTF-8 are not what was signed, though they decode to it", async () => {
  const payload = PAYLOAD.replace("é", "\uFFFD");
  const header = await sign(payload);
  assert.equal((await check(payload, header)).kind, "event");
  const [before = "", after = ""] = payload.split("\uFFFD");
  const bytes = Uint8Array.of(...encode(before), 0xff, ...encode(after));
  assert.equal(new TextDecoder().decode(bytes), payload);
  assert.deepEqual(await check(bytes, header), WRONG);
});

Deno.test("bytes that are not UTF-8 are refused even when they were signed as they are", async () => {
  const bytes = Uint8Array.of(...encode(PAYLOAD), 0xff);
  const mac = createHmac("sha256", SECRET).update(`${NOW}.`).update(bytes).digest("hex");
  assert.deepEqual(await check(bytes, `t=${NOW},v1=${mac}`), WRONG);
});

Deno.test("the signature of another scheme does not count", async () => {
  assert.deepEqual(await check(PAYLOAD, await sign(PAYLOAD, { scheme: "v0" })), WRONG);
});

const HEX = "a".repeat(64);
for (
  const header of [
    null,
    "",
    "garbage",
    ",",
    "=",
    "t",
    `t=${NOW}`,
    `t=${NOW},v1`,
    `t=${NOW},v1=`,
    `t=${NOW},v1=,v1==`,
    `t=${NOW},v1=${HEX}`,
    `t=-1,v1=${HEX}`,
    `t=,v1=${HEX}`,
    `t=x,v1=${HEX}`,
    `v1=${HEX}`,
  ]
) {
  Deno.test(`the header ${JSON.stringify(header)?.slice(0, 40)} is wrong`, async () => {
    assert.deepEqual(await check(PAYLOAD, header), WRONG);
  });
}

for (
  const [name, payload] of [
    ["no JSON", "paid"],
    ["null", "null"],
    ["a list", "[]"],
    ["a text", '"evt_1"'],
    ["an empty object", "{}"],
    ["a thin event", JSON.stringify({ ...EVENT, object: "v2.core.event" })],
    ["another object", JSON.stringify({ ...EVENT, object: "invoice" })],
    ["an event without id", JSON.stringify({ ...EVENT, id: undefined })],
    ["an event with an empty id", JSON.stringify({ ...EVENT, id: "" })],
    ["an event with a number as id", JSON.stringify({ ...EVENT, id: 1 })],
    ["an event with an endless id", JSON.stringify({ ...EVENT, id: "e".repeat(256) })],
    ["an event without type", JSON.stringify({ ...EVENT, type: null })],
  ] as const
) {
  Deno.test(`${name}, signed, is no event`, async () => {
    assert.deepEqual(await check(payload, await sign(payload)), UNUSABLE);
    assert.deepEqual(await check(payload, await sign(payload), [OTHER_SECRET, SECRET]), UNUSABLE);
  });

  Deno.test(`${name}, not signed, is a wrong signature`, async () => {
    assert.deepEqual(await check(payload, await sign(payload, { secret: OTHER_SECRET })), WRONG);
  });
}
