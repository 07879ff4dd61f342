/**
 * Which keys each tree changed: FORMAT.md "Changes of a tree". A segment's lookups rest on it, and whoever looks for what became of a
 * file passes over the events between two trees at the cost of a few bits.
 */
import { ByteWriter } from "../../core/index.ts";
import type { ByteString, NodeId, Revision } from "../../core/index.ts";
import type { TreeReader } from "../../dig/index.ts";
import { FilterPack, hashOfKey, KeyFilter } from "./key-filter.ts";
import type { KeyHash } from "./key-filter.ts";
import { changesKey, GROUP_BYTES, nameKey, nodePartKey, NUMBER_KEY_BYTES, numberKey, PREFIX, REGION_KEY_BYTES, regionKey } from "./keys.ts";
import { regionOfSlot, slotOf } from "./layer.ts";
import type { Layer } from "./layer.ts";
import { partsOf, readerOf } from "./values.ts";

export interface Changes {
  /** Of the tree before. */
  readonly baseRevision: Revision;
  /** Of the filter. */
  readonly bits: Uint8Array;
}

/** A name or a node that something is looked for of. */
export interface Sought {
  readonly node: NodeId | undefined;
  readonly parent: NodeId;
  readonly name: ByteString;
}

export function encodeChanges({ baseRevision, bits }: Changes): Buffer {
  const writer = new ByteWriter(bits.length + 10);
  writer.signed(baseRevision);
  writer.bytes(bits);
  return writer.view();
}

/** undefined where the tree at that revision left none, or they went with the events before the window. */
export function readChanges(reader: TreeReader, revision: Revision): Changes | undefined {
  const value = reader.get(changesKey(revision));
  if (value === undefined) return undefined;
  const bytes = readerOf(value);
  const baseRevision = bytes.signed() as Revision;
  if (bytes.remaining === 0 || baseRevision >= revision) bytes.reject("changes of a tree out of range");
  return { baseRevision, bits: bytes.bytes(bytes.remaining) };
}

/** So many keys go into the filter: those of the entries, and one for each directory and file. Few files have settled and staged regions. */
export function filteredKeyCount(layers: readonly Layer[]): number {
  return layers.reduce((sum, layer) => sum + layer.keyCount + layer.names.size + layer.regions.size, 0);
}

/** The filter of all keys that may lie in segments, and of the groups that they belong to. */
export function filterOf(layers: readonly Layer[]): Uint8Array {
  const filter = new KeyFilter(filteredKeyCount(layers));
  for (const layer of layers) addLayer(filter, layer);
  return filter.bits;
}

function addLayer(filter: KeyFilter, layer: Layer): void {
  const [short, long] = [Buffer.alloc(NUMBER_KEY_BYTES), Buffer.alloc(REGION_KEY_BYTES)];
  for (const [parent, names] of layer.names) {
    filter.add(hashOfKey(numberKey(PREFIX.name, parent, short)));
    for (const name of names.keys()) filter.add(hashOfKey(nameKey(parent, name)));
  }
  for (const [node, record] of layer.nodes) {
    filter.add(hashOfKey(numberKey(PREFIX.node, node, short)));
    const partCount = record === null ? 0 : partsOf(record).length;
    for (let part = 0; part < partCount; part++) filter.add(hashOfKey(nodePartKey(node, part)));
  }
  for (const [node, records] of layer.regions) {
    for (const [slot] of records) {
      const region = regionOfSlot(slot);
      const key = regionKey(slotOf(region, true) === slot ? PREFIX.stagedRegion : PREFIX.region, node, region, long);
      filter.add(hashOfKey(key));
      filter.add(hashOfKey(key, 0, GROUP_BYTES));
    }
  }
}

/** What `mayHaveChanged` asks for: the node, its content and its entries, and the name. */
export function hashesOf({ node, parent, name }: Sought): KeyHash[] {
  const prefixes = [PREFIX.node, PREFIX.region, PREFIX.stagedRegion, PREFIX.name];
  const ofNode = node === undefined ? [] : prefixes.map((prefix) => hashOfKey(numberKey(prefix, node)));
  return [...ofNode, hashOfKey(nameKey(parent, name))];
}

/** Whether one of these may have changed after the tree at `after` and up to that at `to`; true where nobody knows. */
export function mayHaveChanged(reader: TreeReader, after: Revision, to: Revision, hashes: readonly KeyHash[]): boolean {
  for (let at = to; at > after;) {
    const changes = readChanges(reader, at);
    if (changes === undefined) return true;
    const filter = new FilterPack(changes.bits);
    if (hashes.some((hash) => filter.lastHaving(hash, 1) === 0)) return true;
    at = changes.baseRevision;
  }
  return false;
}
