/** The Capture face: sessions come and go, roots are added and released, and one engine at a time does the work. */
import { assert, displayOf, isRainbowError, OsError, RainbowError } from "../core/index.ts";
import type {
  AgentSession,
  Batch,
  BatchAcknowledged,
  ByteString,
  Clock,
  ContentCalls,
  GapReason,
  NodeId,
  Os,
  Random,
  RootOptions,
  TimeUs,
} from "../core/index.ts";
import { Batches } from "./batches.ts";
import type { Capture, CaptureStatus, FlushReport, LeftOut, RootStatus } from "./capture.ts";
import { BlockHasher, ChunkMaker } from "./content/index.ts";
import { Dirt } from "./dirt.ts";
import { breather, Engine } from "./engine.ts";
import { Exclusions, LeftOutList } from "./exclusions.ts";
import { Gaps } from "./gaps.ts";
import type { Gap } from "./gaps.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { Directories, type kindOf, Memory, Nodes, type RowKey, type RowStore } from "./memory/index.ts";
import { Protection } from "./protection.ts";
import { Roots, type Root } from "./roots.ts";
import { minter, type Site } from "./site.ts";
import { captureStatus, limitsOf, rootStatus } from "./status.ts";
import { Watches } from "./watches.ts";

export interface CaptureOptions {
  readonly os: Os;
  readonly clock: Clock;
  readonly random: Random;
  /** The agent's memory; opened and closed by whoever makes it. */
  readonly store: RowStore;
  /** Rainbow's own directory for the agent, which exists: flush makes its cookies there. */
  readonly directory: ByteString;
  /** The whole data directory: never captured. */
  readonly dataDirectory: ByteString;
  /** Home directories, whose .cache is left out. */
  readonly homes?: readonly ByteString[];
  readonly limits?: Partial<Limits>;
  /** Default: the same in JavaScript. */
  readonly content?: ContentCalls;
}

interface Session {
  readonly site: Site;
  readonly engine: Engine;
  readonly batches: Batches;
  readonly protection: Protection;
}

const SECRET = "secret" as RowKey;
const SECRET_BYTES = 8;
/** Gaps of the whole machine that a reconcile of all roots closes. */
const UNREADABLE_NAMED_MAX = 100; // Of what a flush names; `excludes` lists them.
const MACHINE_GAPS: readonly GapReason[] = ["agent-away", "overflow", "memory-lost"];

export function createCapture(options: CaptureOptions): Capture {
  return new Agent(options);
}

class Agent implements Capture {
  private readonly options: CaptureOptions;
  private readonly limits: Limits;
  private readonly memory: Memory;
  private session: Session | undefined;
  private sessionChanged = Promise.withResolvers<void>();
  private isStopped = false;
  private pausedUntilUs: TimeUs | undefined;
  private isPaused = false;
  private isMemoryDamaged = false;
  private readonly listeners = new Set<(status: CaptureStatus) => void>();
  private isStatusDue = false;

  constructor(options: CaptureOptions) {
    this.options = options;
    this.limits = { ...LIMITS, ...options.limits };
    this.memory = new Memory(options.store);
  }

  async start(session: AgentSession): Promise<void> {
    assert(!this.isStopped, "a stopped capture is not started again");
    try {
      await this.startSession(session);
    } catch (error) {
      this.noteDamage(error);
      throw error;
    }
  }

  private async startSession(session: AgentSession): Promise<void> {
    await this.endSession();
    if (this.isMemoryDamaged) await this.memory.clear();
    this.isMemoryDamaged = false;
    const found = await this.memory.open(session);
    const secret = await this.memory.constant(SECRET, () => this.options.random.bytes(SECRET_BYTES));
    const started = this.makeSession(session, await BlockHasher.create(secret, this.options.content));
    this.session = started;
    const { engine, site } = started;
    site.watches.watchOwn(this.options.directory);
    engine.onChange = () => this.statusChanged();
    engine.onFailure = (cause) => {
      this.noteDamage(cause);
      started.batches.fail(cause);
    };
    if (found === "lost")
      site.gaps.begin("memory-lost", { kind: "machine" }, session.last?.agentTimeUs ?? site.clock.now(), "what the agent remembered is gone");
    if (found === "known" && session.last !== undefined && site.roots.list().length > 0)
      site.gaps.begin("agent-away", { kind: "machine" }, session.last.agentTimeUs, "nothing ran here");
    if (this.isPaused) engine.pause();
    else this.goOn(started);
    engine.start();
    this.sessionChanged.resolve();
    this.sessionChanged = Promise.withResolvers<void>();
    this.statusChanged();
  }

  /** A memory that contradicts its checksums is forgotten by the next session, which says so and scans everything. */
  private noteDamage(cause: unknown): void {
    if (isRainbowError(cause, "STORE_CORRUPT")) this.isMemoryDamaged = true;
  }

  async addRoot(path: ByteString, options: RootOptions): Promise<RootStatus> {
    const { engine, protection } = this.current();
    const root = await engine.command(() => protection.add(path, options));
    this.statusChanged();
    return this.statusOf(root);
  }

  async removeRoot(path: ByteString): Promise<void> {
    const { engine, protection } = this.current();
    await engine.command(() => protection.release(path));
    this.statusChanged();
  }

  roots(): readonly RootStatus[] {
    return this.session?.site.roots.list().map((root) => this.statusOf(root)) ?? [];
  }

  async next(): Promise<Batch | undefined> {
    for (;;) {
      const { session } = this;
      const changed = this.sessionChanged.promise;
      const batch = await session?.batches.next();
      if (batch !== undefined || this.isStopped) return batch;
      if (this.session === session) await changed;
    }
  }

  async acknowledged(ack: BatchAcknowledged): Promise<void> {
    await this.session?.batches.acknowledged(ack);
    if (this.isStopped && this.memory.unacknowledgedCount === 0) await this.memory.settle();
  }

  async flush(full: boolean): Promise<FlushReport> {
    const session = this.current();
    const { engine, site, batches } = session;
    if (this.isPaused) throw new RainbowError("BUSY", "capture is paused: resume it first, then flush");
    await engine.flush(full);
    if (this.session !== session && !this.isStopped) return await this.flushAnew(full); // The session was lost: its batches may be, too.
    const { unsettled } = engine.scanner.files;
    const missing = site.roots.list().filter((root) => root.isMissing);
    return {
      epoch: batches.epoch,
      sequence: batches.lastSequence,
      notices: limitsOf(site),
      incomplete: [
        ...[...unsettled.values()].map((path) => `${displayOf(path)} did not rest while it was read`),
        ...unreadables(site.gaps.list()),
        ...missing.map((root) => `${displayOf(root.path)} is not there`),
      ],
    };
  }

  private async flushAnew(full: boolean): Promise<FlushReport> {
    if (this.session === undefined) await this.sessionChanged.promise;
    return await this.flush(full);
  }

  async reconcile(root?: NodeId): Promise<void> {
    const { engine } = this.current();
    await (root === undefined ? engine.reconcileAll(undefined) : engine.reconcile(root));
  }

  async pause(untilUs: TimeUs | undefined): Promise<void> {
    const { engine, site } = this.current();
    this.pausedUntilUs = untilUs;
    if (!this.isPaused) {
      this.isPaused = true;
      const detail = untilUs === undefined ? "paused until resumed" : `paused until ${new Date(untilUs / 1000).toISOString()}`;
      await engine.command(() => {
        site.gaps.begin("paused", { kind: "machine" }, site.clock.now(), detail);
        engine.pause();
      });
    }
    if (untilUs !== undefined) void this.resumeAt(untilUs);
    this.statusChanged();
  }

  async resume(): Promise<void> {
    const { engine } = this.current();
    if (!this.isPaused) return;
    this.isPaused = false;
    this.pausedUntilUs = undefined;
    await engine.command(() => {
      engine.resume();
      this.goOn(this.current());
    });
    this.statusChanged();
  }

  status(): CaptureStatus {
    const { session } = this;
    return captureStatus(session?.site, session?.engine, { os: this.options.os, isPaused: this.isPaused, pausedUntilUs: this.pausedUntilUs });
  }

  onStatus(listener: (status: CaptureStatus) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  leftOut(root: NodeId): { readonly items: readonly LeftOut[]; readonly total: number } {
    return this.session?.site.leftOut.list(root) ?? { items: [], total: 0 };
  }

  why(path: ByteString): LeftOut | undefined {
    const { session } = this;
    const root = session?.site.roots.list().find((each) => path === each.path || path.startsWith(each.path === "/" ? "/" : `${each.path}/`));
    if (session === undefined || root === undefined) return undefined;
    const byRule = root.exclusions.why(path, (at) => this.subjectOf(at));
    const listed = session.site.leftOut.list(root.node).items.find((item) => path === item.path || path.startsWith(`${item.path}/`));
    return byRule ?? listed;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.endSession();
    this.sessionChanged.resolve();
    if (this.memory.unacknowledgedCount === 0) await this.memory.settle();
  }

  private current(): Session {
    if (this.session === undefined) throw new RainbowError("BUSY", "capture has no session with its host yet: try again in a moment");
    return this.session;
  }

  /** Ends the engine; what was cut can still be pulled. */
  private async endSession(): Promise<void> {
    const { session } = this;
    if (session === undefined) return;
    await session.engine.stop();
    session.site.watches.close();
    session.batches.close();
    if (!this.isStopped) this.session = undefined;
  }

  private makeSession({ epoch, hashKey }: AgentSession, hasher: BlockHasher): Session {
    const { os, clock } = this.options;
    const { memory, limits } = this;
    const directories = new Directories(memory);
    const nodes = new Nodes(memory, directories);
    const maker = new ChunkMaker(hashKey, this.options.content);
    const batches = new Batches({ clock, memory, limits, epoch, giveBack: (chunk) => maker.giveBack(chunk) });
    const site: Site = {
      os,
      clock,
      limits,
      memory,
      directories,
      nodes,
      batches,
      gaps: new Gaps(memory, batches, epoch),
      roots: new Roots(os, memory, directories, (path, options) => this.exclusionsOf(path, options)),
      dirt: new Dirt(limits.dirtyMax),
      watches: new Watches(os, limits.watchShare),
      leftOut: new LeftOutList(memory, limits.leftOutMax),
      hasher,
      maker,
      mint: minter(epoch),
      breathe: breather(clock, limits, () => batches.room()),
    };
    const engine = new Engine(site, this.options.directory);
    return { site, engine, batches, protection: new Protection(site, engine, this.options.dataDirectory) };
  }

  /** Reconciles all roots; that closes every gap that only came from not having looked. */
  private goOn({ site, engine }: Session): void {
    const { gaps, roots } = site;
    const machineGaps = gaps.list().filter((gap) => gap.scope.kind === "machine" && (MACHINE_GAPS.includes(gap.reason) || gap.reason === "paused"));
    for (const root of roots.list()) {
      const first = gaps.find("first-scan", root.node);
      if (first !== undefined) void engine.reconcile(root.node, first.gap);
    }
    engine.checkRoots();
    const isRootless = roots.list().length === 0;
    for (const { gap, reason } of machineGaps) if (!isRootless || reason !== "memory-lost") void engine.reconcileAll(gap);
    if (machineGaps.length === 0) void engine.reconcileAll(undefined);
  }

  private async resumeAt(untilUs: TimeUs): Promise<void> {
    const { clock } = this.options;
    while (this.pausedUntilUs === untilUs && !this.isStopped) {
      const leftMs = (untilUs - clock.now()) / 1000;
      if (leftMs <= 0) return this.resume();
      await clock.sleep(Math.min(leftMs, this.limits.rootCheckMs));
    }
  }

  private exclusionsOf(path: ByteString, options: RootOptions): Exclusions {
    const { dataDirectory, homes } = this.options;
    return new Exclusions({ root: path, options, homes: homes ?? [], isDataDirectory: (each) => isSameDirectory(this.options.os, each, dataDirectory) });
  }

  private subjectOf(path: ByteString): { readonly path: ByteString; readonly kind: ReturnType<typeof kindOf>; readonly sizeBytes: number } | undefined {
    try {
      const { kind, sizeBytes } = this.options.os.lstat(path);
      return { path, kind, sizeBytes };
    } catch (error) {
      if (error instanceof OsError) return undefined;
      throw error;
    }
  }

  private statusOf(root: Root): RootStatus {
    const { site } = this.current();
    return rootStatus(site, root, this.isPaused);
  }

  private statusChanged(): void {
    if (this.isStatusDue || this.listeners.size === 0) return;
    this.isStatusDue = true;
    void this.options.clock.sleep(this.limits.statusMs).then(() => {
      this.isStatusDue = false;
      const status = this.status();
      for (const listener of this.listeners) listener(status);
    });
  }
}

/** By inode, as the same directory can have many paths; only where the last names are equal, as it is asked often. */
function isSameDirectory(os: Os, path: ByteString, other: ByteString): boolean {
  if (path === other) return true;
  if (path.slice(path.lastIndexOf("/")) !== other.slice(other.lastIndexOf("/"))) return false;
  try {
    const [a, b] = [os.lstat(path), os.lstat(`${other}/.` as ByteString)];
    return a.inode === b.inode && a.device === b.device;
  } catch (error) {
    if (error instanceof OsError) return false;
    throw error;
  }
}

/** Files and directories that could not be read, the first of them by name. */
function unreadables(gaps: readonly Gap[]): string[] {
  const unread = gaps.filter((gap) => gap.reason === "unreadable");
  const named = unread.slice(0, UNREADABLE_NAMED_MAX).map((gap) => `cannot be read: ${gap.detail}`);
  return unread.length > named.length ? [...named, `${unread.length - named.length} more cannot be read`] : named;
}
