/**
 * Short keyed hashes of 4 KiB blocks: 8 bytes of XXH64 with a secret seed. 0 means a block of zeros, so nothing else hashes to it.
 * A region's row holds the hashes of its 256 blocks; a row that is missing means zeros.
 */
import xxhash from "xxhash-wasm";
import { BLOCK_BYTES } from "../../core/index.ts";

export const HASH_BYTES = 8;
/** The hash of a block whose content is not known: it equals no other, as a block that hashes to it counts as 1. */
export const UNKNOWN_HASH = Buffer.alloc(HASH_BYTES, 0xff);
const UNKNOWN = 0xffffffffffffffffn;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

export class BlockHasher {
  private readonly hash64: (bytes: Uint8Array, seed?: bigint) => bigint;
  private readonly seed: bigint;

  private constructor(hash64: (bytes: Uint8Array, seed?: bigint) => bigint, seed: bigint) {
    this.hash64 = hash64;
    this.seed = seed;
  }

  /** `secret`: 8 bytes or more that stay the same as long as hashes are kept. */
  static async create(secret: Buffer): Promise<BlockHasher> {
    const { h64Raw } = await xxhash();
    return new BlockHasher(h64Raw, secret.readBigUInt64LE(0));
  }

  /** Hashes of the blocks of a region's bytes (at most REGION_BYTES), the last one possibly shorter than a block. */
  hash(bytes: Buffer): Buffer {
    const count = Math.ceil(bytes.length / BLOCK_BYTES);
    const hashes = Buffer.allocUnsafe(count * HASH_BYTES);
    for (let i = 0; i < count; i++) {
      const start = i * BLOCK_BYTES;
      const end = Math.min(start + BLOCK_BYTES, bytes.length);
      hashes.writeBigUInt64LE(isZero(bytes, start, end) ? 0n : this.one(bytes.subarray(start, end)), i * HASH_BYTES);
    }
    return hashes;
  }

  private one(block: Buffer): bigint {
    const hash = this.hash64(block, this.seed);
    return hash === 0n || hash === UNKNOWN ? 1n : hash;
  }
}

export function isZero(bytes: Buffer, start: number, end: number): boolean {
  return bytes[start] === 0 && ZEROS.compare(bytes, start, end, 0, end - start) === 0;
}
