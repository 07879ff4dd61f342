/**
 * Reads the protocol's numbers from the bytes at hand. All are little-endian but where said. Where the bytes end early it throws SHORT
 * with the count that would do; whoever called waits for them and reads the whole unit again, so a unit must be small and its reading
 * must change nothing before its last byte was read. PROTOCOL.md "Numbers".
 */
import type { ByteString } from "../core/index.ts";
import { broken } from "./failure.ts";

const HALF = 2 ** 32;

/** Thrown, always this one object, where the bytes end early; `needBytes` counts from the unit's start. */
export const SHORT = { needBytes: 0 };

/** Bytes that follow a varint's first one, by that one's upper six bits; 5 and 6 are allowed for varlong alone. */
const EXTRA_BYTES = Uint8Array.from({ length: 64 }, (_, i) => (i < 32 ? 0 : i < 48 ? 1 : i < 56 ? 2 : i < 60 ? 3 : i < 62 ? 4 : i < 63 ? 5 : 6));

export class Cursor {
  buffer: Buffer = Buffer.alloc(0);
  private start = 0;
  private at = 0;
  private end = 0;

  /** Begins a unit at `start`. */
  set(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.start = start;
    this.at = start;
    this.end = end;
  }

  /** Bytes of the unit that were read. */
  get readBytes(): number {
    return this.at - this.start;
  }

  u8(): number {
    this.need(1);
    return this.buffer[this.at++]!;
  }

  u16(): number {
    this.need(2);
    this.at += 2;
    return this.buffer[this.at - 2]! | (this.buffer[this.at - 1]! << 8);
  }

  i32(): number {
    this.need(4);
    const { buffer, at } = this;
    this.at += 4;
    return buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 24);
  }

  u32(): number {
    return this.i32() >>> 0;
  }

  /** A signed 64-bit number; one beyond 2^53 is refused. */
  i64(): number {
    const low = this.u32();
    return safe(this.i32() * HALF + low);
  }

  /** Before protocol 30: 32 bits, or 0xffffffff and 64 bits. */
  longint(): number {
    const value = this.i32();
    return value === -1 ? this.i64() : value;
  }

  /** 1 to 5 bytes for a signed 32-bit number. */
  varint(): number {
    const first = this.u8();
    const extra = EXTRA_BYTES[first >> 2]!;
    if (extra === 0) return first;
    if (extra > 4) throw broken("a number of 32 bits has more than 5 bytes");
    this.need(extra);
    let value = extra === 4 ? 0 : (first & ((1 << (8 - extra)) - 1)) << (8 * extra);
    for (let i = 0; i < extra; i++) value |= this.buffer[this.at + i]! << (8 * i);
    this.at += extra;
    return value;
  }

  /** A signed 64-bit number of `least` to 9 bytes. */
  varlong(least: number): number {
    const first = this.u8();
    const extra = EXTRA_BYTES[first >> 2]!;
    const count = least - 1 + extra;
    if (count > 8) throw broken("a number of 64 bits has more than 9 bytes");
    this.need(count);
    let value = 0;
    let scale = 1;
    const explicit = count === 8 ? 4 : count; // With all eight bytes there, the first one says nothing, and the upper four are signed.
    for (let i = 0; i < explicit; i++) {
      value += this.buffer[this.at + i]! * scale;
      scale *= 256;
    }
    if (count === 8) value += this.buffer.readInt32LE(this.at + 4) * HALF;
    else value += (first & ((1 << (8 - extra)) - 1)) * scale;
    this.at += count;
    return safe(value);
  }

  /** A view. */
  bytes(count: number): Buffer {
    this.need(count);
    this.at += count;
    return this.buffer.subarray(this.at - count, this.at);
  }

  byteString(count: number): ByteString {
    this.need(count);
    this.at += count;
    return this.buffer.latin1Slice(this.at - count, this.at) as ByteString;
  }

  /** A line without its end ("\n" or "\r\n"), of at most `bytesMax` bytes. */
  line(bytesMax: number): string {
    const end = this.buffer.subarray(this.at, Math.min(this.end, this.at + bytesMax)).indexOf(0x0a);
    if (end < 0 && this.end - this.at >= bytesMax) throw broken(`a line has more than ${bytesMax} bytes`);
    if (end < 0) this.need(this.end - this.at + 1);
    const line = this.buffer.latin1Slice(this.at, this.at + end);
    this.at += end + 1;
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }

  private need(count: number): void {
    if (this.at + count <= this.end) return;
    SHORT.needBytes = this.at + count - this.start;
    throw SHORT;
  }
}

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw broken("a number is beyond 2^53");
  return value;
}

/** The protocol's file indexes are written as differences from the last one, by direction and sign. */
export const DONE = -1;
export const LISTS_END = -2;
export const DELETION_COUNTS = -3;
export const SUB_LIST_BASE = -101;

export class IndexReader {
  private positive = -1;
  private negative = 1;

  /** PROTOCOL.md "Numbers", index. */
  read(cursor: Cursor): number {
    let first = cursor.u8();
    if (first === 0) return DONE;
    const isNegative = first === 0xff;
    if (isNegative) first = cursor.u8();
    const before = isNegative ? this.negative : this.positive;
    const value = first === 0xfe ? this.wide(cursor, before) : before + first;
    if (value > 2 ** 31 - 1 || value < 0) throw broken("a file index is out of range");
    if (isNegative) this.negative = value;
    else this.positive = value;
    return isNegative ? -value : value;
  }

  private wide(cursor: Cursor, before: number): number {
    const high = cursor.u8();
    const low = cursor.u8();
    if (high < 0x80) return before + high * 256 + low;
    return (high & 0x7f) * 2 ** 24 + low + cursor.u16() * 256;
  }
}
