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

export type MirrorFact = Placed<FileArrived> | Placed<LinkArrived> | Placed<FileWithdrawn> | AttributesFact | SyncStarted | SyncFinished | SyncFailed;
