/** Broadcast from the database: rows of realtime.messages become broadcast frames. */
import { Fanout, type Hub, roomOf } from "./hub.ts";
import type { Change } from "./pgoutput.ts";
import type { Logger } from "../log.ts";

export const MESSAGES_PUBLICATION = "supabase_realtime_messages_publication";

export function publishMessage(change: Change, hub: Hub, log: Logger): void {
  const { relation, after } = change;
  if (change.kind !== "INSERT" || !after) return;
  if (relation.schema !== "realtime" || !relation.table.startsWith("messages")) return;
  const row = Object.fromEntries(relation.columns.map((column, i) => [column.name, after[i]]));
  const { topic, event, payload, id } = row;
  if (!topic || !event || !payload || !id) {
    log("warning", "realtime_message_incomplete", { id });
    return;
  }
  const frame = {
    joinRef: null,
    ref: null,
    topic: `realtime:${topic}`,
    event: "broadcast",
    payload: `{"event":${JSON.stringify(event)},"meta":{"id":${JSON.stringify(id)}},"payload":${payload},` +
      `"type":"broadcast"}`,
  };
  hub.publish(roomOf(topic, row.private === "t"), Fanout.frame("broadcast", frame));
}
