/** What the dashboard's pages ask for in the browser: the publishable key and the trader's own token. */
import { type Any, check, daysAgo, holds } from "./checks.ts";

const SETTINGS = {
  trading_hours_preset: "24/7",
  trading_window: ["00:00", "23:59"],
  max_trades_per_day: 0,
  max_position_size_usd: 0,
  allow_weekends: false,
  position_size_percent: 5,
  strike_tolerance_percent: 1,
  entry_limit_offset_percent: 1,
  max_signal_age_sec: 10,
  auto_close_outside_window: true,
  max_open_positions: 0,
};

/** The pages of strategies; returns the id of one that stays, and is active. */
export async function strategies(client: Any): Promise<string> {
  const form = (name: string) => ({
    name,
    description: "by the form",
    asset_class: "crypto",
    notes: "ASSET_CLASSES:crypto,forex\nmine",
    take_profit_percent: 4.5,
    stop_loss_percent: null,
  });
  let r: Any = await client.from("strategies").select("*").order("created_at", { ascending: false });
  check("strategies: none yet", r.error === null && r.data.length === 0, r);
  r = await client.from("strategies").insert([{ ...form("Breakout"), status: "inactive" }]).select().single();
  const id = r.data?.id;
  check("strategies: create without user_id", r.status === 201 && holds(r.data, form("Breakout")), r);
  check("strategies: counters begin at 0", holds(r.data, { total_trades: 0, winning_trades: 0 }), r);
  r = await client.from("strategies").select("*").eq("id", id).single();
  check("strategies: one", r.data?.name === "Breakout" && r.data.status === "inactive", r);
  r = await client.from("strategies").update({ ...form("Breakout 2"), stop_loss_percent: 2 }).eq("id", id)
    .select().single();
  check("strategies: edit", r.data?.name === "Breakout 2" && r.data.stop_loss_percent === 2, r);
  check("strategies: notes are kept", r.data?.notes === form("").notes, r);
  r = await client.from("strategies").update({ take_profit_percent: 7 }).eq("id", id).select().single();
  check("strategies: take profit in line", r.data?.take_profit_percent === 7, r);
  r = await client.from("strategies").update({ take_profit_percent: null }).eq("id", id).select().single();
  check("strategies: 0 is sent as null", r.error === null && r.data.take_profit_percent === null, r);
  for (const status of ["active", "inactive", "active"]) {
    r = await client.from("strategies").update({ status }).eq("id", id).select().single();
    check(`strategies: toggle to ${status}`, r.data?.status === status, r);
  }
  r = await client.from("strategies").select("*").eq("asset_class", "forex").order("created_at", {
    ascending: false,
  });
  check("strategies: of another class", r.error === null && r.data.length === 0, r);
  r = await client.from("strategies").insert([{ ...form("Gone"), status: "inactive" }]).select().single();
  const gone = r.data?.id;
  r = await client.from("strategies").delete().eq("id", gone).select();
  check("strategies: delete returns the row", r.data?.length === 1 && r.data[0].id === gone, r);
  r = await client.from("strategies").select("id,name").eq("status", "active").order("name");
  check(
    "strategies: active by name",
    JSON.stringify(r.data) === JSON.stringify([{ id, name: "Breakout 2" }]),
    r,
  );
  return id;
}

/** The first and the second save of one exchange's settings, as the page does them. */
export async function tradeSettings(client: Any): Promise<void> {
  const table = "trade_settings_exchange";
  const find = () => client.from(table).select("id").eq("exchange", "aster").single();
  let r: Any = await client.from(table).select("*");
  check("settings: none yet", r.error === null && r.data.length === 0, r);
  r = await find();
  check("settings: no row is 406", r.status === 406 && r.error?.code === "PGRST116", r);
  r = await client.from(table).insert({ exchange: "aster", ...SETTINGS });
  check("settings: first save without user_id", r.status === 201 && r.error === null, r);
  r = await find();
  const id = r.data?.id;
  check("settings: found", typeof id === "string", r);
  const before: Any = await client.from(table).select("*");
  check("settings: as saved", before.data?.length === 1 && holds(before.data[0], SETTINGS), before);
  r = await client.from(table).update({ exchange: "aster", ...SETTINGS, max_trades_per_day: 5 }).eq("id", id);
  check("settings: second save", r.status === 204 && r.error === null, r);
  const after: Any = await client.from(table).select("*");
  check(
    "settings: one row, changed",
    after.data?.length === 1 && after.data[0].max_trades_per_day === 5,
    after,
  );
  check("settings: last saved moves", after.data[0].updated_at > before.data[0].updated_at, [before, after]);
  for (const exchange of ["oanda", "tradier", "tradier_options"]) {
    r = await client.from(table).insert({ exchange, ...SETTINGS });
    check(`settings: ${exchange}`, r.error === null, r);
  }
}

/** Every read of trades and positions; `own` of each is there, and nothing else is to be seen. */
export async function history(client: Any, userId: string, strategyId: string, own: number): Promise<void> {
  const trades = () => client.from("trades");
  const month = daysAgo(30);
  const mine = (rows: Any) => rows?.length === own;
  let r: Any = await trades().select("*").order("exit_time", { ascending: false }).limit(20);
  check("trades: recent", mine(r.data) && r.data.every((row: Any) => row.user_id === userId), r);
  const [row] = r.data;
  check(
    "trades: profit is a number",
    typeof row?.pnl_usd === "number" && typeof row.pnl_percent === "number",
    row,
  );
  check(
    "trades: flags and names",
    row?.is_winner === true && row.side === "BUY" && row.exchange === "aster",
    row,
  );
  const newest = r.data.map((one: Any) => one.exit_time);
  check(
    "trades: newest first",
    JSON.stringify(newest) === JSON.stringify([...newest].sort().reverse()),
    newest,
  );
  r = await trades().select("*").eq("asset_class", "crypto").order("exit_time", { ascending: false }).limit(
    20,
  );
  check("trades: of one class", mine(r.data), r);
  r = await trades().select("*").gte("exit_time", daysAgo(1)).order("exit_time", { ascending: false });
  check("trades: today", mine(r.data), r);
  for (const days of [1, 7, 30, 365]) {
    r = await trades().select("exit_time,pnl_usd,symbol,asset_class,exchange").gte("exit_time", daysAgo(days))
      .order("exit_time", { ascending: true });
    check(`trades: curve of ${days} days`, mine(r.data) && r.data[0].pnl_usd === 10.5, r);
  }
  r = await trades().select("pnl_usd").eq("strategy_id", strategyId);
  check("trades: profit of a strategy", mine(r.data), r);
  for (
    const columns of [
      "asset_class,exchange,exit_time,pnl_usd,is_winner",
      "strategy_id,exit_time,is_winner",
      "strategy_id,exit_time,pnl_usd,is_winner",
    ]
  ) {
    r = await trades().select(columns).gte("exit_time", month).order("exit_time", { ascending: true });
    check(`trades: ${columns}`, mine(r.data) && Object.keys(r.data[0]).join() === columns, r);
  }
  r = await trades().select("strategy_id,entry_time").gte("entry_time", month).order("entry_time", {
    ascending: true,
  });
  check("trades: entries by strategy", mine(r.data) && r.data[0].strategy_id === strategyId, r);
  r = await trades().select("*").gte("exit_time", month).lte("exit_time", new Date().toISOString())
    .order("exit_time", { ascending: false });
  check("trades: by range", mine(r.data), r);
  r = await client.from("trade_stats").select("*").single();
  check("trade_stats", r.data?.total_trades === own && r.data.win_rate_percent === 100, r);
  r = await client.from("positions").select("*").order("created_at", { ascending: false });
  check("positions: open", mine(r.data) && r.data[0].symbol === "BTCUSDT" && r.data[0].user_id === userId, r);
  r = await client.from("positions").select("*").eq("asset_class", "crypto").order("created_at", {
    ascending: false,
  });
  check("positions: of one class", mine(r.data), r);
  r = await client.from("strategies").select("*").eq("id", strategyId).single();
  check("strategies: counters follow", r.data?.total_trades === own && r.data.winning_trades === own, r);
}

/** A trader reads his records and writes none of them. */
export async function refusals(client: Any): Promise<void> {
  for (const table of ["trades", "positions"]) {
    let r: Any = await client.from(table).insert({ symbol: "X" });
    check(`${table}: no insert`, r.status === 403 && r.error?.code === "42501", r);
    r = await client.from(table).update({ symbol: "X" }).neq("symbol", "");
    check(`${table}: no update`, r.status === 403 && r.error?.code === "42501", r);
    r = await client.from(table).delete().neq("symbol", "");
    check(`${table}: no delete`, r.status === 403 && r.error?.code === "42501", r);
  }
}

/** Another trader, who has nothing, finds nothing of the first. */
export async function stranger(client: Any, strategyId: string): Promise<void> {
  for (const table of ["trades", "positions", "strategies", "trade_settings_exchange", "webhook_requests"]) {
    const r: Any = await client.from(table).select("*");
    check(`a stranger sees no ${table}`, r.error === null && r.data.length === 0, r);
  }
  let r: Any = await client.from("strategies").select("*").eq("id", strategyId).single();
  check("a stranger's look is 406", r.status === 406 && r.error?.code === "PGRST116", r);
  r = await client.from("strategies").update({ status: "inactive" }).eq("id", strategyId).select();
  check("a stranger changes nothing", r.error === null && r.data.length === 0, r);
  r = await client.from("strategies").delete().eq("id", strategyId).select();
  check("a stranger deletes nothing", r.error === null && r.data.length === 0, r);
  r = await client.from("bot_credentials").select("exchange");
  const seen = r.data?.map((row: Any) => row.exchange);
  check("a stranger sees his own credentials", JSON.stringify(seen) === '["webhook"]', r);
  r = await client.from("trade_stats").select("*").single();
  check("a stranger's statistics are zeros", r.data?.total_trades === 0 && r.data.win_rate_percent === 0, r);
}
