/**
 * Directories of a tree: their mode and time hold only once nothing changes in them any more. So a directory is finished when it was
 * compared and its last file is on its way to the store. Elsewhere a directory is an object like any other.
 */
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { FileEntry, FileList } from "../../projections/index.ts";
import type { Entry } from "../../rsync/index.ts";
import type { Depot } from "./depot.ts";
import { arrivedFact, attributesFact, attributesOf, metadataOf, NO_CONTENT } from "./facts.ts";
import type { SyncOptions } from "./options.ts";
import type { SyncCounts, SyncWatcher } from "./report.ts";

export interface OpenDirectory {
  readonly path: ByteString;
  /** Files that are on their way. */
  pendingCount: number;
  isCompared: boolean;
  /** Something in it was made or replaced. */
  isChanged: boolean;
}

interface Parts {
  readonly store: ObjectStore;
  readonly list: FileList;
  readonly depot: Depot;
  readonly options: SyncOptions;
  readonly counts: SyncCounts;
  readonly watcher: SyncWatcher;
}

const NOTHING = Buffer.alloc(0);

export class DirectoryCare {
  private readonly parts: Parts;
  /** New ones, and those with another mode or time, until they are finished. */
  private readonly unfinished = new Map<ByteString, { readonly entry: Entry; readonly stored: FileEntry | undefined }>();

  /** Compared, with files on their way. */
  private readonly openDirectories = new Map<ByteString, OpenDirectory>();

  constructor(parts: Parts) {
    this.parts = parts;
  }

  open(path: ByteString): OpenDirectory {
    const directory = { path, pendingCount: 0, isCompared: false, isChanged: false };
    this.openDirectories.set(path, directory);
    return directory;
  }

  /** A directory of a tree that is not there, before anything in it. */
  make(entry: Entry): void {
    const { depot, options, store } = this.parts;
    if (options.dryRun || !store.features.isTree) return;
    const object = { key: entry.path, metadata: metadataOf(entry), bytes: NOTHING };
    depot.add({ key: entry.path, forgetsSums: false, sums: undefined, kind: "put", object, fact: () => undefined });
  }

  /** A directory is new, or has another mode or time than `stored`. */
  arrived(entry: Entry, stored: FileEntry | undefined): void {
    const { counts, depot, options, store, watcher } = this.parts;
    if (stored === undefined) counts.arrivedCount++;
    else counts.touchedCount++;
    watcher.item({ path: entry.path, what: stored === undefined ? "added" : "touched", why: "" });
    if (options.dryRun) return;
    if (store.features.isTree) this.unfinished.set(entry.path, { entry, stored });
    else if (stored?.place !== undefined) depot.add({ kind: "fact", fact: attributesFact(entry) });
    else {
      const object = { key: entry.path, metadata: metadataOf(entry), bytes: NOTHING };
      depot.add({ key: entry.path, forgetsSums: false, sums: undefined, kind: "put", object, fact: (place) => arrivedFact(entry, NO_CONTENT, place) });
    }
  }

  compared(directory: OpenDirectory): void {
    directory.isCompared = true;
    this.finish(directory);
  }

  /** A file of it is on its way to the store, or will not come. */
  settled(directory: OpenDirectory): void {
    directory.pendingCount--;
    this.finish(directory);
  }

  /** No further list will come: in directories without one nothing changes. */
  finishUnlisted(): void {
    for (const path of this.unfinished.keys()) if (!this.openDirectories.has(path)) this.finish({ path, pendingCount: 0, isCompared: true, isChanged: false });
  }

  /** The session ended in the middle: what was made is recorded as it is now, so that the next sync knows of it. */
  abandon(): void {
    for (const directory of this.openDirectories.values()) this.finish({ ...directory, pendingCount: 0, isCompared: true });
    this.finishUnlisted();
  }

  private finish({ path, pendingCount, isCompared, isChanged }: OpenDirectory): void {
    const { depot, list, options, store } = this.parts;
    if (!isCompared || pendingCount > 0) return;
    this.openDirectories.delete(path);
    if (options.dryRun || !store.features.isTree) return;
    const own = this.unfinished.get(path);
    this.unfinished.delete(path);
    const common = { kind: "attributes", key: path, forgetsSums: false, sums: undefined } as const;
    if (own !== undefined) return depot.add({ ...common, metadata: metadataOf(own.entry), fact: (place) => arrivedFact(own.entry, NO_CONTENT, place) });
    const stored = isChanged ? list.entry(path) : undefined;
    if (stored !== undefined) depot.add({ ...common, metadata: metadataOf(attributesOf(stored)), fact: () => undefined });
  }
}
