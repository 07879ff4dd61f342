/**
 * An event as it lies in the server: FORMAT.md "Events in EventStoreDB". Metadata goes into the data, in front: the server counts only
 * data towards its limit, and its clients change metadata that looks like JSON. An event too large for one append is a reference to
 * parts that were stored before it.
 */
import { assert } from "../../core/index.ts";
import { eventCorrupt } from "../codec.ts";
import type { NewEvent } from "../event-store.ts";
import type { Revision } from "../../core/index.ts";

const FRAME = { inline: 1, parts: 2 } as const;
const INLINE_HEADER_BYTES = 5; // kind u8, metadata length u32
const REFERENCE_BYTES = 15; // kind u8, first part u32, part count u8, offset u24, metadata length u24, data length u24; 50,000 of them fit into one append
const UUID_LENGTH = 36;
/** The server refuses the UUID of zeros. It is kept as this one, which therefore cannot be an event's own id. */
export const ZERO_ID = "7a65726f-6964-4000-8000-7261696e626f";
const ZERO_HEX = "0".repeat(32);
const ID_BYTES = 16;

/** Where an event's bytes lie in its stream's parts. */
export interface Reference {
  readonly firstPart: number;
  readonly partCount: number;
  /** In the bytes of these parts, put together. */
  readonly offset: number;
  readonly metadataBytes: number;
  readonly dataBytes: number;
}

export function uuidOf(id: Uint8Array): string {
  return uuidOfHex(Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("hex"));
}

function uuidOfHex(hex: string): string {
  if (hex === ZERO_HEX) return ZERO_ID;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** undefined where it is no id that was written here. */
export function idOf(uuid: string): Buffer | undefined {
  if (uuid === ZERO_ID) return Buffer.alloc(ID_BYTES);
  const id = Buffer.from(uuid.replaceAll("-", ""), "hex"); // Ends at the first character that is none.
  return uuid.length === UUID_LENGTH && id.length === ID_BYTES ? id : undefined;
}

/**
 * Copies of an append's events, in one run of bytes: each one's id, then its frame. The caller may change its own afterwards. Events are
 * made of it again only where somebody asks: most appends are stored, and never looked at here.
 */
export class PackedEvents {
  readonly length: number;
  /** Of all frames. */
  readonly frameBytes: number;
  private readonly bytes: Buffer;
  /** Where each event begins, and the end. */
  private readonly starts: Uint32Array;
  private readonly types: readonly string[];

  constructor(events: readonly NewEvent[]) {
    this.length = events.length;
    this.types = events.map((event) => event.type);
    this.starts = new Uint32Array(events.length + 1);
    let end = 0;
    events.forEach((event, i) => (this.starts[i + 1] = end += ID_BYTES + INLINE_HEADER_BYTES + event.metadata.length + event.data.length));
    this.frameBytes = end - events.length * ID_BYTES;
    this.bytes = Buffer.allocUnsafe(end);
    events.forEach((event, i) => {
      const start = this.starts[i]!;
      const metadataAt = start + ID_BYTES + INLINE_HEADER_BYTES;
      this.bytes.set(event.id, start);
      this.bytes[start + ID_BYTES] = FRAME.inline;
      this.bytes.writeUInt32LE(event.metadata.length, start + ID_BYTES + 1);
      this.bytes.set(event.metadata, metadataAt);
      this.bytes.set(event.data, metadataAt + event.metadata.length);
    });
  }

  get memoryBytes(): number {
    return this.bytes.length + this.starts.byteLength;
  }

  type(index: number): string {
    return this.types[index]!;
  }

  uuid(index: number): string {
    return uuidOfHex(this.bytes.toString("hex", this.starts[index], this.starts[index]! + ID_BYTES));
  }

  frame(index: number): Buffer {
    return this.bytes.subarray(this.starts[index]! + ID_BYTES, this.starts[index + 1]);
  }

  event(index: number): NewEvent {
    const start = this.starts[index]!;
    const metadataAt = start + ID_BYTES + INLINE_HEADER_BYTES;
    const dataAt = metadataAt + this.bytes.readUInt32LE(start + ID_BYTES + 1);
    return {
      id: this.bytes.subarray(start, start + ID_BYTES),
      type: this.types[index]!,
      data: this.bytes.subarray(dataAt, this.starts[index + 1]),
      metadata: this.bytes.subarray(metadataAt, dataAt),
    };
  }

  events(from = 0): NewEvent[] {
    return Array.from({ length: this.length - from }, (_, i) => this.event(from + i));
  }
}

export function encodeReference({ firstPart, partCount, offset, metadataBytes, dataBytes }: Reference): Buffer {
  assert(firstPart < 2 ** 32 && partCount > 0 && partCount < 256, "a reference names parts");
  assert(offset + metadataBytes + dataBytes < 2 ** 24, "an append is below 16 MiB");
  const bytes = Buffer.alloc(REFERENCE_BYTES);
  bytes[0] = FRAME.parts;
  bytes.writeUInt32LE(firstPart, 1);
  bytes[5] = partCount;
  bytes.writeUIntLE(offset, 6, 3);
  bytes.writeUIntLE(metadataBytes, 9, 3);
  bytes.writeUIntLE(dataBytes, 12, 3);
  return bytes;
}

export type DecodedFrame = { readonly metadata: Buffer; readonly data: Buffer } | Reference;

/** EVENT_CORRUPT where the bytes are no frame. */
export function decodeFrame(bytes: Uint8Array, stream: string, revision: Revision): DecodedFrame {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame[0] === FRAME.inline && frame.length >= INLINE_HEADER_BYTES) {
    const dataAt = INLINE_HEADER_BYTES + frame.readUInt32LE(1);
    if (dataAt <= frame.length) return { metadata: frame.subarray(INLINE_HEADER_BYTES, dataAt), data: frame.subarray(dataAt) };
  }
  if (frame[0] === FRAME.parts && frame.length === REFERENCE_BYTES) {
    return {
      firstPart: frame.readUInt32LE(1),
      partCount: frame[5]!,
      offset: frame.readUIntLE(6, 3),
      metadataBytes: frame.readUIntLE(9, 3),
      dataBytes: frame.readUIntLE(12, 3),
    };
  }
  throw eventCorrupt(stream, revision, "it is no event that Rainbow wrote");
}
