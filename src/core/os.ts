/**
 * The Os port: what Rainbow asks of the filesystem that it protects or restores to. The addon gives all of it; plain Node gives
 * what it can and `lacks` names the rest. Paths are ByteStrings: names need not be UTF-8. All calls are synchronous and short
 * (single files, single directories); callers that walk do so in slices. Errors are OsError with the system's code.
 */
import type { ByteString } from "./units.ts";

export class OsError extends Error {
  override readonly name = "OsError";
  /** The system's code, "ENOENT". */
  readonly code: string;
  readonly path: ByteString;
  readonly operation: string;
  constructor(code: string, operation: string, path: ByteString) {
    super(`${code}: ${operation} '${Buffer.from(path, "latin1").toString("utf8")}'`);
    this.code = code;
    this.operation = operation;
    this.path = path;
  }
}

export type NodeKind = "file" | "directory" | "symlink" | "fifo" | "socket" | "character" | "block";
/** Codes 1 to 7 of NodeKind, in this order, in every binary layout. */
export const NODE_KINDS: readonly NodeKind[] = ["file", "directory", "symlink", "fifo", "socket", "character", "block"];

export interface Stat {
  readonly kind: NodeKind;
  /** Permission bits with set-id and sticky, 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly linkCount: number;
  readonly inode: number;
  /** major × 2^20 + minor of the filesystem's device: to tell filesystems apart now, never an identity. */
  readonly device: number;
  /** major × 2^20 + minor of a character or block device, else 0. */
  readonly rdev: number;
  readonly allocatedBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  readonly ctimeSeconds: number;
  readonly ctimeNanos: number;
  /** Birth time; both 0 where the filesystem has none. */
  readonly btimeSeconds: number;
  readonly btimeNanos: number;
}

/**
 * One directory's entries in one buffer, sorted by name in byte order, "." and ".." left out. All little-endian.
 * Header: u32 entry count, u32 reserved 0. Then per entry, STAT_RECORD_BYTES each, in order:
 *   0 u64 inode · 8 u64 size · 16 i64 mtime s · 24 i64 ctime s · 32 i64 btime s · 40 u32 mtime ns · 44 u32 ctime ns · 48 u32 btime ns
 *   52 u32 uid · 56 u32 gid · 60 u16 mode (12 bits) · 62 u8 kind (1-7; 0: vanished or not statable) · 63 u8 error (errno, 0 = fine)
 *   64 u32 link count · 68 u32 device major · 72 u32 device minor · 76 u32 rdev major · 80 u32 rdev minor
 *   84 u32 offset of the name from the start of the buffer · 88 u16 name length · 90 u16 reserved 0 · 92 u32 allocated size in 4 KiB, rounded up
 * Then the names, without terminators. Two listings of an unchanged directory are equal byte for byte.
 */
export const STAT_RECORD_BYTES = 96;
export const LISTING_HEADER_BYTES = 8;

export interface Xattr {
  readonly name: ByteString;
  readonly value: Uint8Array;
}

export interface FilesystemInfo {
  /** As in /proc/mounts: "ext4", "xfs", "btrfs", "tmpfs", "nfs", "fuse.…", "vfat"; "unknown" where it cannot be told. */
  readonly type: string;
  readonly mountPoint: ByteString;
  /** UUID where the system tells (by /dev/disk/by-uuid or fsid), else "fsid:…"; "" where nothing is known. */
  readonly uuid: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly readOnly: boolean;
}

/** What readSmallFiles gives: element i belongs to the i-th index asked for. */
export interface SmallFiles {
  /** The contents, one after the other: the used part of what was handed in. */
  readonly bytes: Buffer;
  readonly offsets: Uint32Array;
  /** The file's length, or SMALL_FILE_CHANGED, or SMALL_FILE_NO_ROOM. */
  readonly lengths: Int32Array;
}
/** The file vanished, could not be opened, is no regular file, or is no longer what the listing says: look at it by itself. */
export const SMALL_FILE_CHANGED = -1;
/** The file did not fit into the bytes allowed for this call: ask again. */
export const SMALL_FILE_NO_ROOM = -2;

/** Bits of WatchEvent.mask, as in inotify(7). */
export const WATCH = {
  modify: 0x2,
  attrib: 0x4,
  closeWrite: 0x8,
  movedFrom: 0x40,
  movedTo: 0x80,
  create: 0x100,
  delete: 0x200,
  deleteSelf: 0x400,
  moveSelf: 0x800,
  unmount: 0x2000,
  overflow: 0x4000,
  /** The watch is gone: removed, or its directory was deleted or unmounted. */
  ignored: 0x8000,
  /** The event is about a directory. */
  directory: 0x40000000,
} as const;

export interface WatchEvent {
  /** The watch that saw it; -1 for an overflow. */
  readonly watch: number;
  /** inotify mask bits. */
  readonly mask: number;
  /** Pairs the two halves of a rename; else 0. */
  readonly cookie: number;
  /** Name in the watched directory; "" for the directory itself. */
  readonly name: ByteString;
}

export interface Watcher {
  /** Whether what drain() promises holds, and an overflow is told. Without, events are hints: they may come late or never. */
  readonly isExact: boolean;
  /** Watches a directory (no recursion, symlink not followed). Returns the watch number; the same inode gives the same number. */
  add(path: ByteString): number;
  remove(watch: number): void;
  /** Everything queued when it is called (perhaps more), without waiting; [] where nothing is. Exact: an event is queued before the call that caused it returns. */
  drain(): WatchEvent[];
  /** Called (at most once until the next drain) when something may be queued. */
  onReadable(callback: () => void): void;
  close(): void;
}

export interface NewFile {
  readonly bytes: Uint8Array;
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
}

export interface Os {
  readonly source: "native" | "node";
  /** What cannot be kept without the addon, for people: "extended attributes", "times to the nanosecond" …; empty with it. */
  readonly lacks: readonly string[];

  lstat(path: ByteString): Stat;
  /** A directory with all its entries' stats, laid out as STAT_RECORD_BYTES says. */
  listDirectory(path: ByteString): Buffer;
  /**
   * Reads small regular files of one directory whole, many in one call: `indexes` name entries of `listing`, which listDirectory
   * gave for `directory`. The contents go into `into`; a file that does not fit there beside those before it is marked
   * (SMALL_FILE_NO_ROOM) and not opened. After the read each file's inode, size, mtime and ctime are compared with the listing's: a
   * file that is not what was listed is marked as changed, never given. A change within the clock tick of the listed ctime cannot
   * be told.
   */
  readSmallFiles(directory: ByteString, listing: Buffer, indexes: Uint32Array | readonly number[], into: Buffer): SmallFiles;
  readlink(path: ByteString): ByteString;
  /** Extended attributes (ACLs are among them), sorted by name; [] where the filesystem has none. Never follows a symlink. */
  xattrs(path: ByteString): Xattr[];
  filesystem(path: ByteString): FilesystemInfo;
  /** Every mount point of this machine (from /proc/self/mountinfo), for the walk's border. */
  mountPoints(): ByteString[];

  /** Opens a regular file for reading without following a symlink and without changing its atime where allowed; never blocks on a FIFO. */
  openRead(path: ByteString): number;
  /** Stat of an open file. */
  fstat(fd: number): Stat;
  /** Fills `into`; returns the bytes read, fewer than asked only at the end of the file. */
  read(fd: number, into: Uint8Array, offsetBytes: number): number;
  /** The data ranges of [from, to), as flat pairs start, end; the whole range where holes cannot be told. */
  dataRanges(fd: number, fromBytes: number, toBytes: number): number[];
  close(fd: number): void;

  /** Creates or opens for writing, without following a symlink; with `exclusive` fails where it exists. Mode 0600 until set. */
  openWrite(path: ByteString, options: { readonly exclusive: boolean; readonly truncate: boolean }): number;
  write(fd: number, bytes: Uint8Array, offsetBytes: number): void;
  /** Makes a whole file with mode and time in one go, and gives its stat; EEXIST where something is there. Nothing is left of one that could not be finished. */
  makeFile(path: ByteString, file: NewFile): Stat;
  truncate(fd: number, sizeBytes: number): void;
  fsync(fd: number): void;
  /** Deallocates a range; false where the filesystem cannot. */
  punchHole(fd: number, offsetBytes: number, lengthBytes: number): boolean;

  makeDirectory(path: ByteString): void;
  symlink(target: ByteString, path: ByteString): void;
  link(existing: ByteString, path: ByteString): void;
  rename(from: ByteString, to: ByteString): void;
  unlink(path: ByteString): void;
  removeDirectory(path: ByteString): void;
  /** FIFO, socket or device node; `rdev` as in Stat. */
  makeSpecial(path: ByteString, kind: NodeKind, mode: number, rdev: number): void;
  /**
   * Never follow symlinks, all of these. chmod of a symlink is a no-op. The order that keeps everything is chown (it clears set-id
   * bits and capabilities), chmod, setXattrs (ACLs carry the group's bits), setTimes. setTimes leaves the access time alone.
   */
  chmod(path: ByteString, mode: number): void;
  chown(path: ByteString, uid: number, gid: number): void;
  setTimes(path: ByteString, mtimeSeconds: number, mtimeNanos: number): void;
  /** Makes the attributes exactly `wanted`; returns the names that could not be set or removed. */
  setXattrs(path: ByteString, wanted: readonly Xattr[]): ByteString[];

  /**
   * Takes the one exclusive lock on a file, which is made (mode 0600) where it is missing. Returns a descriptor to close() for
   * release, or undefined where another process or descriptor holds it. The kernel releases it when the process dies.
   */
  lockExclusive(path: ByteString): number | undefined;

  /** A watcher; one that is not exact without the addon, undefined where there is none. */
  watcher(): Watcher | undefined;
}
