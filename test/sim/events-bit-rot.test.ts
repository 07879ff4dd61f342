/** One bit of events.lmdb rots at a time: no wrong event is ever given, none is silently missing, and nothing crashes. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, scale } from "../support/campaign.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { buildStore } from "./events-bit-rot-store.ts";

const test = suite("bit rot in the event store");
const CHILD = join(import.meta.dirname, "events-bit-rot-child.ts");
const PAGE_BYTES = 4096;

test("no single flipped bit gives a wrong answer, loses an event silently or ends the process", async () => {
  const directory = temporaryDirectory("bit-rot");
  const original = join(directory, "original.lmdb");
  const random = seededRandom(campaignSeed());
  const truth = await buildStore(original, random);
  const bytes = readFileSync(original);
  const structure = Array.from({ length: bytes.length / PAGE_BYTES }, (_, page) => page).filter(
    (page) => (bytes[page * PAGE_BYTES + 18]! & 4) === 0 || page < 2,
  );
  const flips = Array.from({ length: scale(1000) }, (_, i) => {
    const page = i % 2 === 0 ? random.pick(structure) : random.int(bytes.length / PAGE_BYTES); // Half of them where the tree itself lies.
    const inPage = i % 4 === 0 && page < 2 ? random.int(160) : random.int(PAGE_BYTES);
    return [page * PAGE_BYTES + inPage, random.int(8)];
  });
  const plan = join(directory, "plan.json");
  writeFileSync(plan, JSON.stringify({ flips, truth }));
  const child = spawnSync(process.execPath, [CHILD, original, join(directory, "work.lmdb"), plan], { encoding: "utf8", maxBuffer: 1 << 28 });
  const lines = child.stdout.split("\n").filter((line) => line.startsWith("FLIP "));
  assert.is(child.signal, null, `the child was ended by ${child.signal} in the flip after ${lines.at(-1)}`);
  assert.equal(
    lines.filter((line) => line.includes("FAILED")),
    [],
  );
  assert.is(lines.length, flips.length, child.stderr);
  const told = lines.filter((line) => line.includes("told")).length;
  console.log(`${told} of ${flips.length} flips were told, the others changed nothing that is read`);
  assert.ok(told > 0);
});

test.run();
