/**
 * The stream cut at its trees, newest piece first. History is read piece by piece: events backwards to find what is of interest, then
 * forwards over the tree to see what was true. Memory is that of what was found in one piece.
 */
import { RainbowError } from "../../core/index.ts";
import type { NodeId, Revision, TimeUs } from "../../core/index.ts";
import type { EventsHold } from "../../dig/index.ts";
import { NO_STREAM, readStoredBackwards, readStoredBatches } from "../../events/index.ts";
import type { EventStore, RecordedBatch, StoredBackwards } from "../../events/index.ts";
import type { Base, State } from "../dig-tree/internal.ts";
import { applyLate, evolveLazily, State as StateOf } from "../dig-tree/internal.ts";

export interface HistorySource {
  readonly store: EventStore;
  readonly stream: string;
  /** The newest revision of interest, a batch end. */
  readonly head: Revision;
  /** The oldest that is still there. */
  readonly first: Revision;
  /** Revisions of the trees, ascending. */
  readonly treeRevisions: readonly Revision[];
  /** Holds the events and the trees from the first on; to be released when all is read. */
  readonly hold: EventsHold;
  /** The newest tree at or before a revision, to be closed; undefined where there is none. */
  openBase(revision: Revision): Base | undefined;
}

/** Where the hold was ended, what was read may miss something. */
export function refuseWhenEnded({ hold, first }: HistorySource): void {
  if (hold.isEnded) throw new RainbowError("BUSY", `this took so long that the window moved on from r${first}: ask again`, { first });
}

export interface Interval {
  /** Exclusive: a tree's revision, or the one before the stream's first. */
  readonly after: Revision;
  /** Inclusive, a batch end. */
  readonly to: Revision;
}

export function* intervalsOf(source: HistorySource): IterableIterator<Interval> {
  const { first, head } = source;
  let to = head;
  const trees = source.treeRevisions.filter((revision) => revision < head && revision >= first - 1);
  for (const after of [...trees.toReversed(), (first - 1) as Revision]) {
    if (after < to) yield { after, to };
    to = after;
  }
}

/** Events newest first, in pages. */
export async function* eventsBackwards(source: HistorySource, { after, to }: Interval): AsyncGenerator<readonly StoredBackwards[]> {
  for await (const page of readStoredBackwards(source.store, source.stream, to, after)) {
    refuseWhenEnded(source);
    yield page;
  }
}

export interface Moment {
  readonly batch: RecordedBatch;
  readonly revision: Revision;
  readonly timeUs: TimeUs;
  /** The batch end before. */
  readonly before: Revision;
}

/**
 * Replays an interval and stops at the batches that end at `revisions` (ascending): `onBefore` sees the state just before the batch,
 * `onAfter` just after it.
 */
export async function replayInterval(
  source: HistorySource,
  { after, to }: Interval,
  revisions: ReadonlySet<Revision>,
  onBefore: (state: State, moment: Moment) => void,
  onAfter: (state: State, moment: Moment) => void,
): Promise<void> {
  const base = after === NO_STREAM ? undefined : source.openBase(after);
  try {
    const state = new StateOf({ base, applyLate });
    let before = after;
    for await (const batch of readStoredBatches(source.store, source.stream, (after + 1) as Revision, to)) {
      const moment = { batch, revision: batch.last, timeUs: batch.metadata.agentTimeUs, before };
      const isOfInterest = revisions.has(batch.last);
      if (isOfInterest) onBefore(state, moment);
      evolveLazily(state, batch);
      if (isOfInterest) onAfter(state, moment);
      before = batch.last;
    }
    refuseWhenEnded(source);
  } finally {
    base?.close();
  }
}

/** By the revision of each NodeCreated that took a name over: the node that had it. */
export async function namesTakenOver(source: HistorySource, { after, to }: Interval): Promise<Map<Revision, NodeId>> {
  const takenOver = new Map<Revision, NodeId>();
  const base = after === NO_STREAM ? undefined : source.openBase(after);
  try {
    const state = new StateOf({ base, applyLate });
    for await (const batch of readStoredBatches(source.store, source.stream, (after + 1) as Revision, to)) {
      evolveLazily(state, batch, ({ event, revision }) => {
        const before = event.type === "NodeCreated" ? state.name(event.parent, event.name)?.node : undefined;
        if (before !== undefined) takenOver.set(revision, before);
      });
    }
    refuseWhenEnded(source);
  } finally {
    base?.close();
  }
  return takenOver;
}

/** The path of a name in a state; undefined where it leads nowhere. */
export function pathOf(state: State, parent: number, name: string): string | undefined {
  let path = name;
  let at = parent;
  for (let depth = 0; at !== 0; depth++) {
    const up = state.node(at as never)?.names[0];
    if (up === undefined || depth > 4096) return undefined; // The longest path; a damaged tree must not hold us in a circle.
    path = up.name === "/" ? `/${path}` : `${up.name}/${path}`;
    at = up.parent;
  }
  return path;
}
