/** One WebSocket: frames in, handled one after another; frames out, with a limit on what may wait. */
import { Channel } from "./channel.ts";
import {
  type ClientFrame,
  decodeFrame,
  encodeFrame,
  MalformedFrame,
  type ServerFrame,
  type Version,
} from "./codec.ts";
import { describeError } from "./errors.ts";
import { JoinRefused, type JoinRequest, readJoin, TOPIC_PREFIX } from "./join.ts";
import type { JsonObject } from "./json.ts";
import type { Outlet } from "./outlet.ts";
import type { Services } from "./services.ts";

/** The part of a WebSocket that a connection uses. */
export type Wire = Pick<WebSocket, "readyState" | "bufferedAmount" | "send" | "close">;

// Clients take 1000 and 1001 for a wish to be left alone; these make them connect again.
export const CLOSE_STOPPED = 4000;
export const CLOSE_IDLE = 4001;
export const CLOSE_OVERLOADED = 4002;
const UNMATCHED_TOPIC: JsonObject = { reason: "unmatched topic" };

export class Connection implements Outlet {
  readonly #channels = new Map<string, Channel>();
  readonly #waiting: (string | ArrayBuffer)[] = [];
  #busy = false;
  #closed = false;
  #lastHeard = performance.now();

  constructor(
    private readonly wire: Wire,
    readonly version: Version,
    private readonly apiKey: string,
    private readonly services: Services,
    private readonly onEnd: () => void,
  ) {}

  get channels(): Channel[] {
    return [...this.#channels.values()];
  }

  /** Milliseconds since the client was last heard. */
  get silentMs(): number {
    return performance.now() - this.#lastHeard;
  }

  receive(data: string | ArrayBuffer): void {
    this.#lastHeard = performance.now();
    if (this.#closed) return;
    if (this.#waiting.length >= this.services.limits.maxWaitingFrames) {
      return this.drop(CLOSE_OVERLOADED, "too many frames waiting");
    }
    this.#waiting.push(data);
    if (!this.#busy) void this.#drain();
  }

  /** Ends the connection; the client is told the code if it still listens. */
  drop(code: number, reason: string): void {
    if (this.#closed) return;
    this.services.log("info", "realtime_socket_dropped", { code, reason });
    this.ended();
    try {
      this.wire.close(code, reason);
    } catch (error) {
      this.services.log("debug", "realtime_socket_close_failed", describeError(error));
    }
  }

  /** The socket is gone. */
  ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting.length = 0;
    for (const channel of this.channels) channel.detach();
    this.onEnd();
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.#closed || this.wire.readyState !== WebSocket.OPEN) return;
    if (this.wire.bufferedAmount > this.services.limits.maxBufferedBytes) {
      return this.drop(CLOSE_OVERLOADED, "client reads too slowly");
    }
    this.wire.send(data);
  }

  sendFrame(frame: ServerFrame): void {
    this.send(encodeFrame(this.version, frame));
  }

  reply({ joinRef, ref, topic }: ClientFrame, status: "ok" | "error", response: JsonObject): void {
    const payload = JSON.stringify({ response, status });
    this.sendFrame({ joinRef, ref, topic, event: "phx_reply", payload });
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    for (let data = this.#waiting.shift(); data !== undefined; data = this.#waiting.shift()) {
      try {
        await this.#handle(decodeFrame(this.version, data));
      } catch (error) {
        const event = error instanceof MalformedFrame ? "realtime_malformed_frame" : "realtime_frame_failed";
        this.services.log("warning", event, describeError(error));
      }
    }
    this.#busy = false;
  }

  async #handle(frame: ClientFrame): Promise<void> {
    if (frame.topic === "phoenix") {
      if (frame.event === "heartbeat") this.reply(frame, "ok", {});
      return;
    }
    if (frame.event === "phx_join") return await this.#join(frame);
    const channel = this.#channels.get(frame.topic);
    if (channel) await channel.handle(frame);
    else if (frame.event === "phx_leave") this.reply(frame, "ok", {});
    else this.reply(frame, "error", UNMATCHED_TOPIC);
  }

  async #join(frame: ClientFrame): Promise<void> {
    if (!frame.topic.startsWith(TOPIC_PREFIX)) return this.reply(frame, "error", UNMATCHED_TOPIC);
    const previous = this.#channels.get(frame.topic);
    previous?.detach();
    const request = await this.#admit(frame);
    if (this.#closed) return;
    if (!request) return previous?.sendClose();
    const channel: Channel = new Channel(this.services, this, request, () => {
      if (this.#channels.get(frame.topic) === channel) this.#channels.delete(frame.topic);
    });
    this.#channels.set(frame.topic, channel);
    this.reply(frame, "ok", channel.joined);
    previous?.sendClose();
    channel.open();
  }

  async #admit(frame: ClientFrame): Promise<JoinRequest | undefined> {
    try {
      return await readJoin(this.services, frame, this.apiKey);
    } catch (error) {
      if (!(error instanceof JoinRefused)) throw error;
      this.services.log("info", "realtime_join_refused", { reason: error.message.split(":", 1)[0] });
      await new Promise((resolve) => setTimeout(resolve, this.services.limits.joinErrorDelayMs));
      this.reply(frame, "error", { reason: error.message });
      return undefined;
    }
  }
}
