/**
 * Reads files and settles their versions. A file counts as read at rest when its stat was the same before and after; one that was
 * not is read again, with pauses that keep it below 5 % of the time, and after some tries its version is marked as unsettled.
 * Small files are read at once; longer ones region by region, several taking turns with everything else.
 */
import { OsError, REGION_BYTES } from "../core/index.ts";
import type { ByteString, NodeId, Stat } from "../core/index.ts";
import { isSameNode, isSameStat, recordOf, sizeOf, unreadRecord } from "./memory/index.ts";
import type { Name } from "./memory/index.ts";
import type { Site } from "./site.ts";
import type { Tree } from "./tree.ts";
import { Versions, type Base, type Version } from "./versions.ts";

const QUICK_TRIES = 3;
const NO_FD = -1;
const CHECK_REGIONS = 32; // A file that changes under the reader is noticed within 32 MiB, not at its end.
const SHRINK_FACTOR = 3;
const SHRINK_PAUSE_US = 1_000_000;

/** A file to read, as it was seen: `node` absent where it is to be created first. */
export interface FileLook {
  readonly name: Name;
  readonly path: ByteString;
  readonly record: Buffer;
  readonly filesystem: number;
}

interface Pass {
  readonly node: NodeId;
  readonly filesystem: number;
  name: Name;
  fd: number;
  path: ByteString;
  start: Buffer;
  base: Base;
  version: Version;
  region: number;
  tries: number;
  readUs: number;
  spentUs: number;
  /** Monotonic. */
  readonly bornUs: number;
  resumeUs: number;
}

export class Files {
  private readonly site: Site;
  private readonly tree: Tree;
  readonly versions: Versions;
  private readonly passes = new Map<NodeId, Pass>();
  private readonly buffer = Buffer.allocUnsafe(REGION_BYTES);
  private readonly zeros = Buffer.alloc(REGION_BYTES);
  /** Paths whose last version is unsettled, for flush. Bounded as the revisits are. */
  readonly unsettled = new Map<NodeId, ByteString>();
  readBytes = 0;

  constructor(site: Site, tree: Tree) {
    this.site = site;
    this.tree = tree;
    this.versions = new Versions(site, tree);
  }

  get passCount(): number {
    return this.passes.size;
  }

  /** Whether a long pass over the node is under way; it will see what changes meanwhile. */
  isReading(node: NodeId): boolean {
    return this.passes.has(node);
  }

  /** Creates a file with its content. `bytes` where they were read already, as the record says. Gone files are nothing. */
  create(look: FileLook, bytes: Buffer | undefined): void {
    const { record, name, path, filesystem } = look;
    const readUs = this.site.clock.now();
    const isSmall = sizeOf(record) <= this.site.limits.smallFileBytes;
    const read = bytes !== undefined ? { bytes, record } : isSmall ? this.readQuickly(path, record) : undefined;
    if (read === "gone") return this.site.dirt.mark(name.parent, name.name, true);
    const version = this.versions.make();
    const isRead = read !== undefined && read !== "restless" && !(read instanceof OsError);
    if (isRead && read.bytes.length > 0) this.versions.compare(version, undefined, { sizeBytes: 0, isStaging: false }, 0, read.bytes);
    this.site.batches.reserve(version.delta.payloadBytes);
    const node = this.tree.create(name.parent, name.name, { record: isRead ? read.record : record, path, filesystem });
    if (read instanceof OsError) return this.unreadable(node, name, path, record, read);
    if (!isRead) return this.startPass(node, name, record);
    const before = this.site.directories.entry(name.parent, name.name)?.record;
    if (before !== undefined) this.settle(node, look, Buffer.from(before), read.record, version, readUs, true);
  }

  /** Settles a new version of a known file. */
  update(node: NodeId, look: FileLook, before: Buffer, bytes: Buffer | undefined): void {
    if (this.isReading(node)) return;
    const { record, name, path } = look;
    const readUs = this.site.clock.now();
    if (sizeOf(record) > this.site.limits.smallFileBytes) return this.startPass(node, name, record);
    const read = bytes !== undefined ? { bytes, record } : this.readQuickly(path, record);
    if (read === "gone") return this.site.dirt.mark(name.parent, name.name, true);
    if (read === "restless") return this.startPass(node, name, record);
    if (read instanceof OsError) return this.unreadable(node, name, path, record, read);
    const version = this.versions.make();
    this.compareWhole(version, node, before, read.bytes);
    this.site.batches.reserve(version.delta.payloadBytes);
    this.settle(node, look, before, read.record, version, readUs, false);
  }

  /** One region of one of the long passes. Returns whether there was anything to do. */
  step(isUrgent: boolean): boolean {
    const nowUs = this.site.clock.monotonicUs();
    let openCount = 0;
    for (const pass of this.passes.values()) {
      if (++openCount > this.site.limits.passesMax) break;
      if (pass.resumeUs > nowUs && !isUrgent) continue;
      this.passes.delete(pass.node); // To the end of the line: they take turns.
      this.passes.set(pass.node, pass);
      this.advance(pass, isUrgent);
      return true;
    }
    return false;
  }

  /** When the next pass wants its turn (monotonic), undefined where there is none. */
  nextStepUs(): number | undefined {
    let nextUs: number | undefined;
    for (const pass of this.passes.values()) nextUs = Math.min(nextUs ?? pass.resumeUs, pass.resumeUs);
    return nextUs;
  }

  close(): void {
    for (const pass of this.passes.values()) this.closeFile(pass);
    this.passes.clear();
  }

  private compareWhole(version: Version, node: NodeId, before: Buffer, bytes: Buffer): void {
    const base = this.versions.base(node, before);
    if (bytes.length > 0) this.versions.compare(version, node, base, 0, bytes);
  }

  private settle(node: NodeId, { name, path }: FileLook, before: Buffer, record: Buffer, version: Version, readUs: number, isNew: boolean): void {
    this.readBytes += sizeOf(record);
    this.versions.settle({ node, name, path, before, record, readUs, isUnsettled: false, isNew }, version);
    this.readable(node);
    this.unsettled.delete(node);
  }

  private readQuickly(path: ByteString, seen: Buffer): { readonly bytes: Buffer; readonly record: Buffer } | "gone" | "restless" | OsError {
    const { os, limits } = this.site;
    try {
      const fd = os.openRead(path);
      try {
        for (let tries = 0; tries < QUICK_TRIES; tries++) {
          const stat = os.fstat(fd);
          const record = recordOf(stat);
          if (!isSameNode(record, seen)) return "gone"; // Another file has the name; its own event says so.
          if (stat.sizeBytes > limits.smallFileBytes) return "restless";
          const bytes = this.buffer.subarray(0, stat.sizeBytes);
          const count = os.read(fd, bytes, 0);
          const after = recordOf(os.fstat(fd));
          if (count === stat.sizeBytes && isSameStat(record, after) && sizeOf(record) === sizeOf(after)) return { bytes, record };
        }
        return "restless";
      } finally {
        os.close(fd);
      }
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      return isGone(error) ? "gone" : error;
    }
  }

  private startPass(node: NodeId, name: Name, record: Buffer): void {
    if (this.passes.has(node)) return;
    const base: Base = { sizeBytes: 0, isStaging: false };
    const version = this.versions.make();
    this.passes.set(node, {
      node,
      filesystem: this.site.nodes.filesystemOf(name.parent),
      name,
      fd: NO_FD,
      path: "" as ByteString,
      start: record,
      base,
      version,
      region: 0,
      tries: 0,
      readUs: 0,
      spentUs: 0,
      bornUs: this.site.clock.monotonicUs(),
      resumeUs: 0,
    });
  }

  private advance(pass: Pass, isUrgent: boolean): void {
    const { clock } = this.site;
    const startUs = clock.monotonicUs();
    try {
      if (pass.fd === NO_FD && !this.open(pass, isUrgent)) return;
      this.readRegion(pass);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      this.fail(pass, error);
    } finally {
      pass.spentUs += clock.monotonicUs() - startUs;
    }
  }

  /** Opens the file under any name that it has now. Returns whether there is a pass to go on with. */
  private open(pass: Pass, isUrgent: boolean): boolean {
    const { os, directories, nodes, clock, dirt } = this.site;
    let entry = directories.entry(pass.name.parent, pass.name.name);
    if (entry?.node !== pass.node || !nodes.isAlive(pass.name.parent)) {
      const place = this.findName(pass);
      if (place === undefined) return this.lose(pass);
      pass.name = place;
      entry = directories.entry(place.parent, place.name);
    }
    const path = nodes.pathOf(pass.name.parent, pass.name.name);
    if (entry === undefined || path === undefined) return this.lose(pass);
    const kept = Buffer.from(entry.record);
    pass.path = path;
    pass.readUs = clock.now();
    const fd = os.openRead(path);
    pass.fd = fd;
    const stat = os.fstat(fd);
    pass.start = recordOf(stat);
    if (!isSameNode(kept, pass.start)) {
      dirt.mark(pass.name.parent, pass.name.name, true);
      return this.lose(pass);
    }
    if (!isUrgent && this.isInMotion(pass, stat)) {
      this.closeFile(pass);
      pass.resumeUs = clock.monotonicUs() + this.site.limits.restMs * 1000;
      return false;
    }
    pass.base = this.versions.base(pass.node, kept);
    pass.region = 0;
    return true;
  }

  /** A large file that was written a moment ago is likely being written still: reading it now would be reading it twice. */
  private isInMotion({ bornUs }: Pass, { sizeBytes, mtimeSeconds, mtimeNanos }: Stat): boolean {
    const { clock, limits } = this.site;
    if (sizeBytes < limits.restBytesMin || clock.monotonicUs() - bornUs > limits.restMsMax * 1000) return false;
    const sinceUs = clock.now() - (mtimeSeconds * 1_000_000 + mtimeNanos / 1000);
    return sinceUs >= 0 && sinceUs < limits.restMs * 1000;
  }

  /** A pass's node may have been renamed since; its first record tells where it is now. */
  private findName(pass: Pass): Name | undefined {
    const known = this.site.nodes.known(pass.filesystem, pass.start);
    return known?.node === pass.node ? known.names[0] : undefined;
  }

  private readRegion(pass: Pass): void {
    const { os, batches, limits } = this.site;
    const sizeBytes = sizeOf(pass.start);
    const offset = pass.region * REGION_BYTES;
    const length = Math.max(0, Math.min(REGION_BYTES, sizeBytes - offset));
    if (length > 0) {
      const isHole = os.dataRanges(pass.fd, offset, offset + length).length === 0;
      if (!isHole || !this.versions.isKnownHole(pass.node, pass.base, pass.region)) {
        const bytes = isHole ? this.zeros.subarray(0, length) : this.buffer.subarray(0, length);
        if (!isHole && os.read(pass.fd, bytes, offset) < length) return this.shrunk(pass);
        this.versions.compare(pass.version, pass.node, pass.base, pass.region, bytes);
        this.readBytes += length;
      }
    }
    pass.region += 1;
    if (pass.region * REGION_BYTES < sizeBytes) {
      if (pass.region % CHECK_REGIONS === 0 && pass.tries + 1 < limits.settleTries && !isSameStat(pass.start, recordOf(os.fstat(pass.fd))))
        return this.restart(pass);
      if (pass.version.delta.payloadBytes < limits.batchBytes) return;
      if (!this.isStillThere(pass)) return void this.lose(pass);
      batches.reserve(pass.version.delta.payloadBytes);
      pass.base = this.versions.stage(pass.node, pass.base, sizeBytes, pass.version);
      return;
    }
    const after = recordOf(os.fstat(pass.fd));
    if (isSameStat(pass.start, after) && sizeOf(after) === sizeBytes) return this.finish(pass, after, false);
    if (pass.tries + 1 >= limits.settleTries) return this.finish(pass, after, true);
    this.restart(pass);
  }

  private isStillThere(pass: Pass): boolean {
    const { directories, nodes } = this.site;
    if (directories.entry(pass.name.parent, pass.name.name)?.node === pass.node && nodes.isAlive(pass.name.parent)) return true;
    const place = this.findName(pass);
    if (place !== undefined) pass.name = place;
    return place !== undefined;
  }

  private restart(pass: Pass): void {
    const { clock, limits } = this.site;
    this.closeFile(pass);
    pass.tries += 1;
    pass.version = this.versions.make();
    const pauseUs = Math.min(pass.spentUs * limits.settlePauseFactor * pass.tries, limits.settlePauseMsMax * 1000);
    pass.resumeUs = clock.monotonicUs() + pauseUs;
  }

  /** The file became shorter while it was read. Where it does so again and again, it is left alone for a while. */
  private shrunk(pass: Pass): void {
    const { clock, dirt, limits } = this.site;
    if (pass.tries < limits.settleTries * SHRINK_FACTOR) return this.restart(pass);
    this.unsettled.set(pass.node, pass.path);
    dirt.revisit(pass.name.parent, pass.name.name, clock.monotonicUs() + SHRINK_PAUSE_US);
    this.drop(pass);
  }

  private finish(pass: Pass, after: Buffer, isUnsettled: boolean): void {
    const { batches, directories, nodes, dirt, clock, limits } = this.site;
    this.closeFile(pass);
    this.passes.delete(pass.node);
    if (!this.isStillThere(pass)) return void this.lose(pass);
    const { node, name } = pass;
    const before = directories.entry(name.parent, name.name)?.record;
    const path = nodes.pathOf(name.parent, name.name);
    if (before === undefined || path === undefined) return void this.lose(pass);
    batches.reserve(pass.version.delta.payloadBytes);
    // An unsettled version has the size that was read; the stat of its start, so that the next look finds it changed.
    const record = isUnsettled ? pass.start : after;
    this.versions.settle({ node, name, path, before: Buffer.from(before), record, readUs: pass.readUs, isUnsettled, isNew: false }, pass.version);
    this.readable(node);
    if (!isUnsettled) return void this.unsettled.delete(node);
    this.unsettled.set(node, path);
    dirt.revisit(
      name.parent,
      name.name,
      clock.monotonicUs() + Math.min(Math.max(pass.spentUs * limits.settlePauseFactor, 1_000_000), limits.settlePauseMsMax * 1000),
    );
  }

  private fail(pass: Pass, error: OsError): void {
    const { dirt, directories, nodes } = this.site;
    const { node, name } = pass;
    this.drop(pass);
    if (isGone(error)) {
      dirt.mark(name.parent, name.name, true);
      return void this.lose(pass);
    }
    const entry = directories.entry(name.parent, name.name);
    const path = nodes.pathOf(name.parent, name.name);
    if (entry?.node !== node || path === undefined) return;
    this.unreadable(node, name, path, pass.start, error);
  }

  /** The file is not where it was thought to be: every name that it may still have is looked at. */
  private lose(pass: Pass): false {
    const { dirt, nodes } = this.site;
    for (const { parent, name } of nodes.known(pass.filesystem, pass.start)?.names ?? []) dirt.mark(parent, name, true);
    return this.drop(pass);
  }

  private drop(pass: Pass): false {
    this.closeFile(pass);
    this.passes.delete(pass.node);
    return false;
  }

  private closeFile(pass: Pass): void {
    if (pass.fd !== NO_FD) this.site.os.close(pass.fd);
    pass.fd = NO_FD;
  }

  /** Records the attributes, says that the content could not be seen, and leaves the mark that makes every later look try again. */
  private unreadable(node: NodeId, name: Name, path: ByteString, record: Buffer, error: OsError): void {
    const { clock, directories, gaps, leftOut, nodes } = this.site;
    const before = directories.entry(name.parent, name.name)?.record;
    if (before === undefined) return;
    if (!isSameStat(before, record)) this.tree.settleAttributes(node, path, record, false);
    const base = this.versions.base(node, directories.entry(name.parent, name.name)?.record);
    this.versions.keep(node, name, unreadRecord(record, base.isStaging ? sizeOf(before) : base.sizeBytes));
    const root = nodes.location(name.parent)?.root;
    if (root !== undefined) leftOut.add(root, { path, why: "unreadable", detail: error.message });
    if (gaps.find("unreadable", node) === undefined) gaps.begin("unreadable", { kind: "node", node }, clock.now(), error.message);
  }

  private readable(node: NodeId): void {
    const { gaps } = this.site;
    const gap = gaps.find("unreadable", node);
    if (gap !== undefined) gaps.end(gap.gap);
  }
}

function isGone(error: OsError): boolean {
  return ["ENOENT", "ENOTDIR", "ELOOP", "EINVAL", "EISDIR", "ESTALE", "ENXIO"].includes(error.code);
}
