/** How much lies where, computed from a view. */
export { largestFolders } from "./largest-folders.ts";
export type { FolderUsage } from "./largest-folders.ts";
