/**
 * What a person can ask of Rainbow, as one typed table. The same table is served by a running `up` through its local socket and by
 * the command itself where nothing runs. Everything is JSON but `bytes`. Paths are ByteStrings (latin1 of raw bytes), absolute; where
 * something is read `mirror:NAME/PATH` names what a mirror has.
 * Long operations yield `progress` items in between; the last item of a streaming operation may be a summary. A stream ends early, without
 * an error, when its `signal` aborts (the asker went away); one that waits for something new must look at it.
 */
import type { ActionKind, ActionResult, ByteString, ChangeOrigin, GapReason, LeftOut, NodeKind, RootOptions, RootStatus, ScanProgress } from "./imports.ts";
import type { MirrorBrief, MirrorOperations } from "./mirror-types.ts";

/** What a user named, parsed with the user's clock and zone. */
export type InstantWords =
  | { readonly kind: "now" }
  | { readonly kind: "time"; readonly us: number; readonly text: string }
  | { readonly kind: "revision"; readonly revision: number }
  | { readonly kind: "name"; readonly name: string };

/** What it resolved to; goes with every answer of a reading operation. */
export interface AsOf {
  readonly revision: number;
  /** Agent time of the batch that ends there. */
  readonly timeUs: number;
  /** Gaps, unsettled versions, clock stretches, times after the last CaughtUp: said on stderr, and exit 3 where they touch the answer. */
  readonly warnings: readonly string[];
  /** What people are to know beside the answer, which is whole: said on stderr. */
  readonly notices?: readonly string[];
}

export interface Entry {
  readonly path: ByteString;
  readonly name: ByteString;
  readonly node: number;
  readonly kind: NodeKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  readonly linkTarget: ByteString;
  readonly linkCount: number;
  readonly unsettled: boolean;
  /** Its content was purged: by which event and when; null where it is still there. */
  readonly purged: PurgedFact | null;
}
export interface PurgedFact {
  readonly revision: number;
  readonly timeUs: number;
}

export interface ProgressItem {
  readonly type: "progress";
  readonly phase: string;
  readonly doneBytes: number;
  readonly allBytes: number;
  readonly doneCount: number;
  readonly allCount: number;
}
export interface AsOfItem extends AsOf {
  readonly type: "as-of";
}
export interface EntryItem extends Entry {
  readonly type: "entry";
  readonly depth: number;
}
export interface VersionItem {
  readonly type: "version";
  readonly revision: number;
  readonly timeUs: number;
  readonly path: ByteString;
  readonly sizeBytes: number;
  /** For people: "created", "written 4.0 KiB", "renamed from 'x'", "mode 0644 -> 0600", "deleted". */
  readonly changes: readonly string[];
  readonly unsettled: boolean;
  readonly purged: PurgedFact | null;
  /** The processes that wrote it, where the source knew them. */
  readonly origins: readonly ChangeOrigin[];
}
export interface DiffItem {
  readonly type: "difference";
  readonly what: "added" | "removed" | "changed" | "metadata" | "renamed" | "kind";
  readonly path: ByteString;
  /** For "renamed". */
  readonly fromPath?: ByteString;
  readonly before?: Entry;
  readonly after?: Entry;
  /** For text files, with `text`: a unified diff. */
  readonly text?: string;
}
export interface DeletedItem {
  readonly type: "deleted";
  readonly path: ByteString;
  readonly kind: NodeKind;
  readonly sizeBytes: number;
  readonly timeUs: number;
  /** The revision of the batch end before it went: read or restore it there. */
  readonly lastRevision: number;
  /** It cannot be brought back. */
  readonly purged: PurgedFact | null;
}
export interface RestoreItem {
  readonly type: "restored";
  readonly path: ByteString;
  readonly what: "created" | "replaced" | "same" | "deleted" | "would-create" | "would-replace" | "would-delete" | "purged" | "failed" | "metadata-failed";
  readonly detail: string;
}
export interface RestoreSummary {
  readonly type: "summary";
  readonly createdCount: number;
  readonly replacedCount: number;
  readonly sameCount: number;
  readonly deletedCount: number;
  readonly writtenBytes: number;
  /** Left out: their content was purged. */
  readonly purgedCount: number;
  readonly failedCount: number;
  /** Restored, but the stored version is unsettled or touched by a gap: its item says so. */
  readonly doubtfulCount: number;
  /** Instant just before an in-place restore, for the command that undoes it. */
  readonly undoRevision?: number;
}
export interface PolicyAnswer {
  /** By the words of `policy set`. */
  readonly values: Readonly<Record<string, number>>;
  /** Jumps of the host's clock that count for nothing until someone accepts them. */
  readonly jumps: readonly { readonly fromUs: number; readonly toUs: number }[];
}
export interface RetentionAnswer extends PolicyAnswer {
  readonly windowRevision: number;
  readonly windowTimeUs: number;
  /** Where the window would begin. */
  readonly nextWindowRevision: number;
  readonly nextWindowTimeUs: number;
  /** Revisions of the window that could not be named any more. */
  readonly lostRevisions: number;
  readonly lostBytes: number;
  readonly dropped: readonly string[];
  readonly kept: readonly string[];
}
export interface RebasedItem {
  readonly type: "rebased";
  /** Every instant from here on is kept. */
  readonly windowRevision: number;
  readonly windowTimeUs: number;
  /** Of the data file; events and tables of the control file come on top. */
  readonly freedBytes: number;
}
/** What a purge concerns: shown before it is done. */
export interface PurgePlanItem {
  readonly type: "purge-plan";
  readonly paths: readonly { readonly path: ByteString; readonly fileCount: number }[];
  readonly fileCount: number;
  /** Files that exist now, wherever they lie now: the first few of their paths. */
  readonly presentCount: number;
  readonly presentPaths: readonly ByteString[];
}
export interface PurgedItem {
  readonly type: "purged";
  /** No instant before it shows the content any more. */
  readonly revision: number;
  readonly fileCount: number;
  readonly freedBytes: number;
  /** False: the rest of the space is given back by the next look of a running `up`, or the next purge. */
  readonly isFinished: boolean;
  /** For want of room so many runs of chunks were not moved: purged bytes lie in blocks that they share with others, until they are. */
  readonly unmovedRuns: number;
}
/** What a replay beside the live projections came to. */
export interface ReplayedItem {
  readonly type: "replayed";
  readonly revision: number;
  readonly timeUs: number;
  readonly eventCount: number;
  readonly keyCount: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** Of all that is true at that revision, in hex: the same wherever the same events are replayed. */
  readonly digest: string;
  readonly differenceCount: number;
  /** Where it can be read with --data-dir. */
  readonly into?: string;
}
export interface ProblemItem {
  readonly type: "problem";
  readonly what: string;
  readonly where: string;
  readonly paths: readonly ByteString[];
}
/** A damaged event store was made anew of what is sound in it; the damaged one is kept. */
export interface SalvagedItem {
  readonly type: "salvaged";
  /** What is damaged, and where. */
  readonly damage: string;
  /** The last event that was saved, and its agent time. */
  readonly savedRevision: number;
  readonly savedTimeUs: number;
  /** How many events came after it; undefined where the damaged store does not tell. */
  readonly lostEventCount: number | undefined;
  readonly keptPath: string;
}
export interface EventItem {
  readonly type: "event";
  readonly revision: number;
  readonly timeUs: number;
  readonly event: string;
  /** Readable JSON of the event's data. */
  readonly data: Record<string, unknown>;
  /** The process that made the change, where the source knew it. */
  readonly origin?: ChangeOrigin;
}
/** Kinds of an audit: what people ask for (events' ACTIONS), what became of files ("write"), and facts of the machine. */
export type AuditKind = ActionKind | "write" | "enrol" | "start" | "gap" | "audit";

export interface AuditItem {
  readonly type: "audit";
  /** "asked": somebody asked the host for it. "recorded": the machine's stream says that it happened. */
  readonly source: "asked" | "recorded";
  readonly timeUs: number;
  readonly kind: AuditKind;
  /** The operation that was asked for. */
  readonly operation?: string;
  /** Of the event, in its own stream. */
  readonly revision: number;
  /** Who asked; undefined for what is only recorded. */
  readonly who: { readonly uid: number; readonly user: string; readonly loginUid: number; readonly pid: number } | undefined;
  /** The processes that wrote, where the source knew them. */
  readonly processes: readonly ChangeOrigin[];
  readonly paths: readonly ByteString[];
  readonly result: ActionResult;
  /** Of the table of errors, where it was refused or failed. */
  readonly code: string;
  readonly detail: string;
  /** The revision that was read, restored, or led to. */
  readonly asOfRevision: number | undefined;
}
export interface AuditRequest {
  /** These, and what lies below them; [] for all. */
  readonly paths: readonly ByteString[];
  readonly sinceUs: number | undefined;
  readonly untilUs: number | undefined;
  /** A user's name or number, or a process's. */
  readonly who: string | undefined;
  /** Kinds, and "refused"; [] for all. */
  readonly what: readonly string[];
  /** UUID or label. */
  readonly machine: string | undefined;
  readonly follow: boolean;
  readonly maxCount: number;
}
/** A stream whose events are all there, in order and as they were written. */
export interface VerifiedItem {
  readonly type: "verified";
  readonly stream: string;
  /** The end before its first whole batch; -1 where nothing was let go. */
  readonly start: { readonly revision: number; readonly chainHash: string };
  readonly revision: number;
  /** At its end, in hex. */
  readonly chainHash: string;
  readonly batchCount: number;
  readonly eventCount: number;
  /** How many hashes that are kept elsewhere (heads, the audit, moves of the window) it was held against. */
  readonly provenCount: number;
}
/** The first break of a stream; "" and -1 for a hash that no stream has. */
export interface BrokenItem {
  readonly type: "broken";
  readonly stream: string;
  readonly revision: number;
  readonly why: string;
}
/** A head that nothing that is kept can prove or refute. */
export interface UnprovenItem {
  readonly type: "unproven";
  readonly head: string;
  readonly why: string;
}
/** Whose history it is about: that of the mirror of this name, else the machine's. */
export interface OfMirror {
  readonly mirror?: string | undefined;
}
export interface SnapshotEntry {
  readonly name: string;
  readonly revision: number;
  readonly timeUs: number;
  readonly pinned: boolean;
}

/** A start on a long tail of events: how far it is. */
export interface ReplayStatus {
  readonly doneEvents: number;
  readonly allEvents: number;
  readonly eventsPerSecond: number;
  /** undefined until the rate is known. */
  readonly secondsLeft: number | undefined;
}

export interface StatusAnswer {
  readonly running: boolean;
  readonly pid: number;
  readonly version: string;
  readonly dataDirectory: string;
  readonly machine: string;
  readonly label: string;
  /** "mirroring": no folder is protected here, and mirrors are kept. */
  readonly state: "starting" | "protecting" | "mirroring" | "degraded" | "paused" | "idle";
  /** Why degraded; empty otherwise. */
  readonly reasons: readonly string[];
  /** While "starting", once it is known. */
  readonly replay: ReplayStatus | undefined;
  readonly source: string;
  readonly limits: readonly string[];
  /** What this build cannot keep (no addon). */
  readonly lacks: readonly string[];
  readonly roots: readonly RootStatus[];
  readonly mirrors: readonly MirrorBrief[];
  readonly scan: ScanProgress | undefined;
  readonly dirtyCount: number;
  readonly unacknowledgedBatches: number;
  readonly headRevision: number;
  readonly headTimeUs: number;
  /** Start of the window: the first revision that can be named. */
  readonly windowRevision: number;
  readonly windowTimeUs: number;
  readonly gaps: readonly { readonly reason: GapReason; readonly sinceUs: number; readonly detail: string }[];
  readonly storedBytes: number;
  readonly payloadBytes: number;
  readonly metadataBytes: number;
  readonly eventBytes: number;
  readonly freeDiskBytes: number;
  readonly quotaBytes: number;
  /** What retention asks or fails at, for people; [] while all is well. */
  readonly retentionNotices: readonly string[];
  /** What became of entries of the audit that could not be stored; [] while all is well. */
  readonly auditNotices: readonly string[];
  /** Where the events are: "embedded", or the server's address without its password. */
  readonly events: string;
}

export interface FlushAnswer {
  readonly revision: number;
  readonly timeUs: number;
  readonly notices: readonly string[];
  readonly incomplete: readonly string[];
}

export interface RestoreRequest {
  readonly path: ByteString;
  readonly at: InstantWords;
  /** Absolute. */
  readonly target: ByteString;
  readonly overwrite: boolean;
  readonly delete: boolean;
  readonly dryRun: boolean;
  /** gitignore-syntax patterns relative to PATH. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Flush first, and note the revision that undoes it. */
  readonly inPlace: boolean;
}

export interface Operations extends MirrorOperations {
  status(): Promise<StatusAnswer>;
  /** Where nothing runs: the roots are noted and protected from the next `up` on. */
  addRoot(request: { readonly path: ByteString; readonly options: RootOptions }): Promise<RootStatus>;
  removeRoot(request: { readonly path: ByteString }): Promise<void>;
  roots(): Promise<readonly RootStatus[]>;
  flush(request: { readonly full: boolean }): Promise<FlushAnswer>;
  pause(request: { readonly forMs: number | undefined }): Promise<void>;
  resume(): Promise<void>;
  /** Resolves an instant of what has `path`. INSTANT_… errors name the choices. */
  instant(request: { readonly path: ByteString; readonly at: InstantWords }): Promise<AsOf>;
  /** One entry, or NOT_FOUND. */
  stat(request: { readonly path: ByteString; readonly at: InstantWords }): Promise<{ readonly asOf: AsOf; readonly entry: Entry }>;
  /** The entry itself where it is no directory, else its children; `depthMax` 1 lists children, more goes deeper (tree), in byte order, parents first. */
  list(request: { readonly path: ByteString; readonly at: InstantWords; readonly depthMax: number }, signal?: AbortSignal): AsyncIterable<AsOfItem | EntryItem>;
  /** Glob over names (`*`, `?`, `[…]`), or over paths relative to `path` where it holds a slash. */
  find(request: { readonly path: ByteString; readonly pattern: string; readonly at: InstantWords }, signal?: AbortSignal): AsyncIterable<AsOfItem | EntryItem>;
  /** A file's bytes in order. The first item says as of when. */
  read(
    request: { readonly path: ByteString; readonly at: InstantWords },
    signal?: AbortSignal,
  ): AsyncIterable<AsOfItem | { readonly type: "bytes"; readonly bytes: Buffer }>;
  log(request: { readonly path: ByteString; readonly at: InstantWords; readonly maxCount: number }, signal?: AbortSignal): AsyncIterable<VersionItem>;
  diff(
    request: {
      readonly path: ByteString;
      readonly at: InstantWords;
      readonly otherPath: ByteString;
      readonly otherAt: InstantWords;
      readonly text: boolean;
    },
    signal?: AbortSignal,
  ): AsyncIterable<AsOfItem | DiffItem>;
  deleted(request: { readonly path: ByteString | undefined; readonly maxCount: number }, signal?: AbortSignal): AsyncIterable<DeletedItem>;
  restore(request: RestoreRequest, signal?: AbortSignal): AsyncIterable<AsOfItem | ProgressItem | RestoreItem | RestoreSummary>;
  /** Brings the newest deleted version back to where it was, or to `target`; never over an existing file. */
  undelete(
    request: { readonly path: ByteString; readonly target: ByteString | undefined },
    signal?: AbortSignal,
  ): AsyncIterable<AsOfItem | ProgressItem | RestoreItem | RestoreSummary>;
  snapshot(request: OfMirror & { readonly name: string; readonly at: InstantWords; readonly pinned: boolean }): Promise<SnapshotEntry>;
  snapshots(request?: OfMirror): Promise<readonly SnapshotEntry[]>;
  /** What is kept and for how long, in the words of `policy set`; times in µs, sizes in bytes. */
  policy(request?: OfMirror): Promise<PolicyAnswer>;
  /** `words` as in keep=90d; [] with `acceptTime` says that the host's clock is right. */
  setPolicy(request: OfMirror & { readonly words: readonly string[]; readonly acceptTime: boolean }): Promise<PolicyAnswer>;
  /** What the policy would let go if so many days had passed; nothing goes by asking. */
  retention(request: OfMirror & { readonly days: number }): Promise<RetentionAnswer>;
  /** What only this snapshot kept goes with the next rebase. */
  dropSnapshot(request: OfMirror & { readonly name: string }): Promise<void>;
  /** Gives up every instant before `to` that no snapshot keeps; without it what the policy lets go. Stopped at any moment, the next one goes on where it was. */
  rebase(request: OfMirror & { readonly to: InstantWords | undefined }, signal?: AbortSignal): AsyncIterable<ProgressItem | RebasedItem>;
  /**
   * Takes the content of every file that ever lay at these paths, or below them, from all instants before now; names stay. PURGE_REFUSED
   * where such files exist now, unless `keepPresent`: then their present content stays. With `dryRun` it only says what it concerns.
   */
  purge(
    request: { readonly paths: readonly ByteString[]; readonly keepPresent: boolean; readonly dryRun: boolean },
    signal?: AbortSignal,
  ): AsyncIterable<ProgressItem | PurgePlanItem | PurgedItem>;
  leftOut(request: {
    readonly path: ByteString | undefined;
  }): Promise<{ readonly rules: readonly string[]; readonly items: readonly LeftOut[]; readonly total: number }>;
  why(request: { readonly path: ByteString }): Promise<LeftOut | undefined>;
  check(request: { readonly readData: boolean }, signal?: AbortSignal): AsyncIterable<ProgressItem | ProblemItem>;
  /** Refused with BUSY while an `up` runs. */
  repair(request: Record<never, never>, signal?: AbortSignal): AsyncIterable<ProgressItem | ProblemItem | SalvagedItem>;
  /**
   * `verify`, `to`, `into`: rebuilds the projections beside the live ones, in memory or in a data directory of its own (an absolute path),
   * and compares; a difference is a problem. Without any of them the projections themselves are made anew.
   */
  replay(
    request: { readonly verify: boolean; readonly to?: InstantWords; readonly into?: string },
    signal?: AbortSignal,
  ): AsyncIterable<ProgressItem | ProblemItem | ReplayedItem>;
  /** Readable events from `from` on; with `follow` it goes on with new ones. */
  events(request: { readonly from: number; readonly maxCount: number; readonly follow: boolean }, signal?: AbortSignal): AsyncIterable<EventItem>;
  /** Newest first; with `follow` the newest of before, oldest first, and then what comes. */
  audit(request: AuditRequest, signal?: AbortSignal): AsyncIterable<AuditItem>;
  /** Walks every chained stream, or those of one machine; the first break of each is an item. `head`: what `heads` gave once. */
  verify(
    request: { readonly head: string | undefined; readonly machine: string | undefined },
    signal?: AbortSignal,
  ): AsyncIterable<ProgressItem | VerifiedItem | BrokenItem | UnprovenItem>;
  /** The ends of all chained streams in one word, to be kept elsewhere. */
  heads(request: { readonly machine: string | undefined }): Promise<string>;
  /** The largest folders of a place, counting what lies below them. */
  largest(request: {
    readonly path: ByteString;
    readonly maxCount: number;
    readonly at: InstantWords;
  }): Promise<readonly { readonly path: ByteString; readonly bytes: number; readonly nodeCount: number }[]>;
}
