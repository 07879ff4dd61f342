/**
 * A machine's stream, read batch by batch: as it is stored, or decoded. Decoding what nobody asks for is most of the cost of a replay
 * that only looks for some events.
 */
import { isRainbowError } from "../core/index.ts";
import type { Revision } from "../core/index.ts";
import { batchHash } from "./chain.ts";
import { decodeStored, eventCorrupt } from "./codec.ts";
import type { EventStore, StoredEvent } from "./event-store.ts";
import { MetadataReader } from "./metadata.ts";
import type { BatchMetadata } from "./metadata.ts";
import type { EventMetadata, Recorded } from "./schema.ts";

/** One whole batch. `chainHash` is computed when it is first asked for. */
interface Batch {
  readonly stream: string;
  readonly first: Revision;
  readonly last: Revision;
  readonly metadata: BatchMetadata;
  /** The chain hash before the batch. */
  readonly previousHash: Buffer;
  /** The chain hash after the batch. */
  readonly chainHash: Buffer;
}

export interface RecordedBatch extends Batch {
  readonly events: readonly Recorded[];
}

const PAGE_EVENTS = 10_000;
const PAGE_BYTES = 4 << 20;
const BACKWARDS_EVENTS = 5000;

/**
 * The batches that begin at or after `from` and end at or before `to`, in order. The caller may trust each event's checksum; the
 * link to the batch before is checked by verifyChain. EVENT_CORRUPT where a batch is not whole or an event cannot be decoded.
 */
export async function* readBatches(store: EventStore, stream: string, from: Revision, to: Revision): AsyncGenerator<RecordedBatch> {
  for await (const batch of readStoredBatches(store, stream, from, to)) {
    batch.decode();
    yield batch;
  }
}

/** As readBatches; an event is decoded when it is first asked for, and says only then that it cannot be. */
export async function* readStoredBatches(store: EventStore, stream: string, from: Revision, to: Revision): AsyncGenerator<StoredBatch> {
  const reader = new MetadataReader();
  let open: StoredEvent[] = [];
  let metadata: EventMetadata[] = [];
  let next = from;
  while (next <= to) {
    const page = await pageBeforeDamage(store, stream, next, Math.min(PAGE_EVENTS, to - next + 1));
    if (page.length === 0) return;
    for (const stored of page) {
      const own = reader.read(stored.metadata, (why) => eventCorrupt(stored.stream, stored.revision, `${stored.type}: ${why}`));
      if (open.length === 0 && own.index > 0) continue; // A batch that began before `from` or before the truncation.
      if (own.index !== open.length) throw eventCorrupt(stream, stored.revision, `its index is ${own.index}, not ${open.length}`);
      open.push(stored);
      metadata.push(own);
      if (own.batchEnd === undefined) continue;
      yield new StoredBatch(open, metadata, own.batchEnd.previousHash);
      open = [];
      metadata = [];
    }
    next = (page.at(-1)!.revision + 1) as Revision;
  }
}

/** An event, and the last one of its batch. */
export interface StoredBackwards {
  readonly stored: StoredEvent;
  readonly batchEnd: Revision;
}

/** Events from `from`, a batch end, back to the one behind `after`: newest first, in pages. */
export async function* readStoredBackwards(store: EventStore, stream: string, from: Revision, after: Revision): AsyncGenerator<StoredBackwards[]> {
  const reader = new MetadataReader();
  let batchEnd = from;
  for (let next = from; next > after;) {
    const page = await store.read(stream, {
      direction: "backwards",
      from: next,
      maxCount: Math.min(BACKWARDS_EVENTS, next - after),
      withoutPositions: true,
    });
    if (page.length === 0) return;
    yield page.map((stored) => {
      const own = reader.read(stored.metadata, (why) => eventCorrupt(stored.stream, stored.revision, `${stored.type}: ${why}`));
      if (own.batchEnd !== undefined) batchEnd = stored.revision;
      return { stored, batchEnd };
    });
    next = (page.at(-1)!.revision - 1) as Revision;
  }
}

/** A page from `from` on; where an event in it is damaged, only what lies before that one. EVENT_CORRUPT where that is nothing. */
async function pageBeforeDamage(store: EventStore, stream: string, from: Revision, maxCount: number): Promise<StoredEvent[]> {
  try {
    return await store.read(stream, { from, maxCount, bytesMax: PAGE_BYTES, withoutPositions: true });
  } catch (error) {
    const soundCount = isRainbowError(error, "EVENT_CORRUPT") ? Number(error.facts["revision"]) - from : 0;
    if (!(soundCount > 0 && soundCount < maxCount)) throw error;
    return store.read(stream, { from, maxCount: soundCount, bytesMax: PAGE_BYTES, withoutPositions: true });
  }
}

export class StoredBatch implements RecordedBatch {
  readonly stored: readonly StoredEvent[];
  readonly previousHash: Buffer;
  private readonly metadatas: readonly EventMetadata[];
  private decoded: readonly Recorded[] | undefined;
  private hash: Buffer | undefined;

  /** Metadata of each event. */
  constructor(stored: readonly StoredEvent[], metadatas: readonly EventMetadata[], previousHash: Buffer) {
    this.stored = stored;
    this.metadatas = metadatas;
    this.previousHash = previousHash;
  }

  /** One event of it. */
  recorded(index: number): Recorded {
    const stored = this.stored[index]!;
    return { event: decodeStored(stored), revision: stored.revision, metadata: this.metadatas[index]! };
  }

  /** All that its last event says of it. */
  get end(): EventMetadata {
    return this.metadatas.at(-1)!;
  }

  decode(): readonly Recorded[] {
    return (this.decoded ??= this.stored.map((_, index) => this.recorded(index)));
  }

  get events(): readonly Recorded[] {
    return this.decode();
  }

  get stream(): string {
    return this.stored[0]!.stream;
  }

  get first(): Revision {
    return this.stored[0]!.revision;
  }

  get last(): Revision {
    return this.stored.at(-1)!.revision;
  }

  get metadata(): EventMetadata {
    return this.metadatas[0]!;
  }

  get chainHash(): Buffer {
    return (this.hash ??= batchHash(this.stored));
  }
}
