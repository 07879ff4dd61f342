/**
 * The sums of a basis: what the server compares its file with. Each block has a weak sum, which can be rolled along byte by byte, and
 * a strong one with the session's seed. PROTOCOL.md "Requests". The blocks need not lie side by side in any one file.
 */
import { assert, ByteWriter } from "../core/index.ts";
import { COMPAT } from "./agreement.ts";
import type { Agreement } from "./agreement.ts";
import { DIGEST_BYTES } from "./digests/index.ts";
import type { BlockSeed, DigestName, Digests } from "./digests/index.ts";
import { BLOCK_BYTES_MAX } from "./limits.ts";

const BLOCK_BYTES_MIN = 700;
const STRONG_BYTES_MAX = 16; // Servers take no more than their digest's length, and some no more than md5's.

export interface Basis {
  readonly blockCount: number;
  readonly blockBytes: number;
  /** Of the last block, where it is shorter; else 0. */
  readonly remainderBytes: number;
  readonly strongBytes: number;
  /** For each block the weak sum and the strong one. Not to be changed while the request is under way. */
  readonly sums: Buffer;
}

/** A block length for a file of that size: about its square root, so that both sums and misses stay small. */
export function blockBytesFor(sizeBytes: number): number {
  const root = Math.ceil(Math.sqrt(sizeBytes) / 8) * 8;
  return Math.min(BLOCK_BYTES_MAX, Math.max(BLOCK_BYTES_MIN, root));
}

/** The weak sum: bytes count as signed, a is their sum, b the sum of all values that a took. */
export function weakSum(bytes: Buffer, start = 0, end = bytes.length): number {
  let a = 0;
  let b = 0;
  for (let i = start; i < end; i++) {
    a = (a + ((bytes[i]! << 24) >> 24)) | 0;
    b = (b + a) | 0;
  }
  return ((a & 0xffff) | (b << 16)) >>> 0;
}

/** Takes a basis piece by piece and gives its sums. */
export class BlockSums {
  private readonly digests: Digests;
  private readonly digest: DigestName;
  private readonly seed: BlockSeed;
  private readonly blockBytes: number;
  private readonly strongBytes: number;
  private readonly block: Buffer;
  private blockFill = 0;
  private readonly sums = new ByteWriter();
  private blockCount = 0;

  /** The sums are good for sessions with the same digest, seed and order of seed and content. */
  constructor(digests: Digests, agreement: Pick<Agreement, "digest" | "seed" | "compat">, blockBytes: number) {
    assert(blockBytes > 0 && blockBytes <= BLOCK_BYTES_MAX, "the server takes blocks of that length");
    this.digests = digests;
    this.digest = agreement.digest;
    this.seed = { seed: agreement.seed, isBeforeContent: (agreement.compat & COMPAT.seedOrderFixed) !== 0 };
    this.blockBytes = blockBytes;
    this.strongBytes = Math.min(STRONG_BYTES_MAX, DIGEST_BYTES[agreement.digest]);
    this.block = Buffer.allocUnsafeSlow(blockBytes);
  }

  /** The next bytes of the basis. */
  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const count = bytes.copy(this.block, this.blockFill, at);
      at += count;
      this.blockFill += count;
      if (this.blockFill === this.blockBytes) this.close();
    }
  }

  /** The sums of all; undefined where there was not one byte. */
  finish(): Basis | undefined {
    const remainderBytes = this.blockFill;
    if (remainderBytes > 0) this.close();
    if (this.blockCount === 0) return undefined;
    const { blockCount, blockBytes, strongBytes } = this;
    return { blockCount, blockBytes, remainderBytes, strongBytes, sums: this.sums.copy() };
  }

  private close(): void {
    const bytes = this.block.subarray(0, this.blockFill);
    this.sums.u32(weakSum(bytes));
    this.sums.bytes(this.digests.ofBlock(this.digest, this.seed, bytes).subarray(0, this.strongBytes));
    this.blockCount++;
    this.blockFill = 0;
  }
}
