/**
 * The control file on LMDB: one file, one map of bytes, transactions that are synced before they resolve. Before LMDB maps a file,
 * every page that it could follow is checked, as LMDB itself trusts what it reads and would end the process.
 */
export { lmdbControlOn, openLmdbControl, scanPages } from "./lmdb-control.ts";
