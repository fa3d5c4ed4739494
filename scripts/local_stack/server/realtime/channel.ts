/** One joined topic of one socket. */
import type { Permission } from "./authorize.ts";
import { type Claims, TokenRefused } from "./claims.ts";
import type { ClientFrame } from "./codec.ts";
import { describeError } from "./errors.ts";
import { type Binding, bindingId } from "./filters.ts";
import { Fanout, type Listener, roomOf } from "./hub.ts";
import { DATABASE_UNAVAILABLE, type JoinRequest } from "./join.ts";
import { isObject, type JsonObject, stringAt } from "./json.ts";
import type { ChangeListener } from "./changes.ts";
import type { PresenceMember } from "./presence.ts";
import type { Services } from "./services.ts";
import { ChangeSubscription } from "./change_subscription.ts";
import type { Outlet } from "./outlet.ts";

const MAX_TIMER_MS = 2 ** 31 - 1;

export class Channel implements Listener, ChangeListener, PresenceMember {
  readonly topic: string;
  readonly room: string;
  readonly presenceKey: string;
  readonly #changes: ChangeSubscription;
  #claims: Claims;
  #token: string;
  #read: Permission;
  /** Asked for at the first message and forgotten with the token. */
  #write: Promise<Permission> | undefined;
  #presenceEnabled: boolean;
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #open = false;

  /** @param onEnd called once, when the channel is over for whatever reason. */
  constructor(
    private readonly services: Services,
    private readonly outlet: Outlet,
    private readonly join: JoinRequest,
    private readonly onEnd: () => void,
  ) {
    this.topic = join.topic;
    this.room = roomOf(join.name, join.isPrivate);
    this.presenceKey = join.presenceKey;
    this.#claims = join.claims;
    this.#token = join.token;
    this.#read = join.read;
    this.#presenceEnabled = join.presenceEnabled;
    this.#changes = new ChangeSubscription(services, this, join.bindings, this.#system.bind(this));
  }

  get bindings(): Binding[] {
    return this.#changes.bindings;
  }

  get claims(): Claims {
    return this.#claims;
  }

  get isPrivate(): boolean {
    return this.join.isPrivate;
  }

  get hasChanges(): boolean {
    return this.join.bindings.length > 0;
  }

  /** The answer to the join: each binding as it was sent, with its id. */
  get joined(): JsonObject {
    return {
      postgres_changes: this.join.bindings.map((binding) => ({ id: bindingId(binding), ...binding })),
    };
  }

  /** Starts delivery; to be called once the join is answered. */
  open(): void {
    this.#open = true;
    this.services.hub.enter(this.room, this);
    this.#armExpiry();
    if (this.#presenceEnabled) this.#sendPresenceState();
    if (this.hasChanges) this.#changes.start();
    if (this.join.replicationReady) void this.#tellReplicationReady();
  }

  /** Ends delivery without a word. */
  detach(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#expiry);
    this.#changes.stop();
    this.services.hub.leave(this.room, this);
    this.services.presence.untrack(this);
    this.onEnd();
  }

  sendClose(): void {
    this.#push("phx_close", "{}", this.join.joinRef);
  }

  /** Ends the channel for good, with the reason. */
  shutDown(message: string): void {
    if (!this.#open) return;
    this.#system("system", "error", message);
    this.detach();
    this.sendClose();
  }

  /** Ends the channel so that the client joins again: what happens meanwhile is lost to it. */
  crash(extension: "system" | "postgres_changes", message: string): void {
    if (!this.#open) return;
    this.#system(extension, "error", message);
    this.detach();
    this.#push("phx_error", "{}", this.join.joinRef);
  }

  receive(message: Fanout): void {
    if (!this.#read[message.kind]) return;
    const data = message.for(this.outlet.version);
    if (data !== null) this.outlet.send(data);
  }

  receiveChange(payload: string): void {
    // The change was under way when the channel ended.
    if (!this.#open) return;
    this.outlet.sendFrame({
      joinRef: null,
      ref: null,
      topic: this.topic,
      event: "postgres_changes",
      payload,
    });
  }

  async handle(frame: ClientFrame): Promise<void> {
    switch (frame.event) {
      case "phx_leave":
        this.detach();
        this.outlet.reply(frame, "ok", {});
        this.sendClose();
        break;
      case "access_token":
        await this.#refresh(stringAt(frame.payload, "access_token"));
        break;
      case "broadcast":
        await this.#broadcast(frame);
        break;
      case "presence":
        await this.#presence(frame);
        break;
      default:
        this.services.log("debug", "realtime_unknown_event", { event: frame.event.slice(0, 40) });
    }
  }

  async #broadcast(frame: ClientFrame): Promise<void> {
    // Not permitted is not answered either, as on the real service.
    if (this.isPrivate && !(await this.#permissionToWrite()).broadcast) return;
    if (!this.#open) return;
    const message = frame.userBroadcast
      ? Fanout.userBroadcast(this.topic, frame.userBroadcast)
      : Fanout.frame("broadcast", {
        joinRef: null,
        ref: null,
        topic: this.topic,
        event: "broadcast",
        payload: JSON.stringify(frame.payload),
      });
    this.services.hub.publish(this.room, message, this.join.selfBroadcast ? undefined : this);
    if (this.join.ackBroadcast) this.outlet.reply(frame, "ok", {});
  }

  async #presence(frame: ClientFrame): Promise<void> {
    const event = stringAt(frame.payload, "event")?.toLowerCase();
    const payload = frame.payload.payload ?? {};
    if ((event !== "track" && event !== "untrack") || !isObject(payload)) {
      return this.outlet.reply(frame, "error", { reason: "Presence track payload must be a map" });
    }
    if (this.isPrivate && !(await this.#permissionToWrite()).presence) {
      return this.outlet.reply(frame, "error", {});
    }
    if (!this.#open) return;
    this.outlet.reply(frame, "ok", {});
    if (event === "untrack") return this.services.presence.untrack(this);
    if (!this.#presenceEnabled) {
      this.#presenceEnabled = true;
      this.#sendPresenceState();
    }
    this.services.presence.track(this, payload);
  }

  async #permissionToWrite(): Promise<Permission> {
    const asked = this.#write ??= this.services.authorizer.write(this.join.name, this.#claims);
    try {
      return await asked;
    } catch (error) {
      this.#write = undefined;
      this.services.log("warning", "realtime_authorization_failed", describeError(error));
      return { broadcast: false, presence: false };
    }
  }

  async #refresh(token: string | undefined): Promise<void> {
    if (!token || token.startsWith("sb_") || token === this.#token) return;
    const { name } = this.join;
    try {
      const claims = await this.services.tokens.verify(token);
      const read = this.isPrivate ? await this.services.authorizer.read(name, claims) : this.#read;
      if (!read.broadcast && !read.presence) {
        return this.shutDown(`You do not have permissions to read from this Channel topic: ${name}`);
      }
      if ((this.#read.broadcast && !read.broadcast) || (this.#read.presence && !read.presence)) {
        return this.shutDown(`You no longer have permission to read from this Channel topic: ${name}`);
      }
      this.#token = token;
      this.#claims = claims;
      this.#read = read;
      this.#write = undefined;
    } catch (error) {
      if (error instanceof TokenRefused) return this.shutDown(error.message);
      this.services.log("warning", "realtime_authorization_failed", describeError(error));
      return this.crash("system", DATABASE_UNAVAILABLE);
    }
    if (!this.#open) return;
    this.#armExpiry();
    if (this.hasChanges) this.#changes.start();
  }

  #armExpiry(): void {
    clearTimeout(this.#expiry);
    const { exp } = this.#claims;
    if (typeof exp !== "number") return;
    const remaining = Math.max(0, exp * 1000 - Date.now());
    this.#expiry = setTimeout(() => {
      if (remaining > MAX_TIMER_MS) return this.#armExpiry();
      const overdue = Math.max(0, Math.floor(Date.now() / 1000) - exp);
      this.shutDown(`Token has expired ${overdue} seconds ago`);
    }, Math.min(remaining, MAX_TIMER_MS));
  }

  async #tellReplicationReady(): Promise<void> {
    await this.services.messages.whenLive();
    if (this.#open) this.#system("system", "ok", "Replication connection established");
  }

  #sendPresenceState(): void {
    if (!this.#read.presence) return;
    this.#push("presence_state", JSON.stringify(this.services.presence.state(this.room)));
  }

  #system(extension: "system" | "postgres_changes", status: "ok" | "error", message: string): void {
    this.#push("system", JSON.stringify({ channel: this.join.name, extension, message, status }));
  }

  #push(event: string, payload: string, ref: string | null = null): void {
    this.outlet.sendFrame({ joinRef: this.join.joinRef, ref, topic: this.topic, event, payload });
  }
}
