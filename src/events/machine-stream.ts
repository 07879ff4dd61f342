/**
 * A chained stream (a machine's, a host's audit) as its one appender and its readers see it: batches of events, each one append, linked by a hash over stored
 * bytes. The hash of a batch is over its events alone; the last event's metadata holds the hash of the batch before, so it links.
 */
import { assert, ByteWriter, RainbowError } from "../core/index.ts";
import type { ChangeOrigin, Position, Revision } from "../core/index.ts";
import type { RecordedBatch } from "./batches.ts";
import { BatchHasher, batchHash, START_HASH } from "./chain.ts";
import { eventCorrupt, writeEventData } from "./codec.ts";
import type { EventStore, NewEvent, StoredEvent } from "./event-store.ts";
import { APPEND_EVENTS_MAX, NO_STREAM } from "./event-store.ts";
import { ID_BYTES } from "./limits.ts";
import { decodeMetadata, encodeBatchMetadata, writeEventId, writeMetadata } from "./metadata.ts";
import type { BatchMetadata } from "./metadata.ts";
import type { StreamEvent } from "./schema.ts";

/** The end of a stream: revision of the last event (-1: none) and the chain hash after it. */
export interface StreamEnd {
  readonly revision: Revision;
  readonly chainHash: Buffer;
}

export interface BatchAppended extends StreamEnd {
  /** Revision of the batch's first event. */
  readonly first: Revision;
  readonly position: Position;
  readonly repeated: boolean;
}

const PAGE_EVENTS = 10_000;

/**
 * The one appender's view of a stream. Appends may be pipelined: each names the revision that the one before it will reach. When one
 * fails, all after it fail with the same error and the view is of no more use: open it anew, which reads what really is there.
 */
export class ChainedStream {
  readonly stream: string;
  private readonly store: EventStore;
  private end: StreamEnd;
  private failure: unknown;
  private hasFailed = false;
  private previous: Promise<unknown> = Promise.resolve();
  private readonly writer = new ByteWriter(1 << 16);

  private constructor(store: EventStore, stream: string, end: StreamEnd) {
    this.store = store;
    this.stream = stream;
    this.end = end;
  }

  /** Reads the stream's end. EVENT_CORRUPT where its last batch is not whole. */
  static async open(store: EventStore, stream: string): Promise<ChainedStream> {
    const info = await store.info(stream);
    if (info.headRevision === NO_STREAM) return new ChainedStream(store, stream, { revision: NO_STREAM, chainHash: START_HASH });
    return new ChainedStream(store, stream, { revision: info.headRevision, chainHash: await chainHashAt(store, stream, info.headRevision) });
  }

  /** Where the stream will end once every append called so far is stored. */
  get head(): StreamEnd {
    return this.end;
  }

  /** Appends `events` as one batch; resolves when it is durable, in the order of the calls. `origins`: who made each, by index. */
  async append(events: readonly StreamEvent[], batch: BatchMetadata, origins?: Origins): Promise<BatchAppended> {
    assert(events.length > 0 && events.length <= APPEND_EVENTS_MAX, "a batch has 1 to 50,000 events");
    if (this.hasFailed) throw this.failure;
    const before = this.end;
    const encoded = encodeBatch(this.writer, events, { batch, previousHash: before.chainHash, origins });
    this.end = { revision: (before.revision + events.length) as Revision, chainHash: encoded.chainHash };
    const after = this.end;
    const earlier = this.previous;
    const stored = this.store.append(this.stream, before.revision, encoded.events);
    const outcome = this.settle(earlier, stored);
    this.previous = outcome.catch(() => undefined);
    const { revision, position, repeated } = await outcome;
    if (revision !== after.revision)
      throw this.fail(new RainbowError("IO", `the store answered revision ${revision} instead of ${after.revision}`, { stream: this.stream }));
    return { ...after, first: (before.revision + 1) as Revision, position, repeated };
  }

  private async settle<T>(earlier: Promise<unknown>, stored: Promise<T>): Promise<T> {
    const [, result] = await Promise.allSettled([earlier, stored]);
    if (this.hasFailed) throw this.failure;
    if (result.status === "rejected") throw this.fail(result.reason);
    return result.value;
  }

  private fail(error: unknown): unknown {
    this.hasFailed = true;
    this.failure = error;
    return error;
  }
}

/** Of the events of a batch, by index; undefined where nobody knows. */
export type Origins = readonly (ChangeOrigin | undefined)[];

/** What a batch is wrapped in. */
interface BatchFrame {
  readonly batch: BatchMetadata;
  readonly previousHash: Buffer;
  readonly origins?: Origins | undefined;
}

/** Encodes a batch into one run of bytes that is also what the chain hash covers, so that it is hashed in one call. */
export function encodeBatch(
  writer: ByteWriter,
  events: readonly StreamEvent[],
  { batch, previousHash, origins = [] }: BatchFrame,
): { readonly events: NewEvent[]; readonly chainHash: Buffer } {
  const hasOrigins = origins.some((origin) => origin !== undefined);
  const shared = encodeBatchMetadata(batch, hasOrigins);
  const last = events.length - 1;
  const starts: number[] = []; // Of id, data, metadata and end of each event.
  const hasher = new BatchHasher(writer);
  events.forEach((event, index) => {
    const start = writer.lengthBytes;
    writeEventId(writer, batch.epoch, batch.sequence, index);
    hasher.type(event.type);
    const dataAt = writer.lengthBytes;
    writeEventData(writer, event);
    const metadataAt = writer.lengthBytes;
    writeMetadata(writer, shared, { index, origin: origins[index], batchEnd: index === last ? { count: events.length, previousHash } : undefined });
    starts.push(start, dataAt, metadataAt, writer.lengthBytes);
    hasher.lengths(dataAt - start - ID_BYTES, metadataAt - dataAt, writer.lengthBytes - metadataAt);
  });
  const bytes = writer.copy();
  const news = events.map((event, i): NewEvent => {
    const [start, dataAt, metadataAt, end] = [starts[i * 4]!, starts[i * 4 + 1]!, starts[i * 4 + 2]!, starts[i * 4 + 3]!];
    return {
      id: bytes.subarray(start, start + ID_BYTES),
      type: event.type,
      data: bytes.subarray(dataAt, metadataAt),
      metadata: bytes.subarray(metadataAt, end),
    };
  });
  return { events: news, chainHash: hasher.finish() };
}

/** The chain hash after the batch that ends at `revision`. EVENT_CORRUPT where no batch ends there or a part of it is gone. */
export async function chainHashAt(store: EventStore, stream: string, revision: Revision): Promise<Buffer> {
  if (revision === NO_STREAM) return START_HASH;
  const [last] = await store.read(stream, { direction: "backwards", from: revision, maxCount: 1, withoutPositions: true });
  if (last === undefined || last.revision !== revision) throw eventCorrupt(stream, revision, "the event is gone");
  const { batchEnd } = decodeMetadata(last.metadata, (why) => eventCorrupt(stream, revision, `${last.type}: ${why}`));
  if (batchEnd === undefined) throw eventCorrupt(stream, revision, "no batch ends here");
  const events: StoredEvent[] = [];
  let next = revision - batchEnd.count + 1;
  while (next <= revision) {
    const page = await store.read(stream, { from: next as Revision, maxCount: Math.min(PAGE_EVENTS, revision - next + 1), withoutPositions: true });
    if (page[0]?.revision !== next) throw eventCorrupt(stream, revision, "a part of its batch is gone");
    events.push(...page);
    next += page.length;
  }
  return batchHash(events);
}

export interface ChainReport extends StreamEnd {
  readonly batchCount: number;
  readonly eventCount: number;
}

/** Checks that each batch is whole and names the hash of the one before it. `pages` begin at a batch's start. EVENT_CORRUPT names the first that does not. */
export async function verifyChain(pages: AsyncIterable<RecordedBatch> | Iterable<RecordedBatch>, before?: Buffer): Promise<ChainReport> {
  let previous = before;
  let report: ChainReport = { revision: NO_STREAM, chainHash: before ?? START_HASH, batchCount: 0, eventCount: 0 };
  for await (const batch of pages) {
    if (previous !== undefined && !previous.equals(batch.previousHash))
      throw eventCorrupt(batch.stream, batch.first, "its batch does not follow the one before it: history was changed");
    previous = batch.chainHash;
    report = { revision: batch.last, chainHash: batch.chainHash, batchCount: report.batchCount + 1, eventCount: report.eventCount + batch.events.length };
  }
  return report;
}
