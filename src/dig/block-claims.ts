/** Who names which block, for check: found twice is one problem, marked and never named another. */
import type { BlockRange } from "./allocation.ts";
import type { Problem } from "./dig.ts";
import { GROUP_BITMAP_BYTES, GROUP_BLOCKS } from "./layout.ts";
import { rangesOf } from "./run.ts";

export class BlockClaims {
  private readonly bits: Uint8Array;
  private readonly pageBits: Uint8Array;
  private readonly blockCount: number;
  private readonly report: (problem: Problem) => void;

  constructor(groupCount: number, report: (problem: Problem) => void) {
    this.blockCount = groupCount * GROUP_BLOCKS;
    this.bits = new Uint8Array(groupCount * GROUP_BITMAP_BYTES);
    this.pageBits = new Uint8Array(groupCount * GROUP_BITMAP_BYTES);
    this.report = report;
  }

  /** Superblocks and bitmap blocks. */
  own(range: BlockRange): void {
    for (let block = range.start; block < range.start + range.count; block++) set(this.bits, block);
  }

  /** Blocks of a run, which have this one owner. */
  claim(range: BlockRange, where: string): void {
    for (let block = range.start; block < range.start + range.count; block++) this.claimBlock(block, where, false);
  }

  /** Blocks of a page: trees share pages, so the second claim by a tree is no problem. False where it was claimed as a page before. */
  claimPage(range: BlockRange, where: string): boolean {
    if (range.start < this.blockCount && has(this.pageBits, range.start)) return false;
    for (let block = range.start; block < range.start + range.count; block++) this.claimBlock(block, where, true);
    return true;
  }

  /** Blocks that the bitmap has and no one names, and the reverse. */
  *compare(committed: Uint8Array): IterableIterator<Problem> {
    const [leaked, missing] = [new Uint8Array(this.bits.length), new Uint8Array(this.bits.length)];
    for (let i = 0; i < this.bits.length; i++) {
      leaked[i] = (committed[i] ?? 0) & ~this.bits[i]!;
      missing[i] = this.bits[i]! & ~(committed[i] ?? 0);
    }
    for (const { start, count } of rangesOf(leaked, this.blockCount))
      yield { what: `${count} blocks are marked as used and nothing names them`, where: `block ${start}` };
    for (const { start, count } of rangesOf(missing, this.blockCount)) yield { what: `${count} blocks are in use and marked as free`, where: `block ${start}` };
  }

  private claimBlock(block: number, where: string, isPage: boolean): void {
    if (block >= this.blockCount) this.report({ what: `block ${block} lies outside of the data file`, where });
    else if (has(this.bits, block)) this.report({ what: `block ${block} has two owners`, where });
    else {
      set(this.bits, block);
      if (isPage) set(this.pageBits, block);
    }
  }
}

function has(bits: Uint8Array, block: number): boolean {
  return ((bits[block >> 3]! >> (block & 7)) & 1) === 1;
}

function set(bits: Uint8Array, block: number): void {
  bits[block >> 3]! |= 1 << (block & 7);
}
