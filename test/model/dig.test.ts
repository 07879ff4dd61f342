/** Random walks over the real DIG against an oracle, and the same walks with a rule broken, which must be noticed. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, scale } from "../support/campaign.ts";
import { DigWalk } from "../support/dig-walk.ts";
import type { Break } from "../support/dig-walk.ts";
import { seededRandom } from "../support/random.ts";

const WALKS = 1000;
const STEPS = 300;
const BROKEN_WALKS_MAX = 150;

async function walk(seed: number, broken: readonly Break[] = []): Promise<DigWalk> {
  const walk = new DigWalk(seededRandom(seed), broken);
  await walk.open();
  for (let step = 0; step < STEPS; step++) await walk.stepAndLook();
  await walk.finish();
  return walk;
}

const test = suite("the rules of trees, lifespans and freeing");

test("every kept instant shows what the oracle remembers, through crashes, rebases, readers and the loss of the control file", async () => {
  const seed = campaignSeed();
  const counts: Record<string, number> = {};
  for (let i = 0; i < scale(WALKS); i++) {
    try {
      const { counts: own } = await walk(seed + i);
      for (const [what, count] of Object.entries(own)) counts[what] = (counts[what] ?? 0) + count;
    } catch (error) {
      throw new Error(`walk with SEED=${seed + i} failed: ${String(error)}`, { cause: error });
    }
  }
  console.log(`${scale(WALKS)} walks of ${STEPS} steps: ${JSON.stringify(counts)}`);
  for (const what of ["crash", "dedup", "freed", "lost", "mended", "middle", "purged", "quiet", "rebase"])
    assert.ok((counts[what] ?? 0) > 0, `the walks have ${what}`);
});

const BROKEN: readonly (readonly [Break, string])[] = [
  ["barrier", "freeing that does not wait for decided batches and the projection is noticed (rule 10)"],
  ["untouched", "freeing that does not ask what was touched since the newest tree is noticed (rule 10)"],
  ["reader", "readers that hold nothing are noticed (rule 8)"],
  ["unnamed", "stored chunks that no batch end accounts for are noticed as a leak (rule 2)"],
  ["deaths", "a chunk that is named again and keeps its old death is noticed (rule 2)"],
  ["bracket", "trees without what is staged are noticed (rule 3)"],
  ["events held", "a stream that is truncated under open readers is noticed (rule 8)"],
  ["condemned", "dedup that still finds what is about to be freed is noticed (rule 10)"],
  ["resend", "a batch that is sent again and stored again is noticed (rule 13)"],
  ["fence", "a store that is opened without shutting out appends of before is noticed (rule 14)"],
  ["snapshot trees", "snapshots that leave the window without a tree are noticed (rule 15)"],
  ["look again", "a rebase that does not look again for snapshots is noticed (rule 15)"],
  ["purge", "purged content that is not freed is noticed (rule 16)"],
  ["purge asks nobody", "a purge that frees what other files and instants name is noticed (rule 16)"],
  ["named trees", "a rebase that names no trees of snapshots is noticed when the control file is lost (rules 17 and 18)"],
];
for (const [broken, name] of BROKEN) {
  test(name, async () => {
    for (let seed = 1; seed <= BROKEN_WALKS_MAX; seed++) {
      const outcome = await walk(seed, [broken]).then(
        () => "fine",
        () => "noticed",
      );
      if (outcome === "noticed") return;
    }
    assert.unreachable(`${BROKEN_WALKS_MAX} walks with a broken rule passed`);
  });
}

test.run();
