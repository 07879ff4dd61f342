import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Ingest, INITIAL_STATE } from "../../../src/actors/machine/index.ts";
import type { Batch, Change, ChunkNumber, Clock, Epoch, NewChunk, NodeId, ReportedChange, Revision, TimeUs } from "../../../src/core/index.ts";
import { ENCODING, RainbowError } from "../../../src/core/index.ts";
import type { ChunkStore } from "../../../src/dig/index.ts";
import { ChainedStream, decodeEvent, MemoryEventStore } from "../../../src/events/index.ts";
import type { MachineEvent } from "../../../src/events/index.ts";

const STREAM = "machine-test";
const clock: Clock = { now: () => 1_000_000 as TimeUs, monotonicUs: () => 5, sleep: () => Promise.resolve() };
const node = (n: number): NodeId => n as NodeId;

/** Chunks in memory; `durable` of each store() waits until it is let go. */
class HeldChunks {
  readonly hashes: Buffer[] = [];
  readonly gates: PromiseWithResolvers<void>[] = [];
  held = false;
  refusal: RainbowError | undefined;

  store(chunks: readonly NewChunk[]): { first: ChunkNumber; durable: Promise<void> } {
    if (this.refusal !== undefined) throw this.refusal;
    const first = (this.hashes.length + 1) as ChunkNumber;
    this.hashes.push(...chunks.map((chunk) => chunk.hash));
    const gate = Promise.withResolvers<void>();
    this.gates.push(gate);
    if (!this.held) gate.resolve();
    return { first, durable: gate.promise };
  }
  find(hash: Buffer): ChunkNumber | undefined {
    const index = this.hashes.findIndex((known) => known.equals(hash));
    return index === -1 ? undefined : ((index + 1) as ChunkNumber);
  }
  describe(chunk: ChunkNumber): { hash: Buffer; lengthBytes: number; storedBytes: number } {
    return { hash: this.hashes[chunk - 1]!, lengthBytes: 4, storedBytes: 4 };
  }
}

const chunkOf = (mark: number): NewChunk => ({ hash: Buffer.alloc(32, mark), lengthBytes: 4, encoding: ENCODING.raw, stored: Buffer.alloc(4, mark) });
const written = (n: number, chunk: number): Change => ({
  type: "ExtentsWritten",
  node: node(n),
  extents: [{ offset: 0, length: 4, chunk: chunk as ChunkNumber, chunkOffset: 0 }],
});
const batch = (epoch: number, sequence: number, changes: ReportedChange[], chunks: NewChunk[] = []): Batch => ({
  epoch: epoch as Epoch,
  sequence,
  agentTimeUs: 7 as TimeUs,
  monotonicUs: 7,
  changes,
  chunks,
});

async function world() {
  const store = new MemoryEventStore();
  const chunks = new HeldChunks();
  const failures: unknown[] = [];
  const readEvents = async (from: Revision, to: Revision): Promise<MachineEvent[]> =>
    (await store.read(STREAM, { from, maxCount: to - from + 1 })).map((stored) => decodeEvent(stored).event);
  const chain = await ChainedStream.open(store, STREAM);
  const ingest = new Ingest({
    machine: "test",
    hashKey: Buffer.alloc(32),
    chain,
    chunks: chunks as unknown as ChunkStore,
    clock,
    state: INITIAL_STATE,
    readEvents,
    onAppended: () => undefined,
    onFailed: (cause) => failures.push(cause),
  });
  const events = async (): Promise<MachineEvent[]> => await readEvents(0 as Revision, 999 as Revision);
  return { store, chunks, ingest, failures, events };
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RainbowError) return error.code;
    throw error;
  }
  return "none";
}

const test = suite("ingest");

test("a session mints an epoch, and the next one a higher one that tells what the host has", async () => {
  const { ingest } = await world();
  const first = await ingest.openSession();
  assert.is(first.epoch, 1);
  assert.is(first.last, undefined);
  await ingest.send(batch(1, 1, [written(1, 0)], [chunkOf(1)]));
  const second = await ingest.openSession();
  assert.is(second.epoch, 2);
  assert.equal(second.last, { epoch: 1, sequence: 1, revision: 2, agentTimeUs: 7 });
});

test("a batch's chunks get numbers, each content once, and its extents name them", async () => {
  const { ingest, events } = await world();
  await ingest.openSession();
  await ingest.send(batch(1, 1, [written(1, 0), written(2, 1), written(3, 2)], [chunkOf(1), chunkOf(2), chunkOf(1)]));
  await ingest.send(batch(1, 2, [written(4, 0)], [chunkOf(2)]));
  const extents = (await events()).filter((event) => event.type === "ExtentsWritten").map((event) => event.extents[0]!.chunk);
  assert.equal(extents, [1, 2, 1, 2]);
  const stored = (await events()).filter((event) => event.type === "ChunksStored");
  assert.is(stored.length, 1, "what is known is not stored again");
  assert.is(stored[0]!.chunks.length, 2);
});

test("no event is appended before its payload is durable, and batches keep their order", async () => {
  const { ingest, chunks, events } = await world();
  await ingest.openSession();
  chunks.held = true;
  const first = ingest.send(batch(1, 1, [written(1, 0)], [chunkOf(1)]));
  const second = ingest.send(batch(1, 2, [written(2, 0)], [chunkOf(2)]));
  chunks.gates[1]!.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.is((await events()).filter((event) => event.type === "ExtentsWritten").length, 0);
  chunks.gates[0]!.resolve();
  const acknowledged = await Promise.all([first, second]);
  assert.ok(acknowledged[0].revision < acknowledged[1].revision);
});

test("a batch sent again is answered as before and not stored", async () => {
  const { ingest, events } = await world();
  await ingest.openSession();
  const again = batch(1, 1, [written(1, 0)], [chunkOf(1)]);
  const first = await ingest.send(again);
  const countBefore = (await events()).length;
  assert.equal(await ingest.send(again), first);
  assert.is((await events()).length, countBefore);
});

test("the process that made a change goes with its event, and one out of range is refused with its batch", async () => {
  const { ingest, store } = await world();
  await ingest.openSession();
  const origin = { pid: 4711, name: "postgres" };
  const sent = batch(1, 1, [{ ...written(1, 0), origin }, written(2, 0)], [chunkOf(1)]);
  const first = await ingest.send(sent);
  assert.equal(await ingest.send(sent), first, "and sent again it is the same batch");
  const stored = (await store.read(STREAM, { maxCount: 99 })).map((event) => decodeEvent(event)).filter(({ event }) => event.type === "ExtentsWritten");
  assert.equal(
    stored.map(({ event, metadata }) => ["origin" in event, metadata.origin]),
    [
      [false, origin],
      [false, undefined],
    ],
  );
  for (const unfit of [
    { pid: 0, name: "init" },
    { pid: 1, name: "é".repeat(128) },
  ])
    assert.is(await refusal(ingest.send(batch(1, 2, [{ ...written(1, 0), origin: unfit }], [chunkOf(3)]))), "BATCH_REFUSED");
});

test("the same sequence with other content is refused", async () => {
  const { ingest } = await world();
  await ingest.openSession();
  await ingest.send(batch(1, 1, [written(1, 0)], [chunkOf(1)]));
  assert.is(await refusal(ingest.send(batch(1, 1, [written(1, 0)], [chunkOf(2)]))), "BATCH_REFUSED");
  assert.is(await refusal(ingest.send(batch(1, 1, [written(2, 0)], [chunkOf(1)]))), "BATCH_REFUSED");
});

test("a hole in the sequence and a batch of an old epoch are refused", async () => {
  const { ingest } = await world();
  await ingest.openSession();
  assert.is(await refusal(ingest.send(batch(1, 2, []))), "BATCH_REFUSED");
  await ingest.openSession();
  assert.is(await refusal(ingest.send(batch(1, 1, [written(1, 0)], [chunkOf(1)]))), "BATCH_REFUSED");
});

test("a fact of mirrors is refused by a machine, and nothing of its batch is taken", async () => {
  const { ingest, chunks } = await world();
  await ingest.openSession();
  const foreign: Change = { type: "SyncStarted", cause: "schedule" };
  assert.is(await refusal(ingest.send(batch(1, 1, [written(1, 0), foreign], [chunkOf(1)]))), "BATCH_REFUSED");
  assert.is(chunks.hashes.length, 0);
  await ingest.send(batch(1, 1, [written(1, 0)], [chunkOf(1)]));
});

test("an extent that names a chunk the batch does not bring is refused before anything is stored", async () => {
  const { ingest, chunks } = await world();
  await ingest.openSession();
  assert.is(await refusal(ingest.send(batch(1, 1, [written(1, 3)], [chunkOf(1)]))), "BATCH_REFUSED");
  assert.is(chunks.hashes.length, 0);
});

test("a full disk refuses the batch and those after it until there is room, and loses nothing", async () => {
  const { ingest, chunks, failures } = await world();
  await ingest.openSession();
  chunks.refusal = new RainbowError("DISK_FULL", "no space");
  const [first, second] = [batch(1, 1, [written(1, 0)], [chunkOf(1)]), batch(1, 2, [written(2, 0)], [chunkOf(2)])];
  assert.is(await refusal(ingest.send(first)), "DISK_FULL");
  assert.is(await refusal(ingest.send(second)), "DISK_FULL");
  chunks.refusal = undefined;
  assert.is((await ingest.send(first)).sequence, 1);
  assert.is((await ingest.send(second)).sequence, 2);
  assert.is(failures.length, 0);
});

test("after a failed append nothing more is decided and the failure is told once", async () => {
  const { ingest, store, failures } = await world();
  await ingest.openSession();
  await store.append(STREAM, 0 as Revision, [{ id: Buffer.alloc(16, 9), type: "HostOpened", data: Buffer.alloc(0), metadata: Buffer.alloc(0) }]);
  assert.is(await refusal(ingest.send(batch(1, 1, [written(1, 0)], [chunkOf(1)]))), "REVISION_CONFLICT");
  assert.is(await refusal(ingest.send(batch(1, 2, [written(1, 0)], [chunkOf(1)]))), "BATCH_REFUSED");
  assert.is(failures.length, 1);
});

test.run();
