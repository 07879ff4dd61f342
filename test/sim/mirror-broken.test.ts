/**
 * Syncs that break: the connection is cut at every byte of a session; the process dies at each call to the object store and at each
 * fact. Whatever happened, every file that the mirror says it has is there whole, nothing is gone that upstream has, and the next sync
 * makes all of it what upstream is.
 */
// Time limit: 900 s
import { mkdirSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteString } from "../../src/core/index.ts";
import { dialTcp } from "../../src/app/rsync-wire.ts";
import { lastOfProfile } from "../../src/actors/mirror/index.ts";
import { campaignSeed, isCampaign, scale } from "../support/campaign.ts";
import { MemoryMirrorFiles } from "../support/memory-mirror-files.ts";
import { MemoryObjects } from "../support/memory-objects.ts";
import { MirrorRig } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { byteCountOf, Recorder, replayed } from "../support/recorded-wire.ts";
import type { Recorded } from "../support/recorded-wire.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { treeContents } from "../support/tree-contents.ts";

const test = suite("mirror: broken syncs");
const random = seededRandom(campaignSeed());
const WHOLE_BYTES_MAX = 5000; // So that uploads are among what breaks.
const OPTIONS = { last: lastOfProfile("debian"), deletes: true } as const;

/** Upstream's files by path, and what each may look like in the mirror meanwhile. */
type Contents = ReadonlyMap<string, string>;

function makeBefore(at: (name: string) => string): void {
  mkdirSync(at("pool/deep"), { recursive: true });
  mkdirSync(at("going"));
  writeFileSync(at("pool/stays"), "stays");
  writeFileSync(at("pool/changes"), "before");
  writeFileSync(at("pool/deep/large"), seededRandom(7).bytes(200_000));
  writeFileSync(at("going/file"), "going");
  writeFileSync(at("becomes a folder"), "a file");
  writeFileSync(at("Release"), "names what was before");
  writeFileSync(at("Packages"), seededRandom(9).bytes(30_000));
  symlinkSync("stays", at("pool/link"));
  for (const name of ["pool/stays", "pool/changes", "pool/deep/large", "Release"]) utimesSync(at(name), 1000, 1000);
}

function makeAfter(at: (name: string) => string): void {
  writeFileSync(at("pool/changes"), "after, and longer");
  const large = seededRandom(7).bytes(200_000);
  large.fill(1, 90_000, 91_000);
  writeFileSync(at("pool/deep/large"), large);
  writeFileSync(at("pool/new"), seededRandom(8).bytes(12_000));
  rmSync(at("going"), { recursive: true });
  unlinkSync(at("becomes a folder"));
  mkdirSync(at("becomes a folder"));
  writeFileSync(at("becomes a folder/inside"), "inside");
  writeFileSync(at("Release"), "names what is after");
  writeFileSync(at("Packages"), seededRandom(10).bytes(40_000)); // It waits in the store for its turn.
  unlinkSync(at("pool/link"));
  symlinkSync("changes", at("pool/link"));
}

interface World {
  readonly rig: MirrorRig;
  readonly before: Contents;
  readonly after: Contents;
  /** What the server said in the two syncs. */
  readonly first: Recorded;
  readonly second: Recorded;
}

async function makeWorld(): Promise<World> {
  const rig = await MirrorRig.open({ store: new MemoryObjects(WHOLE_BYTES_MAX) });
  const at = (name: string): string => join(rig.upstream, name);
  const recorded = async (): Promise<Recorded> => {
    const recorder = new Recorder();
    rig.dial = recorder.dial(dialTcp);
    await rig.sync(OPTIONS);
    return recorder.connections;
  };
  makeBefore(at);
  const before = treeContents(rig.upstream);
  const first = await recorded();
  makeAfter(at);
  const second = await recorded();
  return { rig, before, after: treeContents(rig.upstream), first, second };
}

/** A mirror as it was before the sync that breaks. */
async function standing({ rig, first }: World): Promise<{ readonly objects: MemoryObjects; readonly files: MemoryMirrorFiles }> {
  const objects = new MemoryObjects(WHOLE_BYTES_MAX);
  const files = new MemoryMirrorFiles();
  rig.use(objects, files);
  rig.dial = replayed(first);
  await rig.sync(OPTIONS);
  return { objects, files };
}

/** What must hold at every moment. */
async function checkMeanwhile(world: World, objects: MemoryObjects, files: MemoryMirrorFiles, where: string): Promise<void> {
  for (const [key, { kind, bytes, metadata }] of objects.objects) {
    if (key.startsWith(".rainbow-waiting/")) continue;
    const content = kind === "symlink" ? `-> ${metadata.linkTarget}` : bytes.toString("latin1");
    assert.ok(content === world.before.get(key) || content === world.after.get(key), `${where}: '${key}' holds what upstream never had`);
  }
  for (const key of world.before.keys()) if (world.after.has(key)) assert.ok(objects.objects.has(key), `${where}: '${key}' went, and upstream has it`);
  const list = await files.list();
  const walk = (directory: ByteString): void => {
    for (const entry of list.children(directory)) {
      const key = entry.kind === "directory" ? `${entry.path}/` : entry.path;
      // What is gone upstream goes as an object first, and then as a fact.
      assert.ok(objects.objects.has(key) || !world.after.has(key), `${where}: '${key}' is a fact and no object`);
      if (entry.kind === "directory") walk(entry.path);
    }
  };
  walk("." as ByteString);
}

/** Goes on with the real server, and is what upstream is. */
async function checkAfterwards(world: World, objects: MemoryObjects, files: MemoryMirrorFiles, where: string): Promise<void> {
  const { rig } = world;
  rig.use(objects, files);
  rig.dial = dialTcp;
  const { heldBecause } = await rig.sync(OPTIONS);
  assert.is(heldBecause, "", where);
  const contents = [...objects.objects].map(([key, { kind, bytes, metadata }]) => [
    key,
    kind === "symlink" ? `-> ${metadata.linkTarget}` : bytes.toString("latin1"),
  ]);
  const shown = (entries: Iterable<readonly (string | undefined)[]>): string[] =>
    [...entries].map(([key, value]) => `${key}: ${value!.slice(0, 40)} ${value!.length}`).toSorted();
  assert.equal(shown(contents as string[][]), shown(world.after), where);
  assert.is(files.deletions.count, 0, where);
  const again = await rig.sync(OPTIONS);
  assert.equal([again.counts.arrivedCount, again.counts.touchedCount, again.counts.withdrawnCount], [0, 0, 0], `${where}: ${JSON.stringify(again.items)}`);
}

async function withWorld(name: string, body: (world: World) => Promise<void>): Promise<void> {
  if (!hasCommand("rsync")) return skipped(`mirror: ${name}`, "rsync is not installed");
  const world = await makeWorld();
  try {
    await body(world);
  } finally {
    await world.rig.close();
  }
}

/** Whether it failed. */
async function fails(sync: Promise<unknown>): Promise<boolean> {
  try {
    await sync;
    return false;
  } catch {
    return true;
  }
}

test("a connection that is cut at any byte loses nothing and shows nothing by halves", () =>
  withWorld("cut connections", async (world) => {
    const byteCount = byteCountOf(world.second);
    const strideMax = isCampaign ? 1 : 40; // Every byte in a campaign; else a random one in each stretch.
    let failures = 0;
    for (let at = 0; at < byteCount; at += strideMax) {
      const cutBytes = Math.min(byteCount - 1, at + random.int(strideMax));
      const { objects, files } = await standing(world);
      world.rig.dial = replayed(world.second, cutBytes);
      if (await fails(world.rig.sync(OPTIONS))) failures++;
      await checkMeanwhile(world, objects, files, `cut after ${cutBytes} bytes`);
      if (isCampaign || random.chance(0.3)) await checkAfterwards(world, objects, files, `cut after ${cutBytes} bytes`);
    }
    assert.ok(failures > 0);
    console.log(`\n${byteCount} bytes, ${failures} syncs failed`);
  }));

test("a process that dies at any call to the store or the stream leaves nothing that the next one does not mend", () =>
  withWorld("crashes", async (world) => {
    const calls = await callsOf(world);
    assert.ok(calls.length > 20, calls.join(" "));
    for (let round = 0; round < scale(10); round++)
      for (const [place, call] of calls.entries()) {
        if (!isCampaign && random.chance(0.5)) continue;
        const where = `dies at call ${place}, ${call}`;
        const { objects, files } = await standing(world);
        await objects.settle();
        let count = 0;
        const dies = (): void => {
          if (count++ >= place) throw new Error("the process has died");
        };
        objects.onCall = dies;
        files.onRecord = dies;
        world.rig.dial = replayed(world.second);
        assert.ok(await fails(world.rig.sync(OPTIONS)), where);
        objects.crash(() => random.chance(0.5));
        files.onRecord = () => undefined;
        await checkMeanwhile(world, objects, files, where);
        world.rig.forget();
        await checkAfterwards(world, objects, files, where);
      }
  }));

/** The calls of the second sync, in order. */
async function callsOf(world: World): Promise<string[]> {
  const { objects, files } = await standing(world);
  const calls: string[] = [];
  objects.onCall = (name) => void calls.push(name);
  files.onRecord = () => void calls.push("record");
  world.rig.dial = replayed(world.second);
  await world.rig.sync(OPTIONS);
  return calls;
}

test("a store that fails once is tried again by the next sync, and nothing is lost meanwhile", () =>
  withWorld("a failing store", async (world) => {
    const calls = await callsOf(world);
    for (const [place, call] of calls.entries()) {
      if (!isCampaign && random.chance(0.5)) continue;
      const where = `fails at call ${place}, ${call}`;
      const { objects, files } = await standing(world);
      let count = 0;
      const failsOnce = (): void => {
        if (count++ === place) throw new Error("503: slow down");
      };
      objects.onCall = failsOnce;
      files.onRecord = failsOnce;
      world.rig.dial = replayed(world.second);
      assert.ok(await fails(world.rig.sync(OPTIONS)), where);
      await checkMeanwhile(world, objects, files, where);
      await checkAfterwards(world, objects, files, where);
    }
  }));

test.run();
