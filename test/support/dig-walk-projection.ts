/** A projection as the rules want it, as small as it can be: the state at a cursor, and what changed since its base tree. */
import type { ChunkNumber } from "../../src/core/index.ts";
import type { TreeInfo } from "../../src/dig/index.ts";
import { applyEvent } from "./dig-events.ts";
import type { State, Value } from "./dig-events.ts";
import { storedLength } from "./dig-walk-content.ts";
import type { DigWalk } from "./dig-walk.ts";

/** The projection at its cursor: state, and what changed since its base tree. */
export class WalkProjection {
  readonly base: number;
  cursor: number;
  state: State;
  nextChunk: number;
  readonly deltas = new Map<number, number>();
  readonly deaths = new Map<number, number>();
  readonly touched = new Set<number>();
  private readonly walk: DigWalk;

  constructor(walk: DigWalk, base: TreeInfo | undefined) {
    this.walk = walk;
    this.base = base?.revision ?? 0;
    this.cursor = this.base;
    this.state = walk.loadTree(base);
    this.nextChunk = base?.nextChunk ?? 1;
  }

  /** For a tree in the middle: the state alone, as no counts become true with it. */
  advanceState(to: number): void {
    for (let revision = this.cursor + 1; revision <= to; revision++) {
      const event = this.walk.event(revision);
      if (event.kind === "chunks") this.nextChunk = Math.max(this.nextChunk, event.chunks.at(-1)!.number + 1);
      applyEvent(this.state, event);
    }
  }

  advance(to: number): void {
    const inBatch = new Set<number>();
    const use = ({ chunk }: Value, delta: number): void => {
      this.deltas.set(Number(chunk), (this.deltas.get(Number(chunk)) ?? 0) + delta);
      inBatch.add(Number(chunk));
    };
    for (let revision = this.cursor + 1; revision <= to; revision++) {
      const event = this.walk.event(revision);
      if (event.kind === "chunks") {
        for (const { number } of event.chunks) {
          if (!this.walk.broken.has("unnamed")) inBatch.add(number);
          this.nextChunk = Math.max(this.nextChunk, number + 1);
        }
      }
      applyEvent(this.state, event, use);
      if (!this.walk.ends.has(revision)) continue;
      for (const chunk of inBatch) this.judge(chunk, revision);
      inBatch.clear();
    }
    this.cursor = Math.max(this.cursor, to);
  }

  /** At a batch end a touched chunk is live, or dead at this revision (rule 2). */
  private judge(chunk: number, revision: number): void {
    this.touched.add(chunk);
    const live = this.walk.dig.chunks.liveCount(chunk as ChunkNumber) + (this.deltas.get(chunk) ?? 0);
    if (storedLength(this.walk.dig, chunk) === undefined) return; // Purged: an older state that is replayed may still name it.
    if (live < 0) throw new Error(`chunk ${chunk} has ${live} references`);
    if (live > 0 && !this.walk.broken.has("deaths")) this.deaths.delete(chunk);
    else if (live === 0) this.deaths.set(chunk, revision);
  }
}
