import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ENCODING, isRainbowError } from "../../../src/core/index.ts";
import type { ChunkNumber } from "../../../src/core/index.ts";
import { rebuildControl } from "../../../src/dig/index.ts";
import { DigRig, RIG_KEY, RIG_UUID, rigChunk, rigEntries } from "../../support/dig-rig.ts";

const test = suite("chunks");

const codeOf = (action: () => unknown): string => {
  try {
    action();
    return "fine";
  } catch (error) {
    return isRainbowError(error) ? error.code : String(error);
  }
};

/** Flips a bit of the plain bytes of a chunk, or of its run's header, on the disk. */
function rot(rig: DigRig, needle: Buffer, offset = 0): void {
  const file = rig.disk.files.get("/m/data.dig")!;
  const at = file.view.indexOf(needle);
  assert.ok(at >= 0, "the bytes are on the disk");
  file.view[at + offset]! ^= 1;
  file.durable = Buffer.from(file.view);
}

test("numbers are given in order and at once, and a chunk can be read before it is durable", async () => {
  const rig = await DigRig.opened();
  const first = rig.dig.chunks.store([rigChunk("a"), rigChunk("b")]);
  const second = rig.dig.chunks.store([rigChunk("c")]);
  assert.equal([first.first, second.first, rig.dig.chunks.nextNumber()], [1, 3, 4]);
  assert.equal(rig.dig.chunks.read(3 as ChunkNumber), rigChunk("c").stored);
  assert.is(rig.dig.chunks.find(rigChunk("b").hash), 2);
  await rig.run(Promise.all([first.durable, second.durable]));
  await rig.crash();
  assert.equal(rig.dig.chunks.read(2 as ChunkNumber), rigChunk("b").stored);
});

test("a batch of many chunks is cut into runs, and each is found again", async () => {
  const rig = await DigRig.opened(64 << 20);
  const chunks = Array.from({ length: 500 }, (_, i) => rigChunk(`${i} `, 1 + ((i * 977) % 9000)));
  await rig.run(rig.dig.chunks.store(chunks).durable);
  await rig.reopen();
  chunks.forEach((chunk, i) => {
    assert.equal(rig.dig.chunks.read((i + 1) as ChunkNumber), chunk.stored);
    assert.equal(rig.dig.chunks.describe((i + 1) as ChunkNumber), { hash: chunk.hash, lengthBytes: chunk.lengthBytes, storedBytes: chunk.stored.length });
  });
  assert.equal(await rig.problems(), []);
});

test("a compressed chunk that unpacks to more than it says is refused", async () => {
  const rig = await DigRig.opened();
  const plain = Buffer.alloc(60_000, "x");
  const hash = createHash("sha256").update(RIG_KEY).update(plain).digest();
  const lying = { hash, lengthBytes: 100, encoding: ENCODING.zstd, stored: zstdCompressSync(plain) };
  await rig.run(rig.dig.chunks.store([lying]).durable);
  assert.is(
    codeOf(() => rig.dig.chunks.read(1 as ChunkNumber)),
    "DIG_CHECKSUM",
  );
});

test("a chunk is read straight into memory of its length, raw or compressed, and refused there when it is damaged", async () => {
  const rig = await DigRig.opened();
  const plain = Buffer.alloc(50_000, "compressible ");
  const hash = createHash("sha256").update(RIG_KEY).update(plain).digest();
  const packed = { hash, lengthBytes: plain.length, encoding: ENCODING.zstd, stored: zstdCompressSync(plain) };
  const raw = rigChunk("raw", 9000);
  await rig.run(rig.dig.chunks.store([packed, raw]).durable);
  await rig.reopen();
  const readInto = (chunk: number, into: Buffer): number => rig.dig.chunks.readInto(chunk as ChunkNumber, into);
  for (const [chunk, bytes] of [
    [1, plain],
    [2, raw.stored],
  ] as const) {
    const into = Buffer.alloc(bytes.length);
    assert.is(readInto(chunk, Buffer.alloc(bytes.length - 1)), -1);
    assert.is(readInto(chunk, into), bytes.length);
    assert.equal(into, bytes);
    rig.dig.chunks.read(chunk as ChunkNumber);
    assert.is(readInto(chunk, into.fill(0)), bytes.length, "also where it is remembered");
    assert.equal(into, bytes);
    assert.is(readInto(chunk, Buffer.alloc(65_536)), bytes.length, "and where there is more room");
  }
  rot(rig, packed.stored, 30);
  rot(rig, raw.stored, 30);
  await rig.reopen();
  assert.is(
    codeOf(() => readInto(1, Buffer.alloc(plain.length))),
    "DIG_CHECKSUM",
  );
  assert.is(
    codeOf(() => readInto(2, Buffer.alloc(raw.stored.length))),
    "DIG_CHECKSUM",
  );
});

test("chunks outside the limits are refused before they are numbered", async () => {
  const rig = await DigRig.opened();
  const fine = rigChunk("a");
  for (const bad of [
    { ...fine, lengthBytes: 0 },
    { ...fine, lengthBytes: 65_537 },
    { ...fine, stored: Buffer.alloc(0) },
    { ...fine, hash: Buffer.alloc(31) },
  ]) {
    assert.is(
      codeOf(() => rig.dig.chunks.store([bad])),
      "LIMIT",
    );
  }
  assert.is(rig.dig.chunks.nextNumber(), 1);
});

test("a full quota refuses payload before numbers are given, and trees and freeing still find room", async () => {
  const rig = await DigRig.opened(1 << 20);
  let count = 0;
  while (codeOf(() => rig.dig.chunks.store([rigChunk(`${count} `, 60_000)])) === "fine") count += 1;
  assert.ok(count > 10 && count < 18, `${count} chunks of 60,000 bytes fit into 1 MiB`);
  assert.is(rig.dig.chunks.nextNumber(), count + 1);
  const changes = Array.from({ length: count }, (_, i) => [i + 1, 0, 5] as const);
  await rig.build(10, { x: "1" }, changes);
  await rig.moveWindow(10);
  assert.ok((await rig.work()) > 600_000);
  assert.is(await rig.store("a"), count + 1);
  assert.equal(await rig.problems(), []);
});

test("a full disk refuses payload before numbers are given", async () => {
  const rig = await DigRig.opened();
  rig.disk.freeBytes = 1 << 20;
  assert.is(
    codeOf(() => rig.dig.chunks.store([rigChunk("a")])),
    "DISK_FULL",
  );
  assert.equal([rig.dig.chunks.nextNumber(), await rig.problems()], [1, []]);
  rig.disk.freeBytes = 2 ** 40;
  assert.is(await rig.store("a"), 1);
});

test("a scattered file takes a batch in smaller runs", async () => {
  const rig = await DigRig.opened(3 << 20);
  const count = 600;
  for (let i = 0; i < count; i++) await rig.store(`${i} `);
  await rig.build(
    10,
    { x: "1" },
    Array.from({ length: count }, (_, i) => (i % 3 === 0 ? [i + 1, 1] : [i + 1, 0, 5])),
  );
  await rig.moveWindow(10);
  await rig.work();
  const chunks = Array.from({ length: 60 }, (_, i) => rigChunk(`new ${i} `, 3000));
  const { first, durable } = rig.dig.chunks.store(chunks);
  await rig.run(durable);
  chunks.forEach((chunk, i) => assert.equal(rig.dig.chunks.read((first + i) as ChunkNumber), chunk.stored));
  assert.equal(await rig.problems(), []);
});

test("a bad chunk is named with its block, its neighbours are read, and good bytes mend it", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a", "b", "c");
  rot(rig, rigChunk("b").stored, 100);
  await rig.reopen();
  assert.is(
    codeOf(() => rig.dig.chunks.read((first + 1) as ChunkNumber)),
    "DIG_CHECKSUM",
  );
  assert.ok(rig.isStored(first) && rig.isStored(first + 2));
  assert.equal(
    (await rig.problems()).map(({ chunk }) => chunk),
    [first + 1],
  );
  const wrong = await rig.run(rig.dig.chunks.mend((first + 1) as ChunkNumber, rigChunk("c")).catch((error: unknown) => error));
  assert.ok(isRainbowError(wrong, "DIG_CHECKSUM"));
  await rig.run(rig.dig.chunks.mend((first + 1) as ChunkNumber, rigChunk("b")));
  assert.equal(rig.dig.chunks.read((first + 1) as ChunkNumber), rigChunk("b").stored);
  assert.equal(await rig.problems(), []);
  await rig.crash();
  assert.equal(
    [0, 1, 2].map((i) => rig.isStored(first + i)),
    [true, true, true],
  );
});

async function rebuilt(rig: DigRig, keep: (chunk: number) => boolean): Promise<void> {
  const options = rig.options();
  const result = await rig.run(rebuildControl({ ...options, uuid: RIG_UUID, quotaBytes: 16 << 20 }, { keep }));
  rig.controls.maps.set("/m/control.lmdb", rig.controls.maps.get("/m/control.lmdb.new") ?? rig.controls.maps.get("/m/control.lmdb")!);
  assert.ok(result.chunkCount > 0);
  await rig.open();
}

test("the control file is made anew from the data file: named chunks are kept, others go, trees are built again", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a", "b", "c");
  await rig.build(10, rigEntries(20, "1"), [[first, 1]]);
  await rig.store("d");
  await rig.run(rig.dig.chunks.mend(first, rigChunk("a"))); // The run stands twice in the file now.
  await rig.run(rig.dig.close());
  rig.controls.maps.clear();
  await rebuilt(rig, (chunk) => chunk !== first + 1);
  assert.equal(
    [0, 1, 2, 3].map((i) => rig.isStored(first + i)),
    [true, false, true, true],
  );
  assert.equal([rig.dig.trees.list().length, rig.dig.chunks.nextNumber()], [0, first + 4]);
  assert.equal(await rig.problems(), []);
  await rig.build(10, rigEntries(20, "1"), [[first, 1]]);
  assert.is(rig.dig.chunks.liveCount(first), 1);
  assert.equal(rig.dig.chunks.read(await rig.store("e")), rigChunk("e").stored);
  assert.equal(await rig.problems(), []);
});

test("a rebuild takes what was stored last under a number that was given twice, wherever the crash left the first", async () => {
  for (let round = 0; round < 12; round++) {
    const rig = await DigRig.opened();
    for (let i = 0; i <= round; i++) rig.random.next(); // Other sectors survive each time.
    rig.dig.chunks.store([rigChunk("a", 9000)]).durable.catch(() => undefined);
    await rig.crashAfter(round % 3);
    await rig.run(rig.dig.chunks.giveBack(1 as ChunkNumber));
    await rig.store("b");
    await rig.run(rig.dig.close());
    rig.controls.maps.clear();
    await rebuilt(rig, () => true);
    assert.equal(rig.dig.chunks.read(1 as ChunkNumber), rigChunk("b").stored);
  }
});

test("the reserve is given up on a full disk, and freeing goes on", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a");
  await rig.build(10, { x: "1" }, [[first, 0, 5]]);
  assert.ok(rig.disk.files.has("/m/reserve"));
  rig.disk.freeBytes = 1000;
  await rig.moveWindow(10);
  assert.not.ok(rig.disk.files.has("/m/reserve"));
  assert.ok((await rig.work()) > 0);
  rig.disk.freeBytes = 2 ** 40;
  await rig.reopen();
  assert.ok(rig.disk.files.has("/m/reserve"));
});

test("both superblocks damaged: the rebuild writes them anew", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a");
  await rig.run(rig.dig.close());
  rig.disk.files.get("/m/data.dig")!.view.fill(0xff, 0, 8192);
  const refusal = await rig.open().catch((error: unknown) => error);
  assert.ok(isRainbowError(refusal, "STORE_CORRUPT"));
  await rebuilt(rig, () => true);
  assert.ok(rig.isStored(first));
  assert.equal(await rig.problems(), []);
});

test("one damaged superblock does not prevent the opening, and check names it", async () => {
  const rig = await DigRig.opened();
  await rig.store("a");
  await rig.run(rig.dig.close());
  const file = rig.disk.files.get("/m/data.dig")!;
  const newest = file.view.readUInt32LE(32) > file.view.readUInt32LE(4096 + 32) ? 0 : 4096;
  file.view[newest + 20]! ^= 4;
  await rig.open();
  assert.ok(rig.isStored(1));
});

test("a damaged row is named by check, and nothing is written to such a store", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a");
  await rig.run(rig.dig.close());
  const rows = rig.controls.maps.get("/m/control.lmdb")!;
  const [key, value] = [...rows].find(([name]) => name.startsWith("B"))!;
  const bad = Buffer.from(value);
  bad[10]! ^= 1;
  rows.set(key, bad);
  await rig.open();
  assert.ok((await rig.problems()).length > 0);
  assert.ok(rig.isStored(first));
  assert.is(
    codeOf(() => rig.dig.chunks.store([rigChunk("b")])),
    "STORE_CORRUPT",
  );
});

test("a data file of a newer format is refused", async () => {
  const rig = await DigRig.opened();
  await rig.run(rig.dig.close());
  const { crc32 } = await import("node:zlib");
  const file = rig.disk.files.get("/m/data.dig")!;
  for (const at of [0, 4096]) {
    const block = file.view.subarray(at, at + 4096);
    block.writeUInt16LE(2, 4);
    block.writeUInt32LE(crc32(block.subarray(12), crc32(block.subarray(0, 8))), 8);
  }
  const refusal = await rig.open().catch((error: unknown) => error);
  assert.ok(isRainbowError(refusal, "NEWER_FORMAT"));
});

test.run();
