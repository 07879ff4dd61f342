/** One case for each rule of lifespans and freeing that was once broken: what the rule prevents, shown on the real code. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ChunkNumber, Revision } from "../../../src/core/index.ts";
import { controlKey } from "../../../src/dig/control-rows.ts";
import { DigRig, rigChunk, rigEntries } from "../../support/dig-rig.ts";

const test = suite("rules of trees, lifespans and freeing");

const sound = async (rig: DigRig): Promise<void> => assert.equal(await rig.problems(), []);

test("a chunk that dies, lives again and dies again is kept for the snapshot between (one dead entry per chunk)", async () => {
  const rig = await DigRig.opened();
  const chunk = await rig.store("a", "b");
  await rig.build(10, { x: "1" }, [
    [chunk, 0, 8],
    [chunk + 1, 1],
  ]);
  assert.is(rig.dig.chunks.find(rigChunk("a").hash), chunk, "dedup may hit a chunk that is dead now (rule 12)");
  await rig.build(20, { x: "2" }, [[chunk, 1]]); // A snapshot at 20 names it.
  await rig.build(30, { x: "3" }, [[chunk, -1, 25]]);
  await rig.build(40, { x: "4" });
  await rig.moveWindow(40);
  for (const tree of [10, 30]) await rig.dropTree(tree);
  await rig.work();
  assert.ok(rig.isStored(chunk), "the snapshot at 20 still names it");
  await sound(rig);
  await rig.dropTree(20);
  await rig.work();
  assert.not.ok(rig.isStored(chunk));
  assert.ok(rig.isStored(chunk + 1));
  await sound(rig);
});

test("a dead chunk that is named and overwritten in one batch dies at that batch, not before (the entry is replaced)", async () => {
  const rig = await DigRig.opened();
  const chunk = await rig.store("a");
  await rig.build(10, { x: "1" }, [[chunk, 0, 8]]);
  await rig.build(20, { x: "2" }, [[chunk, 0, 18]]);
  await rig.moveWindow(10);
  await rig.dropTree(10);
  await rig.work();
  assert.ok(rig.isStored(chunk), "the window begins at 10, and the event at 18 names it");
  await rig.moveWindow(20);
  await rig.work();
  assert.not.ok(rig.isStored(chunk));
  await sound(rig);
});

test("a chunk is not named by dedup while it is condemned, and is spared where a decided batch named it before", async () => {
  const rig = await DigRig.opened();
  const chunk = await rig.store("a");
  await rig.build(10, { x: "1" }, [[chunk, 0, 8]]);
  await rig.moveWindow(10);
  const seen: (number | undefined)[] = [];
  const barrier = rig.barrier();
  await rig.work({
    ...barrier,
    headRevision: () => {
      seen.push(rig.dig.chunks.find(rigChunk("a").hash));
      rig.touched.add(chunk); // A batch that was decided before is appended now.
      return barrier.headRevision();
    },
  });
  assert.equal(seen, [undefined]);
  assert.ok(rig.isStored(chunk));
  assert.is(rig.dig.chunks.find(rigChunk("a").hash), chunk, "condemning ends with the step");
  rig.touched.clear();
  await rig.build(20, { x: "2" }, [[chunk, 1]]);
  await rig.work();
  assert.ok(rig.isStored(chunk), "the next tree says that it lives");
  await sound(rig);
});

test("deaths in the lists of all trees dropped between two kept ones are read (ranges, not single lists)", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a", "b", "c", "d");
  await rig.build(10, rigEntries(12, "1"), [
    [first, 1],
    [first + 1, 1],
    [first + 2, 1],
    [first + 3, 1],
  ]);
  for (const [i, revision] of [20, 30, 40].entries()) await rig.build(revision, rigEntries(4, String(revision), i * 4), [[first + i, -1, revision - 2]]);
  await rig.moveWindow(40);
  for (const revision of [20, 30, 10]) await rig.dropTree(revision);
  await rig.work();
  assert.equal(
    [0, 1, 2, 3].map((i) => rig.isStored(first + i)),
    [false, false, false, true],
  );
  assert.is(rig.dig.usage().treeBytes, rig.dig.trees.list()[0]!.pageCount * 4096, "only the newest tree's pages are left");
  await sound(rig);
});

test("the work set survives a crash, and a second drop does not overwrite the first one's range", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a", "b");
  await rig.build(10, rigEntries(8, "1"), [
    [first, 1],
    [first + 1, 1],
  ]);
  await rig.build(20, rigEntries(8, "2"), [[first, -1, 18]]);
  await rig.build(30, rigEntries(8, "3"), [[first + 1, -1, 28]]);
  await rig.moveWindow(20);
  await rig.dropTree(10);
  await rig.moveWindow(30);
  await rig.dropTree(20);
  await rig.crash();
  await rig.work();
  assert.equal([rig.isStored(first), rig.isStored(first + 1)], [false, false]);
  assert.is(rig.dig.usage().treeBytes, rig.dig.trees.list()[0]!.pageCount * 4096);
  await sound(rig);
});

test("a tree put before an existing one owns what the next one lacks, and gives its own pages to the next one's list", async () => {
  const rig = await DigRig.opened();
  await rig.build(10, rigEntries(40, "a"));
  await rig.build(30, { k000: "c", k020: "c" });
  await rig.build(20, { k000: "b", k010: "b" }); // k010 changes and changes back before 30.
  assert.equal(
    ["k000", "k010", "k020"].map((key) => [10, 20, 30].map((revision) => rig.get(revision, key)).join("")),
    ["abc", "aba", "aac"],
  );
  await sound(rig);
  await rig.dropTree(20);
  await rig.work();
  assert.equal([rig.get(10, "k010"), rig.get(30, "k010"), rig.get(30, "k000")], ["a", "a", "c"], "the page that changed back is shared by 10 and 30");
  await sound(rig);
  await rig.dropTree(10);
  await rig.work();
  assert.is(rig.dig.usage().treeBytes, rig.dig.trees.list()[0]!.pageCount * 4096);
  await sound(rig);
});

test("a page that a tree in the middle replaced dies with it, not with the next one", async () => {
  const rig = await DigRig.opened();
  await rig.build(10, rigEntries(4, "a"));
  await rig.build(30, rigEntries(4, "c"));
  await rig.build(20, rigEntries(4, "b"));
  const before = rig.dig.usage().treeBytes;
  await rig.dropTree(10);
  await rig.work();
  assert.ok(rig.dig.usage().treeBytes < before, "the page of 10 goes with it, though 20 is kept");
  assert.equal([rig.get(20, "k000"), rig.get(30, "k000")], ["b", "c"]);
  await sound(rig);
});

test("a reader holds the pages of its base tree and the chunks of its instant until it ends", async () => {
  const rig = await DigRig.opened();
  const chunk = await rig.store("a");
  await rig.build(10, rigEntries(8, "1"), [[chunk, 1]]);
  const reader = rig.dig.trees.open(12 as Revision)!;
  await rig.build(20, rigEntries(8, "2"), [[chunk, -1, 15]]);
  await rig.moveWindow(20);
  await rig.dropTree(10);
  await rig.work();
  assert.ok(rig.isStored(chunk), "the instant 12 names it");
  assert.is(reader.get(Buffer.from("k003"))?.toString("latin1", 0, 1), "1");
  const reading = rig.dig.freeing.hold(14 as Revision);
  reader.close();
  await rig.work();
  assert.ok(rig.isStored(chunk));
  reading.release();
  await rig.work();
  assert.not.ok(rig.isStored(chunk));
  await sound(rig);
});

test("a reader that reads nothing for long is ended where something is to be freed, and one that reads is not", async () => {
  const rig = await DigRig.opened();
  const chunk = await rig.store("a");
  await rig.build(10, rigEntries(8, "1"), [[chunk, 1]]);
  const { freeing, trees } = rig.dig;
  const [idle, busy] = [freeing.hold(12 as Revision), freeing.hold(12 as Revision)];
  const [idleTree, busyTree] = [trees.open(12 as Revision, idle)!, trees.open(12 as Revision, busy)!];
  await rig.build(20, rigEntries(8, "2"), [[chunk, -1, 15]]);
  await rig.moveWindow(20);
  await rig.dropTree(10);
  freeing.endIdleReaders(0, 100);
  assert.ok(busyTree.get(Buffer.from("k003")));
  freeing.endIdleReaders(101, 100);
  await rig.work();
  assert.ok(rig.isStored(chunk), "the other one still reads");
  assert.throws(() => idleTree.get(Buffer.from("k003")), /given up: ask again/);
  assert.ok(busyTree.get(Buffer.from("k003")));
  busyTree.close();
  await rig.work();
  assert.not.ok(rig.isStored(chunk));
  await sound(rig);
});

test("a crash at any step of storing, building, dropping and freeing leaves no block without an owner and none with two", async () => {
  for (let steps = 0; steps < 24; steps++) {
    const rig = await DigRig.opened();
    const first = await rig.store("a", "b", "c");
    await rig.build(10, rigEntries(20, "1"), [
      [first, 1],
      [first + 1, 1],
      [first + 2, 1],
    ]);
    const work = (async (): Promise<void> => {
      await rig.dig.chunks.store([rigChunk("d"), rigChunk("e")]).durable;
      await rig.startBuild(20, rigEntries(6, "2"), [
        [first, -1, 15],
        [first + 1, -1, 16],
        [first + 3, 1],
        [first + 4, 1],
      ]);
      await rig.dig.freeing.moveWindow(20 as Revision);
      await rig.dig.freeing.dropTree(10 as Revision);
      for (let i = 0; i < 10; i++) await rig.dig.freeing.work(rig.barrier(), 5);
    })();
    work.catch(() => undefined);
    await rig.crashAfter(steps);
    await sound(rig);
    const isBuilt = rig.dig.trees.list().some(({ revision }) => revision === 20);
    if (!isBuilt) await rig.run(rig.dig.chunks.giveBack((first + 3) as ChunkNumber));
    assert.is(rig.dig.chunks.liveCount(first), isBuilt ? 0 : 1, `counts become true once and with the tree (after ${steps} steps)`);
    await sound(rig);
  }
});

test("a freed block is not used again before its freeing is durable", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a");
  await rig.store("b");
  await rig.build(10, { x: "1" }, [
    [first, 0, 8],
    [first + 1, 1],
  ]);
  await rig.moveWindow(10);
  const before = rig.dig.usage().freeBlocks;
  const work = (async (): Promise<void> => {
    for (let i = 0; i < 6; i++) await rig.dig.freeing.work(rig.barrier(), 5);
  })();
  const isNamedDurably = (): boolean => [...rig.controls.maps.values()].some((rows) => rows.has(controlKey("run", first).latin1Slice()));
  for (let waited = 0; waited < 20; waited++) {
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve)); // The next durable step waits.
    if (rig.dig.usage().freeBlocks > before) assert.not.ok(isNamedDurably(), "what is free is named by nobody, not after a crash either");
    await rig.world.step();
  }
  assert.ok(rig.dig.usage().freeBlocks > before);
  assert.is(rig.dig.usage().chunkCount, 1);
  await rig.run(work);
  await sound(rig);
});

test("numbers of freed chunks are not given again: a tree knows how far they went", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a");
  const newest = await rig.store("b");
  await rig.build(10, { x: "1" }, [
    [first, 1],
    [newest, 0, 8],
  ]);
  await rig.moveWindow(10);
  await rig.work();
  assert.not.ok(rig.isStored(newest));
  await rig.reopen();
  assert.is(rig.dig.chunks.nextNumber(), newest + 1);
});

test("several chunks in one block free it with the last", async () => {
  const rig = await DigRig.opened();
  const { first, durable } = rig.dig.chunks.store(["a", "b", "c"].map((text) => rigChunk(text, 600)));
  await rig.run(durable);
  await rig.build(10, { x: "1" }, [
    [first, 0, 4],
    [first + 1, 0, 8],
    [first + 2, 0, 9],
  ]);
  const used = rig.dig.usage().allocatedBytes;
  await rig.moveWindow(8);
  await rig.work();
  assert.equal(
    [0, 1, 2].map((i) => rig.isStored(first + i)),
    [false, false, true],
  );
  assert.is(rig.dig.usage().allocatedBytes, used);
  await rig.moveWindow(10);
  await rig.work();
  assert.is(rig.dig.usage().allocatedBytes, used - 4096);
  await sound(rig);
});

test("at open, chunks that no event names are given back, and their numbers are used again", async () => {
  const rig = await DigRig.opened();
  const named = await rig.store("a");
  const unnamed = await rig.store("b", "c");
  await rig.crash();
  assert.is(rig.dig.chunks.nextNumber(), unnamed + 2);
  await rig.run(rig.dig.chunks.giveBack(unnamed));
  assert.equal([rig.isStored(named), rig.isStored(unnamed), rig.dig.chunks.nextNumber()], [true, false, unnamed]);
  assert.is(rig.dig.chunks.find(rigChunk("b").hash), undefined);
  assert.is(await rig.store("d"), unnamed);
  assert.equal(rig.dig.chunks.read(unnamed), rigChunk("d").stored);
  await sound(rig);
});

test("what was staged for a tree that never was registered goes at open", async () => {
  const rig = await DigRig.opened();
  const chunk = await rig.store("a");
  void rig.startBuild(10, { x: "1" }, [[chunk, 1]]);
  await rig.crashAfter(1);
  assert.equal([rig.dig.trees.list().length, rig.dig.chunks.liveCount(chunk)], [0, 0]);
  await rig.build(10, { x: "1" }, [[chunk, 1]]);
  assert.is(rig.dig.chunks.liveCount(chunk), 1);
  await sound(rig);
});

test("trees that are newer than the stream are discarded with all counts, and can be built again", async () => {
  const rig = await DigRig.opened();
  const chunk = await rig.store("a");
  await rig.build(10, rigEntries(20, "1"), [[chunk, 1]]);
  await rig.build(20, rigEntries(5, "2"), [[chunk, 1]]);
  await rig.run(rig.dig.trees.discardAfter(20 as Revision));
  assert.is(rig.dig.trees.list().length, 2, "nothing is newer than 20");
  await rig.run(rig.dig.trees.discardAfter(15 as Revision));
  assert.equal([rig.dig.trees.list().length, rig.dig.chunks.liveCount(chunk), rig.dig.usage().treeBytes], [0, 0, 0]);
  await sound(rig);
  await rig.build(10, rigEntries(20, "1"), [[chunk, 1]]);
  assert.is(rig.dig.chunks.liveCount(chunk), 1);
  await sound(rig);
});

test("discarding that a crash cut off is finished at open", async () => {
  for (let steps = 0; steps < 9; steps++) {
    const rig = await DigRig.opened();
    const chunk = await rig.store("a");
    await rig.build(10, rigEntries(20, "1"), [[chunk, 1]]);
    await rig.build(20, rigEntries(5, "2"), [[chunk, 1]]);
    rig.dig.trees.discardAfter(15 as Revision).catch(() => undefined);
    await rig.crashAfter(steps);
    const count = rig.dig.trees.list().length;
    assert.ok(count === 2 || count === 0, "all or nothing");
    assert.is(rig.dig.chunks.liveCount(chunk), count);
    await sound(rig);
  }
});

test("a tree finds room though the quota is used up and was made smaller: without it nothing could be let go", async () => {
  const rig = await DigRig.opened(1 << 20);
  let code = "none";
  for (let i = 0; code === "none"; i++)
    await rig.store(`${i}`).catch((error: unknown) => {
      code = (error as { code: string }).code;
    });
  assert.is(code, "QUOTA_FULL");
  rig.dig.setQuota(512 << 10);
  await rig.build(10, rigEntries(20, "a"));
  assert.is(rig.get(10, "k007"), "a");
  assert.equal(await rig.problems(), []);
});

test("new payload leaves free what the policy wants, and trees do not", async () => {
  const rig = await DigRig.opened();
  rig.dig.setLeftFree(Number.MAX_SAFE_INTEGER / 2);
  const code = await rig.store("a").then(
    () => "none",
    (error: unknown) => (error as { code: string }).code,
  );
  assert.is(code, "DISK_FULL");
  await rig.build(10, rigEntries(20, "a"));
  rig.dig.setLeftFree(0);
  await rig.store("a");
});

test("an estimate says what moving the window frees, and frees nothing", async () => {
  const rig = await DigRig.opened();
  const first = await rig.store("a", "b");
  await rig.build(10, { x: "1" }, [
    [first, 1],
    [first + 1, 1],
  ]);
  await rig.build(20, { x: "2" }, [[first, -1, 15]]);
  assert.is(await rig.run(rig.dig.freeing.estimate(20 as Revision, [10 as Revision])), 0, "the tree at 10 holds it");
  assert.is(await rig.run(rig.dig.freeing.estimate(20 as Revision, [])), 3000);
  assert.ok(rig.isStored(first));
});

test.run();
