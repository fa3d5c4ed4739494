/** /rest/v1: one gate for all requests, then the fast path or lite. */
import { connect, isDown, listen } from "../database.ts";
import { CORS } from "../http.ts";
import { describe, type Logger } from "../log.ts";
import type { Settings } from "../settings.ts";
import type { Tokens } from "../tokens.ts";
import { cached } from "./cache.ts";
import { loadCatalog } from "./catalog.ts";
import { databaseDown, failure } from "./errors.ts";
import { createLiteRest } from "./lite.ts";
import { callFunction, isPlainCall } from "./rpc.ts";

export interface Rest {
  handle(request: Request, url: URL): Promise<Response>;
  /** True when the database answers. */
  healthy(): Promise<boolean>;
  close(): Promise<void>;
}

export function createRest(settings: Settings, tokens: Tokens, log: Logger): Rest {
  const sql = connect(settings.restDatabaseUrl, { max: 10, name: "rest rpc" });
  const lookup = connect(settings.adminDatabaseUrl, { max: 1, name: "rest catalogue" });
  const catalog = cached(() => loadCatalog(lookup, settings.schemas));
  const lite = createLiteRest(settings, tokens);
  const stopListening = listen(settings.adminDatabaseUrl, "pgrst", () => {
    catalog.forget();
    lite.forgetSchema();
  }, log);
  const rpc = { log, sql, schemas: settings.schemas, catalog: catalog.get };

  async function healthy(): Promise<boolean> {
    try {
      await sql`select 1`;
      return true;
    } catch {
      return false; // the answer itself: a health check has nothing else to say of a failure
    }
  }

  async function throughLite(request: Request, url: URL, token: string): Promise<Response> {
    let response: Response;
    try {
      response = await lite.fetch(request, url, token);
    } catch (error) {
      log("error", "rest.failed", describe(error));
      return isDown(error)
        ? databaseDown()
        : failure(500, "XX000", "The server failed to answer; its log says where.");
    }
    if (response.status >= 500 && !(await healthy())) return databaseDown();
    const headers = new Headers(response.headers);
    for (const [name, value] of Object.entries(CORS)) headers.set(name, value);
    return new Response(response.body, { status: response.status, headers });
  }

  async function handle(request: Request, url: URL): Promise<Response> {
    const identity = await tokens.identify(request);
    if (identity instanceof Response) return identity;
    if (isPlainCall(request, url)) return await callFunction(rpc, request, url, identity);
    return await throughLite(request, url, identity.token);
  }

  async function close(): Promise<void> {
    await Promise.all([stopListening(), sql.end({ timeout: 1 }), lookup.end({ timeout: 1 })]);
  }

  return { handle, healthy, close };
}
