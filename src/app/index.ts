/**
 * What the command line and the console build on: the table of operations, how to reach a running instance or open a data directory
 * in this process, and the few things they need of the machine. Cheap to load: stores, sockets and the addon come in with the first call that needs them.
 */
export { checkConfig } from "./check-config.ts";
export { defaultConfigFile, eventsAddress, NO_CONFIG, readConfig } from "./config.ts";
export type { Config } from "./config.ts";
export { parseBytes } from "./sizes.ts";
export { chooseDataDirectory, isDataDirectory, realDataDirectory } from "./data-directory-choice.ts";
export type { Surroundings } from "./data-directory-choice.ts";
export { copyEvents, listRsync, openRainbow, storedHeads, verifyEvents } from "./open-late.ts";
export type { VerifyRequest } from "./verify-events.ts";
export type { CopiedStream, CopyRequest } from "./copy-events.ts";
export type { OpenedRainbow, OpenRainbowOptions } from "./open-late.ts";
export { existsAt, kindAt, readLines, realPathOf, sharesDisk } from "./local-files.ts";
export { systemClock, systemRandom } from "./platform.ts";
export type { ListedItem, ListRequest } from "./rsync-lists.ts";
export { runCommand } from "./run-command.ts";
export { connectRunning, serveRunning } from "./running.ts";
export type { ConnectedRainbow, RunningPlace } from "./running.ts";
export { installService, unitText } from "./service.ts";
export type { InstalledService, ServiceOptions, ServiceScope } from "./service.ts";
export type { ProofItem } from "./operations/index.ts";
export type {
  AsOf,
  AsOfItem,
  AuditItem,
  AuditRequest,
  BrokenItem,
  ByteString,
  DeletedItem,
  DiffItem,
  Entry,
  EntryItem,
  EventItem,
  FlushAnswer,
  GapReason,
  InstantWords,
  FilterLines,
  LeftOut,
  MirrorBrief,
  MirrorEntry,
  MirrorFaultItem,
  MirrorLogItem,
  MirrorProgress,
  MirrorProgressItem,
  MirrorSettings,
  MirrorStatus,
  MirrorSummary,
  MirrorSynced,
  MirrorSyncItem,
  MirrorSyncRequest,
  MirrorWords,
  NodeKind,
  Operations,
  PolicyAnswer,
  ProblemItem,
  ProgressItem,
  PurgedItem,
  PurgePlanItem,
  RebasedItem,
  ReplayStatus,
  ReplayedItem,
  RestoreItem,
  RestoreRequest,
  RestoreSummary,
  RetentionAnswer,
  SalvagedItem,
  RootOptions,
  RootStatus,
  ScanProgress,
  SnapshotEntry,
  StatusAnswer,
  UnprovenItem,
  VerifiedItem,
  VersionItem,
} from "./operations/index.ts";
