/**
 * The newest events of streams in memory, so that an instant near the end is answered without the network. Events never change, so what
 * is kept is right for ever; whoever reads says from where on it is visible. Bounded over all streams: the oldest of the largest goes first.
 */
import { eventBytes } from "../append-rules.ts";
import type { Position, Revision } from "../../core/index.ts";
import type { StoredEvent } from "../event-store.ts";
import type { PackedEvents } from "./frame.ts";

/** A tail of 16,384 events takes about 6 MiB; four machines' tails fit. */
const CACHE_BYTES_MAX = 24 << 20;
const EVENT_OVERHEAD_BYTES = 200; // Of the objects around an event's bytes.
const RUN_OVERHEAD_BYTES = 500;

/** Revisions follow one another without a hole, within a run and from run to run. */
interface Run {
  readonly first: number;
  readonly count: number;
  readonly byteCount: number;
  at(index: number): StoredEvent;
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
  addAppended(stream: string, first: Revision, events: PackedEvents, lastPosition: number): void {
    const at = (index: number): StoredEvent => ({
      ...events.event(index),
      stream,
      revision: (first + index) as Revision,
      position: (index === events.length - 1 ? lastPosition : 0) as Position,
    });
    this.put(stream, { first, count: events.length, byteCount: events.memoryBytes + RUN_OVERHEAD_BYTES, at });
  }

  /** Keeps a page, in ascending order, where it goes on from what is kept; a page that begins elsewhere takes its place if it ends later. */
  add(stream: string, events: readonly StoredEvent[]): void {
    const end = this.end(stream);
    const fresh = end === undefined ? events : events.filter((event) => event.revision > end);
    const [first] = fresh;
    if (first === undefined) return;
    const byteCount = fresh.reduce((sum, event) => sum + eventBytes(event) + EVENT_OVERHEAD_BYTES, 0);
    this.put(stream, { first: first.revision, count: fresh.length, byteCount, at: (index) => fresh[index]! });
  }

  private put(stream: string, run: Run): void {
    const end = this.end(stream);
    if (end !== undefined && run.first !== end + 1) this.forget(stream);
    const tail = this.tails.get(stream) ?? { runs: [], byteCount: 0 };
    tail.runs.push(run);
    tail.byteCount += run.byteCount;
    this.byteCount += run.byteCount;
    this.tails.set(stream, tail);
    while (this.byteCount > this.bytesMax && this.shrink());
  }

  private end(stream: string): number | undefined {
    const last = this.tails.get(stream)?.runs.at(-1);
    return last === undefined ? undefined : last.first + last.count - 1;
  }

  /** The kept events from `from` to `to`, ascending, without a hole: as many as lie there next to `from`. */
  forwards(stream: string, from: number, to: number): StoredEvent[] {
    const events: StoredEvent[] = [];
    const runs = this.tails.get(stream)?.runs ?? [];
    if (runs[0] === undefined || from < runs[0].first) return events;
    let next = from;
    for (let i = indexOfRun(runs, from); i < runs.length && next <= to; i++) {
      const { first, count, at } = runs[i]!;
      for (; next < first + count && next <= to; next++) events.push(at(next - first));
    }
    return events;
  }

  /** The kept events from `from` down to `to`, descending, without a hole. */
  backwards(stream: string, from: number, to: number): StoredEvent[] {
    const start = this.tails.get(stream)?.runs[0]?.first;
    const end = this.end(stream);
    if (start === undefined || end === undefined || from < start || from > end) return [];
    return this.forwards(stream, Math.max(start, to), from).reverse();
  }

  private forget(stream: string): void {
    this.byteCount -= this.tails.get(stream)?.byteCount ?? 0;
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

/** The last run that begins at or before a revision. */
function indexOfRun(runs: readonly Run[], revision: number): number {
  let [low, high] = [0, runs.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (runs[middle]!.first <= revision) low = middle;
    else high = middle - 1;
  }
  return low;
}
