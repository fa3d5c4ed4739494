/** /functions/v1: the project's edge functions, each in a worker, reloaded when its files change. */
import { pathToFileURL } from "node:url";
import { bearer, json } from "../http.ts";
import { describe, type Logger } from "../log.ts";
import type { FunctionSettings, Settings } from "../settings.ts";
import type { Tokens } from "../tokens.ts";
import { FunctionWorker, workerError } from "./worker.ts";

export interface Functions {
  handle(request: Request, url: URL, peer: string): Promise<Response>;
  close(): void;
}

interface Loaded {
  worker: FunctionWorker;
  version: number;
}

const PREFIX = "/functions/v1/";
const CHECK_MILLISECONDS = 500;
const SOURCE = /\.(ts|tsx|js|mjs|jsx|json|jsonc|sql|txt)$/;

async function changed(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? 0;
  } catch (error) {
    // An editor replaces a file by removing it first.
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** The newest change of any source file below the function's folder. */
async function newest(folder: string): Promise<number> {
  let latest = 0;
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory && entry.name !== "node_modules") latest = Math.max(latest, await newest(path));
    else if (SOURCE.test(entry.name)) {
      latest = Math.max(latest, await changed(path));
    }
  }
  return latest;
}

/** Hosted's proxies append the peer to what the client claims. */
function forwarded(request: Request, url: URL, peer: string): [string, string][] {
  const headers = new Headers(request.headers);
  const claimed = headers.get("x-forwarded-for");
  headers.set("x-forwarded-for", claimed ? `${claimed}, ${peer}` : peer);
  headers.set("x-forwarded-host", url.hostname);
  headers.set("x-forwarded-port", url.port);
  headers.set("x-forwarded-proto", url.protocol.slice(0, -1));
  return [...headers];
}

export function createFunctions(settings: Settings, tokens: Tokens, log: Logger): Functions {
  for (const [name, value] of Object.entries(settings.functionEnvironment)) Deno.env.set(name, value);
  const known = new Map(
    settings.functions.filter((entry) => entry.enabled).map((entry) => [entry.name, entry]),
  );
  const loaded = new Map<string, Loaded>();
  const checked = new Map<string, { at: number; version: number }>();

  async function version(entry: FunctionSettings): Promise<number> {
    const last = checked.get(entry.name);
    if (last && Date.now() - last.at < CHECK_MILLISECONDS) return last.version;
    const current = await newest(entry.entrypoint.slice(0, entry.entrypoint.lastIndexOf("/")));
    checked.set(entry.name, { at: Date.now(), version: current });
    return current;
  }

  async function worker(entry: FunctionSettings): Promise<FunctionWorker> {
    const current = await version(entry);
    const have = loaded.get(entry.name);
    if (have && have.version === current && have.worker.alive) return have.worker;
    have?.worker.retire();
    const fresh = new FunctionWorker(entry.name, pathToFileURL(entry.entrypoint).href, log);
    loaded.set(entry.name, { worker: fresh, version: current });
    return fresh;
  }

  async function allowed(entry: FunctionSettings, request: Request): Promise<Response | null> {
    if (!entry.verifyJwt || request.method === "OPTIONS") return null;
    const token = bearer(request);
    if (token === undefined) return json({ code: 401, message: "Missing authorization header" }, 401);
    const claims = await tokens.verify(token);
    return claims instanceof Response ? json({ code: 401, message: "Invalid JWT" }, 401) : null;
  }

  async function handle(request: Request, url: URL, peer: string): Promise<Response> {
    const path = url.pathname.slice(PREFIX.length);
    const entry = known.get(path.split("/")[0]!);
    if (!entry) return json({ code: "NOT_FOUND", message: "Requested function was not found" }, 404);
    const refusal = await allowed(entry, request);
    if (refusal) return refusal;
    try {
      const target = await worker(entry);
      if (!(await target.ready)) {
        return json({ code: "BOOT_ERROR", message: "Function failed to start (please check logs)" }, 503);
      }
      const inner = new URL(url);
      inner.pathname = `/${path}`;
      const body = request.body === null ? null : await request.bytes();
      const headers = forwarded(request, url, peer);
      return await target.call({ method: request.method, url: inner.href, headers, body });
    } catch (error) {
      log("error", "function.failed", { function: entry.name, ...describe(error) });
      return workerError();
    }
  }

  return { handle, close: () => loaded.forEach((entry) => entry.worker.retire()) };
}
