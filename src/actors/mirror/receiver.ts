/** What one session receives: which basis is offered for a file that is asked for, what comes of it, and what is left when the session breaks. */
import { assert } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { Claim, FileEntry, FileList, MirrorFiles } from "../../projections/index.ts";
import type { Agreement, Digests, Entry, Session, SessionEvent } from "../../rsync/index.ts";
import type { BrokenUpload, Resumable } from "./broken-uploads.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { ContentCheck, Depot } from "./depot.ts";
import { metadataOf } from "./facts.ts";
import type { Fetching, FileEnd, WantedFile } from "./fetching.ts";
import { Incoming } from "./incoming.ts";
import type { Arrival, Source } from "./incoming.ts";
import { areGood, basisOf, shortStrongBytes } from "./kept-sums.ts";
import type { SyncOptions } from "./options.ts";
import type { PublicationOrder } from "./publication.ts";
import { SMALL_BYTES_MAX } from "./small-contents.ts";
import type { SmallContents } from "./small-contents.ts";

export interface ReceiverParts {
  readonly store: ObjectStore;
  readonly files: MirrorFiles;
  readonly list: FileList;
  readonly depot: Depot;
  readonly contents: SmallContents;
  readonly resumables: Map<ByteString, Resumable>;
  readonly checkpoints: Checkpoints | undefined;
  readonly order: PublicationOrder;
  readonly digests: Digests;
  readonly options: SyncOptions;
}

/** What of a session's events is about content. */
export type ContentEvent = Extract<SessionEvent, { readonly type: "fileStart" | "data" | "copy" | "fileEnd" | "fileFailed" }>;

const FULL_STRONG_BYTES = 16;
const SOURCE_BYTES_MIN = 16 << 10;

export class Receiver {
  private readonly parts: ReceiverParts;
  private readonly session: Session;
  private readonly fetching: Fetching;
  private readonly expected = new Map<number, WantedFile>();
  /** Of files that are asked for, as they are listed. */
  pendingBytes = 0;
  /** Files whose content came. */
  arrivedCount = 0;
  /** The file that comes in where it is a small one; its content lies in memory. */
  private small: { readonly wanted: WantedFile; readonly bytes: Buffer; fillBytes: number } | undefined;
  private agreement: Agreement | undefined;
  private current: { readonly wanted: WantedFile; readonly incoming: Incoming } | undefined;

  constructor(parts: ReceiverParts, session: Session, fetching: Fetching) {
    this.parts = parts;
    this.session = session;
    this.fetching = fetching;
  }

  begin(agreement: Agreement): void {
    this.agreement = agreement;
  }

  /** Asks for a file that the session listed under that index. */
  ask(index: number, wanted: WantedFile): void {
    const { entry, stored } = wanted;
    const resumed = (wanted.resumed = this.resumedFor(entry));
    const source = (wanted.source = resumed === undefined ? this.sourceFor(entry, stored) : undefined);
    this.expected.set(index, wanted);
    this.pendingBytes += entry.sizeBytes;
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

  take(event: ContentEvent): void | Promise<void> {
    switch (event.type) {
      case "data":
        if (this.small !== undefined) return this.dataOfSmall(event.bytes);
        this.fetching.note(this.current!.wanted, event.bytes.length);
        return this.current!.incoming.data(event.bytes);
      case "copy":
        this.fetching.note(this.current!.wanted, event.lengthBytes);
        return this.current!.incoming.copy(event.block, event.lengthBytes);
      case "fileStart":
        return this.start(event.index, event.attempt);
      case "fileEnd":
        return this.end(event);
      case "fileFailed":
        return this.fetching.fail(this.settled(event.index), event.why);
    }
  }

  /** Nothing more comes of it from this session. */
  private settled(index: number): WantedFile {
    const wanted = this.expected.get(index);
    assert(wanted !== undefined, "the session tells of what was asked for");
    this.expected.delete(index);
    this.pendingBytes -= wanted.entry.sizeBytes;
    return wanted;
  }

  /** What was asked for and is still to come. */
  unsettled(): IterableIterator<WantedFile> {
    return this.expected.values();
  }

  private start(index: number, attempt: number): void {
    const wanted = this.expected.get(index);
    assert(wanted !== undefined, "the session gives what was asked for");
    this.fetching.beginAnew(wanted);
    const [source, resumed] = attempt === 1 ? [wanted.source, wanted.resumed] : [undefined, undefined];
    if (source === undefined && resumed === undefined && wanted.entry.sizeBytes <= SMALL_BYTES_MAX && wanted.rank === 0)
      this.small = { wanted, bytes: this.parts.contents.take(wanted.entry.sizeBytes), fillBytes: 0 };
    else this.current = { wanted, incoming: this.incomingOf(wanted, source, resumed) };
  }

  private incomingOf({ entry, rank }: WantedFile, source?: Source, resumed?: Resumable): Incoming {
    const { store, digests, options } = this.parts;
    const checkpoints = options.partial && rank === 0 ? this.parts.checkpoints : undefined; // What waits for its turn is not gone on with.
    const supply = (bytes: Buffer): void => this.session.supply(bytes);
    const key = this.fetching.room.keyFor(entry.path, rank);
    return new Incoming({ store, entry, key, source, resumed, agreement: this.agreement!, digests, supply, checkpoints });
  }

  private dataOfSmall(data: Buffer): void | Promise<void> {
    const { wanted, bytes, fillBytes } = this.small!;
    if (fillBytes + data.length <= bytes.length) {
      bytes.set(data, fillBytes);
      this.small!.fillBytes += data.length;
      return;
    }
    this.small = undefined; // It grew.
    const incoming = this.incomingOf(wanted);
    this.current = { wanted, incoming };
    return this.regrow(incoming, [Buffer.from(bytes.subarray(0, fillBytes)), data], bytes);
  }

  private async regrow(incoming: Incoming, pieces: readonly Buffer[], taken: Buffer): Promise<void> {
    this.parts.contents.release(taken);
    for (const piece of pieces) await incoming.data(piece);
  }

  private end(event: FileEnd): void | Promise<void> {
    const { small, current } = this;
    this.small = this.current = undefined;
    const { wanted } = small ?? current!;
    if (current?.incoming.isSpoiled === true) return this.spoil(event, current.incoming);
    if (event.outcome === "mismatch") return small === undefined ? current!.incoming.abandon() : this.parts.contents.release(small.bytes);
    const whole = small === undefined ? current!.incoming.finishSmall() : arrivalOf(small.bytes, small.fillBytes);
    if (whole === undefined) return this.endLarge(event, wanted, current!.incoming);
    if (wanted.rank > 0 && this.fetching.room.isFull) return this.putAside(event, wanted, whole);
    const arrived = this.arrive(event, wanted, whole);
    return arrived === undefined && this.parts.depot.isFull ? this.parts.depot.room() : arrived;
  }

  private async endLarge(event: FileEnd, wanted: WantedFile, incoming: Incoming): Promise<void> {
    const arrival = await incoming.finish();
    if (arrival === undefined) return this.spoil(event, incoming);
    const { content } = arrival;
    if (content.kind === "source" && this.isDenied(event, content.source.entry)) {
      await this.parts.files.sums.forget([content.source.entry.path]); // They are of another content.
      return this.spoil(event, incoming);
    }
    if (content.kind === "upload" && this.isKnown(event, wanted)) await content.upload.abort();
    await this.arrive(event, wanted, arrival);
    await this.parts.depot.room();
  }

  /** Memory for what waits is used up: this content waits in the store. */
  private async putAside(event: FileEnd, wanted: WantedFile, arrival: Arrival): Promise<void> {
    assert(arrival.content.kind === "whole", "the content lies in memory");
    const { entry, rank } = wanted;
    const key = this.fetching.room.keyFor(entry.path, rank);
    const upload = await this.parts.store.begin({ key, metadata: metadataOf(entry), sizeBytes: arrival.lengthBytes });
    await upload.write(arrival.content.bytes);
    await this.arrive(event, wanted, { ...arrival, content: { kind: "upload", upload, key } });
  }

  /** What an upload had of the file, or its source, was of no use: another round fetches it whole. */
  private async spoil(event: FileEnd, incoming: Incoming): Promise<void> {
    if (incoming.lostSource !== undefined) await this.parts.files.sums.forget([incoming.lostSource]);
    if (event.outcome !== "mismatch") this.fetching.spoil(this.settled(event.index)); // Else the second attempt comes without it.
    await incoming.abandon();
  }

  /** Has to wait only for uploads that come last. */
  private arrive(event: FileEnd, wanted: WantedFile, arrival: Arrival): void | Promise<void> {
    this.settled(event.index);
    this.arrivedCount++;
    return this.fetching.arrive(wanted, arrival, {
      event,
      digestName: this.agreement!.digest,
      isKnown: this.isKnown(event, wanted),
      check: this.checkFor(event),
      claim: this.claimOf(event, arrival),
    });
  }

  /** It has the content already, by its digest. */
  private isKnown(event: FileEnd, { stored }: WantedFile): boolean {
    const known = stored?.digest;
    if (stored === undefined || event.outcome !== "verified" || known?.name !== this.agreement!.digest) return false;
    return stored.sizeBytes === event.lengthBytes && known.bytes.equals(event.digest);
  }

  /** In a tree a file whose blocks were not all read on their way is read when it is whole; elsewhere their sums, in full length, are trusted. */
  private checkFor(event: FileEnd): ContentCheck | undefined {
    const { digests, store } = this.parts;
    const { digest: name, seed } = this.agreement!;
    if (event.outcome !== "unverified" || !store.features.isTree) return undefined;
    return { start: () => digests.ofFile(name, seed), digest: event.digest };
  }

  /** What the server says of a content that nobody here has read; undefined where it is proven, or will be before it is recorded. */
  private claimOf(event: FileEnd, { content }: Arrival): Claim | undefined {
    const { digest, seed } = this.agreement!;
    const known = content.kind === "source" ? content.source.entry.digest : undefined; // It is that, byte for byte.
    const isProven = event.outcome === "verified" || (known?.name === digest && known.bytes.equals(event.digest));
    return isProven || this.parts.store.features.isTree ? undefined : { digest, seed, bytes: event.digest };
  }

  /** As its blocks say, the content is what the store has; by its digest it is not. */
  private isDenied(event: FileEnd, { digest: known }: FileEntry): boolean {
    return event.outcome === "unverified" && known !== undefined && known.name === this.agreement!.digest && !known.bytes.equals(event.digest);
  }

  /** The session ended in the middle. What was not reached is among the resumables again; what is returned can be gone on with as well. */
  async abandon(): Promise<BrokenUpload[]> {
    const { contents, resumables, options } = this.parts;
    const { current, small } = this;
    this.current = this.small = undefined;
    if (small !== undefined) contents.release(small.bytes);
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
