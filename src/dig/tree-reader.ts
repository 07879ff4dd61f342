/** Reading one tree: lookups and ranges over encoded pages. */
import { assert, RainbowError } from "../core/index.ts";
import type { ReaderHold, TreeInfo, TreeReader } from "./dig.ts";
import { decodeOverflowPointer, findChild, findEntry, found, PageCursor, pageLevel, spans } from "./tree-page.ts";
import type { PagePointer } from "./tree-page.ts";
import type { TreePages } from "./tree-pages.ts";

export class PagedTreeReader implements TreeReader {
  readonly info: TreeInfo;
  private readonly pages: TreePages;
  private readonly root: PagePointer | undefined;
  private readonly release: () => void;
  private readonly hold: ReaderHold | undefined;
  /** Where the last lookup ended: that of a neighbour ends there too. */
  private leaf: Buffer | undefined;
  private isClosed = false;

  /** `root` is absent in the empty tree. */
  constructor(info: TreeInfo, root: PagePointer | undefined, pages: TreePages, release: () => void, hold?: ReaderHold) {
    this.info = info;
    this.root = root;
    this.pages = pages;
    this.release = release;
    this.hold = hold;
  }

  get(key: Buffer): Buffer | undefined {
    assert(!this.isClosed, "a closed reader is not asked");
    this.hold?.use();
    if (this.root === undefined) return undefined;
    const page = this.leaf !== undefined && spans(this.leaf, key) ? this.leaf : this.leafOf(key, this.root);
    if (!findEntry(page, key)) return undefined;
    const value = page.subarray(found.valueStart, found.valueStart + found.valueLength);
    return found.isOverflow ? this.pages.loadOverflow(decodeOverflowPointer(value)) : value;
  }

  *range(from: Buffer, to: Buffer): IterableIterator<{ readonly key: Buffer; readonly value: Buffer }> {
    if (this.root === undefined || from.compare(to) >= 0) return;
    this.hold?.use();
    const path = this.descend(from);
    let leaf = path.pop();
    while (leaf !== undefined) {
      do {
        if (leaf.index < 0) continue;
        assert(!this.isClosed, "a closed reader is not asked");
        this.hold?.use();
        if (leaf.compare(to) >= 0) return;
        yield { key: leaf.key(), value: this.valueOf(leaf) };
      } while (leaf.next());
      leaf = this.nextLeaf(path);
    }
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.leaf = undefined;
    this.release();
  }

  private leafOf(key: Buffer, root: PagePointer): Buffer {
    let page = this.pages.load(root);
    while (pageLevel(page) > 0) page = this.child(page, findChild(page, key));
    this.leaf = page;
    return page;
  }

  /** Cursors from the root to the leaf; the leaf's stands on the first entry at or above `from`, or before its end. */
  private descend(from: Buffer): PageCursor[] {
    const path: PageCursor[] = [];
    let page = this.pages.load(this.root!);
    while (pageLevel(page) > 0) {
      const cursor = new PageCursor(page);
      const pointer = cursor.standOnChild(from);
      path.push(cursor);
      page = this.child(page, pointer);
    }
    const leaf = new PageCursor(page);
    if (leaf.seek(from)) return [...path, leaf];
    const next = this.nextLeaf(path);
    return next === undefined ? [] : [...path, next];
  }

  private nextLeaf(path: PageCursor[]): PageCursor | undefined {
    let depth = path.length - 1;
    while (depth >= 0 && !path[depth]!.next()) depth -= 1;
    if (depth < 0) return undefined;
    for (; depth < path.length; depth++) {
      const cursor = path[depth]!;
      const page = this.child(cursor.page, cursor.pointer());
      const below = new PageCursor(page);
      if (depth === path.length - 1) return below;
      below.next();
      path[depth + 1] = below;
    }
    return undefined;
  }

  private child(parent: Buffer, pointer: PagePointer): Buffer {
    const page = this.pages.load(pointer);
    if (pageLevel(page) === pageLevel(parent) - 1) return page;
    throw new RainbowError("DIG_CORRUPT", `a tree page has the wrong level (block ${pointer.block})`, { block: pointer.block });
  }

  private valueOf(cursor: PageCursor): Buffer {
    return cursor.isOverflow ? this.pages.loadOverflow(decodeOverflowPointer(cursor.value())) : cursor.value();
  }
}
