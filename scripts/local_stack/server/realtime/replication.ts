/**
 * One logical replication stream over a temporary slot. It reconnects with back-off for as long as it is
 * open. What commits while it is down is not replayed, as with the real service: the owner hears of every
 * loss through `onLost`.
 */
import postgres from "postgres";
import type { Duplex } from "node:stream";
import type { Logger } from "../log.ts";
import { describeError } from "./errors.ts";
import { type Change, PgOutputDecoder, POSTGRES_EPOCH_MS, type Relation } from "./pgoutput.ts";

export interface ReplicationOptions {
  databaseUrl: string;
  publication: string;
  /** A change of a committed transaction. A promise holds the stream back until it is done. */
  onChange: (change: Change) => Promise<void> | void;
  onRelation?: (relation: Relation) => void;
  /** The stream was live and is no more. */
  onLost: () => void;
  log: Logger;
}

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
// Well below wal_sender_timeout (60 s by default), also while a slow consumer holds the stream back.
const STATUS_INTERVAL_MS = 10_000;
const WAL_DATA = 0x77;
const KEEPALIVE = 0x6b;
const WAL_DATA_HEADER_BYTES = 25;
const STATUS_BYTES = 34;

export class ReplicationStream {
  #live = Promise.withResolvers<void>();
  #isLive = false;
  #closed = false;
  #sql: postgres.Sql | undefined;
  #retry: { timer: ReturnType<typeof setTimeout>; wake: () => void } | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(private readonly options: ReplicationOptions) {}

  open(): void {
    this.#loop = this.#run();
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** Resolves once changes flow; never while the database is away. */
  whenLive(): Promise<void> {
    return this.#live.promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry?.timer);
    this.#retry?.wake();
    await this.#sql?.end({ timeout: 0 });
    await this.#loop;
  }

  async #run(): Promise<void> {
    let delay = FIRST_RETRY_MS;
    while (!this.#closed) {
      try {
        await this.#stream(() => delay = FIRST_RETRY_MS);
      } catch (error) {
        if (this.#closed) break;
        this.#log("warning", "realtime_replication_interrupted", {
          retry_ms: delay,
          ...describeError(error),
        });
      }
      this.#down();
      await this.#pause(delay);
      delay = Math.min(delay * 2, LAST_RETRY_MS);
    }
  }

  async #stream(onUp: () => void): Promise<void> {
    const sql = this.#sql = replicationConnection(this.options.databaseUrl);
    let status: ReturnType<typeof setInterval> | undefined;
    try {
      const slot = `supabase_realtime_${crypto.randomUUID().replaceAll("-", "")}`;
      const [created] = await sql.unsafe(
        `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
      );
      const stream = await sql.unsafe(
        `START_REPLICATION SLOT ${slot} LOGICAL ${created?.consistent_point} ` +
          `(proto_version '1', publication_names '${this.options.publication}')`,
      ).writable() as Duplex;
      const position = { lsn: 0n };
      status = setInterval(() => sendStatus(stream, position.lsn), STATUS_INTERVAL_MS);
      onUp();
      this.#up();
      await this.#consume(stream, position);
    } finally {
      clearInterval(status);
      // Waiting would deadlock: a connection in copy mode never becomes idle.
      void sql.end({ timeout: 0 }).catch(() => {});
    }
  }

  async #consume(stream: Duplex, position: { lsn: bigint }): Promise<void> {
    const decoder = new PgOutputDecoder(this.options.onRelation);
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      if (chunk[0] === WAL_DATA) {
        const change = decoder.decode(chunk.subarray(WAL_DATA_HEADER_BYTES));
        const busy = change && this.options.onChange(change);
        if (busy) await busy;
        const lsn = view.getBigUint64(1);
        if (lsn > position.lsn) position.lsn = lsn;
      } else if (chunk[0] === KEEPALIVE) {
        position.lsn = view.getBigUint64(1);
        // A server that is shutting down waits for this answer.
        if (chunk[17] === 1) sendStatus(stream, position.lsn);
      }
    }
  }

  #up(): void {
    this.#isLive = true;
    this.#live.resolve();
    this.#log("debug", "realtime_replication_live", {});
  }

  #down(): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.#live = Promise.withResolvers<void>();
    this.options.onLost();
  }

  #pause(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((wake) => {
      this.#retry = { timer: setTimeout(wake, ms), wake };
    });
  }

  #log(level: "debug" | "warning", event: string, fields: Record<string, unknown>): void {
    this.options.log(level, event, { publication: this.options.publication, ...fields });
  }
}

function replicationConnection(databaseUrl: string): postgres.Sql {
  return postgres(databaseUrl, {
    max: 1,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: () => {},
    // `replication` is a start-up parameter of the protocol which the library's types do not list.
    connection: { application_name: "realtime_replication", replication: "database" } as Record<
      string,
      string
    >,
  });
}

function sendStatus(stream: Duplex, lsn: bigint): void {
  if (stream.destroyed || !stream.writable) return;
  const status = new DataView(new ArrayBuffer(STATUS_BYTES));
  status.setUint8(0, "r".charCodeAt(0));
  status.setBigUint64(1, lsn);
  status.setBigUint64(9, lsn);
  status.setBigUint64(17, lsn);
  status.setBigInt64(25, BigInt(Date.now() - POSTGRES_EPOCH_MS) * 1000n);
  stream.write(new Uint8Array(status.buffer));
}
