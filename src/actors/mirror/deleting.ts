/**
 * Removals, after everything else: whether they may be, the queue that outlives a crash, and the work itself: the object, then the
 * fact, then the queue. Nothing is removed while there is any doubt that the lists were whole.
 */
import { assert } from "../../core/index.ts";
import type { ByteString, TimeUs } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { FileEntry, FileList, MirrorFact, MirrorFiles } from "../../projections/index.ts";
import { attributesOf, isWantedKind, metadataOf } from "./facts.ts";
import type { GoneNames } from "./gone-names.ts";
import type { IntentLog } from "./intent-log.ts";
import { parentOf } from "./listed-directories.ts";
import type { SyncOptions } from "./options.ts";
import type { Protection } from "./protection.ts";
import type { SyncCounts, SyncWatcher } from "./report.ts";
import type { Doubt } from "./round.ts";

const BATCH = 1000;
/** Without a limit of one's own: never more than what stays, but a few are always fine. */
const UNLIMITED_COUNT = 100;

/** What a guard must know of a sync that was listed to its end. */
export interface Found {
  readonly doubt: Doubt | undefined;
  /** What is listed, the root included. */
  readonly entryCount: number;
  /** What is there and is listed, too. */
  readonly keptCount: number;
  /** Removals that were not yet known. */
  readonly removalCount: number;
  /** One of them. */
  readonly example: ByteString;
  /** Something that is wanted was left out for --max-new-bytes. */
  readonly isCut: boolean;
}

/** Why nothing may be removed now; undefined where it may. Pure. */
export function holdReason(found: Found, options: Pick<SyncOptions, "maxDelete">): Doubt | undefined {
  if (found.doubt !== undefined) return found.doubt;
  const { removalCount, keptCount, example } = found;
  if (found.isCut) return { why: "new files were left out by the limit for new bytes", by: "" as ByteString };
  if (removalCount === 0) return undefined;
  if (found.entryCount <= 1) return { why: "the server lists nothing at all", by: example };
  const countMax = options.maxDelete ?? Math.max(UNLIMITED_COUNT, keptCount);
  if (removalCount <= countMax) return undefined;
  const limit = options.maxDelete === undefined && keptCount === countMax ? "that stay" : "that may go at once";
  return {
    why: `${removalCount} names are gone upstream, more than the ${countMax} ${limit}; look, then allow it with --max-delete ${removalCount}`,
    by: example,
  };
}

/** Everything below these names and they themselves, as far as the filters do not keep it; content before its directory. */
export async function* removalsOf(list: FileList, gone: GoneNames, protection: Protection | undefined): AsyncGenerator<FileEntry, void> {
  for (const path of gone.paths()) {
    const entry = list.entry(path);
    assert(entry !== undefined, "what is gone upstream is in the list that was compared");
    yield* removalsBelow(list, entry, protection);
  }
}

/** Returns whether all of it goes. */
async function* removalsBelow(list: FileList, entry: FileEntry, protection: Protection | undefined): AsyncGenerator<FileEntry, boolean> {
  if ((await protection?.keeps(entry)) === true) return false;
  let isAll = true;
  if (entry.kind === "directory") for (const child of list.children(entry.path)) isAll = (yield* removalsBelow(list, child, protection)) && isAll;
  if (isAll) yield entry;
  return isAll;
}

interface DeletionParts {
  readonly store: ObjectStore;
  readonly files: MirrorFiles;
  readonly log: IntentLog;
  /** One moment for all: a wall clock may step back, and what is due at once is due now. */
  readonly nowUs: TimeUs;
  readonly options: SyncOptions;
  readonly counts: SyncCounts;
  readonly watcher: SyncWatcher;
  readonly signal: AbortSignal;
}

/** Writes down what is to go, and when. Names that are queued keep their time. */
export async function enqueue({ files, options, nowUs, watcher }: DeletionParts, removals: AsyncIterable<FileEntry>): Promise<void> {
  const dueUs = (nowUs + options.deleteGraceMs * 1000) as TimeUs;
  let batch: ByteString[] = [];
  for await (const { path } of removals) {
    batch.push(path);
    if (options.deleteGraceMs > 0) watcher.item({ path, what: "queued", why: "" });
    if (batch.length < BATCH) continue;
    await files.deletions.add(batch, dueUs);
    batch = [];
  }
  if (batch.length > 0) await files.deletions.add(batch, dueUs);
}

/** Removes what is due. What cannot be removed stays queued and is told. */
export async function removeDue(parts: DeletionParts): Promise<void> {
  const { files, nowUs, signal } = parts;
  const list = await files.list();
  const stuck = new Set<ByteString>();
  const parents = new ChangedParents(parts.store, list);
  try {
    for (;;) {
      signal.throwIfAborted();
      const due = files.deletions.due(nowUs, BATCH + stuck.size).filter(({ path }) => !stuck.has(path));
      if (due.length === 0) break;
      await removeBatch(
        parts,
        due.map(({ path }) => ({ path, entry: list.entry(path) })),
        stuck,
        parents,
      );
    }
    await parents.finish();
  } finally {
    list.close();
  }
}

async function removeBatch(
  { store, files, log, counts, watcher }: DeletionParts,
  batch: readonly { readonly path: ByteString; readonly entry: FileEntry | undefined }[],
  stuck: Set<ByteString>,
  parents: ChangedParents,
): Promise<void> {
  const names = batch.flatMap(({ entry }) => (entry !== undefined && isWantedKind(entry.kind) ? [{ key: entry.path, kind: entry.kind }] : []));
  const noted = await log.note(names.map((name) => ({ ...name, what: "removed" })));
  const failed = new Map((await store.delete(names)).map(({ key, error }) => [key, error]));
  await store.settle();
  const facts: MirrorFact[] = [];
  const done: ByteString[] = [];
  for (const { path, entry } of batch) {
    const error = entry === undefined ? undefined : failed.get(entry.path);
    if (error !== undefined) {
      stuck.add(path);
      counts.failedCount++;
      watcher.item({ path, what: "failed", why: `it could not be removed: ${error instanceof Error ? error.message : "for no known reason"}` });
      continue;
    }
    done.push(path);
    if (entry === undefined) continue; // Withdrawn before a crash.
    facts.push({ type: "FileWithdrawn", path, reason: "gone" });
    counts.withdrawnCount++;
    watcher.item({ path, what: "deleted", why: "" });
    parents.note(path);
  }
  if (facts.length > 0) await files.record(facts);
  log.over(noted);
  await files.deletions.done(done);
}

/** In a tree a removal changes the time of the directory around it, which gets its own back. */
class ChangedParents {
  private readonly store: ObjectStore;
  private readonly list: FileList;
  private readonly paths = new Set<ByteString>();

  constructor(store: ObjectStore, list: FileList) {
    this.store = store;
    this.list = list;
  }

  note(path: ByteString): void {
    if (!this.store.features.isTree) return;
    this.paths.delete(path);
    this.paths.add(parentOf(path));
  }

  async finish(): Promise<void> {
    for (const path of this.paths) {
      const entry = this.list.entry(path);
      if (entry !== undefined) await this.store.setMetadata(path, metadataOf(attributesOf(entry)));
    }
  }
}
