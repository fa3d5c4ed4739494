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

export type ToWorker = Start | Call;

export type FromWorker =
  | { kind: "ready" }
  | { kind: "boot_error"; reason: string }
  | { kind: "head"; id: number; status: number; headers: [string, string][]; hasBody: boolean }
  | { kind: "chunk"; id: number; bytes: Uint8Array<ArrayBuffer> }
  | { kind: "end"; id: number; failed: boolean }
  | { kind: "log"; level: "debug" | "info" | "warning" | "error"; message: string };
