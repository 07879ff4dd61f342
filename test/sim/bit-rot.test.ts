/**
 * Bit rot: single bits of data file, control file and event store of a real data directory are turned, one at a time. The check finds
 * every one that changes an answer, no answer is ever wrong, every refusal is a clear one, and no flip ends a process.
 */
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openRainbow, systemClock, systemRandom } from "../../src/app/index.ts";
import { openOs } from "../../src/app/os/index.ts";
import { byteStringOfText } from "../../src/core/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { ChildService } from "../support/child-service.ts";
import { Churn } from "../support/file-churn.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { recordAnswers, recordDifferences, recordTree } from "../support/tree-record.ts";
import type { FlipOrder, FlipReport } from "./bit-rot/flipper.ts";

const FLIP_COUNT = 1000;
const INSTANT_COUNT = 4;
const OPERATIONS_PER_INSTANT = 40;
const BLOCK_BYTES = 4096;
const random = seededRandom(campaignSeed());
const test = suite("bit rot");
const os = openOs();

/** A data directory with a few instants, stopped in order; its answers are what the directory was. */
async function make(base: string): Promise<FlipOrder> {
  const [root, outside, original] = [join(base, "root"), join(base, "outside"), join(base, "data")];
  for (const directory of [root, outside]) mkdirSync(directory);
  const churn = new Churn({ root, outside, os, random: random.fork() });
  const top = byteStringOfText(root);
  const revisions: number[] = [];
  for (let i = 0; i < INSTANT_COUNT; i++) {
    churn.run(OPERATIONS_PER_INSTANT);
    const rainbow = await openRainbow({
      dataDirectory: original,
      mode: "protect",
      create: true,
      version: "test",
      clock: systemClock(),
      random: systemRandom(),
    });
    try {
      await rainbow.operations.addRoot({ path: top, options: { crossMounts: false, rules: [], fileBytesMax: 0 } });
      const { revision } = await rainbow.operations.flush({ full: true });
      assert.equal(recordDifferences(recordTree(os, top), await recordAnswers(rainbow.operations, top, revision)), []);
      revisions.push(revision);
    } finally {
      await rainbow.close(); // A clean stop builds a tree, so that each instant has one.
    }
  }
  return { original, copy: join(base, "copy"), top, revisions, flip: undefined };
}

/** Where to flip: any byte, but seldom one of a block of zeros, which are free space for the most part. */
function place(original: string, file: string): NonNullable<FlipOrder["flip"]> {
  const content = readFileSync(join(original, file));
  for (;;) {
    const byte = random.int(content.length);
    const start = byte - (byte % BLOCK_BYTES);
    const isEmpty = content.subarray(start, start + BLOCK_BYTES).every((value) => value === 0);
    if (!isEmpty || random.chance(0.02)) return { file, byte, bit: random.int(8) };
  }
}

test("a flipped bit is found by check where it matters, and never gives a wrong answer or ends a command without a clear error", async () => {
  const order = await make(temporaryDirectory("bit-rot"));
  const { machine } = JSON.parse(readFileSync(join(order.original, "FORMAT"), "utf8")) as { machine: string };
  const files = ["data.dig", "control.lmdb"].map((name) => join("machines", machine, name)).concat("events.lmdb");
  const child = new ChildService<FlipOrder, FlipReport>(join(import.meta.dirname, "bit-rot/flipper.ts"), {
    limitMs: 60_000,
    greet: async (ask) => {
      const sound = await ask(order);
      assert.equal(sound, { answer: { wrong: [], outcome: "unnoticed" } }, "nothing is wrong before");
    },
  });
  const outcomes = new Map<string, number>();
  const wrong: string[] = [];
  try {
    for (let i = 0; i < scale(FLIP_COUNT); i++) {
      const file = files[i % files.length]!;
      const flip = place(order.original, file);
      const served = await child.ask({ ...order, flip });
      const what = `bit ${flip.bit} of byte ${flip.byte} (block ${Math.floor(flip.byte / BLOCK_BYTES)}) of ${file}`;
      const outcome = "ended" in served ? "ended" : served.answer.outcome;
      for (const line of "ended" in served ? [served.ended] : served.answer.wrong) wrong.push(`${what}: ${line}`);
      const key = `${file.slice(file.lastIndexOf("/") + 1)}: ${outcome}`;
      outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
    }
  } finally {
    child.end();
  }
  const sizes = files.map((file) => `${file.slice(file.lastIndexOf("/") + 1)} ${statSync(join(order.original, file)).size}`);
  console.log(`\n${sizes.join(", ")} bytes; ${[...outcomes].map(([key, count]) => `${key} ${count}`).join(", ")}`);
  assert.ok(wrong.length === 0, `${wrong.length} flips went wrong:\n${wrong.slice(0, 20).join("\n")}`);
});

test.run();
