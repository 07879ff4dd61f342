/**
 * Where the socket of a data directory lies. A running instance chooses a place and notes it in the data directory, so that a command
 * with another environment (cron, sudo) finds it all the same. Socket paths end at 108 bytes.
 */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SOCKET_PATH_BYTES_MAX = 107; // sockaddr_un.sun_path has 108 with its terminator.
const NOTE_FILE = "running.json";

export interface LocationOptions {
  readonly dataDirectory: string;
  /** XDG_RUNTIME_DIR. */
  readonly runtimeDirectory: string | undefined;
  readonly uid: number;
}

/** A short name that differs for each data directory of this machine. */
export function socketName(dataDirectory: string): string {
  return `rainbow-${createHash("sha256").update(realOf(dataDirectory)).digest("hex").slice(0, 16)}.sock`;
}

/** The first place that is ours alone and short enough: the runtime directory, the data directory, one of our own below /tmp. */
export function chooseSocketPath(options: LocationOptions): string {
  const name = socketName(options.dataDirectory);
  const runtime = options.uid === 0 ? "/run" : options.runtimeDirectory;
  const candidates = [...(runtime === undefined || runtime === "" ? [] : [runtime]), options.dataDirectory];
  const found = candidates.map((directory) => join(directory, name)).find((path) => isShort(path) && isOurs(join(path, ".."), options.uid));
  return found ?? join(ownTemporaryDirectory(options.uid), name);
}

/** Notes where this process listens. Returns the way to take the note back. */
export function noteSocket(dataDirectory: string, socketPath: string): () => void {
  const path = join(dataDirectory, NOTE_FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify({ pid: process.pid, socket: socketPath })}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return () => rmSync(path, { force: true });
}

/** Where a running instance said that it listens; undefined where none has. It may be dead by now. */
export function notedSocket(dataDirectory: string): string | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(join(dataDirectory, NOTE_FILE), "utf8"));
    return typeof note === "object" && note !== null && "socket" in note && typeof note.socket === "string" ? note.socket : undefined;
  } catch {
    return undefined; // No note, or half of one: nothing that could be asked.
  }
}

function realOf(directory: string): string {
  try {
    return realpathSync(directory);
  } catch {
    return directory; // Not made yet.
  }
}

function isShort(path: string): boolean {
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX;
}

/** A directory of ours (or root's, for root) that nobody else may write to. */
function isOurs(directory: string, uid: number): boolean {
  try {
    const stat = lstatSync(directory);
    return stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0;
  } catch {
    return false;
  }
}

function ownTemporaryDirectory(uid: number): string {
  const fitting = [tmpdir(), "/tmp"].find((directory) => isShort(join(directory, `rainbow-${uid}`, socketName("/")))) ?? "/tmp";
  const directory = join(fitting, `rainbow-${uid}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!isOurs(directory, uid)) throw new Error(`${directory}: belongs to somebody else, so no socket can be made there; set XDG_RUNTIME_DIR`);
  return directory;
}
