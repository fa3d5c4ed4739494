import type { Logger } from "../log.ts";
import type { Authorizer } from "./authorize.ts";
import type { ChangeFeed } from "./changes.ts";
import type { TokenVerifier } from "./claims.ts";
import type { Hub } from "./hub.ts";
import type { Presence } from "./presence.ts";
import type { ReplicationStream } from "./replication.ts";
import type { SubscriptionCheck } from "./subscribe_check.ts";

export interface Limits {
  /** Wait before a refused join is answered. The real service waits 5,000 ms; locally that only costs time. */
  joinErrorDelayMs: number;
  /** A socket that says nothing for so long is dropped. */
  idleMs: number;
  /** A socket that lets so many bytes wait is dropped. */
  maxBufferedBytes: number;
  /** A socket that has so many frames waiting to be handled is dropped. */
  maxWaitingFrames: number;
  /** How long a private join waits for the replication stream before it is refused. */
  streamWaitMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  joinErrorDelayMs: 100,
  idleMs: 60_000,
  maxBufferedBytes: 8 * 1024 * 1024,
  maxWaitingFrames: 1_000,
  streamWaitMs: 2_000,
};

/** What connections and channels share. */
export interface Services {
  limits: Limits;
  hub: Hub;
  presence: Presence;
  feed: ChangeFeed;
  check: SubscriptionCheck;
  authorizer: Authorizer;
  tokens: TokenVerifier;
  /** Stream of realtime.messages, apart from that of postgres_changes so that it never waits behind it. */
  messages: ReplicationStream;
  changes: ReplicationStream;
  log: Logger;
}
