/**
 * The memory of a mirror in rows of a small ordered file beside its trees. A commit is atomic and durable; everything here may be lost
 * (memory.ts says what that costs).
 */
import { RainbowError } from "../../core/index.ts";
import type { ByteString, ObjectPlace, TimeUs } from "../../core/index.ts";
import type { ControlEntry, ControlFile, ControlWrite } from "../../dig/index.ts";
import type { FileEntry, FileList } from "./file-list.ts";
import type { MirrorFact } from "./facts.ts";
import type { Claim, ClaimedFile, Claims, Deletions, Intents, LateAttributes, LateFile, QueuedDeletion, RememberedSums, Sums, SumsOf } from "./memory.ts";
import {
  alikePrefix,
  decodeClaim,
  decodeDeletion,
  decodeIntents,
  decodeLate,
  decodeSums,
  dueEnd,
  dueKey,
  encodeClaim,
  encodeDeletion,
  encodeIntents,
  encodeLate,
  encodeSums,
  intentsKey,
  KEY_PATH_BYTES_MAX,
  markOfIntents,
  MEMORY_VERSION,
  pathKey,
  pathPart,
  ROW,
  stampOfSums,
} from "./rows.ts";
import type { Stamp, SumsRow } from "./rows.ts";

const PAGE_ROWS = 1000;
const COMMIT_ROWS_MAX = 4000; // A longer transaction would hold the file's lock for long.
const ALIKE_MAX = 8; // Files of one size, time and name; a ninth is found by nobody.
const PENDING_BYTES_MAX = 4 << 20; // Sums that wait for their commit.
const SUMS_BYTES_MAX = 64 << 20; // Of one file: those of some 400 GiB in blocks of 128 KiB. A larger one is fetched whole.

/** Checks the file's version, and sets it in a new one. */
export async function openMirrorMemory(file: ControlFile): Promise<MirrorMemory> {
  const key = Buffer.from([ROW.format]);
  const version = file.get(key)?.[0];
  if (version !== undefined && version > MEMORY_VERSION)
    throw new RainbowError("NEWER_FORMAT", `what the mirror remembers (version ${version}) was written by a newer Rainbow`, { version });
  if (version === undefined) await file.commit([{ key, value: Buffer.from([MEMORY_VERSION]) }]);
  return new MirrorMemory(file);
}

export class MirrorMemory {
  readonly deletions: RowDeletions;
  readonly sums: RowSums;
  readonly lateAttributes: RowLateAttributes;
  readonly intents: RowIntents;
  readonly lateDigests: RowLateAttributes;
  readonly claims: RowClaims;
  private readonly file: ControlFile;

  constructor(file: ControlFile) {
    this.file = file;
    this.deletions = new RowDeletions(file);
    this.sums = new RowSums(file);
    this.lateAttributes = new RowLateAttributes(file, ROW.late);
    this.lateDigests = new RowLateAttributes(file, ROW.lateDigest);
    this.claims = new RowClaims(file);
    this.intents = new RowIntents(file);
  }

  async close(): Promise<void> {
    await this.sums.flush();
    await this.file.close();
  }
}

/** In transactions of bounded length; `together` rows always go into the same one. */
async function commitAll(file: ControlFile, writes: readonly ControlWrite[], together: number): Promise<void> {
  const step = COMMIT_ROWS_MAX - (COMMIT_ROWS_MAX % together);
  for (let i = 0; i < writes.length; i += step) await file.commit(writes.slice(i, i + step));
}

/** Changes one after the other: each looks at what is there, and a commit that is under way does not show yet. */
class Rows {
  protected readonly file: ControlFile;
  private last: Promise<void> = Promise.resolve();

  constructor(file: ControlFile) {
    this.file = file;
  }

  protected inTurn(action: () => Promise<void>): Promise<void> {
    const run = this.last.then(action);
    this.last = run.catch(() => undefined);
    return run;
  }
}

class RowDeletions extends Rows implements Deletions {
  private queuedCount: number;

  constructor(file: ControlFile) {
    super(file);
    this.queuedCount = countRows(file, ROW.deletion);
  }

  get count(): number {
    return this.queuedCount;
  }

  add(paths: readonly ByteString[], dueUs: TimeUs): Promise<void> {
    return this.inTurn(async () => {
      const fresh = [...new Set(paths)].filter((path) => this.file.get(pathKey(ROW.deletion, path)) === undefined);
      const value = (path: ByteString): Buffer => encodeDeletion(path, dueUs);
      const writes = fresh.flatMap((path) => [
        { key: pathKey(ROW.deletion, path), value: value(path) },
        { key: dueKey(dueUs, path), value: value(path) },
      ]);
      await commitAll(this.file, writes, 2);
      this.queuedCount += fresh.length;
    });
  }

  queued(paths: readonly ByteString[]): ByteString[] {
    if (this.queuedCount === 0) return [];
    return paths.filter((path) => this.file.get(pathKey(ROW.deletion, path)) !== undefined);
  }

  due(nowUs: TimeUs, countMax: number): QueuedDeletion[] {
    return this.file.range(Buffer.from([ROW.dueDeletion]), dueEnd(nowUs), { limit: countMax }).map(({ value }) => decodeDeletion(value));
  }

  done(paths: readonly ByteString[]): Promise<void> {
    return this.inTurn(async () => {
      const there = [...new Set(paths)].flatMap((path) => {
        const value = this.file.get(pathKey(ROW.deletion, path));
        return value === undefined ? [] : [decodeDeletion(value)];
      });
      const writes = there.flatMap(({ path, dueUs }) => [
        { key: pathKey(ROW.deletion, path), value: undefined },
        { key: dueKey(dueUs, path), value: undefined },
      ]);
      await commitAll(this.file, writes, 2);
      this.queuedCount -= there.length;
    });
  }
}

function countRows(file: ControlFile, prefix: number): number {
  let count = 0;
  for (const _ of rowsOf(file, Buffer.from([prefix]), Buffer.from([prefix + 1]))) count += 1;
  return count;
}

class RowSums extends Rows implements Sums {
  /** Not yet durable, by path. */
  private readonly pending = new Map<ByteString, SumsRow>();
  private pendingBytes = 0;

  remember(path: ByteString, { sizeBytes, mtimeSeconds, mtimeNanos }: Stamp, sums: RememberedSums): void {
    if (sums.sums.length > SUMS_BYTES_MAX) return;
    this.pending.set(path, { path, stamp: { sizeBytes, mtimeSeconds, mtimeNanos }, sums });
    this.pendingBytes += sums.sums.length;
    if (this.pendingBytes > PENDING_BYTES_MAX) void this.flush().catch(() => undefined); // The next flush that somebody waits for says so too.
  }

  of({ path, sizeBytes }: Pick<FileEntry, "path" | "sizeBytes">): RememberedSums | undefined {
    const row = this.pending.get(path) ?? this.stored(path);
    return row?.stamp.sizeBytes === sizeBytes ? row.sums : undefined;
  }

  alike(list: Pick<FileList, "entry">, file: Stamp & { readonly path: ByteString }): SumsOf | undefined {
    for (const path of this.pathsAlike(file)) {
      const entry = list.entry(path);
      if (entry?.kind !== "file" || entry.mtimeSeconds !== file.mtimeSeconds || entry.mtimeNanos !== file.mtimeNanos) continue;
      const sums = entry.sizeBytes === file.sizeBytes ? this.of(entry) : undefined;
      if (sums !== undefined) return { entry, sums };
    }
    return undefined;
  }

  async forget(paths: readonly ByteString[]): Promise<void> {
    if (paths.some((path) => this.isKnown(path))) await this.inTurn(() => this.forgetNow(paths));
  }

  /** Of all paths below these directories. */
  async forgetBelow(directories: readonly ByteString[]): Promise<void> {
    if (directories.length === 0) return;
    await this.inTurn(async () => {
      await this.writePending();
      const paths = directories.flatMap((directory) => pathsBelow(this.file, ROW.sums, directory, (value) => stampOfSums(value).path));
      await this.forgetNow(paths);
    });
  }

  private isKnown(path: ByteString): boolean {
    return this.pending.has(path) || this.file.get(pathKey(ROW.sums, path)) !== undefined;
  }

  flush(): Promise<void> {
    return this.inTurn(() => this.writePending());
  }

  private async forgetNow(paths: readonly ByteString[]): Promise<void> {
    for (const path of paths) this.pending.delete(path);
    const writes = paths.flatMap((path) => this.removal(path));
    if (writes.length > 0) await commitAll(this.file, writes, 2);
  }

  private async writePending(): Promise<void> {
    const rows = [...this.pending.values()];
    if (rows.length === 0) return;
    const writes = rows.flatMap((row) => [
      ...this.removal(row.path),
      { key: pathKey(ROW.sums, row.path), value: encodeSums(row) },
      { key: alikeKey(row), value: encodeDeletion(row.path, 0 as TimeUs) },
    ]);
    await this.file.commit(writes);
    for (const row of rows) if (this.pending.get(row.path) === row) this.pending.delete(row.path);
    this.pendingBytes = [...this.pending.values()].reduce((sum, row) => sum + row.sums.sums.length, 0);
  }

  private removal(path: ByteString): ControlWrite[] {
    const key = pathKey(ROW.sums, path);
    const value = this.file.get(key);
    if (value === undefined) return [];
    return [
      { key, value: undefined },
      { key: alikeKey(stampOfSums(value)), value: undefined },
    ];
  }

  private stored(path: ByteString): SumsRow | undefined {
    const value = this.file.get(pathKey(ROW.sums, path));
    return value === undefined ? undefined : decodeSums(value);
  }

  private pathsAlike(file: Stamp & { readonly path: ByteString }): ByteString[] {
    const prefix = alikePrefix(file.path, file);
    const name = nameOf(file.path);
    const waiting = [...this.pending.values()].filter(({ path, stamp }) => stamp.sizeBytes === file.sizeBytes && path.endsWith(name)).map(({ path }) => path);
    const end = Buffer.concat([prefix, Buffer.alloc(KEY_PATH_BYTES_MAX + 1, 255)]);
    return [
      ...waiting.filter((path) => nameOf(path) === name),
      ...this.file.range(prefix, end, { limit: ALIKE_MAX }).map(({ value }) => decodeDeletion(value).path),
    ];
  }
}

function nameOf(path: ByteString): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The paths below a directory that have such a row. */
function pathsBelow(file: ControlFile, prefix: number, directory: ByteString, pathOf: (value: Buffer) => ByteString): ByteString[] {
  const head = `${directory}/`;
  const [from, end] = [
    pathKey(prefix, head.slice(0, KEY_PATH_BYTES_MAX) as ByteString),
    pathKey(prefix, `${directory}0`.slice(0, KEY_PATH_BYTES_MAX) as ByteString),
  ];
  const paths: ByteString[] = [];
  for (const { value } of rowsOf(file, from, end)) {
    const path = pathOf(value);
    if (path.startsWith(head)) paths.push(path);
  }
  return paths;
}

/** In pages: no view of the file stays open. */
function* rowsOf(file: ControlFile, from: Buffer, end: Buffer, pageRows = PAGE_ROWS): IterableIterator<ControlEntry> {
  for (let next = from; ;) {
    const page = file.range(next, end, { limit: pageRows });
    yield* page;
    if (page.length < pageRows) return;
    next = Buffer.concat([page.at(-1)!.key, Buffer.from([0])]);
  }
}

function alikeKey({ path, stamp }: Pick<SumsRow, "path" | "stamp">): Buffer {
  return Buffer.concat([alikePrefix(path, stamp), pathPart(path)]);
}

/** From behind that path on, in the order of paths. */
function rowsAfter(file: ControlFile, prefix: number, after: ByteString, countMax: number): ControlEntry[] {
  const from = after === "" ? Buffer.from([prefix]) : Buffer.concat([pathKey(prefix, after), Buffer.from([0])]);
  return file.range(from, Buffer.from([prefix + 1]), { limit: countMax });
}

class RowClaims extends Rows implements Claims {
  private rowCount: number;

  constructor(file: ControlFile) {
    super(file);
    this.rowCount = countRows(file, ROW.claim);
  }

  get count(): number {
    return this.rowCount;
  }

  note(files: readonly ClaimedFile[]): Promise<void> {
    return this.inTurn(async () => {
      const rows = new Map(files.map((file) => [file.path, file]));
      const freshCount = [...rows.keys()].filter((path) => this.stored(path) === undefined).length;
      const writes = [...rows.values()].map((file) => ({ key: pathKey(ROW.claim, file.path), value: encodeClaim(file) }));
      this.rowCount += freshCount; // Counted whether the commit fails or not: zero means that there are none.
      await commitAll(this.file, writes, 1);
    });
  }

  of({ path, place }: Pick<FileEntry, "path" | "place">): Claim | undefined {
    const row = this.rowCount === 0 ? undefined : this.stored(path);
    return row !== undefined && isSamePlace(row.place, place) ? row.claim : undefined;
  }

  some(after: ByteString, countMax: number): ClaimedFile[] {
    return rowsAfter(this.file, ROW.claim, after, countMax).map(({ value }) => decodeClaim(value));
  }

  async done(files: readonly ClaimedFile[]): Promise<void> {
    const places = new Map(files.map(({ path, place }) => [path, place]));
    await this.remove([...places.keys()], ({ path, place }) => isSamePlace(place, places.get(path)));
  }

  /** These facts are recorded, and nothing is left below these directories: claims that are of no object, or of one with a digest, go. */
  async clear(facts: readonly MirrorFact[], emptied: readonly ByteString[]): Promise<void> {
    if (this.rowCount === 0) return;
    const places = new Map<ByteString, ObjectPlace | undefined>();
    for (const directory of emptied)
      for (const path of pathsBelow(this.file, ROW.claim, directory, (value) => decodeClaim(value).path)) places.set(path, undefined);
    for (const fact of facts) if ("path" in fact && fact.type !== "AttributesSet") places.set(fact.path, isUnproven(fact) ? fact.place : undefined);
    await this.remove([...places.keys()], ({ path, place }) => !isSamePlace(place, places.get(path)));
  }

  private remove(paths: readonly ByteString[], goes: (row: ClaimedFile) => boolean): Promise<void> {
    return this.inTurn(async () => {
      const gone = paths.flatMap((path) => this.stored(path) ?? []).filter(goes);
      await commitAll(
        this.file,
        gone.map(({ path }) => ({ key: pathKey(ROW.claim, path), value: undefined })),
        1,
      );
      this.rowCount -= gone.length;
    });
  }

  private stored(path: ByteString): ClaimedFile | undefined {
    const value = this.file.get(pathKey(ROW.claim, path));
    return value === undefined ? undefined : decodeClaim(value);
  }
}

function isUnproven(fact: MirrorFact): fact is MirrorFact & { readonly type: "FileArrived" } {
  return fact.type === "FileArrived" && fact.digest === undefined;
}

function isSamePlace(a: ObjectPlace, b: ObjectPlace | undefined): boolean {
  return b !== undefined && a.etag === b.etag && a.version === b.version;
}

class RowLateAttributes extends Rows implements LateAttributes {
  private readonly prefix: typeof ROW.late | typeof ROW.lateDigest;
  private nextMark: number;
  private rowCount: number;

  constructor(file: ControlFile, prefix: typeof ROW.late | typeof ROW.lateDigest) {
    super(file);
    this.prefix = prefix;
    this.rowCount = countRows(file, prefix);
    this.nextMark = this.rowCount === 0 ? 1 : 1 + highestMark(file, prefix);
  }

  some(after: ByteString, countMax: number): LateFile[] {
    return rowsAfter(this.file, this.prefix, after, countMax).map(({ value }) => decodeLate(value));
  }

  has(path: ByteString): boolean {
    return this.rowCount > 0 && this.file.get(pathKey(this.prefix, path)) !== undefined;
  }

  /** For facts that are decided now: those of later ones are higher. */
  takeMark(): number {
    return this.nextMark++;
  }

  /** To be called before the fact is recorded: a row too many costs a write, one too few would be forgotten. */
  async add(paths: readonly ByteString[], mark: number): Promise<void> {
    if (paths.length === 0) return;
    this.rowCount += paths.length; // An upper bound: zero means that there are none.
    const writes = paths.map((path) => ({ key: pathKey(this.prefix, path), value: encodeLate(path, mark) }));
    await this.inTurn(() => commitAll(this.file, writes, 1));
  }

  /** The objects of these paths are new, or went: what was said of them before `mark` is of no interest any more. */
  async clear({ replaced, emptied }: { readonly replaced: readonly ByteString[]; readonly emptied: readonly ByteString[] }, mark: number): Promise<void> {
    if (this.rowCount === 0 || replaced.length + emptied.length === 0) return;
    const below = emptied.flatMap((directory) => pathsBelow(this.file, this.prefix, directory, (value) => decodeLate(value).path));
    await this.remove([...replaced, ...below], (each) => each < mark);
  }

  async done(files: readonly LateFile[]): Promise<void> {
    const marks = new Map(files.map(({ path, mark }) => [path, mark]));
    await this.remove([...marks.keys()], (mark, path) => marks.get(path) === mark);
  }

  private remove(paths: readonly ByteString[], goes: (mark: number, path: ByteString) => boolean): Promise<void> {
    return this.inTurn(() => this.removeNow(paths, goes));
  }

  private async removeNow(paths: readonly ByteString[], goes: (mark: number, path: ByteString) => boolean): Promise<void> {
    const writes = paths.flatMap((path) => {
      const key = pathKey(this.prefix, path);
      const value = this.file.get(key);
      return value !== undefined && goes(decodeLate(value).mark, path) ? [{ key, value: undefined }] : [];
    });
    if (writes.length === 0) return;
    const before = this.rowCount;
    await commitAll(this.file, writes, 1);
    if (before === this.rowCount && rowsAfter(this.file, this.prefix, "" as ByteString, 1).length === 0) this.rowCount = 0;
  }
}

function highestMark(file: ControlFile, prefix: number): number {
  let highest = 0;
  for (const { value } of rowsOf(file, Buffer.from([prefix]), Buffer.from([prefix + 1]))) highest = Math.max(highest, decodeLate(value).mark);
  return highest;
}

const INTENTS = Buffer.from([ROW.intents]);
const INTENTS_END = Buffer.from([ROW.intents + 1]);
const INTENT_ROWS_AT_ONCE = 32; // Each has up to a thousand keys.

class RowIntents extends Rows implements Intents {
  private nextMark: number;
  private rowCount: number;
  /** Of rows that may go. */
  private marksOver: number[] = [];

  constructor(file: ControlFile) {
    super(file);
    const [last] = file.range(INTENTS, INTENTS_END, { limit: 1, reverse: true });
    this.nextMark = last === undefined ? 1 : 1 + markOfIntents(last.key);
    this.rowCount = last === undefined ? 0 : countRows(file, ROW.intents);
  }

  get isEmpty(): boolean {
    return this.rowCount === 0;
  }

  async note(groups: readonly (readonly ByteString[])[]): Promise<number[]> {
    const marks = groups.map(() => this.nextMark++);
    await this.inTurn(async () => {
      const gone = this.marksOver.splice(0);
      const writes = groups.map((keys, i) => ({ key: intentsKey(marks[i]!), value: encodeIntents(keys) }));
      this.rowCount += groups.length; // Counted whether the commit fails or not: zero means that there are none.
      await this.file.commit([...gone.map((mark) => ({ key: intentsKey(mark), value: undefined })), ...writes]);
      this.rowCount -= gone.length;
    });
    return marks;
  }

  over(marks: readonly number[]): void {
    this.marksOver.push(...marks);
  }

  *keys(): IterableIterator<ByteString> {
    for (const { value } of rowsOf(this.file, INTENTS, INTENTS_END, INTENT_ROWS_AT_ONCE)) yield* decodeIntents(value);
  }

  clear(): Promise<void> {
    return this.inTurn(async () => {
      for (let page = this.marks(); page.length > 0; page = this.marks()) await commitAll(this.file, page, 1);
      this.marksOver = [];
      this.rowCount = 0;
    });
  }

  private marks(): ControlWrite[] {
    return this.file.range(INTENTS, INTENTS_END, { limit: INTENT_ROWS_AT_ONCE }).map(({ key }) => ({ key, value: undefined }));
  }
}
