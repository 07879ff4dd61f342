/** The face of a machine's state at one revision: what was true then. Immutable; closed by its reader. */
import type { Attributes, ByteString, ContentDigest, Extent, GapReason, NodeId, NodeKind, Revision, ObjectPlace, TimeUs } from "../core/index.ts";

export interface NodeName {
  readonly parent: NodeId;
  readonly name: ByteString;
}

/** What is known of a mirrored file beside its attributes. */
export interface MirroredContent {
  readonly digest: ContentDigest | undefined;
  readonly place: ObjectPlace | undefined;
}

export interface NodeRecord {
  readonly node: NodeId;
  readonly kind: NodeKind;
  readonly attributes: Attributes;
  /** Files: the size; symlinks: the target's length; else 0. */
  readonly sizeBytes: number;
  readonly linkTarget: ByteString;
  readonly rdev: number;
  /** Every name it has in the tree (hard links), at least one. */
  readonly names: readonly NodeName[];
  /** The stored version could not be read at rest. */
  readonly unsettled: boolean;
  /** A pass over it is under way: the answers give the version before it. A first pass has no version before it yet: `hidden`. */
  readonly hidden: boolean;
  /** Of a mirror: its content lies in an object store, and no extents are known. */
  readonly mirrored?: MirroredContent;
}

export interface NameEntry {
  readonly name: ByteString;
  readonly node: NodeId;
  readonly kind: NodeKind;
}

export interface Gap {
  readonly gap: string;
  readonly reason: GapReason;
  /** MACHINE_NODE: the whole machine. */
  readonly node: NodeId;
  readonly fromUs: TimeUs;
  readonly openedAt: Revision;
  readonly closedAt: Revision | undefined;
  readonly detail: string;
}

/** Why a file's content is not there any more. */
export interface Purged {
  readonly revision: Revision;
  /** Host time. */
  readonly timeUs: TimeUs;
}

export interface View {
  readonly revision: Revision;
  /** Children of MACHINE_NODE are the roots, named by their absolute path. Hidden nodes are left out. */
  lookup(parent: NodeId, name: ByteString): NameEntry | undefined;
  /** In byte order of names. */
  list(parent: NodeId): IterableIterator<NameEntry>;
  node(node: NodeId): NodeRecord | undefined;
  /** Extents that cover [from, to) in ascending order, clipped to it; what none covers is zeros. */
  extents(node: NodeId, fromBytes: number, toBytes: number): Extent[];
  /**
   * Reads plain bytes; short only at the end of the file. Every chunk is verified. Where `into` has room for them they are put there,
   * and what is given is a part of it: for who reads much, and would have new memory for each run. PURGED where the content is not there any more.
   */
  read(node: NodeId, offsetBytes: number, lengthBytes: number, into?: Buffer): Buffer;
  /**
   * Only where content lies elsewhere (a mirror's): all of a file, in order, in pieces that are valid until the next one is asked for.
   * `extents` has nothing to say then, and `read` refuses. OBJECT_CHANGED where the content of that revision is not there any more.
   */
  stream?(node: NodeId): AsyncIterable<Uint8Array>;
  /** The newest purge that took the file's content from this instant. It may come while the view is open. */
  purged(node: NodeId): Purged | undefined;
  /** Gaps that were open at this revision. */
  gaps(): readonly Gap[];
  close(): void;
}
