/**
 * Retention: what is kept, and for how long. Guarantees: no instant of the window and no kept snapshot is lost, whatever is cut off
 * where; older instants are refused from one event on; all that follows yields to ingest. Not for: deciding about a client's word
 * (agents cannot ask for it), or freeing by itself (DIG does).
 */
export { commitRebase, finishRebase, treesWanted } from "./rebase.ts";
export type { RebaseContext, RebaseProgress } from "./rebase.ts";
export { decideSnapshot, dropSnapshot, SNAPSHOTS_MAX, takeSnapshot } from "./snapshots.ts";
