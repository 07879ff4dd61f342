/** A tree before the newest one: for a snapshot that leaves the window (rule 6). No live count changes with it, and no budget vetoes it. */
import type { ChunkNumber, Revision } from "../../core/index.ts";
import type { Dig } from "../../dig/index.ts";
import { chainHashAt, NO_STREAM } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import type { Base } from "./base.ts";
import { planTree } from "./policy.ts";
import type { TreeLimits } from "./policy.ts";
import { State } from "./state.ts";
import { replayedState } from "./tail.ts";
import { changesOf } from "./tree-changes.ts";

export interface PastTree {
  readonly store: EventStore;
  readonly stream: string;
  readonly dig: Dig;
  readonly limits: TreeLimits;
  /** The newest tree before the revision; undefined where there is none. Closed here. */
  readonly base: Base | undefined;
  /** A batch end whose events since the base are still there, and after which there is a tree. */
  readonly revision: Revision;
}

export async function buildPastTree({ store, stream, dig, limits, base, revision }: PastTree): Promise<void> {
  try {
    const baseRevision = base?.revision ?? NO_STREAM;
    const basePayloadBytes = base === undefined ? 0 : new State({ base }).times.payloadBytes;
    const state = await replayedState({ store, stream, base, to: revision, isLazy: false });
    const layers = state.freeze();
    const { payloadBytes, nextChunk } = state.times;
    const tail = { eventCount: revision - baseRevision, memoryBytes: state.memoryBytes, payloadBytes: payloadBytes - basePayloadBytes, ageUs: 0 };
    const sinceMain = revision - (base?.segments[0]?.facts.baseRevision ?? baseRevision);
    const plan = planTree(base, layers, tail, payloadBytes, limits, sinceMain);
    await dig.trees.build({
      ...(base === undefined ? {} : { base: base.info }),
      revision,
      chainHash: await chainHashAt(store, stream, revision),
      nextChunk: nextChunk as ChunkNumber,
      changes: changesOf(plan, base, layers, { revision, baseRevision, basePayloadBytes, first: 0 as Revision }),
      chunks: [],
    });
  } finally {
    base?.close();
  }
}
