/**
 * Building a tree bottom-up from a base tree and sorted changes. Only pages that a change falls into are written anew, and neighbours
 * of pages that would become too small; all others are shared with the base.
 */
import { assert, BLOCK_BYTES, RainbowError } from "../core/index.ts";
import { INLINE_VALUE_BYTES_MAX, KEY_BYTES_MAX, PAGE, VALUE_BYTES_MAX } from "./layout.ts";
import { breathe } from "./store.ts";
import {
  decodeOverflowPointer,
  decodePointer,
  encodeOverflowPointer,
  encodePointer,
  PageBuilder,
  PageCursor,
  pageBirth,
  pageLevel,
  sharedLength,
} from "./tree-page.ts";
import type { PagePointer } from "./tree-page.ts";
import { overflowBlocks } from "./tree-pages.ts";
import type { PageSink, TreePages } from "./tree-pages.ts";

const ROOM_BYTES = BLOCK_BYTES - PAGE.entries - 128; // What surely fits, with restarts.
const FILL_BYTES_MIN = ROOM_BYTES / 4; // A page below it takes its right neighbour in.
const ENTRIES_PER_BREATH = 2048; // About 10 ms.
const NO_KEY = Buffer.alloc(0);

export interface Change {
  readonly key: Buffer;
  readonly value: Buffer | undefined;
}

/** A page or long value of the base tree that the new tree does not have. */
export interface ReplacedPage {
  readonly start: number;
  readonly count: number;
  readonly birth: number;
}

export interface BuiltTree {
  readonly root: PagePointer | undefined;
  readonly entryDelta: number;
  readonly replaced: readonly ReplacedPage[];
}

interface Item {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly isOverflow: boolean;
  readonly size: number;
}

/** Collects the entries of one level and cuts them into pages: full ones on the way, the last two evenly. */
class LevelWriter {
  private readonly level: number;
  private readonly sink: PageSink;
  private readonly builder = new PageBuilder();
  private readonly emit: (key: Buffer, pointer: PagePointer) => void;
  private items: Item[] = [];
  private head = 0;
  private bytes = 0;
  private lastKey: Buffer | undefined;
  /** The last key of the page before, where that page was written here just now. */
  private keyBefore: Buffer | undefined;
  private isLeftmost = true;
  emittedCount = 0;

  constructor(level: number, sink: PageSink, emit: (key: Buffer, pointer: PagePointer) => void) {
    this.level = level;
    this.sink = sink;
    this.emit = emit;
  }

  get pendingCount(): number {
    return this.items.length - this.head;
  }

  get isSettled(): boolean {
    return this.bytes === 0 || this.bytes >= FILL_BYTES_MIN;
  }

  /** The only entry, where there was never another. */
  get single(): Item | undefined {
    return this.emittedCount === 0 && this.pendingCount === 1 ? this.items[this.head] : undefined;
  }

  add(key: Buffer, value: Buffer, isOverflow: boolean): void {
    const size = 3 + key.length - (this.lastKey === undefined ? 0 : sharedLength(this.lastKey, key)) + value.length;
    this.items.push({ key, value, isOverflow, size });
    this.bytes += size;
    this.lastKey = key;
    if (this.bytes >= 2 * BLOCK_BYTES) this.writePage(Number.POSITIVE_INFINITY);
  }

  flush(): void {
    while (this.pendingCount > 0) {
      const isPair = this.bytes > ROOM_BYTES && this.bytes <= 2 * ROOM_BYTES;
      this.writePage(isPair ? this.bytes / 2 : Number.POSITIVE_INFINITY);
    }
    this.items = [];
    this.head = 0;
    this.bytes = 0;
    this.lastKey = undefined;
  }

  /** A page of the base comes next: what is written after it has another neighbour. */
  interrupt(): void {
    this.keyBefore = undefined;
    this.isLeftmost = false;
  }

  private writePage(targetBytes: number): void {
    const { builder } = this;
    const first = this.items[this.head]!.key;
    let last = first;
    while (this.head < this.items.length && builder.usedBytes < targetBytes) {
      const item = this.items[this.head]!;
      if (!builder.add(item.key, item.value, item.isOverflow)) break;
      last = item.key;
      this.bytes -= item.size;
      this.head += 1;
    }
    if (this.head > 1024) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    const { page, crc } = builder.finish(this.level, this.sink.birth, this.sink.sequence);
    const block = this.sink.page(page);
    // A separator needs only what tells the page from the one before it; inner pages keep the one of their first child.
    const key = this.isLeftmost
      ? NO_KEY
      : this.level === 0 && this.keyBefore !== undefined
        ? first.subarray(0, sharedLength(this.keyBefore, first) + 1)
        : first;
    this.keyBefore = last;
    this.isLeftmost = false;
    this.emittedCount += 1;
    this.emit(key, { block, crc });
  }
}

export class TreeWriter {
  private readonly pages: TreePages;
  private readonly sink: PageSink;
  private readonly levels: LevelWriter[] = [];
  private readonly replaced: ReplacedPage[] = [];
  private readonly changes: Iterator<Change>;
  private change: Change | undefined;
  private entryDelta = 0;
  private breathIn = ENTRIES_PER_BREATH;

  constructor(pages: TreePages, sink: PageSink, changes: Iterable<Change>) {
    this.pages = pages;
    this.sink = sink;
    this.changes = changes[Symbol.iterator]();
    this.advance();
  }

  async write(base: PagePointer | undefined): Promise<BuiltTree> {
    if (base === undefined) {
      while (this.change !== undefined) {
        this.takeChange(false);
        if (this.isBreathless()) await breathe();
      }
    } else {
      await this.walk(base, NO_KEY, undefined, pageLevel(this.pages.load(base)));
    }
    return { root: this.finish(), entryDelta: this.entryDelta, replaced: this.replaced };
  }

  /** Takes over the page with all below it, changed where changes below `upper` fall into it. */
  private async walk(pointer: PagePointer, low: Buffer, upper: Buffer | undefined, level: number): Promise<void> {
    if (!this.hasChangeBelow(upper) && this.isSettled(level)) {
      this.pass(pointer, low, level);
      return;
    }
    const page = this.pages.load(pointer);
    if (pageLevel(page) !== level) throw new RainbowError("DIG_CORRUPT", `a tree page has the wrong level (block ${pointer.block})`, { block: pointer.block });
    this.replaced.push({ start: pointer.block, count: 1, birth: pageBirth(page) });
    if (level === 0) {
      await this.mergeLeaf(page, upper);
      while (this.hasChangeBelow(upper)) {
        this.takeChange(false);
        if (this.isBreathless()) await breathe();
      }
      return;
    }
    const children = childrenOf(page);
    for (const [i, child] of children.entries()) {
      const end = children[i + 1]?.key ?? upper;
      if (!this.hasChangeBelow(end) && this.isSettled(level - 1)) this.pass(child.pointer, child.key, level - 1);
      else await this.walk(child.pointer, child.key, end, level - 1);
    }
  }

  private async mergeLeaf(page: Buffer, upper: Buffer | undefined): Promise<void> {
    const cursor = new PageCursor(page);
    while (cursor.next()) {
      this.breathIn -= 1;
      let order = 1;
      while (this.change !== undefined && (order = cursor.compare(this.change.key)) > 0 && this.hasChangeBelow(upper)) {
        this.takeChange(false);
        if (this.isBreathless()) await breathe();
      }
      if (this.change !== undefined && order === 0) {
        if (cursor.isOverflow) this.replaceOverflow(cursor);
        this.takeChange(true);
      } else this.level(0).add(cursor.key(), cursor.value(), cursor.isOverflow);
    }
  }

  private replaceOverflow(cursor: PageCursor): void {
    const { block, lengthBytes, birth } = decodeOverflowPointer(cursor.value());
    this.replaced.push({ start: block, count: overflowBlocks(lengthBytes), birth });
  }

  private takeChange(isKnown: boolean): void {
    const { key, value } = this.change!;
    this.entryDelta += (value === undefined ? 0 : 1) - (isKnown ? 1 : 0);
    if (value !== undefined) {
      const isLong = value.length > INLINE_VALUE_BYTES_MAX;
      this.level(0).add(key, isLong ? encodeOverflowPointer(this.sink.overflow(value)) : value, isLong);
    }
    this.advance();
  }

  private advance(): void {
    const before = this.change?.key;
    const step = this.changes.next();
    this.change = step.done === true ? undefined : step.value;
    this.breathIn -= 1;
    if (this.change === undefined) return;
    const { key, value } = this.change;
    assert(key.length > 0 && key.length <= KEY_BYTES_MAX && (value?.length ?? 0) <= VALUE_BYTES_MAX, "keys and values of a tree are within their limits");
    assert(before === undefined || Buffer.compare(before, key) < 0, "changes ascend, each key once");
  }

  private hasChangeBelow(upper: Buffer | undefined): boolean {
    return this.change !== undefined && (upper === undefined || Buffer.compare(this.change.key, upper) < 0);
  }

  /** A page of the base stands in the new tree as it is. */
  private pass(pointer: PagePointer, low: Buffer, level: number): void {
    for (let i = 0; i <= level; i++) {
      this.levels[i]?.flush();
      this.level(i).interrupt();
    }
    this.level(level + 1).add(low, encodePointer(pointer), false);
  }

  /** No page below would be left too small if what is collected were written now. */
  private isSettled(level: number): boolean {
    for (let i = 0; i <= level; i++) if (this.levels[i]?.isSettled === false) return false;
    return true;
  }

  private level(level: number): LevelWriter {
    return (this.levels[level] ??= new LevelWriter(level, this.sink, (key, pointer) => this.level(level + 1).add(key, encodePointer(pointer), false)));
  }

  private finish(): PagePointer | undefined {
    for (let level = 0; level < this.levels.length; level++) {
      this.levels[level]!.flush();
      const above = this.levels[level + 1];
      const isTop = this.levels.slice(level + 2).every((higher) => higher.pendingCount === 0 && higher.emittedCount === 0);
      const root = isTop ? above?.single : undefined;
      if (root !== undefined) return decodePointer(root.value, 0);
    }
    return undefined;
  }

  private isBreathless(): boolean {
    if (this.breathIn > 0) return false;
    this.breathIn = ENTRIES_PER_BREATH;
    return true;
  }
}

function childrenOf(page: Buffer): { readonly key: Buffer; readonly pointer: PagePointer }[] {
  const cursor = new PageCursor(page);
  const children = [];
  while (cursor.next()) children.push({ key: cursor.key(), pointer: cursor.pointer() });
  return children;
}
