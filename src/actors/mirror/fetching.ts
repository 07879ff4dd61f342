/** Files on their way: which are wanted, what becomes of those that arrive, and when they become visible. */
import { assert } from "../../core/index.ts";
import type { ByteString, ContentDigest } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { Claim, FileEntry, MirrorFiles } from "../../projections/index.ts";
import type { DigestName, Entry, SessionEvent } from "../../rsync/index.ts";
import type { Resumable } from "./broken-uploads.ts";
import type { ContentCheck, Depot, PlaceHolder, SumsToRemember, Work } from "./depot.ts";
import type { DirectoryCare, OpenDirectory } from "./directory-care.ts";
import { arrivedFact, attributesFact, metadataOf } from "./facts.ts";
import type { Arrival, Source } from "./incoming.ts";
import { LinkGroups } from "./link-groups.ts";
import type { LinkGroup } from "./link-groups.ts";
import type { SmallContents } from "./small-contents.ts";
import type { SyncOptions } from "./options.ts";
import type { PublicationOrder } from "./publication.ts";
import { WaitingRoom } from "./waiting-room.ts";
import type { SyncCounts, SyncWatcher } from "./report.ts";

interface Parts {
  readonly store: ObjectStore;
  readonly files: MirrorFiles;
  readonly depot: Depot;
  readonly contents: SmallContents;
  readonly order: PublicationOrder;
  readonly options: SyncOptions;
  readonly counts: SyncCounts;
  readonly watcher: SyncWatcher;
}

/** A file whose content is to come. */
export interface WantedFile {
  readonly entry: Entry;
  readonly stored: FileEntry | undefined;
  readonly directory: OpenDirectory;
  readonly rank: number;
  readonly group: LinkGroup<Follower> | undefined;
  /** What is offered as a basis where it was asked for: a stored file, or the upload that is gone on with. */
  source: Source | undefined;
  resumed: Resumable | undefined;
  /** What of a large one is here while it comes. */
  comeBytes: number;
}

export type FileEnd = Extract<SessionEvent, { readonly type: "fileEnd" }>;

/** What a session tells of a content that is whole. */
interface Told {
  readonly event: FileEnd;
  readonly digestName: DigestName;
  /** It is what is stored already, by its digest. */
  readonly isKnown: boolean;
  readonly check: ContentCheck | undefined;
  /** Where its digest is the server's word alone. */
  readonly claim: Claim | undefined;
}

interface Follower {
  readonly entry: Entry;
  readonly stored: FileEntry | undefined;
  readonly directory: OpenDirectory;
}

const FORGET_BYTES_MIN = 128 << 10; // Smaller files have no sums.

export class Fetching {
  private readonly parts: Parts;
  private readonly care: DirectoryCare;
  private readonly groups = new LinkGroups<Follower>();
  readonly room: WaitingRoom;
  private newBytes = 0;
  private hasAsked = false;
  /** The first file that was asked for and did not come. */
  firstFailed: ByteString | undefined;
  /** Files were left out by the limit for new bytes. */
  isCut = false;
  /** Files that another round must fetch whole. */
  spoiledCount = 0;

  constructor(parts: Parts, care: DirectoryCare) {
    this.parts = parts;
    this.care = care;
    this.room = new WaitingRoom(parts, care);
  }

  /** A file's content is wanted; what `stored` has of it serves as a basis. Gives what is to be asked for, if anything is. */
  want(entry: Entry, stored: FileEntry | undefined, directory: OpenDirectory): WantedFile | undefined {
    const { counts, options, order, store, watcher } = this.parts;
    if (entry.sizeBytes > store.fileBytesMax) {
      counts.failedCount++; // It holds up nobody else: it will be as big the next time.
      watcher.item({ path: entry.path, what: "failed", why: `it has ${entry.sizeBytes} bytes, and the target takes ${store.fileBytesMax} at most` });
      return undefined;
    }
    const group = this.groups.of(entry);
    if (group !== undefined && group.state !== "failed") {
      this.follow(group, { entry, stored, directory });
      return undefined;
    }
    if (options.maxNewBytes !== undefined && this.newBytes + entry.sizeBytes > options.maxNewBytes) {
      counts.leftOverCount++;
      this.isCut = true;
      watcher.item({ path: entry.path, what: "skipped", why: "over the limit for new bytes in one sync" });
      return undefined;
    }
    this.newBytes += entry.sizeBytes;
    counts.wantedCount++;
    counts.wantedBytes += entry.sizeBytes;
    if (options.dryRun) {
      counts.arrivedCount++;
      watcher.item({ path: entry.path, what: stored === undefined ? "added" : "changed", why: "" });
      return undefined;
    }
    const rank = order.rankOf(entry.path);
    const holder: PlaceHolder = { key: entry.path, place: undefined };
    const led = this.groups.lead(entry, { holder, sizeBytes: 0, digest: undefined, claim: undefined, state: "coming", rank, followers: [] });
    if (!this.hasAsked) {
      this.hasAsked = true;
      watcher.phase("fetching");
    }
    directory.pendingCount++;
    directory.isChanged = true;
    return { entry, stored, directory, rank, group: led, source: undefined, resumed: undefined, comeBytes: 0 };
  }

  /** A name whose object has the content: others of its group are copied from it. */
  isStored(entry: Entry, stored: FileEntry): void {
    if (stored.place === undefined || this.groups.of(entry) !== undefined) return;
    const holder = { key: stored.path, place: stored.place };
    const { sizeBytes, digest } = stored;
    const claim = digest === undefined ? this.parts.files.claims.of(stored) : undefined;
    this.groups.lead(entry, { holder, sizeBytes, digest, claim, state: "stored", rank: 0, followers: [] });
  }

  private follow(group: LinkGroup<Follower>, follower: Follower): void {
    const { entry, stored, directory } = follower;
    const { counts, options, order, watcher } = this.parts;
    if (group.state === "coming") {
      directory.pendingCount++;
      directory.isChanged = true;
      return void group.followers.push(follower);
    }
    counts.arrivedCount++;
    counts.reusedBytes += group.sizeBytes;
    watcher.item({ path: entry.path, what: "copied", why: "" });
    if (options.dryRun) return;
    directory.pendingCount++;
    directory.isChanged = true;
    const { sizeBytes, digest, claim } = group;
    const fact: Work & { readonly kind: "copy" } = {
      kind: "copy",
      key: entry.path,
      from: group.holder,
      metadata: metadataOf(entry, digest),
      fact: (place) => arrivedFact(entry, { sizeBytes, digest }, place),
      forgetsSums: stored !== undefined && stored.sizeBytes >= FORGET_BYTES_MIN,
      sums: undefined,
      claim,
    };
    this.room.add({ rank: Math.max(group.rank, order.rankOf(entry.path)), work: fact, directory });
  }

  /** Only mode or time are others. */
  touch(entry: Entry, stored: FileEntry): void {
    const { counts, depot, options, store, watcher } = this.parts;
    counts.touchedCount++;
    watcher.item({ path: entry.path, what: "touched", why: "" });
    if (options.dryRun) return;
    const { sizeBytes, digest } = stored;
    if (!store.features.isTree) return depot.add({ kind: "fact", fact: attributesFact(entry) });
    const common = { key: entry.path, forgetsSums: false, sums: this.sumsOf(stored, entry) };
    depot.add({ ...common, kind: "attributes", metadata: metadataOf(entry, digest), fact: (place) => arrivedFact(entry, { sizeBytes, digest }, place) });
  }

  /** Sums of content that stays: its new fact would let go of them. */
  private sumsOf(stored: FileEntry, file: SumsToRemember["file"]): SumsToRemember | undefined {
    const sums = stored.sizeBytes >= FORGET_BYTES_MIN ? this.parts.files.sums.of(stored) : undefined;
    return sums === undefined ? undefined : { file: { sizeBytes: stored.sizeBytes, mtimeSeconds: file.mtimeSeconds, mtimeNanos: file.mtimeNanos }, sums };
  }

  /** A content is whole. Has to wait only for uploads that come last. */
  arrive(wanted: WantedFile, arrival: Arrival, { event, digestName, isKnown, check, claim }: Told): void | Promise<void> {
    const { counts, watcher } = this.parts;
    const { entry, stored, group, directory, rank } = wanted;
    counts.comeCount++;
    counts.comeBytes += entry.sizeBytes - wanted.comeBytes;
    counts.fetchedBytes += arrival.literalBytes;
    counts.reusedBytes += arrival.lengthBytes - arrival.literalBytes;
    const isUnchanged = (arrival.content.kind === "source" && arrival.content.source.entry === stored) || isKnown;
    const digest = claim === undefined ? { name: digestName, bytes: event.digest } : isUnchanged ? stored!.digest : undefined;
    if (group !== undefined) {
      group.sizeBytes = event.lengthBytes;
      group.digest = digest;
      group.claim = digest === undefined ? claim : undefined;
      group.state = "stored";
      if (isUnchanged) group.holder.place = stored!.place!;
    }
    if (isUnchanged) {
      if (arrival.content.kind === "whole") this.parts.contents.release(arrival.content.bytes);
      this.touch(entry, stored!);
      this.care.settled(directory);
    } else {
      counts.arrivedCount++;
      watcher.item({ path: entry.path, what: stored === undefined ? "added" : "changed", why: "" });
      const work = { ...this.workFor(wanted, arrival, digest, check), claim };
      if (work.kind === "complete" && rank > 0) return this.arriveLater({ ...work, kind: "complete" }, wanted, arrival);
      this.room.add({ rank, work, directory });
    }
    this.letFollow(group);
  }

  private async arriveLater(
    work: Work & { readonly kind: "complete" },
    { rank, directory, group }: WantedFile,
    { content, lengthBytes }: Arrival,
  ): Promise<void> {
    assert(content.kind === "upload", "what is completed is an upload");
    await this.room.addUpload({ rank, work, directory }, { key: content.key, lengthBytes });
    this.letFollow(group);
  }

  private letFollow(group: LinkGroup<Follower> | undefined): void {
    for (const follower of group?.followers.splice(0) ?? []) this.followArrived(group!, follower);
  }

  private followArrived(group: LinkGroup<Follower>, follower: Follower): void {
    follower.directory.pendingCount--;
    this.follow(group, follower);
  }

  private workFor({ entry, stored, group }: WantedFile, arrival: Arrival, digest: ContentDigest | undefined, check: ContentCheck | undefined): Work {
    const { content, lengthBytes } = arrival;
    const { mtimeSeconds, mtimeNanos } = entry;
    const common = {
      key: entry.path,
      forgetsSums: stored !== undefined && stored.sizeBytes >= FORGET_BYTES_MIN,
      sums: arrival.sums === undefined ? undefined : { file: { sizeBytes: lengthBytes, mtimeSeconds, mtimeNanos }, sums: arrival.sums },
      fact: (place: NonNullable<PlaceHolder["place"]>) => {
        if (group !== undefined) group.holder.place = place;
        return arrivedFact(entry, { sizeBytes: lengthBytes, digest }, place);
      },
    };
    const metadata = metadataOf(entry, digest);
    switch (content.kind) {
      case "whole":
        return { ...common, kind: "put", object: { key: entry.path, metadata, bytes: content.bytes } };
      case "upload":
        return { ...common, kind: "complete", upload: content.upload, metadata, check };
      case "source": {
        const { entry: source } = content.source;
        return { ...common, kind: "copy", from: { key: source.path, place: source.place! }, metadata };
      }
    }
  }

  /** Makes visible what comes last, unless something that it may name was left out: then it waits for a later sync. */
  publish(): Promise<void> {
    return this.isCut ? this.room.withhold() : this.room.publish();
  }

  /**
   * By now the file is another one than its list said. What comes is what it is now; and as its names may be names of several files by
   * now, each of the others is to come by itself.
   */
  renew({ entry, stored, directory, rank, group }: WantedFile, newer: Entry): { readonly renewed: WantedFile; readonly others: readonly WantedFile[] } {
    const { counts } = this.parts;
    const plain = { group: undefined, source: undefined, resumed: undefined, comeBytes: 0 };
    const others = (group?.followers.splice(0) ?? []).map((follower) => ({ ...follower, ...plain, rank: this.parts.order.rankOf(follower.entry.path) }));
    if (group !== undefined) group.state = "failed";
    counts.wantedCount += others.length;
    counts.wantedBytes += others.reduce((sum, other) => sum + other.entry.sizeBytes, newer.sizeBytes - entry.sizeBytes);
    return { renewed: { ...plain, entry: newer, stored, directory, rank }, others };
  }

  /** The server has no content of it. */
  fail(wanted: WantedFile, why: "notSent" | "digest"): void {
    const { counts, watcher } = this.parts;
    const { entry, directory, group } = wanted;
    this.unwant(wanted);
    if (group !== undefined) group.state = "failed";
    for (const each of [{ entry, directory }, ...(group?.followers.splice(0) ?? [])]) {
      counts.failedCount++;
      this.firstFailed ??= each.entry.path;
      watcher.item({
        path: each.entry.path,
        what: "failed",
        why: why === "notSent" ? "the server did not send it" : "its content was not what its digest says, twice",
      });
      this.care.settled(each.directory);
    }
  }

  /** It does not come, now at least. */
  private unwant(wanted: WantedFile): void {
    const { counts } = this.parts;
    counts.wantedCount--;
    counts.wantedBytes -= wanted.entry.sizeBytes;
    this.beginAnew(wanted);
  }

  /** What came of it counts no more. */
  beginAnew(wanted: WantedFile): void {
    this.parts.counts.comeBytes -= wanted.comeBytes;
    wanted.comeBytes = 0;
  }

  /** So much more of a large one is here. */
  note(wanted: WantedFile, lengthBytes: number): void {
    wanted.comeBytes += lengthBytes;
    this.parts.counts.comeBytes += lengthBytes;
  }

  /** Another round fetches it whole. */
  spoil(wanted: WantedFile): void {
    const { directory, group } = wanted;
    this.spoiledCount++;
    this.unwant(wanted);
    if (group !== undefined) group.state = "failed";
    for (const follower of group?.followers.splice(0) ?? []) this.care.settled(follower.directory);
    this.care.settled(directory);
  }
}
