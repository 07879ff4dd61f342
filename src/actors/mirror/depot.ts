/**
 * The way of what arrived into the object store and then into the stream. Work is taken in order, many small objects in one call; facts
 * are recorded once the store says that everything before them is durable. So an event never names an object that could get lost. What is
 * to be done is noted first: a crash leaves at most objects that no event names, and the next sync finds each of them by its note.
 */
import { isRainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { NewObject, NewUpload, ObjectMetadata, ObjectName, ObjectPlace, ObjectStore, Upload } from "../../objects/index.ts";
import type { Claim, ClaimedFile, MirrorFact, MirrorFiles, RememberedSums } from "../../projections/index.ts";

import type { RunningDigest } from "../../rsync/index.ts";
import type { Intent, IntentLog, Noted } from "./intent-log.ts";
import { isWaiting } from "./publication.ts";
import type { SmallContents } from "./small-contents.ts";

/** Makes the fact of what is stored now; undefined where there is none to record. */
export type FactOf = (place: ObjectPlace) => MirrorFact | undefined;

/** What was stored, by whoever needs its place later. */
export interface PlaceHolder {
  readonly key: ByteString;
  place: ObjectPlace | undefined;
}

/** Content that is to be read once more before its fact is recorded. */
export interface ContentCheck {
  readonly start: () => RunningDigest;
  readonly digest: Buffer;
}

interface Common {
  readonly key: ByteString;
  readonly fact: FactOf;
  /** Content with remembered sums is replaced: they are forgotten before. */
  readonly forgetsSums: boolean;
  /** Of the new content; remembered once its fact is recorded. */
  readonly sums: SumsToRemember | undefined;
  /** What the server said of the content, where that is all that is known. */
  readonly claim?: Claim | undefined;
}

export type Work =
  | (Common & { readonly kind: "put"; readonly object: NewObject })
  | (Common & { readonly kind: "copy"; readonly from: PlaceHolder; readonly metadata: ObjectMetadata })
  | (Common & { readonly kind: "complete"; readonly upload: Upload; readonly metadata: ObjectMetadata; readonly check: ContentCheck | undefined })
  /** An upload that was let go when its content was whole. */
  | (Common & {
      readonly kind: "resume";
      readonly token: string;
      readonly upload: NewUpload;
      readonly lengthBytes: number;
      readonly check: ContentCheck | undefined;
    })
  | (Common & { readonly kind: "attributes"; readonly metadata: ObjectMetadata })
  /** What stands in the way of another kind. */
  | { readonly kind: "remove"; readonly name: ObjectName }
  | { readonly kind: "fact"; readonly fact: MirrorFact };

export interface SumsToRemember {
  readonly file: { readonly sizeBytes: number; readonly mtimeSeconds: number; readonly mtimeNanos: number };
  readonly sums: RememberedSums;
}

const QUEUED_BYTES_MAX = 32 << 20; // What waits for the store: enough to hide its latency, little beside the process itself.
const QUEUED_COUNT_MAX = 8192;
const PUT_BYTES_MAX = 8 << 20;
const PUT_COUNT_MAX = 1024;
const TAKEN_COUNT = PUT_COUNT_MAX; // Work waits until there is so much of it: each note is a write to the disk that is waited for.
const TAKEN_BYTES = PUT_BYTES_MAX;
const FACTS_MAX = 10_000; // As many as one batch of the stream takes.
const COMMIT_BYTES = 512 << 20; // Content that a crash may cost once more.
const NOTHING = Buffer.alloc(0);
const COMMITS_UNDER_WAY_MAX = 2;
const UPLOADS_OPEN_MAX = 32; // Whole, but not yet under their keys: each holds a file descriptor, or parts of a store.

export class Depot {
  private readonly store: ObjectStore;
  private readonly files: MirrorFiles;
  private readonly contents: SmallContents;
  private readonly log: IntentLog;
  /** Objects that were found to be gone or replaced: another round fetches them. */
  lostCount = 0;
  private queue: Work[] = [];
  private queuedBytes = 0;
  /** Of what is in the queue: contents, wherever they lie. */
  private untakenBytes = 0;
  /** Somebody waits for all of it. */
  private isPressed = false;
  private openUploadCount = 0;
  private isWorking = false;
  private failure: { readonly cause: unknown } | undefined;
  /** What is stored could not be made durable or recorded: nothing more is. */
  private commitFailure: { readonly cause: unknown } | undefined;
  private waiting: (() => void)[] = [];
  private facts: MirrorFact[] = [];
  private noted: Noted[] = [];
  private sums: (SumsToRemember & { readonly key: ByteString })[] = [];
  private claims: ClaimedFile[] = [];
  private storedBytes = 0;
  private commits: Promise<void> = Promise.resolve();
  private commitCount = 0;

  constructor(store: ObjectStore, files: MirrorFiles, contents: SmallContents, log: IntentLog) {
    this.store = store;
    this.files = files;
    this.contents = contents;
    this.log = log;
  }

  /** Whether whoever adds should wait for `room` first. */
  get isFull(): boolean {
    const isQueueFull = this.queuedBytes > QUEUED_BYTES_MAX || this.queue.length > QUEUED_COUNT_MAX || this.openUploadCount >= UPLOADS_OPEN_MAX;
    return this.failure !== undefined || isQueueFull || this.commitCount > COMMITS_UNDER_WAY_MAX;
  }

  add(work: Work): void {
    this.queue.push(work);
    if (work.kind === "put") this.queuedBytes += work.object.bytes.length;
    if (work.kind === "complete") this.openUploadCount++;
    this.untakenBytes += sizeOf(work);
    this.begin();
  }

  private begin(): void {
    if (this.isWorking || !this.isDue) return;
    this.isWorking = true;
    void this.work();
  }

  private get isDue(): boolean {
    if (this.queue.length === 0 || this.failure !== undefined) return false;
    return this.isPressed || this.queue.length >= TAKEN_COUNT || this.untakenBytes >= TAKEN_BYTES || this.isFull;
  }

  /** Waits until there is room again; throws what went wrong on the way to the store. */
  async room(): Promise<void> {
    while (this.isFull) {
      this.throwFailure();
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** Everything that was added is stored, durable and recorded when it resolves. */
  async flush(): Promise<void> {
    await this.drain();
    this.throwFailure();
    this.commit();
    await this.commits;
    this.throwFailure();
  }

  /** After a failure: what was stored before it, or beside it, is recorded, where that can be done. */
  async salvage(): Promise<void> {
    await this.drain();
    this.commit();
    await this.commits;
    if (this.commitFailure !== undefined) throw this.commitFailure.cause;
  }

  private async drain(): Promise<void> {
    this.isPressed = true;
    this.begin();
    while (this.isWorking) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.isPressed = false;
  }

  private async work(): Promise<void> {
    let ahead = this.prepare();
    for (let batch = await ahead; batch !== undefined && this.failure === undefined; batch = (await ahead) ?? (await this.prepare())) {
      ahead = this.prepare(); // The next one is noted while this one is stored.
      try {
        await this.carryOut(batch.taken);
        this.noted.push(batch.noted);
        this.release(batch.taken);
        if (this.facts.length >= FACTS_MAX - PUT_COUNT_MAX || this.storedBytes >= COMMIT_BYTES) this.commit();
        while (this.commitCount > COMMITS_UNDER_WAY_MAX) await this.commits;
      } catch (cause) {
        this.failure ??= { cause };
      }
      this.wake();
    }
    this.isWorking = false;
    this.wake();
    this.begin();
  }

  /** What goes together next, once it is noted; undefined where it is not yet enough. */
  private async prepare(): Promise<{ readonly taken: readonly Work[]; readonly noted: Noted } | undefined> {
    if (!this.isDue) return undefined;
    const taken = this.take();
    try {
      const noted = await this.log.note(taken.flatMap((work) => intentOf(work) ?? []));
      return { taken, noted };
    } catch (cause) {
      this.failure ??= { cause };
      return undefined;
    }
  }

  /** The next pieces of work that go together, still counted. */
  private take(): Work[] {
    let count = 0;
    let bytes = 0;
    while (count < this.queue.length && count < PUT_COUNT_MAX && bytes < PUT_BYTES_MAX) {
      const work = this.queue[count++]!;
      const isOneCall = work.kind === "copy" || work.kind === "complete" || work.kind === "resume";
      bytes += work.kind === "put" ? work.object.bytes.length : isOneCall ? PUT_BYTES_MAX / 16 : 0;
    }
    const taken = this.queue.splice(0, count);
    for (const work of taken) this.untakenBytes -= sizeOf(work);
    return taken;
  }

  private release(done: readonly Work[]): void {
    for (const work of done) {
      if (work.kind === "put") this.queuedBytes -= work.object.bytes.length;
      else if (work.kind === "complete") this.openUploadCount--;
    }
  }

  private async carryOut(taken: readonly Work[]): Promise<void> {
    const forgotten = taken.flatMap((work) => ("forgetsSums" in work && work.forgetsSums ? [work.key] : []));
    if (forgotten.length > 0) await this.files.sums.forget(forgotten);
    if (this.store.features.isTree) return this.inOrder(taken);
    // Keys do not know one another: at once, but what is in the way goes first, and copies of what has only just been stored come last.
    await this.together(taken.filter(({ kind }) => kind === "remove"));
    await this.put(taken.filter((work) => work.kind === "put"));
    await this.together(taken.filter(({ kind }) => kind !== "remove" && kind !== "put" && kind !== "copy"));
    await this.together(taken.filter(({ kind }) => kind === "copy"));
  }

  /** All of it has ended when this does, also after a failure: what went on alone could undo what the next sync stores. */
  private async together(works: readonly Work[]): Promise<void> {
    const ended = await Promise.allSettled(works.map((work) => this.doOne(work)));
    for (const each of ended) if (each.status === "rejected") throw each.reason;
  }

  /** A directory's time holds only once nothing changes below it. */
  private async inOrder(taken: readonly Work[]): Promise<void> {
    for (let at = 0; at < taken.length;) {
      let end = at;
      while (taken[end]?.kind === "put") end++;
      if (end > at) await this.put(taken.slice(at, end).filter((work) => work.kind === "put"));
      else await this.doOne(taken[end++]!);
      at = end;
    }
  }

  private async put(works: readonly (Work & { readonly kind: "put" })[]): Promise<void> {
    if (works.length === 0) return;
    try {
      const places = await this.store.put(works.map(({ object }) => object));
      for (let i = 0; i < works.length; i++) this.noteStored(works[i]!, places[i]!);
    } catch (error) {
      if (works.length > 1) await this.putOneByOne(works);
      throw error;
    }
  }

  /** Some of a call are stored, and some are not: again, so that each that is has its fact. Stops where the store takes nothing. */
  private async putOneByOne(works: readonly (Work & { readonly kind: "put" })[]): Promise<void> {
    for (const work of works)
      try {
        const [place] = await this.store.put([work.object]);
        this.noteStored(work, place!);
      } catch (error) {
        if (!isRainbowError(error, "TARGET_REFUSED", "LIMIT")) return; // The call's own error tells why.
      }
  }

  private noteStored(work: Work & { readonly kind: "put" }, place: ObjectPlace): void {
    const { bytes } = work.object;
    this.note(work, place, bytes.length);
    this.contents.release(bytes);
  }

  private async doOne(work: Work): Promise<void> {
    switch (work.kind) {
      case "copy":
        return this.copy(work);
      case "complete":
        return this.complete(work);
      case "resume":
        return this.resume(work);
      case "attributes":
        return this.setAttributes(work);
      case "remove":
        return this.remove(work.name);
      case "fact":
        return void this.facts.push(work.fact);
      case "put":
        return this.put([work]);
    }
  }

  private async copy(work: Work & { readonly kind: "copy" }): Promise<void> {
    const { key, place } = work.from;
    if (place === undefined) return this.lose(work.key); // What was to be copied got lost itself.
    try {
      this.note(work, await this.store.copy(key, place, work.key, work.metadata), 0);
    } catch (error) {
      if (!isRainbowError(error, "OBJECT_CHANGED")) throw error;
      await this.loseSource(key, place);
    }
  }

  /** This very sync may have replaced it: then there is nothing to be said of it, and another round fetches what was to be its copy. */
  private async loseSource(key: ByteString, place: ObjectPlace): Promise<void> {
    this.commit();
    await this.commits;
    const list = await this.files.list();
    const listed = list.entry(key)?.place;
    list.close();
    if (listed?.etag === place.etag && listed.version === place.version) this.lose(key);
    else this.lostCount++;
  }

  private async complete({ upload, metadata, check, ...work }: Work & { readonly kind: "complete" }): Promise<void> {
    const place = await upload.complete(metadata);
    if (await this.isSound(work.key, place, check)) this.note(work, place, upload.writtenBytes, upload.lacksDigest);
    else this.lose(work.key);
  }

  private async isSound(key: ByteString, place: ObjectPlace, check: ContentCheck | undefined): Promise<boolean> {
    if (check === undefined) return true;
    const digest = check.start();
    for await (const piece of this.store.read(key, { place })) digest.update(Buffer.from(piece.buffer, piece.byteOffset, piece.length));
    return digest.digest().equals(check.digest);
  }

  private async resume(work: Work & { readonly kind: "resume" }): Promise<void> {
    const upload = await this.store.resume(work.token, work.upload);
    if (upload === undefined || upload.writtenBytes !== work.lengthBytes) {
      await upload?.abort();
      return this.lose(work.key);
    }
    const place = await upload.complete(work.upload.metadata);
    if (await this.isSound(work.key, place, work.check)) this.note(work, place, work.lengthBytes, upload.lacksDigest);
    else this.lose(work.key);
  }

  private async setAttributes(work: Work & { readonly kind: "attributes" }): Promise<void> {
    const { key, metadata } = work;
    try {
      this.note(work, await this.store.setMetadata(key, metadata), 0);
    } catch (error) {
      if (!isRainbowError(error, "OBJECT_CHANGED")) throw error;
      if (metadata.kind === "directory") await this.put([{ ...work, kind: "put", object: { key, metadata, bytes: NOTHING } }]);
      else this.lose(key);
    }
  }

  private async remove(name: ObjectName): Promise<void> {
    const [failed] = await this.store.delete([name]);
    if (failed !== undefined) throw failed.error;
    this.facts.push({ type: "FileWithdrawn", path: name.key, reason: "gone" });
  }

  /** Somebody else took or replaced the object: the mirror does not have it any more, and fetches it anew. */
  private lose(key: ByteString): void {
    this.facts.push({ type: "FileWithdrawn", path: key, reason: "lost" });
    this.lostCount++;
  }

  private note(work: Common, place: ObjectPlace, bytes: number, lacksDigest = false): void {
    const fact = work.fact(place);
    if (fact !== undefined) this.facts.push(fact.type === "FileArrived" && lacksDigest ? { ...fact, lacksDigest } : fact);
    if (work.claim !== undefined) this.claims.push({ path: work.key, place, claim: work.claim });
    if (work.sums !== undefined) this.sums.push({ ...work.sums, key: work.key });
    this.storedBytes += bytes;
  }

  /** Makes durable and records what was stored so far. Commits follow one another, and work goes on meanwhile. */
  private commit(): void {
    const { facts, sums, claims, noted } = this;
    this.facts = [];
    this.claims = [];
    this.noted = [];
    this.sums = [];
    this.storedBytes = 0;
    if (facts.length === 0 && noted.length === 0) return;
    this.commitCount++;
    this.commits = this.commits.then(async () => {
      try {
        if (this.commitFailure !== undefined) return;
        await this.store.settle();
        if (claims.length > 0) await this.files.claims.note(claims);
        for (let at = 0; at < facts.length; at += FACTS_MAX) await this.files.record(facts.slice(at, at + FACTS_MAX));
        for (const each of noted) this.log.over(each);
        for (const { key, file, sums: remembered } of sums) this.files.sums.remember(key, file, remembered);
      } catch (cause) {
        this.commitFailure ??= { cause };
        this.failure ??= { cause };
      } finally {
        this.commitCount--;
        this.wake();
      }
    });
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure.cause;
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

function sizeOf(work: Work): number {
  if (work.kind === "put") return work.object.bytes.length;
  if (work.kind === "complete") return work.upload.writtenBytes;
  return work.kind === "resume" ? work.lengthBytes : 0;
}

/** undefined where nothing becomes visible or goes under a path of the mirror. */
function intentOf(work: Work): Intent | undefined {
  switch (work.kind) {
    case "put":
      return { key: work.key, kind: work.object.metadata.kind, what: "made" };
    case "copy":
    case "complete":
      return isWaiting(work.key) ? undefined : { key: work.key, kind: "file", what: "made" };
    case "resume":
      return { key: work.key, kind: "file", what: "made" };
    case "attributes":
      return { key: work.key, kind: work.metadata.kind, what: "described" };
    case "remove":
      return { ...work.name, what: "removed" };
    case "fact":
      return undefined;
  }
}
