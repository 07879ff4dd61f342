/** The real Disk: what is written is read, holes give space back, a full disk is a clear error. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { openDisk, openOs } from "../../src/app/os/index.ts";
import { isRainbowError } from "../../src/core/index.ts";
import type { Disk, ErrorCode } from "../../src/core/index.ts";
import { loopFilesystem } from "../support/loop-filesystem.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const MIB = 2 ** 20;
const disk: Disk = openDisk(openOs());
const cases = suite("os: disk");

function refuses(code: ErrorCode, action: () => unknown): void {
  assert.throws(action, (error: unknown) => isRainbowError(error, code) && typeof error.facts["path"] === "string" && "operation" in error.facts);
}

cases("parts are written one after the other and read back; a read ends at the file's end", async () => {
  const path = join(temporaryDirectory("disk"), "file");
  const file = disk.open(path, { create: true });
  file.write([Buffer.from("abc"), Buffer.alloc(0), Buffer.from("defg")], 5);
  file.write([], 0);
  await file.datasync();
  file.datasyncSync();
  assert.is(file.sizeBytes(), 12);
  const into = Buffer.alloc(20, "-");
  assert.is(file.read(into, 6), 6);
  assert.is(into.toString(), `bcdefg${"-".repeat(14)}`);
  assert.is(file.read(into, 12), 0);
  file.truncate(7);
  assert.is(file.sizeBytes(), 7);
  file.close();
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.is(readFileSync(path).toString("latin1"), "\0\0\0\0\0ab");
});

cases("more parts than one system call takes are all written", () => {
  const file = disk.open(join(temporaryDirectory("disk"), "file"), { create: true });
  const parts = Array.from({ length: 5000 }, (_, i) => Buffer.from(`${i},`));
  file.write(parts, 0);
  const into = Buffer.alloc(file.sizeBytes());
  file.read(into, 0);
  assert.equal(into, Buffer.concat(parts));
  file.close();
});

cases("a hole reads as zeros and gives its space back", () => {
  const file = disk.open(join(temporaryDirectory("disk"), "file"), { create: true });
  file.write([Buffer.alloc(4 * MIB, 1)], 0);
  file.datasyncSync();
  const before = file.allocatedBytes();
  const isPunched = file.punchHole(MIB, 2 * MIB);
  if (!isPunched) {
    file.close();
    return skipped("disk: holes", "neither the addon nor the filesystem can make them");
  }
  file.datasyncSync();
  assert.ok(file.allocatedBytes() <= before - 2 * MIB);
  assert.is(file.sizeBytes(), 4 * MIB);
  const into = Buffer.alloc(4 * MIB);
  file.read(into, 0);
  assert.ok(into.subarray(MIB, 3 * MIB).every((byte) => byte === 0));
  assert.is(into[MIB - 1]! + into[3 * MIB]!, 2);
  file.close();
});

cases("a rename replaces, a removal removes, directories are made in depth and privately", () => {
  const folder = temporaryDirectory("disk");
  disk.makeDirectory(join(folder, "a/b/c"));
  disk.makeDirectory(join(folder, "a/b/c"));
  assert.is(statSync(join(folder, "a")).mode & 0o777, 0o700);
  for (const name of ["new", "a/old"]) {
    const file = disk.open(join(folder, name), { create: true });
    file.write([Buffer.from(name)], 0);
    file.close();
  }
  disk.rename(join(folder, "new"), join(folder, "a/old"));
  assert.is(disk.exists(join(folder, "new")), false);
  assert.is(readFileSync(join(folder, "a/old"), "utf8"), "new");
  disk.remove(join(folder, "a/old"));
  assert.is(disk.exists(join(folder, "a/old")), false);
  assert.ok(disk.freeBytes(folder) > 0);
});

cases("what the system refuses is an error with path and operation", async () => {
  const folder = temporaryDirectory("disk");
  const path = join(folder, "file");
  refuses("IO", () => disk.open(path, { create: false }));
  refuses("IO", () => disk.remove(path));
  refuses("IO", () => disk.rename(path, `${path}2`));
  refuses("IO", () => disk.freeBytes(path));
  refuses("IO", () => disk.open(folder, { create: false }));
  disk.open(path, { create: true }).close();
  refuses("IO", () => disk.makeDirectory(path));
  const reading = disk.open(path, { create: false, readOnly: true });
  refuses("IO", () => reading.write([Buffer.from("x")], 0));
  reading.close();
  refuses("IO", () => reading.close());
  refuses("IO", () => reading.read(Buffer.alloc(1), 0));
  await reading.datasync().then(
    () => assert.unreachable("a closed file cannot be synced"),
    (error: unknown) => assert.ok(isRainbowError(error, "IO")),
  );
});

cases("a full disk is DISK_FULL, loses nothing that was written, and works again once there is space", () => {
  const filesystem = loopFilesystem("ext4", 16);
  if (typeof filesystem === "string") return skipped("disk: full", filesystem);
  const kept = disk.open(join(filesystem.path, "kept"), { create: true });
  kept.write([Buffer.alloc(MIB, 7)], 0);
  kept.datasyncSync();
  const big = disk.open(join(filesystem.path, "big"), { create: true });
  refuses("DISK_FULL", () => {
    for (let at = 0; at < 64 * MIB; at += MIB) big.write([Buffer.alloc(MIB, 8)], at);
  });
  refuses("DISK_FULL", () => {
    for (let i = 0; i < 10_000; i++) disk.makeDirectory(join(filesystem.path, `fill/${i}`));
  });
  const into = Buffer.alloc(MIB);
  assert.is(kept.read(into, 0), MIB);
  assert.ok(into.every((byte) => byte === 7));
  assert.ok(disk.freeBytes(filesystem.path) < MIB);
  big.truncate(0);
  big.datasyncSync();
  kept.write([Buffer.alloc(MIB, 9)], MIB);
  kept.datasyncSync();
  assert.is(kept.sizeBytes(), 2 * MIB);
  for (const file of [kept, big]) file.close();
});

cases.run();
