/** Whether a batch that came again has the content that is stored: compared by facts and chunk hashes, never by numbers the host gave or by who made a change. */
import { isDeepStrictEqual } from "node:util";
import type { Batch, ChunkNumber } from "../../core/index.ts";
import type { MachineEvent } from "../../events/index.ts";

/** `stored` are the events of the batch as the stream has them; `hashOf` gives a chunk's full hash. */
export function sameAsStored(batch: Batch, stored: readonly MachineEvent[], hashOf: (chunk: ChunkNumber) => Buffer): boolean {
  const facts = stored.filter((event) => event.type !== "ChunksStored");
  if (facts.length !== batch.changes.length) return false;
  return batch.changes.every((reported, i) => {
    const { origin: _, ...change } = reported;
    const fact = facts[i]!;
    if (change.type !== "ExtentsWritten") return isDeepStrictEqual(change, fact);
    if (fact.type !== "ExtentsWritten" || fact.node !== change.node || fact.extents.length !== change.extents.length) return false;
    return change.extents.every((extent, k) => {
      const there = fact.extents[k]!;
      const hash = batch.chunks[extent.chunk]?.hash;
      const sameRange = there.offset === extent.offset && there.length === extent.length && there.chunkOffset === extent.chunkOffset;
      return sameRange && hash !== undefined && hashOf(there.chunk).equals(hash);
    });
  });
}
