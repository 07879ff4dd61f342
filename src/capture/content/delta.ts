/** What a pass over a file found changed, cut into chunks: extents, zeroed ranges and the chunks that hold the bytes. */
import { assert, BLOCK_BYTES, CHUNK_BYTES_MAX, REGION_BYTES } from "../../core/index.ts";
import type { Change, ChunkNumber, NewChunk, NodeId } from "../../core/index.ts";
import { HASH_BYTES } from "./block-hash.ts";
import type { ChunkMaker } from "./chunk.ts";

/** Runs shorter than this share a chunk: reading one scattered block back then costs at most 16 KiB. */
export const GATHER_BYTES = 16_384;

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
  private readonly gather = Buffer.allocUnsafe(GATHER_BYTES);
  private gathered: GatheredExtent[] = [];
  private gatheredBytes = 0;
  payloadBytes = 0;

  constructor(maker: ChunkMaker) {
    this.maker = maker;
  }

  get isEmpty(): boolean {
    return this.extents.length === 0 && this.zeroed.length === 0 && this.gathered.length === 0;
  }

  /** `bytes` of the file at `offset`; at most a chunk, and inside one chunk-sized window of the file. May be reused after the call. */
  write(offset: number, bytes: Buffer): void {
    if (bytes.length >= GATHER_BYTES) {
      this.extents.push({ offset, length: bytes.length, chunk: this.add(bytes), chunkOffset: 0 });
      return;
    }
    if (this.gatheredBytes + bytes.length > GATHER_BYTES) this.flushGathered();
    bytes.copy(this.gather, this.gatheredBytes);
    this.gathered.push({ offset, length: bytes.length, chunk: 0, chunkOffset: this.gatheredBytes });
    this.gatheredBytes += bytes.length;
    this.payloadBytes += bytes.length;
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
  }

  private flushGathered(): void {
    if (this.gatheredBytes === 0) return;
    this.payloadBytes -= this.gatheredBytes;
    const chunk = this.add(this.gather.subarray(0, this.gatheredBytes));
    for (const extent of this.gathered) this.extents.push({ ...extent, chunk });
    this.gathered = [];
    this.gatheredBytes = 0;
  }

  private add(bytes: Buffer): number {
    const chunk = this.maker.make(bytes);
    this.payloadBytes += chunk.stored.length;
    return this.chunks.push(chunk) - 1;
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
  const { bytes } = look;
  for (let start = 0; start < bytes.length;) {
    const state = blockState(look, start);
    let end = Math.min(start + BLOCK_BYTES, bytes.length);
    while (end < bytes.length && (state === "zeroed" || end % CHUNK_BYTES_MAX !== 0) && blockState(look, end) === state)
      end = Math.min(end + BLOCK_BYTES, bytes.length);
    if (state === "written") delta.write(look.offset + start, bytes.subarray(start, end));
    if (state === "zeroed") delta.zero(look.offset + start, end - start);
    start = end;
  }
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
