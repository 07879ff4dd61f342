/**
 * WHAT IS TRUE NOW, and was at any instant: folds of a machine's events, kept as trees in DIG (dig-tree, blob-record), and what is
 * computed from their views (paths, differences, history, usage). All of it can be deleted and replayed from the events.
 * Key space and values: FORMAT.md. Not for: deciding anything, or storing payload.
 */
export { diffTrees } from "./diff/index.ts";
export type { Difference, DifferenceKind } from "./diff/index.ts";
export {
  compareStates,
  DigTreeProjection,
  entriesOfTree,
  gapsTouching,
  namedChunks,
  Purges,
  purgesOfTree,
  referencesOfTree,
  runsOfNodes,
  TREE_LIMITS,
} from "./dig-tree/index.ts";
export type {
  ControlFacts,
  LiveState,
  NamedChunks,
  ProjectionOptions,
  Purge,
  PurgeFact,
  ClockJumps,
  RebasedFact,
  ReplayDifference,
  ReplayReport,
  ResolvedTime,
  Root,
  Snapshot,
  StateView,
  StreamSpan,
  TreeLimits,
} from "./dig-tree/index.ts";
export { openMirrorMemory, pathOfNode, splitPath, TreeFileList } from "./file-list/index.ts";
export type {
  AttributesFact,
  Claim,
  ClaimedFile,
  Claims,
  Deletions,
  FileEntry,
  FileList,
  Intents,
  LateAttributes,
  LateFile,
  MirrorFact,
  MirrorFiles,
  MirrorMemory,
  OfArrival,
  Placed,
  QueuedDeletion,
  RememberedSums,
  Sums,
  SumsOf,
} from "./file-list/index.ts";
export { activityOf, deletionsBelow, logOfPath } from "./history/index.ts";
export type { Activity, Deletion, FileActivity, HistoryOwner, MachineFact, Version, Wanted } from "./history/index.ts";
export { FilesEverBelow, NeededChunks, placeOfNode } from "./purging/index.ts";
export type { ScopeProgress } from "./purging/index.ts";
export { normalised, resolvePath } from "./resolve-path.ts";
export type { ResolvedPath } from "./resolve-path.ts";
export { largestFolders } from "./usage/index.ts";
export type { FolderUsage } from "./usage/index.ts";
export type { Gap, MirroredContent, NameEntry, NodeName, NodeRecord, Purged, View } from "./view.ts";
