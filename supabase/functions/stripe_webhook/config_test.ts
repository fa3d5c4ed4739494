import assert from "node:assert/strict";
import { readConfig } from "./config.ts";

const WHOLE = {
  SUPABASE_URL: "https://ref.supabase.co",
  SUPABASE_SERVICE_ROLE_KEY: "service",
  STRIPE_WEBHOOK_SECRET: "whsec_a",
};
const read = (env: Record<string, string>) => readConfig((name) => env[name]);

Deno.test("the settings are read, without the space around them", () => {
  assert.deepEqual(read({ ...WHOLE, SUPABASE_SERVICE_ROLE_KEY: " service\n" }), {
    url: WHOLE.SUPABASE_URL,
    serviceKey: "service",
    webhookSecrets: ["whsec_a"],
  });
});

Deno.test("several secrets are separated by commas, and blank ones do not count", () => {
  const config = read({ ...WHOLE, STRIPE_WEBHOOK_SECRET: " whsec_a, whsec_b,,\n whsec_c ," });
  assert.deepEqual("webhookSecrets" in config && config.webhookSecrets, ["whsec_a", "whsec_b", "whsec_c"]);
});

for (const name of Object.keys(WHOLE)) {
  for (const value of ["", " \n"]) {
    Deno.test(`${name} of ${JSON.stringify(value)} is missing`, () => {
      assert.deepEqual(read({ ...WHOLE, [name]: value }), { missing: [name], invalid: [] });
    });
  }
}

Deno.test("a list of blank secrets is a missing one", () => {
  const problem = { missing: ["STRIPE_WEBHOOK_SECRET"], invalid: [] };
  assert.deepEqual(read({ ...WHOLE, STRIPE_WEBHOOK_SECRET: ", ," }), problem);
});

Deno.test("with no settings at all every name is told", () => {
  assert.deepEqual(read({}), { missing: Object.keys(WHOLE), invalid: [] });
});

for (const url of ["ref.supabase.co", "ftp://ref.supabase.co", "https://"]) {
  Deno.test(`"${url}" is no address of a project`, () => {
    assert.deepEqual(read({ ...WHOLE, SUPABASE_URL: url }), { missing: [], invalid: ["SUPABASE_URL"] });
  });
}
