/** Random scripts run on the adapter of EventStoreDB and on the naive store in memory, on the stand-in server and on a real one where RAINBOW_ESDB_URL names it. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryEventStore } from "../../src/events/index.ts";
import type { EventStore } from "../../src/events/index.ts";
import { openKurrentEventStore } from "../../src/events/kurrent/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { StandInServer } from "../support/esdb/index.ts";
import { Script, steps } from "../support/event-store-script.ts";
import { NamespacedStore } from "../support/namespaced-store.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("adapter of a server against the model");

async function sameAnswers(address: string): Promise<void> {
  let inner = await openKurrentEventStore({ address });
  const reopen = async (store: EventStore): Promise<EventStore> => {
    await inner.close();
    inner = await openKurrentEventStore({ address });
    return new NamespacedStore(inner, (store as NamespacedStore).prefix);
  };
  try {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const model = new Script(new MemoryEventStore(), { isOnServer: true });
        const real = new Script(new NamespacedStore(inner, `${randomUUID()}-`), { isOnServer: true, reopen });
        for (const [i, step] of script.entries()) assert.equal(await real.run(step), await model.run(step), `step ${i}: ${JSON.stringify(step)}`);
      }),
      { includeErrorInReport: true, numRuns: scale(200), seed: campaignSeed() },
    );
  } finally {
    await inner.close();
  }
}

test("random scripts have the same answers through the real client on the stand-in server", async () => {
  const server = await StandInServer.start(join(temporaryDirectory("stand-in"), "log.lmdb"));
  await sameAnswers(server.address);
});

test("random scripts have the same answers on a real server", async () => {
  const url = process.env["RAINBOW_ESDB_URL"];
  if (url === undefined) return skipped("event store: random scripts, real server", "RAINBOW_ESDB_URL names none");
  await sameAnswers(url);
});

test.run();
