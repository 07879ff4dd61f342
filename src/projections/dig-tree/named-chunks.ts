/** Which chunk numbers events and trees name: what a rebuild or a repair must keep. One bit each. */
import type { ChunkNumber, Revision } from "../../core/index.ts";
import type { TreeStore } from "../../dig/index.ts";
import { NO_STREAM, readBatches } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import { countAll } from "../blob-record/index.ts";
import { Base } from "./base.ts";
import { PREFIX } from "./keys.ts";
import { SegmentCache } from "./segments.ts";
import { decodeRegion } from "./values.ts";

const FIRST_BYTES = 1 << 16;

/** A set of chunk numbers that grows with the highest one: 125 KB for a million. */
export class ChunkSet {
  private bits = new Uint8Array(FIRST_BYTES);

  add(chunk: number): void {
    const at = Math.floor(chunk / 8);
    if (at >= this.bits.length) {
      const grown = new Uint8Array(Math.max(this.bits.length * 2, at + 1));
      grown.set(this.bits);
      this.bits = grown;
    }
    this.bits[at]! |= 1 << (chunk % 8);
  }

  has(chunk: number): boolean {
    return ((this.bits[Math.floor(chunk / 8)] ?? 0) & (1 << (chunk % 8))) !== 0;
  }

  /** Ascending. */
  *[Symbol.iterator](): IterableIterator<ChunkNumber> {
    for (let at = 0; at < this.bits.length; at++) {
      if (this.bits[at] === 0) continue;
      for (let bit = 0; bit < 8; bit++) if ((this.bits[at]! & (1 << bit)) !== 0) yield (at * 8 + bit) as ChunkNumber;
    }
  }
}

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

/** Trees before the window, and the newest at its start: what later ones name more, the events between do too. */
function treesToRead(trees: TreeStore, first: Revision): { readonly revision: Revision }[] {
  return trees
    .list()
    .filter(({ revision }) => revision < first || first === 0)
    .slice(first === 0 ? -1 : 0);
}

async function nameFromTree(trees: TreeStore, revision: Revision, named: ChunkSet): Promise<void> {
  const reader = trees.open(revision);
  if (reader === undefined) return;
  const base = new Base(reader, new SegmentCache());
  let count = 0;
  try {
    for (const prefix of [PREFIX.region, PREFIX.stagedRegion]) {
      for (const { value } of base.everything(prefix)) {
        if (value !== undefined) countAll(decodeRegion(value), 1, (chunk) => named.add(chunk));
        if (++count % 5000 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } finally {
    base.close();
  }
}
