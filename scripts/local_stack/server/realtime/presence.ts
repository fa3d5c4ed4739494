/** Who is present in which room. Differences go out at once (the real service gathers them for a moment). */
import { Fanout, type Hub, type Listener } from "./hub.ts";
import type { JsonObject } from "./json.ts";

interface Entry {
  key: string;
  meta: JsonObject;
}

export interface PresenceMember extends Listener {
  readonly room: string;
  readonly topic: string;
  readonly presenceKey: string;
}

export class Presence {
  readonly #rooms = new Map<string, Map<PresenceMember, Entry>>();

  constructor(private readonly hub: Hub) {}

  /** The payload of `presence_state`. */
  state(room: string): JsonObject {
    const entries = [...this.#rooms.get(room)?.values() ?? []];
    const byKey = Map.groupBy(entries, ({ key }) => key);
    // Keys come from clients: as entries, none of them can mean a property that every object has.
    return Object.fromEntries(
      [...byKey].map(([key, present]) => [key, { metas: present.map(({ meta }) => meta) }]),
    );
  }

  track(member: PresenceMember, payload: JsonObject): void {
    const members = this.#rooms.get(member.room) ?? new Map<PresenceMember, Entry>();
    this.#rooms.set(member.room, members);
    const left = members.get(member);
    const entry = { key: member.presenceKey, meta: { phx_ref: newReference(), ...payload } };
    members.set(member, entry);
    this.#announce(member, entry, left);
  }

  untrack(member: PresenceMember): void {
    const members = this.#rooms.get(member.room);
    const left = members?.get(member);
    if (!members || !left) return;
    members.delete(member);
    if (members.size === 0) this.#rooms.delete(member.room);
    this.#announce(member, undefined, left);
  }

  #announce(member: PresenceMember, joined: Entry | undefined, left: Entry | undefined): void {
    const side = (entry: Entry | undefined) => entry ? { [entry.key]: { metas: [entry.meta] } } : {};
    const frame = {
      joinRef: null,
      ref: null,
      topic: member.topic,
      event: "presence_diff",
      payload: JSON.stringify({ joins: side(joined), leaves: side(left) }),
    };
    this.hub.publish(member.room, Fanout.frame("presence", frame));
  }
}

function newReference(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(12))));
}
