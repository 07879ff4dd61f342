/** Makes chunks of plain bytes: hashed with the machine's key, compressed where that pays. */
import { hash } from "node:crypto";
import { assert, CHUNK_BYTES_MAX, ENCODING } from "../../core/index.ts";
import type { NewChunk, Zstd } from "../../core/index.ts";
import { PayloadSlabs } from "./slabs.ts";

const KEY_BYTES = 32;
const PROBE_BYTES_MIN = 2048; // A smaller chunk is compressed without asking; it costs less than the probe can tell.
const PROBE_SAMPLES = 1024;
/**
 * Sum of squared counts of 1,024 sampled byte values: evenly spread ones give 1,024 + 1,024²/256 = 5,120 ± 90, text more than 30,000, a
 * page that is half random and half text more than 12,000.
 */
const PROBE_EVEN_MAX = 5_600;
const GAIN_MIN = 0.03; // Below 3 % the bytes are kept as they are: reading them back costs nothing then.

export class ChunkMaker {
  private readonly keyed = Buffer.alloc(KEY_BYTES + CHUNK_BYTES_MAX);
  private readonly counts = new Uint16Array(256);
  private readonly zstd: Zstd;
  private readonly slabs = new PayloadSlabs();

  constructor(hashKey: Buffer, zstd: Zstd) {
    this.zstd = zstd;
    assert(hashKey.length === KEY_BYTES, "a hash key has 32 bytes");
    hashKey.copy(this.keyed);
  }

  /** `bytes` may be reused after the call; what the chunk holds stays until it is given back. */
  make(bytes: Buffer): NewChunk {
    assert(bytes.length > 0 && bytes.length <= CHUNK_BYTES_MAX, "a chunk holds 1 to 65,536 bytes");
    bytes.copy(this.keyed, KEY_BYTES);
    const digest = hash("sha256", this.keyed.subarray(0, KEY_BYTES + bytes.length), "buffer");
    if (bytes.length < PROBE_BYTES_MIN || !this.looksRandom(bytes)) {
      const packed = this.zstd.compress(bytes);
      if (packed.length < bytes.length * (1 - GAIN_MIN))
        return { hash: digest, lengthBytes: bytes.length, encoding: ENCODING.zstd, stored: this.slabs.keep(packed) };
    }
    return { hash: digest, lengthBytes: bytes.length, encoding: ENCODING.raw, stored: this.slabs.keep(bytes) };
  }

  /** The host has the chunk: its memory is used again. */
  giveBack({ stored }: NewChunk): void {
    this.slabs.giveBack(stored);
  }

  private looksRandom(bytes: Buffer): boolean {
    const { counts } = this;
    counts.fill(0);
    const step = bytes.length / PROBE_SAMPLES;
    let squares = 0;
    for (let i = 0, at = 0; i < PROBE_SAMPLES; i++, at += step) {
      const value = bytes[at | 0] as number;
      const count = counts[value] as number;
      squares += 2 * count + 1;
      counts[value] = count + 1;
    }
    return squares <= PROBE_EVEN_MAX;
  }
}
