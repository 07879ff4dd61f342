/**
 * What every adapter decides the same way: limits, the verdict on an append, and what a read asks for. Pure.
 * Verdicts are EventStoreDB's for concrete expectations (index.ts says where they are stricter).
 */
import { RainbowError } from "../core/index.ts";
import type { Revision } from "../core/index.ts";
import { APPEND_BYTES_MAX, APPEND_EVENTS_MAX, NO_STREAM, READ_COUNT_MAX, STREAM_NAME_BYTES_MAX } from "./event-store.ts";
import type { NewEvent, ReadOptions } from "./event-store.ts";
import { ID_BYTES, TYPE_BYTES_MAX } from "./limits.ts";

export const READ_BYTES_DEFAULT = 16 << 20; // One page of a reader that names no limit.

/** What a store remembers of a stream; `head` counts events of before a soft delete too. */
export interface StreamState {
  readonly head: Revision;
  readonly truncatedBefore: Revision;
  readonly deleted: boolean;
}

export type Verdict =
  | { readonly kind: "write"; readonly first: Revision; readonly truncatedBefore: Revision }
  | { readonly kind: "compare"; readonly orWrite?: { readonly first: Revision; readonly truncatedBefore: Revision } }
  | { readonly kind: "nothing" }
  | { readonly kind: "conflict" };

/**
 * `compare`: the expectation lies before the head, so it is a repeat if the stored ids after it are the same, else a conflict; with
 * `orWrite` (a deleted stream made anew) only a repeat of some of them is a conflict, and anything else is written.
 */
export function judgeAppend(state: StreamState | undefined, expected: Revision, eventCount: number): Verdict {
  const head = state?.head ?? NO_STREAM;
  const deleted = state?.deleted === true;
  const place = { first: (head + 1) as Revision, truncatedBefore: deleted ? ((head + 1) as Revision) : (state?.truncatedBefore ?? (0 as Revision)) };
  if (eventCount === 0) return { kind: expected === head || (deleted && expected === NO_STREAM) ? "nothing" : "conflict" };
  if (expected === head) return { kind: "write", ...place };
  if (deleted && expected === NO_STREAM) return { kind: "compare", orWrite: place };
  return { kind: expected + eventCount > head ? "conflict" : "compare" };
}

/** Whether `stored` is what `sent` would have written. Metadata may differ: it carries the time of the try. */
function isRepeat(sent: readonly NewEvent[], stored: readonly NewEvent[]): boolean {
  if (sent.length !== stored.length) return false;
  return sent.every((event, i) => {
    const other = stored[i];
    return other !== undefined && Buffer.compare(event.id, other.id) === 0 && event.type === other.type && Buffer.compare(event.data, other.data) === 0;
  });
}

/** What a comparison comes to: a repeat, a conflict, or (only with `orWrite`) a new append. */
export function judgeRepeat(
  verdict: Verdict & { readonly kind: "compare" },
  sent: readonly NewEvent[],
  stored: readonly NewEvent[],
): "repeat" | "conflict" | "write" {
  if (isRepeat(sent, stored)) return "repeat";
  const first = stored[0];
  const isPartRepeat = first !== undefined && Buffer.compare(first.id, sent[0]!.id) === 0;
  return verdict.orWrite === undefined || isPartRepeat ? "conflict" : "write";
}

export function revisionConflict(stream: string, expected: Revision, actual: Revision): RainbowError {
  return new RainbowError("REVISION_CONFLICT", `stream '${stream}' ends at revision ${actual}, not at ${expected}: another writer appended first`, {
    stream,
    expected,
    actual,
  });
}

export function streamNotFound(stream: string): RainbowError {
  return new RainbowError("STREAM_NOT_FOUND", `stream '${stream}' does not exist or was deleted`, { stream });
}

export function storeClosed(): RainbowError {
  return new RainbowError("IO", "the event store is closed", { operation: "use after close" });
}

/** 1 to 200 bytes of UTF-8 without control characters. */
export function checkStreamName(stream: string): void {
  const isFine = stream.length > 0 && stream.isWellFormed() && Buffer.byteLength(stream, "utf8") <= STREAM_NAME_BYTES_MAX && !/[\x00-\x1f\x7f]/.test(stream);
  if (!isFine) throw new RainbowError("LIMIT", `a stream's name has 1 to ${STREAM_NAME_BYTES_MAX} bytes and no control characters`, { stream });
}

/** Checks everything about an append that needs no store. */
export function checkAppend(stream: string, expected: Revision, events: readonly NewEvent[]): void {
  checkStreamName(stream);
  if (!Number.isSafeInteger(expected) || expected < NO_STREAM)
    throw new RainbowError("LIMIT", `an expected revision is a whole number from -1 on, not ${expected}`, { stream, expected });
  if (events.length > APPEND_EVENTS_MAX) throw tooLarge(stream, `${events.length} events`, `${APPEND_EVENTS_MAX} events`);
  let byteCount = 0;
  for (const event of events) {
    if (event.id.length !== ID_BYTES) throw new RainbowError("LIMIT", `an event id has ${ID_BYTES} bytes`, { stream });
    if (event.type.length === 0 || event.type.length > TYPE_BYTES_MAX)
      throw new RainbowError("LIMIT", `an event type has 1 to ${TYPE_BYTES_MAX} characters`, { stream });
    byteCount += eventBytes(event);
  }
  if (byteCount > APPEND_BYTES_MAX) throw tooLarge(stream, `${byteCount} bytes`, `${APPEND_BYTES_MAX} bytes`);
}

/** What an event counts for in limits of bytes. */
export function eventBytes(event: NewEvent): number {
  return ID_BYTES + event.type.length + event.data.length + event.metadata.length;
}

export interface ReadPlan {
  readonly forwards: boolean;
  /** First revision to give; already inside the live events, or the plan is empty. */
  readonly from: number;
  readonly maxCount: number;
  readonly bytesMax: number;
  readonly isEmpty: boolean;
}

/** Throws LIMIT for a count out of range and STREAM_NOT_FOUND where there is nothing to read. */
export function planRead(stream: string, state: StreamState | undefined, options: ReadOptions): ReadPlan {
  const { maxCount, bytesMax = READ_BYTES_DEFAULT } = options;
  if (!Number.isSafeInteger(maxCount) || maxCount < 1 || maxCount > READ_COUNT_MAX)
    throw new RainbowError("LIMIT", `a page has 1 to ${READ_COUNT_MAX} events, not ${maxCount}`, { stream });
  if (options.from !== undefined && (!Number.isSafeInteger(options.from) || options.from < 0))
    throw new RainbowError("LIMIT", `a revision is a whole number from 0 on, not ${options.from}`, { stream });
  if (state === undefined || state.deleted) throw streamNotFound(stream);
  const forwards = options.direction !== "backwards";
  const from = forwards ? Math.max(options.from ?? 0, state.truncatedBefore) : Math.min(options.from ?? state.head, state.head);
  return { forwards, from, maxCount, bytesMax, isEmpty: from > state.head || from < state.truncatedBefore };
}

/** Where a truncation really lands: monotone, and the last event survives. */
export function truncationOf(state: StreamState, revision: Revision): Revision {
  return Math.max(state.truncatedBefore, Math.min(revision, state.head)) as Revision;
}

function tooLarge(stream: string, has: string, limit: string): RainbowError {
  return new RainbowError("APPEND_TOO_LARGE", `an append of ${has} to stream '${stream}' is over the limit of ${limit}`, { stream });
}
