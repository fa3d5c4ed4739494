/**
 * Everything of /rest/v1 that is not a plain RPC: @supabase/lite, with what it does wrong on Postgres repaired.
 *
 * It runs as `authenticator`, like PostgREST, so that a token can never do more than its role; only the look at
 * the catalogue runs as the superuser, because information_schema hides what a role may not use.
 */
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { sql } from "kysely";
import type { Settings } from "../settings.ts";
import type { Tokens } from "../tokens.ts";
import { assertMethods, EXACT_TYPES } from "../lite_types.ts";
import { type Cache, cached } from "./cache.ts";
import { quoteFilters } from "./filters.ts";
import { errorBody, isDatabaseError, statusOf } from "./errors.ts";

// deno-lint-ignore no-explicit-any -- the patched methods are private in the library's types
type Patched = any;

const PATCHED = [
  "ensureRlsContext",
  "applyJwtSessionContext",
  "applyRpcRequestGucs",
  "withContext",
  "introspect",
  "viewOptionsMetadata",
];

export interface LiteRest {
  /** Answer a request that speaks for the holder of `token`. */
  fetch(request: Request, url: URL, token: string): Promise<Response>;
  forgetSchema(): void;
}

function open(url: string, max: number): Patched {
  const connection = createPostgresConnection(
    {
      url,
      postgresOptions: {
        max,
        connect_timeout: 2,
        backoff: () => 0.05,
        onnotice: () => {},
        types: EXACT_TYPES,
        connection: { application_name: "rest" },
      },
    } as Parameters<typeof createPostgresConnection>[0],
  );
  assertMethods(connection, PATCHED);
  return connection;
}

/** The error that lite passes on to the client as it is. */
function asRaised(status: number, body: unknown): Error {
  return Object.assign(new Error(JSON.stringify(body)), {
    code: "PGRST",
    detail: JSON.stringify({ status, headers: {} }),
  });
}

/** lite answers 500 "SUP" for whole classes of SQLSTATE: give them PostgREST's status. */
function translated(error: unknown, role: string): unknown {
  if (!isDatabaseError(error) || error.code === "PGRST" || /^PT/.test(error.code)) return error;
  const status = statusOf(error, role !== "anon");
  return asRaised(status, errorBody(error.code, error.message, error.detail, error.hint));
}

async function settings(transaction: Patched, pairs: [string, string][]): Promise<void> {
  const calls = pairs.map(([name, value]) => sql`set_config(${name}, ${value}, true)`);
  await sql`select ${sql.join(calls)}`.execute(transaction);
}

function repair(connection: Patched, catalogue: Patched, schema: Cache<Patched>): void {
  // As it comes, the first request grants everything on every table with RLS to all three API roles.
  connection.ensureRlsContext = () => Promise.resolve(true);
  connection.applyJwtSessionContext = (transaction: Patched, vars: Patched) => {
    const { role = "anon", jwt } = vars.auth ?? {};
    const claims = jwt && typeof jwt === "object" ? jwt : { role };
    return settings(transaction, [
      // What triggers and defaults of hosted projects may rely on.
      ["search_path", "public, extensions"],
      ["request.jwt.claims", JSON.stringify(claims)],
      ["role", role],
    ]);
  };
  connection.applyRpcRequestGucs = (transaction: Patched, call: Patched) =>
    settings(transaction, [
      ["response.status", ""],
      ["response.headers", ""],
      ["request.method", call.method],
      ["request.path", call.path],
      ["request.headers", JSON.stringify(call.requestHeaders ?? {})],
    ]);
  const withContext = connection.withContext.bind(connection);
  connection.withContext = async (vars: Patched, work: Patched, options: Patched) => {
    try {
      return await withContext(vars, work, options);
    } catch (error) {
      throw translated(error, vars?.auth?.role ?? "anon");
    }
  };
  connection.viewOptionsMetadata = catalogue.viewOptionsMetadata.bind(catalogue);
  connection.introspect = async () => {
    const found = await schema.get();
    // A failed look comes back as an empty database, which would answer 404 for every table.
    if (found.functions === undefined) {
      schema.forget();
      throw asRaised(
        503,
        errorBody("PGRST002", "Could not query the database for the schema cache. Retrying."),
      );
    }
    return found;
  };
}

export function createLiteRest(stack: Settings, tokens: Tokens): LiteRest {
  const catalogue = open(stack.adminDatabaseUrl, 1);
  const connection = open(stack.restDatabaseUrl, 8);
  // lite's own cache can keep a look that was begun before the DDL and ended after it.
  const schema = cached<Patched>(() => catalogue.introspect());
  repair(connection, catalogue, schema);
  const resolver = async (key: string) => {
    const claims = await tokens.verify(key);
    if (claims instanceof Response) return null;
    return { type: claims.role === "service_role" ? "secret" : "publishable", claims };
  };
  const app = new App(
    {
      connection,
      api: { schemas: stack.schemas },
      auth: {
        enabled: true,
        jwt_secret: stack.jwtSecret,
        publishable_key: stack.publishableKey,
        secret_key: stack.secretKey,
      },
      // Admin mode would make every request without a key from this machine the service role.
      options: { server: { admin: false, apiKeys: { resolver } } },
    } as unknown as ConstructorParameters<typeof App>[0],
  );
  return {
    fetch(request, url, token) {
      // A token shown as Authorization would be looked up in schema auth, which PostgREST never does.
      const headers = new Headers(request.headers);
      headers.delete("authorization");
      headers.set("apikey", token);
      return Promise.resolve(app.fetch(new Request(quoteFilters(url), new Request(request, { headers }))));
    },
    forgetSchema: schema.forget,
  };
}
