/** The protocol's checksums by name: of whole files, and of blocks with the session's seed. PROTOCOL.md "Digests". */
import { createHash } from "node:crypto";
import xxhash from "xxhash-wasm";
import { Md4 } from "./md4.ts";
import { Xxh3 } from "./xxh3.ts";

/** As negotiated, the strongest first; `md4-seeded` is what protocols 27 to 29 have, without a name. */
export const DIGEST_BYTES = { xxh128: 16, xxh3: 8, xxh64: 8, md5: 16, md4: 16, sha1: 20, "md4-seeded": 16 } as const;
export type DigestName = keyof typeof DIGEST_BYTES;

/** A digest in the making. `digest` ends it. Bytes may be used again after `update`. */
export interface RunningDigest {
  update(bytes: Buffer): unknown;
  digest(): Buffer;
}

/** XXH3 by the addon, for instance. `seed` is a signed 32-bit number; the digest has the low word first, little-endian. */
export type StartXxh3 = (bits: 64 | 128, seed: number) => RunningDigest;

export interface Digests {
  /** Of a file's content. `seed` counts for `md4-seeded` alone. */
  ofFile(name: DigestName, seed: number): RunningDigest;
  /** A block's strong sum, in full length. */
  ofBlock(name: DigestName, seed: BlockSeed, block: Buffer): Buffer;
}

export interface BlockSeed {
  readonly seed: number;
  /** The order that all servers since 3.1.3 have; counts for md5 alone. */
  readonly isBeforeContent: boolean;
}

const NO_SEED = Buffer.alloc(0);

/** XXH64 is compiled first, which takes a moment; XXH3 comes from `startXxh3` or from plain TypeScript. */
export async function openDigests(startXxh3: StartXxh3 = startPlainXxh3): Promise<Digests> {
  const { create64 } = await xxhash();
  const startXxh64 = (seed: number): RunningDigest => {
    const hash = create64(BigInt.asUintN(64, BigInt(seed)));
    return { update: (bytes) => hash.update(bytes), digest: () => wordOf(hash.digest()) };
  };
  const seeded = (name: DigestName, seed: number): RunningDigest => {
    switch (name) {
      case "xxh128":
        return startXxh3(128, seed);
      case "xxh3":
        return startXxh3(64, seed);
      case "xxh64":
        return startXxh64(seed);
      case "md5":
      case "sha1":
        return createHash(name);
      case "md4":
      case "md4-seeded":
        return new Md4();
    }
  };
  return {
    ofFile: (name, seed) => {
      const digest = seeded(name, 0);
      if (name === "md4-seeded") digest.update(seedBytes(seed));
      return digest;
    },
    ofBlock: (name, { seed, isBeforeContent }, block) => {
      if (name.startsWith("xxh")) return ended(seeded(name, seed), block);
      const salt = seed === 0 ? NO_SEED : seedBytes(seed);
      const isFirst = name === "sha1" || (name === "md5" && isBeforeContent);
      return ended(seeded(name, 0), ...(isFirst ? [salt, block] : [block, salt]));
    },
  };
}

function startPlainXxh3(bits: 64 | 128, seed: number): RunningDigest {
  const hash = new Xxh3(seed);
  return {
    update: (bytes) => hash.update(bytes),
    digest: () => {
      const { low, high, single } = hash.finish();
      return bits === 64 ? wordOf(single) : Buffer.concat([wordOf(low), wordOf(high)]);
    },
  };
}

function ended(digest: RunningDigest, ...parts: readonly Buffer[]): Buffer {
  for (const part of parts) digest.update(part);
  return digest.digest();
}

function seedBytes(seed: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(seed);
  return bytes;
}

function wordOf(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}
