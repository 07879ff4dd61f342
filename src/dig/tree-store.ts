/**
 * Trees: built one at a time, registered in one transaction with what they replaced and with the live counts that become true with
 * them (rules 4 to 6). At open a fold that was cut off is finished, and what was staged for a tree that never was registered goes.
 */
import { assert, RainbowError } from "../core/index.ts";
import type { ChunkNumber, Revision } from "../core/index.ts";
import type { BlockRange } from "./allocation.ts";
import type { ChunkChange, ReaderHold, ReferencesOfTree, SealedTree, TreeBuild, TreeInfo, TreeReader, TreeStore } from "./dig.ts";
import type { ControlWrite } from "./control-file.ts";
import { controlKey, keyNumber, openRow, rowDelete, rowPut, tableEnd } from "./control-rows.ts";
import { bitmapBlockOf, PAGE_DEATHS_PER_ROW, STAGED_PER_ROW, SUPERBLOCK_COUNT } from "./layout.ts";
import { encodeLife, readLife } from "./life.ts";
import type { Life } from "./life.ts";
import type { Leases } from "./leases.ts";
import { Recount } from "./recount.ts";
import type { RunTable } from "./run-table.ts";
import { rangesOf, readU64, writeU64 } from "./run.ts";
import type { RunRow } from "./run.ts";
import { breathe } from "./store.ts";
import type { Store } from "./store.ts";
import { PageSink, TreePages } from "./tree-pages.ts";
import { PagedTreeReader } from "./tree-reader.ts";
import { decodePageDeaths, decodeStaged, decodeTree, encodeChunkDeaths, encodePageDeaths, encodeStaged, encodeTree, sealTree } from "./tree-rows.ts";
import type { RegisteredTree } from "./tree-rows.ts";
import { TreeWriter } from "./tree-writer.ts";
import type { BuiltTree, ReplacedPage } from "./tree-writer.ts";

const STAGED_ROWS_PER_STEP = 4; // About 1,000 chunks in one transaction: well below 20 ms.
const SLICE_ROWS = 1000;

export class Trees implements TreeStore {
  readonly pages: TreePages;
  private readonly store: Store;
  private readonly runs: RunTable;
  private readonly leases: Leases;
  /** Ascending by revision. */
  private registered: RegisteredTree[] = [];

  constructor(store: Store, runs: RunTable, leases: Leases) {
    this.store = store;
    this.runs = runs;
    this.leases = leases;
    this.pages = new TreePages(store);
  }

  /** At open. A damaged row of a tree is noted and the tree is not offered. */
  load(): void {
    for (const { key, value } of this.store.rows.file.range(controlKey("tree"), tableEnd("tree"), { limit: Number.MAX_SAFE_INTEGER })) {
      this.store.tolerate(`tree at revision ${keyNumber(key, 0)}`, () => this.registered.push(decodeTree(keyNumber(key, 0), openRow(key, value))));
    }
  }

  list(): TreeInfo[] {
    return this.registered.map(({ info }) => info);
  }

  all(): readonly RegisteredTree[] {
    return this.registered;
  }

  /** The newest registered tree at or before a revision. */
  at(revision: number): RegisteredTree | undefined {
    return this.registered.findLast(({ info }) => info.revision <= revision);
  }

  next(revision: number): RegisteredTree | undefined {
    return this.registered.find(({ info }) => info.revision > revision);
  }

  open(revision: Revision, hold?: ReaderHold): TreeReader | undefined {
    const tree = this.at(revision);
    if (tree === undefined) return undefined;
    if (hold !== undefined) return new PagedTreeReader(tree.info, tree.root, this.pages, () => hold.release(), hold);
    const release = this.leases.add({ base: tree.info.revision, revision, nextChunk: this.nextChunkBound(revision) });
    return new PagedTreeReader(tree.info, tree.root, this.pages, release);
  }

  /** A number that no chunk of this instant reaches. */
  nextChunkBound(revision: number): number {
    return this.registered.find(({ info }) => info.revision >= revision)?.info.nextChunk ?? Number.POSITIVE_INFINITY;
  }

  build(build: TreeBuild): Promise<TreeInfo> {
    return this.store.exclusively(async () => {
      this.store.refuseUnlessWritable();
      assert(!this.needsRecount, "live counts are counted from the kept trees before a tree is built");
      this.checkBase(build);
      const next = this.next(build.revision);
      const sink = new PageSink(this.store, build.revision);
      try {
        if (next === undefined) await this.stage(build);
        const base = this.at(build.revision);
        const built = await new TreeWriter(this.pages, sink, build.changes).write(base?.root);
        const taken = sink.finish();
        await this.store.dataSync.sync();
        const tree = registration(build, base, built, sink);
        await (next === undefined ? this.registerAtEnd(tree, built, taken) : this.registerBefore(next, tree, built, sink, taken));
        if (next === undefined) await this.fold(build.revision);
        return tree.info;
      } catch (error) {
        if (!this.registered.some(({ info }) => info.revision === build.revision)) await this.abandon(build.revision, sink);
        throw error;
      }
    });
  }

  seal(revision: Revision): SealedTree | undefined {
    const tree = this.registered.find(({ info }) => info.revision === revision);
    return tree === undefined ? undefined : sealTree(tree);
  }

  get needsRecount(): boolean {
    return this.recountFrom() !== undefined;
  }

  /**
   * Where any tree is newer than `revision`: live counts are those of the newest one and cannot be turned back, so they are counted
   * anew. Without a window all trees go, and the stream is replayed from its start; else those up to W stay (recount). Readers must be
   * closed.
   */
  discardAfter(revision: Revision): Promise<void> {
    return this.store.exclusively(async () => {
      if (this.next(revision) === undefined) return;
      this.store.refuseUnlessWritable();
      const content = this.store.rows.get(this.store.windowKey);
      const window = content === undefined ? 0 : readU64(content, 0);
      if (window === 0) return await this.discardAll();
      const isKnown = revision >= window && this.registered.some(({ info }) => info.revision === window);
      if (!isKnown)
        throw new RainbowError("STORE_CORRUPT", `the events end before r${window}, where the window begins: they are older than the data file`, { window });
      await this.discardAfterWindow(window);
    });
  }

  /** Counts live chunks from the trees up to W, after others were discarded or the control file was made anew. */
  recount(referencesOf: ReferencesOfTree): Promise<void> {
    return this.store.exclusively(async () => {
      const window = this.recountFrom();
      if (window === undefined) return;
      this.store.refuseUnlessWritable();
      const kept = this.registered.filter(({ info }) => info.revision <= window);
      await this.dropTrees(this.registered.filter(({ info }) => info.revision > window));
      for (const table of ["staged", "pageDeaths", "chunkDeaths", "work", "life"] as const) await this.dropTable(table);
      await new Recount(this.store, this.runs, kept).run(this.pages, async (tree, count) => {
        const reader = new PagedTreeReader(tree.info, tree.root, this.pages, () => undefined);
        await referencesOf(reader, count);
        reader.close();
      });
    });
  }

  /** Under the lock. */
  async discardAll(): Promise<void> {
    assert(this.leases.count === 0, "readers are closed before trees are discarded");
    await this.store.committer.submit({ writes: [rowPut(this.store.resetKey, Buffer.alloc(0))] });
    await this.reset();
  }

  /** Ends what a crash cut off. Under the lock, at open. A recount waits for who knows what trees hold. */
  async recover(): Promise<void> {
    if (this.needsRecount) return;
    if (this.store.rows.get(this.store.resetKey) !== undefined) await this.reset();
    const staged = this.store.rows.file.range(controlKey("staged"), tableEnd("staged"), { limit: 1 })[0];
    if (staged === undefined) return;
    const revision = keyNumber(staged.key, 0);
    if (this.registered.some(({ info }) => info.revision === revision)) await this.fold(revision);
    await this.dropStaged();
  }

  /** Takes a tree off the list. Under the lock; the rows are the caller's. */
  unregister(revision: number): void {
    this.registered = this.registered.filter(({ info }) => info.revision !== revision);
  }

  /** The start of the window, where counts are to be made anew from there. */
  private recountFrom(): number | undefined {
    const content = this.store.rows.get(this.store.resetKey);
    return content === undefined || content.length === 0 ? undefined : readU64(content, 0);
  }

  private async discardAfterWindow(window: number): Promise<void> {
    assert(this.leases.count === 0, "readers are closed before trees are discarded");
    const content = Buffer.alloc(8);
    writeU64(content, window, 0);
    await this.store.committer.submit({ writes: [rowPut(this.store.resetKey, content)] });
    await this.dropTrees(this.registered.filter(({ info }) => info.revision > window));
  }

  private async dropTrees(trees: readonly RegisteredTree[]): Promise<void> {
    if (trees.length > 0) await this.store.committer.submit({ writes: trees.map(({ info }) => rowDelete(controlKey("tree", info.revision))) });
    for (const { info } of trees) this.unregister(info.revision);
    this.pages.clear();
  }

  private checkBase({ base, revision }: TreeBuild): void {
    const newest = this.at(revision);
    assert(newest?.info.revision !== revision, `the tree at revision ${revision} exists already`);
    assert(base?.revision === newest?.info.revision, `the base of the tree at revision ${revision} is the newest tree before it`);
  }

  /** Live counts and deaths go to rows of their own, which count for nothing until the tree is registered. */
  private async stage({ revision, chunks }: TreeBuild): Promise<void> {
    let batch: ChunkChange[] = [];
    let sequence = 0;
    const put = async (): Promise<void> => {
      if (batch.length === 0) return;
      const content = encodeStaged(batch);
      batch = [];
      await this.store.committer.submit({ writes: [rowPut(controlKey("staged", revision, sequence++), content)] });
    };
    let underWay: Promise<void>[] = [];
    const near = {};
    for (const change of chunks) {
      this.checkChange(change, near);
      if (batch.push(change) === STAGED_PER_ROW) underWay.push(put());
      if (underWay.length === STAGED_ROWS_PER_STEP) {
        await Promise.all(underWay);
        underWay = [];
        await breathe();
      }
    }
    await Promise.all([...underWay, put()]);
  }

  /** A chunk without references is dead, and only such a one; a chunk that was lost and not replaced is passed over. */
  private checkChange({ chunk, delta, deathRevision }: ChunkChange, near: { row?: RunRow; life?: Life }): void {
    const row = this.runs.find(chunk);
    if (row === undefined) return;
    if (near.row !== row) Object.assign(near, { row, life: readLife(this.store.rows, row) });
    const count = near.life!.counts[chunk - row.first]! + delta;
    const isSound = count >= 0 && (count === 0) === (deathRevision !== undefined);
    if (isSound) return;
    throw new RainbowError(
      "DIG_CORRUPT",
      `chunk ${chunk} would have ${count} references and ${deathRevision === undefined ? "no death" : "a death"}: run \`rainbow replay\``,
      { chunk, count },
    );
  }

  /** Rule 5: tree, lists of what it replaced, and the live counts that were staged for it become true at once. */
  private async registerAtEnd(tree: RegisteredTree, built: BuiltTree, taken: readonly BlockRange[]): Promise<void> {
    const { revision } = tree.info;
    const writes = [rowPut(controlKey("tree", revision), encodeTree(tree)), ...pageDeathRows(revision, built.replaced, 0)];
    await this.store.committer.submit({ writes, taken, totals: { treeBlocks: tree.info.newPageCount } });
    this.insert(tree);
  }

  /**
   * Rule 6: a tree before an existing one. What it replaced and the next tree lacks as well died with it, not later; its own new pages
   * die with the next tree. A page that it replaced and the next tree still has is on no list.
   */
  private async registerBefore(next: RegisteredTree, tree: RegisteredTree, built: BuiltTree, sink: PageSink, taken: readonly BlockRange[]): Promise<void> {
    const { revision } = tree.info;
    const replaced = new Map(built.replaced.map((page) => [page.start, page]));
    const writes: ControlWrite[] = [rowPut(controlKey("tree", revision), encodeTree(tree))];
    const moved: ReplacedPage[] = [];
    for (const { key, content } of this.store.rows.scan(
      "pageDeaths",
      controlKey("pageDeaths", revision + 1),
      controlKey("pageDeaths", next.info.revision + 1),
    )) {
      const death = keyNumber(key, 0);
      const listed = decodePageDeaths(death, content);
      const [gone, rest] = [listed.filter(({ start }) => replaced.has(start)), listed.filter(({ start }) => !replaced.has(start))];
      if (gone.length === 0) continue;
      moved.push(...gone);
      writes.push(rest.length === 0 ? rowDelete(key) : rowPut(key, encodePageDeaths(death, rest)));
    }
    const own = [...sink.pages.map((start) => ({ start, count: 1, birth: revision })), ...sink.overflows.map((range) => ({ ...range, birth: revision }))];
    writes.push(...pageDeathRows(revision, moved, this.freeSequence(revision)));
    writes.push(...pageDeathRows(next.info.revision, own, this.freeSequence(next.info.revision)));
    await this.store.committer.submit({ writes, taken, totals: { treeBlocks: tree.info.newPageCount } });
    this.insert(tree);
  }

  /** The first number behind the rows of a list of dead pages. */
  private freeSequence(death: number): number {
    const last = this.store.rows.floorKey("pageDeaths", controlKey("pageDeaths", death, 2 ** 48 - 1));
    return last !== undefined && keyNumber(last, 0) === death ? keyNumber(last, 1) + 1 : 0;
  }

  /** Moves staged changes into the rows of live counts, some rows at a time; each is taken off in the transaction that applies it. */
  private async fold(revision: number): Promise<void> {
    for (;;) {
      const staged = [...take(this.store.rows.scan("staged", controlKey("staged", revision), controlKey("staged", revision + 1)), STAGED_ROWS_PER_STEP)];
      if (staged.length === 0) return;
      const lives = new Map<number, { readonly row: RunRow; readonly life: Life }>();
      const writes: ControlWrite[] = [];
      for (const { key, content } of staged) {
        const deaths = this.apply(decodeStaged(content), lives);
        writes.push(rowDelete(key));
        if (deaths.length > 0) writes.push(rowPut(controlKey("chunkDeaths", revision, keyNumber(key, 1)), encodeChunkDeaths(revision, deaths)));
      }
      for (const [first, { life }] of lives) writes.push(rowPut(controlKey("life", first), encodeLife(life)));
      await this.store.committer.submit({ writes });
    }
  }

  private apply(changes: readonly ChunkChange[], lives: Map<number, { readonly row: RunRow; readonly life: Life }>): { chunk: number; death: number }[] {
    const deaths: { chunk: number; death: number }[] = [];
    for (const { chunk, delta, deathRevision } of changes) {
      const row = this.runs.find(chunk);
      if (row === undefined) continue;
      let known = lives.get(row.first);
      if (known === undefined) {
        known = { row, life: readLife(this.store.rows, row) };
        lives.set(row.first, known);
      }
      const index = chunk - row.first;
      known.life.counts[index]! += delta;
      known.life.deaths[index] = deathRevision ?? 0;
      if (deathRevision !== undefined) deaths.push({ chunk, death: deathRevision });
    }
    return deaths;
  }

  private async abandon(revision: number, sink: PageSink): Promise<void> {
    sink.abandon();
    this.pages.clear();
    if (this.store.committer.failed === undefined && this.next(revision) === undefined) await this.dropStaged();
  }

  private async dropStaged(): Promise<void> {
    await this.dropTable("staged");
  }

  private async dropTable(table: "staged" | "tree" | "life" | "pageDeaths" | "chunkDeaths" | "work"): Promise<void> {
    for (;;) {
      const entries = this.store.rows.file.range(controlKey(table), tableEnd(table), { limit: SLICE_ROWS });
      if (entries.length === 0) return;
      await this.store.committer.submit({ writes: entries.map(({ key }) => rowDelete(key)) });
    }
  }

  /** All that trees brought goes; what is left is runs, and the blocks that they hold. Repeated from its start after a crash. */
  private async reset(): Promise<void> {
    const { store } = this;
    this.registered = [];
    this.pages.clear();
    for (const table of ["tree", "staged", "pageDeaths", "chunkDeaths", "work", "life"] as const) await this.dropTable(table);
    const freed = await this.unheld();
    await store.committer.submit({
      writes: [rowDelete(store.resetKey), rowDelete(store.windowKey)],
      freed,
      totals: { treeBlocks: -store.committer.totals.treeBlocks },
    });
  }

  /** Committed blocks that no run holds. */
  private async unheld(): Promise<BlockRange[]> {
    const left = this.store.allocation.snapshot();
    const drop = (range: BlockRange): void => {
      for (let block = range.start; block < range.start + range.count; block++) left[block >> 3]! &= ~(1 << (block & 7));
    };
    for (let group = 0; group < this.store.allocation.groups; group++) drop({ start: bitmapBlockOf(group), count: 1 });
    drop({ start: 0, count: SUPERBLOCK_COUNT });
    for (let from = 0; ;) {
      const rows = this.runs.from(from, SLICE_ROWS);
      for (const row of rows) row.heldRanges().forEach(drop);
      const last = rows.at(-1);
      if (last === undefined || rows.length < SLICE_ROWS) break;
      from = last.first + last.count;
      await breathe();
    }
    return rangesOf(left, left.length * 8);
  }

  private insert(tree: RegisteredTree): void {
    this.registered = [...this.registered, tree].sort((a, b) => a.info.revision - b.info.revision);
  }
}

function registration(build: TreeBuild, base: RegisteredTree | undefined, built: BuiltTree, sink: PageSink): RegisteredTree {
  const newPageCount = sink.pages.length + sink.overflows.reduce((sum, { count }) => sum + count, 0);
  const goneCount = built.replaced.reduce((sum, { count }) => sum + count, 0);
  const info = {
    revision: build.revision,
    chainHash: build.chainHash,
    nextChunk: build.nextChunk as ChunkNumber,
    entryCount: (base?.info.entryCount ?? 0) + built.entryDelta,
    pageCount: (base?.info.pageCount ?? 0) + newPageCount - goneCount,
    newPageCount,
  };
  return { info, root: built.root };
}

function pageDeathRows(death: number, pages: readonly ReplacedPage[], sequence: number): ControlWrite[] {
  const sorted = [...pages].sort((a, b) => a.start - b.start);
  const writes: ControlWrite[] = [];
  for (let i = 0; i < sorted.length; i += PAGE_DEATHS_PER_ROW) {
    writes.push(rowPut(controlKey("pageDeaths", death, sequence + writes.length), encodePageDeaths(death, sorted.slice(i, i + PAGE_DEATHS_PER_ROW))));
  }
  return writes;
}

function* take<T>(items: Iterable<T>, count: number): IterableIterator<T> {
  let taken = 0;
  for (const item of items) {
    yield item;
    if (++taken === count) return;
  }
}
