/** GoTrue's user-facing part by @supabase/lite, running as the owner of schema auth. */
import { AsyncLocalStorage } from "node:async_hooks";
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { assertMethods, EXACT_TYPES } from "../lite_types.ts";
import type { Settings } from "../settings.ts";
import type { Tokens } from "../tokens.ts";

export interface Mail {
  at: string;
  to: unknown;
  subject: unknown;
  text: unknown;
  html: unknown;
}

export interface LiteAuth {
  fetch(request: Request, redirectTo: string | null): Promise<Response>;
  mails: Mail[];
}

const KEPT_MAILS = 200;

function connection(url: string) {
  const opened = createPostgresConnection(
    {
      url,
      postgresOptions: {
        max: 4,
        connect_timeout: 2,
        backoff: () => 0.05,
        onnotice: () => {},
        types: EXACT_TYPES,
        connection: { application_name: "auth" },
      },
    } as Parameters<typeof createPostgresConnection>[0],
  );
  assertMethods(opened, ["ensureRlsContext", "withContext"]);
  // As it comes, it grants everything on tables with RLS to the API roles.
  Object.assign(opened, { ensureRlsContext: () => Promise.resolve(true) });
  return opened;
}

export function createLiteAuth(settings: Settings, tokens: Tokens): LiteAuth {
  const mails: Mail[] = [];
  const asked = new AsyncLocalStorage<string | null>();

  // lite's links lead to the site instead of the API, and forget where the caller wanted to be sent.
  function repairLink(text: unknown): unknown {
    if (typeof text !== "string") return text;
    const redirect = asked.getStore();
    const link = text.replaceAll(`${settings.siteUrl}/auth/v1/verify`, `${settings.url}/auth/v1/verify`);
    if (!redirect) return link;
    return link.replace(/(redirect_to=)[^"&\s<]+/g, `$1${encodeURIComponent(redirect)}`);
  }

  const email = {
    send(mail: Record<string, unknown>) {
      mails.push({
        at: new Date().toISOString(),
        to: mail.to,
        subject: mail.subject,
        text: repairLink(mail.text),
        html: repairLink(mail.html),
      });
      mails.splice(0, Math.max(0, mails.length - KEPT_MAILS));
      return Promise.resolve({ id: crypto.randomUUID() });
    },
  };

  const app = new App(
    {
      connection: connection(settings.authDatabaseUrl),
      auth: {
        enabled: true,
        jwt_secret: settings.jwtSecret,
        jwt_expiry: settings.jwtSeconds,
        enable_signup: true,
        site_url: settings.siteUrl,
        additional_redirect_urls: ["http://127.0.0.1:*/**", "http://localhost:*/**"],
        publishable_key: settings.publishableKey,
        secret_key: settings.secretKey,
        email: { enable_signup: true, enable_confirmations: false, double_confirm_changes: false },
      },
      options: {
        server: {
          admin: false,
          apiKeys: {
            resolver: async (key: string) => {
              const claims = await tokens.verify(key);
              if (claims instanceof Response) return null;
              return { type: claims.role === "service_role" ? "secret" : "publishable", claims };
            },
          },
        },
        drivers: { email },
      },
    } as unknown as ConstructorParameters<typeof App>[0],
  );

  const fetch = (request: Request, redirectTo: string | null) =>
    asked.run(redirectTo, () => Promise.resolve(app.fetch(request)));
  return { fetch, mails };
}
