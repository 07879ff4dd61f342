/**
 * A registered tree as the state below the layers in memory. Names, nodes and regions lie in the tree's main part and in segments:
 * what changed in a tail of events, not yet worked into the main part. A newer segment hides older ones and the main part.
 */
import type { ByteString, NodeId, Revision } from "../../core/index.ts";
import type { ReaderHold, TreeInfo, TreeReader } from "../../dig/index.ts";
import type { RegionRecord } from "../blob-record/index.ts";
import { hashOfKey } from "./key-filter.ts";
import type { FilterPack } from "./key-filter.ts";
import {
  afterPrefix,
  groupOfKey,
  nameKey,
  namePartOfKey,
  nodePartKey,
  NUMBER_KEY_BYTES,
  numberKey,
  PREFIX,
  REGION_KEY_BYTES,
  regionKey,
  regionOfKey,
  SEGMENT_PREFIX_BYTES,
  segmentEntryKey,
} from "./keys.ts";
import { mergeNewest } from "./merge.ts";
import type { Entry } from "./merge.ts";
import { readSegments } from "./segments.ts";
import type { Segment, SegmentCache } from "./segments.ts";
import { decodeNameValue, decodeNode, decodeRegion, partCountOf, treeCorrupt } from "./values.ts";
import type { NameValue, StoredNode } from "./values.ts";

const NODES_CACHED = 4096; // Mostly directories, asked for again with each name below them.

// Keys that are looked up and forgotten.
const NODE_KEY: Buffer = Buffer.alloc(NUMBER_KEY_BYTES);
const REGION_KEY: Buffer = Buffer.alloc(REGION_KEY_BYTES);

export interface NamedValue {
  readonly name: ByteString;
  readonly value: NameValue;
}
/** null: the name went. */
export type NameChange = NamedValue | null;

export class Base {
  readonly info: TreeInfo;
  readonly segments: readonly Segment[];
  readonly reader: TreeReader;
  /** Nothing is here of nodes above it: new ones are not looked for. Known of a tree that was built a moment ago. */
  highestNode = Number.POSITIVE_INFINITY;
  private readonly filters: FilterPack;
  /** null: there is none. */
  private readonly nodes = new Map<NodeId, StoredNode | null>();

  /** Takes the reader over; close() ends its lease. */
  constructor(reader: TreeReader, cache: SegmentCache) {
    this.reader = reader;
    this.info = reader.info;
    ({ list: this.segments, filters: this.filters } = readSegments(reader, cache));
  }

  get revision(): Revision {
    return this.info.revision;
  }

  name(parent: NodeId, name: ByteString): NameValue | undefined {
    if (parent > this.highestNode) return undefined;
    const key = nameKey(parent, name);
    const bytes = this.get(key);
    if (bytes === undefined) return undefined;
    const found = decodeNameValue(namePartOfKey(key), bytes);
    return found.name === name || name.length <= 255 ? found.value : undefined;
  }

  /** Puts what the segments say of the names below `parent` into `into`, by the part of the name that is in the key. */
  nameChanges(parent: NodeId, into: Map<ByteString, NameChange>): void {
    const prefix = numberKey(PREFIX.name, parent);
    for (const { key, value } of this.changes(prefix, afterPrefix(prefix))) {
      const part = namePartOfKey(key);
      into.set(part, value === undefined ? null : decodeNameValue(part, value));
    }
  }

  /** The names below `parent` in the main part, in key order. */
  *mainNames(parent: NodeId): IterableIterator<NamedValue & { readonly part: ByteString }> {
    const prefix = numberKey(PREFIX.name, parent);
    for (const { key, value } of this.reader.range(prefix, afterPrefix(prefix))) {
      const part = namePartOfKey(key);
      yield { part, ...decodeNameValue(part, value) };
    }
  }

  node(node: NodeId): StoredNode | undefined {
    if (node > this.highestNode) return undefined;
    const known = this.nodes.get(node);
    if (known !== undefined) return known ?? undefined;
    const bytes = this.get(numberKey(PREFIX.node, node, NODE_KEY));
    const record = bytes === undefined ? undefined : decodeNode(node, this.whole(node, bytes));
    if (this.nodes.size >= NODES_CACHED) this.nodes.clear();
    this.nodes.set(node, record ?? null);
    return record;
  }

  region(node: NodeId, region: number, isStaged: boolean): RegionRecord | undefined {
    if (node > this.highestNode) return undefined;
    const bytes = this.get(regionKey(isStaged ? PREFIX.stagedRegion : PREFIX.region, node, region, REGION_KEY));
    return bytes === undefined ? undefined : decodeRegion(bytes);
  }

  /** Puts the records of the regions [from, to) into `into`. */
  regions(node: NodeId, from: number, to: number, isStaged: boolean, into: Map<number, RegionRecord | null>): void {
    const prefix = isStaged ? PREFIX.stagedRegion : PREFIX.region;
    const [first, end] = [regionKey(prefix, node, from), regionKey(prefix, node, to)];
    for (const { key, value } of this.reader.range(first, end)) into.set(regionOfKey(key), decodeRegion(value));
    for (const { key, value } of this.changes(first, end)) into.set(regionOfKey(key), value === undefined ? null : decodeRegion(value));
  }

  control(key: Buffer): Buffer | undefined {
    return this.reader.get(key);
  }

  controlRange(from: Buffer, to: Buffer): IterableIterator<{ readonly key: Buffer; readonly value: Buffer }> {
    return this.reader.range(from, to);
  }

  /** Every key with this first byte, newest value each, in key order. Buffers are valid until the next step. */
  everything(prefix: number): Iterable<Entry> {
    const [from, to] = [Buffer.from([prefix]), Buffer.from([prefix + 1])];
    return mergeNewest([this.reader.range(from, to), ...this.segmentEntries(prefix)]);
  }

  /** What each segment holds of the keys with this first byte, oldest segment first. */
  segmentEntries(prefix: number): IterableIterator<Entry>[] {
    return this.segments.map((segment) => this.segmentRange(segment, Buffer.from([prefix]), Buffer.from([prefix + 1])));
  }

  close(): void {
    this.reader.close();
  }

  /** The node's bytes, put together where they are in parts. */
  private whole(node: NodeId, bytes: Buffer): Buffer {
    const partCount = partCountOf(bytes);
    if (partCount === 0) return bytes;
    const parts = Array.from({ length: partCount }, (_, part) => this.get(nodePartKey(node, part)));
    if (parts.includes(undefined)) throw treeCorrupt("a part of a node is missing");
    return Buffer.concat(parts as Buffer[]);
  }

  private get(key: Buffer): Buffer | undefined {
    if (this.segments.length === 0) return this.reader.get(key);
    const hash = hashOfKey(key);
    for (let i = this.filters.lastHaving(hash, this.segments.length); i >= 0; i = this.filters.lastHaving(hash, i)) {
      const value = this.reader.get(segmentEntryKey(this.segments[i]!.index, key));
      if (value !== undefined) return value[0] === 0 ? undefined : value.subarray(1);
    }
    return this.reader.get(key);
  }

  /** What the segments hold of the keys [from, to) of one directory or file, oldest segment first. */
  private *changes(from: Buffer, to: Buffer): IterableIterator<Entry> {
    const group = hashOfKey(groupOfKey(from));
    const having: Segment[] = [];
    for (let i = this.filters.lastHaving(group, this.segments.length); i >= 0; i = this.filters.lastHaving(group, i)) having.push(this.segments[i]!);
    for (const segment of having.reverse()) yield* this.segmentRange(segment, from, to);
  }

  private *segmentRange(segment: Segment, from: Buffer, to: Buffer): IterableIterator<Entry> {
    for (const { key, value } of this.reader.range(segmentEntryKey(segment.index, from), segmentEntryKey(segment.index, to)))
      yield { key: key.subarray(SEGMENT_PREFIX_BYTES), value: value[0] === 0 ? undefined : value.subarray(1) };
  }
}

/** What a reader of an instant holds: its chunks, and the pages of the tree below it. */
export class BaseLease {
  readonly hold: ReaderHold;
  readonly base: Base | undefined;

  constructor(hold: ReaderHold, base: Base | undefined) {
    this.hold = hold;
    this.base = base;
  }

  /** For who holds a tree alone: closing it releases the hold; without a tree there is nothing to hold. */
  keepBase(): Base | undefined {
    if (this.base === undefined) this.hold.release();
    return this.base;
  }

  release(): void {
    this.base?.close();
    this.hold.release();
  }
}
