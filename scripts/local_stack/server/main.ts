/** The local stack's one origin: /rest/v1, /auth/v1, /functions/v1, /realtime/v1 and its own controls. */
import { createAuth } from "./auth/mod.ts";
import { createFunctions } from "./functions/mod.ts";
import { json, preflight } from "./http.ts";
import { captureConsole, describe, log } from "./log.ts";
import { createRealtime } from "./realtime/mod.ts";
import { createRest } from "./rest/mod.ts";
import { takeSettings } from "./settings.ts";
import { createTokens } from "./tokens.ts";

captureConsole();
const settings = takeSettings();
const tokens = createTokens(settings);
const rest = createRest(settings, tokens, log);
const auth = createAuth(settings, tokens, log);
const functions = createFunctions(settings, tokens, log);
const realtime = createRealtime({
  databaseUrl: settings.adminDatabaseUrl,
  jwtSecret: settings.jwtSecret,
  publishableKey: settings.publishableKey,
  secretKey: settings.secretKey,
  log,
});

let realtimeReady = false;
realtime.ready.then(() => {
  realtimeReady = true;
}, (error) => log("error", "realtime.failed", describe(error)));

async function health(): Promise<Response> {
  const database = await rest.healthy();
  return json({ database, realtime: realtimeReady }, database && realtimeReady ? 200 : 503);
}

async function controlRealtime(request: Request): Promise<Response> {
  const { state } = await request.json().catch(() => ({}));
  if (state === "stopped") await realtime.stop();
  else if (state === "running") await realtime.start();
  else return json({ message: 'Give {"state": "stopped"} or {"state": "running"}.' }, 400);
  log("info", "realtime.control", { state });
  return json({ state });
}

function control(request: Request, url: URL): Response | Promise<Response> {
  if (url.pathname === "/__stack/health") return health();
  if (!tokens.isSecret(request.headers.get("apikey"))) {
    return json({ message: "The secret key is required." }, 401);
  }
  if (url.pathname === "/__stack/mail") return json(auth.mails);
  if (url.pathname === "/__stack/realtime" && request.method === "POST") return controlRealtime(request);
  return json({ message: "Not found" }, 404);
}

function route(request: Request, peer: string): Response | Promise<Response> {
  const url = new URL(request.url);
  const path = url.pathname;
  if (path.startsWith("/realtime/v1/")) return realtime.handle(request);
  if (path.startsWith("/functions/v1/")) return functions.handle(request, url, peer);
  if (path.startsWith("/__stack/")) return control(request, url);
  if (path !== "/rest/v1" && !path.startsWith("/rest/v1/") && !path.startsWith("/auth/v1/")) {
    return json({ message: "no Route matched with those values" }, 404);
  }
  if (request.method === "OPTIONS") return preflight(request);
  return path.startsWith("/auth/v1/") ? auth.handle(request, url) : rest.handle(request, url);
}

// A failure that nobody awaits (a driver's, a socket's) must not end the server.
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  log("error", "unhandled", describe(event.reason));
});
globalThis.addEventListener("error", (event) => {
  event.preventDefault();
  log("error", "unhandled", describe(event.error));
});

const server = Deno.serve({
  hostname: settings.host,
  port: settings.port,
  onListen: () => log("info", "listening", { url: settings.url }),
  onError: (error) => {
    log("error", "request.failed", describe(error));
    return json({ message: "An unexpected error occurred" }, 500);
  },
}, (request, info) => route(request, info.remoteAddr.hostname));

async function shutdown(): Promise<void> {
  // Sockets of Realtime never end by themselves.
  setTimeout(() => Deno.exit(0), 2000);
  await realtime.close();
  functions.close();
  await Promise.all([rest.close(), auth.close(), server.shutdown()]);
  Deno.exit(0);
}
for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => void shutdown());
