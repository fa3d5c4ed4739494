import type { ClientFrame, ServerFrame, Version } from "./codec.ts";
import type { JsonObject } from "./json.ts";

/** The way out of a socket. Nothing here throws or waits; a socket that is gone swallows what it is given. */
export interface Outlet {
  readonly version: Version;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  sendFrame(frame: ServerFrame): void;
  reply(to: ClientFrame, status: "ok" | "error", response: JsonObject): void;
}
