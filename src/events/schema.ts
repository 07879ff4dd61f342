/**
 * WHAT HAPPENED: the events of the machine stream. A published event never changes; a new version gets an upcast.
 * Changes (src/core/change.ts) are the agent's facts; the rest are the host's own.
 */
import type { ByteString, Change, ChunkNumber, Epoch, Revision, TimeUs } from "../core/index.ts";

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
}

/** A decoded event with its place. */
export interface Recorded<E = MachineEvent> {
  readonly event: E;
  readonly revision: Revision;
  readonly metadata: EventMetadata;
}
