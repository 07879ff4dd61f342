/** A small seeded generator (sfc32): the same seed gives the same run on every machine. Not for secrets. */
export interface SeededRandom {
  /** A float in [0, 1). */
  next(): number;
  /** An integer in [0, bound). */
  int(bound: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  bytes(byteCount: number): Buffer;
  /** A generator of its own, so that what one part draws does not shift what another part sees. */
  fork(): SeededRandom;
}

export function seededRandom(seed: number): SeededRandom {
  let [a, b, c, counter] = [seed | 0, (seed / 2 ** 32) | 0, 0x9e3779b9 | 0, 1];
  const word = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) word(); // Mixes the seed into all of the state.
  const int = (bound: number): number => Math.floor((word() / 2 ** 32) * bound);
  return {
    next: () => word() / 2 ** 32,
    int,
    chance: (probability) => word() / 2 ** 32 < probability,
    pick: (items) => {
      if (items.length === 0) throw new Error("pick from nothing");
      return items[int(items.length)] as (typeof items)[number];
    },
    bytes: (byteCount) => {
      const bytes = Buffer.allocUnsafe(byteCount);
      let offset = 0;
      for (; offset + 4 <= byteCount; offset += 4) bytes.writeUInt32LE(word(), offset);
      for (; offset < byteCount; offset++) bytes[offset] = word() & 0xff;
      return bytes;
    },
    fork: () => seededRandom(word()),
  };
}
