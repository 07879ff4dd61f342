/** What a purge needs to know of the past: which files ever lay at a path, and which chunks some answer still reads without them. */
export { FilesEverBelow } from "./files-ever-below.ts";
export type { ScopeProgress } from "./files-ever-below.ts";
export { placeOfNode } from "./place-of-node.ts";
export { NeededChunks } from "./needed-chunks.ts";
