/**
 * The addon's calls as native/binding/ has them, and its loading. Statuses are 0 or more for success and -errno for failure;
 * paths are ByteStrings.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ByteString } from "../../core/index.ts";

export type Status = number;

export interface AddonWatcher {
  add(path: ByteString): Status;
  remove(watch: number): Status;
  drain(): Buffer | Status;
  onReadable(callback: () => void): Status;
  close(): Status;
}

export interface AddonZstdDecoder {
  /** counts[0] bytes were taken, counts[1] given. */
  decode(from: Uint8Array, into: Uint8Array, counts: Uint32Array): Status;
}

export interface Addon {
  lstat(path: ByteString, record: Buffer): Status;
  fstat(fd: number, record: Buffer): Status;
  listDirectory(path: ByteString): Buffer | Status;
  readSmallFiles(path: ByteString, listing: Buffer, indexes: Uint32Array, into: Uint8Array, offsets: Uint32Array, lengths: Int32Array): Status;
  openRead(path: ByteString): Status;
  openWrite(path: ByteString, exclusive: boolean, truncate: boolean): Status;
  makeFile(path: ByteString, bytes: Uint8Array, mode: number, mtimeSeconds: number, mtimeNanos: number, record: Buffer): Status;
  lockExclusive(path: ByteString): Status;
  read(fd: number, into: Uint8Array, offsetBytes: number): Status;
  write(fd: number, bytes: Uint8Array, offsetBytes: number): Status;
  close(fd: number): Status;
  dataRanges(fd: number, fromBytes: number, toBytes: number): number[] | Status;
  /** [pid, uid] of who is at the other end of a local socket. */
  peerOf(fd: number): number[] | Status;
  punchHole(fd: number, offsetBytes: number, lengthBytes: number): Status;
  makeDirectory(path: ByteString): Status;
  unlink(path: ByteString): Status;
  removeDirectory(path: ByteString): Status;
  link(existing: ByteString, path: ByteString): Status;
  rename(from: ByteString, to: ByteString): Status;
  symlink(target: ByteString, path: ByteString): Status;
  makeSpecial(path: ByteString, kind: number, mode: number, rdevMajor: number, rdevMinor: number): Status;
  readlink(path: ByteString): Buffer | Status;
  chmod(path: ByteString, mode: number): Status;
  chown(path: ByteString, uid: number, gid: number): Status;
  setTimes(path: ByteString, seconds: number, nanos: number): Status;
  filesystemUuid(path: ByteString): Buffer | Status;
  xattrs(path: ByteString): Buffer | Status;
  setXattr(path: ByteString, name: ByteString, value: Uint8Array): Status;
  removeXattr(path: ByteString, name: ByteString): Status;
  /** Absent, these two, where the running Node shows no zstd or no SHA-256. */
  hashBlocks?(bytes: Uint8Array, seed: Uint8Array, into: Uint8Array): Status;
  packChunks?(bytes: Uint8Array, pieces: Uint32Array, key: Uint8Array, level: number, into: Uint8Array, hashes: Uint8Array, packed: Uint32Array): Status;
  /** Absent where the running Node shows no zstd. */
  zstdDecompress?(from: Uint8Array, into: Uint8Array): Status;
  /** A state's size; `state` is an aligned Uint8Array of that size. */
  xxh3StateBytes(): number;
  xxh3Start(state: Uint8Array, seed: number): Status;
  xxh3Update(state: Uint8Array, bytes: Uint8Array): Status;
  /** `into`: 8 or 16 bytes. */
  xxh3Finish(state: Uint8Array, into: Uint8Array): Status;
  /** A zstd stream; absent where the running Node shows no zstd. */
  readonly ZstdDecoder?: new () => AddonZstdDecoder;
  openWatch(): Status;
  readonly Watcher: new (fd: number) => AddonWatcher;
}

/** The addon, or why there is none, for people. */
export function loadAddon(): Addon | string {
  const path = addonPath();
  if (path === undefined) return "the native addon is not built";
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (error) {
    return `the native addon does not load: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The built file in native/ of this checkout or package, found from above this file; undefined where it is not built. */
function addonPath(): string | undefined {
  const from = dirname(fileURLToPath(import.meta.url));
  for (let folder = from; dirname(folder) !== folder; folder = dirname(folder)) {
    const built = join(folder, "native", "build", "Release", "rainbow.node");
    if (existsSync(built)) return built;
  }
  return undefined;
}
