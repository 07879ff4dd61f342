/** How far a sync is, asked while it runs: never more than is wanted, also within a large file, and all of it in the end. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SYNC_OPTIONS } from "../../src/actors/mirror/index.ts";
import type { Dial, SyncOptions, SyncProgress } from "../../src/actors/mirror/index.ts";
import { dialTcp } from "../../src/app/rsync-wire.ts";
import { MirrorRig } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { hasCommand, skipped } from "../support/skip.ts";

const test = suite("mirror: progress");
const random = seededRandom(1);
const LARGE_BYTES = 24 << 20;
const SMALL_COUNT = 200;

test("what came and what is wanted are told at any moment, of whole files and of deltas", async () => {
  if (!hasCommand("rsync")) return skipped("mirror: progress", "rsync is not installed");
  const samples: SyncProgress[] = [];
  let progress: (() => SyncProgress) | undefined;
  /** Asks whenever bytes came. */
  const dial: Dial = async (...to) => {
    const wire = await dialTcp(...to);
    const read = async (): Promise<Buffer | undefined> => {
      if (progress !== undefined) samples.push(progress());
      return wire.read();
    };
    return { ...wire, read, write: (pieces) => wire.write(pieces), close: () => wire.close() };
  };
  const rig = await MirrorRig.open({ dial });
  const sync = async (options: Partial<SyncOptions> = {}): Promise<SyncProgress> => {
    samples.length = 0;
    await rig.sync(options, { started: (asked) => (progress = asked) });
    return progress!();
  };
  try {
    const large = random.bytes(LARGE_BYTES);
    writeFileSync(join(rig.upstream, "large"), large);
    for (let i = 0; i < SMALL_COUNT; i++) writeFileSync(join(rig.upstream, `small-${i}`), "ten bytes.");
    const all = { wantedCount: SMALL_COUNT + 1, wantedBytes: LARGE_BYTES + 10 * SMALL_COUNT };
    const { receivedBytes, ...whole } = await sync();
    assert.equal(whole, { entryCount: SMALL_COUNT + 2, ...all, comeCount: all.wantedCount, comeBytes: all.wantedBytes, isListed: true });
    assert.ok(receivedBytes >= all.wantedBytes);
    assert.ok(new Set(samples.map(({ comeBytes }) => comeBytes).filter((bytes) => bytes > 0 && bytes < LARGE_BYTES)).size > 10, "also while a file comes");
    assert.ok(samples.every(({ comeBytes, wantedBytes, comeCount, wantedCount }) => comeBytes <= wantedBytes && comeCount <= wantedCount));
    assert.ok(
      samples.every(({ comeBytes }, i) => i === 0 || comeBytes >= samples[i - 1]!.comeBytes),
      "it never goes back",
    );

    large.fill(7, LARGE_BYTES / 2, LARGE_BYTES / 2 + 100_000);
    writeFileSync(join(rig.upstream, "large"), large);
    const delta = await sync();
    assert.equal([delta.wantedCount, delta.wantedBytes, delta.comeCount, delta.comeBytes], [1, LARGE_BYTES, 1, LARGE_BYTES]);
    assert.ok(delta.receivedBytes < LARGE_BYTES / 10);
    assert.equal((await sync()).wantedBytes, 0);

    for (let i = 0; i < 8; i++) writeFileSync(join(rig.upstream, `lane-${i}`), random.bytes(1 << 20));
    const lanes = await sync({ connections: 4, laneLimits: { ...SYNC_OPTIONS.laneLimits, fileBytesMin: 10_000, mainBytes: 0 } });
    assert.equal([lanes.wantedCount, lanes.wantedBytes, lanes.comeCount, lanes.comeBytes], [8, 8 << 20, 8, 8 << 20]);
    assert.ok(samples.every(({ comeBytes, wantedBytes }) => comeBytes <= wantedBytes));
  } finally {
    await rig.close();
  }
});

test.run();
