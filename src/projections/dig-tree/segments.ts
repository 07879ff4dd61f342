/**
 * Segments: FORMAT.md "Segments". A tree whose changes are scattered would write a page of its main part for nearly every one of
 * them. It keeps them side by side in a segment instead, with a filter of its keys, so that a lookup passes
 * over it at the cost of a few bits; many segments are worked into the main part at once.
 */
import { ByteWriter } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";
import type { TreeReader } from "../../dig/index.ts";
import { KeyFilter } from "./key-filter.ts";
import type { KeyHash } from "./key-filter.ts";
import { afterPrefix, PREFIX, segmentKey } from "./keys.ts";
import { readerOf, treeCorrupt } from "./values.ts";

export const SEGMENT_KEYS_MAX = 500_000; // Keeps the filter below 1 MiB.
const SEGMENT_VERSION = 1;
const CACHED_BYTES_MAX = 16 << 20; // All segments of a long tail, or the recent ones of several.

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

export class Segment {
  readonly index: number;
  readonly facts: SegmentFacts;
  private readonly filter: KeyFilter;

  constructor(index: number, facts: SegmentFacts, filter: KeyFilter) {
    this.index = index;
    this.facts = facts;
    this.filter = filter;
  }

  /** Whether it may hold this key, or any key that begins with it: the directory's of a name, the file's of a region. */
  mayHave(key: KeyHash): boolean {
    return this.filter.mayHave(key);
  }

  get memoryBytes(): number {
    return this.filter.bits.byteLength;
  }
}

/** Decoded segments by their revision; the oldest go first. */
export class SegmentCache {
  private readonly segments = new Map<Revision, Segment>();
  private memoryBytes = 0;

  get(revision: Revision, index: number): Segment | undefined {
    const found = this.segments.get(revision);
    if (found === undefined || found.index !== index) return undefined;
    this.segments.delete(revision);
    this.segments.set(revision, found);
    return found;
  }

  add(segment: Segment): void {
    this.segments.set(segment.facts.revision, segment);
    this.memoryBytes += segment.memoryBytes;
    for (const [revision, oldest] of this.segments) {
      if (this.memoryBytes <= CACHED_BYTES_MAX || oldest === segment) break;
      this.segments.delete(revision);
      this.memoryBytes -= oldest.memoryBytes;
    }
  }

  /** Needed where trees were discarded: another tree may get the same revision. */
  clear(): void {
    this.segments.clear();
    this.memoryBytes = 0;
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

/** Oldest first. */
export function readSegments(reader: TreeReader, cache: SegmentCache): Segment[] {
  const segments: Segment[] = [];
  const prefix = Buffer.from([PREFIX.segment]);
  for (const { key, value } of reader.range(prefix, afterPrefix(prefix))) {
    const index = key[1]! * 256 + key[2]!;
    const facts = decodeSegment(value);
    const known = cache.get(facts.revision, index);
    const segment = known ?? new Segment(index, facts, readFilter(reader, index));
    if (known === undefined) cache.add(segment);
    segments.push(segment);
  }
  return segments;
}

function readFilter(reader: TreeReader, index: number): KeyFilter {
  const value = reader.get(segmentKey(PREFIX.segmentFilter, index));
  if (value === undefined || value.length === 0) throw treeCorrupt("a segment without its filter");
  return new KeyFilter(Uint8Array.from(value));
}
