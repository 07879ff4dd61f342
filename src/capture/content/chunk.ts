/** Makes chunks of plain bytes: hashed with the machine's key, compressed where that pays. */
import { hash } from "node:crypto";
import { assert, CHUNK_BYTES_MAX, compressWithNode, ENCODING, PACKED_WORDS } from "../../core/index.ts";
import type { ContentCalls, NewChunk, PackedPieces } from "../../core/index.ts";
import { PayloadSlabs } from "./slabs.ts";

const KEY_BYTES = 32;
const DIGEST_BYTES = 32;
const PIECE_WORDS = 2;
const PROBE_BYTES_MIN = 2048; // A smaller chunk is compressed without asking; it costs less than the probe can tell.
const PROBE_SAMPLES = 1024;
/**
 * Sum of squared counts of 1,024 sampled byte values: evenly spread ones give 1,024 + 1,024²/256 = 5,120 ± 90, text more than 30,000, a
 * page that is half random and half text more than 12,000.
 */
const PROBE_EVEN_MAX = 5_600;
const SPARE_MAX = 8;
const GAIN_MIN = 0.03; // Below 3 % the bytes are kept as they are: reading them back costs nothing then.

export class ChunkMaker {
  private readonly key: Buffer;
  private readonly calls: Pick<ContentCalls, "packChunks">;
  private readonly spare: Buffer[] = [];
  private readonly slabs = new PayloadSlabs();

  constructor(hashKey: Buffer, calls: ContentCalls | undefined) {
    assert(hashKey.length === KEY_BYTES, "a hash key has 32 bytes");
    this.key = Buffer.from(hashKey);
    this.calls = calls ?? new PlainCalls();
  }

  /** Chunks of pieces of `bytes`: from and to, in turns. `bytes` may be reused after the call; what the chunks hold stays until they are given back. */
  make(bytes: Buffer, pieces: readonly number[]): NewChunk[] {
    const chunks: NewChunk[] = [];
    for (let left = Uint32Array.from(pieces); left.length > 0;) {
      const lengthBytes = (left[1] as number) - (left[0] as number);
      assert(lengthBytes > 0 && lengthBytes <= CHUNK_BYTES_MAX, "a chunk holds 1 to 65,536 bytes");
      const into = this.slabs.room(lengthBytes);
      const packed = {
        hashes: Buffer.allocUnsafe((left.length / PIECE_WORDS) * DIGEST_BYTES),
        words: new Uint32Array((left.length / PIECE_WORDS) * PACKED_WORDS),
      };
      const count = this.calls.packChunks(bytes, left, this.key, into, packed);
      for (let i = 0; i < count; i++) chunks.push(this.chunk(left, packed, i));
      left = left.subarray(count * PIECE_WORDS);
    }
    return chunks;
  }

  /** The host has the chunk: its memory is used again. */
  giveBack({ stored }: NewChunk): void {
    this.slabs.giveBack(stored);
  }

  /** Memory for gathering short runs in; always asked for in the same size. */
  borrow(lengthBytes: number): Buffer {
    return this.spare.pop() ?? Buffer.allocUnsafeSlow(lengthBytes);
  }

  /** Lays borrowed memory aside for the next one. */
  lay(borrowed: Buffer): void {
    if (this.spare.length < SPARE_MAX) this.spare.push(borrowed);
  }

  private chunk(pieces: Uint32Array, { hashes, words }: PackedPieces, i: number): NewChunk {
    return {
      hash: Buffer.from(hashes.buffer, hashes.byteOffset + i * DIGEST_BYTES, DIGEST_BYTES),
      lengthBytes: (pieces[i * PIECE_WORDS + 1] as number) - (pieces[i * PIECE_WORDS] as number),
      encoding: words[i * PACKED_WORDS + 1] === 1 ? ENCODING.zstd : ENCODING.raw,
      stored: this.slabs.take(words[i * PACKED_WORDS] as number),
    };
  }
}

/** One piece after the other, with what Node has. */
class PlainCalls implements Pick<ContentCalls, "packChunks"> {
  private readonly keyed = Buffer.alloc(KEY_BYTES + CHUNK_BYTES_MAX);
  private readonly counts = new Uint16Array(256);

  packChunks(bytes: Uint8Array, pieces: Uint32Array, key: Uint8Array, into: Uint8Array, { hashes, words }: PackedPieces): number {
    this.keyed.set(key, 0);
    let used = 0;
    for (let i = 0; i * PIECE_WORDS < pieces.length; i++) {
      const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).subarray(pieces[i * PIECE_WORDS], pieces[i * PIECE_WORDS + 1]);
      if (piece.length > into.length - used) return i;
      this.keyed.set(piece, KEY_BYTES);
      hashes.set(hash("sha256", this.keyed.subarray(0, KEY_BYTES + piece.length), "buffer"), i * DIGEST_BYTES);
      const packed = this.looksRandom(piece) ? undefined : compressWithNode(piece);
      const isCompressed = packed !== undefined && packed.length < piece.length * (1 - GAIN_MIN);
      const stored = isCompressed ? packed : piece;
      into.set(stored, used);
      words.set([stored.length, isCompressed ? 1 : 0], i * PACKED_WORDS);
      used += stored.length;
    }
    return pieces.length / PIECE_WORDS;
  }

  private looksRandom(bytes: Buffer): boolean {
    if (bytes.length < PROBE_BYTES_MIN) return false;
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
