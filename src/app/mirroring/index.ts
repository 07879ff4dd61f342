/**
 * Mirrors as a person defines and runs them: sources, targets and settings in words and in definitions, logins, the lives of all mirrors
 * of a data directory, and what their streams say of past syncs. Not for: one sync (src/actors/mirror), or a mirror's trees (mirrors.ts).
 */
export { syncEvents, syncHistory } from "./history.ts";
export type { SyncHistory } from "./history.ts";
export { loginOf } from "./passwords.ts";
export { MirrorRunner } from "./runner.ts";
export type { LifeBrief, MirrorRunnerOptions } from "./runner.ts";
export { scrubbed } from "./scrubbing.ts";
export { rulesOfLines, settingsOf, settingsOfWords } from "./settings.ts";
export type { LoginDigest } from "./settings.ts";
export { parseSource, parseTarget, targetOf } from "./source.ts";
export type { ParsedSource, ParsedTarget } from "./source.ts";
export { Told } from "./told.ts";
