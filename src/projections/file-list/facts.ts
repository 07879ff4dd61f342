/** What a sync tells the mirror's stream, by path: the recorder makes events of it, which name nodes. */
import type { ByteString, FileArrived, FileWithdrawn, LinkArrived, SyncFailed, SyncFinished, SyncStarted } from "../../core/index.ts";

/** An event's content with a path in the place of its nodes: relative to the mirror's root, "." is the root itself. */
export type Placed<E> = Omit<E, "node" | "parent" | "name"> & { readonly path: ByteString };

/** Mode and time of a name that is there changed, and nothing else. The object keeps its old ones until they are written late. */
export interface AttributesFact {
  readonly type: "AttributesSet";
  readonly path: ByteString;
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
}

/** What is true of an arrival and stands in no event. */
export interface OfArrival {
  /** Its content is what it was: what is remembered of it stays. */
  readonly isSameContent?: boolean;
  /** Its object was described before the digest was known: it is to be described anew. */
  readonly lacksDigest?: boolean;
}

export type MirrorFact =
  (Placed<FileArrived> & OfArrival) | (Placed<LinkArrived> & OfArrival) | Placed<FileWithdrawn> | AttributesFact | SyncStarted | SyncFinished | SyncFailed;
