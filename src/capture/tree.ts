/**
 * Changes of names, told to the host and noted in the memory in one step, so that both hold the same tree after every batch.
 * A name that is taken over is lost by the node that had it; a node without names is forgotten; what lay below a directory that
 * left is forgotten piece by piece, later (sweep).
 */
import { createHash } from "node:crypto";
import { MACHINE_NODE, OsError, REGION_BYTES } from "../core/index.ts";
import type { ByteString, NodeId, Xattr } from "../core/index.ts";
import { attributesOf, BytesRow, idText, JsonRow, kindOf, LEFT_OUT, sizeOf, statOfRecord, unreadRecord } from "./memory/index.ts";
import type { Closed, Name, RowKey } from "./memory/index.ts";
import type { Site } from "./site.ts";

const GARBAGE = "x" as RowKey;
const ATTRIBUTES = "a" as RowKey;
const HASHES = "h" as RowKey;
const PASS = "p" as RowKey;
const UNSETTLED = "v" as RowKey;
const XATTR_HASH_BYTES = 8;
const REGION_ID_BYTES = 4;

export interface NewNode {
  readonly record: Buffer;
  readonly path: ByteString;
  /** A directory's: whether its content is captured, and the filesystem of its content. */
  readonly closed?: Closed;
  readonly filesystem: number;
  /** Its number, where that was needed before. */
  readonly node?: NodeId;
}

export class Tree {
  private readonly site: Site;

  constructor(site: Site) {
    this.site = site;
  }

  /** The number of the filesystem that an entry's inode belongs to; undefined where it cannot tell who the node is (mount points). */
  filesystemOf(parent: NodeId, node: NodeId, record: Buffer): number | undefined {
    const { nodes } = this.site;
    if (parent === MACHINE_NODE) return nodes.filesystemOf(node);
    const filesystem = nodes.filesystemOf(parent);
    if (kindOf(record) !== "directory" || nodes.nameOf(node) === undefined) return filesystem;
    return nodes.closed(node) === "other-filesystem" || nodes.filesystemOf(node) !== filesystem ? undefined : filesystem;
  }

  /** A file's content is still to be settled. Throws OsError where the new node's xattrs or link target cannot be read (it vanished). */
  create(parent: NodeId, name: ByteString, { record, path, closed, filesystem, node: given }: NewNode): NodeId {
    const { os, batches, directories, nodes, mint } = this.site;
    const kind = kindOf(record);
    const linkTarget = kind === "symlink" ? os.readlink(path) : ("" as ByteString);
    const xattrs = this.readXattrs(path);
    const node = given ?? mint();
    this.dropName(parent, name);
    batches.add({ type: "NodeCreated", node, parent, name, kind, attributes: attributesOf(record, xattrs), linkTarget, rdev: statOfRecord(record).rdev });
    this.noteXattrs(node, xattrs, false);
    if (parent === MACHINE_NODE && !directories.has(parent)) directories.create(parent);
    directories.put(parent, name, node, kind === "file" ? unreadRecord(record, 0) : Buffer.from(record));
    if (kind === "directory") {
      nodes.setPlace(node, { parent, name }, closed ?? "none", filesystem);
      directories.create(node);
    }
    const identityFilesystem = this.filesystemOf(parent, node, record);
    if (identityFilesystem !== undefined) nodes.addName(identityFilesystem, record, node, { parent, name });
    this.count(parent, 1, 0);
    return node;
  }

  link(node: NodeId, parent: NodeId, name: ByteString, record: Buffer): void {
    const { batches, directories, nodes } = this.site;
    this.dropName(parent, name);
    batches.add({ type: "NodeLinked", node, parent, name });
    directories.put(parent, name, node, record);
    nodes.addName(nodes.filesystemOf(parent), record, node, { parent, name });
    this.count(parent, 1, 0);
  }

  /** The name keeps the record that was known of it: what differs is for the caller to see. */
  rename(node: NodeId, from: Name, to: Name): void {
    const { batches, directories, nodes } = this.site;
    const entry = directories.entry(from.parent, from.name);
    if (entry === undefined) return;
    const record = Buffer.from(entry.record);
    const occupant = directories.entry(to.parent, to.name)?.node ?? LEFT_OUT;
    this.dropName(to.parent, to.name);
    batches.add({
      type: "NodeRenamed",
      node,
      fromParent: from.parent,
      fromName: from.name,
      toParent: to.parent,
      toName: to.name,
      replaced: occupant,
    });
    directories.remove(from.parent, from.name);
    directories.put(to.parent, to.name, node, record);
    const filesystem = nodes.filesystemOf(from.parent);
    nodes.addName(filesystem, record, node, to);
    nodes.removeName(filesystem, record, node, from);
    if (kindOf(record) === "directory") nodes.move(node, to);
    this.count(from.parent, -1, 0);
    this.count(to.parent, 1, 0);
  }

  unlink(parent: NodeId, name: ByteString): void {
    const { batches, directories } = this.site;
    const node = directories.entry(parent, name)?.node ?? LEFT_OUT;
    this.dropName(parent, name);
    if (node !== LEFT_OUT) batches.add({ type: "NodeUnlinked", node, parent, name });
  }

  /** Forgets a name, and what lies below it, without telling the host: it is not protected any more. */
  release(parent: NodeId, name: ByteString): void {
    this.dropName(parent, name);
  }

  /** Notes an entry as left out, so that its directory compares as unchanged; what was captured of it leaves the tree. */
  leaveOut(parent: NodeId, name: ByteString, record: Buffer): void {
    this.unlink(parent, name);
    this.site.directories.put(parent, name, LEFT_OUT, record);
  }

  /** Takes a name out of the memory alone: a change that says so was or will be added by the caller. */
  private dropName(parent: NodeId, name: ByteString): void {
    const { directories, nodes } = this.site;
    const entry = directories.entry(parent, name);
    if (entry === undefined) return;
    const { node } = entry;
    const record = Buffer.from(entry.record);
    const filesystem = node === LEFT_OUT ? undefined : this.filesystemOf(parent, node, record);
    directories.remove(parent, name);
    if (node === LEFT_OUT) return;
    const left = filesystem === undefined ? [] : nodes.removeName(filesystem, record, node, { parent, name });
    this.count(parent, -1, left.length === 0 && kindOf(record) === "file" ? -sizeOf(record) : 0);
    if (kindOf(record) === "directory") this.discard(node);
    else if (left.length === 0) this.forgetFile(node, record);
  }

  /** A directory left the tree: what is below it is swept later. */
  private discard(directory: NodeId): void {
    const filesystem = Buffer.alloc(4);
    filesystem.writeUInt32LE(this.site.nodes.filesystemOf(directory), 0);
    this.site.nodes.removePlace(directory);
    this.site.memory.set(`${GARBAGE}${idText(directory)}` as RowKey, new BytesRow(filesystem));
  }

  /** Forgets a part of what lies below directories that left. Returns whether there is more. */
  sweep(entriesMax: number): boolean {
    const { memory, directories, watches } = this.site;
    const key = memory.keys(GARBAGE, 16)[0];
    if (key === undefined) return false;
    const directory = nodeOfText(key.slice(GARBAGE.length));
    const filesystem = memory.get(key, BytesRow.decode)?.bytes.readUInt32LE(0) ?? 0;
    let left = entriesMax;
    for (const segment of directories.segments(directory)) {
      while (segment.count > 0 && left-- > 0) {
        const at = segment.count - 1;
        const name = { parent: directory, name: segment.names[at] as ByteString };
        this.sweepEntry(filesystem, name, segment.nodes[at] as NodeId, Buffer.from(segment.record(at)));
      }
      if (left <= 0) return true;
    }
    watches.remove(directory);
    directories.drop(directory);
    memory.set(key, undefined);
    return true;
  }

  private sweepEntry(filesystem: number, name: Name, node: NodeId, record: Buffer): void {
    const { directories, nodes } = this.site;
    directories.remove(name.parent, name.name);
    if (node === LEFT_OUT) return;
    const left = nodes.removeName(filesystem, record, node, name);
    if (kindOf(record) === "directory") this.discard(node);
    else if (left.length === 0) this.forgetFile(node, record);
  }

  private forgetFile(node: NodeId, record: Buffer): void {
    const { memory } = this.site;
    const stagedBytes = memory.get<JsonRow<number>>(passKey(node), JsonRow.decode)?.value ?? 0;
    for (let region = 0; region * REGION_BYTES < Math.max(sizeOf(record), stagedBytes); region++) {
      const key = hashKey(node, region);
      if (region === 0 || memory.get(key, BytesRow.decode) !== undefined) memory.set(key, undefined);
    }
    for (const key of [`${ATTRIBUTES}${idText(node)}`, passKey(node), unsettledKey(node)] as RowKey[])
      if (memory.get(key, BytesRow.decode) !== undefined) memory.set(key, undefined);
  }

  /** Reports attributes: where the record's are not the same, or xattrs differ. The entry's record is for the caller to put. */
  settleAttributes(node: NodeId, path: ByteString, record: Buffer, isSame: boolean): void {
    const xattrs = this.readXattrs(path);
    const hasNewXattrs = this.noteXattrs(node, xattrs, true);
    if (isSame && !hasNewXattrs) return;
    this.site.batches.add({ type: "AttributesSet", node, attributes: attributesOf(record, xattrs), linkTarget: "" as ByteString });
  }

  private readXattrs(path: ByteString): readonly Xattr[] {
    try {
      return this.site.os.xattrs(path);
    } catch (error) {
      if (error instanceof OsError && (error.code === "EACCES" || error.code === "EPERM" || error.code === "EIO")) return [];
      throw error;
    }
  }

  /** Keeps a short hash of a node's xattrs where it has some. Returns whether they differ from those before. */
  private noteXattrs(node: NodeId, xattrs: readonly Xattr[], isKnown: boolean): boolean {
    const { memory } = this.site;
    const key = `${ATTRIBUTES}${idText(node)}` as RowKey;
    const before = isKnown ? memory.get(key, BytesRow.decode)?.bytes : undefined;
    const now = xattrs.length === 0 ? undefined : hashOf(xattrs);
    if (before === undefined ? now === undefined : now !== undefined && before.equals(now)) return false;
    memory.set(key, now === undefined ? undefined : new BytesRow(now));
    return true;
  }

  private count(parent: NodeId, count: number, bytes: number): void {
    if (parent === MACHINE_NODE) return;
    const root = this.site.nodes.location(parent)?.root;
    if (root !== undefined) this.site.roots.count(root, count, bytes);
  }
}

function hashOf(xattrs: readonly Xattr[]): Buffer {
  const hash = createHash("sha256");
  for (const { name, value } of xattrs) hash.update(`${name.length}:${value.length}:`).update(name, "latin1").update(value);
  return hash.digest().subarray(0, XATTR_HASH_BYTES);
}

export function hashKey(node: NodeId, region: number): RowKey {
  const bytes = Buffer.allocUnsafe(REGION_ID_BYTES);
  bytes.writeUInt32BE(region, 0);
  return `${HASHES}${idText(node)}${bytes.toString("latin1")}` as RowKey;
}

export function passKey(node: NodeId): RowKey {
  return `${PASS}${idText(node)}` as RowKey;
}

export function unsettledKey(node: NodeId): RowKey {
  return `${UNSETTLED}${idText(node)}` as RowKey;
}

function nodeOfText(text: string): NodeId {
  let node = 0;
  for (let i = 0; i < text.length; i++) node = node * 256 + text.charCodeAt(i);
  return node as NodeId;
}
