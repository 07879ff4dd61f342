/** A set of chunk numbers, one bit each, that grows with the highest one: 125 KB for a million. */
import type { ChunkNumber } from "../core/index.ts";

const FIRST_BYTES = 1 << 16;

export class ChunkSet {
  private bits = new Uint8Array(FIRST_BYTES);

  add(chunk: number): void {
    const at = Math.floor(chunk / 8);
    if (at >= this.bits.length) {
      const grown = new Uint8Array(Math.max(this.bits.length * 2, at + 1));
      grown.set(this.bits);
      this.bits = grown;
    }
    this.bits[at]! |= 1 << (chunk % 8);
  }

  has(chunk: number): boolean {
    return ((this.bits[Math.floor(chunk / 8)] ?? 0) & (1 << (chunk % 8))) !== 0;
  }

  /** Ascending. */
  *[Symbol.iterator](): IterableIterator<ChunkNumber> {
    for (let at = 0; at < this.bits.length; at++) {
      if (this.bits[at] === 0) continue;
      for (let bit = 0; bit < 8; bit++) if ((this.bits[at]! & (1 << bit)) !== 0) yield (at * 8 + bit) as ChunkNumber;
    }
  }
}
