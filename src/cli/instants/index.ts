/**
 * Instants and moments as people write and read them: parsing with the user's clock and zone, splitting PATH@INSTANT, formatting.
 * Pure; what an instant resolves to is the host's to say.
 */
export { isSnapshotName, parseDurationUs, parseInstant } from "./parse.ts";
export type { ParseOptions } from "./parse.ts";
export { splitPath } from "./split.ts";
export type { SplitPath } from "./split.ts";
export { formatLocalSeconds, formatMoment, formatOffset, isoOfNanos, isoOfUs } from "./times.ts";
