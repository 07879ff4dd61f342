/**
 * Group commit. What is asked for while a commit runs goes into the next one, in the order of the calls, so that one flush serves
 * many appends. An operation is decided only when everything before it is durable or in the same commit; only one commit runs at a
 * time, so nothing that is shown can be taken back.
 */
import { RainbowError } from "../../core/index.ts";
import type { Position, Revision } from "../../core/index.ts";
import { judgeAppend, judgeRepeat, revisionConflict, storeClosed } from "../append-rules.ts";
import { NO_STREAM } from "../event-store.ts";
import type { Appended, NewEvent, StoredEvent } from "../event-store.ts";
import type { LmdbFile, Write } from "./file.ts";
import { encodeStore, encodeStream, indexKey, rowKey, STORE_KEY, streamKey } from "./keys.ts";
import type { StoreRecord, StreamRecord } from "./keys.ts";
import { encodeBody, encodeRow } from "./row.ts";
import type { EncodedBody } from "./row.ts";

const GROUP_KEYS_MAX = 4000; // With 5,000 keys a commit stays below 20 ms.
const GROUP_BYTES_MAX = 8 << 20; // About 10 ms to write on a slow disk; one larger append goes alone.

/** What is durable: the truth that readers see. Changed by the queue alone, after each commit. */
export interface Durable {
  readonly streams: Map<string, StreamRecord>;
  readonly names: Map<number, string>;
  store: StoreRecord;
}

export interface QueueSource {
  readonly file: LmdbFile;
  readonly durable: Durable;
  /** Durable events of a stream from `from` on, at most `count`; fewer where they are gone. */
  stored(stream: string, from: Revision, count: number): StoredEvent[];
  /** Called after each commit that stored something. */
  onCommitted(): void;
}

interface Operation {
  readonly stream: string;
  readonly keyCount: number;
  readonly byteCount: number;
  /** Adds its writes to the group; "later" where it must see the group's own writes as durable first. */
  decide(group: Group): "joined" | "done" | "later";
  settle(): void;
  fail(error: unknown): void;
}

/** One transaction in the making: staged records over the durable ones. */
class Group {
  readonly writes: Write[] = [];
  readonly members: Operation[] = [];
  readonly staged = new Map<string, StreamRecord>();
  store: StoreRecord;
  keyCount = 0;
  byteCount = 0;
  private readonly durable: Durable;

  constructor(durable: Durable) {
    this.durable = durable;
    this.store = durable.store;
  }

  record(stream: string): StreamRecord | undefined {
    return this.staged.get(stream) ?? this.durable.streams.get(stream);
  }

  hasRoomFor(operation: Operation): boolean {
    if (this.members.length === 0) return true;
    return this.keyCount + operation.keyCount <= GROUP_KEYS_MAX && this.byteCount + operation.byteCount <= GROUP_BYTES_MAX;
  }

  stage(stream: string, record: StreamRecord): void {
    this.staged.set(stream, record);
  }

  /** All writes, with the changed records. */
  finish(): { readonly writes: Write[]; readonly proof: Write } {
    for (const [name, record] of this.staged) this.writes.push({ table: "streams", key: streamKey(name), value: encodeStream(name, record) });
    if (this.store !== this.durable.store) this.writes.push({ table: "streams", key: STORE_KEY, value: encodeStore(this.store) });
    return { writes: this.writes, proof: this.writes.at(-1)! };
  }
}

export class AppendQueue {
  private readonly source: QueueSource;
  private waiting: Operation[] = [];
  private running: Promise<void> | undefined;
  private isClosed = false;
  private broken: RainbowError | undefined;

  constructor(source: QueueSource) {
    this.source = source;
  }

  append(stream: string, expected: Revision, events: readonly NewEvent[]): Promise<Appended> {
    const body = events.length === 0 ? undefined : encodeBody(events);
    return new Promise((resolve, reject) => {
      let result: Appended | undefined;
      this.enqueue({
        stream,
        keyCount: 4,
        byteCount: body?.bytes.length ?? 0,
        decide: (group) => {
          const decided = this.decideAppend(group, stream, expected, events, body);
          if (decided === "later") return "later";
          result = decided.appended;
          if (decided.isWritten) return "joined";
          resolve(result);
          return "done";
        },
        settle: () => resolve(result!),
        fail: reject,
      });
    });
  }

  /** Changes a stream's record, and removes keys with it. `change` gives undefined where nothing is to be done; it may throw. */
  edit(
    stream: string,
    change: (record: StreamRecord | undefined) => { readonly record?: StreamRecord; readonly removals?: readonly Write[] } | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.enqueue({
        stream,
        keyCount: GROUP_KEYS_MAX / 2,
        byteCount: 0,
        decide: (group) => {
          if (group.staged.has(stream)) return "later";
          const edited = change(group.record(stream));
          if (edited?.record !== undefined) group.stage(stream, edited.record);
          group.writes.push(...(edited?.removals ?? []));
          if (edited !== undefined) return "joined";
          resolve();
          return "done";
        },
        settle: resolve,
        fail: reject,
      });
    });
  }

  /** Runs `action` while no commit is under way; nothing else of this store runs meanwhile. */
  between(action: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.enqueue({
        stream: "",
        keyCount: 0,
        byteCount: 0,
        decide: () => {
          action();
          resolve();
          return "done";
        },
        settle: resolve,
        fail: reject,
      });
    });
  }

  /** Resolves when everything called before is settled; then nothing more is taken. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.running;
  }

  private enqueue(operation: Operation): void {
    if (this.isClosed) return operation.fail(storeClosed());
    this.waiting.push(operation);
    this.running ??= this.run().finally(() => (this.running = undefined));
  }

  private async run(): Promise<void> {
    await nextTurn(); // Whatever the same turn asks for joins the first commit.
    while (this.waiting.length > 0) {
      const group = this.form();
      if (group.members.length > 0) await this.commit(group);
      if (group.members.length > 0) await nextTurn(); // Lets the answered callers ask for more before the next group is formed.
    }
  }

  private form(): Group {
    const group = new Group(this.source.durable);
    let taken = 0;
    for (const operation of this.waiting) {
      if (!group.hasRoomFor(operation)) break;
      try {
        if (this.broken !== undefined) throw this.broken;
        const decision = operation.decide(group);
        if (decision === "later") break;
        if (decision === "joined") {
          group.members.push(operation);
          group.keyCount += operation.keyCount;
          group.byteCount += operation.byteCount;
        }
      } catch (error) {
        operation.fail(error);
      }
      taken++;
    }
    this.waiting = this.waiting.slice(taken);
    return group;
  }

  private async commit(group: Group): Promise<void> {
    const { writes, proof } = group.finish();
    try {
      await this.source.file.commit(writes, proof);
    } catch (error) {
      if (error instanceof RainbowError && error.code === "OUTCOME_UNKNOWN") this.broken = error;
      for (const member of group.members) member.fail(error);
      return;
    }
    const { durable } = this.source;
    for (const [name, record] of group.staged) {
      durable.streams.set(name, record);
      durable.names.set(record.id, name);
    }
    durable.store = group.store;
    for (const member of group.members) member.settle();
    this.source.onCommitted();
  }

  private decideAppend(
    group: Group,
    stream: string,
    expected: Revision,
    events: readonly NewEvent[],
    body: EncodedBody | undefined,
  ): "later" | { readonly appended: Appended; readonly isWritten: boolean } {
    const record = group.record(stream);
    const verdict = judgeAppend(record, expected, events.length);
    if (verdict.kind === "write" && body !== undefined) return { appended: writeRow(group, stream, record, verdict, body), isWritten: true };
    if (group.staged.has(stream)) return "later";
    const head = record?.head ?? NO_STREAM;
    if (verdict.kind === "nothing")
      return { appended: { revision: head, position: (group.store.nextPosition - 1) as Position, repeated: false }, isWritten: false };
    const stored = verdict.kind === "compare" ? this.source.stored(stream, (expected + 1) as Revision, events.length) : [];
    const outcome = verdict.kind === "compare" ? judgeRepeat(verdict, events, stored) : "conflict";
    if (outcome === "write" && verdict.kind === "compare" && verdict.orWrite !== undefined && body !== undefined)
      return { appended: writeRow(group, stream, record, verdict.orWrite, body), isWritten: true };
    const last = stored.at(-1);
    if (outcome === "conflict" || last === undefined) throw revisionConflict(stream, expected, head);
    return { appended: { revision: last.revision, position: last.position, repeated: true }, isWritten: false };
  }
}

function writeRow(
  group: Group,
  stream: string,
  record: StreamRecord | undefined,
  verdict: { readonly first: Revision; readonly truncatedBefore: Revision },
  body: EncodedBody,
): Appended {
  const { nextStreamId, nextPosition } = group.store;
  const id = record?.id ?? nextStreamId;
  const position = (nextPosition + body.eventCount - 1) as Position;
  const revision = (verdict.first + body.eventCount - 1) as Revision;
  group.writes.push({ table: "rows", key: rowKey(position), value: encodeRow(body, id, verdict.first, position) });
  group.writes.push({ table: "index", key: indexKey(id, revision), value: rowKey(position) });
  group.stage(stream, { id, head: revision, truncatedBefore: verdict.truncatedBefore, deleted: false });
  group.store = { nextStreamId: record === undefined ? nextStreamId + 1 : nextStreamId, nextPosition: (position + 1) as Position };
  return { revision, position, repeated: false };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
