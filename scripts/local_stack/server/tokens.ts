/** Who is asking: API keys of both kinds, and JWTs signed with the stack's secret. */
import { errors, jwtVerify } from "jose";
import { bearer, json } from "./http.ts";

export type Claims = Record<string, unknown> & { role: string };

export interface Identity {
  claims: Claims;
  /** The key or token that says so. */
  token: string;
  /** True where the caller showed more than an anonymous key: PostgREST then answers 403 instead of 401. */
  authenticated: boolean;
}

export interface Tokens {
  /** Claims of a key or token, or the answer that refuses it. */
  verify(token: string): Promise<Claims | Response>;
  /** Who the request speaks for, or the answer that refuses it. */
  identify(request: Request): Promise<Identity | Response>;
  isSecret(token: string | undefined | null): boolean;
}

const REMEMBERED = 1000;
const CLOCK_SKEW_SECONDS = 30;

function refuse(code: string, message: string): Response {
  const reason = code === "PGRST303" ? `error="invalid_token", error_description="${message}"` : "";
  return json({ code, details: null, hint: null, message }, 401, {
    "www-authenticate": `Bearer ${reason}`.trim(),
  });
}

function sameText(one: string, other: string): boolean {
  const encoder = new TextEncoder();
  const a = encoder.encode(one), b = encoder.encode(other);
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index++) difference |= a[index]! ^ (b[index % b.length] ?? 0);
  return difference === 0;
}

function refusal(error: unknown): Response {
  if (error instanceof errors.JWTExpired) return refuse("PGRST303", "JWT expired");
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refuse("PGRST303", "JWT claims validation failed");
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return refuse("PGRST301", "No suitable key or wrong key type");
  }
  return refuse("PGRST301", "JWT cryptographic operation failed");
}

export function createTokens(
  options: { jwtSecret: string; publishableKey: string; secretKey: string },
): Tokens {
  const key = new TextEncoder().encode(options.jwtSecret);
  const known = new Map<string, Claims>();

  function remembered(token: string): Claims | undefined {
    const claims = known.get(token);
    if (claims === undefined) return undefined;
    if (typeof claims.exp === "number" && claims.exp + CLOCK_SKEW_SECONDS <= Date.now() / 1000) {
      known.delete(token);
      return undefined;
    }
    return claims;
  }

  async function verify(token: string): Promise<Claims | Response> {
    if (sameText(token, options.publishableKey)) return { role: "anon" };
    if (sameText(token, options.secretKey)) return { role: "service_role" };
    const found = remembered(token);
    if (found) return found;
    const parts = token.split(".").length;
    if (parts !== 3) return refuse("PGRST301", `Expected 3 parts in JWT; got ${parts}`);
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ["HS256"],
        clockTolerance: CLOCK_SKEW_SECONDS,
      });
      const claims: Claims = { ...payload, role: typeof payload.role === "string" ? payload.role : "anon" };
      if (known.size >= REMEMBERED) known.delete(known.keys().next().value!);
      known.set(token, claims);
      return claims;
    } catch (error) {
      return refusal(error);
    }
  }

  async function identify(request: Request): Promise<Identity | Response> {
    const apikey = request.headers.get("apikey") ?? new URL(request.url).searchParams.get("apikey");
    if (!apikey) {
      return json({
        message: "No API key found in request",
        hint: "No `apikey` request header or url param was found.",
      }, 401);
    }
    const fromKey = await verify(apikey);
    if (fromKey instanceof Response) {
      return json({
        message: "Invalid API key",
        hint: "Double check your Supabase `anon` or `service_role` API key.",
      }, 401);
    }
    const token = bearer(request);
    const claims = token === undefined ? fromKey : await verify(token);
    if (claims instanceof Response) return claims;
    return { claims, token: token ?? apikey, authenticated: claims.role !== "anon" };
  }

  const isSecret = (token: string | undefined | null) => !!token && sameText(token, options.secretKey);
  return { verify, identify, isSecret };
}
