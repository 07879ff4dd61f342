/** Writes what the client sends: numbers, indexes, and the frames that carry them from protocol 30 on. The counterpart of cursor.ts. */
import { assert } from "../core/index.ts";
import { OUTPUT_BYTES_MAX } from "./limits.ts";

export const FRAME_TAG_BASE = 7;
const FRAME_BYTES_MAX = 0x7fff; // As the reference writes them: the server's buffer takes a frame whole.
const GROUP_BYTES_MAX = 4096;

export class Outbox {
  /** From protocol 30 on, once the setup is done. */
  isFramed = false;
  private queue: Buffer[] = [];
  private queuedBytes = 0;
  private group: Buffer = Buffer.allocUnsafe(GROUP_BYTES_MAX * 2);
  private groupBytes = 0;
  private positive = -1;

  /** Whether enough waits to be fetched, so that nothing more should be written now. */
  get isFull(): boolean {
    return this.queuedBytes + this.groupBytes >= OUTPUT_BYTES_MAX;
  }

  /** Everything that is to be sent, and forgets it; empty where nothing is. */
  take(): Buffer[] {
    this.closeGroup();
    const taken = this.queue;
    this.queue = [];
    this.queuedBytes = 0;
    return taken;
  }

  u8(value: number): void {
    this.room(1);
    this.group[this.groupBytes++] = value;
  }

  u16(value: number): void {
    this.room(2);
    this.groupBytes = this.group.writeUInt16LE(value, this.groupBytes);
  }

  i32(value: number): void {
    this.room(4);
    this.groupBytes = this.group.writeInt32LE(value | 0, this.groupBytes);
  }

  /** Long bytes are taken as they are and must not change until they were sent. */
  bytes(bytes: Buffer): void {
    if (bytes.length <= GROUP_BYTES_MAX) {
      this.room(bytes.length);
      this.groupBytes += bytes.copy(this.group, this.groupBytes);
      return;
    }
    this.closeGroup();
    for (let at = 0; at < bytes.length; at += FRAME_BYTES_MAX) this.push(bytes.subarray(at, at + FRAME_BYTES_MAX));
  }

  text(text: string): void {
    this.bytes(Buffer.from(text, "latin1"));
  }

  /** A file index, or DONE. */
  index(value: number, protocol: number): void {
    if (protocol < 30) return this.i32(value);
    if (value === -1) return this.u8(0);
    assert(value >= 0, "only DONE is written below zero");
    const difference = value - this.positive;
    this.positive = value;
    if (difference > 0 && difference < 254) return this.u8(difference);
    this.u8(0xfe);
    if (difference > 0 && difference < 0x8000) {
      this.u8(difference >> 8);
      return this.u8(difference & 0xff);
    }
    this.u8((value >>> 24) | 0x80);
    this.u8(value & 0xff);
    this.u16((value >>> 8) & 0xffff);
  }

  /** An empty message: NOOP's modern form is a frame of data without data. */
  emptyFrame(tag: number): void {
    assert(this.isFramed, "a message has a frame");
    this.closeGroup();
    this.enqueue(frameHeader(tag, 0));
  }

  private room(count: number): void {
    if (this.groupBytes + count > GROUP_BYTES_MAX) this.closeGroup();
  }

  private closeGroup(): void {
    if (this.groupBytes === 0) return;
    const written = Buffer.from(this.group.subarray(0, this.groupBytes));
    this.groupBytes = 0;
    this.push(written);
  }

  private push(bytes: Buffer): void {
    if (this.isFramed) this.enqueue(frameHeader(0, bytes.length));
    this.enqueue(bytes);
  }

  private enqueue(bytes: Buffer): void {
    this.queue.push(bytes);
    this.queuedBytes += bytes.length;
  }

  /** Frames begin here; what was written before goes out without. */
  beginFrames(): void {
    this.closeGroup();
    this.isFramed = true;
  }
}

function frameHeader(tag: number, lengthBytes: number): Buffer {
  const header = Buffer.allocUnsafe(4);
  header.writeUInt32LE((((FRAME_TAG_BASE + tag) << 24) | lengthBytes) >>> 0, 0);
  return header;
}
