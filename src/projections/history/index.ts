/** What became of paths: versions and deletions, found by reading the stream backwards. */
export { activityOf } from "./activity.ts";
export type { Activity, FileActivity, MachineFact, Wanted } from "./activity.ts";
export type { Deletion } from "./deleted.ts";
export { intervalsOf, pathOf, refuseWhenEnded } from "./intervals.ts";
export type { HistorySource } from "./intervals.ts";
export type { Version } from "./log.ts";
export { deletionsBelow, logOfPath } from "./queries.ts";
export type { HistoryOwner } from "./queries.ts";
