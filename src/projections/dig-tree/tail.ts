/** The state at a revision: a tree and the batches after it. */
import type { Revision } from "../../core/index.ts";
import { NO_STREAM, readStoredBatches } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import type { Base } from "./base.ts";
import { applyLate, evolve, evolveLazily } from "./evolve.ts";
import { State } from "./state.ts";

const BYTES_PER_TURN = 16_384; // A millisecond or two, whether of many events or of long ones: whoever else is at work gets a turn after each.
const EVENT_BYTES = 128; // What an event costs besides its length.

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
  let bytesSinceTurn = 0;
  for await (const batch of readStoredBatches(store, stream, from, to)) {
    if (isLazy) evolveLazily(state, batch);
    else for (const recorded of batch.events) evolve(state, recorded);
    for (const { data } of batch.stored) bytesSinceTurn += data.length + EVENT_BYTES;
    if (bytesSinceTurn < BYTES_PER_TURN) continue;
    bytesSinceTurn = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return state;
}
