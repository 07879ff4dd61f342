/**
 * Makes the host's names equal to what a set of looks saw: renames and hard links are recognised by inode and birth time among all
 * looks at once, so that swaps and chains of renames move no data. Where names cannot be told apart in any order, a node is made
 * anew: the tree is right in any case, the identity in almost every one.
 */
import { MACHINE_NODE, OsError } from "../core/index.ts";
import type { ByteString, NodeId } from "../core/index.ts";
import { below, birthOf, inodeOf, isSameNode, isSameRecord, kindOf, LEFT_OUT, linkCountOf, MARK, markOf, NO_BIRTH, statOfRecord } from "./memory/index.ts";
import type { Name } from "./memory/index.ts";
import type { Site } from "./site.ts";
import type { Look, Looker } from "./look.ts";
import type { Tree } from "./tree.ts";

export interface Arrival extends Look {
  readonly record: Buffer;
}

export interface Named {
  /** Names whose node is the one that the memory has there: attributes and content are to be compared. */
  readonly same: Arrival[];
  /** Names of nodes that are new. */
  readonly created: Arrival[];
  /** Names that are gone; their nodes may turn up elsewhere, so they are not unlinked yet. */
  readonly absent: Look[];
  /** Directories whose entries changed: their own times did, too. */
  readonly touched: ReadonlySet<NodeId>;
}

interface Aside {
  readonly node: NodeId;
  readonly at: Name;
}

export class Burst {
  private readonly site: Site;
  private readonly tree: Tree;
  private readonly looker: Looker;
  private readonly named: { same: Arrival[]; created: Arrival[]; absent: Look[]; touched: Set<NodeId> } = {
    same: [],
    created: [],
    absent: [],
    touched: new Set(),
  };
  private readonly arrivals: Arrival[] = [];
  /** Where in this burst each identity was seen. */
  private readonly seen = new Map<string, Arrival[]>();
  private readonly looks = new Map<string, Look>();
  private asides: Aside[] = [];
  private asideCount = 0;

  constructor(site: Site, tree: Tree, looker: Looker) {
    this.site = site;
    this.tree = tree;
    this.looker = looker;
  }

  /** Synchronous: between its changes no batch is cut. */
  settle(looks: readonly Look[]): Named {
    for (const look of looks) this.sort(look);
    let left = this.arrivals;
    for (let before = Number.POSITIVE_INFINITY; left.length > 0 && left.length < before;) {
      before = left.length;
      left = left.filter((arrival) => !this.place(arrival));
    }
    for (const arrival of left) this.makeAnew(arrival);
    for (const { node, at } of this.asides) if (this.site.directories.entry(at.parent, at.name)?.node === node) this.tree.unlink(at.parent, at.name);
    this.asides = [];
    return this.named;
  }

  private sort(look: Look): void {
    const entry = this.site.directories.entry(look.parent, look.name);
    this.looks.set(keyOf(look), look);
    if (look.record === undefined) {
      if (entry !== undefined) this.named.absent.push(look);
      return;
    }
    const arrival = look as Arrival;
    if (entry !== undefined && entry.node !== LEFT_OUT && this.isSame(entry.record, arrival)) {
      if (!isSameRecord(entry.record, arrival.record) || markOf(entry.record) !== MARK.none) this.named.same.push(arrival);
      return;
    }
    this.arrivals.push(arrival);
    const key = identityKeyOf(arrival.record);
    const others = this.seen.get(key);
    if (others === undefined) this.seen.set(key, [arrival]);
    else others.push(arrival);
  }

  private isSame(kept: Buffer, { record }: Arrival): boolean {
    return isSameNode(kept, record);
  }

  /** Returns false where it must wait for others. */
  private place(arrival: Arrival): boolean {
    const { nodes, directories, dirt } = this.site;
    const { parent, name, record } = arrival;
    const known = arrival.device === undefined ? nodes.known(nodes.filesystemOf(parent), record) : undefined;
    if (!nodes.isAlive(parent)) {
      for (const each of known?.names ?? []) dirt.mark(each.parent, each.name); // Its directory was replaced in this burst, and turns up anew.
      return true;
    }
    if (known === undefined || !this.isBelievable(known.names, record)) {
      this.makeRoom(arrival, undefined);
      this.named.created.push(arrival);
      this.named.touched.add(parent);
      return true;
    }
    const hasOneName = kindOf(record) === "directory" || linkCountOf(record) === 1; // It is here, so it is nowhere else.
    if (kindOf(record) === "directory" && nodes.isWithin(parent, known.node)) return false;
    const from = hasOneName ? known.names[0] : known.names.find((each) => !this.isStillAt(each, record));
    this.makeRoom(arrival, known.node);
    if (from === undefined)
      this.tree.link(known.node, parent, name, Buffer.from(directories.entry(known.names[0]!.parent, known.names[0]!.name)?.record ?? record));
    else {
      this.tree.rename(known.node, from, { parent, name });
      if (!hasOneName) dirt.mark(from.parent, from.name);
      this.named.touched.add(from.parent);
    }
    this.named.touched.add(parent);
    this.named.same.push(arrival);
    return true;
  }

  /** Where the filesystem has no birth times an inode may have been used anew: then equal size and time must vouch for it. */
  private isBelievable(names: readonly Name[], record: Buffer): boolean {
    if (birthOf(record) !== NO_BIRTH || kindOf(record) === "directory") return true;
    const [first] = names;
    const kept = first === undefined ? undefined : this.site.directories.entry(first.parent, first.name)?.record;
    if (kept === undefined) return false;
    const [a, b] = [statOfRecord(kept), statOfRecord(record)];
    return a.sizeBytes === b.sizeBytes && a.mtimeSeconds === b.mtimeSeconds && a.mtimeNanos === b.mtimeNanos;
  }

  /** Whether a name that the memory has still leads to the same inode. In doubt it does, and is looked at again. */
  private isStillAt(place: Name, record: Buffer): boolean {
    const { nodes, os, dirt } = this.site;
    const look = this.looks.get(keyOf(place));
    if (look !== undefined) return look.record !== undefined && isSameNode(look.record, record);
    const directory = nodes.location(place.parent);
    if (directory === undefined) return false;
    if (!this.looker.isInPlace(place.parent, directory.path)) {
      dirt.mark(place.parent, place.name);
      return true;
    }
    try {
      return isSameInode(os.lstat(below(directory.path, place.name)).inode, record);
    } catch (error) {
      if (error instanceof OsError) return false;
      throw error;
    }
  }

  /** A node that is about to lose its last name, and was seen under another one in this burst, steps aside first. */
  private makeRoom(arrival: Arrival, mover: NodeId | undefined): void {
    const { directories, nodes } = this.site;
    const { parent, name } = arrival;
    const occupant = directories.entry(parent, name);
    if (occupant === undefined || occupant.node === LEFT_OUT || occupant.node === mover || parent === MACHINE_NODE) return;
    const record = Buffer.from(occupant.record);
    const elsewhere = this.seen
      .get(identityKeyOf(record))
      ?.some((each) => each !== arrival && directories.entry(each.parent, each.name)?.node !== occupant.node);
    const known = nodes.known(nodes.filesystemOf(parent), record);
    if (elsewhere !== true || known === undefined || known.node !== occupant.node || known.names.length !== 1) return;
    const at = { parent, name: `.rainbow-aside-${++this.asideCount}-${occupant.node}` as ByteString };
    if (directories.entry(at.parent, at.name) !== undefined) return;
    this.tree.rename(occupant.node, { parent, name }, at);
    this.asides.push({ node: occupant.node, at });
  }

  /** Names that wait for one another in a circle: the node is made anew. */
  private makeAnew(arrival: Arrival): void {
    const { dirt, nodes } = this.site;
    const known = nodes.known(nodes.filesystemOf(arrival.parent), arrival.record);
    for (const { parent, name } of known?.names ?? []) {
      this.tree.unlink(parent, name);
      dirt.mark(parent, name);
    }
    if (!nodes.isAlive(arrival.parent)) return;
    this.named.created.push(arrival);
    this.named.touched.add(arrival.parent);
  }
}

export function keyOf({ parent, name }: Name): string {
  return `${parent}/${name}`;
}

function identityKeyOf(record: Buffer): string {
  return `${inodeOf(record)}${birthOf(record)}${String.fromCharCode(record[62] as number)}`;
}

function isSameInode(inode: number, record: Buffer): boolean {
  return record.readUInt32LE(0) + record.readUInt32LE(4) * 2 ** 32 === inode;
}
