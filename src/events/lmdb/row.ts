/**
 * A row holds one append: a header, and a body of columns that is compressed where that pays. FORMAT.md "Row".
 * The row's checksum covers every byte of it; each event's own covers what is handed out, so that a fault on the way is found too.
 */
import { zstdCompressSync, zstdDecompressSync, constants } from "node:zlib";
import { assert, ByteReader, ByteWriter, RainbowError } from "../../core/index.ts";
import type { Position, Revision } from "../../core/index.ts";
import { APPEND_BYTES_MAX, APPEND_EVENTS_MAX } from "../event-store.ts";
import type { NewEvent, StoredEvent } from "../event-store.ts";
import { ID_BYTES, TYPE_BYTES_MAX } from "../limits.ts";
import { crcOf } from "./crc.ts";

export const ROW_MAGIC = 0x57524e52; // "RNRW"
export const ROW_VERSION = 1;
export const ROW_HEADER_BYTES = 40;
/** Offsets in the header; FORMAT.md has the same table. */
export const ROW_OFFSETS = {
  magic: 0,
  version: 4,
  encoding: 6,
  reserved: 7,
  streamId: 8,
  eventCount: 12,
  firstRevision: 16,
  lastPosition: 24,
  bodyBytes: 32,
  crc: 36,
} as const;
export const BODY_RAW = 0;
export const BODY_ZSTD = 1;
const IDS_APART = 0;
const IDS_COUNTING = 1;
const COMPRESS_BYTES_MIN = 1024; // Below, zstd's own header and call cost more than they save.
const BODY_BYTES_MAX = APPEND_BYTES_MAX + APPEND_EVENTS_MAX * 16 + 65_536; // What the columns add to the events' own bytes, rounded up.
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export interface EncodedBody {
  readonly encoding: number;
  readonly bytes: Buffer;
  /** Length before compression. */
  readonly plainBytes: number;
  readonly eventCount: number;
}

export interface RowHead {
  readonly streamId: number;
  readonly eventCount: number;
  readonly first: Revision;
  readonly last: Revision;
  readonly lastPosition: Position;
  readonly encoding: number;
  readonly plainBytes: number;
}

const scratch = new ByteWriter(1 << 16);

/** The part of a row that does not depend on where it will lie. */
export function encodeBody(events: readonly NewEvent[]): EncodedBody {
  assert(events.length > 0 && events.length <= APPEND_EVENTS_MAX, "a row has 1 to 50,000 events");
  const writer = scratch;
  writer.reset();
  const typeCrcs = writeTypes(writer, events);
  writeIds(writer, events);
  writeMetadata(writer, events);
  for (const event of events) writer.varint(event.data.length);
  for (const event of events) writer.bytes(event.data);
  for (let i = 0; i < events.length; i++) writer.u32(crcOf(events[i]!.metadata, crcOf(events[i]!.data, crcOf(events[i]!.id, typeCrcs[i]!))));
  const plain = writer.view();
  if (plain.length >= COMPRESS_BYTES_MIN) {
    const packed = zstdCompressSync(plain, ZSTD_OPTIONS);
    if (packed.length < plain.length - (plain.length >>> 3)) return { encoding: BODY_ZSTD, bytes: packed, plainBytes: plain.length, eventCount: events.length };
  }
  return { encoding: BODY_RAW, bytes: writer.copy(), plainBytes: plain.length, eventCount: events.length };
}

export function encodeRow(body: EncodedBody, streamId: number, first: Revision, lastPosition: Position): Buffer {
  assert(streamId > 0 && first >= 0 && lastPosition >= body.eventCount, "a row's place is in range");
  const row = Buffer.allocUnsafeSlow(ROW_HEADER_BYTES + body.bytes.length); // Not from the pool: LMDB's thread reads it after this call.
  row.writeUInt32LE(ROW_MAGIC, ROW_OFFSETS.magic);
  row.writeUInt16LE(ROW_VERSION, ROW_OFFSETS.version);
  row[ROW_OFFSETS.encoding] = body.encoding;
  row[ROW_OFFSETS.reserved] = 0;
  row.writeUInt32LE(streamId, ROW_OFFSETS.streamId);
  row.writeUInt32LE(body.eventCount, ROW_OFFSETS.eventCount);
  writeU64(row, first, ROW_OFFSETS.firstRevision);
  writeU64(row, lastPosition, ROW_OFFSETS.lastPosition);
  row.writeUInt32LE(body.plainBytes, ROW_OFFSETS.bodyBytes);
  body.bytes.copy(row, ROW_HEADER_BYTES);
  row.writeUInt32LE(rowCrc(row), ROW_OFFSETS.crc);
  return row;
}

/** The row of a sound one for another number of its stream. */
export function withStreamId(row: Buffer, streamId: number): Buffer {
  const moved = Buffer.allocUnsafeSlow(row.length);
  row.copy(moved);
  moved.writeUInt32LE(streamId, ROW_OFFSETS.streamId);
  moved.writeUInt32LE(rowCrc(moved), ROW_OFFSETS.crc);
  return moved;
}

/** Checks magic, version and checksum. Throws what `fail` makes, NEWER_FORMAT for a newer row. */
export function decodeHead(row: Buffer, fail: (why: string) => Error): RowHead {
  if (row.length < ROW_HEADER_BYTES) throw fail("the row is shorter than its header");
  if (row.readUInt32LE(ROW_OFFSETS.magic) !== ROW_MAGIC) throw fail("the row's magic is wrong");
  const isSound = row.readUInt32LE(ROW_OFFSETS.crc) === rowCrc(row);
  const version = row.readUInt16LE(ROW_OFFSETS.version);
  if (isSound && version > ROW_VERSION)
    throw new RainbowError("NEWER_FORMAT", `an event row of version ${version} was written by a newer Rainbow`, { version });
  if (!isSound) throw fail("the row does not match its checksum");
  const eventCount = row.readUInt32LE(ROW_OFFSETS.eventCount);
  const first = readU64(row, ROW_OFFSETS.firstRevision);
  const encoding = row[ROW_OFFSETS.encoding]!;
  const plainBytes = row.readUInt32LE(ROW_OFFSETS.bodyBytes);
  const isValid =
    version === ROW_VERSION &&
    row[ROW_OFFSETS.reserved] === 0 &&
    encoding <= BODY_ZSTD &&
    eventCount > 0 &&
    eventCount <= APPEND_EVENTS_MAX &&
    plainBytes <= BODY_BYTES_MAX;
  if (!isValid) throw fail("the row's header is out of range");
  const lastPosition = readU64(row, ROW_OFFSETS.lastPosition) as Position;
  return {
    streamId: row.readUInt32LE(ROW_OFFSETS.streamId),
    eventCount,
    first: first as Revision,
    last: (first + eventCount - 1) as Revision,
    lastPosition,
    encoding,
    plainBytes,
  };
}

/** All events of a row whose head was decoded. Their buffers are views of fresh memory. */
export function decodeEvents(row: Buffer, head: RowHead, stream: string, fail: (why: string) => Error): StoredEvent[] {
  const reader = new ByteReader(plainBody(row, head, fail), fail);
  const count = head.eventCount;
  const types = readTypes(reader, count);
  const ids = readIds(reader, count);
  const metadata = readMetadata(reader, count);
  const lengths = new Array<number>(count);
  for (let i = 0; i < count; i++) lengths[i] = reader.varint();
  const events = new Array<StoredEvent>(count);
  const firstPosition = head.lastPosition - count + 1;
  for (let i = 0; i < count; i++) {
    const data = reader.bytes(lengths[i]!);
    events[i] = {
      id: ids[i]!,
      type: types.names[i]!,
      data,
      metadata: metadata[i]!,
      stream,
      revision: (head.first + i) as Revision,
      position: (firstPosition + i) as Position,
    };
  }
  for (let i = 0; i < count; i++) {
    const event = events[i]!;
    if (reader.u32() !== crcOf(event.metadata, crcOf(event.data, crcOf(event.id, types.crcs[i]!))))
      throw fail(`event ${event.revision} does not match its checksum`);
  }
  reader.finish();
  return events;
}

/** A dictionary of the types, then runs of (index, length). Returns each event's checksum so far: that of its type. */
function writeTypes(writer: ByteWriter, events: readonly NewEvent[]): number[] {
  const indexes = new Map<string, number>();
  const names: Buffer[] = [];
  const runs: { index: number; length: number }[] = [];
  for (const { type } of events) {
    let index = indexes.get(type);
    if (index === undefined) {
      index = indexes.size;
      indexes.set(type, index);
      names.push(Buffer.from(type, "utf8"));
    }
    const run = runs.at(-1);
    if (run?.index === index) run.length++;
    else runs.push({ index, length: 1 });
  }
  writer.varint(names.length);
  for (const name of names) writer.sized(name);
  writer.varint(runs.length);
  for (const run of runs) {
    writer.varint(run.index);
    writer.varint(run.length);
  }
  const crcs = names.map((name) => crcOf(name));
  return runs.flatMap((run) => new Array<number>(run.length).fill(crcs[run.index]!));
}

function readTypes(reader: ByteReader, count: number): { readonly names: string[]; readonly crcs: number[] } {
  const distinct = reader.varint();
  if (distinct === 0 || distinct > count) reader.reject("a count of types out of range");
  const dictionary: { readonly name: string; readonly crc: number }[] = [];
  for (let i = 0; i < distinct; i++) {
    const bytes = reader.sized(TYPE_BYTES_MAX * 4);
    dictionary.push({ name: bytes.toString("utf8"), crc: crcOf(bytes) });
  }
  const names: string[] = [];
  const crcs: number[] = [];
  const runCount = reader.varint();
  for (let i = 0; i < runCount; i++) {
    const type = dictionary[reader.varint()] ?? reader.reject("a type out of range");
    const length = reader.varint();
    if (length === 0 || length > count - names.length) reader.reject("a run of types out of range");
    for (let k = 0; k < length; k++) {
      names.push(type.name);
      crcs.push(type.crc);
    }
  }
  if (names.length !== count) reader.reject("types are missing");
  return { names, crcs };
}

/** Ids of one batch differ by a counter in their last two bytes: then the first one is enough. */
function writeIds(writer: ByteWriter, events: readonly NewEvent[]): void {
  const first = events[0]!.id;
  const start = first.readUInt16BE(ID_BYTES - 2);
  const isCounting = events.every((event, i) => event.id.readUInt16BE(ID_BYTES - 2) === start + i && hasSamePrefix(event.id, first, ID_BYTES - 2));
  writer.u8(isCounting ? IDS_COUNTING : IDS_APART);
  if (isCounting) writer.bytes(first);
  else for (const event of events) writer.bytes(event.id);
}

function readIds(reader: ByteReader, count: number): Buffer[] {
  const mode = reader.u8();
  const ids = new Array<Buffer>(count);
  if (mode === IDS_APART) {
    for (let i = 0; i < count; i++) ids[i] = reader.bytes(ID_BYTES);
    return ids;
  }
  if (mode !== IDS_COUNTING) reader.reject("an unknown layout of ids");
  const first = reader.bytes(ID_BYTES);
  const start = first.readUInt16BE(ID_BYTES - 2);
  if (start + count > 65_536) reader.reject("an id's counter out of range");
  const all = Buffer.allocUnsafe(count * ID_BYTES);
  for (let i = 0, at = 0; i < count; i++, at += ID_BYTES) {
    all.set(first, at);
    all.writeUInt16BE(start + i, at + ID_BYTES - 2);
    ids[i] = all.subarray(at, at + ID_BYTES);
  }
  return ids;
}

/** What all metadata begin with is kept once. */
function writeMetadata(writer: ByteWriter, events: readonly NewEvent[]): void {
  const first = events[0]!.metadata;
  let shared = first.length;
  for (const { metadata } of events) {
    if (metadata.length < shared) shared = metadata.length;
    let i = 0;
    while (i < shared && metadata[i] === first[i]) i++;
    shared = i;
  }
  writer.sized(first.subarray(0, shared));
  for (const { metadata } of events) {
    writer.varint(metadata.length - shared);
    for (let i = shared; i < metadata.length; i++) writer.u8(metadata[i]!);
  }
}

function readMetadata(reader: ByteReader, count: number): Buffer[] {
  const shared = reader.sized(reader.remaining);
  const metadata = new Array<Buffer>(count);
  const start = reader.offset;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const length = reader.varint();
    total += shared.length + length;
    reader.bytes(length);
  }
  if (total > BODY_BYTES_MAX) reader.reject("metadata over the limit of an append");
  reader.offset = start;
  const all = Buffer.allocUnsafe(total);
  for (let i = 0, at = 0; i < count; i++) {
    const length = reader.varint();
    const from = at;
    all.set(shared, at);
    at += shared.length;
    for (let k = 0; k < length; k++) all[at++] = reader.u8();
    metadata[i] = all.subarray(from, at);
  }
  return metadata;
}

function hasSamePrefix(a: Uint8Array, b: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function plainBody(row: Buffer, head: RowHead, fail: (why: string) => Error): Buffer {
  const stored = row.subarray(ROW_HEADER_BYTES);
  const plain = head.encoding === BODY_RAW ? stored : decompress(stored, head.plainBytes);
  if (plain?.length !== head.plainBytes) throw fail("the row's body has another length than its header says");
  return plain;
}

function decompress(stored: Buffer, plainBytes: number): Buffer | undefined {
  try {
    return zstdDecompressSync(stored, { maxOutputLength: Math.max(plainBytes, 1) });
  } catch {
    return undefined; // The caller names the place.
  }
}

/** Over all of the row but the checksum itself. */
function rowCrc(row: Buffer): number {
  return crcOf(row.subarray(ROW_HEADER_BYTES), crcOf(row.subarray(0, ROW_OFFSETS.crc)));
}

export function writeU64(into: Buffer, value: number, offset: number): void {
  into.writeUInt32LE(value % 2 ** 32, offset);
  into.writeUInt32LE(Math.floor(value / 2 ** 32), offset + 4);
}

export function readU64(from: Buffer, offset: number): number {
  return from.readUInt32LE(offset) + from.readUInt32LE(offset + 4) * 2 ** 32;
}
