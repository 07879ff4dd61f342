/** Upstream changes under a sync's hands, or the target's disk fills up: nothing false is stored, nothing goes that should not, and the next sync mends it. */
import { appendFileSync, existsSync, mkdirSync, rmSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemRandom } from "../../src/app/platform.ts";
import { dialTcp } from "../../src/app/rsync-wire.ts";
import { isRainbowError } from "../../src/core/index.ts";
import { openDirectoryStore } from "../../src/objects/directory/index.ts";
import { bytePath } from "../support/compare-trees.ts";
import { loopFilesystem } from "../support/loop-filesystem.ts";
import { MemoryMirrorFiles } from "../support/memory-mirror-files.ts";
import { MemoryObjects } from "../support/memory-objects.ts";
import { riggedCases, rigOs } from "../support/mirror-rig.ts";
import type { MirrorRig } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { onceReceived } from "../support/recorded-wire.ts";
import { skipped } from "../support/skip.ts";
import { treeContents } from "../support/tree-contents.ts";

const test = suite("mirror: upheaval");
const random = seededRandom(6);
const MIB = 2 ** 20;
const LARGE = 16 * MIB; // More than what lies in the sockets between.

const rigged = riggedCases(test);

for (const [kind, ways] of [
  ["a tree", ["grows", "shrinks", "is replaced"]],
  ["no tree", ["shrinks"]],
] as const)
  rigged(`a file that changes while it is sent, and others that go before their turn comes: ${kind}`, async (rig) => {
    if (kind === "no tree") rig.use(new MemoryObjects(), rig.files);
    const at = (name: string): string => join(rig.upstream, name);
    for (const way of ways) {
      for (const name of ["1 sent", "2 vanishes", "3 folder", "5 last"]) writeFileSync(at(name), random.bytes(name === "1 sent" ? LARGE : 3 * MIB));
      writeFileSync(at("4 gone"), "to be deleted");
      await rig.sync();
      unlinkSync(at("4 gone"));
      for (const name of ["1 sent", "2 vanishes", "3 folder", "5 last"]) writeFileSync(at(name), random.bytes(name === "1 sent" ? LARGE : 3 * MIB));
      rig.memory.refusesSeed = true; // Without blocks of before all of it is sent.
      rig.dial = onceReceived(dialTcp, MIB, () => {
        if (way === "grows") appendFileSync(at("1 sent"), random.bytes(5 * MIB));
        if (way === "shrinks") truncateSync(at("1 sent"), LARGE / 4);
        if (way === "is replaced") writeFileSync(at("1 sent"), random.bytes(LARGE));
        unlinkSync(at("2 vanishes"));
        unlinkSync(at("3 folder"));
        mkdirSync(at("3 folder"));
        writeFileSync(at("3 folder/inside"), "inside");
      });
      const meanwhile = await rig.sync();
      assert.match(meanwhile.heldBecause, /read errors|vanished/, way);
      assert.ok(/^[23] /.test(meanwhile.heldBy), `${way}: '${meanwhile.heldBy}' is named`);
      assert.ok(meanwhile.counts.failedCount >= 1 && meanwhile.counts.withdrawnCount === 0, `${way}: ${JSON.stringify(meanwhile.counts)}`);
      const held = treeContentsOf(rig);
      assert.ok(held.has("4 gone") && held.has("2 vanishes"), way);
      assert.is(held.get("5 last")?.length, 3 * MIB, way);
      rig.dial = dialTcp;
      const synced = await rig.sync();
      assert.is(synced.heldBecause, "", way);
      if (kind === "a tree") assert.equal(rig.differences(), [], way);
      const shown = (contents: ReadonlyMap<string, string>): string[] => [...contents].map(([path, { length }]) => `${path}: ${length}`).toSorted();
      const [own, theirs] = [treeContentsOf(rig), treeContents(rig.upstream)];
      assert.equal(shown(own), shown(theirs), way);
      for (const [path, content] of theirs) assert.ok(own.get(path) === content, `${way}: '${path}'`);
      rmSync(at("3 folder"), { recursive: true });
    }
  });

function treeContentsOf({ store, target }: MirrorRig): Map<string, string> {
  if (!(store instanceof MemoryObjects)) return treeContents(target);
  return new Map([...store.objects].map(([key, { bytes }]) => [key, bytes.toString("latin1")]));
}

rigged("a target whose disk fills up keeps what it has, says so, and goes on once there is room", async (rig) => {
  const disk = loopFilesystem("ext4", 48);
  if (typeof disk === "string") return skipped("mirror: a disk that fills up", disk);
  const target = join(disk.path, "target");
  mkdirSync(target);
  rig.use(openDirectoryStore({ path: bytePath(target), os: rigOs, random: systemRandom() }), new MemoryMirrorFiles());
  const at = (name: string): string => join(rig.upstream, name);
  writeFileSync(at("large"), random.bytes(9 * MIB));
  for (let i = 0; i < 200; i++) writeFileSync(at(`small ${i}`), random.bytes(10_000));
  await rig.sync();
  writeFileSync(join(disk.path, "ballast"), random.bytes(20 * MIB));
  unlinkSync(at("small 7"));
  writeFileSync(at("large"), random.bytes(11 * MIB));
  for (let i = 0; i < 200; i++) writeFileSync(at(`small ${i + 100}`), random.bytes(30_000));
  for (let attempt = 0; attempt < 2; attempt++) {
    const failure = await rig.sync().then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(isRainbowError(failure, "DISK_FULL"), String(failure));
    assert.match((failure as Error).message, /no space|No space/);
    assert.ok(existsSync(join(target, "small 7")), "nothing is removed");
    for (const [path, content] of treeContents(target))
      if (!path.startsWith(".rainbow")) assert.ok([9 * MIB, 11 * MIB, 10_000, 30_000].includes(content.length), `'${path}' has ${content.length} bytes`);
  }
  unlinkSync(join(disk.path, "ballast"));
  const { heldBecause } = await rig.sync();
  assert.is(heldBecause, "");
  const [own, theirs] = [treeContents(target), treeContents(rig.upstream)];
  assert.equal([...own.keys()].filter((path) => !path.startsWith(".rainbow")).toSorted(), [...theirs.keys()].toSorted());
  for (const [path, content] of theirs) assert.ok(own.get(path) === content, path);
});

test.run();
