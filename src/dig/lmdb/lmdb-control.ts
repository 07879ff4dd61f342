/** ControlFile on the lmdb package. A failed transaction is rolled back as a whole: it runs as a child transaction. */
import { closeSync, existsSync, fstatSync, fsyncSync, openSync, readSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { open } from "lmdb";
import type { RootDatabase } from "lmdb";
import { GiveBack, oldestReaderOf, RainbowError, scanLmdbPages } from "../../core/index.ts";
import type { Disk, PageProblem, PageSource } from "../../core/index.ts";
import type { ControlEntry, ControlFile, ControlWrite, OpenControl } from "../control-file.ts";

/** LMDB says "Input/output error" on a full disk, and a transaction may want more than the last few pages. */
const FULL_BYTES = 1 << 20;
const STAT_BLOCK_BYTES = 512; // stat(2) counts in these, whatever the filesystem's blocks are.

/**
 * Opens `path`; mode 0600 comes from the process's umask (077), which LMDB's own 0644 is cut down by. A new file is durable when this
 * resolves: LMDB would leave its first pages to the first commit, and a power cut before it would tear them.
 */
export const openLmdbControl: OpenControl = (options) => openControl(options, undefined);

/** The same, with a disk that punches holes: the file gives back what it does not use. `holePagesMin`: shorter runs of free pages stay. */
export const lmdbControlOn =
  (disk: Disk, holePagesMin?: number): OpenControl =>
  (options) =>
    openControl(options, { disk, steps: new GiveBack(holePagesMin) });

interface Giving {
  readonly disk: Disk;
  readonly steps: GiveBack;
}

function openControl({ path, create, readOnly }: Parameters<OpenControl>[0], giving: Giving | undefined): Promise<ControlFile> {
  const isNew = !existsSync(path);
  if (!create && isNew) return Promise.reject(new RainbowError("NO_STORE", `${path} is missing: run \`rainbow repair\``, { path }));
  const refusal = existsSync(path) ? refusalOf(path, create) : undefined;
  if (refusal !== undefined) return Promise.reject(refusal);
  const database = open<Buffer, Buffer>({
    path,
    noSubdir: true,
    readOnly,
    encoding: "binary",
    keyEncoding: "binary",
    overlappingSync: false,
    cache: false,
    maxReaders: 64,
  });
  if (isNew) for (const place of [path, dirname(path)]) syncNow(place);
  return Promise.resolve(new LmdbControl(path, database, readOnly ? undefined : giving));
}

function syncNow(path: string): void {
  const fd = openSync(path, "r");
  fsyncSync(fd);
  closeSync(fd);
}

/** What is wrong with the pages of a file that holds one map of bytes. Throws only where it cannot be read. */
export function scanPages(path: string): readonly PageProblem[] {
  const fd = openSync(path, "r");
  try {
    const source: PageSource = {
      read: (into, offsetBytes) => readSync(fd, into, 0, into.length, offsetBytes),
      get sizeBytes() {
        return fstatSync(fd).size;
      },
    };
    return scanLmdbPages(source, "rows").problems;
  } finally {
    closeSync(fd);
  }
}

/** LMDB trusts what it maps: a damaged file is refused before. An empty one was never finished, or lost all it had. */
function refusalOf(path: string, create: boolean): RainbowError | undefined {
  if (statSync(path).size === 0)
    return create ? undefined : new RainbowError("STORE_CORRUPT", `the control file ${path} is empty: run \`rainbow repair\``, { path });
  const [first] = scanPages(path);
  if (first === undefined) return undefined;
  return new RainbowError("STORE_CORRUPT", `the control file ${path} is damaged (page ${first.page}: ${first.what}): run \`rainbow repair\``, {
    path,
    ...first,
  });
}

class LmdbControl implements ControlFile {
  private readonly path: string;
  private readonly database: RootDatabase<Buffer, Buffer>;
  private readonly giving: Giving | undefined;

  constructor(path: string, database: RootDatabase<Buffer, Buffer>, giving: Giving | undefined) {
    this.path = path;
    this.database = database;
    this.giving = giving;
  }

  get(key: Buffer): Buffer | undefined {
    return this.attempt(() => this.database.get(key));
  }

  range(from: Buffer, to: Buffer, options: { readonly limit: number; readonly reverse?: boolean }): ControlEntry[] {
    return this.attempt(() => {
      const found: ControlEntry[] = [];
      // Backwards, LMDB's range begins at `start` itself and ends before `end`; both borders are put right here.
      const query =
        options.reverse === true
          ? { start: to, end: Buffer.alloc(0), reverse: true, limit: options.limit + 1 }
          : { start: from, end: to, limit: options.limit };
      for (const { key, value } of this.database.getRange(query)) {
        if (options.reverse === true && (key.compare(to) >= 0 || key.compare(from) < 0)) continue;
        if (found.length < options.limit) found.push({ key: Buffer.from(key), value: Buffer.from(value) });
      }
      return found;
    });
  }

  async commit(writes: readonly ControlWrite[]): Promise<void> {
    try {
      await this.database.childTransaction(() => {
        for (const { key, value } of writes) {
          if (value === undefined) this.database.removeSync(key);
          else this.database.putSync(key, value);
        }
      });
    } catch (error) {
      throw this.failure(error);
    }
    this.database.resetReadTxn();
  }

  problems(): string[] {
    return scanPages(this.path).map(({ page, what }) => `page ${page}: ${what}`);
  }

  sizeBytes(): number {
    return statSync(this.path).blocks * STAT_BLOCK_BYTES;
  }

  giveBackStep(): boolean {
    if (this.giving === undefined) return true;
    this.database.resetReadTxn();
    const oldestReader = oldestReaderOf(this.database.readerList());
    if (oldestReader === undefined) return true;
    const file = this.giving.disk.open(this.path, { create: false });
    try {
      return this.giving.steps.step(file, oldestReader);
    } finally {
      file.close();
    }
  }

  async close(): Promise<void> {
    await this.database.close();
  }

  private attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.failure(error);
    }
  }

  private failure(error: unknown): RainbowError {
    const message = error instanceof Error ? error.message : String(error);
    const { bavail, bsize } = statfsSync(this.path);
    if (bavail * bsize < FULL_BYTES) return new RainbowError("DISK_FULL", `no space is left for ${this.path}`, { path: this.path }, error);
    return new RainbowError("IO", `the control file ${this.path} refused an operation: ${message}`, { path: this.path }, error);
  }
}
