/** Reading back what only the server's word speaks for, after a sync or when somebody asks, and what is said of files that were not so. */
import { scrubFiles } from "../../actors/mirror-files/index.ts";
import type { CareProgress, ScrubbedItem } from "../../actors/mirror-files/index.ts";
import type { SyncOutcome, SyncWatcher } from "../../actors/mirror/index.ts";
import { displayOf } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { MirrorFiles } from "../../projections/index.ts";
import type { Digests } from "../../rsync/index.ts";

/** What was done, in counts. */
const DONE = ["arrivedCount", "touchedCount", "withdrawnCount", "fetchedBytes", "reusedBytes", "receivedBytes", "sentBytes"] as const;
const MESSAGE_CHARACTERS_MAX = 1000; // As of every sync that failed.

export interface ScrubParts {
  readonly files: MirrorFiles;
  readonly store: ObjectStore;
  readonly digests: Digests;
  readonly signal?: AbortSignal | undefined;
  /** Is kept up to date. */
  readonly progress?: CareProgress;
}

/** As `scrubFiles`; of files that were lost the mirror's stream says so at the end, however it came. */
export async function* scrubbed({ files, store, digests, ...options }: ScrubParts): AsyncGenerator<ScrubbedItem> {
  let lostCount = 0;
  let first: ByteString | undefined;
  try {
    for await (const item of scrubFiles(files, store, digests, options)) {
      if (item.type === "fault") lostCount += 1;
      if (item.type === "fault") first ??= item.path;
      yield item;
    }
  } finally {
    if (first !== undefined) await files.record([{ type: "SyncFailed", code: "OBJECT_CORRUPT", message: lostText(lostCount, first) }]);
  }
}

/** After a sync; returns why somebody should look at the mirror, "" where all is well. */
export async function scrubAfterSync(parts: ScrubParts, watcher: SyncWatcher): Promise<string> {
  if (parts.files.claims.count === 0) return "";
  watcher.phase("scrubbing");
  const lost: ByteString[] = [];
  for await (const item of scrubbed(parts)) {
    if (item.type !== "fault") continue;
    watcher.item({ path: item.path, what: "lost", why: item.detail });
    lost.push(item.path);
  }
  return lost.length === 0 ? "" : lostText(lost.length, lost[0]!);
}

/** A sync and the one that repaired what it had left, as one. */
export function together(first: SyncOutcome, second: SyncOutcome): SyncOutcome {
  const counts = { ...second.counts };
  for (const name of DONE) counts[name] += first.counts[name];
  return { ...second, counts };
}

function lostText(count: number, first: ByteString): string {
  const what = count === 1 ? `the stored file '${displayOf(first)}' was` : `${count} stored files, '${displayOf(first)}' first, were`;
  return `${what} not what the server had said: fetched anew, whole`.slice(0, MESSAGE_CHARACTERS_MAX);
}
