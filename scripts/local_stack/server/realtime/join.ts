/** What a join asks for and whether it may have it. Reasons of refusals as in Realtime v2.122.0. */
import { MissingPartition, type Permission } from "./authorize.ts";
import { type Claims, TokenRefused } from "./claims.ts";
import type { ClientFrame } from "./codec.ts";
import { describeError } from "./errors.ts";
import { isObject, type JsonObject, objectAt, stringAt } from "./json.ts";
import type { Services } from "./services.ts";

/** A refused join; the message is the reason told to the client. */
export class JoinRefused extends Error {}

export interface JoinRequest {
  joinRef: string | null;
  /** As in frames, `realtime:name`. */
  topic: string;
  name: string;
  token: string;
  claims: Claims;
  isPrivate: boolean;
  /** What a private channel may receive. */
  read: Permission;
  ackBroadcast: boolean;
  selfBroadcast: boolean;
  replicationReady: boolean;
  presenceEnabled: boolean;
  presenceKey: string;
  /** The bindings of postgres_changes as the client wrote them. */
  bindings: JsonObject[];
}

export const TOPIC_PREFIX = "realtime:";
export const DATABASE_UNAVAILABLE = "Realtime was unable to connect to the project database";

/** @throws JoinRefused */
export async function readJoin(services: Services, frame: ClientFrame, apiKey: string): Promise<JoinRequest> {
  const name = frame.topic.slice(TOPIC_PREFIX.length);
  if (name === "") throw new JoinRefused("TopicNameRequired: You must provide a topic name");
  const token = tokenOf(frame.payload) ?? apiKey;
  const config = objectAt(frame.payload, "config");
  const broadcast = objectAt(config, "broadcast");
  const presence = objectAt(config, "presence");
  const bindings = Array.isArray(config.postgres_changes) ? config.postgres_changes : [];
  const claims = await verified(services, token);
  const isPrivate = config.private === true;
  return {
    joinRef: frame.joinRef,
    topic: frame.topic,
    name,
    token,
    claims,
    isPrivate,
    read: isPrivate ? await readPermission(services, name, claims) : { broadcast: true, presence: true },
    ackBroadcast: broadcast.ack === true,
    selfBroadcast: broadcast.self === true,
    replicationReady: broadcast.replication_ready === true,
    presenceEnabled: presence.enabled === true,
    presenceKey: stringAt(presence, "key") || crypto.randomUUID(),
    bindings: bindings.filter(isObject),
  };
}

/** A new-style API key in place of a token means the key the socket was opened with. */
function tokenOf(payload: JsonObject): string | undefined {
  const token = stringAt(payload, "user_token") ?? stringAt(payload, "access_token");
  return token?.startsWith("sb_") ? undefined : token;
}

async function verified(services: Services, token: string): Promise<Claims> {
  try {
    return await services.tokens.verify(token);
  } catch (error) {
    if (error instanceof TokenRefused) throw new JoinRefused(`${error.code}: ${error.message}`);
    throw error;
  }
}

async function readPermission(services: Services, name: string, claims: Claims): Promise<Permission> {
  const { messages, authorizer, limits, log } = services;
  await withinMs(messages.whenLive(), limits.streamWaitMs);
  let read: Permission;
  try {
    read = await authorizer.read(name, claims);
  } catch (error) {
    if (error instanceof MissingPartition) {
      throw new JoinRefused("MissingPartition: Realtime was unable to find the expected messages partition");
    }
    log("warning", "realtime_authorization_failed", describeError(error));
    throw new JoinRefused(`UnableToConnectToProject: ${DATABASE_UNAVAILABLE}`);
  }
  if (!read.broadcast && !read.presence) {
    throw new JoinRefused(
      `Unauthorized: You do not have permissions to read from this Channel topic: ${name}`,
    );
  }
  // Whoever is told that he joined must not miss what is sent from now on.
  if (!messages.isLive) throw new JoinRefused(`UnableToConnectToProject: ${DATABASE_UNAVAILABLE}`);
  return read;
}

async function withinMs(event: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([event, timeout]);
  clearTimeout(timer);
}
