/**
 * A client that writes junk until its quota is used up, a policy that is carried out over and over, people who take and pin snapshots,
 * and clocks that jump to other decades, over the real keeper, machine actor, projection and DIG on a simulated disk. The walk knows how
 * long the host really ran since each instant, and what of it the policy may let go; what it may not must answer.
 */
import { createHash } from "node:crypto";
import { openMachine, streamOf } from "../../src/actors/machine/index.ts";
import type { OpenedMachine } from "../../src/actors/machine/index.ts";
import { dropSnapshot, Keeper, takeSnapshot, withWords } from "../../src/actors/retention/index.ts";
import { ENCODING, isRainbowError } from "../../src/core/index.ts";
import type { AgentSession, Batch, Change, NewChunk, Revision, TimeUs } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import { MemoryEventStore, readBatches } from "../../src/events/index.ts";
import { compareWithNaive } from "./compare-with-naive.ts";
import { NaiveMachine } from "./naive-machine.ts";
import type { NaiveInstant } from "./naive-machine.ts";
import { HandClock } from "./projected-machine.ts";
import { RandomFacts } from "./random-facts.ts";
import type { SeededRandom } from "./random.ts";
import { SimulatedControls, SimulatedDisk, World } from "./simulated-disk.ts";

const MACHINE = "7c1d4b7e-2a54-4a0e-9d53-1a6f1f1f7c22";
const STREAM = streamOf(MACHINE);
const DATA_FILE = "1b4d0c1e-64c7-4a5b-9f0a-2b1c3d4e5f61";
const QUOTA_BYTES = 16 << 20;
const HOUR_US = 3600 * 1e6;
const DAY_US = 24 * HOUR_US;
const IN_2038_US = 2_147_000_000 * 1e6;
const CHUNK_BYTES = 63_000;

interface Kept {
  readonly instant: NaiveInstant;
  /** How long the host had run. */
  readonly ranUs: number;
}

interface Taken {
  readonly revision: Revision;
  readonly pinned: boolean;
  readonly ranUs: number;
}

/** What may become of a walk: junk that presses, thinning, jumps of the clocks. */
export interface PressureKind {
  readonly isPressing: boolean;
  readonly isThinning: boolean;
}

export class PressureWalk {
  readonly counts: Record<string, number> = {};
  private readonly random: SeededRandom;
  private readonly kind: PressureKind;
  private readonly world: World;
  private readonly store = new MemoryEventStore();
  private readonly clock = new HandClock();
  private readonly naive = new NaiveMachine();
  private readonly facts: RandomFacts;
  private readonly instants = new Map<Revision, Kept>();
  private readonly snapshots = new Map<string, Taken>();
  private readonly plainOfHash = new Map<string, Buffer>();
  private readonly plains = new Map<number, Buffer>();
  private readonly disk = new SimulatedDisk();
  private readonly words: { readonly keepDays: number; readonly windowDays: number; readonly guardDays: number };
  private machine!: OpenedMachine;
  private keeper!: Keeper;
  private session!: AgentSession;
  private sequence = 0;
  private contentCount = 0;
  private nameCount = 0;
  /** How long the host has run, whatever its clock says. */
  private ranUs = 0;
  private agentUs = 1_700_000_000 * 1e6;
  private failure: unknown;

  constructor(random: SeededRandom, kind: PressureKind) {
    this.random = random;
    this.kind = kind;
    this.world = new World(random);
    this.facts = new RandomFacts(random, this.naive);
    this.clock.us = 1_700_000_000 * 1e6;
    const guardDays = 1 + random.int(3);
    const windowDays = guardDays + 1 + random.int(2);
    this.words = { guardDays, windowDays, keepDays: windowDays + random.int(4) };
  }

  async open(): Promise<void> {
    const { world, store, clock } = this;
    const opening = openMachine({
      stream: STREAM,
      enrol: (identity) => ({ type: "MachineEnrolled", machine: MACHINE, label: "pressed", ...identity }),
      version: "0",
      store,
      openDig: (hashKey) => {
        const controls = new SimulatedControls().opener(world, this.random);
        return openDig({ disk: this.disk.port(world), directory: "/m", hashKey, control: controls, create: { uuid: DATA_FILE, quotaBytes: QUOTA_BYTES } });
      },
      quiet: false,
      clock,
      random: { bytes: (count) => Buffer.alloc(count, 9), uuid: () => DATA_FILE },
      onReplay: () => undefined,
      onFailed: (cause) => (this.failure ??= cause),
    });
    this.machine = await world.until(opening);
    this.keeper = new Keeper({ machine: () => this.machine, store: () => store, clock, freeBytes: () => 2 ** 40 });
    this.session = await world.until((await this.machine.ingest()).openSession());
    await world.until(this.setPolicy());
  }

  private async setPolicy(): Promise<void> {
    const { keepDays, windowDays, guardDays } = this.words;
    const thinning = this.kind.isThinning ? [`daily=${1 + this.random.int(4)}`, `weekly=${this.random.int(3)}`] : [];
    const policy = withWords(this.keeper.policy(), [`keep=${keepDays}d`, `window=${windowDays}d`, `guard=${guardDays}d`, "every=12h", "free=0", ...thinning]);
    const { revision } = await (await this.machine.ingest()).appendOwn([{ type: "PolicySet", policy: { ...policy } }], "policy");
    this.machine.projection.follow(revision);
    await this.machine.projection.projected(revision);
  }

  /** A few hours pass; something is written, or a lot; now and then a clock jumps; then the policy is carried out. */
  async step(): Promise<void> {
    const hours = 1 + this.random.int(10);
    this.ranUs += hours * HOUR_US;
    this.clock.us += hours * HOUR_US;
    this.agentUs += hours * HOUR_US;
    const batches = this.kind.isPressing ? 1 + this.random.int(6) : 1;
    for (let i = 0; i < batches; i++) await this.batch();
    if (this.random.chance(0.3)) await this.world.until(this.snapshot());
    if (this.random.chance(0.5)) await this.buildTree();
    if (this.random.chance(0.04)) this.jump();
    await this.buildTree(); // There is one a day at least.
    const dropping = this.random.chance(0.1) ? this.drop() : Promise.resolve(); // People and the policy may drop the same one.
    const [report] = await this.world.until(Promise.all([this.keeper.look(this.context), dropping]));
    if (report.isFull) this.count("full");
    if (this.failure !== undefined) throw this.failure;
    await this.learn((await this.store.info(STREAM)).headRevision);
    await this.compare();
  }

  private get context(): Parameters<Keeper["look"]>[0] {
    return { machine: this.machine, store: this.store, clock: this.clock, signal: new AbortController().signal };
  }

  private async buildTree(): Promise<void> {
    await this.world.until(this.machine.projection.buildTree());
  }

  /** Set to 2038, back, or on after weeks in a drawer: the agent's clock or the host's. Nobody says that it is right. */
  private jump(): void {
    const to = this.random.pick([IN_2038_US + this.random.int(1000) * DAY_US, this.clock.us + (2 + this.random.int(60)) * DAY_US, 1_700_000_000 * 1e6]);
    const aheadUs = to - this.clock.us;
    if (this.random.chance(0.5)) this.agentUs = to;
    else if (aheadUs < 0 || aheadUs >= 2 * DAY_US) this.clock.us = to; // Less cannot be told from time that passed.
    this.count("jump");
  }

  private async batch(): Promise<void> {
    const chunks: NewChunk[] = [];
    const contents: number[] = [];
    const chunkFor = (): number => {
      const content = this.kind.isPressing || this.random.chance(0.1) ? this.contentCount++ : this.random.int(20) - 20;
      contents.push(content);
      return chunks.push(this.chunkOf(content)) - 1;
    };
    const changes: Change[] = Array.from({ length: 1 + this.random.int(4) }, () => this.facts.next(this.session.epoch, chunkFor));
    const batch: Batch = {
      epoch: this.session.epoch,
      sequence: this.sequence + 1,
      agentTimeUs: this.agentUs as TimeUs,
      monotonicUs: this.ranUs,
      changes,
      chunks,
    };
    try {
      const { revision } = await this.world.until((await this.machine.ingest()).send(batch));
      this.sequence += 1;
      await this.learn(revision as Revision);
    } catch (error) {
      if (!isRainbowError(error, "QUOTA_FULL")) throw error;
      this.count("refused"); // It is the newest that waits, not the oldest that goes.
    }
  }

  /** Everything up to a revision that was stored at this hour. */
  private async learn(revision: Revision): Promise<void> {
    const { projection } = this.machine;
    await this.world.until(projection.projected(revision));
    const from = Math.max(-1, ...this.instants.keys()) + 1;
    for await (const { events, last } of readBatches(this.store, STREAM, from as Revision, revision)) {
      for (const { event } of events) {
        if (event.type === "ChunksStored") event.chunks.forEach(({ hash }, i) => this.plains.set(event.first + i, this.plainOfHash.get(hash.toString("hex"))!));
        else this.naive.apply(event as Change);
      }
      this.instants.set(last, { instant: this.naive.instant(), ranUs: this.ranUs });
    }
  }

  private chunkOf(content: number): NewChunk {
    const plain = Buffer.alloc(CHUNK_BYTES, `junk ${content} `);
    const hash = createHash("sha256").update(this.session.hashKey).update(plain).digest();
    this.plainOfHash.set(hash.toString("hex"), plain);
    return { hash, lengthBytes: plain.length, encoding: ENCODING.raw, stored: plain };
  }

  private async snapshot(): Promise<void> {
    const window = this.machine.projection.window();
    const inside = [...this.instants.keys()].filter((revision) => revision >= window);
    if (inside.length === 0) return;
    const [name, revision] = [`s${this.nameCount++}`, this.random.pick(inside)];
    const pinned = this.random.chance(0.2);
    await takeSnapshot(this.machine, { name, revision, atUs: 0 as TimeUs, pinned });
    this.snapshots.set(name, { revision, pinned, ranUs: this.ranUs });
  }

  private async drop(): Promise<void> {
    const [oldest] = this.machine.projection.snapshots().filter(({ name, pinned }) => this.snapshots.has(name) && !pinned);
    if (oldest === undefined) return;
    this.snapshots.delete(oldest.name);
    await dropSnapshot(this.machine, oldest.name).catch((error: unknown) => {
      if (!isRainbowError(error, "NOT_FOUND")) throw error;
      this.count("dropped by the policy before");
    });
  }

  /** What no policy may let go is there, and answers. */
  private async compare(): Promise<void> {
    const { projection } = this.machine;
    const { guardDays, windowDays, keepDays } = this.words;
    const window = projection.window();
    const days = this.kind.isPressing ? guardDays : windowDays;
    for (const [revision, { ranUs }] of this.instants)
      if (this.ranUs - ranUs < days * DAY_US && revision < window) throw new Error(`r${revision} is ${(this.ranUs - ranUs) / DAY_US} days old and was let go`);
    const there = new Map(projection.snapshots().map(({ name, revision }) => [name, revision]));
    for (const [name, { pinned, ranUs, revision }] of this.snapshots) {
      if (there.get(name) === revision) continue;
      if (pinned) throw new Error(`snapshot ${name} is pinned and was let go`);
      const ageUs = this.ranUs - ranUs;
      if (!this.kind.isPressing && !this.kind.isThinning && ageUs < keepDays * DAY_US)
        throw new Error(`snapshot ${name} is ${ageUs / DAY_US} days old of ${keepDays}, and was let go`);
      this.snapshots.delete(name);
      this.count("gone");
    }
    const kept = [...this.instants.keys()].filter((revision) => revision >= window || [...there.values()].includes(revision));
    await this.answer(this.random.pick(kept));
    this.count("look");
  }

  private async answer(revision: Revision): Promise<void> {
    const view = await this.world.until(this.machine.projection.viewAt(revision));
    compareWithNaive(view, this.instants.get(revision)!.instant, (chunk) => this.plains.get(chunk)!);
    view.close();
  }

  /** Everything that must be kept answers, byte by byte. */
  async finish(): Promise<void> {
    const window = this.machine.projection.window();
    for (const { revision } of this.snapshots.values()) await this.answer(revision);
    for (const revision of this.instants.keys()) if (revision >= window && this.random.chance(0.1)) await this.answer(revision);
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
