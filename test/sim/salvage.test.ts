/**
 * A damaged event store is repaired: pages of it are spoilt or its end is cut off, in turn. What is saved answers as before, what is lost
 * is counted and told, the damaged file is kept byte for byte, and the next start goes on from there.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openRainbow, systemClock, systemRandom } from "../../src/app/index.ts";
import type { OpenedRainbow } from "../../src/app/index.ts";
import { openOs } from "../../src/app/os/index.ts";
import { byteStringOfText, isRainbowError, LMDB_PAGE_BYTES } from "../../src/core/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { scanFile } from "../../src/events/lmdb/pages.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { rainbow, rainbowLines } from "../support/rainbow-process.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { recordAnswers, recordDifferences, recordTree } from "../support/tree-record.ts";

const INSTANT_COUNT = 30;
const RANDOM_DAMAGES = 40;
const OPTIONS = { crossMounts: false, rules: [], fileBytesMax: 0 };
const random = seededRandom(campaignSeed());
const test = suite("salvage of a damaged event store");
const os = openOs();

type Record = ReturnType<typeof recordTree>;
interface Home {
  readonly base: string;
  readonly root: string;
  readonly top: ByteString;
  readonly original: string;
  readonly instants: readonly { readonly revision: number; readonly record: Record }[];
}

const opened = (dataDirectory: string, mode: "protect" | "read"): Promise<OpenedRainbow> =>
  openRainbow({ dataDirectory, mode, create: true, version: "test", clock: systemClock(), random: systemRandom() });

async function make(): Promise<Home> {
  const base = temporaryDirectory("salvage");
  const [root, original] = [join(base, "root"), join(base, "data")];
  mkdirSync(root);
  const top = byteStringOfText(root);
  const instants: { revision: number; record: Record }[] = [];
  const running = await opened(original, "protect");
  try {
    await running.operations.addRoot({ path: top, options: OPTIONS });
    for (let i = 0; i < INSTANT_COUNT; i++) {
      for (let k = 0; k < 30; k++) writeFileSync(join(root, `file ${random.int(200)}`), random.bytes(random.int(3000)));
      const { revision } = await running.operations.flush({ full: true });
      instants.push({ revision, record: recordTree(os, top) });
    }
  } finally {
    await running.close();
  }
  return { base, root, top, original, instants };
}

type Damage = (bytes: Buffer) => Buffer;
const spoil =
  (page: number): Damage =>
  (bytes) =>
    Buffer.from(bytes).fill(0x5a, page * LMDB_PAGE_BYTES, (page + 1) * LMDB_PAGE_BYTES);
const cutAt =
  (part: number): Damage =>
  (bytes) =>
    bytes.subarray(0, Math.floor(bytes.length * part));

/** Where in the file: both meta pages, the root of all tables, a row, the middle, the end; and any page. */
function damages(path: string): ReadonlyMap<string, Damage> {
  const bytes = readFileSync(path);
  const pageCount = bytes.length / LMDB_PAGE_BYTES;
  const rows: number[] = [];
  scanFile(path, (table, _key, place) => void (table === "rows" && rows.push(place.offsetBytes)));
  const newest = bytes.readBigUInt64LE(152) > bytes.readBigUInt64LE(LMDB_PAGE_BYTES + 152) ? 0 : 1;
  const names = Number(bytes.readBigUInt64LE(newest * LMDB_PAGE_BYTES + 136));
  const flip: Damage = (whole) => {
    const copy = Buffer.from(whole);
    copy[rows[Math.floor(rows.length * 0.7)]! + 45]! ^= 16;
    return copy;
  };
  return new Map<string, Damage>([
    ["the first page", spoil(0)],
    ["the second page", spoil(1)],
    ["the root of all tables", spoil(names)],
    ["the middle", spoil(Math.floor(pageCount / 2))],
    ["one bit of a row", flip],
    ["the last tenth", cutAt(0.9)],
    ["the last half", cutAt(0.5)],
    ["all but a page", cutAt(1.5 / pageCount)],
    ...Array.from({ length: scale(RANDOM_DAMAGES) }, (): [string, Damage] => {
      const page = random.int(pageCount);
      return [`page ${page}`, spoil(page)];
    }),
  ]);
}

/** Answers of the repaired directory at its newest instants, and one that is lost. */
async function compareAnswers({ top, instants }: Home, data: string, savedRevision: number, what: string): Promise<void> {
  const kept = instants.filter(({ revision }) => revision <= savedRevision);
  const reading = await opened(data, "read");
  try {
    for (const { revision, record } of [kept.at(-1), kept[Math.floor(kept.length / 2)]].filter((each) => each !== undefined))
      assert.equal(recordDifferences(record, await recordAnswers(reading.operations, top, revision)), [], `${what}, r${revision}`);
    const lost = instants.find(({ revision }) => revision > savedRevision);
    if (lost === undefined) return;
    const refusal = await reading.operations.instant({ path: top, at: { kind: "revision", revision: lost.revision } }).catch((error: unknown) => error);
    assert.ok(isRainbowError(refusal, "INSTANT_FUTURE"), `${what}: a lost instant is answered`);
  } finally {
    await reading.close();
  }
}

/** The next start finds everything, and the store is sound. */
async function goOn({ top, root }: Home, data: string, what: string): Promise<void> {
  const running = await opened(data, "protect");
  try {
    if ((await running.operations.roots()).length === 0) await running.operations.addRoot({ path: top, options: OPTIONS });
    const { revision } = await running.operations.flush({ full: true });
    assert.equal(recordDifferences(recordTree(os, byteStringOfText(root)), await recordAnswers(running.operations, top, revision)), [], what);
  } finally {
    await running.close();
  }
  const check = rainbow(data, "check", "--read-data");
  assert.is(check.status, 0, `${what}: ${check.stdout.toString()}${check.stderr}`);
}

test("what is sound is saved and answers as before, what is lost is told, and the damaged file is kept", async () => {
  const home = await make();
  const data = join(home.base, "copy");
  const events = join(data, "events.lmdb");
  const original = readFileSync(join(home.original, "events.lmdb"));
  const lastRevision = home.instants.at(-1)!.revision;
  const counts = { sound: 0, whole: 0, part: 0, nothing: 0 };
  for (const [what, damage] of damages(join(home.original, "events.lmdb"))) {
    rmSync(data, { recursive: true, force: true });
    cpSync(home.original, data, { recursive: true });
    const damaged = damage(original);
    truncateSync(events, 0);
    writeFileSync(events, damaged);
    const items = rainbowLines(data, ["repair"], [0, 3, 30]);
    const salvaged = items.find((item) => item["type"] === "salvaged");
    const refusal = items.find((item) => item["type"] === "error");
    if (refusal !== undefined) {
      counts.nothing += 1;
      assert.is(refusal["code"], "STORE_CORRUPT", what);
      assert.ok(readFileSync(events).equals(damaged), `${what}: nothing was saved, and the file is another`);
      continue;
    }
    const savedRevision = salvaged === undefined ? lastRevision : Number(salvaged["savedRevision"]);
    if (salvaged !== undefined) assert.ok(readFileSync(String(salvaged["keptPath"])).equals(damaged), `${what}: the damaged file is kept`);
    const lost = salvaged?.["lostEventCount"];
    if (savedRevision < lastRevision) assert.ok(lost === undefined || Number(lost) >= lastRevision - savedRevision, `${what}: the loss is counted`);
    counts[salvaged === undefined ? "sound" : savedRevision < lastRevision ? "part" : "whole"] += 1;
    await compareAnswers(home, data, savedRevision, what);
    if (!what.startsWith("page ")) await goOn(home, data, what);
  }
  console.log(`\n${JSON.stringify(counts)}`);
});

test("repair ends with 3 where something is lost, with 0 where not, and says so in words", async () => {
  const home = await make();
  const events = join(home.original, "events.lmdb");
  const bytes = readFileSync(events);
  const places = damages(events);
  writeFileSync(events, places.get("the root of all tables")!(bytes));
  const whole = rainbow(home.original, "repair");
  assert.is(whole.status, 0, whole.stderr);
  assert.match(whole.stderr, /the event store was damaged \(page \d+: .*kept as .*events\.lmdb\.damaged\nno event is lost/s);
  const again = readFileSync(events);
  writeFileSync(events, damages(events).get("one bit of a row")!(again));
  const part = rainbow(home.original, "repair");
  assert.is(part.status, 3, part.stderr);
  assert.match(part.stderr, /kept as .*events\.lmdb\.damaged-2\n.*\d+ events after .* \(r\d+\) are lost: every instant up to there can be named/s);
  assert.is(rainbow(home.original, "repair").status, 0, "a second repair finds nothing to do");
});

test.run();
