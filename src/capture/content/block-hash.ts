/**
 * Short keyed hashes of 4 KiB blocks: 8 bytes of XXH64 with a secret seed. 0 means a block of zeros, so nothing else hashes to it.
 * A region's row holds the hashes of its 256 blocks; a row that is missing means zeros.
 */
import xxhash from "xxhash-wasm";
import { BLOCK_BYTES } from "../../core/index.ts";
import type { ContentCalls } from "../../core/index.ts";

export const HASH_BYTES = 8;
/** The hash of a block whose content is not known: it equals no other, as a block that hashes to it counts as 1. */
export const UNKNOWN_HASH = Buffer.alloc(HASH_BYTES, 0xff);
const UNKNOWN = 0xffffffffffffffffn;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

type Hash64 = (bytes: Uint8Array, seed?: bigint) => bigint;

export class BlockHasher {
  private readonly hashBlocks: ContentCalls["hashBlocks"];
  private readonly seed: Buffer;

  private constructor(hashBlocks: ContentCalls["hashBlocks"], seed: Buffer) {
    this.hashBlocks = hashBlocks;
    this.seed = seed;
  }

  /** `secret`: 8 bytes or more that stay the same as long as hashes are kept. */
  static async create(secret: Buffer, calls: ContentCalls | undefined): Promise<BlockHasher> {
    const seed = Buffer.from(secret.subarray(0, HASH_BYTES));
    if (calls !== undefined) return new BlockHasher((...work) => calls.hashBlocks(...work), seed);
    const { h64Raw } = await xxhash();
    return new BlockHasher((bytes, key, into) => hashBlocksInWasm(h64Raw, { bytes, seed: key, into }), seed);
  }

  /** Hashes of the blocks of a region's bytes (at most REGION_BYTES), the last one possibly shorter than a block. */
  hash(bytes: Buffer): Buffer {
    const hashes = Buffer.allocUnsafe(Math.ceil(bytes.length / BLOCK_BYTES) * HASH_BYTES);
    this.hashBlocks(bytes, this.seed, hashes);
    return hashes;
  }
}

function hashBlocksInWasm(hash64: Hash64, work: { readonly bytes: Uint8Array; readonly seed: Uint8Array; readonly into: Uint8Array }): void {
  const bytes = Buffer.from(work.bytes.buffer, work.bytes.byteOffset, work.bytes.length);
  const into = Buffer.from(work.into.buffer, work.into.byteOffset, work.into.length);
  const seed = Buffer.from(work.seed).readBigUInt64LE(0);
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, bytes.length);
    const hash = isZero(bytes, start, end) ? 0n : nameable(hash64(bytes.subarray(start, end), seed));
    into.writeBigUInt64LE(hash, (start / BLOCK_BYTES) * HASH_BYTES);
  }
}

function nameable(hash: bigint): bigint {
  return hash === 0n || hash === UNKNOWN ? 1n : hash;
}

function isZero(bytes: Buffer, start: number, end: number): boolean {
  return bytes[start] === 0 && ZEROS.compare(bytes, start, end, 0, end - start) === 0;
}
