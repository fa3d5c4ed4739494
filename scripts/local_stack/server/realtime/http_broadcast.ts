/**
 * Broadcast over HTTP: `POST /realtime/v1/api/broadcast` with `{messages: [{topic, event, payload, private}]}`
 * and `POST /realtime/v1/api/broadcast/<topic>/events/<event>?private=true` with the payload as the body.
 */
import type { Claims } from "./claims.ts";
import { Fanout, roomOf } from "./hub.ts";
import { isObject, type Json, stringAt } from "./json.ts";
import type { Services } from "./services.ts";

interface Message {
  topic: string;
  event: string;
  payload: Json;
  isPrivate: boolean;
}

export const BROADCAST_PATH = "/realtime/v1/api/broadcast";
const ONE = /^\/realtime\/v1\/api\/broadcast\/([^/]+)\/events\/([^/]+)$/;

/** 202 when every message is well-formed; a private one the sender may not send is left out, as upstream. */
export async function broadcastOverHttp(
  services: Services,
  request: Request,
  claims: Claims,
): Promise<Response> {
  const messages = messagesOf(new URL(request.url), await request.json().catch(() => undefined));
  if (!messages) {
    return Response.json({ error: "Messages need a topic, an event and a payload" }, { status: 422 });
  }
  for (const { topic, event, payload, isPrivate } of messages) {
    if (isPrivate && !(await services.authorizer.write(topic, claims)).broadcast) continue;
    const frame = {
      joinRef: null,
      ref: null,
      topic: `realtime:${topic}`,
      event: "broadcast",
      payload: JSON.stringify({ event, payload, type: "broadcast" }),
    };
    services.hub.publish(roomOf(topic, isPrivate), Fanout.frame("broadcast", frame));
  }
  return new Response(null, { status: 202 });
}

function messagesOf(url: URL, body: Json | undefined): Message[] | undefined {
  const one = ONE.exec(url.pathname);
  if (one && body !== undefined) {
    const [topic = "", event = ""] = one.slice(1).map(decodeURIComponent);
    return [{ topic, event, payload: body, isPrivate: url.searchParams.get("private") === "true" }];
  }
  if (url.pathname !== BROADCAST_PATH || !isObject(body) || !Array.isArray(body.messages)) return undefined;
  const messages = body.messages.map(messageOf);
  return messages.every((message) => message !== undefined) ? messages : undefined;
}

function messageOf(raw: Json): Message | undefined {
  if (!isObject(raw)) return undefined;
  const { payload } = raw;
  const [topic, event] = [stringAt(raw, "topic"), stringAt(raw, "event")];
  if (!topic || !event || payload === undefined || payload === null) return undefined;
  return { topic, event, payload, isPrivate: raw.private === true };
}
