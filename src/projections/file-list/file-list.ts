/** The file list of a mirror at one moment, and the way to what comes after it. */
import type { ByteString, ContentDigest, NodeId, NodeKind, Revision, ObjectPlace } from "../../core/index.ts";
import type { MirrorFact } from "./facts.ts";
import type { Claims, Deletions, Intents, LateAttributes, Sums } from "./memory.ts";

export interface FileEntry {
  readonly node: NodeId;
  /** Relative to the mirror's root, which is ".". */
  readonly path: ByteString;
  readonly kind: NodeKind;
  readonly mode: number;
  /** Of files; of others 0. */
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  /** Target of a symlink, else "". */
  readonly linkTarget: ByteString;
  /** Device number (major × 2^20 + minor), else 0. */
  readonly rdev: number;
  readonly digest: ContentDigest | undefined;
  readonly place: ObjectPlace | undefined;
}

/** What the mirror has at one revision. Immutable, to be closed: it may be read while facts are recorded. Memory does not grow with it. */
export interface FileList {
  readonly revision: Revision;
  entry(path: ByteString): FileEntry | undefined;
  /** Lazily, in byte order of names; nothing where the path is no directory of the list. Safe to stop early and to wait between steps. */
  children(path: ByteString): IterableIterator<FileEntry>;
  close(): void;
}

/** All that a sync needs of one mirror. */
export interface MirrorFiles {
  /** Everything that was recorded durably before the call. */
  list(): Promise<FileList>;
  /**
   * Durable when it resolves with the revision of the last fact; calls may overlap and are taken in order. Up to 10,000 facts are one
   * batch: all or nothing. Directories that are missing on the way to a path are made. A withdrawal or attributes of a path that is not
   * there say nothing and are left out. After an error nothing more is taken: the mirror is opened anew.
   */
  record(facts: readonly MirrorFact[]): Promise<Revision>;
  readonly deletions: Deletions;
  readonly sums: Sums;
  readonly lateAttributes: LateAttributes;
  readonly intents: Intents;
  /** Files whose objects do not have their digest. */
  readonly lateDigests: LateAttributes;
  readonly claims: Claims;
}
