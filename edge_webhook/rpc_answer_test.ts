import assert from "node:assert/strict";
import { readDecision } from "./rpc_answer.ts";
import { SIGNAL_ID } from "./testing/fakes.ts";

const accepted = { http: 200, body: { status: "accepted", signal_id: SIGNAL_ID } };

Deno.test("a decision is read", () => {
  const value = {
    http: 429,
    body: { status: "rate_limited", signal_id: SIGNAL_ID, reason_code: "plan_limit", reason: "Ten an hour." },
    retry_after: 61.2,
  };
  assert.deepEqual(readDecision(value), { http: 429, body: value.body, retryAfter: 62 });
});

Deno.test("null is the same as absent", () => {
  const value = {
    http: 200,
    body: { ...accepted.body, reason_code: null, reason: null },
    retry_after: null,
  };
  assert.deepEqual(readDecision(value), { ...accepted, retryAfter: null });
});

Deno.test("fields that are not part of the answer stay inside", () => {
  const value = { ...accepted, trace: "x", body: { ...accepted.body, user_id: SIGNAL_ID, secret: "x" } };
  assert.deepEqual(readDecision(value), { ...accepted, retryAfter: null });
});

for (
  const [name, value] of [
    ["nothing", undefined],
    ["null", null],
    ["a text", "accepted"],
    ["a number", 200],
    ["a list", [accepted]],
    ["an empty object", {}],
    ["no code", { body: accepted.body }],
    ["no body", { http: 200 }],
    ["a body that is a list", { http: 200, body: ["accepted"] }],
    ["a body that is a text", { http: 200, body: "accepted" }],
    ["a code as text", { ...accepted, http: "200" }],
    ["the code 201", { ...accepted, http: 201 }],
    ["the code 500", { ...accepted, http: 500 }],
    ["the code 504", { ...accepted, http: 504 }],
    ["no status", { http: 200, body: { signal_id: SIGNAL_ID } }],
    ["an unknown status", { http: 200, body: { status: "ok" } }],
    ["a status that every object has", { http: 200, body: { status: "constructor" } }],
    ["the status unavailable", { http: 200, body: { status: "unavailable" } }],
    ["a signal id that is none", { http: 200, body: { status: "accepted", signal_id: "1" } }],
    ["a signal id that is a number", { http: 200, body: { status: "accepted", signal_id: 1 } }],
    ["a reason code with spaces", { http: 422, body: { status: "rejected", reason_code: "bad json" } }],
    ["a reason that is an object", { http: 422, body: { status: "rejected", reason: {} } }],
    ["a wait as text", { ...accepted, retry_after: "5" }],
    ["a negative wait", { ...accepted, retry_after: -1 }],
    ["an endless wait", { ...accepted, retry_after: Infinity }],
  ] as const
) {
  Deno.test(`${name} is no decision`, () => assert.equal(readDecision(value), null));
}
