/**
 * Opens what a kill or a power cut left, one directory after another as its parent asks over IPC, and answers what is wrong with it.
 * Everything that the model says is kept is compared, byte by byte; then the work is done to its end and nothing may be left over.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { enrolmentOf, streamOf } from "../../../src/actors/machine/index.ts";
import { commitRebase, finishRebase } from "../../../src/actors/retention/index.ts";
import { openDisk, openOs } from "../../../src/app/os/index.ts";
import { rebuildSource } from "../../../src/app/rebuild-machine.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import type { Revision } from "../../../src/core/index.ts";
import { rebuildControl } from "../../../src/dig/index.ts";
import { openLmdbControl } from "../../../src/dig/lmdb/index.ts";
import { readBatches, verifyChain } from "../../../src/events/index.ts";
import { openLmdbEventStore } from "../../../src/events/lmdb/index.ts";
import { compareWithNaive } from "../../support/compare-with-naive.ts";
import { leaksOf } from "../../support/leaks.ts";
import type { NaiveInstant } from "../../support/naive-machine.ts";
import { seededRandom } from "../../support/random.ts";
import type { SeededRandom } from "../../support/random.ts";
import { MACHINE, openStores, QUOTA_BYTES } from "../power-cut/stores.ts";
import type { Stores } from "../power-cut/stores.ts";
import { SetClock } from "./clock.ts";
import { HASH_KEY, plainOf, SiegeFacts } from "./facts.ts";
import type { Found, Model } from "./model.ts";

export interface SiegeToCheck {
  readonly directory: string;
  /** Of the agent's facts. */
  readonly seed: number;
  readonly model: Model;
  readonly create: boolean;
  /** Of what is looked at, and whether the control file is lost. */
  readonly checkSeed: number;
}

export type SiegeChecked = { readonly found: Found; readonly counts: Readonly<Record<string, number>> } | { readonly failure: string };

const INSTANTS_COMPARED = 4;
const BATCHES_AFTER = 5;

class Check {
  private readonly order: SiegeToCheck;
  private readonly random: SeededRandom;
  private readonly clock: SetClock;
  private facts: SiegeFacts;
  /** The instant after each batch that is known, by its last revision. */
  private readonly known = new Map<number, NaiveInstant>();
  readonly counts: Record<string, number> = {};

  constructor(order: SiegeToCheck) {
    this.order = order;
    this.random = seededRandom(order.checkSeed);
    this.clock = new SetClock(order.model.clockUs);
    this.facts = new SiegeFacts(order.seed, order.model.script);
  }

  async run(): Promise<Found> {
    const { directory, create } = this.order;
    if (!create && this.random.chance(0.25)) await this.loseControl();
    const stores = await openStores(directory, create, this.clock);
    let found: Found;
    try {
      found = await this.find(stores);
      this.holdAgainstModel(found);
      await findNothingWrong(stores);
      await this.compareKept(stores, found);
      await this.settle(stores);
      await this.compareKept(stores, found);
      await this.goOn(stores, found);
    } finally {
      await stores.close();
    }
    if (this.random.chance(0.3)) await this.onceMore();
    return found;
  }

  /** What is there: the agent's batches of the window, the window, the snapshots. */
  private async find({ store, machine }: Stores): Promise<Found> {
    const { script } = this.order.model;
    const firstOf = new Map<number, number>();
    script.forEach((epoch, i) => firstOf.set(epoch, Math.min(i, firstOf.get(epoch) ?? i)));
    const { headRevision } = await store.info(machine.stream);
    const revisions: number[] = [];
    const window = machine.projection.window();
    await verifyChain(readBatches(store, machine.stream, 0 as Revision, headRevision));
    for await (const { metadata, last } of readBatches(store, machine.stream, 0 as Revision, headRevision)) {
      if (metadata.epoch === 0) continue;
      const index = firstOf.get(metadata.epoch)! + metadata.sequence - 1;
      assert.is(script[index], metadata.epoch, `batch ${index} is of the epoch that the agent was in`);
      revisions[index] = last;
    }
    const stored = revisions.length === 0 ? storedBefore(this.order.model, window) : revisions.length;
    const all = Array.from({ length: stored }, (_, i) => revisions[i] ?? this.order.model.revisions[i] ?? 0);
    all.forEach((revision, i) => revision > 0 && this.known.set(revision, this.facts.instants[i + 1]!));
    return { storedCount: stored, revisions: all, window, snapshots: machine.projection.snapshots().map(({ name }) => name) };
  }

  private holdAgainstModel({ storedCount, window, snapshots }: Found): void {
    const { model } = this.order;
    assert.ok(storedCount >= model.acknowledgedCount, `${model.acknowledgedCount} batches were acknowledged, ${storedCount} are there`);
    const isAllowed = window === model.window || model.isFreeToMove || model.targets.includes(window);
    assert.ok(isAllowed && window >= model.window, `the window begins at r${window}; committed was r${model.window}, begun ${model.targets.join()}`);
    for (const [name, { isTaken, isDoubtful }] of Object.entries(model.snapshots))
      if (isTaken && !isDoubtful) assert.ok(snapshots.includes(name), `snapshot ${name} is there`);
    for (const name of snapshots) assert.ok(name.startsWith("auto-") || Object.hasOwn(model.snapshots, name), `snapshot ${name} was taken by somebody`);
  }

  /** Every snapshot, the newest instants, some others; and some that are not kept. */
  private async compareKept(stores: Stores, { window }: Found): Promise<void> {
    const { projection } = stores.machine;
    for (const { name, revision } of projection.snapshots()) {
      const expected = this.order.model.snapshots[name];
      if (expected !== undefined) assert.is(revision, expected.revision, `the revision of snapshot ${name}`);
      await this.compare(stores, revision);
    }
    const inside = [...this.known.keys()].filter((revision) => revision >= window).sort((a, b) => a - b);
    for (const revision of new Set([...inside.slice(0, 1), ...inside.slice(-1), ...this.some(inside)])) await this.compare(stores, revision);
    const named = new Set<number>(projection.snapshots().map(({ revision }) => revision));
    const gone = [...this.known.keys()].filter((revision) => revision < window && !named.has(revision));
    for (const revision of this.some(gone)) {
      const refusal = await projection.viewAt(revision as Revision).catch((error: unknown) => error);
      assert.ok(isRainbowError(refusal, "INSTANT_OUTSIDE"), `r${revision} lies before the window at r${window} and is refused`);
      this.count("refused");
    }
  }

  private some(revisions: readonly number[]): number[] {
    return revisions.length === 0 ? [] : Array.from({ length: INSTANTS_COMPARED }, () => this.random.pick(revisions));
  }

  private async compare(stores: Stores, revision: number): Promise<void> {
    const instant = this.instantAt(revision);
    if (instant === undefined) return;
    const view = await stores.machine.projection.viewAt(revision as Revision);
    try {
      compareWithNaive(view, instant, plainOf, { knowsChunks: false });
      this.count("compared");
    } finally {
      view.close();
    }
  }

  /** That of the newest batch at or before a revision of the window; before it only of a batch's own. */
  private instantAt(revision: number): NaiveInstant | undefined {
    const exact = this.known.get(revision);
    if (exact !== undefined) return exact;
    const before = [...this.known.keys()].filter((each) => each <= revision);
    return before.length === 0 ? undefined : this.known.get(Math.max(...before));
  }

  /** All work is done: what is left is what is needed. */
  private async settle(stores: Stores): Promise<void> {
    const { machine, store } = stores;
    const context = { machine, store, clock: this.clock, signal: new AbortController().signal };
    await machine.projection.buildTree();
    for (let i = 0; i < 2; i++) await finishRebase(context);
    const leaks = await leaksOf(machine, store);
    assert.is(leaks.length, 0, `what is kept is needed: ${leaks.slice(0, 3).join("; ")}`);
    await findNothingWrong(stores);
  }

  /** A new session sends batches, the window moves past some of them, and all is well. */
  private async goOn(stores: Stores, { storedCount }: Found): Promise<void> {
    const { machine, store } = stores;
    const ingest = await machine.ingest();
    const { epoch } = await ingest.openSession();
    this.facts = new SiegeFacts(this.order.seed, this.order.model.script.slice(0, storedCount));
    for (let i = 0; i < BATCHES_AFTER; i++) {
      const { revision } = await ingest.send(this.facts.next(epoch));
      this.known.set(revision, this.facts.instants.at(-1)!);
      if (i === BATCHES_AFTER - 2) await machine.projection.buildTree();
    }
    assert.is(stores.failure(), undefined);
    const to = machine.dig.trees.list().at(-1)!.revision;
    const context = { machine, store, clock: this.clock, signal: new AbortController().signal };
    if (this.random.chance(0.5)) await commitRebase(context, to);
    await finishRebase(context);
    await this.compare(stores, Math.max(...this.known.keys()));
    for (const { revision } of machine.projection.snapshots()) await this.compare(stores, revision);
  }

  /** Once more after a clean stop. */
  private async onceMore(): Promise<void> {
    const stores = await openStores(this.order.directory, false, this.clock);
    try {
      await findNothingWrong(stores);
      for (const { revision } of stores.machine.projection.snapshots()) await this.compare(stores, revision);
    } finally {
      await stores.close();
    }
  }

  private async loseControl(): Promise<void> {
    this.count("lost");
    const directory = join(this.order.directory, "machine");
    for (const name of ["control.lmdb", "control.lmdb-lock"]) rmSync(join(directory, name), { force: true });
    const store = await openLmdbEventStore({ path: join(this.order.directory, "events.lmdb") });
    try {
      if ((await enrolmentOf(store, streamOf(MACHINE))) === undefined) throw new Error("the machine is not enrolled");
      const options = { disk: openDisk(openOs()), directory, hashKey: HASH_KEY, control: openLmdbControl, uuid: MACHINE, quotaBytes: QUOTA_BYTES };
      await rebuildControl(options, await rebuildSource(store, streamOf(MACHINE)));
    } finally {
      await store.close();
    }
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

/** Batches before the window, all of which are truncated. */
function storedBefore({ revisions }: Model, window: number): number {
  return revisions.findLastIndex((revision) => revision > 0 && revision <= window) + 1;
}

async function findNothingWrong({ machine }: Stores): Promise<void> {
  const problems: string[] = [];
  for await (const { where, what } of machine.dig.check({ readData: true })) problems.push(`${where}: ${what}`);
  assert.is(problems.length, 0, problems.slice(0, 3).join("; "));
}

process.on("message", (order: SiegeToCheck) => {
  const check = new Check(order);
  check.run().then(
    (found) => process.send?.({ found, counts: check.counts } satisfies SiegeChecked),
    (error: unknown) => process.send?.({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) } satisfies SiegeChecked),
  );
});
