/** What filters keep from being removed, held against `rsync --delete-after` with the same rules: random ones, for each side, and per directory. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteString } from "../../src/core/index.ts";
import { parseRule } from "../../src/rsync/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { bytePath } from "../support/compare-trees.ts";
import { MirrorRig, plainDifferences, rigOs } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import type { SeededRandom } from "../support/random.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const FILES = [
  "a.o",
  "b.log",
  "c.tmp",
  "d/a.o",
  "d/b.log",
  "d/x.c",
  "d/e/a.o",
  "d/e/c.tmp",
  "d/e/f/b.log",
  "g/a.o",
  "g/x.c",
  "g/h/b.log",
  "g/h/i/a.o",
  "k/c.tmp",
];
const PATTERNS = ["*.o", "*.log", "c.tmp", "/d", "d/", "/d/e/", "e", "/g/h/***", "f/", "/k/*", "x.c", "*", "/g/**"];
const SIGNS = ["-", "-", "+", "H", "S", "P", "P", "R", "-!", "+s", "-r"];
const MERGES = [": .rules", ": /.rules", ":n .rules", ":e .rules", ":- .rules", "dir-merge,r .rules"];

let opened: MirrorRig | undefined;

const test = suite("mirror: filters and removals");
test.after.each(() => opened?.close());

function randomRules(random: SeededRandom, countMax: number, signs: readonly string[] = SIGNS): string[] {
  return Array.from({ length: 1 + random.int(countMax) }, () => `${random.pick(signs)} ${random.pick(PATTERNS)}`);
}

function write(rig: MirrorRig, name: string, content: string): void {
  mkdirSync(dirname(join(rig.upstream, name)), { recursive: true });
  writeFileSync(join(rig.upstream, name), content);
}

/** As the reference client has it in `reference`. */
function rsync(rig: MirrorRig, reference: string, words: readonly string[]): void {
  const options = ["-rlpt", "--modify-window=-1", "--delete-after", ...words];
  const { status, stderr } = spawnSync("rsync", [...options, `${rig.daemon.url}/tree/`, `${reference}/`], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the reference client ended with ${status}: ${stderr}`);
}

/** A directory that is not listed and stays for what is kept in it has a time of either side's own. */
function differences(rig: MirrorRig, reference: string): string[] {
  const isDirectory = (path: string): boolean => statSync(join(rig.target, path)).isDirectory();
  return plainDifferences(rigOs, bytePath(reference), bytePath(rig.target)).filter((line) => {
    const [, path] = /^(.*): mtime/.exec(line) ?? [];
    return path === undefined || !isDirectory(path);
  });
}

test("what rsync keeps with these rules is kept, and what it removes is removed", async () => {
  if (!hasCommand("rsync")) return skipped("mirror: filters and removals", "rsync is not installed");
  const random = seededRandom(campaignSeed());
  const rig = (opened = await MirrorRig.open());
  const reference = temporaryDirectory("reference");
  for (let round = 0; round < scale(60); round++) {
    for (const name of FILES) write(rig, name, name);
    const merge = random.chance(0.6) ? random.pick(MERGES) : undefined;
    const ruleFiles = (): void => {
      for (const directory of ["", "d/", "d/e/", "g/"]) {
        rmSync(join(rig.upstream, directory, ".rules"), { force: true });
        if (merge === undefined || random.chance(0.3)) continue;
        const lines = merge.startsWith(":-") ? [random.pick(PATTERNS)] : randomRules(random, 2, merge.includes(",r") ? ["-", "+"] : SIGNS);
        write(rig, `${directory}.rules`, `${lines.join("\n")}\n`);
      }
    };
    ruleFiles();
    await rig.sync({ maxDelete: 1000 });
    rsync(rig, reference, []);
    assert.equal(differences(rig, reference), []);
    const texts = [...randomRules(random, 3), ...(merge === undefined ? [] : [merge]), ...(random.chance(0.5) ? randomRules(random, 2) : [])];
    if (random.chance(0.5)) ruleFiles();
    for (const name of FILES) if (random.chance(0.5)) unlinkSync(join(rig.upstream, name));
    if (random.chance(0.3)) rmSync(join(rig.upstream, random.pick(["d/e", "g/h", "k"])), { recursive: true, force: true });
    const deleteExcluded = random.chance(0.3);
    const said = `seed ${campaignSeed()}, round ${round}: ${texts.join(" | ")}${deleteExcluded ? " --delete-excluded" : ""}`;
    const outcome = await rig.sync({ filters: texts.map((text) => parseRule(text as ByteString)), deleteExcluded, maxDelete: 1000 });
    if (outcome.heldBecause === "the server lists nothing at all") continue; // A guard that rsync has not.
    assert.is(outcome.heldBecause, "", said);
    rsync(rig, reference, [...texts.map((text) => `--filter=${text}`), ...(deleteExcluded ? ["--delete-excluded"] : [])]);
    assert.equal(differences(rig, reference), [], said);
  }
});

test("rules that cannot be understood hold removals, and are named", async () => {
  if (!hasCommand("rsync")) return skipped("mirror: rule files that are no rules", "rsync is not installed");
  const rig = (opened = await MirrorRig.open());
  write(rig, "d/.rules", "~ what\n");
  for (const name of ["d/a", "d/b", "e"]) write(rig, name, name);
  const filters = [parseRule("dir-merge,r .rules" as ByteString)]; // The server does not look at rules of this side.
  await rig.sync({ filters });
  unlinkSync(join(rig.upstream, "d/a"));
  unlinkSync(join(rig.upstream, "e"));
  const held = await rig.sync({ filters });
  assert.match(held.heldBecause, /'~ what' cannot be understood/);
  assert.equal([held.heldBy, held.counts.withdrawnCount], ["d/.rules", 0]);
  write(rig, "d/.rules", "P a\n");
  const mended = await rig.sync({ filters });
  assert.equal([mended.heldBecause, mended.counts.withdrawnCount], ["", 1]);
});

test.run();
