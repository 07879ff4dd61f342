/** What a pass over a file found changed, cut into chunks: extents, zeroed ranges and the chunks that hold the bytes. */
import { assert, BLOCK_BYTES, CHUNK_BYTES_MAX, REGION_BYTES } from "../../core/index.ts";
import type { Change, ChunkNumber, NewChunk, NodeId } from "../../core/index.ts";
import { HASH_BYTES } from "./block-hash.ts";
import type { ChunkMaker } from "./chunk.ts";

/** Runs shorter than this share a chunk: reading one scattered block back then costs at most 16 KiB. */
export const GATHER_BYTES = 16_384;
const PENDING = -1;

interface GatheredExtent {
  offset: number;
  length: number;
  chunk: number;
  chunkOffset: number;
}

export class Delta {
  private readonly maker: ChunkMaker;
  private extents: GatheredExtent[] = [];
  private zeroed: { offset: number; length: number }[] = [];
  private chunks: NewChunk[] = [];
  /** Runs of the region under the look that are chunks of their own: from and to, in turns. */
  private pieces: number[] = [];
  private gather: Buffer | undefined;
  private gathered: GatheredExtent[] = [];
  private gatheredBytes = 0;
  payloadBytes = 0;

  constructor(maker: ChunkMaker) {
    this.maker = maker;
  }

  get isEmpty(): boolean {
    return this.extents.length === 0 && this.zeroed.length === 0 && this.gathered.length === 0;
  }

  /** Bytes [from, to) of a region that begins at `offset` of the file; at most a chunk, and inside one chunk-sized window of the file. pack() must follow. */
  write(offset: number, bytes: Buffer, from: number, to: number): void {
    const length = to - from;
    if (length >= GATHER_BYTES) {
      this.extents.push({ offset: offset + from, length, chunk: PENDING, chunkOffset: 0 });
      this.pieces.push(from, to);
      return;
    }
    if (this.gatheredBytes + length > GATHER_BYTES) this.flushGathered();
    this.gather ??= this.maker.borrow(GATHER_BYTES);
    bytes.copy(this.gather, this.gatheredBytes, from, to);
    this.gathered.push({ offset: offset + from, length, chunk: PENDING, chunkOffset: this.gatheredBytes });
    this.gatheredBytes += length;
    this.payloadBytes += length;
  }

  /** Makes chunks of what was written since the last call. The region's bytes may be reused after it. */
  pack(bytes: Buffer): void {
    if (this.pieces.length === 0) return;
    let chunk = this.add(bytes, this.pieces);
    for (const extent of this.extents) if (extent.chunk === PENDING) extent.chunk = chunk++;
    this.pieces = [];
  }

  zero(offset: number, length: number): void {
    const last = this.zeroed.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += length;
    else this.zeroed.push({ offset, length });
  }

  /** Takes out what was found so far, as changes of `node` whose extents name the chunks by `firstChunk` and on. */
  take(node: NodeId, firstChunk: number): { readonly changes: Change[]; readonly chunks: readonly NewChunk[] } {
    this.flushGathered();
    const changes: Change[] = this.zeroed.map(({ offset, length }) => ({ type: "RangeZeroed", node, offset, length }));
    const extents = this.extents.sort((a, b) => a.offset - b.offset).map((each) => ({ ...each, chunk: (each.chunk + firstChunk) as ChunkNumber }));
    if (extents.length > 0) changes.push({ type: "ExtentsWritten", node, extents });
    const { chunks } = this;
    this.clear();
    return { changes, chunks };
  }

  clear(): void {
    this.extents = [];
    this.zeroed = [];
    this.chunks = [];
    this.gathered = [];
    this.gatheredBytes = 0;
    this.payloadBytes = 0;
    if (this.gather !== undefined) this.maker.lay(this.gather);
    this.gather = undefined;
  }

  private flushGathered(): void {
    if (this.gather === undefined || this.gatheredBytes === 0) return;
    this.payloadBytes -= this.gatheredBytes;
    const chunk = this.add(this.gather, [0, this.gatheredBytes]);
    for (const extent of this.gathered) this.extents.push({ ...extent, chunk });
    this.gathered = [];
    this.gatheredBytes = 0;
  }

  /** Returns the index of the first of the chunks. */
  private add(bytes: Buffer, pieces: readonly number[]): number {
    const first = this.chunks.length;
    for (const chunk of this.maker.make(bytes, pieces)) {
      this.payloadBytes += chunk.stored.length;
      this.chunks.push(chunk);
    }
    return first;
  }
}

export interface RegionLook {
  /** Offset of the region in the file. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** The hashes of `bytes`' blocks. */
  readonly hashes: Buffer;
  /** The hashes known so far; undefined: all zeros. Blocks beyond its end are zeros. */
  readonly known: Buffer | undefined;
}

/** Writes into `delta` what differs from what is known. */
export function compareRegion(look: RegionLook, delta: Delta): void {
  assert(look.offset % REGION_BYTES === 0 && look.bytes.length <= REGION_BYTES, "a region is looked at as a whole");
  const { bytes, hashes, known } = look;
  if (known !== undefined && known.equals(hashes)) return;
  for (let start = 0; start < bytes.length;) {
    const state = blockState(look, start);
    let end = Math.min(start + BLOCK_BYTES, bytes.length);
    while (end < bytes.length && (state === "zeroed" || end % CHUNK_BYTES_MAX !== 0) && blockState(look, end) === state)
      end = Math.min(end + BLOCK_BYTES, bytes.length);
    if (state === "written") delta.write(look.offset, bytes, start, end);
    if (state === "zeroed") delta.zero(look.offset + start, end - start);
    start = end;
  }
  delta.pack(bytes);
}

function blockState({ hashes, known }: RegionLook, start: number): "same" | "written" | "zeroed" {
  const at = (start / BLOCK_BYTES) * HASH_BYTES;
  const wasZero = known === undefined || at >= known.length || isZeroHash(known, at);
  if (isZeroHash(hashes, at)) return wasZero ? "same" : "zeroed";
  if (wasZero || known === undefined) return "written";
  const isEqual = known.readUInt32LE(at) === hashes.readUInt32LE(at) && known.readUInt32LE(at + 4) === hashes.readUInt32LE(at + 4);
  return isEqual ? "same" : "written";
}

function isZeroHash(hashes: Buffer, at: number): boolean {
  return hashes.readUInt32LE(at) === 0 && hashes.readUInt32LE(at + 4) === 0;
}
