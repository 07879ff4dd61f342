/**
 * Reads and writes the packed directory listing of core/os.ts, field by field, encode and decode side by side. The addon writes
 * the same layout in C++ (native/core/listing.hh); the contract suite compares the two byte for byte.
 */
import { assert } from "./assert.ts";
import { LISTING_HEADER_BYTES, NODE_KINDS, STAT_RECORD_BYTES } from "./os.ts";
import type { Stat } from "./os.ts";
import type { ByteString } from "./units.ts";

const U32_SPAN = 2 ** 32;
const DEVICE_SPAN = 2 ** 20; // A device number is major × 2^20 + minor in Stat.
const ALLOCATION_UNIT_BYTES = 4096;

/** One name of a listing to encode; without `stat` it could not be looked at, and `errno` says why. */
export interface ListingEntry {
  readonly name: ByteString;
  readonly stat: Stat | undefined;
  readonly errno: number;
}

export function listingCount(listing: Buffer): number {
  return listing.readUInt32LE(0);
}

/** Where the entry's record starts in the buffer. */
export function listingRecordAt(listing: Buffer, index: number): number {
  assert(index >= 0 && index < listingCount(listing), "the index lies inside the listing");
  return LISTING_HEADER_BYTES + index * STAT_RECORD_BYTES;
}

export function listingName(listing: Buffer, index: number): ByteString {
  const at = listingRecordAt(listing, index);
  const from = listing.readUInt32LE(at + 84);
  return listing.toString("latin1", from, from + listing.readUInt16LE(at + 88)) as ByteString;
}

/** The entry's stat, or undefined where it vanished or could not be looked at (listingErrno says why). */
export function listingStat(listing: Buffer, index: number): Stat | undefined {
  const at = listingRecordAt(listing, index);
  return listing[at + 62] === 0 ? undefined : decodeStat(listing, at);
}

/** The errno of an entry without a stat; 0 where all is well. */
export function listingErrno(listing: Buffer, index: number): number {
  return listing[listingRecordAt(listing, index) + 63] ?? 0;
}

/** Packs entries that are already sorted by name in byte order. */
export function encodeListing(entries: readonly ListingEntry[]): Buffer {
  const namesFrom = LISTING_HEADER_BYTES + entries.length * STAT_RECORD_BYTES;
  const namesBytes = entries.reduce((sum, entry) => sum + entry.name.length, 0);
  const listing = Buffer.alloc(namesFrom + namesBytes);
  listing.writeUInt32LE(entries.length, 0);
  let nameAt = namesFrom;
  entries.forEach((entry, index) => {
    const at = LISTING_HEADER_BYTES + index * STAT_RECORD_BYTES;
    if (entry.stat === undefined) listing[at + 63] = entry.errno;
    else encodeStat(listing, at, entry.stat);
    listing.writeUInt32LE(nameAt, at + 84);
    listing.writeUInt16LE(entry.name.length, at + 88);
    nameAt += listing.write(entry.name, nameAt, "latin1");
  });
  return listing;
}

/** Reads bytes 0 to 83 and 92 to 95 of a record. Inodes above 2^53 lose their low bits here; the record itself keeps them. */
export function decodeStat(buffer: Buffer, at: number): Stat {
  const kind = NODE_KINDS[(buffer[at + 62] ?? 0) - 1];
  assert(kind !== undefined, "a stat record has a kind from 1 to 7");
  return {
    kind,
    mode: buffer.readUInt16LE(at + 60),
    uid: buffer.readUInt32LE(at + 52),
    gid: buffer.readUInt32LE(at + 56),
    sizeBytes: readU64(buffer, at + 8),
    linkCount: buffer.readUInt32LE(at + 64),
    inode: readU64(buffer, at),
    device: buffer.readUInt32LE(at + 68) * DEVICE_SPAN + buffer.readUInt32LE(at + 72),
    rdev: buffer.readUInt32LE(at + 76) * DEVICE_SPAN + buffer.readUInt32LE(at + 80),
    allocatedBytes: buffer.readUInt32LE(at + 92) * ALLOCATION_UNIT_BYTES,
    mtimeSeconds: readI64(buffer, at + 16),
    mtimeNanos: buffer.readUInt32LE(at + 40),
    ctimeSeconds: readI64(buffer, at + 24),
    ctimeNanos: buffer.readUInt32LE(at + 44),
    btimeSeconds: readI64(buffer, at + 32),
    btimeNanos: buffer.readUInt32LE(at + 48),
  };
}

/** Writes bytes 0 to 83 and 92 to 95 of a record. */
export function encodeStat(buffer: Buffer, at: number, stat: Stat): void {
  writeI64(buffer, at, stat.inode);
  writeI64(buffer, at + 8, stat.sizeBytes);
  writeI64(buffer, at + 16, stat.mtimeSeconds);
  writeI64(buffer, at + 24, stat.ctimeSeconds);
  writeI64(buffer, at + 32, stat.btimeSeconds);
  buffer.writeUInt32LE(stat.mtimeNanos, at + 40);
  buffer.writeUInt32LE(stat.ctimeNanos, at + 44);
  buffer.writeUInt32LE(stat.btimeNanos, at + 48);
  buffer.writeUInt32LE(stat.uid, at + 52);
  buffer.writeUInt32LE(stat.gid, at + 56);
  buffer.writeUInt16LE(stat.mode, at + 60);
  buffer[at + 62] = NODE_KINDS.indexOf(stat.kind) + 1;
  buffer[at + 63] = 0;
  buffer.writeUInt32LE(stat.linkCount, at + 64);
  buffer.writeUInt32LE(Math.floor(stat.device / DEVICE_SPAN), at + 68);
  buffer.writeUInt32LE(stat.device % DEVICE_SPAN, at + 72);
  buffer.writeUInt32LE(Math.floor(stat.rdev / DEVICE_SPAN), at + 76);
  buffer.writeUInt32LE(stat.rdev % DEVICE_SPAN, at + 80);
  buffer.writeUInt32LE(Math.min(Math.ceil(stat.allocatedBytes / ALLOCATION_UNIT_BYTES), U32_SPAN - 1), at + 92);
}

function readU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at + 4) * U32_SPAN + buffer.readUInt32LE(at);
}

function readI64(buffer: Buffer, at: number): number {
  return buffer.readInt32LE(at + 4) * U32_SPAN + buffer.readUInt32LE(at);
}

/** Two's complement; enough for every safe integer, signed or not. */
function writeI64(buffer: Buffer, at: number, value: number): void {
  const high = Math.floor(value / U32_SPAN);
  buffer.writeUInt32LE(value - high * U32_SPAN, at);
  buffer.writeUInt32LE(high >>> 0, at + 4);
}
