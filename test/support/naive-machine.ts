/**
 * A machine as plainly as it can be written: every node's content as a list of granules, every instant a whole copy. What the
 * projections answer is compared with it. Content comes in granules of 3,000 bytes, so that nothing is aligned by chance.
 */
import { MACHINE_NODE } from "../../src/core/index.ts";
import type { Attributes, ByteString, Change, Extent, NodeId, NodeKind } from "../../src/core/index.ts";

export const GRANULE_BYTES = 3000;
export const CHUNK_GRANULES = 21;

/** chunk × 32 + granule of the chunk; 0: zeros. */
export type Granule = number;
export const granuleOf = (chunk: number, index: number): Granule => chunk * 32 + index;

export interface NaiveVersion {
  readonly granules: readonly Granule[];
  readonly attributes: Attributes;
  readonly linkTarget: ByteString;
}

export interface NaiveNode extends NaiveVersion {
  readonly node: NodeId;
  readonly kind: NodeKind;
  readonly rdev: number;
  readonly unsettled: boolean;
  readonly hidden: boolean;
  readonly pristine: boolean;
  readonly staged: NaiveVersion | undefined;
}

export interface NaiveInstant {
  readonly nodes: ReadonlyMap<NodeId, NaiveNode>;
  /** By parent and name (nameKey). */
  readonly names: ReadonlyMap<string, NodeId>;
}

export const nameKey = (parent: NodeId, name: ByteString): string => `${parent}/${name}`;
export const nameOfKey = (key: string): { readonly parent: NodeId; readonly name: ByteString } => {
  const slash = key.indexOf("/");
  return { parent: Number(key.slice(0, slash)) as NodeId, name: key.slice(slash + 1) as ByteString };
};

export class NaiveMachine {
  nodes = new Map<NodeId, NaiveNode>();
  names = new Map<string, NodeId>();

  instant(): NaiveInstant {
    return { nodes: new Map(this.nodes), names: new Map(this.names) };
  }

  /** Extents name real chunk numbers. */
  apply(change: Change): void {
    switch (change.type) {
      case "NodeCreated":
        return this.create(change);
      case "NodeLinked": {
        const node = this.nodes.get(change.node);
        if (node !== undefined && node.kind !== "directory" && this.isDirectory(change.parent))
          this.names.set(nameKey(change.parent, change.name), change.node);
        return this.bury();
      }
      case "NodeRenamed":
        return this.rename(change);
      case "NodeUnlinked":
        if (this.names.get(nameKey(change.parent, change.name)) === change.node) this.names.delete(nameKey(change.parent, change.name));
        return this.bury();
      case "PassStarted": {
        const node = this.nodes.get(change.node);
        if (node === undefined) return;
        const { granules, attributes, linkTarget } = node;
        return this.put({ ...node, hidden: node.hidden || node.pristine, staged: { granules, attributes, linkTarget } });
      }
      case "VersionSettled": {
        const node = this.nodes.get(change.node);
        if (node !== undefined) this.put({ ...node, ...node.staged, staged: undefined, unsettled: change.unsettled, hidden: false, pristine: false });
        return;
      }
      default:
        return this.applyToFile(change);
    }
  }

  /** Chunks that some extent names, staged ones too. */
  liveChunks(): Set<number> {
    const live = new Set<number>();
    for (const node of this.nodes.values())
      for (const granule of [...node.granules, ...(node.staged?.granules ?? [])]) if (granule !== 0) live.add(Math.floor(granule / 32));
    return live;
  }

  private applyToFile(change: Change): void {
    if (change.type === "AttributesSet") {
      return this.revise(change.node, (version) => ({ ...version, attributes: change.attributes, linkTarget: change.linkTarget || version.linkTarget }));
    }
    if (!("node" in change) || this.nodes.get(change.node)?.kind !== "file") return;
    if (change.type === "ExtentsWritten") return this.revise(change.node, (version) => ({ ...version, granules: written(version.granules, change.extents) }));
    if (change.type === "SizeSet") {
      const count = change.sizeBytes / GRANULE_BYTES;
      return this.revise(change.node, (version) => ({ ...version, granules: resized(version.granules, count) }));
    }
    if (change.type === "RangeZeroed") return this.replace(change.node, change.offset, new Array<number>(change.length / GRANULE_BYTES).fill(0));
    if (change.type === "RangeCloned") {
      const source = this.nodes.get(change.fromNode)?.granules ?? [];
      const from = change.fromOffset / GRANULE_BYTES;
      const copied = Array.from({ length: change.length / GRANULE_BYTES }, (_, i) => source[from + i] ?? 0);
      return this.replace(change.node, change.offset, copied);
    }
  }

  private replace(node: NodeId, offset: number, granules: readonly Granule[]): void {
    this.revise(node, (version) => {
      const at = offset / GRANULE_BYTES;
      const next = resized(version.granules, Math.max(version.granules.length, at + granules.length));
      next.splice(at, granules.length, ...granules);
      return { ...version, granules: next };
    });
  }

  private revise(nodeId: NodeId, change: (version: NaiveVersion) => NaiveVersion): void {
    const node = this.nodes.get(nodeId);
    if (node === undefined) return;
    if (node.staged !== undefined) this.put({ ...node, staged: change(node.staged) });
    else this.put({ ...node, ...change(node), hidden: false, pristine: false });
  }

  private create(change: Extract<Change, { type: "NodeCreated" }>): void {
    if (this.nodes.has(change.node) || !this.isDirectory(change.parent)) return;
    const { type: _, parent, name, ...node } = change;
    this.put({ ...node, granules: [], unsettled: false, hidden: false, pristine: node.kind === "file", staged: undefined });
    this.names.set(nameKey(parent, name), node.node);
    this.bury();
  }

  private rename(change: Extract<Change, { type: "NodeRenamed" }>): void {
    const [from, to] = [nameKey(change.fromParent, change.fromName), nameKey(change.toParent, change.toName)];
    if (this.names.get(from) !== change.node || !this.isDirectory(change.toParent) || this.isInside(change.toParent, change.node)) return;
    this.names.delete(from);
    this.names.set(to, change.node);
    this.bury();
  }

  private isDirectory(node: NodeId): boolean {
    return node === MACHINE_NODE || this.nodes.get(node)?.kind === "directory";
  }

  private isInside(node: NodeId, ancestor: NodeId): boolean {
    if (node === ancestor) return true;
    return [...this.names].some(([key, child]) => child === node && nameOfKey(key).parent !== node && this.isInside(nameOfKey(key).parent, ancestor));
  }

  private put(node: NaiveNode): void {
    this.nodes.set(node.node, node);
  }

  /** What cannot be reached from the machine is dead. */
  private bury(): void {
    const children = Map.groupBy(
      [...this.names].map(([key, node]) => ({ ...nameOfKey(key), node })),
      (entry) => entry.parent,
    );
    const alive = new Set<NodeId>();
    const queue: NodeId[] = [MACHINE_NODE];
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      for (const { node } of children.get(at) ?? []) {
        if (alive.has(node)) continue;
        alive.add(node);
        queue.push(node);
      }
    }
    for (const node of this.nodes.keys()) if (!alive.has(node)) this.nodes.delete(node);
    for (const [key, node] of this.names) {
      const { parent } = nameOfKey(key);
      if (!this.nodes.has(node) || !this.isDirectory(parent)) this.names.delete(key);
    }
  }
}

function written(before: readonly Granule[], extents: readonly Extent[]): Granule[] {
  const last = extents.at(-1)!;
  const next = resized(before, Math.max(before.length, (last.offset + last.length) / GRANULE_BYTES));
  for (const { offset, length, chunk, chunkOffset } of extents) {
    for (let i = 0; i < length / GRANULE_BYTES; i++) next[offset / GRANULE_BYTES + i] = granuleOf(chunk, chunkOffset / GRANULE_BYTES + i);
  }
  return next;
}

function resized(before: readonly Granule[], count: number): Granule[] {
  return Array.from({ length: count }, (_, i) => before[i] ?? 0);
}
