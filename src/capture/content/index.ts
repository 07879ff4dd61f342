/**
 * From bytes of files to chunks: block hashes that tell what changed, and chunks hashed, compressed and gathered. Guarantee: what is
 * not named as changed has the hash that was kept. Not for reading files or for deciding when.
 */
export { BlockHasher, HASH_BYTES, UNKNOWN_HASH } from "./block-hash.ts";
export { ChunkMaker } from "./chunk.ts";
export { compareRegion, Delta, GATHER_BYTES } from "./delta.ts";
