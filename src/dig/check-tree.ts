/** Walks a tree for check: every page and long value once, however many trees share it. */
import { isRainbowError } from "../core/index.ts";
import type { BlockClaims } from "./block-claims.ts";
import type { Problem } from "./dig.ts";
import { breathe } from "./store.ts";
import { decodeOverflowPointer, PageCursor, pageBirth, pageLevel } from "./tree-page.ts";
import type { PagePointer } from "./tree-page.ts";
import { overflowBlocks } from "./tree-pages.ts";
import type { TreePages } from "./tree-pages.ts";
import type { RegisteredTree } from "./tree-rows.ts";

const PAGES_PER_BREATH = 256;

export class TreeCheck {
  private readonly pages: TreePages;
  private readonly claims: BlockClaims;
  private readonly report: (problem: Problem) => void;
  private pageCount = 0;

  constructor(pages: TreePages, claims: BlockClaims, report: (problem: Problem) => void) {
    this.pages = pages;
    this.claims = claims;
    this.report = report;
  }

  async check(tree: RegisteredTree): Promise<void> {
    if (tree.root !== undefined) await this.walk(tree.root, undefined, tree.info.revision);
  }

  private async walk(pointer: PagePointer, level: number | undefined, revision: number): Promise<void> {
    const where = `page at block ${pointer.block}, tree at revision ${revision}`;
    if (!this.claims.claimPage({ start: pointer.block, count: 1 }, where)) return;
    if (++this.pageCount % PAGES_PER_BREATH === 0) await breathe();
    const page = this.attempt(where, () => this.pages.read(pointer));
    if (page === undefined) return;
    if (level !== undefined && pageLevel(page) !== level) this.report({ what: "a tree page has the wrong level", where });
    if (pageBirth(page) > revision) this.report({ what: "a tree page is younger than its tree", where });
    const cursor = new PageCursor(page);
    let before: Buffer | undefined;
    while (cursor.next()) {
      const key = cursor.key();
      if (before !== undefined && before.compare(key) >= 0) this.report({ what: "the keys of a tree page do not ascend", where });
      before = key;
      if (pageLevel(page) > 0) await this.walk(cursor.pointer(), pageLevel(page) - 1, revision);
      else if (cursor.isOverflow) this.checkOverflow(cursor.value(), where);
    }
  }

  private checkOverflow(value: Buffer, where: string): void {
    const pointer = decodeOverflowPointer(value);
    if (!this.claims.claimPage({ start: pointer.block, count: overflowBlocks(pointer.lengthBytes) }, where)) return;
    this.attempt(where, () => this.pages.loadOverflow(pointer));
  }

  private attempt<T>(where: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!isRainbowError(error)) throw error;
      this.report({ what: error.message, where });
      return undefined;
    }
  }
}
