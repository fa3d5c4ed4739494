/** The calls of an ordinary front end, by the unmodified client. Prints one line a check. */
import { createClient } from "npm:@supabase/supabase-js@2.119.1";

const { url, key, secret } = JSON.parse(Deno.env.get("TARGET")!);
const auth = { persistSession: false, autoRefreshToken: false };
const ann = createClient(url, key, { auth }), ben = createClient(url, key, { auth });
const service = createClient(url, secret, { auth });
const email = `${crypto.randomUUID()}@example.com`, password = "correct horse battery";

function check(name: string, good: unknown, seen: unknown): void {
  console.log(good ? "ok  " : "FAIL", name, good ? "" : JSON.stringify(seen)?.slice(0, 300));
}

// deno-lint-ignore no-explicit-any -- every answer is looked at as it is
type Any = any;

async function accounts(): Promise<string> {
  let r: Any = await ann.auth.signUp({ email, password, options: { data: { name: "Ann" } } });
  check("sign up", r.data.session, r);
  r = await ann.auth.signInWithPassword({ email, password: "wrong password" });
  check("wrong password", r.error?.code === "invalid_credentials", r);
  r = await ann.auth.signInWithPassword({ email, password });
  check("sign in", r.data.session, r);
  const id = r.data.user.id;
  r = await ann.auth.getUser();
  check("get user", r.data.user?.user_metadata.name === "Ann", r);
  r = await ann.auth.getClaims();
  check("claims", r.data?.claims?.app_metadata?.provider === "email", r);
  r = await ann.auth.refreshSession();
  check("refresh", r.data.session, r);
  r = await ann.auth.updateUser({ data: { name: "Anna" } });
  check("update user", r.data.user?.user_metadata.name === "Anna", r);
  return id;
}

async function rows(id: string): Promise<void> {
  const table = "conformance_notes";
  let r: Any = await ann.from(table).insert({ slug: "a", title: "first", tags: ["x"] }).select().single();
  check("insert", r.data?.owner === id && r.data.title === "first", r);
  r = await ann.from(table).select("title", { count: "exact" }).order("id").range(0, 4);
  check("count", r.count === 1, r);
  r = await ann.from(table).select("title").contains("tags", []);
  check("contains nothing", r.data?.length === 1, r);
  r = await ann.from(table).upsert({ owner: id, slug: "a", title: "second" }, { onConflict: "owner,slug" })
    .select();
  check("upsert", r.data?.[0]?.title === "second", r);
  r = await ann.from(table).update({ title: "third" }).eq("slug", "a").select().maybeSingle();
  check("update", r.data?.title === "third", r);
  r = await ben.from(table).select("*");
  check("isolation", r.error === null && r.data.length === 0, r);
  r = await ann.from(table).select("*").eq("slug", "zzz").maybeSingle();
  check("maybe single", r.error === null && r.data === null, r);
  r = await ann.from("conformance_vault").select("*");
  check("revoked", r.error?.code === "42501" && r.status === 403, r);
  r = await service.from(table).select("id").eq("owner", id);
  check("service", r.data?.length === 1, r);
}

async function calls(id: string): Promise<void> {
  let r: Any = await ann.rpc("conformance_add", { a: 1 });
  check("rpc", r.data === 11, r);
  r = await ann.rpc("conformance_add", { a: 1 }, { get: true });
  check("rpc by get", r.data === 11, r);
  r = await ann.rpc("conformance_rows", { n: 3 }).gt("number", 1).order("number", { ascending: false });
  check("rpc with filters", r.data?.[0]?.number === 3 && r.data.length === 2, r);
  r = await ann.rpc("conformance_fail", { state: "P0001", message: "no" });
  check("rpc error", r.error?.code === "P0001" && r.error.hint === "the hint" && r.status === 400, r);
  r = await ann.rpc("conformance_nothing");
  check("rpc void", r.error === null && r.status === 204, r);
  r = await ann.rpc("conformance_whoami");
  check("rpc identity", r.data?.uid === id && r.data.role === "authenticated", r);
}

async function functions(): Promise<void> {
  const r: Any = await ann.functions.invoke("echo", { body: { a: 1 } });
  check("invoke", r.data?.path === "/echo" && r.data.body === '{"a":1}', r);
  const missing: Any = await ann.functions.invoke("nowhere");
  check("invoke nothing", missing.error?.context?.status === 404, missing);
}

async function admin(): Promise<void> {
  const address = `${crypto.randomUUID()}@example.com`;
  let r: Any = await service.auth.admin.createUser({ email: address, password, email_confirm: true });
  check("admin create", r.data.user?.email === address, r);
  const id = r.data.user.id;
  r = await service.auth.admin.listUsers({ perPage: 5 });
  check("admin list", r.data.users?.length > 0 && r.data.total > 0, r);
  r = await service.auth.admin.updateUserById(id, { app_metadata: { plan: "pro" } });
  check("admin update", r.data.user?.app_metadata.plan === "pro", r);
  r = await service.auth.admin.getUserById(id);
  check("admin get", r.data.user?.id === id, r);
  r = await service.auth.admin.deleteUser(id);
  check("admin delete", r.error === null, r);
}

const id = await accounts();
await rows(id);
await calls(id);
if (Deno.env.get("TARGET_LOCAL")) await functions();
await admin();
const out = await ann.auth.signOut();
check("sign out", out.error === null, out);
Deno.exit(0);
