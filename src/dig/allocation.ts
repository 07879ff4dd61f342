/**
 * Which blocks are taken. Two bitmaps: `taken` is what no one else may use now (also blocks whose owner is not durable yet, and
 * blocks whose freeing is not durable yet), `committed` is what the control file's transactions say. Rule 11 is kept by the
 * committer: a bit of `committed` changes only in the transaction that adds or removes what names the block.
 */
import { assert } from "../core/index.ts";
import { bitmapBlockOf, GROUP_BITMAP_BYTES, GROUP_BLOCKS, SEGMENT_BYTES, SUPERBLOCK_COUNT } from "./layout.ts";

export interface BlockRange {
  readonly start: number;
  readonly count: number;
}

export class Allocation {
  private taken: Uint8Array;
  private durable: Uint8Array;
  private quota: number;
  private takenCount = 0;
  private durableCount = 0;
  private groupCount = 0;
  /** Where to begin to look for a run of 2^i to 2^(i+1) - 1 blocks: the place of the last one, or of a freed range. */
  private readonly hints = new Array<number>(32).fill(0);
  private end = 0;

  constructor(quotaBlocks: number) {
    this.taken = new Uint8Array(GROUP_BITMAP_BYTES);
    this.durable = new Uint8Array(GROUP_BITMAP_BYTES);
    this.quota = quotaBlocks;
    this.growTo(1);
  }

  get quotaBlocks(): number {
    return this.quota;
  }

  set quotaBlocks(value: number) {
    this.quota = value;
    this.hints.fill(0);
  }

  get takenBlocks(): number {
    return this.takenCount;
  }

  get committedBlocks(): number {
    return this.durableCount;
  }

  get freeBlocks(): number {
    return Math.max(0, this.quota - this.takenCount);
  }

  /** One past the highest block that was ever taken since open. */
  get endBlock(): number {
    return this.end;
  }

  get groups(): number {
    return this.groupCount;
  }

  /** Takes `count` blocks in one piece, in memory; undefined where there is no such piece below `limit`. */
  allocate(count: number, limit = this.quota): BlockRange | undefined {
    const hint = 31 - Math.clz32(count);
    const start = this.search(this.hints[hint]!, count, limit) ?? (this.hints[hint]! > 0 ? this.search(0, count, limit) : undefined);
    if (start === undefined) return undefined;
    this.mark(start, count);
    this.hints[hint] = start;
    return { start, count };
  }

  /** Takes blocks that a rebuild knows to be in use. */
  reserve(range: BlockRange): void {
    this.growTo(Math.floor((range.start + range.count - 1) / GROUP_BLOCKS) + 1);
    assert(!this.isSet(this.taken, range.start), `block ${range.start} has one owner`);
    this.mark(range.start, range.count);
  }

  /** Gives blocks back that never became durable, or whose freeing now is. */
  release(range: BlockRange): void {
    for (let block = range.start; block < range.start + range.count; block++) {
      if (!this.isSet(this.taken, block)) continue;
      this.taken[block >> 3]! &= ~(1 << (block & 7));
      this.takenCount -= 1;
    }
    for (let i = 0; i < this.hints.length; i++) this.hints[i] = Math.min(this.hints[i]!, Math.max(0, range.start - (1 << Math.min(i + 1, 20))));
  }

  /** Changes bits of the committed bitmap; returns the segments that changed. The rows of these go into the same transaction. */
  commitBits(set: readonly BlockRange[], clear: readonly BlockRange[]): Set<number> {
    const segments = new Set<number>();
    const change = (range: BlockRange, isSet: boolean): void => {
      for (let block = range.start; block < range.start + range.count; block++) {
        assert(this.isSet(this.durable, block) !== isSet, `block ${block} ${isSet ? "is taken once" : "is freed once"}`);
        this.durable[block >> 3]! ^= 1 << (block & 7);
        segments.add(Math.floor((block >> 3) / SEGMENT_BYTES));
      }
      this.durableCount += isSet ? range.count : -range.count;
    };
    for (const range of clear) change(range, false);
    for (const range of set) change(range, true);
    return segments;
  }

  segment(index: number): Buffer {
    return Buffer.from(this.durable.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES));
  }

  /** Takes over a row of the bitmap at open. */
  loadSegment(index: number, bytes: Buffer): void {
    this.growTo(Math.floor((index * SEGMENT_BYTES) / GROUP_BITMAP_BYTES) + 1);
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] === 0) continue;
      const first = (index * SEGMENT_BYTES + i) * 8;
      for (let bit = 0; bit < 8; bit++) if ((bytes[i]! >> bit) & 1) this.loadBit(first + bit);
    }
  }

  /** A group's bitmap for the data file. */
  groupBitmap(group: number): Buffer {
    return Buffer.from(this.durable.subarray(group * GROUP_BITMAP_BYTES, (group + 1) * GROUP_BITMAP_BYTES));
  }

  /** A copy of the committed bitmap. */
  snapshot(): Uint8Array {
    return this.durable.slice(0, this.groupCount * GROUP_BITMAP_BYTES);
  }

  private loadBit(block: number): void {
    if (!this.isSet(this.durable, block)) {
      this.durable[block >> 3]! |= 1 << (block & 7);
      this.durableCount += 1;
    }
    if (!this.isSet(this.taken, block)) this.mark(block, 1);
  }

  private isSet(bits: Uint8Array, block: number): boolean {
    return ((bits[block >> 3] ?? 0) & (1 << (block & 7))) !== 0;
  }

  private mark(start: number, count: number): void {
    for (let block = start; block < start + count; block++) this.taken[block >> 3]! |= 1 << (block & 7);
    this.takenCount += count;
    this.end = Math.max(this.end, start + count);
  }

  /** Groups come into being one after the other; their bitmap blocks (and the superblocks) are always taken. */
  private growTo(groupCount: number): void {
    while (this.groupCount < groupCount) {
      const group = this.groupCount;
      const need = (group + 1) * GROUP_BITMAP_BYTES;
      if (need > this.taken.length) {
        this.taken = grown(this.taken, need);
        this.durable = grown(this.durable, need);
      }
      this.groupCount += 1;
      for (let block = 0; group === 0 && block < SUPERBLOCK_COUNT; block++) this.loadBit(block);
      this.loadBit(bitmapBlockOf(group));
    }
  }

  private search(hint: number, count: number, limit: number): number | undefined {
    for (let from = hint; from + count <= limit;) {
      const start = this.findRun(from, count);
      if (start !== undefined) return start + count <= limit ? start : undefined;
      const next = this.groupCount * GROUP_BLOCKS;
      if (next >= limit) return undefined;
      this.growTo(this.groupCount + 1);
      from = Math.max(from, next - count);
    }
    return undefined;
  }

  private findRun(from: number, count: number): number | undefined {
    const limit = this.groupCount * GROUP_BLOCKS;
    let block = from;
    let length = 0;
    while (block < limit) {
      const byte = this.taken[block >> 3]!;
      if ((block & 7) === 0 && byte === 0xff) {
        length = 0;
        block += 8;
      } else if ((block & 7) === 0 && byte === 0) {
        length += 8;
        block += 8;
      } else {
        length = (byte >> (block & 7)) & 1 ? 0 : length + 1;
        block += 1;
      }
      if (length >= count) return block - length;
    }
    return undefined;
  }
}

function grown(bits: Uint8Array, byteCount: number): Uint8Array {
  const larger = new Uint8Array(Math.max(byteCount, bits.length * 2));
  larger.set(bits);
  return larger;
}
