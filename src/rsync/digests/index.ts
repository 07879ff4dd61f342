/** The protocol's checksums: MD4, XXH3 in plain TypeScript, and the rest from Node and xxhash-wasm, behind one interface. */
export { DIGEST_BYTES, openDigests } from "./digest.ts";
export type { BlockSeed, DigestName, Digests, RunningDigest, StartXxh3 } from "./digest.ts";
export { Md4 } from "./md4.ts";
