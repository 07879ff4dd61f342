/**
 * The ObjectStore port: where a mirror's payload lies. One store is one place (a bucket and a prefix, a directory) and has one
 * writer at a time. Keys are the paths of the mirrored tree, as raw bytes, and every file's key holds a whole object.
 * Nothing becomes visible under its key before all of it is there; what was there before stays readable until then.
 * Errors: OBJECTS_UNREACHABLE (try again later), OBJECTS_REFUSED and TARGET_REFUSED (ask a person), DISK_FULL, IO, LIMIT.
 */
import type { ByteString } from "../core/index.ts";

/** Specials and devices have no object: `rsync -rlpt` leaves them out as well. */
export type ObjectKind = "file" | "directory" | "symlink";

/** The key of the directory that holds all others; only a tree has it, elsewhere it is accepted and stores nothing. */
export const TOP_KEY = "." as ByteString;

/** A digest of the content by the name that the rsync protocol has for it: "xxh128", "md5". */
export interface ObjectDigest {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ObjectMetadata {
  readonly kind: ObjectKind;
  /** Permission bits with set-id and sticky, 12 bits. */
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  /** Of symlinks, and only of them. */
  readonly linkTarget: ByteString | undefined;
  readonly digest: ObjectDigest | undefined;
}

/** Which content a key held: enough to read it again later, or to tell that it is another one now. */
export interface ObjectPlace {
  /** Where the store keeps versions: this one's name, readable as long as the store keeps it. */
  readonly version: string | undefined;
  /** Changes whenever the content does. A directory store has the inode with its birth time, S3 its ETag. */
  readonly etag: string;
}

export interface NewObject {
  readonly key: ByteString;
  readonly metadata: ObjectMetadata;
  /** The content of a file, all of it; empty for other kinds. May be used again once put has resolved. */
  readonly bytes: Uint8Array;
}

export interface StoredObject {
  readonly key: ByteString;
  /** "other": something that no mirror puts there (a FIFO in a directory). "file" may be a symlink where `metadata` is undefined: `head` tells. */
  readonly kind: ObjectKind | "other";
  readonly sizeBytes: number;
  readonly place: ObjectPlace;
  /** Undefined where the store does not tell without being asked for each (S3 in listings), or where others made the object. */
  readonly metadata: ObjectMetadata | undefined;
}

/** A key with its kind: a directory's key is another one in some stores. */
export interface ObjectName {
  readonly key: ByteString;
  readonly kind: ObjectKind;
}

export interface FailedDeletion extends ObjectName {
  readonly error: unknown;
}

export interface ByteRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface ReadOptions {
  /** Only this part; what lies past the end is left out. Default: everything. */
  readonly range?: ByteRange;
  /** That very content, by version where there is one: OBJECT_CHANGED where the store no longer has it. Default: what is there now. */
  readonly place?: ObjectPlace;
}

export interface ListOptions {
  /** Only what lies below this directory (without it). Default: everything. */
  readonly below?: ByteString;
}

/** A file that is being written. Memory is bounded, however big it gets. Calls follow one another: one is awaited before the next. */
export interface Upload {
  /** Names this upload in this store, to resume or to spare it. */
  readonly token: string;
  /** Bytes taken so far; after `resume`, how many of them the store still has. */
  readonly writtenBytes: number;
  /** Appends; `bytes` may be used again once it has resolved (or at once, where nothing is returned), and so may more be written. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** Appends a range of a stored file, by a copy inside the store where that is possible. `source` may be the key that is being replaced. */
  copyFrom(source: ByteString, place: ObjectPlace, range: ByteRange): Promise<void>;
  /**
   * Makes the file visible under its key, with this metadata; replaces what was there. A digest that `begin` did not know may not be
   * kept by the store, which `lacksDigest` tells then.
   */
  complete(metadata: ObjectMetadata): Promise<ObjectPlace>;
  /** Once it is complete: the object is not described by the digest that it was completed with; `setMetadata` does it. */
  readonly lacksDigest: boolean;
  /** Lets go without publishing; the store forgets what was written. */
  abort(): Promise<void>;
  /** Lets go so that `resume` can go on later; how much the store has kept is known then. */
  suspend(): Promise<void>;
}

export interface NewUpload {
  readonly key: ByteString;
  /** As far as it is known; what `complete` says holds, but a store may have to copy the object where mode or time differ from these. */
  readonly metadata: ObjectMetadata;
  /** Size to be expected; an upload may end smaller or bigger, within the limits of the store. */
  readonly sizeBytes: number;
}

export interface ObjectStoreFeatures {
  /** Places carry versions, and old ones stay readable. */
  readonly keepsVersions: boolean;
  /**
   * A tree of real directories: they must exist before their content (put makes missing ones) and be empty before they are deleted or
   * replaced by a file, and their mode and time hold once nothing below changes: `setMetadata` comes after their content.
   */
  readonly isTree: boolean;
}

export interface ObjectStore {
  /** For people: "s3://bucket/prefix", "/srv/mirror". */
  readonly address: string;
  readonly features: ObjectStoreFeatures;
  /** Files up to this size are put whole; bigger ones by `begin`. */
  readonly wholeBytesMax: number;
  /** No bigger file can be stored. */
  readonly fileBytesMax: number;

  /** Stores whole objects, in this order or at once; the places are in the order of `objects`. Directories that are missing on the way are made. */
  put(objects: readonly NewObject[]): Promise<ObjectPlace[]>;
  begin(upload: NewUpload): Promise<Upload>;
  /** Goes on with a suspended (or cut) upload of the same key, as far as `bytesMax`: what it has beyond is given up. undefined where the store no longer has it. */
  resume(token: string, upload: NewUpload, bytesMax?: number): Promise<Upload | undefined>;
  /** Forgets uploads that are neither completed nor in `spared`; returns how many. */
  abortUnfinished(spared: ReadonlySet<string>): Promise<number>;

  head(name: ObjectName): Promise<StoredObject | undefined>;
  /** A file's content, in pieces that are valid until the next one is asked for. OBJECT_CHANGED where it is not there. */
  read(key: ByteString, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** Pages, in byte order of the keys, where a directory's key counts with a slash at its end. What changes meanwhile may be in it or not. */
  list(options?: ListOptions): AsyncIterable<StoredObject[]>;

  /** Another whole object with the content of `from`; OBJECT_CHANGED where that is no longer `place`. */
  copy(from: ByteString, place: ObjectPlace, to: ByteString, metadata: ObjectMetadata): Promise<ObjectPlace>;
  /** Sets mode, time and digest of what is stored; the place may be another one after it. OBJECT_CHANGED where it is not there. */
  setMetadata(key: ByteString, metadata: ObjectMetadata): Promise<ObjectPlace>;
  /** Removes; what is not there is fine. Returns what could not be removed. */
  delete(names: readonly ObjectName[]): Promise<FailedDeletion[]>;

  /** Everything done before the call survives a power cut when it resolves. */
  settle(): Promise<void>;
  close(): Promise<void>;
}
