/** What may be said about an error: its name and code. Messages of Postgres can hold row values. */
export function describeError(error: unknown): { error: string; code?: string } {
  if (!(error instanceof Error)) return { error: typeof error };
  const code = codeOf(error);
  return code === undefined ? { error: error.name } : { error: error.name, code };
}

/** SQLSTATE of a Postgres error, or the driver's code of a connection error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Whether an error is about what was asked: classes 08, 53, 57 and 58 are about connection and server. */
export function concernsRequest(code: string | undefined): boolean {
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^(08|53|57|58)/.test(code);
}
