/**
 * Random walks: bursts of operations on a real directory, racing with capture; after each, a flush, and the replica must be the
 * directory exactly. Sessions end in the middle: stopped in order, killed with batches under way, or with acknowledgements lost.
 */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import { campaignSeed, scale } from "../support/campaign.ts";
import { CaptureRig } from "../support/capture-rig.ts";
import { Churn } from "../support/file-churn.ts";
import { seededRandom, type SeededRandom } from "../support/random.ts";

const OPERATIONS_CAMPAIGN = 100_000;
const OPERATIONS_PER_SEED = 2500;
const seed = campaignSeed();
const test = suite("capture model");

/** Small limits, so that every limit is met. */
const TIGHT = { batchBytes: 200_000, batchChanges: 50, burstNames: 7, smallFileBytes: 30_000, smallReadBytes: 100_000, coalesceMs: 3, tickUs: 12_000 };

async function walk(ownSeed: number): Promise<void> {
  const random = seededRandom(ownSeed);
  const rig = new CaptureRig();
  const outside = join(rig.base, "outside");
  mkdirSync(outside);
  const isTight = random.chance(0.5);
  const limits = isTight ? TIGHT : {};
  const churn = new Churn({ root: rig.rootPath, outside, os: rig.os, random: random.fork() });
  churn.run(100);
  const worker = new Worker(new URL("../support/file-churn-worker.ts", import.meta.url), { workerData: { root: rig.rootPath, outside, seed: ownSeed + 1 } });
  try {
    await rig.start(limits);
    await rig.protect();
    for (let done = 0; done < OPERATIONS_PER_SEED;) {
      const count = 1 + random.int(random.chance(0.2) ? 150 : 25);
      done += count;
      worker.postMessage(count);
      const isInterrupted = random.chance(0.04);
      if (isInterrupted) await interrupt(rig, random, limits);
      await once(worker, "message");
      await rig.flush(random.chance(0.05));
      const differences = rig.differences();
      if (differences.length > 0) throw new Error(`SEED=${seed}, walk ${ownSeed}, after ${done} operations:\n${differences.slice(0, 10).join("\n")}`);
    }
    await rig.stop();
  } finally {
    await worker.terminate();
  }
}

async function interrupt(rig: CaptureRig, random: SeededRandom, limits: object): Promise<void> {
  const way = random.int(4);
  if (way === 0) await rig.stop();
  else await rig.kill({ isDeaf: way === 1, isCut: way === 2, afterMs: random.int(30) });
  await rig.start(limits);
  await rig.protectAnew();
}

for (let i = 0; i < scale(OPERATIONS_CAMPAIGN) / OPERATIONS_PER_SEED; i++)
  test(`${OPERATIONS_PER_SEED} random operations with races, restarts and kills leave the replica equal to the directory (walk ${i})`, () =>
    walk(seed + i * 1000));

test.run();
