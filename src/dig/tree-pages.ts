/** Tree pages and long values as they lie in the data file: verified when read, kept in a bounded cache, written in large pieces. */
import { crc32 } from "node:zlib";
import { BLOCK_BYTES, RainbowError } from "../core/index.ts";
import type { BlockRange } from "./allocation.ts";
import { OVERFLOW, PAGE, PAGE_KIND, PAGE_MAGIC } from "./layout.ts";
import { writeU64 } from "./run.ts";
import type { Store } from "./store.ts";
import { isIntactPage } from "./tree-page.ts";
import type { OverflowPointer, PagePointer } from "./tree-page.ts";

const CACHE_PAGES = 4096; // 16 MiB: all inner pages of 10 million files' tree and the leaves in use.
const SLAB_PAGES = 64; // Memory of single pages would keep the garbage collector busier than reading them is.
const EXTENT_BLOCKS_MAX = 256; // Written in one call of 1 MiB.

interface CachedPage {
  readonly crc: number;
  page: Buffer;
  /** Asked for again since it came, or since it was last passed over. */
  isInUse: boolean;
}

export class TreePages {
  private readonly store: Pick<Store, "file">;
  /** In the order in which they go: what is in use then is passed over once, and queues anew. */
  private readonly cache = new Map<number, CachedPage>();
  private slab: Buffer = Buffer.alloc(0);
  private slabUsedBytes = 0;

  constructor(store: Pick<Store, "file">) {
    this.store = store;
  }

  /** The page a pointer names. DIG_CHECKSUM where other bytes stand there. */
  load(pointer: PagePointer): Buffer {
    const cached = this.cache.get(pointer.block);
    if (cached !== undefined && cached.crc === pointer.crc) {
      cached.isInUse = true;
      return cached.page;
    }
    const page = this.readInto(this.slabPage(), pointer);
    this.cache.set(pointer.block, { crc: pointer.crc, page, isInUse: false });
    if (this.cache.size > CACHE_PAGES) this.evict();
    return page;
  }

  /** A page that stays leaves its slab: so slabs go in the order in which they came, and hold no memory for a few pages. */
  private evict(): void {
    for (const [block, cached] of this.cache) {
      this.cache.delete(block);
      if (!cached.isInUse) return;
      if (cached.page.buffer.byteLength > BLOCK_BYTES) cached.page = ownCopy(cached.page);
      cached.isInUse = false;
      this.cache.set(block, cached);
    }
  }

  private slabPage(): Buffer {
    if (this.slabUsedBytes === this.slab.length) {
      this.slab = Buffer.allocUnsafeSlow(SLAB_PAGES * BLOCK_BYTES);
      this.slabUsedBytes = 0;
    }
    this.slabUsedBytes += BLOCK_BYTES;
    return this.slab.subarray(this.slabUsedBytes - BLOCK_BYTES, this.slabUsedBytes);
  }

  /** Past the cache, for check. */
  read(pointer: PagePointer): Buffer {
    return this.readInto(Buffer.allocUnsafeSlow(BLOCK_BYTES), pointer);
  }

  private readInto(page: Buffer, pointer: PagePointer): Buffer {
    const length = this.store.file.read(page, pointer.block * BLOCK_BYTES);
    if (length === BLOCK_BYTES && isIntactPage(page, pointer.crc)) return page;
    throw new RainbowError("DIG_CHECKSUM", `a tree page is damaged (block ${pointer.block} of the data file): \`rainbow replay\` builds the tree anew`, {
      block: pointer.block,
      at: "tree page",
    });
  }

  loadOverflow(pointer: OverflowPointer): Buffer {
    const bytes = Buffer.allocUnsafe(OVERFLOW.bytes + pointer.lengthBytes);
    const length = this.store.file.read(bytes, pointer.block * BLOCK_BYTES);
    if (length === bytes.length && bytes.readUInt32LE(PAGE.crc) === pointer.crc && crc32(bytes.subarray(PAGE.magic)) === pointer.crc)
      return bytes.subarray(OVERFLOW.bytes);
    throw new RainbowError("DIG_CHECKSUM", `a long value is damaged (block ${pointer.block} of the data file): \`rainbow replay\` builds the tree anew`, {
      block: pointer.block,
      at: "tree value",
    });
  }

  forget(range: BlockRange): void {
    if (this.cache.size === 0) return;
    for (let block = range.start; block < range.start + range.count; block++) this.cache.delete(block);
  }

  clear(): void {
    this.cache.clear();
  }
}

function ownCopy(page: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  page.copy(copy);
  return copy;
}

export function overflowBlocks(lengthBytes: number): number {
  return Math.ceil((OVERFLOW.bytes + lengthBytes) / BLOCK_BYTES);
}

/** Takes blocks for one build and writes its pages, contiguous as far as the file allows. Nothing names them until they are registered. */
export class PageSink {
  readonly birth: number;
  readonly sequence: number;
  /** Every new page by its block. */
  readonly pages: number[] = [];
  readonly overflows: BlockRange[] = [];
  private readonly store: Store;
  private readonly taken: BlockRange[] = [];
  private extent: BlockRange | undefined;
  private used = 0;
  private written = 0;
  /** Pages of the extent that are not written yet; one piece of memory for the whole build. */
  private piece: Buffer = Buffer.alloc(0);

  constructor(store: Store, birth: number) {
    this.store = store;
    this.birth = birth;
    this.sequence = store.nextSequence();
  }

  /** Copies a page in; returns the block that it gets. */
  page(page: Buffer): number {
    if (this.extent === undefined || this.used === this.extent.count) this.nextExtent();
    const block = this.extent!.start + this.used;
    page.copy(this.piece, (this.used - this.written) * BLOCK_BYTES);
    this.used += 1;
    this.pages.push(block);
    return block;
  }

  overflow(value: Buffer): OverflowPointer {
    const range = this.store.allocate(overflowBlocks(value.length), "tree");
    this.taken.push(range);
    this.overflows.push(range);
    const header = Buffer.alloc(OVERFLOW.bytes);
    header.write(PAGE_MAGIC, PAGE.magic, "latin1");
    header[PAGE.kind] = PAGE_KIND.overflow;
    header.writeUInt32LE(value.length, OVERFLOW.length);
    writeU64(header, this.birth, PAGE.birth);
    writeU64(header, this.sequence, PAGE.sequence);
    const crc = crc32(value, crc32(header.subarray(PAGE.magic)));
    header.writeUInt32LE(crc, PAGE.crc);
    this.store.file.write([header, value], range.start * BLOCK_BYTES);
    return { block: range.start, crc, lengthBytes: value.length, birth: this.birth };
  }

  /** Writes what is left and gives back what was taken in vain. The pages are durable after the next sync. */
  finish(): BlockRange[] {
    this.flush();
    this.endExtent();
    return this.taken;
  }

  /** Gives everything back: the build came to nothing. */
  abandon(): void {
    if (this.extent !== undefined) this.taken.push(this.extent);
    this.extent = undefined;
    for (const range of this.taken) this.store.allocation.release(range);
  }

  private nextExtent(): void {
    this.flush();
    this.endExtent();
    let count = Math.min(EXTENT_BLOCKS_MAX, Math.max(4, this.pages.length));
    for (;;) {
      try {
        this.extent = this.store.allocate(count, "tree");
        if (this.piece.length < count * BLOCK_BYTES) this.piece = Buffer.allocUnsafeSlow(count * BLOCK_BYTES);
        return;
      } catch (error) {
        if (count === 1) throw error;
        count = Math.ceil(count / 4); // A scattered file still has single blocks.
      }
    }
  }

  private endExtent(): void {
    if (this.extent === undefined) return;
    const { start, count } = this.extent;
    if (this.used > 0) this.taken.push({ start, count: this.used });
    if (this.used < count) this.store.allocation.release({ start: start + this.used, count: count - this.used });
    this.extent = undefined;
    this.used = 0;
    this.written = 0;
  }

  private flush(): void {
    if (this.extent === undefined || this.used === this.written) return;
    const bytes = this.piece.subarray(0, (this.used - this.written) * BLOCK_BYTES);
    this.store.file.write([bytes], (this.extent.start + this.written) * BLOCK_BYTES);
    this.written = this.used;
  }
}
