/** The file list of a mirror, plainly: a map of paths, copied for each list. What tests of the sync engine run on. */
import { RainbowError } from "../../src/core/index.ts";
import type { ByteString, NodeId, ObjectPlace, Revision, TimeUs } from "../../src/core/index.ts";
import type {
  AttributesFact,
  Claim,
  ClaimedFile,
  Claims,
  Deletions,
  FileEntry,
  FileList,
  Intents,
  LateAttributes,
  LateFile,
  MirrorFact,
  MirrorFiles,
  QueuedDeletion,
  RememberedSums,
  Sums,
  SumsOf,
} from "../../src/projections/index.ts";

type Entries = ReadonlyMap<ByteString, FileEntry>;
const ROOT = "." as ByteString;

const parentOf = (path: ByteString): ByteString => {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? ROOT : (path.slice(0, slash) as ByteString);
};
const nameOf = (path: ByteString): ByteString => path.slice(path.lastIndexOf("/") + 1) as ByteString;
const depthOf = (path: ByteString): number => path.split("/").length;
const isBelow = (path: ByteString, directory: ByteString): boolean => path !== ROOT && (directory === ROOT || path.startsWith(`${directory}/`));

export class MemoryMirrorFiles implements MirrorFiles {
  /** Everything that was recorded, in order. */
  readonly facts: MirrorFact[] = [];
  /** So many calls of `record` fail from here on. */
  failures = 0;
  /** Called before anything is recorded: may throw. */
  onRecord: () => void = () => undefined;
  readonly deletions = new MemoryDeletions();
  readonly sums = new MemorySums();
  readonly lateAttributes = new MemoryLateAttributes();
  readonly intents = new MemoryIntents();
  readonly lateDigests = new MemoryLateAttributes();
  readonly claims = new MemoryClaims();
  private readonly entries = new Map<ByteString, FileEntry>();
  private lastNode = 0;

  list(): Promise<FileList> {
    return Promise.resolve(listOf(new Map(this.entries), (this.facts.length - 1) as Revision));
  }

  async record(facts: readonly MirrorFact[]): Promise<Revision> {
    await new Promise((resolve) => setImmediate(resolve));
    this.onRecord();
    if (this.failures > 0) {
      this.failures -= 1;
      throw new RainbowError("STORE_UNREACHABLE", "the event store is away");
    }
    for (const fact of facts) this.apply(fact);
    return (this.facts.length - 1) as Revision;
  }

  private apply(fact: MirrorFact): void {
    if (fact.type === "AttributesSet") return this.setAttributes(fact);
    if (fact.type === "FileWithdrawn") {
      if (!this.entries.has(fact.path)) return;
      this.facts.push(fact);
      return this.remove(fact.path);
    }
    if (fact.type !== "FileArrived" && fact.type !== "LinkArrived") return void this.facts.push(fact);
    this.makeParents(fact.path);
    this.facts.push(fact);
    const isLink = fact.type === "LinkArrived";
    const kind = isLink ? "symlink" : fact.kind;
    const before = this.entries.get(fact.path);
    if (before !== undefined && before.kind !== kind) this.remove(fact.path);
    const { path, mode, mtimeSeconds, mtimeNanos, place } = fact;
    const common = { node: before?.kind === kind ? before.node : this.newNode(), path, kind, mode, mtimeSeconds, mtimeNanos, place } as const;
    const rest = isLink
      ? { sizeBytes: 0, linkTarget: fact.linkTarget, rdev: 0, digest: undefined }
      : { sizeBytes: kind === "file" ? fact.sizeBytes : 0, linkTarget: "" as ByteString, rdev: fact.rdev, digest: fact.digest };
    this.entries.set(path, { ...common, ...rest });
    if (fact.isSameContent !== true) this.forget(path);
    if (fact.lacksDigest === true) this.lateDigests.set(path);
    this.claims.keep(path, fact.type === "FileArrived" && fact.digest === undefined ? place : undefined);
  }

  /** What was remembered of its content. */
  private forget(path: ByteString): void {
    this.sums.byPath.delete(path);
    this.lateAttributes.files.delete(path);
    this.lateDigests.files.delete(path);
  }

  private setAttributes(fact: AttributesFact): void {
    const before = this.entries.get(fact.path);
    if (before === undefined) return;
    this.facts.push(fact);
    const { mode, mtimeSeconds, mtimeNanos } = fact;
    this.entries.set(fact.path, { ...before, mode, mtimeSeconds, mtimeNanos });
    if (before.place !== undefined) this.lateAttributes.set(fact.path);
  }

  private makeParents(path: ByteString): void {
    if (path === ROOT) return;
    const parent = parentOf(path);
    if (this.entries.get(parent)?.kind === "directory") return;
    this.apply({
      type: "FileArrived",
      path: parent,
      kind: "directory",
      mode: 0o755,
      mtimeSeconds: 0,
      mtimeNanos: 0,
      sizeBytes: 0,
      rdev: 0,
      digest: undefined,
      place: undefined,
    });
  }

  private remove(path: ByteString): void {
    for (const each of this.entries.keys()) {
      if (each !== path && !isBelow(each, path)) continue;
      this.entries.delete(each);
      this.forget(each);
      this.claims.keep(each, undefined);
    }
  }

  private newNode(): NodeId {
    return (this.lastNode += 1) as NodeId;
  }
}

function listOf(entries: Entries, revision: Revision): FileList {
  return {
    revision,
    entry: (path) => entries.get(path),
    *children(path) {
      const names = [...entries.keys()].filter((each) => each !== ROOT && parentOf(each) === path);
      for (const each of names.sort()) yield entries.get(each)!;
    },
    close: () => undefined,
  };
}

class MemoryDeletions implements Deletions {
  private readonly times = new Map<ByteString, TimeUs>();

  get count(): number {
    return this.times.size;
  }

  add(paths: readonly ByteString[], dueUs: TimeUs): Promise<void> {
    for (const path of paths) if (!this.times.has(path)) this.times.set(path, dueUs);
    return Promise.resolve();
  }

  queued(paths: readonly ByteString[]): ByteString[] {
    return paths.filter((path) => this.times.has(path));
  }

  due(nowUs: TimeUs, countMax: number): QueuedDeletion[] {
    const all = [...this.times].map(([path, dueUs]) => ({ path, dueUs })).filter(({ dueUs }) => dueUs <= nowUs);
    return all.sort((a, b) => a.dueUs - b.dueUs || depthOf(b.path) - depthOf(a.path)).slice(0, countMax);
  }

  done(paths: readonly ByteString[]): Promise<void> {
    for (const path of paths) this.times.delete(path);
    return Promise.resolve();
  }
}

type Stamp = Pick<FileEntry, "sizeBytes" | "mtimeSeconds" | "mtimeNanos">;
const isSameStamp = (a: Stamp, b: Stamp): boolean => a.sizeBytes === b.sizeBytes && a.mtimeSeconds === b.mtimeSeconds && a.mtimeNanos === b.mtimeNanos;

class MemorySums implements Sums {
  readonly byPath = new Map<ByteString, { readonly stamp: Stamp; readonly sums: RememberedSums }>();

  remember(path: ByteString, stamp: Stamp, sums: RememberedSums): void {
    this.byPath.set(path, { stamp, sums });
  }

  of({ path, sizeBytes }: Pick<FileEntry, "path" | "sizeBytes">): RememberedSums | undefined {
    const found = this.byPath.get(path);
    return found?.stamp.sizeBytes === sizeBytes ? found.sums : undefined;
  }

  alike(list: Pick<FileList, "entry">, file: Stamp & { readonly path: ByteString }): SumsOf | undefined {
    for (const [path, { sums }] of this.byPath) {
      const entry = nameOf(path) === nameOf(file.path) ? list.entry(path) : undefined;
      if (entry?.kind === "file" && isSameStamp(entry, file)) return { entry, sums };
    }
    return undefined;
  }

  forget(paths: readonly ByteString[]): Promise<void> {
    for (const path of paths) this.byPath.delete(path);
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}

class MemoryLateAttributes implements LateAttributes {
  readonly files = new Map<ByteString, number>();
  private marks = 0;

  set(path: ByteString): void {
    this.files.set(path, (this.marks += 1));
  }

  some(after: ByteString, countMax: number): LateFile[] {
    const paths = [...this.files.keys()].filter((path) => path > after).sort();
    return paths.slice(0, countMax).map((path) => ({ path, mark: this.files.get(path)! }));
  }

  has(path: ByteString): boolean {
    return this.files.has(path);
  }

  done(files: readonly LateFile[]): Promise<void> {
    for (const { path, mark } of files) if (this.files.get(path) === mark) this.files.delete(path);
    return Promise.resolve();
  }
}

class MemoryIntents implements Intents {
  private readonly groups = new Map<number, readonly ByteString[]>();
  private lastMark = 0;

  get isEmpty(): boolean {
    return this.groups.size === 0;
  }

  note(groups: readonly (readonly ByteString[])[]): Promise<number[]> {
    return Promise.resolve(
      groups.map((keys) => {
        this.groups.set((this.lastMark += 1), [...keys]);
        return this.lastMark;
      }),
    );
  }

  over(marks: readonly number[]): void {
    for (const mark of marks) this.groups.delete(mark);
  }

  *keys(): IterableIterator<ByteString> {
    for (const keys of this.groups.values()) yield* keys;
  }

  clear(): Promise<void> {
    this.groups.clear();
    return Promise.resolve();
  }
}

class MemoryClaims implements Claims {
  private readonly files = new Map<ByteString, ClaimedFile>();

  get count(): number {
    return this.files.size;
  }

  note(files: readonly ClaimedFile[]): Promise<void> {
    for (const file of files) this.files.set(file.path, file);
    return Promise.resolve();
  }

  of({ path, place }: Pick<FileEntry, "path" | "place">): Claim | undefined {
    const found = this.files.get(path);
    return found !== undefined && isSamePlace(found.place, place) ? found.claim : undefined;
  }

  some(after: ByteString, countMax: number): ClaimedFile[] {
    const paths = [...this.files.keys()].filter((path) => path > after).sort();
    return paths.slice(0, countMax).map((path) => this.files.get(path)!);
  }

  done(files: readonly ClaimedFile[]): Promise<void> {
    for (const { path, place } of files) if (isSamePlace(place, this.files.get(path)?.place)) this.files.delete(path);
    return Promise.resolve();
  }

  /** Only a claim of that object. */
  keep(path: ByteString, place: ObjectPlace | undefined): void {
    const found = this.files.get(path);
    if (found !== undefined && !isSamePlace(found.place, place)) this.files.delete(path);
  }
}

function isSamePlace(a: ObjectPlace, b: ObjectPlace | undefined): boolean {
  return b !== undefined && a.etag === b.etag && a.version === b.version;
}
