/**
 * Verifies a store: every row, run header, page and long value against its checksum, and the bitmap against everything that names a
 * block. New chunks may be stored meanwhile; nothing is freed or built. Damage becomes a Problem, never an exception.
 */
import { crc32 } from "node:zlib";
import { BLOCK_BYTES, isRainbowError } from "../core/index.ts";
import type { ChunkNumber } from "../core/index.ts";
import { BlockClaims } from "./block-claims.ts";
import { decodeTotals, TOTALS_KEY } from "./committer.ts";
import { controlKey, keyNumber, nameOfKey, openRow, tableEnd } from "./control-rows.ts";
import type { Dig, Problem } from "./dig.ts";
import { BITMAP, BITMAP_MAGIC, bitmapBlockOf, SUPERBLOCK_COUNT, TABLE } from "./layout.ts";
import type { TableName } from "./layout.ts";
import { decodeLife } from "./life.ts";
import type { DigInternals } from "./open.ts";
import { decodeRunRow } from "./run.ts";
import type { RunRow } from "./run.ts";
import { breathe } from "./store.ts";
import { readSuperblocks } from "./superblock.ts";
import { decodeChunkDeaths, decodePageDeaths, decodeStaged, decodeTree } from "./tree-rows.ts";
import { TreeCheck } from "./check-tree.ts";

const ROWS_PER_SLICE = 256;
const RUNS_PER_SLICE = 16;
const CHUNKS_PER_BREATH = 32;
const PROBLEMS_MAX = 10_000; // A list that no one reads to its end; what follows is counted.

type CheckOptions = Parameters<Dig["check"]>[0];

export async function* checkStore(dig: DigInternals, options: CheckOptions): AsyncIterable<Problem> {
  const structure = new StructureCheck(dig, options);
  yield* await dig.store.exclusively(() => structure.run());
  if (options.readData) yield* readEveryChunk(dig, structure, options);
}

class StructureCheck {
  readonly problems: Problem[] = [];
  /** Runs that were there when the check began; later ones are not looked at. */
  readonly lastRun: number;
  doneBytes = 0;
  readonly allBytes: number;
  private readonly dig: DigInternals;
  private readonly options: CheckOptions;
  private readonly claims: BlockClaims;
  private readonly counted = { chunkCount: 0, storedBytes: 0 };
  private problemCount = 0;
  private previousRun: RunRow | undefined;

  constructor(dig: DigInternals, options: CheckOptions) {
    const { store, chunks } = dig;
    this.dig = dig;
    this.options = options;
    this.claims = new BlockClaims(store.allocation.groups, (problem) => this.report(problem));
    this.lastRun = chunks.runs.lastFirst();
    this.allBytes = store.allocation.committedBlocks * BLOCK_BYTES;
  }

  /** Under the lock. */
  async run(): Promise<readonly Problem[]> {
    const { store } = this.dig;
    const committed = store.allocation.snapshot();
    const totals = store.committer.totals;
    for (const what of store.rows.file.problems()) this.report({ what, where: "control file" });
    for (const { block, what } of readSuperblocks(store.file).damage) this.report({ what, where: `block ${block}` });
    this.checkBitmapBlocks();
    for (const table of Object.keys(TABLE) as TableName[]) await this.checkTable(table);
    this.checkStrangers();
    const trees = new TreeCheck(this.dig.trees.pages, this.claims, (problem) => this.report(problem));
    for (const tree of this.dig.trees.all()) await trees.check(tree);
    await this.checkDeadPages();
    for (const problem of this.claims.compare(committed)) this.report(problem);
    const isCounted = this.counted.chunkCount === totals.chunkCount && this.counted.storedBytes === totals.storedBytes;
    if (!isCounted)
      this.report({
        what: `the totals say ${totals.chunkCount} chunks of ${totals.storedBytes} bytes; there are ${this.counted.chunkCount} of ${this.counted.storedBytes}`,
        where: "control file",
      });
    if (this.problemCount > PROBLEMS_MAX) this.problems.push({ what: `${this.problemCount - PROBLEMS_MAX} further problems`, where: "store" });
    return this.problems;
  }

  report(problem: Problem): void {
    this.problemCount += 1;
    if (this.problemCount <= PROBLEMS_MAX) this.problems.push(problem);
  }

  progress(byteCount: number): void {
    this.doneBytes += byteCount;
    this.options.progress?.(Math.min(this.doneBytes, this.allBytes), this.allBytes);
  }

  private checkBitmapBlocks(): void {
    const { store } = this.dig;
    for (let group = 0; group < store.allocation.groups; group++) {
      const block = Buffer.alloc(BLOCK_BYTES);
      store.file.read(block, bitmapBlockOf(group) * BLOCK_BYTES);
      this.claims.own({ start: bitmapBlockOf(group), count: 1 });
      const isBlank = block.every((byte) => byte === 0); // Until the first clean close.
      const isSound = block.toString("latin1", 0, 4) === BITMAP_MAGIC && block.readUInt32LE(BITMAP.crc) === crc32(block.subarray(BITMAP.group));
      if (!isBlank && !isSound)
        this.report({ what: "a bitmap block is damaged (the next clean close writes it anew)", where: `block ${bitmapBlockOf(group)}` });
    }
    this.claims.own({ start: 0, count: SUPERBLOCK_COUNT });
  }

  /** Every row's checksum and content; run rows claim their blocks. */
  private async checkTable(table: TableName): Promise<void> {
    for (let from = controlKey(table); ;) {
      const entries = this.dig.store.rows.file.range(from, tableEnd(table), { limit: ROWS_PER_SLICE });
      for (const { key, value } of entries) this.attempt(nameOfKey(key), () => this.checkRow(table, key, openRow(key, value)));
      const last = entries.at(-1);
      if (last === undefined || entries.length < ROWS_PER_SLICE) return;
      from = Buffer.concat([last.key, Buffer.alloc(1)]);
      await breathe();
    }
  }

  private checkRow(table: TableName, key: Buffer, content: Buffer): void {
    const first = keyNumber(key, 0);
    if (table === "run") this.checkRun(decodeRunRow(first, content));
    else if (table === "life") this.checkLife(first, content);
    else if (table === "tree") decodeTree(first, content);
    else if (table === "staged") decodeStaged(content);
    else if (table === "chunkDeaths") decodeChunkDeaths(first, content);
    else if (table === "pageDeaths") decodePageDeaths(first, content);
    else if (table === "candidate") this.report({ what: "a row of an unfinished rebuild", where: nameOfKey(key) });
    else if (table === "meta" && key.equals(TOTALS_KEY)) decodeTotals(content);
  }

  private checkRun(row: RunRow): void {
    if (row.first > this.lastRun) return;
    const where = `run of chunk ${row.first} at block ${row.start}`;
    const before = this.previousRun;
    if (before !== undefined && before.first + before.count > row.first)
      this.report({ what: `chunks ${row.first} and on are also in the run of chunk ${before.first}`, where });
    this.previousRun = row;
    for (const range of row.heldRanges()) this.claims.claim(range, where);
    const { chunkCount, storedBytes } = row.totals();
    this.counted.chunkCount += chunkCount;
    this.counted.storedBytes += storedBytes;
    this.checkHeader(row, where);
    if (!this.options.readData) this.progress(row.blockCount * BLOCK_BYTES);
  }

  private checkHeader(row: RunRow, where: string): void {
    this.dig.chunks.forgetHeader(row);
    const header = this.dig.chunks.headerOf(row);
    if (header === undefined) {
      this.report({ what: "the header of a run is damaged (its chunks are read by the control file)", where });
      return;
    }
    const entries = new Map(header.entries.map((entry) => [entry.index, entry]));
    for (let i = 0; i < row.count; i++) {
      if (row.isFreed(i)) continue;
      const entry = entries.get(i);
      const isSame =
        entry !== undefined && entry.lengthBytes === row.lengthBytes(i) && entry.storedBytes === row.storedBytes(i) && entry.encoding === row.encoding(i);
      if (!isSame || row.hashPrefix(i).compare(entry.hash, 0, 16) !== 0) {
        this.report({ what: `chunk ${row.first + i} is not as the header of its run has it`, where, chunk: (row.first + i) as ChunkNumber });
      }
    }
  }

  private checkLife(first: number, content: Buffer): void {
    const row = this.dig.chunks.runs.rowAt(first);
    if (row?.first !== first) this.report({ what: "live counts stand there for a run that does not exist", where: `life ${first}` });
    else decodeLife(row.count, content);
  }

  private checkStrangers(): void {
    const letters = new Set<string>(Object.values(TABLE));
    let from = Buffer.alloc(0);
    for (let i = 0; i < 256; i++) {
      const letter = String.fromCharCode(i);
      const to = i === 255 ? Buffer.alloc(64, 0xff) : Buffer.from([i + 1]);
      const found = letters.has(letter) ? undefined : this.dig.store.rows.file.range(from, to, { limit: 1 })[0];
      if (found !== undefined) this.report({ what: `a row of no known table (${found.key.toString("hex")})`, where: "control file" });
      from = to;
    }
  }

  /** Dead pages that no registered tree has any more still own their blocks, until they are freed. */
  private async checkDeadPages(): Promise<void> {
    for (let from = controlKey("pageDeaths"); ;) {
      const entries = this.dig.store.rows.file.range(from, tableEnd("pageDeaths"), { limit: ROWS_PER_SLICE });
      for (const { key, value } of entries) {
        const pages = this.quietly(() => decodePageDeaths(keyNumber(key, 0), openRow(key, value))) ?? [];
        for (const { start, count } of pages) this.claims.claimPage({ start, count }, `dead page at block ${start}`);
      }
      const last = entries.at(-1);
      if (last === undefined || entries.length < ROWS_PER_SLICE) return;
      from = Buffer.concat([last.key, Buffer.alloc(1)]);
      await breathe();
    }
  }

  private attempt(where: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!isRainbowError(error)) throw error;
      this.report({ what: error.message, where });
    }
  }

  private quietly<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch {
      return undefined; // Reported when the table was checked.
    }
  }
}

/** Re-reads and re-hashes; what was freed meanwhile is passed over. */
async function* readEveryChunk(dig: DigInternals, structure: StructureCheck, options: CheckOptions): AsyncIterable<Problem> {
  for (let from = 0; ;) {
    const { rows, next } = rowsFrom(dig, from);
    for (const row of rows) {
      if (row.first > structure.lastRun) return;
      for (let i = 0; i < row.count; i++) {
        if (i % CHUNKS_PER_BREATH === 0) await breathe();
        const problem = dig.chunks.runs.find(row.first + i) === undefined ? undefined : problemOf(dig, row.first + i);
        if (problem !== undefined) yield problem;
      }
      structure.progress(row.blockCount * BLOCK_BYTES);
    }
    if (next === undefined) break;
    from = next;
  }
  options.progress?.(structure.allBytes, structure.allBytes);
}

function problemOf(dig: DigInternals, chunk: number): Problem | undefined {
  const row = dig.chunks.runs.find(chunk)!;
  try {
    dig.chunks.reader.readVerified(row, chunk - row.first);
    return undefined;
  } catch (error) {
    if (!isRainbowError(error)) throw error;
    return { what: error.message, where: `block ${row.start + Math.floor(row.offset(chunk - row.first) / BLOCK_BYTES)}`, chunk: chunk as ChunkNumber };
  }
}

/** The next runs that can be read, and where to go on; damaged rows were reported with the structure. */
function rowsFrom(dig: DigInternals, chunk: number): { readonly rows: RunRow[]; readonly next: number | undefined } {
  const rows: RunRow[] = [];
  const entries = dig.store.rows.file.range(controlKey("run", chunk), tableEnd("run"), { limit: RUNS_PER_SLICE });
  for (const { key, value } of entries) {
    try {
      rows.push(decodeRunRow(keyNumber(key, 0), openRow(key, value)));
    } catch {
      continue;
    }
  }
  const last = entries.at(-1);
  return { rows, next: last === undefined ? undefined : keyNumber(last.key, 0) + 1 };
}
