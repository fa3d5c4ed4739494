/** Rooms: who listens to which topic. A private room and a public room of one name are different rooms. */
import {
  encodeFrame,
  encodeUserBroadcast,
  type ServerFrame,
  type UserBroadcast,
  type Version,
} from "./codec.ts";

/** One message for many sockets, rendered at most once per protocol version. */
export class Fanout {
  readonly #rendered = new Map<Version, string | Uint8Array<ArrayBuffer> | null>();

  constructor(
    readonly kind: "broadcast" | "presence",
    private readonly render: (version: Version) => string | Uint8Array<ArrayBuffer> | null,
  ) {}

  static frame(kind: "broadcast" | "presence", frame: ServerFrame): Fanout {
    return new Fanout(kind, (version) => encodeFrame(version, frame));
  }

  static userBroadcast(topic: string, broadcast: UserBroadcast): Fanout {
    return new Fanout("broadcast", (version) => encodeUserBroadcast(version, topic, broadcast));
  }

  for(version: Version): string | Uint8Array<ArrayBuffer> | null {
    let data = this.#rendered.get(version);
    if (data === undefined) this.#rendered.set(version, data = this.render(version));
    return data;
  }
}

export interface Listener {
  receive(message: Fanout): void;
}

export function roomOf(topic: string, isPrivate: boolean): string {
  return `${isPrivate ? "private" : "public"}:${topic}`;
}

export class Hub {
  readonly #rooms = new Map<string, Set<Listener>>();

  enter(room: string, listener: Listener): void {
    const listeners = this.#rooms.get(room);
    if (listeners) listeners.add(listener);
    else this.#rooms.set(room, new Set([listener]));
  }

  leave(room: string, listener: Listener): void {
    const listeners = this.#rooms.get(room);
    if (listeners?.delete(listener) && listeners.size === 0) this.#rooms.delete(room);
  }

  publish(room: string, message: Fanout, except?: Listener): void {
    // A receiver may leave while receiving (its socket is dropped), hence the copy.
    for (const listener of [...this.#rooms.get(room) ?? []]) {
      if (listener !== except) listener.receive(message);
    }
  }
}
