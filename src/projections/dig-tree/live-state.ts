/** A state as the projection has it, for what is held against it: now, or at an instant of the window. */
import { RainbowError } from "../../core/index.ts";
import type { ChunkNumber, Revision } from "../../core/index.ts";
import type { Dig } from "../../dig/index.ts";
import { NO_STREAM } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import type { Base } from "./base.ts";
import type { ChunkCounts } from "./chunk-counts.ts";
import type { Layer } from "./layer.ts";
import { State } from "./state.ts";
import { replayedState } from "./tail.ts";

/** To be closed. */
export interface LiveState {
  readonly store: EventStore;
  readonly stream: string;
  readonly state: State;
  /** The tree at the window's start, where events before it are gone: a replay begins there. */
  readonly window: Base | undefined;
  readonly revision: Revision;
  /** Absent for a state of before: counts are those of now. */
  readonly liveCount?: (chunk: ChunkNumber) => number;
  close(): void;
}

export interface LiveSource {
  readonly store: EventStore;
  readonly stream: string;
  readonly dig: Dig;
  /** The window's start; 0 where it was never moved. */
  readonly first: Revision;
  /** A batch end. */
  readonly to: Revision;
  /** Of the newest tree at or before it. */
  readonly tree: Revision;
  readonly openBase: (revision: Revision) => Base | undefined;
  /** Where it is the state of now: what lies over that tree. */
  readonly now: { readonly layers: readonly Layer[]; readonly counts: ReturnType<ChunkCounts["snapshot"]> } | undefined;
}

/** INSTANT_OUTSIDE where the events up to it are gone. */
export async function liveStateOf({ store, stream, dig, first, to, tree, openBase, now }: LiveSource): Promise<LiveState> {
  if (to < first)
    throw new RainbowError("INSTANT_OUTSIDE", `the events before r${first} are gone: nothing can be replayed up to r${to}`, { revision: to, first });
  const hold = dig.freeing.holdEvents(first === 0 ? NO_STREAM : first);
  const [base, window] = [openBase(tree), first === 0 ? undefined : openBase(first)];
  const close = (): void => {
    hold.release();
    base?.close();
    window?.close();
  };
  const rest = { store, stream, window, revision: to, close };
  if (now === undefined) return { ...rest, state: await replayedState({ store, stream, base, to, isLazy: false }) };
  const liveCount = (chunk: ChunkNumber): number => now.counts.get(chunk) ?? dig.chunks.liveCount(chunk);
  return { ...rest, state: new State({ base, layers: now.layers }), liveCount };
}
