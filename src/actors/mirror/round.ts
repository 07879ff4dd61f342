/**
 * One session with the server: its lists are compared with what the mirror has, directory by directory as they come; files are asked
 * for, and what arrives goes to the depot. What is gone is only noted here: deletions come after everything else.
 */
import { assert, displayOf } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { FileEntry } from "../../projections/index.ts";
import type { Agreement, Entry, Session, SessionEvent } from "../../rsync/index.ts";
import type { BrokenUpload } from "./broken-uploads.ts";
import { compareDirectory, leadsOut } from "./compare.ts";
import type { CompareRules, Differences } from "./compare.ts";
import { DirectoryCare } from "./directory-care.ts";
import type { OpenDirectory } from "./directory-care.ts";
import { arrivedFact, attributesFact, isWantedKind, metadataOf, NO_CONTENT } from "./facts.ts";
import { Fetching } from "./fetching.ts";
import { GoneNames } from "./gone-names.ts";
import { Receiver } from "./receiver.ts";
import type { ReceiverParts } from "./receiver.ts";
import { Lanes } from "./lanes.ts";
import type { LaneParts } from "./lanes.ts";
import { ListedDirectories } from "./listed-directories.ts";
import type { Listed, ListedDirectory } from "./listed-directories.ts";
import { isUpstreamTemporary } from "./publication.ts";
import type { SyncCounts, SyncWatcher } from "./report.ts";

export interface RoundParts extends ReceiverParts {
  readonly counts: SyncCounts;
  readonly watcher: SyncWatcher;
  /** Where there may be more connections than one. */
  readonly lanes: LaneParts | undefined;
}

/** Why deletions must not be, with the name that caused it where one did. */
export interface Doubt {
  readonly why: string;
  readonly by: ByteString;
}

const NOTHING = Buffer.alloc(0);
const NO_NAME = "" as ByteString;

export class Round {
  /** Stored and not listed: the topmost names of what is gone. */
  readonly gone = new GoneNames();
  /** The first reason to doubt that the lists are whole. */
  doubt: Doubt | undefined;
  /** Something could not be done before something else is gone: one more round does it. */
  wantsAnother = false;
  hasListed = false;
  /** Names that the mirror had and keeps, with whatever content. */
  keptCount = 0;
  ioError = 0;
  readonly fetching: Fetching;
  private readonly receiver: Receiver;
  private readonly lanes: Lanes | undefined;
  private readonly parts: RoundParts;
  private readonly care: DirectoryCare;
  private lists: ListedDirectories | undefined;
  private rules: CompareRules | undefined;
  private directory: OpenDirectory | undefined;
  private readonly differences: Differences;

  constructor(parts: RoundParts, session: Session) {
    this.parts = parts;
    this.care = new DirectoryCare(parts);
    this.fetching = new Fetching(parts, this.care);
    const receiver = (this.receiver = new Receiver(parts, session, this.fetching));
    const told = (errors: readonly string[], ioError: number): void => this.noteErrors(errors, ioError);
    const lanes = (this.lanes = parts.lanes === undefined ? undefined : new Lanes(parts.lanes, parts, this.fetching, told));
    if (lanes !== undefined) session.holdsBack = () => lanes.holdsBack(receiver.pendingBytes);
    this.differences = {
      same: (listed, stored) => this.same(listed, stored),
      touched: (listed, stored) => this.touched(listed, stored),
      changed: (listed, stored) => this.changed(listed, stored),
      added: (listed, replaced) => this.added(listed, replaced),
      gone: (stored) => this.gone.add(stored.path),
    };
  }

  take(event: SessionEvent): void | Promise<void> {
    switch (event.type) {
      case "entry":
        return this.lists!.add(event);
      case "listEnd":
        return this.endList(event.directory, event.ioError);
      case "data":
      case "copy":
      case "fileStart":
      case "fileEnd":
      case "fileFailed":
        return this.receiver.take(event);
      case "agreed":
        return this.begin(event.agreement);
      case "motd":
        return this.parts.watcher.message(event.text);
      case "message":
        if (event.severity === "error" || event.severity === "partial") this.suspect(event.text, NO_NAME);
        return this.parts.watcher.message(event.text);
      case "finished":
        this.noteErrors([], event.ioError);
        return this.care.finishUnlisted();
      case "timeout":
    }
  }

  /** After the session: what is left to the lanes has come when it resolves. */
  async finish(): Promise<void> {
    await this.lanes?.finish();
  }

  /** The round ends in the middle; what is returned can be gone on with. */
  async abandon(): Promise<BrokenUpload[]> {
    await this.lanes?.abandon();
    this.care.abandon();
    return this.receiver.abandon();
  }

  private begin(agreement: Agreement): void {
    this.lists = new ListedDirectories(agreement.isIncremental);
    this.rules = { hasNanos: agreement.protocol >= 31, listedDigest: this.parts.options.checksum ? agreement.digest : undefined };
    this.receiver.begin(agreement);
  }

  /** The first reason counts, and a name that comes later is added to it. */
  suspect(why: string, by: ByteString): void {
    if (this.doubt === undefined || (this.doubt.by === NO_NAME && by !== NO_NAME)) this.doubt = { why: this.doubt?.why ?? why, by };
  }

  /** Of a session that came to its end. */
  private noteErrors(errors: readonly string[], ioError: number): void {
    this.ioError |= ioError;
    for (const text of errors) {
      this.suspect(text, NO_NAME);
      this.parts.watcher.message(text);
    }
    if (ioError !== 0) this.suspect(ioErrorWords(ioError), NO_NAME);
  }

  private endList(directory: ByteString | undefined, ioError: number): void | Promise<void> {
    assert(this.lists !== undefined, "lists come after the agreement");
    if (ioError !== 0) this.suspect(ioErrorWords(ioError), directory ?? NO_NAME);
    const directories = this.lists.take(directory);
    if (!this.hasListed) {
      this.hasListed = true;
      this.parts.watcher.phase("comparing");
      this.compareRoot(this.lists.root);
    }
    for (const listed of directories) this.compare(listed);
    const { depot, files, options } = this.parts;
    if (files.deletions.count > 0 && !options.dryRun) return this.unqueue(directories);
    if (depot.isFull) return depot.room();
  }

  /** What is listed again is not to be deleted. */
  private async unqueue(directories: readonly ListedDirectory[]): Promise<void> {
    const { deletions } = this.parts.files;
    for (const { listed } of directories) {
      const again = deletions.queued(listed.map(({ entry }) => entry.path));
      if (again.length > 0) await deletions.done(again);
    }
    await this.parts.depot.room();
  }

  private compareRoot(root: Entry | undefined): void {
    if (root === undefined) return;
    this.parts.counts.entryCount++;
    const stored = this.parts.list.entry(root.path);
    if (stored === undefined) this.care.arrived(root, undefined);
    else if (stored.mode !== root.mode || stored.mtimeSeconds !== root.mtimeSeconds || (this.rules!.hasNanos && stored.mtimeNanos !== root.mtimeNanos))
      this.care.arrived(root, stored);
  }

  private compare({ path, listed }: ListedDirectory): void {
    const { list } = this.parts;
    const wanted = listed.every((each) => this.isWanted(each.entry)) ? listed : listed.filter((each) => this.isWanted(each.entry) || this.skip(each.entry));
    this.directory = this.care.open(path);
    compareDirectory(wanted, list.children(path), this.rules!, this.differences);
    this.care.compared(this.directory);
    this.directory = undefined;
  }

  private isWanted({ path, kind, linkTarget }: Entry): boolean {
    const { options } = this.parts;
    if (!isWantedKind(kind)) return false;
    if (!options.temporaryNames && path.includes(".") && isUpstreamTemporary(path)) return false;
    return !(options.safeLinks && kind === "symlink" && leadsOut(path, linkTarget!));
  }

  private skip({ path, kind, linkTarget }: Entry): false {
    this.parts.counts.skippedCount++;
    const why = !isWantedKind(kind)
      ? `a ${kind}`
      : kind === "symlink"
        ? `leads out of the mirror, to '${displayOf(linkTarget!)}'`
        : "an unfinished file of another rsync";
    this.parts.watcher.item({ path, what: "skipped", why });
    return false;
  }

  private count({ entry }: Listed): void {
    this.parts.counts.entryCount++;
    if (entry.kind === "file") this.parts.counts.totalBytes += entry.sizeBytes;
  }

  private same(listed: Listed, stored: FileEntry): void {
    this.count(listed);
    this.keptCount++;
    this.parts.counts.sameCount++;
    if (listed.entry.hardLink !== undefined) this.fetching.isStored(listed.entry, stored);
  }

  private touched(listed: Listed, stored: FileEntry): void {
    const { entry } = listed;
    this.count(listed);
    this.keptCount++;
    if (entry.hardLink !== undefined) this.fetching.isStored(entry, stored);
    if (entry.kind === "directory") return this.care.arrived(entry, stored);
    if (entry.kind === "symlink") return this.link(entry, "touched");
    this.fetching.touch(entry, stored);
  }

  private changed(listed: Listed, stored: FileEntry): void {
    this.count(listed);
    this.keptCount++;
    if (listed.entry.kind === "symlink") return this.link(listed.entry, "changed");
    this.want(listed, stored);
  }

  private added(listed: Listed, replaced: FileEntry | undefined): void {
    const { entry } = listed;
    this.count(listed);
    if (replaced !== undefined && !this.clear(entry, replaced)) return;
    if (entry.kind === "file") return this.want(listed, undefined);
    if (entry.kind === "symlink") return this.link(entry, "added");
    this.directory!.isChanged = true;
    this.care.make(entry);
    this.care.arrived(entry, undefined);
  }

  private want({ index, entry }: Listed, stored: FileEntry | undefined): void {
    const wanted = this.fetching.want(entry, stored, this.directory!);
    if (wanted !== undefined && this.lanes?.take(wanted, this.receiver.pendingBytes) !== true) this.receiver.ask(index, wanted);
  }

  /** Makes way for another kind. A directory goes only with the deletions, after which another round comes; false until then. */
  private clear(entry: Entry, replaced: FileEntry): boolean {
    if (replaced.kind === "directory") {
      this.gone.add(replaced.path);
      this.wantsAnother = true;
      this.parts.counts.leftOverCount++;
      return false;
    }
    if (entry.kind === "directory" && !this.parts.options.dryRun && isWantedKind(replaced.kind))
      this.parts.depot.add({ kind: "remove", name: { key: replaced.path, kind: replaced.kind } });
    return true;
  }

  private link(entry: Entry, what: "added" | "changed" | "touched"): void {
    const { counts, depot, options, store, watcher } = this.parts;
    if (what === "touched") counts.touchedCount++;
    else counts.arrivedCount++;
    watcher.item({ path: entry.path, what, why: "" });
    if (options.dryRun) return;
    this.directory!.isChanged = true;
    const common = { key: entry.path, forgetsSums: false, sums: undefined };
    if (what === "touched" && !store.features.isTree) return depot.add({ kind: "fact", fact: attributesFact(entry) });
    const object = { key: entry.path, metadata: metadataOf(entry), bytes: NOTHING };
    depot.add({ ...common, kind: "put", object, fact: (place) => arrivedFact(entry, NO_CONTENT, place) });
  }
}

function ioErrorWords(ioError: number): string {
  if ((ioError & 1) !== 0) return "the server could not read everything";
  return (ioError & 2) !== 0 ? "something vanished on the server while it was listed or sent" : "the server met one of its limits";
}
