/**
 * A View over an in-memory tree, for what reads views: made node by node, or taken of a real directory. Content is kept as the data
 * ranges that the file had, in extents of at most a chunk.
 */
import type { Attributes, ByteString, ChunkNumber, Extent, NodeId, NodeKind, Os, Revision, Stat, TimeUs } from "../../src/core/index.ts";
import { CHUNK_BYTES_MAX, listingCount, listingName, listingStat, MACHINE_NODE } from "../../src/core/index.ts";
import type { Gap, NameEntry, NodeName, NodeRecord, Purged, View } from "../../src/projections/index.ts";

interface FakeNode {
  readonly node: NodeId;
  readonly kind: NodeKind;
  readonly attributes: Attributes;
  readonly linkTarget: ByteString;
  readonly rdev: number;
  readonly names: NodeName[];
  readonly children: Map<ByteString, FakeNode>;
  sizeBytes: number;
  readonly segments: { readonly offset: number; readonly bytes: Buffer }[];
  unsettled: boolean;
}

export const PLAIN: Attributes = {
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSeconds: 1_700_000_000,
  mtimeNanos: 123_456_789,
  btimeSeconds: 0,
  btimeNanos: 0,
  xattrs: [],
};

export class FakeView implements View {
  readonly revision: Revision;
  private readonly nodes = new Map<NodeId, FakeNode>();
  private readonly openGaps: Gap[] = [];
  private readonly purgedNodes = new Set<NodeId>();
  private nextNode = 1;
  /** Called before each read: a test throws here, or counts. */
  onRead: (node: NodeId, offsetBytes: number, lengthBytes: number) => void = () => {};
  onList: (node: NodeId) => void = () => {};

  constructor(revision = 7) {
    this.revision = revision as Revision;
    this.nodes.set(MACHINE_NODE, this.newNode(MACHINE_NODE, "directory", PLAIN));
  }

  add(parent: NodeId, name: string, kind: NodeKind, more: { attributes?: Partial<Attributes>; linkTarget?: string; rdev?: number } = {}): NodeId {
    const made = this.newNode(this.nextNode++ as NodeId, kind, { ...PLAIN, ...more.attributes }, more.linkTarget ?? "", more.rdev ?? 0);
    this.nodes.set(made.node, made);
    this.link(made.node, parent, name);
    return made.node;
  }

  link(node: NodeId, parent: NodeId, name: string): void {
    this.at(node).names.push({ parent, name: name as ByteString });
    this.at(parent).children.set(name as ByteString, this.at(node));
  }

  write(node: NodeId, bytes: Buffer, offset = 0): void {
    const file = this.at(node);
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES_MAX) file.segments.push({ offset: offset + at, bytes: bytes.subarray(at, at + CHUNK_BYTES_MAX) });
    this.grow(node, offset + bytes.length);
  }

  grow(node: NodeId, sizeBytes: number): void {
    const file = this.at(node);
    file.sizeBytes = Math.max(file.sizeBytes, sizeBytes);
  }

  unsettle(node: NodeId): void {
    this.at(node).unsettled = true;
  }

  open(gap: Partial<Gap> & { readonly node: NodeId }): void {
    const base = { gap: "e1-1", reason: "unreadable", fromUs: 0, openedAt: 0, closedAt: undefined, detail: "" } as unknown as Gap;
    this.openGaps.push({ ...base, ...gap });
  }

  lookup(parent: NodeId, name: ByteString): NameEntry | undefined {
    const found = this.at(parent).children.get(name);
    return found === undefined ? undefined : { name, node: found.node, kind: found.kind };
  }

  *list(parent: NodeId): IterableIterator<NameEntry> {
    this.onList(parent);
    const entries = [...this.at(parent).children].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, found] of entries) yield { name, node: found.node, kind: found.kind };
  }

  node(node: NodeId): NodeRecord | undefined {
    const found = this.nodes.get(node);
    if (found === undefined) return undefined;
    const { kind, attributes, sizeBytes, linkTarget, rdev, names, unsettled } = found;
    return { node, kind, attributes, sizeBytes, linkTarget, rdev, names, unsettled, hidden: false };
  }

  extents(node: NodeId, fromBytes: number, toBytes: number): Extent[] {
    const found: Extent[] = [];
    this.at(node).segments.forEach(({ offset, bytes }, i) => {
      const [from, to] = [Math.max(offset, fromBytes), Math.min(offset + bytes.length, toBytes)];
      if (from < to) found.push({ offset: from, length: to - from, chunk: (i + 1) as ChunkNumber, chunkOffset: from - offset });
    });
    return found;
  }

  read(node: NodeId, offsetBytes: number, lengthBytes: number, into?: Buffer): Buffer {
    this.onRead(node, offsetBytes, lengthBytes);
    const file = this.at(node);
    const byteCount = Math.max(0, Math.min(lengthBytes, file.sizeBytes - offsetBytes));
    const bytes = into !== undefined && byteCount <= into.length ? into.subarray(0, byteCount).fill(0) : Buffer.alloc(byteCount);
    for (const segment of file.segments) {
      const from = Math.max(segment.offset, offsetBytes);
      const to = Math.min(segment.offset + segment.bytes.length, offsetBytes + bytes.length);
      if (from < to) segment.bytes.copy(bytes, from - offsetBytes, from - segment.offset, to - segment.offset);
    }
    return bytes;
  }

  purge(node: NodeId): void {
    this.purgedNodes.add(node);
  }

  purged(node: NodeId): Purged | undefined {
    return this.purgedNodes.has(node) ? { revision: 9 as Revision, timeUs: 0 as TimeUs } : undefined;
  }

  gaps(): readonly Gap[] {
    return this.openGaps;
  }

  close(): void {}

  private at(node: NodeId): FakeNode {
    const found = this.nodes.get(node);
    if (found === undefined) throw new Error(`the fake view has no node ${node}`);
    return found;
  }

  private newNode(node: NodeId, kind: NodeKind, attributes: Attributes, linkTarget = "", rdev = 0): FakeNode {
    const target = linkTarget as ByteString;
    return { node, kind, attributes, linkTarget: target, rdev, names: [], children: new Map(), sizeBytes: 0, segments: [], unsettled: false };
  }
}

/** What `directory` is now, as a view whose only root has that path. */
export function viewOf(os: Os, directory: ByteString, revision = 7): { readonly view: FakeView; readonly root: NodeId } {
  const view = new FakeView(revision);
  const linked = new Map<number, NodeId>();
  const take = (parent: NodeId, name: ByteString, path: ByteString, stat: Stat): NodeId => {
    const earlier = stat.kind === "directory" || stat.linkCount === 1 ? undefined : linked.get(stat.inode);
    if (earlier !== undefined) {
      view.link(earlier, parent, name);
      return earlier;
    }
    const linkTarget = stat.kind === "symlink" ? os.readlink(path) : "";
    const node = view.add(parent, name, stat.kind, { attributes: { ...stat, xattrs: os.xattrs(path) }, linkTarget, rdev: stat.rdev });
    if (stat.linkCount > 1) linked.set(stat.inode, node);
    if (stat.kind === "file") takeContent(os, view, node, path, stat.sizeBytes);
    if (stat.kind === "directory") {
      const listing = os.listDirectory(path);
      for (let i = 0; i < listingCount(listing); i++) {
        const child = listingName(listing, i);
        take(node, child, `${path}/${child}` as ByteString, listingStat(listing, i) as Stat);
      }
    }
    return node;
  };
  return { view, root: take(MACHINE_NODE, directory, directory, os.lstat(directory)) };
}

function takeContent(os: Os, view: FakeView, node: NodeId, path: ByteString, sizeBytes: number): void {
  const fd = os.openRead(path);
  const ranges = os.dataRanges(fd, 0, sizeBytes);
  for (let i = 0; i < ranges.length; i += 2) {
    const bytes = Buffer.alloc((ranges[i + 1] as number) - (ranges[i] as number));
    os.read(fd, bytes, ranges[i] as number);
    view.write(node, bytes, ranges[i] as number);
  }
  view.grow(node, sizeBytes);
  os.close(fd);
}
