/** The rebuild of the control file on a real disk and real LMDB. */
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openDisk } from "../../../src/app/os/index.ts";
import { BLOCK_BYTES, isRainbowError } from "../../../src/core/index.ts";
import type { ChunkNumber, Revision } from "../../../src/core/index.ts";
import { openDig, rebuildControl } from "../../../src/dig/index.ts";
import { encodeRunHeader } from "../../../src/dig/run.ts";
import type { Dig, OpenDigOptions, RebuildSource } from "../../../src/dig/index.ts";
import { openLmdbControl } from "../../../src/dig/lmdb/index.ts";
import { collectProblems, RIG_KEY, RIG_UUID, rigChunk } from "../../support/dig-rig.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const QUOTA_BYTES = 64 << 20;
const TEXTS = ["a", "b", "c", "d", "e", "f"];

function options(directory: string): OpenDigOptions {
  return { disk: openDisk({ punchHole: () => false }), directory, hashKey: RIG_KEY, control: openLmdbControl };
}

/** Three runs of two chunks. */
async function madeStore(): Promise<string> {
  const directory = join(temporaryDirectory("rebuild"), "m");
  const dig = await openDig({ ...options(directory), create: { uuid: RIG_UUID, quotaBytes: QUOTA_BYTES } });
  for (let i = 0; i < TEXTS.length; i += 2) await dig.chunks.store([rigChunk(TEXTS[i]!), rigChunk(TEXTS[i + 1]!)]).durable;
  await dig.close();
  return directory;
}

function areThere(dig: Dig): boolean[] {
  return TEXTS.map((text, i) => {
    try {
      return dig.chunks.read((i + 1) as ChunkNumber).equals(rigChunk(text).stored);
    } catch (error) {
      if (!isRainbowError(error)) throw error;
      return false;
    }
  });
}

const rebuild = (directory: string): ReturnType<typeof rebuildControl> =>
  rebuildControl({ ...options(directory), uuid: RIG_UUID, quotaBytes: QUOTA_BYTES }, { keep: (chunk) => chunk <= TEXTS.length });

const test = suite("rebuilding the control file");

test("a control file that is garbage, cut short or gone is made anew", async () => {
  for (const harm of ["garbage", "short", "gone"] as const) {
    const directory = await madeStore();
    const path = join(directory, "control.lmdb");
    if (harm === "garbage") writeFileSync(path, Buffer.alloc(65_536, "garbage"));
    if (harm === "short") truncateSync(path, 3 * 4096);
    if (harm === "gone") openDisk({ punchHole: () => false }).remove(path);
    const refusal = await openDig(options(directory)).catch((error: unknown) => error);
    assert.ok(isRainbowError(refusal, "STORE_CORRUPT", "NO_STORE"), harm);
    assert.equal(await rebuild(directory), { runCount: 3, chunkCount: 6, rewrittenRuns: 0, lostTrees: [] });
    const dig = await openDig(options(directory));
    assert.equal(
      areThere(dig),
      TEXTS.map(() => true),
    );
    assert.equal(await collectProblems(dig), []);
    await dig.chunks.store([rigChunk("g")]).durable;
    await dig.close();
  }
});

test("a run whose own header is damaged is taken from the old control file, and written anew", async () => {
  const directory = await madeStore();
  const path = join(directory, "data.dig");
  const bytes = readFileSync(path);
  bytes[bytes.indexOf(rigChunk("c").hash)]! ^= 1;
  writeFileSync(path, bytes);
  const before = await openDig(options(directory));
  assert.equal((await collectProblems(before)).length, 1);
  assert.equal(
    areThere(before),
    TEXTS.map(() => true),
    "the rows still say where its chunks are",
  );
  await before.close();
  assert.equal(await rebuild(directory), { runCount: 3, chunkCount: 6, rewrittenRuns: 1, lostTrees: [] });
  const dig = await openDig(options(directory));
  assert.equal(
    areThere(dig),
    TEXTS.map(() => true),
  );
  assert.equal(dig.chunks.describe(3 as ChunkNumber).hash, rigChunk("c").hash);
  assert.equal(await collectProblems(dig), []);
  await dig.close();
});

test("of a run that was being moved when power failed the copy that is whole counts, not half of each", async () => {
  const directory = await madeStore();
  const path = join(directory, "data.dig");
  const chunks = [rigChunk("a"), rigChunk("b")];
  const entries = chunks.map(({ hash, encoding, lengthBytes, stored }, index) => ({ hash, index, encoding, lengthBytes, storedBytes: stored.length }));
  const header = encodeRunHeader({ uuid: RIG_UUID, sequence: 1_000_000, first: 1, entries });
  const torn = Buffer.concat([header, chunks[0]!.stored, Buffer.alloc(chunks[1]!.stored.length)]);
  const bytes = readFileSync(path);
  const end = Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES;
  writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(end - bytes.length), torn]));
  openDisk({ punchHole: () => false }).remove(join(directory, "control.lmdb"));
  assert.equal(await rebuild(directory), { runCount: 3, chunkCount: 6, rewrittenRuns: 0, lostTrees: [] });
  const dig = await openDig(options(directory));
  assert.equal(
    areThere(dig),
    TEXTS.map(() => true),
  );
  assert.equal(await collectProblems(dig), []);
  await dig.close();
});

test("where a tree of the newest rebase was lost before anything was taken away for it, the trees of the one before do", async () => {
  const directory = await madeStore();
  const dig = await openDig(options(directory));
  const common = { chainHash: Buffer.alloc(32), nextChunk: dig.chunks.nextNumber(), chunks: [] };
  const value = Buffer.from("value");
  const base = await dig.trees.build({ ...common, revision: 10 as Revision, changes: [{ key: Buffer.from("a"), value }] });
  await dig.trees.build({ ...common, base, revision: 20 as Revision, changes: [{ key: Buffer.from("b"), value }] });
  const [older, newer] = [dig.trees.seal(10 as Revision)!, dig.trees.seal(20 as Revision)!];
  await dig.close();
  openDisk({ punchHole: () => false }).remove(join(directory, "control.lmdb"));
  const all = { keep: (chunk: number) => chunk <= TEXTS.length, referencesOf: () => Promise.resolve() };
  const lost = { ...all, trees: [older, { ...newer, rootCrc: newer.rootCrc ^ 1 }] };
  const over = (source: RebuildSource): ReturnType<typeof rebuildControl> =>
    rebuildControl({ ...options(directory), uuid: RIG_UUID, quotaBytes: QUOTA_BYTES }, source);
  const refusal = await over(lost).catch((error: unknown) => error);
  assert.ok(isRainbowError(refusal, "STORE_CORRUPT"), "without one before nothing says what was true");
  assert.equal((await over({ ...lost, before: { ...all, trees: [older] } })).lostTrees, []);
  const again = await openDig(options(directory));
  await again.trees.recount(all.referencesOf);
  assert.equal(
    again.trees.list().map(({ revision }) => revision),
    [10],
  );
  assert.is(
    again.trees
      .open(10 as Revision)
      ?.get(Buffer.from("a"))
      ?.toString(),
    "value",
  );
  await again.close();
});

test("another machine's data file is refused", async () => {
  const directory = await madeStore();
  const other = { ...options(directory), uuid: RIG_UUID.replace("6", "7"), quotaBytes: QUOTA_BYTES };
  const refusal = await rebuildControl(other, { keep: () => true }).catch((error: unknown) => error);
  assert.ok(isRainbowError(refusal, "STORE_CORRUPT"));
});

test.run();
