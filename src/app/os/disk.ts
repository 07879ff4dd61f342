/**
 * The Disk port on node:fs, with hole punching by the Os port. A directory is synced after its entries change, so that a file that
 * was made or renamed is still there after a power cut.
 */
import * as fs from "node:fs";
import { dirname, resolve } from "node:path";
import { promisify } from "node:util";
import type { Disk, DiskFile, Os } from "../../core/index.ts";
import { OsError, RainbowError } from "../../core/index.ts";

const fdatasync = promisify(fs.fdatasync);
const FULL_CODES: readonly string[] = ["ENOSPC", "EDQUOT"];

/** The real disk of this machine. */
export function openDisk(os: Pick<Os, "punchHole">): Disk {
  return {
    open: (path, options) => attempt("open", path, () => new NodeDiskFile(os, path, openFile(path, options))),
    exists: (path) => attempt("stat", path, () => fs.statSync(path, { throwIfNoEntry: false }) !== undefined),
    makeDirectory: (path) => attempt("mkdir", path, () => makeDirectories(path)),
    remove: (path) =>
      attempt("remove", path, () => {
        fs.unlinkSync(path);
        syncDirectory(dirname(path));
      }),
    rename: (from, to) =>
      attempt("rename", from, () => {
        fs.renameSync(from, to);
        syncDirectory(dirname(to));
        if (dirname(from) !== dirname(to)) syncDirectory(dirname(from));
      }),
    freeBytes: (path) =>
      attempt("statfs", path, () => {
        const statfs = fs.statfsSync(path);
        return statfs.bavail * statfs.bsize;
      }),
  };
}

class NodeDiskFile implements DiskFile {
  readonly path: string;
  readonly #os: Pick<Os, "punchHole">;
  readonly #fd: number;
  /** After a failed sync the kernel forgets which pages were not written, and a second sync would lie: nothing is written any more. */
  #failedSync: unknown = undefined;

  constructor(os: Pick<Os, "punchHole">, path: string, fd: number) {
    this.#os = os;
    this.path = path;
    this.#fd = fd;
  }

  read(into: Uint8Array, offsetBytes: number): number {
    return attempt("read", this.path, () => {
      let done = 0;
      while (done < into.length) {
        const count = fs.readSync(this.#fd, into, done, into.length - done, offsetBytes + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  write(parts: readonly Uint8Array[], offsetBytes: number): void {
    this.#refuseAfterFailedSync();
    attempt("write", this.path, () => {
      let rest = parts.filter((part) => part.length > 0);
      let at = offsetBytes;
      while (rest.length > 0) {
        const count = fs.writevSync(this.#fd, rest, at);
        rest = withoutFirst(rest, count);
        at += count;
      }
    });
  }

  async datasync(): Promise<void> {
    this.#refuseAfterFailedSync();
    try {
      await fdatasync(this.#fd);
    } catch (error) {
      throw this.#syncFailure(error);
    }
  }

  datasyncSync(): void {
    this.#refuseAfterFailedSync();
    try {
      fs.fdatasyncSync(this.#fd);
    } catch (error) {
      throw this.#syncFailure(error);
    }
  }

  punchHole(offsetBytes: number, lengthBytes: number): boolean {
    this.#refuseAfterFailedSync();
    return attempt("punch hole", this.path, () => this.#os.punchHole(this.#fd, offsetBytes, lengthBytes));
  }

  sizeBytes(): number {
    return attempt("stat", this.path, () => fs.fstatSync(this.#fd).size);
  }

  allocatedBytes(): number {
    return attempt("stat", this.path, () => fs.fstatSync(this.#fd).blocks * 512);
  }

  truncate(sizeBytes: number): void {
    this.#refuseAfterFailedSync();
    attempt("truncate", this.path, () => fs.ftruncateSync(this.#fd, sizeBytes));
  }

  close(): void {
    attempt("close", this.path, () => fs.closeSync(this.#fd));
  }

  #syncFailure(error: unknown): unknown {
    this.#failedSync = error;
    return failureOf("sync", this.path, error);
  }

  #refuseAfterFailedSync(): void {
    if (this.#failedSync !== undefined) throw failureOf("sync", this.path, this.#failedSync);
  }
}

function openFile(path: string, options: { readonly create: boolean; readonly readOnly?: boolean }): number {
  const access = options.readOnly === true ? fs.constants.O_RDONLY : fs.constants.O_RDWR;
  if (!options.create || fs.existsSync(path)) return fs.openSync(path, access);
  const fd = fs.openSync(path, access | fs.constants.O_CREAT, 0o600);
  syncDirectory(dirname(path));
  return fd;
}

/** Makes the missing ones of a path and syncs each directory that got an entry. */
function makeDirectories(path: string): void {
  const first = fs.mkdirSync(resolve(path), { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = resolve(path); made.length >= first.length; made = dirname(made)) syncDirectory(dirname(made));
}

function syncDirectory(path: string): void {
  const fd = fs.openSync(path, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** What is left of the parts when their first `byteCount` bytes are done. */
function withoutFirst(parts: readonly Uint8Array[], byteCount: number): Uint8Array[] {
  let done = byteCount;
  let index = 0;
  for (let part = parts[0]; part !== undefined && done >= part.length; part = parts[index]) {
    done -= part.length;
    index += 1;
  }
  const [partly, ...rest] = parts.slice(index);
  return partly === undefined ? [] : [partly.subarray(done), ...rest];
}

function attempt<T>(operation: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw failureOf(operation, path, error);
  }
}

/** The system's refusals as RainbowError; a bug (TypeError) stays what it is. */
function failureOf(operation: string, path: string, error: unknown): unknown {
  const isOfSystem = error instanceof OsError || (error instanceof Error && "syscall" in error);
  if (!isOfSystem || !("code" in error) || typeof error.code !== "string") return error;
  const facts = { path, operation, code: error.code };
  if (FULL_CODES.includes(error.code)) return new RainbowError("DISK_FULL", `no space is left for ${path} (${operation})`, facts, error);
  return new RainbowError("IO", `${operation} of ${path} failed with ${error.code}`, facts, error);
}
