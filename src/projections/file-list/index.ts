/**
 * A mirror's file list, as the sync engine sees it: what the mirror has, facts to add, and what is remembered beside the facts
 * (deletions to come, block sums, attributes to be written late, claims, intents). What is listed is the mirror's tree; a list is
 * immutable.
 * Not for: deciding what to fetch or delete, or touching the object store.
 */
export type { AttributesFact, MirrorFact, OfArrival, Placed } from "./facts.ts";
export type { FileEntry, FileList, MirrorFiles } from "./file-list.ts";
export { openMirrorMemory } from "./row-memory.ts";
export type { MirrorMemory } from "./row-memory.ts";
export { pathOfNode, splitPath, TreeFileList } from "./tree-list.ts";
export type { Claim, ClaimedFile, Claims, Deletions, Intents, LateAttributes, LateFile, QueuedDeletion, RememberedSums, Sums, SumsOf } from "./memory.ts";
