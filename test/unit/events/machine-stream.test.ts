/** The chained stream: batches link, pipelines keep order, failures stop what follows, and changed history is found. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError, RainbowError } from "../../../src/core/index.ts";
import type { Epoch, NodeId, Revision, TimeUs } from "../../../src/core/index.ts";
import { ChainedStream, chainHashAt, decodeEvent, MemoryEventStore, readBatches, START_HASH, verifyChain } from "../../../src/events/index.ts";
import type { Appended, BatchMetadata, EventStore, MachineEvent, NewEvent, ReadOptions, RecordedBatch, StoredEvent } from "../../../src/events/index.ts";

const test = suite("chained machine stream");
const STREAM = "machine-a";
const END = Number.MAX_SAFE_INTEGER as Revision;
const START = 0 as Revision;
const metadata = (sequence: number): BatchMetadata => ({
  agentTimeUs: sequence as TimeUs,
  monotonicUs: sequence,
  hostTimeUs: (sequence + 1) as TimeUs,
  epoch: 1 as Epoch,
  sequence,
  correlation: "",
});
const sizes = (count: number, node = 1): MachineEvent[] => Array.from({ length: count }, (_, i) => ({ type: "SizeSet", node: node as NodeId, sizeBytes: i }));

async function batchesOf(store: EventStore, from = START, to = END): Promise<RecordedBatch[]> {
  const batches: RecordedBatch[] = [];
  for await (const batch of readBatches(store, STREAM, from, to)) batches.push(batch);
  return batches;
}

/** A store whose events are changed on the way out. */
class ChangingStore extends MemoryEventStore {
  change: (event: StoredEvent) => StoredEvent | undefined = (event) => event;

  override async read(stream: string, options: ReadOptions): Promise<StoredEvent[]> {
    return (await super.read(stream, options)).map(this.change).filter((event) => event !== undefined);
  }
}

test("a new stream begins with the hash of 32 zeros, and each batch names the hash before it", async () => {
  const store = new MemoryEventStore();
  const chained = await ChainedStream.open(store, STREAM);
  assert.equal(chained.head, { revision: -1 as Revision, chainHash: START_HASH });
  const first = await chained.append(sizes(3), metadata(1));
  const second = await chained.append(sizes(1), metadata(2));
  assert.equal([first.first, first.revision, second.first, second.revision], [0, 2, 3, 3]);
  const batches = await batchesOf(store);
  assert.equal(
    batches.map((batch) => [batch.first, batch.last, batch.events.length]),
    [
      [0, 2, 3],
      [3, 3, 1],
    ],
  );
  assert.equal([batches[0]?.previousHash, batches[1]?.previousHash], [START_HASH, first.chainHash]);
  assert.equal([batches[0]?.chainHash, batches[1]?.chainHash], [first.chainHash, second.chainHash]);
  assert.equal(await chainHashAt(store, STREAM, 2 as Revision), first.chainHash);
});

test("opening a stream again finds the same end", async () => {
  const store = new MemoryEventStore();
  const chained = await ChainedStream.open(store, STREAM);
  for (let i = 1; i < 30; i++) await chained.append(sizes(i), metadata(i));
  assert.equal((await ChainedStream.open(store, STREAM)).head, chained.head);
});

test("pipelined appends are stored in the order of the calls", async () => {
  const store = new MemoryEventStore();
  const chained = await ChainedStream.open(store, STREAM);
  const sent = Array.from({ length: 50 }, (_, i) => chained.append(sizes(2, i), metadata(i + 1)));
  const ends = await Promise.all(sent);
  assert.equal(
    ends.map((end) => end.revision),
    Array.from({ length: 50 }, (_, i) => 2 * i + 1),
  );
  const report = await verifyChain(readBatches(store, STREAM, START, END));
  assert.equal([report.batchCount, report.eventCount, report.revision], [50, 100, 99]);
});

test("when an append fails, all after it fail with the same error and the stream takes no more", async () => {
  const store = new MemoryEventStore();
  const chained = await ChainedStream.open(store, STREAM);
  await chained.append(sizes(1), metadata(1));
  const other = await ChainedStream.open(store, STREAM);
  await other.append(sizes(1, 2), metadata(2));
  const outcomes = await Promise.allSettled([chained.append(sizes(1), metadata(3)), chained.append(sizes(1), metadata(4))]);
  const errors = outcomes.map((outcome) => (outcome.status === "rejected" ? (outcome.reason as unknown) : undefined));
  assert.ok(isRainbowError(errors[0], "REVISION_CONFLICT"));
  assert.is(errors[1], errors[0]);
  try {
    await chained.append(sizes(1), metadata(5));
    assert.unreachable();
  } catch (error) {
    assert.is(error, errors[0]);
  }
});

test("an append that is stored behind a failed one is still reported as failed", async () => {
  class UnsureStore extends MemoryEventStore {
    override async append(stream: string, expected: Revision, events: readonly NewEvent[]): Promise<Appended> {
      const appended = await super.append(stream, expected, events);
      if (expected === -1) throw new RainbowError("OUTCOME_UNKNOWN", "the connection broke");
      return appended;
    }
  }
  const store = new UnsureStore();
  const chained = await ChainedStream.open(store, STREAM);
  const outcomes = await Promise.allSettled([chained.append(sizes(1), metadata(1)), chained.append(sizes(1), metadata(2))]);
  assert.ok(outcomes.every((outcome) => outcome.status === "rejected" && isRainbowError(outcome.reason, "OUTCOME_UNKNOWN")));
  assert.is((await ChainedStream.open(store, STREAM)).head.revision, 1, "opening anew finds what really is there");
});

test("only whole batches between the two revisions are given", async () => {
  const store = new MemoryEventStore();
  const chained = await ChainedStream.open(store, STREAM);
  for (let i = 1; i <= 4; i++) await chained.append(sizes(5), metadata(i));
  const firsts = async (from: number, to: number): Promise<number[]> => (await batchesOf(store, from as Revision, to as Revision)).map((batch) => batch.first);
  assert.equal(await firsts(0, 19), [0, 5, 10, 15]);
  assert.equal(await firsts(5, 18), [5, 10]);
  assert.equal(await firsts(6, 100), [10, 15], "a batch that began before is left out");
  await store.truncateBefore(STREAM, 7 as Revision);
  assert.equal(await firsts(0, 19), [10, 15]);
});

test("a batch larger than a page comes whole", async () => {
  const store = new MemoryEventStore();
  const chained = await ChainedStream.open(store, STREAM);
  const end = await chained.append(sizes(25_000), metadata(1));
  const [batch, ...rest] = await batchesOf(store);
  assert.equal([batch?.events.length, rest.length, batch?.chainHash], [25_000, 0, end.chainHash]);
  assert.equal(await chainHashAt(store, STREAM, end.revision), end.chainHash);
});

test("an event that was changed, left out or put in breaks the chain at its place", async () => {
  const store = new ChangingStore();
  const chained = await ChainedStream.open(store, STREAM);
  for (let i = 1; i <= 5; i++) await chained.append(sizes(4), metadata(i));
  const outcome = async (change: (event: StoredEvent) => StoredEvent | undefined): Promise<number> => {
    store.change = change;
    try {
      await verifyChain(readBatches(store, STREAM, START, END));
      return -1;
    } catch (error) {
      if (isRainbowError(error, "EVENT_CORRUPT")) return Number(error.facts["revision"]);
      throw error;
    }
  };
  assert.is(await outcome((event) => event), -1);
  assert.is(
    await outcome((event) => (event.revision === 9 ? { ...event, data: Buffer.from([...event.data.slice(0, -1), 77]) } : event)),
    12,
    "the next batch does not follow",
  );
  assert.is(await outcome((event) => (event.revision === 5 ? undefined : event)), 6);
  assert.is(await outcome((event) => (event.revision >= 4 && event.revision < 8 ? undefined : event)), 8);
});

test("damage is told after the batches before it were given", async () => {
  class DamagedStore extends MemoryEventStore {
    override async read(stream: string, options: ReadOptions): Promise<StoredEvent[]> {
      const page = await super.read(stream, options);
      if (page.some((event) => event.revision === 13)) throw new RainbowError("EVENT_CORRUPT", "event 13 is damaged", { stream, revision: 13 });
      return page;
    }
  }
  const store = new DamagedStore();
  const chained = await ChainedStream.open(store, STREAM);
  for (let i = 1; i <= 5; i++) await chained.append(sizes(4), metadata(i));
  const given: number[] = [];
  try {
    for await (const batch of readBatches(store, STREAM, START, END)) given.push(batch.first);
    assert.unreachable();
  } catch (error) {
    assert.ok(isRainbowError(error, "EVENT_CORRUPT"));
  }
  assert.equal(given, [0, 4, 8]);
});

test("a batch's metadata comes back on each of its events", async () => {
  const store = new MemoryEventStore();
  const chained = await ChainedStream.open(store, STREAM);
  await chained.append(sizes(2), { ...metadata(9), correlation: "snapshot by a user" });
  const [first, last] = (await store.read(STREAM, { maxCount: 2 })).map((event) => decodeEvent(event).metadata);
  assert.equal([first?.index, last?.index, first?.batchEnd, last?.batchEnd?.count], [0, 1, undefined, 2]);
  assert.equal([first?.sequence, last?.correlation, first?.hostTimeUs], [9, "snapshot by a user", 10]);
});

test.run();
