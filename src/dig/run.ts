/**
 * Pack runs: the chunks of one store call behind a header that describes itself, so that the control file can be rebuilt. The row of
 * a run says the same in short; a freed chunk keeps its place in it until the last one goes.
 */
import { crc32 } from "node:zlib";
import { assert, BLOCK_BYTES, ByteReader, ByteWriter, CHUNK_BYTES_MAX, ENCODING, RainbowError } from "../core/index.ts";
import type { Encoding } from "../core/index.ts";
import type { BlockRange } from "./allocation.ts";
import {
  FORMAT_VERSION,
  ROW_CHUNK,
  ROW_CHUNK_BYTES,
  ROW_HASH_BYTES,
  RUN,
  RUN_CHUNKS_MAX,
  RUN_ENTRY,
  RUN_ENTRY_BYTES,
  RUN_KIND_CHUNKS,
  RUN_MAGIC,
} from "./layout.ts";

const STORED_BYTES_MAX = CHUNK_BYTES_MAX + 64; // Room for a nonce and a tag on top of incompressible bytes.

export interface RunEntry {
  readonly hash: Buffer;
  /** Number of the chunk, less the run's first number. */
  readonly index: number;
  readonly encoding: Encoding;
  readonly lengthBytes: number;
  readonly storedBytes: number;
}

export interface RunHeader {
  readonly uuid: string;
  readonly sequence: number;
  readonly first: number;
  readonly entries: readonly RunEntry[];
  readonly headerBytes: number;
  readonly payloadBytes: number;
}

export function runHeaderBytes(count: number): number {
  return RUN.entries + count * RUN_ENTRY_BYTES;
}

export function runBlocks(count: number, payloadBytes: number): number {
  return Math.ceil((runHeaderBytes(count) + payloadBytes) / BLOCK_BYTES);
}

export function encodeRunHeader(header: Omit<RunHeader, "headerBytes" | "payloadBytes">): Buffer {
  const { entries } = header;
  assert(entries.length > 0 && entries.length <= RUN_CHUNKS_MAX, "a run has 1 to RUN_CHUNKS_MAX chunks");
  const headerBytes = runHeaderBytes(entries.length);
  const buffer = Buffer.alloc(headerBytes);
  buffer.write(RUN_MAGIC, RUN.magic, "latin1");
  buffer.writeUInt16LE(FORMAT_VERSION, RUN.version);
  buffer[RUN.kind] = RUN_KIND_CHUNKS;
  buffer.writeUInt32LE(headerBytes, RUN.headerBytes);
  uuidBytes(header.uuid).copy(buffer, RUN.uuid);
  writeU64(buffer, header.sequence, RUN.sequence);
  writeU64(buffer, header.first, RUN.first);
  buffer.writeUInt32LE(entries.length, RUN.count);
  let payloadBytes = 0;
  let at: number = RUN.entries;
  for (const entry of entries) {
    assert(entry.lengthBytes > 0 && entry.lengthBytes <= CHUNK_BYTES_MAX && entry.storedBytes <= STORED_BYTES_MAX, "a chunk's lengths are in bounds");
    entry.hash.copy(buffer, at + RUN_ENTRY.hash);
    buffer.writeUInt16LE(entry.index, at + RUN_ENTRY.index);
    buffer[at + RUN_ENTRY.encoding] = entry.encoding;
    buffer.writeUIntLE(entry.lengthBytes, at + RUN_ENTRY.lengthBytes, 3);
    buffer.writeUIntLE(entry.storedBytes, at + RUN_ENTRY.storedBytes, 3);
    payloadBytes += entry.storedBytes;
    at += RUN_ENTRY_BYTES;
  }
  buffer.writeUInt32LE(payloadBytes, RUN.payloadBytes);
  buffer.writeUInt32LE(headerCrc(buffer), RUN.crc);
  return buffer;
}

/** How many bytes the header that begins here has; undefined where none begins. */
export function runHeaderLength(start: Buffer): number | undefined {
  if (start.length < RUN.entries || start.toString("latin1", RUN.magic, RUN.magic + 4) !== RUN_MAGIC) return undefined;
  const headerBytes = start.readUInt32LE(RUN.headerBytes);
  return headerBytes > RUN.entries && headerBytes <= runHeaderBytes(RUN_CHUNKS_MAX) ? headerBytes : undefined;
}

/** A header as stored; undefined where the bytes are no intact header of this data file. */
export function decodeRunHeader(bytes: Buffer, uuid: string): RunHeader | undefined {
  const headerBytes = runHeaderLength(bytes);
  if (headerBytes === undefined || bytes.length < headerBytes) return undefined;
  const buffer = bytes.subarray(0, headerBytes);
  if (buffer.readUInt16LE(RUN.version) > FORMAT_VERSION) return undefined;
  if (buffer.readUInt32LE(RUN.crc) !== headerCrc(buffer)) return undefined;
  const count = buffer.readUInt32LE(RUN.count);
  if (buffer[RUN.kind] !== RUN_KIND_CHUNKS || runHeaderBytes(count) !== headerBytes || uuidText(buffer, RUN.uuid) !== uuid) return undefined;
  const entries: RunEntry[] = [];
  let payloadBytes = 0;
  for (let at: number = RUN.entries; at < headerBytes; at += RUN_ENTRY_BYTES) {
    const entry = {
      hash: Buffer.from(buffer.subarray(at, at + 32)),
      index: buffer.readUInt16LE(at + RUN_ENTRY.index),
      encoding: buffer[at + RUN_ENTRY.encoding] as Encoding,
      lengthBytes: buffer.readUIntLE(at + RUN_ENTRY.lengthBytes, 3),
      storedBytes: buffer.readUIntLE(at + RUN_ENTRY.storedBytes, 3),
    };
    payloadBytes += entry.storedBytes;
    entries.push(entry);
  }
  if (payloadBytes !== buffer.readUInt32LE(RUN.payloadBytes)) return undefined;
  return { uuid, sequence: readU64(buffer, RUN.sequence), first: readU64(buffer, RUN.first), entries, headerBytes, payloadBytes };
}

function headerCrc(buffer: Buffer): number {
  return crc32(buffer.subarray(RUN.headerBytes), crc32(buffer.subarray(0, RUN.crc)));
}

/** What the control file keeps of a run. Immutable. Numbers first … first + count - 1. */
export class RunRow {
  readonly first: number;
  readonly start: number;
  readonly blockCount: number;
  readonly sequence: number;
  readonly headerBytes: number;
  readonly count: number;
  /** ROW_CHUNK_BYTES per chunk. A number the run does not hold (any more) is marked as freed; one that it never held has no bytes. */
  readonly chunks: Buffer;
  private offsets: Uint32Array | undefined;

  constructor(fields: Pick<RunRow, "first" | "start" | "blockCount" | "sequence" | "headerBytes" | "chunks">) {
    this.first = fields.first;
    this.start = fields.start;
    this.blockCount = fields.blockCount;
    this.sequence = fields.sequence;
    this.headerBytes = fields.headerBytes;
    this.chunks = fields.chunks;
    this.count = fields.chunks.length / ROW_CHUNK_BYTES;
  }

  private fields(): Pick<RunRow, "first" | "start" | "blockCount" | "sequence" | "headerBytes"> {
    return { first: this.first, start: this.start, blockCount: this.blockCount, sequence: this.sequence, headerBytes: this.headerBytes };
  }

  has(chunk: number): boolean {
    return chunk >= this.first && chunk < this.first + this.count && !this.isFreed(chunk - this.first);
  }

  isFreed(index: number): boolean {
    return (this.chunks[index * ROW_CHUNK_BYTES + ROW_CHUNK.flags]! & 0x80) !== 0;
  }

  hashPrefix(index: number): Buffer {
    return this.chunks.subarray(index * ROW_CHUNK_BYTES, index * ROW_CHUNK_BYTES + ROW_HASH_BYTES);
  }

  lengthBytes(index: number): number {
    return (this.chunks.readUInt32LE(index * ROW_CHUNK_BYTES + ROW_CHUNK.lengths) & 0xffff) + 1;
  }

  storedBytes(index: number): number {
    const at = index * ROW_CHUNK_BYTES;
    return (this.chunks.readUInt32LE(at + ROW_CHUNK.lengths) >>> 16) | ((this.chunks[at + ROW_CHUNK.flags]! & 1) << 16);
  }

  encoding(index: number): Encoding {
    return ((this.chunks[index * ROW_CHUNK_BYTES + ROW_CHUNK.flags]! >> 1) & 0x3f) as Encoding;
  }

  /** Where the chunk's stored bytes begin, from the start of the run. */
  offset(index: number): number {
    if (this.offsets === undefined) {
      this.offsets = new Uint32Array(this.count);
      let at = this.headerBytes;
      for (let i = 0; i < this.count; i++) {
        this.offsets[i] = at;
        at += this.storedBytes(i);
      }
    }
    return this.offsets[index]!;
  }

  /** Chunks that are not freed, and their stored bytes. */
  totals(): { readonly chunkCount: number; readonly storedBytes: number } {
    let [chunkCount, storedBytes] = [0, 0];
    for (let i = 0; i < this.count; i++) {
      if (this.isFreed(i)) continue;
      chunkCount += 1;
      storedBytes += this.storedBytes(i);
    }
    return { chunkCount, storedBytes };
  }

  /** The same row without these chunks; undefined where none is left. */
  without(indexes: Iterable<number>): RunRow | undefined {
    const chunks = Buffer.from(this.chunks);
    for (const index of indexes) chunks[index * ROW_CHUNK_BYTES + ROW_CHUNK.flags]! |= 0x80;
    const row = new RunRow({ ...this.fields(), chunks });
    for (let i = 0; i < row.count; i++) if (!row.isFreed(i)) return row;
    return undefined;
  }

  /** The same row with its first `count` numbers only; undefined where none of them is held. */
  truncated(count: number): RunRow | undefined {
    const row = new RunRow({ ...this.fields(), chunks: this.chunks.subarray(0, count * ROW_CHUNK_BYTES) });
    return row.without([]);
  }

  /** Blocks of the run that hold its header or bytes of a chunk that is not freed, from the start of the run (rule 11). */
  heldBlocks(): Uint8Array {
    const held = new Uint8Array(this.blockCount);
    held.fill(1, 0, Math.ceil(this.headerBytes / BLOCK_BYTES));
    for (let i = 0; i < this.count; i++) {
      if (this.isFreed(i)) continue;
      const from = Math.floor(this.offset(i) / BLOCK_BYTES);
      const to = Math.floor((this.offset(i) + Math.max(1, this.storedBytes(i)) - 1) / BLOCK_BYTES);
      held.fill(1, from, to + 1);
    }
    return held;
  }

  heldRanges(): BlockRange[] {
    return shifted(this.heldBlocks(), this.start);
  }

  /** Blocks that `after` (the same run with fewer chunks, or nothing) does not hold any more. */
  freedRanges(after: RunRow | undefined): BlockRange[] {
    const held = this.heldBlocks();
    const rest = after?.heldBlocks();
    return shifted(
      held.map((isHeld, i) => (isHeld === 1 && rest?.[i] !== 1 ? 1 : 0)),
      this.start,
    );
  }
}

/** What the totals gain by rows that come and lose by rows that go. */
export function totalsOf(come: readonly (RunRow | undefined)[], go: readonly (RunRow | undefined)[]): { chunkCount: number; storedBytes: number } {
  const sum = { chunkCount: 0, storedBytes: 0 };
  const add = (row: RunRow | undefined, sign: number): void => {
    if (row === undefined) return;
    const { chunkCount, storedBytes } = row.totals();
    sum.chunkCount += sign * chunkCount;
    sum.storedBytes += sign * storedBytes;
  };
  for (const row of come) add(row, 1);
  for (const row of go) add(row, -1);
  return sum;
}

/** Ranges of ones among bytes, from block `start` on. */
function shifted(held: Uint8Array, start: number): BlockRange[] {
  const ranges: BlockRange[] = [];
  for (let i = 0; i < held.length; i++) {
    if (held[i] === 0) continue;
    const from = i;
    while (i < held.length && held[i] === 1) i++;
    ranges.push({ start: start + from, count: i - from });
  }
  return ranges;
}

/** Ranges of set bits in a bitmap. */
export function rangesOf(bits: Uint8Array, bitCount: number): BlockRange[] {
  const isSet = (bit: number): boolean => ((bits[bit >> 3]! >> (bit & 7)) & 1) === 1;
  const ranges: BlockRange[] = [];
  for (let bit = 0; bit < bitCount;) {
    if ((bit & 7) === 0 && bits[bit >> 3] === 0) {
      bit += 8;
      continue;
    }
    const from = bit;
    while (bit < bitCount && isSet(bit)) bit++;
    if (bit > from) ranges.push({ start: from, count: bit - from });
    else bit++;
  }
  return ranges;
}

/** The row of a run as its header describes it. Numbers between entries that the run lacks are freed and empty. */
export function rowOfHeader(header: Pick<RunHeader, "first" | "sequence" | "entries">, start: number): RunRow {
  const last = header.entries.at(-1);
  assert(last !== undefined, "a run has a chunk");
  const chunks = Buffer.alloc((last.index + 1) * ROW_CHUNK_BYTES);
  for (let i = 0; i <= last.index; i++) chunks[i * ROW_CHUNK_BYTES + ROW_CHUNK.flags] = 0x80;
  for (const entry of header.entries) {
    const at = entry.index * ROW_CHUNK_BYTES;
    entry.hash.copy(chunks, at, 0, ROW_HASH_BYTES);
    chunks.writeUInt16LE(entry.lengthBytes - 1, at + ROW_CHUNK.lengths);
    chunks.writeUInt16LE(entry.storedBytes & 0xffff, at + ROW_CHUNK.lengths + 2);
    chunks[at + ROW_CHUNK.flags] = (entry.storedBytes >> 16) | (entry.encoding << 1);
  }
  const payloadBytes = header.entries.reduce((sum, entry) => sum + entry.storedBytes, 0);
  const headerBytes = runHeaderBytes(header.entries.length);
  return new RunRow({ first: header.first, start, blockCount: runBlocks(header.entries.length, payloadBytes), sequence: header.sequence, headerBytes, chunks });
}

export function encodeRunRow(row: RunRow): Buffer {
  const writer = new ByteWriter(32 + row.chunks.length);
  writer.varint(row.start);
  writer.varint(row.blockCount);
  writer.varint(row.sequence);
  writer.varint(row.headerBytes);
  writer.varint(row.count);
  writer.bytes(row.chunks);
  return writer.copy();
}

export function decodeRunRow(first: number, content: Buffer): RunRow {
  const reader = new ByteReader(
    content,
    (why) => new RainbowError("DIG_CORRUPT", `the row of the run of chunk ${first} cannot be read: ${why}`, { chunk: first }),
  );
  const [start, blockCount, sequence, headerBytes, count] = [reader.varint(), reader.varint(), reader.varint(), reader.varint(), reader.varint()];
  const chunks = reader.bytes(count * ROW_CHUNK_BYTES);
  reader.finish();
  const row = new RunRow({ first, start, blockCount, sequence, headerBytes, chunks });
  const end = count === 0 ? 0 : row.offset(count - 1) + row.storedBytes(count - 1);
  if (end > blockCount * BLOCK_BYTES || count === 0) reader.reject("its chunks do not fit into its blocks");
  for (let i = 0; i < count; i++) {
    if (row.encoding(i) > ENCODING.zstd || row.storedBytes(i) > STORED_BYTES_MAX) reader.reject("a chunk's encoding or length is unknown");
  }
  return row;
}

export function uuidBytes(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll("-", ""), "hex");
  assert(bytes.length === 16, "a UUID has 16 bytes");
  return bytes;
}

export function uuidText(buffer: Buffer, at: number): string {
  const hex = buffer.toString("hex", at, at + 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export function writeU64(buffer: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a u64 is a safe integer");
  buffer.writeUInt32LE(value % 2 ** 32, at);
  buffer.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

export function readU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32;
}
