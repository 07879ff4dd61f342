/**
 * The chain hash: SHA-256 over a batch's events, each as id, type, data, metadata and then their three lengths (u16, u32, u32), so
 * that no two batches have the same bytes. FORMAT.md "Chain hash".
 */
import { hash } from "node:crypto";
import { ByteWriter } from "../core/index.ts";
import type { NewEvent } from "./event-store.ts";
import { HASH_BYTES } from "./limits.ts";
import { bufferOf } from "./metadata.ts";

/** The chain hash before the first batch of a stream. */
export const START_HASH: Buffer = Buffer.alloc(HASH_BYTES);

const TYPES = new Map<string, Buffer>();
const TYPES_MAX = 256; // Far more than there are event types.

/** The UTF-8 of a type, kept: there are few and they come often. */
function typeBytes(type: string): Buffer {
  const known = TYPES.get(type);
  if (known !== undefined) return known;
  const bytes = Buffer.from(type, "utf8");
  if (TYPES.size < TYPES_MAX) TYPES.set(type, bytes);
  return bytes;
}

/** Gathers a batch in the writer it is given, which it resets first. The caller writes id, data and metadata itself. */
export class BatchHasher {
  private readonly writer: ByteWriter;

  constructor(writer: ByteWriter) {
    this.writer = writer;
    writer.reset();
  }

  type(type: string): void {
    this.writer.bytes(typeBytes(type));
  }

  lengths(typeLength: number, dataLength: number, metadataLength: number): void {
    this.writer.u16(typeLength);
    this.writer.u32(dataLength);
    this.writer.u32(metadataLength);
  }

  finish(): Buffer {
    return hash("sha256", this.writer.view(), "buffer");
  }
}

const scratch = new ByteWriter(1 << 16);

/** The chain hash after a batch, from what is stored of it. */
export function batchHash(events: readonly NewEvent[]): Buffer {
  const hasher = new BatchHasher(scratch);
  for (const event of events) {
    scratch.bytes(bufferOf(event.id));
    const before = scratch.lengthBytes;
    hasher.type(event.type);
    const typeLength = scratch.lengthBytes - before;
    scratch.bytes(event.data);
    scratch.bytes(event.metadata);
    hasher.lengths(typeLength, event.data.length, event.metadata.length);
  }
  return hasher.finish();
}
