/**
 * A run of a directory's entries as the memory keeps them: the records of Os.listDirectory, with parallel node ids, so that an
 * unchanged directory is recognised by comparing bytes. Fields that change without the file changing are zero in a kept record:
 * device (68 to 75), offset of the name (84 to 87), allocated size (92 to 95).
 *
 * Row, little-endian: 0 u8 kind (1) · 1 u8 0 · 2 u16 entry count · 4 u32 bytes of names · node ids, u64 each · records, 96 each · names.
 */
import { assert, LISTING_HEADER_BYTES, STAT_RECORD_BYTES } from "../../core/index.ts";
import type { ByteString, NodeId } from "../../core/index.ts";
import type { Row } from "./memory.ts";

export const SEGMENT_KIND = 1;
export const SEGMENT_HEADER_BYTES = 8;
/** A changed file rewrites its segment twice (pending, place): 128 entries are about 15 KiB. */
export const SEGMENT_ENTRIES_MAX = 128;
const NODE_BYTES = 8;
const SPAN = 2 ** 32;
const NAME_LENGTH_AT = 88;

/** Node id of an entry that is left out by rule: remembered, so that its directory still compares as unchanged. */
export const LEFT_OUT = 0 as NodeId;

export class Segment implements Row {
  readonly names: ByteString[] = [];
  readonly nodes: NodeId[] = [];
  /** Records one after the other; may be longer than what is used. */
  private records = Buffer.alloc(0);

  get count(): number {
    return this.names.length;
  }

  record(index: number): Buffer {
    return this.records.subarray(index * STAT_RECORD_BYTES, (index + 1) * STAT_RECORD_BYTES);
  }

  /** Where `name` is, or, as -(index + 1), where it would be. */
  find(name: ByteString): number {
    let low = 0;
    let high = this.names.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.names[middle] as ByteString) < name) low = middle + 1;
      else high = middle;
    }
    return this.names[low] === name ? low : -(low + 1);
  }

  insert(index: number, name: ByteString, node: NodeId, record: Buffer): void {
    const used = this.names.length * STAT_RECORD_BYTES;
    if (used + STAT_RECORD_BYTES > this.records.length) {
      const grown = Buffer.alloc(Math.min(Math.max(used * 2, 4 * STAT_RECORD_BYTES), (SEGMENT_ENTRIES_MAX + 1) * STAT_RECORD_BYTES));
      this.records.copy(grown, 0, 0, used);
      this.records = grown;
    }
    this.records.copyWithin((index + 1) * STAT_RECORD_BYTES, index * STAT_RECORD_BYTES, used);
    record.copy(this.records, index * STAT_RECORD_BYTES, 0, STAT_RECORD_BYTES);
    this.names.splice(index, 0, name);
    this.nodes.splice(index, 0, node);
  }

  replace(index: number, node: NodeId, record: Buffer): void {
    this.nodes[index] = node;
    record.copy(this.records, index * STAT_RECORD_BYTES, 0, STAT_RECORD_BYTES);
  }

  remove(index: number): void {
    this.records.copyWithin(index * STAT_RECORD_BYTES, (index + 1) * STAT_RECORD_BYTES, this.names.length * STAT_RECORD_BYTES);
    this.names.splice(index, 1);
    this.nodes.splice(index, 1);
  }

  /** Moves everything from `index` on into a new segment. */
  split(index: number): Segment {
    const upper = new Segment();
    upper.records = Buffer.from(this.records.subarray(index * STAT_RECORD_BYTES, this.names.length * STAT_RECORD_BYTES));
    upper.names.push(...this.names.splice(index));
    upper.nodes.push(...this.nodes.splice(index));
    return upper;
  }

  encode(): Uint8Array {
    const count = this.names.length;
    const namesBytes = this.names.reduce((sum, name) => sum + name.length, 0);
    const recordsAt = SEGMENT_HEADER_BYTES + count * NODE_BYTES;
    const bytes = Buffer.allocUnsafe(recordsAt + count * STAT_RECORD_BYTES + namesBytes);
    bytes[0] = SEGMENT_KIND;
    bytes[1] = 0;
    bytes.writeUInt16LE(count, 2);
    bytes.writeUInt32LE(namesBytes, 4);
    this.records.copy(bytes, recordsAt, 0, count * STAT_RECORD_BYTES);
    let nameAt = recordsAt + count * STAT_RECORD_BYTES;
    for (let i = 0; i < count; i++) {
      const name = this.names[i] as ByteString;
      writeNode(bytes, SEGMENT_HEADER_BYTES + i * NODE_BYTES, this.nodes[i] as NodeId);
      bytes.writeUInt16LE(name.length, recordsAt + i * STAT_RECORD_BYTES + NAME_LENGTH_AT);
      nameAt += bytes.latin1Write(name, nameAt);
    }
    assert(nameAt === bytes.length, "names fill the row");
    return bytes;
  }

  static decode(bytes: Buffer): Segment {
    const segment = new Segment();
    const count = bytes.readUInt16LE(2);
    const recordsAt = SEGMENT_HEADER_BYTES + count * NODE_BYTES;
    const namesAt = recordsAt + count * STAT_RECORD_BYTES;
    segment.records = Buffer.from(bytes.subarray(recordsAt, namesAt));
    let nameAt = namesAt;
    for (let i = 0; i < count; i++) {
      const end = nameAt + segment.records.readUInt16LE(i * STAT_RECORD_BYTES + NAME_LENGTH_AT);
      segment.names.push(bytes.latin1Slice(nameAt, end) as ByteString);
      segment.nodes.push(readNode(bytes, SEGMENT_HEADER_BYTES + i * NODE_BYTES));
      nameAt = end;
    }
    assert(bytes[0] === SEGMENT_KIND && nameAt === bytes.length, "a segment row is as its header says");
    return segment;
  }
}

/** How much of a normalised listing, from entry `from` and name byte `nameAt` on, a row equals: its entries, or -1 where it differs. */
export function matchRow(row: Buffer, listing: Buffer, from: number, nameAt: number): { readonly entries: number; readonly nameBytes: number } | undefined {
  const count = row.readUInt16LE(2);
  const nameBytes = row.readUInt32LE(4);
  const recordsAt = SEGMENT_HEADER_BYTES + count * NODE_BYTES;
  const namesAt = recordsAt + count * STAT_RECORD_BYTES;
  const listedAt = LISTING_HEADER_BYTES + from * STAT_RECORD_BYTES;
  const listedEnd = listedAt + count * STAT_RECORD_BYTES;
  if (listedEnd > listing.length || nameAt + nameBytes > listing.length) return undefined;
  if (listing.compare(row, recordsAt, namesAt, listedAt, listedEnd) !== 0) return undefined;
  if (listing.compare(row, namesAt, namesAt + nameBytes, nameAt, nameAt + nameBytes) !== 0) return undefined;
  return { entries: count, nameBytes };
}

/** The node id of a row's entry. */
export function rowNode(row: Buffer, index: number): NodeId {
  return readNode(row, SEGMENT_HEADER_BYTES + index * NODE_BYTES);
}

export function writeNode(bytes: Buffer, at: number, node: NodeId): void {
  bytes.writeUInt32LE(node % SPAN, at);
  bytes.writeUInt32LE(Math.floor(node / SPAN), at + 4);
}

export function readNode(bytes: Buffer, at: number): NodeId {
  return (bytes.readUInt32LE(at + 4) * SPAN + bytes.readUInt32LE(at)) as NodeId;
}
