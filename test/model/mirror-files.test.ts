/**
 * Random facts of a mirror against the plain list: with trees at random moments, reopening, discarded trees, appends that fail before or
 * after they were stored. Every remembered instant is what the plain list was; a batch is there whole or not at all; what is remembered
 * beside the facts never says more than is true.
 */
import { isDeepStrictEqual } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RainbowError } from "../../src/core/index.ts";
import type { ByteString, Revision, TimeUs } from "../../src/core/index.ts";
import { MemoryEventStore } from "../../src/events/index.ts";
import { TreeFileList } from "../../src/projections/index.ts";
import type { FileEntry, FileList, MirrorFact, MirrorFiles, RememberedSums } from "../../src/projections/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { MemoryMirrorFiles } from "../support/memory-mirror-files.ts";
import { seededRandom } from "../support/random.ts";
import type { SeededRandom } from "../support/random.ts";
import { StoredMirror } from "../support/stored-mirror.ts";

const RUNS = 60;
const STEPS = 80;
const NAMES = ["a", "b", "c.iso", "d-", "d", "\xff", `long${"g".repeat(240)}`];
const TOP = "." as ByteString;

/** Appends fail when it is told to: before anything is stored, or after. */
class FailingStore extends MemoryEventStore {
  fails: "before" | "after" | undefined;

  override async append(...call: Parameters<MemoryEventStore["append"]>): ReturnType<MemoryEventStore["append"]> {
    const { fails } = this;
    this.fails = undefined;
    const failure = new RainbowError("OUTCOME_UNKNOWN", "nobody knows whether it was stored");
    if (fails === "before") throw failure;
    const appended = await super.append(...call);
    if (fails === "after") throw failure;
    return appended;
  }
}

/** With the node number 0: the plain list gives numbers in another way. */
type Listed = Omit<FileEntry, "node"> & { readonly node: number };

function entriesOf(list: FileList): Listed[] {
  const walk = (path: ByteString): FileEntry[] => [...list.children(path)].flatMap((entry) => [entry, ...(entry.kind === "directory" ? walk(entry.path) : [])]);
  return [list.entry(TOP), ...walk(TOP)].filter((entry) => entry !== undefined).map((entry) => ({ ...entry, node: 0 }));
}

async function entriesNow(files: MirrorFiles): Promise<Listed[]> {
  const list = await files.list();
  const entries = entriesOf(list);
  list.close();
  return entries;
}

class Run {
  private readonly random: SeededRandom;
  private readonly store: FailingStore;
  private readonly mirror: StoredMirror;
  private files!: MirrorFiles;
  /** What is known to be recorded. */
  private readonly batches: (readonly MirrorFact[])[] = [];
  private readonly plain = new MemoryMirrorFiles();
  private readonly instants = new Map<Revision, Listed[]>();
  private hasFailed = false;

  private constructor(random: SeededRandom, store: FailingStore, mirror: StoredMirror) {
    this.random = random;
    this.store = store;
    this.mirror = mirror;
  }

  static async make(seed: number): Promise<Run> {
    const store = new FailingStore();
    const run = new Run(seededRandom(seed), store, await StoredMirror.make({ store }));
    run.files = await run.mirror.opened.files();
    return run;
  }

  async step(): Promise<void> {
    const roll = this.random.int(20);
    if (roll < 11) await this.record();
    else if (roll < 13) await this.fail();
    else if (roll === 13) await this.reopen();
    else if (roll === 14) await this.mirror.opened.machine.projection.buildTree();
    else if (roll === 15) await this.discardTrees();
    else if (roll === 16) await this.remember();
    else if (roll === 17) await this.queue();
    else if (roll === 18) await this.writeLate();
    else await this.compareInstant();
  }

  async finish(): Promise<void> {
    await this.compare();
    for (const revision of this.instants.keys()) await this.compareInstant(revision);
    const report = await this.mirror.opened.machine.projection.verifyReplay();
    assert.equal(report.differences, []);
    assert.is(this.mirror.opened.machine.projection.ignoredCount, 0, "no event contradicts what is known");
    await this.mirror.opened.close();
  }

  private async record(): Promise<void> {
    const calls = Array.from({ length: 1 + this.random.int(3) }, () => this.facts());
    const revisions = await Promise.all(calls.map((facts) => this.files.record(facts)));
    for (const [i, facts] of calls.entries()) {
      await this.plain.record(facts);
      this.batches.push(facts);
      this.instants.set(revisions[i]!, await entriesNow(this.plain));
    }
    if (this.random.chance(0.3)) await this.compare();
  }

  /** The batch is there whole or not at all; the recorder takes nothing more, and the next opening goes on. */
  private async fail(): Promise<void> {
    const facts = this.facts();
    const before = await entriesNow(this.plain);
    const after = new MemoryMirrorFiles();
    for (const batch of [...this.batches, facts]) await after.record(batch);
    this.store.fails = this.random.pick(["before", "after"]);
    const outcome = await this.files.record(facts).catch((error: unknown) => error);
    this.store.fails = undefined;
    if (typeof outcome === "number") return await this.batchIsThere(facts); // Nothing was to be said.
    const late = await this.files.record(this.facts()).catch((error: unknown) => error);
    assert.instance(late, RainbowError, "nothing is taken after a failure");
    this.hasFailed = true;
    await this.reopen();
    const now = await entriesNow(this.files);
    const isThere = isDeepStrictEqual(now, await entriesNow(after)) && !isDeepStrictEqual(now, before);
    if (isThere) return await this.batchIsThere(facts);
    assert.equal(now, before, "the batch is there whole or not at all");
  }

  private async batchIsThere(facts: readonly MirrorFact[]): Promise<void> {
    this.batches.push(facts);
    await this.plain.record(facts);
  }

  private async reopen(): Promise<void> {
    await this.mirror.reopen();
    this.files = await this.mirror.opened.files();
    if (!this.hasFailed) await this.compare();
  }

  private async discardTrees(): Promise<void> {
    const { projection, dig } = this.mirror.opened.machine;
    await projection.close();
    await dig.trees.discardAfter(-1 as Revision);
    await this.reopen();
  }

  private async remember(): Promise<void> {
    const files = (await entriesNow(this.plain)).filter(({ kind }) => kind === "file");
    if (files.length === 0) return;
    const file = this.random.pick(files);
    const sums: RememberedSums = {
      digest: "xxh128",
      seed: 7,
      blockBytes: 700,
      remainderBytes: 0,
      strongBytes: 2,
      blockCount: 1,
      sums: this.random.bytes(6),
      offsets: undefined,
    };
    for (const each of [this.files, this.plain]) each.sums.remember(file.path, file, sums);
    await this.files.sums.flush();
  }

  private async queue(): Promise<void> {
    const [paths, dueUs] = [[this.path(), this.path()], (1 + this.random.int(100)) as TimeUs];
    const done = [this.path(), ...this.plain.deletions.due(1000 as TimeUs, 1).map(({ path }) => path)];
    for (const { deletions } of [this.files, this.plain]) {
      await deletions.add(paths, dueUs);
      await deletions.done(done);
    }
  }

  private async writeLate(): Promise<void> {
    for (const { lateAttributes } of [this.files, this.plain]) await lateAttributes.done(lateAttributes.some("" as ByteString, 2));
  }

  private async compare(): Promise<void> {
    assert.equal(await entriesNow(this.files), await entriesNow(this.plain));
    const all = 1000 as TimeUs;
    const sorted = ({ deletions }: MirrorFiles): unknown => deletions.due(all, 999).toSorted((a, b) => a.dueUs - b.dueUs || (a.path < b.path ? -1 : 1));
    assert.equal([sorted(this.files), this.files.deletions.count], [sorted(this.plain), this.plain.deletions.count]);
    const [real, plain] = [this.files, this.plain].map(({ lateAttributes }) => lateAttributes.some("" as ByteString, 999).map(({ path }) => path));
    if (!this.hasFailed) assert.equal(real, plain, "late attributes");
    const list = await this.files.list();
    for (const { path, sizeBytes } of entriesOf(list)) {
      const known = this.files.sums.of({ path, sizeBytes });
      const expected = this.plain.sums.of({ path, sizeBytes });
      if (known !== undefined || !this.hasFailed) assert.equal(known, expected, `sums of ${path}`);
    }
    list.close();
  }

  private async compareInstant(revision = this.random.pick([...this.instants.keys(), -1 as Revision])): Promise<void> {
    if (revision === -1) return;
    const list = new TreeFileList(await this.mirror.opened.machine.projection.viewAt(revision));
    assert.equal(entriesOf(list), this.instants.get(revision), `r${revision}`);
    list.close();
  }

  private path(): ByteString {
    return Array.from({ length: 1 + this.random.int(3) }, () => this.random.pick(NAMES)).join("/") as ByteString;
  }

  private facts(): MirrorFact[] {
    return Array.from({ length: 1 + this.random.int(6) }, () => this.fact());
  }

  private fact(): MirrorFact {
    const { random } = this;
    const roll = random.int(12);
    const stamp = { path: this.path(), mode: random.int(4096), mtimeSeconds: random.int(2 ** 32) - 2 ** 31, mtimeNanos: random.int(1e9) };
    const place = random.chance(0.8) ? { version: random.chance(0.3) ? `v${random.int(99)}` : undefined, etag: `"${random.int(99)}"` } : undefined;
    if (roll < 5) {
      const digest = random.chance(0.7) ? { name: "xxh128", bytes: random.bytes(16) } : undefined;
      return { type: "FileArrived", ...stamp, kind: "file", sizeBytes: random.int(3), rdev: 0, digest, place };
    }
    if (roll === 5)
      return { type: "FileArrived", ...stamp, kind: random.pick(["directory", "fifo"]), sizeBytes: 0, rdev: random.int(9), digest: undefined, place };
    if (roll === 6) return { type: "LinkArrived", ...stamp, linkTarget: "../\xe9" as ByteString, place };
    if (roll < 9) return { type: "AttributesSet", ...stamp };
    if (roll < 11) return { type: "FileWithdrawn", path: stamp.path, reason: random.pick(["gone", "forgotten", "lost"]) };
    return { type: "SyncStarted", cause: "model" };
  }
}

const test = suite("a mirror's files against a plain list");

test("every instant is what the plain list was", async () => {
  const seed = campaignSeed();
  for (let i = 0; i < scale(RUNS); i++) {
    try {
      const run = await Run.make(seed + i);
      for (let step = 0; step < STEPS; step++) await run.step();
      await run.finish();
    } catch (error) {
      console.error(`seed ${seed + i} (SEED=${seed + i}, first run)`);
      throw error;
    }
  }
});

test.run();
