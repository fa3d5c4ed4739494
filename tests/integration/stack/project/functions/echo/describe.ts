export const EDITION = "first";

export async function describe(request: Request): Promise<Record<string, unknown>> {
  const names = [
    "SUPABASE_URL",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_ROLE_KEY",
    "SUPABASE_DB_URL",
    "GIVEN",
  ];
  return {
    edition: EDITION,
    method: request.method,
    path: new URL(request.url).pathname,
    search: new URL(request.url).search,
    forwarded: request.headers.get("x-forwarded-for"),
    body: await request.text(),
    set: Object.fromEntries(names.map((name) => [name, Deno.env.get(name) ?? null])),
    settings: Deno.env.get("LOCAL_STACK_SETTINGS") ?? null,
  };
}
