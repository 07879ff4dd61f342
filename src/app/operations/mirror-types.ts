/** What a person can ask of mirrors. Plain JSON; paths are ByteStrings, relative to the mirror's top. */
import type { ByteString } from "./imports.ts";

/** What is said of a mirror beside source and target; what is absent is as SYNC_OPTIONS has it. Kept in its definition. */
export interface MirrorSettings {
  /** Between the starts of two syncs of a running host; absent or 0: only when somebody asks. */
  readonly everyMs?: number;
  readonly deletes?: boolean;
  readonly deleteGraceMs?: number;
  readonly maxDelete?: number;
  readonly deleteExcluded?: boolean;
  /** Filter rules in rsync's words, in order. */
  readonly filters?: readonly ByteString[];
  readonly safeLinks?: boolean;
  readonly checksum?: boolean;
  readonly partial?: boolean;
  /** 0: as fast as it goes. */
  readonly bytesPerSecondMax?: number;
  readonly connectMs?: number;
  readonly silenceMs?: number;
  /** From 1 to 16. */
  readonly connections?: number;
  readonly localAddress?: string;
  readonly family?: 4 | 6;
  readonly maxNewBytes?: number;
  readonly probe?: ByteString;
  /** Patterns of files that become visible last. */
  readonly last?: readonly string[];
  readonly temporaryNames?: boolean;
  readonly protocolMax?: number;
  /** Where the password is read from, at each sync; absolute. */
  readonly passwordFile?: string;
  /** The weakest digest to log in with. */
  readonly loginDigest?: string;
  /** Of files in a bucket that are made of what it had: `trust` (absent) goes by their block sums, `scrub` reads them back after each sync. */
  readonly proof?: "trust" | "scrub";
  /** Of a bucket: keep old versions; the S3 server's address; the profile of ~/.aws. */
  readonly versioning?: boolean;
  readonly endpoint?: string;
  readonly awsProfile?: string;
  /** Which directory the target was when it was made: another one in its place, as where a disk is not mounted, is refused. */
  readonly targetIdentity?: string;
}

/** Filters as they are given: rules, patterns (one, or the lines of a file), or the paths that alone are wanted. */
export interface FilterLines {
  readonly kind: "rule" | "include" | "exclude" | "files-from";
  readonly lines: readonly string[];
}

/** Settings as a command line gives them; `profile` and `filterLines` become settings. */
export interface MirrorWords extends Omit<MirrorSettings, "filters" | "targetIdentity" | "proof"> {
  readonly proof?: string;
  readonly filterLines?: readonly FilterLines[];
  readonly profile?: string;
}

export interface MirrorEntry {
  readonly name: string;
  readonly source: string;
  readonly target: string;
  readonly settings: MirrorSettings;
}

/** How far long work on a mirror is. Totals are 0 while they are unknown. */
export interface MirrorProgress {
  readonly phase: string;
  /** Files whose content is here, of those that are wanted; names, where nothing is fetched. */
  readonly doneCount: number;
  readonly allCount: number;
  readonly doneBytes: number;
  readonly allBytes: number;
  /** Of a sync: names that were listed, what came over the wire, and whether there may be more to fetch than is known yet. */
  readonly listedCount: number;
  readonly receivedBytes: number;
  readonly isGrowing: boolean;
}

export interface MirrorProgressItem extends MirrorProgress {
  readonly type: "mirror-progress";
  readonly name: string;
}

export interface MirrorStatus extends MirrorEntry {
  readonly state: "waiting" | "syncing" | "backing-off";
  /** Of a sync that runs: connecting, listing, comparing, fetching, publishing, deleting, committing, scrubbing; else "". */
  readonly phase: string;
  /** Of a sync that runs. */
  readonly progress: MirrorProgress | undefined;
  /** All are times of the host; undefined where there was none, or none will be. */
  readonly lastStartedUs: number | undefined;
  /** The last sync that reached its end. */
  readonly lastUpdatedUs: number | undefined;
  readonly lastEndedUs: number | undefined;
  readonly nextRunUs: number | undefined;
  /** What upstream had at the last sync that reached its end. */
  readonly entryCount: number;
  readonly sizeBytes: number;
  /** Names that are gone upstream and not yet here. */
  readonly queuedCount: number;
  /** Why nothing is deleted, and which name caused it; "" where deletes are not held. */
  readonly heldBecause: string;
  readonly heldBy: ByteString;
  readonly heldSinceUs: number | undefined;
  /** Every instant from here on is kept; those before are gone, but for snapshots. */
  readonly windowRevision: number;
  readonly windowTimeUs: number;
  /** Why the last sync failed; "" where it did not. */
  readonly failure: string;
  /** Why somebody should look at it. */
  readonly alarms: readonly string[];
}

/** A mirror in the status of its host; the fields are those of MirrorStatus. */
export type MirrorBrief = Pick<MirrorStatus, "name" | "state" | "phase" | "nextRunUs" | "lastUpdatedUs" | "heldBecause" | "failure">;

export interface MirrorRequest {
  readonly name: string;
}

export interface MirrorAddRequest {
  readonly source: string;
  readonly target: string;
  /** Undefined: the module's name. */
  readonly name: string | undefined;
  readonly words: MirrorWords;
}

export interface MirrorSyncRequest {
  /** [] for all. */
  readonly names: readonly string[];
  /** For this sync alone, over the mirror's own. */
  readonly words: MirrorWords;
  readonly dryRun: boolean;
  /** Each name, or only those that failed. */
  readonly showsEach: boolean;
  /** Used for this sync, and kept nowhere. */
  readonly password: string | undefined;
}

export type MirrorSyncItem =
  | { readonly type: "mirror-phase"; readonly name: string; readonly phase: string }
  | { readonly type: "mirror-message"; readonly name: string; readonly text: string }
  | { readonly type: "mirror-item"; readonly name: string; readonly path: ByteString; readonly what: string; readonly why: string }
  | MirrorProgressItem
  /** Names came faster than they could be told. */
  | { readonly type: "mirror-untold"; readonly name: string; readonly count: number }
  | MirrorSynced
  | { readonly type: "mirror-failed"; readonly name: string; readonly code: string; readonly message: string };

export interface MirrorSynced {
  readonly type: "mirror-synced";
  readonly name: string;
  /** The probed file is what it was, and nothing else was looked at. */
  readonly isUnchanged: boolean;
  readonly entryCount: number;
  readonly totalBytes: number;
  readonly arrivedCount: number;
  readonly touchedCount: number;
  readonly withdrawnCount: number;
  readonly failedCount: number;
  readonly leftOverCount: number;
  readonly skippedCount: number;
  readonly queuedCount: number;
  /** Files whose content was wanted, and its size. */
  readonly wantedCount: number;
  readonly wantedBytes: number;
  readonly fetchedBytes: number;
  readonly reusedBytes: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** From its start to its end. */
  readonly seconds: number;
  readonly ioError: number;
  readonly heldBecause: string;
  readonly heldBy: ByteString;
}

export interface MirrorFaultItem {
  readonly type: "mirror-fault";
  readonly path: ByteString;
  readonly what: string;
  readonly detail: string;
}

/** The last item of a check, a scrub or a recovery; counts by their names. */
export interface MirrorSummary {
  readonly type: "summary";
  readonly counts: Readonly<Record<string, number>>;
}

export interface MirrorLogItem {
  readonly type: "mirror-log";
  readonly revision: number;
  readonly timeUs: number;
  readonly event: "SyncStarted" | "SyncFinished" | "SyncFailed" | "MirrorDefined";
  readonly data: Readonly<Record<string, unknown>>;
}

export interface MirrorOperations {
  /** Defines a mirror, and makes its bucket or directory where it is missing. Its first sync comes with its schedule, or when it is asked for. */
  mirrorAdd(request: MirrorAddRequest): Promise<MirrorEntry>;
  /** Changes what is given, and nothing else. With `acceptsTarget` the directory that is there now is the target. */
  mirrorSet(request: MirrorRequest & { readonly words: MirrorWords; readonly acceptsTarget: boolean }): Promise<MirrorEntry>;
  /** Its history and its file list go; what it stored stays. BUSY while it syncs. */
  mirrorRemove(request: MirrorRequest): Promise<void>;
  mirrors(): Promise<readonly MirrorEntry[]>;
  /** All, or those named. */
  mirrorStatus(request: { readonly names: readonly string[] }): Promise<readonly MirrorStatus[]>;
  /** Syncs that run already are waited for, and one more follows. Ends when all have ended; a failure is an item, and others go on. */
  mirrorSync(request: MirrorSyncRequest, signal?: AbortSignal): AsyncIterable<MirrorSyncItem>;
  /** Asks for a sync and does not wait for it. NOT_RUNNING where no host runs. */
  mirrorTrigger(request: MirrorRequest): Promise<void>;
  /** Newest first. */
  mirrorLog(request: MirrorRequest & { readonly maxCount: number }, signal?: AbortSignal): AsyncIterable<MirrorLogItem>;
  /** The file list against the object store; with `mends` the next sync fetches anew what is wrong. */
  mirrorCheck(
    request: MirrorRequest & { readonly readData: boolean; readonly mends: boolean },
    signal?: AbortSignal,
  ): AsyncIterable<MirrorProgressItem | MirrorFaultItem | MirrorSummary>;
  /** Files of which only the server's word is known are read back: proven, or forgotten, so that the next sync fetches them whole. */
  mirrorScrub(request: MirrorRequest, signal?: AbortSignal): AsyncIterable<MirrorProgressItem | MirrorFaultItem | MirrorSummary>;
  /** The file list is made anew from the object store. */
  mirrorRecover(request: MirrorRequest, signal?: AbortSignal): AsyncIterable<MirrorProgressItem | MirrorFaultItem | MirrorSummary>;
  /** Modes and times that changed alone, and digests, are written to the objects; what each sync does for a few of them. Returns how many. */
  mirrorSettle(request: MirrorRequest): Promise<number>;
  /** The next sync fetches these paths anew. */
  mirrorForget(request: MirrorRequest & { readonly paths: readonly ByteString[] }): Promise<void>;
}
