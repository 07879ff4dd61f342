/** Stat records as the memory keeps and compares them, and what is read from them. The layout is STAT_RECORD_BYTES's of core. */
import { assert, decodeStat, encodeStat, LISTING_HEADER_BYTES, listingCount, STAT_RECORD_BYTES } from "../../core/index.ts";
import type { Attributes, ByteString, NodeKind, Stat, Xattr } from "../../core/index.ts";

const INODE_END = 8;
const SIZE_END = 16;
const MTIME_AT = 16;
const BTIME_AT = 32;
const MTIME_NANOS_AT = 40;
const BTIME_NANOS_AT = 48;
const OWNER_AT = 52;
const KIND_AT = 62;
const MARK_AT = 63;
const DEVICE_AT = 68;
const NAME_AT = 84;
const NAME_LENGTH_AT = 88;
const ALLOCATED_AT = 92;

/** Marks in byte 63 of a kept record (a listed one has 0 there): the next look reads the file even where nothing else differs. */
export const MARK = { none: 0, racy: 0xff, unread: 0xfe } as const;

/** A stat as a kept record. */
export function recordOf(stat: Stat): Buffer {
  const record = Buffer.alloc(STAT_RECORD_BYTES);
  encodeStat(record, 0, { ...stat, device: 0, allocatedBytes: 0 });
  return record;
}

/** A listing made comparable in place; its device and allocated sizes are lost. Returns the devices that differ from `device`, by entry. */
export function normalise(listing: Buffer, device: number): Map<number, number> {
  const foreign = new Map<number, number>();
  const count = listingCount(listing);
  let nameAt = LISTING_HEADER_BYTES + count * STAT_RECORD_BYTES;
  const major = Math.floor(device / 2 ** 20);
  const minor = device % 2 ** 20;
  const isAligned = listing.byteOffset % 4 === 0;
  assert(isAligned, "a listing is aligned");
  const words = new Uint32Array(listing.buffer, listing.byteOffset, (nameAt / 4) | 0);
  for (let i = 0, at = LISTING_HEADER_BYTES / 4; i < count; i++, at += STAT_RECORD_BYTES / 4) {
    const kind = ((words[at + 15] as number) >>> 16) & 0xff;
    if (kind !== 0 && (words[at + DEVICE_AT / 4] !== major || words[at + DEVICE_AT / 4 + 1] !== minor))
      foreign.set(i, (words[at + DEVICE_AT / 4] as number) * 2 ** 20 + (words[at + DEVICE_AT / 4 + 1] as number));
    assert(words[at + NAME_AT / 4] === nameAt, "a listing's names follow one another");
    nameAt += (words[at + NAME_LENGTH_AT / 4] as number) & 0xffff;
    words[at + DEVICE_AT / 4] = 0;
    words[at + DEVICE_AT / 4 + 1] = 0;
    words[at + NAME_AT / 4] = 0;
    words[at + ALLOCATED_AT / 4] = 0;
  }
  return foreign;
}

/** Puts the offsets of the names back into a normalised listing. */
export function denormalise(listing: Buffer): void {
  const count = listingCount(listing);
  let nameAt = LISTING_HEADER_BYTES + count * STAT_RECORD_BYTES;
  for (let at = LISTING_HEADER_BYTES; at < LISTING_HEADER_BYTES + count * STAT_RECORD_BYTES; at += STAT_RECORD_BYTES) {
    listing.writeUInt32LE(nameAt, at + NAME_AT);
    nameAt += listing.readUInt16LE(at + NAME_LENGTH_AT);
  }
}

/** A copy of entry `index` of a normalised listing, as a kept record. */
export function listedRecord(listing: Buffer, index: number): Buffer {
  const at = LISTING_HEADER_BYTES + index * STAT_RECORD_BYTES;
  const record = Buffer.from(listing.subarray(at, at + STAT_RECORD_BYTES));
  record.writeUInt32LE(0, NAME_AT);
  return record;
}

/** Same inode of one filesystem, not used anew meanwhile: birth times are equal, where there are any. */
export function isSameNode(a: Buffer, b: Buffer): boolean {
  return (
    a.compare(b, 0, INODE_END, 0, INODE_END) === 0 &&
    a[KIND_AT] === b[KIND_AT] &&
    a.compare(b, BTIME_AT, BTIME_AT + 8, BTIME_AT, BTIME_AT + 8) === 0 &&
    a.compare(b, BTIME_NANOS_AT, BTIME_NANOS_AT + 4, BTIME_NANOS_AT, BTIME_NANOS_AT + 4) === 0
  );
}

export function isSameRecord(a: Buffer, b: Buffer): boolean {
  return a.compare(b, 0, NAME_LENGTH_AT, 0, NAME_LENGTH_AT) === 0; // The name's length differs between names of one node.
}

/** Size and modification time are equal: with no sign of a write, the content is the same. */
export function isSameContentStat(a: Buffer, b: Buffer): boolean {
  return (
    a.compare(b, INODE_END, SIZE_END + 8, INODE_END, SIZE_END + 8) === 0 &&
    a.compare(b, MTIME_NANOS_AT, MTIME_NANOS_AT + 4, MTIME_NANOS_AT, MTIME_NANOS_AT + 4) === 0
  );
}

/** Mode, owner or modification time differ. */
export function isSameAttributes(a: Buffer, b: Buffer): boolean {
  return (
    a.compare(b, MTIME_AT, MTIME_AT + 8, MTIME_AT, MTIME_AT + 8) === 0 &&
    a.compare(b, MTIME_NANOS_AT, MTIME_NANOS_AT + 4, MTIME_NANOS_AT, MTIME_NANOS_AT + 4) === 0 &&
    a.compare(b, OWNER_AT, KIND_AT, OWNER_AT, KIND_AT) === 0
  );
}

/** All but the size and the mark is equal: the times, the change time among them, say that nothing happened in between. */
export function isSameStat(a: Buffer, b: Buffer): boolean {
  return a.compare(b, SIZE_END, MARK_AT, SIZE_END, MARK_AT) === 0;
}

/**
 * The record to keep of a file whose content was not (wholly) read: marked, and with the size of what the host holds, so that the
 * next look compares with that.
 */
export function unreadRecord(record: Buffer, heldBytes: number): Buffer {
  const kept = withMark(record, MARK.unread);
  kept.writeUInt32LE(heldBytes % 2 ** 32, INODE_END);
  kept.writeUInt32LE(Math.floor(heldBytes / 2 ** 32), INODE_END + 4);
  return kept;
}

/** The inode and birth time as raw bytes: an identity within one filesystem. */
export function inodeOf(record: Buffer): ByteString {
  return record.latin1Slice(0, INODE_END) as ByteString;
}

export function birthOf(record: Buffer): ByteString {
  return (record.latin1Slice(BTIME_AT, BTIME_AT + 8) + record.latin1Slice(BTIME_NANOS_AT, BTIME_NANOS_AT + 4)) as ByteString;
}

export const NO_BIRTH = "\0".repeat(12) as ByteString;

export function kindOf(record: Buffer): NodeKind {
  return KINDS[(record[KIND_AT] as number) - 1] as NodeKind;
}
const KINDS: readonly NodeKind[] = ["file", "directory", "symlink", "fifo", "socket", "character", "block"];

export function sizeOf(record: Buffer): number {
  return record.readUInt32LE(12) * 2 ** 32 + record.readUInt32LE(8);
}

export function linkCountOf(record: Buffer): number {
  return record.readUInt32LE(64);
}

export function statOfRecord(record: Buffer): Stat {
  return decodeStat(record, 0);
}

export function markOf(record: Buffer): number {
  return record[MARK_AT] as number;
}

export function withMark(record: Buffer, mark: number): Buffer {
  const marked = Buffer.from(record);
  marked[MARK_AT] = mark;
  return marked;
}

export function attributesOf(record: Buffer, xattrs: readonly Xattr[]): Attributes {
  const { mode, uid, gid, mtimeSeconds, mtimeNanos, btimeSeconds, btimeNanos } = decodeStat(record, 0);
  return { mode, uid, gid, mtimeSeconds, mtimeNanos, btimeSeconds, btimeNanos, xattrs };
}

/** When the node last changed in any way, in microseconds; and whether the filesystem seems to keep whole seconds only. */
export function changeTimeOf(record: Buffer): { readonly us: number; readonly isCoarse: boolean } {
  const { ctimeSeconds, ctimeNanos, mtimeNanos } = decodeStat(record, 0);
  return { us: ctimeSeconds * 1e6 + Math.floor(ctimeNanos / 1000), isCoarse: ctimeNanos === 0 && mtimeNanos === 0 };
}
