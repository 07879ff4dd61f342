/**
 * What the agent remembers, advanced exactly once per batch. Reads see every change at once. A batch's rows become durable as one
 * `pending` row before the batch may leave (seal), and take their places when the host has the batch (acknowledged); a start applies
 * the pending rows that the host has and drops the others, so memory and host never differ, however either was killed.
 */
import { assert, ByteReader, ByteWriter, RainbowError } from "../../core/index.ts";
import type { AgentSession, Epoch } from "../../core/index.ts";
import type { RowKey, RowStore, RowWrite } from "./row-store.ts";

/** A row in use: kept decoded, written as bytes when its batch is sealed. */
export interface Row {
  encode(): Uint8Array;
}
export interface BatchName {
  readonly epoch: number;
  readonly sequence: number;
}

const PENDING = "w" as RowKey;
const APPLIED = "applied" as RowKey;
const KEY_BYTES_MAX = 1024;
const ROW_BYTES_MAX = 64 * 1024 * 1024; // The row of segments of a directory with a hundred million entries.
const APPLIED_LAG_BATCHES_MAX = 8; // How many acknowledged batches may wait for the next durable write to ride along with.

interface Live {
  readonly row: Row | undefined;
  /** The batch, counted in this process, that changed it last. */
  batch: number;
}
interface Sealed {
  readonly name: BatchName;
  readonly number: number;
  readonly keys: readonly RowKey[];
}

export class Memory {
  private readonly store: RowStore;
  private readonly live = new Map<RowKey, Live>();
  private changed = new Set<RowKey>();
  private batchNumber = 1;
  private readonly sealedBatches: Sealed[] = [];
  private acknowledgedBatches: Sealed[] = [];
  private writing: Promise<void> = Promise.resolve();
  /** The write that has not begun yet, and what it will write. */
  private nextWrite: Promise<void> | undefined;
  private queued: RowWrite[] = [];

  constructor(store: RowStore) {
    this.store = store;
  }

  /** Rows changed since the last seal. */
  get changedCount(): number {
    return this.changed.size;
  }

  /** Sealed batches that the host has not acknowledged. */
  get unacknowledgedCount(): number {
    return this.sealedBatches.length;
  }

  /** Whether the row is held in a newer state than the store's. */
  isLive(key: RowKey): boolean {
    return this.live.has(key);
  }

  /** The row as the store has it; only where !isLive(key). Valid until the next read. */
  stored(key: RowKey): Buffer | undefined {
    return this.store.get(key);
  }

  /** The newest state of a row. `decode` must copy what it keeps. */
  get<T extends Row>(key: RowKey, decode: (bytes: Buffer) => T): T | undefined {
    const live = this.live.get(key);
    if (live !== undefined) return live.row as T | undefined;
    const bytes = this.store.get(key);
    return bytes === undefined ? undefined : decode(bytes);
  }

  /** Puts a row in place, or notes that a row which get() gave was changed. undefined removes it. */
  set(key: RowKey, row: Row | undefined): void {
    const live = this.live.get(key);
    if (live !== undefined && live.row === row) live.batch = this.batchNumber;
    else this.live.set(key, { row, batch: this.batchNumber });
    this.changed.add(key);
  }

  /** Keys with this prefix in the newest state, ascending; for tables that are small (roots, gaps, what waits to be cleaned). */
  keys(prefix: RowKey, countMax = 100_000): RowKey[] {
    const found = new Set(this.store.keys(prefix, prefix, countMax));
    for (const [key, { row }] of this.live) {
      if (!key.startsWith(prefix)) continue;
      if (row === undefined) found.delete(key);
      else found.add(key);
    }
    return [...found].sort();
  }

  /** Ends the batch in the making; resolves when its rows are durable, which must be before the batch leaves. */
  seal(name: BatchName): Promise<void> {
    const writer = new ByteWriter(4096);
    const keys = [...this.changed];
    writer.varint(keys.length);
    for (const key of keys) {
      const row = this.live.get(key)?.row;
      writer.byteString(key);
      writer.u8(row === undefined ? 0 : 1);
      if (row !== undefined) writer.sized(row.encode());
    }
    this.sealedBatches.push({ name, number: this.batchNumber, keys });
    this.batchNumber += 1;
    this.changed = new Set();
    const pending: RowWrite = [pendingKey(name), writer.copy()];
    return this.write([pending]);
  }

  /** The host has this batch and all before it. */
  async acknowledged(name: BatchName): Promise<void> {
    while (this.sealedBatches[0] !== undefined && compareNames(this.sealedBatches[0].name, name) <= 0)
      this.acknowledgedBatches.push(this.sealedBatches.shift() as Sealed);
    if (this.acknowledgedBatches.length >= APPLIED_LAG_BATCHES_MAX) await this.settle();
  }

  /** Writes what was acknowledged to its place; resolves when durable. */
  async settle(): Promise<void> {
    await this.write([]);
  }

  /**
   * Makes the memory what the host has: pending batches up to session.last are applied, the others dropped. "lost" where the memory
   * is not the one that made the host's newest batch (missing, an older copy, or a host that was set back): it is then empty.
   */
  async open(session: AgentSession): Promise<"fresh" | "known" | "lost"> {
    await this.writing;
    this.live.clear();
    this.changed.clear();
    this.sealedBatches.length = 0;
    this.acknowledgedBatches = [];
    const { last } = session;
    let applied = this.appliedName();
    for (const key of this.store.keys(PENDING, PENDING, 100_000)) {
      const name = pendingName(key);
      const isAtHost = last !== undefined && compareNames(name, last) <= 0;
      const rows = isAtHost ? decodePending(Buffer.from(this.store.get(key) as Buffer)) : [];
      const mark: RowWrite[] = isAtHost ? [[APPLIED, encodeName(name)]] : [];
      await this.write([...rows, ...mark, [key, undefined]]);
      if (isAtHost) applied = name;
    }
    if (applied === undefined && last === undefined) return "fresh";
    if (applied !== undefined && last !== undefined && compareNames(applied, last) === 0) return "known";
    await this.clear();
    return "lost";
  }

  /** Bytes that are made once and stay as long as the memory does. */
  async constant(key: RowKey, make: () => Buffer): Promise<Buffer> {
    const kept = this.store.get(key);
    if (kept !== undefined) return Buffer.from(kept);
    const made = make();
    await this.write([[key, made]]);
    return made;
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    await this.writing;
    this.live.clear();
    this.changed.clear();
    await this.store.clear();
  }

  async close(): Promise<void> {
    await this.settle();
    await this.store.close();
  }

  /**
   * Keeps writes in the order of the calls; what is asked for while one is under way goes together in the next. What was acknowledged
   * rides along, and is forgotten here once it is in its place.
   */
  private write(own: readonly RowWrite[]): Promise<void> {
    this.queued.push(...own);
    this.nextWrite ??= this.writing.then(() => this.writeQueued());
    const written = this.nextWrite;
    this.writing = written.catch(() => undefined); // Whoever asked for the write hears of it.
    return written;
  }

  private async writeQueued(): Promise<void> {
    this.nextWrite = undefined;
    const batches = this.acknowledgedBatches;
    this.acknowledgedBatches = [];
    const rows = [...batches.flatMap((batch) => this.placed(batch.name)), ...this.queued];
    this.queued = [];
    const newest = batches.at(-1);
    if (newest !== undefined) rows.push([APPLIED, encodeName(newest.name)]);
    if (rows.length > 0) await this.store.write(rows);
    for (const batch of batches) this.forget(batch);
  }

  private placed(name: BatchName): RowWrite[] {
    const key = pendingKey(name);
    const pending = this.store.get(key);
    assert(pending !== undefined, "an acknowledged batch was durable before");
    return [...decodePending(Buffer.from(pending)), [key, undefined]];
  }

  private forget({ number, keys }: Sealed): void {
    for (const key of keys) if (this.live.get(key)?.batch === number) this.live.delete(key);
  }

  private appliedName(): BatchName | undefined {
    const bytes = this.store.get(APPLIED);
    return bytes === undefined ? undefined : decodeName(bytes);
  }
}

function damaged(why: string): RainbowError {
  return new RainbowError("STORE_CORRUPT", `the agent's memory is damaged: ${why}`);
}

function decodePending(bytes: Buffer): RowWrite[] {
  const reader = new ByteReader(bytes, damaged);
  const rows: RowWrite[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const key = reader.byteString(KEY_BYTES_MAX);
    rows.push([key, reader.u8() === 0 ? undefined : reader.sized(ROW_BYTES_MAX)]);
  }
  reader.finish();
  return rows;
}

/** Epoch and sequence in big-endian order, so that keys ascend as batches do. */
function encodeName({ epoch, sequence }: BatchName): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(epoch, 0);
  bytes.writeUIntBE(sequence, 6, 6);
  return bytes;
}

function decodeName(bytes: Buffer): BatchName {
  return { epoch: bytes.readUInt32BE(0) as Epoch, sequence: bytes.readUIntBE(6, 6) };
}

function pendingKey(name: BatchName): RowKey {
  return (PENDING + encodeName(name).toString("latin1")) as RowKey;
}

function pendingName(key: RowKey): BatchName {
  return decodeName(Buffer.from(key.slice(PENDING.length), "latin1"));
}

function compareNames(a: BatchName, b: BatchName): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}
