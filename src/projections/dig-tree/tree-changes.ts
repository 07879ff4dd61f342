/**
 * What a new tree changes: either its tail is worked into the main part, with all segments there are, or it becomes one more
 * segment. Facts of the whole machine always go to the main part: they are few.
 */
import type { ByteString } from "../../core/index.ts";
import { bytesOf } from "../../core/index.ts";
import type { Base } from "./base.ts";
import { hashOfKey, KeyFilter } from "./key-filter.ts";
import { groupOfKey, nameKey, namePart, nodePartKey, numberKey, PREFIX, regionKey, segmentEntryKey, segmentKey } from "./keys.ts";
import { regionOfSlot, slotOf } from "./layer.ts";
import type { Layer } from "./layer.ts";
import { mergeNewest } from "./merge.ts";
import type { Entry } from "./merge.ts";
import { encodeSegment } from "./segments.ts";
import type { SegmentFacts } from "./segments.ts";
import { encodeNameValue, encodeNode, encodeParts, encodeRegion, roughLength } from "./values.ts";
import type { StoredNode } from "./values.ts";

/** The prefixes that lie in segments too. */
export const SCATTERED = [PREFIX.name, PREFIX.node, PREFIX.nodePart, PREFIX.region, PREFIX.stagedRegion] as const;
const NODE_BYTES_MAX = 512 << 10; // A value may have 1 MiB. Thousands of hard links or large xattrs make more.
const GONE = Buffer.from([0]);
const HERE = Buffer.from([1]);

/** Ascending by key, each key once. Layers oldest first. */
export function* changesIntoMain(base: Base | undefined, layers: readonly Layer[]): IterableIterator<Entry> {
  for (const prefix of SCATTERED) {
    const older = base === undefined ? [] : base.segmentEntries(prefix);
    for (const { key, value } of mergeNewest([...older, ...layers.map((layer) => entriesOf(layer, prefix))]))
      yield { key: Buffer.from(key), value: value === undefined ? undefined : Buffer.from(value) };
  }
  yield* controlChanges(layers);
  if (base === undefined || base.segments.length === 0) return;
  for (const { key } of base.reader.range(Buffer.from([PREFIX.segment]), Buffer.from([PREFIX.segmentFilter + 1])))
    yield { key: Buffer.from(key), value: undefined };
}

export function* changesAsSegment(index: number, facts: SegmentFacts, layers: readonly Layer[]): IterableIterator<Entry> {
  yield* controlChanges(layers);
  yield { key: segmentKey(PREFIX.segment, index), value: encodeSegment(facts) };
  const filter = KeyFilter.for(filteredCount(layers));
  let group = Buffer.alloc(0);
  for (const prefix of SCATTERED) {
    for (const { key, value } of mergeNewest(layers.map((layer) => entriesOf(layer, prefix)))) {
      filter.add(hashOfKey(key));
      if (!group.equals(groupOfKey(key))) {
        group = Buffer.from(groupOfKey(key));
        filter.add(hashOfKey(group));
      }
      yield { key: segmentEntryKey(index, key), value: value === undefined ? GONE : Buffer.concat([HERE, value]) };
    }
  }
  yield { key: segmentKey(PREFIX.segmentFilter, index), value: Buffer.from(filter.bits.buffer) };
}

function* controlChanges(layers: readonly Layer[]): IterableIterator<Entry> {
  yield* mergeNewest(layers.map(controlOf));
}

/** At most so many keys go into the filter of a segment: those of the entries, and one for each directory and file. */
function filteredCount(layers: readonly Layer[]): number {
  return layers.reduce((sum, layer) => sum + layer.keyCount + layer.names.size + layer.nodes.size + layer.regions.size * 2, 0);
}

export function entriesOf(layer: Layer, prefix: (typeof SCATTERED)[number]): IterableIterator<Entry> {
  if (prefix === PREFIX.name) return namesOf(layer);
  if (prefix === PREFIX.node) return nodesOf(layer);
  if (prefix === PREFIX.nodePart) return nodePartsOf(layer);
  return regionsOf(layer, prefix);
}

function* namesOf(layer: Layer): IterableIterator<Entry> {
  for (const parent of [...layer.names.keys()].sort((a, b) => a - b)) {
    const names = [...layer.names.get(parent)!].map(([name, value]) => ({ part: namePart(name), name, value }));
    names.sort((a, b) => (a.part < b.part ? -1 : a.part > b.part ? 1 : 0));
    for (const { name, value } of names) yield { key: nameKey(parent, name), value: value === null ? undefined : encodeNameValue(name, value) };
  }
}

function* nodesOf(layer: Layer): IterableIterator<Entry> {
  for (const node of [...layer.nodes.keys()].sort((a, b) => a - b)) {
    const record = layer.nodes.get(node);
    yield { key: numberKey(PREFIX.node, node), value: record === null || record === undefined ? undefined : wholeOrParts(record) };
  }
}

function wholeOrParts(record: StoredNode): Buffer {
  const encoded = encodeNode(record);
  return encoded.length <= NODE_BYTES_MAX ? encoded : encodeParts(Math.ceil(encoded.length / NODE_BYTES_MAX));
}

/** Parts that a node had before and does not need now stay: such nodes are one in a million. */
function* nodePartsOf(layer: Layer): IterableIterator<Entry> {
  const long = [...layer.nodes.values()].filter((record) => record !== null && roughLength(record) > NODE_BYTES_MAX) as StoredNode[];
  for (const record of long.sort((a, b) => a.node - b.node)) {
    const encoded = encodeNode(record);
    if (encoded.length <= NODE_BYTES_MAX) continue;
    for (let part = 0; part * NODE_BYTES_MAX < encoded.length; part++)
      yield { key: nodePartKey(record.node, part), value: encoded.subarray(part * NODE_BYTES_MAX, (part + 1) * NODE_BYTES_MAX) };
  }
}

function* regionsOf(layer: Layer, prefix: number): IterableIterator<Entry> {
  const isStaged = prefix === PREFIX.stagedRegion;
  for (const node of [...layer.regions.keys()].sort((a, b) => a - b)) {
    const records = layer.regions.get(node)!;
    const slots = [...records.keys()].filter((slot) => slotOf(regionOfSlot(slot), isStaged) === slot).sort((a, b) => a - b);
    for (const slot of slots) {
      const record = records.get(slot);
      yield { key: regionKey(prefix, node, regionOfSlot(slot)), value: record === null || record === undefined ? undefined : encodeRegion(record) };
    }
  }
}

function controlOf(layer: Layer): IterableIterator<Entry> {
  return controlEntriesOf(layer, undefined);
}

/** Facts of one prefix, or all. */
export function* controlEntriesOf(layer: Layer, prefix: number | undefined): IterableIterator<Entry> {
  for (const text of [...layer.control.keys()].sort() as ByteString[]) {
    const key = bytesOf(text);
    if (prefix === undefined || key[0] === prefix) yield { key, value: layer.control.get(text) ?? undefined };
  }
}

export interface TailEstimate {
  /** Keys of a segment's filter. */
  readonly keyCount: number;
  /** Pages of the main part that it would write. */
  readonly mainPages: number;
  /** Bytes of a segment with it. */
  readonly segmentBytes: number;
}

const NODES_PER_PAGE = 16; // Nodes made one after the other lie side by side, some 60 bytes each; half of them, as they are not all there.
const NAMES_PER_PAGE = 8; // Names of one directory that change in one tail are seldom neighbours.
const NAME_BYTES = 32;
const NODE_BYTES = 80;
const REGION_BYTES = 28;
const EXTENT_NUMBER_BYTES = 1.5;

/** What a tree of these layers would cost, roughly. */
export function estimate(layers: readonly Layer[]): TailEstimate {
  let [mainPages, segmentBytes] = [0, 0];
  const nodePages = new Set<number>();
  const regionPages = new Set<number>();
  for (const layer of layers) {
    for (const [, names] of layer.names) {
      mainPages += Math.min(names.size, 1 + names.size / NAMES_PER_PAGE);
      segmentBytes += names.size * NAME_BYTES;
    }
    for (const node of layer.nodes.keys()) nodePages.add(Math.floor(node / NODES_PER_PAGE));
    segmentBytes += layer.nodes.size * NODE_BYTES;
    for (const [node, records] of layer.regions) {
      regionPages.add(Math.floor(node / NODES_PER_PAGE));
      mainPages += records.size / NODES_PER_PAGE;
      for (const record of records.values()) segmentBytes += REGION_BYTES + (record?.length ?? 0) * EXTENT_NUMBER_BYTES;
    }
  }
  return { keyCount: filteredCount(layers), mainPages: Math.ceil(mainPages + nodePages.size + regionPages.size), segmentBytes: Math.ceil(segmentBytes) };
}
