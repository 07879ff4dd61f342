/**
 * What is true of a machine at one revision: a registered tree (or none) and layers of changes over it. One State writes only its
 * last layer; freeze() hands the layers to views, which never see what comes later.
 *
 * A lazy State (a view's) puts off what events say of single files until someone asks for the file: replaying a tail then does not
 * read the tree for every file that it touches.
 */
import { bytesOf } from "../../core/index.ts";
import type { ByteString, NodeId, Revision } from "../../core/index.ts";
import type { StoredEvent } from "../../events/index.ts";
import type { CountReference, RegionRecord } from "../blob-record/index.ts";
import type { NodeName } from "../view.ts";
import type { Base, NameChange, NamedValue } from "./base.ts";
import type { ChunkCounts } from "./chunk-counts.ts";
import { bracketKey, decodeFact, encodeFact, NO_TIMES, TIMES_KEY } from "./control.ts";
import type { Times } from "./control.ts";
import { afterPrefix, nodeOfKey, namePart, numberKey, PREFIX } from "./keys.ts";
import { Layer, regionOfSlot, slotOf } from "./layer.ts";
import { decodeBracket, encodeBracket } from "./values.ts";
import type { Bracket, NameValue, StoredNode } from "./values.ts";

const COUNT_BYTES = 110; // One chunk's count with its place in a map.
const SINGLE_REGIONS_MAX = 4; // Up to here single lookups are cheaper than a range over the tree.

/** One name of a node that went, and the one that took its place; absent where the node had that one already. */
export interface Rename {
  readonly from: NodeName;
  readonly to: NodeName | undefined;
}

export interface StateOptions {
  readonly base?: Base | undefined;
  /** Frozen, oldest first. */
  readonly layers?: readonly Layer[];
  /** Absent: references are not counted. */
  readonly counts?: ChunkCounts;
  /** Applies one change that was put off; makes the State lazy. */
  readonly applyLate?: (state: State, change: StoredEvent) => void;
}

export class State {
  /** Events that contradict what is known and were passed over. */
  ignoredCount = 0;
  times: Times;
  counts: ChunkCounts | undefined;
  private base: Base | undefined;
  private layers: Layer[];
  /** How many of the oldest layers may not be merged with others: a tree is being built of them. */
  private floor: number;
  private readonly brackets = new Map<NodeId, Bracket>();
  private isTimesNew = false;
  /** No node above it was ever set. */
  private highestNode: number;
  private highestFrozen = Number.POSITIVE_INFINITY;
  private readonly applyLate: StateOptions["applyLate"];
  private readonly late = new Map<NodeId, StoredEvent[]>();
  private readonly lateRenames = new Map<NodeId, Rename[]>();

  constructor(options: StateOptions) {
    this.base = options.base;
    this.counts = options.counts;
    this.applyLate = options.applyLate;
    this.layers = [...(options.layers ?? []), new Layer()];
    this.floor = options.counts === undefined ? this.layers.length - 1 : 0; // A view's layers are shared, and its own are never merged.
    this.highestNode = options.base === undefined ? 0 : options.base.highestNode;
    const times = this.control(TIMES_KEY);
    this.times = times === undefined ? NO_TIMES : decodeFact<Times>(times);
    for (const { key, value } of this.controls(PREFIX.bracket)) this.brackets.set(nodeOfKey(key), decodeBracket(value));
  }

  get isLazy(): boolean {
    return this.applyLate !== undefined;
  }

  /** Memory held by the layers of this State. */
  get memoryBytes(): number {
    return this.layers.reduce((sum, layer) => sum + layer.memoryBytes, 0);
  }

  /** Memory of what is not yet in a tree that is being built: layers and counts. */
  get tailMemoryBytes(): number {
    const layers = this.tailLayers.reduce((sum, layer) => sum + layer.memoryBytes, 0);
    return layers + (this.counts?.chunkCount ?? 0) * COUNT_BYTES;
  }

  /** The layers of which no tree is being built. */
  get tailLayers(): readonly Layer[] {
    return this.layers.slice(this.floor);
  }

  readonly count: CountReference = (chunk, delta) => this.counts?.add(chunk, delta);

  // Reading.

  name(parent: NodeId, name: ByteString): NameValue | undefined {
    for (let i = this.layers.length - 1; i >= 0; i--) {
      const value = this.layers[i]!.names.get(parent)?.get(name);
      if (value !== undefined) return value ?? undefined;
    }
    return this.base?.name(parent, name);
  }

  /** The names below a directory in byte order (names over 255 bytes by their keys). Not to be used while the State is written. */
  *names(parent: NodeId): IterableIterator<NamedValue> {
    const changed = new Map<ByteString, NameChange>();
    this.base?.nameChanges(parent, changed);
    for (const layer of this.layers)
      for (const [name, value] of layer.names.get(parent) ?? []) changed.set(namePart(name), value === null ? null : { name, value });
    const parts = [...changed.keys()].sort();
    let next = 0;
    for (const entry of this.base?.mainNames(parent) ?? []) {
      for (; next < parts.length && parts[next]! < entry.part; next++) {
        const change = changed.get(parts[next]!);
        if (change !== null && change !== undefined) yield change;
      }
      if (!changed.has(entry.part)) yield entry;
    }
    for (; next < parts.length; next++) {
      const change = changed.get(parts[next]!);
      if (change !== null && change !== undefined) yield change;
    }
  }

  node(node: NodeId): StoredNode | undefined {
    this.catchUpOn(node);
    return this.nodeForNames(node);
  }

  /**
   * As node(), without what was put off: its names and kind are right, its size, attributes and marks may be behind. Changing names and
   * catching up may come in either order.
   */
  nodeForNames(node: NodeId): StoredNode | undefined {
    if (this.lateRenames.size > 0) this.catchUpOnNames(node);
    for (let i = this.layers.length - 1; i >= 0; i--) {
      const value = this.layers[i]!.nodes.get(node);
      if (value !== undefined) return value ?? undefined;
    }
    return this.base?.node(node);
  }

  /** Whether the node's record can be had without asking the tree. */
  isNodeAtHand(node: NodeId): boolean {
    return this.layers.some((layer) => layer.nodes.has(node));
  }

  region(node: NodeId, region: number, isStaged: boolean): RegionRecord | undefined {
    this.catchUpOn(node);
    const slot = slotOf(region, isStaged);
    for (let i = this.layers.length - 1; i >= 0; i--) {
      const record = this.layers[i]!.regions.get(node)?.get(slot);
      if (record !== undefined) return record ?? undefined;
    }
    return this.base?.region(node, region, isStaged);
  }

  /** The records of the regions [from, to) that have one, ascending. */
  regions(node: NodeId, from: number, to: number, isStaged: boolean): (readonly [region: number, record: RegionRecord])[] {
    this.catchUpOn(node);
    if (to - from <= SINGLE_REGIONS_MAX) {
      const few: (readonly [number, RegionRecord])[] = [];
      for (let region = from; region < to; region++) {
        const record = this.region(node, region, isStaged);
        if (record !== undefined) few.push([region, record]);
      }
      return few;
    }
    const found = new Map<number, RegionRecord | null>();
    this.base?.regions(node, from, to, isStaged, found);
    for (const layer of this.layers) {
      for (const [slot, record] of layer.regions.get(node) ?? []) {
        const region = regionOfSlot(slot);
        if (slotOf(region, isStaged) === slot && region >= from && region < to) found.set(region, record);
      }
    }
    const many = [...found].filter((entry): entry is [number, RegionRecord] => entry[1] !== null);
    return many.sort((a, b) => a[0] - b[0]);
  }

  bracket(node: NodeId): Bracket | undefined {
    this.catchUpOn(node);
    return this.brackets.get(node);
  }

  control(key: ByteString): Buffer | undefined {
    for (let i = this.layers.length - 1; i >= 0; i--) {
      const value = this.layers[i]!.control.get(key);
      if (value !== undefined) return value ?? undefined;
    }
    return this.base?.control(bytesOf(key));
  }

  /** All facts of one prefix in key order, from `from` on. */
  controls(prefix: number, from?: Revision): { readonly key: Buffer; readonly value: Buffer }[] {
    const first = from === undefined ? Buffer.from([prefix]) : numberKey(prefix, from);
    const end = afterPrefix(Buffer.from([prefix]));
    const found = new Map<ByteString, Buffer | null>();
    for (const { key, value } of this.base?.controlRange(first, end) ?? []) found.set(key.latin1Slice() as ByteString, Buffer.from(value));
    const [firstText, head] = [first.latin1Slice(), String.fromCharCode(prefix)];
    for (const layer of this.layers) for (const [key, value] of layer.control) if (key.startsWith(head) && key >= firstText) found.set(key, value);
    return [...found.keys()].sort().flatMap((key) => {
      const value = found.get(key);
      return value === null || value === undefined ? [] : [{ key: bytesOf(key), value }];
    });
  }

  // Writing.

  setName(parent: NodeId, name: ByteString, value: NameValue | null): void {
    this.top.setName(parent, name, value);
  }

  setNode(node: NodeId, value: StoredNode | null): void {
    if (node > this.highestNode) this.highestNode = node;
    this.top.setNode(node, value);
  }

  setRegion(node: NodeId, region: number, isStaged: boolean, record: RegionRecord | null): void {
    this.top.setRegion(node, slotOf(region, isStaged), record);
  }

  setBracket(node: NodeId, bracket: Bracket | null): void {
    if (bracket === null) this.brackets.delete(node);
    else this.brackets.set(node, bracket);
    this.top.setControl(bracketKey(node), bracket === null ? null : encodeBracket(bracket));
  }

  setControl(key: ByteString, value: Buffer | null): void {
    this.top.setControl(key, value);
  }

  /** Every batch sets them: they go to a layer when it is looked at. */
  setTimes(times: Times): void {
    this.times = times;
    this.isTimesNew = true;
  }

  /** Puts a change off until its node is asked for. Only in a lazy State. */
  putOff(node: NodeId, change: StoredEvent): void {
    const changes = this.late.get(node);
    if (changes === undefined) this.late.set(node, [change]);
    else changes.push(change);
  }

  /** The node's record learns of its names when it is asked for; they themselves are changed at once. Only in a lazy State. */
  putOffRename(node: NodeId, rename: Rename): void {
    const renames = this.lateRenames.get(node);
    if (renames === undefined) this.lateRenames.set(node, [rename]);
    else renames.push(rename);
  }

  /** What was put off for a node is of no interest any more: it dies. */
  forgetLate(node: NodeId): void {
    this.late.delete(node);
  }

  // Layers.

  /** The layers as they are now, for a view or a tree: they do not change any more. */
  freeze(): readonly Layer[] {
    this.putTimes();
    if (!this.top.isEmpty) {
      this.layers.push(new Layer());
      this.mergeSmall();
    }
    return this.layers.slice(0, -1);
  }

  /** As freeze, for a tree: these layers stay apart until `rebase`. */
  freezeForTree(): readonly Layer[] {
    const frozen = this.freeze();
    this.floor = frozen.length;
    this.highestFrozen = this.highestNode;
    return frozen;
  }

  /** The layers frozen for a tree are in `base` now. Returns the base before. */
  rebase(base: Base): Base | undefined {
    const before = this.base;
    base.highestNode = this.highestFrozen;
    this.base = base;
    this.layers = this.layers.slice(this.floor);
    this.floor = 0;
    return before;
  }

  /** The tree came to nothing: its layers are as any others. */
  unfreeze(): void {
    this.floor = 0;
  }

  /** For walks over everything. */
  get allLayers(): readonly Layer[] {
    this.putTimes();
    return this.layers;
  }

  get treeBase(): Base | undefined {
    return this.base;
  }

  private putTimes(): void {
    if (this.isTimesNew) this.top.setControl(TIMES_KEY, encodeFact(this.times));
    this.isTimesNew = false;
  }

  private get top(): Layer {
    return this.layers.at(-1)!;
  }

  /** Keeps the number of layers small: a frozen layer is merged with the one below it unless that is more than twice as large. */
  private mergeSmall(): void {
    for (;;) {
      const last = this.layers.length - 2;
      const [older, newer] = [this.layers[last - 1], this.layers[last]];
      if (last - 1 < this.floor || older === undefined || newer === undefined || older.keyCount > newer.keyCount * 2) return;
      this.layers.splice(last - 1, 2, Layer.merged(older, newer));
    }
  }

  private catchUpOnNames(node: NodeId): void {
    const renames = this.lateRenames.get(node);
    if (renames === undefined) return;
    this.lateRenames.delete(node);
    const record = this.nodeForNames(node);
    if (record !== undefined) this.setNode(node, { ...record, names: renames.reduce(renamed, record.names) });
  }

  private catchUpOn(node: NodeId): void {
    if (this.late.size === 0) return;
    const changes = this.late.get(node);
    if (changes === undefined) return;
    this.late.delete(node);
    for (const change of changes) this.applyLate?.(this, change);
  }
}

/** A node's names after a rename. */
export function renamed(names: readonly NodeName[], { from, to }: Rename): readonly NodeName[] {
  const others = names.filter(({ parent, name }) => parent !== from.parent || name !== from.name);
  return to === undefined ? others : [...others, to];
}
