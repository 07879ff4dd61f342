/**
 * Which chunk may have a hash: a bounded cache that may forget and may be wrong, as every answer is compared with the full hash. A
 * miss stores the same bytes twice and harms nothing.
 */

const WAYS = 4;
const SETS = 1 << 17; // With four ways 524,288 chunks in 6 MiB: 32 GiB of 64 KiB chunks.

export class DedupCache {
  private readonly tags = new Uint32Array(SETS * WAYS);
  private readonly numbers = new Float64Array(SETS * WAYS);
  private turn = 0;

  /** Numbers that may belong to the hash; most often none or one. */
  candidates(hash: Buffer): number[] {
    const tag = hash.readUInt32LE(4);
    const base = (hash.readUInt32LE(0) % SETS) * WAYS;
    const found: number[] = [];
    for (let i = base; i < base + WAYS; i++) if (this.tags[i] === tag && this.numbers[i] !== 0) found.push(this.numbers[i]!);
    return found;
  }

  /** `hash` is the hash or its beginning, at least 8 bytes. */
  add(hash: Buffer, chunk: number): void {
    const tag = hash.readUInt32LE(4);
    const base = (hash.readUInt32LE(0) % SETS) * WAYS;
    let place = -1;
    for (let i = base; i < base + WAYS && place === -1; i++) if (this.numbers[i] === 0 || this.tags[i] === tag) place = i;
    if (place === -1) place = base + (this.turn = (this.turn + 1) % WAYS);
    this.tags[place] = tag;
    this.numbers[place] = chunk;
  }

  clear(): void {
    this.numbers.fill(0);
  }

  static readonly capacity = SETS * WAYS;
}
