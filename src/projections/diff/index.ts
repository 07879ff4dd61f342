/** What differs between two views. */
export { diffTrees } from "./diff-trees.ts";
export type { Difference, DifferenceKind } from "./diff-trees.ts";
export { sameContent, sameMetadata } from "./same.ts";
