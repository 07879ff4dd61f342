/**
 * The EventStore in memory: for tests, for dry runs, and as the naive model that the embedded store is compared with.
 * Plain arrays and full scans on purpose; it is durable as long as the process lives.
 */
import type { Position, Revision } from "../core/index.ts";
import {
  checkAppend,
  checkStreamName,
  eventBytes,
  judgeAppend,
  judgeRepeat,
  planRead,
  revisionConflict,
  storeClosed,
  streamNotFound,
  truncationOf,
} from "./append-rules.ts";
import type { StreamState } from "./append-rules.ts";
import type { Appended, EventStore, NewEvent, ReadOptions, StoredEvent, StreamInfo, SubscribeOptions, SubscriptionPage } from "./event-store.ts";
import { NO_STREAM } from "./event-store.ts";
import { Wakeup } from "./wakeup.ts";

interface MemoryStream extends StreamState {
  /** By revision; undefined where reclaimed. */
  readonly events: (StoredEvent | undefined)[];
  /** Last revision of each append, ascending: what reclaim frees at once. */
  readonly appendEnds: Revision[];
}

const PAGE_EVENTS = 2000;

export class MemoryEventStore implements EventStore {
  private readonly byName = new Map<string, MemoryStream>();
  private readonly all: StoredEvent[] = [];
  private readonly news = new Wakeup();
  private isClosed = false;

  async append(stream: string, expected: Revision, events: readonly NewEvent[]): Promise<Appended> {
    this.open();
    checkAppend(stream, expected, events);
    const state = this.byName.get(stream);
    const verdict = judgeAppend(state, expected, events.length);
    if (verdict.kind === "nothing") return { revision: state?.head ?? NO_STREAM, position: this.lastPosition(), repeated: false };
    if (verdict.kind === "write") return this.write(stream, verdict.first, verdict.truncatedBefore, events);
    const range = state?.events.slice(expected + 1, expected + 1 + events.length) ?? [];
    const stored = range.includes(undefined) ? [] : range.filter((event) => event !== undefined); // Reclaimed in part: nothing to compare with.
    const outcome = verdict.kind === "compare" ? judgeRepeat(verdict, events, stored) : "conflict";
    if (outcome === "write" && verdict.kind === "compare" && verdict.orWrite !== undefined)
      return this.write(stream, verdict.orWrite.first, verdict.orWrite.truncatedBefore, events);
    const last = stored.at(-1);
    if (outcome === "conflict" || last === undefined) throw revisionConflict(stream, expected, state?.head ?? NO_STREAM);
    return { revision: last.revision, position: last.position, repeated: true };
  }

  async read(stream: string, options: ReadOptions): Promise<StoredEvent[]> {
    this.open();
    const state = this.byName.get(stream);
    const plan = planRead(stream, state, options);
    if (plan.isEmpty || state === undefined) return [];
    const live = state.events.filter((event): event is StoredEvent => event !== undefined && event.revision >= state.truncatedBefore);
    const wanted = plan.forwards ? live.filter((event) => event.revision >= plan.from) : live.filter((event) => event.revision <= plan.from).toReversed();
    const page: StoredEvent[] = [];
    let byteCount = 0;
    for (const event of wanted) {
      byteCount += eventBytes(event);
      if (page.length === plan.maxCount || (page.length > 0 && byteCount > plan.bytesMax)) break;
      page.push(event);
    }
    return page;
  }

  async *subscribe(options: SubscribeOptions): AsyncGenerator<SubscriptionPage> {
    let after: Position = options.after;
    let isFirst = true;
    while (!options.signal.aborted && !this.isClosed) {
      const scanned = this.all.filter((event) => event.position > after).slice(0, PAGE_EVENTS);
      after = scanned.at(-1)?.position ?? after;
      const events = scanned.filter(
        (event) => this.isLive(event) && (options.prefixes.length === 0 || options.prefixes.some((prefix) => event.stream.startsWith(prefix))),
      );
      if (isFirst || scanned.length > 0) yield { events, checkpoint: after, live: after >= this.lastPosition() };
      isFirst = false;
      if (after >= this.lastPosition() && !this.isClosed) await this.news.wait(options.signal);
    }
  }

  async info(stream: string): Promise<StreamInfo> {
    this.open();
    checkStreamName(stream);
    return infoOf(stream, this.byName.get(stream));
  }

  async streams(prefix: string): Promise<StreamInfo[]> {
    this.open();
    const names = [...this.byName.keys()].filter((name) => name.startsWith(prefix));
    return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map((name) => infoOf(name, this.byName.get(name)));
  }

  async truncateBefore(stream: string, revision: Revision): Promise<void> {
    this.open();
    const state = this.byName.get(stream);
    if (state === undefined || state.deleted) throw streamNotFound(stream);
    this.byName.set(stream, { ...state, truncatedBefore: truncationOf(state, revision) });
  }

  async softDelete(stream: string): Promise<void> {
    this.open();
    const state = this.byName.get(stream);
    if (state === undefined) throw streamNotFound(stream);
    this.byName.set(stream, { ...state, deleted: true });
  }

  async reclaim(): Promise<{ readonly freedBytes: number }> {
    this.open();
    let freedBytes = 0;
    for (const [name, state] of this.byName) {
      const isGone = (end: Revision): boolean => (state.deleted ? end < state.head : end < state.truncatedBefore);
      const kept = state.appendEnds.filter((end) => !isGone(end));
      const firstKept = state.appendEnds.filter(isGone).reduce((next, end) => Math.max(next, end + 1), 0);
      for (let revision = 0; revision < firstKept; revision++) {
        const event = state.events[revision];
        if (event !== undefined) freedBytes += eventBytes(event);
        state.events[revision] = undefined;
      }
      this.byName.set(name, { ...state, appendEnds: kept });
    }
    const remaining = this.all.filter((event) => this.byName.get(event.stream)?.events[event.revision] !== undefined);
    this.all.splice(0, this.all.length, ...remaining);
    return { freedBytes };
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.news.wake();
  }

  private write(stream: string, first: Revision, truncatedBefore: Revision, sent: readonly NewEvent[]): Appended {
    const state = this.byName.get(stream);
    const events = state?.events ?? [];
    const base = this.lastPosition() + 1;
    const added = sent.map((event, i) => copyOf(event, stream, (first + i) as Revision, (base + i) as Position));
    events.push(...added);
    for (const event of added) this.all.push(event);
    const head = (first + sent.length - 1) as Revision;
    this.byName.set(stream, { head, truncatedBefore, deleted: false, events, appendEnds: [...(state?.appendEnds ?? []), head] });
    this.news.wake();
    return { revision: head, position: this.lastPosition(), repeated: false };
  }

  private isLive(event: StoredEvent): boolean {
    const state = this.byName.get(event.stream);
    return state !== undefined && !state.deleted && event.revision >= state.truncatedBefore;
  }

  private lastPosition(): Position {
    return this.all.at(-1)?.position ?? (0 as Position);
  }

  private open(): void {
    if (this.isClosed) throw storeClosed();
  }
}

/** What a stream's state says to the outside. */
export function infoOf(stream: string, state: StreamState | undefined): StreamInfo {
  if (state === undefined) return { stream, headRevision: NO_STREAM, truncatedBefore: 0 as Revision, deleted: false };
  return { stream, headRevision: state.deleted ? NO_STREAM : state.head, truncatedBefore: state.truncatedBefore, deleted: state.deleted };
}

function copyOf(event: NewEvent, stream: string, revision: Revision, position: Position): StoredEvent {
  return { id: Buffer.from(event.id), type: event.type, data: Buffer.from(event.data), metadata: Buffer.from(event.metadata), stream, revision, position };
}
