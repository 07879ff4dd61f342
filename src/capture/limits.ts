/** Every limit of capture, with its reason. Tests make them small. */
export interface Limits {
  /** A batch waits this long for more. */
  readonly coalesceMs: number;
  readonly batchBytes: number;
  readonly batchChanges: number;
  /** Rows of memory that one batch may change: they are written to disk before it leaves. */
  readonly batchRows: number;
  /** Cut, and not yet pulled. */
  readonly batchesReadyMax: number;
  /** Cut, and not yet at the host: their rows are held in memory. */
  readonly batchesUnacknowledgedMax: number;
  readonly clockStepUs: number;
  /** The loop lets others run after this long. */
  readonly sliceMs: number;
  /** Names looked at together: renames among them are seen as such. */
  readonly burstNames: number;
  /** Files up to this size are read whole, many in one call. */
  readonly smallFileBytes: number;
  readonly smallReadBytes: number;
  /** A file of at least this size is read once it was not written for so long, or after so long at the latest; a flush reads it at once. */
  readonly restBytesMin: number;
  readonly restMs: number;
  readonly restMsMax: number;
  /** A file that changed while it was read is read this often before its version counts as unsettled. */
  readonly settleTries: number;
  /** After reading a restless file for 1 ms, it is left alone for this many: 5 %. */
  readonly settlePauseFactor: number;
  readonly settlePauseMsMax: number;
  /** A change this soon after another may carry the same time (a kernel's tick is 1 to 10 ms). */
  readonly tickUs: number;
  /** As tickUs, where a filesystem keeps whole seconds (FAT: two). */
  readonly tickCoarseUs: number;
  /** Files read in several batches at the same time. */
  readonly passesMax: number;
  /** Names and directories known to be dirty; beyond it, everything is looked at again. */
  readonly dirtyMax: number;
  readonly reconcileEveryMs: number;
  /** Between reconciles where there is no watcher. */
  /** Roots of up to so many nodes are compared whole at each flush. */
  readonly flushWalkNodesMax: number;
  readonly pollEveryMs: number;
  readonly caughtUpEveryMs: number;
  readonly caughtUpBusyMs: number;
  /** A missing root is looked for this often. */
  readonly rootCheckMs: number;
  /** A jump of the clocks beyond this is a wake-up from sleep. */
  readonly wakeUpMs: number;
  readonly leftOutMax: number;
  readonly statusMs: number;
  /** The part of fs.inotify.max_user_watches that is used. */
  readonly watchShare: number;
}

export const LIMITS: Limits = {
  coalesceMs: 20,
  batchBytes: 1 << 20,
  batchChanges: 4096,
  batchRows: 8192,
  batchesReadyMax: 2,
  batchesUnacknowledgedMax: 8,
  clockStepUs: 1_000_000,
  sliceMs: 20,
  burstNames: 2048,
  smallFileBytes: 65_536,
  smallReadBytes: 1 << 20,
  restBytesMin: 16 << 20,
  restMs: 400,
  restMsMax: 5000,
  settleTries: 4,
  settlePauseFactor: 20,
  settlePauseMsMax: 600_000,
  tickUs: 20_000,
  tickCoarseUs: 2_000_000,
  passesMax: 4,
  dirtyMax: 200_000,
  reconcileEveryMs: 3_600_000,
  flushWalkNodesMax: 20_000,
  pollEveryMs: 30_000,
  caughtUpEveryMs: 60_000,
  caughtUpBusyMs: 1000,
  rootCheckMs: 2000,
  wakeUpMs: 60_000,
  leftOutMax: 1000,
  statusMs: 100,
  watchShare: 0.5,
};
