/**
 * All streams' events for subscribers: finite pages until the end is near, then what one live `$all` subscription of this process brings,
 * kept in a bounded ring. The live one is always drained at once (a consumer that pauses for a second is cut off); a subscriber that
 * falls out of the ring goes back to pages. Hidden events are dropped by whoever delivers them.
 */
import type { AllStreamRecordedEvent, AllStreamSubscription, KurrentDBClient, Position as LogPosition } from "@kurrent/kurrentdb-client";
import type { Position } from "../../core/index.ts";
import { Wakeup } from "../wakeup.ts";
import { pause } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { collected } from "./stream-facts.ts";

/** What the log holds of us: events of streams, and changes of their metadata. */
export interface LogEntry {
  readonly position: Position;
  readonly recorded: AllStreamRecordedEvent;
}

export interface LogPage {
  readonly entries: readonly LogEntry[];
  readonly checkpoint: Position;
  readonly live: boolean;
}

const PAGE_EVENTS = 500;
const RING_EVENTS = 4096; // At 900 KiB an event it would be too much, so:
const RING_BYTES = 8 << 20;
const RETRY_MS = 500;
/** Streams of users, and the metadata streams of these. System streams begin with one "$". */
const OURS = { filterOn: "streamName", regex: "^(\\$\\$)?[^$]", maxSearchWindow: 1024, checkpointInterval: 1 } as const;

export class Feed {
  private readonly connection: Connection;
  private readonly news = new Wakeup();
  private readonly closing = new AbortController();
  private ring: LogEntry[] = [];
  private ringBytes = 0;
  /** What lies after it, up to `reached`, is in the ring; undefined while there is no live subscription. */
  private from: Position | undefined;
  private reached = 0 as Position;
  private running: Promise<void> | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Whether metadata changes of others arrive by themselves. */
  get isLive(): boolean {
    return this.from !== undefined;
  }

  /** What follows `after`: from the ring where it reaches back that far, else from the server. */
  async page(after: Position): Promise<LogPage> {
    if (this.from !== undefined && after >= this.from) {
      const entries = this.ring.filter((entry) => entry.position > after).slice(0, PAGE_EVENTS);
      const checkpoint = entries.length < PAGE_EVENTS ? (Math.max(this.reached, after) as Position) : entries.at(-1)!.position;
      return { entries, checkpoint, live: entries.length < PAGE_EVENTS };
    }
    return this.fetch(after);
  }

  /** Resolves when something may follow `after`. */
  async wait(after: Position, signal: AbortSignal): Promise<void> {
    this.running ??= this.run(after).finally(() => (this.running = undefined));
    if (this.from !== undefined && this.reached > after) return;
    await this.news.wait(AbortSignal.any([signal, this.closing.signal]));
  }

  close(): void {
    this.closing.abort();
    this.news.wake();
  }

  private async fetch(after: Position): Promise<LogPage> {
    const fromPosition = after === 0 ? "start" : positionOf(after);
    return this.connection.patiently(async (client) => {
      const end = await lastPosition(client); // Before the page: whatever is at or before it is in the page, or behind its full count.
      const found = await collected(client.readAll({ direction: "forwards", fromPosition, maxCount: PAGE_EVENTS, filter: OURS }));
      const entries = found.flatMap(({ event }) => entryOf(event)).filter((entry) => entry.position > after); // The first read is inclusive.
      const isWhole = found.length < PAGE_EVENTS;
      const last = entries.at(-1)?.position ?? after;
      return { entries, checkpoint: isWhole ? (Math.max(end, last) as Position) : last, live: isWhole };
    });
  }

  /** Keeps a live subscription until the feed is closed. */
  private async run(after: Position): Promise<void> {
    let start = after;
    while (!this.closing.signal.aborted) {
      try {
        const client = await this.connection.client();
        try {
          await this.follow(client, start);
        } finally {
          await this.connection.renew(client);
        }
      } catch {
        // The connection broke, or the server cut us off: subscribers read pages meanwhile, and see there when that fails for good.
      }
      start = this.reached > start ? this.reached : start;
      this.from = undefined;
      this.news.wake();
      if (!this.closing.signal.aborted) await pause(RETRY_MS);
    }
  }

  private async follow(client: KurrentDBClient, after: Position): Promise<void> {
    const checkpointReached = (_: unknown, { commit }: LogPosition): void => this.pass(Number(commit) as Position);
    const filter = { ...OURS, checkpointReached };
    const subscription = client.subscribeToAll({ fromPosition: after === 0 ? "start" : positionOf(after), filter });
    const end = (): void => void subscription.unsubscribe();
    this.closing.signal.addEventListener("abort", end, { once: true });
    subscription.once("confirmation", () => {
      [this.ring, this.ringBytes, this.from, this.reached] = [[], 0, after, after];
    });
    try {
      await this.drain(subscription);
    } finally {
      this.closing.signal.removeEventListener("abort", end);
      end();
    }
  }

  private async drain(subscription: AllStreamSubscription): Promise<void> {
    for await (const { event } of subscription) {
      const [entry] = entryOf(event);
      if (entry === undefined || this.from === undefined) continue;
      this.ring.push(entry);
      this.ringBytes += sizeOf(entry);
      while (this.ring.length > RING_EVENTS || this.ringBytes > RING_BYTES) {
        const oldest = this.ring.shift()!;
        this.ringBytes -= sizeOf(oldest);
        this.from = oldest.position;
      }
      this.pass(entry.position);
    }
  }

  private pass(position: Position): void {
    if (position > this.reached) this.reached = position;
    this.news.wake();
  }
}

function entryOf(recorded: AllStreamRecordedEvent | undefined): LogEntry[] {
  const position = recorded?.position;
  return recorded === undefined || position === undefined ? [] : [{ position: Number(position.commit) as Position, recorded }];
}

function sizeOf({ recorded }: LogEntry): number {
  return recorded.data instanceof Uint8Array ? recorded.data.length : 1000;
}

function positionOf(position: Position): LogPosition {
  return { commit: BigInt(position), prepare: BigInt(position) };
}

async function lastPosition(client: KurrentDBClient): Promise<number> {
  const [last] = await collected(client.readAll({ direction: "backwards", fromPosition: "end", maxCount: 1 }));
  return Number(last?.event?.position?.commit ?? 0);
}
