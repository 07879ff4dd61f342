/**
 * Which keys a segment may hold: a Bloom filter (Bloom 1970, with the double hashing of Kirsch and Mitzenmacher 2006). It never says
 * no to a key that is there; to one in seven hundred others it says yes.
 */
const BITS_PER_KEY = 14; // A lookup passes a hundred filters: with ten bits a key nearly every one would look into a segment in vain.
const PROBES = 7; // Part of the format.
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export interface KeyHash {
  readonly first: number;
  readonly second: number;
}

/** FNV-1a, and a mix of it for the second hash. Part of the format. Of the bytes from `start` to `end`. */
export function hashOfKey(key: Uint8Array, start = 0, end: number = key.length): KeyHash {
  let hash = FNV_OFFSET;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ key[i]!, FNV_PRIME);
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  mixed ^= mixed >>> 16;
  return { first: hash >>> 0, second: (mixed | 1) >>> 0 };
}

/** The filter of a segment that is being written. */
export class KeyFilter {
  readonly bits: Uint8Array;

  /** For up to so many keys. */
  constructor(keyCount: number) {
    this.bits = new Uint8Array(Math.max(8, Math.ceil((keyCount * BITS_PER_KEY) / 8)));
  }

  /** Bit i is (first + i * second) mod count, by steps: a remainder of the sum itself would be one of floating-point numbers. */
  add({ first, second }: KeyHash): void {
    const count = (this.bits.length * 8) >>> 0;
    const step = (second >>> 0) % count;
    for (let i = 0, bit = (first >>> 0) % count; i < PROBES; i++) {
      this.bits[bit >>> 3]! |= 1 << (bit & 7);
      bit += step;
      if (bit >= count) bit -= count;
    }
  }
}

/**
 * Filters that are asked together, in one piece of memory: a key is asked of a hundred of them, and most of that is waiting for memory.
 * Grows at its end alone, so that readers of its first filters go on.
 */
export class FilterPack {
  length = 0;
  private bits = new Uint8Array(0);
  private usedBytes = 0;
  private starts = new Int32Array(16);
  /** Bits of each, and 1 / that: a product costs a third of a division. */
  private counts = new Int32Array(16);
  private inverses = new Float64Array(16);

  constructor(...filters: readonly Uint8Array[]) {
    for (const filter of filters) this.push(filter);
  }

  get memoryBytes(): number {
    return this.bits.byteLength;
  }

  push(filter: Uint8Array): void {
    if (this.usedBytes + filter.length > this.bits.length) this.bits = grown(this.bits, Math.max(this.usedBytes + filter.length, this.bits.length * 2));
    if (this.length === this.starts.length) {
      this.starts = grown(this.starts, this.length * 2);
      this.counts = grown(this.counts, this.length * 2);
      this.inverses = grown(this.inverses, this.length * 2);
    }
    this.bits.set(filter, this.usedBytes);
    this.starts[this.length] = this.usedBytes;
    this.counts[this.length] = filter.length * 8;
    this.inverses[this.length] = 1 / (filter.length * 8);
    this.usedBytes += filter.length;
    this.length += 1;
  }

  /**
   * The last of the first `end` filters that may have the key; -1: none has. Three probes of a filter are looked at without a branch
   * between them, so that the processor waits for the memory of many filters at once.
   */
  lastHaving({ first, second }: KeyHash, end: number): number {
    const { bits, starts, counts, inverses } = this;
    for (let i = end - 1; i >= 0; i--) {
      const count = counts[i]!;
      const start = starts[i]!;
      const inverse = inverses[i]!;
      const step = remainder(second, count, inverse);
      const bit0 = remainder(first, count, inverse);
      let bit1 = bit0 + step;
      if (bit1 >= count) bit1 -= count;
      let bit2 = bit1 + step;
      if (bit2 >= count) bit2 -= count;
      const three = (bits[start + (bit0 >>> 3)]! >>> (bit0 & 7)) & (bits[start + (bit1 >>> 3)]! >>> (bit1 & 7)) & (bits[start + (bit2 >>> 3)]! >>> (bit2 & 7));
      if ((three & 1) !== 0 && this.hasRest(start, count, bit2, step)) return i;
    }
    return -1;
  }

  private hasRest(start: number, count: number, from: number, step: number): boolean {
    for (let probe = 3, bit = from; probe < PROBES; probe++) {
      bit += step;
      if (bit >= count) bit -= count;
      if ((this.bits[start + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }
}

/** hash mod count: 32 bits by less than 31. The quotient is right, or one too small where there is no remainder. */
function remainder(hash: number, count: number, inverse: number): number {
  const rest = ((hash >>> 0) - Math.imul(((hash >>> 0) * inverse) | 0, count)) | 0;
  return rest >= count ? rest - count : rest;
}

function grown<T extends Uint8Array | Int32Array | Float64Array>(array: T, length: number): T {
  const larger = new (array.constructor as new (length: number) => T)(length);
  larger.set(array);
  return larger;
}
