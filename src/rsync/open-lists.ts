/**
 * The file lists that are open: read, sorted, handed on entry by entry, and closed one after the other, oldest first. PROTOCOL.md
 * "File list", "Incremental recursion". A closed list is forgotten, so memory holds what is open, and one path for each directory
 * whose list is still to come.
 */
import { assert } from "../core/index.ts";
import type { ByteString } from "../core/index.ts";
import type { Agreement, Wanted } from "./agreement.ts";
import type { Entry } from "./entry.ts";
import { EntryReader, readIdName } from "./entry-reader.ts";
import type { IdNames } from "./entry-reader.ts";
import { broken, overLimit, shownPath } from "./failure.ts";
import type { Inbox } from "./inbox.ts";
import { INDEX_MAX } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { sortEntries } from "./list-order.ts";
import type { SortedEntries } from "./list-order.ts";

export interface FileList {
  /** The directory whose content it lists; undefined for the first list, which begins with what was asked for. */
  readonly directory: ByteString | undefined;
  readonly startIndex: number;
  readonly sorted: SortedEntries;
  /** Of the server, while it made this list: not 0 means that names may be missing. */
  readonly ioError: number;
  handedOnCount: number;
  /** All its entries were handed on, and whoever took them had the time to ask for files. */
  isHandedOn: boolean;
  /** Files asked for and not settled. */
  unsettledCount: number;
}

const IO_ERROR_BITS = 7;

export class OpenLists {
  readonly names: IdNames = { users: new Map(), groups: new Map() };
  /** Whether no further list will come. */
  isComplete = false;
  private readonly agreement: Agreement;
  private readonly wanted: Wanted;
  private readonly limits: Limits;
  private readonly reader: EntryReader;
  private readonly open: FileList[] = [];
  /** How many of them, from the oldest on, were handed on. */
  private handedOnCount = 0;
  /** Directories whose list was not announced yet, by number: they are numbered over all lists, each list's in sorted order. */
  private readonly awaited = new Map<number, ByteString>();
  private directoryCount = 0;
  /** Entries that arrived, in all lists. */
  entryCount = 0;
  private openEntryCount = 0;
  private nextIndex: number;
  private readonly accepts: (entry: Entry) => boolean;

  /** `accepts` says whether our own filter lets an entry through: a server that lists others does not keep to it. */
  constructor(agreement: Agreement, wanted: Wanted, limits: Limits, accepts: (entry: Entry) => boolean) {
    this.agreement = agreement;
    this.wanted = wanted;
    this.limits = limits;
    this.reader = new EntryReader(agreement, wanted, limits, this.names);
    this.nextIndex = agreement.isIncremental ? 1 : 0;
    this.accepts = accepts;
  }

  get openCount(): number {
    return this.open.length;
  }

  get oldest(): FileList | undefined {
    return this.open[0];
  }

  /** The oldest list that has entries to hand on, or has not told its end. */
  get handingOn(): FileList | undefined {
    while (this.open[this.handedOnCount]?.isHandedOn === true) this.handedOnCount++;
    return this.open[this.handedOnCount];
  }

  /** The oldest list is done with: its indexes mean nothing from here on. */
  closeOldest(): void {
    const list = this.open.shift();
    assert(list !== undefined && list.isHandedOn && list.unsettledCount === 0, "a list that is closed is done with");
    this.openEntryCount -= list.sorted.length;
    if (this.handedOnCount > 0) this.handedOnCount--;
  }

  /** The open list that an index belongs to. */
  listOf(index: number): FileList | undefined {
    let low = 0;
    let high = this.open.length; // Lists lie in the order of their indexes: the one wanted is the last that begins at or before it.
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.open[middle]!.startIndex <= index) low = middle + 1;
      else high = middle;
    }
    const list = this.open[low - 1];
    return list !== undefined && index < list.startIndex + list.sorted.length ? list : undefined;
  }

  /** Reads the first list. */
  *readFirst(inbox: Inbox): Generator<undefined, FileList> {
    const list = yield* this.readList(inbox, undefined);
    if (!this.agreement.isIncremental) this.isComplete = true;
    return list;
  }

  /** Reads the list of the directory of that number. */
  *readNext(inbox: Inbox, directoryNumber: number): Generator<undefined, FileList> {
    if (this.isComplete) throw broken("it announces a list after the last one, or without having agreed to");
    const directory = this.awaited.get(directoryNumber);
    if (directory === undefined) throw broken("it announces the list of a directory that is unknown or was listed already", { directoryNumber });
    this.awaited.delete(directoryNumber);
    return yield* this.readList(inbox, directory);
  }

  private *readList(inbox: Inbox, directory: ByteString | undefined): Generator<undefined, FileList> {
    const entries: Entry[] = [];
    const arriving = { startIndex: this.nextIndex, entries };
    let ioError = 0;
    for (;;) {
      const read = yield* inbox.read((cursor) => this.reader.read(cursor, arriving));
      if ("end" in read) {
        ioError = read.ioError;
        break;
      }
      this.count();
      if (directory !== undefined) checkPlace(read, directory);
      entries.push(read);
    }
    if (!this.agreement.isIncremental) yield* this.readIdLists(inbox);
    if (this.agreement.protocol < 30) ioError = yield* inbox.read((cursor) => cursor.i32());
    return this.add(directory, arriving.startIndex, entries, ioError & IO_ERROR_BITS);
  }

  private count(): void {
    if (++this.entryCount > this.limits.entriesMax) throw overLimit(`more than ${this.limits.entriesMax} entries`);
    if (++this.openEntryCount <= this.limits.openEntriesMax) return;
    const hint = this.agreement.isIncremental ? "in directories that are open at once" : "in one list; ask for incremental recursion";
    throw overLimit(`more than ${this.limits.openEntriesMax} entries ${hint}`);
  }

  private *readIdLists(inbox: Inbox): Generator<undefined, void> {
    if (this.wanted.numericIds) return;
    const { agreement, names } = this;
    if (this.wanted.owners) while (yield* inbox.read((cursor) => readIdName(cursor, names.users, agreement)));
    if (this.wanted.groups) while (yield* inbox.read((cursor) => readIdName(cursor, names.groups, agreement)));
  }

  private add(directory: ByteString | undefined, startIndex: number, entries: readonly Entry[], ioError: number): FileList {
    const { entries: sorted, directories } = sortEntries(entries, this.agreement.protocol);
    for (const entry of sorted)
      if (entry !== undefined && !this.accepts(entry)) throw broken(`it lists '${shownPath(entry.path)}', which our filter leaves out`);
    if (this.agreement.isIncremental) this.awaitLists(directories);
    else if (this.wanted.isRecursive && !this.wanted.isRelative) checkPlaces(sorted, directories);
    this.nextIndex = startIndex + entries.length + (this.agreement.isIncremental ? 1 : 0);
    if (this.nextIndex > INDEX_MAX) throw overLimit("more entries than indexes can name");
    const list = { directory, startIndex, sorted, ioError, handedOnCount: 0, isHandedOn: false, unsettledCount: 0 };
    this.open.push(list);
    return list;
  }

  private awaitLists(directories: readonly Entry[]): void {
    for (const { path } of directories) this.awaited.set(this.directoryCount++, path);
    if (this.awaited.size > this.limits.openEntriesMax) throw overLimit(`more than ${this.limits.openEntriesMax} directories whose content is still to come`);
  }
}

/** In one list of all, each entry lies in a directory that is listed, too: what lies below a symlink or a file is a lie. */
function checkPlaces(entries: SortedEntries, directories: readonly Entry[]): void {
  const paths = new Set<string>(directories.map(({ path }) => path));
  for (const entry of entries) {
    const slash = entry?.path.lastIndexOf("/") ?? -1;
    if (slash >= 0 && !paths.has(entry!.path.slice(0, slash))) throw broken(`it lists '${shownPath(entry!.path)}' below what is no directory of its list`);
  }
}

/** Every entry of a directory's list lies directly in it. */
function checkPlace(entry: Entry, directory: ByteString): void {
  const slash = entry.path.lastIndexOf("/");
  const parent = slash < 0 ? "." : entry.path.slice(0, slash);
  if (parent === directory && entry.path !== ".") return;
  throw broken(`the list of '${shownPath(directory)}' has '${shownPath(entry.path)}'`);
}
