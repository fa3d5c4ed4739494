/** GoTrue's admin API for users: create, list, get, update, delete. */
import type { Sql } from "../database.ts";
import { json } from "../http.ts";

type Row = Record<string, unknown>;

const PASSWORD_ROUNDS = 10;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function authFailure(status: number, code: string, message: string): Response {
  return json({ code: status, error_code: code, msg: message }, status, { "x-sb-error-code": code });
}

const USER = `
select jsonb_strip_nulls(jsonb_build_object(
  'id', u.id, 'aud', u.aud, 'role', u.role, 'email', u.email, 'phone', coalesce(u.phone, ''),
  'email_confirmed_at', u.email_confirmed_at, 'confirmed_at', u.confirmed_at,
  'last_sign_in_at', u.last_sign_in_at, 'banned_until', u.banned_until,
  'app_metadata', u.raw_app_meta_data, 'user_metadata', u.raw_user_meta_data,
  'created_at', u.created_at, 'updated_at', u.updated_at, 'is_anonymous', u.is_anonymous,
  'identities', coalesce((
    select jsonb_agg(jsonb_build_object(
      'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id, 'identity_data', i.identity_data,
      'provider', i.provider, 'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at,
      'updated_at', i.updated_at, 'email', i.email
    ) order by i.created_at)
    from auth.identities i where i.user_id = u.id
  ), '[]')
))::text as user, count(*) over ()::int as total
from auth.users u`;

const CREATE = `
with made as (
  insert into auth.users (
    id, instance_id, aud, role, email, phone, encrypted_password, email_confirmed_at, phone_confirmed_at,
    raw_app_meta_data, raw_user_meta_data, banned_until, created_at, updated_at, confirmation_token, recovery_token
  )
  select
    coalesce(a.id, gen_random_uuid()), '00000000-0000-0000-0000-000000000000', 'authenticated',
    coalesce(a.role, 'authenticated'), lower(a.email), nullif(a.phone, ''),
    extensions.crypt(coalesce(a.password, encode(extensions.gen_random_bytes(24), 'hex')), extensions.gen_salt('bf', ${PASSWORD_ROUNDS})),
    case when a.email_confirm then now() end, case when a.phone_confirm then now() end,
    '{"provider":"email","providers":["email"]}'::jsonb || coalesce(a.app_metadata, '{}'),
    coalesce(a.user_metadata, '{}'), now() + nullif(a.ban_duration, 'none')::interval, now(), now(), '', ''
  from jsonb_to_record($1::text::jsonb) as a (
    id uuid, role text, email text, phone text, password text, email_confirm boolean, phone_confirm boolean,
    app_metadata jsonb, user_metadata jsonb, ban_duration text
  )
  returning id, email, email_confirmed_at
), identity as (
  insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at)
  select id::text, id, jsonb_build_object('sub', id, 'email', email, 'email_verified', email_confirmed_at is not null,
    'phone_verified', false), 'email', now()
  from made where email is not null
)
select id from made`;

const UPDATE = `
with changed as (
  update auth.users u set
    email = coalesce(lower(a.email), u.email),
    phone = coalesce(nullif(a.phone, ''), u.phone),
    role = coalesce(a.role, u.role),
    encrypted_password = coalesce(extensions.crypt(a.password, extensions.gen_salt('bf', ${PASSWORD_ROUNDS})), u.encrypted_password),
    email_confirmed_at = case when a.email_confirm then coalesce(u.email_confirmed_at, now()) else u.email_confirmed_at end,
    phone_confirmed_at = case when a.phone_confirm then coalesce(u.phone_confirmed_at, now()) else u.phone_confirmed_at end,
    raw_app_meta_data = coalesce(u.raw_app_meta_data, '{}') || coalesce(a.app_metadata, '{}'),
    raw_user_meta_data = coalesce(u.raw_user_meta_data, '{}') || coalesce(a.user_metadata, '{}'),
    banned_until = case when a.ban_duration is null then u.banned_until else now() + nullif(a.ban_duration, 'none')::interval end,
    updated_at = now()
  from jsonb_to_record($2::text::jsonb) as a (
    role text, email text, phone text, password text, email_confirm boolean, phone_confirm boolean,
    app_metadata jsonb, user_metadata jsonb, ban_duration text
  )
  where u.id = $1::text::uuid
  returning u.id, u.email
), identity as (
  update auth.identities i set identity_data = i.identity_data || jsonb_build_object('email', c.email), updated_at = now()
  from changed c where i.user_id = c.id and i.provider = 'email'
)
select id from changed`;

const SIGN_OUT = "delete from auth.sessions where user_id = $1::text::uuid";
const BANNED = "select 1 from auth.users where id = $1::text::uuid and banned_until > now()";
const DELETE = "delete from auth.users where id = $1::text::uuid returning id";

const notFound = () => authFailure(404, "user_not_found", "User not found");

export class UserAdmin {
  constructor(private readonly sql: Sql, private readonly minimumPassword: number) {}

  async handle(request: Request, path: string, url: URL): Promise<Response> {
    const [, collection, id, ...rest] = path.split("/");
    if (collection !== "users" || rest.length > 0) return authFailure(404, "not_found", "Not found");
    try {
      return await (id ? this.#one(request, id) : this.#all(request, url));
    } catch (error) {
      return failed(error);
    }
  }

  #all(request: Request, url: URL): Promise<Response> {
    if (request.method === "GET") return this.#list(url);
    return request.method === "POST" ? this.#create(request) : Promise.resolve(unsupported());
  }

  #one(request: Request, id: string): Promise<Response> {
    if (!UUID.test(id)) {
      return Promise.resolve(authFailure(404, "validation_failed", "user_id must be an UUID"));
    }
    if (request.method === "GET") return this.#get(id);
    if (request.method === "PUT") return this.#update(request, id);
    return request.method === "DELETE" ? this.#delete(id) : Promise.resolve(unsupported());
  }

  /** Tell whether the user is banned, and end the sessions of one who is. */
  async endIfBanned(id: string): Promise<boolean> {
    const banned = (await this.sql.unsafe(BANNED, [id])).length > 0;
    if (banned) await this.sql.unsafe(SIGN_OUT, [id]);
    return banned;
  }

  async #list(url: URL): Promise<Response> {
    const page = positive(url.searchParams.get("page"), 1),
      size = positive(url.searchParams.get("per_page"), 50);
    const query = `${USER} order by u.created_at desc, u.id limit $1::text::int offset $2::text::int`;
    const rows = await this.sql.unsafe(query, [String(size), String((page - 1) * size)]);
    const users = rows.map((row) => JSON.parse(row.user));
    const total = rows[0]?.total ??
      (await this.sql.unsafe("select count(*)::int as n from auth.users"))[0]!.n;
    const headers = { "x-total-count": String(total), link: pageLinks(page, size, total) };
    return json({ users, aud: "authenticated" }, 200, headers);
  }

  async #get(id: string): Promise<Response> {
    const [row] = await this.sql.unsafe(`${USER} where u.id = $1::text::uuid`, [id]);
    return row ? json(JSON.parse(row.user)) : notFound();
  }

  async #create(request: Request): Promise<Response> {
    const body = await attributes(request);
    if (body instanceof Response) return body;
    if (!body.email && !body.phone) {
      return authFailure(400, "validation_failed", "Cannot create a user without either an email or phone");
    }
    const refusal = this.#weak(body.password);
    if (refusal) return refusal;
    const [made] = await this.sql.unsafe(CREATE, [JSON.stringify(body)]);
    return this.#get(made!.id);
  }

  async #update(request: Request, id: string): Promise<Response> {
    const body = await attributes(request);
    if (body instanceof Response) return body;
    const refusal = this.#weak(body.password);
    if (refusal) return refusal;
    const [changed] = await this.sql.unsafe(UPDATE, [id, JSON.stringify(body)]);
    if (!changed) return notFound();
    if (body.ban_duration && body.ban_duration !== "none") await this.sql.unsafe(SIGN_OUT, [id]);
    return this.#get(id);
  }

  async #delete(id: string): Promise<Response> {
    const [gone] = await this.sql.unsafe(DELETE, [id]);
    return gone ? json({}) : notFound();
  }

  #weak(password: unknown): Response | null {
    if (password === undefined || password === null || password === "") return null;
    if (typeof password === "string" && password.length >= this.minimumPassword) return null;
    return authFailure(
      422,
      "weak_password",
      `Password should be at least ${this.minimumPassword} characters.`,
    );
  }
}

function pageLinks(page: number, size: number, total: number): string {
  const last = Math.max(1, Math.ceil(total / size));
  const link = (to: number, rel: string) => `</admin/users?page=${to}&per_page=${size}>; rel="${rel}"`;
  return page < last ? `${link(page + 1, "next")}, ${link(last, "last")}` : link(last, "last");
}

function positive(text: string | null, otherwise: number): number {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : otherwise;
}

function unsupported(): Response {
  return authFailure(405, "method_not_allowed", "Method not allowed");
}

async function attributes(request: Request): Promise<Row | Response> {
  try {
    const body = await request.json();
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body;
  } catch {
    // Falls through to the refusal.
  }
  return authFailure(400, "bad_json", "Could not parse request body as JSON");
}

function failed(error: unknown): Response {
  const { code } = error as { code?: string };
  if (code === "23505") {
    return authFailure(422, "email_exists", "A user with this email address has already been registered");
  }
  if (code === "22P02" || code === "22007") {
    return authFailure(400, "validation_failed", "Invalid value in request");
  }
  throw error;
}
