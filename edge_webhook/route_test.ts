import assert from "node:assert/strict";
import { parseRoute } from "./route.ts";

const token = "Ab0-_.~9";

for (const prefix of ["", "/functions/v1"]) {
  Deno.test(`"${prefix}/webhook" has no token`, () => {
    assert.deepEqual(parseRoute(`${prefix}/webhook`), { token: null });
    assert.deepEqual(parseRoute(`${prefix}/webhook/`), { token: null });
  });

  Deno.test(`"${prefix}/webhook/<token>" has one, with or without a trailing slash`, () => {
    assert.deepEqual(parseRoute(`${prefix}/webhook/${token}`), { token });
    assert.deepEqual(parseRoute(`${prefix}/webhook/${token}/`), { token });
  });
}

Deno.test("a percent-encoded token is the same token", () => {
  assert.deepEqual(parseRoute("/webhook/%41b0%2D_%2e~9"), { token });
});

Deno.test("a token of 128 characters is looked up, a longer one is not", () => {
  assert.deepEqual(parseRoute(`/webhook/${"a".repeat(128)}`), { token: "a".repeat(128) });
  assert.equal(parseRoute(`/webhook/${"a".repeat(129)}`), null);
});

for (
  const path of [
    "",
    "/",
    "/webhooks",
    "/Webhook",
    "//webhook",
    "/webhook//",
    "/webhook/a/b",
    "/webhook/a//",
    "/functions/v1",
    "/functions/v2/webhook/a",
    "/other/webhook/a",
    "/webhook/a%2Fb",
    "/webhook/a%00",
    "/webhook/%",
    "/webhook/%zz",
    "/webhook/%ff",
    "/webhook/a%20b",
    "/webhook/a+b",
    "/webhook/a=b",
    "/webhook/a;b",
    "/webhook/%E2%82%AC",
    "/webhook/a%0A",
    "/webhook/a\n",
  ]
) {
  Deno.test(`${JSON.stringify(path)} is nobody's address`, () => assert.equal(parseRoute(path), null));
}
