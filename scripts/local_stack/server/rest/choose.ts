/** Which overload a call means, or PostgREST's answer when none or several fit. */
import { type Catalog, type DatabaseFunction, key } from "./catalog.ts";
import { failure } from "./errors.ts";

function fits(candidate: DatabaseFunction, given: Set<string>): boolean {
  const names = new Set(candidate.arguments.map((argument) => argument.name));
  for (const name of given) if (!names.has(name)) return false;
  return candidate.arguments.every((argument) => !argument.required || given.has(argument.name));
}

function distance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const changed = previous[column - 1]! + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(changed, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[other.length]!;
}

function nearest(wanted: string, names: Iterable<string>): string | null {
  let best: string | null = null, least = Math.max(2, Math.floor(wanted.length / 2)) + 1;
  for (const name of names) {
    const difference = distance(wanted, name);
    if (difference < least) [best, least] = [name, difference];
  }
  return best;
}

function hint(
  catalog: Catalog,
  schema: string,
  name: string,
  overloads: DatabaseFunction[],
  given: string[],
) {
  if (overloads.length > 0) {
    const lists = overloads.map((overload) => overload.arguments.map((argument) => argument.name).join(", "));
    const best = nearest(given.join(", "), lists) ?? (lists.length === 1 ? lists[0]! : null);
    return best === null ? null : `Perhaps you meant to call the function ${schema}.${name}(${best})`;
  }
  const prefix = `${schema}.`;
  const names = [...catalog.functions.keys()].filter((at) => at.startsWith(prefix)).map((at) =>
    at.slice(prefix.length)
  );
  const best = nearest(name, names);
  return best === null ? null : `Perhaps you meant to call the function ${schema}.${best}`;
}

function missing(
  catalog: Catalog,
  schema: string,
  name: string,
  overloads: DatabaseFunction[],
  given: string[],
) {
  const at = key(schema, name);
  const list = given.join(", ");
  const message = given.length ? `${at}(${list})` : `${at} without parameters`;
  const searched = given.length
    ? ` with parameter${given.length === 1 ? "" : "s"} ${list}`
    : " without parameters";
  return failure(
    404,
    "PGRST202",
    `Could not find the function ${message} in the schema cache`,
    `Searched for the function ${at}${searched} or with a single unnamed json/jsonb parameter, ` +
      "but no matches were found in the schema cache.",
    hint(catalog, schema, name, overloads, given),
  );
}

function ambiguous(overloads: DatabaseFunction[]): Response {
  const list = overloads.map((overload) => {
    const parameters = overload.arguments.map((argument) => `${argument.name} => ${argument.type}`).join(
      ", ",
    );
    return `${overload.schema}.${overload.name}(${parameters})`;
  });
  return failure(
    300,
    "PGRST203",
    `Could not choose the best candidate function between: ${list.join(", ")}`,
    null,
    "Try renaming the parameters or the function itself in the database so function overloading can be resolved",
  );
}

export function choose(
  catalog: Catalog,
  schema: string,
  name: string,
  given: string[],
): DatabaseFunction | Response {
  const overloads = catalog.functions.get(key(schema, name)) ?? [];
  const names = new Set(given);
  const named = overloads.filter((overload) => overload.bodyType === null && fits(overload, names));
  if (named.length === 1) return named[0]!;
  if (named.length > 1) return ambiguous(named);
  const whole = overloads.filter((overload) => overload.bodyType !== null);
  if (whole.length === 1) return whole[0]!;
  return whole.length > 1 ? ambiguous(whole) : missing(catalog, schema, name, overloads, [...names].sort());
}
