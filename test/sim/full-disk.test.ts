/**
 * A full disk: the data directory lies on a small filesystem that fills up, once by what Rainbow stores and once by somebody else.
 * The reason is said, nothing is lost, the past is restored meanwhile, and it goes on as soon as there is room.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openRainbow, systemClock, systemRandom } from "../../src/app/index.ts";
import type { OpenedRainbow, StatusAnswer } from "../../src/app/index.ts";
import { openOs } from "../../src/app/os/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { byteStringOfText } from "../../src/core/index.ts";
import { treeDifferences } from "../support/compare-trees.ts";
import { loopFilesystem } from "../support/loop-filesystem.ts";
import { seededRandom } from "../support/random.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { recordAnswers, recordDifferences, recordTree } from "../support/tree-record.ts";

const DISK_MIB = 160;
const BALLAST_MIB = 90; // Leaves less than the smallest quota, so that the disk is full before the quota is.
const FILE_BYTES = 4 << 20;
const WAIT_MS_MAX = 60_000;
const random = seededRandom(160);
const test = suite("full disk");
const os = openOs();

interface Place {
  readonly root: string;
  readonly top: ByteString;
  readonly data: string;
  readonly ballast: string;
  readonly restored: string;
}

function placeOn(disk: string): Place {
  const base = temporaryDirectory("full-disk");
  const root = join(base, "root");
  mkdirSync(root);
  for (let i = 0; i < 20; i++) writeFileSync(join(root, `first-${i}`), random.bytes(random.int(100_000)));
  const ballast = join(disk, "ballast");
  writeFileSync(ballast, random.bytes(BALLAST_MIB << 20));
  return { root, top: byteStringOfText(root), data: join(disk, "data"), ballast, restored: join(base, "restored") };
}

function open(data: string): Promise<OpenedRainbow> {
  return openRainbow({ dataDirectory: data, mode: "protect", create: true, version: "test", clock: systemClock(), random: systemRandom() });
}

async function until(rainbow: OpenedRainbow, reached: (status: StatusAnswer) => boolean, what: string): Promise<StatusAnswer> {
  const giveUp = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const status = await rainbow.operations.status();
    if (reached(status)) return status;
    if (Date.now() > giveUp) throw new Error(`${what} did not come in ${WAIT_MS_MAX / 1000} s: ${JSON.stringify(status)}`);
    await delay(100);
  }
}

const isFull = ({ state, reasons }: StatusAnswer): boolean => state === "degraded" && reasons.some((reason) => /free|space|room/.test(reason));

/** Writes files until the host says that it has no room; little more than one is then still to be stored. */
async function fillByWriting(rainbow: OpenedRainbow, root: string): Promise<void> {
  for (let i = 0; i < (DISK_MIB << 20) / FILE_BYTES; i++) {
    writeFileSync(join(root, `large-${i}`), random.bytes(FILE_BYTES));
    await delay(50);
    const status = await until(rainbow, (now) => isFull(now) || (now.dirtyCount === 0 && now.unacknowledgedBatches === 0), "rest or 'no room'");
    if (isFull(status)) return;
  }
  throw new Error("the disk took it all");
}

/** Takes every byte of the disk but what root alone may use, and that as well. */
function fillByOthers(ballast: string): void {
  const fd = openSync(ballast, "a");
  try {
    for (;;) writeSync(fd, Buffer.alloc(1 << 20, 1));
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOSPC") throw error;
  } finally {
    closeSync(fd);
  }
}

async function restoreTo(rainbow: OpenedRainbow, { top }: Place, target: string, revision: number): Promise<void> {
  const request = { path: top, at: { kind: "revision", revision }, target: byteStringOfText(target), overwrite: false, delete: false, dryRun: false } as const;
  for await (const item of rainbow.operations.restore({ ...request, include: [], exclude: [], inPlace: false })) {
    if (item.type === "summary") assert.is(item.failedCount, 0);
  }
}

async function findNothingWrong(rainbow: OpenedRainbow): Promise<void> {
  for await (const item of rainbow.operations.check({ readData: true })) if (item.type === "problem") assert.unreachable(`${item.where}: ${item.what}`);
}

async function fillAndGoOn(place: Place, fill: (rainbow: OpenedRainbow) => Promise<void>): Promise<void> {
  const rainbow = await open(place.data);
  try {
    await rainbow.operations.addRoot({ path: place.top, options: { crossMounts: false, rules: [], fileBytesMax: 0 } });
    const { revision } = await rainbow.operations.flush({ full: false });
    const before = recordTree(os, place.top);
    await fill(rainbow);
    await restoreTo(rainbow, place, place.restored, revision);
    assert.equal(recordDifferences(before, recordTree(os, byteStringOfText(place.restored))), [], "restored while full");
    assert.equal(recordDifferences(before, await recordAnswers(rainbow.operations, place.top, revision)), [], "read while full");
    rmSync(place.ballast);
    await until(rainbow, (status) => !isFull(status), "room again");
    const after = await rainbow.operations.flush({ full: false });
    assert.equal(after.incomplete, []);
    assert.equal(recordDifferences(recordTree(os, place.top), await recordAnswers(rainbow.operations, place.top, after.revision)), [], "after there was room");
    await restoreTo(rainbow, place, `${place.restored}-after`, after.revision);
    assert.equal(treeDifferences(os, place.top, byteStringOfText(`${place.restored}-after`)), []);
    await findNothingWrong(rainbow);
  } finally {
    await rainbow.close();
  }
}

test("a disk that Rainbow fills is said, the past is restored meanwhile, and with room it goes on without a loss", async () => {
  const disk = loopFilesystem("ext4", DISK_MIB);
  if (typeof disk === "string") return skipped("full disk", disk);
  const place = placeOn(disk.path);
  await fillAndGoOn(place, (rainbow) => fillByWriting(rainbow, place.root));
});

test("a disk that others fill to the last byte is said, and with room it goes on without a loss", async () => {
  const disk = loopFilesystem("ext4", DISK_MIB);
  if (typeof disk === "string") return skipped("full disk", disk);
  const place = placeOn(disk.path);
  await fillAndGoOn(place, async (rainbow) => {
    fillByOthers(place.ballast);
    for (let i = 0; i < 40; i++) writeFileSync(join(place.root, `later-${i}`), random.bytes(random.int(50_000)));
    await until(rainbow, isFull, "'no room'");
  });
});

test("closing on a full disk waits for no room, says what is not stored, and the next start loses nothing of it", async () => {
  const disk = loopFilesystem("ext4", DISK_MIB);
  if (typeof disk === "string") return skipped("closing on a full disk", disk);
  const place = placeOn(disk.path);
  let rainbow = await open(place.data);
  await rainbow.operations.addRoot({ path: place.top, options: { crossMounts: false, rules: [], fileBytesMax: 0 } });
  await rainbow.operations.flush({ full: false });
  await fillByWriting(rainbow, place.root);
  for (let i = 0; i < 40; i++) writeFileSync(join(place.root, `later-${i}`), random.bytes(random.int(50_000)));
  writeFileSync(join(place.root, "larger"), random.bytes(FILE_BYTES));
  const unfinished = await rainbow.close();
  assert.match(unfinished?.reason ?? "", /bytes are free/);
  assert.type(unfinished?.durableUntilUs, "number");
  rmSync(place.ballast);
  rainbow = await open(place.data);
  try {
    const { revision, incomplete } = await rainbow.operations.flush({ full: false });
    assert.equal(incomplete, []);
    assert.equal(recordDifferences(recordTree(os, place.top), await recordAnswers(rainbow.operations, place.top, revision)), []);
    await findNothingWrong(rainbow);
  } finally {
    assert.is(await rainbow.close(), undefined, "all is stored");
  }
});

test("a data directory on a disk without room is opened and read, and says why nothing is stored", async () => {
  const disk = loopFilesystem("ext4", DISK_MIB);
  if (typeof disk === "string") return skipped("full disk", disk);
  const place = placeOn(disk.path);
  let rainbow = await open(place.data);
  await rainbow.operations.addRoot({ path: place.top, options: { crossMounts: false, rules: [], fileBytesMax: 0 } });
  const { revision } = await rainbow.operations.flush({ full: false });
  await rainbow.close();
  fillByOthers(place.ballast);
  rainbow = await openRainbow({ dataDirectory: place.data, mode: "read", create: false, version: "test", clock: systemClock(), random: systemRandom() });
  try {
    assert.equal(recordDifferences(recordTree(os, place.top), await recordAnswers(rainbow.operations, place.top, revision)), []);
    await restoreTo(rainbow, place, place.restored, revision);
  } finally {
    await rainbow.close();
  }
});

test("on a disk without room a rebase still lets go of the past, keeps a snapshot, and gives room", async () => {
  const disk = loopFilesystem("ext4", DISK_MIB);
  if (typeof disk === "string") return skipped("rebase on a full disk", disk);
  const place = placeOn(disk.path);
  const rainbow = await open(place.data);
  try {
    await rainbow.operations.addRoot({ path: place.top, options: { crossMounts: false, rules: [], fileBytesMax: 0 } });
    const { revision } = await rainbow.operations.snapshot({ name: "first", at: { kind: "now" }, pinned: false });
    const before = recordTree(os, place.top);
    for (let i = 0; i < 3; i++) {
      writeFileSync(join(place.root, "changing"), random.bytes(FILE_BYTES));
      await rainbow.operations.flush({ full: false });
    }
    fillByOthers(place.ballast);
    let freedBytes = 0;
    for await (const item of rainbow.operations.rebase({ to: { kind: "now" } })) if (item.type === "rebased") freedBytes = item.freedBytes;
    assert.ok(freedBytes >= 2 * FILE_BYTES, `${freedBytes} bytes came back`);
    assert.equal(recordDifferences(before, await recordAnswers(rainbow.operations, place.top, revision)), [], "the snapshot is whole");
    await findNothingWrong(rainbow);
  } finally {
    await rainbow.close();
  }
});

test("a start on a disk without room protects, restores, and lets a rebase give room; with room nothing is missing", async () => {
  const disk = loopFilesystem("ext4", DISK_MIB);
  if (typeof disk === "string") return skipped("starting on a full disk", disk);
  const place = placeOn(disk.path);
  let rainbow = await open(place.data);
  await rainbow.operations.addRoot({ path: place.top, options: { crossMounts: false, rules: [], fileBytesMax: 0 } });
  const { revision } = await rainbow.operations.snapshot({ name: "first", at: { kind: "now" }, pinned: false });
  const before = recordTree(os, place.top);
  for (let i = 0; i < 3; i++) {
    writeFileSync(join(place.root, "changing"), random.bytes(FILE_BYTES));
    await rainbow.operations.flush({ full: false });
  }
  await rainbow.close();
  fillByOthers(place.ballast);
  rainbow = await open(place.data);
  try {
    await restoreTo(rainbow, place, place.restored, revision);
    assert.equal(recordDifferences(before, recordTree(os, byteStringOfText(place.restored))), [], "restored while full");
    let freedBytes = 0;
    for await (const item of rainbow.operations.rebase({ to: { kind: "now" } })) if (item.type === "rebased") freedBytes = item.freedBytes;
    assert.ok(freedBytes >= 2 * FILE_BYTES, `${freedBytes} bytes came back`);
    assert.equal(recordDifferences(before, await recordAnswers(rainbow.operations, place.top, revision)), [], "the snapshot is whole");
    rmSync(place.ballast);
    const after = await rainbow.operations.flush({ full: false });
    assert.equal(recordDifferences(recordTree(os, place.top), await recordAnswers(rainbow.operations, place.top, after.revision)), [], "nothing is missing");
    await findNothingWrong(rainbow);
  } finally {
    await rainbow.close();
  }
});

test.run();
