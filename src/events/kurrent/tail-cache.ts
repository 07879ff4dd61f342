/**
 * The newest events of streams in memory, so that an instant near the end is answered without the network. Events never change, so what
 * is kept is right for ever; whoever reads says from where on it is visible. Bounded over all streams: the oldest of the largest goes first.
 */
import { eventBytes } from "../append-rules.ts";
import type { Position, Revision } from "../../core/index.ts";
import type { NewEvent, StoredEvent } from "../event-store.ts";

/** A tail of 16,384 events takes about 6 MiB; four machines' tails fit. */
const CACHE_BYTES_MAX = 24 << 20;
const EVENT_OVERHEAD_BYTES = 200; // Of the objects around an event's bytes.

/** Revisions follow one another without a hole, within a run and from run to run. */
interface Run {
  readonly events: readonly StoredEvent[];
  readonly byteCount: number;
}

interface Tail {
  runs: Run[];
  byteCount: number;
}

export class TailCache {
  private readonly tails = new Map<string, Tail>();
  private readonly bytesMax: number;
  private byteCount = 0;

  constructor(bytesMax = CACHE_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  /** Events of an append. The server tells the last one's position alone: the others carry 0. */
  addAppended(stream: string, first: Revision, events: readonly NewEvent[], lastPosition: number): void {
    const stored = events.map((event, i): StoredEvent => ({
      ...event,
      stream,
      revision: (first + i) as Revision,
      position: (i === events.length - 1 ? lastPosition : 0) as Position,
    }));
    this.add(stream, stored);
  }

  /** Keeps a page, in ascending order, where it goes on from what is kept; a page that begins elsewhere takes its place if it ends later. */
  add(stream: string, events: readonly StoredEvent[]): void {
    const tail = this.tails.get(stream) ?? { runs: [], byteCount: 0 };
    const end = tail.runs.at(-1)?.events.at(-1)?.revision;
    const fresh = end === undefined ? events : events.filter((event) => event.revision > end);
    const first = fresh[0];
    if (first === undefined) return;
    if (end !== undefined && first.revision !== end + 1) this.drop(stream, tail);
    const byteCount = fresh.reduce((sum, event) => sum + eventBytes(event) + EVENT_OVERHEAD_BYTES, 0);
    tail.runs.push({ events: fresh, byteCount });
    tail.byteCount += byteCount;
    this.byteCount += byteCount;
    this.tails.set(stream, tail);
    while (this.byteCount > this.bytesMax && this.shrink());
  }

  /** The kept events from `from` to `to`, ascending, without a hole: as many as lie there next to `from`. */
  forwards(stream: string, from: number, to: number): StoredEvent[] {
    const events: StoredEvent[] = [];
    let next = from;
    for (const run of this.tails.get(stream)?.runs ?? []) {
      const start = run.events[0]!.revision;
      const index = next - start;
      if (index < 0) break;
      const part = run.events.slice(index, Math.max(index, to - start + 1));
      events.push(...part);
      next += part.length;
    }
    return events;
  }

  /** The kept events from `from` down to `to`, descending, without a hole. */
  backwards(stream: string, from: number, to: number): StoredEvent[] {
    const tail = this.tails.get(stream);
    const start = tail?.runs[0]?.events[0]?.revision;
    const end = tail?.runs.at(-1)?.events.at(-1)?.revision;
    if (start === undefined || end === undefined || from < start || from > end) return [];
    return this.forwards(stream, Math.max(start, to), from).reverse();
  }

  /** The first revision that is kept; undefined where nothing is. */
  start(stream: string): number | undefined {
    return this.tails.get(stream)?.runs[0]?.events[0]?.revision;
  }

  forget(stream: string): void {
    const tail = this.tails.get(stream);
    if (tail !== undefined) this.drop(stream, tail);
  }

  private drop(stream: string, tail: Tail): void {
    this.byteCount -= tail.byteCount;
    tail.runs = [];
    tail.byteCount = 0;
    this.tails.delete(stream);
  }

  /** Gives back the oldest run of the stream that keeps most. */
  private shrink(): boolean {
    let largest: [string, Tail] | undefined;
    for (const entry of this.tails) if (largest === undefined || entry[1].byteCount > largest[1].byteCount) largest = entry;
    if (largest === undefined) return false;
    const [stream, tail] = largest;
    const run = tail.runs.shift();
    if (run === undefined) return false;
    tail.byteCount -= run.byteCount;
    this.byteCount -= run.byteCount;
    if (tail.runs.length === 0) this.tails.delete(stream);
    return true;
  }
}
