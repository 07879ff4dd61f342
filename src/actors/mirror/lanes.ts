/**
 * Lanes: further connections to the server, over which large files are fetched while the main session lists, compares and fetches the
 * small ones. Each takes a batch of files, and opens a session for them alone. What the main session's connection leaves free when it
 * has ended is one more lane. A lane that the server refuses, or whose connection breaks, gives its files back: others fetch them, and
 * the last lane gives up, with the sync, only after several attempts.
 */
import { assert, isRainbowError } from "../../core/index.ts";
import type { Clock } from "../../core/index.ts";
import { rulesForPaths, Session } from "../../rsync/index.ts";
import type { OpenZstdStream, SessionOptions } from "../../rsync/index.ts";
import { resumeUploads } from "./broken-uploads.ts";
import { carry } from "./driver.ts";
import type { Fetching, WantedFile } from "./fetching.ts";
import type { LaneLimits } from "./lane-limits.ts";
import { LaneQueue } from "./lane-queue.ts";
import { LaneSession } from "./lane-session.ts";
import type { ReceiverParts } from "./receiver.ts";
import type { SyncWatcher } from "./report.ts";
import type { Wire } from "./wire.ts";

const close = (wire: Wire): void => wire.close();

/** What a lane needs of its sync. */
export interface LaneParts {
  /** Connections in all, the main session's among them. */
  readonly connections: number;
  readonly limits: LaneLimits;
  readonly options: Omit<SessionOptions, "filters">;
  readonly openZstdStream: OpenZstdStream | undefined;
  readonly open: () => Promise<Wire>;
  readonly clock: Clock;
  /** Ends all connections of the round: aborted by whoever fails, with the reason. */
  readonly stop: AbortController;
  readonly signal: AbortSignal;
  readonly watcher: SyncWatcher;
}

const PATH_BYTES_MAX = 2000; // A filter rule holds it, however much of it must be escaped.
const ATTEMPTS_MAX = 5; // In a row, without any file that came.
const RETRY_MS = 250; // Doubled each time. A server needs a moment to notice that a connection has ended.

export class Lanes {
  private readonly parts: LaneParts;
  private readonly receiving: ReceiverParts;
  private readonly fetching: Fetching;
  private readonly told: (errors: readonly string[], ioError: number) => void;
  private readonly queue = new LaneQueue();
  private readonly running = new Set<Promise<void>>();
  /** Lanes that have a batch in hand. */
  private busyCount = 0;
  private countMax: number;
  private isMainOver = false;
  private hasToldRefusal = false;
  private failure: { readonly cause: unknown } | undefined;

  /** `told` takes the errors that a session told of which came to its end. */
  constructor(parts: LaneParts, receiving: ReceiverParts, fetching: Fetching, told: (errors: readonly string[], ioError: number) => void) {
    this.told = told;
    this.parts = parts;
    this.receiving = receiving;
    this.fetching = fetching;
    this.countMax = parts.connections - 1;
    parts.signal.addEventListener("abort", () => this.queue.stop(), { once: true });
  }

  /** Whether a lane fetches this file; `mainBytes` are on their way on the main session. */
  take(wanted: WantedFile, mainBytes: number): boolean {
    const { sizeBytes, path } = wanted.entry;
    const { fileBytesMin, queuedCountEnough, queuedCountMax, mainBytes: enough } = this.parts.limits;
    if (this.countMax === 0 || sizeBytes < fileBytesMin || path.length > PATH_BYTES_MAX || this.queue.count >= queuedCountMax) return false;
    if (mainBytes < enough && (sizeBytes <= enough || this.queue.count >= queuedCountEnough)) return false;
    this.add(wanted);
    return true;
  }

  /** Whether the main session should go on with what is on its way there, and list no more for now. */
  holdsBack(mainBytes: number): boolean {
    return this.queue.count >= this.parts.limits.queuedCountEnough && mainBytes > 0 && mainBytes >= this.parts.limits.mainBytes;
  }

  /** A file that no session has asked for. */
  add(wanted: WantedFile): void {
    this.queue.add(wanted);
    this.start();
  }

  /** The main session has ended well. All files have come, or failed by themselves, when it resolves. */
  async finish(): Promise<void> {
    this.isMainOver = true;
    this.countMax++;
    this.queue.close();
    this.start();
    while (this.running.size > 0) await Promise.all(this.running);
    if (this.failure !== undefined) throw this.failure.cause;
    this.parts.signal.throwIfAborted();
    assert(this.queue.count === 0, "the last lane leaves nothing behind");
  }

  /** The round ends in the middle: all connections do. What can be gone on with is among the resumables. */
  async abandon(): Promise<void> {
    this.parts.stop.abort();
    while (this.running.size > 0) await Promise.all(this.running);
  }

  private start(): void {
    while (this.running.size < this.countMax && this.running.size - this.busyCount < this.queue.count && !this.parts.signal.aborted) {
      const run = this.run().catch((cause: unknown) => this.fail(cause));
      const done = run.finally(() => {
        this.running.delete(done);
        this.start(); // Where it left files behind.
      });
      this.running.add(done);
    }
  }

  private fail(cause: unknown): void {
    this.failure ??= { cause };
    this.parts.stop.abort(cause);
  }

  /** A lane's life. */
  private async run(): Promise<void> {
    const { clock, signal } = this.parts;
    let attempts = 0;
    let hasWorked = false;
    while (await this.queue.hasMore()) {
      const end = await this.fetchBatch();
      hasWorked ||= end.hasBegun;
      if (end.hasFetched) attempts = 0;
      if (end.broken === undefined) continue;
      const mayLeave = !this.isMainOver || this.countMax > 1;
      if (mayLeave && (!hasWorked || attempts + 1 === ATTEMPTS_MAX)) return this.leave(end.broken);
      if (++attempts === ATTEMPTS_MAX) throw end.broken;
      await clock.sleep(RETRY_MS * 2 ** (attempts - 1), signal);
    }
  }

  /** The server has no room for this lane: those that are left do its work. */
  private leave(cause: Error): void {
    this.countMax--;
    if (this.hasToldRefusal) return;
    this.hasToldRefusal = true;
    this.parts.watcher.message(`fewer connections than ${this.parts.connections} are used: ${cause.message}`);
  }

  private async fetchBatch(): Promise<{ readonly hasBegun: boolean; readonly hasFetched: boolean; readonly broken: Error | undefined }> {
    const nothing = { hasBegun: false, hasFetched: false };
    const opening = this.parts.open();
    let wire: Wire | undefined;
    try {
      wire = await Promise.race([opening, this.queue.over]);
    } catch (error) {
      return { ...nothing, broken: this.brokenBy(error) };
    }
    const batch = wire === undefined ? [] : this.queue.take(this.batchSize()); // Only now: meanwhile more may have come, or others have taken all.
    if (wire !== undefined && batch.length > 0) return this.converse(wire, batch);
    opening.then(close, () => undefined); // Nobody needs it any more, whenever it comes.
    return { ...nothing, broken: undefined };
  }

  private batchSize(): { readonly countMax: number; readonly bytesMax: number } {
    const { batchBytesMin, batchBytesMax, batchCountMax } = this.parts.limits;
    const share = this.queue.totalBytes / (2 * this.countMax);
    return { countMax: batchCountMax, bytesMax: Math.min(batchBytesMax, Math.max(batchBytesMin, share)) };
  }

  private async converse(wire: Wire, batch: readonly WantedFile[]): ReturnType<Lanes["fetchBatch"]> {
    const { options, openZstdStream, clock, signal } = this.parts;
    const filters = rulesForPaths(batch.map(({ entry }) => entry.path));
    const session = new Session({ ...options, filters }, this.receiving.digests, openZstdStream);
    const lane = new LaneSession(this.receiving, session, this.fetching, batch, (wanted) => this.add(wanted));
    this.busyCount++;
    let left: readonly WantedFile[] = [];
    let broken: Error | undefined;
    try {
      await carry(session, wire, (event) => lane.take(event), clock, signal);
      this.told(lane.errors, lane.ioError);
    } catch (error) {
      left = await this.giveBack(lane);
      broken = this.brokenBy(error);
    } finally {
      this.busyCount--;
      this.queue.settle(left);
    }
    return { hasBegun: lane.hasBegun, hasFetched: lane.arrivedCount > 0, broken };
  }

  /** What is left of a session that broke; an upload in its middle can be gone on with at once. */
  private async giveBack(lane: LaneSession): Promise<readonly WantedFile[]> {
    const { left, broken } = await lane.abandon();
    const { store, resumables } = this.receiving;
    for (const [path, resumable] of await resumeUploads(store, broken)) resumables.set(path, resumable);
    return left;
  }

  /** The error, where another connection may do better; throws any other. */
  private brokenBy(error: unknown): Error {
    const isOfConnection = isRainbowError(error, "RSYNC_UNREACHABLE", "RSYNC_BUSY", "RSYNC_ENDED", "RSYNC_REFUSED", "RSYNC_AUTHENTICATION");
    if (isOfConnection && !this.parts.signal.aborted) return error;
    throw error;
  }
}
