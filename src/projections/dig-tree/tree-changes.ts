/**
 * What a new tree changes: either its tail is worked into the main part, with all segments there are, or it becomes one more
 * segment. Facts of the whole machine always go to the main part: they are few.
 */
import { bytesOf, ByteWriter } from "../../core/index.ts";
import type { ByteString, NodeId, Revision } from "../../core/index.ts";
import { writeRecord } from "../blob-record/index.ts";
import type { Base } from "./base.ts";
import { encodeChanges, filteredKeyCount, filterOf } from "./changes.ts";
import {
  changesKey,
  namePart,
  NUMBER_KEY_BYTES,
  PREFIX,
  putNameKey,
  putNumberKey,
  putRegionKey,
  REGION_KEY_BYTES,
  segmentEntryKey,
  segmentKey,
} from "./keys.ts";
import { regionOfSlot, slotOf } from "./layer.ts";
import type { Layer, Records } from "./layer.ts";
import { mergeNewest } from "./merge.ts";
import type { Entry } from "./merge.ts";
import { encodeSegment } from "./segments.ts";
import type { SegmentFacts } from "./segments.ts";
import { partsOf, writeNameValue, writeNodeValue, writeParts } from "./values.ts";
import type { StoredNode } from "./values.ts";

/** The prefixes that lie in segments too. */
export const SCATTERED = [PREFIX.name, PREFIX.node, PREFIX.nodePart, PREFIX.region, PREFIX.stagedRegion] as const;
const GONE = Buffer.from([0]);
const HERE = 1;

/** How entries lie in a tree: as they are in the main part, or in a segment, where a lead stands before each key and a byte before each value. */
interface Form {
  readonly lead: Buffer;
  readonly isSegment: boolean;
}
const MAIN: Form = { lead: Buffer.alloc(0), isSegment: false };

/** Which trees the changes lie between, and where the events begin: what older trees changed is of no use any more. */
export interface Span {
  readonly revision: Revision;
  readonly baseRevision: Revision;
  readonly basePayloadBytes: number;
  readonly first: Revision;
}

/** What a tree after `base` with these layers over it changes, as planned. Ascending by key, each key once. Layers oldest first. */
export function changesOf(
  plan: { readonly into: "main" | "segment"; readonly estimate: TailEstimate },
  base: Base | undefined,
  layers: readonly Layer[],
  span: Span,
): IterableIterator<Entry> {
  if (plan.into === "main") return changesIntoMain(base, layers, span);
  const { revision, baseRevision, basePayloadBytes } = span;
  return changesAsSegment(base, { revision, baseRevision, basePayloadBytes, mainPages: plan.estimate.mainPages }, layers, span);
}

function* changesIntoMain(base: Base | undefined, layers: readonly Layer[], span: Span): IterableIterator<Entry> {
  for (const prefix of SCATTERED) {
    const older = base === undefined ? [] : base.segmentEntries(prefix);
    const newer = layers.map((layer) => entriesOf(layer, prefix));
    if (older.length === 0) yield* mergeNewest(newer);
    else
      for (const { key, value } of mergeNewest([...older, ...newer]))
        yield { key: Buffer.from(key), value: value === undefined ? undefined : Buffer.from(value) }; // A segment's are valid until the next step.
  }
  yield* controlChanges(layers);
  if (base !== undefined && base.segments.length > 0) yield* without(base, Buffer.from([PREFIX.segment]), Buffer.from([PREFIX.segmentEntry + 1]));
  yield* changesEntries(base, layers, span);
}

function* changesAsSegment(base: Base | undefined, facts: SegmentFacts, layers: readonly Layer[], span: Span): IterableIterator<Entry> {
  const index = (base?.segments.at(-1)?.index ?? -1) + 1;
  yield* controlChanges(layers);
  yield { key: segmentKey(index), value: encodeSegment(facts) };
  const form: Form = { lead: segmentEntryKey(index, Buffer.alloc(0)), isSegment: true };
  for (const prefix of SCATTERED) yield* mergeNewest(layers.map((layer) => entriesOf(layer, prefix, form)));
  yield* changesEntries(base, layers, span);
}

/** What is known of changes before the events that are still there goes; the filter of these comes. */
function* changesEntries(base: Base | undefined, layers: readonly Layer[], { revision, baseRevision, first }: Span): IterableIterator<Entry> {
  if (base !== undefined) yield* without(base, changesKey(0 as Revision), changesKey(first));
  yield { key: changesKey(revision), value: encodeChanges({ baseRevision, bits: filterOf(layers) }) };
}

function* without(base: Base, from: Buffer, to: Buffer): IterableIterator<Entry> {
  for (const { key } of base.reader.range(from, to)) yield { key: Buffer.from(key), value: undefined };
}

function* controlChanges(layers: readonly Layer[]): IterableIterator<Entry> {
  yield* mergeNewest(layers.map(controlOf));
}

/** What a layer holds of one prefix, ascending. Nobody else writes to the entries' buffers. */
export function entriesOf(layer: Layer, prefix: (typeof SCATTERED)[number], form = MAIN): IterableIterator<Entry> {
  if (prefix === PREFIX.name) return namesOf(layer, form);
  if (prefix === PREFIX.node) return nodesOf(layer, form);
  if (prefix === PREFIX.nodePart) return nodePartsOf(layer, form);
  return regionsOf(layer, prefix, form);
}

const scratch = new ByteWriter(4096); // No entry is written while another one is.

/** Room for a key behind the lead. */
function keyOf({ lead }: Form, byteCount: number): Buffer {
  const key = Buffer.allocUnsafe(lead.length + byteCount);
  for (let i = 0; i < lead.length; i++) key[i] = lead[i]!;
  return key;
}

function startValue({ isSegment }: Form): ByteWriter {
  scratch.reset();
  if (isSegment) scratch.u8(HERE);
  return scratch;
}

const gone = ({ isSegment }: Form): Buffer | undefined => (isSegment ? GONE : undefined);

function* namesOf(layer: Layer, form: Form): IterableIterator<Entry> {
  for (const parent of [...layer.names.keys()].sort((a, b) => a - b)) {
    const names = [...layer.names.get(parent)!].map(([name, value]) => ({ part: namePart(name), name, value }));
    names.sort((a, b) => (a.part < b.part ? -1 : a.part > b.part ? 1 : 0));
    for (const { part, name, value } of names) {
      const key = keyOf(form, NUMBER_KEY_BYTES + part.length);
      putNameKey(key, form.lead.length, parent, part);
      if (value !== null) writeNameValue(startValue(form), name, value);
      yield { key, value: value === null ? gone(form) : scratch.copy() };
    }
  }
}

function* nodesOf(layer: Layer, form: Form): IterableIterator<Entry> {
  for (const node of Float64Array.from(layer.nodes.keys()).sort() as Iterable<number> as Iterable<NodeId>) {
    const record = layer.nodes.get(node);
    const key = keyOf(form, NUMBER_KEY_BYTES);
    putNumberKey(key, form.lead.length, PREFIX.node, node);
    yield { key, value: record === null || record === undefined ? gone(form) : wholeOrParts(record, form) };
  }
}

function wholeOrParts(record: StoredNode, form: Form): Buffer {
  const writer = startValue(form);
  const parts = partsOf(record);
  if (parts.length === 0) writeNodeValue(writer, record);
  else writeParts(writer, parts.length);
  return writer.copy();
}

/** Parts that a node had before and does not need now stay: such nodes are one in a million. */
function* nodePartsOf(layer: Layer, form: Form): IterableIterator<Entry> {
  const long = [...layer.nodes.values()].filter((record) => record !== null && partsOf(record).length > 0) as StoredNode[];
  for (const record of long.sort((a, b) => a.node - b.node)) {
    for (const [part, bytes] of partsOf(record).entries()) {
      const key = keyOf(form, REGION_KEY_BYTES);
      putRegionKey(key, form.lead.length, PREFIX.nodePart, record.node, part);
      startValue(form).bytes(bytes);
      yield { key, value: scratch.copy() };
    }
  }
}

function* regionsOf(layer: Layer, prefix: number, form: Form): IterableIterator<Entry> {
  const isStaged = prefix === PREFIX.stagedRegion;
  for (const node of Float64Array.from(layer.regions.keys()).sort() as Iterable<number> as Iterable<NodeId>) {
    const records = layer.regions.get(node)!;
    for (const slot of slotsOf(records, isStaged)) {
      const record = records.get(slot);
      const key = keyOf(form, REGION_KEY_BYTES);
      putRegionKey(key, form.lead.length, prefix, node, regionOfSlot(slot));
      if (record !== null && record !== undefined) writeRecord(startValue(form), record);
      yield { key, value: record === null || record === undefined ? gone(form) : scratch.copy() };
    }
  }
}

/** Ascending. Most files have one. */
function slotsOf(records: Records, isStaged: boolean): number[] {
  const slots: number[] = [];
  for (const [slot] of records) if (slotOf(regionOfSlot(slot), isStaged) === slot) slots.push(slot);
  return slots.length > 1 ? slots.sort((a, b) => a - b) : slots;
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
      for (const [, record] of records) segmentBytes += REGION_BYTES + (record?.length ?? 0) * EXTENT_NUMBER_BYTES;
    }
  }
  return { keyCount: filteredKeyCount(layers), mainPages: Math.ceil(mainPages + nodePages.size + regionPages.size), segmentBytes: Math.ceil(segmentBytes) };
}
