/**
 * A random walk over the real machine actor, projection, retention and DIG on a simulated disk: batches, trees, snapshots, rebases that
 * are stopped, readers held open, crashes between any two durable steps, loss of the control file, replay. A naive model keeps every
 * instant; every kept one must show what it remembers, every other one must be refused.
 */
import { createHash } from "node:crypto";
import { closeMachine, newestRebased, openMachine, streamOf } from "../../src/actors/machine/index.ts";
import type { OpenedMachine } from "../../src/actors/machine/index.ts";
import {
  commitPurge,
  commitRebase,
  discardForReplay,
  dropSnapshot,
  finishRebase,
  scopeOfPurge,
  takeSnapshot,
  workOffPurges,
} from "../../src/actors/retention/index.ts";
import type { RebaseContext } from "../../src/actors/retention/index.ts";
import { rebuildSource } from "../../src/app/rebuild-machine.ts";
import { ENCODING, isRainbowError } from "../../src/core/index.ts";
import type { AgentSession, Batch, Change, ChunkNumber, NewChunk, NodeId, Revision, TimeUs } from "../../src/core/index.ts";
import { openDig, rebuildControl } from "../../src/dig/index.ts";
import { MemoryEventStore, readBatches } from "../../src/events/index.ts";
import { NaivePurges, pathsOf } from "./naive-purges.ts";
import type { StateView } from "../../src/projections/index.ts";
import { compareWithNaive } from "./compare-with-naive.ts";
import { collectProblems, problemsText } from "./dig-rig.ts";
import { leaksOf } from "./leaks.ts";
import { NaiveMachine } from "./naive-machine.ts";
import type { NaiveInstant } from "./naive-machine.ts";
import { HandClock } from "./projected-machine.ts";
import { RandomFacts } from "./random-facts.ts";
import type { SeededRandom } from "./random.ts";
import { SimulatedControls, SimulatedDisk, World } from "./simulated-disk.ts";

const MACHINE = "5d0b8b5c-7a9b-4a0e-8d53-0a6f1f1f7c11";
const STREAM = streamOf(MACHINE);
const DATA_FILE = "9a4d0c1e-64c7-4a5b-9f0a-2b1c3d4e5f60";
const QUOTA_BYTES = 64 << 20;
const CONTENTS = 40; // Few, so that dedup finds much; besides these some that never come again.

/** Rule 16 broken in one way or another. */
export type RetentionBreak = "purges are not worked off" | "purges ask nobody" | "rebuild without purges";

interface Reader {
  readonly view: StateView;
  readonly revision: Revision;
}

export class RetentionWalk {
  readonly random: SeededRandom;
  readonly counts: Record<string, number> = {};
  private readonly disk = new SimulatedDisk();
  private readonly controls = new SimulatedControls();
  private readonly store = new MemoryEventStore();
  private readonly clock = new HandClock();
  private readonly naive = new NaiveMachine();
  private readonly facts: RandomFacts;
  private readonly instants = new Map<Revision, NaiveInstant>();
  private readonly plainOfHash = new Map<string, Buffer>();
  private readonly plains = new Map<number, Buffer>();
  private readonly purges = new NaivePurges();
  private world!: World;
  private machine!: OpenedMachine;
  private session!: AgentSession;
  private sequence = 0;
  private uniqueCount = 0;
  private read = -1;
  private nameCount = 0;
  private stop = new AbortController();
  private readers: Reader[] = [];
  private tasks = new Map<string, Promise<void>>();
  private failure: unknown;

  private readonly broken: RetentionBreak | undefined;

  constructor(random: SeededRandom, broken?: RetentionBreak) {
    this.random = random;
    this.broken = broken;
    this.facts = new RandomFacts(random, this.naive);
  }

  async open(): Promise<void> {
    this.world = new World(this.random);
    this.stop = new AbortController();
    this.tasks = new Map();
    this.readers = [];
    const { world } = this;
    const opening = openMachine({
      stream: STREAM,
      enrol: (identity) => ({ type: "MachineEnrolled", machine: MACHINE, label: "walk", ...identity }),
      version: "0",
      store: this.store,
      openDig: (hashKey) =>
        openDig({
          disk: this.disk.port(world),
          directory: "/m",
          hashKey,
          control: this.controls.opener(world, this.random),
          create: { uuid: DATA_FILE, quotaBytes: QUOTA_BYTES },
        }),
      quiet: false,
      clock: this.clock,
      random: { bytes: (count) => Buffer.alloc(count, 9), uuid: () => DATA_FILE },
      onReplay: () => undefined,
      onFailed: (cause) => {
        if (!world.isDead) this.failure ??= cause;
      },
    });
    this.machine = await world.until(opening);
    if (this.broken === "purges ask nobody") askNobody(this.machine);
    this.session = await world.until((await this.machine.ingest()).openSession());
    this.sequence = 0;
    await this.follow();
  }

  /** What the stream says is what is true: the model takes it from there, batch by batch. */
  private async follow(): Promise<void> {
    const { headRevision } = await this.store.info(STREAM);
    for await (const batch of readBatches(this.store, STREAM, (this.read + 1) as Revision, headRevision)) {
      for (const { event } of batch.events) {
        if (event.type === "ChunksStored") event.chunks.forEach(({ hash }, i) => this.plains.set(event.first + i, this.plainOfHash.get(hash.toString("hex"))!));
        else this.naive.apply(event as Change);
        if (event.type === "ExtentsWritten") this.purges.wrote(batch.last, event);
        if (event.type === "PathPurged") this.purges.purged(batch.last, event, this.instants);
      }
      this.read = batch.last;
      this.instants.set(batch.last, this.naive.instant());
    }
  }

  private chunkOf(index: number): NewChunk {
    const plain = Buffer.alloc(63_000, `content ${index} `);
    const hash = createHash("sha256").update(this.session.hashKey).update(plain).digest();
    this.plainOfHash.set(hash.toString("hex"), plain);
    return { hash, lengthBytes: plain.length, encoding: ENCODING.raw, stored: plain };
  }

  private nextBatch(): Batch {
    const chunks: NewChunk[] = [];
    const changes: Change[] = [];
    const chunkFor = (): number => chunks.push(this.chunkOf(this.random.chance(0.2) ? CONTENTS + this.uniqueCount++ : this.random.int(CONTENTS))) - 1;
    for (let i = 0; i <= this.random.int(6); i++) changes.push(this.facts.next(this.session.epoch, chunkFor));
    this.sequence += 1;
    this.clock.us += 1_000_000;
    return { epoch: this.session.epoch, sequence: this.sequence, agentTimeUs: this.clock.us as TimeUs, monotonicUs: this.clock.us, changes, chunks };
  }

  /** Some are on their way while other things happen, and may be cut off. */
  private async batch(): Promise<void> {
    await this.world.until(this.tasks.get("batch") ?? Promise.resolve());
    const ingest = await this.machine.ingest();
    const sending = ingest.send(this.nextBatch());
    this.start("batch", async () => {
      await sending;
      await this.follow();
    });
    if (this.random.chance(0.7)) await this.world.until(this.tasks.get("batch")!);
  }

  private get context(): RebaseContext {
    return { machine: this.machine, store: this.store, clock: this.clock, signal: this.stop.signal };
  }

  private start(name: string, action: () => Promise<unknown>): void {
    if (this.tasks.has(name)) return;
    const { world } = this;
    const run = action().then(
      () => void (world === this.world && this.tasks.delete(name)),
      (error: unknown) => {
        if (!world.isDead) this.failure ??= error;
      },
    );
    this.tasks.set(name, run);
  }

  private kept(): Revision[] {
    const window = this.machine.projection.window();
    const old = this.machine.projection.snapshots().filter(({ revision }) => revision < window);
    return [...[...this.instants.keys()].filter((revision) => revision >= window), ...old.map(({ revision }) => revision)];
  }

  private async compare(revision: Revision, withBytes = this.random.chance(0.3)): Promise<void> {
    const view = await this.world.until(this.machine.projection.viewAt(revision));
    if (view.revision !== revision) throw new Error(`r${revision} was answered by r${view.revision}`);
    await this.compareView(view, revision, withBytes);
    view.close();
  }

  private async compareView(view: StateView, revision: Revision, withBytes: boolean): Promise<void> {
    await this.follow(); // What was purged a moment ago.
    const plainOf = withBytes ? (chunk: number): Buffer => this.plains.get(chunk)! : undefined;
    const isPurged = (node: NodeId): boolean => this.purges.isPurged(node, revision, this.machine.projection.revision);
    compareWithNaive(view, this.instants.get(revision)!, plainOf, { isPurged });
  }

  private async compareSome(): Promise<void> {
    await this.compare(this.random.pick(this.kept()));
    const window = this.machine.projection.window();
    const gone = [...this.instants.keys()].filter((revision) => revision < window && !this.kept().includes(revision));
    if (gone.length === 0) return;
    const revision = this.random.pick(gone);
    const refusal = await this.world.until(this.machine.projection.viewAt(revision)).catch((error: unknown) => error);
    if (!isRainbowError(refusal, "INSTANT_OUTSIDE")) throw new Error(`r${revision} lies before the window at r${window} and was not refused`);
  }

  async step(): Promise<void> {
    const roll = this.random.int(100);
    if (roll < 30) await this.batch();
    else if (roll < 50) for (let i = this.random.int(12); i >= 0; i--) await this.world.step();
    else if (roll < 60) await this.world.until(this.machine.projection.buildTree());
    else if (roll < 67) this.takeSnapshot();
    else if (roll < 70) this.dropSnapshot();
    else if (roll < 75) this.startRebase();
    else if (roll < 81) this.startFinish();
    else if (roll < 83) this.startPurge();
    else if (roll < 86) this.openReader();
    else if (roll < 89) await this.closeReader();
    else if (roll < 90) this.stopTasks();
    else if (roll < 93) await this.crash();
    else if (roll < 94) await this.replay();
    else await this.compareSome();
    if (this.failure !== undefined) throw this.failure;
  }

  private takeSnapshot(): void {
    const revision = this.random.pick(this.kept());
    const name = `s${this.nameCount++}`;
    this.start(`snapshot ${name}`, async () => {
      try {
        await takeSnapshot(this.machine, { name, revision, atUs: 0 as TimeUs, pinned: false });
        this.count("snapshot");
      } catch (error) {
        if (!isRainbowError(error, "INSTANT_OUTSIDE")) throw error; // The window moved past it meanwhile.
      }
    });
  }

  private dropSnapshot(): void {
    const snapshots = this.machine.projection.snapshots();
    if (snapshots.length === 0 || this.tasks.has("drop")) return;
    const { name } = this.random.pick(snapshots);
    this.start("drop", () => dropSnapshot(this.machine, name));
  }

  private startRebase(): void {
    const window = this.machine.projection.window();
    const trees = this.machine.dig.trees.list().filter(({ revision }) => revision > window);
    if (trees.length === 0 || this.tasks.has("rebase") || this.tasks.has("finish") || this.tasks.has("purge")) return;
    const to = this.random.pick(trees.slice(0, Math.ceil((trees.length * 3) / 4))).revision;
    this.start("rebase", async () => {
      if (await commitRebase(this.context, to)) this.count("rebase");
    });
  }

  /** The host does one at a time. */
  private startFinish(): void {
    if (!this.tasks.has("rebase") && !this.tasks.has("purge")) this.start("finish", () => finishRebase(this.context));
  }

  /** Of a path that some kept instant has; what exists now keeps its present content. */
  private startPurge(): void {
    if (this.tasks.has("rebase") || this.tasks.has("finish") || this.tasks.has("purge")) return;
    const paths = pathsOf(this.instants.get(this.random.pick(this.kept()))!);
    if (paths.length === 0) return;
    const { path } = this.random.pick(paths);
    const { context } = this;
    const looked = { path, window: this.machine.projection.window(), head: this.machine.projection.revision };
    this.start("purge", async () => {
      try {
        this.purges.expect(looked);
        await commitPurge(context, await scopeOfPurge(context, [path]), true);
        this.count("purge");
      } catch (error) {
        if (!isRainbowError(error, "NOT_FOUND", "NOT_RUNNING")) throw error; // A folder without files; or it was stopped.
      }
      if (this.broken !== "purges are not worked off") await workOffPurges(context);
    });
  }

  private openReader(): void {
    if (this.readers.length >= 2 || this.tasks.has("reader")) return;
    const revision = this.random.pick(this.kept());
    const { world } = this;
    this.start("reader", async () => {
      try {
        const view = await this.machine.projection.viewAt(revision);
        if (world === this.world) this.readers.push({ view, revision });
      } catch (error) {
        if (!isRainbowError(error, "INSTANT_OUTSIDE")) throw error;
      }
    });
  }

  private async closeReader(): Promise<void> {
    const reader = this.readers.shift();
    if (reader === undefined) return;
    await this.compareView(reader.view, reader.revision, true);
    reader.view.close();
    this.count("reader");
  }

  private stopTasks(): void {
    this.stop.abort();
    this.stop = new AbortController();
  }

  /** Power fails; now and then the control file is lost with it. */
  private async crash(): Promise<void> {
    this.count("crash");
    this.world.crash();
    this.disk.crash(this.random);
    if (this.random.chance(0.3)) await this.loseControl();
    await this.open();
  }

  private async loseControl(): Promise<void> {
    this.count("lost");
    const world = new World(this.random);
    this.controls.maps.clear();
    const hashKey = this.session.hashKey;
    const known = await rebuildSource(this.store, STREAM);
    const source =
      this.broken === "rebuild without purges"
        ? { ...known, keep: (chunk: number) => known.keep(chunk as ChunkNumber) || known.keepIfGood!(chunk as ChunkNumber) }
        : known;
    const options = { disk: this.disk.port(world), directory: "/m", hashKey, control: this.controls.opener(world, this.random) };
    await world.until(rebuildControl({ ...options, uuid: DATA_FILE, quotaBytes: QUOTA_BYTES }, source));
    for (const [path, rows] of this.controls.maps) if (path.endsWith(".new")) this.controls.maps.set("/m/control.lmdb", rows);
  }

  /** As `rainbow replay`: the trees after the window's start go, and the events make them anew. */
  private async replay(): Promise<void> {
    await this.rest();
    this.count("replay");
    await this.world.until(discardForReplay({ machine: this.machine, store: this.store }));
    await this.world.until(this.machine.dig.close());
    await this.open();
  }

  /** Nothing under way, no readers. */
  private async rest(): Promise<void> {
    const opening = this.tasks.get("reader");
    if (opening !== undefined) await this.world.until(opening);
    while (this.readers.length > 0) await this.closeReader();
    await this.world.until(Promise.all(this.tasks.values()));
    while (this.readers.length > 0) await this.closeReader();
    if (this.failure !== undefined) throw this.failure;
  }

  /** Everything that may go is gone; what is left is what is named, and every kept instant is right. */
  async settle(): Promise<void> {
    await this.rest();
    const { projection, dig } = this.machine;
    await this.world.until(projection.buildTree());
    for (let i = 0; i < 3; i++) await this.world.until(finishRebase(this.context));
    if (this.broken !== "purges are not worked off") await this.world.until(workOffPurges(this.context));
    for (const revision of this.kept()) await this.compare(revision, true);
    const problems = await this.world.until(collectProblems(dig));
    if (problems.length > 0) throw new Error(problemsText(problems));
    const { differences } = await this.world.until(projection.verifyReplay());
    if (differences.length > 0) throw new Error(`replay differs: ${JSON.stringify(differences[0])}`);
    await this.checkChunks();
    this.count("quiet");
  }

  /** That what is named is there was read; nothing else is. */
  private async checkChunks(): Promise<void> {
    for (const chunk of this.purges.chunksOfPurgedAlone(this.instants))
      if (this.isStored(chunk)) throw new Error(`chunk ${chunk} is stored, and only purged files name it`);
    const leaks = await this.world.until(leaksOf(this.machine, this.store, this.purges.chunksOfPurged(this.instants)));
    if (leaks.length > 0) throw new Error(leaks.slice(0, 3).join("; "));
  }

  private isStored(chunk: number): boolean {
    try {
      this.machine.dig.chunks.read(chunk as ChunkNumber);
      return true;
    } catch (error) {
      if (!isRainbowError(error, "NOT_FOUND")) throw error;
      return false;
    }
  }

  /** All snapshots go, the window moves to the present: one tree is left, and what it names. */
  async finish(): Promise<void> {
    await this.settle();
    const { projection } = this.machine;
    for (const { name } of projection.snapshots()) await this.world.until(dropSnapshot(this.machine, name));
    await this.world.until(projection.buildTree());
    await this.world.until(commitRebase(this.context, projection.revision));
    await this.settle();
    await this.world.until(commitRebase(this.context, this.machine.dig.trees.list().at(-1)!.revision));
    await this.settle();
    if ((await newestRebased(this.store, STREAM))?.window !== projection.window()) throw new Error("the newest rebase is not the one that is found");
    if (this.machine.dig.trees.list()[0]!.revision !== projection.window()) throw new Error("a tree before the window is left");
    await this.world.until(closeMachine(this.machine));
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

/** What else names a chunk is not asked before a purge frees it. */
function askNobody({ dig: { freeing } }: OpenedMachine): void {
  const purge = freeing.purge.bind(freeing);
  freeing.purge = (plan, barrier, stepMs) => purge(Object.assign(plan, { isNeeded: () => false }), barrier, stepMs);
}
