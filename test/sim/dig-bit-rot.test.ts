/**
 * Single bits flip in the data file and the control file of a real store. No answer is ever wrong, no flip ends the process, and check
 * names every flip in bytes that anything reads.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openDisk } from "../../src/app/os/index.ts";
import { BLOCK_BYTES, isRainbowError } from "../../src/core/index.ts";
import type { ChunkNumber, Revision } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import type { Dig, OpenDigOptions } from "../../src/dig/index.ts";
import { openLmdbControl } from "../../src/dig/lmdb/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { collectProblems, RIG_KEY, RIG_UUID, rigChunk } from "../support/dig-rig.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";

const FLIPS = 1000;
const CHUNKS = 60;
const KEYS = 400;
const FILES = ["data.dig", "control.lmdb"] as const;
const disk = openDisk({ punchHole: () => false });

const optionsOf = (directory: string): OpenDigOptions => ({ disk, directory, hashKey: RIG_KEY, control: openLmdbControl });
const textOf = (i: number): string => String.fromCharCode(65 + (i % 50));
const lengthOf = (i: number): number => 500 + i * 131;
const keyOf = (i: number): Buffer => Buffer.from(`some/folder/file-${String(i).padStart(5, "0")}`);
const valueOf = (i: number, round: number): Buffer => Buffer.alloc(i % 90 === 0 ? 6000 : 60, `${i}.${round}`);

/** Chunks of which some were freed, two trees that share pages, long values, live counts that differ. */
async function makeStore(directory: string): Promise<void> {
  const dig = await openDig({ ...optionsOf(directory), create: { uuid: RIG_UUID, quotaBytes: 64 << 20 } });
  for (let i = 0; i < CHUNKS; i += 20) {
    await dig.chunks.store(Array.from({ length: 20 }, (_, k) => rigChunk(textOf(i + k), lengthOf(i + k)))).durable;
  }
  const chunks = Array.from({ length: CHUNKS }, (_, i) => ({ chunk: (i + 1) as ChunkNumber, delta: 1 + (i % 3) }));
  const common = { chainHash: Buffer.alloc(32, 1), nextChunk: (CHUNKS + 1) as ChunkNumber };
  const entries = Array.from({ length: KEYS }, (_, i) => ({ key: keyOf(i), value: valueOf(i, 1) }));
  const first = await dig.trees.build({ ...common, revision: 10 as Revision, changes: entries, chunks });
  const dead = chunks.filter(({ chunk }) => chunk % 7 === 0).map(({ chunk, delta }) => ({ chunk, delta: -delta, deathRevision: 15 as Revision }));
  const second = await dig.trees.build({ ...common, base: first, revision: 20 as Revision, changes: changesOf(2), chunks: dead });
  await dig.trees.build({ ...common, base: second, revision: 30 as Revision, changes: changesOf(3), chunks: [] });
  await dig.freeing.moveWindow(20 as Revision);
  await dig.freeing.dropTree(10 as Revision);
  const barrier = { headRevision: () => Promise.resolve(30 as Revision), projected: () => Promise.resolve(), isTouched: () => false };
  while (!(await dig.freeing.work(barrier, 10)).done);
  await dig.close();
}

function changesOf(round: number): { key: Buffer; value: Buffer }[] {
  return Array.from({ length: KEYS }, (_, i) => i)
    .filter((i) => i % (round * 40) === 0)
    .map((i) => ({ key: keyOf(i), value: valueOf(i, round) }));
}

/** Everything a reader can ask, as text; DIG_CHECKSUM and the like stand for themselves. */
function answers(dig: Dig): string[] {
  const ask = (what: () => string): string => {
    try {
      return what();
    } catch (error) {
      if (!isRainbowError(error)) throw error;
      return `refused: ${error.code}`;
    }
  };
  const result: string[] = [];
  for (let i = 1; i <= CHUNKS; i++) result.push(ask(() => dig.chunks.read(i as ChunkNumber).toString("latin1")));
  for (const revision of [20, 30]) {
    result.push(ask(() => listing(dig, revision)));
    for (let i = 0; i < KEYS; i += 13) result.push(ask(() => lookup(dig, revision, i)));
  }
  return result;
}

function listing(dig: Dig, revision: number): string {
  const reader = dig.trees.open(revision as Revision);
  if (reader?.info.revision !== revision) return "refused: no tree";
  const text = [...reader.range(Buffer.from("s"), Buffer.from("t"))].map(({ key, value }) => `${key.toString("latin1")}=${value.toString("latin1")}`).join();
  reader.close();
  return text;
}

function lookup(dig: Dig, revision: number, i: number): string {
  const reader = dig.trees.open(revision as Revision);
  if (reader?.info.revision !== revision) return "refused: no tree";
  const value = reader.get(keyOf(i))?.toString("latin1") ?? "";
  reader.close();
  return value;
}

const test = suite("bit rot in a store");

test("no flipped bit gives a wrong answer, and check finds every one that anything reads", async () => {
  const random = seededRandom(campaignSeed());
  const base = temporaryDirectory("rot");
  await makeStore(join(base, "good"));
  const good = await openDig(optionsOf(join(base, "good")));
  const expected = answers(good);
  assert.equal(await collectProblems(good), []);
  const usedBytes = good.usage().fileBytes;
  await good.close();
  const counts = { refused: 0, named: 0, harmless: 0 };
  for (let i = 0; i < scale(FLIPS); i++) {
    const file = FILES[i % 2]!;
    const directory = join(base, "bad");
    mkdirSync(directory, { recursive: true });
    for (const name of FILES) copyFileSync(join(base, "good", name), join(directory, name));
    const bytes = readFileSync(join(directory, file));
    const bit = random.int(Math.min(bytes.length, usedBytes) * 8);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    writeFileSync(join(directory, file), bytes);
    const outcome = await judge(directory, expected, `${file}, byte ${bit >> 3}, bit ${bit & 7}`);
    counts[outcome] += 1;
    rmSync(directory, { recursive: true });
  }
  console.log(`${scale(FLIPS)} flips: ${JSON.stringify(counts)}`);
  assert.ok(counts.named > 0);
});

async function judge(directory: string, expected: readonly string[], where: string): Promise<keyof { refused: 0; named: 0; harmless: 0 }> {
  let dig: Dig;
  try {
    dig = await openDig(optionsOf(directory));
  } catch (error) {
    if (!isRainbowError(error)) throw error;
    return "refused";
  }
  try {
    const problems = await collectProblems(dig);
    const got = answers(dig);
    const wrong = got.findIndex((answer, i) => answer !== expected[i] && !answer.startsWith("refused"));
    assert.is(wrong, -1, `a wrong answer after a flip in ${where}`);
    const isComplete = got.every((answer, i) => answer === expected[i]);
    assert.ok(isComplete || problems.length > 0, `check found nothing, and something cannot be read, after a flip in ${where}`);
    return problems.length > 0 ? "named" : "harmless";
  } finally {
    await dig.close();
  }
}

test("every byte of superblocks, run headers, chunks, pages and long values is covered by a checksum", async () => {
  const directory = join(temporaryDirectory("rot"), "m");
  await makeStore(directory);
  const path = join(directory, "data.dig");
  const dig = await openDig(optionsOf(directory));
  await dig.close();
  const bytes = readFileSync(path);
  const random = seededRandom(campaignSeed());
  for (let block = 0; block * BLOCK_BYTES < bytes.length; block++) {
    const at = block * BLOCK_BYTES;
    const magic = bytes.toString("latin1", at, at + 3) === "DIG" ? bytes.toString("latin1", at, at + 4) : bytes.toString("latin1", at + 4, at + 8);
    const isPage = magic === "DIGP" && bytes[at + 8] !== 3;
    if (magic !== "DIG1" && magic !== "DIGB" && !isPage) continue;
    const copy = Buffer.from(bytes);
    copy[at + random.int(BLOCK_BYTES)]! ^= 1 << random.int(8);
    writeFileSync(path, copy);
    const rotten = await openDig({ ...optionsOf(directory), readOnly: true }).catch(() => undefined);
    const problems = rotten === undefined ? [] : await collectProblems(rotten, false);
    await rotten?.close();
    const isFree = isPage && problems.length === 0 && !(await isNamed(directory, bytes, path, block));
    assert.ok(rotten === undefined || problems.length > 0 || isFree, `a flip in block ${block} (${magic}) is found`);
  }
});

/** Whether the intact store counts the block as used. */
async function isNamed(directory: string, bytes: Buffer, path: string, block: number): Promise<boolean> {
  const blank = Buffer.from(bytes);
  blank.fill(0, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  writeFileSync(path, blank);
  const dig = await openDig({ ...optionsOf(directory), readOnly: true });
  const problems = await collectProblems(dig, false);
  await dig.close();
  return problems.length > 0;
}

test.run();
