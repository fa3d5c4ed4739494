/** What the launcher hands over, once, in an environment variable that is removed after reading. */
export interface FunctionSettings {
  name: string;
  enabled: boolean;
  verifyJwt: boolean;
  entrypoint: string;
}

export interface Settings {
  url: string;
  host: string;
  port: number;
  siteUrl: string;
  schemas: string[];
  jwtSecret: string;
  jwtSeconds: number;
  minimumPassword: number;
  publishableKey: string;
  secretKey: string;
  adminDatabaseUrl: string;
  authDatabaseUrl: string;
  restDatabaseUrl: string;
  functions: FunctionSettings[];
  functionEnvironment: Record<string, string>;
}

const VARIABLE = "LOCAL_STACK_SETTINGS";

export function takeSettings(): Settings {
  const text = Deno.env.get(VARIABLE);
  if (text === undefined) throw new Error(`${VARIABLE} is not set: this server is started by the launcher`);
  Deno.env.delete(VARIABLE);
  return JSON.parse(text);
}
