/**
 * Restore: makes a target what a node of a view was (content and all metadata), or says item by item what could not be.
 * Guarantees: every byte comes verified from the view; a name is given only to what is complete; nothing is followed out of the target
 * through a symlink; an interrupted restore goes on when it is asked for again; memory does not grow with the tree.
 * Not for choosing instants or finding paths: that is its caller's, with a View at the revision.
 */
export type { RestoredItem, RestoredWhat, RestoreOutput, RestoreProgress, RestoreSummary, RestoreTally } from "./items.ts";
export type { RestoreOptions, RestorePlan, RestoreRequest } from "./request.ts";
export { restore } from "./restore.ts";
export { undelete } from "./undelete.ts";
export type { UndeleteRequest } from "./undelete.ts";
