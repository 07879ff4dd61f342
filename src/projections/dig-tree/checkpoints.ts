/** Trees as checkpoints: only those that the event store knows are worth anything. */
import { isRainbowError } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";
import type { TreeStore } from "../../dig/index.ts";
import { chainHashAt, NO_STREAM } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";

/** Discards every tree after the newest one whose revision and chain hash the stream has. */
export async function dropForeignTrees(store: EventStore, stream: string, trees: TreeStore): Promise<void> {
  const { headRevision, truncatedBefore } = await store.info(stream);
  const known = trees.list();
  let keep = NO_STREAM;
  for (const info of known.toReversed()) {
    if (info.revision > headRevision) continue;
    // The batch that ends where the stream was truncated is not whole any more: that its tree was there made the truncation possible.
    const isKnown =
      (truncatedBefore > 0 && info.revision <= truncatedBefore) || (await chainHashOrNothing(store, stream, info.revision))?.equals(info.chainHash) === true;
    if (!isKnown) continue;
    keep = info.revision;
    break;
  }
  if (known.some((info) => info.revision > keep)) await trees.discardAfter(keep);
}

/** undefined where no batch ends there: the tree is of another stream. Damage is not mistaken for that: check names it. */
async function chainHashOrNothing(store: EventStore, stream: string, revision: Revision): Promise<Buffer | undefined> {
  try {
    return await chainHashAt(store, stream, revision);
  } catch (error) {
    if (isRainbowError(error, "EVENT_CORRUPT", "STREAM_NOT_FOUND")) return undefined;
    throw error;
  }
}
