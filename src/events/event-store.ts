/**
 * The EventStore port. Semantics are EventStoreDB's; where an adapter is stricter its index.ts says so.
 * Readers and subscribers see only what is durable.
 */
import type { Position, Revision } from "../core/index.ts";

/** Expectation of an append to a stream that has no events yet. */
export const NO_STREAM = -1 as Revision;

export interface NewEvent {
  /** 16 bytes; unique within the stream. */
  readonly id: Buffer;
  readonly type: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export interface StoredEvent extends NewEvent {
  readonly stream: string;
  readonly revision: Revision;
  readonly position: Position;
}

export interface Appended {
  /** Revision of the last event of this append. */
  readonly revision: Revision;
  /** Of the last event; 0 for a repeat of events that are truncated or deleted, where the store cannot tell it any more. */
  readonly position: Position;
  /** True where the same append had been stored before. */
  readonly repeated: boolean;
}

export interface StreamInfo {
  readonly stream: string;
  /** Last revision; -1 where the stream is missing or soft-deleted without events since. */
  readonly headRevision: Revision;
  /** Events before it are gone. */
  readonly truncatedBefore: Revision;
  readonly deleted: boolean;
}

export interface ReadOptions {
  readonly direction?: "forwards" | "backwards";
  /** Inclusive. Default: the first live event forwards, the last one backwards. */
  readonly from?: Revision;
  /** 1 to 10,000. A page may hold fewer although more follow only where `bytesMax` cut it. */
  readonly maxCount: number;
  readonly bytesMax?: number;
  /** The caller does not look at positions: a store that would have to fetch them gives 0. */
  readonly withoutPositions?: boolean;
}

export interface SubscribeOptions {
  /** Deliver what lies after this position; 0 is the beginning. */
  readonly after: Position;
  /** Stream-name prefixes; [] is all streams. */
  readonly prefixes: readonly string[];
  readonly signal: AbortSignal;
}

/** `events` in position order, possibly empty; `checkpoint` is safe to resume from; `live` when nothing durable follows now. */
export interface SubscriptionPage {
  readonly events: readonly StoredEvent[];
  readonly checkpoint: Position;
  readonly live: boolean;
}

export const APPEND_BYTES_MAX = 16 << 20; // ids, types, data and metadata of one append; keeps one LMDB value and one reader's page small.
export const APPEND_EVENTS_MAX = 50_000;
export const STREAM_NAME_BYTES_MAX = 200;
export const READ_COUNT_MAX = 10_000; // Events of one page.

export interface EventStore {
  /**
   * Appends all or nothing; durable when it resolves. `expected` is concrete: the stream's last revision, or NO_STREAM.
   * A repeat with the same ids and the same expectation is answered as the first time. Otherwise REVISION_CONFLICT (facts: stream,
   * expected, actual); APPEND_TOO_LARGE; OUTCOME_UNKNOWN (retry with the same ids and expectation). Appends to one stream may be
   * pipelined: each is decided after those called before it.
   */
  append(stream: string, expected: Revision, events: readonly NewEvent[]): Promise<Appended>;
  /** A truncated prefix is skipped silently. STREAM_NOT_FOUND where missing or soft-deleted. EVENT_CORRUPT names stream and revision. */
  read(stream: string, options: ReadOptions): Promise<StoredEvent[]>;
  /** Events of all streams in position order, then live ones as they become durable. Pulling slowly is fine. */
  subscribe(options: SubscribeOptions): AsyncIterable<SubscriptionPage>;
  info(stream: string): Promise<StreamInfo>;
  streams(prefix: string): Promise<StreamInfo[]>;
  /** Monotone: a lower value than before changes nothing. The last event of a stream survives. */
  truncateBefore(stream: string, revision: Revision): Promise<void>;
  /** The stream reads as not found until the next append, whose expectation is NO_STREAM or the old head; numbering goes on. */
  softDelete(stream: string): Promise<void>;
  /** Gives the space of truncated and deleted events back, in small steps; stops early when `signal` aborts. */
  reclaim(signal?: AbortSignal): Promise<{ readonly freedBytes: number }>;
  close(): Promise<void>;
}
