/** Random scripts run on the embedded store and on the naive one in memory: every answer, refusal and page must be the same. */
import { join } from "node:path";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryEventStore } from "../../src/events/index.ts";
import type { EventStore } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { Script, steps } from "../support/event-store-script.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("embedded event store against the model");

test("random scripts with repeats, bursts, truncations, deletes, reclaims and restarts have the same answers", async () => {
  const directory = temporaryDirectory("differential");
  let count = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const path = join(directory, `${count++}.lmdb`);
      const model = new Script(new MemoryEventStore());
      const reopen = async (store: EventStore): Promise<EventStore> => {
        await store.close();
        return openLmdbEventStore({ path });
      };
      const real = new Script(await openLmdbEventStore({ path, create: true }), { reopen });
      try {
        for (const [i, step] of script.entries()) assert.equal(await real.run(step), await model.run(step), `step ${i}: ${JSON.stringify(step)}`);
      } finally {
        await real.store.close();
      }
    }),
    { numRuns: scale(2000), seed: campaignSeed() },
  );
});

test.run();
