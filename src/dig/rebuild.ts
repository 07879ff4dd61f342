/**
 * Makes the control file anew from the data file and from what the events name. Every run describes itself; of two runs with one
 * chunk number the higher sequence wins, where its bytes are good. Trees are not taken over: replay builds them. What a damaged
 * control file still says of runs whose own header is damaged is used as well.
 */
import { BLOCK_BYTES, isRainbowError, nodeZstd, RainbowError } from "../core/index.ts";
import type { ChunkNumber, DiskFile, Revision } from "../core/index.ts";
import { Allocation } from "./allocation.ts";
import type { BlockRange } from "./allocation.ts";
import { ChunkReader } from "./chunk-reader.ts";
import { ChunkSet } from "./chunk-set.ts";
import { NUMBER_FLOOR_KEY } from "./chunk-store.ts";
import { encodeTotals, TOTALS_KEY } from "./committer.ts";
import type { ControlEntry, ControlFile, ControlWrite } from "./control-file.ts";
import { controlKey, keyNumber, metaKey, openRow, rowDelete, rowPut, tableEnd } from "./control-rows.ts";
import type { ReferencesOfTree, SealedTree } from "./dig.ts";
import { RUN, RUN_CHUNKS_MAX } from "./layout.ts";
import { CONTROL_FILE, DATA_FILE, openWithParts } from "./open.ts";
import type { OpenDigOptions } from "./open.ts";
import { decodeRunHeader, decodeRunRow, encodeRunRow, rowOfHeader, runHeaderBytes, runHeaderLength, writeU64 } from "./run.ts";
import type { RunRow } from "./run.ts";
import { breathe, SEQUENCE_KEY } from "./store.ts";
import { readSuperblocks, writeSuperblock } from "./superblock.ts";
import { TreePages } from "./tree-pages.ts";
import { PagedTreeReader } from "./tree-reader.ts";
import { encodeTree, unsealTree } from "./tree-rows.ts";
import { TreeWalk } from "./tree-walk.ts";

const SCAN_BYTES = 1 << 20;
const ROWS_PER_STEP = 500;

export interface RebuildSource {
  /** Whether an event of the stream names this chunk number. */
  keep(chunk: ChunkNumber): boolean;
  /** The trees that the newest Rebased names and that are still kept, ascending, the window's last (rule 18); the opener counts from them (recount). */
  readonly trees?: readonly SealedTree[];
  /** The number that the next new chunk gets, as the events have it. */
  readonly nextChunk?: number;
  /** Whether this number may be kept: where its bytes are good. */
  keepIfGood?(chunk: ChunkNumber): boolean;
  /** What these trees name is kept too. Given where there are trees. */
  readonly referencesOf?: ReferencesOfTree;
  /** What to take where one of these trees is damaged: as before the newest Rebased, for which nothing was taken away yet. */
  readonly before?: RebuildSource;
  /** Its full hash as the events have it, where they do. */
  hashOf?(chunk: ChunkNumber): Buffer | undefined;
  progress?(doneBytes: number, allBytes: number): void;
}

export interface RebuildOptions extends Omit<OpenDigOptions, "create" | "readOnly"> {
  /** As the stream's first event has it: used where both superblocks are damaged, together with the quota. */
  readonly uuid: string;
  readonly quotaBytes: number;
}

export interface Rebuilt {
  readonly runCount: number;
  readonly chunkCount: number;
  /** Runs whose own header was damaged and that were written anew. */
  readonly rewrittenRuns: number;
  /** Kept trees before the window's start that are damaged: their snapshots cannot be read any more. */
  readonly lostTrees: readonly Revision[];
}

/** The old control file stays beside as control.lmdb.old. The data file must not be open. */
export async function rebuildControl(options: RebuildOptions, source: RebuildSource): Promise<Rebuilt> {
  const { disk, directory } = options;
  const path = `${directory}/${DATA_FILE}`;
  if (!disk.exists(path)) throw new RainbowError("NO_STORE", `${path} is missing`, { path });
  const [controlPath, newPath] = [`${directory}/${CONTROL_FILE}`, `${directory}/${CONTROL_FILE}.new`];
  removeWithLock(options, newPath);
  const file = disk.open(path, { create: false });
  const quotaBlocks = mendSuperblocks(file, options);
  const control = await options.control({ path: newPath, create: true, readOnly: false });
  let result: Rebuilt;
  let headless: readonly number[];
  try {
    const rebuild = await withTrees((from) => new Rebuild(options, file, control, from, quotaBlocks), source);
    await rebuild.collectFromControl(controlPath);
    headless = await rebuild.collectFromData();
    result = await rebuild.choose();
  } finally {
    await control.close();
    file.close();
  }
  if (disk.exists(controlPath)) disk.rename(controlPath, `${controlPath}.old`);
  removeWithLock(options, controlPath);
  disk.rename(newPath, controlPath);
  removeWithLock(options, newPath);
  return { ...result, rewrittenRuns: await rewriteRuns(options, headless) };
}

/** Reads the trees of `source`, or of the one before where they are not all intact. */
async function withTrees(over: (source: RebuildSource) => Rebuild, source: RebuildSource): Promise<Rebuild> {
  const rebuild = over(source);
  try {
    await rebuild.readTrees();
    if (source.before === undefined || rebuild.lostTrees.length === 0) return rebuild;
  } catch (error) {
    if (source.before === undefined || !isRainbowError(error, "STORE_CORRUPT")) throw error;
  }
  return await withTrees(over, source.before);
}

function removeWithLock({ disk }: RebuildOptions, path: string): void {
  for (const each of [path, `${path}-lock`]) if (disk.exists(each)) disk.remove(each);
}

/** The quota in blocks; where no superblock is intact, two are written. */
function mendSuperblocks(file: DiskFile, { uuid, quotaBytes }: RebuildOptions): number {
  const { newest, damage } = readSuperblocks(file);
  const quotaBlocks = newest?.quotaBlocks ?? Math.floor(quotaBytes / BLOCK_BYTES);
  if (newest !== undefined && newest.uuid !== uuid)
    throw new RainbowError("STORE_CORRUPT", `${file.path} belongs to another machine's stream`, { path: file.path });
  if (damage.length > 0) {
    const sequence = (newest?.sequence ?? 0) + 1;
    for (const next of [sequence, sequence + 1]) {
      writeSuperblock(file, { uuid, quotaBlocks, state: "open", sequence: next });
      file.datasyncSync(); // One after the other: never both torn.
    }
  }
  return quotaBlocks;
}

/** Gives runs that only the control file knew a header again. */
async function rewriteRuns(options: RebuildOptions, firsts: readonly number[]): Promise<number> {
  if (firsts.length === 0) return 0;
  const { uuid: _uuid, quotaBytes: _quotaBytes, ...rest } = options;
  const dig = await openWithParts(rest);
  let count = 0;
  try {
    for (const first of firsts) {
      const row = dig.chunks.runs.rowAt(first);
      if (row?.first !== first || dig.chunks.headerOf(row) !== undefined) continue;
      await dig.store.exclusively(() => dig.chunks.rewrite(row, new Map()));
      dig.chunks.forget();
      count += 1;
    }
  } finally {
    await dig.close();
  }
  return count;
}

class Rebuild {
  private readonly options: RebuildOptions;
  private readonly file: DiskFile;
  private readonly control: ControlFile;
  private readonly source: RebuildSource;
  private readonly quotaBlocks: number;
  private readonly found = new Set<number>();
  private readonly fromControl: { first: number; sequence: number }[] = [];
  private readonly reader: ChunkReader;
  private writes: ControlWrite[] = [];
  private highest = 0;
  /** Kept trees whose pages are all intact, and the blocks of these. */
  private readonly trees: SealedTree[] = [];
  private readonly pages: BlockRange[] = [];
  readonly lostTrees: Revision[] = [];
  /** Chunks that kept trees name. */
  private readonly named = new ChunkSet();

  constructor(options: RebuildOptions, file: DiskFile, control: ControlFile, source: RebuildSource, quotaBlocks: number) {
    this.options = options;
    this.file = file;
    this.control = control;
    this.source = source;
    this.quotaBlocks = quotaBlocks;
    this.reader = new ChunkReader(file, options.hashKey, nodeZstd);
  }

  /** STORE_CORRUPT where the tree at the window's start is damaged: nothing else says what was true there. */
  async readTrees(): Promise<void> {
    const trees = this.source.trees ?? [];
    const pages = new TreePages({ file: this.file });
    const walk = new TreeWalk(pages);
    for (const tree of trees.toReversed()) {
      try {
        const { info, root } = unsealTree(tree);
        this.pages.push(...(await walk.walk({ root })));
        await this.source.referencesOf?.(new PagedTreeReader(info, root, pages, () => undefined), (chunk) => this.named.add(chunk));
        this.trees.unshift(tree);
      } catch (error) {
        if (!isRainbowError(error, "DIG_CHECKSUM")) throw error;
        if (tree === trees.at(-1))
          throw new RainbowError("STORE_CORRUPT", `the tree at r${tree.revision}, where the window begins, is damaged: ${error.message}`, error.facts, error);
        this.lostTrees.push(tree.revision);
      }
    }
  }

  /** Intact run rows of the old control file; it may be missing or too damaged to be opened. */
  async collectFromControl(path: string): Promise<void> {
    if (!this.options.disk.exists(path)) return;
    let old: ControlFile;
    try {
      old = await this.options.control({ path, create: false, readOnly: true });
    } catch (error) {
      if (!isRainbowError(error)) throw error;
      return; // The data file alone has to do.
    }
    try {
      for (const { key, value } of entriesOf(old, controlKey("run"), tableEnd("run"))) {
        const row = intact(() => decodeRunRow(keyNumber(key, 0), openRow(key, value)));
        if (row === undefined) continue;
        this.fromControl.push({ first: row.first, sequence: row.sequence });
        await this.candidate(row);
      }
    } finally {
      await old.close();
    }
  }

  /** Every intact header of the data file. Returns the runs that only the old control file knew. */
  async collectFromData(): Promise<readonly number[]> {
    const allBytes = this.file.sizeBytes();
    const piece = Buffer.allocUnsafe(SCAN_BYTES);
    for (let at = 0; at < allBytes; at += SCAN_BYTES) {
      const length = this.file.read(piece, at);
      for (let offset = 0; offset + RUN.entries <= length; offset += BLOCK_BYTES) {
        if (runHeaderLength(piece.subarray(offset, length)) !== undefined) await this.headerAt(at + offset);
      }
      this.source.progress?.(Math.min(allBytes, at + length), allBytes);
      await breathe();
    }
    await this.flush();
    return this.fromControl.filter(({ sequence }) => !this.found.has(sequence)).map(({ first }) => first);
  }

  /** Of all candidates what the events name, each number once, each block once; then bitmap and totals. */
  async choose(): Promise<Rebuilt> {
    await this.chooseNumbers();
    await this.dropFalseOwners();
    const allocation = new Allocation(this.quotaBlocks);
    const totals = { chunkCount: 0, storedBytes: 0, treeBlocks: this.pages.reduce((sum, { count }) => sum + count, 0) };
    for (const page of this.pages) allocation.reserve(page);
    const segments = allocation.commitBits(this.pages, []);
    let runCount = 0;
    for (const row of this.chosen()) {
      for (const range of row.heldRanges()) allocation.reserve(range);
      for (const segment of allocation.commitBits(row.heldRanges(), [])) segments.add(segment);
      const { chunkCount, storedBytes } = row.totals();
      totals.chunkCount += chunkCount;
      totals.storedBytes += storedBytes;
      runCount += 1;
    }
    const sequence = Buffer.alloc(8);
    writeU64(sequence, this.highest + 1, 0);
    const floor = Buffer.alloc(8);
    writeU64(floor, this.source.nextChunk ?? 1, 0);
    this.writes.push(rowPut(NUMBER_FLOOR_KEY, floor));
    this.writes.push(rowPut(TOTALS_KEY, encodeTotals(totals)), rowPut(SEQUENCE_KEY, sequence), ...this.keptTrees());
    for (const segment of segments) await this.put(rowPut(controlKey("bitmap", segment), allocation.segment(segment)));
    await this.flush();
    return { runCount, chunkCount: totals.chunkCount, rewrittenRuns: 0, lostTrees: this.lostTrees };
  }

  /** Rows of the kept trees, and that what they hold is to be counted. */
  private keptTrees(): ControlWrite[] {
    const window = this.trees.at(-1);
    if (window === undefined) return [];
    const content = Buffer.alloc(8);
    writeU64(content, window.revision, 0);
    return [
      ...this.trees.map((tree) => rowPut(controlKey("tree", tree.revision), encodeTree(unsealTree(tree)))),
      rowPut(metaKey("window"), content),
      rowPut(metaKey("reset"), content),
    ];
  }

  private async headerAt(byteOffset: number): Promise<void> {
    const bytes = Buffer.allocUnsafe(runHeaderBytes(RUN_CHUNKS_MAX));
    const length = this.file.read(bytes, byteOffset);
    const header = decodeRunHeader(bytes.subarray(0, length), this.options.uuid);
    if (header === undefined) return;
    this.highest = Math.max(this.highest, header.sequence);
    this.found.add(header.sequence);
    const wrong = header.entries.filter(({ index, hash }) => this.source.hashOf?.((header.first + index) as ChunkNumber)?.equals(hash) === false);
    const row = rowOfHeader(header, byteOffset / BLOCK_BYTES).without(wrong.map(({ index }) => index));
    if (row !== undefined) await this.candidate(row);
  }

  /** Kept under "C", first number and sequence, until all are known; only numbers that events name. */
  private async candidate(row: RunRow): Promise<void> {
    this.highest = Math.max(this.highest, row.sequence);
    const unnamed: number[] = [];
    for (let i = 0; i < row.count; i++) if (!row.isFreed(i) && !this.isNamed(row, i)) unnamed.push(i);
    const kept = row.without(unnamed);
    if (kept !== undefined) await this.put(rowPut(controlKey("candidate", row.first, row.sequence), encodeRunRow(kept)));
  }

  /**
   * Of the chunks from before the window's start that no kept tree names, an event may name one that it did not bring to life: that one
   * was freed, and its blocks may be another's.
   */
  private isNamed(row: RunRow, index: number): boolean {
    const chunk = (row.first + index) as ChunkNumber;
    if (this.named.has(chunk)) return true;
    if (this.source.keep(chunk) && chunk >= (this.trees.at(-1)?.nextChunk ?? 0)) return true;
    return (this.source.keep(chunk) || this.source.keepIfGood?.(chunk) === true) && this.reader.readGood(row, index) !== undefined;
  }

  /** Goes up the numbers with the candidates that may overlap in hand; rows of the result do not. */
  private async chooseNumbers(): Promise<void> {
    let near: RunRow[] = [];
    const settle = async (below: number): Promise<void> => {
      const done = near.filter((row) => row.first < below);
      near = near.filter((row) => row.first >= below);
      for (const row of this.withoutOverlap(done)) await this.put(rowPut(controlKey("run", row.first), encodeRunRow(row)));
    };
    for (const { key, value } of entriesOf(this.control, controlKey("candidate"), tableEnd("candidate"))) {
      const row = decodeRunRow(keyNumber(key, 0), openRow(key, value));
      const end = Math.max(0, ...near.map((other) => other.first + other.count));
      if (row.first >= end) await settle(row.first);
      near.push(row);
      await this.put(rowDelete(key));
    }
    await settle(Number.POSITIVE_INFINITY);
    await this.flush();
  }

  /**
   * A run that was written anew elsewhere has the first number of the one before it, and one row: that with most good chunks, of equals
   * the newest. Power may have failed between its writing and the row that names it; then it may be torn.
   */
  private withoutCopies(rows: readonly RunRow[]): RunRow[] {
    return [...Map.groupBy(rows, (row) => row.first).values()].map((copies) => {
      const newestFirst = copies.toSorted((a, b) => b.sequence - a.sequence);
      if (newestFirst.length === 1) return newestFirst[0]!;
      const goodCounts = newestFirst.map((row) => this.goodCount(row));
      return newestFirst[goodCounts.indexOf(Math.max(...goodCounts))]!;
    });
  }

  private goodCount(row: RunRow): number {
    let count = 0;
    for (let i = 0; i < row.count; i++) if (!row.isFreed(i) && this.reader.readGood(row, i) !== undefined) count += 1;
    return count;
  }

  /** Each number from the newest run that holds good bytes of it. */
  private withoutOverlap(candidates: readonly RunRow[]): RunRow[] {
    const rows = this.withoutCopies(candidates);
    const newestFirst = [...rows].sort((a, b) => b.sequence - a.sequence);
    const taken = new Map<number, RunRow>();
    for (const [place, row] of newestFirst.entries()) {
      const others = newestFirst.slice(place + 1);
      for (let i = 0; i < row.count; i++) {
        const chunk = row.first + i;
        if (row.isFreed(i) || taken.has(chunk)) continue;
        const isDoubtful = others.some((other) => other.has(chunk));
        if (!isDoubtful || this.reader.readGood(row, i) !== undefined) taken.set(chunk, row);
      }
    }
    const ascending = [...rows].sort((a, b) => a.first - b.first || b.sequence - a.sequence);
    const result: RunRow[] = [];
    for (const row of ascending) {
      const lost: number[] = [];
      for (let i = 0; i < row.count; i++) if (taken.get(row.first + i) !== row) lost.push(i);
      const rest = row.without(lost);
      const before = result.at(-1);
      if (rest === undefined) continue;
      // Numbers are given anew only after all from there on were given back: an older run holds nothing behind a newer one's first.
      if (before !== undefined && before.first + before.count > rest.first) result[result.length - 1] = before.truncated(rest.first - before.first) ?? before;
      result.push(rest);
    }
    return result;
  }

  /** Where two rows claim a block, one is a ghost whose blocks were given to another: only what can be verified stays. */
  private async dropFalseOwners(): Promise<void> {
    const doubtful = this.doubleBlocks();
    if (doubtful.size === 0) return;
    for (const row of this.chosen()) {
      if (!row.heldRanges().some(({ start, count }) => hasBlockIn(doubtful, start, count))) continue;
      const bad: number[] = [];
      for (let i = 0; i < row.count; i++) if (!row.isFreed(i) && this.reader.readGood(row, i) === undefined) bad.push(i);
      const rest = row.without(bad);
      const key = controlKey("run", row.first);
      await this.put(rest === undefined ? rowDelete(key) : rowPut(key, encodeRunRow(rest)));
    }
    await this.flush();
  }

  private doubleBlocks(): Set<number> {
    const owned = new Uint8Array(Math.ceil(this.quotaBlocks / 8) + 1);
    const double = new Set<number>();
    const own = ({ start, count }: BlockRange): void => {
      for (let block = start; block < start + count; block++) {
        if ((owned[block >> 3]! >> (block & 7)) & 1) double.add(block);
        owned[block >> 3]! |= 1 << (block & 7);
      }
    };
    this.pages.forEach(own);
    for (const row of this.chosen()) row.heldRanges().forEach(own);
    return double;
  }

  private *chosen(): IterableIterator<RunRow> {
    for (const { key, value } of entriesOf(this.control, controlKey("run"), tableEnd("run"))) yield decodeRunRow(keyNumber(key, 0), openRow(key, value));
  }

  private async put(write: ControlWrite): Promise<void> {
    this.writes.push(write);
    if (this.writes.length >= ROWS_PER_STEP) await this.flush();
  }

  private async flush(): Promise<void> {
    if (this.writes.length > 0) await this.control.commit(this.writes.splice(0));
  }
}

/** All entries of a range, some at a time; those that were read may be changed meanwhile. */
function* entriesOf(control: ControlFile, from: Buffer, to: Buffer): IterableIterator<ControlEntry> {
  for (let next = from; ;) {
    const entries = control.range(next, to, { limit: ROWS_PER_STEP });
    yield* entries;
    const last = entries.at(-1);
    if (last === undefined) return;
    next = Buffer.concat([last.key, Buffer.alloc(1)]);
  }
}

function intact<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isRainbowError(error)) return undefined; // A damaged row has nothing to tell.
    throw error;
  }
}

function hasBlockIn(blocks: ReadonlySet<number>, start: number, count: number): boolean {
  for (let block = start; block < start + count; block++) if (blocks.has(block)) return true;
  return false;
}
