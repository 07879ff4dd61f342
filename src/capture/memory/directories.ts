/**
 * What the memory has of each directory: its entries in name order, one segment for most, several behind a head row for large ones.
 * Head row, little-endian: 0 u8 kind (2) · 1 u8 0 · 2 u16 0 · 4 u32 segment count · then per segment u32 id, u16 length, first name.
 */
import { assert, listingCount, LISTING_HEADER_BYTES, STAT_RECORD_BYTES } from "../../core/index.ts";
import type { ByteString, NodeId } from "../../core/index.ts";
import type { Memory, Row } from "./memory.ts";
import type { RowKey } from "./row-store.ts";
import { matchRow, rowNode, Segment, SEGMENT_ENTRIES_MAX, SEGMENT_KIND } from "./segment.ts";

const HEAD_KIND = 2;
const DIRECTORY_KIND_CODE = 2;
const KIND_AT = 62;
const NAME_LENGTH_AT = 88;

export interface Entry {
  readonly node: NodeId;
  /** A view, valid until the directory changes. */
  readonly record: Buffer;
}
export interface Child {
  readonly name: ByteString;
  readonly node: NodeId;
}

class Head implements Row {
  readonly ids: number[] = [];
  readonly firsts: ByteString[] = [];

  encode(): Uint8Array {
    const bytes = Buffer.alloc(this.firsts.reduce((sum, first) => sum + 6 + first.length, 8));
    bytes[0] = HEAD_KIND;
    bytes.writeUInt32LE(this.ids.length, 4);
    let at = 8;
    this.ids.forEach((id, i) => {
      const first = this.firsts[i] as ByteString;
      at = bytes.writeUInt32LE(id, at);
      at = bytes.writeUInt16LE(first.length, at);
      at += bytes.latin1Write(first, at);
    });
    return bytes;
  }

  static decode(bytes: Buffer): Head {
    const head = new Head();
    let at = 8;
    for (let left = bytes.readUInt32LE(4); left > 0; left--) {
      const length = bytes.readUInt16LE(at + 4);
      head.ids.push(bytes.readUInt32LE(at));
      head.firsts.push(bytes.latin1Slice(at + 6, at + 6 + length) as ByteString);
      at += 6 + length;
    }
    return head;
  }
}

/** Where an entry is or belongs. */
interface Place {
  readonly key: RowKey;
  readonly segment: Segment;
  readonly index: number;
  readonly head: Head | undefined;
  /** Position of the segment in the head. */
  readonly at: number;
}

export class Directories {
  private readonly memory: Memory;
  /** The segment read last: neighbours in name order are looked up one after the other. */
  private recent: { readonly key: RowKey; readonly segment: Segment } | undefined;

  constructor(memory: Memory) {
    this.memory = memory;
  }

  has(directory: NodeId): boolean {
    return this.first(directory) !== undefined;
  }

  create(directory: NodeId): void {
    this.memory.set(segmentKey(directory, 0), new Segment());
  }

  entry(directory: NodeId, name: ByteString): Entry | undefined {
    const place = this.place(directory, name);
    if (place === undefined || place.index < 0) return undefined;
    return { node: place.segment.nodes[place.index] as NodeId, record: place.segment.record(place.index) };
  }

  put(directory: NodeId, name: ByteString, node: NodeId, record: Buffer): void {
    record.writeUInt16LE(name.length, NAME_LENGTH_AT);
    const place = this.place(directory, name);
    assert(place !== undefined, "entries are put into directories that the memory has");
    if (place.index >= 0) {
      place.segment.replace(place.index, node, record);
      this.memory.set(place.key, place.segment);
      return;
    }
    place.segment.insert(-place.index - 1, name, node, record);
    if (place.segment.count > SEGMENT_ENTRIES_MAX) this.split(directory, place);
    else this.memory.set(place.key, place.segment);
  }

  remove(directory: NodeId, name: ByteString): void {
    const place = this.place(directory, name);
    if (place === undefined || place.index < 0) return;
    place.segment.remove(place.index);
    if (place.segment.count > 0 || place.head === undefined || place.head.ids.length === 1) return this.memory.set(place.key, place.segment);
    place.head.ids.splice(place.at, 1);
    place.head.firsts.splice(place.at, 1);
    if (place.at === 0) place.head.firsts[0] = "" as ByteString;
    this.memory.set(place.key, undefined);
    this.recent = undefined;
    this.memory.set(segmentKey(directory, 0), place.head);
  }

  /** Forgets the directory and its entries. */
  drop(directory: NodeId): void {
    const first = this.first(directory);
    if (first instanceof Head) for (const id of first.ids) this.memory.set(segmentKey(directory, id), undefined);
    this.recent = undefined;
    if (first !== undefined) this.memory.set(segmentKey(directory, 0), undefined);
  }

  /** The entries in name order, segment by segment; each segment as it is when its turn comes. */
  *segments(directory: NodeId): Generator<Segment> {
    const first = this.first(directory);
    if (first instanceof Segment) yield first;
    if (!(first instanceof Head)) return;
    for (const id of first.ids.slice()) {
      const segment = this.segment(segmentKey(directory, id));
      if (segment !== undefined) yield segment;
    }
  }

  count(directory: NodeId): number {
    let count = 0;
    for (const segment of this.segments(directory)) count += segment.count;
    return count;
  }

  /**
   * Whether a normalised listing is byte for byte what the memory has; `onDirectory` is then told of every sub-directory. Rows are
   * compared as they are stored, without decoding them.
   */
  isUnchanged(directory: NodeId, listing: Buffer, onDirectory: (name: ByteString, node: NodeId) => void): boolean {
    const keys = this.storedKeys(directory);
    if (keys === undefined) return false;
    const count = listingCount(listing);
    const found: Child[] = [];
    let from = 0;
    let nameAt = LISTING_HEADER_BYTES + count * STAT_RECORD_BYTES;
    for (const key of keys) {
      if (this.memory.isLive(key)) return false;
      const row = this.memory.stored(key);
      if (row === undefined || row[0] !== SEGMENT_KIND) return false;
      const match = matchRow(row, listing, from, nameAt);
      if (match === undefined) return false;
      for (let i = 0, name = nameAt, at = LISTING_HEADER_BYTES + from * STAT_RECORD_BYTES; i < match.entries; i++, at += STAT_RECORD_BYTES) {
        const length = (listing[at + NAME_LENGTH_AT] as number) + (listing[at + NAME_LENGTH_AT + 1] as number) * 256;
        if (listing[at + KIND_AT] === DIRECTORY_KIND_CODE) {
          const node = rowNode(row, i);
          if (node !== 0) found.push({ name: listing.latin1Slice(name, name + length) as ByteString, node });
        }
        name += length;
      }
      from += match.entries;
      nameAt += match.nameBytes;
    }
    if (from !== count) return false;
    for (const { name, node } of found) onDirectory(name, node);
    return true;
  }

  /** The keys of the directory's segments, where none of it is newer than the store. */
  private storedKeys(directory: NodeId): RowKey[] | undefined {
    const key = segmentKey(directory, 0);
    if (this.memory.isLive(key)) return undefined;
    const bytes = this.memory.stored(key);
    if (bytes === undefined) return undefined;
    return bytes[0] === SEGMENT_KIND ? [key] : Head.decode(bytes).ids.map((id) => segmentKey(directory, id));
  }

  private first(directory: NodeId): Segment | Head | undefined {
    const key = segmentKey(directory, 0);
    if (this.recent?.key === key) return this.recent.segment;
    const row = this.memory.get<Segment | Head>(key, (bytes) => (bytes[0] === SEGMENT_KIND ? Segment.decode(bytes) : Head.decode(bytes)));
    if (row instanceof Segment) this.recent = { key, segment: row };
    return row;
  }

  private segment(key: RowKey): Segment | undefined {
    if (this.recent?.key === key) return this.recent.segment;
    const segment = this.memory.get(key, Segment.decode);
    if (segment !== undefined) this.recent = { key, segment };
    return segment;
  }

  private place(directory: NodeId, name: ByteString): Place | undefined {
    const first = this.first(directory);
    if (first === undefined) return undefined;
    if (first instanceof Segment) return { key: segmentKey(directory, 0), segment: first, index: first.find(name), head: undefined, at: 0 };
    let low = 0;
    let high = first.firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((first.firsts[middle] as ByteString) <= name) low = middle;
      else high = middle - 1;
    }
    const key = segmentKey(directory, first.ids[low] as number);
    const segment = this.segment(key);
    assert(segment !== undefined, "a head names segments that exist");
    return { key, segment, index: segment.find(name), head: first, at: low };
  }

  /** Splits a segment that is one entry too long: in the middle, or before its last entry where names come in order. */
  private split(directory: NodeId, place: Place): void {
    const head = place.head ?? new Head();
    let { key } = place;
    if (place.head === undefined) {
      head.ids.push(1);
      head.firsts.push("" as ByteString);
      key = segmentKey(directory, 1);
    }
    const isAppend = -place.index - 1 === place.segment.count - 1 && place.at === head.ids.length - 1;
    const upper = place.segment.split(isAppend ? place.segment.count - 1 : place.segment.count >>> 1);
    const id = head.ids.reduce((max, each) => Math.max(max, each), 0) + 1;
    head.ids.splice(place.at + 1, 0, id);
    head.firsts.splice(place.at + 1, 0, upper.names[0] as ByteString);
    this.recent = undefined;
    this.memory.set(key, place.segment);
    this.memory.set(segmentKey(directory, id), upper);
    this.memory.set(segmentKey(directory, 0), head);
  }
}

function segmentKey(directory: NodeId, id: number): RowKey {
  return `d${idText(directory)}${String.fromCharCode(id >>> 24, (id >>> 16) & 255, (id >>> 8) & 255, id & 255)}` as RowKey;
}

/** A node id in 7 bytes, big-endian. */
export function idText(node: NodeId): string {
  const high = Math.floor(node / 2 ** 32);
  return String.fromCharCode((high >>> 16) & 255, (high >>> 8) & 255, high & 255, (node >>> 24) & 255, (node >>> 16) & 255, (node >>> 8) & 255, node & 255);
}
