/**
 * The object store over a plain tree of files, as `rsync -rlpt` would make it. Promises beyond the port: no symlink of the target
 * is ever followed; nothing outside of its top is touched; files appear by a rename. Digests are not kept: a file has no place for
 * them, the file list has them. Unfinished files lie in `.rainbow` at the top, which is gone when nothing is unfinished.
 * Not for: a target that others write to at the same time with ill intent.
 */
export { openDirectoryStore } from "./store.ts";
export type { DirectoryStoreOptions } from "./store.ts";
