/** Counts what is done and hands each item on. Knows which errors concern one file and which end the whole restore. */
import { displayOf, EXIT, isRainbowError, OsError, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { RestoredWhat, RestoreProgress, RestoreTally } from "./items.ts";
import type { Outlet } from "./outlet.ts";
import type { RestorePlan } from "./request.ts";

const FULL_CODES: readonly string[] = ["ENOSPC", "EDQUOT"];
const ENDING_CODES: readonly string[] = ["EROFS", "EMFILE", "ENFILE", "ENOMEM"];

type Counted = "created" | "replaced" | "same" | "deleted" | "purged" | "failed";

export class Report {
  private readonly outlet: Outlet;
  private plan: RestorePlan = { nodeCount: 0, fileBytes: 0, deleteCount: 0 };
  private phase: RestoreProgress["phase"] = "planning";
  private counts: Record<Counted, number> = { created: 0, replaced: 0, same: 0, deleted: 0, purged: 0, failed: 0 };
  private doneCount = 0;
  private doneBytes = 0;
  private underWayBytes = 0;
  private writtenBytes = 0;
  private doubtfulCount = 0;

  constructor(outlet: Outlet) {
    this.outlet = outlet;
  }

  enter(phase: RestoreProgress["phase"], plan?: RestorePlan): void {
    this.phase = phase;
    this.plan = plan ?? this.plan;
    this.progress();
  }

  progress(): void {
    const { fileBytes: allBytes, nodeCount: allCount } = this.plan;
    this.outlet.put({ type: "progress", phase: this.phase, doneBytes: this.doneBytes + this.underWayBytes, allBytes, doneCount: this.doneCount, allCount });
  }

  /** One name is done with. `doubt` is what its reader must know ("" for nothing). */
  item(path: ByteString, what: RestoredWhat, detail: string, doubt = ""): void {
    this.counts[COUNTED_AS[what]]++;
    if (what !== "metadata-failed" && COUNTED_AS[what] !== "deleted") this.doneCount++;
    if (doubt !== "") this.doubtfulCount++;
    this.outlet.put({ type: "restored", path, what, detail: [detail, doubt].filter((text) => text !== "").join("; ") });
  }

  /** More names went than the one that an item tells of. */
  deletedMore(count: number): void {
    this.counts.deleted += count;
  }

  written(byteCount: number): void {
    this.writtenBytes += byteCount;
    this.underWayBytes += byteCount;
  }

  /** A file's bytes are dealt with: written, or found the same. */
  covered(byteCount: number): void {
    this.doneBytes += byteCount;
    this.underWayBytes = 0;
  }

  /** An error that concerns one path becomes its item; any other is thrown on. */
  failed(path: ByteString, error: unknown, where = ""): void {
    this.item(path, "failed", `${where}${reasonOf(error, path)}`);
  }

  tally(): RestoreTally {
    const { created, replaced, same, deleted, purged, failed } = this.counts;
    return {
      createdCount: created,
      replacedCount: replaced,
      sameCount: same,
      deletedCount: deleted,
      writtenBytes: this.writtenBytes,
      purgedCount: purged,
      failedCount: failed,
      doubtfulCount: this.doubtfulCount,
    };
  }
}

const COUNTED_AS: Readonly<Record<RestoredWhat, Counted>> = {
  created: "created",
  "would-create": "created",
  replaced: "replaced",
  "would-replace": "replaced",
  same: "same",
  deleted: "deleted",
  "would-delete": "deleted",
  purged: "purged",
  failed: "failed",
  "metadata-failed": "failed",
};

/** Why one path could not be restored; throws what no other path would survive either. */
export function reasonOf(error: unknown, path: ByteString): string {
  if (error instanceof OsError) {
    if (FULL_CODES.includes(error.code)) throw fullDisk(path, error);
    if (ENDING_CODES.includes(error.code)) throw new RainbowError("IO", `${error.message}: the restore cannot go on`, { path, code: error.code }, error);
    return `${error.operation}: ${error.code}`;
  }
  if (isRainbowError(error, "PURGED")) return error.message; // Just now.
  if (isRainbowError(error, "OBJECT_CHANGED") || (isRainbowError(error) && error.exitCode === EXIT.damaged)) return error.message; // The other files may be whole.
  throw error;
}

function fullDisk(path: ByteString, cause: OsError): RainbowError {
  const message = `no space is left for '${displayOf(path)}': free some and run the same command again, which goes on where this one stopped`;
  return new RainbowError("DISK_FULL", message, { path, code: cause.code }, cause);
}
