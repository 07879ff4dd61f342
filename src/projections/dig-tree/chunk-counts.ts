/**
 * References to chunks, counted batch by batch: at each batch end every chunk that was stored or touched is live, or dead at that
 * revision. What the base tree counted is asked once for each chunk.
 */
import type { ChunkNumber, Revision } from "../../core/index.ts";
import type { ChunkChange } from "../../dig/index.ts";

interface Count {
  readonly atBase: number;
  live: number;
  /** The batch end at which it last became dead; -1 while it lives. */
  death: number;
}

export class ChunkCounts {
  private readonly counts = new Map<number, Count>();
  private readonly touched = new Set<number>();
  private readonly liveAtBase: (chunk: ChunkNumber) => number;
  /** The counts of a tree that is being built from the same base; undefined once it is registered. */
  private below: ChunkCounts | undefined;

  constructor(liveAtBase: (chunk: ChunkNumber) => number, below?: ChunkCounts) {
    this.liveAtBase = liveAtBase;
    this.below = below;
  }

  get chunkCount(): number {
    return this.counts.size;
  }

  add(chunk: number, delta: number): void {
    this.touch(chunk).live += delta;
  }

  /** A chunk that was stored counts as touched even where nothing names it. */
  touch(chunk: number): Count {
    let count = this.counts.get(chunk);
    if (count === undefined) {
      const atBase = this.below?.live(chunk) ?? this.liveAtBase(chunk as ChunkNumber);
      this.counts.set(chunk, (count = { atBase, live: atBase, death: -1 }));
    }
    this.touched.add(chunk);
    return count;
  }

  endBatch(revision: Revision): void {
    for (const chunk of this.touched) {
      const count = this.counts.get(chunk)!;
      count.death = count.live === 0 ? revision : -1;
    }
    this.touched.clear();
  }

  /** The tree with the counts below is registered: the base counts them from here on. */
  dropBelow(): void {
    this.below = undefined;
  }

  /** The tree with the counts below came to nothing: they are counts of the next one. */
  absorbBelow(): void {
    for (const [chunk, older] of this.below?.counts ?? []) {
      const own = this.counts.get(chunk);
      this.counts.set(chunk, own === undefined ? older : { ...own, atBase: older.atBase });
    }
    this.below = this.below?.below;
  }

  /** References now of every chunk that was touched since the base. */
  snapshot(): Map<number, number> {
    const all = this.below?.snapshot() ?? new Map<number, number>();
    for (const [chunk, { live }] of this.counts) all.set(chunk, live);
    return all;
  }

  /** Ascending by chunk. */
  *changes(): IterableIterator<ChunkChange> {
    const chunks = Float64Array.from(this.counts.keys()).sort();
    for (const chunk of chunks) {
      const { atBase, live, death } = this.counts.get(chunk)!;
      yield { chunk: chunk as ChunkNumber, delta: live - atBase, ...(death < 0 ? {} : { deathRevision: death as Revision }) };
    }
  }

  /** undefined where it was not touched since the base tree. */
  live(chunk: number): number | undefined {
    return this.counts.get(chunk)?.live ?? this.below?.live(chunk);
  }
}
