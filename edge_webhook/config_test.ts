import assert from "node:assert/strict";
import { readConfig } from "./config.ts";

const URL_ = "https://ref.supabase.co";
const read = (env: Record<string, string>) => readConfig((name) => env[name]);

Deno.test("with a key of its own the function is sparky_edge, beside the anonymous key", () => {
  const config = read({
    SUPABASE_URL: URL_,
    SPARKY_EDGE_KEY: "edge",
    SUPABASE_ANON_KEY: "anon",
    SUPABASE_SERVICE_ROLE_KEY: "service",
  });
  assert.deepEqual(config, { url: URL_, apiKey: "anon", bearer: "edge", clientIpHeader: "x-forwarded-for" });
});

Deno.test("without one it uses the service key", () => {
  const config = read({ SUPABASE_URL: URL_, SUPABASE_SERVICE_ROLE_KEY: " service\n", SPARKY_EDGE_KEY: " " });
  assert.deepEqual(config, {
    url: URL_,
    apiKey: "service",
    bearer: "service",
    clientIpHeader: "x-forwarded-for",
  });
});

for (
  const [name, env, problem] of [
    ["nothing at all", {}, { missing: ["SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"], invalid: [] }],
    ["no key", { SUPABASE_URL: URL_ }, { missing: ["SUPABASE_SERVICE_ROLE_KEY"], invalid: [] }],
    ["a blank address", { SUPABASE_URL: "", SUPABASE_SERVICE_ROLE_KEY: "k" }, {
      missing: ["SUPABASE_URL"],
      invalid: [],
    }],
    ["an edge key alone", { SUPABASE_URL: URL_, SPARKY_EDGE_KEY: "k", SUPABASE_SERVICE_ROLE_KEY: "k" }, {
      missing: ["SUPABASE_ANON_KEY"],
      invalid: [],
    }],
    ["an address that is none", { SUPABASE_URL: "ref.supabase.co", SUPABASE_SERVICE_ROLE_KEY: "k" }, {
      missing: [],
      invalid: ["SUPABASE_URL"],
    }],
    ["an unknown header", {
      SUPABASE_URL: URL_,
      SUPABASE_SERVICE_ROLE_KEY: "k",
      SPARKY_CLIENT_IP_HEADER: "via",
    }, {
      missing: [],
      invalid: ["SPARKY_CLIENT_IP_HEADER"],
    }],
  ] as const
) {
  Deno.test(`${name}: the variable at fault is named`, () => {
    assert.deepEqual(read(env), problem);
  });
}

Deno.test("the address header follows the platform, and the operator's word before that", () => {
  const header = (env: Record<string, string>) => {
    const config = read({ SUPABASE_URL: URL_, SUPABASE_SERVICE_ROLE_KEY: "k", ...env });
    return "clientIpHeader" in config ? config.clientIpHeader : null;
  };
  assert.equal(header({}), "x-forwarded-for");
  assert.equal(header({ SB_REGION: "eu-central-1" }), "cf-connecting-ip");
  assert.equal(
    header({ SB_REGION: "eu-central-1", SPARKY_CLIENT_IP_HEADER: "x-forwarded-for" }),
    "x-forwarded-for",
  );
  assert.equal(header({ SPARKY_CLIENT_IP_HEADER: "CF-Connecting-IP" }), "cf-connecting-ip");
});
