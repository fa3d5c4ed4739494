/** What the dashboard's server routes ask for, with a token of the role dashboard_server. */
import { type Any, check, holds } from "./checks.ts";

const MASK = "••••••••";

/** Profile, as `account/profile` reads and saves it. */
export async function profile(client: Any, id: string, email: string): Promise<void> {
  const read = () => client.from("user_profiles").select("*").eq("id", id).maybeSingle();
  let r: Any = await read();
  check("profile: made at sign-up", holds(r.data, { id, email }), r);
  const sent = { id, email, full_name: "Ann Example", updated_at: new Date().toISOString() };
  r = await client.from("user_profiles").upsert(sent, { onConflict: "id" }).select().single();
  check("profile: upsert", r.error === null && holds(r.data, { id, email, full_name: "Ann Example" }), r);
  r = await read();
  check("profile: as saved", r.data?.full_name === "Ann Example", r);
  r = await client.from("user_profiles").select("*").eq("id", crypto.randomUUID()).maybeSingle();
  check("profile: of nobody is null", r.error === null && r.data === null, r);
}

/** Subscription, as the Stripe routes read and save it. */
export async function subscription(client: Any, id: string): Promise<void> {
  const table = "subscriptions";
  const customer = `cus_${id.slice(0, 8)}`;
  let r: Any = await client.from(table).select("*").eq("user_id", id).maybeSingle();
  check("subscription: Free at first", holds(r.data, { plan: "Free", status: "active" }), r);
  r = await client.from(table).upsert({
    user_id: id,
    stripe_customer_id: customer,
    plan: "Free",
    status: "incomplete",
    updated_at: new Date().toISOString(),
  }, { onConflict: "user_id" });
  check("subscription: customer saved", r.error === null, r);
  r = await client.from(table).select("stripe_customer_id").eq("user_id", id).maybeSingle();
  check("subscription: customer read", r.data?.stripe_customer_id === customer, r);
  r = await client.from(table).select("plan,status").eq("user_id", id).eq("status", "active")
    .order("created_at", { ascending: false }).maybeSingle();
  check("subscription: none active", r.error === null && r.data === null, r);
  const paid = {
    user_id: id,
    plan: "Pro",
    status: "active",
    stripe_subscription_id: `sub_${id.slice(0, 8)}`,
    stripe_customer_id: customer,
    stripe_price_id: "price_1",
    cancel_at_period_end: false,
    canceled_at: null,
    trial_start: null,
    trial_end: null,
    metadata: { user_id: id },
  };
  const period = {
    current_period_start: new Date().toISOString(),
    current_period_end: new Date(Date.now() + 30 * 24 * 3600 * 1000).toISOString(),
    updated_at: new Date().toISOString(),
  };
  r = await client.from(table).upsert({ ...paid, ...period }, { onConflict: "user_id" }).select().single();
  check("subscription: paid plan saved", r.error === null && holds(r.data, paid), r);
  r = await client.from(table).select("plan,status").eq("user_id", id).eq("status", "active")
    .order("created_at", { ascending: false }).maybeSingle();
  check("subscription: active", holds(r.data, { plan: "Pro", status: "active" }), r);
  r = await client.from(table).update({ status: "past_due", updated_at: period.updated_at }).eq(
    "user_id",
    id,
  );
  check("subscription: past due", r.error === null, r);
  r = await client.from(table).upsert({ ...paid, ...period }, { onConflict: "user_id" });
  check("subscription: paid again", r.error === null, r);
  r = await client.from(table).upsert({ user_id: id, plan: "Premium" }, { onConflict: "user_id" });
  check("subscription: no plan Premium", r.status === 409 && r.error?.code === "23503", r);
  r = await client.from(table).update({ webhooks_per_hour: 100000 }).eq("user_id", id);
  check("subscription: no limit is lifted", r.status === 403 && r.error?.code === "42501", r);
}

/** The two functions of `/api/webhook`. */
export async function functions(client: Any, id: string): Promise<void> {
  let r: Any = await client.rpc("get_user_subscription_plan_safe", { p_user_id: id });
  check("rpc: plan", r.data === "Pro", r);
  r = await client.rpc("check_webhook_limit", { p_user_id: id, p_plan: "Free" });
  check("rpc: limit", r.data === true, r);
  r = await client.rpc("get_user_subscription_plan_safe", { p_user_id: crypto.randomUUID() });
  check("rpc: plan of nobody", r.data === "Free", r);
}

/** Exchange credentials: GET, POST (select, then update or insert), PATCH and DELETE. */
export async function credentials(client: Any, id: string): Promise<void> {
  const table = "bot_credentials";
  const list = () =>
    client.from(table).select("*").eq("user_id", id).eq("environment", "production").order("label", {
      ascending: true,
    });
  const form = {
    label: "Aster main",
    environment: "production",
    account_id: null,
    api_key: "aster-key-0123456789wxyz",
    api_secret: "aster-secret-0123456789",
    passphrase: null,
    webhook_secret: null,
    extra_metadata: { webhookUrl: "" },
  };
  const stamp = () => ({ updated_at: new Date().toISOString() });
  const find = (exchange: string) =>
    client.from(table).select("*").eq("exchange", exchange).eq("environment", "production").eq("user_id", id)
      .maybeSingle();
  const save = (row: Any, sent: Any) =>
    client.from(table).update({ ...sent, ...stamp() }).eq("id", row.id).eq("user_id", id).select().single();

  let r: Any = await list();
  check("credentials: the webhook of sign-up", r.data?.length === 1 && r.data[0].exchange === "webhook", r);
  r = await find("aster");
  check("credentials: none yet", r.error === null && r.data === null, r);
  r = await client.from(table).insert({ ...form, ...stamp(), exchange: "aster", user_id: id }).select()
    .single();
  const masked = { api_key: `${MASK}wxyz`, api_secret: MASK, passphrase: null, webhook_secret: null };
  check("credentials: new", r.status === 201 && holds(r.data, { ...masked, label: "Aster main" }), r);
  const made = r.data;
  r = await list();
  check(
    "credentials: listed by label",
    r.data?.map((row: Any) => row.label).join() === "Aster main,TradingView",
    r,
  );
  check("credentials: no secret is shown", !/0123456789/.test(JSON.stringify(r.data)), r);
  const all =
    "account_id,api_key,api_secret,base_url,created_at,environment,exchange,extra_metadata,id,label," +
    "last_tested,passphrase,password,updated_at,user_id,username,webhook_secret";
  check("credentials: the columns", Object.keys(r.data?.[0] ?? {}).sort().join() === all, r);
  r = await find("aster");
  check("credentials: found", r.data?.id === made?.id && holds(r.data, masked), r);
  // The form comes back as it was shown, with another label and an account number.
  r = await save(made, { ...form, ...masked, label: "Aster 2", account_id: "A-1" });
  check(
    "credentials: saved with the mask",
    holds(r.data, { ...masked, label: "Aster 2", account_id: "A-1" }),
    r,
  );
  r = await save(made, { ...form, api_key: null, api_secret: null, label: "Aster 2" });
  check("credentials: saved with nulls", holds(r.data, { ...masked, account_id: "A-1" }), r);
  r = await save(made, { ...form, api_key: "aster-key-0123456789abcd", api_secret: MASK, label: "Aster 2" });
  check("credentials: one value replaced", holds(r.data, { ...masked, api_key: `${MASK}abcd` }), r);
  const tested = "2026-01-02T03:04:05+00:00";
  r = await client.from(table).update({ last_tested: tested, ...stamp() }).eq("id", made?.id).eq(
    "user_id",
    id,
  );
  check("credentials: tested", r.error === null, r);
  r = await find("aster");
  check("credentials: last tested", new Date(r.data?.last_tested).getTime() === Date.parse(tested), r);
  check("credentials: keys stay", r.data?.api_key === `${MASK}abcd`, r);
  r = await client.from(table).insert({ ...form, ...stamp(), exchange: "binance", user_id: id }).select()
    .single();
  check("credentials: no such exchange", r.status === 400 && r.error?.code === "22023", r);
  check("credentials: those there are", /aster, oanda, tradier, tastytrade/.test(r.error?.hint ?? ""), r);
  await webhook(find, save, client, id);
  r = await client.from(table).delete().eq("exchange", "aster").eq("environment", "production").eq(
    "user_id",
    id,
  );
  check("credentials: delete", r.error === null && r.status === 204, r);
  r = await find("aster");
  check("credentials: gone", r.error === null && r.data === null, r);
}

/** The page of the webhook secret, which is a row of the same view. */
async function webhook(find: Any, save: Any, client: Any, id: string): Promise<void> {
  const secret = crypto.randomUUID();
  let r: Any = await find("webhook");
  const row = r.data;
  check("webhook: made at sign-up", row?.webhook_secret?.startsWith(MASK) && row.api_key === null, r);
  const form = {
    label: "TradingView",
    environment: "production",
    account_id: null,
    api_key: null,
    api_secret: null,
    passphrase: null,
    extra_metadata: {},
  };
  r = await save(row, { ...form, webhook_secret: secret });
  check("webhook: own secret", r.data?.webhook_secret === MASK + secret.slice(-4), r);
  r = await save(row, { ...form, webhook_secret: r.data?.webhook_secret });
  check("webhook: the mask means unchanged", r.data?.webhook_secret === MASK + secret.slice(-4), r);
  r = await save(row, { ...form, webhook_secret: "short" });
  check("webhook: a weak secret is refused", r.status === 400 && r.error?.code === "22023", r);
  r = await client.from("bot_credentials").select("user_id,exchange,label").eq("webhook_secret", secret)
    .eq("exchange", "webhook").eq("environment", "production").maybeSingle();
  check("webhook: nobody finds it by its secret", r.error === null && r.data === null, r);
  r = await client.from("bot_credentials").select("id,exchange,label,webhook_secret").eq("user_id", id)
    .eq("exchange", "webhook").eq("webhook_secret", secret).maybeSingle();
  check("webhook: nor does its test", r.error === null && r.data === null, r);
}

/** `account/usage` and `account/usage-details`: one account, one active strategy, `alerts` alerts. */
export async function usage(client: Any, id: string, alerts: number): Promise<void> {
  const head = { count: "exact", head: true };
  const month = new Date();
  month.setDate(1), month.setHours(0, 0, 0, 0);
  let r: Any = await client.from("subscriptions").select("plan").eq("user_id", id).maybeSingle();
  check("usage: plan", r.data?.plan === "Pro", r);
  for (const columns of ["id", "*"]) {
    r = await client.from("bot_credentials").select(columns, head).eq("user_id", id)
      .eq("environment", "production").neq("exchange", "webhook");
    check(`usage: exchanges (${columns})`, r.error === null && r.count === 1, r);
    r = await client.from("strategies").select(columns, head).eq("user_id", id).eq("status", "active");
    check(`usage: strategies (${columns})`, r.error === null && r.count === 1, r);
    r = await client.from("webhook_requests").select(columns, head).eq("user_id", id)
      .gte("created_at", month.toISOString()).neq("status", "rate_limited");
    check(`usage: alerts (${columns})`, r.error === null && r.count === alerts, r);
  }
  r = await client.from("bot_credentials").select("exchange,last_tested,created_at").eq("user_id", id)
    .eq("environment", "production").neq("exchange", "webhook");
  check("usage: details of exchanges", r.data?.length === 1 && r.data[0].exchange === "aster", r);
  r = await client.from("strategies").select("id,name,status,created_at").eq("user_id", id)
    .order("created_at", { ascending: false });
  check("usage: details of strategies", r.data?.length === 1 && r.data[0].status === "active", r);
  r = await client.from("webhook_requests").select("exchange,status").eq("user_id", id)
    .gte("created_at", month.toISOString());
  check("usage: details of alerts", r.data?.length === alerts + 1, r);
  for (const view of ["usage_today", "usage_this_month"]) {
    r = await client.from(view).select("kind,count").eq("user_id", id);
    check(`usage: ${view}`, r.error === null, r);
  }
}

/** `webhook/activity`, and what `/api/webhook` would write. */
export async function activity(client: Any, id: string, total: number): Promise<void> {
  const columns = "id,exchange,action,symbol,status,created_at,processed_at,error_message";
  let r: Any = await client.from("webhook_requests").select(columns).eq("user_id", id)
    .order("created_at", { ascending: false }).limit(10);
  check("activity: newest first", r.data?.length === total && Object.keys(r.data[0]).join() === columns, r);
  const states = r.data?.map((row: Any) => row.status).sort().join();
  check("activity: states", states === "failed,pending,processed,rate_limited", r);
  const failed = r.data?.find((row: Any) => row.status === "failed");
  check("activity: the reason", failed?.error_message === "The venue refused it.", failed);
  r = await client.from("webhook_requests").select(columns).eq("user_id", id)
    .order("created_at", { ascending: false }).limit(2);
  check("activity: limit", r.data?.length === 2, r);
  r = await client.from("webhook_requests").insert({
    user_id: id,
    webhook_secret: "x",
    exchange: "aster",
    action: "buy",
    symbol: "X",
    payload: {},
    status: "pending",
  }).select().single();
  check("activity: no insert, and why", r.status === 400 && /takes none/.test(r.error?.message ?? ""), r);
  r = await client.from("webhook_requests").update({ status: "processed" }).eq("id", failed?.id);
  check("activity: no update, and why", r.status === 400 && /changes none/.test(r.error?.message ?? ""), r);
}

/** A trader on Free saves one exchange; the second is refused with what the page needs to say why. */
export async function limits(client: Any, trader: Any, id: string): Promise<void> {
  const keys = { user_id: id, label: "L", api_key: "key-0123456789-wxyz", api_secret: "secret-0123456789" };
  const save = (exchange: string) =>
    client.from("bot_credentials").insert({ ...keys, exchange }).select("exchange").single();
  let r: Any = await save("aster");
  check("limits: the first exchange", r.data?.exchange === "aster", r);
  r = await save("tastytrade");
  check("limits: the second is 402", r.status === 402 && r.error?.code === "PT402", r);
  const detail = JSON.parse(r.error?.details ?? "{}");
  check(
    "limits: says which",
    holds(detail, { limit: "max_exchanges", allowed: 1, used: 1, plan: "Free" }),
    r,
  );
  check("limits: in words", /Your plan Free allows 1/.test(r.error?.message) && r.error.hint, r);
  for (const number of [1, 2, 3]) {
    r = await trader.from("strategies").insert([{ name: `S${number}`, status: "active" }]).select().single();
    check(`limits: active strategy ${number}`, r.error === null, r);
  }
  r = await trader.from("strategies").insert([{ name: "S4", status: "inactive" }]).select().single();
  check("limits: inactive ones do not count", r.error === null, r);
  r = await trader.from("strategies").update({ status: "active" }).eq("id", r.data?.id).select().single();
  check(
    "limits: the fourth is 402",
    r.status === 402 && JSON.parse(r.error.details).limit === "max_strategies",
    r,
  );
}

/** What the server's key does not open. */
export async function closed(client: Any): Promise<void> {
  for (const table of ["trades", "positions", "orders", "fills", "audit_log", "trade_settings_exchange"]) {
    const r: Any = await client.from(table).select("*").limit(1);
    check(`server: no ${table}`, r.status === 403 && r.error?.code === "42501", r);
  }
  for (const column of ["secret_id"]) {
    const r: Any = await client.from("user_api_keys").select(column).limit(1);
    check(`server: no ${column}`, r.status === 403 && r.error?.code === "42501", r);
  }
}
