/**
 * Large files are read in several batches. Here each session ends at a random moment, by a stop or by a kill, mostly in the middle of
 * one; what the host holds of it then is what the next session goes on from, and in the end everything comes back as it is.
 */
import { createHash } from "node:crypto";
import { mkdirSync, openSync, writeSync, closeSync, writeFileSync, createReadStream } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { campaignSeed, scale } from "../support/campaign.ts";
import { rainbow, Up } from "../support/rainbow-process.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";

const ROUND_COUNT = 60;
const FILE_COUNT = 3;
const FILE_BYTES = 24 << 20;
const random = seededRandom(campaignSeed());
const test = suite("interrupted passes");

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest("hex");
}

function overwriteSome(path: string): void {
  const fd = openSync(path, "r+");
  for (let i = 0; i < 6; i++) {
    const bytes = random.bytes(1 + random.int(2 << 20));
    writeSync(fd, bytes, 0, bytes.length, random.int(FILE_BYTES - bytes.length));
  }
  closeSync(fd);
}

test("files whose reading is cut short again and again come back as they are", async () => {
  const base = temporaryDirectory("interrupted");
  const [root, data] = [join(base, "root"), join(base, "data")];
  mkdirSync(root);
  const files = Array.from({ length: FILE_COUNT }, (_, i) => join(root, `large-${i}`));
  for (const path of files) writeFileSync(path, random.bytes(FILE_BYTES));
  for (let round = 0; round < scale(ROUND_COUNT); round++) {
    const up = await Up.start(data, [root], { scanned: false });
    await delay(random.int(600)); // Where in a pass it ends is chance; what must hold does not depend on it.
    if (random.chance(0.5)) await up.kill();
    else assert.is(await up.stop(), 0, up.output);
    if (random.chance(0.5)) overwriteSome(random.pick(files));
  }
  const up = await Up.start(data, [root]);
  try {
    assert.is(rainbow(data, "flush").status, 0);
    const to = join(base, "restored");
    const outcome = rainbow(data, "restore", root, "--to", to);
    assert.is(outcome.status, 0, outcome.stderr);
    for (const path of files) assert.is(await hashOf(join(to, path.slice(root.length))), await hashOf(path), path);
    assert.is(rainbow(data, "replay", "--verify").status, 0);
  } finally {
    await up.stop();
  }
});

test.run();
