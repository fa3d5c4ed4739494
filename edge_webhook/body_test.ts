import assert from "node:assert/strict";
import { readBody, toStorableText } from "./body.ts";
import { chunked } from "./testing/fakes.ts";

const bytes = (length: number) => new Uint8Array(length).fill(97);

Deno.test("a missing body is an empty one", async () => {
  assert.deepEqual(await readBody(null, 8), { kind: "whole", bytes: new Uint8Array() });
});

Deno.test("chunks are joined in order", async () => {
  const { stream } = chunked([Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3)]);
  assert.deepEqual(await readBody(stream, 8), { kind: "whole", bytes: Uint8Array.of(1, 2, 3) });
});

Deno.test("a body of exactly the limit fits, in one chunk or in many", async () => {
  for (const chunks of [[bytes(8)], [bytes(3), bytes(5)]]) {
    const read = await readBody(chunked(chunks).stream, 8);
    assert.equal(read.kind === "whole" && read.bytes.length, 8);
  }
});

Deno.test("one byte more is too large, and the rest is not read", async () => {
  const source = chunked([bytes(8), bytes(1), bytes(1), bytes(1)]);
  assert.deepEqual(await readBody(source.stream, 8), { kind: "too_large" });
  assert.equal(source.sent(), 2);
  assert.equal(source.cancelled(), true);
});

Deno.test("a body that breaks off is not taken for a whole one", async () => {
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes(3));
    },
    pull(controller) {
      controller.error(new Error("connection reset"));
    },
  });
  assert.deepEqual(await readBody(stream, 8), { kind: "cut_off" });
});

for (
  const [name, input, text] of [
    ["UTF-8 is kept", new TextEncoder().encode("é€𝄞\n\t"), "é€𝄞\n\t"],
    ["a byte order mark is dropped", Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d), "{}"],
    [
      "only the first byte order mark is dropped",
      Uint8Array.of(0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf),
      "\uFEFF",
    ],
    ["bytes that are not UTF-8 become U+FFFD", Uint8Array.of(0x61, 0xff, 0x62), "a\uFFFDb"],
    ["a cut-off sequence becomes U+FFFD", Uint8Array.of(0x61, 0xe2, 0x82), "a\uFFFD"],
    ["an encoded surrogate becomes U+FFFD", Uint8Array.of(0xed, 0xa0, 0x80), "\uFFFD\uFFFD\uFFFD"],
    ["NUL becomes U+FFFD", Uint8Array.of(0, 0x61, 0), "\uFFFDa\uFFFD"],
    ["an empty body is an empty text", new Uint8Array(), ""],
  ] as const
) {
  Deno.test(`text: ${name}`, () => assert.equal(toStorableText(input), text));
}
