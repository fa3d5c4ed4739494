import type { ConfigProblem } from "../../../edge_webhook/config.ts";

export interface Config {
  url: string;
  serviceKey: string;
  /** Signing secrets that are valid now: one, or several while one takes the other's place. */
  webhookSecrets: readonly string[];
}

/** Read the settings of the function from the environment. */
export function readConfig(env: (name: string) => string | undefined): Config | ConfigProblem {
  const read = (name: string) => env(name)?.trim() || undefined;
  const url = read("SUPABASE_URL");
  const serviceKey = read("SUPABASE_SERVICE_ROLE_KEY");
  const webhookSecrets = splitSecrets(read("STRIPE_WEBHOOK_SECRET") ?? "");

  if (url === undefined || !isHttpUrl(url) || serviceKey === undefined || webhookSecrets.length === 0) {
    return {
      missing: [
        ...(url === undefined ? ["SUPABASE_URL"] : []),
        ...(serviceKey === undefined ? ["SUPABASE_SERVICE_ROLE_KEY"] : []),
        ...(webhookSecrets.length === 0 ? ["STRIPE_WEBHOOK_SECRET"] : []),
      ],
      invalid: url !== undefined && !isHttpUrl(url) ? ["SUPABASE_URL"] : [],
    };
  }
  return { url, serviceKey, webhookSecrets };
}

// Blank entries go: an empty signing key would let anybody sign.
function splitSecrets(list: string): string[] {
  return list.split(",").map((secret) => secret.trim()).filter((secret) => secret !== "");
}

function isHttpUrl(text: string): boolean {
  const protocol = URL.parse(text)?.protocol;
  return protocol === "http:" || protocol === "https:";
}
