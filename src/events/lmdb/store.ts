/**
 * The embedded EventStore: one LMDB file, one row per append. All streams' records are held in memory (a host has hundreds); they
 * and the end of the store change only when a commit is durable, and bound what every reader sees.
 */
import { RainbowError } from "../../core/index.ts";
import type { Disk, Position, Revision } from "../../core/index.ts";
import { checkAppend, checkStreamName, planRead, READ_BYTES_DEFAULT, storeClosed, streamNotFound, truncationOf } from "../append-rules.ts";
import { eventCorrupt } from "../codec.ts";
import type { Appended, EventStore, NewEvent, ReadOptions, StoredEvent, StreamInfo, SubscribeOptions, SubscriptionPage } from "../event-store.ts";
import { infoOf } from "../memory-store.ts";
import { Wakeup } from "../wakeup.ts";
import { AppendQueue } from "./append-queue.ts";
import type { Durable } from "./append-queue.ts";
import { openFile } from "./file.ts";
import type { LmdbFile, Write } from "./file.ts";
import { decodeStore, decodeStream, encodeStore, indexKey, STORE_KEY } from "./keys.ts";
import type { StoreRecord, StreamRecord } from "./keys.ts";
import { corruptAt, readEvents, rowsAfter } from "./reader.ts";
import { decodeEvents } from "./row.ts";

export interface LmdbEventStoreOptions {
  /** The file itself; "events.lmdb" in a data directory. One process at a time may open it for writing: the caller holds the lock. */
  readonly path: string;
  readonly readOnly?: boolean;
  /** Makes the file where it is missing. */
  readonly create?: boolean;
  /** Punches holes, so that reclaim gives space back to the disk; absent: the file keeps what it ever had, and uses it again. */
  readonly disk?: Disk;
  /** Shorter runs of free pages stay; absent: as it is best. */
  readonly holePagesMin?: number;
}

const SUBSCRIPTION_ROWS = 64; // Scanned for one page.
const RECLAIM_ROWS = 200; // In one commit.
const EMPTY_STORE: StoreRecord = { nextStreamId: 1, nextPosition: 1 as Position };

/** NO_STORE, NEWER_FORMAT, STORE_CORRUPT (facts: path, page), DISK_FULL or IO where it cannot be opened. */
export async function openLmdbEventStore(options: LmdbEventStoreOptions): Promise<EventStore> {
  const file = openFile(options.path, { readOnly: options.readOnly === true, create: options.create === true, holePagesMin: options.holePagesMin });
  try {
    return new LmdbEventStore(file, await load(file, options.readOnly === true), options);
  } catch (error) {
    await file.close();
    throw error;
  }
}

class LmdbEventStore implements EventStore {
  private readonly file: LmdbFile;
  private readonly durable: Durable;
  private readonly queue: AppendQueue;
  private readonly news = new Wakeup();
  private readonly isReadOnly: boolean;
  private readonly disk: Disk | undefined;
  private isClosed = false;

  constructor(file: LmdbFile, durable: Durable, { readOnly = false, disk }: LmdbEventStoreOptions) {
    this.file = file;
    this.durable = durable;
    this.isReadOnly = readOnly;
    this.disk = disk;
    this.queue = new AppendQueue({ file, durable, stored: (stream, from, count) => this.stored(stream, from, count), onCommitted: () => this.news.wake() });
  }

  async append(stream: string, expected: Revision, events: readonly NewEvent[]): Promise<Appended> {
    this.writable();
    checkAppend(stream, expected, events);
    return this.queue.append(stream, expected, events);
  }

  async read(stream: string, options: ReadOptions): Promise<StoredEvent[]> {
    this.open();
    const record = this.durable.streams.get(stream);
    const plan = planRead(stream, record, options);
    return plan.isEmpty || record === undefined ? [] : readEvents(this.file, stream, record, plan);
  }

  async *subscribe(options: SubscribeOptions): AsyncGenerator<SubscriptionPage> {
    let after = options.after;
    let isFirst = true;
    while (!options.signal.aborted && !this.isClosed) {
      const page = this.page(after, options.prefixes);
      if (isFirst || page.checkpoint > after) yield page;
      isFirst = false;
      after = page.checkpoint;
      if (after >= this.lastPosition() && !this.isClosed) await this.news.wait(options.signal);
    }
  }

  async info(stream: string): Promise<StreamInfo> {
    this.open();
    checkStreamName(stream);
    return infoOf(stream, this.durable.streams.get(stream));
  }

  async streams(prefix: string): Promise<StreamInfo[]> {
    this.open();
    const names = [...this.durable.streams.keys()].filter((name) => name.startsWith(prefix));
    return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map((name) => infoOf(name, this.durable.streams.get(name)));
  }

  async truncateBefore(stream: string, revision: Revision): Promise<void> {
    this.writable();
    await this.queue.edit(stream, (record) => {
      if (record === undefined || record.deleted) throw streamNotFound(stream);
      const truncatedBefore = truncationOf(record, revision);
      return truncatedBefore === record.truncatedBefore ? undefined : { record: { ...record, truncatedBefore } };
    });
  }

  async softDelete(stream: string): Promise<void> {
    this.writable();
    await this.queue.edit(stream, (record) => {
      if (record === undefined) throw streamNotFound(stream);
      return record.deleted ? undefined : { record: { ...record, deleted: true } };
    });
  }

  async reclaim(signal?: AbortSignal): Promise<{ readonly freedBytes: number }> {
    this.writable();
    let freedBytes = 0;
    for (const stream of this.durable.streams.keys()) {
      for (let freed = 1; freed > 0 && signal?.aborted !== true && !this.isClosed; freedBytes += freed) freed = await this.reclaimStep(stream);
    }
    await this.giveBack(freedBytes > 0, signal);
    return { freedBytes };
  }

  /** In small steps, between commits. What the newest commit freed the one before still has: a commit that changes nothing comes first. */
  private async giveBack(isFreed: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { disk } = this;
    const [stream] = this.durable.streams.keys();
    if (disk !== undefined && isFreed && stream !== undefined) await this.queue.edit(stream, (record) => (record === undefined ? undefined : { record }));
    for (let isDone = disk === undefined; !isDone && signal?.aborted !== true && !this.isClosed;)
      await this.queue.between(() => (isDone = disk === undefined || this.file.giveBackStep(disk)));
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.queue.close();
    this.news.wake();
    await this.file.close();
  }

  /** Frees the stream's oldest rows that nothing can read, in one commit; returns their bytes. */
  private async reclaimStep(stream: string): Promise<number> {
    let freed = 0;
    await this.queue.edit(stream, (record) => {
      if (record === undefined) return undefined;
      const keepFrom = record.deleted ? record.head : record.truncatedBefore; // The last event survives a delete too.
      if (keepFrom === 0) return undefined;
      const removals = this.file.range("index", indexKey(record.id, 0), indexKey(record.id, keepFrom - 1), RECLAIM_ROWS).flatMap((entry): Write[] => {
        freed += this.file.get("rows", entry.value)?.length ?? 0;
        return [
          { table: "rows", key: entry.value },
          { table: "index", key: entry.key },
        ];
      });
      return removals.length === 0 ? undefined : { removals };
    });
    return freed;
  }

  /** What lies after `after`: at most SUBSCRIPTION_ROWS rows' worth, filtered. */
  private page(after: Position, prefixes: readonly string[]): SubscriptionPage {
    const until = this.lastPosition();
    const rows = rowsAfter(this.file, after, until, SUBSCRIPTION_ROWS);
    const events: StoredEvent[] = [];
    let byteCount = 0;
    let checkpoint = after;
    for (const { head, bytes } of rows) {
      const stream = this.durable.names.get(head.streamId);
      if (stream === undefined) throw corruptAt(head.lastPosition, "its stream is unknown");
      checkpoint = head.lastPosition;
      const record = this.durable.streams.get(stream)!;
      if (record.deleted || !(prefixes.length === 0 || prefixes.some((prefix) => stream.startsWith(prefix)))) continue;
      byteCount += head.plainBytes;
      for (const event of decodeEvents(bytes, head, stream, (why) => eventCorrupt(stream, head.first, why))) {
        if (event.position > after && event.revision >= record.truncatedBefore) events.push(event);
      }
      if (byteCount >= READ_BYTES_DEFAULT / 4) break;
    }
    if (rows.length === 0 && after < until) checkpoint = until; // All of it was reclaimed.
    return { events, checkpoint, live: checkpoint >= this.lastPosition() };
  }

  /** For the comparison of a repeat: truncated events count as long as they are there. */
  private stored(stream: string, from: Revision, count: number): StoredEvent[] {
    const record = this.durable.streams.get(stream);
    if (record === undefined) return [];
    try {
      return readEvents(
        this.file,
        stream,
        { ...record, truncatedBefore: 0 as Revision },
        { forwards: true, from, maxCount: count, bytesMax: Infinity, isEmpty: false },
      );
    } catch (error) {
      if (record.deleted || from < record.truncatedBefore) return []; // Reclaimed.
      throw error;
    }
  }

  private lastPosition(): Position {
    return (this.durable.store.nextPosition - 1) as Position;
  }

  private open(): void {
    if (this.isClosed) throw storeClosed();
  }

  private writable(): void {
    this.open();
    if (this.isReadOnly) throw new RainbowError("IO", "the event store is open for reading only", { operation: "write" });
  }
}

/** Reads the store's own record and all streams'. A new file gets its record here. */
async function load(file: LmdbFile, isReadOnly: boolean): Promise<Durable> {
  const streams = new Map<string, StreamRecord>();
  const names = new Map<number, string>();
  const damaged = (what: string): RainbowError =>
    new RainbowError("STORE_CORRUPT", `the event store ${file.path} is damaged: ${what}`, { path: file.path, what });
  const first = file.get("streams", STORE_KEY);
  const entries = file.range("streams", Buffer.from([1]), Buffer.alloc(1, 255), Infinity);
  const store = first === undefined ? undefined : decodeStore(first);
  if (first !== undefined && store === undefined) throw damaged("its own record does not match its checksum");
  for (const { key, value } of entries) {
    const decoded = decodeStream(key, value);
    if (decoded === undefined) throw damaged(`the record of stream '${key.toString("utf8")}' does not match its checksum`);
    streams.set(decoded.name, decoded.record);
    names.set(decoded.record.id, decoded.name);
  }
  if (store === undefined && (streams.size > 0 || isReadOnly)) throw damaged("its own record is missing");
  if (names.size !== streams.size || (store !== undefined && streams.size !== store.nextStreamId - 1)) throw damaged("records of streams are missing");
  if (store !== undefined) return { streams, names, store };
  const write: Write = { table: "streams", key: STORE_KEY, value: encodeStore(EMPTY_STORE) };
  await file.commit([write], write);
  return { streams, names, store: EMPTY_STORE };
}
