/** What a restore tells while it runs, in order: progress in between, one item per name, and the summary last. */
import type { ByteString } from "../../core/index.ts";

export type RestoredWhat =
  "created" | "replaced" | "same" | "deleted" | "would-create" | "would-replace" | "would-delete" | "purged" | "failed" | "metadata-failed";

export interface RestoredItem {
  readonly type: "restored";
  /** In the target, absolute. */
  readonly path: ByteString;
  readonly what: RestoredWhat;
  /** For people: why it failed, which metadata could not be set, that the version is unsettled or lies in a gap; else "". */
  readonly detail: string;
}

export interface RestoreProgress {
  readonly type: "progress";
  readonly phase: "planning" | "writing" | "finishing";
  readonly doneBytes: number;
  /** 0 while it is not known. */
  readonly allBytes: number;
  readonly doneCount: number;
  readonly allCount: number;
}

export interface RestoreTally {
  readonly createdCount: number;
  readonly replacedCount: number;
  readonly sameCount: number;
  readonly deletedCount: number;
  readonly writtenBytes: number;
  /** Left out: their content was purged. */
  readonly purgedCount: number;
  /** Items `failed` and `metadata-failed`: where it is not 0, the restore is incomplete. */
  readonly failedCount: number;
  /** Restored, but the stored version is unsettled or touched by a gap: its item says so. */
  readonly doubtfulCount: number;
}

export interface RestoreSummary extends RestoreTally {
  readonly type: "summary";
}

export type RestoreOutput = RestoreProgress | RestoredItem | RestoreSummary;
