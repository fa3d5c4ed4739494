import assert from "node:assert/strict";
import { clientIp } from "./client_ip.ts";

const cloudflare = (value: string) =>
  clientIp(new Headers({ "cf-connecting-ip": value }), "cf-connecting-ip");

for (
  const [given, canonical] of [
    ["52.89.214.238", "52.89.214.238"],
    [" 52.89.214.238 ", "52.89.214.238"],
    ["2001:0DB8:0:0::1", "2001:db8::1"],
    ["::1", "::1"],
    ["::ffff:52.89.214.238", "52.89.214.238"],
    ["::FFFF:3459:d6ee", "52.89.214.238"],
    ["0:0:0:0:0:ffff:7f00:1", "127.0.0.1"],
  ] as const
) {
  Deno.test(`the address "${given}" is ${canonical}`, () => assert.equal(cloudflare(given), canonical));
}

for (
  const garbage of [
    "",
    "unknown",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4:443",
    "1.2.3.4/32",
    "1.2.3.4, 5.6.7.8",
    "[::1]",
    "::1%eth0",
    ":::",
    "1:2:3:4:5:6:7:8:9",
    "::1]@evil/[::2",
    "2130706433",
    "0x7f.1.1.1",
    "'; drop table signals",
  ]
) {
  Deno.test(`"${garbage}" is no address`, () => assert.equal(cloudflare(garbage), null));
}

Deno.test("behind Cloudflare its own header counts, and a forged x-forwarded-for does not", () => {
  const headers = new Headers({
    "x-forwarded-for": "52.89.214.238, 198.51.100.7",
    "cf-connecting-ip": "203.0.113.9",
  });
  assert.equal(clientIp(headers, "cf-connecting-ip"), "203.0.113.9");
});

Deno.test("behind Cloudflare a request without its header has no address, whatever else it claims", () => {
  const headers = new Headers({ "x-forwarded-for": "52.89.214.238", "x-real-ip": "52.89.214.238" });
  assert.equal(clientIp(headers, "cf-connecting-ip"), null);
});

Deno.test("behind a gateway its own word, the last element, counts", () => {
  const headers = new Headers({
    "x-forwarded-for": "52.89.214.238,  10.0.0.1,203.0.113.9",
    "cf-connecting-ip": "52.89.214.238",
  });
  assert.equal(clientIp(headers, "x-forwarded-for"), "203.0.113.9");
});

Deno.test("behind a gateway a header sent twice is one list", () => {
  const headers = new Headers([["x-forwarded-for", "52.89.214.238"], ["x-forwarded-for", "203.0.113.9"]]);
  assert.equal(clientIp(headers, "x-forwarded-for"), "203.0.113.9");
});

Deno.test("behind a gateway an empty last element is no address", () => {
  assert.equal(clientIp(new Headers({ "x-forwarded-for": "52.89.214.238," }), "x-forwarded-for"), null);
  assert.equal(clientIp(new Headers(), "x-forwarded-for"), null);
});
