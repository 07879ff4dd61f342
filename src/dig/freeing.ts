/**
 * Moving the window and freeing (rules 7 to 12). Ranges of deaths that may have become free are a durable work set; each is worked
 * off in steps: pages first, then chunks, which are condemned before they are freed. Stopped anywhere, it begins the range anew.
 */
import { assert, BLOCK_BYTES, RainbowError } from "../core/index.ts";
import type { ChunkNumber, Revision } from "../core/index.ts";
import type { BlockRange } from "./allocation.ts";
import type { Chunks } from "./chunk-store.ts";
import { Cleaning } from "./cleaning.ts";
import type { ControlWrite } from "./control-file.ts";
import { controlKey, keyNumber, rowDelete, rowPut, tableEnd } from "./control-rows.ts";
import type { EventsHold, FreeBarrier, Freeing, PurgePlan, ReaderHold } from "./dig.ts";
import type { Leases } from "./leases.ts";
import { rowsWithout } from "./freed-rows.ts";
import { readLife } from "./life.ts";
import { Purging } from "./purging.ts";
import { readU64, writeU64 } from "./run.ts";
import { breathe } from "./store.ts";
import type { Store } from "./store.ts";
import { decodeChunkDeaths, decodePageDeaths, encodeChunkDeaths, encodePageDeaths } from "./tree-rows.ts";
import type { ChunkDeath } from "./tree-rows.ts";
import type { Trees } from "./tree-store.ts";

const ENTRIES_PER_MS = 20; // Measured: 5 us each for rows and bits, and up to 200 us for the hole of a block that stands alone.
const ENTRIES_MIN = 64;
const ENTRIES_MAX = 8192; // Bounds the condemned chunks in memory.
const WORK_ROWS = 64;
const DEATH_ROWS_PER_STEP = 32; // Of up to 256 deaths.

interface Range {
  readonly lo: number;
  readonly hi: number;
}

/** How far a range is worked off: in memory, so that a crash begins it anew. */
interface Progress {
  readonly range: Range;
  /** The next row to look at. */
  next: Buffer;
  isInPages: boolean;
  /** The tree whose deaths were looked at last. */
  lastDeaths: number;
  /** A reader, or a change that no tree has yet, still blocks something: the range stays. */
  isBlocked: boolean;
}

/** Some candidates, and the rows that list them. */
interface Candidates {
  readonly rows: readonly { readonly key: Buffer; readonly deaths: readonly ChunkDeath[] }[];
  readonly deaths: readonly ChunkDeath[];
}

export class WindowFreeing implements Freeing {
  private readonly store: Store;
  private readonly trees: Trees;
  private readonly chunks: Chunks;
  private readonly leases: Leases;
  private readonly cleaning: Cleaning;
  private readonly purging: Purging;
  private progress: Progress | undefined;
  private isWorking = false;
  private isGivingBack = false;
  /** Ranges that stayed blocked, until all others are done. */
  private readonly tried = new Set<string>();

  constructor(store: Store, trees: Trees, chunks: Chunks, leases: Leases) {
    this.store = store;
    this.trees = trees;
    this.chunks = chunks;
    this.leases = leases;
    this.cleaning = new Cleaning(chunks);
    this.purging = new Purging(store, chunks);
  }

  dropTree(revision: Revision): Promise<void> {
    return this.store.exclusively(async () => {
      this.store.refuseUnlessWritable();
      this.store.reserve.giveUpWhenFull();
      assert(
        this.trees.list().some((info) => info.revision === revision),
        `there is a tree at revision ${revision}`,
      );
      const next = this.trees.next(revision);
      if (next === undefined) throw new RainbowError("LIMIT", "the newest tree is never dropped", { revision });
      await this.store.committer.submit({ writes: [rowDelete(controlKey("tree", revision)), workRow(revision, next.info.revision)] });
      this.trees.unregister(revision);
    });
  }

  moveWindow(revision: Revision): Promise<void> {
    return this.store.exclusively(async () => {
      this.store.refuseUnlessWritable();
      this.store.reserve.giveUpWhenFull();
      const old = this.window();
      if (revision <= old) return;
      const content = Buffer.alloc(8);
      writeU64(content, revision, 0);
      await this.store.committer.submit({ writes: [rowPut(this.store.windowKey, content), workRow(old, revision)] });
    });
  }

  /** W: every instant from here on is kept. */
  window(): Revision {
    const content = this.store.rows.get(this.store.windowKey);
    return (content === undefined ? 0 : readU64(content, 0)) as Revision;
  }

  holdEvents(from: Revision): EventsHold {
    return this.leases.addEvents(from);
  }

  readFrom(): number {
    return this.leases.oldestEvents();
  }

  endHolds(revision: Revision): void {
    this.leases.endEvents(revision);
  }

  hold(revision: Revision, base = revision): ReaderHold {
    return this.leases.hold({ base: this.trees.at(base)?.info.revision, revision, nextChunk: this.trees.nextChunkBound(revision) });
  }

  endIdleReaders(nowUs: number, idleUs: number): void {
    this.leases.endIdle(nowUs, idleUs);
  }

  readersAt(): Revision[] {
    return this.leases.revisions();
  }

  work(barrier: FreeBarrier, stepMs: number): Promise<{ freedBytes: number; done: boolean }> {
    return this.alone(() => this.step(barrier, Math.min(ENTRIES_MAX, Math.max(ENTRIES_MIN, Math.floor(stepMs * ENTRIES_PER_MS)))));
  }

  purge(plan: PurgePlan, barrier: FreeBarrier, stepMs: number): Promise<{ freedBytes: number; done: boolean }> {
    return this.alone(() => this.purging.step(plan, barrier, stepMs));
  }

  purgedUntil(): Revision {
    return this.purging.done();
  }

  notePurged(revision: Revision): Promise<void> {
    return this.purging.note(revision);
  }

  /** Condemned chunks are those of one step. */
  private async alone<T>(step: () => Promise<T>): Promise<T> {
    assert(!this.isWorking, "chunks are freed by one at a time");
    this.isWorking = true;
    try {
      return await step();
    } finally {
      this.isWorking = false;
    }
  }

  makeRoom(): void {
    this.store.reserve.giveUpWhenFull();
  }

  async estimate(window: Revision, kept: readonly Revision[]): Promise<number> {
    const trees = this.trees.all().filter(({ info }) => info.revision >= window || kept.includes(info.revision));
    let [byteCount, rowCount] = [0, 0];
    for (const { key, content } of this.store.rows.scan("chunkDeaths")) {
      for (const entry of decodeChunkDeaths(keyNumber(key, 0), content)) {
        if (entry.death > window || !this.isStillDead(entry)) continue;
        const before = trees.findLast(({ info }) => info.revision < entry.death);
        if (before !== undefined && entry.chunk < before.info.nextChunk) continue;
        const row = this.chunks.runs.rowAt(entry.chunk)!;
        byteCount += row.storedBytes(entry.chunk - row.first);
      }
      if (++rowCount % DEATH_ROWS_PER_STEP === 0) await breathe();
    }
    return byteCount;
  }

  clean(stepMs: number): Promise<{ freedBytes: number; done: boolean }> {
    return this.store.exclusively(async () => {
      this.store.refuseUnlessWritable();
      if (this.isGivingBack) return { freedBytes: 0, done: await this.giveControlBack() };
      const step = await this.cleaning.step(stepMs);
      this.isGivingBack = step.done;
      return { ...step, done: false };
    });
  }

  /** The control file's own space, once everything else is done. True when it is. */
  private async giveControlBack(): Promise<boolean> {
    await this.store.committer.between(() => (this.isGivingBack = !this.store.rows.file.giveBackStep()));
    return !this.isGivingBack;
  }

  private async step(barrier: FreeBarrier, limit: number): Promise<{ freedBytes: number; done: boolean }> {
    const progress = await this.store.exclusively(() => Promise.resolve(this.takeUp()));
    if (progress === undefined) return { freedBytes: 0, done: true };
    if (progress.isInPages) return { freedBytes: await this.store.exclusively(() => this.freePages(progress, limit)), done: false };
    const candidates = await this.store.exclusively(() => Promise.resolve(this.condemn(progress, limit)));
    if (candidates.rows.length === 0) return { freedBytes: 0, done: await this.store.exclusively(() => this.endRange(progress)) };
    try {
      if (candidates.deaths.length > 0) await barrier.projected(await barrier.headRevision());
      return { freedBytes: await this.store.exclusively(() => this.freeChunks(progress, candidates, barrier)), done: false };
    } finally {
      for (const { chunk } of candidates.deaths) this.chunks.condemned.delete(chunk);
    }
  }

  /** The range under way, or the next one; a range that was blocked comes last. */
  private takeUp(): Progress | undefined {
    this.store.refuseUnlessWritable();
    this.store.reserve.giveUpWhenFull();
    if (this.progress !== undefined) return this.progress;
    const row = this.store.rows.file.range(controlKey("work"), tableEnd("work"), { limit: WORK_ROWS }).find(({ key }) => !this.tried.has(key.latin1Slice()));
    if (row === undefined) {
      this.tried.clear();
      return undefined;
    }
    const range = { lo: keyNumber(row.key, 0), hi: keyNumber(row.key, 1) };
    this.progress = { range, next: controlKey("pageDeaths", range.lo + 1), isInPages: true, lastDeaths: 0, isBlocked: false };
    return this.progress;
  }
  private async endRange({ range, isBlocked }: Progress): Promise<boolean> {
    const key = controlKey("work", range.lo, range.hi);
    if (isBlocked) this.tried.add(key.latin1Slice());
    else await this.store.committer.submit({ writes: [rowDelete(key)] });
    this.progress = undefined;
    return false;
  }

  /** Rule 7: no registered tree and no reader's base tree lies in a freed page's life. */
  private async freePages(progress: Progress, limit: number): Promise<number> {
    const { hi } = progress.range;
    const writes: ControlWrite[] = [];
    const freed: BlockRange[] = [];
    let seen = 0;
    let isAtEnd = true;
    for (const { key, content } of this.store.rows.scan("pageDeaths", progress.next, controlKey("pageDeaths", hi + 1))) {
      if (seen >= limit) {
        isAtEnd = false;
        break;
      }
      const death = keyNumber(key, 0);
      const pages = decodePageDeaths(death, content);
      const kept = pages.filter(({ birth }) => {
        if (this.isInTree(birth, death)) return true;
        const isRead = this.leases.holdsPage(birth, death);
        progress.isBlocked ||= isRead;
        return isRead;
      });
      const keptSet = new Set(kept);
      freed.push(...pages.filter((page) => !keptSet.has(page)).map(({ start, count }) => ({ start, count })));
      if (kept.length === 0) writes.push(rowDelete(key));
      else if (kept.length < pages.length) writes.push(rowPut(key, encodePageDeaths(death, kept)));
      seen += pages.length;
      progress.next = after(key);
    }
    const freedBlocks = freed.reduce((sum, { count }) => sum + count, 0);
    if (writes.length > 0) await this.store.committer.submit({ writes, freed, totals: { treeBlocks: -freedBlocks } });
    if (isAtEnd) {
      progress.isInPages = false;
      progress.next = controlKey("chunkDeaths", progress.range.lo + 1);
    }
    return freedBlocks * BLOCK_BYTES;
  }

  /** Rule 10, first half: chunks of the range that rule 7 lets go; dedup does not name them any more. */
  private condemn(progress: Progress, limit: number): Candidates {
    const { lo } = progress.range;
    const hi = Math.min(progress.range.hi, this.window());
    const rows: { key: Buffer; deaths: ChunkDeath[] }[] = [];
    const deaths: ChunkDeath[] = [];
    let last = progress.lastDeaths;
    for (const { key, content } of this.store.rows.scan("chunkDeaths", progress.next)) {
      const revision = keyNumber(key, 0);
      if (last >= hi && revision > last) break; // Each tree at the end lists the deaths since the one before it: behind this none is at or before hi.
      if (deaths.length >= limit || rows.length >= DEATH_ROWS_PER_STEP) break;
      const listed = decodeChunkDeaths(revision, content);
      last = revision;
      progress.lastDeaths = revision;
      rows.push({ key, deaths: listed });
      for (const entry of listed) if (entry.death > lo && entry.death <= hi && this.isFreeable(entry, progress)) deaths.push(entry);
    }
    for (const { chunk } of deaths) this.chunks.condemned.add(chunk);
    return { rows, deaths };
  }

  /** Rule 10, second half: frees what is still dead at the same revision, and takes dealt-with entries off their rows. */
  private async freeChunks(progress: Progress, candidates: Candidates, barrier: FreeBarrier): Promise<number> {
    const free = new Map<number, Set<number>>();
    const gone = new Set<number>();
    for (const entry of candidates.deaths) {
      if (!this.isStillDead(entry)) continue;
      if (barrier.isTouched(entry.chunk as ChunkNumber))
        progress.isBlocked = true; // The next tree says how it stands.
      else if (this.isFreeable(entry, progress)) {
        const first = this.chunks.runs.rowAt(entry.chunk)!.first;
        free.set(first, (free.get(first) ?? new Set()).add(entry.chunk - first));
        gone.add(entry.chunk);
      }
    }
    const runs = [...free].map(([first, indexes]) => ({ row: this.chunks.runs.rowAt(first)!, indexes }));
    const { writes, freed, totals } = rowsWithout(this.store, runs);
    for (const { key, deaths } of candidates.rows) {
      const revision = keyNumber(key, 0);
      const rest = deaths.filter((entry) => !gone.has(entry.chunk) && this.isStillDead(entry));
      if (rest.length === 0) writes.push(rowDelete(key));
      else if (rest.length < deaths.length) writes.push(rowPut(key, encodeChunkDeaths(revision, rest)));
      progress.next = after(key);
    }
    if (writes.length > 0) await this.store.committer.submit({ writes, freed, totals });
    this.chunks.forget();
    return freed.reduce((sum, { count }) => sum + count, 0) * BLOCK_BYTES;
  }

  /** The entry is the chunk's one death; else it was named again, or freed. */
  private isStillDead({ chunk, death }: ChunkDeath): boolean {
    const row = this.chunks.runs.find(chunk);
    return row !== undefined && readLife(this.store.rows, row).deaths[chunk - row.first] === death;
  }

  private isFreeable(entry: ChunkDeath, progress: Progress): boolean {
    if (!this.isStillDead(entry)) return false;
    const { chunk, death } = entry;
    if (chunk < (this.trees.at(death - 1)?.info.nextChunk ?? 0)) return false; // The newest tree before its death has all the older ones' chunks.
    const isRead = this.leases.holdsChunk(chunk, death);
    progress.isBlocked ||= isRead;
    return !isRead;
  }

  private isInTree(birth: number, death: number): boolean {
    return (this.trees.at(death - 1)?.info.revision ?? -1) >= birth;
  }
}

function workRow(lo: number, hi: number): ControlWrite {
  return rowPut(controlKey("work", lo, hi), Buffer.alloc(0));
}

/** The smallest key behind this one. */
function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)]);
}
