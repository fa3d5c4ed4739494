/** How @supabase/lite's driver must read and write values, so that none changes on its way. */

// In the standard library of V8 but not yet in TypeScript's.
const raw = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

function parseExact(text: string): unknown {
  const revive = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && context?.source !== undefined && String(value) !== context.source
      ? raw(context.source)
      : value;
  return JSON.parse(text, revive);
}

/** Numbers that JavaScript cannot hold travel as their own text. */
function parseNumber(text: string): unknown {
  if (!/^-?\d/.test(text)) return text;
  const number = Number(text);
  return String(number) === text ? number : raw(text);
}

/** lite passes JSON already written in some places and values in others. */
function serializeJson(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  try {
    JSON.parse(value);
    return value;
  } catch {
    return JSON.stringify(value);
  }
}

const jsonType = (oid: number) => ({ to: oid, from: [oid], serialize: serializeJson, parse: parseExact });
const same = (value: unknown) => value;

export const EXACT_TYPES = {
  bigint: { to: 20, from: [20], serialize: String, parse: parseNumber },
  numeric: { to: 1700, from: [1700], serialize: String, parse: parseNumber },
  json: jsonType(114),
  jsonb: jsonType(3802),
  // RFC 3339, as PostgREST and GoTrue write it: the Python client refuses Postgres' own form.
  timestamptz: {
    to: 1184,
    from: [1184],
    serialize: same,
    parse: (text: string) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"),
  },
};

/** The repairs replace methods by name: a version of lite without them must not start. */
export function assertMethods(target: object, names: string[]): void {
  const missing = names.filter((name) => typeof (target as Record<string, unknown>)[name] !== "function");
  if (missing.length > 0) {
    throw new Error(`@supabase/lite has no ${missing.join(", ")}: the repairs do not fit it`);
  }
}
