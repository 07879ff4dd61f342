/**
 * Where nodes are and who they are: a directory's parent and name (paths are derived, so a rename touches one row), and, by
 * filesystem and inode, the node with its birth time and all its names. A name below a directory that left the tree does not count.
 */
import { ByteReader, ByteWriter, MACHINE_NODE, RainbowError } from "../../core/index.ts";
import type { ByteString, NodeId } from "../../core/index.ts";
import { idText, type Directories } from "./directories.ts";
import type { Memory, Row } from "./memory.ts";
import { birthOf, inodeOf, NO_BIRTH } from "./records.ts";
import type { RowKey } from "./row-store.ts";

export interface Name {
  readonly parent: NodeId;
  readonly name: ByteString;
}
export interface Location {
  readonly path: ByteString;
  readonly root: NodeId;
}
/** Why a directory's content is not captured; "none" where it is. */
export type Closed = "none" | "other-filesystem" | "cachedir-tag";
const CLOSED: readonly Closed[] = ["none", "other-filesystem", "cachedir-tag"];

const NAME_BYTES_MAX = 4096;
const PATHS_CACHED_MAX = 20_000; // About 4 MB.
const DEPTH_MAX = 4096;
const NAMES_MAX = 1 << 20;

class PlaceRow implements Row {
  readonly parent: NodeId;
  readonly name: ByteString;
  readonly closed: Closed;
  readonly filesystem: number;
  constructor(name: Name, closed: Closed, filesystem: number) {
    this.parent = name.parent;
    this.name = name.name;
    this.closed = closed;
    this.filesystem = filesystem;
  }
  encode(): Uint8Array {
    const writer = new ByteWriter(32 + this.name.length);
    writer.u64(this.parent);
    writer.u8(CLOSED.indexOf(this.closed));
    writer.u32(this.filesystem);
    writer.byteString(this.name);
    return writer.view();
  }
  static decode(bytes: Buffer): PlaceRow {
    const reader = new ByteReader(bytes, damaged);
    const parent = reader.u64() as NodeId;
    const closed = CLOSED[reader.u8()] ?? "none";
    const filesystem = reader.u32();
    return new PlaceRow({ parent, name: reader.byteString(NAME_BYTES_MAX) }, closed, filesystem);
  }
}

interface Identity {
  readonly node: NodeId;
  readonly birth: ByteString;
  readonly names: Name[];
}

class IdentityRow implements Row {
  readonly identities: Identity[] = [];
  encode(): Uint8Array {
    const writer = new ByteWriter(64);
    writer.varint(this.identities.length);
    for (const { node, birth, names } of this.identities) {
      writer.u64(node);
      writer.byteString(birth);
      writer.varint(names.length);
      for (const each of names) {
        writer.u64(each.parent);
        writer.byteString(each.name);
      }
    }
    return writer.view();
  }
  static decode(bytes: Buffer): IdentityRow {
    const reader = new ByteReader(bytes, damaged);
    const row = new IdentityRow();
    for (let left = reader.varint(); left > 0; left--) {
      const node = reader.u64() as NodeId;
      const birth = reader.byteString(NO_BIRTH.length);
      const names: Name[] = [];
      for (let count = Math.min(reader.varint(), NAMES_MAX); count > 0; count--)
        names.push({ parent: reader.u64() as NodeId, name: reader.byteString(NAME_BYTES_MAX) });
      row.identities.push({ node, birth, names });
    }
    return row;
  }
}

function damaged(why: string): RainbowError {
  return new RainbowError("STORE_CORRUPT", `the agent's memory is damaged: ${why}`);
}

export class Nodes {
  private readonly memory: Memory;
  private readonly directories: Directories;
  private readonly locations = new Map<NodeId, Location>();

  constructor(memory: Memory, directories: Directories) {
    this.memory = memory;
    this.directories = directories;
  }

  /** Where a directory is; undefined where it or one of its parents left the tree. */
  location(directory: NodeId): Location | undefined {
    const chain: { readonly node: NodeId; readonly name: ByteString }[] = [];
    let location: Location | undefined;
    for (let at = directory; location === undefined;) {
      location = this.locations.get(at);
      if (location !== undefined) break;
      const row = this.placeRow(at);
      if (row === undefined || chain.length > DEPTH_MAX) return undefined;
      if (row.parent === MACHINE_NODE) location = this.remember(at, { path: row.name, root: at });
      else chain.push({ node: at, name: row.name });
      at = row.parent;
    }
    for (const { node, name } of chain.reverse()) location = this.remember(node, { path: below(location.path, name), root: location.root });
    return location;
  }

  private remember(directory: NodeId, location: Location): Location {
    if (this.locations.size >= PATHS_CACHED_MAX) this.locations.clear();
    this.locations.set(directory, location);
    return location;
  }

  /** The path of an entry; undefined where its directory left the tree. */
  pathOf(parent: NodeId, name: ByteString): ByteString | undefined {
    if (parent === MACHINE_NODE) return name;
    const location = this.location(parent);
    return location === undefined ? undefined : below(location.path, name);
  }

  isAlive(directory: NodeId): boolean {
    return directory === MACHINE_NODE || this.location(directory) !== undefined;
  }

  nameOf(directory: NodeId): Name | undefined {
    return this.placeRow(directory);
  }

  /** Whether `directory` is `ancestor` or lies below it. */
  isWithin(directory: NodeId, ancestor: NodeId): boolean {
    for (let at: NodeId | undefined = directory, depth = 0; at !== undefined && depth < DEPTH_MAX; depth++) {
      if (at === ancestor) return true;
      at = this.placeRow(at)?.parent;
    }
    return false;
  }

  closed(directory: NodeId): Closed {
    return this.placeRow(directory)?.closed ?? "none";
  }

  filesystemOf(directory: NodeId): number {
    return this.placeRow(directory)?.filesystem ?? 0;
  }

  setPlace(directory: NodeId, name: Name, closed: Closed, filesystem: number): void {
    this.memory.set(placeKey(directory), new PlaceRow(name, closed, filesystem));
    this.locations.clear();
  }

  /** Moves a directory, with all below it. */
  move(directory: NodeId, to: Name): void {
    const row = this.placeRow(directory);
    this.setPlace(directory, to, row?.closed ?? "none", row?.filesystem ?? 0);
  }

  /** Takes a directory, and so all below it, out of the tree. */
  removePlace(directory: NodeId): void {
    this.memory.set(placeKey(directory), undefined);
    this.locations.clear();
  }

  /** The node that a record is known as on a filesystem, with its names that are in the tree. */
  known(filesystem: number, record: Buffer): { readonly node: NodeId; readonly names: readonly Name[] } | undefined {
    const birth = birthOf(record);
    for (const identity of this.identityRow(filesystem, record)?.identities ?? []) {
      if (identity.birth !== birth) continue;
      const names = identity.names.filter(({ parent, name }) => this.isAlive(parent) && this.directories.entry(parent, name)?.node === identity.node);
      if (names.length > 0) return { node: identity.node, names };
    }
    return undefined;
  }

  addName(filesystem: number, record: Buffer, node: NodeId, name: Name): void {
    const row = this.identityRow(filesystem, record) ?? new IdentityRow();
    let identity = row.identities.find((each) => each.node === node);
    if (identity === undefined) row.identities.push((identity = { node, birth: birthOf(record), names: [] }));
    if (!identity.names.some((each) => each.parent === name.parent && each.name === name.name)) identity.names.push(name);
    this.memory.set(identityKey(filesystem, record), row);
  }

  /** Takes a name away. Returns the names that the node still has in the tree. */
  removeName(filesystem: number, record: Buffer, node: NodeId, name: Name): readonly Name[] {
    const row = this.identityRow(filesystem, record);
    const identity = row?.identities.find((each) => each.node === node);
    if (row === undefined || identity === undefined) return [];
    const at = identity.names.findIndex((each) => each.parent === name.parent && each.name === name.name);
    if (at >= 0) identity.names.splice(at, 1);
    const left = identity.names.filter(({ parent }) => this.isAlive(parent));
    if (left.length === 0) row.identities.splice(row.identities.indexOf(identity), 1);
    this.memory.set(identityKey(filesystem, record), row.identities.length === 0 ? undefined : row);
    return left;
  }

  private placeRow(directory: NodeId): PlaceRow | undefined {
    return this.memory.get(placeKey(directory), PlaceRow.decode);
  }

  private identityRow(filesystem: number, record: Buffer): IdentityRow | undefined {
    return this.memory.get(identityKey(filesystem, record), IdentityRow.decode);
  }
}

export function below(path: ByteString, name: ByteString): ByteString {
  return (path === "/" ? `/${name}` : `${path}/${name}`) as ByteString;
}

function placeKey(directory: NodeId): RowKey {
  return `n${idText(directory)}` as RowKey;
}

function identityKey(filesystem: number, record: Buffer): RowKey {
  const text = String.fromCharCode((filesystem >>> 8) & 255, filesystem & 255);
  return `i${text}${inodeOf(record)}` as RowKey;
}
