/** The values of names, nodes and brackets in bytes: FORMAT.md "Values". Encode and decode side by side. */
import { ByteReader, ByteWriter, NODE_KINDS, RainbowError, readDigest, readObjectPlace, writeDigest, writeObjectPlace } from "../../core/index.ts";
import type { Attributes, ByteString, NodeId, NodeKind } from "../../core/index.ts";
import { readRecord } from "../blob-record/index.ts";
import type { RegionRecord } from "../blob-record/index.ts";
import type { NodeName, NodeRecord } from "../view.ts";
import { NAME_PART_BYTES_MAX } from "./keys.ts";

/** What a name stands for. `hidden` repeats the node's, so that a listing need not look each node up. */
export interface NameValue {
  readonly node: NodeId;
  readonly kind: NodeKind;
  readonly hidden: boolean;
}

/** A node as it is kept. `pristine`: created, and nothing was said of it since. */
export interface StoredNode extends NodeRecord {
  readonly pristine: boolean;
}

/** An open pass: what the file becomes when it is settled, but for its regions, which lie beside. */
export interface Bracket {
  readonly sizeBytes: number;
  /** undefined: as they are. */
  readonly attributes: Attributes | undefined;
  readonly linkTarget: ByteString;
}

const VALUE_VERSION = 1;
const MIRRORED_VERSION = 2; // Of a node: as version 1, and then its digest and place.
const PARTS_VERSION = 0; // In the place of the version: the node is in parts.
const NODE_BYTES_MAX = 512 << 10; // A value may have 1 MiB. Thousands of hard links or large xattrs make more.
const FEW_NAMES = 100; // Of 4,096 bytes at most: no need to look at them.
const PARTS_MAX = 4096; // Of half a MiB: 65,536 bytes in each of 10,000 xattrs, and every hard link that ext4 allows.
const HIDDEN = 8; // Kinds take the three bits below.
const UNSETTLED = 16;
const PRISTINE = 32;
const HAS_LINK = 64;
const HAS_DEVICE = 128;
const NAME_BYTES_MAX = 4096;
const XATTRS_MAX = 10_000;
const XATTR_BYTES_MAX = 65_536;
const NAMES_MAX = 1 << 20;
const COUNTER_SPAN = 2 ** 32;

export const treeCorrupt = (why: string): Error =>
  new RainbowError("DIG_CORRUPT", `a tree holds what no Rainbow wrote (${why}): \`rainbow replay\` builds the trees anew`, { why });

export function readerOf(value: Buffer): ByteReader {
  return new ByteReader(value, treeCorrupt);
}

export function writeNode(writer: ByteWriter, node: NodeId): void {
  writer.varint(Math.floor(node / COUNTER_SPAN));
  writer.varint(node % COUNTER_SPAN);
}

export function readNode(reader: ByteReader): NodeId {
  const epoch = reader.varint();
  const node = epoch * COUNTER_SPAN + reader.varint();
  if (!Number.isSafeInteger(node)) reader.reject("a node number out of range");
  return node as NodeId;
}

/** The full name follows only where the key holds a hash of it. */
export function writeNameValue(writer: ByteWriter, name: ByteString, value: NameValue): void {
  writer.u8((NODE_KINDS.indexOf(value.kind) + 1) | (value.hidden ? HIDDEN : 0));
  writeNode(writer, value.node);
  if (name.length > NAME_PART_BYTES_MAX) writer.byteString(name);
}

export function decodeNameValue(part: ByteString, bytes: Buffer): { readonly name: ByteString; readonly value: NameValue } {
  const reader = readerOf(bytes);
  const flags = reader.u8();
  const kind = NODE_KINDS[(flags & 7) - 1] ?? reader.reject("an unknown kind of node");
  const value = { node: readNode(reader), kind, hidden: (flags & HIDDEN) !== 0 };
  return { name: reader.remaining > 0 ? reader.byteString(NAME_BYTES_MAX) : part, value };
}

export function writeAttributes(writer: ByteWriter, attributes: Attributes): void {
  writer.varint(attributes.mode);
  writer.varint(attributes.uid);
  writer.varint(attributes.gid);
  writer.signed(attributes.mtimeSeconds);
  writer.varint(attributes.mtimeNanos);
  writer.signed(attributes.btimeSeconds);
  writer.varint(attributes.btimeNanos);
  writer.varint(attributes.xattrs.length);
  for (const xattr of attributes.xattrs) {
    writer.byteString(xattr.name);
    writer.sized(xattr.value);
  }
}

export function readAttributes(reader: ByteReader): Attributes {
  const [mode, uid, gid] = [reader.varint(), reader.varint(), reader.varint()];
  const [mtimeSeconds, mtimeNanos, btimeSeconds, btimeNanos] = [reader.signed(), reader.varint(), reader.signed(), reader.varint()];
  const count = reader.varint();
  if (count > XATTRS_MAX) reader.reject("too many xattrs");
  const xattrs = Array.from({ length: count }, () => ({ name: reader.byteString(255), value: Buffer.from(reader.sized(XATTR_BYTES_MAX)) }));
  return { mode, uid, gid, mtimeSeconds, mtimeNanos, btimeSeconds, btimeNanos, xattrs };
}

export function encodeNode(record: StoredNode): Buffer {
  const writer = new ByteWriter(96);
  writeNodeValue(writer, record);
  return writer.view();
}

export function writeNodeValue(writer: ByteWriter, record: StoredNode): void {
  writer.u8(record.mirrored === undefined ? VALUE_VERSION : MIRRORED_VERSION);
  let flags = NODE_KINDS.indexOf(record.kind) + 1;
  if (record.hidden) flags |= HIDDEN;
  if (record.unsettled) flags |= UNSETTLED;
  if (record.pristine) flags |= PRISTINE;
  if (record.linkTarget !== "") flags |= HAS_LINK;
  if (record.rdev !== 0) flags |= HAS_DEVICE;
  writer.u8(flags);
  writeAttributes(writer, record.attributes);
  writer.varint(record.sizeBytes);
  if (record.linkTarget !== "") writer.byteString(record.linkTarget);
  if (record.rdev !== 0) writer.varint(record.rdev);
  writer.varint(record.names.length);
  for (const { parent, name } of record.names) {
    writeNode(writer, parent);
    writer.byteString(name);
  }
  if (record.mirrored === undefined) return;
  writeDigest(writer, record.mirrored.digest);
  writeObjectPlace(writer, record.mirrored.place);
}

export function decodeNode(node: NodeId, bytes: Buffer): StoredNode {
  const reader = readerOf(bytes);
  const version = reader.u8();
  if (version !== VALUE_VERSION && version !== MIRRORED_VERSION) reader.reject("a node of an unknown version");
  const flags = reader.u8();
  const kind = NODE_KINDS[(flags & 7) - 1] ?? reader.reject("an unknown kind of node");
  const attributes = readAttributes(reader);
  const sizeBytes = reader.varint();
  const linkTarget = (flags & HAS_LINK) === 0 ? ("" as ByteString) : reader.byteString(NAME_BYTES_MAX);
  const rdev = (flags & HAS_DEVICE) === 0 ? 0 : reader.varint();
  const nameCount = reader.varint();
  if (nameCount > NAMES_MAX) reader.reject("too many names");
  const names: NodeName[] = [];
  for (let i = 0; i < nameCount; i++) names.push({ parent: readNode(reader), name: reader.byteString(NAME_BYTES_MAX) });
  const mirrored = version === MIRRORED_VERSION ? { mirrored: { digest: readDigest(reader), place: readObjectPlace(reader) } } : {};
  reader.finish();
  const marks = { unsettled: (flags & UNSETTLED) !== 0, hidden: (flags & HIDDEN) !== 0, pristine: (flags & PRISTINE) !== 0 };
  return { node, kind, attributes, sizeBytes, linkTarget, rdev, names, ...marks, ...mirrored };
}

/** What stands for a node that is kept in so many parts. */
export function writeParts(writer: ByteWriter, partCount: number): void {
  writer.u8(PARTS_VERSION);
  writer.varint(partCount);
}

/** How many parts a node is kept in; 0: it is here. */
export function partCountOf(bytes: Buffer): number {
  if (bytes[0] !== PARTS_VERSION) return 0;
  const reader = readerOf(bytes);
  reader.u8();
  const count = reader.varint();
  if (count === 0 || count > PARTS_MAX) reader.reject("a node in too many parts");
  return count;
}

/** The node's bytes in parts, where they are too long for one value; else none. */
export function partsOf(record: StoredNode): Buffer[] {
  if (record.names.length < FEW_NAMES && record.attributes.xattrs.length === 0) return [];
  if (roughLength(record) <= NODE_BYTES_MAX) return [];
  const encoded = encodeNode(record);
  if (encoded.length <= NODE_BYTES_MAX) return [];
  return Array.from({ length: Math.ceil(encoded.length / NODE_BYTES_MAX) }, (_, part) => encoded.subarray(part * NODE_BYTES_MAX, (part + 1) * NODE_BYTES_MAX));
}

/** An upper bound for most of a node's encoded length, without encoding it. */
function roughLength({ attributes, names }: StoredNode): number {
  let byteCount = NAME_BYTES_MAX + 100;
  for (const xattr of attributes.xattrs) byteCount += xattr.name.length + xattr.value.length + 8;
  for (const { name } of names) byteCount += name.length + 12;
  return byteCount;
}

export function decodeRegion(bytes: Buffer): RegionRecord {
  return readRecord(readerOf(bytes));
}

export function encodeBracket(bracket: Bracket): Buffer {
  const writer = new ByteWriter(64);
  writer.u8(VALUE_VERSION);
  writer.varint(bracket.sizeBytes);
  writer.u8(bracket.attributes === undefined ? 0 : 1);
  if (bracket.attributes === undefined) return writer.view();
  writeAttributes(writer, bracket.attributes);
  writer.byteString(bracket.linkTarget);
  return writer.view();
}

export function decodeBracket(bytes: Buffer): Bracket {
  const reader = readerOf(bytes);
  if (reader.u8() !== VALUE_VERSION) reader.reject("a bracket of an unknown version");
  const sizeBytes = reader.varint();
  if (reader.u8() === 0) return { sizeBytes, attributes: undefined, linkTarget: "" as ByteString };
  return { sizeBytes, attributes: readAttributes(reader), linkTarget: reader.byteString(NAME_BYTES_MAX) };
}
