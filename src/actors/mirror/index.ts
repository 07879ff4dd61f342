/**
 * The mirror actor: pulls a module of an rsync server into an object store. Every arrival, withdrawal and sync is a fact of the
 * mirror's stream, recorded once the object is durable. Guarantees: memory does not grow with the list; nothing is removed while
 * there is doubt that the list was whole; what a broken sync recorded counts. Not for: sockets (a port), or what is known of a mirror
 * (the file list).
 */
export { decodeBrokenUploads, encodeBrokenUploads } from "./broken-uploads.ts";
export type { BrokenUpload } from "./broken-uploads.ts";
export type { LaneLimits } from "./lane-limits.ts";
export { mayWorkLater, mirrorActor, mirrorAlarms, nextStartMs, retryDelayMs } from "./machine.ts";
export type { MirrorContext, MirrorInput, MirrorSignal } from "./machine.ts";
export { SYNC_OPTIONS } from "./options.ts";
export type { MirrorSource, SyncOptions } from "./options.ts";
export { lastOfProfile } from "./publication.ts";
export type { SyncCounts, SyncItem, SyncOutcome, SyncPhase, SyncProgress, SyncWatcher } from "./report.ts";
export { syncMirror } from "./sync.ts";
export type { SyncMemory, SyncParts } from "./sync.ts";
export type { Dial, Wire, WireAddress, WireTimeouts } from "./wire.ts";
