/** What a sync did, and what it tells while it runs. */
import type { ByteString } from "../../core/index.ts";

export type SyncPhase = "connecting" | "listing" | "comparing" | "fetching" | "publishing" | "deleting" | "committing" | "scrubbing";

/** One name, for whoever wants to see each. */
export interface SyncItem {
  readonly path: ByteString;
  readonly what: "added" | "changed" | "touched" | "copied" | "deleted" | "queued" | "skipped" | "failed" | "lost";
  /** For people; "" where nothing is to be said. */
  readonly why: string;
}

export class SyncCounts {
  /** What upstream lists, of what is wanted. */
  entryCount = 0;
  totalBytes = 0;
  sameCount = 0;
  arrivedCount = 0;
  touchedCount = 0;
  withdrawnCount = 0;
  /** Files that were asked for and did not come, and names that could not be removed. */
  failedCount = 0;
  /** Left for a later sync: over --max-new-bytes, or in the way of a directory that is gone. */
  leftOverCount = 0;
  /** What rsync would not take with -rlpt, unsafe links, and unfinished files of others. */
  skippedCount = 0;
  /** Files whose content is wanted, as far as was compared, and what of it is here: received, or copied from a basis. */
  wantedCount = 0;
  wantedBytes = 0;
  comeCount = 0;
  comeBytes = 0;
  fetchedBytes = 0;
  reusedBytes = 0;
  receivedBytes = 0;
  sentBytes = 0;
}

/** How far a sync is at the moment of asking. */
export interface SyncProgress extends Pick<SyncCounts, "entryCount" | "wantedCount" | "wantedBytes" | "comeCount" | "comeBytes" | "receivedBytes"> {
  /** Everything was listed: what is wanted grows no more. */
  readonly isListed: boolean;
}

/** What became of a sync that reached its end. */
export interface SyncOutcome {
  readonly counts: Readonly<SyncCounts>;
  /** The probed file is what it was, and nothing else was looked at. */
  readonly isUnchanged: boolean;
  readonly ioError: number;
  /** Why nothing was deleted; "" where deletes were not held. */
  readonly heldBecause: string;
  readonly heldBy: ByteString;
  /** Names that are gone upstream and not yet here. */
  readonly queuedCount: number;
}

/** Told of what happens. All calls are cheap, or slow the sync down. */
export interface SyncWatcher {
  /** Comes first; from then on how far it is may be asked at any time. */
  started?(progress: () => SyncProgress): void;
  phase(phase: SyncPhase): void;
  item(item: SyncItem): void;
  /** Text of the server: its message of the day, warnings and errors. */
  message(text: string): void;
}
