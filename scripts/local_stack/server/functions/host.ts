/// <reference lib="deno.worker" />
/** Runs inside a worker: loads one edge function and answers its calls. */
import { type Call, FIRST_CHUNKS, type Flow, type FromWorker, type ToWorker } from "./protocol.ts";

type Handler = (request: Request, info: unknown) => Response | Promise<Response>;

const say = (message: FromWorker, transfer: Transferable[] = []) => self.postMessage(message, transfer);
const INFO = {
  remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 0 },
  completed: Promise.resolve(),
};
let handler: Handler | undefined;

// deno-lint-ignore no-explicit-any -- every overload of Deno.serve
function capture(...values: any[]): unknown {
  const found = values.find((value) => typeof value === "function") ??
    values.find((value) => typeof value?.handler === "function")?.handler ??
    values.find((value) => typeof value?.fetch === "function")?.fetch;
  handler = found;
  return {
    finished: new Promise(() => {}),
    shutdown: () => Promise.resolve(),
    ref() {},
    unref() {},
    addr: INFO.remoteAddr,
  };
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  return value instanceof Error ? (value.stack ?? value.message) : Deno.inspect(value);
}

function installGlobals(): void {
  Object.assign(Deno, { serve: capture });
  Object.assign(globalThis, {
    EdgeRuntime: {
      waitUntil(work: Promise<unknown>) {
        work.catch((error) => say({ kind: "log", level: "error", message: text(error) }));
        return work;
      },
    },
  });
  const writer = (level: "debug" | "info" | "warning" | "error") => (...values: unknown[]) =>
    say({ kind: "log", level, message: values.map(text).join(" ") });
  Object.assign(console, {
    debug: writer("debug"),
    log: writer("info"),
    info: writer("info"),
    warn: writer("warning"),
    error: writer("error"),
  });
  // A promise that nobody awaits must not end the function for every other caller.
  self.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    say({ kind: "log", level: "error", message: `unhandled rejection: ${text(event.reason)}` });
  });
}

async function load(entrypoint: string): Promise<void> {
  installGlobals();
  try {
    const module = await import(entrypoint);
    handler ??= module.default?.fetch?.bind(module.default);
    if (handler === undefined) throw new Error("the function does not call Deno.serve");
    say({ kind: "ready" });
  } catch (error) {
    say({ kind: "boot_error", reason: text(error) });
  }
}

interface Outflow {
  chunks: number;
  stopped: boolean;
  wake: () => void;
}

const outflows = new Map<number, Outflow>();

function flow(message: Flow): void {
  const out = outflows.get(message.id);
  if (out === undefined) return;
  if (message.kind === "stop") out.stopped = true;
  else out.chunks++;
  out.wake();
}

async function send(id: number, body: ReadableStream<Uint8Array>): Promise<void> {
  const out: Outflow = { chunks: FIRST_CHUNKS, stopped: false, wake: () => {} };
  outflows.set(id, out);
  try {
    for await (const chunk of body) {
      const bytes = new Uint8Array(chunk);
      say({ kind: "chunk", id, bytes }, [bytes.buffer]);
      out.chunks--;
      while (out.chunks <= 0 && !out.stopped) await new Promise<void>((resolve) => out.wake = resolve);
      // Leaving the loop cancels the body, which tells the function that nobody listens.
      if (out.stopped) return;
    }
  } finally {
    outflows.delete(id);
  }
}

async function answer(call: Call): Promise<void> {
  let failed = false;
  try {
    const init = { method: call.method, headers: call.headers, body: call.body };
    const response = await handler!(new Request(call.url, init), INFO);
    const hasBody = response.body !== null;
    say({ kind: "head", id: call.id, status: response.status, headers: [...response.headers], hasBody });
    if (response.body !== null) await send(call.id, response.body);
  } catch (error) {
    failed = true;
    say({ kind: "log", level: "error", message: text(error) });
  }
  say({ kind: "end", id: call.id, failed });
}

self.addEventListener("message", (event: MessageEvent<ToWorker>) => {
  const message = event.data;
  if (message.kind === "start") load(message.entrypoint);
  else if (message.kind === "call") answer(message);
  else flow(message);
});
