/** The embedded store and the control file give the space of free pages back to the disk, and nothing that anybody may still read. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, copyFileSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openDisk, openOs } from "../../../src/app/os/index.ts";
import { oldestReaderOf, scanLmdbPages } from "../../../src/core/index.ts";
import type { Revision } from "../../../src/core/index.ts";
import { lmdbControlOn } from "../../../src/dig/lmdb/index.ts";
import { NO_STREAM } from "../../../src/events/index.ts";
import type { EventStore, NewEvent } from "../../../src/events/index.ts";
import { openLmdbEventStore } from "../../../src/events/lmdb/index.ts";
import { openPages, scanFile } from "../../../src/events/lmdb/pages.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { seededRandom } from "../../support/random.ts";
import { skipped } from "../../support/skip.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const MIB = 1 << 20;
const EVENT_BYTES = 100_000;
const disk = openDisk(openOs());
const random = seededRandom(campaignSeed());
const test = suite("space that LMDB files give back");
const allocatedBytes = (path: string): number => statSync(path).blocks * 512;

function eventOf(number: number): NewEvent {
  const data = Buffer.alloc(EVENT_BYTES);
  seededRandom(number).bytes(EVENT_BYTES).copy(data);
  return { id: Buffer.from(number.toString(16).padStart(32, "0"), "hex"), type: "Large", data, metadata: Buffer.alloc(0) };
}

/** Whether holes can be punched where the tests' files lie. */
function canPunch(directory: string): boolean {
  const file = disk.open(join(directory, "hole"), { create: true });
  try {
    file.write([Buffer.alloc(MIB, 1)], 0);
    return file.punchHole(0, MIB) && file.allocatedBytes() < MIB;
  } finally {
    file.close();
  }
}

async function appendSome(store: EventStore, from: number, count: number): Promise<void> {
  const expected = (number: number): Revision => (number === 0 ? NO_STREAM : ((number - 1) as Revision));
  await Promise.all(Array.from({ length: count }, (_, i) => store.append("s", expected(from + i), [eventOf(from + i)])));
}

async function expectEvents(store: EventStore, first: number, last: number): Promise<void> {
  let next = first;
  while (next <= last) {
    for (const { revision, data } of await store.read("s", { from: next as Revision, maxCount: 100 })) {
      assert.is(revision, next);
      assert.ok(Buffer.from(data).equals(Buffer.from(eventOf(next).data)), `event ${next}`);
      next++;
    }
  }
}

test("a truncated store takes as much of the disk as it needs, and appends go on meanwhile", async () => {
  const directory = temporaryDirectory("space");
  if (!canPunch(directory)) return skipped("space that LMDB files give back", "no holes can be punched here");
  const path = join(directory, "events.lmdb");
  let store = await openLmdbEventStore({ path, create: true, disk });
  for (let i = 0; i < 200; i += 10) await appendSome(store, i, 10);
  const before = allocatedBytes(path);
  assert.ok(before > 18 * MIB);
  await store.truncateBefore("s", 190 as Revision);
  await Promise.all([store.reclaim(), appendSome(store, 200, 10)]);
  await store.reclaim();
  assert.ok(allocatedBytes(path) < before / 4, `${allocatedBytes(path)} of ${before} bytes are left`);
  await expectEvents(store, 190, 209);
  await appendSome(store, 210, 30);
  await store.close();
  assert.equal(scanFile(path).problems, []);
  store = await openLmdbEventStore({ path, disk });
  await expectEvents(store, 190, 239);
  await store.close();
});

test("whatever is appended, truncated, reclaimed and opened anew, everything that is kept is read as it was", async () => {
  for (let run = 0; run < scale(20); run++) {
    const path = join(temporaryDirectory("space"), "events.lmdb");
    let store = await openLmdbEventStore({ path, create: true, disk });
    let [first, next] = [0, 0];
    for (let step = 0; step < 40; step++) {
      const roll = random.int(10);
      if (roll < 4 || next === 0) {
        const count = 1 + random.int(12);
        await appendSome(store, next, count);
        next += count;
      } else if (roll < 6) await store.truncateBefore("s", (first = first + random.int(next - first)) as Revision);
      else if (roll < 8) await store.reclaim();
      else if (roll < 9) await expectEvents(store, first, next - 1);
      else {
        await store.close();
        assert.equal(scanFile(path).problems, [], `run ${run}, step ${step}`);
        store = await openLmdbEventStore({ path, disk });
      }
    }
    await expectEvents(store, first, next - 1);
    await store.close();
    assert.equal(scanFile(path).problems, [], `run ${run}`);
  }
});

test("a process that still reads an older snapshot reads it to its end", async () => {
  const path = join(temporaryDirectory("space"), "events.lmdb");
  const store = await openLmdbEventStore({ path, create: true, disk });
  await appendSome(store, 0, 100);
  const reader = fork(join(import.meta.dirname, "lmdb-space-reader.ts"), [path]);
  assert.equal(await once(reader, "message"), [{ rows: 100, soundRows: 100 }, undefined]);
  await store.truncateBefore("s", 90 as Revision);
  for (let i = 0; i < 3; i++) {
    await store.reclaim();
    await appendSome(store, 100 + i, 1);
  }
  reader.send("again");
  assert.equal(await once(reader, "message"), [{ rows: 100, soundRows: 100 }, undefined]);
  reader.kill();
  await once(reader, "exit");
  await store.close();
});

test("a control file gives back what it does not use", async () => {
  const directory = temporaryDirectory("space");
  if (!canPunch(directory)) return skipped("a control file gives back", "no holes can be punched here");
  const path = join(directory, "control.lmdb");
  const control = await lmdbControlOn(disk)({ path, create: true, readOnly: false });
  const key = (i: number): Buffer => Buffer.from(`k${String(i).padStart(6, "0")}`);
  for (let i = 0; i < 20; i++) await control.commit(Array.from({ length: 1000 }, (_, k) => ({ key: key(i * 1000 + k), value: Buffer.alloc(500, i) })));
  const before = control.sizeBytes();
  for (let i = 0; i < 19; i++) await control.commit(Array.from({ length: 1000 }, (_, k) => ({ key: key(i * 1000 + k), value: undefined })));
  for (let i = 0; i < 3; i++) await control.commit([{ key: key(0), value: Buffer.from([i]) }]); // What the newest commit freed may still be read.
  while (!control.giveBackStep());
  assert.ok(control.sizeBytes() < before / 3, `${control.sizeBytes()} of ${before} bytes are left`);
  assert.equal(control.problems(), []);
  assert.is(control.range(key(0), key(20_000), { limit: 30_000 }).length, 1001);
  await control.close();
});

test("what the newest commit freed stays until another one follows: should its meta page rot, the one before is whole", async () => {
  const path = join(temporaryDirectory("space"), "control.lmdb");
  const control = await lmdbControlOn(disk)({ path, create: true, readOnly: false });
  const key = (i: number): Buffer => Buffer.from(`k${String(i).padStart(6, "0")}`);
  for (let i = 0; i < 5; i++) await control.commit(Array.from({ length: 1000 }, (_, k) => ({ key: key(i * 1000 + k), value: Buffer.alloc(500, i) })));
  await control.commit(Array.from({ length: 4900 }, (_, k) => ({ key: key(k), value: undefined })));
  while (!control.giveBackStep());
  const { lastTxnid } = scanFile(path);
  const rotten = `${path}.rotten`;
  copyFileSync(path, rotten);
  const fd = openSync(rotten, "r+");
  writeSync(fd, Buffer.alloc(4096), 0, 4096, (lastTxnid % 2) * 4096);
  closeSync(fd);
  const pages = openPages(rotten);
  let rowCount = 0;
  const { problems } = scanLmdbPages(pages, "rows", () => rowCount++);
  pages.close();
  assert.equal([problems.map(({ page }) => page), rowCount], [[lastTxnid % 2], 5000]);
  await control.close();
});

test("the oldest reader is taken from LMDB's own list, and nothing is assumed of a list that is not understood", () => {
  const head = "\t\tpid\t\t thread\t\t txnid\n";
  assert.is(oldestReaderOf(`${head}      9287 7fda85636d40 12\n        17 7fda85636d40 9\n        17 7fda85636d41 -\n`), 9);
  assert.is(oldestReaderOf(`${head}      9287 7fda85636d40 -\n`), Number.POSITIVE_INFINITY);
  assert.is(oldestReaderOf("(no active readers)\n"), Number.POSITIVE_INFINITY);
  assert.is(oldestReaderOf(`${head}      9287 7fda85636d40 twelve\n`), undefined);
});

test.run();
