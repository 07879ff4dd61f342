/**
 * Walks a chained stream from its first kept event to its end and proves that nothing in between was altered, removed or put in:
 * revisions without a hole, ids as their metadata have them, whole batches, each naming the hash of the one before. What the chain alone
 * cannot show (a new history as consistent as the old one, an end that was cut off) is found by anchors: hashes that were kept elsewhere.
 */
import { RainbowError } from "../core/index.ts";
import type { Revision } from "../core/index.ts";
import { batchHash } from "./chain.ts";
import { eventCorrupt } from "./codec.ts";
import type { EventStore, StoredEvent, StreamInfo } from "./event-store.ts";
import { bufferOf, eventIdOf, MetadataReader } from "./metadata.ts";
import type { ChainReport } from "./machine-stream.ts";
import type { EventMetadata } from "./schema.ts";

/** The chain hash at a revision, as somebody else has it. */
export interface Anchor {
  readonly revision: Revision;
  /** In hex. */
  readonly chainHash: string;
  /** Who says so, for people: "the head that was kept". */
  readonly source: string;
}

export interface WalkOptions {
  /** Ascending by revision. */
  readonly anchors?: AsyncIterable<Anchor> | Iterable<Anchor>;
  /** Hashes that are looked for anywhere, in hex. */
  readonly sought?: ReadonlySet<string>;
}

export interface WalkReport extends ChainReport {
  /** The end before the first whole batch: -1 where nothing was truncated. */
  readonly start: { readonly revision: Revision; readonly chainHash: string };
  /** Anchors from before the start: nothing that is kept can prove or refute them. */
  readonly unproven: readonly Anchor[];
  /** Anchors that the chain has. */
  readonly provenCount: number;
  /** Of the sought hashes those that are there. */
  readonly found: readonly string[];
}

const PAGE_EVENTS = 5000;
const PAGE_BYTES = 4 << 20;

/** Yields how far it is. EVENT_CORRUPT (facts stream, revision, why) names the first break. */
export async function* walkChain(
  store: EventStore,
  { stream, headRevision, truncatedBefore }: StreamInfo,
  options: WalkOptions = {},
): AsyncGenerator<Revision, WalkReport> {
  const walk = new Walk(stream, truncatedBefore, options);
  let next = truncatedBefore as number;
  while (next <= headRevision) {
    const page = await store.read(stream, {
      from: next as Revision,
      maxCount: Math.min(PAGE_EVENTS, headRevision - next + 1),
      bytesMax: PAGE_BYTES,
      withoutPositions: true,
    });
    if (page[0]?.revision !== next) await refuseMoved(store, stream, next);
    if (page[0] === undefined) throw eventCorrupt(stream, next, `events ${next} to ${headRevision} are missing`);
    for (const stored of page) {
      if (stored.revision !== next) throw eventCorrupt(stream, next, `it is missing: r${stored.revision} follows r${next - 1}`);
      const isBatchEnd = walk.take(stored);
      if (isBatchEnd) await walk.endBatch();
      next += 1;
    }
    await new Promise((resolve) => setImmediate(resolve)); // Hashing a page takes some 15 ms: others get their turn.
    yield (next - 1) as Revision;
  }
  return await walk.finish(headRevision);
}

/** BUSY where the events were let go while they were walked. */
async function refuseMoved(store: EventStore, stream: string, next: number): Promise<void> {
  const { truncatedBefore } = await store.info(stream);
  if (truncatedBefore <= next) return;
  throw new RainbowError("BUSY", `events of '${stream}' before r${truncatedBefore} were let go meanwhile: verify again`, { stream, truncatedBefore });
}

interface BatchEnd extends Pick<EventMetadata, "epoch" | "sequence"> {
  readonly previousHash: Buffer;
}

/** A batch that was walked over. */
interface Seen {
  readonly first: Revision;
  readonly last: Revision;
  readonly end: BatchEnd;
  readonly hash: Buffer;
}

interface Suspect {
  readonly before: Seen;
  readonly own: Seen;
}

class Walk {
  private readonly stream: string;
  private readonly first: Revision;
  private readonly anchors: AsyncIterator<Anchor> | Iterator<Anchor>;
  private readonly sought: ReadonlySet<string>;
  private readonly reader = new MetadataReader();
  private open: StoredEvent[] = [];
  private end: BatchEnd | undefined;
  private start: { revision: Revision; chainHash: string } | undefined;
  private before: Seen | undefined;
  private suspect: Suspect | undefined;
  private at: Revision;
  private anchor: Anchor | undefined;
  private isStarted = false;
  private counts = { batchCount: 0, eventCount: 0, provenCount: 0 };
  private readonly unproven: Anchor[] = [];
  private readonly found: string[] = [];

  constructor(stream: string, first: Revision, { anchors = [], sought = new Set() }: WalkOptions) {
    this.stream = stream;
    this.first = first;
    this.at = (first - 1) as Revision;
    this.anchors = Symbol.asyncIterator in anchors ? anchors[Symbol.asyncIterator]() : anchors[Symbol.iterator]();
    this.sought = sought;
  }

  /** Whether it ends a whole batch. */
  take(stored: StoredEvent): boolean {
    const { revision, type } = stored;
    const fail = (why: string): Error => eventCorrupt(this.stream, revision, why);
    const own = this.reader.read(stored.metadata, (why) => fail(`${type}: ${why}`));
    this.counts.eventCount += 1;
    const isRest = this.start === undefined && this.open.length === 0 && own.index > 0; // Of a batch whose beginning was truncated.
    if (isRest && this.first === 0) throw fail(`the stream begins in the middle of a batch: its first event has the index ${own.index}`);
    if (!isRest && own.index !== this.open.length)
      throw fail(`it is event ${own.index} of its batch where ${this.open.length} was to come: events were removed, put in or exchanged`);
    if (!eventIdOf(own.epoch, own.sequence, own.index).equals(bufferOf(stored.id)))
      throw fail("its id is not that of its place: it was altered, or another took its place");
    if (isRest) return false;
    this.open.push(stored);
    const { epoch, sequence, batchEnd } = own;
    if (batchEnd !== undefined) this.end = { epoch, sequence, previousHash: batchEnd.previousHash };
    return batchEnd !== undefined;
  }

  async endBatch(): Promise<void> {
    const events = this.open;
    const batch: Seen = { first: events[0]!.revision, last: events.at(-1)!.revision, end: this.end!, hash: batchHash(events) };
    this.open = [];
    if (this.suspect !== undefined) throw this.changed(this.suspect, batch);
    if (this.before === undefined) await this.begin((batch.first - 1) as Revision, batch.end.previousHash);
    else if (!this.before.hash.equals(batch.end.previousHash)) {
      this.suspect = { before: this.before, own: batch }; // The batch after it tells which of the two is not what it was.
      return;
    }
    this.before = batch;
    this.at = batch.last;
    this.counts.batchCount += 1;
    this.see(batch.hash.toString("hex"));
    await this.pass();
  }

  /** `own` does not follow `before`. Where the next batch knows `own` as it is, that one is sound. */
  private changed({ before, own }: Suspect, next?: Seen): Error {
    const isOwnSound = next?.end.previousHash.equals(own.hash) === true;
    const removed = own.end.epoch === before.end.epoch && own.end.sequence > before.end.sequence + 1;
    if (isOwnSound && removed) return eventCorrupt(this.stream, own.first, `batches between r${before.last} and r${own.first} are missing: they were removed`);
    const of = ({ first, last }: Seen): string => (first === last ? `r${first}` : `r${first} to r${last}`);
    if (isOwnSound)
      return eventCorrupt(
        this.stream,
        before.first,
        `the batch ${of(before)} is not what the one after it names: it was altered, put in, or something behind it removed`,
      );
    return eventCorrupt(this.stream, own.first, `the batch ${of(own)} names another one before it than ${of(before)}: one of the two was altered or put in`);
  }

  async finish(headRevision: Revision): Promise<WalkReport> {
    if (this.open.length > 0) throw eventCorrupt(this.stream, this.open[0]!.revision, `its batch has no end: the stream was cut off at r${headRevision}`);
    if (this.suspect !== undefined) throw this.changed(this.suspect);
    await this.nextAnchor();
    const { anchor } = this;
    if (anchor !== undefined)
      throw eventCorrupt(this.stream, this.at + 1, `the stream ends at r${this.at}, and ${anchor.source} knows of r${anchor.revision}: its end was cut off`);
    const { start = { revision: this.at, chainHash: "" }, before, unproven, found } = this;
    return { revision: this.at, chainHash: before?.hash ?? Buffer.from(start.chainHash, "hex"), start, unproven, found, ...this.counts };
  }

  private async begin(revision: Revision, previousHash: Buffer): Promise<void> {
    const chainHash = previousHash.toString("hex");
    if (revision < 0 && /[^0]/.test(chainHash)) throw eventCorrupt(this.stream, 0, "the first batch names a batch before it: the beginning was removed");
    this.start = { revision, chainHash };
    this.see(chainHash);
    await this.nextAnchor();
    for (; this.anchor !== undefined && this.anchor.revision < revision; await this.skip()) this.unproven.push(this.anchor);
    for (; this.anchor?.revision === revision; await this.skip()) this.compare(this.anchor, chainHash);
  }

  /** Anchors up to where the walk is. */
  private async pass(): Promise<void> {
    for (; this.anchor !== undefined && this.anchor.revision <= this.at; await this.skip()) {
      if (this.anchor.revision === this.at) this.compare(this.anchor, this.before!.hash.toString("hex"));
      else
        throw eventCorrupt(
          this.stream,
          this.anchor.revision,
          `${this.anchor.source} knows of a batch that ended there, and none does: history was written anew`,
        );
    }
  }

  private compare({ revision, chainHash, source }: Anchor, here: string): void {
    this.counts.provenCount += 1;
    if (here === chainHash) return;
    throw eventCorrupt(this.stream, revision, `up to there history is another one than ${source} knows: it was written anew`);
  }

  private see(hash: string): void {
    if (this.sought.has(hash)) this.found.push(hash);
  }

  private async nextAnchor(): Promise<void> {
    if (this.isStarted) return;
    this.isStarted = true;
    await this.skip();
  }

  private async skip(): Promise<void> {
    const { value, done } = await this.anchors.next();
    this.anchor = done === true ? undefined : (value as Anchor);
  }
}
