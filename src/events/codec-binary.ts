/**
 * The hot events in bytes, encode and decode side by side; a version byte comes before what is written here (codec.ts).
 * Layouts: FORMAT.md "Binary events". A published layout never changes: a new version gets a reader of its own in READERS.
 */
import { assert, NODE_KINDS, readDigest, readObjectPlace, writeDigest, writeObjectPlace } from "../core/index.ts";
import type { Attributes, ByteReader, ByteString, ByteWriter, ChunkNumber, Extent, NodeId, TimeUs, WithdrawalReason, Xattr } from "../core/index.ts";
import {
  CHUNKS_MAX,
  EXTENTS_MAX,
  HASH_BYTES,
  LINK_TARGET_BYTES_MAX,
  NAME_BYTES_MAX,
  XATTR_NAME_BYTES_MAX,
  XATTR_VALUE_BYTES_MAX,
  XATTRS_MAX,
} from "./limits.ts";
import type { MachineEvent } from "./schema.ts";

export type BinaryType =
  | "NodeCreated"
  | "NodeLinked"
  | "NodeRenamed"
  | "NodeUnlinked"
  | "AttributesSet"
  | "FileArrived"
  | "LinkArrived"
  | "FileWithdrawn"
  | "ChunksStored"
  | "ExtentsWritten"
  | "SizeSet"
  | "RangeZeroed"
  | "RangeCloned"
  | "PassStarted"
  | "VersionSettled"
  | "CaughtUp";
type EventOf<T extends BinaryType> = Extract<MachineEvent, { type: T }>;
type Write<T extends BinaryType> = (writer: ByteWriter, event: EventOf<T>) => void;
type Read<T extends BinaryType> = (reader: ByteReader) => EventOf<T>;

const COUNTER_SPAN = 2 ** 32;
const BLOCK_BYTES = 4096;
const EPOCH_LIMIT = 2 ** 21;
const FLAG_BLOCKS = 1; // Offsets and lengths count blocks of 4 KiB.
const FLAG_WHOLE = 2; // Every extent begins where its chunk begins.

function writeNode(writer: ByteWriter, node: NodeId): void {
  writer.varint(Math.floor(node / COUNTER_SPAN));
  writer.varint(node % COUNTER_SPAN);
}

export function readNode(reader: ByteReader): NodeId {
  const epoch = reader.varint();
  const counter = reader.varint();
  if (epoch >= EPOCH_LIMIT || counter >= COUNTER_SPAN) reader.reject("a node id out of range");
  return (epoch * COUNTER_SPAN + counter) as NodeId;
}

function writeName(writer: ByteWriter, name: ByteString): void {
  assert(name.length > 0 && name.length <= NAME_BYTES_MAX, "a name is within its limit");
  writer.byteString(name);
}

function readName(reader: ByteReader): ByteString {
  const name = reader.byteString(NAME_BYTES_MAX);
  if (name.length === 0) reader.reject("an empty name");
  return name;
}

/** A node, and one of its names. */
interface NamePlace {
  readonly node: NodeId;
  readonly parent: NodeId;
  readonly name: ByteString;
}

function writePlace(writer: ByteWriter, { node, parent, name }: NamePlace): void {
  writeNode(writer, node);
  writeNode(writer, parent);
  writeName(writer, name);
}

function readPlace(reader: ByteReader): NamePlace {
  return { node: readNode(reader), parent: readNode(reader), name: readName(reader) };
}

function writeAttributes(writer: ByteWriter, attributes: Attributes): void {
  assert(attributes.mode >= 0 && attributes.mode < 4096, "a mode has 12 bits");
  assert(attributes.xattrs.length <= XATTRS_MAX, "the count of xattrs is within its limit");
  writer.u16(attributes.mode);
  writer.varint(attributes.uid);
  writer.varint(attributes.gid);
  writer.signed(attributes.mtimeSeconds);
  writer.varint(attributes.mtimeNanos);
  writer.signed(attributes.btimeSeconds);
  writer.varint(attributes.btimeNanos);
  writer.varint(attributes.xattrs.length);
  for (const xattr of attributes.xattrs) {
    assert(xattr.name.length <= XATTR_NAME_BYTES_MAX && xattr.value.length <= XATTR_VALUE_BYTES_MAX, "an xattr is within its limits");
    writer.byteString(xattr.name);
    writer.sized(xattr.value);
  }
}

function readAttributes(reader: ByteReader): Attributes {
  const mode = reader.u16();
  const uid = reader.varint();
  const gid = reader.varint();
  const mtimeSeconds = reader.signed();
  const mtimeNanos = reader.varint();
  const btimeSeconds = reader.signed();
  const btimeNanos = reader.varint();
  if (mode >= 4096 || uid >= COUNTER_SPAN || gid >= COUNTER_SPAN) reader.reject("a mode or owner out of range");
  if (mtimeNanos >= 1e9 || btimeNanos >= 1e9) reader.reject("nanoseconds out of range");
  const count = reader.varint();
  if (count > XATTRS_MAX) reader.reject("too many xattrs");
  const xattrs: Xattr[] = [];
  for (let i = 0; i < count; i++) xattrs.push({ name: reader.byteString(XATTR_NAME_BYTES_MAX), value: Buffer.from(reader.sized(XATTR_VALUE_BYTES_MAX)) });
  return { mode, uid, gid, mtimeSeconds, mtimeNanos, btimeSeconds, btimeNanos, xattrs };
}

/** Count and flags first; then per extent the gap after the extent before, the length, the chunk's distance from the chunk before. */
function writeExtents(writer: ByteWriter, extents: readonly Extent[]): void {
  assert(extents.length > 0 && extents.length <= EXTENTS_MAX, "the count of extents is within its limit");
  let flags = FLAG_BLOCKS | FLAG_WHOLE;
  for (const extent of extents) {
    if (extent.offset % BLOCK_BYTES !== 0 || extent.length % BLOCK_BYTES !== 0) flags &= ~FLAG_BLOCKS;
    if (extent.chunkOffset !== 0) flags &= ~FLAG_WHOLE;
  }
  const unit = (flags & FLAG_BLOCKS) === 0 ? 1 : BLOCK_BYTES;
  writer.varint(extents.length * 4 + flags);
  let end = 0;
  let chunk = 0;
  for (const extent of extents) {
    assert(extent.offset >= end && extent.length > 0, "extents ascend and do not overlap");
    writer.varint((extent.offset - end) / unit);
    writer.varint(extent.length / unit);
    writer.signed(extent.chunk - chunk);
    if ((flags & FLAG_WHOLE) === 0) writer.varint(extent.chunkOffset);
    end = extent.offset + extent.length;
    chunk = extent.chunk;
  }
}

function readExtents(reader: ByteReader): Extent[] {
  const head = reader.varint();
  const count = Math.floor(head / 4);
  if (count === 0 || count > EXTENTS_MAX) reader.reject("a count of extents out of range");
  const unit = (head & FLAG_BLOCKS) === 0 ? 1 : BLOCK_BYTES;
  const isWhole = (head & FLAG_WHOLE) !== 0;
  const extents: Extent[] = [];
  let end = 0;
  let chunk = 0;
  for (let i = 0; i < count; i++) {
    const offset = end + reader.varint() * unit;
    const length = reader.varint() * unit;
    chunk += reader.signed();
    const chunkOffset = isWhole ? 0 : reader.varint();
    end = offset + length;
    if (length === 0 || chunk < 0 || !Number.isSafeInteger(end) || !Number.isSafeInteger(chunk)) reader.reject("an extent out of range");
    extents.push({ offset, length, chunk: chunk as ChunkNumber, chunkOffset });
  }
  return extents;
}

const writeChunks: Write<"ChunksStored"> = (writer, event) => {
  assert(event.chunks.length > 0 && event.chunks.length <= CHUNKS_MAX, "the count of chunks is within its limit");
  writer.varint(event.first);
  writer.varint(event.chunks.length);
  for (const chunk of event.chunks) writer.varint(chunk.lengthBytes);
  for (const chunk of event.chunks) {
    assert(chunk.hash.length === HASH_BYTES, "a chunk hash has 32 bytes");
    writer.bytes(chunk.hash);
  }
};

const readChunks: Read<"ChunksStored"> = (reader) => {
  const first = reader.varint() as ChunkNumber;
  const count = reader.varint();
  if (count === 0 || count > CHUNKS_MAX) reader.reject("a count of chunks out of range");
  const lengths: number[] = [];
  for (let i = 0; i < count; i++) lengths.push(reader.varint());
  const chunks = lengths.map((lengthBytes) => ({ hash: reader.bytes(HASH_BYTES), lengthBytes }));
  return { type: "ChunksStored", first, chunks };
};

/** Codes 1 to 3, in this order. */
const WITHDRAWAL_REASONS: readonly WithdrawalReason[] = ["gone", "forgotten", "lost"];

interface Stamp {
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
}

function writeStamp(writer: ByteWriter, { mode, mtimeSeconds, mtimeNanos }: Stamp): void {
  assert(mode >= 0 && mode < 4096, "a mode has 12 bits");
  assert(mtimeNanos >= 0 && mtimeNanos < 1e9, "nanoseconds are less than a second");
  writer.u16(mode);
  writer.signed(mtimeSeconds);
  writer.varint(mtimeNanos);
}

function readStamp(reader: ByteReader): Stamp {
  const [mode, mtimeSeconds, mtimeNanos] = [reader.u16(), reader.signed(), reader.varint()];
  if (mode >= 4096) reader.reject("a mode out of range");
  if (mtimeNanos >= 1e9) reader.reject("nanoseconds out of range");
  return { mode, mtimeSeconds, mtimeNanos };
}

/** Writers always write the newest version. */
export const WRITERS: { readonly [T in BinaryType]: Write<T> } = {
  NodeCreated: (writer, event) => {
    writer.u8(NODE_KINDS.indexOf(event.kind) + 1);
    writeNode(writer, event.node);
    writeNode(writer, event.parent);
    writeName(writer, event.name);
    writeAttributes(writer, event.attributes);
    assert(event.linkTarget.length <= LINK_TARGET_BYTES_MAX, "a link target is within its limit");
    writer.byteString(event.linkTarget);
    writer.varint(event.rdev);
  },
  NodeLinked: writePlace,
  NodeRenamed: (writer, event) => {
    writeNode(writer, event.node);
    writeNode(writer, event.fromParent);
    writeName(writer, event.fromName);
    writeNode(writer, event.toParent);
    writeName(writer, event.toName);
    writeNode(writer, event.replaced);
  },
  NodeUnlinked: writePlace,
  AttributesSet: (writer, event) => {
    writeNode(writer, event.node);
    writeAttributes(writer, event.attributes);
    assert(event.linkTarget.length <= LINK_TARGET_BYTES_MAX, "a link target is within its limit");
    writer.byteString(event.linkTarget);
  },
  FileArrived: (writer, event) => {
    writer.u8(NODE_KINDS.indexOf(event.kind) + 1);
    writePlace(writer, event);
    writeStamp(writer, event);
    writer.varint(event.sizeBytes);
    writer.varint(event.rdev);
    writeDigest(writer, event.digest);
    writeObjectPlace(writer, event.place);
  },
  LinkArrived: (writer, event) => {
    writePlace(writer, event);
    writeStamp(writer, event);
    assert(event.linkTarget.length <= LINK_TARGET_BYTES_MAX, "a link target is within its limit");
    writer.byteString(event.linkTarget);
    writeObjectPlace(writer, event.place);
  },
  FileWithdrawn: (writer, event) => {
    writePlace(writer, event);
    writer.u8(WITHDRAWAL_REASONS.indexOf(event.reason) + 1);
  },
  ChunksStored: writeChunks,
  ExtentsWritten: (writer, event) => {
    writeNode(writer, event.node);
    writeExtents(writer, event.extents);
  },
  SizeSet: (writer, event) => {
    writeNode(writer, event.node);
    writer.varint(event.sizeBytes);
  },
  RangeZeroed: (writer, event) => {
    writeNode(writer, event.node);
    writer.varint(event.offset);
    writer.varint(event.length);
  },
  RangeCloned: (writer, event) => {
    writeNode(writer, event.fromNode);
    writer.varint(event.fromOffset);
    writeNode(writer, event.node);
    writer.varint(event.offset);
    writer.varint(event.length);
  },
  PassStarted: (writer, event) => writeNode(writer, event.node),
  VersionSettled: (writer, event) => {
    writeNode(writer, event.node);
    writer.u8(event.unsettled ? 1 : 0);
  },
  CaughtUp: (writer, event) => writer.varint(event.agentTimeUs),
};

const readCreated: Read<"NodeCreated"> = (reader) => {
  const kind = NODE_KINDS[reader.u8() - 1] ?? reader.reject("an unknown kind of node");
  const node = readNode(reader);
  const parent = readNode(reader);
  const name = readName(reader);
  const attributes = readAttributes(reader);
  const linkTarget = reader.byteString(LINK_TARGET_BYTES_MAX);
  return { type: "NodeCreated", node, parent, name, kind, attributes, linkTarget, rdev: reader.varint() };
};

const readSettled: Read<"VersionSettled"> = (reader) => {
  const node = readNode(reader);
  const flag = reader.u8();
  if (flag > 1) reader.reject("a flag that is neither 0 nor 1");
  return { type: "VersionSettled", node, unsettled: flag === 1 };
};

const readArrived: Read<"FileArrived"> = (reader) => {
  const kind = NODE_KINDS[reader.u8() - 1];
  if (kind === undefined || kind === "symlink") return reader.reject("an unknown kind of node");
  const [place, stamp] = [readPlace(reader), readStamp(reader)];
  return {
    type: "FileArrived",
    kind,
    ...place,
    ...stamp,
    sizeBytes: reader.varint(),
    rdev: reader.varint(),
    digest: readDigest(reader),
    place: readObjectPlace(reader),
  };
};

const readLinkArrived: Read<"LinkArrived"> = (reader) => {
  const [place, stamp] = [readPlace(reader), readStamp(reader)];
  return { type: "LinkArrived", ...place, ...stamp, linkTarget: reader.byteString(LINK_TARGET_BYTES_MAX), place: readObjectPlace(reader) };
};

const readWithdrawn: Read<"FileWithdrawn"> = (reader) => {
  const place = readPlace(reader);
  return { type: "FileWithdrawn", ...place, reason: WITHDRAWAL_REASONS[reader.u8() - 1] ?? reader.reject("an unknown reason of a withdrawal") };
};

/** Index v - 1 reads version v and gives the event in its newest shape. Fields are read in the order in which they are written here. */
export const READERS: { readonly [T in BinaryType]: readonly Read<T>[] } = {
  NodeCreated: [readCreated],
  NodeLinked: [(reader) => ({ type: "NodeLinked", ...readPlace(reader) })],
  NodeRenamed: [
    (reader) => ({
      type: "NodeRenamed",
      node: readNode(reader),
      fromParent: readNode(reader),
      fromName: readName(reader),
      toParent: readNode(reader),
      toName: readName(reader),
      replaced: readNode(reader),
    }),
  ],
  NodeUnlinked: [(reader) => ({ type: "NodeUnlinked", ...readPlace(reader) })],
  AttributesSet: [
    (reader) => ({ type: "AttributesSet", node: readNode(reader), attributes: readAttributes(reader), linkTarget: reader.byteString(LINK_TARGET_BYTES_MAX) }),
  ],
  FileArrived: [readArrived],
  LinkArrived: [readLinkArrived],
  FileWithdrawn: [readWithdrawn],
  ChunksStored: [readChunks],
  ExtentsWritten: [(reader) => ({ type: "ExtentsWritten", node: readNode(reader), extents: readExtents(reader) })],
  SizeSet: [(reader) => ({ type: "SizeSet", node: readNode(reader), sizeBytes: reader.varint() })],
  RangeZeroed: [(reader) => ({ type: "RangeZeroed", node: readNode(reader), offset: reader.varint(), length: reader.varint() })],
  RangeCloned: [
    (reader) => ({
      type: "RangeCloned",
      fromNode: readNode(reader),
      fromOffset: reader.varint(),
      node: readNode(reader),
      offset: reader.varint(),
      length: reader.varint(),
    }),
  ],
  PassStarted: [(reader) => ({ type: "PassStarted", node: readNode(reader) })],
  VersionSettled: [readSettled],
  CaughtUp: [(reader) => ({ type: "CaughtUp", agentTimeUs: reader.varint() as TimeUs })],
};
