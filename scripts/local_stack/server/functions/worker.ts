/** One edge function in its own worker: calls go in, streamed answers come out. */
import type { Logger } from "../log.ts";
import type { Call, FromWorker } from "./protocol.ts";

const BOOT_SECONDS = 30;

interface Pending {
  resolve(response: Response): void;
  body?: ReadableStreamDefaultController<Uint8Array>;
}

export type CallRequest = Omit<Call, "kind" | "id">;

export class FunctionWorker {
  /** Resolves to true when the function takes calls, to false when it failed to start. */
  readonly ready: Promise<boolean>;
  #worker: Worker;
  #pending = new Map<number, Pending>();
  #next = 1;
  #booted!: (ok: boolean) => void;
  #retired = false;
  #alive = true;

  constructor(private readonly name: string, entrypoint: string, private readonly log: Logger) {
    const booted = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => this.#fail("boot_timeout"), BOOT_SECONDS * 1000);
    this.#booted = booted.resolve;
    this.ready = booted.promise.finally(() => clearTimeout(timer));
    this.#worker = new Worker(new URL("./host.ts", import.meta.url), { type: "module", name });
    this.#worker.onmessage = (event: MessageEvent<FromWorker>) => this.#receive(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail("crashed", event.message);
    };
    this.#worker.postMessage({ kind: "start", entrypoint });
  }

  get alive(): boolean {
    return this.#alive;
  }

  call(request: CallRequest): Promise<Response> {
    const id = this.#next++;
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.#pending.set(id, { resolve });
    this.#worker.postMessage({ kind: "call", id, ...request }, request.body ? [request.body.buffer] : []);
    return promise;
  }

  /** Let the calls in hand finish, then end. */
  retire(): void {
    this.#retired = true;
    if (this.#pending.size === 0) this.#end();
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case "ready":
        return this.#booted(true);
      case "boot_error":
        return this.#fail("boot_error", message.reason);
      case "log":
        return this.log(message.level, "function.log", { function: this.name, message: message.message });
      case "head":
        return this.#head(message);
      case "chunk":
        return this.#pending.get(message.id)?.body?.enqueue(message.bytes);
      case "end":
        return this.#finish(message.id, message.failed);
    }
  }

  #head(message: Extract<FromWorker, { kind: "head" }>): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    const body = message.hasBody ? this.#stream(message.id, pending) : null;
    pending.resolve(new Response(body, { status: message.status, headers: message.headers }));
  }

  #stream(id: number, pending: Pending): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (controller) => void (pending.body = controller),
      pull: () => this.#worker.postMessage({ kind: "more", id }),
      cancel: () => {
        // The client went away: what still comes has nowhere to go.
        pending.body = undefined;
        this.#worker.postMessage({ kind: "stop", id });
      },
    });
  }

  #finish(id: number, failed: boolean): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    if (failed && pending.body) pending.body.error(new Error("the function failed while answering"));
    else pending.body?.close();
    if (failed) pending.resolve(workerError());
    if (this.#retired && this.#pending.size === 0) this.#end();
  }

  #fail(event: string, reason?: string): void {
    this.log("error", `function.${event}`, { function: this.name, reason });
    this.#booted(false);
    for (const id of [...this.#pending.keys()]) this.#finish(id, true);
    this.#end();
  }

  #end(): void {
    this.#alive = false;
    this.#worker.terminate();
  }
}

export function workerError(): Response {
  return Response.json({
    code: "WORKER_ERROR",
    message: "Function exited due to an error (please check logs)",
  }, {
    status: 500,
  });
}
