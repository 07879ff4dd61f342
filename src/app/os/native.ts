/** The Os port on the addon of native/: everything the port promises. */
import type { ByteString, FilesystemInfo, NewFile, NodeKind, Os, SmallFiles, Stat, Watcher, Xattr } from "../../core/index.ts";
import { assert, byteStringOf, decodeStat, NODE_KINDS, OsError, STAT_RECORD_BYTES } from "../../core/index.ts";
import type { Addon, Status } from "./addon.ts";
import { descriptorName, errnoName } from "./failure.ts";
import { filesystemOf, mountPoints } from "./mounts.ts";
import { NodeOs } from "./node.ts";
import { NativeWatcher } from "./watcher.ts";
import { decodeXattrs, differingXattrs } from "./xattrs.ts";

const DEVICE_SPAN = 2 ** 20;
const NO_LACKS: readonly string[] = [];

export class NativeOs implements Os {
  readonly source = "native";
  readonly lacks = NO_LACKS;
  readonly #addon: Addon;
  /** For the calls where the addon would do no better. */
  readonly #node = new NodeOs();
  readonly #record = Buffer.alloc(STAT_RECORD_BYTES);

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  lstat(path: ByteString): Stat {
    check(this.#addon.lstat(bytesOnly(path), this.#record), "lstat", path);
    return decodeStat(this.#record, 0);
  }

  listDirectory(path: ByteString): Buffer {
    return bufferOf(this.#addon.listDirectory(bytesOnly(path)), "list", path);
  }

  readSmallFiles(directory: ByteString, listing: Buffer, indexes: Uint32Array | readonly number[], into: Buffer): SmallFiles {
    const wanted = indexes instanceof Uint32Array ? indexes : Uint32Array.from(indexes);
    const offsets = new Uint32Array(wanted.length);
    const lengths = new Int32Array(wanted.length);
    const usedBytes = check(this.#addon.readSmallFiles(bytesOnly(directory), listing, wanted, into, offsets, lengths), "read", directory);
    return { bytes: into.subarray(0, usedBytes), offsets, lengths };
  }

  readlink(path: ByteString): ByteString {
    return byteStringOf(bufferOf(this.#addon.readlink(bytesOnly(path)), "readlink", path));
  }

  xattrs(path: ByteString): Xattr[] {
    const found = this.#addon.xattrs(bytesOnly(path));
    return typeof found === "number" ? (check(found, "xattrs", path), []) : decodeXattrs(found);
  }

  filesystem(path: ByteString): FilesystemInfo {
    return filesystemOf(path, (asked) => bufferOf(this.#addon.filesystemUuid(bytesOnly(asked)), "statfs", asked).toString("latin1"));
  }

  mountPoints(): ByteString[] {
    return mountPoints();
  }

  openRead(path: ByteString): number {
    return check(this.#addon.openRead(bytesOnly(path)), "open", path);
  }

  fstat(fd: number): Stat {
    checkOpen(this.#addon.fstat(fd, this.#record), "fstat", fd);
    return decodeStat(this.#record, 0);
  }

  read(fd: number, into: Uint8Array, offsetBytes: number): number {
    return checkOpen(this.#addon.read(fd, into, offsetBytes), "read", fd);
  }

  dataRanges(fd: number, fromBytes: number, toBytes: number): number[] {
    const ranges = this.#addon.dataRanges(fd, fromBytes, toBytes);
    return typeof ranges === "number" ? (checkOpen(ranges, "seek", fd), []) : ranges;
  }

  close(fd: number): void {
    checkOpen(this.#addon.close(fd), "close", fd);
  }

  openWrite(path: ByteString, options: { readonly exclusive: boolean; readonly truncate: boolean }): number {
    return check(this.#addon.openWrite(bytesOnly(path), options.exclusive, options.truncate), "open", path);
  }

  write(fd: number, bytes: Uint8Array, offsetBytes: number): void {
    checkOpen(this.#addon.write(fd, bytes, offsetBytes), "write", fd);
  }

  makeFile(path: ByteString, { bytes, mode, mtimeSeconds, mtimeNanos }: NewFile): Stat {
    check(this.#addon.makeFile(bytesOnly(path), bytes, mode, mtimeSeconds, mtimeNanos, this.#record), "make", path);
    return decodeStat(this.#record, 0);
  }

  truncate(fd: number, sizeBytes: number): void {
    this.#node.truncate(fd, sizeBytes);
  }

  fsync(fd: number): void {
    this.#node.fsync(fd);
  }

  punchHole(fd: number, offsetBytes: number, lengthBytes: number): boolean {
    return checkOpen(this.#addon.punchHole(fd, offsetBytes, lengthBytes), "punch hole", fd) === 1;
  }

  makeDirectory(path: ByteString): void {
    check(this.#addon.makeDirectory(bytesOnly(path)), "mkdir", path);
  }

  symlink(target: ByteString, path: ByteString): void {
    check(this.#addon.symlink(bytesOnly(target), bytesOnly(path)), "symlink", path);
  }

  link(existing: ByteString, path: ByteString): void {
    check(this.#addon.link(bytesOnly(existing), bytesOnly(path)), "link", path);
  }

  rename(from: ByteString, to: ByteString): void {
    check(this.#addon.rename(bytesOnly(from), bytesOnly(to)), "rename", from);
  }

  unlink(path: ByteString): void {
    check(this.#addon.unlink(bytesOnly(path)), "unlink", path);
  }

  removeDirectory(path: ByteString): void {
    check(this.#addon.removeDirectory(bytesOnly(path)), "rmdir", path);
  }

  makeSpecial(path: ByteString, kind: NodeKind, mode: number, rdev: number): void {
    const code = NODE_KINDS.indexOf(kind) + 1;
    check(this.#addon.makeSpecial(bytesOnly(path), code, mode, Math.floor(rdev / DEVICE_SPAN), rdev % DEVICE_SPAN), "mknod", path);
  }

  chmod(path: ByteString, mode: number): void {
    check(this.#addon.chmod(bytesOnly(path), mode), "chmod", path);
  }

  chown(path: ByteString, uid: number, gid: number): void {
    check(this.#addon.chown(bytesOnly(path), uid, gid), "chown", path);
  }

  setTimes(path: ByteString, mtimeSeconds: number, mtimeNanos: number): void {
    check(this.#addon.setTimes(bytesOnly(path), mtimeSeconds, mtimeNanos), "utimes", path);
  }

  setXattrs(path: ByteString, wanted: readonly Xattr[]): ByteString[] {
    const { toRemove, toSet } = differingXattrs(this.xattrs(path), wanted);
    const unremoved = toRemove.filter((name) => this.#addon.removeXattr(path, bytesOnly(name)) < 0);
    const unset = toSet.filter((xattr) => this.#addon.setXattr(path, bytesOnly(xattr.name), xattr.value) < 0);
    return [...unremoved, ...unset.map((xattr) => xattr.name)];
  }

  lockExclusive(path: ByteString): number | undefined {
    const fd = this.#addon.lockExclusive(bytesOnly(path));
    if (fd < 0 && errnoName(-fd) === "EAGAIN") return undefined;
    return check(fd, "lock", path);
  }

  watcher(): Watcher {
    return new NativeWatcher(new this.#addon.Watcher(check(this.#addon.openWatch(), "watch", "" as ByteString)));
  }
}

/** A character above 255 is a text that was never turned into bytes: it would name another file. */
function bytesOnly(path: ByteString): ByteString {
  assert(!/[^\x00-\xff]/.test(path), "a ByteString holds bytes only");
  return path;
}

function check(status: Status, operation: string, path: ByteString): number {
  if (status < 0) throw new OsError(errnoName(-status), operation, path);
  return status;
}

function checkOpen(status: Status, operation: string, fd: number): number {
  return status < 0 ? check(status, operation, descriptorName(fd)) : status;
}

function bufferOf(answer: Buffer | Status, operation: string, path: ByteString): Buffer {
  if (typeof answer === "number") throw new OsError(errnoName(-answer), operation, path);
  return answer;
}
