/**
 * Little-endian writing and reading of bytes with varints. A writer grows its own buffer; a reader throws the error its owner names
 * when the bytes end early or a value is over its limit.
 */
import { assert } from "./assert.ts";
import type { ByteString } from "./units.ts";

const HALF = 2 ** 32;
const SHORT_BYTES = 48; // Up to here a loop is done before a call into native code has begun.

export class ByteWriter {
  private buffer: Buffer;
  private end = 0;

  constructor(initialBytes = 256) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  get lengthBytes(): number {
    return this.end;
  }

  /** Forgets what was written and keeps the memory. */
  reset(): void {
    this.end = 0;
  }

  /** What was written so far; valid until the next write or reset. */
  view(): Buffer {
    return this.buffer.subarray(0, this.end);
  }

  /** A copy of what was written so far. */
  copy(): Buffer {
    const copy = Buffer.allocUnsafe(this.end);
    if (this.end > SHORT_BYTES) this.buffer.copy(copy, 0, 0, this.end);
    else for (let i = 0; i < this.end; i++) copy[i] = this.buffer[i]!;
    return copy;
  }

  u8(value: number): void {
    this.room(1);
    this.buffer[this.end++] = value;
  }

  u16(value: number): void {
    this.room(2);
    this.end = this.buffer.writeUInt16LE(value, this.end);
  }

  u32(value: number): void {
    this.room(4);
    this.end = this.buffer.writeUInt32LE(value, this.end);
  }

  /** A safe integer from 0 on, in 8 bytes. */
  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a u64 is a safe integer");
    this.room(8);
    this.buffer.writeUInt32LE(value % HALF, this.end);
    this.end = this.buffer.writeUInt32LE(Math.floor(value / HALF), this.end + 4);
  }

  /** LEB128 of a safe integer from 0 on; 1 to 8 bytes. */
  varint(value: number): void {
    this.room(9);
    let rest = value;
    while (rest >= HALF) {
      this.buffer[this.end++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    rest >>>= 0;
    while (rest >= 128) {
      this.buffer[this.end++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.buffer[this.end++] = rest;
  }

  /** A safe integer of either sign, zigzag. */
  signed(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  bytes(value: Uint8Array): void {
    this.room(value.length);
    this.buffer.set(value, this.end);
    this.end += value.length;
  }

  /** Length as varint, then the bytes. */
  sized(value: Uint8Array): void {
    this.varint(value.length);
    this.bytes(value);
  }

  /** A ByteString: length as varint, then its raw bytes. */
  byteString(value: ByteString): void {
    this.varint(value.length);
    this.room(value.length);
    this.end += this.buffer.latin1Write(value, this.end);
  }

  /** A text: length of its UTF-8 as varint, then that. */
  text(value: string): void {
    this.sized(Buffer.from(value, "utf8"));
  }

  private room(byteCount: number): void {
    if (this.end + byteCount <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.end + byteCount));
    this.buffer.copy(grown, 0, 0, this.end);
    this.buffer = grown;
  }
}

export class ByteReader {
  readonly buffer: Buffer;
  offset: number;
  readonly end: number;
  private readonly fail: (why: string) => Error;

  /** `fail` makes the error that is thrown when the bytes are not what they should be. */
  constructor(buffer: Buffer, fail: (why: string) => Error, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.fail = fail;
    this.offset = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(): number {
    this.need(1);
    return this.buffer[this.offset++]!;
  }

  u16(): number {
    this.need(2);
    const value = this.buffer.readUInt16LE(this.offset);
    this.offset += 2;
    return value;
  }

  u32(): number {
    this.need(4);
    const value = this.buffer.readUInt32LE(this.offset);
    this.offset += 4;
    return value;
  }

  u64(): number {
    this.need(8);
    const value = this.buffer.readUInt32LE(this.offset) + this.buffer.readUInt32LE(this.offset + 4) * HALF;
    this.offset += 8;
    if (!Number.isSafeInteger(value)) throw this.fail("a number is over 2^53");
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) throw this.fail("a number is over 2^53");
        return value;
      }
      scale *= 128;
    }
    throw this.fail("a varint is longer than 8 bytes");
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A view, not a copy. */
  bytes(byteCount: number): Buffer {
    this.need(byteCount);
    this.offset += byteCount;
    return this.buffer.subarray(this.offset - byteCount, this.offset);
  }

  /** A view of a sized run of at most `bytesMax`. */
  sized(bytesMax: number): Buffer {
    return this.bytes(this.limited(bytesMax));
  }

  /** As sized, and no view: for what is kept longer than the reader's bytes. */
  sizedCopy(bytesMax: number): Buffer {
    const length = this.limited(bytesMax);
    this.need(length);
    const copy = Buffer.allocUnsafe(length);
    this.buffer.copy(copy, 0, this.offset, this.offset + length);
    this.offset += length;
    return copy;
  }

  byteString(bytesMax: number): ByteString {
    const length = this.limited(bytesMax);
    this.need(length);
    this.offset += length;
    return this.buffer.latin1Slice(this.offset - length, this.offset) as ByteString;
  }

  text(bytesMax: number): string {
    return this.sized(bytesMax).toString("utf8");
  }

  /** Throws unless every byte was read. */
  finish(): void {
    if (this.offset !== this.end) throw this.fail(`${this.remaining} bytes follow the end`);
  }

  /** Fails as the reader's owner said. */
  reject(why: string): never {
    throw this.fail(why);
  }

  private limited(bytesMax: number): number {
    const length = this.varint();
    if (length > bytesMax) throw this.fail(`a length of ${length} is over its limit of ${bytesMax}`);
    return length;
  }

  private need(byteCount: number): void {
    if (this.offset + byteCount > this.end) throw this.fail("the bytes end early");
  }
}
