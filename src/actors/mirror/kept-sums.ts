/**
 * Block sums of a file's new content, made while it arrives: of literal bytes they are computed, of copied blocks they are known. A
 * run of literal bytes is cut into blocks from its beginning; what is left at its end, before the next copied block, has no sums.
 */
import { assert, ByteWriter } from "../../core/index.ts";
import type { RememberedSums } from "../../projections/index.ts";
import { BlockSums } from "../../rsync/index.ts";
import type { Agreement, Basis, Digests } from "../../rsync/index.ts";

const WEAK_BYTES = 4;
const BLOCKS_MAX = 1 << 20; // 20 MiB of sums, for 128 GiB in the largest blocks. What lies behind has none.

export class KeptSums {
  private readonly digests: Digests;
  private readonly agreement: Agreement;
  private readonly blockBytes: number;
  private readonly sums = new ByteWriter(1024);
  private readonly offsets: number[] = [];
  private strongBytes = 0;
  private remainderBytes = 0;
  private positionBytes = 0;
  private isSideBySide = true;
  private run: { readonly startBytes: number; readonly sums: BlockSums } | undefined;

  constructor(digests: Digests, agreement: Agreement, blockBytes: number) {
    this.digests = digests;
    this.agreement = agreement;
    this.blockBytes = blockBytes;
  }

  literal(bytes: Buffer): void {
    this.run ??= { startBytes: this.positionBytes, sums: new BlockSums(this.digests, this.agreement, this.blockBytes) };
    this.run.sums.add(bytes);
    this.positionBytes += bytes.length;
  }

  /** A block of the basis; `sums` are the basis's. */
  copied(basis: RememberedSums, block: number, lengthBytes: number): void {
    this.closeRun(false);
    const rowBytes = WEAK_BYTES + basis.strongBytes;
    this.strongBytes = basis.strongBytes;
    if (lengthBytes === this.blockBytes) this.push(this.positionBytes, basis.sums.subarray(block * rowBytes, (block + 1) * rowBytes));
    this.positionBytes += lengthBytes;
  }

  /** undefined where there is no block. */
  finish(): RememberedSums | undefined {
    this.closeRun(true);
    return this.offsets.length === 0 ? undefined : this.rows(this.remainderBytes);
  }

  private rows(remainderBytes: number): RememberedSums {
    const { digest, seed } = this.agreement;
    const { blockBytes, strongBytes } = this;
    const blockCount = this.offsets.length;
    const offsets = this.isSideBySide ? undefined : this.offsets;
    return { digest, seed, blockBytes, remainderBytes, strongBytes, blockCount, sums: this.sums.copy(), offsets };
  }

  /** Of the content so far, which goes on: the position is where a block ends. undefined where blocks do not lie side by side. */
  soFar(): RememberedSums | undefined {
    assert(this.positionBytes % this.blockBytes === 0, "no bytes are left behind the last block");
    this.closeRun(false);
    return this.isSideBySide && this.offsets.length > 0 ? this.rows(0) : undefined;
  }

  /** How many bytes are missing to the first end of a block that is at least so far away. */
  bytesToBlockEnd(byteCountMin: number): number {
    return Math.ceil((this.positionBytes + byteCountMin) / this.blockBytes) * this.blockBytes - this.positionBytes;
  }

  private closeRun(isLast: boolean): void {
    if (this.run === undefined) return;
    const { startBytes, sums } = this.run;
    this.run = undefined;
    const basis = sums.finish();
    if (basis === undefined) return;
    this.strongBytes = basis.strongBytes;
    const rowBytes = WEAK_BYTES + basis.strongBytes;
    const count = basis.remainderBytes > 0 && !isLast ? basis.blockCount - 1 : basis.blockCount;
    for (let i = 0; i < count; i++) this.push(startBytes + i * this.blockBytes, basis.sums.subarray(i * rowBytes, (i + 1) * rowBytes));
    if (isLast && count > 0 && this.offsets.at(-1) === startBytes + (count - 1) * this.blockBytes) this.remainderBytes = basis.remainderBytes;
  }

  private push(offsetBytes: number, row: Buffer): void {
    if (this.offsets.length === BLOCKS_MAX) return;
    if (offsetBytes !== this.offsets.length * this.blockBytes) this.isSideBySide = false;
    this.offsets.push(offsetBytes);
    this.sums.bytes(row);
  }
}

/** Whether a block is known to hold zeros alone, by both of its sums. */
export function isOfZeros(sums: RememberedSums, block: number, lengthBytes: number, digests: Digests, agreement: Agreement): boolean {
  const rowBytes = WEAK_BYTES + sums.strongBytes;
  const row = sums.sums.subarray(block * rowBytes, (block + 1) * rowBytes);
  if (row.readUInt32LE(0) !== 0) return false;
  const zeros = new BlockSums(digests, agreement, lengthBytes);
  zeros.add(Buffer.alloc(lengthBytes));
  return zeros.finish()?.sums.equals(row) === true;
}

/** Whether sums of an earlier session mean the same in this one. */
export function areGood(sums: RememberedSums, agreement: Agreement): boolean {
  return sums.digest === agreement.digest && sums.seed === agreement.seed && sums.seed !== 0;
}

/**
 * Remembered sums as a request carries them. Where the whole content is verified afterwards, strong sums may be short: a false match
 * then costs a second transfer, and no more. `strongBytesMax` is the length that is wanted.
 */
export function basisOf(sums: RememberedSums, strongBytesMax: number): Basis {
  const { blockCount, blockBytes, remainderBytes } = sums;
  const strongBytes = Math.min(strongBytesMax, sums.strongBytes);
  if (strongBytes === sums.strongBytes) return { blockCount, blockBytes, remainderBytes, strongBytes, sums: sums.sums };
  const [rowBytes, shortBytes] = [WEAK_BYTES + sums.strongBytes, WEAK_BYTES + strongBytes];
  const short = Buffer.allocUnsafe(blockCount * shortBytes);
  for (let i = 0; i < blockCount; i++) sums.sums.copy(short, i * shortBytes, i * rowBytes, i * rowBytes + shortBytes);
  return { blockCount, blockBytes, remainderBytes, strongBytes, sums: short };
}

/** How long strong sums must be so that a false match is unlikely in a file of that size: as the reference client reckons it. */
export function shortStrongBytes(sizeBytes: number, blockBytes: number): number {
  const bits = 10 + 2 * Math.floor(Math.log2(Math.max(1, sizeBytes))) - Math.floor(Math.log2(blockBytes));
  return Math.max(2, Math.floor((bits + 1 - 32 + 7) / 8));
}
