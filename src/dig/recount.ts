/**
 * Live counts, deaths and bits from the kept trees alone (rule 18): where the control file was made anew, or trees after the window's
 * start were discarded. Everything that trees brought is written again from what the trees at and before W hold; the projection then
 * replays the events after W over it. A death is set just after the last kept tree that holds the object; what no kept tree holds is
 * dead at W, until the replay names it again. Cut off, it begins anew: a row says so until it is done.
 */
import { assert } from "../core/index.ts";
import type { ChunkNumber } from "../core/index.ts";
import type { BlockRange } from "./allocation.ts";
import type { ControlWrite } from "./control-file.ts";
import { controlKey, rowDelete, rowPut } from "./control-rows.ts";
import { bitmapBlockOf, PAGE_DEATHS_PER_ROW, STAGED_PER_ROW, SUPERBLOCK_COUNT } from "./layout.ts";
import { encodeLife, Life } from "./life.ts";
import { rangesOf, writeU64 } from "./run.ts";
import type { RunTable } from "./run-table.ts";
import { breathe } from "./store.ts";
import type { Store } from "./store.ts";
import type { TreePages } from "./tree-pages.ts";
import { encodeChunkDeaths, encodePageDeaths } from "./tree-rows.ts";
import type { ChunkDeath, RegisteredTree } from "./tree-rows.ts";
import { TreeWalk } from "./tree-walk.ts";
import type { ReplacedPage } from "./tree-writer.ts";

const RUNS_PER_STEP = 500;

/** Reports every reference to a chunk that a registered tree holds. */
export type ReferencesOf = (tree: RegisteredTree, count: (chunk: ChunkNumber) => void) => Promise<void>;

export class Recount {
  private readonly store: Store;
  private readonly runs: RunTable;
  /** Ascending; the last is that of the window's start. */
  private readonly kept: readonly RegisteredTree[];
  private readonly window: RegisteredTree;
  private readonly deaths = new Map<number, { readonly open: ChunkDeath[]; rowCount: number }>();

  constructor(store: Store, runs: RunTable, kept: readonly RegisteredTree[]) {
    assert(kept.length > 0, "the window begins at a tree");
    this.store = store;
    this.runs = runs;
    this.kept = kept;
    this.window = kept.at(-1)!;
  }

  /** Under the lock, after the tables of trees were emptied. */
  async run(pages: TreePages, referencesOf: ReferencesOf): Promise<void> {
    const treeBlocks = await this.claimPages(pages);
    await this.countChunks(referencesOf);
    const { store } = this;
    const content = Buffer.alloc(8);
    const W = this.window.info.revision;
    writeU64(content, W, 0);
    await store.committer.submit({
      writes: [rowDelete(store.resetKey), rowPut(store.windowKey, content), rowPut(controlKey("work", W - 1, W), Buffer.alloc(0))],
      totals: { treeBlocks: treeBlocks - store.committer.totals.treeBlocks },
    });
  }

  /** Lists the pages that only older trees have, and makes the bits those of runs and kept pages. Returns how many blocks pages take. */
  private async claimPages(pages: TreePages): Promise<number> {
    const walk = new TreeWalk(pages);
    const held: BlockRange[] = [];
    for (const tree of this.kept.toReversed()) {
      const own = await walk.walk(tree); // The newest tree that holds a page is walked first.
      held.push(...own);
      if (tree !== this.window) await this.listDead(tree.info.revision + 1, own);
    }
    await this.setBits(held);
    return held.reduce((sum, { count }) => sum + count, 0);
  }

  private async listDead(death: number, pages: readonly ReplacedPage[]): Promise<void> {
    const writes: ControlWrite[] = [];
    for (let i = 0; i < pages.length; i += PAGE_DEATHS_PER_ROW)
      writes.push(rowPut(controlKey("pageDeaths", death, writes.length), encodePageDeaths(death, pages.slice(i, i + PAGE_DEATHS_PER_ROW))));
    if (writes.length > 0) await this.store.committer.submit({ writes });
  }

  private async setBits(pages: readonly BlockRange[]): Promise<void> {
    const { allocation, committer } = this.store;
    const committed = allocation.snapshot();
    const endBlock = pages.reduce((end, { start, count }) => Math.max(end, start + count), 0);
    const wanted = new Uint8Array(Math.max(committed.length, Math.ceil(endBlock / 8)));
    const mark = ({ start, count }: BlockRange): void => {
      for (let block = start; block < start + count; block++) wanted[block >> 3]! |= 1 << (block & 7);
    };
    pages.forEach((page) => mark(page));
    mark({ start: 0, count: SUPERBLOCK_COUNT });
    for (let group = 0; group < allocation.groups; group++) mark({ start: bitmapBlockOf(group), count: 1 });
    for await (const row of this.allRuns()) row.heldRanges().forEach(mark);
    const taken = rangesOf(
      wanted.map((bits, i) => bits & ~(committed[i] ?? 0)),
      wanted.length * 8,
    );
    for (const range of taken) allocation.reserve(range);
    const freed = rangesOf(
      wanted.map((bits, i) => (committed[i] ?? 0) & ~bits),
      wanted.length * 8,
    );
    await committer.submit({ writes: [], taken, freed });
  }

  /** Counts references at W, finds the last kept tree that holds each other chunk, and writes both down run by run. */
  private async countChunks(referencesOf: ReferencesOf): Promise<void> {
    const { nextChunk, revision: W } = this.window.info;
    const counts = new Uint32Array(nextChunk);
    const heldAt = new Float64Array(nextChunk);
    for (const tree of this.kept) {
      await referencesOf(tree, (chunk) => {
        if (chunk >= nextChunk) return;
        if (tree === this.window) counts[chunk]! += 1;
        heldAt[chunk] = tree.info.revision;
      });
    }
    let writes: ControlWrite[] = [];
    const flush = async (): Promise<void> => {
      if (writes.length > 0) await this.store.committer.submit({ writes });
      writes = [];
    };
    for await (const row of this.allRuns()) {
      if (row.first >= nextChunk) break; // Stored since: the replay says how it stands.
      const life = new Life(row.count, 0);
      for (let i = 0; i < row.count && row.first + i < nextChunk; i++) {
        const chunk = row.first + i;
        life.counts[i] = counts[chunk]!;
        if (row.isFreed(i) || counts[chunk]! > 0) continue;
        life.deaths[i] = heldAt[chunk]! > 0 ? heldAt[chunk]! + 1 : W;
        writes.push(...this.died({ chunk, death: life.deaths[i]! }));
      }
      writes.push(rowPut(controlKey("life", row.first), encodeLife(life)));
      if (writes.length >= RUNS_PER_STEP) await flush();
    }
    for (const [death, list] of this.deaths) if (list.open.length > 0) writes.push(this.deathRow(death, list));
    await flush();
  }

  private died(entry: ChunkDeath): ControlWrite[] {
    let list = this.deaths.get(entry.death);
    if (list === undefined) this.deaths.set(entry.death, (list = { open: [], rowCount: 0 }));
    return list.open.push(entry) >= STAGED_PER_ROW ? [this.deathRow(entry.death, list)] : [];
  }

  private deathRow(death: number, list: { readonly open: ChunkDeath[]; rowCount: number }): ControlWrite {
    return rowPut(controlKey("chunkDeaths", death, list.rowCount++), encodeChunkDeaths(death, list.open.splice(0)));
  }

  private async *allRuns(): AsyncGenerator<ReturnType<RunTable["from"]>[number]> {
    for (let from = 0; ;) {
      const rows = this.runs.from(from, RUNS_PER_STEP);
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < RUNS_PER_STEP) return;
      from = last.first + last.count;
      await breathe();
    }
  }
}
