/**
 * The stand-in server's log: EventStoreDB's rules over the embedded store, which keeps every record durably in one stream. The rules are
 * those that were measured on a real server: repeats by ids alone, truncation and deletion by metadata, positions with gaps.
 */
import { randomBytes } from "node:crypto";
import { deserialize, serialize } from "node:v8";
import type { Revision } from "../../../src/core/index.ts";
import type { EventStore } from "../../../src/events/index.ts";

export interface Proposed {
  readonly id: string;
  readonly type: string;
  readonly isJson: boolean;
  readonly data: Buffer;
  readonly metadata: Buffer;
}

export interface LogRecord extends Proposed {
  readonly stream: string;
  readonly revision: number;
  readonly position: number;
  readonly createdMs: number;
}

export type Expected = number | "any" | "no_stream" | "stream_exists";
export type Verdict =
  | { readonly kind: "stored"; readonly revision: number; readonly position: number | undefined }
  | { readonly kind: "wrong"; readonly actual: number }
  | { readonly kind: "deleted" };

interface Stream {
  /** By revision; undefined where scavenged. */
  readonly events: (LogRecord | undefined)[];
}

const MAX_INT64 = "9223372036854775807";
const RECORD_BYTES = 100; // What a record takes besides its content.
const LOG = "log";

export class RecordLog {
  readonly records: LogRecord[] = [];
  /** Records at or before it are durable: readers see these alone. */
  durablePosition = 0;
  private readonly store: EventStore;
  private readonly streams = new Map<string, Stream>();
  private readonly recentIds = new Map<string, { readonly stream: string; readonly revision: number }>();
  private nextPosition = 0;
  private nextLogRevision = -1;
  private readonly listeners = new Set<() => void>();

  private constructor(store: EventStore) {
    this.store = store;
  }

  static async open(store: EventStore): Promise<RecordLog> {
    const log = new RecordLog(store);
    const { headRevision } = await store.info(LOG);
    for (let next = 0; next <= headRevision;) {
      const page = await store.read(LOG, { from: next as Revision, maxCount: 5000 });
      for (const { type, data } of page) {
        if (type === "Scavenged") log.dropHidden();
        else log.put(deserialize(data) as LogRecord);
      }
      next += page.length;
    }
    log.nextLogRevision = headRevision;
    log.durablePosition = log.nextPosition;
    return log;
  }

  onDurable(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Decides at once, in the order of the calls; resolves when the outcome is durable. */
  async append(stream: string, expected: Expected, events: readonly Proposed[]): Promise<Verdict> {
    const verdict = this.judge(stream, expected, events);
    if (verdict !== "write") {
      await this.durable();
      return verdict;
    }
    const isUndeletion = this.isSoftDeleted(stream);
    const first = this.last(stream) + 1;
    const added = events.map((event, i) => this.record(stream, first + i, event));
    if (added.length === 0) this.nextPosition += RECORD_BYTES;
    if (isUndeletion && added.length > 0) added.push(this.undeletion(stream, first));
    for (const record of added) this.put(record);
    await this.durable(added);
    return { kind: "stored", revision: Math.max(0, first + events.length - 1), position: added[events.length - 1]?.position ?? this.nextPosition };
  }

  /** At most `count` visible events from a revision on, in one direction. undefined: no such stream, or soft-deleted. */
  read(stream: string, isForwards: boolean, start: number | "start" | "end", count: number): LogRecord[] | undefined {
    const events = this.streams.get(stream)?.events;
    const last = this.last(stream);
    if (events === undefined || last < 0 || this.isSoftDeleted(stream) || (events[0]?.position ?? 0) > this.durablePosition) return undefined;
    const from = stream.startsWith("$$") ? last : this.truncatedBefore(stream);
    const found: LogRecord[] = [];
    const step = isForwards ? 1 : -1;
    let next = start === "start" ? from : start === "end" ? last : isForwards ? Math.max(start, from) : Math.min(start, last);
    for (; next >= from && next <= last && found.length < count; next += step) {
      const event = events[next];
      if (event !== undefined && event.position <= this.durablePosition) found.push(event);
    }
    return found;
  }

  /** Index of the first record at or after a position. */
  indexAt(position: number): number {
    let [low, high] = [0, this.records.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.records[middle]!.position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  last(stream: string): number {
    return (this.streams.get(stream)?.events.length ?? 0) - 1;
  }

  /** Drops what is hidden, but the last event of each stream; tells the bytes. */
  async scavenge(): Promise<number> {
    const freed = this.dropHidden();
    this.nextLogRevision += 1;
    await this.store.append(LOG, (this.nextLogRevision - 1) as Revision, [
      { id: randomBytes(16), type: "Scavenged", data: Buffer.alloc(0), metadata: Buffer.alloc(0) },
    ]);
    return freed;
  }

  private judge(stream: string, expected: Expected, events: readonly Proposed[]): Verdict | "write" {
    const last = this.last(stream);
    const wrong: Verdict = { kind: "wrong", actual: last };
    if (expected === "stream_exists") {
      if (this.isSoftDeleted(stream)) return { kind: "deleted" };
      if (last < 0 && this.last(`$$${stream}`) < 0) return wrong;
    }
    if (expected === "any" || expected === "stream_exists") return this.judgeRecent(stream, events, wrong);
    const after = expected === "no_stream" ? -1 : expected;
    if (after === last) return "write";
    if (after > last) return wrong;
    for (const [i, event] of events.entries()) {
      const revision = after + 1 + i;
      const recent = this.recentIds.get(event.id);
      if (recent?.stream === stream && recent.revision === revision) continue;
      if (this.streams.get(stream)?.events[revision]?.id === event.id) continue;
      return i === 0 && after === -1 && this.isSoftDeleted(stream) ? "write" : wrong;
    }
    return events.length === 0 ? wrong : this.repeat(stream, after + events.length);
  }

  /** Without a revision, only the ids that are still in memory tell a repeat. */
  private judgeRecent(stream: string, events: readonly Proposed[], wrong: Verdict): Verdict | "write" {
    let end = -1;
    for (const [i, event] of events.entries()) {
      const recent = this.recentIds.get(event.id);
      if (recent?.stream !== stream) return i === 0 ? "write" : wrong;
      end = recent.revision;
    }
    return events.length === 0 ? "write" : this.repeat(stream, end);
  }

  private repeat(stream: string, revision: number): Verdict {
    const isVisible = !this.isSoftDeleted(stream) && revision >= this.truncatedBefore(stream);
    const record = isVisible ? this.streams.get(stream)?.events[revision] : undefined;
    return { kind: "stored", revision, position: record?.position };
  }

  private record(stream: string, revision: number, event: Proposed): LogRecord {
    this.nextPosition += RECORD_BYTES + stream.length + event.type.length + event.data.length + event.metadata.length;
    return { ...event, stream, revision, position: this.nextPosition, createdMs: Date.now() };
  }

  private put(record: LogRecord): void {
    const stream = this.streams.get(record.stream) ?? { events: [] };
    stream.events[record.revision] = record;
    this.streams.set(record.stream, stream);
    this.records.push(record);
    this.recentIds.set(record.id, record);
    this.nextPosition = Math.max(this.nextPosition, record.position);
  }

  private async durable(added: readonly LogRecord[] = []): Promise<void> {
    const expected = this.nextLogRevision as Revision;
    this.nextLogRevision += added.length;
    const position = this.nextPosition;
    const events = added.map((record) => ({ id: randomBytes(16), type: "Record", data: serialize(record), metadata: Buffer.alloc(0) }));
    await this.store.append(LOG, expected, events);
    this.durablePosition = Math.max(this.durablePosition, position);
    for (const listener of this.listeners) listener();
  }

  private document(stream: string): string {
    return this.streams.get(`$$${stream}`)?.events.at(-1)?.data.toString() ?? "{}";
  }

  private truncatedBefore(stream: string): number {
    if (stream.startsWith("$$")) return 0;
    try {
      return Math.max(0, Number((JSON.parse(this.document(stream)) as { readonly $tb?: number }).$tb ?? 0));
    } catch {
      return 0;
    }
  }

  private isSoftDeleted(stream: string): boolean {
    return !stream.startsWith("$$") && this.document(stream).includes(`"$tb":${MAX_INT64}`);
  }

  private undeletion(stream: string, first: number): LogRecord {
    const data = Buffer.from(this.document(stream).replace(`"$tb":${MAX_INT64}`, `"$tb":${first}`));
    const id = `00000000-0000-4000-8000-${randomBytes(6).toString("hex")}`;
    return this.record(`$$${stream}`, this.last(`$$${stream}`) + 1, { id, type: "$metadata", isJson: true, data, metadata: Buffer.alloc(0) });
  }

  private dropHidden(): number {
    let freed = 0;
    const gone = new Set<LogRecord>();
    for (const [name, { events }] of this.streams) {
      const keepFrom = name.startsWith("$$") || this.isSoftDeleted(name) ? events.length - 1 : Math.min(this.truncatedBefore(name), events.length - 1);
      for (let revision = 0; revision < keepFrom; revision++) {
        const record = events[revision];
        if (record === undefined) continue;
        gone.add(record);
        freed += record.data.length + RECORD_BYTES;
        events[revision] = undefined;
      }
    }
    const kept = this.records.filter((record) => !gone.has(record));
    this.records.splice(0, this.records.length, ...kept);
    return freed;
  }
}
