/**
 * Lists a directory of 1,000 entries with their attributes and reads 1 MiB of a file, each at a random instant of a long history:
 * 1 million files and 10 million events in the window, on the embedded stores. The history is made first, and followed by trees as ever.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { openDisk, openOs } from "../../src/app/os/index.ts";
import { ENCODING, MACHINE_NODE, nodeIdOf } from "../../src/core/index.ts";
import type { Attributes, ByteString, Change, ChunkNumber, Clock, Epoch, NewChunk, NodeId, Revision, TimeUs } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import { openLmdbControl } from "../../src/dig/lmdb/index.ts";
import { ChainedStream } from "../../src/events/index.ts";
import type { MachineEvent } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { DigTreeProjection } from "../../src/projections/index.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { benchOptions, report, say } from "./report.ts";
import type { Row } from "./report.ts";

const options = benchOptions();
const FILES_PER_DIRECTORY = 1000;
const fileCount = options.isQuick ? 50_000 : 1_000_000;
const changeCount = options.isQuick ? 250_000 : 10_000_000 - 2 * fileCount;
const lookupCount = options.isQuick ? 200 : 500;
const EVENTS_PER_BATCH = 500;
const IN_FLIGHT = 8;
const POOL_CHUNKS = 1024;
const CHUNK_BYTES = 65_536;
const MIB = 1 << 20;
const STREAM = "machine-00000000-0000-4000-8000-000000000000";
const HASH_KEY = Buffer.alloc(32, 1);
const FIRST_US = 1_700_000_000_000_000;

const random = seededRandom(3);
const clock: Clock = {
  now: () => (Date.now() * 1000) as TimeUs,
  monotonicUs: () => performance.now() * 1000,
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
};

const directory = temporaryDirectory("lookup");
const store = await openLmdbEventStore({ path: join(directory, "events.lmdb"), create: true });
const create = { uuid: "00000000-0000-4000-8000-000000000002", quotaBytes: 2 ** 36 };
const dig = await openDig({ disk: openDisk(openOs()), directory: join(directory, "machine"), hashKey: HASH_KEY, control: openLmdbControl, create });
const chain = await ChainedStream.open(store, STREAM);
const projection = await DigTreeProjection.open({ store, stream: STREAM, dig, clock });

let sequence = 0;
let appended: Promise<unknown>[] = [];
let memoryBytesPeak = 0;

async function append(events: readonly MachineEvent[]): Promise<void> {
  sequence += 1;
  const agentTimeUs = (FIRST_US + sequence * 20_000) as TimeUs;
  const batch = { agentTimeUs, monotonicUs: sequence, hostTimeUs: agentTimeUs, epoch: 1 as Epoch, sequence, correlation: "" };
  appended.push(chain.append(events, batch).then(({ revision }) => projection.follow(revision)));
  if (appended.length < IN_FLIGHT) return;
  await Promise.all(appended);
  appended = [];
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  memoryBytesPeak = Math.max(memoryBytesPeak, heapUsed + arrayBuffers);
  if (projection.revision < chain.head.revision - 200_000) await projection.projected((chain.head.revision - 100_000) as Revision);
}

function attributes(): Attributes {
  const mtimeSeconds = 1_700_000_000 + random.int(10_000_000);
  return { mode: 0o644, uid: 1000, gid: 1000, mtimeSeconds, mtimeNanos: random.int(1e9), btimeSeconds: mtimeSeconds, btimeNanos: 5, xattrs: [] };
}

/** The pool that every file is made of, incompressible. */
async function storePool(): Promise<ChunkNumber> {
  const chunks = Array.from({ length: POOL_CHUNKS }, (): NewChunk => {
    const stored = random.bytes(CHUNK_BYTES);
    return { hash: createHash("sha256").update(HASH_KEY).update(stored).digest(), lengthBytes: CHUNK_BYTES, encoding: ENCODING.raw, stored };
  });
  const { first, durable } = dig.chunks.store(chunks);
  await durable;
  await append([{ type: "ChunksStored", first, chunks: chunks.map(({ hash, lengthBytes }) => ({ hash, lengthBytes })) }]);
  return first;
}

const first = await storePool();
const someChunk = (): ChunkNumber => (first + random.int(POOL_CHUNKS)) as ChunkNumber;
const directories: NodeId[] = [];
const files: NodeId[] = [];
let counter = 1;
const nextNode = (): NodeId => nodeIdOf(1 as Epoch, counter++);
const named = (text: string): ByteString => text as ByteString;

async function makeFiles(): Promise<void> {
  let events: Change[] = [];
  const root = nextNode();
  const plain = { attributes: attributes(), linkTarget: named(""), rdev: 0 };
  events.push({ type: "NodeCreated", node: root, parent: MACHINE_NODE, name: named("/data"), kind: "directory", ...plain });
  for (let i = 0; i < fileCount; i++) {
    if (i % FILES_PER_DIRECTORY === 0) {
      directories.push(nextNode());
      events.push({
        type: "NodeCreated",
        node: directories.at(-1)!,
        parent: root,
        name: named(`directory-${directories.length}`),
        kind: "directory",
        ...plain,
      });
    }
    const node = nextNode();
    files.push(node);
    events.push({ type: "NodeCreated", node, parent: directories.at(-1)!, name: named(`file-${i}.txt`), kind: "file", ...plain, attributes: attributes() });
    const extents = Array.from({ length: MIB / CHUNK_BYTES }, (_, k) => ({ offset: k * CHUNK_BYTES, length: CHUNK_BYTES, chunk: someChunk(), chunkOffset: 0 }));
    events.push({ type: "ExtentsWritten", node, extents });
    if (events.length < EVENTS_PER_BATCH) continue;
    await append(events);
    events = [];
  }
  if (events.length > 0) await append(events);
}

/** Scattered over all files: three quarters write a block, the rest sets attributes, and some rename within the directory. */
function change(i: number): Change {
  const at = random.int(fileCount);
  const node = files[at]!;
  if (i % 20 === 0) {
    const parent = directories[Math.floor(at / FILES_PER_DIRECTORY)]!;
    const [fromName, toName] = renames.has(at) ? [named(`file-${at}.old`), named(`file-${at}.txt`)] : [named(`file-${at}.txt`), named(`file-${at}.old`)];
    if (!renames.delete(at)) renames.add(at);
    return { type: "NodeRenamed", node, fromParent: parent, fromName, toParent: parent, toName, replaced: MACHINE_NODE };
  }
  if (i % 5 === 0) return { type: "AttributesSet", node, attributes: attributes(), linkTarget: named("") };
  return {
    type: "ExtentsWritten",
    node,
    extents: [{ offset: random.int(MIB / 4096) * 4096, length: 4096, chunk: someChunk(), chunkOffset: random.int(16) * 4096 }],
  };
}
const renames = new Set<number>();

async function changeFiles(): Promise<void> {
  for (let i = 0; i < changeCount; i += EVENTS_PER_BATCH) await append(Array.from({ length: EVENTS_PER_BATCH }, (_, k) => change(i + k)));
}

async function measured(work: string, run: () => Promise<unknown>): Promise<Row> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  memoryBytesPeak = 0;
  await run();
  await Promise.all(appended);
  await projection.projected(chain.head.revision);
  const used = process.cpuUsage(cpu);
  const row = {
    work,
    program: "rainbow",
    cpuSeconds: (used.user + used.system) / 1e6,
    wallSeconds: (performance.now() - startedMs) / 1000,
    anonymousBytesPeak: memoryBytesPeak,
  };
  say(`${work}: ${row.wallSeconds.toFixed(1)} s, ${dig.trees.list().length} trees, ${(dig.usage().treeBytes / MIB).toFixed(0)} MiB of them`);
  return row;
}

const timesMs: { readonly view: number; readonly list: number; readonly read: number; readonly cpu: number }[] = [];

async function lookup(): Promise<void> {
  const begun = Math.floor(2.1 * fileCount);
  const revision = begun + random.int(chain.head.revision - begun);
  const cpuBefore = process.cpuUsage();
  const from = performance.now();
  const view = await projection.viewAt(revision as Revision);
  const viewed = performance.now();
  let count = 0;
  for (const entry of view.list(directories[random.int(directories.length)]!)) if (view.node(entry.node) !== undefined) count += 1;
  const listed = performance.now();
  const bytes = view.read(files[random.int(files.length)]!, 0, MIB);
  const read = performance.now();
  view.close();
  if (count !== FILES_PER_DIRECTORY || bytes.length !== MIB) throw new Error(`the answer is wrong: ${count} entries, ${bytes.length} bytes`);
  const cpu = process.cpuUsage(cpuBefore);
  timesMs.push({ view: viewed - from, list: listed - viewed, read: read - listed, cpu: (cpu.user + cpu.system) / 1000 });
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

const rows = [await measured("make the files", makeFiles), await measured("change the files", changeFiles)];
rows.push(
  await measured(`${lookupCount} random instants`, async () => {
    for (let i = 0; i < lookupCount; i++) await lookup();
  }),
);
const all = timesMs.map(({ view, list, read }) => view + list + read);
const text = (pick: (time: (typeof timesMs)[number]) => number): string =>
  [0.5, 0.99].map((share) => percentile(timesMs.map(pick), share).toFixed(1)).join(" / ");
report("lookup", options, {
  rows,
  claims: [{ what: "p99 of view, list and read", value: percentile(all, 0.99), unit: "ms", limit: 100 }],
  notes: [
    `p50 / p99 in ms: view ${text((time) => time.view)}, list 1,000 entries with attributes ${text((time) => time.list)}, read 1 MiB ${text((time) => time.read)}, CPU of all three ${text((time) => time.cpu)}`,
    `${fileCount} files, ${chain.head.revision + 1} events, ${dig.trees.list().length} trees with ${(dig.usage().treeBytes / MIB).toFixed(0)} MiB`,
  ],
});
await projection.close();
await dig.close();
await store.close();
