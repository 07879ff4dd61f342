/**
 * The one loop of a session: drains events, looks at what is dirty, lists new directories, takes turns over long files, walks roots,
 * and cuts batches. Everything that touches the memory happens here, one thing after the other.
 */
import { OsError } from "../core/index.ts";
import type { ByteString, Clock, NodeId, Os, TimeUs } from "../core/index.ts";
import type { Limits } from "./limits.ts";
import type { Root } from "./roots.ts";
import { Scanner } from "./scan.ts";
import type { Site } from "./site.ts";
import { Walk, type WalkRequest } from "./walk.ts";

const SWEEP_ENTRIES = 512;
const IDLE_MS_MAX = 1000;
const WALK_SLICE_US = 10_000;
const COOKIE_TRIES = 100;

interface Flush {
  readonly isFull: boolean;
  readonly done: () => void;
  isStarted: boolean;
  /** Small roots were asked to be compared whole, after everything had come to rest. */
  isLookedAgain: boolean;
  /** Walks that must end first. */
  readonly walks: Set<WalkRequest>;
}

export class Engine {
  readonly scanner: Scanner;
  private readonly site: Site;
  private readonly ownDirectory: ByteString;
  private readonly wakeUp: { signal: AbortController };
  private isReadable = true;
  private isStopped = false;
  private isPaused = false;
  private running: Promise<void> | undefined;
  private walk: Walk | undefined;
  private readonly requests = new Map<NodeId, WalkRequest>();
  private flushes: Flush[] = [];
  private readonly commands: (() => void | Promise<void>)[] = [];
  private dirtySinceUs: number | undefined;
  private drainedUs: TimeUs;
  private drainedMonotonicUs = 0;
  private nextDrainUs = 0;
  private caughtUpUs = 0;
  private caughtUpTimeUs = 0 as TimeUs;
  private isCaughtUpDue = true;
  private tickUs: number;
  private wallUs: number;
  private rootCheckUs = 0;
  private nextReconcileUs: number;
  private cookieCount = 0;
  onChange: () => void = () => undefined;
  onFailure: (cause: unknown) => void = () => undefined;

  constructor(site: Site, ownDirectory: ByteString) {
    this.site = site;
    this.ownDirectory = ownDirectory;
    this.scanner = new Scanner(site);
    this.wakeUp = { signal: new AbortController() };
    this.drainedUs = site.clock.now();
    this.tickUs = site.clock.monotonicUs();
    this.wallUs = site.clock.now();
    this.nextReconcileUs = this.tickUs + this.reconcileEveryUs;
  }

  get currentWalk(): Walk | undefined {
    return this.walk;
  }

  get pendingWalks(): ReadonlyMap<NodeId, WalkRequest> {
    return this.requests;
  }

  start(): void {
    this.site.watches.onReadable(() => {
      this.isReadable = true;
      this.wake();
    });
    this.running = this.run().catch((cause: unknown) => {
      this.isStopped = true;
      this.onFailure(cause);
    });
  }

  /** Ends the loop after what it is at; what is dirty stays unseen. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.site.batches.letGo();
    this.wake();
    await this.running;
    this.scanner.files.close();
    for (const flush of this.flushes.splice(0)) flush.done();
    for (const request of [...this.requests.values(), ...(this.walk === undefined ? [] : [this.walk.request])]) request.waiters.forEach((done) => done());
  }

  wake(): void {
    const before = this.wakeUp.signal;
    this.wakeUp.signal = new AbortController();
    before.abort("woken"); // A reason of its own: the default one is an error with a stack, made at every event.
  }

  /** Runs `action` in the loop, between two things. */
  command<T>(action: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.commands.push(async () => {
        try {
          resolve(await action());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
      this.wake();
    });
  }

  /** Asks for a reconcile of a root; one that runs already does not count. `gap` is closed by it. */
  reconcile(root: NodeId, gap?: string, isOwed = gap !== undefined): Promise<void> {
    const request = this.requests.get(root) ?? { gaps: new Set<string>(), waiters: [], isOwed };
    this.requests.set(root, request);
    request.isOwed ||= isOwed;
    if (gap !== undefined) request.gaps.add(gap);
    this.wake();
    return new Promise((resolve) => request.waiters.push(resolve));
  }

  /** Asks for a reconcile of every root; the gap is closed when the last of them is done. */
  reconcileAll(gap: string | undefined): Promise<void> {
    const { gaps, roots } = this.site;
    const all = roots.list().filter((root) => !root.isMissing);
    const done = Promise.all(all.map((root) => this.reconcile(root.node, undefined, gap !== undefined)));
    return done.then(() => (gap === undefined || this.isStopped ? undefined : this.command(() => gaps.end(gap))));
  }

  flush(isFull: boolean): Promise<void> {
    return new Promise((resolve) => {
      this.flushes.push({ isFull, done: resolve, isStarted: false, isLookedAgain: false, walks: new Set() });
      this.wake();
    });
  }

  pause(): void {
    this.isPaused = true;
    this.site.dirt.clear();
    this.wake();
  }

  resume(): void {
    this.isPaused = false;
    this.wake();
  }

  /** Forgets the walk and the wishes for one: the root is gone or is released. */
  abandon(root: NodeId): void {
    const request = this.walk?.root.node === root ? this.walk.request : undefined;
    if (request !== undefined) this.walk = undefined;
    for (const each of [request, this.requests.get(root)]) {
      if (each === undefined) continue;
      each.waiters.forEach((done) => done());
      for (const flush of this.flushes) flush.walks.delete(each);
    }
    this.requests.delete(root);
    const kept = this.site.roots.get(root);
    if (kept !== undefined) kept.isScanning = false;
  }

  private get reconcileEveryUs(): number {
    const { limits, watches } = this.site;
    return (watches.isActive ? limits.reconcileEveryMs : limits.pollEveryMs) * 1000;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      await this.site.batches.room();
      for (let command = this.commands.shift(); command !== undefined; command = this.commands.shift()) await command();
      if (this.isStopped) break;
      this.checkTime();
      if (this.isPaused) {
        this.drain();
        this.site.dirt.clear();
        this.site.batches.cut();
        await this.idle();
        continue;
      }
      await this.beginFlush();
      if (this.flushes[0]?.isStarted !== true || this.flushes[0].walks.size > 0) this.drainInTurn();
      const isBusy = await this.work();
      this.cutWhereDue(isBusy);
      await this.site.breathe();
      if (!isBusy) await this.idle();
    }
  }

  /** The most urgent thing there is. Returns whether there was any. */
  private async work(): Promise<boolean> {
    const { dirt, clock, limits } = this.site;
    const isUrgent = this.flushes[0]?.isStarted === true;
    const nowUs = clock.monotonicUs();
    dirt.dueRevisits(nowUs);
    if (dirt.isOverflown) this.overflow("more changed at once than could be remembered");
    if (!dirt.isEmpty) {
      this.dirtySinceUs ??= nowUs;
      if (isUrgent || nowUs - this.dirtySinceUs >= limits.coalesceMs * 1000) {
        await this.takeDirt();
        return true;
      }
    }
    if (await this.scanner.nextFresh()) return true;
    if (dirt.isEmpty && this.scanner.absenceCount("event") > 0) {
      const before = this.scanner.absenceCount("event");
      await this.scanner.settleAbsences("event", isUrgent ? Number.POSITIVE_INFINITY : this.drainedMonotonicUs);
      if (this.scanner.absenceCount("event") < before) return true;
    }
    if (this.scanner.files.step(isUrgent)) return true;
    if (await this.finishFlush()) return true;
    if (await this.walkOn()) return true;
    return this.scanner.tree.sweep(SWEEP_ENTRIES);
  }

  private async takeDirt(): Promise<void> {
    const { dirt } = this.site;
    this.dirtySinceUs = undefined;
    this.isCaughtUpDue = true;
    this.checkRoots();
    const { names, whole } = dirt.take();
    this.scanner.addLinks(names);
    await this.scanner.names(names);
    this.scanner.fresh.push(...whole);
  }

  /** In a burst only every coalesceMs: the kernel joins repeated events while they wait, and a wake-up costs more than an event. */
  private drainInTurn(): void {
    if (this.site.clock.monotonicUs() >= this.nextDrainUs) this.drain();
  }

  private drain(): void {
    if (!this.isReadable) return;
    this.isReadable = false;
    const { watches, nodes, dirt, clock, limits } = this.site;
    const nowUs = clock.now();
    this.drainedMonotonicUs = clock.monotonicUs();
    const { isOverflown, isRootSuspect, eventCount } = watches.drain(nodes, dirt);
    this.drainedUs = nowUs;
    this.nextDrainUs = eventCount > 0 ? this.drainedMonotonicUs + limits.coalesceMs * 1000 : 0;
    if (eventCount > 0) this.onChange();
    if (isOverflown && !this.isPaused) this.overflow("the kernel's queue of events was full");
    if (isRootSuspect) this.rootCheckUs = 0;
  }

  private overflow(detail: string): void {
    const { dirt, gaps } = this.site;
    dirt.clear();
    this.isReadable = true;
    const open = gaps.find("overflow");
    const gap = open?.gap ?? gaps.begin("overflow", { kind: "machine" }, this.drainedUs, detail);
    void this.reconcileAll(gap);
  }

  private async walkOn(): Promise<boolean> {
    const { roots, limits } = this.site;
    if (this.walk === undefined) {
      const next = this.requests.entries().next().value;
      if (next === undefined) return false;
      const [node, request] = next;
      this.requests.delete(node);
      const root = roots.get(node);
      if (root === undefined || !this.isPresent(root)) {
        request.waiters.forEach((done) => done());
        for (const flush of this.flushes) flush.walks.delete(request);
        return true;
      }
      root.isScanning = true;
      this.walk = new Walk(this.site, this.scanner, root, request);
      this.onChange();
    }
    const { walk } = this;
    if (this.scanner.files.passCount >= limits.passesMax) return false; // They come first; their pauses are waited for.
    if (!this.isPresent(walk.root)) return true;
    if (await walk.step(WALK_SLICE_US)) {
      this.onChange();
      return true;
    }
    if (this.scanner.fresh.length > 0 || this.scanner.files.passCount > 0) return false;
    this.walk = undefined;
    walk.root.isScanning = false;
    await walk.finish();
    this.isCaughtUpDue = true;
    walk.request.waiters.forEach((done) => done());
    for (const flush of this.flushes) flush.walks.delete(walk.request);
    this.onChange();
    return true;
  }

  /** Begins the next flush: orders it behind all events so far, and asks for what only a walk can see. */
  private async beginFlush(): Promise<void> {
    const [flush] = this.flushes;
    if (flush === undefined || flush.isStarted) return;
    this.isReadable = true;
    this.site.batches.cut();
    this.drainToCookie();
    flush.isStarted = true;
    const { watches, roots, dirt } = this.site;
    this.checkRoots();
    for (const root of roots.list()) {
      if (root.isMissing) continue;
      const isWalkNeeded = flush.isFull || !watches.isActive || this.requests.has(root.node) || (this.walk?.root === root && this.walk.request.isOwed);
      if (!isWalkNeeded) continue;
      const isUnderWay = this.walk?.root === root && this.walk.request.isOwed && !this.requests.has(root.node) && !flush.isFull && watches.isActive;
      if (!isUnderWay) void this.reconcile(root.node);
      const request = this.requests.get(root.node) ?? this.walk?.request;
      if (request !== undefined) flush.walks.add(request);
    }
    for (const node of watches.unwatchedNodes) dirt.markWhole(node);
  }

  /** Returns whether a flush came to its end. */
  private async finishFlush(): Promise<boolean> {
    const [flush] = this.flushes;
    if (flush?.isStarted !== true) return false;
    const { dirt, batches } = this.site;
    const isDone =
      dirt.isEmpty &&
      this.scanner.fresh.length === 0 &&
      this.scanner.absenceCount("event") === 0 &&
      this.scanner.files.passCount === 0 &&
      flush.walks.size === 0;
    if (!isDone) return false;
    if (!flush.isLookedAgain) {
      flush.isLookedAgain = true;
      this.lookAgain(flush);
      return true;
    }
    this.flushes.shift();
    this.caughtUp();
    batches.cut();
    flush.done();
    this.isReadable = true;
    return true;
  }

  /**
   * Events are hints: names that move while they are looked at may be looked at in the wrong moment. Once all has come to rest, roots
   * that are small enough for it (2 to 3 µs a name) are compared whole, so that a flush of them rests on no event.
   */
  private lookAgain(flush: Flush): void {
    const { roots, limits, watches } = this.site;
    if (flush.isFull || !watches.isActive) return; // Every root was just walked.
    for (const root of roots.list()) {
      if (root.isMissing || root.nodeCount > limits.flushWalkNodesMax) continue;
      void this.reconcile(root.node);
      const request = this.requests.get(root.node);
      if (request !== undefined) flush.walks.add(request);
    }
  }

  private drainToCookie(): void {
    const { os, watches } = this.site;
    this.drain();
    if (!watches.isActive) return;
    const name = `flush-${++this.cookieCount}` as ByteString;
    const path = `${this.ownDirectory}/${name}` as ByteString;
    os.close(os.openWrite(path, { exclusive: false, truncate: true }));
    for (let tries = 0; tries < COOKIE_TRIES; tries++) {
      this.isReadable = true;
      this.drain();
      if (watches.takeOwn(name)) break;
    }
    removeQuietly(os, path);
  }

  private caughtUp(): void {
    const { batches, clock } = this.site;
    this.caughtUpTimeUs = this.drainedUs;
    batches.add({ type: "CaughtUp", agentTimeUs: this.drainedUs });
    this.caughtUpUs = clock.monotonicUs();
    this.isCaughtUpDue = false;
  }

  private cutWhereDue(isBusy: boolean): void {
    const { batches, clock, dirt, limits } = this.site;
    const isSettled = !isBusy && dirt.isEmpty && this.scanner.absenceCount("event") === 0 && this.scanner.files.passCount === 0;
    if (isSettled && !this.isPaused) {
      const sinceMs = (clock.monotonicUs() - this.caughtUpUs) / 1000;
      if (sinceMs >= limits.caughtUpEveryMs || (this.isCaughtUpDue && sinceMs >= limits.caughtUpBusyMs)) {
        if (this.site.watches.isActive) this.caughtUp();
        else this.caughtUpUs = clock.monotonicUs();
      }
    }
    if (batches.isFull || batches.dueMs === 0 || (!isBusy && dirt.isEmpty)) batches.cut();
    // Rows that changed without a change to report need a batch to go with; what the last CaughtUp said still holds.
    if (this.site.memory.changedCount > limits.batchRows && batches.isEmpty) batches.add({ type: "CaughtUp", agentTimeUs: this.caughtUpTimeUs });
  }

  private async idle(): Promise<void> {
    const { clock, dirt, batches, limits } = this.site;
    const nowUs = clock.monotonicUs();
    const isDrainDue = this.isReadable && !this.isPaused && nowUs >= this.nextDrainUs;
    if (this.isStopped || this.commands.length > 0 || isDrainDue || (this.flushes.length > 0 && this.flushes[0]?.isStarted === false)) return;
    const { signal } = this.wakeUp.signal;
    const waits = [IDLE_MS_MAX];
    if (this.isReadable && !this.isPaused) waits.push((this.nextDrainUs - nowUs) / 1000);
    if (this.dirtySinceUs !== undefined && !dirt.isEmpty) waits.push(limits.coalesceMs - (nowUs - this.dirtySinceUs) / 1000);
    for (const dueUs of [dirt.dueRevisits(nowUs), this.scanner.files.nextStepUs()]) if (dueUs !== undefined) waits.push((dueUs - nowUs) / 1000);
    if (batches.dueMs !== undefined) waits.push(batches.dueMs);
    if (this.isCaughtUpDue) waits.push(limits.caughtUpBusyMs - (nowUs - this.caughtUpUs) / 1000);
    if (this.scanner.absenceCount("event") > 0) {
      waits.push(limits.coalesceMs);
      this.isReadable = true;
    }
    await clock.sleep(Math.max(1, Math.ceil(Math.min(...waits))), signal);
  }

  /** Notices sleep and steps of the clock, looks after missing roots, and asks for the regular reconcile. */
  private checkTime(): void {
    const { clock, limits, roots } = this.site;
    const nowUs = clock.monotonicUs();
    const wallUs = clock.now();
    const sleptUs = Math.max(nowUs - this.tickUs, wallUs - this.wallUs);
    this.tickUs = nowUs;
    this.wallUs = wallUs;
    if (sleptUs > limits.wakeUpMs * 1000 || nowUs >= this.nextReconcileUs) {
      this.nextReconcileUs = nowUs + this.reconcileEveryUs;
      if (!this.isPaused) for (const root of roots.list()) if (!root.isMissing) void this.reconcile(root.node);
    }
    if (nowUs - this.rootCheckUs >= limits.rootCheckMs * 1000 && !this.isPaused) this.checkRoots();
  }

  checkRoots(): void {
    this.rootCheckUs = this.site.clock.monotonicUs();
    for (const root of this.site.roots.list())
      if (root.isMissing) this.lookForRoot(root);
      else this.isPresent(root);
  }

  /** Whether the root is still there; where it is not, that is a gap, and nothing below it is taken as deleted. */
  private isPresent(root: Root): boolean {
    if (root.isMissing) return false;
    const { roots, gaps } = this.site;
    const state = roots.check(root);
    if (state.kind === "ok") return true;
    root.isMissing = true;
    this.abandon(root.node);
    gaps.begin(state.kind === "missing" ? "root-missing" : "root-replaced", { kind: "root", node: root.node }, this.drainedUs, state.detail);
    this.onChange();
    return false;
  }

  private lookForRoot(root: Root): void {
    const { roots, gaps } = this.site;
    if (roots.check(root).kind !== "ok") return;
    root.isMissing = false;
    const gap = gaps.find("root-missing", root.node) ?? gaps.find("root-replaced", root.node);
    void this.reconcile(root.node, gap?.gap);
    this.onChange();
  }
}

function removeQuietly(os: Os, path: ByteString): void {
  try {
    os.unlink(path);
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
  }
}

/** Yields to others once a slice is used up. */
export function breather(clock: Clock, limits: Limits, room: () => Promise<void>): () => Promise<void> {
  let sinceUs = clock.monotonicUs();
  return async () => {
    if (clock.monotonicUs() - sinceUs < limits.sliceMs * 1000) return;
    await clock.sleep(0);
    await room();
    sinceUs = clock.monotonicUs();
  };
}
