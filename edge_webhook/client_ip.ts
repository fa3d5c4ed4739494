/**
 * The request header that tells the sender's address. Which one can be believed depends on what stands in
 * front of the function, so exactly one is read and there is no fallback from one to the other: a fallback
 * would hand the choice to the sender.
 *
 * `cf-connecting-ip`, for hosted Supabase. Every request passes Cloudflare, which sets this header itself
 * (https://developers.cloudflare.com/fundamentals/reference/http-headers/). `x-forwarded-for` is no
 * substitute there: Cloudflare appends to what the sender wrote, so the first element can be forged
 * (shown in https://github.com/orgs/supabase/discussions/34647), and hops behind Cloudflare may append
 * theirs, so the last one need not be the sender.
 *
 * `x-forwarded-for`, for one trusted gateway that appends the address it saw (Kong of a self-hosted
 * Supabase, `supabase start`, the local stack). Its **last** element is the gateway's own word; all others
 * are the sender's. `cf-connecting-ip` would be passed through unchecked there.
 */
export type ClientIpHeader = "cf-connecting-ip" | "x-forwarded-for";

/** Address of the sender in canonical form, or null when the header is absent or holds anything else. */
export function clientIp(headers: Headers, source: ClientIpHeader): string | null {
  const value = headers.get(source);
  if (value === null) return null;
  const candidate = source === "x-forwarded-for" ? value.slice(value.lastIndexOf(",") + 1) : value;
  return normaliseIp(candidate.trim());
}

const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
const IPV6_CHARACTERS = /^[0-9a-fA-F:.]{2,45}$/;
const IPV4_MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

function normaliseIp(text: string): string | null {
  if (IPV4.test(text)) return text;
  if (!text.includes(":") || !IPV6_CHARACTERS.test(text)) return null;
  // The URL parser is the platform's IPv6 parser: it checks, compresses and lower-cases.
  const url = URL.parse(`http://[${text}]/`);
  if (url === null) return null;
  const address = url.hostname.slice(1, -1);
  const mapped = IPV4_MAPPED.exec(address);
  return mapped === null ? address : dottedQuad(mapped[1] ?? "", mapped[2] ?? "");
}

function dottedQuad(high: string, low: string): string {
  return [high, low].map((half) => parseInt(half, 16)).flatMap((half) => [half >> 8, half & 0xff]).join(".");
}
