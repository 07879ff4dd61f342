/**
 * Branded units: numbers that mean different things cannot be mixed up, at no cost at run time.
 * All of them are safe integers (below 2^53).
 */

/** A node's identity: epoch (21 bits) × 2^32 + counter (32 bits). Never reused. `0` is the machine itself, the parent of roots. */
export type NodeId = number & { readonly unit: "node-id" };

/** An event's number in its stream, from 0. The only clock that orders anything. */
export type Revision = number & { readonly unit: "revision" };

/** A stored chunk's number, given by the host in order, from 1. */
export type ChunkNumber = number & { readonly unit: "chunk-number" };

/** A place in the order of all streams of one event store; strictly increasing, with gaps. */
export type Position = number & { readonly unit: "position" };

/** The number of an agent's session, minted by the host when an agent first sends after a start; 1 to 2^21 - 1. */
export type Epoch = number & { readonly unit: "epoch" };

/** Microseconds since 1970-01-01T00:00:00Z. Safe until the year 2255. */
export type TimeUs = number & { readonly unit: "time-us" };

/** Raw bytes held as a string, one character (0-255) per byte; compares in byte order. Names and paths need not be UTF-8. */
export type ByteString = string & { readonly unit: "byte-string" };

export const SECTOR_BYTES = 512;
export const BLOCK_BYTES = 4096; // The unit of DIG, of change detection, and of every filesystem Rainbow protects.
export const CHUNK_BYTES_MAX = 65536; // The unit of compression, hashing and verification.
export const REGION_BYTES = 1 << 20; // The span of a file's offsets that one blob record covers.
export const MACHINE_NODE = 0 as NodeId;
const COUNTER_SPAN = 2 ** 32;
export const EPOCH_MAX = 2 ** 21 - 1;

/** Makes a NodeId of an epoch (1..EPOCH_MAX) and a counter (0..2^32-1). */
export function nodeIdOf(epoch: Epoch, counter: number): NodeId {
  return (epoch * COUNTER_SPAN + counter) as NodeId;
}

/** The epoch in which a node was made. */
export function epochOfNode(node: NodeId): Epoch {
  return Math.floor(node / COUNTER_SPAN) as Epoch;
}

/** Raw bytes as a ByteString. */
export function byteStringOf(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1") as ByteString;
}

/** A text as the bytes of its UTF-8 encoding. */
export function byteStringOfText(text: string): ByteString {
  return Buffer.from(text, "utf8").toString("latin1") as ByteString;
}

/** The raw bytes of a ByteString. */
export function bytesOf(value: ByteString): Buffer {
  return Buffer.from(value, "latin1");
}

/** For people: UTF-8 where it is valid, each other byte as \xNN. */
export function displayOf(value: ByteString): string {
  const text = bytesOf(value).toString("utf8");
  if (!text.includes("\ufffd")) return text;
  return value.replace(/[\x00-\x1f\x7f-\xff\\]/g, (c) => (c === "\\" ? "\\\\" : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`));
}
