/** Random walks over machine, projection, retention and DIG against a naive model that keeps every instant. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, scale } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { RetentionWalk } from "../support/retention-walk.ts";

const WALKS = 100;
const STEPS = 200;

const test = suite("retention against a model");

test("every kept instant and snapshot is what the model says, through rebases, crashes, readers, replays and lost control files", async () => {
  const seed = campaignSeed();
  const counts: Record<string, number> = {};
  for (let i = 0; i < scale(WALKS); i++) {
    const walk = new RetentionWalk(seededRandom(seed + i));
    try {
      await walk.open();
      for (let step = 0; step < STEPS; step++) await walk.step();
      await walk.finish();
    } catch (error) {
      throw new Error(`walk with SEED=${seed + i} failed: ${String(error)}`, { cause: error });
    }
    for (const [what, count] of Object.entries(walk.counts)) counts[what] = (counts[what] ?? 0) + count;
  }
  console.log(`${scale(WALKS)} walks of ${STEPS} steps: ${JSON.stringify(counts)}`);
  for (const what of ["crash", "lost", "quiet", "reader", "rebase", "replay", "snapshot"]) assert.ok((counts[what] ?? 0) > 0, `the walks have ${what}`);
});

test.run();
