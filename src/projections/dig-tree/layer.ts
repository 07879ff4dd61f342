/**
 * What changed since the layers below: values by key, `null` where the key went. A layer is written by one State and then frozen;
 * views share frozen layers.
 */
import type { ByteString, NodeId } from "../../core/index.ts";
import type { RegionRecord } from "../blob-record/index.ts";
import type { NameValue, StoredNode } from "./values.ts";

// Heap that entries take on Node 24, measured with 200,000 of each kind and rounded up.
const MAP_BYTES = 200;
const NAME_BYTES = 150;
const NODE_BYTES = 450;
const XATTR_BYTES = 200;
const MIRRORED_BYTES = 350;
const REGION_BYTES = 130;
const NUMBER_BYTES = 8;
const CONTROL_BYTES = 400;

/** Records of one node by slot. Most nodes have one, which needs no map. */
export class Records {
  private readonly slot: number;
  private record: RegionRecord | null;
  private others: Map<number, RegionRecord | null> | undefined;

  constructor(slot: number, record: RegionRecord | null) {
    this.slot = slot;
    this.record = record;
  }

  get size(): number {
    return 1 + (this.others?.size ?? 0);
  }

  get(slot: number): RegionRecord | null | undefined {
    return slot === this.slot ? this.record : this.others?.get(slot);
  }

  set(slot: number, record: RegionRecord | null): void {
    if (slot === this.slot) this.record = record;
    else (this.others ??= new Map()).set(slot, record);
  }

  *[Symbol.iterator](): IterableIterator<readonly [slot: number, record: RegionRecord | null]> {
    yield [this.slot, this.record];
    if (this.others !== undefined) yield* this.others;
  }
}

export class Layer {
  readonly names = new Map<NodeId, Map<ByteString, NameValue | null>>();
  readonly nodes = new Map<NodeId, StoredNode | null>();
  /** By node, then by slot (slotOf). */
  readonly regions = new Map<NodeId, Records>();
  /** By raw key. */
  readonly control = new Map<ByteString, Buffer | null>();
  /** How many keys it holds. */
  keyCount = 0;
  /** About how much memory it holds. */
  memoryBytes = 0;

  get isEmpty(): boolean {
    return this.keyCount === 0;
  }

  setName(parent: NodeId, name: ByteString, value: NameValue | null): void {
    let names = this.names.get(parent);
    if (names === undefined) {
      this.names.set(parent, (names = new Map()));
      this.memoryBytes += MAP_BYTES;
    }
    const before = names.size;
    names.set(name, value);
    if (names.size > before) this.grow(NAME_BYTES + name.length);
  }

  setNode(node: NodeId, value: StoredNode | null): void {
    const before = this.nodes.size;
    this.nodes.set(node, value);
    if (this.nodes.size === before) return;
    const more = value === null ? 0 : value.attributes.xattrs.length * XATTR_BYTES + (value.mirrored === undefined ? 0 : MIRRORED_BYTES);
    this.grow(NODE_BYTES + more);
  }

  setRegion(node: NodeId, slot: number, record: RegionRecord | null): void {
    const records = this.regions.get(node);
    const before = records?.get(slot);
    if (records === undefined) this.regions.set(node, new Records(slot, record));
    else {
      if (records.size === 1 && before === undefined) this.memoryBytes += MAP_BYTES;
      records.set(slot, record);
    }
    this.memoryBytes += ((record?.length ?? 0) - (before?.length ?? 0)) * NUMBER_BYTES;
    if (before === undefined) this.grow(REGION_BYTES);
  }

  setControl(key: ByteString, value: Buffer | null): void {
    const before = this.control.size;
    this.control.set(key, value);
    if (this.control.size > before) this.grow(CONTROL_BYTES + (value?.length ?? 0));
  }

  /** A new layer with `newer` on top of this one; both stay as they are. */
  static merged(older: Layer, newer: Layer): Layer {
    const layer = new Layer();
    for (const source of [older, newer]) {
      for (const [parent, names] of source.names) for (const [name, value] of names) layer.setName(parent, name, value);
      for (const [node, value] of source.nodes) layer.setNode(node, value);
      for (const [node, records] of source.regions) for (const [slot, record] of records) layer.setRegion(node, slot, record);
      for (const [key, value] of source.control) layer.setControl(key, value);
    }
    return layer;
  }

  private grow(byteCount: number): void {
    this.keyCount += 1;
    this.memoryBytes += byteCount;
  }
}

/** Settled and staged record of one region, as one number. */
export function slotOf(region: number, isStaged: boolean): number {
  return region * 2 + (isStaged ? 1 : 0);
}

export function regionOfSlot(slot: number): number {
  return Math.floor(slot / 2);
}
