/** When batches were stored, by the host's clock: what ages are made of. */
import type { Revision } from "../../core/index.ts";
import { decodeEvent } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";

/** Host time of the event at a revision; undefined where it is gone. */
export async function hostTimeAt(store: EventStore, stream: string, revision: Revision): Promise<number | undefined> {
  const [stored] = await store.read(stream, { from: revision, maxCount: 1 });
  return stored?.revision === revision ? decodeEvent(stored).metadata.hostTimeUs : undefined;
}
