/** Promise 9 under pressure: a client adds history and never takes it away, whatever it writes and whatever the clocks say. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, scale } from "../support/campaign.ts";
import { PressureWalk } from "../support/pressure-walk.ts";
import type { PressureKind } from "../support/pressure-walk.ts";
import { seededRandom } from "../support/random.ts";

const WALKS = 30;
const STEPS = 80;
const test = suite("retention under pressure");

async function walks(kind: PressureKind, expected: readonly string[]): Promise<void> {
  const seed = campaignSeed();
  const counts: Record<string, number> = {};
  for (let i = 0; i < scale(WALKS); i++) {
    const walk = new PressureWalk(seededRandom(seed + i), kind);
    try {
      await walk.open();
      for (let step = 0; step < STEPS; step++) await walk.step();
      await walk.finish();
    } catch (error) {
      throw new Error(`walk with SEED=${seed + i} failed: ${String(error)}`, { cause: error });
    }
    for (const [what, count] of Object.entries(walk.counts)) counts[what] = (counts[what] ?? 0) + count;
  }
  console.log(`\n${scale(WALKS)} walks of ${STEPS} steps: ${JSON.stringify(counts)}`);
  for (const what of expected) assert.ok((counts[what] ?? 0) > 0, `the walks have ${what}`);
}

test("a client that writes junk to its quota evicts nothing inside the guard and no pinned snapshot: its own new data is refused", async () => {
  await walks({ isPressing: true, isThinning: false }, ["full", "gone", "jump", "look", "refused"]);
});

test("without pressure every instant of the window and every snapshot is kept for its whole time, wherever the clocks jump", async () => {
  await walks({ isPressing: false, isThinning: false }, ["gone", "jump", "look"]);
});

test("thinning lets no pinned snapshot and no instant of the window go, wherever the clocks jump", async () => {
  await walks({ isPressing: false, isThinning: true }, ["gone", "jump", "look"]);
});

test.run();
