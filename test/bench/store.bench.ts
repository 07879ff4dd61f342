/**
 * Event stores side by side: the embedded one, the adapter of EventStoreDB, and the bare client beside it, by batch size, with events of
 * 200 bytes and 8 appends under way. The server is the stand-in, or a real one where RAINBOW_ESDB_URL names it; its own CPU is not counted.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { KurrentDBClient } from "@kurrent/kurrentdb-client";
import type { EventData } from "@kurrent/kurrentdb-client";
import type { Revision } from "../../src/core/index.ts";
import type { EventStore, NewEvent } from "../../src/events/index.ts";
import { openKurrentEventStore, parseAddress } from "../../src/events/kurrent/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { StandInServer } from "../support/esdb/index.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { benchOptions, report, say } from "./report.ts";
import type { Claim, Row } from "./report.ts";

const EVENT_BYTES = 200;
const IN_FLIGHT = 8;
const BATCHES = [10, 100, 500];
const CLIENT_SHARE_MIN = 0.8; // Of the bare client's rate.

const options = benchOptions();
const ROUNDS = 6; // In turns, so that noise and warming up fall on all alike.
const eventCountOf = (batch: number): number => (options.isQuick ? 2000 : 12_000) * (batch === 10 ? 0.5 : 1);
const url = process.env["RAINBOW_ESDB_URL"];
const address = url ?? (await StandInServer.start(join(temporaryDirectory("stand-in"), "log.lmdb"))).address;
const rows = new Map<string, Row>();
const sums = new Map<string, { readonly count: number; readonly cpuSeconds: number; readonly wallSeconds: number }>();

interface Target {
  append(stream: string, expected: number, first: number, count: number): Promise<unknown>;
  read(stream: string, count: number): Promise<number>;
}

const METADATA = Buffer.alloc(40, 1);
const idOf = (index: number): Buffer => {
  const id = Buffer.alloc(16, 9);
  id.writeUInt32BE(index, 12);
  return id;
};

function storeTarget(store: EventStore): Target {
  return {
    append: (stream, expected, first, count) => {
      const events = Array.from({ length: count }, (_, i): NewEvent => ({
        id: idOf(first + i),
        type: "Measured",
        data: Buffer.alloc(EVENT_BYTES, i),
        metadata: METADATA,
      }));
      return store.append(stream, expected as Revision, events);
    },
    read: async (stream, count) => {
      let seen = 0;
      while (seen < count) seen += (await store.read(stream, { from: seen as Revision, maxCount: 10_000 })).length;
      return seen;
    },
  };
}

function clientTarget(client: KurrentDBClient): Target {
  return {
    append: (stream, expected, first, count) => {
      const events = Array.from({ length: count }, (_, i): EventData => {
        const hex = idOf(first + i).toString("hex");
        const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
        return { id, contentType: "application/octet-stream", type: "Measured", data: Buffer.alloc(EVENT_BYTES + METADATA.length, i), metadata: undefined };
      });
      return client.appendToStream(stream, events, { streamState: expected < 0 ? "no_stream" : BigInt(expected) });
    },
    read: async (stream) => {
      let seen = 0;
      for await (const event of client.readStream(stream, { fromRevision: "start", direction: "forwards" })) seen += event.event === undefined ? 0 : 1;
      return seen;
    },
  };
}

/** Events a second. Several runs of one work and program are one row. */
async function measured(work: string, program: string, count: number, run: () => Promise<unknown>): Promise<number> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await run();
  const wallSeconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const { rss, arrayBuffers, heapUsed } = process.memoryUsage();
  const key = `${work}\n${program}`;
  const before = sums.get(key) ?? { count: 0, cpuSeconds: 0, wallSeconds: 0 };
  const sum = { count: before.count + count, cpuSeconds: before.cpuSeconds + (user + system) / 1e6, wallSeconds: before.wallSeconds + wallSeconds };
  sums.set(key, sum);
  const perSecond = sum.count / sum.wallSeconds;
  const anonymousBytesPeak = Math.min(rss, heapUsed + arrayBuffers);
  rows.set(key, { work: `${work}: ${Math.round(perSecond)} events/s`, program, cpuSeconds: sum.cpuSeconds, wallSeconds: sum.wallSeconds, anonymousBytesPeak });
  return perSecond;
}

async function appendAll(target: Target, stream: string, batch: number, count: number): Promise<void> {
  const underWay: Promise<unknown>[] = [];
  for (let first = 0; first < count; first += batch) {
    underWay.push(target.append(stream, first - 1, first, batch));
    if (underWay.length >= IN_FLIGHT) await underWay.shift();
  }
  await Promise.all(underWay);
}

const embedded = await openLmdbEventStore({ path: join(temporaryDirectory("store"), "events.lmdb"), create: true });
const adapter = await openKurrentEventStore({ address });
const client = KurrentDBClient.connectionString(parseAddress(address).connectionString);
const targets = { embedded: storeTarget(embedded), adapter: storeTarget(adapter), "bare client": clientTarget(client) };
const appended = new Map<string, number>();
const lastStreams = new Map<string, string>();
const run = randomUUID();

for (const [program, target] of Object.entries(targets)) {
  await target.append(`cold-${program}-${run}`, -1, 0, 1); // A cold client's first append is overtaken by its next ones.
  await appendAll(target, `warm-${program}-${run}`, 10, 2000);
}
for (const batch of BATCHES) {
  say(`appends of ${batch} events …`);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [program, target] of Object.entries(targets)) {
      const stream = `${program.replace(" ", "-")}-${batch}-${round}-${run}`;
      lastStreams.set(program, stream);
      const work = (): Promise<void> => appendAll(target, stream, batch, eventCountOf(batch));
      appended.set(`${program} ${batch}`, await measured(`append, ${batch} a batch`, program, eventCountOf(batch), work));
    }
  }
}
await adapter.close();
const fresh = await openKurrentEventStore({ address }); // Nothing of it is in memory any more.
await fresh.info(lastStreams.get("adapter")!);
const count = eventCountOf(BATCHES.at(-1)!);
const read = new Map<string, number>();
say("reads …");
for (let round = 0; round < ROUNDS; round++)
  for (const [program, target] of Object.entries({ ...targets, adapter: storeTarget(fresh) }))
    read.set(program, await measured("read", program, count, () => target.read(lastStreams.get(program)!, count)));
const tail = await (async (): Promise<number> => {
  await appendAll(storeTarget(fresh), `tail-${run}`, 100, 16_000);
  const options = { from: 0 as Revision, maxCount: 10_000, withoutPositions: true };
  return measured("read the tail again", "adapter, from memory", 10_000, () => fresh.read(`tail-${run}`, options));
})();
await Promise.all([embedded.close(), fresh.close(), client.dispose()]);

const ratio = (values: ReadonlyMap<string, number>, a: string, b: string): number => values.get(a)! / values.get(b)!;
const claims: Claim[] = [
  ...BATCHES.map((batch): Claim => {
    return {
      what: `appends of the adapter, ${batch} a batch, against the bare client`,
      value: ratio(appended, `adapter ${batch}`, `bare client ${batch}`),
      unit: "ratio",
      limit: CLIENT_SHARE_MIN,
      isAtLeast: true,
    };
  }),
  {
    what: "reads of the adapter against the bare client",
    value: ratio(read, "adapter", "bare client"),
    unit: "ratio",
    limit: CLIENT_SHARE_MIN,
    isAtLeast: true,
  },
  { what: "the tail from memory", value: tail, unit: "events/s", limit: 150_000, isAtLeast: true },
];
report("store", options, {
  rows: [...rows.values()],
  claims,
  notes: [`the server is ${url === undefined ? "the stand-in, which is slower than a real one" : "a real one"}`],
});
process.exit(); // The bare client's channel would hold the process.
