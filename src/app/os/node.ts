/**
 * The Os port on node:fs alone, for machines where the addon cannot be built. It keeps every promise of the port but those that
 * `lacks` names. Symlinks are kept out by O_NOFOLLOW and by descriptors opened with O_PATH, which need /proc.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import type { ByteString, FilesystemInfo, ListingEntry, NewFile, NodeKind, Os, SmallFiles, Stat, Watcher, Xattr } from "../../core/index.ts";
import { byteStringOf, bytesOf, encodeListing, OsError } from "../../core/index.ts";
import { asOsError, descriptorName, errnoOf } from "./failure.ts";
import { filesystemOf, mountPoints } from "./mounts.ts";
import { NodeWatcher } from "./node-watcher.ts";
import { loadSmallFiles } from "./small-files.ts";
import { statOf } from "./stat.ts";

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
const O_NOFOLLOW = fs.constants.O_NOFOLLOW ?? 0; // These four are 0 where the system has none (Windows).
const O_NONBLOCK = fs.constants.O_NONBLOCK ?? 0;
const O_NOATIME = fs.constants.O_NOATIME ?? 0;
const O_DIRECTORY = fs.constants.O_DIRECTORY ?? 0;
const O_PATH = 0o10000000; // Linux alone; Node does not name it.

const LACKS: readonly string[] = [
  "extended attributes and ACLs",
  "times to the nanosecond (set to the microsecond)",
  "holes of sparse files",
  "giving freed space back to the disk",
  "FIFOs, sockets and device nodes",
  "an exact watch of changes (hints, and a comparison every 30 s instead)",
];

export class NodeOs implements Os {
  readonly source = "node";
  readonly lacks = LACKS;

  lstat(path: ByteString): Stat {
    return asOsError("lstat", path, () => statOf(fs.lstatSync(bytesOf(path), { bigint: true })));
  }

  listDirectory(path: ByteString): Buffer {
    const names = asOsError("list", path, () => {
      fs.closeSync(fs.openSync(bytesOf(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)); // Refuses a symlink.
      return fs.readdirSync(bytesOf(path), { encoding: "buffer" });
    });
    names.sort(Buffer.compare);
    const prefix = Buffer.concat([bytesOf(path), Buffer.from("/")]);
    return encodeListing(names.map((name) => entryOf(prefix, name)));
  }

  readSmallFiles(directory: ByteString, listing: Buffer, indexes: Uint32Array | readonly number[], into: Buffer): SmallFiles {
    return loadSmallFiles(this, directory, listing, indexes, into);
  }

  readlink(path: ByteString): ByteString {
    return asOsError("readlink", path, () => byteStringOf(fs.readlinkSync(bytesOf(path), { encoding: "buffer" })));
  }

  xattrs(path: ByteString): Xattr[] {
    this.lstat(path); // A missing path is an error here too.
    return [];
  }

  filesystem(path: ByteString): FilesystemInfo {
    return filesystemOf(path, () => "");
  }

  mountPoints(): ByteString[] {
    return mountPoints();
  }

  openRead(path: ByteString): number {
    return asOsError("open", path, () => {
      const fd = openForReading(bytesOf(path));
      if (fs.fstatSync(fd).isFile()) return fd;
      const code = fs.fstatSync(fd).isDirectory() ? "EISDIR" : "EINVAL";
      fs.closeSync(fd);
      throw new OsError(code, "open", path);
    });
  }

  fstat(fd: number): Stat {
    return asOsError("fstat", descriptorName(fd), () => statOf(fs.fstatSync(fd, { bigint: true })));
  }

  read(fd: number, into: Uint8Array, offsetBytes: number): number {
    return asOsError("read", descriptorName(fd), () => {
      let done = 0;
      while (done < into.length) {
        const count = fs.readSync(fd, into, done, into.length - done, offsetBytes + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  dataRanges(fd: number, fromBytes: number, toBytes: number): number[] {
    const end = Math.min(toBytes, this.fstat(fd).sizeBytes);
    return fromBytes < end ? [fromBytes, end] : [];
  }

  close(fd: number): void {
    asOsError("close", descriptorName(fd), () => fs.closeSync(fd));
  }

  openWrite(path: ByteString, options: { readonly exclusive: boolean; readonly truncate: boolean }): number {
    const flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | (options.exclusive ? O_EXCL : 0) | (options.truncate ? O_TRUNC : 0);
    return asOsError("open", path, () => fs.openSync(bytesOf(path), flags, 0o600));
  }

  write(fd: number, bytes: Uint8Array, offsetBytes: number): void {
    asOsError("write", descriptorName(fd), () => {
      for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done, bytes.length - done, offsetBytes + done);
    });
  }

  makeFile(path: ByteString, { bytes, mode, mtimeSeconds, mtimeNanos }: NewFile): Stat {
    const fd = this.openWrite(path, { exclusive: true, truncate: false });
    try {
      try {
        this.write(fd, bytes, 0);
      } finally {
        this.close(fd);
      }
      this.chmod(path, mode);
      this.setTimes(path, mtimeSeconds, mtimeNanos);
      return this.lstat(path);
    } catch (error) {
      this.unlink(path);
      throw error;
    }
  }

  truncate(fd: number, sizeBytes: number): void {
    asOsError("truncate", descriptorName(fd), () => fs.ftruncateSync(fd, sizeBytes));
  }

  fsync(fd: number): void {
    asOsError("fsync", descriptorName(fd), () => fs.fsyncSync(fd));
  }

  punchHole(): boolean {
    return false;
  }

  makeDirectory(path: ByteString): void {
    asOsError("mkdir", path, () => fs.mkdirSync(bytesOf(path), 0o700));
  }

  symlink(target: ByteString, path: ByteString): void {
    asOsError("symlink", path, () => fs.symlinkSync(bytesOf(target), bytesOf(path)));
  }

  link(existing: ByteString, path: ByteString): void {
    asOsError("link", path, () => fs.linkSync(bytesOf(existing), bytesOf(path)));
  }

  rename(from: ByteString, to: ByteString): void {
    asOsError("rename", from, () => fs.renameSync(bytesOf(from), bytesOf(to)));
  }

  unlink(path: ByteString): void {
    asOsError("unlink", path, () => fs.unlinkSync(bytesOf(path)));
  }

  removeDirectory(path: ByteString): void {
    asOsError("rmdir", path, () => fs.rmdirSync(bytesOf(path)));
  }

  makeSpecial(path: ByteString, _kind: NodeKind, _mode: number, _rdev: number): void {
    throw new OsError("ENOTSUP", "mknod", path);
  }

  chmod(path: ByteString, mode: number): void {
    asOsError("chmod", path, () => {
      const fd = fs.openSync(bytesOf(path), O_PATH | O_NOFOLLOW);
      try {
        if (!fs.fstatSync(fd).isSymbolicLink()) fs.chmodSync(`/proc/self/fd/${fd}`, mode);
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  chown(path: ByteString, uid: number, gid: number): void {
    asOsError("chown", path, () => fs.lchownSync(bytesOf(path), uid, gid));
  }

  /** Node's times are doubles: exact to about a quarter of a microsecond. */
  setTimes(path: ByteString, mtimeSeconds: number, mtimeNanos: number): void {
    asOsError("utimes", path, () => {
      const accessed = fs.lstatSync(bytesOf(path)).atimeMs / 1000;
      fs.lutimesSync(bytesOf(path), accessed, mtimeSeconds + mtimeNanos / 1e9);
    });
  }

  setXattrs(path: ByteString, wanted: readonly Xattr[]): ByteString[] {
    this.lstat(path);
    return wanted.map((xattr) => xattr.name);
  }

  /** flock(1) takes the same lock as the addon does: it belongs to the open file that the child inherits, and stays when it ends. */
  lockExclusive(path: ByteString): number | undefined {
    const fd = asOsError("lock", path, () => fs.openSync(bytesOf(path), O_RDWR | O_CREAT | O_NOFOLLOW, 0o600));
    const child = spawnSync("flock", ["--nonblock", "--conflict-exit-code", "75", "3"], { stdio: ["ignore", "ignore", "ignore", fd] });
    if (child.status === 0) return fd;
    fs.closeSync(fd);
    if (child.status === 75) return undefined;
    throw new OsError(child.error === undefined ? "ENOLCK" : "ENOTSUP", "lock", path); // No flock(1) on this machine.
  }

  watcher(): Watcher {
    return new NodeWatcher();
  }
}

/** O_NOATIME is only for the owner and root. */
function openForReading(path: Buffer): number {
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  try {
    return fs.openSync(path, flags | O_NOATIME);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) throw error;
    return fs.openSync(path, flags);
  }
}

function entryOf(prefix: Buffer, name: Buffer): ListingEntry {
  try {
    return { name: byteStringOf(name), stat: statOf(fs.lstatSync(Buffer.concat([prefix, name]), { bigint: true })), errno: 0 };
  } catch (error) {
    return { name: byteStringOf(name), stat: undefined, errno: errnoOf(error) };
  }
}
