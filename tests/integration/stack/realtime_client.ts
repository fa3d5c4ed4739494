/** supabase-js as a client of the stack: says what happens to its channels, one JSON object a line. */
import { createClient } from "npm:@supabase/supabase-js@2.119.1";

interface Task {
  url: string;
  key: string;
  token: string;
  /** Private channel to listen to. */
  topic?: string;
  /** Table to listen to. */
  table?: string;
  /** Public channel on which to send to itself. */
  echo?: string;
}

const task: Task = JSON.parse(Deno.env.get("REALTIME_CLIENT")!);
const client = createClient(task.url, task.key, {
  auth: { persistSession: false, autoRefreshToken: false },
  accessToken: () => Promise.resolve(task.token),
});

// Without it the first join goes out with the key, because the token is asked for in the background.
await client.realtime.setAuth();

function say(event: string, data: unknown): void {
  console.log(JSON.stringify({ event, data }));
}

if (task.topic) {
  client.channel(task.topic, { config: { private: true } })
    .on("broadcast", { event: "*" }, (message) => say("broadcast", message))
    .subscribe((status) => say("status", status));
}
if (task.table) {
  client.channel("changes")
    .on(
      "postgres_changes",
      { event: "*", schema: "public", table: task.table },
      (change) => say("change", change),
    )
    .on("system", {}, (message) => say("system", message))
    .subscribe((status) => say("status", status));
}
if (task.echo) {
  const channel = client.channel(task.echo, { config: { broadcast: { self: true, ack: true } } });
  channel
    .on("broadcast", { event: "*" }, (message) => say("broadcast", message))
    .subscribe(async (status) => {
      if (status !== "SUBSCRIBED") return say("status", status);
      say("sent", await channel.send({ type: "broadcast", event: "text", payload: { n: 1 } }));
      say(
        "sent",
        await channel.send({ type: "broadcast", event: "bytes", payload: new Uint8Array([1, 2]).buffer }),
      );
    });
}
