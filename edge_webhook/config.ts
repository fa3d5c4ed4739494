import type { ClientIpHeader } from "./client_ip.ts";

export interface Config {
  url: string;
  apiKey: string;
  bearer: string;
  clientIpHeader: ClientIpHeader;
}

/** Names of the variables that are missing or cannot be used; never their values. */
export interface ConfigProblem {
  missing: string[];
  invalid: string[];
}

type ReadEnv = (name: string) => string | undefined;

/** Read the settings of the function from the environment. */
export function readConfig(env: ReadEnv): Config | ConfigProblem {
  const read = (name: string) => env(name)?.trim() || undefined;
  const edgeKey = read("SPARKY_EDGE_KEY");
  // The gateway of hosted Supabase wants one of the project's own keys as apikey, so a JWT of the role
  // sparky_edge goes beside the anonymous key.
  const apiKeyName = edgeKey === undefined ? "SUPABASE_SERVICE_ROLE_KEY" : "SUPABASE_ANON_KEY";
  const url = read("SUPABASE_URL");
  const apiKey = read(apiKeyName);
  const clientIpHeader = chooseClientIpHeader(read);

  if (url === undefined || apiKey === undefined || clientIpHeader === null || !isHttpUrl(url)) {
    return {
      missing: [
        ...(url === undefined ? ["SUPABASE_URL"] : []),
        ...(apiKey === undefined ? [apiKeyName] : []),
      ],
      invalid: [
        ...(url !== undefined && !isHttpUrl(url) ? ["SUPABASE_URL"] : []),
        ...(clientIpHeader === null ? ["SPARKY_CLIENT_IP_HEADER"] : []),
      ],
    };
  }
  return { url, apiKey, bearer: edgeKey ?? apiKey, clientIpHeader };
}

// SB_REGION is set on hosted Supabase only (https://supabase.com/docs/guides/functions/secrets).
function chooseClientIpHeader(read: ReadEnv): ClientIpHeader | null {
  const chosen = read("SPARKY_CLIENT_IP_HEADER")?.toLowerCase();
  if (chosen === undefined) return read("SB_REGION") === undefined ? "x-forwarded-for" : "cf-connecting-ip";
  return chosen === "cf-connecting-ip" || chosen === "x-forwarded-for" ? chosen : null;
}

function isHttpUrl(text: string): boolean {
  const protocol = URL.parse(text)?.protocol;
  return protocol === "http:" || protocol === "https:";
}
