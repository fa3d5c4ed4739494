/** A request body that fits, one that does not, or one whose sender stopped half-way. */
export type BodyRead = { kind: "whole"; bytes: Uint8Array } | { kind: "too_large" } | { kind: "cut_off" };

/**
 * Read at most `limit` bytes of a request body.
 *
 * Counts what really arrives and stops at the first byte too many: `content-length` may be absent or wrong.
 */
export async function readBody(stream: ReadableStream<Uint8Array> | null, limit: number): Promise<BodyRead> {
  const bytes = new Uint8Array(limit);
  if (stream === null) return { kind: "whole", bytes: bytes.subarray(0, 0) };
  let length = 0;
  try {
    for await (const chunk of stream) {
      // Leaving the loop cancels the stream.
      if (length + chunk.byteLength > limit) return { kind: "too_large" };
      bytes.set(chunk, length);
      length += chunk.byteLength;
    }
  } catch {
    return { kind: "cut_off" };
  }
  return { kind: "whole", bytes: bytes.subarray(0, length) };
}

/**
 * Decode a body as UTF-8 text that Postgres can hold.
 *
 * A byte order mark is dropped. What is not UTF-8, and NUL, which the type `text` cannot hold, become
 * U+FFFD, so that the database can store, and the trader see, what was not understood.
 */
export function toStorableText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replaceAll("\0", "\uFFFD");
}
