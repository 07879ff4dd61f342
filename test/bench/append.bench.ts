/**
 * Appends ExtentsWritten events in batches to the embedded event store on a real disk, each batch acknowledged when durable.
 * The work is what ingest does: encode, chain hash, checksums, compression, commit. Then everything is read back, decoded and verified.
 */
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ChunkNumber, Epoch, Extent, NodeId, Revision, TimeUs } from "../../src/core/index.ts";
import { ChainedStream, readBatches, verifyChain } from "../../src/events/index.ts";
import type { MachineEvent } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { benchOptions, report, say } from "./report.ts";
import type { Claim, Row } from "./report.ts";

const EVENTS_PER_BATCH = 256;
const IN_FLIGHT = 16;
const FILE_BLOCKS = 262_144; // 1 GiB of 4 KiB blocks, written at random places.
const STREAM = "machine-00000000-0000-4000-8000-000000000000";

const options = benchOptions();
const eventCount = options.isQuick ? 250_000 : 1_000_000;
const path = join(temporaryDirectory("append"), "events.lmdb");
const random = seededRandom(1);

function batchesOfEvents(): MachineEvent[][] {
  const nodes = Array.from({ length: 20 }, (_, i) => (2 ** 32 + 1000 + i) as NodeId);
  return Array.from({ length: Math.ceil(eventCount / EVENTS_PER_BATCH) }, (_, batch) =>
    Array.from({ length: EVENTS_PER_BATCH }, (__, i): MachineEvent => {
      const extent: Extent = { offset: random.int(FILE_BLOCKS) * 4096, length: 4096, chunk: (batch * EVENTS_PER_BATCH + i + 1) as ChunkNumber, chunkOffset: 0 };
      return { type: "ExtentsWritten", node: random.pick(nodes), extents: [extent] };
    }),
  );
}

interface Measured {
  readonly row: Row;
  readonly perSecond: number;
}

async function measured(work: string, doneCount: number, run: () => Promise<unknown>): Promise<Measured> {
  say(`${work} …`);
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await run();
  const wallSeconds = (performance.now() - startedMs) / 1000;
  const used = process.cpuUsage(cpu);
  const cpuSeconds = (used.user + used.system) / 1e6;
  const { rss, arrayBuffers, heapUsed } = process.memoryUsage();
  const anonymousBytesPeak = Math.min(rss, heapUsed + arrayBuffers);
  return {
    row: { work, program: "rainbow", cpuSeconds, wallSeconds, anonymousBytesPeak, storedBytes: statSync(path).size },
    perSecond: doneCount / wallSeconds,
  };
}

const batches = batchesOfEvents();
const storedCount = batches.length * EVENTS_PER_BATCH;
let store = await openLmdbEventStore({ path, create: true });
const latenciesMs: number[] = [];

const appended = await measured(`append ${storedCount} events, ${EVENTS_PER_BATCH} per batch, ${IN_FLIGHT} in flight`, storedCount, async () => {
  const chained = await ChainedStream.open(store, STREAM);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < batches.length; i = next++) {
      const time = (1_800_000_000_000_000 + i * 20_000) as TimeUs;
      const sentMs = performance.now();
      await chained.append(batches[i]!, {
        agentTimeUs: time,
        monotonicUs: i * 20_000,
        hostTimeUs: (time + 700) as TimeUs,
        epoch: 1 as Epoch,
        sequence: i + 1,
        correlation: "",
      });
      latenciesMs.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
});
await store.close();
const bytesPerEvent = statSync(path).size / storedCount;
store = await openLmdbEventStore({ path });

const END = (storedCount - 1) as Revision;
const read = await measured("read and decode all of them", storedCount, async () => {
  let seen = 0;
  for await (const batch of readBatches(store, STREAM, 0 as Revision, END)) seen += batch.events.length;
  if (seen !== storedCount) throw new Error(`${seen} events came back instead of ${storedCount}`);
});
const verified = await measured("read, decode and verify the chain", storedCount, async () => {
  const { revision } = await verifyChain(readBatches(store, STREAM, 0 as Revision, END));
  if (revision !== END) throw new Error(`the chain ends at ${revision} instead of ${END}`);
});
await store.close();
rmSync(path);

const sorted = latenciesMs.toSorted((a, b) => a - b);
const quantile = (q: number): string => (sorted[Math.floor(sorted.length * q)] ?? 0).toFixed(1);
const claims: Claim[] = [
  { what: "durable appends", value: appended.perSecond, unit: "events/s", limit: 150_000, goal: 300_000, isAtLeast: true },
  { what: "read and decoded", value: read.perSecond, unit: "events/s", limit: 150_000, goal: 300_000, isAtLeast: true },
  { what: "read, decoded and verified", value: verified.perSecond, unit: "events/s", limit: 150_000, goal: 300_000, isAtLeast: true },
];
report("append", options, {
  rows: [appended.row, read.row, verified.row],
  claims,
  notes: [`${bytesPerEvent.toFixed(1)} bytes per event in the file`, `from call to durable: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms`],
});
