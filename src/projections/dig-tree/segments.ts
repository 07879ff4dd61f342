/**
 * Segments: FORMAT.md "Segments". A tree whose changes are scattered would write a page of its main part for nearly every one of
 * them. It keeps them side by side in a segment instead, with a filter of its keys, so that a lookup passes
 * over it at the cost of a few bits; many segments are worked into the main part at once.
 */
import { ByteWriter } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";
import type { TreeReader } from "../../dig/index.ts";
import { FilterPack } from "./key-filter.ts";
import { readChanges } from "./changes.ts";
import { afterPrefix, PREFIX } from "./keys.ts";
import { readerOf, treeCorrupt } from "./values.ts";

export const SEGMENT_KEYS_MAX = 500_000; // Keeps the filter below 1 MiB.
const SEGMENT_VERSION = 1;
const CACHED_BYTES_MAX = 16 << 20; // The packs of some million scattered events.

export interface SegmentFacts {
  /** Of the tree that wrote it. */
  readonly revision: Revision;
  /** Of the tree before. */
  readonly baseRevision: Revision;
  /** Payload of all the stream up to the tree before. */
  readonly basePayloadBytes: number;
  /** Pages of the main part that its changes would write. */
  readonly mainPages: number;
}

export interface Segment {
  readonly index: number;
  readonly facts: SegmentFacts;
}

/** A tree's segments, oldest first, and their filters: the first ones of a pack that later trees share. */
export interface Segments {
  readonly list: readonly Segment[];
  readonly filters: FilterPack;
}

interface CachedPack {
  /** Of the segment that each filter is of. */
  readonly revisions: Revision[];
  readonly filters: FilterPack;
}

/** Packs of filters, the ones asked for last in front: one holds all segments since the main part was written. */
export class SegmentCache {
  private packs: CachedPack[] = [];

  /** The pack that begins with the filters of these segments; `read` gives those that it does not have yet. */
  filtersOf(segments: readonly Segment[], read: (segment: Segment) => Uint8Array): FilterPack {
    const isOf = ({ revisions }: CachedPack): boolean =>
      segments.length > 0 && segments.slice(0, revisions.length).every(({ facts }, i) => facts.revision === revisions[i]);
    const pack = this.packs.find(isOf) ?? { revisions: [], filters: new FilterPack() };
    for (const segment of segments.slice(pack.revisions.length)) {
      pack.filters.push(read(segment));
      pack.revisions.push(segment.facts.revision);
    }
    if (segments.length > 0) this.putInFront(pack);
    return pack.filters;
  }

  private putInFront(pack: CachedPack): void {
    let byteCount = 0;
    this.packs = [pack, ...this.packs.filter((each) => each !== pack)].filter(({ filters }, i) => {
      byteCount += filters.memoryBytes;
      return i === 0 || byteCount <= CACHED_BYTES_MAX;
    });
  }
}

export function encodeSegment(facts: SegmentFacts): Buffer {
  const writer = new ByteWriter(40);
  writer.u8(SEGMENT_VERSION);
  writer.varint(facts.revision);
  writer.signed(facts.baseRevision);
  writer.varint(facts.basePayloadBytes);
  writer.varint(facts.mainPages);
  return writer.view();
}

export function decodeSegment(value: Buffer): SegmentFacts {
  const bytes = readerOf(value);
  if (bytes.u8() !== SEGMENT_VERSION) bytes.reject("a segment of an unknown version");
  const [revision, baseRevision] = [bytes.varint() as Revision, bytes.signed() as Revision];
  return { revision, baseRevision, basePayloadBytes: bytes.varint(), mainPages: bytes.varint() };
}

export function readSegments(reader: TreeReader, cache: SegmentCache): Segments {
  const list: Segment[] = [];
  const prefix = Buffer.from([PREFIX.segment]);
  for (const { key, value } of reader.range(prefix, afterPrefix(prefix))) list.push({ index: key[1]! * 256 + key[2]!, facts: decodeSegment(value) });
  return { list, filters: cache.filtersOf(list, (segment) => readFilter(reader, segment)) };
}

function readFilter(reader: TreeReader, { facts }: Segment): Uint8Array {
  const changes = readChanges(reader, facts.revision);
  if (changes === undefined) throw treeCorrupt("a segment without its filter");
  return changes.bits;
}
