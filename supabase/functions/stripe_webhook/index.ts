import { logToConsole } from "../../../edge_webhook/log.ts";
import { readConfig } from "./config.ts";
import { createHandler, createUnconfiguredHandler } from "./handler.ts";
import { createStore } from "./store.ts";
import { createVerify } from "./verify.ts";

const config = readConfig((name) => Deno.env.get(name));

Deno.serve(
  "missing" in config ? createUnconfiguredHandler(config, logToConsole) : createHandler({
    verify: createVerify(config.webhookSecrets),
    store: createStore(config),
    log: logToConsole,
    now: () => performance.now(),
    wallClock: () => Date.now(),
  }),
);
