/** Mirrors of a real daemon's module into a directory, held to what the reference client makes of it. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeBrokenUploads, encodeBrokenUploads, lastOfProfile } from "../../src/actors/mirror/index.ts";
import type { Dial } from "../../src/actors/mirror/index.ts";
import { dialTcp } from "../../src/app/rsync-wire.ts";
import { RainbowError } from "../../src/core/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { parseRule } from "../../src/rsync/index.ts";
import { makeAssortedTree } from "../support/assorted-tree.ts";
import { bytePath } from "../support/compare-trees.ts";
import { MemoryMirrorFiles } from "../support/memory-mirror-files.ts";
import { MemoryObjects } from "../support/memory-objects.ts";
import { riggedCases, rigOs } from "../support/mirror-rig.ts";
import type { MirrorRig } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { cutting } from "../support/recorded-wire.ts";
import { isRoot } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("mirror: sync");
const random = seededRandom(1);

const rigged = riggedCases(test);

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

rigged("a changed large file costs about as much as what changed in it, as the reference client would have it", async (rig) => {
  const file = join(rig.upstream, "image");
  const content = random.bytes(8 << 20);
  writeFileSync(file, content);
  await rig.sync();
  content.fill(7, 1_000_000, 1_080_000);
  writeFileSync(file, Buffer.concat([content.subarray(0, 3_000_000), random.bytes(12_345), content.subarray(3_000_000)]));
  const reference = referenceBytes(rig, "image");
  const synced = await rig.sync();
  assert.equal(rig.differences(), []);
  const { receivedBytes, sentBytes, fetchedBytes } = synced.counts;
  assert.ok(fetchedBytes < 120_000, `${fetchedBytes} bytes were fetched`);
  assert.ok(receivedBytes + sentBytes < reference * 1.05 + 2000, `${receivedBytes + sentBytes} bytes on the wire, ${reference} for the reference client`);
  // What a delta left behind serves for the next one.
  content.fill(8, 5_000_000, 5_001_000);
  writeFileSync(file, Buffer.concat([content.subarray(0, 3_000_000), random.bytes(345), content.subarray(3_000_000)]));
  const again = await rig.sync();
  assert.equal(rig.differences(), []);
  assert.ok(again.counts.fetchedBytes < 60_000, `${again.counts.fetchedBytes} bytes were fetched the second time`);
});

rigged("a file that moved, or only looks changed, costs almost nothing", async (rig) => {
  writeFileSync(join(rig.upstream, "package.iso"), random.bytes(3 << 20));
  writeFileSync(join(rig.upstream, "only the time"), random.bytes(2 << 20));
  await rig.sync();
  mkdirSync(join(rig.upstream, "archive"));
  renameSync(join(rig.upstream, "package.iso"), join(rig.upstream, "archive/package.iso"));
  utimesSync(join(rig.upstream, "only the time"), 1, 2);
  const synced = await rig.sync();
  assert.equal(rig.differences(), []);
  assert.is(synced.counts.fetchedBytes, 0);
  assert.is(synced.counts.touchedCount, 2, JSON.stringify(synced.items)); // The root and that file.
  const third = await rig.sync();
  assert.equal([third.counts.arrivedCount, third.counts.touchedCount], [0, 0]);
});

rigged("names of one file are fetched once, and each is a file of its own", async (rig) => {
  const at = (name: string): string => join(rig.upstream, name);
  mkdirSync(at("a"));
  mkdirSync(at("b"));
  writeFileSync(at("b/original"), random.bytes(300_000));
  for (const name of ["a/early", "b/late", "top"]) linkSync(at("b/original"), at(name));
  const synced = await rig.sync();
  assert.equal(rig.differences(), []);
  assert.is(synced.counts.fetchedBytes, 300_000);
  linkSync(at("top"), at("a/one more"));
  const again = await rig.sync();
  assert.equal(rig.differences(), []);
  assert.is(again.counts.fetchedBytes, 0);
  appendFileSync(at("top"), "all of them change");
  const third = await rig.sync();
  assert.equal(rig.differences(), []);
  assert.ok(third.counts.fetchedBytes < 20_000, String(third.counts.fetchedBytes));
});

rigged("what names other files is published after them, in its order, and removals come after that", async (rig) => {
  const at = (name: string): string => join(rig.upstream, name);
  mkdirSync(at("dists"));
  writeFileSync(at("dists/InRelease"), "first in the list");
  writeFileSync(at("dists/Packages"), random.bytes(2 << 20)); // An upload that waits.
  writeFileSync(at("old"), "to go");
  await rig.sync({ last: lastOfProfile("debian") });
  mkdirSync(at("pool"));
  writeFileSync(at("pool/new.deb"), "payload");
  writeFileSync(at("dists/InRelease"), "names Packages");
  writeFileSync(at("dists/Packages"), Buffer.concat([random.bytes(1 << 20), random.bytes(1 << 20)]));
  unlinkSync(at("old"));
  const files = rig.files as MemoryMirrorFiles;
  const before = files.facts.length;
  const synced = await rig.sync({ last: lastOfProfile("debian") });
  assert.equal(rig.differences(), []);
  const paths = files.facts.slice(before).flatMap((fact) => ("path" in fact && fact.path.includes(".") === false ? [fact.path] : [])) as string[];
  const order = ["pool", "dists/Packages", "dists/InRelease", "old"].map((name) => paths.indexOf(name));
  assert.equal(
    order,
    order.toSorted((a, b) => a - b),
    paths.join(" "),
  );
  assert.ok(!order.includes(-1), paths.join(" "));
  assert.ok(synced.phases.indexOf("publishing") < synced.phases.indexOf("deleting"));
});

rigged(
  "nothing is removed while the server cannot read everything, and what caused it is named",
  async (rig) => {
    mkdirSync(join(rig.upstream, "closed"));
    writeFileSync(join(rig.upstream, "closed/x"), "x");
    writeFileSync(join(rig.upstream, "file"), "x");
    writeFileSync(join(rig.upstream, "gone"), "x");
    await rig.sync();
    unlinkSync(join(rig.upstream, "gone"));
    rigOs.chmod(bytePath(join(rig.upstream, "closed")), 0);
    const held = await rig.sync();
    assert.match(`${held.heldBy}: ${held.heldBecause}`, /^closed: .*(Permission denied|could not read)/);
    assert.ok(existsSync(join(rig.target, "gone")) && existsSync(join(rig.target, "closed/x")));
    rigOs.chmod(bytePath(join(rig.upstream, "closed")), 0o755);
    writeFileSync(join(rig.upstream, "file"), "unreadable");
    rigOs.chmod(bytePath(join(rig.upstream, "file")), 0);
    const again = await rig.sync();
    assert.equal([again.heldBy, again.counts.failedCount], ["file", 1]);
    assert.ok(existsSync(join(rig.target, "gone")));
    rigOs.chmod(bytePath(join(rig.upstream, "file")), 0o644);
    await rig.sync();
    assert.equal(rig.differences(), []);
  },
  { settings: isRoot ? { uid: "65534", gid: "65534" } : {}, isOpen: true },
);

rigged("a module that is missing, or a path in it, removes nothing", async (rig) => {
  mkdirSync(join(rig.upstream, "sub"));
  writeFileSync(join(rig.upstream, "sub/x"), "x");
  const inside = { ...rig.source, path: "sub" as ByteString };
  await rig.sync({}, { source: inside });
  assert.ok(existsSync(join(rig.target, "x")));
  rmSync(join(rig.upstream, "sub"), { recursive: true });
  assert.is(await codeOf(rig.sync({}, { source: inside })), "RSYNC_REFUSED");
  assert.is(await codeOf(rig.sync({}, { source: { ...rig.source, module: "nowhere" } })), "RSYNC_REFUSED");
  mkdirSync(join(rig.upstream, "sub"));
  const emptied = await rig.sync({}, { source: inside });
  assert.match(emptied.heldBecause, /lists nothing/);
  assert.ok(existsSync(join(rig.target, "x")));
});

rigged("more removals than allowed are held, and go when they are allowed", async (rig) => {
  for (const name of ["a", "b", "c"]) writeFileSync(join(rig.upstream, name), name);
  await rig.sync();
  for (const name of ["a", "b"]) unlinkSync(join(rig.upstream, name));
  const held = await rig.sync({ maxDelete: 1 });
  assert.match(held.heldBecause, /^2 names are gone upstream/);
  assert.ok(existsSync(join(rig.target, "a")) && existsSync(join(rig.target, "b")));
  const done = await rig.sync({ maxDelete: 2 });
  assert.is(done.counts.withdrawnCount, 2);
  assert.equal(rig.differences(), []);
});

rigged("removals wait for their grace, and what comes back in time stays", async (rig) => {
  for (const name of ["a", "b", "c"]) writeFileSync(join(rig.upstream, name), name);
  await rig.sync();
  for (const name of ["a", "b"]) unlinkSync(join(rig.upstream, name));
  const waiting = await rig.sync({ deleteGraceMs: 10 ** 9 });
  assert.equal([waiting.queuedCount, waiting.counts.withdrawnCount], [2, 0]);
  writeFileSync(join(rig.upstream, "a"), "a");
  const back = await rig.sync({ deleteGraceMs: 10 ** 9 });
  assert.is(back.queuedCount, 1);
  rig.skipTime(10 ** 9);
  await rig.sync({ deleteGraceMs: 10 ** 9 });
  assert.equal(rig.differences(), []);
  assert.is(rig.files.deletions.count, 0);
});

rigged("filters leave out, and protect what is there unless that is to go as well", async (rig) => {
  for (const name of ["keep.txt", "leave.tmp"]) writeFileSync(join(rig.upstream, name), name);
  await rig.sync();
  const filters = [parseRule("- *.tmp" as ByteString)];
  writeFileSync(join(rig.upstream, "new.tmp"), "left out");
  await rig.sync({ filters });
  assert.ok(existsSync(join(rig.target, "leave.tmp")) && !existsSync(join(rig.target, "new.tmp")));
  await rig.sync({ filters, deleteExcluded: true });
  assert.equal(rig.differences("--exclude=*.tmp"), []);
});

rigged("unfinished files of another rsync and unsafe links are left out, as far as is wanted", async (rig) => {
  const at = (name: string): string => join(rig.upstream, name);
  mkdirSync(at(".~tmp~"));
  writeFileSync(at(".~tmp~/file"), "unfinished");
  writeFileSync(at(".file.aB3xYz"), "unfinished");
  writeFileSync(at(".file.sha256"), "a digest");
  symlinkSync("/etc/passwd", at("unsafe"));
  symlinkSync("file", at("safe"));
  const synced = await rig.sync({ safeLinks: true });
  assert.is(synced.counts.skippedCount, 4, JSON.stringify(synced.items));
  assert.equal(readdirSync(rig.target).toSorted(), [".file.sha256", "safe"]);
  await rig.sync({ temporaryNames: true });
  assert.equal(rig.differences(), []);
});

rigged("a probe that is what it was ends the sync before it begins", async (rig) => {
  mkdirSync(join(rig.upstream, "trace"));
  writeFileSync(join(rig.upstream, "trace/master"), "1");
  const probe = "trace/master" as ByteString;
  assert.is((await rig.sync({ probe })).isUnchanged, false);
  writeFileSync(join(rig.upstream, "news"), "not looked at");
  assert.is((await rig.sync({ probe })).isUnchanged, true);
  assert.is(existsSync(join(rig.target, "news")), false);
  utimesSync(join(rig.upstream, "trace/master"), 5, 5);
  assert.is((await rig.sync({ probe })).isUnchanged, false);
  assert.equal(rig.differences(), []);
});

rigged("a dry run says what would be, and changes nothing", async (rig) => {
  writeFileSync(join(rig.upstream, "a"), "a");
  writeFileSync(join(rig.upstream, "b"), "b");
  await rig.sync();
  writeFileSync(join(rig.upstream, "c"), "c");
  writeFileSync(join(rig.upstream, "b"), "longer");
  unlinkSync(join(rig.upstream, "a"));
  const facts = (rig.files as MemoryMirrorFiles).facts.length;
  const dry = await rig.sync({ dryRun: true });
  assert.equal(dry.items.map(({ what, path }) => `${what} ${path}`).toSorted(), ["added c", "changed b", "deleted a", "touched ."]);
  assert.equal([readFileSync(join(rig.target, "b"), "utf8"), existsSync(join(rig.target, "a")), existsSync(join(rig.target, "c"))], ["b", true, false]);
  assert.is((rig.files as MemoryMirrorFiles).facts.length, facts);
});

rigged("a limit for new bytes takes what fits, publishes nothing that names the rest, and removes nothing", async (rig) => {
  writeFileSync(join(rig.upstream, "Release"), "names both");
  for (const name of ["a", "b"]) writeFileSync(join(rig.upstream, name), random.bytes(1000));
  const cut = await rig.sync({ maxNewBytes: 1500, last: lastOfProfile("debian") });
  assert.is(existsSync(join(rig.target, "Release")), false);
  assert.equal([existsSync(join(rig.target, "a")), existsSync(join(rig.target, "b"))], [true, false]);
  assert.ok(cut.counts.leftOverCount > 0);
  await rig.sync({ last: lastOfProfile("debian") });
  assert.equal(rig.differences(), []);
});

for (const kind of ["a tree", "no tree"])
  rigged(`a large file whose connection broke is gone on with where it broke: ${kind}`, async (rig) => {
    if (kind === "no tree") rig.use(new MemoryObjects(), rig.files);
    const content = random.bytes(12 << 20);
    content.fill(0, 1 << 20, 3 << 20);
    content.fill(0, 10 << 20, 11 << 20);
    writeFileSync(join(rig.upstream, "image"), content);
    writeFileSync(join(rig.upstream, "small"), "small");
    for (const cutBytes of [5 << 20, 3 << 20]) {
      rig.dial = cutting(dialTcp, cutBytes);
      assert.is(await codeOf(rig.sync()), "RSYNC_ENDED");
    }
    rig.dial = refusing;
    assert.is(await codeOf(rig.sync()), "RSYNC_UNREACHABLE");
    // A process that comes later.
    const written = encodeBrokenUploads(rig.memory.brokenUploads ?? []);
    rig.forget();
    rig.memory.brokenUploads = decodeBrokenUploads(written);
    assert.is(rig.memory.brokenUploads.length, 1);
    for (const text of [written.slice(0, -5), "[]", "null", '{"version":1,"uploads":[null,{"entry":{},"token":"x","sums":{"sums":""}}]}'])
      assert.equal(decodeBrokenUploads(text), []);
    rig.dial = dialTcp;
    const { counts } = await rig.sync();
    assert.ok(counts.fetchedBytes < 7 << 20, `${counts.fetchedBytes} bytes were fetched after the breaks`);
    if (kind === "a tree") assert.equal(rig.differences(), []);
    else assert.is((rig.store as MemoryObjects).contentOf("image") === content.toString("latin1"), true);
    assert.is((await rig.sync()).counts.arrivedCount, 0);
  });

rigged("a file that changed after its connection broke is fetched anew, and so is one that is not to be gone on with", async (rig) => {
  const file = join(rig.upstream, "image");
  const content = random.bytes(6 << 20);
  writeFileSync(file, content);
  rig.dial = cutting(dialTcp, 3 << 20);
  assert.is(await codeOf(rig.sync()), "RSYNC_ENDED");
  const times = statSync(file);
  content.fill(7, 1_000_000, 1_200_000);
  writeFileSync(file, content);
  utimesSync(file, times.atimeMs / 1000, times.mtimeMs / 1000); // Size and time say that it is the same.
  rig.dial = dialTcp;
  await rig.sync();
  assert.ok(readFileSync(join(rig.target, "image")).equals(content));
  writeFileSync(file, random.bytes(5 << 20));
  rig.dial = cutting(dialTcp, 3 << 20);
  assert.is(await codeOf(rig.sync({ partial: false })), "RSYNC_ENDED");
  rig.dial = dialTcp;
  const { counts } = await rig.sync({ partial: false });
  assert.ok(counts.fetchedBytes >= 5 << 20);
  assert.equal(rig.differences(), []);
});

rigged("a file that the target cannot take fails by its name, and holds up nothing", async (rig) => {
  const objects = new MemoryObjects();
  objects.fileBytesMax = 1000;
  rig.use(objects, rig.files);
  for (const [name, sizeBytes] of [
    ["fits", 1000],
    ["too big", 1001],
    ["gone", 5],
  ] as const)
    writeFileSync(join(rig.upstream, name), random.bytes(sizeBytes));
  const synced = await rig.sync();
  assert.equal([synced.counts.failedCount, synced.heldBecause], [1, ""]);
  assert.match(synced.items.find(({ path }) => path === "too big")?.why ?? "", /1001 bytes.* 1000 at most/);
  unlinkSync(join(rig.upstream, "gone"));
  await rig.sync();
  assert.equal([...objects.objects.keys()], ["fits"]);
});

rigged("digests decide where they are asked for", async (rig) => {
  const file = join(rig.upstream, "same size and time");
  writeFileSync(file, "one");
  utimesSync(file, 1000, 1000);
  await rig.sync();
  writeFileSync(file, "two");
  utimesSync(file, 1000, 1000);
  assert.is((await rig.sync()).counts.arrivedCount, 0);
  assert.is((await rig.sync({ checksum: true })).counts.arrivedCount, 1);
  assert.equal(rig.differences(), []);
  assert.is((await rig.sync({ checksum: true })).counts.arrivedCount, 0);
});

rigged(
  "a server that takes no seed from us is mirrored without deltas",
  async (rig) => {
    writeFileSync(join(rig.upstream, "file"), random.bytes(200_000));
    await rig.sync();
    assert.is(rig.memory.refusesSeed, true);
    appendFileSync(join(rig.upstream, "file"), "more");
    await rig.sync();
    assert.equal(rig.differences(), []);
  },
  { settings: { "refuse options": "checksum-seed" } },
);

rigged("a slow line takes the time that its limit wants", async (rig) => {
  writeFileSync(join(rig.upstream, "file"), random.bytes(400_000));
  await rig.sync({ bytesPerSecondMax: 1_000_000 });
  assert.equal(rig.differences(), []);
  assert.ok(rig.sleptMs >= 250, `${rig.sleptMs} ms`);
});

const refusing: Dial = () => Promise.reject(new RainbowError("RSYNC_UNREACHABLE", "nobody is there"));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RainbowError) return error.code;
    throw error;
  }
  return "none";
}

/** Bytes on the wire, in both directions, that the reference client needs to bring the target's copy of that file up to date. */
function referenceBytes(rig: MirrorRig, name: string): number {
  const copy = temporaryDirectory("reference-delta");
  writeFileSync(join(copy, name), readFileSync(join(rig.target, name)));
  const { stdout } = spawnSync("rsync", ["-t", "--no-whole-file", "--stats", `${rig.daemon.url}/tree/${name}`, `${copy}/`], { encoding: "utf8" });
  const bytes = (what: string): number => Number((new RegExp(`Total bytes ${what}: ([\\d,]+)`).exec(stdout)?.[1] ?? "").replaceAll(",", ""));
  return bytes("sent") + bytes("received");
}

rigged("a directory of a bucket that was only implied by what lies in it gets its object", async (rig) => {
  mkdirSync(join(rig.upstream, "d"));
  writeFileSync(join(rig.upstream, "d/f"), "content");
  const objects = new MemoryObjects();
  rig.use(objects, rig.files);
  await rig.sync();
  const marker = { key: "d" as ByteString, kind: "directory" } as const;
  assert.ok((await objects.head(marker)) !== undefined);
  // As a sync leaves it that ended between the two.
  const list = await rig.files.list();
  const { path, mode, mtimeSeconds, mtimeNanos, sizeBytes, rdev, digest, place } = list.entry("d/f" as ByteString)!;
  list.close();
  await objects.delete([marker]);
  rig.use(objects, new MemoryMirrorFiles());
  await rig.files.record([{ type: "FileArrived", path, kind: "file", mode, mtimeSeconds, mtimeNanos, sizeBytes, rdev, digest, place }]);
  await rig.sync();
  assert.ok((await objects.head(marker)) !== undefined);
});

for (const kind of ["tree", "no tree"] as const)
  rigged(`a basis that became a directory, or that others replaced, costs a whole fetch and no failure (${kind})`, async (rig) => {
    const at = (name: string): string => join(rig.upstream, name);
    const objects = new MemoryObjects();
    if (kind === "no tree") rig.use(objects, rig.files);
    const content = random.bytes(600_000);
    for (const name of ["image", "disk"]) writeFileSync(at(name), content);
    await rig.sync();
    mkdirSync(at("z"));
    renameSync(at("image"), at("z/image")); // Looks like the stored file, which goes first.
    mkdirSync(at("image"));
    writeFileSync(at("image/inside"), "inside");
    content.fill(0, 1000, 2000);
    writeFileSync(at("disk"), content);
    if (kind === "tree") {
      unlinkSync(join(rig.target, "disk"));
      writeFileSync(join(rig.target, "disk"), random.bytes(600_000));
    } else {
      const metadata = { kind: "file", mode: 0o644, mtimeSeconds: 1, mtimeNanos: 0, linkTarget: undefined, digest: undefined } as const;
      await objects.put([{ key: "disk" as ByteString, metadata, bytes: random.bytes(600_000) }]);
    }
    const synced = await rig.sync();
    assert.is(synced.heldBecause, "");
    if (kind === "tree") assert.equal(rig.differences(), []);
    else for (const name of ["disk", "z/image", "image/inside"]) assert.ok(objects.contentOf(name) === readFileSync(at(name), "latin1"), name);
    assert.is((await rig.sync()).counts.arrivedCount, 0);
  });

test.run();
