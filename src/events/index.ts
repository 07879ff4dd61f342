/**
 * WHAT HAPPENED. Events of a machine's stream (schema, bytes, chain of batches) and the EventStore port with its store in memory;
 * lmdb/ is the embedded store. Guarantees: an event that is read is what was written, or EVENT_CORRUPT; readers see only what is durable.
 * Stricter than EventStoreDB: only concrete expectations; a repeat must bring the same types and data, not only the same ids, and is
 * a conflict once reclaim has taken the events; a truncation never passes the last event, never goes down, and hides from subscribers
 * at once; truncating or deleting a missing stream is STREAM_NOT_FOUND; names are 1 to 200 bytes without control characters; metadata
 * and types count towards the limit of an append. Not for: payload, or what is true now (projections).
 */
export { START_HASH } from "./chain.ts";
export { readBatches, readStoredBackwards, readStoredBatches, StoredBatch } from "./batches.ts";
export type { RecordedBatch, StoredBackwards } from "./batches.ts";
export { decodeAudit, decodeEvent, decodeStored, encodeEvent, nodeOfStored } from "./codec.ts";
export { APPEND_BYTES_MAX, APPEND_EVENTS_MAX, NO_STREAM, READ_COUNT_MAX, STREAM_NAME_BYTES_MAX } from "./event-store.ts";
export type { Appended, EventStore, NewEvent, ReadOptions, StoredEvent, StreamInfo, SubscribeOptions, SubscriptionPage } from "./event-store.ts";
export { NODE_RUNS_MAX } from "./limits.ts";
export { ChainedStream, chainHashAt, verifyChain } from "./machine-stream.ts";
export type { BatchAppended, ChainReport, StreamEnd } from "./machine-stream.ts";
export { walkChain } from "./walk-chain.ts";
export type { Anchor, WalkReport } from "./walk-chain.ts";
export { MemoryEventStore } from "./memory-store.ts";
export { eventIdOf, isOriginFit } from "./metadata.ts";
export type { BatchMetadata } from "./metadata.ts";
export { ACTION_RESULTS, ACTIONS } from "./schema.ts";
export type {
  ActionKind,
  ActionNoted,
  ActionResult,
  AuditEvent,
  ChunksStored,
  EpochStarted,
  Enrolment,
  EntriesDropped,
  EntriesLost,
  EventMetadata,
  HostEvent,
  HostOpened,
  MachineEnrolled,
  MachineEvent,
  MachineEventType,
  MirrorDefined,
  PathPurged,
  PolicySet,
  Rebased,
  Recorded,
  SnapshotDropped,
  SnapshotTaken,
} from "./schema.ts";
