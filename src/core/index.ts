/** Units, errors, asserts, bytes and the ports of clock, chance, disk and operating system. Imports nothing of Rainbow. */
export { assert, AssertionError, unreachable } from "./assert.ts";
export { ENCODING } from "./change.ts";
export type {
  AgentSession,
  Attributes,
  AttributesSet,
  Batch,
  BatchAcknowledged,
  CaughtUp,
  Change,
  ChangeOrigin,
  ClockStepped,
  Encoding,
  Extent,
  ExtentsWritten,
  FileArrived,
  FileWithdrawn,
  GapClosed,
  GapOpened,
  GapReason,
  GapScope,
  HostLink,
  LinkArrived,
  NewChunk,
  NodeCreated,
  NodeLinked,
  NodeRenamed,
  NodeUnlinked,
  PassStarted,
  RangeCloned,
  RangeZeroed,
  ReconcileFinished,
  ReportedChange,
  RootOptions,
  RootProtected,
  RootReleased,
  SizeSet,
  SyncFailed,
  SyncFinished,
  SyncStarted,
  VersionSettled,
  WithdrawalReason,
} from "./change.ts";
export { PACKED_WORDS } from "./content.ts";
export type { ContentCalls, PackedPieces } from "./content.ts";
export type { Disk, DiskFile } from "./disk.ts";
export { ERRORS, EXIT, isRainbowError, RainbowError } from "./errors.ts";
export type { ErrorCode, Facts } from "./errors.ts";
export { decodeStat, encodeListing, encodeStat, listingCount, listingErrno, listingName, listingRecordAt, listingStat } from "./listing.ts";
export type { ListingEntry } from "./listing.ts";
export { GiveBack, isFreshMeta, LMDB_PAGE_BYTES, oldestReaderOf, readPlace, scanLmdbPages, scatteredEntries } from "./lmdb-pages/index.ts";
export type { EntryVisitor, PageProblem, PageSource, Place, ScanReport } from "./lmdb-pages/index.ts";
export { readDigest, readObjectPlace, writeDigest, writeObjectPlace } from "./mirrored.ts";
export type { ContentDigest, ObjectPlace } from "./mirrored.ts";
export { LISTING_HEADER_BYTES, NODE_KINDS, OsError, SMALL_FILE_CHANGED, SMALL_FILE_NO_ROOM, STAT_RECORD_BYTES, WATCH } from "./os.ts";
export type { FilesystemInfo, NewFile, NodeKind, Os, SmallFiles, Stat, Watcher, WatchEvent, Xattr } from "./os.ts";
export type { Clock, Random } from "./ports.ts";
export {
  BLOCK_BYTES,
  byteStringOf,
  byteStringOfText,
  bytesOf,
  CHUNK_BYTES_MAX,
  displayOf,
  EPOCH_MAX,
  epochOfNode,
  MACHINE_NODE,
  nodeIdOf,
  REGION_BYTES,
  SECTOR_BYTES,
} from "./units.ts";
export type { ByteString, ChunkNumber, Epoch, NodeId, Position, Revision, TimeUs } from "./units.ts";
export { compressWithNode, nodeZstd } from "./zstd.ts";
export type { Zstd } from "./zstd.ts";
export { ByteReader, ByteWriter } from "./bytes.ts";
