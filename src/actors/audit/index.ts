/**
 * The audit actor: the one appender of a host's audit stream, and who proves that the stored history is whole. Guarantees: an entry
 * that could not be stored is kept and tried again, and what had to be given up is counted in the stream; nothing that is asked for
 * waits long for its entry, or fails with it. Not for: deciding what is allowed.
 */
export { entriesBackwards } from "./entries.ts";
export { headsText, parseHeads } from "./heads.ts";
export { agesInAudit, auditStreamOf } from "./retention.ts";
export type { Trimming } from "./retention.ts";
export { headsOf, verifyHistory } from "./verify.ts";
export type { VerifyItem } from "./verify.ts";
export { Trail } from "./trail.ts";
export type { Entry, TrailState } from "./trail.ts";
