/**
 * The LMDB file: opening it safely and the three tables in it. Writes go through `commit` alone: all of it becomes durable, or nothing.
 * Everything lmdb-js asks for is kept here: no option but these, no transaction callbacks (an error thrown there does not roll back),
 * no iterator open across an await.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { open as openLmdb } from "lmdb";
import type { Database, RootDatabase } from "lmdb";
import { GiveBack, isFreshMeta, LMDB_PAGE_BYTES, oldestReaderOf, RainbowError, SECTOR_BYTES } from "../../core/index.ts";
import type { Disk } from "../../core/index.ts";
import { scanFile } from "./pages.ts";

export interface Write {
  readonly table: "rows" | "index" | "streams";
  readonly key: Buffer;
  /** Absent: the key goes. */
  readonly value?: Buffer;
}

export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

type Table = Database<Buffer, Buffer>;
const TABLE = { encoding: "binary", keyEncoding: "binary" } as const;
const FIRST_BYTES = 2 * LMDB_PAGE_BYTES; // LMDB begins a file with two meta pages.
const FREE_BYTES_MIN = 4 << 20; // Less is a full disk: a commit needs its pages and some of the filesystem's own.

export class LmdbFile {
  readonly path: string;
  private readonly root: RootDatabase<Buffer, Buffer>;
  private readonly giving: GiveBack;
  private lastProof: Write | undefined;
  private readonly tables: { readonly rows: Table; readonly index: Table; readonly streams: Table };

  /** Opens a file that was scanned before, or makes it (mode 0600). Throws IO or STORE_CORRUPT. */
  constructor(path: string, options: { readonly readOnly: boolean; readonly holePagesMin?: number | undefined }) {
    this.path = path;
    this.giving = new GiveBack(options.holePagesMin);
    const isNew = !options.readOnly && makePrivate(path);
    try {
      this.root = openLmdb({ path, noSubdir: true, overlappingSync: false, eventTurnBatching: false, maxDbs: 4, readOnly: options.readOnly, ...TABLE });
      if (isNew) syncNow(path); // LMDB would leave its first pages to the first commit: a file of these pages alone was never finished.
      this.tables = {
        rows: this.root.openDB<Buffer, Buffer>({ name: "rows", ...TABLE }),
        index: this.root.openDB<Buffer, Buffer>({ name: "index", ...TABLE }),
        streams: this.root.openDB<Buffer, Buffer>({ name: "streams", ...TABLE }),
      };
    } catch (cause) {
      throw isFull(path, 0)
        ? diskFull(path, cause)
        : new RainbowError("STORE_CORRUPT", `the event store ${path} cannot be opened: ${messageOf(cause)}`, { path }, cause);
    }
  }

  get(table: Write["table"], key: Buffer): Buffer | undefined {
    return this.tables[table].getBinary(key);
  }

  /** At most `limit` entries from `from` to `to`, both included; from high to low where `reverse`. */
  range(table: Write["table"], from: Buffer, to: Buffer, limit: number, reverse = false): Entry[] {
    const entries: Entry[] = [];
    const [start, end] = reverse ? [to, from] : [from, to];
    for (const { key, value } of this.tables[table].getRange({ start, end, inclusiveEnd: true, limit, reverse }))
      entries.push({ key: Buffer.from(key), value: Buffer.from(value) });
    return entries;
  }

  /** Durable when it resolves. DISK_FULL or IO mean that nothing was stored, OUTCOME_UNKNOWN that it may have been. */
  async commit(writes: readonly Write[], proof: Write): Promise<void> {
    let byteCount = 0;
    try {
      await this.root.batch(() => {
        for (const { table, key, value } of writes) {
          byteCount += value?.length ?? 0;
          void (value === undefined ? this.tables[table].remove(key) : this.tables[table].put(key, value)); // Part of the batch: its promise tells.
        }
      });
      this.root.resetReadTxn();
      this.lastProof = proof;
    } catch (cause) {
      await silence(cause);
      throw this.outcomeOf(cause, byteCount, proof);
    }
  }

  /** Gives some space of free pages back to the disk; true where nothing is left to give. Between commits alone. */
  giveBackStep(disk: Disk): boolean {
    this.root.resetReadTxn();
    const oldestReader = oldestReaderOf(this.root.readerList());
    if (oldestReader === undefined) return true;
    const file = disk.open(this.path, { create: false });
    try {
      return this.giving.step(file, oldestReader);
    } finally {
      file.close();
    }
  }

  /**
   * A last commit that changes nothing goes before the close: LMDB's two meta pages then both have everything, so that a bit which rots
   * in the newer one (and makes it look older) takes nothing away.
   */
  async close(): Promise<void> {
    const proof = this.lastProof;
    if (proof?.value !== undefined) await this.commit([proof], proof).catch(() => undefined); // Everything is durable already.
    await this.root.close();
  }

  private outcomeOf(cause: unknown, byteCount: number, proof: Write): RainbowError {
    if (this.isVisible(proof))
      return new RainbowError("OUTCOME_UNKNOWN", `a commit to ${this.path} may or may not be durable: open the store anew`, { path: this.path }, cause);
    if (isFull(this.path, byteCount)) return diskFull(this.path, cause);
    return new RainbowError("IO", `a commit to ${this.path} failed: ${messageOf(cause)}`, { path: this.path, operation: "commit" }, cause);
  }

  private isVisible(proof: Write): boolean {
    try {
      this.root.resetReadTxn();
      const found = this.get(proof.table, proof.key);
      return proof.value === undefined ? found === undefined : found?.equals(proof.value) === true;
    } catch {
      return true; // Cannot be told.
    }
  }
}

/**
 * Opens or makes the store's file. A damaged one is found by reading its pages first: LMDB trusts them and would end the process.
 * NO_STORE where it is missing and not to be made, STORE_CORRUPT (facts: path, page) where it is damaged.
 */
export function openFile(
  path: string,
  options: { readonly readOnly: boolean; readonly create: boolean; readonly holePagesMin?: number | undefined },
): LmdbFile {
  if (options.create && !options.readOnly) removeUnfinished(path);
  const isThere = existsSync(path) && statSync(path).size > 0;
  if (!isThere && (!options.create || options.readOnly)) throw new RainbowError("NO_STORE", `there is no event store at ${path}`, { path });
  if (isThere) {
    const problem = scanFile(path).problems[0];
    if (problem !== undefined)
      throw new RainbowError(
        "STORE_CORRUPT",
        `the event store ${path} is damaged at page ${problem.page}: ${problem.what}; \`rainbow repair\` saves what is sound`,
        {
          path,
          page: problem.page,
          what: problem.what,
        },
      );
  }
  return new LmdbFile(path, options);
}

/**
 * A file of LMDB's first pages, which may be torn: its creation was cut off before anything could be stored in it. Such pages name no
 * transaction yet; a store that was cut down to this size does, and anything else is foreign: both stay and are told.
 */
function removeUnfinished(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0 || size > FIRST_BYTES || size % SECTOR_BYTES !== 0) return;
  const bytes = readFileSync(path);
  const isUnfinished = [0, LMDB_PAGE_BYTES].every((at) => at >= size || isFreshMeta(bytes.subarray(at, at + SECTOR_BYTES)));
  if (isUnfinished) rmSync(path);
}

/** Makes the file and its lock for the owner alone, durably: LMDB would make them readable for all. Whether LMDB has not been there yet. */
function makePrivate(path: string): boolean {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) return false;
  try {
    for (const file of [`${path}-lock`, path]) closeSync(openSync(file, "a", 0o600));
    syncNow(dirname(path));
    return true;
  } catch (cause) {
    throw new RainbowError("IO", `the event store ${path} cannot be made: ${messageOf(cause)}`, { path, operation: "create" }, cause);
  }
}

function syncNow(path: string): void {
  const fd = openSync(path, "r");
  fsyncSync(fd);
  closeSync(fd);
}

/** LMDB reports a full disk as "Input/output error"; the filesystem knows. */
function isFull(path: string, neededBytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize < FREE_BYTES_MIN + 2 * neededBytes;
  } catch {
    return false;
  }
}

function diskFull(path: string, cause: unknown): RainbowError {
  return new RainbowError("DISK_FULL", `no space is left for the event store ${path}: free some and try again`, { path }, cause);
}

/** lmdb-js tells the reason by a second promise, which would end the process if nobody listened. */
async function silence(error: unknown): Promise<void> {
  const reason = (error as { readonly commitError?: Promise<unknown> }).commitError;
  await Promise.race([reason?.catch(() => undefined), new Promise((resolve) => setImmediate(resolve))]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
