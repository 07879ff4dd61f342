/**
 * Power cuts: a writer's every write and sync to the stores is recorded; the files are rebuilt as a disk could hold them at random
 * moments, opened and checked. Some rounds begin with what an earlier cut left, so that recovering from a cut is cut as well.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import { campaignSeed, scale } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import type { Checked, CutToCheck } from "./power-cut/checker.ts";
import { Recording } from "./power-cut/rebuild.ts";
import { momentOf, NOTES } from "./power-cut/script.ts";
import type { Script, WriterOrder } from "./power-cut/script.ts";
import { buildShim, runRecorded } from "./power-cut/shim.ts";

const CUT_COUNT = 1000;
const CUTS_PER_ROUND = 34;
const BATCHES_PER_ROUND = 90;
const CHAIN_ROUNDS = 3; // Then the history begins anew, or it would only grow.
const random = seededRandom(campaignSeed());
const test = suite("power cut");

/** What a round begins with; `base` is a directory with the stores as a cut left them. */
interface Beginning {
  readonly seed: number;
  readonly base: string | undefined;
  readonly script: Script;
}

class Checker {
  private child: ChildProcess | undefined;

  check(cut: CutToCheck): Promise<Checked> {
    const child = (this.child ??= fork(join(import.meta.dirname, "power-cut/checker.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] }));
    return new Promise((resolve) => {
      const finish = (answer: Checked): void => {
        child.removeAllListeners();
        resolve(answer);
      };
      child.once("message", (answer: Checked) => finish(answer));
      child.once("exit", (code, signal) => {
        this.child = undefined;
        finish({ failure: `the process was ended by ${signal ?? code}` });
      });
      child.send(cut);
    });
  }

  end(): void {
    this.child?.kill();
  }
}

const fresh = (): Beginning => ({ seed: random.int(2 ** 30), base: undefined, script: [] });

function record(library: string, beginning: Beginning, directory: string): Recording {
  const [root, log] = [join(directory, "root"), join(directory, "log")];
  mkdirSync(directory, { recursive: true });
  if (beginning.base !== undefined) cpSync(beginning.base, root, { recursive: true });
  const order: WriterOrder = { root, seed: beginning.seed, script: beginning.script, batchCount: BATCHES_PER_ROUND };
  runRecorded({ library, root, log }, join(import.meta.dirname, "power-cut/writer.ts"), [JSON.stringify(order)]);
  return new Recording(log, root);
}

/** The record after which the stores are made and open. */
function readyAt(recording: Recording): number {
  return recording.lines(NOTES).find(({ line }) => line === "ready")!.at;
}

/** A tenth of the cuts falls into making or opening the stores, which are few records. */
function cutPoint(recording: Recording): number {
  const ready = readyAt(recording);
  return random.chance(0.1) ? random.int(ready + 1) : ready + 1 + random.int(recording.records.length - ready);
}

/** The cut's files in a directory of their own, and what they must hold. */
function rebuilt(recording: Recording, beginning: Beginning, at: number, directory: string): CutToCheck {
  const cutSeed = random.int(2 ** 30);
  if (beginning.base !== undefined) cpSync(beginning.base, directory, { recursive: true });
  recording.rebuild({ at, random: seededRandom(cutSeed).next }, directory);
  return {
    directory,
    seed: beginning.seed,
    ...momentOf(recording, beginning.script, at),
    create: beginning.base === undefined && at <= readyAt(recording),
    cutSeed,
  };
}

test("whatever the disk held when the power went: what was acknowledged is there, all is sound, and it goes on", async () => {
  const directory = temporaryDirectory("power-cut");
  const shim = buildShim(directory);
  if ("reason" in shim) return skipped("power cut", shim.reason);
  const checker = new Checker();
  let beginning = fresh();
  const counts = { cuts: 0, stored: 0, unacknowledged: 0 };
  try {
    for (let round = 0; counts.cuts < scale(CUT_COUNT); round++) {
      const place = join(directory, `round-${round}`);
      const recording = record(shim.library, beginning, place);
      for (let i = 0; i < CUTS_PER_ROUND && counts.cuts < scale(CUT_COUNT); i++, counts.cuts++) {
        const at = cutPoint(recording);
        const target = join(place, `cut-${i}`);
        const cut = rebuilt(recording, beginning, at, target);
        const checked = await checker.check(cut);
        const storedCount = countOf(checked, `cut ${i} of round ${round}, at record ${at} of ${recording.records.length}`);
        counts.stored += storedCount;
        counts.unacknowledged += storedCount - cut.acknowledgedCount;
        rmSync(target, { recursive: true });
      }
      beginning = round % CHAIN_ROUNDS === CHAIN_ROUNDS - 1 ? fresh() : await next(checker, recording, beginning, join(directory, `base-${round}`));
      rmSync(place, { recursive: true });
    }
  } finally {
    checker.end();
  }
  console.log(`\n${counts.cuts} cuts; ${counts.stored} batches were there, ${counts.unacknowledged} of them not yet acknowledged`);
});

/** What one more cut leaves: the next round opens it under the recorder. */
async function next(checker: Checker, recording: Recording, beginning: Beginning, base: string): Promise<Beginning> {
  const at = Math.floor(recording.records.length * (0.5 + random.next() / 2));
  const cut = rebuilt(recording, beginning, at, base);
  const copy = `${base}-checked`;
  cpSync(base, copy, { recursive: true });
  const storedCount = countOf(await checker.check({ ...cut, directory: copy }), "the cut that the next round begins with");
  rmSync(copy, { recursive: true });
  return { seed: cut.seed, script: cut.script.slice(0, storedCount), base };
}

function countOf(checked: Checked, what: string): number {
  if ("failure" in checked) throw new Error(`${what}: ${checked.failure}`);
  return checked.storedCount;
}

test.run();
