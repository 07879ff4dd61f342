/** Which chunk numbers events and trees name: what a rebuild or a repair must keep. One bit each. */
import type { ChunkNumber, NodeId, Revision } from "../../core/index.ts";
import { ChunkSet } from "../../dig/index.ts";
import type { TreeReader, TreeStore } from "../../dig/index.ts";
import { NO_STREAM, readBatches } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import { countAll } from "../blob-record/index.ts";
import { Base } from "./base.ts";
import { nodeOfKey, PREFIX } from "./keys.ts";
import { SegmentCache } from "./segments.ts";
import { decodeRegion } from "./values.ts";

export interface NamedChunks {
  /** Named by an extent of an event that is still there, or of a registered tree. */
  readonly named: ChunkSet;
  /** Announced by ChunksStored. */
  readonly stored: ChunkSet;
}

export async function namedChunks(store: EventStore, stream: string, trees: TreeStore): Promise<NamedChunks> {
  const [named, stored] = [new ChunkSet(), new ChunkSet()];
  const { headRevision, truncatedBefore } = await store.info(stream);
  for (const { revision } of treesToRead(trees, truncatedBefore)) await nameFromTree(trees, revision, named);
  if (headRevision === NO_STREAM) return { named, stored };
  for await (const batch of readBatches(store, stream, truncatedBefore, headRevision)) {
    for (const { event } of batch.events) {
      if (event.type === "ExtentsWritten") for (const { chunk } of event.extents) named.add(chunk);
      if (event.type === "ChunksStored") event.chunks.forEach((_, i) => stored.add(event.first + i));
    }
  }
  return { named, stored };
}

/** Trees before the window, and that at its start: what later ones name more, the events between do too. */
function treesToRead(trees: TreeStore, first: Revision): { readonly revision: Revision }[] {
  return first === 0 ? trees.list().slice(-1) : trees.list().filter(({ revision }) => revision <= first);
}

async function nameFromTree(trees: TreeStore, revision: Revision, named: ChunkSet): Promise<void> {
  const reader = trees.open(revision);
  if (reader === undefined) return;
  try {
    await referencesOfTree(reader, (chunk) => named.add(chunk));
  } finally {
    reader.close();
  }
}

/** Every extent of a tree, settled or staged, names a chunk once. */
export async function referencesOfTree(reader: TreeReader, count: (chunk: ChunkNumber, node: NodeId) => void): Promise<void> {
  const base = new Base(reader, new SegmentCache());
  let seen = 0;
  for (const prefix of [PREFIX.region, PREFIX.stagedRegion]) {
    for (const { key, value } of base.everything(prefix)) {
      const node = nodeOfKey(key);
      if (value !== undefined) countAll(decodeRegion(value), 1, (chunk) => count(chunk as ChunkNumber, node));
      if (++seen % 5000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
