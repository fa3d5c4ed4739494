/** Access tokens with all the claims that GoTrue writes; policies read several that lite leaves out. */
import { jwtVerify, SignJWT } from "jose";

export type Enrich = (response: Response) => Promise<Response>;

/** Claims as GoTrue writes them, on top of what lite signed. */
function complete(payload: Record<string, unknown>, user: Record<string, unknown>, issuer: string) {
  return {
    ...payload,
    iss: issuer,
    email: user.email ?? "",
    phone: user.phone ?? "",
    app_metadata: user.app_metadata ?? {},
    user_metadata: user.user_metadata ?? {},
    aal: "aal1",
    amr: [{ method: "password", timestamp: payload.iat }],
    is_anonymous: user.is_anonymous ?? false,
  };
}

export function createEnrich(options: { jwtSecret: string; url: string }): Enrich {
  const key = new TextEncoder().encode(options.jwtSecret);
  const issuer = `${options.url}/auth/v1`;

  async function sign(token: string, user: Record<string, unknown>): Promise<string> {
    const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"] });
    return await new SignJWT(complete(payload, user, issuer)).setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .sign(key);
  }

  return async (response) => {
    if (!response.ok || !response.headers.get("content-type")?.includes("json")) return response;
    const body = await response.json();
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    if (typeof body?.access_token === "string" && body.user) {
      body.access_token = await sign(body.access_token, body.user);
    }
    return new Response(JSON.stringify(body), { status: response.status, headers });
  };
}
