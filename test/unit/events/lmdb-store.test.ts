/** The embedded store's own promises: private files, foreign and damaged ones refused, a full disk survived, salvage up to the damage. */
import { copyFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../../src/core/index.ts";
import type { ErrorCode, Revision } from "../../../src/core/index.ts";
import { NO_STREAM } from "../../../src/events/index.ts";
import type { EventStore, NewEvent } from "../../../src/events/index.ts";
import { openLmdbEventStore, salvageLmdbEventStore } from "../../../src/events/lmdb/index.ts";
import { crcOf } from "../../../src/events/lmdb/crc.ts";
import { encodeStore, STORE_KEY, STORE_OFFSETS } from "../../../src/events/lmdb/keys.ts";
import { scanFile } from "../../../src/events/lmdb/pages.ts";
import { LmdbFile } from "../../../src/events/lmdb/file.ts";
import { loopFilesystem } from "../../support/loop-filesystem.ts";
import { seededRandom } from "../../support/random.ts";
import { skipped } from "../../support/skip.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const test = suite("embedded event store");
const PAGE_BYTES = 4096;
const rev = (revision: number): Revision => revision as Revision;
const newPath = (): string => join(temporaryDirectory("lmdb"), "events.lmdb");

let counter = 0;
function eventsOf(count: number, dataBytes = 20): NewEvent[] {
  return Array.from({ length: count }, () => {
    const id = Buffer.alloc(16);
    id.writeUInt32BE(++counter, 0);
    return { id, type: "Tested", data: Buffer.alloc(dataBytes, `data ${counter} `), metadata: Buffer.from(`m${counter}`) };
  });
}

async function errorOf(run: Promise<unknown>, code: ErrorCode): Promise<Readonly<Record<string, unknown>>> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isRainbowError(error, code)) throw new Error(`expected ${code}, not ${String(error)}`, { cause: error });
  return error.facts;
}

async function filled(path: string, rows: number, dataBytes = 20): Promise<void> {
  const store = await openLmdbEventStore({ path, create: true });
  for (let i = 0; i < rows; i++) await store.append("machine-a", rev(i * 10 - 1), eventsOf(10, dataBytes));
  await store.append("machine-b", NO_STREAM, eventsOf(3));
  await store.close();
}

async function countOf(store: EventStore, stream: string): Promise<number> {
  const page = await store.read(stream, { maxCount: 10_000, bytesMax: 1 << 30 });
  return page.length;
}

test("a new store and its lock belong to the owner alone, and a missing one is not made by itself", async () => {
  const path = newPath();
  await errorOf(openLmdbEventStore({ path }), "NO_STORE");
  await (await openLmdbEventStore({ path, create: true })).close();
  for (const file of [path, `${path}-lock`]) assert.is(statSync(file).mode & 0o777, 0o600);
  await (await openLmdbEventStore({ path })).close();
});

test("a store opened for reading only answers and refuses to write", async () => {
  const path = newPath();
  await filled(path, 3);
  const store = await openLmdbEventStore({ path, readOnly: true });
  assert.is(await countOf(store, "machine-a"), 30);
  await errorOf(store.append("machine-a", rev(29), eventsOf(1)), "IO");
  await errorOf(store.truncateBefore("machine-a", rev(3)), "IO");
  await store.close();
});

test("the file grows far beyond its first map without a word", async () => {
  const path = newPath();
  const store = await openLmdbEventStore({ path, create: true });
  const bytes = seededRandom(1).bytes(1 << 20);
  for (let i = 0; i < 40; i++) await store.append("machine-a", rev(i - 1), [{ ...eventsOf(1)[0]!, data: bytes }]);
  assert.ok(statSync(path).size > 30 << 20);
  assert.is((await store.read("machine-a", { direction: "backwards", maxCount: 1 }))[0]?.revision, 39);
  await store.close();
});

test("space of reclaimed rows is used again", async () => {
  const path = newPath();
  await filled(path, 1);
  const store = await openLmdbEventStore({ path });
  let head = 9;
  let sizeAfterFirst = 0;
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 40; i++, head += 10) await store.append("machine-a", rev(head), eventsOf(10, 1500));
    await store.truncateBefore("machine-a", rev(head));
    await store.reclaim();
    if (round === 1) sizeAfterFirst = statSync(path).size;
  }
  await store.close();
  assert.ok(statSync(path).size < sizeAfterFirst * 1.5, `${statSync(path).size} bytes after ${sizeAfterFirst}`);
});

test("garbage, a text, a cut file and one of a newer version are refused by name, and nothing is written to them", async () => {
  const good = newPath();
  await filled(good, 20);
  const bytes = readFileSync(good);
  const cases: readonly (readonly [string, Buffer, ErrorCode])[] = [
    ["garbage", Buffer.from(Array.from({ length: 40_960 }, (_, i) => (i * 7919) & 255)), "STORE_CORRUPT"],
    ["text", Buffer.from("this is a letter\n".repeat(1000)), "STORE_CORRUPT"],
    ["short", bytes.subarray(0, 100), "STORE_CORRUPT"],
    ["two pages", bytes.subarray(0, 2 * PAGE_BYTES), "STORE_CORRUPT"],
    ["one sector", bytes.subarray(0, 512), "STORE_CORRUPT"],
    ["cut", bytes.subarray(0, bytes.length / 2), "STORE_CORRUPT"],
    ["zeros", Buffer.alloc(bytes.length), "STORE_CORRUPT"],
    ["small text", Buffer.from("letter!!".repeat(64)), "STORE_CORRUPT"],
  ];
  for (const [name, content, code] of cases) {
    const path = join(temporaryDirectory("foreign"), `${name}.lmdb`);
    writeFileSync(path, content);
    const facts = await errorOf(openLmdbEventStore({ path, create: true }), code).catch((cause: unknown) => {
      throw new Error(`${name} was not refused`, { cause });
    });
    assert.is(facts["path"], path);
    assert.ok(Number.isSafeInteger(facts["page"]), name);
    assert.equal(readFileSync(path), content, `${name} is left as it was`);
  }
});

test("a store of a newer version is NEWER_FORMAT", async () => {
  const path = newPath();
  await filled(path, 1);
  const file = new LmdbFile(path, { readOnly: false });
  const record = encodeStore({ nextStreamId: 3, nextPosition: 14 as never });
  record.writeUInt16LE(2, STORE_OFFSETS.version);
  record.writeUInt32LE(crcOf(record.subarray(0, STORE_OFFSETS.crc), crcOf(STORE_KEY)), STORE_OFFSETS.crc);
  const write = { table: "streams", key: STORE_KEY, value: record } as const;
  await file.commit([write], write);
  await file.close();
  await errorOf(openLmdbEventStore({ path }), "NEWER_FORMAT");
});

test("a subscriber and a reader never see an append before it is acknowledged", async () => {
  const path = newPath();
  const store = await openLmdbEventStore({ path, create: true });
  const stop = new AbortController();
  let acknowledged = -1;
  let delivered = -1;
  const watching = (async () => {
    for await (const page of store.subscribe({ after: 0 as never, prefixes: [], signal: stop.signal })) {
      for (const event of page.events) {
        delivered = event.revision;
        if (delivered > acknowledged) throw new Error(`revision ${delivered} was shown before it was durable`);
      }
      if (delivered >= 299) stop.abort();
    }
  })();
  const sent = Array.from({ length: 300 }, (_, i) =>
    store.append("machine-a", rev(i - 1), eventsOf(1)).then((appended) => (acknowledged = Math.max(acknowledged, appended.revision))),
  );
  await Promise.all([...sent, watching]);
  await store.close();
  assert.is(delivered, 299);
});

test("a damaged page is told with its number, and a salvage gives every stream up to the damage", async () => {
  const path = newPath();
  await filled(path, 300, 300);
  const sound = new Map<string, number>();
  scanFile(path, (table, key, place) => {
    if (table === "rows") sound.set(key.toString("hex"), place.offsetBytes);
  });
  const damagedOffset = [...sound.values()][150]!;
  const bytes = readFileSync(path);
  bytes[damagedOffset + 60]! ^= 4;
  writeFileSync(path, bytes);
  const target = join(temporaryDirectory("salvage"), "saved.lmdb");
  const report = await salvageLmdbEventStore(path, target);
  assert.equal(
    report.streams.map((stream) => [stream.stream, stream.headRevision, stream.savedRevision]),
    [
      ["machine-a", 2999, 1499],
      ["machine-b", 2, 2],
    ],
  );
  const store = await openLmdbEventStore({ path: target });
  assert.is(await countOf(store, "machine-a"), 1500);
  assert.is((await store.append("machine-a", rev(1499), eventsOf(1))).revision, 1500);
  await store.close();
  assert.equal(readFileSync(path), bytes, "the damaged file is only read");
});

test("where a page of the tree is damaged, what lies before it is saved all the same", async () => {
  const path = newPath();
  await filled(path, 300, 300);
  const bytes = readFileSync(path);
  const leaves = Array.from({ length: bytes.length / PAGE_BYTES }, (_, page) => page).filter((page) => page > 1 && bytes[page * PAGE_BYTES + 18] === 2);
  let told = 0;
  for (const page of leaves) {
    const work = join(temporaryDirectory("salvage"), "events.lmdb");
    copyFileSync(path, work);
    const damaged = Buffer.from(bytes);
    damaged.fill(0x5a, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    writeFileSync(work, damaged);
    const outcome = await openLmdbEventStore({ path: work }).then(
      (store) => store.close(),
      (error: unknown) => error,
    );
    if (outcome === undefined) continue; // A free page.
    assert.ok(isRainbowError(outcome, "STORE_CORRUPT"));
    assert.is(outcome.facts["page"], page);
    told++;
    const target = `${work}.saved`;
    const saved = await salvageLmdbEventStore(work, target).catch((error: unknown) => {
      if (isRainbowError(error, "STORE_CORRUPT")) return undefined; // The page of the streams themselves.
      throw error;
    });
    if (saved === undefined) continue;
    const store = await openLmdbEventStore({ path: target });
    for (const { stream, savedRevision } of saved.streams) if (savedRevision >= 0) assert.is(await countOf(store, stream), savedRevision + 1);
    await store.close();
  }
  assert.ok(told >= 3);
});

test("a full disk is DISK_FULL, takes nothing away, and the store works again once there is space", async () => {
  const loop = loopFilesystem("ext4", 24);
  if (typeof loop === "string") return skipped("full disk of the event store", loop);
  const path = join(loop.path, "events.lmdb");
  const ballast = join(loop.path, "ballast");
  writeFileSync(ballast, Buffer.alloc(8 << 20));
  const store = await openLmdbEventStore({ path, create: true });
  const noise = seededRandom(2).bytes(200_000);
  let head = -1;
  const fill = async (): Promise<unknown> => {
    for (;;) {
      const outcome = await store.append("machine-a", rev(head), [{ ...eventsOf(1)[0]!, data: noise }]).catch((error: unknown) => error);
      if (outcome instanceof Error) return outcome;
      head++;
    }
  };
  assert.ok(isRainbowError(await fill(), "DISK_FULL"));
  assert.is(await countOf(store, "machine-a"), head + 1, "reads go on");
  rmSync(ballast);
  const before = head;
  assert.ok(isRainbowError(await fill(), "DISK_FULL"));
  assert.ok(head > before, "appends go on after space was freed");
  await store.close();
  const again = await openLmdbEventStore({ path });
  assert.is((await again.info("machine-a")).headRevision, head);
  assert.is(await countOf(again, "machine-a"), head + 1);
  await again.close();
});

test("a file that was cut by whole pages is found before it is mapped", async () => {
  const path = newPath();
  await filled(path, 50, 400);
  truncateSync(path, 5 * PAGE_BYTES);
  await errorOf(openLmdbEventStore({ path }), "STORE_CORRUPT");
});

test.run();
