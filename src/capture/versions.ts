/**
 * Tells the host a new version of a file: what differs from what it holds, whole in one batch, or staged over several between
 * PassStarted and VersionSettled. Block hashes are noted with the batch that carries the blocks, so they are always the host's.
 */
import { BLOCK_BYTES, REGION_BYTES } from "../core/index.ts";
import type { ByteString, Change, NodeId } from "../core/index.ts";
import { compareRegion, Delta, HASH_BYTES, UNKNOWN_HASH } from "./content/index.ts";
import { BytesRow, changeTimeOf, isSameAttributes, isSameStat, JsonRow, kindOf, linkCountOf, MARK, sizeOf, withMark } from "./memory/index.ts";
import type { Name } from "./memory/index.ts";
import type { Site } from "./site.ts";
import { hashKey, passKey, unsettledKey, type Tree } from "./tree.ts";

const ZEROS = Buffer.alloc((REGION_BYTES / BLOCK_BYTES) * HASH_BYTES);

/** What the host holds of a file. */
export interface Base {
  readonly sizeBytes: number;
  /** A pass is open at the host: what is sent is staged until VersionSettled. */
  readonly isStaging: boolean;
}

/** A version on its way: what differs, and the hashes that go with it. */
export interface Version {
  readonly delta: Delta;
  readonly hashes: Map<number, Buffer>;
}

/** A file that was read to its end. */
export interface Settled {
  readonly node: NodeId;
  readonly name: Name;
  readonly path: ByteString;
  /** The entry's record so far. */
  readonly before: Buffer;
  /** The file's, as it was read. */
  readonly record: Buffer;
  /** Wall time before the first byte was read. */
  readonly readUs: number;
  readonly isUnsettled: boolean;
  /** The node was created in this batch, with its attributes. */
  readonly isNew: boolean;
}

export class Versions {
  private readonly site: Site;
  private readonly tree: Tree;

  constructor(site: Site, tree: Tree) {
    this.site = site;
    this.tree = tree;
  }

  make(): Version {
    return { delta: new Delta(this.site.maker), hashes: new Map() };
  }

  /** `record`: the kept one of a name of the node. */
  base(node: NodeId, record: Buffer | undefined): Base {
    const staged = this.site.memory.get<JsonRow<number>>(passKey(node), JsonRow.decode);
    if (staged !== undefined) return { sizeBytes: staged.value, isStaging: true };
    return { sizeBytes: record === undefined ? 0 : sizeOf(record), isStaging: false };
  }

  /** Compares a region of a file with what the host holds, into `version`. */
  compare(version: Version, node: NodeId | undefined, base: Base, region: number, bytes: Buffer): void {
    const hashes = this.site.hasher.hash(bytes);
    const known = node === undefined ? undefined : (version.hashes.get(region) ?? this.known(node, base, region));
    compareRegion({ offset: region * REGION_BYTES, bytes, hashes, known }, version.delta);
    if (known === undefined || !known.equals(hashes)) version.hashes.set(region, hashes);
  }

  /** Whether nothing can be known of a region: it is a hole, and was one. */
  isKnownHole(node: NodeId, base: Base, region: number): boolean {
    return this.known(node, base, region) === undefined;
  }

  /** Sends what a long pass found so far, staged. Returns the base for what follows. */
  stage(node: NodeId, base: Base, sizeBytes: number, version: Version): Base {
    const { batches, memory } = this.site;
    if (!base.isStaging) batches.add({ type: "PassStarted", node });
    this.send(node, base, sizeBytes, version, true);
    memory.set(passKey(node), new JsonRow(sizeBytes));
    return { sizeBytes, isStaging: true };
  }

  /** Sends the rest; the version is the file from here on. */
  settle(file: Settled, version: Version): void {
    const { node, name, path, before, record, readUs, isUnsettled } = file;
    const { batches, memory, nodes } = this.site;
    const base = this.base(node, before);
    this.send(node, base, sizeOf(record), version, sizeOf(record) > BLOCK_BYTES);
    if (!file.isNew || !isSameStat(before, record)) this.tree.settleAttributes(node, path, record, isSameAttributes(before, record));
    if (base.isStaging) memory.set(passKey(node), undefined);
    const wasUnsettled = memory.get(unsettledKey(node), BytesRow.decode) !== undefined;
    if (base.isStaging || isUnsettled || wasUnsettled) batches.add({ type: "VersionSettled", node, unsettled: isUnsettled });
    if (isUnsettled !== wasUnsettled) memory.set(unsettledKey(node), isUnsettled ? new BytesRow(Buffer.alloc(0)) : undefined);
    const root = nodes.location(name.parent)?.root;
    if (root !== undefined) this.site.roots.count(root, 0, sizeOf(record) - sizeOf(before));
    this.keep(node, name, isUnsettled ? withMark(record, MARK.racy) : this.withTick(name, record, readUs));
  }

  /** Notes a record as that of a node, under all its names. */
  keep(node: NodeId, name: Name, record: Buffer): void {
    const { directories, nodes } = this.site;
    directories.put(name.parent, name.name, node, record);
    if (kindOf(record) === "directory" || linkCountOf(record) < 2) return;
    const others = nodes.known(nodes.filesystemOf(name.parent), record)?.names ?? [];
    for (const other of others) directories.put(other.parent, other.name, node, Buffer.from(record));
  }

  /** A record whose times are so fresh that a later change may carry the same: marked, and looked at again. */
  withTick(name: Name, record: Buffer, readUs: number): Buffer {
    const { clock, dirt, limits } = this.site;
    const { us, isCoarse } = changeTimeOf(record);
    const tickUs = isCoarse ? limits.tickCoarseUs : limits.tickUs;
    if (us < readUs - tickUs) return withMark(record, MARK.none);
    dirt.revisit(name.parent, name.name, clock.monotonicUs() + tickUs);
    return withMark(record, MARK.racy);
  }

  private known(node: NodeId, base: Base, region: number): Buffer | undefined {
    if (region * REGION_BYTES >= base.sizeBytes) return undefined;
    const row = this.site.memory.get(hashKey(node, region), BytesRow.decode);
    if (row !== undefined) return row.bytes;
    return !base.isStaging && base.sizeBytes <= BLOCK_BYTES ? UNKNOWN_HASH : undefined;
  }

  private send(node: NodeId, base: Base, sizeBytes: number, version: Version, isHashed: boolean): void {
    const { batches } = this.site;
    const { changes, chunks } = version.delta.take(node, batches.chunkCount);
    if (sizeBytes < base.sizeBytes || (sizeBytes > base.sizeBytes && endOf(changes) < sizeBytes)) batches.add({ type: "SizeSet", node, sizeBytes });
    batches.addChunks(chunks);
    batches.add(...changes);
    this.noteHashes(node, base, sizeBytes, version.hashes, isHashed);
    version.hashes.clear();
  }

  private noteHashes(node: NodeId, base: Base, sizeBytes: number, hashes: Map<number, Buffer>, isHashed: boolean): void {
    const { memory } = this.site;
    const hadRows = base.isStaging || base.sizeBytes > BLOCK_BYTES;
    if (sizeBytes < base.sizeBytes && hadRows) this.truncate(node, base, sizeBytes);
    if (isHashed) for (const [region, row] of hashes) memory.set(hashKey(node, region), isAllZero(row) ? undefined : new BytesRow(row));
    else if (hadRows) memory.set(hashKey(node, 0), undefined);
  }

  /** The block that the new end cuts has lost its tail at the host: its hash says nothing any more. */
  private truncate(node: NodeId, base: Base, sizeBytes: number): void {
    const { memory } = this.site;
    const first = Math.floor(sizeBytes / REGION_BYTES);
    for (let region = first; region * REGION_BYTES < base.sizeBytes; region++) {
      const key = hashKey(node, region);
      const row = memory.get(key, BytesRow.decode);
      if (row === undefined) continue;
      const whole = Math.floor((sizeBytes - region * REGION_BYTES) / BLOCK_BYTES) * HASH_BYTES;
      const isCut = region === first && sizeBytes % BLOCK_BYTES !== 0 && row.bytes.length > whole;
      const left = region === first ? Buffer.concat([row.bytes.subarray(0, whole), isCut ? UNKNOWN_HASH : Buffer.alloc(0)]) : Buffer.alloc(0);
      memory.set(key, left.length === 0 ? undefined : new BytesRow(left));
    }
  }
}

function endOf(changes: readonly Change[]): number {
  let end = 0;
  for (const change of changes) {
    if (change.type === "RangeZeroed") end = Math.max(end, change.offset + change.length);
    const last = change.type === "ExtentsWritten" ? change.extents.at(-1) : undefined;
    if (last !== undefined) end = Math.max(end, last.offset + last.length);
  }
  return end;
}

function isAllZero(row: Buffer): boolean {
  return ZEROS.compare(row, 0, row.length, 0, row.length) === 0;
}
