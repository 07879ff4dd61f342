/**
 * Times to revisions by searching the stream: nothing is held per batch. Agent time runs forwards within a stretch (stretches are
 * facts of the state); within one, batches are searched by halves.
 */
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type { Revision, TimeUs } from "../../core/index.ts";
import { decodeEvent } from "../../events/index.ts";
import type { EventStore, Recorded } from "../../events/index.ts";
import type { Stretch } from "./control.ts";

const LOOK_BACK_EVENTS = 64; // Batches of the host's own lie between those of the agent, and carry another clock.

export interface ResolvedTime {
  /** The last batch end at or before the time. */
  readonly revision: Revision;
  /** Agent time of that batch. */
  readonly timeUs: TimeUs;
  /** Where the clock went back, the same time came before: what it meant then, newest first. */
  readonly others: readonly Revision[];
  /** What happened after this is not known yet; a time beyond it is answered by what is known. */
  readonly knownUntilUs: TimeUs;
}

export interface StreamSpan {
  readonly store: EventStore;
  readonly stream: string;
  /** The first revision that can be named. */
  readonly first: Revision;
  readonly head: Revision;
}

/** The newest event of the agent's in [from, at]; undefined where there is none. */
async function agentEventBefore(span: StreamSpan, at: Revision, from: Revision): Promise<Recorded | undefined> {
  for (let next = at; next >= from;) {
    const page = await span.store.read(span.stream, {
      direction: "backwards",
      from: next,
      maxCount: next === at ? 1 : LOOK_BACK_EVENTS,
      withoutPositions: true,
    });
    for (const stored of page) {
      if (stored.revision < from) return undefined;
      const recorded = decodeEvent(stored);
      if (recorded.metadata.epoch !== 0) return recorded;
    }
    if (page.length === 0) return undefined;
    next = (page.at(-1)!.revision - 1) as Revision;
  }
  return undefined;
}

/** The last agent event in [low, high] whose time is at or before `us`: a batch end, as a batch has one time. */
async function lastBefore(span: StreamSpan, low: Revision, high: Revision, us: TimeUs): Promise<Recorded | undefined> {
  let best: Recorded | undefined;
  let [from, to] = [low, high];
  while (from <= to) {
    const middle = Math.floor((from + to) / 2) as Revision;
    const event = await agentEventBefore(span, middle, from);
    if (event === undefined) from = (middle + 1) as Revision;
    else if (event.metadata.agentTimeUs <= us) {
      best = event;
      from = (middle + 1) as Revision;
    } else to = (event.revision - 1) as Revision;
  }
  return best;
}

/** `stretches` ascending. INSTANT_OUTSIDE where the time lies before everything that is known. */
export async function resolveTime(span: StreamSpan, stretches: readonly Stretch[], us: TimeUs, knownUntilUs: TimeUs): Promise<ResolvedTime> {
  const found: Recorded[] = [];
  for (let i = stretches.length - 1; i >= 0; i--) {
    const { revision, fromUs } = stretches[i]!;
    const end = ((stretches[i + 1]?.revision ?? span.head + 1) - 1) as Revision;
    if (end < span.first) break;
    if (fromUs > us) continue;
    const event = await lastBefore(span, Math.max(revision, span.first) as Revision, end, us);
    if (event === undefined) continue;
    const isInside = found.length === 0 || event.revision < end; // An older stretch covers it only where it went on past that time.
    if (isInside) found.push(event);
  }
  const first = found[0];
  if (first === undefined) {
    throw new RainbowError("INSTANT_OUTSIDE", "that time lies before the first backup that is kept: name a later one", { us, firstUs: stretches[0]?.fromUs });
  }
  return { revision: first.revision, timeUs: first.metadata.agentTimeUs, others: found.slice(1).map((event) => event.revision), knownUntilUs };
}

/** Agent time of the batch that ends at `revision`, or of the newest before it that the agent sent. */
export async function timeOf(span: StreamSpan, revision: Revision): Promise<TimeUs> {
  const event = await agentEventBefore(span, revision, span.first);
  if (event !== undefined) return event.metadata.agentTimeUs;
  const [only] = await span.store.read(span.stream, { direction: "backwards", from: revision, maxCount: 1, withoutPositions: true });
  return only === undefined ? (0 as TimeUs) : decodeEvent(only).metadata.hostTimeUs;
}

/** The last batch end at or before `revision`; undefined where no whole batch lies there. */
export async function batchEndBefore(span: StreamSpan, revision: Revision): Promise<Revision | undefined> {
  try {
    const [stored] = await span.store.read(span.stream, { direction: "backwards", from: revision, maxCount: 1, withoutPositions: true });
    if (stored === undefined || stored.revision < span.first) return undefined;
    const { batchEnd, index } = decodeEvent(stored).metadata;
    const end = (batchEnd === undefined ? stored.revision - index - 1 : stored.revision) as Revision; // The batch before ends just before this one's first event.
    return end < span.first ? undefined : end;
  } catch (error) {
    if (isRainbowError(error, "STREAM_NOT_FOUND")) return undefined;
    throw error;
  }
}
