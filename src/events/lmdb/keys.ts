/**
 * Keys and small records of the event store's file. Keys are big-endian, so that LMDB's byte order is the order of numbers.
 * Every value carries a CRC that covers its key too: a record under a wrong key is as wrong as a wrong value. FORMAT.md "Tables".
 */
import { RainbowError } from "../../core/index.ts";
import type { Position, Revision } from "../../core/index.ts";
import type { StreamState } from "../append-rules.ts";
import { crcOf } from "./crc.ts";
import { readU64, writeU64 } from "./row.ts";

export const STORE_MAGIC = 0x56524e52; // "RNRV"
export const STORE_VERSION = 1;
export const STREAM_RECORD_BYTES = 32;
export const STORE_RECORD_BYTES = 32;
export const STREAM_OFFSETS = { version: 0, flags: 1, reserved: 2, id: 4, next: 8, truncatedBefore: 16, reserved2: 24, crc: 28 } as const;
export const STORE_OFFSETS = { magic: 0, version: 4, reserved: 6, nextStreamId: 8, nextPosition: 16, reserved2: 24, crc: 28 } as const;
/** Sorts before every stream's name: names have no control characters. */
export const STORE_KEY: Buffer = Buffer.from([0]);
const FLAG_DELETED = 1;

export interface StreamRecord extends StreamState {
  readonly id: number;
}

export interface StoreRecord {
  readonly nextStreamId: number;
  readonly nextPosition: Position;
}

/** 8 bytes: the position of the row's last event. */
export function rowKey(lastPosition: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeUInt32BE(Math.floor(lastPosition / 2 ** 32), 0);
  key.writeUInt32BE(lastPosition % 2 ** 32, 4);
  return key;
}

export function positionOfRowKey(key: Buffer): Position {
  return (key.length === 8 ? key.readUInt32BE(0) * 2 ** 32 + key.readUInt32BE(4) : 0) as Position;
}

/** 12 bytes: stream id and the revision of the row's last event. */
export function indexKey(streamId: number, lastRevision: number): Buffer {
  const key = Buffer.allocUnsafe(12);
  key.writeUInt32BE(streamId, 0);
  key.writeUInt32BE(Math.floor(lastRevision / 2 ** 32), 4);
  key.writeUInt32BE(lastRevision % 2 ** 32, 8);
  return key;
}

export function revisionOfIndexKey(key: Buffer): Revision {
  return (key.length === 12 ? key.readUInt32BE(4) * 2 ** 32 + key.readUInt32BE(8) : -1) as Revision;
}

export function streamKey(name: string): Buffer {
  return Buffer.from(name, "utf8");
}

export function encodeStream(name: string, record: StreamRecord): Buffer {
  const bytes = Buffer.alloc(STREAM_RECORD_BYTES);
  bytes[STREAM_OFFSETS.version] = STORE_VERSION;
  bytes[STREAM_OFFSETS.flags] = record.deleted ? FLAG_DELETED : 0;
  bytes.writeUInt32LE(record.id, STREAM_OFFSETS.id);
  writeU64(bytes, record.head + 1, STREAM_OFFSETS.next);
  writeU64(bytes, record.truncatedBefore, STREAM_OFFSETS.truncatedBefore);
  return sealed(bytes, streamKey(name));
}

/** Undefined where the record is damaged. */
export function decodeStream(key: Buffer, bytes: Buffer): { readonly name: string; readonly record: StreamRecord } | undefined {
  if (!isSealed(bytes, key, STREAM_RECORD_BYTES)) return undefined;
  refuseNewer(bytes[STREAM_OFFSETS.version]!);
  const flags = bytes[STREAM_OFFSETS.flags]!;
  if (flags > FLAG_DELETED || bytes.readUInt16LE(STREAM_OFFSETS.reserved) !== 0 || bytes.readUInt32LE(STREAM_OFFSETS.reserved2) !== 0) return undefined;
  const record = {
    id: bytes.readUInt32LE(STREAM_OFFSETS.id),
    head: (readU64(bytes, STREAM_OFFSETS.next) - 1) as Revision,
    truncatedBefore: readU64(bytes, STREAM_OFFSETS.truncatedBefore) as Revision,
    deleted: flags === FLAG_DELETED,
  };
  return { name: key.toString("utf8"), record };
}

export function encodeStore(record: StoreRecord): Buffer {
  const bytes = Buffer.alloc(STORE_RECORD_BYTES);
  bytes.writeUInt32LE(STORE_MAGIC, STORE_OFFSETS.magic);
  bytes.writeUInt16LE(STORE_VERSION, STORE_OFFSETS.version);
  writeU64(bytes, record.nextStreamId, STORE_OFFSETS.nextStreamId);
  writeU64(bytes, record.nextPosition, STORE_OFFSETS.nextPosition);
  return sealed(bytes, STORE_KEY);
}

/** Undefined where the record is damaged. */
export function decodeStore(bytes: Buffer): StoreRecord | undefined {
  if (!isSealed(bytes, STORE_KEY, STORE_RECORD_BYTES) || bytes.readUInt32LE(STORE_OFFSETS.magic) !== STORE_MAGIC) return undefined;
  refuseNewer(bytes.readUInt16LE(STORE_OFFSETS.version));
  if (bytes.readUInt16LE(STORE_OFFSETS.reserved) !== 0 || bytes.readUInt32LE(STORE_OFFSETS.reserved2) !== 0) return undefined;
  return { nextStreamId: readU64(bytes, STORE_OFFSETS.nextStreamId), nextPosition: readU64(bytes, STORE_OFFSETS.nextPosition) as Position };
}

function refuseNewer(version: number): void {
  if (version > STORE_VERSION) throw new RainbowError("NEWER_FORMAT", `the event store has format ${version} and was written by a newer Rainbow`, { version });
}

/** The checksum is the last field of both records; it covers the key and all bytes before it. */
function sealed(bytes: Buffer, key: Buffer): Buffer {
  bytes.writeUInt32LE(crcOf(bytes.subarray(0, bytes.length - 4), crcOf(key)), bytes.length - 4);
  return bytes;
}

function isSealed(bytes: Buffer, key: Buffer, byteCount: number): boolean {
  return bytes.length === byteCount && bytes.readUInt32LE(byteCount - 4) === crcOf(bytes.subarray(0, byteCount - 4), crcOf(key));
}
