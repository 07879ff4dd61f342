/**
 * The data directory: where it lies, whether Rainbow can keep data there, its FORMAT file and its lock. Promises: only `create` makes
 * one; a directory that holds something else is refused; one process at a time holds it. FORMAT says `complete` once the stores in it
 * were made, so stores that are missing later are damage and never made anew in silence.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { byteStringOf, isRainbowError, OsError, RainbowError } from "../core/index.ts";
import type { Clock, Os, Random } from "../core/index.ts";
import { writeDurably } from "./durable-file.ts";
import { hasOwnEvents } from "./events-choice.ts";
import { filesystemWarnings, refuseFilesystem } from "./filesystem-fitness.ts";
import { replayText, RESTORE_TEXT } from "./restore-text.ts";

export const FORMAT_VERSION = 1;
const FORMAT_FILE = "FORMAT";
const LOCK_FILE = "lock";
/** What may lie in a directory without FORMAT: traces of a creation that was cut short, and what a fresh filesystem brings. */
const HARMLESS: ReadonlySet<string> = new Set(["lost+found", LOCK_FILE, `${FORMAT_FILE}.new`, "RESTORE.txt"]);

export interface Format {
  readonly format: number;
  /** UUID of the machine whose data lies here. */
  readonly machine: string;
  /** The machine's name when the directory was made; a label only. */
  readonly label: string;
  readonly created: string;
  /** Whether the stores were made; until then missing ones are made. */
  readonly complete: boolean;
  /** It is no machine's own: a replay of another data directory's events up to a revision, made to be read. */
  readonly replay?: ReplayOrigin;
}

export interface ReplayOrigin {
  /** The data directory that has the content. */
  readonly of: string;
  readonly revision: number;
}

export interface DataDirectory {
  readonly path: string;
  readonly format: Format;
  /** For people: what is unwise about the place, but no reason to refuse it. */
  readonly warnings: readonly string[];
  /** Durable once it returns. To be called when every store has been made. */
  markComplete(): void;
  /** Gives the lock back. */
  close(): void;
}

export interface OpenDataDirectoryOptions {
  readonly path: string;
  /** Whether to make it where it is missing; else NO_STORE. */
  readonly create: boolean;
  /** Whether it will be written to, so that its filesystem must be fit. */
  readonly forWriting: boolean;
  readonly os: Os;
  readonly clock: Clock;
  readonly random: Random;
  /** What FORMAT says where the directory is made; default: a new machine's. */
  readonly format?: Omit<Format, "format" | "created" | "complete">;
}

/** Opens and locks. NO_STORE, DATA_DIR_REFUSED, NEWER_FORMAT, STORE_CORRUPT or BUSY, each with what to do. */
export function openDataDirectory(options: OpenDataDirectoryOptions): DataDirectory {
  const { path, os } = options;
  const known = readFormat(path);
  if (known === undefined && !options.create) throw noStore(path);
  if (known === undefined) makeEmptyDirectory(path);
  refuseOthers(path);
  const lock = takeLock(path, os);
  try {
    if (known === undefined || options.forWriting) refuseFilesystem(path, os, options.random);
    const format = readFormat(path) ?? createFormat(options);
    refuseMissingStores(path, format);
    return dataDirectory(path, format, filesystemWarnings(path, os), lock, os);
  } catch (error) {
    os.close(lock);
    throw error;
  }
}

function dataDirectory(path: string, format: Format, warnings: readonly string[], lock: number, os: Os): DataDirectory {
  const markComplete = (): void => {
    if (!format.complete) writeDurably(join(path, FORMAT_FILE), formatText({ ...format, complete: true }));
  };
  let isOpen = true;
  const close = (): void => {
    if (isOpen) os.close(lock);
    isOpen = false;
  };
  return { path, format, warnings, markComplete, close };
}

function noStore(path: string): RainbowError {
  return new RainbowError("NO_STORE", `${path}: there is no Rainbow data directory there; 'rainbow up DIR' makes one, --data-dir names another`, { path });
}

/** undefined where there is no FORMAT. */
export function readFormat(path: string): Format | undefined {
  const file = join(path, FORMAT_FILE);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new RainbowError("IO", `${file}: cannot be read (${code}); run as the owner of the data directory`, { path, system: code }, error);
  }
  return parseFormat(text, path);
}

function parseFormat(text: string, path: string): Format {
  const value = jsonOf(text, path);
  const { format, machine, label, created, complete, replay } = value;
  if (typeof format === "number" && format > FORMAT_VERSION) {
    const what = `${path}: written by a newer version of Rainbow (format ${format}, this one reads up to ${FORMAT_VERSION})`;
    throw new RainbowError("NEWER_FORMAT", `${what}; use that version`, { path, format });
  }
  const isWhole = format === FORMAT_VERSION && typeof machine === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(machine);
  if (!isWhole) throw damagedFormat(path);
  const origin = replay === undefined ? {} : { replay: replayOrigin(replay, path) };
  return { format, machine, label: textOf(label), created: textOf(created), complete: complete === true, ...origin };
}

function replayOrigin(value: unknown, path: string): ReplayOrigin {
  const { of, revision } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof of !== "string" || !Number.isSafeInteger(revision)) throw damagedFormat(path);
  return { of, revision: revision as number };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function jsonOf(text: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw damagedFormat(path, error);
  }
  throw damagedFormat(path);
}

function damagedFormat(path: string, cause?: unknown): RainbowError {
  const what = `${join(path, FORMAT_FILE)}: is no FORMAT file of Rainbow, or a damaged one`;
  return new RainbowError("STORE_CORRUPT", `${what}; RESTORE.txt beside it shows what belongs in it`, { path }, cause);
}

/** Makes the directory, mode 0700; one that is there must hold nothing of anybody else. */
function makeEmptyDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const foreign = readdirSync(path).find((name) => !HARMLESS.has(name));
    if (foreign !== undefined) throw refused(path, `is not empty ('${foreign}') and no data directory of Rainbow`, "name an empty or a new folder");
    chmodSync(path, 0o700);
  } catch (error) {
    if (isRainbowError(error)) throw error;
    throw refused(path, `cannot be made (${error instanceof Error ? error.message : String(error)})`, "name another with --data-dir", error);
  }
}

export function refused(path: string, why: string, whatToDo: string, cause?: unknown): RainbowError {
  return new RainbowError("DATA_DIR_REFUSED", `${path}: ${why}; ${whatToDo}`, { path, why }, cause);
}

/** Others must not read what was backed up, nor swap it. */
function refuseOthers(path: string): void {
  const stat = statSync(path);
  const uid = process.getuid?.() ?? stat.uid;
  if (stat.uid !== uid && uid !== 0) throw refused(path, `belongs to user ${stat.uid}`, "run as that user, or name another with --data-dir");
  if ((stat.mode & 0o077) !== 0 && stat.uid === uid) chmodSync(path, 0o700);
}

function takeLock(path: string, os: Os): number {
  const lock = lockOf(path, os);
  if (lock !== undefined) return lock;
  throw new RainbowError("BUSY", `${path}: another Rainbow works on this data directory; wait for it, or ask the one that runs ('rainbow status')`, { path });
}

/** A file with a process number in it would do on machines without flock, but two starters could both take a dead one's: so it is refused. */
function lockOf(path: string, os: Os): number | undefined {
  try {
    return os.lockExclusive(byteStringOf(Buffer.from(join(path, LOCK_FILE))));
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    if (error.code === "EACCES" || error.code === "EROFS")
      throw refused(path, `cannot be locked (${error.code})`, "run as its owner, or name another with --data-dir", error);
    const what = `${path}: cannot be locked (${error.code}), and without a lock two processes could damage it`;
    throw new RainbowError("UNSUPPORTED", `${what}; install flock (package util-linux) or a C++ compiler for the addon`, { path, system: error.code }, error);
  }
}

function createFormat({ path, random, clock, format: given }: OpenDataDirectoryOptions): Format {
  const created = new Date(Math.floor(clock.now() / 1000)).toISOString();
  const format: Format = { format: FORMAT_VERSION, created, complete: false, ...(given ?? { machine: random.uuid(), label: hostname() }) };
  writeDurably(join(path, "RESTORE.txt"), format.replay === undefined ? RESTORE_TEXT : replayText(format.replay));
  writeDurably(join(path, FORMAT_FILE), formatText(format)); // Last: from here on it is a data directory.
  return format;
}

function formatText(format: Format): string {
  return `${JSON.stringify(format, undefined, 2)}\n`;
}

/** The control file can be rebuilt; events and payload cannot. */
function refuseMissingStores(path: string, format: Format): void {
  if (!format.complete) return;
  const dataFile = join("machines", format.machine, "data.dig");
  const wanted = hasOwnEvents(path) ? ["events.lmdb", dataFile] : [dataFile];
  const missing = wanted.filter((name) => statSync(join(path, name), { throwIfNoEntry: false }) === undefined);
  if (missing.length === 0) return;
  const what = `${path}: ${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} missing`;
  const advice = "bring back what was moved away (a disk that is not mounted?), or protect into another folder with --data-dir";
  throw new RainbowError(missing.length === wanted.length ? "NO_STORE" : "STORE_CORRUPT", `${what}, and nothing is made anew in their place; ${advice}`, {
    path,
    missing,
  });
}
