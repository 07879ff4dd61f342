/** MD4 as in RFC 1320. OpenSSL 3 no longer has it, and protocols below 30 know nothing else. Broken as a signature; here a checksum. */
import { assert } from "../../core/index.ts";

const BLOCK_BYTES = 64;
const ROUND_2 = 0x5a827999;
const ROUND_3 = 0x6ed9eba1;
const ORDER_2 = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
const ORDER_3 = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
const SHIFTS_1 = [3, 7, 11, 19];
const SHIFTS_2 = [3, 5, 9, 13];
const SHIFTS_3 = [3, 9, 11, 15];

const rotated = (x: number, count: number): number => (x << count) | (x >>> (32 - count));

export class Md4 {
  private readonly state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  private readonly words = new Int32Array(16);
  private readonly held = Buffer.alloc(BLOCK_BYTES);
  private heldBytes = 0;
  private totalBytes = 0;

  update(bytes: Buffer): this {
    let at = 0;
    this.totalBytes += bytes.length;
    if (this.heldBytes > 0) {
      at = bytes.copy(this.held, this.heldBytes, 0, BLOCK_BYTES - this.heldBytes);
      this.heldBytes += at;
      if (this.heldBytes < BLOCK_BYTES) return this;
      this.block(this.held, 0);
      this.heldBytes = 0;
    }
    for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) this.block(bytes, at);
    this.heldBytes = bytes.copy(this.held, 0, at);
    return this;
  }

  /** RFC 1320, 3.1 to 3.5; nothing may be added afterwards. */
  digest(): Buffer {
    const bits = this.totalBytes * 8;
    const padding = Buffer.alloc((this.heldBytes < 56 ? 56 : 120) - this.heldBytes + 8);
    padding[0] = 0x80;
    padding.writeUInt32LE(bits % 2 ** 32, padding.length - 8);
    padding.writeUInt32LE(Math.floor(bits / 2 ** 32), padding.length - 4);
    this.update(padding);
    assert(this.heldBytes === 0, "the padding fills the last block");
    const digest = Buffer.alloc(16);
    this.state.forEach((word, i) => digest.writeInt32LE(word, i * 4));
    return digest;
  }

  private block(bytes: Buffer, at: number): void {
    const { words, state } = this;
    for (let i = 0; i < 16; i++) words[i] = bytes.readInt32LE(at + i * 4);
    let [a, b, c, d] = [state[0]!, state[1]!, state[2]!, state[3]!];
    const turn = (next: number): void => {
      [a, d, c, b] = [d, c, b, next];
    };
    for (let i = 0; i < 16; i++) turn(rotated((a + ((b & c) | (~b & d)) + words[i]!) | 0, SHIFTS_1[i & 3]!));
    for (let i = 0; i < 16; i++) turn(rotated((a + ((b & c) | (b & d) | (c & d)) + words[ORDER_2[i]!]! + ROUND_2) | 0, SHIFTS_2[i & 3]!));
    for (let i = 0; i < 16; i++) turn(rotated((a + (b ^ c ^ d) + words[ORDER_3[i]!]! + ROUND_3) | 0, SHIFTS_3[i & 3]!));
    state[0] = (state[0]! + a) | 0;
    state[1] = (state[1]! + b) | 0;
    state[2] = (state[2]! + c) | 0;
    state[3] = (state[3]! + d) | 0;
  }
}
