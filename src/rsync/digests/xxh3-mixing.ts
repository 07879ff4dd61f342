/** XXH3's constants and its short ways, with the names and in the order of the xxHash specification (doc/xxhash_spec.md, "XXH3"). */

export const SMALL_BYTES_MAX = 16;
export const MEDIUM_BYTES_MAX = 240;

const PRIME32_1 = 0x9e3779b1n;
const PRIME32_2 = 0x85ebca77n;
const PRIME32_3 = 0xc2b2ae3dn;
const PRIME64_1 = 0x9e3779b185ebca87n;
const PRIME64_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME64_3 = 0x165667b19e3779f9n;
const PRIME64_4 = 0x85ebca77c2b2ae63n;
const PRIME64_5 = 0x27d4eb2f165667c5n;
const PRIME_MX1 = 0x165667919e3779f9n;
const PRIME_MX2 = 0x9fb21c651e98df25n;
const MASK = 0xffff_ffff_ffff_ffffn;

/** The accumulators' start values. */
export const ACCUMULATORS: readonly bigint[] = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1];

const SECRET = Buffer.from(
  "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c" +
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364" +
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e",
  "hex",
);

export interface Xxh3Value {
  /** Of the 128 bits; the 64-bit variant's value where the input has more than 240 bytes. */
  readonly low: bigint;
  readonly high: bigint;
  /** The 64-bit variant's value. */
  readonly single: bigint;
}

const wrapped = (x: bigint): bigint => x & MASK;
const word = (bytes: Buffer, at: number): bigint => bytes.readBigUInt64LE(at);
const half = (bytes: Buffer, at: number): bigint => BigInt(bytes.readUInt32LE(at));
const rotated = (x: bigint, count: bigint): bigint => wrapped(x << count) | (x >> (64n - count));
const folded = (product: bigint): bigint => wrapped(product) ^ (product >> 64n);

function swapped(x: bigint, byteCount: 4 | 8): bigint {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(x);
  return byteCount === 8 ? bytes.readBigUInt64BE() : BigInt(bytes.readUInt32BE());
}

function avalanche(x: bigint): bigint {
  const mixed = wrapped((x ^ (x >> 37n)) * PRIME_MX1);
  return mixed ^ (mixed >> 32n);
}

function avalanche64(x: bigint): bigint {
  const first = wrapped((x ^ (x >> 33n)) * PRIME64_2);
  const second = wrapped((first ^ (first >> 29n)) * PRIME64_3);
  return second ^ (second >> 32n);
}

/** The secret at an aligned place, changed by the seed where there is one. */
export function secretFor(seed: bigint): Buffer {
  const secret = Buffer.from(new ArrayBuffer(SECRET.length));
  for (let at = 0; at < SECRET.length; at += 8) secret.writeBigUInt64LE(wrapped(word(SECRET, at) + (at % 16 === 0 ? seed : -seed)), at);
  return secret;
}

/** Up to 16 bytes. */
export function small(bytes: Buffer, seed: bigint): Xxh3Value {
  const length = bytes.length;
  if (length === 0) return empty(seed);
  if (length <= 3) return oneToThree(bytes, seed);
  return length <= 8 ? fourToEight(bytes, seed) : nineToSixteen(bytes, seed);
}

function empty(seed: bigint): Xxh3Value {
  return {
    single: avalanche64(seed ^ word(SECRET, 56) ^ word(SECRET, 64)),
    low: avalanche64(seed ^ word(SECRET, 64) ^ word(SECRET, 72)),
    high: avalanche64(seed ^ word(SECRET, 80) ^ word(SECRET, 88)),
  };
}

function oneToThree(bytes: Buffer, seed: bigint): Xxh3Value {
  const length = bytes.length;
  const combined = BigInt(bytes[length - 1]! | (length << 8) | (bytes[0]! << 16) | (bytes[length >> 1]! << 24)) & 0xffff_ffffn;
  const swap = swapped(combined, 4);
  const turned = ((swap << 13n) | (swap >> 19n)) & 0xffff_ffffn;
  const low = avalanche64(wrapped((half(SECRET, 0) ^ half(SECRET, 4)) + seed) ^ combined);
  return { single: low, low, high: avalanche64(wrapped((half(SECRET, 8) ^ half(SECRET, 12)) - seed) ^ turned) };
}

function fourToEight(bytes: Buffer, seed: bigint): Xxh3Value {
  const length = BigInt(bytes.length);
  const first = half(bytes, 0);
  const last = half(bytes, bytes.length - 4);
  const modified = seed ^ (swapped(seed & 0xffff_ffffn, 4) << 32n);
  let single = wrapped((word(SECRET, 8) ^ word(SECRET, 16)) - modified) ^ (last | (first << 32n));
  single = wrapped((single ^ rotated(single, 49n) ^ rotated(single, 24n)) * PRIME_MX2);
  single = wrapped((single ^ ((single >> 35n) + length)) * PRIME_MX2);
  const value = wrapped((word(SECRET, 16) ^ word(SECRET, 24)) + modified) ^ (first | (last << 32n));
  const product = value * wrapped(PRIME64_1 + (length << 2n));
  let low = wrapped(product);
  const high = wrapped((product >> 64n) + (low << 1n));
  low ^= high >> 3n;
  low = wrapped((low ^ (low >> 35n)) * PRIME_MX2);
  return { single: single ^ (single >> 28n), low: low ^ (low >> 28n), high: avalanche(high) };
}

function nineToSixteen(bytes: Buffer, seed: bigint): Xxh3Value {
  const length = BigInt(bytes.length);
  const first = word(bytes, 0);
  const last = word(bytes, bytes.length - 8);
  const front = wrapped((word(SECRET, 24) ^ word(SECRET, 32)) + seed) ^ first;
  const back = wrapped((word(SECRET, 40) ^ word(SECRET, 48)) - seed) ^ last;
  const single = avalanche(wrapped(length + swapped(front, 8) + back + folded(front * back)));
  const one = wrapped((word(SECRET, 32) ^ word(SECRET, 40)) - seed) ^ first ^ last;
  const two = wrapped((word(SECRET, 48) ^ word(SECRET, 56)) + seed) ^ last;
  const product = one * PRIME64_1;
  const low = wrapped(wrapped(product) + ((length - 1n) << 54n));
  const high = wrapped((product >> 64n) + ((two >> 32n) << 32n) + (two & 0xffff_ffffn) * PRIME32_2);
  const second = (low ^ swapped(high, 8)) * PRIME64_2;
  return { single, low: avalanche(wrapped(second)), high: avalanche(wrapped((second >> 64n) + high * PRIME64_2)) };
}

function mixStep(bytes: Buffer, at: number, secretAt: number, seed: bigint): bigint {
  const left = word(bytes, at) ^ wrapped(word(SECRET, secretAt) + seed);
  return folded(left * (word(bytes, at + 8) ^ wrapped(word(SECRET, secretAt + 8) - seed)));
}

/** 17 to 240 bytes. */
export function medium(bytes: Buffer, seed: bigint): Xxh3Value {
  const length = bytes.length;
  const acc: [bigint, bigint] = [wrapped(BigInt(length) * PRIME64_1), 0n];
  const mixTwo = (first: number, second: number, secretAt: number, mixSeed: bigint): void => {
    acc[0] = wrapped(acc[0] + mixStep(bytes, first, secretAt, mixSeed)) ^ wrapped(word(bytes, second) + word(bytes, second + 8));
    acc[1] = wrapped(acc[1] + mixStep(bytes, second, secretAt + 16, mixSeed)) ^ wrapped(word(bytes, first) + word(bytes, first + 8));
  };
  if (length <= 128) {
    for (let i = (length - 1) >> 5; i >= 0; i--) mixTwo(i * 16, length - i * 16 - 16, i * 32, seed);
  } else {
    for (let i = 0; i < 4; i++) mixTwo(i * 32, i * 32 + 16, i * 32, seed);
    acc[0] = avalanche(acc[0]);
    acc[1] = avalanche(acc[1]);
    for (let i = 4; i < length >> 5; i++) mixTwo(i * 32, i * 32 + 16, (i - 4) * 32 + 3, seed);
    mixTwo(length - 16, length - 32, 103, wrapped(-seed));
  }
  const high = acc[0] * PRIME64_1 + acc[1] * PRIME64_4 + wrapped(BigInt(length) - seed) * PRIME64_2;
  return { single: mediumSingle(bytes, seed), low: avalanche(wrapped(acc[0] + acc[1])), high: wrapped(-avalanche(wrapped(high))) };
}

function mediumSingle(bytes: Buffer, seed: bigint): bigint {
  const length = bytes.length;
  let acc = wrapped(BigInt(length) * PRIME64_1);
  if (length <= 128) {
    for (let i = (length - 1) >> 5; i >= 0; i--)
      acc = wrapped(acc + mixStep(bytes, i * 16, i * 32, seed) + mixStep(bytes, length - i * 16 - 16, i * 32 + 16, seed));
    return avalanche(acc);
  }
  for (let i = 0; i < 8; i++) acc = wrapped(acc + mixStep(bytes, i * 16, i * 16, seed));
  acc = avalanche(acc);
  for (let i = 8; i < length >> 4; i++) acc = wrapped(acc + mixStep(bytes, i * 16, (i - 8) * 16 + 3, seed));
  return avalanche(wrapped(acc + mixStep(bytes, length - 16, 119, seed)));
}

/** The end of more than 240 bytes. */
export function large(acc: BigUint64Array, secret: Buffer, length: bigint): Xxh3Value {
  const merged = (start: bigint, secretAt: number): bigint => {
    let result = start;
    for (let i = 0; i < 4; i++) result += folded((acc[i * 2]! ^ word(secret, secretAt + i * 16)) * (acc[i * 2 + 1]! ^ word(secret, secretAt + i * 16 + 8)));
    return avalanche(wrapped(result));
  };
  const low = merged(wrapped(length * PRIME64_1), 11);
  return { single: low, low, high: merged(wrapped(~(length * PRIME64_2)), secret.length - 75) };
}
