/** The page scan against what LMDB really writes: a sound file is never taken for a damaged one. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MEMORY_FILE, openMemoryRows } from "../../../src/capture/lmdb/index.ts";
import type { RowKey, RowWrite } from "../../../src/capture/index.ts";
import { byteStringOfText } from "../../../src/core/index.ts";
import { scanPages } from "../../../src/dig/lmdb/index.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { seededRandom } from "../../support/random.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const test = suite("the pages of an LMDB file");
const row = (key: string, byteCount: number): RowWrite => [key as RowKey, Buffer.alloc(byteCount, key)];

async function scanAfter(...transactions: readonly (readonly RowWrite[])[]): Promise<unknown> {
  const directory = join(temporaryDirectory("pages"), "agent");
  mkdirSync(directory);
  const rows = openMemoryRows(byteStringOfText(directory));
  for (const writes of transactions) await rows.write(writes);
  await rows.close();
  return scanPages(join(directory, MEMORY_FILE));
}

test("a long value that becomes short in the transaction that wrote it keeps its pages, and the file is sound", async () => {
  assert.equal(await scanAfter([row("a", 14_000), row("b", 30), row("a", 30)]), []);
  assert.equal(await scanAfter([row("a", 14_000)], [row("a", 9000), row("a", 6000)], [row("a", 30)]), []);
});

test("whatever is written in whatever transactions leaves a sound file", async () => {
  const random = seededRandom(campaignSeed());
  for (let run = 0; run < scale(100); run++) {
    const transactions = Array.from({ length: 1 + random.int(12) }, () =>
      Array.from({ length: 1 + random.int(40) }, (): RowWrite => {
        const key = `k${random.int(30)}`;
        return random.chance(0.2) ? [key as RowKey, undefined] : row(key, random.int(random.chance(0.3) ? 40_000 : 200));
      }),
    );
    assert.equal(await scanAfter(...transactions), [], `run ${run}`);
  }
});

test.run();
