/** A JSON value as it comes from or goes to the wire. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object under `key`, or an empty one: clients may leave out any part of their configuration. */
export function objectAt(value: JsonObject, key: string): JsonObject {
  const inner = value[key];
  return isObject(inner) ? inner : {};
}

/** The string under `key`, or undefined for anything else. */
export function stringAt(value: JsonObject, key: string): string | undefined {
  const inner = value[key];
  return typeof inner === "string" ? inner : undefined;
}
