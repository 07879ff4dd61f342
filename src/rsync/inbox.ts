/**
 * What the server sends: fed in pieces of any size, read as one stream of data. From the end of the setup on the bytes are framed:
 * frames of data make up the stream, all others are messages, which go to `onMessage` at once and may come anywhere.
 * Nothing is copied but what straddles the border of a frame or a piece.
 *
 * Invariant: `window` from `start` to `end` holds stream bytes that were unpacked and not read; `piece` from `at` on is untouched.
 */
import { assert } from "../core/index.ts";
import { Cursor, SHORT } from "./cursor.ts";
import { broken } from "./failure.ts";
import { MESSAGE_BYTES_MAX, MESSAGES_BETWEEN_DATA_MAX } from "./limits.ts";
import { FRAME_TAG_BASE } from "./writer.ts";

const NOTHING = Buffer.alloc(0);
const HEADER_BYTES = 4;
const CARRY_BYTES = 64 * 1024; // More than any unit: the largest is an entry with name, target and owners, below 10 KiB.

export class Inbox {
  /** Called with each message, in order; the payload is valid during the call. */
  onMessage: (tag: number, payload: Buffer) => void = () => undefined;
  private piece: Buffer = NOTHING;
  private at = 0;
  private window: Buffer = NOTHING;
  private start = 0;
  private end = 0;
  private isFramed = false;
  private frameLeftBytes = 0;
  private messageTag = -1;
  private message: Buffer = NOTHING;
  private messageBytes = 0;
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private headerBytes = 0;
  private messagesSinceData = 0;
  private readonly carry = Buffer.allocUnsafeSlow(CARRY_BYTES);
  private readonly cursor = new Cursor();
  private hasEnded = false;

  /** The next bytes from the server; only once all of those before were taken in, so that nothing piles up here. */
  feed(piece: Buffer): void {
    assert(this.at === this.piece.length, "the last piece was used up");
    this.piece = piece;
    this.at = 0;
  }

  /** The server closed its side. */
  feedEnd(): void {
    this.hasEnded = true;
  }

  /** Whether the server closed its side. */
  get isAtEnd(): boolean {
    return this.hasEnded;
  }

  beginFrames(): void {
    assert(!this.isFramed, "frames begin once");
    this.isFramed = true;
    // What was unpacked as plain bytes is the beginning of the first frames.
    this.piece = Buffer.concat([this.window.subarray(this.start, this.end), this.piece.subarray(this.at)]);
    this.at = 0;
    this.start = this.end = 0;
  }

  /**
   * Reads one unit, waiting for bytes as it must: each `yield` means that more are needed. `parse` may run more than once, until it
   * had all bytes of its unit, and must change nothing before that.
   */
  *read<T>(parse: (cursor: Cursor) => T): Generator<undefined, T> {
    for (;;) {
      this.cursor.set(this.window, this.start, this.end);
      try {
        const value = parse(this.cursor);
        this.start += this.cursor.readBytes;
        return value;
      } catch (error) {
        if (error !== SHORT) throw error;
      }
      const needBytes = SHORT.needBytes;
      while (!this.fill(needBytes)) yield undefined;
    }
  }

  /** Up to `bytesMax` bytes as a view that is valid until the next reading; an empty one where more must be fed first. */
  some(bytesMax: number): Buffer {
    if (this.start === this.end && !this.fill(1)) return NOTHING;
    const count = Math.min(bytesMax, this.end - this.start);
    this.start += count;
    return this.window.subarray(this.start - count, this.start);
  }

  /** Sees to it that `count` bytes are in the window; false where they were not all fed yet. */
  private fill(count: number): boolean {
    assert(count <= CARRY_BYTES, "a unit fits into the carry");
    while (this.end - this.start < count) {
      const haveBytes = this.end - this.start;
      const next = this.unpack(haveBytes === 0 ? Infinity : count - haveBytes);
      if (next === undefined) {
        if (haveBytes > 0) this.moveToCarry(0); // The piece's memory belongs to whoever fed it, once we ask for more.
        return false;
      }
      if (haveBytes === 0) {
        this.window = next;
        this.start = 0;
        this.end = next.length;
      } else this.append(next);
    }
    return true;
  }

  private append(next: Buffer): void {
    this.moveToCarry(next.length);
    this.end += next.copy(this.carry, this.end);
  }

  /** Sees to it that the window lies in the carry, with room behind it. */
  private moveToCarry(roomBytes: number): void {
    if (this.window === this.carry && this.end + roomBytes <= CARRY_BYTES) return;
    this.window.copy(this.carry, 0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    this.window = this.carry;
  }

  /** A view of up to `bytesMax` bytes of the stream; undefined where there are none. */
  private unpack(bytesMax: number): Buffer | undefined {
    if (!this.isFramed) return this.slice(bytesMax);
    for (;;) {
      if (this.messageTag >= 0) {
        if (!this.gatherMessage()) return undefined;
      } else if (this.frameLeftBytes > 0) {
        const data = this.slice(Math.min(bytesMax, this.frameLeftBytes));
        if (data === undefined) return undefined;
        this.frameLeftBytes -= data.length;
        return data;
      } else if (!this.readHeader()) return undefined;
    }
  }

  private slice(bytesMax: number): Buffer | undefined {
    const count = Math.min(bytesMax, this.piece.length - this.at);
    if (count === 0) return undefined;
    this.at += count;
    return this.piece.subarray(this.at - count, this.at);
  }

  private readHeader(): boolean {
    while (this.headerBytes < HEADER_BYTES) {
      if (this.at === this.piece.length) return false;
      this.header[this.headerBytes++] = this.piece[this.at++]!;
    }
    this.headerBytes = 0;
    const lengthBytes = this.header.readUIntLE(0, 3);
    const tag = this.header[3]! - FRAME_TAG_BASE;
    if (tag < 0) throw broken(`a frame has the tag ${tag}`, { tag });
    if (tag === 0 && lengthBytes > 0) {
      this.messagesSinceData = 0;
      this.frameLeftBytes = lengthBytes;
      return true;
    }
    if (++this.messagesSinceData > MESSAGES_BETWEEN_DATA_MAX) throw broken("it sends messages without end and no data");
    if (tag === 0) return true; // A keepalive.
    if (lengthBytes > MESSAGE_BYTES_MAX) throw broken(`a message has ${lengthBytes} bytes`, { tag, lengthBytes });
    this.messageTag = tag;
    this.message = Buffer.allocUnsafe(lengthBytes);
    this.messageBytes = 0;
    return true;
  }

  private gatherMessage(): boolean {
    const part = this.slice(this.message.length - this.messageBytes);
    if (part !== undefined) this.messageBytes += part.copy(this.message, this.messageBytes);
    if (this.messageBytes < this.message.length) return false;
    const tag = this.messageTag;
    this.messageTag = -1;
    this.onMessage(tag, this.message);
    return true;
  }
}
