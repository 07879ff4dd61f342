/** A long history of a machine with many files, on the embedded stores: for benchmarks of what is asked of it. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { openDisk, openOs } from "../../src/app/os/index.ts";
import { ENCODING, MACHINE_NODE, nodeIdOf } from "../../src/core/index.ts";
import type { Attributes, ByteString, Change, ChunkNumber, Clock, Epoch, NewChunk, NodeId, Revision, TimeUs } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import type { Dig } from "../../src/dig/index.ts";
import { openLmdbControl } from "../../src/dig/lmdb/index.ts";
import { ChainedStream } from "../../src/events/index.ts";
import type { EventStore, MachineEvent } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { DigTreeProjection } from "../../src/projections/index.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";

export const FILES_PER_DIRECTORY = 1000;
export const FILE_BYTES = 1 << 20;
export const STREAM = "machine-00000000-0000-4000-8000-000000000000";
const EVENTS_PER_BATCH = 500;
const IN_FLIGHT = 8;
const POOL_CHUNKS = 1024;
const CHUNK_BYTES = 65_536;
const HASH_KEY = Buffer.alloc(32, 1);
const FIRST_US = 1_700_000_000_000_000;
const LAG_EVENTS_MAX = 200_000; // The projection may be this far behind, as the maker is faster than any machine.

export const benchClock: Clock = {
  now: () => (Date.now() * 1000) as TimeUs,
  monotonicUs: () => performance.now() * 1000,
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
};

const named = (text: string): ByteString => text as ByteString;

export class LongHistory {
  readonly directories: NodeId[] = [];
  readonly files: NodeId[] = [];
  readonly random = seededRandom(3);
  memoryBytesPeak = 0;
  readonly store: EventStore;
  readonly dig: Dig;
  projection: DigTreeProjection;
  private readonly chain: ChainedStream;
  private readonly moved = new Set<number>();
  private sequence = 0;
  private counter = 1;
  private appended: Promise<unknown>[] = [];
  private firstChunk = 0;

  private constructor(store: EventStore, dig: Dig, chain: ChainedStream, projection: DigTreeProjection) {
    this.store = store;
    this.dig = dig;
    this.chain = chain;
    this.projection = projection;
  }

  static async make(label: string): Promise<LongHistory> {
    const directory = temporaryDirectory(label);
    const store = await openLmdbEventStore({ path: join(directory, "events.lmdb"), create: true });
    const dig = await openBenchDig(join(directory, "machine"));
    const chain = await ChainedStream.open(store, STREAM);
    const history = new LongHistory(store, dig, chain, await DigTreeProjection.open({ store, stream: STREAM, dig, clock: benchClock }));
    await history.storePool();
    return history;
  }

  get head(): Revision {
    return this.chain.head.revision;
  }

  /** Resolves when everything appended is projected. */
  async settled(): Promise<void> {
    await Promise.all(this.appended);
    await this.projection.projected(this.head);
  }

  /** Discards all trees, as `rainbow replay` does; the projection has seen nothing then. */
  async forgetTrees(): Promise<void> {
    await this.projection.close();
    await this.dig.trees.discardAfter(-1 as Revision);
    this.projection = await DigTreeProjection.open({ store: this.store, stream: STREAM, dig: this.dig, clock: benchClock });
  }

  async close(): Promise<void> {
    await this.projection.close();
    await this.dig.close();
    await this.store.close();
  }

  /** Files of 1 MiB in directories of a thousand. */
  async makeFiles(fileCount: number): Promise<void> {
    let events: Change[] = [];
    const root = this.nextNode();
    const plain = { attributes: this.attributes(), linkTarget: named(""), rdev: 0 };
    events.push({ type: "NodeCreated", node: root, parent: MACHINE_NODE, name: named("/data"), kind: "directory", ...plain });
    for (let i = 0; i < fileCount; i++) {
      if (i % FILES_PER_DIRECTORY === 0) {
        this.directories.push(this.nextNode());
        const name = named(`directory-${this.directories.length}`);
        events.push({ type: "NodeCreated", node: this.directories.at(-1)!, parent: root, name, kind: "directory", ...plain });
      }
      const node = this.nextNode();
      this.files.push(node);
      const name = named(`file-${i}.txt`);
      events.push({ type: "NodeCreated", node, parent: this.directories.at(-1)!, name, kind: "file", ...plain, attributes: this.attributes() });
      const whole = Array.from({ length: FILE_BYTES / CHUNK_BYTES }, (_, k) => ({
        offset: k * CHUNK_BYTES,
        length: CHUNK_BYTES,
        chunk: this.someChunk(),
        chunkOffset: 0,
      }));
      events.push({ type: "ExtentsWritten", node, extents: whole });
      if (events.length < EVENTS_PER_BATCH) continue;
      await this.append(events);
      events = [];
    }
    if (events.length > 0) await this.append(events);
  }

  /** Scattered over all files. */
  async changeFiles(changeCount: number): Promise<void> {
    for (let i = 0; i < changeCount; i += EVENTS_PER_BATCH) await this.append(Array.from({ length: EVENTS_PER_BATCH }, (_, k) => this.change(i + k)));
  }

  /** Three quarters write a block, the rest sets attributes, and some rename within the directory. */
  private change(i: number): Change {
    const at = this.random.int(this.files.length);
    const node = this.files[at]!;
    if (i % 20 === 0) {
      const parent = this.directories[Math.floor(at / FILES_PER_DIRECTORY)]!;
      const [now, other] = [named(`file-${at}.txt`), named(`file-${at}.old`)];
      const [fromName, toName] = this.moved.has(at) ? [other, now] : [now, other];
      if (!this.moved.delete(at)) this.moved.add(at);
      return { type: "NodeRenamed", node, fromParent: parent, fromName, toParent: parent, toName, replaced: MACHINE_NODE };
    }
    if (i % 5 === 0) return { type: "AttributesSet", node, attributes: this.attributes(), linkTarget: named("") };
    const [offset, chunkOffset] = [this.random.int(FILE_BYTES / 4096) * 4096, this.random.int(16) * 4096];
    return { type: "ExtentsWritten", node, extents: [{ offset, length: 4096, chunk: this.someChunk(), chunkOffset }] };
  }

  private async append(events: readonly MachineEvent[]): Promise<void> {
    this.sequence += 1;
    const agentTimeUs = (FIRST_US + this.sequence * 20_000) as TimeUs;
    const batch = { agentTimeUs, monotonicUs: this.sequence, hostTimeUs: agentTimeUs, epoch: 1 as Epoch, sequence: this.sequence, correlation: "" };
    this.appended.push(this.chain.append(events, batch).then(({ revision }) => this.projection.follow(revision)));
    if (this.appended.length < IN_FLIGHT) return;
    await Promise.all(this.appended);
    this.appended = [];
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    this.memoryBytesPeak = Math.max(this.memoryBytesPeak, heapUsed + arrayBuffers);
    if (this.projection.revision < this.head - LAG_EVENTS_MAX) await this.projection.projected((this.head - LAG_EVENTS_MAX / 2) as Revision);
  }

  /** What every file is made of, incompressible. */
  private async storePool(): Promise<void> {
    const chunks = Array.from({ length: POOL_CHUNKS }, (): NewChunk => {
      const stored = this.random.bytes(CHUNK_BYTES);
      return { hash: createHash("sha256").update(HASH_KEY).update(stored).digest(), lengthBytes: CHUNK_BYTES, encoding: ENCODING.raw, stored };
    });
    const { first, durable } = this.dig.chunks.store(chunks);
    await durable;
    this.firstChunk = first;
    await this.append([{ type: "ChunksStored", first, chunks: chunks.map(({ hash, lengthBytes }) => ({ hash, lengthBytes })) }]);
  }

  private someChunk(): ChunkNumber {
    return (this.firstChunk + this.random.int(POOL_CHUNKS)) as ChunkNumber;
  }

  private nextNode(): NodeId {
    return nodeIdOf(1 as Epoch, this.counter++);
  }

  private attributes(): Attributes {
    const mtimeSeconds = 1_700_000_000 + this.random.int(10_000_000);
    return { mode: 0o644, uid: 1000, gid: 1000, mtimeSeconds, mtimeNanos: this.random.int(1e9), btimeSeconds: mtimeSeconds, btimeNanos: 5, xattrs: [] };
  }
}

async function openBenchDig(directory: string): Promise<Dig> {
  const create = { uuid: "00000000-0000-4000-8000-000000000002", quotaBytes: 2 ** 36 };
  return await openDig({ disk: openDisk(openOs()), directory, hashKey: HASH_KEY, control: openLmdbControl, create });
}
