/** The state at a revision: a tree and the batches after it. */
import type { Revision } from "../../core/index.ts";
import { NO_STREAM, readStoredBatches } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import type { Base } from "./base.ts";
import { applyLate, evolve, evolveLazily } from "./evolve.ts";
import { State } from "./state.ts";

export interface Replay {
  readonly store: EventStore;
  readonly stream: string;
  /** undefined: from nothing. */
  readonly base: Base | undefined;
  /** A batch end. */
  readonly to: Revision;
  /** A view's: files are caught up on when they are asked for. */
  readonly isLazy: boolean;
}

export async function replayedState({ store, stream, base, to, isLazy }: Replay): Promise<State> {
  const state = new State({ base, ...(isLazy ? { applyLate } : {}) });
  const from = ((base?.revision ?? NO_STREAM) + 1) as Revision;
  if (from > to) return state;
  for await (const batch of readStoredBatches(store, stream, from, to)) {
    if (isLazy) evolveLazily(state, batch);
    else for (const recorded of batch.events) evolve(state, recorded);
  }
  return state;
}
