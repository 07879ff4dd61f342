/**
 * Each rule of trees, lifespans, freeing and rebase is left out of a copy of the product, and the test that guards it must fail there.
 * So no rule is kept by chance alone. The list is rules/left-out.ts; rules that dig.test.ts breaks in the walk's own code are there.
 */
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { REPOSITORY } from "../runner/workspace.ts";
import { campaignSeed, isCampaign } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { LEFT_OUT } from "./rules/left-out.ts";
import type { LeftOut } from "./rules/left-out.ts";

// Time limit: 900 s
const TEST_MS_MAX = 240_000;
const WALKS_IN_CAMPAIGN = 100; // Of the random test that some rules need.
const SEED = "1";
/** Those that need random walks take long: a campaign runs them all, else one does. */
const directed = LEFT_OUT.filter(({ walksMax }) => walksMax === undefined);
const walked = LEFT_OUT.filter(({ walksMax }) => walksMax !== undefined);
const chosen = [...directed, ...(isCampaign ? walked : [seededRandom(campaignSeed()).pick(walked)])];
const test = suite("rules left out");

/** A copy of sources and tests; what is installed and built is shared. */
function copyOfProduct(): string {
  const copy = temporaryDirectory("left-out");
  for (const folder of ["src", "test"]) cpSync(join(REPOSITORY, folder), join(copy, folder), { recursive: true });
  for (const shared of ["node_modules", "native", "package.json", "types"]) symlinkSync(join(REPOSITORY, shared), join(copy, shared));
  return copy;
}

/** Runs the test in the copy; its output where it failed by an assertion of its own, undefined where it passed. */
function failureOf(copy: string, { test: file, walksMax }: LeftOut): string | undefined {
  const env = { ...process.env, SEED, RAINBOW_CAMPAIGN_SCALE: String((walksMax ?? 0) / WALKS_IN_CAMPAIGN) };
  const run = spawnSync(process.execPath, [join(copy, file)], { cwd: copy, env, encoding: "utf8", timeout: TEST_MS_MAX });
  assert.is(run.signal, null, `${file} ends by itself`);
  if (run.status === 0) return undefined;
  const [, first] = /FAIL\s+(.*)/.exec(run.stdout) ?? [];
  assert.type(first, "string", `${file} ran and failed: ${run.stdout}${run.stderr}`);
  return `${first} ${/failed: ([^\n]*)/.exec(run.stdout)?.[1] ?? ""}`;
}

const copy = copyOfProduct();

function withChanges(changes: LeftOut["changes"], action: () => void): void {
  try {
    for (const { file, from, to } of changes) {
      const text = readFileSync(join(copy, file), "utf8");
      assert.is(text.split(from).length, 2, `${file} has this once, or rules/left-out.ts must follow it: ${from}`);
      writeFileSync(
        join(copy, file),
        text.replace(from, () => to),
      );
    }
    action();
  } finally {
    for (const { file } of changes) cpSync(join(REPOSITORY, file), join(copy, file));
  }
}

for (const leftOut of chosen) {
  test(`rule ${leftOut.rule}: it is noticed where ${leftOut.what}`, () => {
    withChanges(leftOut.changes, () => {
      const failure = failureOf(copy, leftOut);
      assert.ok(failure, `${leftOut.test} passes without the rule`);
      console.log(`\nrule ${leftOut.rule}, ${leftOut.what}: ${failure}`);
    });
  });
}

test.run();
