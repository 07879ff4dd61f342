/** The sending loop: what finds no room is sent again in order. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createActor, fromPromise, waitFor } from "xstate";
import { BatchSource, sendBatches, uploadActor } from "../../../src/actors/upload/index.ts";
import type { Capture } from "../../../src/capture/index.ts";
import { isRainbowError, RainbowError } from "../../../src/core/index.ts";
import type { Batch, BatchAcknowledged, Clock, Epoch, HostLink, TimeUs } from "../../../src/core/index.ts";

const BATCH_COUNT = 30;
const REFUSED_COUNT = 3;
const EPOCH = 1 as Epoch;
const test = suite("sending batches");

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Sleeps take a random while, as timers on a busy machine do. */
const clock: Clock = {
  now: () => 0 as TimeUs,
  monotonicUs: () => 0,
  sleep: async () => {
    for (let turns = 1 + Math.floor(Math.random() * 20); turns > 0; turns--) await turn();
  },
};

function capturing(acknowledged: number[]): Capture {
  let sequence = 0;
  const next = async (): Promise<Batch | undefined> => {
    await turn();
    sequence += 1;
    return sequence > BATCH_COUNT ? undefined : { epoch: EPOCH, sequence, agentTimeUs: 0 as TimeUs, monotonicUs: 0, changes: [], chunks: [] };
  };
  return { next, acknowledged: async (ack: BatchAcknowledged) => void acknowledged.push(ack.sequence) } as unknown as Capture;
}

/** A host as ingest is one: in order only, full at one batch for a while, and then refusing what comes after it for the same reason. */
class FullHost implements HostLink {
  readonly taken: number[] = [];
  private refusals = 0;
  private isFull = false;
  private readonly fullAt: number;

  constructor(fullAt: number) {
    this.fullAt = fullAt;
  }

  openSession(): never {
    throw new Error("there is one session");
  }

  async send({ sequence, epoch }: Batch): Promise<BatchAcknowledged> {
    const next = this.taken.length + 1;
    if (sequence > next && !this.isFull) throw new RainbowError("BATCH_REFUSED", `batch ${sequence} leaves out ${next}`);
    this.isFull = sequence > next || (sequence === this.fullAt && this.refusals < REFUSED_COUNT);
    if (sequence === this.fullAt && this.isFull) this.refusals += 1;
    if (this.isFull) throw new RainbowError("DISK_FULL", "no space");
    this.taken.push(sequence);
    await turn();
    return { epoch, sequence, revision: sequence, chainHash: Buffer.alloc(32) };
  }
}

test("a full host gets every batch again, none before the one that it follows", async () => {
  for (let fullAt = 1; fullAt <= BATCH_COUNT; fullAt++) {
    const acknowledged: number[] = [];
    const full: boolean[] = [];
    const capture = capturing(acknowledged);
    const link = new FullHost(fullAt);
    const { signal } = new AbortController();
    const onFull = (cause: unknown): void => void full.push(cause !== undefined);
    await sendBatches({ capture, source: new BatchSource(capture), epoch: EPOCH, link, clock, signal, onAcknowledged: () => undefined, onFull });
    assert.equal(
      acknowledged,
      Array.from({ length: BATCH_COUNT }, (_, i) => i + 1),
      `full at batch ${fullAt}`,
    );
    assert.is(full[0], true);
    assert.is(full.at(-1), false, "the end of it is told");
  }
});

test("once the end is near, what finds no room is given up and the rest is not waited for", async () => {
  const acknowledged: number[] = [];
  const capture = capturing(acknowledged);
  const ending = new AbortController();
  const link = new FullHost(5);
  const onFull = (): void => ending.abort();
  const options = { capture, source: new BatchSource(capture), epoch: EPOCH, link, clock, signal: ending.signal, onAcknowledged: () => undefined, onFull };
  const failure = await sendBatches(options).catch((error: unknown) => error);
  assert.ok(isRainbowError(failure, "DISK_FULL"));
  assert.equal(acknowledged, [1, 2, 3, 4]);
});

test("an upload that is asked to end begins no session after the one that failed", async () => {
  let connections = 0;
  const sending = Promise.withResolvers<void>();
  const connect = fromPromise<void>(async () => {
    connections += 1;
  });
  const upload = createActor(uploadActor.provide({ actors: { connect, send: fromPromise<void>(() => sending.promise) } }));
  upload.start();
  await waitFor(upload, (snapshot) => snapshot.matches("sending"));
  upload.send({ type: "DRAIN" });
  const why = new RainbowError("DISK_FULL", "no space");
  sending.reject(why);
  const ended = await waitFor(upload, (snapshot) => snapshot.status === "done");
  assert.equal([connections, ended.context.failure], [1, why]);
});

test.run();
