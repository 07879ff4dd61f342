/** For the other projections and for tests: the fold itself. */
export { Base } from "./base.ts";
export { chunksOfNode } from "./content.ts";
export { hashesOf, mayHaveChanged } from "./changes.ts";
export { applyLate, evolve, evolveLazily } from "./evolve.ts";
export { SegmentCache } from "./segments.ts";
export { State } from "./state.ts";
export type { StoredNode } from "./values.ts";
