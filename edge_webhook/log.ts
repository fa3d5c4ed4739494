export type Level = "info" | "warn" | "error";
export type LogFields = Record<string, string | number | readonly string[] | undefined>;

/** Receives names and outcomes only: never a token, a body, an address or an error's message. */
export type Log = (level: Level, event: string, fields: LogFields) => void;

/** Write one JSON line; fields that are undefined are left out. */
export const logToConsole: Log = (level, event, fields) => {
  console[level](JSON.stringify({ level, event, ...fields }));
};
