/**
 * What costs the most for each byte of a file, for many pieces in one call. The addon gives it; where there is none, capture does the
 * same in JavaScript, with equal results (compressed bytes may differ: any frame that gives the same content is good).
 */

/** Of each piece in PackedPieces.words: stored bytes, and 1 where they are compressed. */
export const PACKED_WORDS = 2;

export interface PackedPieces {
  /** Of each piece: 32 bytes. */
  readonly hashes: Uint8Array;
  readonly words: Uint32Array;
}

export interface ContentCalls {
  /** Hashes of the 4 KiB blocks of `bytes`, 8 bytes each: XXH64 with an 8-byte seed; 0 for zeros alone, 1 where it would be 0 or ~0. */
  hashBlocks(bytes: Uint8Array, seed: Uint8Array, into: Uint8Array): void;
  /**
   * Makes chunks of pieces of `bytes` (from and to, in turns): keyed SHA-256, and the stored form, one behind the other in `into`,
   * until one might find no room there (each may need all of its length). Returns how many were made.
   */
  packChunks(bytes: Uint8Array, pieces: Uint32Array, key: Uint8Array, into: Uint8Array, packed: PackedPieces): number;
}
