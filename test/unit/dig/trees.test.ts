import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ChunkNumber, Revision } from "../../../src/core/index.ts";
import type { TreeInfo } from "../../../src/dig/index.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { DigRig, rigEntries, rigValue } from "../../support/dig-rig.ts";
import { seededRandom } from "../../support/random.ts";
import type { SeededRandom } from "../../support/random.ts";

const ROUNDS = 200;
const test = suite("trees");
const END = Buffer.from([0xff]);

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Keys that share much, little, or all but their last byte, up to the limit. */
function randomKey(random: SeededRandom): string {
  const kind = random.int(4);
  const number = String(random.int(3000));
  if (kind === 0) return `${"deep/".repeat(random.int(50))}${number}`;
  if (kind === 1) return `${"x".repeat(280)}${number}`;
  return kind === 2 ? `a${number.padStart(6, "0")}` : random.bytes(1 + random.int(12)).toString("latin1");
}

function randomValue(random: SeededRandom): Buffer {
  const roll = random.int(40);
  const lengthBytes = roll === 0 ? 1025 + random.int(20_000) : roll < 4 ? random.int(1025) : random.int(40);
  return Buffer.alloc(lengthBytes, String(random.int(10)));
}

async function build(rig: DigRig, revision: number, base: TreeInfo | undefined, changes: ReadonlyMap<string, Buffer | undefined>): Promise<TreeInfo> {
  const common = { revision: revision as Revision, chainHash: Buffer.alloc(32), nextChunk: 1 as ChunkNumber, chunks: [] };
  const sorted = [...changes].sort(([a], [b]) => compare(a, b)).map(([key, value]) => ({ key: Buffer.from(key, "latin1"), value }));
  return await rig.run(rig.dig.trees.build({ ...common, changes: sorted, ...(base === undefined ? {} : { base }) }));
}

function listed(rig: DigRig, revision: number, from: Buffer = Buffer.from([0]), to = END): [string, string][] {
  const reader = rig.dig.trees.open(revision as Revision)!;
  const entries = [...reader.range(from, to)].map(({ key, value }): [string, string] => [key.toString("latin1"), value.toString("latin1")]);
  reader.close();
  return entries;
}

function expectedOf(model: ReadonlyMap<string, Buffer>): [string, string][] {
  return [...model]
    .filter(([key]) => key >= "\0" && key < "\xff")
    .sort(([a], [b]) => compare(a, b))
    .map(([key, value]) => [key, value.toString("latin1")]);
}

test("random changes give the same as a map, in every revision, and the trees stay packed", async () => {
  const random = seededRandom(campaignSeed());
  for (let round = 0; round < scale(ROUNDS); round++) {
    const rig = await DigRig.opened(512 << 20);
    const model = new Map<string, Buffer>();
    const history: [string, string][][] = [];
    let base: TreeInfo | undefined;
    for (let revision = 1; revision <= 8; revision++) {
      const changes = new Map<string, Buffer | undefined>();
      const known = [...model.keys()];
      for (let i = random.int(revision % 3 === 0 ? 1500 : 60); i >= 0; i--) {
        const isRemoval = known.length > 0 && random.chance(revision > 5 ? 0.7 : 0.2);
        changes.set(isRemoval ? random.pick(known) : randomKey(random), isRemoval ? undefined : randomValue(random));
      }
      for (const [key, value] of changes) {
        if (value === undefined) model.delete(key);
        else model.set(key, value);
      }
      base = await build(rig, revision, base, changes);
      assert.is(base.entryCount, model.size);
      history.push(expectedOf(model));
    }
    history.forEach((expected, i) => assert.equal(listed(rig, i + 1), expected));
    lookups(rig, model, random);
    assert.equal(await rig.problems(), []);
  }
});

function lookups(rig: DigRig, model: ReadonlyMap<string, Buffer>, random: SeededRandom): void {
  const reader = rig.dig.trees.open(99 as Revision)!;
  for (const key of [...model.keys()].slice(0, 200)) assert.equal(reader.get(Buffer.from(key, "latin1")), model.get(key));
  for (let i = 0; i < 100; i++) {
    const key = randomKey(random);
    assert.equal(reader.get(Buffer.from(key, "latin1")), model.get(key));
    const from = Buffer.from(randomKey(random), "latin1");
    const [first] = reader.range(from, END);
    const expected = expectedOf(model).find(([each]) => compare(each, from.toString("latin1")) >= 0);
    assert.is(first?.key.toString("latin1"), expected?.[0]);
  }
  reader.close();
}

test("a small change writes a leaf and the pages above it; the rest is shared", async () => {
  const rig = await DigRig.opened();
  const first = await rig.build(10, rigEntries(900, "a"));
  const second = await rig.build(20, { k500: "b" });
  assert.ok(first.pageCount > 200, `${first.pageCount} pages`);
  assert.ok(second.newPageCount <= 4, `${second.newPageCount} new pages`);
  assert.is(second.pageCount, first.pageCount);
});

test("a tree that shrinks gives its pages up, down to none", async () => {
  const rig = await DigRig.opened();
  await rig.build(10, rigEntries(600, "a"));
  const gone = Object.fromEntries(Object.keys(rigEntries(595, "a")).map((key) => [key, undefined]));
  assert.ok((await rig.build(20, gone)).pageCount <= 3);
  const empty = await rig.build(30, Object.fromEntries(Object.keys(rigEntries(5, "a", 595)).map((key) => [key, undefined])));
  assert.equal([empty.pageCount, empty.entryCount, listed(rig, 30)], [0, 0, []]);
  assert.is((await rig.build(40, { again: "x" })).entryCount, 1);
  assert.equal(await rig.problems(), []);
});

test("changes that do not ascend, long keys and a wrong base are bugs of the caller", async () => {
  const rig = await DigRig.opened();
  const common = { revision: 10 as Revision, chainHash: Buffer.alloc(32), nextChunk: 1 as ChunkNumber, chunks: [] };
  const fails = async (keys: readonly Buffer[], base?: TreeInfo): Promise<void> => {
    const changes = keys.map((key) => ({ key, value: rigValue("a") }));
    const outcome = await rig.run(rig.dig.trees.build({ ...common, changes, ...(base === undefined ? {} : { base }) }).catch((error: unknown) => error));
    assert.match(String(outcome), /assertion failed/);
  };
  await fails([Buffer.from("b"), Buffer.from("a")]);
  await fails([Buffer.from("a"), Buffer.from("a")]);
  await fails([Buffer.alloc(301)]);
  await fails([Buffer.from("a")], { ...common, entryCount: 0, pageCount: 0, newPageCount: 0, revision: 5 as Revision });
  assert.equal(await rig.problems(), []);
  assert.is((await rig.build(10, { a: "1" })).entryCount, 1);
});

test("a damaged page is named and never read; other pages are", async () => {
  const rig = await DigRig.opened();
  await rig.build(10, rigEntries(100, "a"));
  await rig.run(rig.dig.close());
  const file = rig.disk.files.get("/m/data.dig")!;
  let block = 0;
  while (file.view.toString("latin1", block * 4096 + 4, block * 4096 + 8) !== "DIGP") block += 1; // A leaf: leaves are written first.
  file.view[block * 4096 + 100]! ^= 1;
  await rig.open();
  const outcomes = Object.keys(rigEntries(100, "a")).map((key) => {
    try {
      return rig.get(10, key);
    } catch (error) {
      return (error as { code?: string }).code;
    }
  });
  assert.ok(outcomes.every((outcome) => outcome === "a" || outcome === "DIG_CHECKSUM"));
  assert.ok(outcomes.includes("DIG_CHECKSUM") && outcomes.includes("a"));
  assert.ok((await rig.problems()).length > 0);
});

test("building a large tree lets other work run", async () => {
  const rig = await DigRig.opened(512 << 20);
  let turns = 0;
  let isDone = false;
  const spin = (): void => {
    turns += 1;
    if (!isDone) setImmediate(spin);
  };
  setImmediate(spin);
  function* many(): IterableIterator<{ key: Buffer; value: Buffer }> {
    for (let i = 0; i < 60_000; i++) yield { key: Buffer.from(`key ${String(i).padStart(8, "0")}`), value: Buffer.alloc(20, i) };
  }
  const common = { revision: 10 as Revision, chainHash: Buffer.alloc(32), nextChunk: 1 as ChunkNumber, chunks: [] };
  const info = await rig.run(rig.dig.trees.build({ ...common, changes: many() }));
  isDone = true;
  assert.is(info.entryCount, 60_000);
  assert.ok(turns > 25, `${turns} turns`);
});

test.run();
