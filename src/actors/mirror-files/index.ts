/**
 * A mirror's stream and trees, opened: what is recorded by path becomes events and a list. Guarantees: what `record` answered is
 * durable and in the order of the calls; a recorder of before is shut out; what is remembered beside the events never speaks for
 * content that was replaced. Not for: connections, object stores, or when to sync.
 */
export { openMirror } from "./open.ts";
export { checkFiles } from "./check.ts";
export type { CheckedItem, CheckOptions, CheckReport, MirrorFault } from "./check.ts";
export { forgetPaths } from "./forget.ts";
export { writeLateAttributes, writeLateDigests, writeSomeLateDigests } from "./late.ts";
export { reconcileIntents } from "./reconcile.ts";
export { recoverFiles } from "./recover.ts";
export type { CareProgress, RecoveredItem, RecoverReport } from "./recover.ts";
export { scrubFiles } from "./scrub.ts";
export type { ScrubbedItem, ScrubReport } from "./scrub.ts";
export { mirrorView } from "./view.ts";
export type { MirrorContent } from "./view.ts";
export type { MirrorDefinition, OpenedMirror, OpenMirrorOptions } from "./open.ts";
