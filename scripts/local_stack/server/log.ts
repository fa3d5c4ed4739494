/** One JSON object a line on standard output, which the launcher keeps in a file. */
export type Level = "debug" | "info" | "warning" | "error";
export type Logger = (level: Level, event: string, fields?: Record<string, unknown>) => void;

const SECRETS: [RegExp, string][] = [
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, "[jwt]"],
  [/\bsb_(publishable|secret)_[\w-]+/g, "[apikey]"],
  [/\b(Bearer|Basic)\s+\S+/gi, "$1 [hidden]"],
  [/(postgres(?:ql)?:\/\/[^:/@\s]+:)[^@\s]+@/g, "$1[hidden]@"],
];

const encoder = new TextEncoder();

export function redact(text: string): string {
  return SECRETS.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), text);
}

export const log: Logger = (level, event, fields = {}) => {
  const line = JSON.stringify({ time: new Date().toISOString(), level, event, ...fields });
  Deno.stdout.writeSync(encoder.encode(redact(line) + "\n"));
};

/** What may be said of an error: its kind and where it arose. Its message can quote what a client sent. */
export function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: typeof error };
  const { code, routine } = error as Error & { code?: unknown; routine?: unknown };
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)).slice(0, 8);
  return { error: error.name, code, routine, at: frames.map((frame) => frame.trim()) };
}

/** Libraries print errors with everything they hold: keep the kind and the place, drop the rest. */
export function captureConsole(): void {
  const capture = (level: Level) => (...values: unknown[]) => {
    const error = values.find((value) => value instanceof Error);
    log(level, "library", error ? describe(error) : { values: values.length });
  };
  Object.assign(console, {
    debug: capture("debug"),
    log: capture("info"),
    info: capture("info"),
    warn: capture("warning"),
    error: capture("error"),
  });
}
