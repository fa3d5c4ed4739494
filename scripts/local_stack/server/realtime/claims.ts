/** Who speaks: API keys of the new kind and HS256 tokens, with the reasons Realtime v2.122.0 gives. */
import { createHash, timingSafeEqual } from "node:crypto";
import { compactVerify, errors } from "jose";
import { isObject, type Json, type JsonObject } from "./json.ts";

export type Claims = JsonObject & { role: string };

/** A token that is refused. `code` and `message` are what the service says in a join reply. */
export class TokenRefused extends Error {
  constructor(readonly code: string, message: string, readonly expired = false) {
    super(message);
  }
}

export interface TokenKeys {
  jwtSecret: string;
  publishableKey: string;
  secretKey: string;
}

export class TokenVerifier {
  readonly #secret: Uint8Array;
  readonly #roleOfKey: [Uint8Array, string][];

  constructor(keys: TokenKeys, private readonly now: () => number = Date.now) {
    this.#secret = new TextEncoder().encode(keys.jwtSecret);
    this.#roleOfKey = [[digest(keys.publishableKey), "anon"], [digest(keys.secretKey), "service_role"]];
  }

  /** @throws TokenRefused */
  async verify(token: string): Promise<Claims> {
    const given = digest(token);
    const known = this.#roleOfKey.find(([key]) => timingSafeEqual(key, given));
    if (known) return { role: known[1] };
    const claims = await this.#open(token);
    const { role, exp } = claims;
    // Postgres takes role "none" for no change of role: the server's own, which may do everything.
    if (typeof role !== "string" || role === "none" || typeof exp !== "number") {
      throw new TokenRefused("InvalidJWTToken", "Fields `role` and `exp` are required in JWT");
    }
    const overdue = Math.floor(this.now() / 1000) - exp;
    if (overdue >= 0) {
      throw new TokenRefused("InvalidJWTToken", `Token has expired ${overdue} seconds ago`, true);
    }
    return { ...claims, role };
  }

  async #open(token: string): Promise<JsonObject> {
    let payload: Json;
    try {
      const opened = await compactVerify(token, this.#secret, { algorithms: ["HS256"] });
      payload = JSON.parse(new TextDecoder().decode(opened.payload));
    } catch (error) {
      if (
        error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JOSEAlgNotAllowed
      ) {
        throw new TokenRefused("JwtSignatureError", "Failed to validate JWT signature");
      }
      throw new TokenRefused("MalformedJWT", "The token provided is not a valid JWT");
    }
    if (isObject(payload)) return payload;
    throw new TokenRefused("MalformedJWT", "The token provided is not a valid JWT");
  }
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
