/**
 * XXH3, 64 and 128 bits, streamed: the algorithm of the xxHash specification (doc/xxhash_spec.md, "XXH3"), in plain TypeScript for
 * machines without the addon; native/core/xxh3.cc is the same in C++. The long way works on 32-bit halves, as 64-bit numbers of
 * JavaScript are slow; the short ways, up to 240 bytes, and the end use them, as they run once for each file or block.
 *
 * The last bytes are held back: `held` keeps 1 to 256 bytes that were not accumulated yet, and at its end, where it is not full, the
 * stripe that was accumulated last: the last 64 bytes of the input are always accumulated once more.
 */
import { ACCUMULATORS, large, medium, MEDIUM_BYTES_MAX, secretFor, small, SMALL_BYTES_MAX } from "./xxh3-mixing.ts";
import type { Xxh3Value } from "./xxh3-mixing.ts";

const STRIPE_BYTES = 64;
const STRIPES_PER_BLOCK = 16; // (192 bytes of secret - 64) / 8
const HELD_BYTES = 256;
const SCRAMBLE_SECRET_BYTES = 192 - 64;
const LAST_STRIPE_SECRET_BYTES = 192 - 71;
const PRIME32_1 = 0x9e3779b1;
const HALF = 2 ** 32;

export class Xxh3 {
  private readonly seed: bigint;
  private readonly secretBytes: Buffer;
  private readonly secret: Uint32Array;
  private readonly acc = new Uint32Array(BigUint64Array.from(ACCUMULATORS).buffer);
  private readonly held = Buffer.alloc(HELD_BYTES);
  private heldBytes = 0;
  private totalBytes = 0;
  private stripeInBlock = 0;
  /** One stripe as words, at an aligned place. */
  private readonly stripe = new Uint32Array(STRIPE_BYTES / 4);
  private readonly stripeBytes = Buffer.from(this.stripe.buffer);

  /** `seed`: a signed 32-bit number, widened. */
  constructor(seed = 0) {
    this.seed = BigInt.asUintN(64, BigInt(seed));
    this.secretBytes = secretFor(this.seed);
    this.secret = new Uint32Array(this.secretBytes.buffer, this.secretBytes.byteOffset, this.secretBytes.length / 4);
  }

  update(bytes: Buffer): this {
    this.totalBytes += bytes.length;
    if (this.heldBytes + bytes.length <= HELD_BYTES) {
      this.heldBytes += bytes.copy(this.held, this.heldBytes);
      return this;
    }
    let at = bytes.copy(this.held, this.heldBytes, 0, HELD_BYTES - this.heldBytes);
    for (let i = 0; i < HELD_BYTES; i += STRIPE_BYTES) this.next(this.held, i);
    const from = at;
    for (; at + STRIPE_BYTES < bytes.length; at += STRIPE_BYTES) this.next(bytes, at);
    if (at > from) bytes.copy(this.held, HELD_BYTES - STRIPE_BYTES, at - STRIPE_BYTES, at);
    this.heldBytes = bytes.copy(this.held, 0, at);
    return this;
  }

  /** The value of all bytes so far. Nothing may be added afterwards. */
  finish(): Xxh3Value {
    const bytes = this.held.subarray(0, this.heldBytes);
    if (this.totalBytes <= SMALL_BYTES_MAX) return small(bytes, this.seed);
    if (this.totalBytes <= MEDIUM_BYTES_MAX) return medium(bytes, this.seed);
    for (let i = 0; i + STRIPE_BYTES < this.heldBytes; i += STRIPE_BYTES) this.next(this.held, i);
    const last = Buffer.concat([this.held.subarray(HELD_BYTES - STRIPE_BYTES), bytes]).subarray(-STRIPE_BYTES);
    last.copy(this.stripeBytes);
    this.accumulate(
      Uint32Array.from(this.stripe, (_, i) => this.secretBytes.readUInt32LE(LAST_STRIPE_SECRET_BYTES + i * 4)),
      0,
    );
    return large(new BigUint64Array(this.acc.buffer), this.secretBytes, BigInt(this.totalBytes));
  }

  private next(bytes: Buffer, at: number): void {
    bytes.copy(this.stripeBytes, 0, at, at + STRIPE_BYTES);
    this.accumulate(this.secret, this.stripeInBlock * 2);
    if (++this.stripeInBlock < STRIPES_PER_BLOCK) return;
    this.stripeInBlock = 0;
    this.scramble();
  }

  /** Specification, "Step 2-1": each lane adds its product to its own sum and its bytes to its neighbour's. */
  private accumulate(secret: Uint32Array, secretAt: number): void {
    const { acc, stripe } = this;
    for (let i = 0; i < 16; i += 2) {
      const low = stripe[i]!;
      const high = stripe[i + 1]!;
      const a = (low ^ secret[secretAt + i]!) >>> 0;
      const b = (high ^ secret[secretAt + i + 1]!) >>> 0;
      const upper = a * (b >>> 16);
      const lower = a * (b & 0xffff) + (upper % 0x10000) * 0x10000;
      const sumLow = acc[i]! + (lower % HALF);
      acc[i + 1] = acc[i + 1]! + Math.floor(upper / 0x10000) + Math.floor(lower / HALF) + (sumLow >= HALF ? 1 : 0);
      acc[i] = sumLow;
      const other = i ^ 2;
      const otherLow = acc[other]! + low;
      acc[other + 1] = acc[other + 1]! + high + (otherLow >= HALF ? 1 : 0);
      acc[other] = otherLow;
    }
  }

  /** Specification, "Step 2-2". */
  private scramble(): void {
    const { acc, secret } = this;
    const secretAt = SCRAMBLE_SECRET_BYTES / 4;
    for (let i = 0; i < 16; i += 2) {
      const low = (acc[i]! ^ (acc[i + 1]! >>> 15) ^ secret[secretAt + i]!) >>> 0;
      const high = (acc[i + 1]! ^ secret[secretAt + i + 1]!) >>> 0;
      const upper = low * (PRIME32_1 >>> 16);
      const lower = low * (PRIME32_1 & 0xffff) + (upper % 0x10000) * 0x10000;
      acc[i] = lower;
      acc[i + 1] = Math.floor(upper / 0x10000) + Math.floor(lower / HALF) + Math.imul(high, PRIME32_1);
    }
  }
}
