/**
 * The face of capture: roots in, batches out. The capture actor starts and stops it; the upload actor pulls batches and reports
 * what the host has. What is remembered of a file advances only with the acknowledgement.
 */
import type { AgentSession, Batch, BatchAcknowledged, ByteString, Epoch, GapReason, NodeId, RootOptions, TimeUs } from "../core/index.ts";

export interface RootStatus {
  readonly root: NodeId;
  readonly path: ByteString;
  readonly options: RootOptions;
  /** "missing": unmounted, removed or replaced; recorded as a gap, nothing is taken as deleted. */
  readonly state: "scanning" | "watching" | "paused" | "missing";
  readonly firstScanDone: boolean;
  readonly nodeCount: number;
  readonly bytes: number;
  /** Directories that are covered by reconcile alone, as the kernel's watch limit is used up. */
  readonly unwatchedDirectoryCount: number;
  readonly lastReconcileUs: TimeUs | undefined;
}

/** What was left out and why; kept for `excludes`, `status` and the report after the initial backup. Bounded (1,000 per root, then counted). */
export interface LeftOut {
  readonly path: ByteString;
  readonly why: "other-filesystem" | "cachedir-tag" | "default-cache" | "data-directory" | "rule" | "too-large" | "unreadable" | "vanished";
  /** The rule's text, the mount's type or the system's error. */
  readonly detail: string;
}

export interface ScanProgress {
  readonly root: NodeId;
  readonly first: boolean;
  readonly doneNodes: number;
  readonly doneBytes: number;
  /** 0 until the walk knows. */
  readonly allNodes: number;
  readonly allBytes: number;
}

export interface CaptureStatus {
  /** "hints": events that may come late or never, so that everything is compared as often as with "poll". */
  readonly source: "watch" | "hints" | "poll";
  /** What this source cannot see, for people ("stores through mmap until the next reconcile"). */
  readonly limits: readonly string[];
  readonly roots: readonly RootStatus[];
  readonly scan: ScanProgress | undefined;
  readonly openGaps: readonly { readonly gap: string; readonly reason: GapReason; readonly sinceUs: TimeUs; readonly detail: string }[];
  /** Paths with changes seen but not yet in a batch. */
  readonly dirtyCount: number;
  readonly pausedUntilUs: TimeUs | undefined;
}

export interface FlushReport {
  /** The session and the batch in it that hold the last of it; the flush is done when it is acknowledged. 0: nothing was pending. */
  readonly epoch: Epoch;
  readonly sequence: number;
  /** What it cannot promise, for people. */
  readonly notices: readonly string[];
  /** Files that would not rest, directories that could not be read. */
  readonly incomplete: readonly string[];
}

export interface Capture {
  /** Starts or goes on with a session: applies what was sent but not noted, sees to the roots, watches first and scans after. */
  start(session: AgentSession): Promise<void>;
  /** ROOT_REFUSED where it does not exist, is no directory, or lies in or above another root. Idempotent for a root already known (new options are taken over). */
  addRoot(path: ByteString, options: RootOptions): Promise<RootStatus>;
  removeRoot(path: ByteString): Promise<void>;
  roots(): readonly RootStatus[];
  /** The next batch, coalesced over 20 ms or 1 MiB; undefined once stopped and drained. At most one call at a time. */
  next(): Promise<Batch | undefined>;
  /** The host has this batch (and all before it): what is remembered advances. Call in order. */
  acknowledged(ack: BatchAcknowledged): Promise<void>;
  /** Reads everything that happened before the call into batches. `full` reconciles every root. */
  flush(full: boolean): Promise<FlushReport>;
  reconcile(root?: NodeId): Promise<void>;
  pause(untilUs: TimeUs | undefined): Promise<void>;
  resume(): Promise<void>;
  status(): CaptureStatus;
  /** Called after a change of status, at most every 100 ms. Returns the way to stop it. */
  onStatus(listener: (status: CaptureStatus) => void): () => void;
  leftOut(root: NodeId): { readonly items: readonly LeftOut[]; readonly total: number };
  /** Which rule, if any, leaves a path out. */
  why(path: ByteString): LeftOut | undefined;
  /** Stops watching; batches already cut can still be pulled with next(). */
  stop(): Promise<void>;
}
