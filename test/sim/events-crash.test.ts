/** The appending process is killed at random moments: everything it said was acknowledged is there after opening again, chain and all. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Revision } from "../../src/core/index.ts";
import { chainHashAt, readBatches, verifyChain } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("crash of the appending process");
const CHILD = join(import.meta.dirname, "events-crash-child.ts");

/** Runs the child for `lifeMs` from its first word on; returns the acknowledged ends. */
function appendUntilKilled(path: string, label: string, lifeMs: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, path, label], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      if (output === "") setTimeout(() => child.kill("SIGKILL"), lifeMs);
      output += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (_, signal) =>
      signal === "SIGKILL" ? resolve(output.split("\n").slice(1, -1)) : reject(new Error(`the child ended by itself: ${output}`)),
    );
  });
}

test("after kill -9 at any moment every acknowledged append is there, and each stream ends with a whole batch", async () => {
  const random = seededRandom(campaignSeed());
  const path = join(temporaryDirectory("crash"), "events.lmdb");
  let acknowledgedCount = 0;
  for (let round = 0; round < scale(50); round++) {
    const acknowledged = await appendUntilKilled(path, `round ${round}`, random.int(120));
    acknowledgedCount += acknowledged.length;
    const store = await openLmdbEventStore({ path });
    for (const line of acknowledged.filter((_, i) => i % 50 === 0 || i > acknowledged.length - 20)) {
      const [stream = "", revision, hash] = line.split(" ");
      assert.is((await chainHashAt(store, stream, Number(revision) as Revision)).toString("hex"), hash, `round ${round}: ${line}`);
    }
    for (const { stream, headRevision } of await store.streams("")) {
      const report = await verifyChain(readBatches(store, stream, 0 as Revision, headRevision));
      assert.is(report.revision, headRevision, "the last batch is whole");
      assert.is(report.eventCount, headRevision + 1);
    }
    await store.close();
  }
  console.log(`${acknowledgedCount} acknowledged appends`);
  assert.ok(acknowledgedCount > 0);
});

test.run();
