/**
 * What a capture source reports and the host records: facts about nodes, in capture order. The same shapes are the data of the
 * machine stream's events (src/events gives them versions and bytes). Sizes and offsets are bytes of the file.
 */
import type { ContentDigest, ObjectPlace } from "./mirrored.ts";
import type { NodeKind, Xattr } from "./os.ts";
import type { ByteString, ChunkNumber, Epoch, NodeId, TimeUs } from "./units.ts";

/** A node's attributes, always whole: setting them replaces all. */
export interface Attributes {
  /** Permission bits with set-id and sticky, 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  /** Birth time; both 0 where unknown. */
  readonly btimeSeconds: number;
  readonly btimeNanos: number;
  /** Sorted by name. */
  readonly xattrs: readonly Xattr[];
}

/** `length` bytes of a file from `offset` on are the bytes of `chunk` from `chunkOffset` on. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  /** In a stored event: the chunk's number. In a batch on its way: an index into the batch's chunks. */
  readonly chunk: ChunkNumber;
  readonly chunkOffset: number;
}

export type GapScope = { readonly kind: "machine" } | { readonly kind: "root" | "subtree" | "node"; readonly node: NodeId };
export type GapReason =
  | "agent-away"
  | "overflow"
  | "paused"
  | "root-missing"
  | "root-replaced"
  | "root-emptied"
  | "unreadable"
  | "unsettled"
  | "spool-full"
  | "first-scan"
  | "memory-lost"
  | "clock";

/** A new node under its first name. A name that exists is taken over: what it named loses that name. */
export interface NodeCreated {
  readonly type: "NodeCreated";
  readonly node: NodeId;
  readonly parent: NodeId;
  readonly name: ByteString;
  readonly kind: NodeKind;
  readonly attributes: Attributes;
  /** Target of a symlink, else "". */
  readonly linkTarget: ByteString;
  /** Device number (major × 2^20 + minor), else 0. */
  readonly rdev: number;
}
/** One more name for an existing node (a hard link). */
export interface NodeLinked {
  readonly type: "NodeLinked";
  readonly node: NodeId;
  readonly parent: NodeId;
  readonly name: ByteString;
}
/** A name moved, with everything below it. `replaced` is the node whose name was taken over (0: none). */
export interface NodeRenamed {
  readonly type: "NodeRenamed";
  readonly node: NodeId;
  readonly fromParent: NodeId;
  readonly fromName: ByteString;
  readonly toParent: NodeId;
  readonly toName: ByteString;
  readonly replaced: NodeId;
}
/** A name went. A node without names dies; a directory takes its descendants along. */
export interface NodeUnlinked {
  readonly type: "NodeUnlinked";
  readonly node: NodeId;
  readonly parent: NodeId;
  readonly name: ByteString;
}
export interface AttributesSet {
  readonly type: "AttributesSet";
  readonly node: NodeId;
  readonly attributes: Attributes;
  /** A symlink's target changed with it (same inode cannot, but a scan may see it so); "" where unchanged or no symlink. */
  readonly linkTarget: ByteString;
}
/** Bytes of a file were written; extents ascend and do not overlap. The size grows to cover them, never shrinks. */
export interface ExtentsWritten {
  readonly type: "ExtentsWritten";
  readonly node: NodeId;
  readonly extents: readonly Extent[];
}
export interface SizeSet {
  readonly type: "SizeSet";
  readonly node: NodeId;
  readonly sizeBytes: number;
}
/** A range became zeros (a hole, or an allocated run of zeros); the size grows to cover it. */
export interface RangeZeroed {
  readonly type: "RangeZeroed";
  readonly node: NodeId;
  readonly offset: number;
  readonly length: number;
}
export interface RangeCloned {
  readonly type: "RangeCloned";
  readonly fromNode: NodeId;
  readonly fromOffset: number;
  readonly node: NodeId;
  readonly offset: number;
  readonly length: number;
}
/** A pass over a file that needs more than one batch begins: what follows for `node` is staged until VersionSettled. */
export interface PassStarted {
  readonly type: "PassStarted";
  readonly node: NodeId;
}
/** The staged state becomes the file. `unsettled`: it could not be read at rest. Without a PassStarted it only sets the mark. */
export interface VersionSettled {
  readonly type: "VersionSettled";
  readonly node: NodeId;
  readonly unsettled: boolean;
}
/** Everything that happened before `agentTimeUs` below the roots is in the stream, but for open gaps. */
export interface CaughtUp {
  readonly type: "CaughtUp";
  readonly agentTimeUs: TimeUs;
}
export interface ClockStepped {
  readonly type: "ClockStepped";
  readonly beforeUs: TimeUs;
  readonly afterUs: TimeUs;
}
export interface GapOpened {
  readonly type: "GapOpened";
  /** Chosen by the agent; unique within the machine: epoch and a counter, as "e12-3". */
  readonly gap: string;
  readonly scope: GapScope;
  readonly reason: GapReason;
  /** Since when something may be missing. */
  readonly fromUs: TimeUs;
  /** For people: what could not be seen ("read: EACCES '/home/a/x'"). */
  readonly detail: string;
}
export interface GapClosed {
  readonly type: "GapClosed";
  readonly gap: string;
}
export interface ReconcileFinished {
  readonly type: "ReconcileFinished";
  readonly root: NodeId;
  readonly nodeCount: number;
  readonly changedCount: number;
  readonly readBytes: number;
  readonly first: boolean;
}
/** A folder is protected from here on: its directory node is named by `path` under MACHINE_NODE (a NodeCreated follows in the batch). */
export interface RootProtected {
  readonly type: "RootProtected";
  readonly root: NodeId;
  readonly path: ByteString;
  readonly filesystemUuid: string;
  readonly inode: number;
  readonly btimeSeconds: number;
  readonly btimeNanos: number;
  readonly options: RootOptions;
}
export interface RootReleased {
  readonly type: "RootReleased";
  readonly root: NodeId;
}
export interface RootOptions {
  readonly crossMounts: boolean;
  /** Lines in gitignore syntax, relative to the root. */
  readonly rules: readonly string[];
  /** 0: no limit. */
  readonly fileBytesMax: number;
}

/**
 * A mirror has this under that name from here on: a file whose object is durable, a directory or a special file. Where the node has the
 * name already it becomes this; any other node loses the name. Every name of a hard-linked file is a file of its own, with its own object.
 */
export interface FileArrived {
  readonly type: "FileArrived";
  readonly node: NodeId;
  readonly parent: NodeId;
  readonly name: ByteString;
  readonly kind: Exclude<NodeKind, "symlink">;
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  readonly sizeBytes: number;
  /** Device number (major × 2^20 + minor), else 0. */
  readonly rdev: number;
  readonly digest: ContentDigest | undefined;
  readonly place: ObjectPlace | undefined;
}
/** As FileArrived, for a symlink. */
export interface LinkArrived {
  readonly type: "LinkArrived";
  readonly node: NodeId;
  readonly parent: NodeId;
  readonly name: ByteString;
  readonly linkTarget: ByteString;
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  readonly place: ObjectPlace | undefined;
}
/** Why a mirror has a name no more: it is gone upstream; somebody asked that it be fetched anew; its object was found to be missing. */
export type WithdrawalReason = "gone" | "forgotten" | "lost";
/** A name went from a mirror, after its object where that goes too. A directory takes its descendants along. */
export interface FileWithdrawn {
  readonly type: "FileWithdrawn";
  readonly node: NodeId;
  readonly parent: NodeId;
  readonly name: ByteString;
  readonly reason: WithdrawalReason;
}
export interface SyncStarted {
  readonly type: "SyncStarted";
  /** What asked for it, for people: "schedule", "trigger", "command". */
  readonly cause: string;
}
export interface SyncFinished {
  readonly type: "SyncFinished";
  /** What upstream has. */
  readonly entryCount: number;
  readonly totalBytes: number;
  /** What this sync recorded. */
  readonly arrivedCount: number;
  readonly touchedCount: number;
  readonly withdrawnCount: number;
  /** Names that are gone upstream and not yet here. */
  readonly queuedCount: number;
  /** Content that came over the wire, and content that was there already. */
  readonly fetchedBytes: number;
  readonly reusedBytes: number;
  /** On the wire, all in all. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Of the rsync server: 1 something could not be read, 2 something vanished, 4 a limit. */
  readonly ioError: number;
  /** Why nothing was deleted, for people; "" where deletes were not held. */
  readonly heldBecause: string;
  /** The file that caused it; "" where none did. */
  readonly heldBy: ByteString;
}
export interface SyncFailed {
  readonly type: "SyncFailed";
  /** Of the closed table of errors. */
  readonly code: string;
  readonly message: string;
}

export type Change =
  | FileArrived
  | LinkArrived
  | FileWithdrawn
  | SyncStarted
  | SyncFinished
  | SyncFailed
  | NodeCreated
  | NodeLinked
  | NodeRenamed
  | NodeUnlinked
  | AttributesSet
  | ExtentsWritten
  | SizeSet
  | RangeZeroed
  | RangeCloned
  | PassStarted
  | VersionSettled
  | CaughtUp
  | ClockStepped
  | GapOpened
  | GapClosed
  | ReconcileFinished
  | RootProtected
  | RootReleased;

/** The process that made a change, where the source knows it. */
export interface ChangeOrigin {
  /** From 1. */
  readonly pid: number;
  /** As the system names it; not unique, and a process may choose it. */
  readonly name: string;
}

/** A change on its way from a source to the host: the fact, and beside it who made it. A source that knows fills it in; all else is there. */
export type ReportedChange = Change & { readonly origin?: ChangeOrigin };

/** How a chunk's bytes are stored. */
export const ENCODING = { raw: 0, zstd: 1 } as const;
export type Encoding = (typeof ENCODING)[keyof typeof ENCODING];

/** A chunk as the agent sends it: hashed over its plain bytes, then encoded. `stored` is valid until its batch is acknowledged. */
export interface NewChunk {
  /** SHA-256(machine's hash key + plain bytes), 32 bytes. */
  readonly hash: Buffer;
  readonly lengthBytes: number;
  readonly encoding: Encoding;
  readonly stored: Buffer;
}

/** What the agent sends and the host acknowledges as one. (epoch, sequence) names it; sending it again is harmless. */
export interface Batch {
  readonly epoch: Epoch;
  /** From 1 in each epoch, without holes. */
  readonly sequence: number;
  readonly agentTimeUs: TimeUs;
  readonly monotonicUs: number;
  /** Extents name chunks by index into `chunks`. */
  readonly changes: readonly ReportedChange[];
  readonly chunks: readonly NewChunk[];
}

export interface BatchAcknowledged {
  readonly epoch: Epoch;
  readonly sequence: number;
  /** The revision of the batch's last event. */
  readonly revision: number;
  /** The chain hash after the batch. */
  readonly chainHash: Buffer;
}

export interface AgentSession {
  readonly machine: string;
  readonly epoch: Epoch;
  /** 32 secret bytes: chunk hashes are keyed with them. */
  readonly hashKey: Buffer;
  /** The newest batch that the host has of this machine, of an earlier epoch; absent where there is none. */
  readonly last?: { readonly epoch: Epoch; readonly sequence: number; readonly revision: number; readonly agentTimeUs: TimeUs };
}

/** The agent's way to its host. In one process it is a call; over the network, RTMQ. */
export interface HostLink {
  /** Mints a new epoch. */
  openSession(): Promise<AgentSession>;
  /** Resolves when the batch is durable. Several may be under way; they are taken in the order of the calls. */
  send(batch: Batch): Promise<BatchAcknowledged>;
}
