/** A machine's tree: the fold of its events, in memory over registered trees, and views of any revision. */
export type { ControlFacts } from "./control-facts.ts";
export type { ClockJumps, RebasedFact, Root, Snapshot } from "./control.ts";
export { gapsTouching } from "./gaps.ts";
export type { ResolvedTime, StreamSpan } from "./instants.ts";
export { namedChunks, referencesOfTree } from "./named-chunks.ts";
export type { NamedChunks } from "./named-chunks.ts";
export { TREE_LIMITS } from "./policy.ts";
export type { TreeLimits } from "./policy.ts";
export { DigTreeProjection } from "./projection.ts";
export type { ProjectionOptions } from "./projection.ts";
export { contentPurged, Purges, purgesOfTree, runsOfNodes } from "./purges.ts";
export type { Purge, PurgeFact } from "./purges.ts";
export type { StateView } from "./state-view.ts";
export type { LiveState } from "./live-state.ts";
export { compareStates } from "./verify-replay.ts";
export type { ReplayDifference, ReplayOptions, ReplayReport } from "./verify-replay.ts";
export { entriesOfTree } from "./walk-state.ts";
