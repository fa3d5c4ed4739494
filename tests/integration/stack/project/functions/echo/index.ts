import { describe } from "./describe.ts";

Deno.serve(async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname.endsWith("/stream")) {
    const parts = ["one ", "two ", "three"];
    return new Response(ReadableStream.from(parts.map((part) => new TextEncoder().encode(part))));
  }
  if (pathname.endsWith("/endless")) {
    const chunk = new Uint8Array(10_000);
    return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
  }
  if (pathname.endsWith("/later")) {
    EdgeRuntime.waitUntil(Promise.reject(new Error("a failure after the answer")));
    return new Response(null, { status: 202 });
  }
  return Response.json(await describe(request), { headers: { "x-function": "echo" } });
});

declare const EdgeRuntime: { waitUntil(work: Promise<unknown>): void };
