/**
 * Phoenix channel frames, protocol 1.0.0 (JSON objects) and 2.0.0 (JSON arrays, plus binary user broadcasts:
 * kind 3 from the client, kind 4 to it). Layouts as in Supabase Realtime v2.122.0.
 */
import { isObject, type Json, type JsonObject } from "./json.ts";

export type Version = 1 | 2;

/** A broadcast whose payload the server carries as bytes, never looking inside. */
export interface UserBroadcast {
  event: string;
  encoding: "json" | "binary";
  bytes: Uint8Array<ArrayBuffer>;
}

export interface ClientFrame {
  joinRef: string | null;
  ref: string | null;
  topic: string;
  event: string;
  payload: JsonObject;
  userBroadcast?: UserBroadcast;
}

export interface ServerFrame {
  joinRef: string | null;
  ref: string | null;
  topic: string;
  event: string;
  /** JSON text, so that one rendering serves every socket and numbers keep every digit Postgres wrote. */
  payload: string;
}

export class MalformedFrame extends Error {}

const USER_BROADCAST_PUSH = 3;
const USER_BROADCAST = 4;
const PUSH_HEADER_BYTES = 7;
const MAX_FIELD_BYTES = 255;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function versionOf(vsn: string | null): Version {
  return vsn?.startsWith("2") ? 2 : 1;
}

/** @throws MalformedFrame for anything that is not a frame of that version. */
export function decodeFrame(version: Version, data: string | ArrayBuffer): ClientFrame {
  if (typeof data !== "string") return decodePush(new Uint8Array(data));
  let parsed: Json;
  try {
    parsed = JSON.parse(data);
  } catch {
    throw new MalformedFrame("not JSON");
  }
  if (version === 2) {
    if (!Array.isArray(parsed) || parsed.length < 5) throw new MalformedFrame("not an array of five");
    const [joinRef, ref, topic, event, payload] = parsed;
    return checked({ joinRef, ref, topic, event, payload });
  }
  if (!isObject(parsed)) throw new MalformedFrame("not an object");
  const { join_ref, ref, topic, event, payload } = parsed;
  return checked({ joinRef: join_ref, ref, topic, event, payload });
}

export function encodeFrame(version: Version, frame: ServerFrame): string {
  const { joinRef, ref, topic, event, payload } = frame;
  return version === 2
    ? `[${JSON.stringify(joinRef)},${JSON.stringify(ref)},${JSON.stringify(topic)},${
      JSON.stringify(event)
    },${payload}]`
    : `{"event":${JSON.stringify(event)},"payload":${payload},"ref":${JSON.stringify(ref)},"topic":${
      JSON.stringify(topic)
    }}`;
}

/**
 * A user broadcast for one protocol version; null when that version cannot carry it (bytes in 1.0.0, or a
 * topic or event too long for its one-byte length).
 */
export function encodeUserBroadcast(
  version: Version,
  topic: string,
  { event, encoding, bytes }: UserBroadcast,
): string | Uint8Array<ArrayBuffer> | null {
  if (version === 1) {
    if (encoding === "binary") return null;
    const payload = `{"event":${JSON.stringify(event)},"payload":${
      decoder.decode(bytes)
    },"type":"broadcast"}`;
    return encodeFrame(1, { joinRef: null, ref: null, topic, event: "broadcast", payload });
  }
  const topicBytes = encoder.encode(topic);
  const eventBytes = encoder.encode(event);
  if (topicBytes.length > MAX_FIELD_BYTES || eventBytes.length > MAX_FIELD_BYTES) return null;
  const header = [USER_BROADCAST, topicBytes.length, eventBytes.length, 0, encoding === "json" ? 1 : 0];
  const out = new Uint8Array(header.length + topicBytes.length + eventBytes.length + bytes.length);
  out.set(header, 0);
  out.set(topicBytes, header.length);
  out.set(eventBytes, header.length + topicBytes.length);
  out.set(bytes, header.length + topicBytes.length + eventBytes.length);
  return out;
}

function checked(
  raw: Record<"joinRef" | "ref" | "topic" | "event" | "payload", Json | undefined>,
): ClientFrame {
  if (typeof raw.topic !== "string" || typeof raw.event !== "string") {
    throw new MalformedFrame("no topic or event");
  }
  return {
    joinRef: refOf(raw.joinRef),
    ref: refOf(raw.ref),
    topic: raw.topic,
    event: raw.event,
    payload: isObject(raw.payload) ? raw.payload : {},
  };
}

function refOf(value: Json | undefined): string | null {
  return typeof value === "string" || typeof value === "number" ? String(value) : null;
}

function decodePush(bytes: Uint8Array<ArrayBuffer>): ClientFrame {
  if (bytes[0] !== USER_BROADCAST_PUSH || bytes.length < PUSH_HEADER_BYTES) {
    throw new MalformedFrame("unknown kind of binary frame");
  }
  const sizes = [...bytes.subarray(1, PUSH_HEADER_BYTES - 1)];
  const payloadAt = PUSH_HEADER_BYTES + sizes.reduce((sum, size) => sum + size, 0);
  if (bytes.length < payloadAt) throw new MalformedFrame("binary frame cut short");
  let at = PUSH_HEADER_BYTES;
  const [joinRef, ref, topic = "", event = ""] = sizes.map((size) => text(bytes.subarray(at, at += size)));
  const userBroadcast: UserBroadcast = {
    event,
    encoding: bytes[PUSH_HEADER_BYTES - 1] === 1 ? "json" : "binary",
    bytes: bytes.slice(payloadAt),
  };
  if (userBroadcast.encoding === "json") assertJson(userBroadcast.bytes);
  return {
    joinRef: joinRef || null,
    ref: ref || null,
    topic,
    event: "broadcast",
    payload: {},
    userBroadcast,
  };
}

// A receiver of protocol 1.0.0 gets these bytes spliced into its frame, so they have to be JSON.
function assertJson(bytes: Uint8Array): void {
  try {
    JSON.parse(decoder.decode(bytes));
  } catch {
    throw new MalformedFrame("payload is not JSON");
  }
}

function text(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new MalformedFrame("not UTF-8");
  }
}
