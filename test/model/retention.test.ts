/** Random walks over machine, projection, retention and DIG against a naive model that keeps every instant. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, scale } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import type { RetentionBreak } from "../support/retention-walk.ts";
import { RetentionWalk } from "../support/retention-walk.ts";

const WALKS = 100;
const STEPS = 200;
const BROKEN_WALKS_MAX = 40;

async function walked(walk: RetentionWalk): Promise<void> {
  await walk.open();
  for (let step = 0; step < STEPS; step++) await walk.step();
  await walk.finish();
}

const test = suite("retention against a model");

test("every kept instant and snapshot is what the model says, through rebases, purges, crashes, readers, replays and lost control files", async () => {
  const seed = campaignSeed();
  const counts: Record<string, number> = {};
  for (let i = 0; i < scale(WALKS); i++) {
    const walk = new RetentionWalk(seededRandom(seed + i));
    try {
      await walked(walk);
    } catch (error) {
      throw new Error(`walk with SEED=${seed + i} failed: ${String(error)}`, { cause: error });
    }
    for (const [what, count] of Object.entries(walk.counts)) counts[what] = (counts[what] ?? 0) + count;
  }
  console.log(`${scale(WALKS)} walks of ${STEPS} steps: ${JSON.stringify(counts)}`);
  for (const what of ["crash", "lost", "purge", "quiet", "reader", "rebase", "replay", "snapshot"])
    assert.ok((counts[what] ?? 0) > 0, `the walks have ${what}`);
});

const BROKEN: readonly (readonly [RetentionBreak, string])[] = [
  ["purges are not worked off", "purged content that is not freed is noticed (rule 16)"],
  ["purges ask nobody", "a purge that frees what others name is noticed (rule 16)"],
  ["rebuild without purges", "a rebuild that takes freed content for kept is noticed (rules 16 and 18)"],
];
for (const [broken, name] of BROKEN) {
  test(name, async () => {
    for (let seed = 1; seed <= BROKEN_WALKS_MAX; seed++) {
      const walk = new RetentionWalk(seededRandom(seed), broken);
      const outcome = await walked(walk).then(
        () => "fine",
        () => "noticed",
      );
      if (outcome === "noticed") return;
    }
    assert.unreachable(`${BROKEN_WALKS_MAX} walks with a broken rule passed`);
  });
}

test.run();
