import Stripe from "stripe";

/** An event that Stripe signed, whole, and the two fields that tell which it is. */
export interface StripeEvent {
  id: string;
  type: string;
  /** The event as Stripe sent it. */
  content: unknown;
}

export type Verification =
  | { kind: "event"; event: StripeEvent }
  | { kind: "signature_wrong" }
  /** Signed, but no event with its object in it. */
  | { kind: "event_unusable" };

/** `receivedAt` is the wall clock in milliseconds. Never rejects. */
export type Verify = (
  bytes: Uint8Array,
  signature: string | null,
  receivedAt: number,
) => Promise<Verification>;

/**
 * Seconds that a signature may be old (https://docs.stripe.com/webhooks/signature). The library limits the age
 * only: a time in the future, which nobody without the secret can sign, passes.
 */
export const TOLERANCE_SECONDS = 300;

const SIGNATURE_WRONG: Verification = { kind: "signature_wrong" };
const EVENT_UNUSABLE: Verification = { kind: "event_unusable" };

/** Build the check of `Stripe-Signature` against each of the secrets. It needs no network. */
export function createVerify(secrets: readonly string[]): Verify {
  const cryptoProvider = Stripe.createSubtleCryptoProvider();

  return async (bytes, signature, receivedAt) => {
    const text = decode(bytes);
    if (signature === null || text === null) return SIGNATURE_WRONG;
    for (const secret of secrets) {
      try {
        return readEvent(
          await Stripe.webhooks.constructEventAsync(
            text,
            signature,
            secret,
            TOLERANCE_SECONDS,
            cryptoProvider,
            receivedAt,
          ),
        );
      } catch (error) {
        // Nothing of the error is kept: it carries the signature and the body.
        if (isAboutContent(error)) return EVENT_UNUSABLE;
      }
    }
    return SIGNATURE_WRONG;
  };
}

// The library would replace what is not UTF-8 and drop a byte order mark, and so take bytes for signed that
// nobody signed.
function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

// After the signature the library parses (SyntaxError) and refuses thin events (a bare Error). A malformed
// header raises a TypeError beside the library's own errors, so only these two are told apart.
function isAboutContent(error: unknown): boolean {
  return error instanceof SyntaxError || (error instanceof Error && error.constructor === Error);
}

function readEvent(content: unknown): Verification {
  if (typeof content !== "object" || content === null) return EVENT_UNUSABLE;
  const { object, id, type } = content as Record<string, unknown>;
  if (object !== "event" || !isName(id) || !isName(type)) return EVENT_UNUSABLE;
  return { kind: "event", event: { id, type, content } };
}

// Stripe's ids have at most 255 characters (https://docs.stripe.com/upgrades).
function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 255;
}
