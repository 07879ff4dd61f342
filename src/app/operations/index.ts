/** The table of operations over an open host: what people ask, answered from views, history and the stores. */
export { headsIn, machineNamed, proofOf } from "./proving.ts";
export type { ProofItem } from "./proving.ts";
export { operationsOf } from "./table.ts";
export type { OperationsContext } from "./context.ts";
export type { ByteString, GapReason, LeftOut, NodeKind, RootOptions, RootStatus, ScanProgress } from "./imports.ts";
export type {
  AsOf,
  AsOfItem,
  AuditItem,
  AuditRequest,
  BrokenItem,
  DeletedItem,
  DiffItem,
  Entry,
  EntryItem,
  EventItem,
  FlushAnswer,
  InstantWords,
  Operations,
  PolicyAnswer,
  ProblemItem,
  ProgressItem,
  PurgedFact,
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
  SnapshotEntry,
  StatusAnswer,
  UnprovenItem,
  VerifiedItem,
  VersionItem,
} from "./types.ts";
export type {
  FilterLines,
  MirrorAddRequest,
  MirrorEntry,
  MirrorFaultItem,
  MirrorLogItem,
  MirrorSettings,
  MirrorStatus,
  MirrorSummary,
  MirrorSynced,
  MirrorSyncItem,
  MirrorSyncRequest,
  MirrorWords,
} from "./mirror-types.ts";
