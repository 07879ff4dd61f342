/**
 * WHAT IS TRUE NOW, and was at any instant: folds of a machine's events, kept as trees in DIG (dig-tree, blob-record), and what is
 * computed from their views (paths, differences, history, usage). All of it can be deleted and replayed from the events.
 * Key space and values: FORMAT.md. Not for: deciding anything, or storing payload.
 */
export { DigTreeProjection } from "./dig-tree/index.ts";
export type { ProjectionOptions, ResolvedTime, Root, Snapshot, StateView, StreamSpan, TreeLimits } from "./dig-tree/index.ts";
export { gapsTouching } from "./dig-tree/index.ts";
export { resolvePath } from "./resolve-path.ts";
export type { ResolvedPath } from "./resolve-path.ts";
export type { Gap, NameEntry, NodeName, NodeRecord, View } from "./view.ts";
