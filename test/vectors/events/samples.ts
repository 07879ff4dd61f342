/** One or more events of every type, with fixed values: what the golden vectors are made of. Never change one: add another. */
import type { Attributes, ByteString, ChunkNumber, Epoch, NodeId, Revision, TimeUs } from "../../../src/core/index.ts";
import { nodeIdOf } from "../../../src/core/index.ts";
import type { AuditEvent, EventMetadata, MachineEvent } from "../../../src/events/index.ts";

const node = (counter: number, epoch = 3): NodeId => nodeIdOf(epoch as Epoch, counter);
const bytes = (value: string): ByteString => value as ByteString;
const chunk = (number: number): ChunkNumber => number as ChunkNumber;
const us = (value: number): TimeUs => value as TimeUs;
const NOON = 1_777_636_800_000_000;

const plain: Attributes = { mode: 0o644, uid: 1000, gid: 1000, mtimeSeconds: 1_777_000_000, mtimeNanos: 123_456_789, btimeSeconds: 0, btimeNanos: 0, xattrs: [] };
const rich: Attributes = {
  mode: 0o6755,
  uid: 0,
  gid: 2 ** 32 - 2,
  mtimeSeconds: -1,
  mtimeNanos: 999_999_999,
  btimeSeconds: 1_700_000_000,
  btimeNanos: 1,
  xattrs: [
    { name: bytes("system.posix_acl_access"), value: Buffer.from("0200000001000600ffffffff", "hex") },
    { name: bytes("user.empty"), value: Buffer.alloc(0) },
  ],
};

export const SAMPLES: readonly MachineEvent[] = [
  { type: "NodeCreated", node: node(1), parent: node(0, 0), name: bytes("/home/a b"), kind: "directory", attributes: plain, linkTarget: bytes(""), rdev: 0 },
  { type: "NodeCreated", node: node(2 ** 32 - 1, 2 ** 21 - 1), parent: node(1), name: bytes("\xff\xfe\n"), kind: "symlink", attributes: rich, linkTarget: bytes("../\xe9"), rdev: 0 },
  { type: "NodeCreated", node: node(4), parent: node(1), name: bytes("tty"), kind: "character", attributes: plain, linkTarget: bytes(""), rdev: 5 * 2 ** 20 + 1 },
  { type: "NodeLinked", node: node(5), parent: node(1), name: bytes("second") },
  { type: "NodeRenamed", node: node(5), fromParent: node(1), fromName: bytes("a"), toParent: node(2), toName: bytes("b"), replaced: node(9) },
  { type: "NodeRenamed", node: node(5), fromParent: node(1), fromName: bytes("a"), toParent: node(1), toName: bytes("c"), replaced: 0 as NodeId },
  { type: "NodeUnlinked", node: node(5), parent: node(2), name: bytes("b") },
  { type: "AttributesSet", node: node(5), attributes: rich, linkTarget: bytes("") },
  {
    type: "ChunksStored",
    first: chunk(70_000),
    chunks: [
      { hash: Buffer.alloc(32, 0xab), lengthBytes: 65_536 },
      { hash: Buffer.from("00112233445566778899aabbccddeeff".repeat(2), "hex"), lengthBytes: 1 },
    ],
  },
  { type: "ExtentsWritten", node: node(5), extents: [{ offset: 8192, length: 4096, chunk: chunk(70_000), chunkOffset: 0 }] },
  {
    type: "ExtentsWritten",
    node: node(6),
    extents: [
      { offset: 0, length: 65_536, chunk: chunk(12), chunkOffset: 0 },
      { offset: 65_536, length: 4096, chunk: chunk(11), chunkOffset: 0 },
      { offset: 2 ** 40, length: 8192, chunk: chunk(2 ** 33), chunkOffset: 0 },
    ],
  },
  {
    type: "ExtentsWritten",
    node: node(7),
    extents: [
      { offset: 1, length: 99, chunk: chunk(5), chunkOffset: 4000 },
      { offset: 100, length: 4096, chunk: chunk(6), chunkOffset: 0 },
    ],
  },
  { type: "SizeSet", node: node(5), sizeBytes: 2 ** 50 + 1 },
  { type: "RangeZeroed", node: node(5), offset: 4096, length: 2 ** 41 },
  { type: "RangeCloned", fromNode: node(5), fromOffset: 0, node: node(6), offset: 4096, length: 8192 },
  { type: "PassStarted", node: node(5) },
  { type: "VersionSettled", node: node(5), unsettled: false },
  { type: "VersionSettled", node: node(5), unsettled: true },
  { type: "CaughtUp", agentTimeUs: us(NOON) },
  { type: "ClockStepped", beforeUs: us(NOON), afterUs: us(NOON - 3_600_000_000) },
  { type: "GapOpened", gap: "e3-1", scope: { kind: "machine" }, reason: "agent-away", fromUs: us(NOON), detail: "" },
  { type: "GapOpened", gap: "e3-2", scope: { kind: "subtree", node: node(2) }, reason: "unreadable", fromUs: us(NOON), detail: "read: EACCES '/home/日本'" },
  { type: "GapClosed", gap: "e3-1" },
  { type: "ReconcileFinished", root: node(1), nodeCount: 10_000_000, changedCount: 3, readBytes: 2 ** 45, first: true },
  {
    type: "RootProtected",
    root: node(1),
    path: bytes("/home/\xe9\xff"),
    filesystemUuid: "0f0e0d0c-0b0a-4908-8706-050403020100",
    inode: 2,
    btimeSeconds: -5,
    btimeNanos: 7,
    options: { crossMounts: false, rules: ["*.o", "!keep.o"], fileBytesMax: 0 },
  },
  { type: "RootReleased", root: node(1) },
  { type: "MachineEnrolled", machine: "00000000-0000-4000-8000-000000000001", label: "laptop", hashKey: "5a".repeat(32), dataFile: "00000000-0000-4000-8000-000000000002" },
  { type: "HostOpened", version: "0.1.0" },
  { type: "EpochStarted", epoch: 3 as Epoch },
  { type: "SnapshotTaken", name: "before the move", revision: 4821 as Revision, atUs: us(NOON), pinned: true },
  { type: "SnapshotDropped", name: "before the move" },
  { type: "PolicySet", policy: { keepDays: 30, thinning: ["daily"] } },
  { type: "PathPurged", path: bytes("/home/a/secret"), nodes: [node(9), 2, 7, 1] },
  { type: "Rebased", window: 4821 as Revision, state: { trees: [] } },
  {
    type: "FileArrived",
    kind: "file",
    node: node(7),
    parent: node(1),
    name: bytes("a\xff.iso"),
    mode: 0o4755,
    mtimeSeconds: -1,
    mtimeNanos: 999_999_999,
    sizeBytes: 2 ** 50 + 1,
    rdev: 0,
    digest: { name: "xxh128", bytes: Buffer.from("00112233445566778899aabbccddeeff", "hex") },
    place: { version: "v.1-\xff", etag: '"d41d8cd98f00b204e9800998ecf8427e-3"' },
  },
  {
    type: "FileArrived",
    kind: "character",
    node: node(8),
    parent: node(0, 0),
    name: bytes("/"),
    mode: 0,
    mtimeSeconds: 2 ** 40,
    mtimeNanos: 0,
    sizeBytes: 0,
    rdev: 5 * 2 ** 20 + 1,
    digest: undefined,
    place: undefined,
  },
  {
    type: "LinkArrived",
    node: node(9),
    parent: node(1),
    name: bytes("l"),
    mode: 0o777,
    mtimeSeconds: 1_777_000_000,
    mtimeNanos: 5,
    linkTarget: bytes("../\xe9"),
    place: { version: undefined, etag: "12-0" },
  },
  { type: "FileWithdrawn", node: node(9), parent: node(1), name: bytes("l"), reason: "gone" },
  { type: "FileWithdrawn", node: node(9), parent: node(1), name: bytes("l"), reason: "lost" },
  {
    type: "MirrorDefined",
    mirror: "00000000-0000-4000-8000-000000000003",
    label: "debian",
    hashKey: "5a".repeat(32),
    dataFile: "00000000-0000-4000-8000-000000000004",
    source: "rsync://user@host:8873/module/path",
    target: "s3://bucket/prefix",
    options: { exclude: ["*.o"], everyMinutes: 60 },
  },
  { type: "SyncStarted", cause: "schedule" },
  {
    type: "SyncFinished",
    entryCount: 10_000_000,
    totalBytes: 2 ** 45,
    arrivedCount: 1,
    touchedCount: 2,
    withdrawnCount: 3,
    queuedCount: 4,
    fetchedBytes: 5,
    reusedBytes: 6,
    receivedBytes: 7,
    sentBytes: 8,
    ioError: 1,
    heldBecause: "upstream could not read everything",
    heldBy: bytes("pool/\xff"),
  },
  { type: "SyncFailed", code: "RSYNC_ENDED", message: "the connection broke at 日本" },
];

/** What samples of version 1 are read as, where their type has a newer one. */
export const UPCAST_SAMPLES: Readonly<Partial<Record<string, MachineEvent>>> = { PathPurged: { type: "PathPurged", path: bytes("/home/a/secret"), nodes: [] } };

const shared = { agentTimeUs: us(NOON), monotonicUs: 86_400_000_000, epoch: 3 as Epoch, sequence: 77 };
export const METADATA_SAMPLES: readonly EventMetadata[] = [
  { ...shared, hostTimeUs: us(NOON + 1234), index: 0, correlation: "" },
  { ...shared, hostTimeUs: us(NOON - 5_000_000), index: 300, correlation: "snapshot by 日本", batchEnd: { count: 301, previousHash: Buffer.alloc(32, 0xcd) } },
  { agentTimeUs: us(0), monotonicUs: 0, hostTimeUs: us(0), epoch: 0 as Epoch, sequence: 2 ** 48 - 1, index: 0, correlation: "", batchEnd: { count: 1, previousHash: Buffer.alloc(32) } },
];

/** Metadata of version 2: of events whose source knew who made the change, and of one of the same batch that nobody is known of. */
export const ORIGIN_SAMPLES: readonly EventMetadata[] = [
  { ...METADATA_SAMPLES[0]!, origin: { pid: 4711, name: "postgres" } },
  { ...METADATA_SAMPLES[1]!, origin: { pid: 2 ** 32 + 1, name: "日本" } },
  { ...METADATA_SAMPLES[0]!, origin: { pid: 1, name: "" } },
];

export const AUDIT_SAMPLES: readonly AuditEvent[] = [
  {
    type: "ActionNoted",
    request: "00000000-0000-4000-8000-000000000003",
    action: "restore",
    operation: "restore",
    uid: 0,
    user: "root",
    loginUid: 1000,
    pid: 4711,
    machine: "00000000-0000-4000-8000-000000000001",
    paths: [bytes("/home/\xe9\xff")],
    revision: 4821 as Revision,
    result: "failed",
    code: "DISK_FULL",
    detail: "to '/tmp/x': no space is left",
    atUs: us(NOON),
    witness: { revision: 4900 as Revision, chainHash: "cd".repeat(32) },
  },
  { type: "EntriesLost", count: 3, fromUs: us(NOON), untilUs: us(NOON + 7), why: "no space is left" },
  { type: "EntriesDropped", before: 17 as Revision, chainHash: "ab".repeat(32), untilUs: us(NOON) },
];
