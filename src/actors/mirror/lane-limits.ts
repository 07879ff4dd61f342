/** How the work of a sync is shared out among its connections. */
export interface LaneLimits {
  /** Smaller files stay on the main session: a session of their own costs them more than it saves. */
  readonly fileBytesMin: number;
  /** So much is kept on its way on the main session, of files up to that size: one that is longer would hold up the lists behind it. */
  readonly mainBytes: number;
  /** Files that wait for lanes before the main session takes its time with its lists. */
  readonly queuedCountEnough: number;
  /** What one directory may add to that: about a kilobyte of memory each. */
  readonly queuedCountMax: number;
  /** A batch: as long as many files wait, enough that connecting is nothing beside it; towards the end less, so that all lanes end together. */
  readonly batchBytesMin: number;
  readonly batchBytesMax: number;
  /** Each is a filter rule, which the server holds against every name beside it. */
  readonly batchCountMax: number;
}

export const LANE_LIMITS: LaneLimits = {
  fileBytesMin: 256 << 10,
  mainBytes: 4 << 20,
  queuedCountEnough: 4096,
  queuedCountMax: 32_768,
  batchBytesMin: 16 << 20,
  batchBytesMax: 256 << 20,
  batchCountMax: 256,
};
