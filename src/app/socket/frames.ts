/**
 * Frames of the local socket, and the reader that cuts a byte stream into them. All integers little-endian.
 *   0 u32 length of what follows it · 4 u8 kind · 5 u32 request · 9 payload
 * A request's number is chosen by the client and names every frame that belongs to it. Payloads: hello, request, item, error: JSON;
 * bytes: raw; done: JSON of the answer, or nothing where it is undefined; cancel: nothing; credit: u32 bytes that were consumed.
 */
import { assert, RainbowError } from "../../core/index.ts";

export const FRAME = { request: 1, item: 2, bytes: 3, done: 4, error: 5, cancel: 6, credit: 7, hello: 8 } as const;
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

export const PROTOCOL_VERSION = 1;
export const FRAME_HEADER_BYTES = 9;
export const FRAME_BYTES_MAX = 16 << 20; // The text of a diff is the longest item; a reader asks for no more memory than this.
export const REQUEST_BYTES_MAX = 1 << 20; // Requests carry paths and rules, never content.
export const BYTES_FRAME_MAX = 128 << 10; // File content goes in such pieces, so that several requests share the line.
export const STREAM_WINDOW_BYTES = 512 << 10; // What a stream may send beyond what was consumed: a slow reader pauses it there.

export interface Frame {
  readonly kind: FrameKind;
  readonly request: number;
  readonly payload: Buffer;
}

const KINDS: ReadonlySet<number> = new Set(Object.values(FRAME));
const FIXED_BYTES = FRAME_HEADER_BYTES - 4; // What the length counts besides the payload.

/** The frame's header; the payload follows it on the line. */
export function encodeHeader(kind: FrameKind, request: number, payloadBytes: number): Buffer {
  assert(payloadBytes <= FRAME_BYTES_MAX, "a payload fits into a frame");
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32LE(FIXED_BYTES + payloadBytes, 0);
  header[4] = kind;
  header.writeUInt32LE(request, 5);
  return header;
}

export function encodeFrame(kind: FrameKind, request: number, payload: Uint8Array): Buffer {
  return Buffer.concat([encodeHeader(kind, request, payload.length), payload]);
}

export function jsonPayload(value: unknown): Buffer {
  const text: string | undefined = JSON.stringify(value);
  return text === undefined ? Buffer.alloc(0) : Buffer.from(text, "utf8");
}

/** The value of a JSON payload; an empty one is undefined. LIMIT where it is no JSON. */
export function jsonValue(payload: Buffer): unknown {
  if (payload.length === 0) return undefined;
  try {
    return JSON.parse(payload.toString("utf8"));
  } catch (error) {
    throw new RainbowError("LIMIT", "local socket: a frame holds no JSON; both ends must be the same version of Rainbow", {}, error);
  }
}

export function creditPayload(consumedBytes: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32LE(consumedBytes, 0);
  return payload;
}

export function creditOf(payload: Buffer): number {
  if (payload.length !== 4) throw new RainbowError("LIMIT", "local socket: a credit frame has 4 bytes", { payloadBytes: payload.length });
  return payload.readUInt32LE(0);
}

/** Cuts what arrives into frames. A length over the limit is refused before anything is kept for it. */
export class FrameReader {
  private readonly payloadBytesMax: number;
  private parts: Buffer[] = [];
  private heldBytes = 0;
  private neededBytes = FRAME_HEADER_BYTES;

  constructor(payloadBytesMax = FRAME_BYTES_MAX) {
    this.payloadBytesMax = payloadBytesMax;
  }

  /** The frames that `chunk` completes, in order. Payloads are views. */
  push(chunk: Buffer): Frame[] {
    this.parts.push(chunk);
    this.heldBytes += chunk.length;
    if (this.heldBytes < this.neededBytes) return [];
    const held = this.parts.length === 1 ? chunk : Buffer.concat(this.parts, this.heldBytes);
    const frames: Frame[] = [];
    let at = 0;
    this.neededBytes = FRAME_HEADER_BYTES;
    while (held.length - at >= FRAME_HEADER_BYTES) {
      const frameBytes = 4 + this.lengthAt(held, at);
      if (held.length - at < frameBytes) {
        this.neededBytes = frameBytes;
        break;
      }
      frames.push({ kind: kindAt(held, at), request: held.readUInt32LE(at + 5), payload: held.subarray(at + FRAME_HEADER_BYTES, at + frameBytes) });
      at += frameBytes;
    }
    this.parts = at === held.length ? [] : [held.subarray(at)];
    this.heldBytes = held.length - at;
    return frames;
  }

  private lengthAt(held: Buffer, at: number): number {
    const length = held.readUInt32LE(at);
    if (length >= FIXED_BYTES && length - FIXED_BYTES <= this.payloadBytesMax) return length;
    throw new RainbowError("LIMIT", `local socket: a frame of ${length} bytes is outside of the limits`, { length, payloadBytesMax: this.payloadBytesMax });
  }
}

function kindAt(held: Buffer, at: number): FrameKind {
  const kind = held[at + 4];
  if (kind !== undefined && KINDS.has(kind)) return kind as FrameKind;
  throw new RainbowError("LIMIT", `local socket: there is no frame of kind ${kind}; both ends must be the same version of Rainbow`, { kind });
}
