/** The calls of the existing dashboard, by the unmodified client: its pages, and its server with a key of its own. */
import { createClient } from "npm:@supabase/supabase-js@2.119.1";
import * as browser from "./browser.ts";
import { type Any, check, daysAgo } from "./checks.ts";
import * as server from "./server.ts";

const { url, key, secret, server_token } = JSON.parse(Deno.env.get("TARGET")!);
const auth = { persistSession: false, autoRefreshToken: false };
const password = "correct horse battery";
const operator = createClient(url, secret, { auth });
// As on a hosted project: the gateway wants a key of the project, the role comes with the token.
const routes = createClient(url, key, { auth, accessToken: () => Promise.resolve(server_token) });

async function signIn(name: string): Promise<{ client: Any; id: string; email: string }> {
  const email = `${name}-${crypto.randomUUID()}@example.com`;
  const made = await operator.auth.admin.createUser({ email, password, email_confirm: true });
  const client = createClient(url, key, { auth });
  const r = await client.auth.signInWithPassword({ email, password });
  check(`${name} signs in`, r.data.session, r.error);
  return { client, id: made.data.user!.id, email };
}

/** What a worker writes: trades, positions and signals of a trader. */
async function record(id: string, strategy: string, trades: number): Promise<void> {
  const account: Any = await operator.from("user_api_keys").select("id").eq("user_id", id).eq(
    "exchange",
    "aster",
  );
  const account_id = account.data?.[0]?.id;
  const common = {
    user_id: id,
    account_id,
    strategy_id: strategy,
    exchange: "aster",
    asset_class: "crypto",
    symbol: "BTCUSDT",
    side: "BUY",
    entry_price: 100,
    quantity: 1,
    position_size_usd: 100,
  };
  for (let number = 0; number < trades; number++) {
    const r = await operator.from("trades").insert({
      ...common,
      entry_time: daysAgo(0.5),
      exit_price: 110.5,
      exit_time: daysAgo(0.1 + number / 100),
      pnl_usd: 10.5,
      pnl_percent: 10.5,
      is_winner: true,
      order_id: `order ${number}`,
    });
    check("a trade is recorded", r.error === null, r);
  }
  for (const symbol of ["ETHUSDT", "BTCUSDT"].slice(2 - trades)) {
    const r = await operator.from("positions").insert({ ...common, symbol, entry_time: daysAgo(0.2) });
    check("a position is recorded", r.error === null, r);
  }
  for (
    const [status, reason] of [
      ["pending", null],
      ["done", null],
      ["failed", "The venue refused it."],
      ["rate_limited", "Your plan allows 10."],
    ]
  ) {
    const r = await operator.from("signals").insert({
      user_id: id,
      account_id,
      exchange: "aster",
      environment: "production",
      symbol: `S-${status}`,
      action: "buy",
      status,
      reason,
      finished_at: status === "pending" ? null : new Date().toISOString(),
    });
    check("a signal is recorded", r.error === null, r);
  }
}

/** On the local stack the token may also stand where the service key stood. */
async function tokenAsKey(id: string): Promise<void> {
  const client = createClient(url, server_token, { auth });
  const r = await client.from("user_profiles").select("id").eq("id", id).maybeSingle();
  check("the token in place of the service key", r.data?.id === id, r);
}

/** A secret saved by the form opens the webhook, its owner alone reads it, and the alert shows in the activity. */
async function alert(id: string, trader: Any): Promise<void> {
  const chosen = crypto.randomUUID();
  let r: Any = await routes.from("bot_credentials").update({ webhook_secret: chosen }).eq("user_id", id)
    .eq("exchange", "webhook").select().single();
  const webhook = { p_webhook_id: r.data?.id };
  r = await routes.rpc("reveal_webhook", webhook);
  check("webhook: a server may not read the secret", r.status === 403 && r.error?.code === "42501", r);
  r = await trader.rpc("reveal_webhook", webhook);
  check("webhook: its owner may", r.data?.secret === chosen, r.error);
  const answer = await fetch(`${url}/functions/v1/webhook`, {
    method: "POST",
    body: JSON.stringify({ secret: chosen, action: "buy", symbol: "BTCUSDT", quantity: "1" }),
  });
  const body = await answer.json();
  check("webhook: an alert is accepted", answer.status === 200 && body.status === "accepted", body);
  r = await routes.from("webhook_requests").select("*").eq("user_id", id).single();
  check("webhook: and shown", r.data?.id === body.signal_id && r.data.symbol === "BTCUSDT", r);
  check(
    "webhook: without its secret",
    r.data?.webhook_secret === null && !JSON.stringify(r).includes(chosen),
    r,
  );
}

const [ann, ben] = [await signIn("ann"), await signIn("ben")];
await server.profile(routes, ann.id, ann.email);
await server.subscription(routes, ann.id);
await server.functions(routes, ann.id);
await server.credentials(routes, ann.id);
const strategy = await browser.strategies(ann.client);
await browser.tradeSettings(ann.client);
const saved = await routes.from("bot_credentials").insert({
  user_id: ann.id,
  exchange: "aster",
  label: "Aster",
  api_key: "aster-key-0123456789wxyz",
  api_secret: "aster-secret-0123456789",
}).select().single();
check("credentials: saved again after delete", saved.error === null, saved);
await record(ann.id, strategy, 2);
await browser.history(ann.client, ann.id, strategy, 2);
await browser.refusals(ann.client);
await browser.stranger(ben.client, strategy);
await server.usage(routes, ann.id, 3);
await server.activity(routes, ann.id, 4);
await server.limits(routes, ben.client, ben.id);
await alert(ben.id, ben.client);
await server.closed(routes);
await tokenAsKey(ann.id);
console.log("end");
Deno.exit(0);
