/**
 * Follows a machine's stream: keeps what is true now, and builds trees so that any instant is a tree and a short replay. Everything
 * here can be deleted and made again from the events. Ingest never waits for it; it waits for itself (a tree that is being built
 * while the next tail has used up its memory).
 *
 * Registered trees are its checkpoints: one that the store does not know (ahead of it, or with another chain hash) is discarded.
 */
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type { ChunkNumber, Clock, Revision, TimeUs } from "../../core/index.ts";
import type { Dig, ReaderHold, TreeInfo } from "../../dig/index.ts";
import { NO_STREAM, readBatches, START_HASH } from "../../events/index.ts";
import type { EventStore, RecordedBatch } from "../../events/index.ts";
import type { HistorySource } from "../history/index.ts";
import { Base, BaseLease } from "./base.ts";
import { dropForeignTrees } from "./checkpoints.ts";
import { ChunkCounts } from "./chunk-counts.ts";
import { decodeFact, REBASED_KEY } from "./control.ts";
import type { RebasedFact, Snapshot, Stretch } from "./control.ts";
import { factsOf, snapshotsOf } from "./control-facts.ts";
import type { ControlFacts } from "./control-facts.ts";
import { evolve } from "./evolve.ts";
import { gapsReachingBack } from "./gaps.ts";
import { batchEndBefore, resolveTime, timeOf } from "./instants.ts";
import type { ResolvedTime, StreamSpan } from "./instants.ts";
import { PREFIX } from "./keys.ts";
import { referencesOfTree } from "./named-chunks.ts";
import { liveStateOf } from "./live-state.ts";
import type { LiveState } from "./live-state.ts";
import { buildPastTree } from "./past-tree.ts";
import { dueOf, planTree, TREE_LIMITS } from "./policy.ts";
import type { Plan, TreeLimits } from "./policy.ts";
import { changesPurges, purgesIn } from "./purges.ts";
import type { Purges } from "./purges.ts";
import { reportWhile } from "./report-while.ts";
import { SegmentCache } from "./segments.ts";
import { State } from "./state.ts";
import { StateView } from "./state-view.ts";
import { replayedState } from "./tail.ts";
import { verifyReplay } from "./verify-replay.ts";
import type { ReplayOptions, ReplayReport } from "./verify-replay.ts";
import { changesOf } from "./tree-changes.ts";
import { Waiters } from "./waiters.ts";

export interface ProjectionOptions {
  readonly store: EventStore;
  readonly stream: string;
  readonly dig: Dig;
  readonly clock: Clock;
  readonly limits?: Partial<TreeLimits>;
}

const SLICE_US = 15_000; // Others get their turn after this long.
const RETRY_MS = 1000;

export class DigTreeProjection {
  readonly stream: string;
  private readonly store: EventStore;
  private readonly dig: Dig;
  private readonly clock: Clock;
  private readonly limits: TreeLimits;
  private readonly segments = new SegmentCache();
  private state: State;
  /** The last batch end that is in the state. */
  private at = NO_STREAM;
  private chainHash: () => Buffer = () => START_HASH;
  /** As of the newest tree. */
  private atTree = NO_STREAM;
  private payloadAtTree = 0;
  private treeAtUs: number;
  private checkedAtEvents = 0;
  private retryTreeAtUs = 0;
  /** Where the stream is known to go on to. */
  private target = NO_STREAM;
  private pumping: Promise<void> | undefined;
  private building: Promise<void> | undefined;
  private failure: { readonly error: unknown } | undefined;
  private readonly waiters = new Waiters();
  private isClosed = false;
  private knownPurges: Purges;

  private constructor(options: ProjectionOptions) {
    this.store = options.store;
    this.stream = options.stream;
    this.dig = options.dig;
    this.clock = options.clock;
    this.limits = { ...TREE_LIMITS, ...options.limits };
    this.treeAtUs = this.clock.monotonicUs();
    this.state = this.startingState();
    this.knownPurges = purgesIn(this.state);
  }

  /** Begins at the newest tree that the store knows; catchUp() brings it to the stream's end. */
  static async open(options: ProjectionOptions): Promise<DigTreeProjection> {
    const { trees } = options.dig;
    await dropForeignTrees(options.store, options.stream, trees);
    if (trees.needsRecount) await trees.recount(referencesOfTree);
    return new DigTreeProjection(options);
  }

  /** The last batch end that the state of now has. */
  get revision(): Revision {
    return this.at;
  }

  get memoryBytes(): number {
    return this.state.memoryBytes;
  }

  /** Events that contradicted what was known, since the start. */
  get ignoredCount(): number {
    return this.state.ignoredCount;
  }

  /** How far the state of now is, and the chain hash there in hex ("" where there was no event): for who keeps it elsewhere. */
  witness(): { readonly revision: Revision; readonly chainHash: string } {
    return { revision: this.at, chainHash: this.at === NO_STREAM ? "" : this.chainHash().toString("hex") };
  }

  /** The number that the next new chunk gets, as the events have it. */
  nextChunk(): ChunkNumber {
    return this.state.times.nextChunk as ChunkNumber;
  }

  // Following.

  /** Applies everything that is in the stream now. `onProgress` is told every so often how many of the missing events are in. */
  async catchUp(onProgress?: (doneEvents: number, allEvents: number) => void): Promise<void> {
    const { headRevision: head } = await this.store.info(this.stream);
    if (head <= this.at) return;
    const from = this.at;
    this.follow(head);
    const ticking =
      onProgress === undefined
        ? undefined
        : reportWhile(this.projected(head), { clock: this.clock, from, now: () => this.at, report: (revision) => onProgress(revision - from, head - from) });
    await this.projected(head);
    await ticking;
  }

  /** The stream goes on to `revision`, durably. Applies it behind the caller's back. */
  follow(revision: Revision): void {
    if (revision <= this.target) return;
    this.target = revision;
    this.startPump();
  }

  private startPump(): void {
    if (this.pumping !== undefined || this.failure !== undefined || this.isClosed || this.at >= this.target) return;
    this.pumping = this.pump().finally(() => {
      this.pumping = undefined;
      this.startPump(); // The target may have moved after the pump looked at it last.
    });
  }

  /** Resolves when the state has passed `revision`; rejects with what stopped the projection. */
  async projected(revision: Revision): Promise<void> {
    if (this.at >= revision) return;
    if (this.failure !== undefined) throw this.failure.error;
    if (this.isClosed) throw new RainbowError("NOT_RUNNING", "the projection was closed");
    return await this.waiters.until(revision);
  }

  /** Applies one batch that follows the state; for those who read the stream themselves. */
  async apply(batch: RecordedBatch): Promise<void> {
    if (batch.last <= this.at) return;
    if (batch.first !== this.at + 1 && this.at !== NO_STREAM) {
      throw new RainbowError("EVENT_CORRUPT", `stream '${this.stream}' misses events ${this.at + 1} to ${batch.first - 1}`, {
        stream: this.stream,
        revision: this.at + 1,
      });
    }
    for (const recorded of batch.events) evolve(this.state, recorded);
    if (changesPurges(batch)) this.knownPurges = purgesIn(this.state, this.knownPurges);
    this.at = batch.last;
    this.chainHash = () => batch.chainHash;
    this.waiters.passed(this.at);
    await this.buildIfDue();
  }

  private async pump(): Promise<void> {
    try {
      let sliceFromUs = this.clock.monotonicUs();
      while (this.at < this.target && !this.isClosed) {
        const [from, to] = [(this.at + 1) as Revision, this.target];
        for await (const batch of readBatches(this.store, this.stream, from, to)) {
          await this.apply(batch);
          if (this.isClosed) return;
          if (this.clock.monotonicUs() - sliceFromUs < SLICE_US) continue;
          await new Promise((resolve) => setImmediate(resolve));
          sliceFromUs = this.clock.monotonicUs();
        }
        if (this.at < from)
          throw new RainbowError("EVENT_CORRUPT", `no batch of stream '${this.stream}' ends in ${from} to ${to}`, { stream: this.stream, revision: from });
      }
    } catch (error) {
      this.failure = { error };
      this.waiters.fail(error);
    }
  }

  // Trees.

  /** Builds a tree of the state as it is now, waiting for one that is under way. Resolves when it is registered. */
  async buildTree(): Promise<void> {
    while (this.building !== undefined) await this.building;
    if (this.at === this.atTree) return;
    this.building = this.build(this.plan()).finally(() => (this.building = undefined));
    await this.building;
  }

  /** A tree at a batch end before the newest tree, unless there is one; its events must still be there. */
  async buildPastTree(revision: Revision): Promise<void> {
    const base = this.openBase(revision);
    if (base?.revision === revision) return base.close();
    await buildPastTree({ store: this.store, stream: this.stream, dig: this.dig, limits: this.limits, base, revision });
  }

  /** Whether an event since the newest tree stored or touched the chunk: how it stands is not in a tree yet (rule 10). */
  isTouched(chunk: ChunkNumber): boolean {
    return this.state.counts!.live(chunk) !== undefined;
  }

  private async buildIfDue(): Promise<void> {
    const due = dueOf(this.tail(), this.checkedAtEvents, this.limits);
    if (due === "no") return;
    if (this.building !== undefined) {
      if (due !== "memory") return;
      await this.building.catch(() => undefined); // The next tail has used up its memory too: nothing is applied before the tree is done.
      return await this.buildIfDue();
    }
    if (this.clock.monotonicUs() < this.retryTreeAtUs) return await this.waitWhereFull();
    this.checkedAtEvents = this.at - this.atTree;
    const plan = this.plan();
    if (due === "tail" && !plan.isWorthIt) return;
    this.building = this.build(plan).finally(() => (this.building = undefined));
    this.building.catch((error: unknown) => this.treeFailed(error));
  }

  /** Trees cannot be built: the tail goes on in memory up to four times its limit, then everything waits. */
  private async waitWhereFull(): Promise<void> {
    if (this.state.memoryBytes < this.limits.tailMemoryBytes * 4 || this.isClosed) return;
    await this.clock.sleep(RETRY_MS);
    await this.buildIfDue();
  }

  /** A full disk stops no reader: the tail goes on in memory and its tree is tried again. */
  private treeFailed(error: unknown): void {
    this.retryTreeAtUs = this.clock.monotonicUs() + RETRY_MS * 1000;
    if (isRainbowError(error, "DISK_FULL", "QUOTA_FULL")) return;
    this.failure ??= { error };
    this.waiters.fail(error);
  }

  private tail(): { eventCount: number; memoryBytes: number; payloadBytes: number; ageUs: number } {
    return {
      eventCount: this.at - this.atTree,
      memoryBytes: this.state.tailMemoryBytes,
      payloadBytes: this.state.times.payloadBytes - this.payloadAtTree,
      ageUs: this.clock.monotonicUs() - this.treeAtUs,
    };
  }

  private plan(): Plan {
    const base = this.state.treeBase;
    const sinceMain = this.at - (base?.segments[0]?.facts.baseRevision ?? this.atTree);
    return planTree(base, this.state.tailLayers, this.tail(), this.state.times.payloadBytes, this.limits, sinceMain);
  }

  private async build(plan: Plan): Promise<void> {
    const { state } = this;
    const base = state.treeBase;
    const layers = state.freezeForTree();
    const counts = state.counts!;
    state.counts = new ChunkCounts((chunk) => this.dig.chunks.liveCount(chunk), counts);
    const [revision, payloadBytes, basePayloadBytes] = [this.at, state.times.payloadBytes, this.payloadAtTree];
    const before = { atTree: this.atTree, payloadAtTree: basePayloadBytes };
    const [chainHash, nextChunk] = [this.chainHash(), state.times.nextChunk as ChunkNumber];
    this.atTree = revision;
    this.payloadAtTree = payloadBytes;
    this.checkedAtEvents = 0;
    try {
      const { truncatedBefore } = await this.store.info(this.stream); // Batches may be applied meanwhile: they are not of this tree.
      const info = await this.dig.trees.build({
        ...(base === undefined ? {} : { base: base.info }),
        revision,
        chainHash,
        nextChunk,
        changes: changesOf(plan, base, layers, { revision, baseRevision: before.atTree, basePayloadBytes, first: truncatedBefore }),
        chunks: counts.changes(),
      });
      this.adopt(info);
    } catch (error) {
      state.unfreeze();
      state.counts.absorbBelow();
      this.atTree = before.atTree;
      this.payloadAtTree = before.payloadAtTree;
      throw error;
    }
  }

  private adopt(info: TreeInfo): void {
    this.treeAtUs = this.clock.monotonicUs();
    const opened = this.openBase(info.revision);
    if (opened === undefined) throw new RainbowError("DIG_CORRUPT", `the tree at r${info.revision} cannot be opened just after it was built`);
    this.state.rebase(opened)?.close();
    this.state.counts!.dropBelow();
  }

  private openBase(revision: Revision, hold?: ReaderHold): Base | undefined {
    if (revision === NO_STREAM) return undefined;
    const reader = this.dig.trees.open(revision, hold);
    return reader === undefined ? undefined : new Base(reader, this.segments);
  }

  private startingState(): State {
    const newest = this.dig.trees.list().at(-1);
    const base = newest === undefined ? undefined : this.openBase(newest.revision);
    const state = new State({ base, counts: new ChunkCounts((chunk) => this.dig.chunks.liveCount(chunk)) });
    if (newest !== undefined) {
      [this.at, this.atTree, this.payloadAtTree] = [newest.revision, newest.revision, state.times.payloadBytes];
      this.chainHash = () => newest.chainHash;
      this.target = newest.revision;
    }
    return state;
  }

  // Answers.

  /** The state of now (the last batch end applied), as it is: later changes do not show in it. */
  viewNow(): StateView {
    if (this.failure !== undefined) throw this.failure.error;
    const lease = this.leaseAt(this.atBase, this.at);
    return this.viewOf(new State({ base: lease.base, layers: this.state.freeze() }), this.at, lease);
  }

  /** What history is read from, up to a batch end. */
  async historySource(head: Revision): Promise<HistorySource> {
    const { store, stream, first } = await this.span();
    await this.waitFor(head);
    const window = Math.max(first, this.window()) as Revision;
    const hold = this.dig.freeing.holdEvents(window);
    const treeRevisions = this.dig.trees.list().map((info) => info.revision);
    // The event at the window's start closes a batch that is gone: what it brought is in the tree there.
    const from = (window === 0 ? 0 : window + 1) as Revision;
    return { store, stream, head, first: from, treeRevisions, hold, openBase: (revision) => this.leaseAt(revision, revision).keepBase() };
  }

  /**
   * The state at the last batch end at or before `revision`. INSTANT_OUTSIDE where it is before the window or after the head. Its gaps
   * are those before its own time, or before `askedUs` where it answers for a later one.
   */
  async viewAt(revision: Revision, askedUs = 0 as TimeUs): Promise<StateView> {
    const span = await this.span();
    if (revision > span.head)
      throw new RainbowError("INSTANT_FUTURE", `r${revision} does not exist yet: the newest is r${span.head}`, { revision, head: span.head });
    const end = await this.endAt(span, revision);
    if (end === this.at) return this.viewNow();
    const hold = this.dig.freeing.holdEvents(this.treeAt(end));
    let lease: BaseLease | undefined;
    try {
      lease = this.leaseAt(end, end);
      const state = await replayedState({ store: this.store, stream: this.stream, base: lease.base, to: end, isLazy: true });
      if (hold.isEnded) throw new RainbowError("BUSY", `reading up to r${end} took too long: ask again`, { revision: end });
      return this.viewOf(state, end, lease, askedUs);
    } catch (error) {
      lease?.release();
      throw error;
    } finally {
      hold.release();
    }
  }

  /** The batch end that answers for a revision: in the window the last at or before it, before the window a kept snapshot's own. */
  private async endAt(span: StreamSpan, revision: Revision): Promise<Revision> {
    const isKept = (): boolean => this.treeAt(revision) === revision && this.snapshots().some((snapshot) => snapshot.revision === revision);
    const end = revision < span.first ? undefined : await batchEndBefore(span, revision);
    if (end !== undefined) await this.waitFor(end);
    if (end !== undefined && end >= this.window()) return end; // It may have moved meanwhile. From here to the hold nothing is waited for.
    if (isKept()) return revision;
    const { first, stream } = span;
    const facts = { revision, first: Math.max(first, this.window()), stream };
    throw new RainbowError("INSTANT_OUTSIDE", `r${revision} is not kept any more: the first instant is r${facts.first}, and snapshots before it`, facts);
  }

  private treeAt(revision: Revision): Revision {
    return this.dig.trees.list().findLast((info) => info.revision <= revision)?.revision ?? NO_STREAM;
  }

  /** Holds the newest tree at or before `tree`, and what the instant `revision` needs. */
  private leaseAt(tree: Revision, revision: Revision): BaseLease {
    const hold = this.dig.freeing.hold(revision, tree);
    return new BaseLease(hold, this.openBase(tree, hold));
  }

  private async waitFor(revision: Revision): Promise<void> {
    if (revision <= this.at) return;
    this.follow(revision);
    await this.projected(revision);
  }

  private viewOf(state: State, revision: Revision, lease: BaseLease, askedUs = 0 as TimeUs): StateView {
    const laterGaps = gapsReachingBack(this.state, Math.max(askedUs, state.times.agentTimeUs) as TimeUs, revision);
    return new StateView({
      state,
      revision,
      chunks: this.dig.chunks,
      purges: () => this.purges(),
      laterGaps,
      hold: lease.hold,
      onClose: () => lease.release(),
    });
  }

  private get atBase(): Revision {
    return this.state.treeBase?.revision ?? NO_STREAM;
  }

  /** What can be named: [first, head], and snapshots before it. */
  async span(): Promise<StreamSpan> {
    const { headRevision, truncatedBefore } = await this.store.info(this.stream);
    const first = Math.max(truncatedBefore, this.window()) as Revision;
    return { store: this.store, stream: this.stream, first, head: headRevision };
  }

  /** The start of the window, as the events that were applied have it: every instant from here on is kept. */
  window(): Revision {
    const fact = this.state.control(REBASED_KEY);
    const moved = fact === undefined ? 0 : decodeFact<RebasedFact>(fact).window;
    return Math.max(moved, this.dig.freeing.window()) as Revision;
  }

  async resolveTime(us: TimeUs): Promise<ResolvedTime> {
    const span = await this.span();
    await this.waitFor(span.head);
    const stretches = this.state.controls(PREFIX.stretch).map(({ value }) => decodeFact<Stretch>(value));
    return await resolveTime(span, stretches, us, this.knownUntilUs());
  }

  /** Agent time of the batch that ends at `revision`. */
  async timeOf(revision: Revision): Promise<TimeUs> {
    const span = await this.span();
    if (revision >= span.first) return await timeOf(span, revision);
    return this.snapshots().find((snapshot) => snapshot.revision === revision)?.atUs ?? (0 as TimeUs);
  }

  /** The agent said that it had sent everything up to here; 0 where it never did. */
  knownUntilUs(): TimeUs {
    return this.state.times.caughtUpUs;
  }

  /** The facts of the whole machine as they are now. */
  facts(): ControlFacts {
    return factsOf(this.state);
  }

  /** What was purged, and from which instants. */
  purges(): Purges {
    return this.knownPurges;
  }

  snapshots(): Snapshot[] {
    return snapshotsOf(this.state);
  }

  /** What is true now, to be asked for single names and nodes; a moment later it may be something else. */
  get now(): Pick<State, "name" | "node"> {
    return this.state;
  }

  /** Rebuilds the state from nothing beside the live one and compares. The memory it takes grows with the number of files. */
  async verifyReplay(options: ReplayOptions = {}): Promise<ReplayReport> {
    return await verifyReplay(await this.liveState(options.to), options);
  }

  /** The state at a batch end of the window (now, where none is named), with the events and trees that it came from held. */
  liveState(to = this.at): Promise<LiveState> {
    const isNow = to === this.at;
    const now = isNow ? { layers: this.state.freeze(), counts: this.state.counts!.snapshot() } : undefined;
    const { store, stream, dig } = this;
    const openBase = (revision: Revision): Base | undefined => this.openBase(revision);
    return liveStateOf({ store, stream, dig, first: this.window(), to, tree: isNow ? this.atBase : this.treeAt(to), openBase, now });
  }

  /** Stops after the batch under way, builds the last tree and gives everything back. A full disk leaves the tail to the next start. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.pumping;
    try {
      if (this.failure === undefined) await this.buildTree();
      else await this.building;
    } catch (error) {
      if (!isRainbowError(error, "DISK_FULL", "QUOTA_FULL")) throw error;
    } finally {
      this.state.treeBase?.close();
      this.waiters.fail(new RainbowError("NOT_RUNNING", "the projection was closed"));
    }
  }
}
