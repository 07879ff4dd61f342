/**
 * Runs of which little is left, written anew without what was freed (rule 12: only places change, and every chunk that has a row is
 * taken along). A freed chunk gives back the blocks that it had alone; what it shared with a living one, or the header's, stays until
 * the run is moved.
 */
import { BLOCK_BYTES } from "../core/index.ts";
import type { Chunks } from "./chunk-store.ts";
import { runBlocks } from "./run.ts";
import type { RunRow } from "./run.ts";

const ROWS_PER_MS = 20; // Looked at; a row is read and decoded in some 30 us.
const GAIN = 2; // A run is moved where it takes at least so many times the blocks that it needs.
const MOVED_BYTES_MAX = 1 << 20; // Of one step.

export class Cleaning {
  private readonly chunks: Chunks;
  /** The next chunk number to look at. */
  private next = 0;

  constructor(chunks: Chunks) {
    this.chunks = chunks;
  }

  /** Goes on through the runs; `done` when it came to their end. Under the lock. QUOTA_FULL and DISK_FULL leave all as it was. */
  async step(stepMs: number): Promise<{ readonly freedBytes: number; readonly done: boolean }> {
    const rows = this.chunks.runs.from(this.next, Math.max(1, stepMs * ROWS_PER_MS));
    let [freedBytes, movedBytes] = [0, 0];
    for (const row of rows) {
      this.next = row.first + row.count;
      const gainBlocks = gainOf(row);
      if (gainBlocks === 0) continue;
      await this.chunks.rewrite(row, new Map());
      freedBytes += gainBlocks * BLOCK_BYTES;
      movedBytes += row.totals().storedBytes;
      if (movedBytes >= MOVED_BYTES_MAX) break;
    }
    if (freedBytes > 0) this.chunks.forget();
    const done = rows.length === 0;
    if (done) this.next = 0;
    return { freedBytes, done };
  }
}

/** Blocks that moving the run gives back; 0 where it is not worth it. */
function gainOf(row: RunRow): number {
  const { chunkCount, storedBytes } = row.totals();
  const held = row.heldRanges().reduce((sum, { count }) => sum + count, 0);
  const needed = runBlocks(chunkCount, storedBytes);
  return held >= needed * GAIN && held > needed ? held - needed : 0;
}
