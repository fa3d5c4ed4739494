/** Supabase Realtime for the local stack: broadcast, presence, postgres_changes, private channels. */
import postgres from "postgres";
import type { Logger } from "../log.ts";
import { Authorizer } from "./authorize.ts";
import { ChangeFeed } from "./changes.ts";
import type { Channel } from "./channel.ts";
import { type Claims, TokenRefused, TokenVerifier } from "./claims.ts";
import { versionOf } from "./codec.ts";
import { describeError } from "./errors.ts";
import { BROADCAST_PATH, broadcastOverHttp } from "./http_broadcast.ts";
import { Hub } from "./hub.ts";
import { MESSAGES_PUBLICATION, publishMessage } from "./messages.ts";
import { Partitions } from "./partitions.ts";
import { Presence } from "./presence.ts";
import { ReplicationStream } from "./replication.ts";
import { DEFAULT_LIMITS, type Limits, type Services } from "./services.ts";
import { CLOSE_IDLE, CLOSE_STOPPED, Connection } from "./socket.ts";
import { CHANGES_PUBLICATION, SubscriptionCheck } from "./subscribe_check.ts";

export interface RealtimeOptions {
  /** A superuser's: the server takes the role of any subscriber, as the hosted one does. */
  databaseUrl: string;
  jwtSecret: string;
  publishableKey: string;
  secretKey: string;
  log: Logger;
  limits?: Partial<Limits>;
}

export interface Realtime {
  /** Resolves when both replication streams are live. */
  ready: Promise<void>;
  /** Answers `/realtime/v1/websocket` and `/realtime/v1/api/broadcast`. */
  handle(request: Request): Response | Promise<Response>;
  /** Drops every socket and refuses new ones with 503, until start(). */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

const SWEEP_MS = 5_000;
const RETRY_MS = 500;
const POOL_SIZE = 4;
const LOST = "The connection to the database was lost: events since then are not replayed";

export function createRealtime(options: RealtimeOptions): Realtime {
  return new Server(options);
}

class Server implements Realtime {
  readonly ready: Promise<void>;
  readonly #connections = new Set<Connection>();
  readonly #services: Services;
  readonly #pools: postgres.Sql[];
  readonly #partitions: Partitions;
  readonly #sweeper: ReturnType<typeof setInterval>;
  #running = true;
  #closed = false;

  constructor(private readonly options: RealtimeOptions) {
    const { databaseUrl, log } = options;
    // Row checks of postgres_changes may be slow; joins never wait for their connections.
    const control = pool(databaseUrl, "realtime");
    const rows = pool(databaseUrl, "realtime_changes");
    this.#pools = [control, rows];
    this.#partitions = new Partitions(control, log);
    const hub = new Hub();
    const feed = new ChangeFeed(rows, log);
    this.#services = {
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      hub,
      feed,
      presence: new Presence(hub),
      check: new SubscriptionCheck(control),
      authorizer: new Authorizer(control),
      tokens: new TokenVerifier(options),
      messages: new ReplicationStream({
        databaseUrl,
        publication: MESSAGES_PUBLICATION,
        onChange: (change) => publishMessage(change, hub, log),
        onLost: () => this.#crash("system", (channel) => channel.isPrivate),
        log,
      }),
      changes: new ReplicationStream({
        databaseUrl,
        publication: CHANGES_PUBLICATION,
        onChange: (change) => feed.dispatch(change),
        onRelation: (relation) => feed.forget(relation),
        onLost: () => this.#crash("postgres_changes", (channel) => channel.hasChanges),
        log,
      }),
      log,
    };
    this.#sweeper = setInterval(() => this.#dropIdle(), Math.min(SWEEP_MS, this.#services.limits.idleMs / 4));
    this.ready = this.#open();
  }

  async handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const broadcasts = request.method === "POST" && url.pathname.startsWith(BROADCAST_PATH);
    if (!broadcasts && url.pathname !== "/realtime/v1/websocket") return refusal(404, "Not found");
    if (!broadcasts && request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return refusal(426, "WebSocket upgrade required");
    }
    const key = request.headers.get("x-api-key") ?? request.headers.get("apikey") ??
      url.searchParams.get("apikey") ?? "";
    const bearer = /^Bearer (?!sb_)(.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
    let claims: Claims;
    try {
      claims = await this.#services.tokens.verify(key);
      if (broadcasts && bearer) claims = await this.#services.tokens.verify(bearer);
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      return refusal(401, error.expired ? "Token has expired" : error.message);
    }
    if (!this.#running) return refusal(503, "Realtime is stopped");
    if (broadcasts) return await broadcastOverHttp(this.#services, request, claims);
    return this.#accept(request, key, url.searchParams.get("vsn"));
  }

  stop(): Promise<void> {
    this.#running = false;
    for (const connection of [...this.#connections]) connection.drop(CLOSE_STOPPED, "Realtime is stopped");
    return Promise.resolve();
  }

  start(): Promise<void> {
    this.#running = !this.#closed;
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#partitions.close();
    await this.stop();
    const { messages, changes } = this.#services;
    await Promise.all([messages.close(), changes.close()]);
    await Promise.all(this.#pools.map((sql) => sql.end({ timeout: 1 })));
  }

  async #open(): Promise<void> {
    const { messages, changes, log } = this.#services;
    messages.open();
    changes.open();
    while (!this.#closed) {
      try {
        await this.#partitions.open();
        break;
      } catch (error) {
        log("warning", "realtime_partitions_failed", describeError(error));
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    await Promise.all([messages.whenLive(), changes.whenLive()]);
    log("info", "realtime_ready");
  }

  #accept(request: Request, apiKey: string, vsn: string | null): Response {
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    socket.binaryType = "arraybuffer";
    const connection: Connection = new Connection(
      socket,
      versionOf(vsn),
      apiKey,
      this.#services,
      () => this.#connections.delete(connection),
    );
    this.#connections.add(connection);
    socket.onmessage = ({ data }) => connection.receive(data);
    socket.onclose = () => connection.ended();
    // Always followed by a close event.
    socket.onerror = () => {};
    return response;
  }

  #crash(extension: "system" | "postgres_changes", concerned: (channel: Channel) => boolean): void {
    for (const connection of this.#connections) {
      for (const channel of connection.channels.filter(concerned)) channel.crash(extension, LOST);
    }
  }

  #dropIdle(): void {
    for (const connection of [...this.#connections]) {
      if (connection.silentMs > this.#services.limits.idleMs) connection.drop(CLOSE_IDLE, "no heartbeat");
    }
  }
}

function pool(databaseUrl: string, name: string): postgres.Sql {
  return postgres(databaseUrl, {
    max: POOL_SIZE,
    fetch_types: false,
    connect_timeout: 5,
    backoff: () => 0.2,
    onnotice: () => {},
    connection: { application_name: name, TimeZone: "UTC" },
  });
}

function refusal(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
