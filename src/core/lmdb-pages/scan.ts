/**
 * Reads an LMDB file page by page, with no trust in any of them, before LMDB maps it: LMDB follows what a page says, and a damaged one
 * can end the process or, worse, let live pages be written over. Checked: both meta pages; of every tree each page's own number, its
 * nodes' places and sizes, the order of all keys, the separators above them and all counts; and that every page is used once or free.
 */
import {
  NO_PAGE,
  LONG_VALUE_BYTES,
  NODE_FLAG,
  NODE_HEADER_BYTES,
  overflowPageCount,
  PAGE_BYTES,
  PAGE_FLAG,
  PAGE_HEADER_BYTES,
  readMeta,
  readTree,
  TREE_BYTES,
  u64,
} from "./layout.ts";
import type { Meta, Tree } from "./layout.ts";

/** The bytes of the file: `read` fills `into` from `offsetBytes` on and returns how many bytes there were. */
export interface PageSource {
  read(into: Uint8Array, offsetBytes: number): number;
  readonly sizeBytes: number;
}

/** What the file's own table holds: named tables (lmdb's openDB), or rows. */
export type TableLayout = "tables" | "rows";

export interface PageProblem {
  readonly page: number;
  readonly what: string;
}

export interface ScanReport {
  readonly problems: readonly PageProblem[];
  readonly pageCount: number;
  /** Of the newest meta page that can be read; 0 where none can. */
  readonly lastTxnid: number;
}

/** Where a value lies in the file, in one run. */
export interface Place {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Called for every entry of the tables that can be found, in key order. Without named tables, `table` is empty. */
export type EntryVisitor = (table: string, key: Buffer, place: Place) => void;

interface Node {
  readonly flags: number;
  readonly key: Buffer;
  /** Of a leaf: the value's length; of a branch: the child page. */
  readonly number: number;
  readonly valueAt: number;
}

interface Counts {
  branchPages: number;
  leafPages: number;
  overflowPages: number;
  entries: number;
  last: Buffer | undefined;
}

interface Walk {
  readonly name: string;
  readonly counts: Counts;
  readonly compare: (a: Buffer, b: Buffer) => number;
  readonly leafDepth: number;
}

const DEPTH_MAX = 32; // LMDB's own CURSOR_STACK.
const KEY_BYTES_MAX = 1978;
const PROBLEMS_MAX = 100; // Enough to say that a file is bad.
const RESCANS_MAX = 5;

/** Where a writer commits meanwhile, the scan begins again. Throws only what `source` throws. */
export function scanLmdbPages(source: PageSource, layout: TableLayout, visit?: EntryVisitor): ScanReport {
  for (let tries = 1; ; tries++) {
    const scan = new PageScan(source, layout, visit);
    const report = scan.run();
    if (report.problems.length === 0 || tries === RESCANS_MAX || scan.isStill()) return report;
  }
}

/**
 * Which pages nothing reads any more (1): free in the newest commit and in the one before, whichever of them a power cut leaves, and for
 * readers of the snapshot `oldestReader` and later ones. Undefined where the free list is not sound, or somebody commits meanwhile.
 */
export function freePagesOf(source: PageSource, oldestReader: number): Uint8Array | undefined {
  const scan = new PageScan(source, "rows", undefined);
  const free = scan.freePages(oldestReader);
  return scan.isStill() ? free : undefined;
}

class PageScan {
  private readonly source: PageSource;
  private readonly layout: TableLayout;
  private readonly visit: EntryVisitor | undefined;
  private readonly fileBytes: number;
  private readonly problems: PageProblem[] = [];
  private used = new Uint8Array(0);
  private meta: Meta | undefined;
  private pageCount = 0;

  constructor(source: PageSource, layout: TableLayout, visit: EntryVisitor | undefined) {
    this.source = source;
    this.layout = layout;
    this.visit = visit;
    this.fileBytes = source.sizeBytes;
  }

  run(): ScanReport {
    this.meta = this.pickMeta();
    if (this.meta !== undefined) this.scanTrees(this.meta);
    return { problems: this.problems, pageCount: this.pageCount, lastTxnid: this.meta?.txnid ?? 0 };
  }

  freePages(oldestReader: number): Uint8Array | undefined {
    const meta = (this.meta = this.pickMeta());
    if (meta === undefined || !this.prepare(meta)) return undefined;
    const free = new Uint8Array(this.pageCount);
    const newest = Math.min(meta.txnid - 1, oldestReader); // Pages that a commit freed are read by the snapshots before it.
    this.walkTree("(free)", meta.free, compareNumbers, (node, page, number) => {
      const isUnread = node.key.length === 8 && u64(node.key, 0) <= newest;
      this.markFree(node, page, number, (each) => (free[each] = isUnread ? 1 : 0));
    });
    return this.problems.length === 0 ? free : undefined;
  }

  /** Whether nobody committed since the scan began. */
  isStill(): boolean {
    return this.meta === undefined || Math.max(...this.metas().map((meta) => (typeof meta === "string" ? 0 : meta.txnid))) === this.meta.txnid;
  }

  private metas(): (Meta | string)[] {
    return [0, 1].map((number) => {
      const page = this.page(number);
      return page === undefined ? "the file ends before it" : readMeta(page);
    });
  }

  /** The newer meta page. The two alternate, so their transactions follow one another: else the newest one is not to be trusted. */
  private pickMeta(): Meta | undefined {
    const [even, odd] = this.metas() as [Meta | string, Meta | string];
    if (typeof even === "string") this.report(0, even);
    if (typeof odd === "string") this.report(1, odd);
    if (typeof even === "string" || typeof odd === "string") return typeof even === "string" ? (typeof odd === "string" ? undefined : odd) : even;
    const isFresh = even.txnid === 0 && odd.txnid === 0;
    if (!isFresh && (even.txnid % 2 !== 0 || odd.txnid % 2 !== 1 || Math.abs(even.txnid - odd.txnid) !== 1))
      this.report(even.txnid % 2 === 0 ? 1 : 0, "the transactions of the meta pages do not follow one another");
    return odd.txnid > even.txnid ? odd : even;
  }

  /** False where the meta page cannot be right. */
  private prepare(meta: Meta): boolean {
    if (!Number.isSafeInteger(meta.lastPage) || meta.lastPage < 1 || meta.lastPage > 2 ** 40 || meta.lastPage > this.fileBytes / PAGE_BYTES + 2 ** 20) {
      this.report(meta.txnid % 2, "its last page is out of range");
      return false;
    }
    this.used = new Uint8Array(meta.lastPage + 1);
    this.used[0] = this.used[1] = 1;
    this.pageCount = meta.lastPage + 1;
    return true;
  }

  private scanTrees(meta: Meta): void {
    if (!this.prepare(meta)) return;
    const root = meta.main.root > 1 ? this.page(meta.main.root) : undefined;
    if (root !== undefined && u64(root, 0) === meta.main.root && u64(root, 8) !== meta.txnid)
      this.report(meta.main.root, "it is not of the transaction that the meta page names");
    const hasRows = this.layout === "rows";
    this.walkTree(hasRows ? "(rows)" : "(names)", meta.main, Buffer.compare, (node, page, number) => {
      if (hasRows) this.takeEntry("", node, page, number);
      else this.enterTable(node, page, number);
    });
    this.walkTree("(free)", meta.free, compareNumbers, (node, page, number) => this.markFree(node, page, number));
    const stray = this.used.indexOf(0);
    if (this.problems.length === 0 && stray >= 0) this.report(stray, "it is neither used nor free");
  }

  /** A node of the table of names holds a tree. */
  private enterTable(node: Node, page: Buffer, number: number): void {
    const tree = node.flags === NODE_FLAG.tree && node.number === TREE_BYTES ? readTree(page, node.valueAt, 0, 0) : undefined;
    if (tree === undefined) return this.report(number, "it holds a table that is not one");
    const name = node.key.toString("latin1").replaceAll("\0", "");
    this.walkTree(name, tree, Buffer.compare, (entry, holder, at) => this.takeEntry(name, entry, holder, at));
  }

  private takeEntry(table: string, entry: Node, page: Buffer, number: number): void {
    if (entry.flags !== 0 && entry.flags !== NODE_FLAG.big) return this.report(number, "it has a node of an unknown kind");
    const isSound = (entry.flags & NODE_FLAG.big) === 0 || this.checkOverflow(entry, page, number);
    if (isSound) this.visit?.(table, Buffer.from(entry.key), placeOf(entry, page, number));
  }

  private walkTree(name: string, tree: Tree, compare: Walk["compare"], onLeafNode: (node: Node, page: Buffer, number: number) => void): void {
    const counts: Counts = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0, last: undefined };
    this.counts = counts;
    const outer = counts;
    if (tree.root !== NO_PAGE) {
      if (tree.depth < 1 || tree.depth > DEPTH_MAX) return this.report(1, `the tree '${name}' has an impossible depth`);
      this.walkPage(tree.root, 1, { name, counts: outer, compare, leafDepth: tree.depth }, undefined, undefined, (node, page, number) => {
        this.counts = outer;
        onLeafNode(node, page, number);
      });
    }
    const isCounted =
      outer.branchPages === tree.branchPages &&
      outer.leafPages === tree.leafPages &&
      outer.overflowPages === tree.overflowPages &&
      outer.entries === tree.entries &&
      (tree.root !== NO_PAGE || tree.depth === 0);
    if (!isCounted) this.report(Math.max(tree.root, 0), `the tree '${name}' does not have as many pages and entries as it says`);
  }

  /** The tree that overflow pages are counted for. */
  private counts: Counts = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0, last: undefined };

  private walkPage(
    number: number,
    depth: number,
    walk: Walk,
    from: Buffer | undefined,
    to: Buffer | undefined,
    onLeafNode: (node: Node, page: Buffer, number: number) => void,
  ): void {
    const page = this.take(number, 1);
    if (page === undefined) return;
    const isLeaf = depth === walk.leafDepth;
    const nodes = this.nodes(page, number, isLeaf);
    if (nodes === undefined) return;
    if (isLeaf) {
      walk.counts.leafPages++;
      for (const node of nodes) {
        const isOrdered =
          (walk.counts.last === undefined || walk.compare(walk.counts.last, node.key) < 0) &&
          (from === undefined || walk.compare(from, node.key) <= 0) &&
          (to === undefined || walk.compare(node.key, to) < 0);
        if (!isOrdered) this.report(number, "its keys are out of order");
        walk.counts.last = node.key;
        walk.counts.entries++;
        onLeafNode(node, page, number);
      }
      return;
    }
    walk.counts.branchPages++;
    nodes.forEach((node, i) => {
      const lower = i === 0 ? from : node.key; // A branch's first key is not used.
      this.walkPage(node.number, depth + 1, walk, lower, nodes[i + 1]?.key ?? to, onLeafNode);
    });
  }

  /** All nodes of a page, whose places must fill it exactly; undefined where they do not. */
  private nodes(page: Buffer, number: number, isLeaf: boolean): Node[] | undefined {
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    const room = PAGE_BYTES - PAGE_HEADER_BYTES;
    if (page.readUInt16LE(18) !== (isLeaf ? PAGE_FLAG.leaf : PAGE_FLAG.branch)) return this.refuse(number, "it is of another kind than its tree says");
    if (lower % 2 !== 0 || lower > upper || upper > room || lower === 0) return this.refuse(number, "its free room is out of range");
    const nodes: Node[] = [];
    let taken = 0;
    for (let i = 0; i < lower / 2; i++) {
      const place = page.readUInt16LE(PAGE_HEADER_BYTES + i * 2);
      const at = PAGE_HEADER_BYTES + place;
      if (place < upper || place % 2 !== 0 || at + NODE_HEADER_BYTES > PAGE_BYTES) return this.refuse(number, "a node lies outside it");
      const [low, flags, keyBytes] = [page.readUInt32LE(at), page.readUInt16LE(at + 4), page.readUInt16LE(at + 6)];
      const valueAt = at + NODE_HEADER_BYTES + keyBytes;
      const inPlace = isLeaf ? ((flags & NODE_FLAG.big) === 0 ? low : LONG_VALUE_BYTES) : 0;
      if (keyBytes > KEY_BYTES_MAX || valueAt + inPlace > PAGE_BYTES || (isLeaf && flags > 3)) return this.refuse(number, "a node lies outside it");
      taken += (NODE_HEADER_BYTES + keyBytes + inPlace + 1) & ~1;
      nodes.push({ flags, key: page.subarray(at + NODE_HEADER_BYTES, valueAt), number: isLeaf ? low : flags * 2 ** 32 + low, valueAt });
    }
    const isFull = taken === room - upper && new Set(nodes.map((node) => node.valueAt - node.key.length)).size === nodes.length;
    return isFull ? nodes : this.refuse(number, "its nodes do not fill it");
  }

  /** A value on pages of its own: the first says how many. A value that became shorter in the same transaction keeps the pages it had. */
  private checkOverflow(node: Node, page: Buffer, number: number): boolean {
    const first = u64(page, node.valueAt);
    const count = u64(page, node.valueAt + 16);
    const isEnough = count >= overflowPageCount(node.number) && count <= this.pageCount;
    const head = isEnough ? this.take(first, count) : this.refuse(number, "a long value's page count is wrong");
    if (head === undefined) return false;
    this.counts.overflowPages += count;
    if (head.readUInt16LE(18) === PAGE_FLAG.overflow && head.readUInt32LE(20) === count && u64(head, 8) === u64(page, node.valueAt + 8)) return true;
    this.report(first, "it is not the long value that a leaf says it is");
    return false;
  }

  /** A node of the free list: a count, then page numbers; a negative number is a length, for the number after it. */
  private markFree(node: Node, page: Buffer, number: number, onFree: (page: number) => void = () => undefined): void {
    if (node.flags !== 0 && node.flags !== NODE_FLAG.big) return this.report(number, "it has a node of an unknown kind");
    const isSound = (node.flags & NODE_FLAG.big) === 0 || this.checkOverflow(node, page, number);
    const list = isSound ? readPlace(this.source, placeOf(node, page, number)) : undefined;
    if (list === undefined || list.length < 8 || list.length % 8 !== 0) return this.report(number, "a list of free pages cannot be read");
    const count = u64(list, 0);
    if (!(count >= 0 && count <= list.length / 8 - 1)) return this.report(number, "a list of free pages is longer than its room");
    for (let i = 1; i <= count; i++) {
      const entry = list.readBigInt64LE(i * 8);
      if (entry === 0n) continue;
      const isBlock = entry < 0n;
      if (isBlock) i++;
      const first = isBlock ? (i <= count ? u64(list, i * 8) : 0) : Number(entry);
      const length = isBlock ? Number(-entry) : 1;
      for (let k = 0; k < Math.min(length, this.pageCount + 1); k++) {
        if (!this.mark(first + k)) return;
        onFree(first + k);
      }
    }
  }

  /** Reads a page that nothing else has, with its own number and a transaction that happened. */
  private take(number: number, count: number): Buffer | undefined {
    if (!Number.isSafeInteger(number) || number < 2 || number + count > this.pageCount)
      return this.refuse(Math.max(number, 0), "it is named and lies outside the file");
    for (let i = 0; i < count; i++) if (!this.mark(number + i)) return undefined;
    const page = this.page(number);
    if (page === undefined || (number + count) * PAGE_BYTES > this.fileBytes) return this.refuse(number, "the file ends before it");
    if (u64(page, 0) !== number) return this.refuse(number, "it has another page's number");
    if (u64(page, 8) > (this.meta?.txnid ?? 0) || page.readUInt16LE(16) !== 0) return this.refuse(number, "its header is out of range");
    return page;
  }

  private mark(number: number): boolean {
    if (!Number.isSafeInteger(number) || number < 2 || number >= this.pageCount) {
      this.report(Math.max(number, 0), "it is named and lies outside the file");
      return false;
    }
    if (this.used[number] === 1) {
      this.report(number, "it is used twice, or used and free");
      return false;
    }
    this.used[number] = 1;
    return true;
  }

  private page(number: number): Buffer | undefined {
    const page = Buffer.allocUnsafe(PAGE_BYTES);
    return this.source.read(page, number * PAGE_BYTES) === PAGE_BYTES ? page : undefined;
  }

  private report(page: number, what: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ page, what });
  }

  private refuse(page: number, what: string): undefined {
    this.report(page, what);
    return undefined;
  }
}

function placeOf(node: Node, page: Buffer, number: number): Place {
  const isApart = (node.flags & NODE_FLAG.big) !== 0;
  return { offsetBytes: isApart ? u64(page, node.valueAt) * PAGE_BYTES + PAGE_HEADER_BYTES : number * PAGE_BYTES + node.valueAt, lengthBytes: node.number };
}

/** The bytes at a place; undefined where the file ends before. */
export function readPlace(source: PageSource, place: Place): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(place.lengthBytes);
  return source.read(bytes, place.offsetBytes) === bytes.length ? bytes : undefined;
}

/** Keys of the free list are transaction numbers in the machine's own order of bytes. */
function compareNumbers(a: Buffer, b: Buffer): number {
  return a.length === 8 && b.length === 8 ? u64(a, 0) - u64(b, 0) : a.length - b.length;
}
