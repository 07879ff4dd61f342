/**
 * Retention: what is kept, and for how long. Guarantees: no instant of the window and no kept snapshot is lost, whatever is cut off
 * where; older instants are refused from one event on; all that follows yields to ingest. Not for: deciding about a client's word
 * (agents cannot ask for it), or freeing by itself (DIG does).
 */
export { commitRebase, discardForReplay, finishRebase, treesWanted } from "./rebase.ts";
export type { RebaseContext, RebaseProgress } from "./rebase.ts";
export { decideSnapshot, dropSnapshot, SNAPSHOTS_MAX, takeSnapshot } from "./snapshots.ts";
export { agesOf } from "./ages.ts";
export type { Ages, ClockJump } from "./ages.ts";
export { decideByAge, decideByPressure, isSnapshotDue } from "./decide.ts";
export type { AgedSnapshot, AgedTree, Kept, Verdict } from "./decide.ts";
export { Keeper } from "./keeper.ts";
export type { KeeperOptions, KeeperReport, Outlook } from "./keeper.ts";
export { commitPurge, scopeOfPurge, workOffPurges } from "./purge.ts";
export type { PurgeCarriedOut, PurgeScope } from "./purge.ts";
export { retentionActor } from "./machine.ts";
export type { RetentionState } from "./machine.ts";
export { DAY_US, DEFAULT_POLICY, POLICY_WORDS, policyOf, withWords } from "./policy.ts";
export type { Policy } from "./policy.ts";
