/** Realtime alone on a port, for the tests that restart its database or need its limits small. */
import type { Level } from "../../../scripts/local_stack/server/log.ts";
import { createRealtime } from "../../../scripts/local_stack/server/realtime/mod.ts";

const { port, ...options } = JSON.parse(Deno.env.get("REALTIME_SETTINGS")!);

function say(level: Level | "unhandled", event: string, fields: Record<string, unknown> = {}): void {
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ level, event, ...fields }) + "\n"));
}

globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  say("unhandled", String(event.reason?.name));
});

const realtime = createRealtime({ ...options, log: say });
const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
  if (new URL(request.url).pathname !== "/__stack/realtime") return realtime.handle(request);
  const { state } = await request.json();
  await (state === "stopped" ? realtime.stop() : realtime.start());
  return Response.json({ state });
});
await realtime.ready;
say("info", "serving");
Deno.addSignalListener("SIGTERM", async () => {
  await realtime.close();
  await server.shutdown();
  say("info", "closed");
});
