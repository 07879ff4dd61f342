/**
 * One sync of a mirror from its first word to its last fact: connect, compare and fetch in a round, publish what comes last, delete,
 * record how it went. Whatever ends it in the middle, what was recorded is durable, and the next sync goes on from there.
 */
import { displayOf, isRainbowError, RainbowError } from "../../core/index.ts";
import type { ByteString, Clock } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { FileEntry, FileList, MirrorFiles } from "../../projections/index.ts";
import { Session } from "../../rsync/index.ts";
import type { Digests, OpenZstdStream, SessionEvent, SessionOptions } from "../../rsync/index.ts";
import { reconcileIntents } from "../mirror-files/index.ts";
import { letGo, resumeUploads } from "./broken-uploads.ts";
import type { BrokenUpload, Resumable } from "./broken-uploads.ts";
import { Checkpoints } from "./checkpoints.ts";
import type { CheckpointOptions } from "./checkpoints.ts";
import { enqueue, holdReason, removalsOf, removeDue } from "./deleting.ts";
import { Depot } from "./depot.ts";
import { carry } from "./driver.ts";
import type { TakeEvent } from "./driver.ts";
import { IntentLog } from "./intent-log.ts";
import type { LaneParts } from "./lanes.ts";
import type { MirrorSource, SyncOptions } from "./options.ts";
import { Protection } from "./protection.ts";
import { PublicationOrder, WAITING_DIRECTORY } from "./publication.ts";
import { SyncCounts } from "./report.ts";
import type { SyncOutcome, SyncProgress, SyncWatcher } from "./report.ts";
import { Round } from "./round.ts";
import type { Doubt } from "./round.ts";
import { SmallContents } from "./small-contents.ts";
import { counted, Pace, throttled } from "./wire.ts";
import type { Dial, Wire } from "./wire.ts";

export interface SyncParts {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly store: ObjectStore;
  readonly files: MirrorFiles;
  readonly digests: Digests;
  readonly openZstdStream: OpenZstdStream | undefined;
  readonly source: MirrorSource;
  readonly memory: SyncMemory;
  /** Where a process that comes later finds how far large files had come, whatever became of this one. */
  readonly checkpoints?: CheckpointOptions;
}

/** What a mirror keeps in mind from sync to sync, and may forget. */
export interface SyncMemory {
  /** Of the block sums that are kept: the same for all sessions of a mirror, and nobody else's. Not 0. */
  readonly seed: number;
  /** The server takes no seed from us, so sums cannot be kept. */
  refusesSeed: boolean;
  /** What an earlier process or a failed sync left in the store was looked for and given up. */
  hasTidied: boolean;
  /** What of a large file is in the store already, where its connection broke. */
  brokenUploads?: readonly BrokenUpload[];
}

type RoundFor = (session: Session, lanes: LaneParts | undefined) => Round;

const ROUNDS_MAX = 2; // The second one fetches what stood in the way of something that is gone, or got lost in the store.

/** Throws what ended it early; SyncFailed is recorded then. */
export async function syncMirror(parts: SyncParts, options: SyncOptions, cause: string, watcher: SyncWatcher, signal: AbortSignal): Promise<SyncOutcome> {
  const sync = new Sync(parts, options, watcher, signal);
  watcher.started?.(() => sync.progress());
  if (options.probe !== undefined && parts.files.intents.isEmpty && (await sync.isProbeUnchanged(options.probe)))
    return { ...sync.outcome(), isUnchanged: true };
  if (options.dryRun) return sync.run();
  await parts.files.record([{ type: "SyncStarted", cause }]);
  try {
    return await sync.run();
  } catch (error) {
    await sync.fail(error);
    throw error;
  }
}

class Sync {
  private readonly parts: SyncParts;
  private readonly options: SyncOptions;
  private readonly watcher: SyncWatcher;
  private readonly signal: AbortSignal;
  private readonly log: IntentLog;
  private readonly depot: Depot;
  private readonly order: PublicationOrder;
  private readonly contents = new SmallContents();
  private readonly counts = new SyncCounts();
  private ioError = 0;
  /** Uploads that the last session left in the middle. */
  private broken: readonly BrokenUpload[] = [];
  private held: Doubt | undefined;
  private readonly pace: Pace | undefined;
  /** The server that the last session was with. */
  private peer: string | undefined;
  /** The session that lists. */
  private listing: Session | undefined;

  constructor(parts: SyncParts, options: SyncOptions, watcher: SyncWatcher, signal: AbortSignal) {
    this.parts = parts;
    this.options = options;
    this.watcher = watcher;
    this.signal = signal;
    this.log = new IntentLog(parts.store.features.isTree, parts.files.intents);
    this.depot = new Depot(parts.store, parts.files, this.contents, this.log);
    this.order = new PublicationOrder(options.last);
    this.pace = options.bytesPerSecondMax === undefined ? undefined : new Pace(options.bytesPerSecondMax, parts.clock);
  }

  async run(): Promise<SyncOutcome> {
    const { memory, files, store } = this.parts;
    if (!memory.hasTidied && !this.options.dryRun) await this.tidy();
    memory.hasTidied ||= !this.options.dryRun;
    if (!this.options.dryRun) await reconcileIntents(files, store, this.signal);
    for (let round = 1; round <= ROUNDS_MAX; round++) if (!(await this.goRound())) break;
    this.watcher.phase("committing");
    if (this.options.dryRun) return this.outcome();
    await this.depot.flush();
    await store.settle(); // Nothing of what was given up stays behind, either; and directories around removals have their time, without a fact.
    await files.sums.flush();
    if (!files.intents.isEmpty) await files.intents.clear();
    const outcome = this.outcome();
    const { counts, ioError, heldBecause, heldBy, queuedCount } = outcome;
    const { entryCount, totalBytes, arrivedCount, touchedCount, withdrawnCount, fetchedBytes, reusedBytes, receivedBytes, sentBytes } = counts;
    const seen = { entryCount, totalBytes, arrivedCount, touchedCount, withdrawnCount, fetchedBytes, reusedBytes, receivedBytes, sentBytes };
    await files.record([{ type: "SyncFinished", ...seen, queuedCount, ioError, heldBecause, heldBy }]);
    return outcome;
  }

  /** Gives up what an earlier process left in the middle. */
  private async tidy(): Promise<void> {
    const { store } = this.parts;
    await store.abortUnfinished(new Set(this.parts.memory.brokenUploads?.map(({ token }) => token)));
    if (store.features.isTree) return;
    for await (const page of store.list({ below: WAITING_DIRECTORY }))
      await store.delete(page.flatMap(({ key, kind }) => (kind === "other" ? [] : [{ key, kind }])));
  }

  /** What arrived counts, whatever ended the sync. */
  async fail(error: unknown): Promise<void> {
    const code = isRainbowError(error) ? error.code : "IO";
    const message = error instanceof Error ? error.message : String(error);
    this.parts.memory.hasTidied = false;
    try {
      await this.depot.salvage();
      await this.parts.files.record([{ type: "SyncFailed", code, message: message.slice(0, 1000) }]);
    } catch (failure) {
      // The store or the stream is what failed: then that cannot be recorded, and the first error tells why.
      if (failure !== error && !isRainbowError(failure)) throw failure;
    }
  }

  /** Whether that one file is what it was: looked at by itself, which costs the server next to nothing. One that is not there has changed. */
  async isProbeUnchanged(probe: ByteString): Promise<boolean> {
    const { files, source } = this.parts;
    const list = await files.list();
    try {
      const stored = list.entry(probe);
      if (stored?.kind !== "file") return false;
      const path = (source.path === "" ? probe : `${source.path}/${probe}`) as ByteString;
      let isSame = false;
      const take = (event: SessionEvent): void => {
        if (event.type === "motd") this.watcher.message(event.text);
        if (event.type !== "entry" || event.entry.kind !== "file") return;
        const { sizeBytes, mtimeSeconds, mtimeNanos } = event.entry;
        isSame = sizeBytes === stored.sizeBytes && mtimeSeconds === stored.mtimeSeconds && (mtimeNanos === 0 || mtimeNanos === stored.mtimeNanos);
      };
      await this.converse({ ...this.sessionOptions(undefined), filters: [], paths: [path], isRecursive: false, listDigests: false }, () => take, this.signal);
      return isSame;
    } catch (error) {
      if (isRainbowError(error, "RSYNC_REFUSED")) return false; // Most often: there is no such file.
      throw error;
    } finally {
      list.close();
    }
  }

  progress(): SyncProgress {
    const { entryCount, wantedCount, wantedBytes, comeCount, comeBytes, receivedBytes } = this.counts;
    return { entryCount, wantedCount, wantedBytes, comeCount, comeBytes, receivedBytes, isListed: this.listing?.isListComplete === true };
  }

  outcome(): SyncOutcome {
    const { counts, ioError, held } = this;
    const queuedCount = this.parts.files.deletions.count;
    return { counts, isUnchanged: false, ioError, heldBecause: held?.why ?? "", heldBy: held?.by ?? ("" as ByteString), queuedCount };
  }

  /** Lists, fetches, publishes, deletes; whether another round is needed for what could not be done before the deletions. */
  private async goRound(): Promise<boolean> {
    const { files, store, digests } = this.parts;
    const { options, counts, watcher, depot, contents, order } = this;
    const list = await files.list();
    Object.assign(counts, { entryCount: 0, totalBytes: 0, sameCount: 0, leftOverCount: 0, skippedCount: 0 });
    const lostBefore = depot.lostCount;
    const resumables = await this.resume();
    const checkpoints = this.checkpointsFor(resumables);
    try {
      const round = await this.runSession(
        (session, lanes) =>
          new Round({ store, files, list, depot, contents, resumables, checkpoints, order, digests, options, counts, watcher, lanes }, session),
      );
      await checkpoints?.finish();
      this.ioError |= round.ioError;
      if (options.dryRun) {
        await this.foresee(round, list);
        return false;
      }
      for (const { upload } of resumables.values()) await upload.abort(); // Of files that are gone, or others now.
      await round.fetching.publish();
      await depot.flush();
      await this.delete(round, list);
      await depot.flush();
      return (round.wantsAnother && this.held === undefined) || depot.lostCount > lostBefore || round.fetching.spoiledCount > 0;
    } catch (error) {
      await checkpoints?.finish().catch(() => undefined); // The first error tells why.
      this.parts.memory.brokenUploads = [...this.broken, ...(await letGo(resumables))];
      throw error;
    } finally {
      list.close();
    }
  }

  /** Uploads that broke, to be gone on with. */
  private async resume(): Promise<Map<ByteString, Resumable>> {
    const { memory, store } = this.parts;
    const { brokenUploads = [] } = memory;
    if (this.options.dryRun || brokenUploads.length === 0) return new Map();
    memory.brokenUploads = [];
    return resumeUploads(store, this.options.partial ? brokenUploads : []);
  }

  private checkpointsFor(resumables: ReadonlyMap<ByteString, Resumable>): Checkpoints | undefined {
    const { store, checkpoints } = this.parts;
    if (checkpoints === undefined || this.options.dryRun) return undefined;
    return new Checkpoints(
      store,
      checkpoints,
      [...resumables.values()].map(({ broken }) => broken),
    );
  }

  private async runSession(roundFor: RoundFor): Promise<Round> {
    const { memory } = this.parts;
    try {
      return await this.trySession(roundFor, memory.refusesSeed ? undefined : memory.seed);
    } catch (error) {
      // A server may be set to refuse the option, and an old one does not know it. It says so before it lists anything.
      const isAboutSeed = !memory.refusesSeed && isRainbowError(error, "RSYNC_REFUSED", "RSYNC_ENDED") && /checksum-seed/.test(error.message);
      if (!isAboutSeed) throw error;
      memory.refusesSeed = true;
      return await this.trySession(roundFor, undefined);
    }
  }

  private async trySession(roundFor: RoundFor, checksumSeed: number | undefined): Promise<Round> {
    const { source } = this.parts;
    const sessionOptions = this.sessionOptions(checksumSeed);
    const stop = new AbortController();
    const signal = AbortSignal.any([this.signal, stop.signal]);
    let round: Round | undefined;
    try {
      await this.converse(
        sessionOptions,
        (session) => {
          const begun = (round = roundFor(session, this.lanesBeside(sessionOptions, stop, signal)));
          return (event) => begun.take(event);
        },
        signal,
      );
      await round?.finish();
    } catch (error) {
      this.broken = (await round?.abandon()) ?? [];
      throw error;
    }
    if (round?.hasListed === true) return round;
    throw new RainbowError("RSYNC_REFUSED", `the rsync server lists nothing for '${displayOf(source.path)}'`, { path: source.path });
  }

  /** The one connection that lists, and its session, to its end. */
  private async converse(sessionOptions: SessionOptions, takerFor: (session: Session) => TakeEvent, signal: AbortSignal): Promise<void> {
    const { clock, source, digests, openZstdStream } = this.parts;
    const { watcher } = this;
    watcher.phase("connecting");
    const { wire, peer } = await this.connect(source.address.host);
    this.peer = peer;
    const session = new Session(sessionOptions, digests, openZstdStream);
    this.listing = session;
    watcher.phase("listing");
    await carry(session, wire, takerFor(session), clock, signal);
  }

  private async connect(host: string): Promise<{ readonly wire: Wire; readonly peer: string | undefined }> {
    const { dial, source } = this.parts;
    const dialled = await dial({ ...source.address, host }, this.options.timeouts);
    return { wire: counted(this.pace === undefined ? dialled : throttled(dialled, this.pace), this.counts), peer: dialled.peer };
  }

  /** What further connections of a session need, where there may be some: to the same server, if the name stands for several. */
  private lanesBeside(sessionOptions: SessionOptions, stop: AbortController, signal: AbortSignal): LaneParts | undefined {
    const { clock, openZstdStream, source } = this.parts;
    const { watcher } = this;
    const { connections, dryRun, laneLimits: limits } = this.options;
    if (connections === 1 || dryRun) return undefined;
    const options = { ...sessionOptions, hardLinks: false, listDigests: false };
    const open = async (): Promise<Wire> => (await this.connect(this.peer ?? source.address.host)).wire;
    return { connections, limits, options, openZstdStream, open, clock, stop, signal, watcher };
  }

  private sessionOptions(checksumSeed: number | undefined): SessionOptions {
    const { source } = this.parts;
    const { options } = this;
    return {
      module: source.module,
      ...(source.login === undefined ? {} : { login: source.login }),
      paths: [(source.path === "" ? "" : `${source.path}/`) as ByteString],
      hardLinks: true,
      listDigests: options.checksum,
      filters: options.filters,
      checksumSeed,
      ...(options.protocolMax === undefined ? {} : { protocolMax: options.protocolMax }),
      limits: options.limits,
    };
  }

  /** What is to be removed as the filters, and rule files in `fresh`, have it; content before its directory. */
  private removals(round: Round, list: FileList, fresh: FileList): Removals {
    const protection = Protection.of(fresh, this.parts.store, this.options);
    return { entries: () => removalsOf(list, round.gone, protection), doubt: () => protection?.doubt };
  }

  /** Whether removals may be, and how many there are that nobody knew of. */
  private async judge(round: Round, removals: Removals): Promise<{ readonly held: Doubt | undefined; readonly removalCount: number }> {
    const { counts, options } = this;
    const { deletions } = this.parts.files;
    let removalCount = 0;
    let example = "" as ByteString;
    for await (const { path } of removals.entries()) {
      if (deletions.count > 0 && deletions.queued([path]).length > 0) continue;
      if (removalCount++ === 0) example = path;
    }
    const failed = round.fetching.firstFailed;
    if (failed !== undefined) round.suspect("a file could not be fetched", failed);
    const ruleDoubt = removals.doubt();
    if (ruleDoubt !== undefined) round.suspect(ruleDoubt.why, ruleDoubt.by);
    const { doubt } = round;
    const isCut = round.fetching.isCut;
    const found = { doubt, entryCount: counts.entryCount, keptCount: round.keptCount, removalCount, example, isCut };
    return { held: holdReason(found, options), removalCount };
  }

  /** What a dry run says of removals. */
  private async foresee(round: Round, list: FileList): Promise<void> {
    if (!this.options.deletes) return;
    const removals = this.removals(round, list, list);
    this.held = (await this.judge(round, removals)).held;
    if (this.held !== undefined) return;
    for await (const { path } of removals.entries()) this.watcher.item({ path, what: "deleted", why: "" });
  }

  private async delete(round: Round, list: FileList): Promise<void> {
    const { files, store, clock } = this.parts;
    const { log, options, counts, watcher, signal } = this;
    if (!options.deletes) return;
    if (!round.gone.isEmpty || files.deletions.count > 0) watcher.phase("deleting");
    const deleting = { store, files, log, nowUs: clock.now(), options, counts, watcher, signal };
    const fresh = await files.list();
    try {
      const removals = this.removals(round, list, fresh);
      const { held, removalCount } = await this.judge(round, removals);
      this.held = held;
      if (held !== undefined) return;
      if (removalCount > 0) await enqueue(deleting, removals.entries());
    } finally {
      fresh.close();
    }
    if (files.deletions.count > 0) await removeDue(deleting);
  }
}

interface Removals {
  readonly entries: () => AsyncGenerator<FileEntry>;
  readonly doubt: () => Doubt | undefined;
}
