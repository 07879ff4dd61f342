/** The audit's stream read from its end, as it was written. */
import type { Revision } from "../../core/index.ts";
import { decodeAudit } from "../../events/index.ts";
import type { AuditEvent, EventStore, Recorded } from "../../events/index.ts";

const PAGE_ENTRIES = 500;

/** Newest first, in pages; those behind `after` alone. Nothing where nothing was ever asked for. */
export async function* entriesBackwards(store: EventStore, stream: string, after: Revision): AsyncGenerator<readonly Recorded<AuditEvent>[]> {
  let { headRevision: from } = await store.info(stream);
  while (from > after) {
    const page = await store.read(stream, { direction: "backwards", from, maxCount: Math.min(PAGE_ENTRIES, from - after), withoutPositions: true });
    if (page.length === 0) return;
    yield page.map(decodeAudit);
    from = (page.at(-1)!.revision - 1) as Revision;
  }
}
