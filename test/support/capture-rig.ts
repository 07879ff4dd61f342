/** A capture on a real directory with a replica as its host: pulls batches, applies and acknowledges them, and compares with the disk. */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openOs } from "../../src/app/os/index.ts";
import { createCapture, type Capture, type CaptureOptions, type Limits, type RowStore } from "../../src/capture/index.ts";
import { openMemoryRows } from "../../src/capture/lmdb/index.ts";
import {
  byteStringOfText,
  displayOf,
  type ByteString,
  type Clock,
  type Epoch,
  type NodeId,
  type Os,
  type RootOptions,
  type TimeUs,
} from "../../src/core/index.ts";
import { Replica, type ReplicaNode } from "./replica.ts";
import { temporaryDirectory } from "./temp.ts";

export const systemClock: Clock = {
  now: () => Math.floor((performance.timeOrigin + performance.now()) * 1000) as TimeUs,
  monotonicUs: () => Math.floor(performance.now() * 1000),
  sleep: (delayMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, delayMs);
      signal?.addEventListener("abort", finish, { once: true });
    }),
};

export const plainOptions: RootOptions = { crossMounts: false, rules: [], fileBytesMax: 0 };

export class CaptureRig {
  readonly base = temporaryDirectory("capture");
  readonly rootPath = join(this.base, "root");
  readonly agentPath = join(this.base, "data/agent");
  readonly hashKey = randomBytes(32);
  readonly replica = new Replica(this.hashKey);
  readonly os: Os;
  capture!: Capture;
  store!: RowStore;
  root!: NodeId;
  epoch = 0;
  /** Batches are applied and not acknowledged while set: as if the acknowledgement were lost. */
  isDeaf = false;
  /** Batches are pulled and dropped while set: as if the host were gone. */
  isCut = false;
  batchCount = 0;
  private pulling: Promise<void> = Promise.resolve();
  private lastUs = 0 as TimeUs;
  failure: unknown;

  constructor(os: Os = openOs()) {
    this.os = os;
    mkdirSync(this.rootPath, { recursive: true });
    mkdirSync(this.agentPath, { recursive: true });
  }

  async start(limits: Partial<Limits> = {}, options: Partial<CaptureOptions> = {}): Promise<void> {
    this.store = openMemoryRows(byteStringOfText(this.agentPath));
    this.capture = createCapture({
      os: this.os,
      clock: systemClock,
      random: { bytes: (count) => randomBytes(count), uuid: () => randomUUID() },
      store: this.store,
      directory: byteStringOfText(this.agentPath),
      dataDirectory: byteStringOfText(join(this.base, "data")),
      limits,
      ...options,
    });
    await this.openSession();
    this.pulling = this.pull(this.capture);
  }

  /** A session as the host would open it. */
  async openSession(): Promise<void> {
    this.epoch += 1;
    const { last } = this.replica;
    const known = last === undefined ? {} : { last: { epoch: last.epoch as Epoch, sequence: last.sequence, revision: 0, agentTimeUs: this.lastUs } };
    await this.capture.start({ machine: "m", epoch: this.epoch as Epoch, hashKey: this.hashKey, ...known });
  }

  /** Again, where a kill came before the host heard of the root. */
  async protectAnew(): Promise<void> {
    const [known] = this.capture.roots();
    if (known === undefined) await this.protect();
    else this.root = known.root;
  }

  async protect(options: RootOptions = plainOptions): Promise<void> {
    this.root = (await this.capture.addRoot(byteStringOfText(this.rootPath), options)).root;
  }

  /** Stops in order. */
  async stop(): Promise<void> {
    await this.capture.stop();
    await this.pulling;
    await this.store.close();
    if (this.failure !== undefined) throw this.failure;
  }

  /**
   * Ends without any order: for a while batches are applied and not acknowledged (`isDeaf`), or lost on their way (`isCut`), and then
   * nothing of what is under way arrives. What the store was asked to write is written, as if the system went on.
   */
  async kill(how: { readonly isDeaf: boolean; readonly isCut: boolean; readonly afterMs: number }): Promise<void> {
    this.isDeaf = how.isDeaf;
    this.isCut = how.isCut;
    await systemClock.sleep(how.afterMs);
    this.isCut = true;
    this.isDeaf = true;
    await this.capture.stop();
    await this.pulling;
    await this.store.close();
    this.isCut = false;
    this.isDeaf = false;
    if (this.failure !== undefined) throw this.failure;
  }

  private async pull(capture: Capture): Promise<void> {
    try {
      for (let batch = await capture.next(); batch !== undefined; batch = await capture.next()) {
        if (this.isCut) continue;
        if (batch.epoch !== this.epoch) continue;
        this.batchCount += 1;
        this.replica.apply(batch);
        this.lastUs = batch.agentTimeUs;
        if (!this.isDeaf) await capture.acknowledged({ epoch: batch.epoch, sequence: batch.sequence, revision: 0, chainHash: Buffer.alloc(32) });
      }
    } catch (error) {
      this.failure = error;
      await capture.stop();
    }
  }

  /** Flushes, and waits until the replica has the batch. */
  async flush(full = false): Promise<readonly string[]> {
    const report = await this.capture.flush(full);
    while (this.failure === undefined && !this.isCut && (this.replica.last?.epoch !== this.epoch || this.replica.last.sequence < report.sequence))
      await new Promise((resolve) => setImmediate(resolve));
    if (this.failure !== undefined) throw this.failure;
    return report.incomplete;
  }

  /** What differs between the disk and the replica, in words; [] when nothing does. */
  differences(): string[] {
    const found: string[] = [];
    const links = new Map<string, NodeId>();
    const node = this.replica.nodes.get(this.root);
    if (node === undefined) return ["the replica has no root"];
    this.compare(byteStringOfText(this.rootPath), node, links, found);
    return found;
  }

  private compare(path: ByteString, node: ReplicaNode, links: Map<string, NodeId>, found: string[]): void {
    const stat = this.os.lstat(path);
    const say = (what: string, disk: unknown, replica: unknown): void => {
      found.push(`${displayOf(path)} (${stat.kind} ${node.id}): ${what} is ${String(disk)} on disk, ${String(replica)} in the replica`);
    };
    if (stat.kind !== node.kind) return say("kind", stat.kind, node.kind);
    const { attributes } = node;
    for (const key of ["mode", "uid", "gid", "mtimeSeconds", "mtimeNanos", "btimeSeconds", "btimeNanos"] as const)
      if (stat[key] !== attributes[key]) say(key, stat[key], attributes[key]);
    const xattrs = this.os.xattrs(path).map(({ name, value }) => `${name}=${Buffer.from(value).toString("hex")}`);
    const replicas = attributes.xattrs.map(({ name, value }) => `${name}=${Buffer.from(value).toString("hex")}`);
    if (xattrs.join() !== replicas.join()) say("xattrs", xattrs.join(), replicas.join());
    if (stat.rdev !== node.rdev) say("rdev", stat.rdev, node.rdev);
    if (stat.kind !== "directory" && stat.linkCount > 1) {
      const before = links.get(`${stat.device}/${stat.inode}`);
      if (before !== undefined && before !== node.id) say("hard link", before, node.id);
      links.set(`${stat.device}/${stat.inode}`, node.id);
    }
    if (stat.kind === "symlink" && this.os.readlink(path) !== node.linkTarget) say("target", this.os.readlink(path), node.linkTarget);
    if (stat.kind === "file") this.compareContent(path, stat.sizeBytes, node, say);
    if (stat.kind === "directory") this.compareEntries(path, node, links, found);
  }

  private compareContent(path: ByteString, sizeBytes: number, node: ReplicaNode, say: (what: string, disk: unknown, replica: unknown) => void): void {
    if (node.staged !== undefined) say("pass", "over", "open");
    if (node.isUnsettled) say("version", "at rest", "unsettled");
    if (sizeBytes !== node.content.length) return say("size", sizeBytes, node.content.length);
    const fd = this.os.openRead(path);
    const content = Buffer.alloc(sizeBytes);
    this.os.read(fd, content, 0);
    this.os.close(fd);
    if (content.equals(node.content)) return;
    let at = 0;
    while (content[at] === node.content[at]) at += 1;
    say(`byte ${at} of ${sizeBytes}`, content[at], node.content[at]);
  }

  private compareEntries(path: ByteString, node: ReplicaNode, links: Map<string, NodeId>, found: string[]): void {
    const names = listNames(this.os, path);
    for (const name of names) {
      const child = this.replica.nodes.get(node.children.get(name) ?? (-1 as NodeId));
      const at = `${path}/${name}` as ByteString;
      if (child === undefined) found.push(`${displayOf(at)} is missing in the replica`);
      else this.compare(at, child, links, found);
    }
    for (const name of node.children.keys()) if (!names.includes(name)) found.push(`${displayOf(path)}/${displayOf(name)} is in the replica alone`);
  }
}

export function listNames(os: Os, path: ByteString): ByteString[] {
  const listing = os.listDirectory(path);
  return Array.from({ length: listing.readUInt32LE(0) }, (_, i) => {
    const at = 8 + i * 96;
    const from = listing.readUInt32LE(at + 84);
    return listing.toString("latin1", from, from + listing.readUInt16LE(at + 88)) as ByteString;
  });
}
