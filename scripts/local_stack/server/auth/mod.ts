/** /auth/v1: GoTrue's API by lite, its admin API by our own SQL. */
import { connect, isDown } from "../database.ts";
import { bearer, CORS } from "../http.ts";
import { describe, type Logger } from "../log.ts";
import type { Settings } from "../settings.ts";
import type { Tokens } from "../tokens.ts";
import { authFailure, UserAdmin } from "./admin.ts";
import { createEnrich } from "./claims.ts";
import { createLiteAuth, type Mail } from "./lite.ts";

export interface Auth {
  handle(request: Request, url: URL): Promise<Response>;
  mails: Mail[];
  close(): Promise<void>;
}

const PREFIX = "/auth/v1";
// A link in a mail is opened by a browser, which has no key to show.
const OPEN_PATHS = new Set(["/verify", "/callback", "/authorize", "/.well-known/jwks.json", "/health"]);
const SESSION_PATHS = new Set(["/token", "/signup", "/verify"]);

export function createAuth(settings: Settings, tokens: Tokens, log: Logger): Auth {
  const sql = connect(settings.authDatabaseUrl, { max: 3, name: "auth admin" });
  const admin = new UserAdmin(sql, settings.minimumPassword);
  const lite = createLiteAuth(settings, tokens);
  const enrich = createEnrich(settings);

  async function throughAdmin(request: Request, url: URL, path: string): Promise<Response> {
    const claims = await tokens.verify(bearer(request) ?? request.headers.get("apikey") ?? "");
    if (claims instanceof Response) {
      return authFailure(401, "bad_jwt", "Invalid token: unable to parse or verify signature");
    }
    if (claims.role !== "service_role") return authFailure(403, "not_admin", "User not allowed");
    return await admin.handle(request, path.slice("/admin".length), url);
  }

  async function throughLite(request: Request, url: URL, path: string): Promise<Response> {
    const headers = new Headers(request.headers);
    if (OPEN_PATHS.has(path) && !headers.has("apikey")) headers.set("apikey", settings.publishableKey);
    const response = await lite.fetch(new Request(request, { headers }), url.searchParams.get("redirect_to"));
    if (response.status >= 500) return await broken();
    const answer = request.method === "POST" && SESSION_PATHS.has(path) ? await session(response) : response;
    const all = new Headers(answer.headers);
    for (const [name, value] of Object.entries(CORS)) all.set(name, value);
    return new Response(answer.body, { status: answer.status, headers: all });
  }

  /** A new session as GoTrue gives it; none for a banned user, whom lite lets in. */
  async function session(response: Response): Promise<Response> {
    if (!response.ok) return response;
    const { user } = await response.clone().json();
    if (typeof user?.id === "string" && await admin.endIfBanned(user.id)) {
      return authFailure(400, "user_banned", "User is banned");
    }
    return await enrich(response);
  }

  /** lite hides the reason of a failure, so ask whether the database is there. */
  async function broken(): Promise<Response> {
    try {
      await sql`select 1`;
    } catch (error) {
      if (isDown(error)) return unreachable();
    }
    return authFailure(
      500,
      "unexpected_failure",
      "Unexpected failure, please check server logs for more information",
    );
  }

  async function handle(request: Request, url: URL): Promise<Response> {
    const path = url.pathname.slice(PREFIX.length);
    try {
      return await (path.startsWith("/admin/")
        ? throughAdmin(request, url, path)
        : throughLite(request, url, path));
    } catch (error) {
      if (isDown(error)) return unreachable();
      log("error", "auth.failed", describe(error));
      return await broken();
    }
  }

  return { handle, mails: lite.mails, close: () => sql.end({ timeout: 1 }) };
}

function unreachable(): Response {
  return authFailure(503, "unexpected_failure", "Database error: the database cannot be reached");
}
