/**
 * Rebase under fire on the real stores: one process sends batches, takes and drops snapshots, holds views open, moves the window,
 * carries out random policies and fills the disk, all at once. It is killed (-9) as soon as so many of its writes and syncs are done,
 * or its every write is recorded and the files are rebuilt as a disk could hold them when the power fails at such a moment. What is
 * left is held against a model that keeps every instant. Some rounds go on with what an earlier one left.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, scale } from "../support/campaign.ts";
import { ChildService } from "../support/child-service.ts";
import { loopFilesystem } from "../support/loop-filesystem.ts";
import { seededRandom } from "../support/random.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { Recording } from "./power-cut/rebuild.ts";
import { buildShim, runRecorded } from "./power-cut/shim.ts";
import type { SiegeChecked, SiegeToCheck } from "./siege/checker.ts";
import { newModel, noted, NOTES, settledModel } from "./siege/model.ts";
import type { Model } from "./siege/model.ts";
import { MUST_OPEN_ANEW } from "./siege/order.ts";
import type { WriterOrder } from "./siege/order.ts";

// Time limit: 3600 s
const KILLS = 200;
const CUTS = 200;
const CUTS_PER_ROUND = 12;
const BATCHES_PER_ROUND = 50;
const CHAIN_ROUNDS = 4; // Then the history begins anew, or it would only grow.
const DISK_MIB = 256;
const CHECK_MS_MAX = 120_000;
const DEEDS = ["ack", "drop", "full", "look?", "move", "policy", "session", "snapshot"];
const random = seededRandom(campaignSeed());
const test = suite("rebase under fire, on the real stores");

/** One history: what rounds before left, and what must hold of it. */
interface History {
  readonly seed: number;
  readonly root: string;
  readonly isMade: boolean;
  readonly model: Model;
}

class Siege {
  readonly counts: Record<string, number> = {};
  private readonly checker = new ChildService<SiegeToCheck, SiegeChecked>(join(import.meta.dirname, "siege/checker.ts"), { limitMs: CHECK_MS_MAX });
  private readonly library: string;
  private readonly place: string;
  /** On a small disk of its own, where there can be one. */
  private readonly ballast: string | undefined;

  constructor(library: string, place: string, ballast: string | undefined) {
    [this.library, this.place, this.ballast] = [library, place, ballast];
  }

  fresh(): History {
    const root = join(this.place, "root");
    rmSync(root, { recursive: true, force: true });
    return { seed: random.int(2 ** 30), root, isMade: false, model: newModel() };
  }

  /** Runs the writer; true where it was killed. Without `killAt` everything it does is recorded in `log`. */
  run({ seed, root, isMade, model }: History, log: string, killAt?: number): boolean {
    if (this.ballast !== undefined && random.chance(0.8)) rmSync(this.ballast, { force: true }); // Else the disk is still full, if it was.
    const order: WriterOrder = { root, seed, roundSeed: random.int(2 ** 30), batchCount: BATCHES_PER_ROUND, create: !isMade, model, ballast: this.ballast };
    const recorded = { library: this.library, root, log, ...(killAt === undefined ? {} : { killAt }) };
    return runRecorded(recorded, join(import.meta.dirname, "siege/writer.ts"), [JSON.stringify(order)], [0, MUST_OPEN_ANEW]);
  }

  /** Checks a directory, which is changed by it; returns the model of what was found. */
  async check(what: string, unseeded: Omit<SiegeToCheck, "checkSeed">): Promise<Model> {
    const order = { ...unseeded, checkSeed: random.int(2 ** 30) };
    const kept = process.env["RAINBOW_KEEP_FAILED"];
    if (kept !== undefined) keepFor(kept, order);
    const served = await this.checker.ask(order);
    const failure = "ended" in served ? served.ended : "failure" in served.answer ? served.answer.failure : undefined;
    if (failure !== undefined || "ended" in served || "failure" in served.answer) throw new Error(`${what}: ${failure}`);
    for (const [name, count] of Object.entries(served.answer.counts)) this.counts[name] = (this.counts[name] ?? 0) + count;
    return settledModel(order.model, served.answer.found);
  }

  /** What the writer did before its end. */
  tally(lines: readonly string[]): void {
    for (const line of lines) {
      const what = line.split(" ")[0]!;
      if (DEEDS.includes(what)) this.counts[what] = (this.counts[what] ?? 0) + 1;
    }
  }

  end(): void {
    this.checker.end();
  }
}

/** The directory and the order of the newest check, so that one that failed can be run again: what a kill hits is not for a seed to say. */
function keepFor(place: string, order: SiegeToCheck): void {
  rmSync(place, { recursive: true, force: true });
  cpSync(order.directory, place, { recursive: true });
  writeFileSync(join(place, "order.json"), JSON.stringify({ ...order, directory: place }));
}

async function withSiege(name: string, work: (siege: Siege, directory: string) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory("siege");
  const shim = buildShim(directory);
  if ("reason" in shim) return skipped(name, shim.reason);
  const disk = loopFilesystem("ext4", DISK_MIB);
  const place = typeof disk === "string" ? join(directory, "place") : disk.path;
  mkdirSync(place, { recursive: true });
  const siege = new Siege(shim.library, place, typeof disk === "string" ? undefined : join(place, "ballast"));
  try {
    await work(siege, directory);
  } finally {
    siege.end();
  }
}

const notesOf = (root: string): string[] => (existsSync(join(root, NOTES)) ? readFileSync(join(root, NOTES), "utf8").split("\n") : []);

test("whatever a kill -9 cuts off: what is kept answers, nothing is leaked or freed too early, and it goes on", async () => {
  await withSiege("kills on the real stores", async (siege, directory) => {
    let history = siege.fresh();
    let stepsMax = 1500; // About as many as a round has; it adapts.
    let killed = 0;
    for (let round = 0; killed < scale(KILLS); round++) {
      const before = notesOf(history.root).length;
      const killAt = 1 + random.int(stepsMax);
      const isKilled = siege.run(history, "/dev/null", killAt);
      stepsMax = Math.max(200, Math.ceil(stepsMax * (isKilled ? 1.05 : 0.8)));
      if (isKilled) killed += 1;
      const lines = notesOf(history.root).slice(Math.max(0, before - 1));
      siege.tally(lines);
      const copy = join(directory, "copy");
      cpSync(history.root, copy, { recursive: true, filter: (path) => !path.endsWith("-lock") });
      const isMade = history.isMade || lines.includes("ready");
      const order = { directory: copy, seed: history.seed, model: noted(history.model, lines), create: !isMade };
      const model = await siege.check(`kill ${killed} at step ${killAt}`, order);
      rmSync(copy, { recursive: true });
      history = round % CHAIN_ROUNDS === CHAIN_ROUNDS - 1 ? siege.fresh() : { ...history, isMade, model };
    }
    console.log(`\n${killed} kills: ${JSON.stringify(siege.counts)}`);
    assert.ok((siege.counts["compared"] ?? 0) > killed, "instants were compared");
  });
});

test("whatever the disk held when the power went: what is kept answers, nothing is leaked or freed too early, and it goes on", async () => {
  await withSiege("power cuts on the real stores", async (siege, directory) => {
    let history = siege.fresh();
    let cuts = 0;
    const base = join(directory, "base");
    for (let round = 0; cuts < scale(CUTS); round++) {
      const log = join(directory, "log");
      if (history.isMade) cpSync(history.root, base, { recursive: true, filter: (path) => !path.endsWith("-lock") });
      siege.run(history, log);
      const recording = new Recording(log, history.root);
      for (let i = 0; i < CUTS_PER_ROUND && cuts < scale(CUTS); i++, cuts++) {
        const at = 1 + random.int(recording.records.length);
        const target = join(directory, "cut");
        if (history.isMade) cpSync(base, target, { recursive: true });
        else mkdirSync(target);
        recording.rebuild({ at, random: seededRandom(random.int(2 ** 30)).next }, target);
        const lines = recording.lines(NOTES).flatMap((each) => (each.at < at ? [each.line] : []));
        siege.tally(lines);
        const order = { directory: target, seed: history.seed, model: noted(history.model, lines), create: !history.isMade && !lines.includes("ready") };
        await siege.check(`cut ${cuts} at step ${at} of ${recording.records.length}`, order);
        rmSync(target, { recursive: true });
      }
      history = await nextHistory(siege, history, recording, { round, base, copy: join(directory, "copy") });
      rmSync(base, { recursive: true, force: true });
      rmSync(log);
    }
    console.log(`\n${cuts} power cuts: ${JSON.stringify(siege.counts)}`);
    assert.ok((siege.counts["compared"] ?? 0) > cuts, "instants were compared");
  });
});

/** The next round goes on with what one more cut leaves, or begins anew. */
async function nextHistory(
  siege: Siege,
  history: History,
  recording: Recording,
  { round, base, copy }: { readonly round: number; readonly base: string; readonly copy: string },
): Promise<History> {
  if (round % CHAIN_ROUNDS === CHAIN_ROUNDS - 1) return siege.fresh();
  const at = Math.floor(recording.records.length * (0.5 + random.next() / 2));
  rmSync(history.root, { recursive: true });
  if (history.isMade) cpSync(base, history.root, { recursive: true });
  else mkdirSync(history.root);
  recording.rebuild({ at, random: seededRandom(random.int(2 ** 30)).next }, history.root);
  const lines = recording.lines(NOTES).flatMap((each) => (each.at < at ? [each.line] : []));
  if (!history.isMade && !lines.includes("ready")) return siege.fresh();
  cpSync(history.root, copy, { recursive: true });
  const model = await siege.check("the cut that the next round begins with", {
    directory: copy,
    seed: history.seed,
    model: noted(history.model, lines),
    create: false,
  });
  rmSync(copy, { recursive: true });
  return { ...history, isMade: true, model };
}

test.run();
