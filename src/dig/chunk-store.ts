/**
 * Chunks: stored in pack runs, found by number, verified on every read. Numbers are given at once; payload and rows become durable
 * together. What is freed here was decided by the freeing alone.
 */
import { assert, BLOCK_BYTES, CHUNK_BYTES_MAX, RainbowError } from "../core/index.ts";
import type { ChunkNumber, NewChunk, Zstd } from "../core/index.ts";
import type { BlockRange } from "./allocation.ts";
import { ChunkReader, decodeChunk } from "./chunk-reader.ts";
import { DedupCache } from "./dedup-cache.ts";
import type { ChunkStore, TreeInfo } from "./dig.ts";
import { RUN_CHUNKS_MAX, RUN_PAYLOAD_BYTES } from "./layout.ts";
import type { ControlWrite } from "./control-file.ts";
import { lifeWithout } from "./freed-rows.ts";
import { decodeLife, encodeLife } from "./life.ts";
import { controlKey, metaKey, rowDelete, rowPut } from "./control-rows.ts";
import { decodeRunHeader, encodeRunHeader, encodeRunRow, readU64, rowOfHeader, runBlocks, totalsOf } from "./run.ts";
import type { RunEntry, RunHeader, RunRow } from "./run.ts";
import { RunTable } from "./run-table.ts";
import type { Store } from "./store.ts";

const DECODED_BYTES_MAX = 6 << 20; // A few files' worth of neighbours; what is older is in the system's page cache.
const HEADERS_MAX = 16;
/** The next chunk number is never below this one, whatever runs are left. */
export const NUMBER_FLOOR_KEY: Buffer = metaKey("number");
const NONE: ReadonlySet<number> = new Set();
const GIVE_BACK_RUNS = 500; // Rows, live counts and bits of these stay below one transaction's limit.

interface PlannedRun {
  readonly row: RunRow;
  readonly range: BlockRange;
  readonly header: Buffer;
  readonly chunks: readonly NewChunk[];
}

export class Chunks implements ChunkStore {
  readonly runs: RunTable;
  /** Dedup names none of these (rule 10). */
  readonly condemned = new Set<number>();
  readonly reader: ChunkReader;
  private readonly store_: Store;
  private readonly dedup = new DedupCache();
  private readonly decoded = new Map<number, Buffer>();
  private decodedBytes = 0;
  private readonly headers = new Map<number, RunHeader>();
  private next = 1;
  private isGivingBack = false;

  constructor(store: Store, hashKey: Buffer, zstd: Zstd) {
    this.store_ = store;
    this.runs = new RunTable(store.rows);
    this.reader = new ChunkReader(store.file, hashKey, zstd);
  }

  /** At open: numbers go on behind all rows and trees; the newest chunks are what dedup knows first. */
  load(trees: readonly TreeInfo[]): void {
    const [newest] = this.runs.from(this.runs.lastFirst(), 1);
    const floor = this.store_.rows.get(NUMBER_FLOOR_KEY);
    this.next = Math.max(
      floor === undefined ? 1 : readU64(floor, 0),
      newest === undefined ? 1 : newest.first + newest.count,
      ...trees.map(({ nextChunk }) => nextChunk),
    );
    let known = 0;
    for (const row of this.runs.newest()) {
      for (let i = 0; i < row.count; i++) if (!row.isFreed(i)) this.dedup.add(row.hashPrefix(i), row.first + i);
      known += row.count;
      if (known >= DedupCache.capacity / 8) break; // 65,536 chunks take about 30 ms; older ones are learned as they are named.
    }
  }

  nextNumber(): ChunkNumber {
    return this.next as ChunkNumber;
  }

  find(hash: Buffer): ChunkNumber | undefined {
    for (const chunk of this.dedup.candidates(hash)) {
      if (this.condemned.has(chunk)) continue;
      const row = this.runs.find(chunk);
      if (row === undefined || row.hashPrefix(chunk - row.first).compare(hash, 0, 16) !== 0) continue;
      const entry = this.headerOf(row)?.entries.find(({ index }) => index === chunk - row.first);
      if (entry !== undefined && entry.hash.equals(hash)) return chunk as ChunkNumber;
    }
    return undefined;
  }

  store(chunks: readonly NewChunk[]): { readonly first: ChunkNumber; readonly durable: Promise<void> } {
    const store = this.store_;
    store.refuseUnlessWritable();
    assert(!this.isGivingBack, "nothing is stored while numbers are given back");
    for (const chunk of chunks) refuseOversized(chunk);
    const first = this.next as ChunkNumber;
    if (chunks.length === 0) return { first, durable: Promise.resolve() };
    const planned = this.plan(chunks);
    store.writeOrRelease(
      planned.map(({ range, header, chunks: packed }) => ({ range, parts: [header, ...packed.map((chunk) => chunk.stored)] })),
      planned.map(({ range }) => range),
    );
    this.next += chunks.length;
    chunks.forEach((chunk, i) => this.dedup.add(chunk.hash, first + i));
    const rows = planned.map(({ row }) => row);
    this.runs.arriving(rows);
    const committed = store.committer.submit({
      writes: rows.map((row) => rowPut(controlKey("run", row.first), encodeRunRow(row))),
      taken: planned.map(({ range }) => range),
      totals: totalsOf(rows, []),
    });
    const durable = Promise.all([store.dataSync.sync(), committed.then(() => this.runs.arrived(rows))]).then(
      () => undefined,
      (error: unknown) => {
        store.committer.fail(error);
        throw error;
      },
    );
    durable.catch(() => undefined); // Whoever waits for it hears of it; a caller that left does not.
    return { first, durable };
  }

  async giveBack(first: ChunkNumber): Promise<void> {
    assert(!this.isGivingBack, "numbers are given back once at a time");
    this.isGivingBack = true;
    try {
      await this.store_.exclusively(() => this.removeFrom(first));
      this.next = first;
    } finally {
      this.isGivingBack = false;
    }
  }

  read(chunk: ChunkNumber): Buffer {
    const known = this.decoded.get(chunk);
    if (known !== undefined) {
      this.decoded.delete(chunk);
      this.decoded.set(chunk, known);
      return known;
    }
    const row = this.rowOf(chunk);
    const plain = this.reader.readVerified(row, chunk - row.first);
    this.remember(chunk, plain);
    return plain;
  }

  readInto(chunk: ChunkNumber, into: Buffer): number {
    const known = this.decoded.get(chunk);
    if (known !== undefined) return known.length <= into.length ? known.copy(into) : -1;
    const row = this.rowOf(chunk);
    const index = chunk - row.first;
    const lengthBytes = row.lengthBytes(index);
    if (lengthBytes > into.length) return -1;
    this.reader.readVerifiedInto(row, index, into.subarray(0, lengthBytes));
    return lengthBytes;
  }

  describe(chunk: ChunkNumber): { readonly hash: Buffer; readonly lengthBytes: number; readonly storedBytes: number } {
    const row = this.rowOf(chunk);
    const entry = this.headerOf(row)?.entries.find(({ index }) => index === chunk - row.first);
    if (entry !== undefined) return { hash: entry.hash, lengthBytes: entry.lengthBytes, storedBytes: entry.storedBytes };
    throw new RainbowError("DIG_CHECKSUM", `the header of the run with chunk ${chunk} is damaged (block ${row.start})`, { chunk, block: row.start });
  }

  liveCount(chunk: ChunkNumber): number {
    const row = this.runs.find(chunk);
    if (row === undefined) return 0;
    const content = this.store_.rows.get(controlKey("life", row.first));
    return content === undefined ? 0 : decodeLife(row.count, content).counts[chunk - row.first]!;
  }

  async mend(chunk: ChunkNumber, good: NewChunk): Promise<void> {
    refuseOversized(good);
    await this.store_.exclusively(async () => {
      const row = this.rowOf(chunk);
      const index = chunk - row.first;
      const known = this.headerOf(row)?.entries.find((entry) => entry.index === index)?.hash;
      const plain = decodeChunk(this.reader.zstd, good.stored, good.encoding, good.lengthBytes);
      const isRight =
        plain !== undefined &&
        this.reader.hashOf(plain).equals(good.hash) &&
        row.hashPrefix(index).compare(good.hash, 0, 16) === 0 &&
        (known === undefined || known.equals(good.hash));
      if (!isRight) throw new RainbowError("DIG_CHECKSUM", `the bytes offered for chunk ${chunk} are not what it held`, { chunk });
      await this.rewrite(row, new Map([[index, good]]));
      this.forget();
    });
  }

  /** The header in the data file where it is intact and is this row's. */
  headerOf(row: RunRow): RunHeader | undefined {
    const known = this.headers.get(row.sequence);
    if (known !== undefined) return known;
    const bytes = Buffer.allocUnsafe(row.headerBytes);
    const length = this.store_.file.read(bytes, row.start * BLOCK_BYTES);
    const header = decodeRunHeader(bytes.subarray(0, length), this.store_.uuid);
    if (header === undefined || header.sequence !== row.sequence || header.first !== row.first) return undefined;
    this.headers.set(row.sequence, header);
    if (this.headers.size > HEADERS_MAX) this.headers.delete(this.headers.keys().next().value!);
    return header;
  }

  /** For check, which reads what the disk has now. */
  forgetHeader(row: RunRow): void {
    this.headers.delete(row.sequence);
  }

  /** Forgets everything remembered of chunks that were freed, moved or given back. */
  forget(): void {
    this.runs.forget();
    this.decoded.clear();
    this.decodedBytes = 0;
    this.headers.clear();
  }

  /**
   * Writes a run anew at another place, with some chunks replaced and freed ones left out (rule 12: only places change), also those at
   * `gone`, which are freed with it. Chunks that cannot be read are taken along as they are. Under the lock.
   */
  async rewrite(row: RunRow, replacements: ReadonlyMap<number, NewChunk>, gone: ReadonlySet<number> = NONE): Promise<void> {
    const header = this.headerOf(row);
    const entries: RunEntry[] = [];
    const parts: Buffer[] = [];
    for (let index = 0; index < row.count; index++) {
      if (row.isFreed(index) || gone.has(index)) continue;
      const good = replacements.get(index);
      const stored = good?.stored ?? this.reader.readStored(row, index);
      const known = good?.hash ?? header?.entries.find((entry) => entry.index === index)?.hash ?? this.hashOfStored(row, index);
      entries.push({ hash: known, index, encoding: good?.encoding ?? row.encoding(index), lengthBytes: row.lengthBytes(index), storedBytes: stored.length });
      parts.push(stored);
    }
    const payloadBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const store = this.store_;
    const range = store.allocate(runBlocks(entries.length, payloadBytes), "payload");
    const fresh = { uuid: store.uuid, sequence: store.nextSequence(), first: row.first, entries };
    store.writeOrRelease([{ range, parts: [encodeRunHeader(fresh), ...parts] }], [range]);
    await store.dataSync.sync();
    const moved = rowOfHeader(fresh, range.start);
    await store.committer.submit({
      writes: [rowPut(controlKey("run", row.first), encodeRunRow(moved)), ...this.lifeWrites(row, gone)],
      taken: [range],
      freed: row.heldRanges(),
      totals: totalsOf([moved], [row]),
    });
  }

  private lifeWrites(row: RunRow, gone: ReadonlySet<number>): ControlWrite[] {
    const key = controlKey("life", row.first);
    return gone.size === 0 ? [] : [rowPut(key, encodeLife(lifeWithout(this.store_, row, gone)))];
  }

  private plan(chunks: readonly NewChunk[]): PlannedRun[] {
    const store = this.store_;
    for (let payloadMax = RUN_PAYLOAD_BYTES; ; payloadMax = Math.floor(payloadMax / 4)) {
      const planned: PlannedRun[] = [];
      let number = this.next;
      try {
        for (const packed of packs(chunks, payloadMax)) {
          planned.push(this.planRun(number, packed));
          number += packed.length;
        }
        store.refuseWhenDiskFull(planned.reduce((sum, { range }) => sum + range.count * BLOCK_BYTES, 0));
        return planned;
      } catch (error) {
        for (const { range } of planned) store.allocation.release(range);
        const isScattered = error instanceof RainbowError && error.code === "QUOTA_FULL" && payloadMax > CHUNK_BYTES_MAX;
        if (!isScattered) throw error; // Else smaller runs may still find room between others.
      }
    }
  }

  private planRun(first: number, chunks: readonly NewChunk[]): PlannedRun {
    const store = this.store_;
    const entries = chunks.map(({ hash, encoding, lengthBytes, stored }, index) => ({ hash, index, encoding, lengthBytes, storedBytes: stored.length }));
    const payloadBytes = chunks.reduce((sum, chunk) => sum + chunk.stored.length, 0);
    const range = store.allocate(runBlocks(chunks.length, payloadBytes), "payload");
    const header = { uuid: store.uuid, sequence: store.nextSequence(), first, entries };
    return { row: rowOfHeader(header, range.start), range, header: encodeRunHeader(header), chunks };
  }

  private async removeFrom(first: number): Promise<void> {
    const store = this.store_;
    this.forget();
    for (;;) {
      const rows = this.runs.from(first, GIVE_BACK_RUNS);
      if (rows.length === 0) return;
      const writes = [];
      const freed: BlockRange[] = [];
      const left: (RunRow | undefined)[] = [];
      for (const row of rows) {
        const rest = row.first < first ? row.truncated(first - row.first) : undefined;
        const key = controlKey("run", row.first);
        writes.push(rest === undefined ? rowDelete(key) : rowPut(key, encodeRunRow(rest)));
        if (rest === undefined) writes.push(rowDelete(controlKey("life", row.first)));
        freed.push(...row.freedRanges(rest));
        left.push(rest);
      }
      await store.committer.submit({ writes, freed, totals: totalsOf(left, rows) });
      this.forget();
    }
  }

  private rowOf(chunk: number): RunRow {
    const row = this.runs.find(chunk);
    if (row === undefined) throw new RainbowError("NOT_FOUND", `chunk ${chunk} is not stored`, { chunk });
    return row;
  }

  /** The full hash where the bytes are good; else what is known of it, so that it matches nothing. */
  private hashOfStored(row: RunRow, index: number): Buffer {
    const plain = this.reader.readGood(row, index);
    return plain === undefined ? Buffer.concat([row.hashPrefix(index)], 32) : this.reader.hashOf(plain);
  }

  private remember(chunk: number, plain: Buffer): void {
    this.decoded.set(chunk, plain);
    this.decodedBytes += plain.length;
    for (const [oldest, bytes] of this.decoded) {
      if (this.decodedBytes <= DECODED_BYTES_MAX) break;
      this.decoded.delete(oldest);
      this.decodedBytes -= bytes.length;
    }
  }
}

function refuseOversized({ lengthBytes, hash, stored }: NewChunk): void {
  const isFine = lengthBytes > 0 && lengthBytes <= CHUNK_BYTES_MAX && stored.length > 0 && stored.length <= CHUNK_BYTES_MAX && hash.length === 32;
  if (!isFine) throw new RainbowError("LIMIT", `a chunk of ${lengthBytes} bytes (${stored.length} stored) is outside 1 to ${CHUNK_BYTES_MAX}`, { lengthBytes });
}

function* packs(chunks: readonly NewChunk[], payloadMax: number): IterableIterator<readonly NewChunk[]> {
  let from = 0;
  let payloadBytes = 0;
  for (const [i, chunk] of chunks.entries()) {
    const isFull = i - from === RUN_CHUNKS_MAX || payloadBytes + chunk.stored.length > payloadMax;
    if (i > from && isFull) {
      yield chunks.slice(from, i);
      from = i;
      payloadBytes = 0;
    }
    payloadBytes += chunk.stored.length;
  }
  yield chunks.slice(from);
}
