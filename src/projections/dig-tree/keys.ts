/**
 * The key space of a machine's tree: FORMAT.md "Keys". A key is a prefix byte, then numbers big-endian, so that keys sort as what
 * they name does. At most 300 bytes.
 */
import { createHash } from "node:crypto";
import { bytesOf, byteStringOf } from "../../core/index.ts";
import type { ByteString, NodeId } from "../../core/index.ts";

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
  segment: 0x60,
  segmentEntry: 0x61,
  segmentFilter: 0x62,
} as const;

export const NAME_PART_BYTES_MAX = 255; // Longer ones (a root's path) end in a hash, so that a key with its prefixes stays below 300 bytes.
const HASHED_HEAD_BYTES = 223;
export const SEGMENT_PREFIX_BYTES = 3;
const GROUP_BYTES = 9; // The prefix and the node.
const HALF = 2 ** 32;

/** prefix, then each number in 8 bytes big-endian. */
export function numberKey(prefix: number, ...numbers: readonly number[]): Buffer {
  const key = Buffer.allocUnsafe(1 + numbers.length * 8);
  key[0] = prefix;
  numbers.forEach((value, i) => putU64(key, value, 1 + i * 8));
  return key;
}

export function regionKey(prefix: number, node: NodeId, region: number): Buffer {
  const key = Buffer.allocUnsafe(14);
  key[0] = prefix;
  putU64(key, node, 1);
  key[9] = Math.floor(region / HALF);
  key.writeUInt32BE(region % HALF, 10);
  return key;
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
  const key = Buffer.allocUnsafe(9 + part.length);
  key[0] = PREFIX.name;
  putU64(key, parent, 1);
  key.latin1Write(part, 9);
  return key;
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

/** What a segment is (PREFIX.segment), or its filter (PREFIX.segmentFilter). */
export function segmentKey(prefix: number, index: number): Buffer {
  return Buffer.from([prefix, index >>> 8, index & 255]);
}

/** The place of `key` among the entries of a segment. */
export function segmentEntryKey(index: number, key: Buffer): Buffer {
  return Buffer.concat([Buffer.from([PREFIX.segmentEntry, index >>> 8, index & 255]), key]);
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
  buffer.writeUInt32BE(Math.floor(value / HALF), at);
  buffer.writeUInt32BE(value % HALF, at + 4);
}

function getU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * HALF + buffer.readUInt32BE(at + 4);
}
