/**
 * The key space of a machine's tree: FORMAT.md "Keys". A key is a prefix byte, then numbers big-endian, so that keys sort as what
 * they name does. At most 300 bytes.
 */
import { createHash } from "node:crypto";
import { bytesOf, byteStringOf } from "../../core/index.ts";
import type { ByteString, NodeId, Revision } from "../../core/index.ts";

export const PREFIX = {
  name: 0x10,
  node: 0x20,
  nodePart: 0x21,
  region: 0x30,
  stagedRegion: 0x31,
  bracket: 0x40,
  root: 0x50,
  openGap: 0x51,
  snapshot: 0x52,
  policy: 0x53,
  times: 0x54,
  purge: 0x55,
  closedGap: 0x56,
  stretch: 0x57,
  rebased: 0x58,
  mirror: 0x59,
  segment: 0x60,
  segmentEntry: 0x61,
  changes: 0x62,
} as const;

export const NAME_PART_BYTES_MAX = 255; // Longer ones (a root's path) end in a hash, so that a key with its prefixes stays below 300 bytes.
const HASHED_HEAD_BYTES = 223;
export const SEGMENT_PREFIX_BYTES = 3;
export const GROUP_BYTES = 9; // The prefix and the node.
const HALF = 2 ** 32;

export const NUMBER_KEY_BYTES = 9;
export const REGION_KEY_BYTES = 14;

/** prefix, then a number in 8 bytes big-endian. */
export function numberKey(prefix: number, value: number, key: Buffer = Buffer.allocUnsafe(NUMBER_KEY_BYTES)): Buffer {
  putNumberKey(key, 0, prefix, value);
  return key;
}

export function putNumberKey(key: Buffer, at: number, prefix: number, value: number): void {
  key[at] = prefix;
  putU64(key, value, at + 1);
}

export function regionKey(prefix: number, node: NodeId, region: number, key: Buffer = Buffer.allocUnsafe(REGION_KEY_BYTES)): Buffer {
  putRegionKey(key, 0, prefix, node, region);
  return key;
}

export function putRegionKey(key: Buffer, at: number, prefix: number, node: NodeId, region: number): void {
  putNumberKey(key, at, prefix, node);
  key[at + NUMBER_KEY_BYTES] = Math.floor(region / HALF);
  putU32(key, region % HALF, at + NUMBER_KEY_BYTES + 1);
}

/** Part of a node that is too long for one value. */
export function nodePartKey(node: NodeId, part: number): Buffer {
  return regionKey(PREFIX.nodePart, node, part);
}

export function regionOfKey(key: Buffer): number {
  return key[9]! * HALF + key.readUInt32BE(10);
}

/** What stands for a name in a key: the name, or its head and a hash. */
export function namePart(name: ByteString): ByteString {
  if (name.length <= NAME_PART_BYTES_MAX) return name;
  const hash = createHash("sha256").update(bytesOf(name)).digest();
  return (name.slice(0, HASHED_HEAD_BYTES) + byteStringOf(hash)) as ByteString;
}

export function nameKey(parent: NodeId, name: ByteString): Buffer {
  const part = namePart(name);
  const key = Buffer.allocUnsafe(NUMBER_KEY_BYTES + part.length);
  putNameKey(key, 0, parent, part);
  return key;
}

/** `part` stands for the name. */
export function putNameKey(key: Buffer, at: number, parent: NodeId, part: ByteString): void {
  putNumberKey(key, at, PREFIX.name, parent);
  key.latin1Write(part, at + NUMBER_KEY_BYTES);
}

export function namePartOfKey(key: Buffer): ByteString {
  return key.latin1Slice(9) as ByteString;
}

/** prefix and a text of any length. */
export function textKey(prefix: number, text: ByteString): Buffer {
  return Buffer.concat([Buffer.from([prefix]), bytesOf(namePart(text))]);
}

export function nodeOfKey(key: Buffer): NodeId {
  return getU64(key, 1) as NodeId;
}

/** What a segment is. */
export function segmentKey(index: number): Buffer {
  return Buffer.from([PREFIX.segment, index >>> 8, index & 255]);
}

/** What changed between the tree of a revision and the one before. */
export function changesKey(revision: Revision): Buffer {
  return numberKey(PREFIX.changes, revision);
}

/** The place of `key` among the entries of a segment. */
export function segmentEntryKey(index: number, key: Buffer): Buffer {
  const entry = Buffer.allocUnsafe(SEGMENT_PREFIX_BYTES + key.length);
  entry[0] = PREFIX.segmentEntry;
  entry[1] = index >>> 8;
  entry[2] = index;
  entry.set(key, SEGMENT_PREFIX_BYTES);
  return entry;
}

/** What the filter of a segment knows all names below a directory, or all regions of a file, by. */
export function groupOfKey(key: Buffer): Buffer {
  return key.subarray(0, GROUP_BYTES);
}

/** The first key after all that begin with `key`. */
export function afterPrefix(key: Buffer): Buffer {
  const end = Buffer.from(key);
  for (let i = end.length - 1; i >= 0; i--) {
    if (end[i]! < 255) {
      end[i]! += 1;
      return end.subarray(0, i + 1);
    }
  }
  return Buffer.alloc(300, 255);
}

function putU64(buffer: Buffer, value: number, at: number): void {
  putU32(buffer, Math.floor(value / HALF), at);
  putU32(buffer, value % HALF, at + 4);
}

/** As writeUInt32BE, which checks its arguments longer than it writes. */
function putU32(buffer: Buffer, value: number, at: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}

function getU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * HALF + buffer.readUInt32BE(at + 4);
}
