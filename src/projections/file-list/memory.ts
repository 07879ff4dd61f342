/**
 * What a mirror remembers beside its facts. All of it may be lost: deletions are found again by the next sync, files without sums are
 * fetched whole, files without claims stay unproven, and a check finds attributes that are older in the store, and what a process that
 * was killed left there.
 */
import type { ByteString, ObjectPlace, TimeUs } from "../../core/index.ts";
import type { FileEntry, FileList } from "./file-list.ts";

export interface QueuedDeletion {
  readonly path: ByteString;
  readonly dueUs: TimeUs;
}

/** Names that are gone upstream and not yet here. Durable when a call resolves. Worked off in the order: object, fact, `done`. */
export interface Deletions {
  /** How many are queued. */
  readonly count: number;
  /** One that is queued already keeps its time. */
  add(paths: readonly ByteString[], dueUs: TimeUs): Promise<void>;
  /** Of these paths those that are queued. */
  queued(paths: readonly ByteString[]): ByteString[];
  /** Those whose time has come, the earliest first; of one time, what lies deeper first, so that directories go after their content. */
  due(nowUs: TimeUs, countMax: number): QueuedDeletion[];
  /** They are carried out, or are there again upstream. Paths that are not queued are passed over. */
  done(paths: readonly ByteString[]): Promise<void>;
}

/** Block sums of a stored file, for a session with this digest and seed. Strong sums that were made for a seed are good for no other. */
export interface RememberedSums {
  /** As rsync names it. */
  readonly digest: string;
  readonly seed: number;
  readonly blockBytes: number;
  /** Of the last block, where it is shorter; else 0. */
  readonly remainderBytes: number;
  readonly strongBytes: number;
  readonly blockCount: number;
  /** For each block the weak sum (u32, little-endian) and the strong one. */
  readonly sums: Buffer;
  /** Where each block begins in the file, ascending; undefined where they lie side by side from 0 on. */
  readonly offsets: readonly number[] | undefined;
}

/** A stored file and its sums. */
export interface SumsOf {
  readonly entry: FileEntry;
  readonly sums: RememberedSums;
}

/**
 * Sums speak for what lies in the store now. So they must go before the object changes: call `forget`, then replace the object, then
 * record the fact (which forgets once more), then `remember`. A crash in between leaves a file without sums, never with wrong ones.
 */
export interface Sums {
  /** Durable with the next `flush`; a crash before it forgets them. Only of files that are recorded. */
  remember(path: ByteString, file: Pick<FileEntry, "sizeBytes" | "mtimeSeconds" | "mtimeNanos">, sums: RememberedSums): void;
  /** undefined where there are none. */
  of(entry: Pick<FileEntry, "path" | "sizeBytes">): RememberedSums | undefined;
  /** A file of `list` with remembered sums that has this size, time and last part of its path, whatever its folder. */
  alike(list: Pick<FileList, "entry">, file: Pick<FileEntry, "path" | "sizeBytes" | "mtimeSeconds" | "mtimeNanos">): SumsOf | undefined;
  /** Durable when it resolves. */
  forget(paths: readonly ByteString[]): Promise<void>;
  flush(): Promise<void>;
}

/** A path whose object still carries older attributes than the list. */
export interface LateFile {
  readonly path: ByteString;
  /** Of the fact that set them: another one with the next. */
  readonly mark: number;
}

/** What has an object that does not yet have all that the list has of it: attributes that were recorded after it was stored, or a digest. */
export interface LateAttributes {
  /** Some of them, in the order of their paths, from behind `after` on ("": from the first on). */
  some(after: ByteString, countMax: number): LateFile[];
  /** Whether the object of a path is one of them. */
  has(path: ByteString): boolean;
  /** Their attributes were written, or they are gone; a path of which others were recorded since stays. */
  done(files: readonly LateFile[]): Promise<void>;
}

/**
 * What a sync is about to make or to take away in the store, noted before it does so: the process may be killed between that and its
 * fact, and then it is known where the store may be another than the list. Keys are those of listings: a directory's ends in a slash.
 */
export interface Intents {
  /** Nothing is noted. */
  readonly isEmpty: boolean;
  /** Durable when it resolves, all groups or none; returns a mark for each. */
  note(groups: readonly (readonly ByteString[])[]): Promise<number[]>;
  /** The facts of these groups are recorded. That is written with the next `note` or `clear`: until then a crash finds them noted still. */
  over(marks: readonly number[]): void;
  /** Of all groups; a key may come more than once. */
  keys(): Iterable<ByteString>;
  /** Durable when it resolves: store and list are the same, whatever was noted. */
  clear(): Promise<void>;
}

/** What a server said that a file's digest is. */
export interface Claim {
  /** As rsync names it. */
  readonly digest: string;
  /** Of the session: some digests need it. */
  readonly seed: number;
  readonly bytes: Buffer;
}

export interface ClaimedFile {
  readonly path: ByteString;
  readonly place: ObjectPlace;
  readonly claim: Claim;
}

/**
 * Files that are made of what the store had, and were not read here: what is known of their whole content is a claim. It speaks for the
 * object of one place and for no other. So it is noted before the fact of that object is recorded; it goes when the list has another
 * object of that path, or none.
 */
export interface Claims {
  readonly count: number;
  /** Durable when it resolves. */
  note(files: readonly ClaimedFile[]): Promise<void>;
  /** undefined where there is none of the entry's object. */
  of(entry: Pick<FileEntry, "path" | "place">): Claim | undefined;
  /** Some of them, in the order of their paths, from behind `after` on ("": from the first on). */
  some(after: ByteString, countMax: number): ClaimedFile[];
  /** They are proven, or nothing is left to prove; a path that has a claim of another object since keeps it. */
  done(files: readonly ClaimedFile[]): Promise<void>;
}
