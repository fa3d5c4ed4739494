/** Messages between the server and the worker that runs one edge function. */
export interface Start {
  kind: "start";
  entrypoint: string;
}

export interface Call {
  kind: "call";
  id: number;
  method: string;
  url: string;
  headers: [string, string][];
  body: Uint8Array<ArrayBuffer> | null;
}

/** `more` asks for one more chunk of an answer, so that a slow client slows the function; `stop` ends it. */
export interface Flow {
  kind: "more" | "stop";
  id: number;
}

/** Chunks that may be under way before the first `more`. */
export const FIRST_CHUNKS = 4;

export type ToWorker = Start | Call | Flow;

export type FromWorker =
  | { kind: "ready" }
  | { kind: "boot_error"; reason: string }
  | { kind: "head"; id: number; status: number; headers: [string, string][]; hasBody: boolean }
  | { kind: "chunk"; id: number; bytes: Uint8Array<ArrayBuffer> }
  | { kind: "end"; id: number; failed: boolean }
  | { kind: "log"; level: "debug" | "info" | "warning" | "error"; message: string };
