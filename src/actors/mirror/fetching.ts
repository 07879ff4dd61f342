/** Files on their way: which are asked for, with which basis, what arrives, and when it becomes visible. */
import { assert } from "../../core/index.ts";
import type { ByteString, ContentDigest } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { FileEntry, FileList, MirrorFiles } from "../../projections/index.ts";
import type { Agreement, Digests, Entry, Session, SessionEvent } from "../../rsync/index.ts";
import type { BrokenUpload, Resumable } from "./broken-uploads.ts";
import type { ContentCheck, Depot, PlaceHolder, SumsToRemember, Work } from "./depot.ts";
import type { DirectoryCare, OpenDirectory } from "./directory-care.ts";
import { arrivedFact, attributesFact, metadataOf } from "./facts.ts";
import { Incoming } from "./incoming.ts";
import type { Arrival, Source } from "./incoming.ts";
import { areGood, basisOf, shortStrongBytes } from "./kept-sums.ts";
import { LinkGroups } from "./link-groups.ts";
import type { LinkGroup } from "./link-groups.ts";
import type { Listed } from "./listed-directories.ts";
import { SMALL_BYTES_MAX } from "./small-contents.ts";
import type { SmallContents } from "./small-contents.ts";
import type { SyncOptions } from "./options.ts";
import type { PublicationOrder } from "./publication.ts";
import { WaitingRoom } from "./waiting-room.ts";
import type { SyncCounts, SyncWatcher } from "./report.ts";

interface Parts {
  readonly store: ObjectStore;
  readonly files: MirrorFiles;
  readonly list: FileList;
  readonly depot: Depot;
  readonly contents: SmallContents;
  readonly resumables: Map<ByteString, Resumable>;
  readonly order: PublicationOrder;
  readonly digests: Digests;
  readonly options: SyncOptions;
  readonly counts: SyncCounts;
  readonly watcher: SyncWatcher;
}

/** A file that was asked for. */
interface Expected {
  readonly entry: Entry;
  readonly stored: FileEntry | undefined;
  readonly source: Source | undefined;
  readonly resumed: Resumable | undefined;
  readonly directory: OpenDirectory;
  readonly rank: number;
  readonly group: LinkGroup<Follower> | undefined;
}

interface Follower {
  readonly entry: Entry;
  readonly stored: FileEntry | undefined;
  readonly directory: OpenDirectory;
}

type FileEnd = Extract<SessionEvent, { readonly type: "fileEnd" }>;

const FULL_STRONG_BYTES = 16;
const FORGET_BYTES_MIN = 128 << 10; // Smaller files have no sums.
const SOURCE_BYTES_MIN = 16 << 10;

export class Fetching {
  private readonly parts: Parts;
  private readonly session: Session;
  private readonly care: DirectoryCare;
  private readonly expected = new Map<number, Expected>();
  private readonly groups = new LinkGroups<Follower>();
  /** The file that comes in where it is a small one; its content lies in memory. */
  private small: { readonly expected: Expected; readonly bytes: Buffer; fillBytes: number } | undefined;
  private readonly room: WaitingRoom;
  private newBytes = 0;
  private hasAsked = false;
  private agreement: Agreement | undefined;
  private current: { readonly expected: Expected; readonly incoming: Incoming } | undefined;
  /** The first file that was asked for and did not come. */
  firstFailed: ByteString | undefined;
  /** Files were left out by the limit for new bytes. */
  isCut = false;
  /** Files that another round must fetch whole. */
  spoiledCount = 0;

  constructor(parts: Parts, session: Session, care: DirectoryCare) {
    this.parts = parts;
    this.session = session;
    this.care = care;
    this.room = new WaitingRoom(parts, care);
  }

  begin(agreement: Agreement): void {
    this.agreement = agreement;
  }

  /** A file's content is wanted; what `stored` has of it serves as a basis. */
  want(listed: Listed, stored: FileEntry | undefined, directory: OpenDirectory): void {
    const { entry, index } = listed;
    const { counts, options, order, watcher } = this.parts;
    const group = this.groups.of(entry);
    if (group !== undefined && group.state !== "failed") return this.follow(group, { entry, stored, directory });
    if (options.maxNewBytes !== undefined && this.newBytes + entry.sizeBytes > options.maxNewBytes) {
      counts.leftOverCount++;
      this.isCut = true;
      return watcher.item({ path: entry.path, what: "skipped", why: "over the limit for new bytes in one sync" });
    }
    this.newBytes += entry.sizeBytes;
    if (options.dryRun) {
      counts.arrivedCount++;
      return watcher.item({ path: entry.path, what: stored === undefined ? "added" : "changed", why: "" });
    }
    const resumed = this.resumedFor(entry);
    const source = resumed === undefined ? this.sourceFor(entry, stored) : undefined;
    const rank = order.rankOf(entry.path);
    const holder: PlaceHolder = { key: entry.path, place: undefined };
    const led = this.groups.lead(entry, { holder, sizeBytes: 0, digest: undefined, state: "coming", rank, followers: [] });
    this.expect(index, { entry, stored, source, resumed, directory, rank, group: led });
  }

  private expect(index: number, expected: Expected): void {
    const { source, resumed, entry, directory } = expected;
    if (!this.hasAsked) {
      this.hasAsked = true;
      this.parts.watcher.phase("fetching");
    }
    directory.pendingCount++;
    directory.isChanged = true;
    this.expected.set(index, expected);
    const strongBytes =
      this.parts.store.features.isTree && source !== undefined ? shortStrongBytes(entry.sizeBytes, source.sums.blockBytes) : FULL_STRONG_BYTES;
    const sums = source?.sums ?? resumed?.sums;
    this.session.request(index, sums === undefined ? undefined : basisOf(sums, strongBytes));
  }

  /** The upload of that very file that broke before. */
  private resumedFor(entry: Entry): Resumable | undefined {
    const { resumables } = this.parts;
    const found = resumables.get(entry.path);
    if (found === undefined) return undefined;
    const { sizeBytes, mtimeSeconds, mtimeNanos } = found.broken.entry;
    const isThatFile = sizeBytes === entry.sizeBytes && mtimeSeconds === entry.mtimeSeconds && mtimeNanos === entry.mtimeNanos;
    if (!isThatFile || !areGood(found.sums, this.agreement!) || this.parts.order.rankOf(entry.path) > 0) return undefined;
    resumables.delete(entry.path);
    return found;
  }

  /** The stored file whose blocks to offer: the same one as it was, or one of that size, time and name. The transfer itself proves the guess. */
  private sourceFor(entry: Entry, stored: FileEntry | undefined): Source | undefined {
    const { files, list } = this.parts;
    if (entry.sizeBytes < SOURCE_BYTES_MIN) return undefined;
    const own = stored === undefined ? undefined : files.sums.of(stored);
    const found = own !== undefined ? { entry: stored!, sums: own } : files.sums.alike(list, entry);
    return found !== undefined && found.entry.place !== undefined && areGood(found.sums, this.agreement!) ? found : undefined;
  }

  /** A name whose object has the content: others of its group are copied from it. */
  isStored(entry: Entry, stored: FileEntry): void {
    if (stored.place === undefined || this.groups.of(entry) !== undefined) return;
    const holder = { key: stored.path, place: stored.place };
    this.groups.lead(entry, { holder, sizeBytes: stored.sizeBytes, digest: stored.digest, state: "stored", rank: 0, followers: [] });
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
    const { sizeBytes, digest } = group;
    const fact: Work & { readonly kind: "copy" } = {
      kind: "copy",
      key: entry.path,
      from: group.holder,
      metadata: metadataOf(entry, digest),
      fact: (place) => arrivedFact(entry, { sizeBytes, digest }, place),
      forgetsSums: stored !== undefined && stored.sizeBytes >= FORGET_BYTES_MIN,
      sums: undefined,
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

  take(event: Extract<SessionEvent, { readonly type: "fileStart" | "data" | "copy" | "fileEnd" | "fileFailed" }>): void | Promise<void> {
    switch (event.type) {
      case "data":
        return this.small === undefined ? this.current!.incoming.data(event.bytes) : this.dataOfSmall(event.bytes);
      case "copy":
        return this.current!.incoming.copy(event.block, event.lengthBytes);
      case "fileStart":
        return this.start(event.index, event.attempt);
      case "fileEnd":
        return this.end(event);
      case "fileFailed":
        return this.fail(event.index, event.why);
    }
  }

  private start(index: number, attempt: number): void {
    const expected = this.expected.get(index);
    assert(expected !== undefined, "the session gives what was asked for");
    const [source, resumed] = attempt === 1 ? [expected.source, expected.resumed] : [undefined, undefined];
    if (source === undefined && resumed === undefined && expected.entry.sizeBytes <= SMALL_BYTES_MAX && expected.rank === 0)
      this.small = { expected, bytes: this.parts.contents.take(expected.entry.sizeBytes), fillBytes: 0 };
    else this.current = { expected, incoming: this.incomingOf(expected, source, resumed) };
  }

  private incomingOf(expected: Expected, source?: Source, resumed?: Resumable): Incoming {
    const { store, digests } = this.parts;
    const { entry } = expected;
    const supply = (bytes: Buffer): void => this.session.supply(bytes);
    return new Incoming({ store, entry, key: this.room.keyFor(entry.path, expected.rank), source, resumed, agreement: this.agreement!, digests, supply });
  }

  private dataOfSmall(data: Buffer): void | Promise<void> {
    const { expected, bytes, fillBytes } = this.small!;
    if (fillBytes + data.length <= bytes.length) {
      bytes.set(data, fillBytes);
      this.small!.fillBytes += data.length;
      return;
    }
    this.small = undefined; // It grew.
    const incoming = this.incomingOf(expected);
    this.current = { expected, incoming };
    return this.regrow(incoming, [Buffer.from(bytes.subarray(0, fillBytes)), data], bytes);
  }

  private async regrow(incoming: Incoming, pieces: readonly Buffer[], taken: Buffer): Promise<void> {
    this.parts.contents.release(taken);
    for (const piece of pieces) await incoming.data(piece);
  }

  private end(event: FileEnd): void | Promise<void> {
    const { small, current } = this;
    this.small = this.current = undefined;
    const { expected } = small ?? current!;
    if (current?.incoming.isSpoiled === true) return this.spoil(event, expected, current.incoming);
    if (event.outcome === "mismatch") return small === undefined ? current!.incoming.abandon() : this.parts.contents.release(small.bytes);
    const whole = small === undefined ? current!.incoming.finishSmall() : arrivalOf(small.bytes, small.fillBytes);
    if (whole === undefined) return this.endLarge(event, expected, current!.incoming);
    if (expected.rank > 0 && this.room.isFull) return this.putAside(event, expected, whole);
    const arrived = this.arrive(event, expected, whole);
    return arrived === undefined && this.parts.depot.isFull ? this.parts.depot.room() : arrived;
  }

  private async endLarge(event: FileEnd, expected: Expected, incoming: Incoming): Promise<void> {
    const arrival = await incoming.finish();
    const { content } = arrival;
    if (content.kind === "upload" && this.isKnown(event, expected)) await content.upload.abort();
    await this.arrive(event, expected, arrival);
    await this.parts.depot.room();
  }

  /** Memory for what waits is used up: this content waits in the store. */
  private async putAside(event: FileEnd, expected: Expected, arrival: Arrival): Promise<void> {
    assert(arrival.content.kind === "whole", "the content lies in memory");
    const { entry } = expected;
    const upload = await this.parts.store.begin({
      key: this.room.keyFor(entry.path, expected.rank),
      metadata: metadataOf(entry),
      sizeBytes: arrival.lengthBytes,
    });
    await upload.write(arrival.content.bytes);
    await this.arrive(event, expected, { ...arrival, content: { kind: "upload", upload } });
  }

  /** What an upload had of the file was of no use: another round fetches it whole. */
  private async spoil(event: FileEnd, { directory, group }: Expected, incoming: Incoming): Promise<void> {
    if (event.outcome === "mismatch") return incoming.abandon(); // The second attempt comes without it.
    this.expected.delete(event.index);
    this.spoiledCount++;
    if (group !== undefined) group.state = "failed";
    for (const follower of group?.followers.splice(0) ?? []) this.care.settled(follower.directory);
    this.care.settled(directory);
    await incoming.abandon();
  }

  /** It has the content already, by its digest. */
  private isKnown(event: FileEnd, { stored }: Expected): boolean {
    const known = stored?.digest;
    if (stored === undefined || event.outcome !== "verified" || known?.name !== this.agreement!.digest) return false;
    return stored.sizeBytes === event.lengthBytes && known.bytes.equals(event.digest);
  }

  /** Has to wait only for uploads that come last. */
  private arrive(event: FileEnd, expected: Expected, arrival: Arrival): void | Promise<void> {
    const { counts, watcher } = this.parts;
    const { entry, stored, group, directory, rank } = expected;
    this.expected.delete(event.index);
    counts.fetchedBytes += arrival.literalBytes;
    counts.reusedBytes += arrival.lengthBytes - arrival.literalBytes;
    const isUnchanged = (arrival.content.kind === "source" && arrival.content.source.entry === stored) || this.isKnown(event, expected);
    const isProven = event.outcome === "verified" || this.checkFor(event) !== undefined;
    const digest = isProven ? { name: this.agreement!.digest, bytes: event.digest } : isUnchanged ? stored!.digest : undefined;
    if (group !== undefined) {
      group.sizeBytes = event.lengthBytes;
      group.digest = digest;
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
      const work = this.workFor(expected, arrival, digest, this.checkFor(event));
      if (work.kind === "complete" && rank > 0) return this.arriveLater({ ...work, kind: "complete" }, expected, arrival);
      this.room.add({ rank, work, directory });
    }
    this.letFollow(group);
  }

  private async arriveLater(work: Work & { readonly kind: "complete" }, { rank, directory, group }: Expected, { lengthBytes }: Arrival): Promise<void> {
    await this.room.addUpload({ rank, work, directory }, lengthBytes);
    this.letFollow(group);
  }

  private letFollow(group: LinkGroup<Follower> | undefined): void {
    for (const follower of group?.followers.splice(0) ?? []) this.followArrived(group!, follower);
  }

  /** In a tree a file whose blocks were not all read on their way is read when it is whole; elsewhere their sums, in full length, are trusted. */
  private checkFor(event: FileEnd): ContentCheck | undefined {
    const { digests, store } = this.parts;
    const { digest: name, seed } = this.agreement!;
    if (event.outcome !== "unverified" || !store.features.isTree) return undefined;
    return { start: () => digests.ofFile(name, seed), digest: event.digest };
  }

  private followArrived(group: LinkGroup<Follower>, follower: Follower): void {
    follower.directory.pendingCount--;
    this.follow(group, follower);
  }

  private workFor({ entry, stored, group }: Expected, arrival: Arrival, digest: ContentDigest | undefined, check: ContentCheck | undefined): Work {
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

  private fail(index: number, why: "notSent" | "digest"): void {
    const { counts, watcher } = this.parts;
    const expected = this.expected.get(index);
    assert(expected !== undefined, "the session refuses only what was asked for");
    this.expected.delete(index);
    const { group } = expected;
    if (group !== undefined) group.state = "failed";
    for (const { entry, directory } of [expected, ...(group?.followers.splice(0) ?? [])]) {
      counts.failedCount++;
      this.firstFailed ??= entry.path;
      watcher.item({
        path: entry.path,
        what: "failed",
        why: why === "notSent" ? "the server did not send it" : "its content was not what its digest says, twice",
      });
      this.care.settled(directory);
    }
  }

  /** The session ended in the middle. What was not reached is among the resumables again; what is returned can be gone on with as well. */
  async abandon(): Promise<BrokenUpload[]> {
    const { resumables, options } = this.parts;
    const { current } = this;
    this.current = undefined;
    this.care.abandon();
    for (const { entry, resumed } of this.expected.values())
      if (resumed !== undefined && resumed.upload !== current?.incoming.resumedUpload) resumables.set(entry.path, resumed);
    const last = options.partial ? await current?.incoming.suspend() : await current?.incoming.abandon();
    return last === undefined ? [] : [last];
  }
}

function arrivalOf(bytes: Buffer, lengthBytes: number): Arrival {
  const content = lengthBytes === bytes.length ? bytes : bytes.subarray(0, lengthBytes);
  return { content: { kind: "whole", bytes: content }, lengthBytes, literalBytes: lengthBytes, sums: undefined };
}
