/**
 * A process that syncs is killed at any moment, again and again while upstream changes; in the end the target is what the reference client
 * makes. It may hold more: of an object that was stored, whose fact was not, and which upstream dropped before the next sync, no list tells
 * any more. Such names are those that a check calls foreign, each of them.
 */
// Time limit: 900 s
import { spawn } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkFiles } from "../../src/actors/mirror-files/index.ts";
import { openOs, openXxh3 } from "../../src/app/os/index.ts";
import { systemRandom } from "../../src/app/platform.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { openDirectoryStore } from "../../src/objects/directory/index.ts";
import { openDigests } from "../../src/rsync/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { bytePath } from "../support/compare-trees.ts";
import { MirrorRig } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { StoredMirror } from "../support/stored-mirror.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("mirror: kill -9");
const SYNCER = join(import.meta.dirname, "../support/mirror-syncer.ts");
const FOLDERS = 12;
const FILES = 25;

interface Counts {
  readonly arrivedCount: number;
  readonly touchedCount: number;
  readonly withdrawnCount: number;
  readonly heldBecause: string;
}

/** Runs to its end, or until it is killed: then undefined. */
function run(words: readonly string[], killAfterMs = Infinity): Promise<Counts | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SYNCER, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    let [said, failed] = ["", ""];
    child.stdout.on("data", (bytes: Buffer) => (said += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => (failed += bytes.toString()));
    if (killAfterMs !== Infinity) void sleep(killAfterMs).then(() => child.kill("SIGKILL"));
    child.once("close", (code, signal) => {
      if (signal === "SIGKILL") resolve(undefined);
      else if (code === 0) resolve(JSON.parse(said) as Counts);
      else reject(new Error(`the sync ended with ${code}: ${failed}`));
    });
  });
}

function partition(all: readonly string[], isFirst: (text: string) => boolean): readonly [string[], string[]] {
  return [all.filter(isFirst), all.filter((text) => !isFirst(text))];
}

/** What a check finds in the target that the mirror does not know; of a folder and what lies in it the folder alone. It finds nothing else. */
async function foreignTops(directory: string, target: string): Promise<string[]> {
  const events = await openLmdbEventStore({ path: join(directory, "events.lmdb"), create: false });
  const mirror = await StoredMirror.at(directory, events, false);
  const store = openDirectoryStore({ path: bytePath(target), os: openOs(), random: systemRandom() });
  const paths: string[] = [];
  try {
    for await (const item of checkFiles(await mirror.opened.files(), store, { readsData: true, mends: false, digests: () => openDigests(openXxh3()) })) {
      if (item.type !== "fault") continue;
      assert.is(item.what, "foreign", `${item.path}: ${item.detail}`);
      paths.push(item.path);
    }
  } finally {
    await store.close();
    await mirror.opened.close();
    await events.close();
  }
  return paths.filter((path) => !paths.some((other) => path.startsWith(`${other}/`)));
}

test("whatever a killed sync leaves, the next one goes on from there", async () => {
  if (!hasCommand("rsync")) return skipped("mirror: kill -9", "rsync is not installed");
  const random = seededRandom(campaignSeed());
  const rig = await MirrorRig.open();
  const at = (...names: readonly string[]): string => join(rig.upstream, ...names);
  const write = (path: string): void => writeFileSync(path, random.bytes(random.chance(0.02) ? 2_500_000 : random.int(6000)));
  for (let i = 0; i < FOLDERS; i++) {
    mkdirSync(at(`d${i}`));
    for (let j = 0; j < FILES; j++) write(at(`d${i}`, `f${j}`));
  }
  const mirror = join(temporaryDirectory("killed"), "mirror");
  const words = [String(rig.daemon.port), "tree", rig.target, mirror];
  try {
    // A first start makes the stores; that it can be killed there is the stores' own matter.
    await run(words);
    let killedCount = 0;
    for (let round = 0; round < scale(80); round++) {
      for (let i = 0; i < 60; i++) write(at(`d${random.int(FOLDERS)}`, `f${random.int(FILES + 5)}`));
      rmSync(at(`d${random.int(FOLDERS)}`, `f${random.int(FILES)}`), { force: true });
      const folder = `d${random.int(FOLDERS)}`;
      renameSync(at(folder), at("moved"));
      mkdirSync(at(folder));
      renameSync(at("moved"), at(folder, `was${round}`));
      // The first one is killed before it can have done anything, so that one is killed on any machine.
      if ((await run(words, round === 0 ? 0 : 50 + random.int(1700))) === undefined) killedCount++;
    }
    assert.ok(killedCount > 0, "no sync was killed");
    const last = await run(words);
    assert.is(last?.heldBecause, "");
    const [extra, wrong] = partition(rig.differences(), (difference) => difference.endsWith("is too many"));
    assert.equal(wrong, []);
    assert.is(extra.length, (await foreignTops(mirror, rig.target)).length, extra.join("; "));
    const again = await run(words);
    assert.equal([again?.arrivedCount, again?.touchedCount, again?.withdrawnCount], [0, 0, 0]);
  } finally {
    await rig.close();
  }
});

test.run();
