/** Where a request is addressed: with a token in the path, or null for a secret in the body. */
export interface Route {
  token: string | null;
}

// On hosted Supabase the function sees "/webhook…"; behind other gateways the public prefix is left on.
const PATH = /^(?:\/functions\/v1)?\/webhook(?:\/([^/]+))?\/?$/;

// The unreserved characters of RFC 3986: no token that was ever handed out has others.
const TOKEN = /^[A-Za-z0-9._~-]{1,128}$/;

/** Find the token of a path. Null means that no webhook can have this address. */
export function parseRoute(pathname: string): Route | null {
  const match = PATH.exec(pathname);
  if (match === null) return null;
  const segment = match[1];
  if (segment === undefined) return { token: null };
  const token = percentDecode(segment);
  return token !== null && TOKEN.test(token) ? { token } : null;
}

function percentDecode(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}
