/**
 * The record that sources in or near the kernel report a change with; driver and BPF programs write it, the agent reads it. Fixed
 * 64 bytes, little-endian, followed by two names (each without terminator), by the process that made the change where the source knows
 * it (u32 pid from 1, u8 length of its name, that name), and then by data, padded with zeros to a multiple of 8.
 *
 * | Offset | Size | Type | Field        | Rule                                                                    |
 * |      0 |    4 | u32  | lengthBytes  | of the whole record with names, data and padding; a multiple of 8       |
 * |      4 |    1 | u8   | version      | 1 without a process, 2 with one; a reader refuses another               |
 * |      5 |    1 | u8   | kind         | 1 written, 2 sized, 3 created, 4 linked, 5 renamed, 6 unlinked, 7 attributes, 8 lost |
 * |      6 |    2 | u16  | flags        | bit 0: no data follows, read it back; bit 1 (version 2): a process does; others 0, and refused otherwise |
 * |      8 |    8 | u64  | sequence     | of the source, without holes                                            |
 * |     16 |    8 | u64  | monotonicNs  | CLOCK_BOOTTIME                                                          |
 * |     24 |    4 | u32  | deviceMajor  |                                                                         |
 * |     28 |    4 | u32  | deviceMinor  |                                                                         |
 * |     32 |    8 | u64  | inode        | the file; of a directory's entry, the directory                         |
 * |     40 |    8 | u64  | target       | the other directory's inode (renamed), the file's (created, linked, unlinked), else 0 |
 * |     48 |    8 | u64  | offset       | of data (written), the new size (sized), else 0                         |
 * |     56 |    4 | u32  | dataBytes    | how many bytes were written; they follow unless flag 0 is set           |
 * |     60 |    2 | u16  | nameBytes    | the entry's name; else 0                                                |
 * |     62 |    2 | u16  | newNameBytes | the name after a rename; else 0                                         |
 */
import { assert, RainbowError } from "../core/index.ts";
import type { ByteString, ChangeOrigin } from "../core/index.ts";

export const RECORD_VERSION = 2;
const VERSION_WITHOUT_ORIGIN = 1;
export const RECORD_HEADER_BYTES = 64;
export const RECORD_BYTES_MAX = 1 << 20; // A driver cuts larger writes.
const ALIGN_BYTES = 8;
const FLAG_NO_DATA = 1;
const FLAG_ORIGIN = 2;
const FLAGS_BY_VERSION = [0, FLAG_NO_DATA, FLAG_NO_DATA | FLAG_ORIGIN];
const ORIGIN_HEADER_BYTES = 5;
const NAME_BYTES_MAX = 255; // NAME_MAX of Linux.
const SPAN = 2 ** 32;

export type RecordKind = "written" | "sized" | "created" | "linked" | "renamed" | "unlinked" | "attributes" | "lost";
/** Codes 1 to 8, in this order. */
export const RECORD_KINDS: readonly RecordKind[] = ["written", "sized", "created", "linked", "renamed", "unlinked", "attributes", "lost"];

export interface SourceRecord {
  readonly kind: RecordKind;
  readonly sequence: number;
  readonly monotonicNs: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly inode: number;
  readonly target: number;
  readonly offset: number;
  readonly dataBytes: number;
  readonly name: ByteString;
  readonly newName: ByteString;
  /** What was written; absent where it must be read back. */
  readonly data: Buffer | undefined;
  /** Who made it, where the source knows. */
  readonly origin?: ChangeOrigin;
}

/** A source of changes as they happen. What it yields is in the order of the kernel; a "lost" record says where that has a hole. */
export interface CaptureSource {
  /** "crash-ordered": at every point the files are what the disk could have held; "hints": only where to look. */
  readonly promise: "crash-ordered" | "hints";
  records(): AsyncIterable<SourceRecord>;
  close(): Promise<void>;
}

export function encodeRecord(record: SourceRecord): Buffer {
  const { name, newName, data, dataBytes, origin } = record;
  assert(name.length <= NAME_BYTES_MAX && newName.length <= NAME_BYTES_MAX, "names fit their fields");
  assert(data === undefined || data.length === dataBytes, "all that was written follows");
  const process = origin === undefined ? Buffer.alloc(0) : encodeOrigin(origin);
  const namesEnd = RECORD_HEADER_BYTES + name.length + newName.length;
  const used = namesEnd + process.length + (data?.length ?? 0);
  const lengthBytes = Math.ceil(used / ALIGN_BYTES) * ALIGN_BYTES;
  assert(lengthBytes <= RECORD_BYTES_MAX, "a record is within its limit");
  const bytes = Buffer.alloc(lengthBytes);
  bytes.writeUInt32LE(lengthBytes, 0);
  bytes[4] = origin === undefined ? VERSION_WITHOUT_ORIGIN : RECORD_VERSION;
  bytes[5] = RECORD_KINDS.indexOf(record.kind) + 1;
  bytes.writeUInt16LE((data === undefined && dataBytes > 0 ? FLAG_NO_DATA : 0) | (origin === undefined ? 0 : FLAG_ORIGIN), 6);
  writeU64(bytes, 8, record.sequence);
  writeU64(bytes, 16, record.monotonicNs);
  bytes.writeUInt32LE(record.deviceMajor, 24);
  bytes.writeUInt32LE(record.deviceMinor, 28);
  writeU64(bytes, 32, record.inode);
  writeU64(bytes, 40, record.target);
  writeU64(bytes, 48, record.offset);
  bytes.writeUInt32LE(dataBytes, 56);
  bytes.writeUInt16LE(name.length, 60);
  bytes.writeUInt16LE(newName.length, 62);
  bytes.write(name + newName, RECORD_HEADER_BYTES, "latin1");
  process.copy(bytes, namesEnd);
  data?.copy(bytes, namesEnd + process.length);
  return bytes;
}

function encodeOrigin({ pid, name }: ChangeOrigin): Buffer {
  const text = Buffer.from(name, "utf8");
  assert(pid > 0 && pid < SPAN && text.length <= NAME_BYTES_MAX, "a process fits its fields");
  const head = Buffer.alloc(ORIGIN_HEADER_BYTES);
  head.writeUInt32LE(pid, 0);
  head[4] = text.length;
  return Buffer.concat([head, text]);
}

/** The process at `at`, where it must end before `end`. */
function decodeOrigin(bytes: Buffer, at: number, end: number): { readonly origin: ChangeOrigin; readonly lengthBytes: number } {
  const lengthBytes = at + ORIGIN_HEADER_BYTES > end ? end : ORIGIN_HEADER_BYTES + bytes[at + 4]!;
  if (at + lengthBytes > end) throw refused("its process ends early");
  const pid = bytes.readUInt32LE(at);
  if (pid === 0) throw refused("its process has no number");
  return { origin: { pid, name: bytes.toString("utf8", at + ORIGIN_HEADER_BYTES, at + lengthBytes) }, lengthBytes };
}

/** Reads the record at the start of `bytes`. Throws EVENT_CORRUPT on anything that the table does not allow. */
export function decodeRecord(bytes: Buffer): { readonly record: SourceRecord; readonly lengthBytes: number } {
  if (bytes.length < RECORD_HEADER_BYTES) throw refused("it ends early");
  const lengthBytes = bytes.readUInt32LE(0);
  const flagsKnown = FLAGS_BY_VERSION[bytes[4]!] ?? 0;
  if (flagsKnown === 0) throw refused(`its version is ${bytes[4]}`);
  const kind = RECORD_KINDS[(bytes[5] as number) - 1];
  if (kind === undefined) throw refused(`its kind is ${bytes[5]}`);
  const flags = bytes.readUInt16LE(6);
  if ((flags & ~flagsKnown) !== 0) throw refused(`its flags are ${flags}`);
  if (lengthBytes > RECORD_BYTES_MAX || lengthBytes % ALIGN_BYTES !== 0 || lengthBytes > bytes.length) throw refused(`its length is ${lengthBytes}`);
  const dataBytes = bytes.readUInt32LE(56);
  const nameEnd = RECORD_HEADER_BYTES + bytes.readUInt16LE(60);
  const newNameEnd = nameEnd + bytes.readUInt16LE(62);
  const process = (flags & FLAG_ORIGIN) === 0 ? undefined : decodeOrigin(bytes, newNameEnd, lengthBytes);
  const dataAt = newNameEnd + (process?.lengthBytes ?? 0);
  const hasData = (flags & FLAG_NO_DATA) === 0;
  const end = dataAt + (hasData ? dataBytes : 0);
  if (end > lengthBytes || lengthBytes - end >= ALIGN_BYTES || nameEnd - RECORD_HEADER_BYTES > NAME_BYTES_MAX || newNameEnd - nameEnd > NAME_BYTES_MAX)
    throw refused("its parts do not fill it");
  for (let at = end; at < lengthBytes; at++) if (bytes[at] !== 0) throw refused("its padding is not zero");
  const record: SourceRecord = {
    kind,
    sequence: readU64(bytes, 8),
    monotonicNs: readU64(bytes, 16),
    deviceMajor: bytes.readUInt32LE(24),
    deviceMinor: bytes.readUInt32LE(28),
    inode: readU64(bytes, 32),
    target: readU64(bytes, 40),
    offset: readU64(bytes, 48),
    dataBytes,
    name: bytes.toString("latin1", RECORD_HEADER_BYTES, nameEnd) as ByteString,
    newName: bytes.toString("latin1", nameEnd, newNameEnd) as ByteString,
    data: hasData && dataBytes > 0 ? bytes.subarray(dataAt, end) : undefined,
    ...(process === undefined ? {} : { origin: process.origin }),
  };
  return { record, lengthBytes };
}

function refused(why: string): RainbowError {
  return new RainbowError("EVENT_CORRUPT", `a source's record cannot be read: ${why}`);
}

function writeU64(bytes: Buffer, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "a u64 is a safe integer");
  bytes.writeUInt32LE(value % SPAN, at);
  bytes.writeUInt32LE(Math.floor(value / SPAN), at + 4);
}

function readU64(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32LE(at + 4) * SPAN + bytes.readUInt32LE(at);
  if (!Number.isSafeInteger(value)) throw refused("a number is over 2^53");
  return value;
}
