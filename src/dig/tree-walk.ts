/** Every page and long value of trees, each once: what a tree shares with one that was walked before is passed over. */
import { breathe } from "./store.ts";
import { decodeOverflowPointer, PageCursor, pageBirth, pageLevel } from "./tree-page.ts";
import type { PagePointer } from "./tree-page.ts";
import { overflowBlocks } from "./tree-pages.ts";
import type { TreePages } from "./tree-pages.ts";
import type { RegisteredTree } from "./tree-rows.ts";
import type { ReplacedPage } from "./tree-writer.ts";

const PAGES_PER_BREATH = 256;

export class TreeWalk {
  private readonly pages: TreePages;
  /** Start blocks of what whole trees brought. */
  private readonly seen = new Set<number>();

  constructor(pages: TreePages) {
    this.pages = pages;
  }

  /** What the tree has and no tree before. DIG_CHECKSUM where a page is damaged; then it counts as not walked. */
  async walk({ root }: Pick<RegisteredTree, "root">): Promise<ReplacedPage[]> {
    const found = new Map<number, ReplacedPage>();
    const open: PagePointer[] = root === undefined ? [] : [root];
    for (let pointer = open.pop(); pointer !== undefined; pointer = open.pop()) {
      if (this.seen.has(pointer.block) || found.has(pointer.block)) continue;
      const page = this.pages.read(pointer);
      found.set(pointer.block, { start: pointer.block, count: 1, birth: pageBirth(page) });
      if (found.size % PAGES_PER_BREATH === 0) await breathe();
      for (const cursor = new PageCursor(page); cursor.next();) {
        if (pageLevel(page) > 0) open.push(cursor.pointer());
        else if (cursor.isOverflow) this.overflow(cursor.value(), found);
      }
    }
    for (const start of found.keys()) this.seen.add(start);
    return [...found.values()];
  }

  private overflow(value: Buffer, found: Map<number, ReplacedPage>): void {
    const pointer = decodeOverflowPointer(value);
    if (this.seen.has(pointer.block) || found.has(pointer.block)) return;
    this.pages.loadOverflow(pointer);
    found.set(pointer.block, { start: pointer.block, count: overflowBlocks(pointer.lengthBytes), birth: pointer.birth });
  }
}
