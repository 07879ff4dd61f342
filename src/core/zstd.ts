/**
 * zstd for single chunks. nodeZstd works everywhere; the addon's keeps its contexts between calls, which takes less than half of the
 * time for a chunk. Compressing with the addon is part of ContentCalls. Both give frames that either reads.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";

export interface Zstd {
  /** The plain bytes, exactly `lengthBytes`; undefined where the stored ones do not give them. `stored` may be reused after the call. */
  decompress(stored: Buffer, lengthBytes: number): Buffer | undefined;
  /** The same, straight into `into`, which has exactly their length; false where the stored ones do not give them. */
  decompressInto(stored: Buffer, into: Buffer): boolean;
}

const OUTPUT_BYTES_MIN = 64; // Node's smallest.
const LEVEL = { [constants.ZSTD_c_compressionLevel]: 1 };
const FRAME_BYTES = 1024; // More than a frame adds to what does not compress.

/** Level 1. `bytes` may be reused after the call. */
export function compressWithNode(bytes: Buffer): Buffer {
  return zstdCompressSync(bytes, { params: LEVEL, chunkSize: bytes.length + FRAME_BYTES });
}

export const nodeZstd: Zstd = {
  decompress: (stored, lengthBytes) => {
    try {
      // One piece of output that is never quite full: no second piece, no joining of pieces.
      const plain = zstdDecompressSync(stored, { maxOutputLength: Math.max(lengthBytes, 1), chunkSize: Math.max(OUTPUT_BYTES_MIN, lengthBytes + 1) });
      return plain.length === lengthBytes ? plain : undefined;
    } catch {
      return undefined; // Any refusal of the decoder means that these are not the bytes that were stored.
    }
  },
  decompressInto: (stored, into) => nodeZstd.decompress(stored, into.length)?.copy(into) === into.length,
};
