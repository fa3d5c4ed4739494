import { readConfig } from "./config.ts";
import { createHandler, createUnconfiguredHandler } from "./handler.ts";
import { createIngest, type Ingest } from "./ingest.ts";
import { logToConsole } from "./log.ts";

const config = readConfig((name) => Deno.env.get(name));

Deno.serve(
  "missing" in config ? createUnconfiguredHandler(config, logToConsole) : createHandler({
    ingest: keptAlive(createIngest(config)),
    clientIpHeader: config.clientIpHeader,
    log: logToConsole,
    now: () => performance.now(),
  }),
);

// Supabase may stop an instance whose client has gone, unless it is told of the work under way
// (https://supabase.com/docs/guides/functions/background-tasks). Plain Deno has no such object.
function keptAlive(ingest: Ingest): Ingest {
  const { EdgeRuntime } = globalThis as { EdgeRuntime?: { waitUntil(work: Promise<unknown>): void } };
  if (EdgeRuntime === undefined) return ingest;
  return (input) => {
    const work = ingest(input);
    EdgeRuntime.waitUntil(work);
    return work;
  };
}
