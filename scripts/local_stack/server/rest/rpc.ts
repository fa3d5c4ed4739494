/**
 * POST /rest/v1/rpc/<function> in one round trip and without touching the numbers in it: the body goes to
 * Postgres as the text that came, and Postgres' JSON comes back as the text it wrote.
 *
 * A call is one simple query of three statements, which Postgres runs as one transaction: who asks, the call,
 * and what the function wants in the HTTP answer. An error undoes all of it; no connection is left in between.
 */
import { isDown, type Sql } from "../database.ts";
import { jsonText } from "../http.ts";
import { describe, type Logger } from "../log.ts";
import type { Identity } from "../tokens.ts";
import type { Catalog, DatabaseFunction } from "./catalog.ts";
import { choose } from "./choose.ts";
import { errorResponse, failure } from "./errors.ts";

const DEADLINE_SECONDS = 15;
const OBJECT = "application/vnd.pgrst.object+json";
const PLAIN_ACCEPT =
  /^(\*\/\*|application\/(json|\*)|application\/vnd\.pgrst\.object\+json)\s*(;\s*charset=[\w-]+)?$/i;

/** Tell whether a request is one that this path answers; the others carry filters, CSV, counts or ranges. */
export function isPlainCall(request: Request, url: URL): boolean {
  if (request.method !== "POST" || !/^\/rest\/v1\/rpc\/[^/]+$/.test(url.pathname)) return false;
  if ([...url.searchParams.keys()].some((name) => name !== "apikey" && name !== "columns")) return false;
  const type = request.headers.get("content-type");
  const accept = request.headers.get("accept") ?? "*/*";
  return (type === null || /^application\/json\b/i.test(type)) &&
    accept.split(",").every((part) => PLAIN_ACCEPT.test(part.trim())) &&
    !/count=|tx=|max-affected|return=/.test(request.headers.get("prefer") ?? "") &&
    !request.headers.has("range");
}

/** A literal that means the same whatever the session's settings for strings are. */
function literal(text: string): string {
  return ` E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

function name(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

function context(request: Request, path: string, schema: string, identity: Identity, catalog: Catalog) {
  const role = identity.claims.role;
  return [
    ["search_path", `${name(schema)}, "public", "extensions"`],
    ...(catalog.settings.get(role) ?? []),
    ["role", role],
    ["request.jwt.claims", JSON.stringify(identity.claims)],
    ["request.method", "POST"],
    ["request.path", path],
    ["request.headers", JSON.stringify(Object.fromEntries(request.headers))],
    ["request.cookies", "{}"],
  ];
}

function call(chosen: DatabaseFunction, given: Set<string>, body: string): string {
  const target = `${name(chosen.schema)}.${name(chosen.name)}`;
  if (chosen.bodyType !== null) return `from ${target}(${literal(body)}::${chosen.bodyType})`;
  const used = chosen.arguments.filter((argument) => given.has(argument.name));
  if (used.length === 0) return `from ${target}()`;
  const last = chosen.arguments.at(-1)!.name;
  const passed = used.map((argument) =>
    `${chosen.variadic && argument.name === last ? "variadic " : ""}${name(argument.name)} => _.${
      name(argument.name)
    }`
  );
  const columns = used.map((argument) => `${name(argument.name)} ${argument.type}`);
  return `from json_to_record(${literal(body)}::json) as _ (${columns.join(", ")}), lateral ${target}(${
    passed.join(", ")
  })`;
}

function select(chosen: DatabaseFunction, given: Set<string>, body: string): string {
  const from = call(chosen, given, body);
  if (chosen.returnsVoid) return `select null as body, 1 as rows ${from} as r`;
  // `r.*` of a row, but the value itself of a scalar.
  const value = chosen.row ? `(select q from (select r.*) as q)` : "r";
  return chosen.set
    ? `select coalesce(json_agg(${value}), '[]')::text as body, count(*)::int as rows ${from} as r`
    : `select coalesce(to_json(${value})::text, 'null') as body, 1 as rows ${from} as r`;
}

function statement(
  settings: string[][],
  chosen: DatabaseFunction,
  given: Set<string>,
  body: string,
): string {
  const all = chosen.volatile ? settings : [["transaction_read_only", "on"], ...settings];
  const set = all.map(([setting, value]) => `set_config(${literal(setting!)},${literal(value!)}, true)`);
  return `select ${set.join(", ")};${select(chosen, given, body)};` +
    "select current_setting('response.status', true) as status, " +
    "current_setting('response.headers', true) as headers";
}

function readBody(text: string): { text: string; given: string[] } | Response {
  if (text.trim() === "") return { text: "{}", given: [] };
  try {
    const value = JSON.parse(text);
    const named = typeof value === "object" && value !== null && !Array.isArray(value);
    return { text, given: named ? Object.keys(value) : [] };
  } catch {
    return failure(400, "PGRST102", "Empty or invalid json");
  }
}

function answer(chosen: DatabaseFunction, single: boolean, row: { body: string | null; rows: number }, own: {
  status: string | null;
  headers: string | null;
}): Response {
  const headers: Record<string, string> = {};
  for (const entry of own.headers ? JSON.parse(own.headers) as Record<string, string>[] : []) {
    Object.assign(headers, entry);
  }
  const status = own.status ? Number(own.status) : undefined;
  if (chosen.returnsVoid) {
    return new Response(null, { status: status ?? 204, headers: { ...EMPTY, ...headers } });
  }
  if (single && chosen.set) {
    if (row.rows !== 1) {
      return failure(
        406,
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        `The result contains ${row.rows} rows`,
      );
    }
    return jsonText(row.body!.trim().slice(1, -1), status, {
      "content-type": `${OBJECT}; charset=utf-8`,
      ...headers,
    });
  }
  const range = row.rows === 0 ? "*/*" : `0-${row.rows - 1}/*`;
  return jsonText(row.body ?? "null", status, { "content-range": range, ...headers });
}

const EMPTY = { "access-control-allow-origin": "*", "content-range": "0-0/*" };

async function inTime<T>(work: Promise<T>): Promise<T | Response> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Response>((resolve) => {
    timer = setTimeout(
      () => resolve(failure(504, "PGRST003", "Timed out acquiring connection from connection pool.")),
      DEADLINE_SECONDS * 1000,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function schemaOf(request: Request, schemas: string[]): string | Response {
  const asked = request.headers.get("content-profile") ?? schemas[0]!;
  if (schemas.includes(asked)) return asked;
  const hint = `Only the following schemas are exposed: ${schemas.join(", ")}`;
  return failure(406, "PGRST106", `Invalid schema: ${asked}`, null, hint);
}

export interface RpcOptions {
  log: Logger;
  sql: Sql;
  schemas: string[];
  catalog: () => Promise<Catalog>;
}

async function run(options: RpcOptions, request: Request, url: URL, identity: Identity): Promise<Response> {
  const schema = schemaOf(request, options.schemas);
  if (schema instanceof Response) return schema;
  const body = readBody(await request.text());
  if (body instanceof Response) return body;
  const catalog = await options.catalog();
  const path = url.pathname.slice("/rest/v1".length);
  const chosen = choose(catalog, schema, decodeURIComponent(path.slice("/rpc/".length)), body.given);
  if (chosen instanceof Response) return chosen;
  const settings = context(request, path, schema, identity, catalog);
  const text = statement(settings, chosen, new Set(body.given), body.text);
  // deno-lint-ignore no-explicit-any -- the driver types results of several statements as one
  const [, [row], [own]] = await options.sql.unsafe(text).simple() as any;
  return answer(chosen, (request.headers.get("accept") ?? "").includes(OBJECT), row, own);
}

export async function callFunction(
  options: RpcOptions,
  request: Request,
  url: URL,
  identity: Identity,
): Promise<Response> {
  try {
    return await inTime(run(options, request, url, identity));
  } catch (error) {
    if (isDown(error)) options.log("warning", "rpc.database_down", describe(error));
    return errorResponse(error, identity.authenticated);
  }
}
