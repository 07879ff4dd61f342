/** A small event store with everything in it that a large one has: several streams, long and short rows, free pages, a truncation. */
import { createHash } from "node:crypto";
import type { Revision } from "../../src/core/index.ts";
import type { NewEvent, StoredEvent } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import type { SeededRandom } from "../support/random.ts";

export function digestOf(event: NewEvent | StoredEvent): string {
  const hash = createHash("sha256").update(event.id).update(event.type).update("\0").update(event.data).update("\0");
  return hash.update(event.metadata).digest("base64url").slice(0, 22);
}

/** Returns, per stream, the digest of each event by revision. */
export async function buildStore(path: string, random: SeededRandom): Promise<Record<string, string[]>> {
  const store = await openLmdbEventStore({ path, create: true });
  const truth: Record<string, string[]> = { "machine-a": [], "machine-b": [], "queue-x": [] };
  for (let round = 0; round < 120; round++) {
    const stream = random.pick(Object.keys(truth));
    const digests = truth[stream]!;
    const events = Array.from({ length: random.chance(0.3) ? 60 : 1 + random.int(3) }, (): NewEvent => {
      const data = random.chance(0.05) ? random.bytes(6000) : Buffer.from(`${stream} ${round} ${"x".repeat(random.int(40))}`);
      return { id: random.bytes(16), type: random.pick(["ExtentsWritten", "NodeCreated"]), data, metadata: Buffer.from(`meta ${round}`) };
    });
    await store.append(stream, (digests.length - 1) as Revision, events);
    digests.push(...events.map(digestOf));
    if (round === 60) {
      await store.truncateBefore("machine-a", Math.floor(digests.length / 2) as Revision);
      await store.reclaim();
    }
  }
  await store.close();
  return truth;
}
