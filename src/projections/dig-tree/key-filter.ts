/**
 * Which keys a segment may hold: a Bloom filter (Bloom 1970, with the double hashing of Kirsch and Mitzenmacher 2006). It never says
 * no to a key that is there; to one in a hundred others it says yes.
 */
const BITS_PER_KEY = 10;
const PROBES = 7; // The best number for ten bits a key.
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export interface KeyHash {
  readonly first: number;
  readonly second: number;
}

/** FNV-1a, and a mix of it for the second hash. Part of the format. */
export function hashOfKey(key: Uint8Array): KeyHash {
  let hash = FNV_OFFSET;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, FNV_PRIME);
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  mixed ^= mixed >>> 16;
  return { first: hash >>> 0, second: (mixed | 1) >>> 0 };
}

export class KeyFilter {
  readonly bits: Uint8Array;

  constructor(bits: Uint8Array) {
    this.bits = bits;
  }

  /** An empty filter for up to so many keys. */
  static for(keyCount: number): KeyFilter {
    return new KeyFilter(new Uint8Array(Math.max(8, Math.ceil((keyCount * BITS_PER_KEY) / 8))));
  }

  add({ first, second }: KeyHash): void {
    const count = this.bits.length * 8;
    for (let i = 0; i < PROBES; i++) {
      const bit = (first + i * second) % count;
      this.bits[bit >>> 3]! |= 1 << (bit & 7);
    }
  }

  mayHave({ first, second }: KeyHash): boolean {
    const count = this.bits.length * 8;
    for (let i = 0; i < PROBES; i++) {
      const bit = (first + i * second) % count;
      if ((this.bits[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }
}
