/** What connections of one sync share: the rate, and the files that wait for them. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { WantedFile } from "../../../src/actors/mirror/fetching.ts";
import { LaneQueue } from "../../../src/actors/mirror/lane-queue.ts";
import { Pace, throttled } from "../../../src/actors/mirror/wire.ts";
import type { Clock, TimeUs } from "../../../src/core/index.ts";

const test = suite("mirror: what connections share");

/** A clock whose sleepers wake in order, each as soon as all others sleep. */
class SleepersClock implements Clock {
  nowMs = 0;
  private readonly sleepers: { readonly dueMs: number; readonly wake: () => void }[] = [];

  now(): TimeUs {
    return (this.nowMs * 1000) as TimeUs;
  }

  monotonicUs(): number {
    return this.nowMs * 1000;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((wake) => void this.sleepers.push({ dueMs: this.nowMs + delayMs, wake }));
  }

  /** Until nobody sleeps. */
  async run(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      this.sleepers.sort((a, b) => a.dueMs - b.dueMs);
      const next = this.sleepers.shift();
      if (next === undefined) return;
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.wake();
    }
  }
}

for (const wireCount of [1, 4, 16])
  test(`a rate holds for the sum of ${wireCount} connections`, async () => {
    const clock = new SleepersClock();
    const pace = new Pace(1_000_000, clock);
    const bytes = Buffer.alloc(50_000);
    const readAll = async (): Promise<void> => {
      const wire = throttled({ read: async () => bytes, write: () => undefined, close: () => undefined }, pace);
      for (let i = 0; i < 100; i++) await wire.read();
    };
    const all = Promise.all(Array.from({ length: wireCount }, readAll));
    await clock.run();
    await all;
    const totalMs = wireCount * 5000;
    const aheadMs = 100 + wireCount * 50; // What may come at once, and one buffer each.
    assert.ok(clock.nowMs >= totalMs - aheadMs && clock.nowMs <= totalMs, `${clock.nowMs} ms for ${totalMs}`);
  });

const files = (...sizes: readonly number[]): WantedFile[] => sizes.map((sizeBytes) => ({ entry: { sizeBytes } }) as WantedFile);
const sizesOf = (wanted: readonly WantedFile[]): number[] => wanted.map(({ entry }) => entry.sizeBytes);

test("a batch is files in order, up to a count and to bytes, and at least one", () => {
  const queue = new LaneQueue();
  for (const file of files(50, 5, 5, 5, 30, 1)) queue.add(file);
  const take = (countMax: number, bytesMax: number): number[] => sizesOf(queue.take({ countMax, bytesMax }));
  assert.equal(take(10, 20), [50]);
  assert.equal(take(2, 20), [5, 5]);
  assert.equal(take(10, 34), [5]);
  assert.is(queue.totalBytes, 31);
  assert.equal(take(10, 31), [30, 1]);
  assert.equal(take(10, 31), []);
});

test("the end waits for what lanes have in hand: it may come back, and comes first then", async () => {
  const queue = new LaneQueue();
  for (const file of files(1, 2, 3)) queue.add(file);
  const inHand = queue.take({ countMax: 2, bytesMax: 9 });
  queue.take({ countMax: 1, bytesMax: 9 });
  queue.close();
  queue.settle([]);
  const more = queue.hasMore();
  queue.settle(inHand.slice(1));
  assert.is(await more, true);
  queue.add(files(9)[0]!);
  assert.equal(sizesOf(queue.take({ countMax: 9, bytesMax: 99 })), [2, 9]);
  const end = queue.hasMore();
  queue.settle([]);
  assert.is(await end, false);
  assert.is(await queue.over, undefined);
});

test("a queue that is stopped has nothing more, whatever waits or comes back", async () => {
  const queue = new LaneQueue();
  for (const file of files(1, 2)) queue.add(file);
  const inHand = queue.take({ countMax: 1, bytesMax: 9 });
  queue.stop();
  queue.settle(inHand);
  assert.is(await queue.hasMore(), false);
  assert.is(await queue.over, undefined);
});

test.run();
