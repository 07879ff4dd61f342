/**
 * Freeing what a purge leaves without a reader (rule 16), by chunk number and not by death: condemned, waited for and asked again as any
 * freeing (rule 10). A run that keeps some of its chunks is written anew elsewhere, so that no purged byte stays in a block that it shared.
 */
import { BLOCK_BYTES, isRainbowError } from "../core/index.ts";
import type { ChunkNumber, Revision } from "../core/index.ts";
import { NUMBER_FLOOR_KEY } from "./chunk-store.ts";
import type { Chunks } from "./chunk-store.ts";
import { metaKey, rowPut } from "./control-rows.ts";
import type { FreeBarrier, PurgePlan } from "./dig.ts";
import { rowsWithout } from "./freed-rows.ts";
import { readLife } from "./life.ts";
import { readU64, writeU64 } from "./run.ts";
import type { RunRow } from "./run.ts";
import type { Store } from "./store.ts";

const RUNS_PER_MS = 20;
const PURGED_KEY = metaKey("purged");

export class Purging {
  private readonly store: Store;
  private readonly chunks: Chunks;

  constructor(store: Store, chunks: Chunks) {
    this.store = store;
    this.chunks = chunks;
  }

  /** Purges up to here are worked off; 0: none is. */
  done(): Revision {
    const content = this.store.rows.get(PURGED_KEY);
    return (content === undefined ? 0 : readU64(content, 0)) as Revision;
  }

  note(revision: Revision): Promise<void> {
    return this.store.exclusively(async () => {
      this.store.refuseUnlessWritable();
      const content = Buffer.alloc(8);
      writeU64(content, revision, 0);
      await this.store.committer.submit({ writes: [rowPut(PURGED_KEY, content)] });
    });
  }

  /** The newest run may lose its last chunks: their numbers are not given again. */
  private async noteNumbers(below: ChunkNumber): Promise<void> {
    const content = Buffer.alloc(8);
    writeU64(content, below, 0);
    if ((this.store.rows.get(NUMBER_FLOOR_KEY)?.compare(content) ?? 1) !== 0)
      await this.store.committer.submit({ writes: [rowPut(NUMBER_FLOOR_KEY, content)] });
  }

  async step(plan: PurgePlan, barrier: FreeBarrier, stepMs: number): Promise<{ readonly freedBytes: number; readonly done: boolean }> {
    const condemned = await this.store.exclusively(() => Promise.resolve(this.condemn(plan, Math.max(1, stepMs * RUNS_PER_MS))));
    if (condemned === undefined) return { freedBytes: 0, done: true };
    if (condemned.length === 0) return { freedBytes: 0, done: false };
    try {
      await barrier.projected(await barrier.headRevision());
      return { freedBytes: await this.store.exclusively(() => this.free(plan, condemned, barrier)), done: false };
    } finally {
      for (const chunk of condemned) this.chunks.condemned.delete(chunk);
    }
  }

  /** The next runs' chunks that nothing needs; undefined behind the last one. */
  private condemn(plan: PurgePlan, runCount: number): number[] | undefined {
    this.store.refuseUnlessWritable();
    const rows = this.chunks.runs.from(plan.next, runCount).filter(({ first }) => first < plan.below);
    if (rows.length === 0) return undefined;
    const found: number[] = [];
    for (const row of rows) {
      const { counts } = readLife(this.store.rows, row);
      for (let index = 0; index < row.count && row.first + index < plan.below; index++)
        if (!row.isFreed(index) && counts[index] === 0 && !plan.isNeeded((row.first + index) as ChunkNumber)) found.push(row.first + index);
      plan.next = (row.first + row.count) as ChunkNumber;
    }
    for (const chunk of found) this.chunks.condemned.add(chunk);
    return found;
  }

  /** What is still dead, and named by no event that came meanwhile. */
  private async free(plan: PurgePlan, condemned: readonly number[], barrier: FreeBarrier): Promise<number> {
    const byRun = new Map<number, { readonly row: RunRow; readonly gone: Set<number> }>();
    for (const chunk of condemned) {
      const row = this.chunks.runs.find(chunk);
      if (row === undefined || plan.isNeeded(chunk as ChunkNumber) || readLife(this.store.rows, row).counts[chunk - row.first] !== 0) continue;
      if (barrier.isTouched(chunk as ChunkNumber)) plan.isBlocked = true;
      else if (byRun.has(row.first)) byRun.get(row.first)!.gone.add(chunk - row.first);
      else byRun.set(row.first, { row, gone: new Set([chunk - row.first]) });
    }
    await this.noteNumbers(this.chunks.nextNumber());
    let freedBlocks = 0;
    for (const { row, gone } of byRun.values()) freedBlocks += await this.freeOf(plan, row, gone);
    this.chunks.forget();
    return freedBlocks * BLOCK_BYTES;
  }

  /** Returns how many blocks less are taken. */
  private async freeOf(plan: PurgePlan, row: RunRow, gone: ReadonlySet<number>): Promise<number> {
    const rest = row.without(gone);
    const isMoved = rest !== undefined && (await this.moved(row, gone));
    if (!isMoved) {
      const { writes, freed, totals } = rowsWithout(this.store, [{ row, indexes: gone }]);
      await this.store.committer.submit({ writes, freed, totals });
      if (rest !== undefined) plan.unmovedRuns += 1;
    }
    const left = this.chunks.runs.from(row.first, 1).find(({ first }) => first === row.first);
    return blocksOf(row) - (left === undefined ? 0 : blocksOf(left));
  }

  /** False where there is no room for that. */
  private async moved(row: RunRow, gone: ReadonlySet<number>): Promise<boolean> {
    try {
      await this.chunks.rewrite(row, new Map(), gone);
      return true;
    } catch (error) {
      if (!isRainbowError(error, "QUOTA_FULL", "DISK_FULL")) throw error;
      return false;
    }
  }
}

function blocksOf(row: RunRow): number {
  return row.heldRanges().reduce((sum, { count }) => sum + count, 0);
}
