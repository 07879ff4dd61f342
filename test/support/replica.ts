/**
 * What a host would hold: a fold of batches into a tree of nodes in memory, with staging, as src/core/change.ts describes the facts. The
 * model tests compare it with the real directory. Checks on the way that each change is legal (parents exist, ids are new).
 */
import { hash } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import type { Attributes, Batch, ByteString, Change, ExtentsWritten, NodeId, NodeKind, RangeZeroed } from "../../src/core/index.ts";

export interface ReplicaNode {
  readonly id: NodeId;
  readonly kind: NodeKind;
  attributes: Attributes;
  linkTarget: ByteString;
  rdev: number;
  content: Buffer;
  staged: Buffer | undefined;
  isUnsettled: boolean;
  readonly names: Set<string>;
  readonly children: Map<ByteString, NodeId>;
}

export class Replica {
  readonly nodes = new Map<NodeId, ReplicaNode>();
  readonly gaps = new Map<string, Extract<Change, { type: "GapOpened" }>>();
  readonly log: Change[] = [];
  readonly hashKey: Buffer;
  payloadBytes = 0;
  last: { epoch: number; sequence: number } | undefined;

  constructor(hashKey: Buffer) {
    this.hashKey = hashKey;
    this.nodes.set(0 as NodeId, makeNode(0 as NodeId, "directory", emptyAttributes));
  }

  apply(batch: Batch): void {
    const isNext = this.last?.epoch === batch.epoch ? batch.sequence === this.last.sequence + 1 : batch.sequence === 1;
    if (!isNext) throw new Error(`batch ${batch.epoch}/${batch.sequence} does not follow ${JSON.stringify(this.last)}`);
    if (batch.changes.length === 0) throw new Error("a batch has changes");
    this.last = { epoch: batch.epoch, sequence: batch.sequence };
    const chunks = batch.chunks.map((chunk) => {
      const plain = chunk.encoding === 1 ? zstdDecompressSync(chunk.stored) : Buffer.from(chunk.stored);
      if (plain.length !== chunk.lengthBytes) throw new Error("a chunk has another length than it says");
      if (!hash("sha256", Buffer.concat([this.hashKey, plain]), "buffer").equals(chunk.hash)) throw new Error("a chunk has another hash than it says");
      this.payloadBytes += plain.length;
      return plain;
    });
    for (const change of batch.changes) {
      this.log.push(change);
      try {
        this.change(change, chunks);
      } catch (error) {
        throw new Error(`batch ${batch.epoch}/${batch.sequence}, ${JSON.stringify(change)}: ${String(error)}`, { cause: error });
      }
    }
  }

  /** The node at a path of names from a root on. */
  find(root: NodeId, names: readonly ByteString[]): ReplicaNode | undefined {
    let node = this.nodes.get(root);
    for (const name of names) node = this.nodes.get(node?.children.get(name) ?? (-1 as NodeId));
    return node;
  }

  private change(change: Change, chunks: readonly Buffer[]): void {
    switch (change.type) {
      case "NodeCreated": {
        if (this.nodes.has(change.node)) throw new Error("the id is not new");
        const node = makeNode(change.node, change.kind, change.attributes);
        node.linkTarget = change.linkTarget;
        node.rdev = change.rdev;
        this.nodes.set(change.node, node);
        this.give(change.node, change.parent, change.name);
        return;
      }
      case "NodeLinked":
        if (this.node(change.node).kind === "directory") throw new Error("a directory has one name");
        return this.give(change.node, change.parent, change.name);
      case "NodeRenamed": {
        const replaced = this.node(change.toParent).children.get(change.toName) ?? 0;
        if (replaced !== change.replaced) throw new Error(`it replaces ${replaced}`);
        for (let at: NodeId | undefined = change.toParent; at !== undefined && at !== 0; at = this.parentOf(at))
          if (at === change.node) throw new Error("a directory moves into itself");
        const from = this.node(change.fromParent);
        if (from.children.get(change.fromName) !== change.node) throw new Error("the old name is not the node's");
        from.children.delete(change.fromName);
        this.node(change.node).names.delete(`${change.fromParent}/${change.fromName}`);
        return this.give(change.node, change.toParent, change.toName);
      }
      case "NodeUnlinked":
        if (this.node(change.parent).children.get(change.name) !== change.node) throw new Error("the name is not the node's");
        return this.take(change.parent, change.name);
      case "AttributesSet":
        this.node(change.node).attributes = change.attributes;
        return;
      case "ExtentsWritten":
        return this.write(change, chunks);
      case "RangeZeroed":
        return this.zero(change);
      case "SizeSet":
        return this.edit(change.node, (content) => resized(content, change.sizeBytes));
      case "PassStarted": {
        const node = this.node(change.node);
        if (node.staged !== undefined) throw new Error("a pass is open already");
        node.staged = Buffer.from(node.content);
        return;
      }
      case "VersionSettled": {
        const node = this.node(change.node);
        if (node.staged !== undefined) node.content = node.staged;
        node.staged = undefined;
        node.isUnsettled = change.unsettled;
        return;
      }
      case "GapOpened":
        if (this.gaps.has(change.gap)) throw new Error("the gap's name is not new");
        this.gaps.set(change.gap, change);
        return;
      case "GapClosed":
        if (!this.gaps.delete(change.gap)) throw new Error("no such gap is open");
        return;
      case "CaughtUp":
      case "ClockStepped":
      case "ReconcileFinished":
      case "RootProtected":
      case "RootReleased":
        return;
      default:
        throw new Error("a scan never says so");
    }
  }

  private node(id: NodeId): ReplicaNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  private parentOf(id: NodeId): NodeId | undefined {
    const name = this.nodes.get(id)?.names.values().next().value;
    return name === undefined ? undefined : (Number(name.slice(0, name.indexOf("/"))) as NodeId);
  }

  private give(id: NodeId, parent: NodeId, name: ByteString): void {
    const directory = this.node(parent);
    if (directory.kind !== "directory") throw new Error("the parent is no directory");
    this.node(id).names.add(" "); // It keeps living where its other names go with what it replaces.
    if (directory.children.has(name)) this.take(parent, name);
    directory.children.set(name, id);
    this.node(id).names.add(`${parent}/${name}`);
    this.node(id).names.delete(" ");
  }

  private take(parent: NodeId, name: ByteString): void {
    const directory = this.node(parent);
    const id = directory.children.get(name);
    if (id === undefined) return;
    directory.children.delete(name);
    const node = this.node(id);
    node.names.delete(`${parent}/${name}`);
    if (node.names.size > 0) return;
    for (const child of node.children.keys()) this.take(id, child);
    this.nodes.delete(id);
  }

  private edit(id: NodeId, action: (content: Buffer) => Buffer): void {
    const node = this.node(id);
    if (node.kind !== "file") throw new Error("only files have content");
    if (node.staged === undefined) node.content = action(node.content);
    else node.staged = action(node.staged);
  }

  private write({ node, extents }: ExtentsWritten, chunks: readonly Buffer[]): void {
    let end = 0;
    for (const { offset, length, chunk, chunkOffset } of extents) {
      if (offset < end || length <= 0) throw new Error("extents ascend and do not overlap");
      end = offset + length;
      const bytes = chunks[chunk]?.subarray(chunkOffset, chunkOffset + length);
      if (bytes?.length !== length) throw new Error("an extent lies outside of its chunk");
      this.edit(node, (content) => {
        const grown = end > content.length ? resized(content, end) : content;
        bytes.copy(grown, offset);
        return grown;
      });
    }
  }

  private zero({ node, offset, length }: RangeZeroed): void {
    this.edit(node, (content) => {
      const grown = offset + length > content.length ? resized(content, offset + length) : content;
      return grown.fill(0, offset, offset + length);
    });
  }
}

const emptyAttributes: Attributes = { mode: 0, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanos: 0, btimeSeconds: 0, btimeNanos: 0, xattrs: [] };

function makeNode(id: NodeId, kind: NodeKind, attributes: Attributes): ReplicaNode {
  return {
    id,
    kind,
    attributes,
    linkTarget: "" as ByteString,
    rdev: 0,
    content: Buffer.alloc(0),
    staged: undefined,
    isUnsettled: false,
    names: new Set(),
    children: new Map(),
  };
}

function resized(content: Buffer, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  content.copy(buffer, 0, 0, Math.min(length, content.length));
  return buffer;
}
