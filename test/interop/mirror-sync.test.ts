/** Mirrors of a real daemon's module into a directory, held to what the reference client makes of it. */
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeAssortedTree } from "../support/assorted-tree.ts";
import { bytePath } from "../support/compare-trees.ts";
import { MirrorRig, rigOs } from "../support/mirror-rig.ts";
import type { RigOptions } from "../support/mirror-rig.ts";
import { hasCommand, isRoot, skipped } from "../support/skip.ts";

const test = suite("mirror: sync");

/** A case with a rig of its own. */
function rigged(name: string, body: (rig: MirrorRig) => Promise<void>, options: RigOptions = {}): void {
  test(name, async () => {
    if (!hasCommand("rsync")) return skipped(`mirror: ${name}`, "rsync is not installed");
    const rig = await MirrorRig.open(options);
    try {
      await body(rig);
    } finally {
      await rig.close();
    }
  });
}

function makeUpstream(rig: MirrorRig): void {
  makeAssortedTree(rigOs, bytePath(rig.upstream));
  if (isRoot) return;
  rigOs.chmod(bytePath(join(rig.upstream, "folder/f4")), 0o400); // Its own user could not read it, so neither could the daemon.
  rigOs.chmod(bytePath(join(rig.upstream, "folder/deep/deeper")), 0o755); // Nor could it be removed after the test.
}

for (const protocolMax of [27, 28, 29, 30, 31, 32]) {
  rigged(`a fresh mirror is what rsync -rlpt makes, and a second sync moves nothing: protocol ${protocolMax}`, async (rig) => {
    makeUpstream(rig);
    const first = await rig.sync({ protocolMax });
    assert.equal(rig.differences(`--protocol=${protocolMax}`), []);
    assert.is(first.heldBecause, "");
    assert.is(first.counts.failedCount, 0);
    const second = await rig.sync({ protocolMax });
    assert.equal([second.counts.arrivedCount, second.counts.touchedCount, second.counts.fetchedBytes], [0, 0, 0], JSON.stringify(second.items));
    assert.is(second.counts.entryCount, first.counts.entryCount);
  });
}

rigged("changes, replaced kinds and removals follow", async (rig) => {
  makeUpstream(rig);
  await rig.sync();
  const at = (name: string): string => join(rig.upstream, name);
  writeFileSync(at("small"), "another content\n");
  writeFileSync(at("new"), "new");
  mkdirSync(at("new folder/deep"), { recursive: true });
  writeFileSync(at("new folder/deep/file"), "deep");
  rmSync(at("folder"), { recursive: true });
  writeFileSync(at("folder"), "a file now");
  unlinkSync(at("over a chunk"));
  mkdirSync(at("over a chunk"));
  writeFileSync(at("over a chunk/inside"), "inside");
  unlinkSync(at("links/relative"));
  symlinkSync("elsewhere", at("links/relative"));
  unlinkSync(at("links/dangling"));
  writeFileSync(at("links/dangling"), "a file now");
  renameSync(at("large"), at("links/moved"));
  utimesSync(at("exactly a chunk"), 1, 2);
  const synced = await rig.sync();
  assert.equal(rig.differences(), []);
  assert.is(synced.heldBecause, "");
  const again = await rig.sync();
  assert.equal([again.counts.arrivedCount, again.counts.touchedCount, again.counts.withdrawnCount], [0, 0, 0], JSON.stringify(again.items));
});

test.run();
