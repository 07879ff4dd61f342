/** Which chunks hold a region (1 MiB) of a file, and that record in bytes. Knows nothing of nodes, trees or events. */
export { readRecord, RECORD_VERSION, writeRecord } from "./codec.ts";
export { collectExtents, countAll, EMPTY_RECORD, extentCount, overwrite, recordEnd, regionOf } from "./record.ts";
export type { CountReference, RegionRecord } from "./record.ts";
