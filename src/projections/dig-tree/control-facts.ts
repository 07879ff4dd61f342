/** The facts of the whole machine in a state, for people and for the event of a rebase. */
import { decodeFact, decodeGap, MIRROR_KEY, POLICY_KEY, REBASED_KEY } from "./control.ts";
import type { MirrorDefined } from "../../events/index.ts";
import type { RebasedFact, Root, Snapshot } from "./control.ts";
import { PREFIX } from "./keys.ts";
import type { State } from "./state.ts";
import type { Gap } from "../view.ts";

export interface ControlFacts {
  /** By revision. */
  readonly snapshots: readonly Snapshot[];
  readonly roots: readonly Root[];
  /** As the newest PolicySet has it; undefined where there was none. */
  readonly policy: Readonly<Record<string, unknown>> | undefined;
  readonly openGaps: readonly Gap[];
  readonly nextChunk: number;
  /** The newest move of the window's start. */
  readonly rebased: RebasedFact | undefined;
  /** The newest definition, of a mirror. */
  readonly mirror: Omit<MirrorDefined, "type"> | undefined;
}

export function snapshotsOf(state: State): Snapshot[] {
  const all = state.controls(PREFIX.snapshot).map(({ value }) => decodeFact<Snapshot>(value));
  return all.sort((a, b) => a.revision - b.revision);
}

export function factsOf(state: State): ControlFacts {
  const [policy, rebased, mirror] = [state.control(POLICY_KEY), state.control(REBASED_KEY), state.control(MIRROR_KEY)];
  return {
    snapshots: snapshotsOf(state),
    roots: state.controls(PREFIX.root).map(({ value }) => decodeFact<Root>(value)),
    policy: policy === undefined ? undefined : decodeFact<Record<string, unknown>>(policy),
    openGaps: state.controls(PREFIX.openGap).map(({ value }) => decodeGap(value)),
    nextChunk: state.times.nextChunk,
    rebased: rebased === undefined ? undefined : decodeFact<RebasedFact>(rebased),
    mirror: mirror === undefined ? undefined : decodeFact<Omit<MirrorDefined, "type">>(mirror),
  };
}
