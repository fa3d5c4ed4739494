/** Answers in the manner of Supabase's gateway. */
export const CORS: Record<string, string> = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers":
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, " +
    "Transfer-Encoding, Range-Unit, X-Total-Count, Link",
};

export function json(body: unknown, status = 200, headers: HeadersInit = {}): Response {
  return jsonText(JSON.stringify(body), status, headers);
}

export function jsonText(body: string, status = 200, headers: HeadersInit = {}): Response {
  const all = new Headers({ ...CORS, "content-type": "application/json; charset=utf-8" });
  for (const [name, value] of new Headers(headers)) all.set(name, value);
  return new Response(body, { status, headers: all });
}

export function preflight(request: Request): Response {
  return new Response(null, {
    status: 200,
    headers: {
      ...CORS,
      "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT",
      "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "*",
      "access-control-max-age": "3600",
    },
  });
}

/** The bearer token of a request, or undefined where there is none. */
export function bearer(request: Request): string | undefined {
  const value = request.headers.get("authorization");
  const match = value === null ? null : /^Bearer\s+(.*)$/i.exec(value);
  return match?.[1]?.trim() || undefined;
}
