/**
 * Pages of streams: from the tail in memory where it has them, else from the server in finite reads (a read that is broken off would
 * leave its stream open). How many events one read asks for follows their size, so that a page never brings much more than was wanted.
 */
import type { RecordedEvent } from "@kurrent/kurrentdb-client";
import { assert, RainbowError } from "../../core/index.ts";
import type { Position, Revision } from "../../core/index.ts";
import { eventBytes, planRead, streamNotFound } from "../append-rules.ts";
import type { StreamState } from "../append-rules.ts";
import { eventCorrupt } from "../codec.ts";
import type { ReadOptions, StoredEvent } from "../event-store.ts";
import type { Connection } from "./connection.ts";
import { failureKind } from "./failures.ts";
import { decodeFrame, idOf } from "./frame.ts";
import { PartsReader } from "./parts.ts";
import type { TailCache } from "./tail-cache.ts";

const FIRST_COUNT = 64; // Before anything is known of a stream's events: at their largest they make 60 MB.
const READ_COUNT = 10_000; // Of one request: about 0.3 s, and a whole page of the port.
const READ_BYTES = 8 << 20;
/** Where the stream's end is not known here. */
const ANY_STATE: StreamState = { head: (Number.MAX_SAFE_INTEGER - 1) as Revision, truncatedBefore: 0 as Revision, deleted: false };

export class Reader {
  private readonly connection: Connection;
  private readonly tail: TailCache;
  private readonly parts: PartsReader;
  private readonly averageBytes = new Map<string, number>();

  constructor(connection: Connection, tail: TailCache) {
    this.connection = connection;
    this.tail = tail;
    this.parts = new PartsReader(connection);
  }

  /** `state`: "unknown" where only the server knows the stream; undefined where there is none. */
  async read(stream: string, options: ReadOptions, state: StreamState | undefined | "unknown"): Promise<StoredEvent[]> {
    const plan = planRead(stream, state === "unknown" ? ANY_STATE : state, options);
    if (plan.isEmpty) return [];
    const isOpenEnd = state === "unknown" && !plan.forwards && options.from === undefined;
    const page = new Page(plan.maxCount, plan.bytesMax);
    let next = plan.from;
    let isFirst = true;
    while (!page.isFull) {
      const kept = this.kept(stream, plan.forwards, next, state, page.left, options.withoutPositions === true);
      for (const event of kept) if (!page.add(event)) return page.events;
      next += kept.length * (plan.forwards ? 1 : -1);
      if (page.isFull || (state !== "unknown" && state !== undefined && isPast(plan.forwards, next, state))) break;
      const count = Math.min(page.left, this.countFor(stream, page.bytesLeft));
      const events = await this.fetch(stream, plan.forwards, isOpenEnd && isFirst ? "end" : BigInt(next), count);
      for (const event of events) if (!page.add(event)) return page.events;
      isFirst = false;
      const last = events.at(-1);
      if (last === undefined || events.length < count) break;
      next = last.revision + (plan.forwards ? 1 : -1);
    }
    return page.events;
  }

  /** From the tail: only where this process knows what is visible, and with positions only where they are known. */
  private kept(
    stream: string,
    isForwards: boolean,
    from: number,
    state: StreamState | undefined | "unknown",
    count: number,
    anyPosition: boolean,
  ): StoredEvent[] {
    if (state === "unknown" || state === undefined) return [];
    const found = isForwards
      ? this.tail.forwards(stream, from, Math.min(from + count - 1, state.head))
      : this.tail.backwards(stream, from, Math.max(from - count + 1, state.truncatedBefore));
    if (anyPosition) return found;
    const unknown = found.findIndex((event) => event.position === 0);
    return unknown === -1 ? found : found.slice(0, unknown);
  }

  private countFor(stream: string, bytesLeft: number): number {
    const average = this.averageBytes.get(stream);
    if (average === undefined) return FIRST_COUNT;
    return Math.max(1, Math.min(READ_COUNT, Math.ceil(Math.min(bytesLeft, READ_BYTES) / average)));
  }

  private async fetch(stream: string, isForwards: boolean, from: bigint | "end", count: number): Promise<StoredEvent[]> {
    const direction = isForwards ? "forwards" : "backwards";
    try {
      // Decoded while it arrives: the server sends the next events meanwhile.
      const events = await this.connection.patiently(async (client) => {
        const page: StoredEvent[] = [];
        for await (const { event } of client.readStream(stream, { direction, fromRevision: from, maxCount: count })) {
          const decoded = this.decode(event as unknown as RecordedEvent | undefined);
          page.push(decoded instanceof Promise ? await decoded : decoded);
        }
        return page;
      });
      if (events.length > 0) this.learn(stream, isForwards ? events : events.toReversed());
      return events;
    } catch (error) {
      const kind = failureKind(error);
      if (kind === "missing" || kind === "tombstoned") throw streamNotFound(stream);
      throw error;
    }
  }

  private learn(stream: string, ascending: readonly StoredEvent[]): void {
    this.averageBytes.set(stream, ascending.reduce((sum, event) => sum + eventBytes(event), 0) / ascending.length + 1);
    this.tail.add(stream, ascending);
  }

  /** EVENT_CORRUPT where it is not what Rainbow wrote. A promise only where parts are to be read. */
  decode(recorded: RecordedEvent | undefined): StoredEvent | Promise<StoredEvent> {
    if (recorded === undefined) throw new RainbowError("IO", "the event store answered an event without content", { operation: "read" });
    const { streamId: stream, type, data, position: place } = recorded;
    const revision = Number(recorded.revision) as Revision;
    const id = idOf(recorded.id);
    if (id === undefined || !(data instanceof Uint8Array)) throw eventCorrupt(stream, revision, "it is no event that Rainbow wrote");
    assert(place !== undefined, "the server tells the position of every event");
    const position = Number(place.commit) as Position;
    const frame = decodeFrame(data, stream, revision);
    if (!("firstPart" in frame)) return { id, type, data: frame.data, metadata: frame.metadata, stream, revision, position };
    return this.parts
      .read(stream, revision, frame)
      .then((content) => ({ id, type, data: content.data, metadata: content.metadata, stream, revision, position }));
  }
}

/** A page in the making: within its count and bytes, but never below one event. */
class Page {
  readonly events: StoredEvent[] = [];
  private readonly maxCount: number;
  private readonly bytesMax: number;
  private byteCount = 0;

  constructor(maxCount: number, bytesMax: number) {
    this.maxCount = maxCount;
    this.bytesMax = bytesMax;
  }

  get left(): number {
    return this.maxCount - this.events.length;
  }

  get bytesLeft(): number {
    return Math.max(1, this.bytesMax - this.byteCount);
  }

  get isFull(): boolean {
    return this.left === 0 || this.byteCount >= this.bytesMax;
  }

  /** False where it does not fit any more. */
  add(event: StoredEvent): boolean {
    this.byteCount += eventBytes(event);
    if (this.left === 0 || (this.events.length > 0 && this.byteCount > this.bytesMax)) return false;
    this.events.push(event);
    return true;
  }
}

function isPast(isForwards: boolean, next: number, state: StreamState): boolean {
  return isForwards ? next > state.head : next < state.truncatedBefore;
}
