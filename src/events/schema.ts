/**
 * WHAT HAPPENED: the events of the machine stream and of the host's audit. A published event never changes; a new version gets an upcast.
 * Changes (src/core/change.ts) are the agent's facts; the rest are the host's own.
 */
import type { ByteString, Change, ChangeOrigin, ChunkNumber, Epoch, Revision, TimeUs } from "../core/index.ts";

/** First event of a machine's stream. `hashKey` is 32 bytes in hex: whoever can read the stream can read the files. */
export interface MachineEnrolled {
  readonly type: "MachineEnrolled";
  readonly machine: string;
  readonly label: string;
  readonly hashKey: string;
  /** UUID of the data file. */
  readonly dataFile: string;
}
/**
 * First event of a mirror's stream, and again when somebody changes what it says of source, target or options. It never holds a
 * password. `hashKey` and `dataFile` are as a machine's: a mirror's trees lie in a data file too.
 */
export interface MirrorDefined {
  readonly type: "MirrorDefined";
  readonly mirror: string;
  readonly label: string;
  readonly hashKey: string;
  readonly dataFile: string;
  /** rsync://[user@]host[:port]/module[/path] */
  readonly source: string;
  /** s3://bucket[/prefix], or a directory. */
  readonly target: string;
  /** As the mirror's actor defines them. */
  readonly options: Readonly<Record<string, unknown>>;
}
/** What the first event of a stream says: who it is of. */
export type Enrolment = MachineEnrolled | MirrorDefined;
/** Appended first at each open of the host: shuts out appends of before. */
export interface HostOpened {
  readonly type: "HostOpened";
  readonly version: string;
}
export interface EpochStarted {
  readonly type: "EpochStarted";
  readonly epoch: Epoch;
}
/** New chunks of this batch, numbered from `first` on without holes. */
export interface ChunksStored {
  readonly type: "ChunksStored";
  readonly first: ChunkNumber;
  readonly chunks: readonly { readonly hash: Buffer; readonly lengthBytes: number }[];
}
export interface SnapshotTaken {
  readonly type: "SnapshotTaken";
  readonly name: string;
  readonly revision: Revision;
  readonly atUs: TimeUs;
  readonly pinned: boolean;
}
export interface SnapshotDropped {
  readonly type: "SnapshotDropped";
  readonly name: string;
}
export interface PolicySet {
  readonly type: "PolicySet";
  readonly policy: Readonly<Record<string, unknown>>;
}
/** The content of these files is gone from every instant before this event; that they were there is not. */
export interface PathPurged {
  readonly type: "PathPurged";
  /** What a person named. */
  readonly path: ByteString;
  /** The files that ever lay there, ascending, as runs: distance from the end of the run before, length, distance, length … */
  readonly nodes: readonly number[];
}
/** The window's start moved (dig-tree and retention define the rest of its content when rebase is built). */
export interface Rebased {
  readonly type: "Rebased";
  readonly window: Revision;
  readonly state: Readonly<Record<string, unknown>>;
}

export type HostEvent = Enrolment | HostOpened | EpochStarted | ChunksStored | SnapshotTaken | SnapshotDropped | PolicySet | PathPurged | Rebased;
export type MachineEvent = Change | HostEvent;
export type MachineEventType = MachineEvent["type"];

/** Kinds of what people ask for and an audit keeps. */
export const ACTIONS = ["read", "restore", "undelete", "snapshot", "drop", "policy", "rebase", "purge", "protect", "release", "pause", "repair"] as const;
export type ActionKind = (typeof ACTIONS)[number];

/** "started": of what takes long; its end follows. "stopped": whoever asked went away, or interrupted it. */
export const ACTION_RESULTS = ["started", "done", "refused", "failed", "stopped"] as const;
export type ActionResult = (typeof ACTION_RESULTS)[number];

/** Somebody asked the host for something, and what came of it. */
export interface ActionNoted {
  readonly type: "ActionNoted";
  /** UUID of the request: its start and its end have the same. */
  readonly request: string;
  readonly action: ActionKind;
  /** The operation by its name in the table of operations. */
  readonly operation: string;
  /** User of the operating system who asked; -1 where that is not known. */
  readonly uid: number;
  /** That user's name at that time; "" where there is none. */
  readonly user: string;
  /** Who logged in, where the system knows (the user behind a sudo); -1 else. */
  readonly loginUid: number;
  /** The process that asked; 0 where that is not known. */
  readonly pid: number;
  readonly machine: string;
  /** What it was about: the first few paths. */
  readonly paths: readonly ByteString[];
  /** The revision that was read or restored, or that it led to; -1 where there is none. */
  readonly revision: Revision;
  readonly result: ActionResult;
  /** Of the closed table, where it was refused or failed; else "". */
  readonly code: string;
  /** For people: what was wanted, and what came of it. */
  readonly detail: string;
  /** When it was noted: it may have waited for the store. */
  readonly atUs: TimeUs;
  /** How far the machine's stream was then, and the chain hash there ("" where it had no event): the streams vouch for one another. */
  readonly witness: { readonly revision: Revision; readonly chainHash: string };
}
/** Entries that could not be stored, as the store took nothing for too long. */
export interface EntriesLost {
  readonly type: "EntriesLost";
  readonly count: number;
  readonly fromUs: TimeUs;
  readonly untilUs: TimeUs;
  readonly why: string;
}
/** Entries before a revision are let go. The chain begins anew with `chainHash`, that of the batch before it. */
export interface EntriesDropped {
  readonly type: "EntriesDropped";
  readonly before: Revision;
  readonly chainHash: string;
  readonly untilUs: TimeUs;
}

/** WHAT WAS ASKED FOR: the events of a host's audit stream. */
export type AuditEvent = ActionNoted | EntriesLost | EntriesDropped;
export type AuditEventType = AuditEvent["type"];

/** Any event of a chained stream. */
export type StreamEvent = MachineEvent | AuditEvent;

/** Every event's metadata. A batch is one append; its last event closes it. */
export interface EventMetadata {
  readonly agentTimeUs: TimeUs;
  readonly monotonicUs: number;
  readonly hostTimeUs: TimeUs;
  /** 0 for the host's own batches. */
  readonly epoch: Epoch;
  readonly sequence: number;
  /** Index of this event in its batch. */
  readonly index: number;
  /** Only on a batch's last event: how many events it has, and the chain hash before it (32 bytes). */
  readonly batchEnd?: { readonly count: number; readonly previousHash: Buffer };
  /** What asked for it, for people; "" where nothing did. */
  readonly correlation: string;
  /** The process that made this change, where the source knew it. */
  readonly origin?: ChangeOrigin;
}

/** A decoded event with its place. */
export interface Recorded<E = MachineEvent> {
  readonly event: E;
  readonly revision: Revision;
  readonly metadata: EventMetadata;
}
