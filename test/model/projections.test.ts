/**
 * Random facts against a naive model that keeps a whole copy of every instant: through trees built at random moments, reopening,
 * discarded trees and replay from nothing, every remembered instant is listed and read and equals the model.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError, MACHINE_NODE } from "../../src/core/index.ts";
import type { Change, ChunkNumber, NodeId, Revision } from "../../src/core/index.ts";
import type { HistorySource } from "../../src/projections/history/intervals.ts";
import { logOf } from "../../src/projections/history/log.ts";
import type { LogStart } from "../../src/projections/history/log.ts";
import type { TreeLimits, View } from "../../src/projections/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { compareWithNaive } from "../support/compare-with-naive.ts";
import { GRANULE_BYTES, NaiveMachine } from "../support/naive-machine.ts";
import type { NaiveInstant } from "../support/naive-machine.ts";
import { ProjectedMachine } from "../support/projected-machine.ts";
import { RandomFacts } from "../support/random-facts.ts";
import { seededRandom } from "../support/random.ts";
import type { SeededRandom } from "../support/random.ts";

const BATCHES = 120;
const RUNS = 100;

/** Limits so small that trees, segments and merges happen all the time. */
function randomLimits(random: SeededRandom): TreeLimits {
  return {
    tailEvents: 5 + random.int(60),
    tailEventsMax: 100 + random.int(400),
    tailMemoryBytes: 20_000 + random.int(400_000),
    treeEveryUs: 1_000_000_000,
    smallBytes: random.chance(0.5) ? 0 : 4096,
    segmentsMax: 1 + random.int(6),
  };
}

function onlyFull(error: unknown): void {
  if (!isRainbowError(error, "DISK_FULL")) throw error;
}

class Run {
  readonly random: SeededRandom;
  readonly machine: ProjectedMachine;
  readonly naive = new NaiveMachine();
  readonly facts: RandomFacts;
  readonly instants = new Map<Revision, NaiveInstant>();
  readonly plains = new Map<number, Buffer>();

  private constructor(random: SeededRandom, machine: ProjectedMachine) {
    this.random = random;
    this.machine = machine;
    this.facts = new RandomFacts(random, this.naive);
  }

  static async make(seed: number): Promise<Run> {
    const random = seededRandom(seed);
    const run = new Run(random, await ProjectedMachine.make(randomLimits(random)));
    await run.startEpoch();
    return run;
  }

  async startEpoch(): Promise<void> {
    await this.machine.startEpoch();
  }

  async batch(): Promise<void> {
    const first = this.machine.dig.chunks.nextNumber();
    const plains: Buffer[] = [];
    const known = [...this.plains.keys()];
    const chunkFor = (granules: number): number => {
      const again = known.length > 0 && this.random.chance(0.3) ? this.random.pick(known) : undefined;
      if (again !== undefined && this.plains.get(again)!.length >= granules * GRANULE_BYTES) return again;
      return first + plains.push(this.random.bytes(granules * GRANULE_BYTES)) - 1;
    };
    const changes: Change[] = [];
    const count = 1 + this.random.int(this.random.chance(0.1) ? 40 : 8);
    for (let i = 0; i < count; i++) {
      const change = this.facts.next(this.machine.epoch, chunkFor);
      changes.push(change);
      this.naive.apply(change);
    }
    if (plains.length > 0) assert.is(await this.machine.storeChunks(plains), first);
    plains.forEach((plain, i) => this.plains.set(first + i, plain));
    const revision = await this.machine.append(changes, { first, plains });
    this.instants.set(revision, this.naive.instant());
  }

  async compare(revision: Revision): Promise<void> {
    const view = await this.machine.projection.viewAt(revision);
    assert.is(view.revision, revision);
    compareWithNaive(view, this.instants.get(revision)!, this.random.chance(0.2) ? (chunk) => this.plains.get(chunk)! : undefined);
    view.close();
  }

  async compareSome(count: number): Promise<void> {
    const revisions = [...this.instants.keys()];
    for (let i = 0; i < count; i++) await this.compare(this.random.pick(revisions));
    await this.compare(revisions.at(-1)!);
  }

  async disturb(): Promise<void> {
    const kind = this.random.int(10);
    const { machine } = this;
    if (kind < 2) await machine.projection.buildTree().catch(onlyFull);
    else if (kind === 2) machine.refusedTrees = 1 + this.random.int(3);
    else if (kind < 5) {
      await machine.close();
      await machine.open();
    } else if (kind === 5) {
      await machine.projection.close();
      if (this.random.chance(0.5)) await machine.dig.trees.discardAfter(-1 as Revision);
      await machine.dig.close();
      await machine.open();
    } else if (kind === 6) await this.startEpoch();
    else if (kind === 7) await this.keepView();
    else await this.compareSome(2);
  }

  /** A view of now that stays as it is while more happens. */
  async keepView(): Promise<void> {
    const revision = [...this.instants.keys()].at(-1)!;
    await this.machine.projection.projected(revision);
    const view = this.machine.projection.viewNow();
    for (let i = 0; i < 6; i++) await this.batch();
    await this.machine.projection.projected([...this.instants.keys()].at(-1)!);
    if (view.revision === revision) compareWithNaive(view, this.instants.get(revision)!);
    view.close();
  }

  /**
   * Where the newest tree says what changed, no version of a node is missed that reading all events finds. Versions that only events
   * tell of which contradict what is known may be: they changed nothing.
   */
  async compareLogs(): Promise<void> {
    const { projection } = this.machine;
    for (let i = 0; i < 6; i++) {
      const at = this.random.pick([...this.instants.keys()]);
      const view = await projection.viewAt(at);
      const start = this.randomName(view);
      view.close();
      const source = await projection.historySource(at);
      let isAsked = false; // The first tree that is asked for is the one that says what changed.
      const withoutHelp: HistorySource = { ...source, openBase: (revision) => (isAsked ? source.openBase(revision) : void (isAsked = true)) };
      const found = new Set(await versionsOf(source, start));
      for (const version of await versionsOf(withoutHelp, start))
        assert.ok(found.has(version) || !this.isChange(version, start.node), `log of '${start.name}' in ${start.parent} at r${at}: ${version}`);
    }
  }

  /** Whether the node of a version is the one that is sought, and differs from what it was an instant before. */
  private isChange(version: string, sought: NodeId | undefined): boolean {
    const [revision, node] = version.split(" ").map(Number) as [Revision, NodeId];
    const revisions = [...this.instants.keys()];
    const before = this.instants.get(revisions[revisions.indexOf(revision) - 1]!)?.nodes.get(node);
    const after = this.instants.get(revision)?.nodes.get(node);
    if (node !== sought || before === undefined || after === undefined || before.hidden || after.hidden) return false;
    return before.attributes.mode !== after.attributes.mode || before.granules.join() !== after.granules.join();
  }

  /** Of something that is there, or of what is not, and perhaps was. */
  private randomName(view: View): LogStart {
    for (let parent = MACHINE_NODE; ;) {
      const entries = [...view.list(parent)];
      if (entries.length === 0 || this.random.chance(0.3)) return { parent, name: this.facts.name() };
      const { name, node, kind } = this.random.pick(entries);
      if (kind !== "directory" || this.random.chance(0.2)) return { parent, name, node };
      parent = node;
    }
  }

  async verifyReplay(): Promise<void> {
    await this.machine.projection.catchUp();
    const report = await this.machine.projection.verifyReplay();
    assert.equal(report.differences, [], `replay to r${report.revision}`);
  }

  async compareChunks(): Promise<void> {
    this.machine.refusedTrees = 0;
    await this.machine.projection.catchUp();
    await this.machine.projection.buildTree().catch(onlyFull); // One that was refused a moment ago may still be under way.
    await this.machine.projection.buildTree();
    const live = this.naive.liveChunks();
    for (const chunk of this.plains.keys()) {
      const count = this.machine.dig.chunks.liveCount(chunk as ChunkNumber);
      assert.is(count > 0, live.has(chunk), `chunk ${chunk} counts ${count} references`);
    }
  }
}

/** Revision and node of each. */
async function versionsOf(source: HistorySource, start: LogStart): Promise<string[]> {
  const versions: string[] = [];
  for await (const { revision, node } of logOf(source, start)) versions.push(`${revision} ${node}`);
  return versions;
}

async function runOnce(seed: number): Promise<void> {
  const run = await Run.make(seed);
  for (let i = 0; i < BATCHES; i++) {
    await run.batch();
    if (run.random.chance(0.1)) await run.disturb();
  }
  await run.compareSome(15);
  await run.compareLogs();
  await run.compareChunks();
  await run.verifyReplay();
  for await (const problem of run.machine.dig.check({ readData: false })) throw new Error(`check: ${problem.what} (${problem.where})`);
  await run.machine.close();
}

const test = suite("projections against a model");

test("every remembered instant is what the model says, whatever trees there are", async () => {
  const seed = campaignSeed();
  for (let i = 0; i < scale(RUNS); i++) {
    try {
      await runOnce(seed + i);
    } catch (error) {
      console.error(`seed ${seed + i} (SEED=${seed + i}, first run)`);
      throw error;
    }
  }
});

test.run();
