/**
 * Capture: from the protected files to batches of changes. Guarantees: nothing in a gap is silent; memory and host agree after every
 * crash; a file's version is one that was whole, or marked as unsettled. Not for sending, storing or answering questions.
 */
export { createCapture } from "./agent.ts";
export type { CaptureOptions } from "./agent.ts";
export type { Capture, CaptureStatus, FlushReport, LeftOut, RootStatus, ScanProgress } from "./capture.ts";
export { LIMITS } from "./limits.ts";
export type { Limits } from "./limits.ts";
export { Memory } from "./memory/index.ts";
export type { RowKey, RowStore, RowWrite } from "./memory/index.ts";
export { decodeRecord, encodeRecord, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, RECORD_KINDS, RECORD_VERSION } from "./record.ts";
export type { CaptureSource, RecordKind, SourceRecord } from "./record.ts";
