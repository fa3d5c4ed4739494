// Talks JSON with the test: seals by the documented module, opens by the library alone.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "npm:@hpke/core@1.9.0";
import { seal, type SealingContext, sealingInfo } from "./seal.ts";

interface Task {
  publicKey: string;
  privateKeyHex: string;
  context: SealingContext;
  fields: Record<string, string>;
  sealed: string;
}

const task: Task = JSON.parse(await new Response(Deno.stdin.readable).text());

async function open(): Promise<Record<string, string>> {
  const suite = new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  });
  const body = Uint8Array.fromBase64(task.sealed.split(".")[2], { alphabet: "base64url" });
  const recipient = await suite.createRecipientContext({
    recipientKey: await suite.kem.deserializePrivateKey(Uint8Array.fromHex(task.privateKeyHex).buffer),
    enc: body.slice(0, 32).buffer,
    info: sealingInfo(task.context),
  });
  return JSON.parse(new TextDecoder().decode(await recipient.open(body.slice(32).buffer)));
}

console.log(JSON.stringify({
  sealed: await seal(task.publicKey, task.context, task.fields),
  opened: await open(),
}));
