/**
 * Decoder of Postgres logical replication messages, plugin pgoutput, protocol version 1, text values
 * (PostgreSQL documentation, "Logical Replication Message Formats").
 */

export interface Column {
  name: string;
  typeOid: number;
  /** Part of the replica identity. */
  key: boolean;
}

export interface Relation {
  oid: number;
  schema: string;
  table: string;
  columns: Column[];
}

/** Text of a value, null, or undefined where the WAL does not carry it (unchanged TOAST, not in the key). */
export type Value = string | null | undefined;

export interface Change {
  kind: "INSERT" | "UPDATE" | "DELETE";
  relation: Relation;
  /** One value per column of the relation; absent for DELETE. */
  after?: Value[];
  /** What the replica identity gives of the old row; absent when an UPDATE did not touch the key. */
  before?: Value[];
  /** Transaction id, 32 bits without epoch. */
  xid: number;
  /** Commit time, milliseconds since the Unix epoch. */
  committedAt: number;
}

/** Milliseconds from the Unix epoch to 2000-01-01, the epoch of Postgres. */
export const POSTGRES_EPOCH_MS = 946_684_800_000;
const code = (letter: string) => letter.charCodeAt(0);
const BEGIN = code("B");
const RELATION = code("R");
const INSERT = code("I");
const UPDATE = code("U");
const DELETE = code("D");
const KEY_TUPLE = code("K");
const OLD_TUPLE = code("O");
const VALUE_NULL = code("n");
const VALUE_UNCHANGED = code("u");

class Reader {
  static readonly #text = new TextDecoder();
  readonly #view: DataView;
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8 = () => this.#view.getUint8(this.#at++);
  u16 = () => this.#view.getUint16((this.#at += 2) - 2);
  u32 = () => this.#view.getUint32((this.#at += 4) - 4);
  i64 = () => this.#view.getBigInt64((this.#at += 8) - 8);
  peek = () => this.#view.getUint8(this.#at);

  text(length: number): string {
    return Reader.#text.decode(this.bytes.subarray(this.#at, this.#at += length));
  }

  cstring(): string {
    const value = this.text(this.bytes.indexOf(0, this.#at) - this.#at);
    this.#at++;
    return value;
  }
}

export class PgOutputDecoder {
  readonly #relations = new Map<number, Relation>();
  #xid = 0;
  #committedAt = 0;

  /** @param onRelation called when the stream (re)defines a table: whatever was cached about it is stale. */
  constructor(private readonly onRelation: (relation: Relation) => void = () => {}) {}

  /** The change in one message, or undefined for messages that carry none. */
  decode(bytes: Uint8Array): Change | undefined {
    const reader = new Reader(bytes);
    switch (reader.u8()) {
      case BEGIN:
        this.#begin(reader);
        return;
      case RELATION:
        this.#relation(reader);
        return;
      case INSERT:
        return this.#change("INSERT", reader);
      case UPDATE:
        return this.#change("UPDATE", reader);
      case DELETE:
        return this.#change("DELETE", reader);
    }
  }

  #begin(reader: Reader): void {
    reader.i64(); // final LSN
    this.#committedAt = POSTGRES_EPOCH_MS + Number(reader.i64() / 1000n);
    this.#xid = reader.u32();
  }

  #relation(reader: Reader): void {
    const oid = reader.u32();
    // Postgres abbreviates its own schema to an empty string.
    const schema = reader.cstring() || "pg_catalog";
    const table = reader.cstring();
    reader.u8(); // replica identity setting: the key flags of the columns say what is needed of it
    const columns = Array.from({ length: reader.u16() }, () => {
      const key = (reader.u8() & 1) === 1;
      const column = { key, name: reader.cstring(), typeOid: reader.u32() };
      reader.u32(); // type modifier
      return column;
    });
    const relation = { oid, schema, table, columns };
    this.#relations.set(oid, relation);
    this.onRelation(relation);
  }

  #change(kind: Change["kind"], reader: Reader): Change {
    const oid = reader.u32();
    const relation = this.#relations.get(oid);
    if (!relation) throw new Error(`pgoutput names relation ${oid} before describing it`);
    const change: Change = { kind, relation, xid: this.#xid, committedAt: this.#committedAt };
    const tag = reader.peek();
    if (tag === KEY_TUPLE || tag === OLD_TUPLE) {
      reader.u8();
      const before = this.#tuple(reader);
      // A key tuple holds nulls in place of the columns outside the key.
      change.before = tag === OLD_TUPLE
        ? before
        : before.map((value, i) => relation.columns[i]?.key ? value : undefined);
    }
    if (kind !== "DELETE") {
      reader.u8();
      change.after = this.#tuple(reader);
    }
    return change;
  }

  #tuple(reader: Reader): Value[] {
    return Array.from({ length: reader.u16() }, () => {
      const kind = reader.u8();
      if (kind === VALUE_NULL) return null;
      return kind === VALUE_UNCHANGED ? undefined : reader.text(reader.u32());
    });
  }
}
