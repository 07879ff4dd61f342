/** recover, check and forget: file list and target beside each other, whatever happened to one of them. */
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openDirectoryStore } from "../../../src/objects/directory/index.ts";
import type { ObjectKind, ObjectStore } from "../../../src/objects/index.ts";
import { checkFiles, forgetPaths, reconcileIntents, recoverFiles } from "../../../src/actors/mirror-files/index.ts";
import type { CheckOptions } from "../../../src/actors/mirror-files/index.ts";
import { sideBySide } from "../../../src/actors/mirror-files/side-by-side.ts";
import { openOs, openXxh3 } from "../../../src/app/os/index.ts";
import { systemRandom } from "../../../src/app/platform.ts";
import { byteStringOfText, isRainbowError, RainbowError } from "../../../src/core/index.ts";
import type { ByteString, TimeUs } from "../../../src/core/index.ts";
import type { FileEntry, MirrorFact, MirrorFiles } from "../../../src/projections/index.ts";
import { openDigests } from "../../../src/rsync/index.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { MemoryMirrorFiles } from "../../support/memory-mirror-files.ts";
import { MemoryObjects } from "../../support/memory-objects.ts";
import { seededRandom } from "../../support/random.ts";
import { StoredMirror } from "../../support/stored-mirror.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const digests = await openDigests(openXxh3());
const at = (path: string): ByteString => path as ByteString;
const STAMP = { mtimeSeconds: 1_000_000_000, mtimeNanos: 0 };

function openTree(path: string): ObjectStore {
  return openDirectoryStore({ path: byteStringOfText(path), os: openOs(), random: systemRandom() });
}

/** Stores and records, as a sync does; a path that ends in a slash is a directory, one with an arrow a symlink. */
async function stored(files: MirrorFiles, objects: ObjectStore, paths: readonly string[]): Promise<void> {
  const facts: MirrorFact[] = [];
  for (const word of paths) {
    const [name, target] = word.split(" -> ") as [string, string | undefined];
    const kind: ObjectKind = name.endsWith("/") ? "directory" : target === undefined ? "file" : "symlink";
    const path = at(name.replace(/\/$/, ""));
    const mode = kind === "directory" ? 0o755 : kind === "file" ? 0o644 : 0o777;
    const bytes = Buffer.from(kind === "file" ? `content of ${path}` : "");
    const digest = digests.ofFile("xxh128", 0);
    digest.update(bytes);
    const recorded = kind === "file" ? { name: "xxh128", bytes: digest.digest() } : undefined;
    const linkTarget = target === undefined ? undefined : at(target);
    const [place] = await objects.put([{ key: path, bytes, metadata: { kind, mode, ...STAMP, linkTarget, digest: recorded } }]);
    if (kind === "symlink") facts.push({ type: "LinkArrived", path, mode, ...STAMP, linkTarget: linkTarget!, place });
    else facts.push({ type: "FileArrived", path, kind, mode, ...STAMP, sizeBytes: bytes.length, rdev: 0, digest: recorded, place });
  }
  await files.record(facts);
  for (const word of paths.filter((path) => path.endsWith("/")).toReversed())
    await objects.setMetadata(at(word.slice(0, -1)), { kind: "directory", mode: 0o755, ...STAMP, linkTarget: undefined, digest: undefined });
}

const PATHS = ["a/", "a/b/", "a/b/deep", "a/link -> ../c", "a-b", "a.d/", "a.d/x", "c"];

interface World {
  readonly target: string;
  readonly objects: ObjectStore;
  readonly files: MirrorFiles;
}

async function world(files: MirrorFiles): Promise<World> {
  const target = temporaryDirectory("target");
  const objects = openTree(target);
  await stored(files, objects, PATHS);
  return { target, objects, files };
}

async function faults({ files, objects }: World, more: Partial<CheckOptions> = {}): Promise<string[]> {
  const said: string[] = [];
  for await (const item of checkFiles(files, objects, { readsData: false, mends: false, digests: async () => digests, ...more }))
    if (item.type === "fault") said.push(`${item.what} ${item.path}`);
  return said;
}

async function recovered({ files, objects }: World): Promise<string[]> {
  const said: string[] = [];
  for await (const item of recoverFiles(files, objects)) if (item.type === "recovered") said.push(`${item.what} ${item.path}`);
  return said;
}

async function everything(files: MirrorFiles): Promise<FileEntry[]> {
  const list = await files.list();
  const walk = (path: ByteString): FileEntry[] => [...list.children(path)].flatMap((entry) => [entry, ...walk(entry.path)]);
  const entries = walk(at("."));
  list.close();
  return entries;
}

const test = suite("care of a mirror's file list");

test("a mirror that is whole has no faults, and nothing to recover", async () => {
  const whole = await world(new MemoryMirrorFiles());
  assert.equal(await faults(whole, { readsData: true }), []);
  assert.equal(await recovered(whole), []);
  let last: unknown;
  for await (const item of checkFiles(whole.files, whole.objects, { readsData: true, mends: false, digests: async () => digests })) last = item;
  assert.equal(last, { type: "summary", entryCount: 8, faultCount: 0, readCount: 4, readBytes: 61, provenCount: 0, unprovenCount: 0 });
});

test("what somebody did to the target is found, and mended by forgetting it", async () => {
  const broken = await world(new MemoryMirrorFiles());
  const { target, files } = broken;
  unlinkSync(join(target, "a-b"));
  rmSync(join(target, "c"));
  writeFileSync(join(target, "c"), "another c");
  writeFileSync(join(target, "foreign"), "");
  chmodSync(join(target, "a.d/x"), 0o600);
  utimesSync(join(target, "a"), 5, 5);
  await files.deletions.add([at("queued")], 0 as TimeUs);
  writeFileSync(join(target, "queued"), "");
  const said = ["missing a-b", "attributes a.d/x", "attributes a", "changed c", "foreign foreign"];
  assert.equal((await faults(broken)).sort(), said.toSorted());
  assert.equal((await faults(broken, { mends: true })).sort(), said.toSorted());
  assert.equal(
    (await everything(files)).map(({ path }) => path),
    ["a", "a/b", "a/b/deep", "a/link", "a.d", "a.d/x"],
  );
  assert.equal(
    files.lateAttributes
      .some(at(""), 9)
      .map(({ path }) => path)
      .sort(),
    ["a", "a.d/x"],
  );
  assert.equal((await faults(broken)).sort(), ["foreign c", "foreign foreign"], "attributes are to be written yet");
});

test("content that rotted in place is found by reading it", async () => {
  const rotten = await world(new MemoryMirrorFiles());
  const { target } = rotten;
  writeFileSync(join(target, "a/b/deep"), "CONTENT of a/b/deep"); // In place: the inode stays.
  utimesSync(join(target, "a/b/deep"), STAMP.mtimeSeconds, STAMP.mtimeSeconds);
  assert.equal(await faults(rotten), []);
  assert.equal(await faults(rotten, { readsData: true }), ["damaged a/b/deep"]);
});

test("a lost file list is made anew from the target; one that is half right keeps what is right", async () => {
  const whole = await world(new MemoryMirrorFiles());
  const before = await everything(whole.files);
  const mirror = await StoredMirror.make();
  const files = await mirror.opened.files();
  const lost = { ...whole, files };
  assert.equal((await recovered(lost)).sort(), ["a", "a/b", "a/b/deep", "a/link", "a-b", "a.d", "a.d/x", "c"].map((path) => `adopted ${path}`).sort());
  const bare = (entry: FileEntry): unknown => ({ ...entry, node: 0, digest: undefined });
  assert.equal((await everything(files)).map(bare), before.map(bare), "a directory keeps no digests");
  assert.equal(await recovered(lost), []);
  await files.record([
    { type: "FileWithdrawn", path: at("a/b"), reason: "forgotten" },
    arrivedLater("ghost"),
    { ...arrivedLater("c"), sizeBytes: 1 } as MirrorFact,
  ]);
  assert.equal((await recovered(lost)).sort(), ["adopted a/b", "adopted a/b/deep", "corrected c", "withdrawn ghost"]);
  assert.equal((await everything(files)).map(bare), before.map(bare));
  await mirror.opened.close();
});

function arrivedLater(path: string): MirrorFact {
  const place = { version: undefined, etag: "another" };
  return { type: "FileArrived", path: at(path), kind: "file", mode: 0o644, ...STAMP, sizeBytes: 3, rdev: 0, digest: undefined, place };
}

test("a directory that is missing in the target does not take along what is there below it", async () => {
  const { files, objects } = await world(new MemoryMirrorFiles());
  const withoutDirectory: ObjectStore = Object.create(objects, {
    list: {
      value: async function* () {
        for await (const page of objects.list()) yield page.filter(({ key }) => key !== "a.d");
      },
    },
  }) as ObjectStore;
  const half = { target: "", files, objects: withoutDirectory };
  assert.equal(await recovered(half), ["withdrawn a.d"]);
  const entries = await everything(files);
  assert.ok(entries.some(({ path }) => path === "a.d/x"));
  assert.equal(entries.find(({ path }) => path === "a.d")?.mtimeSeconds, 0, "the next sync makes it again");
});

/** The list as it is then, a line for each; a file without digest is marked. */
async function reconciled(files: MirrorFiles, objects: ObjectStore, keys: readonly string[]): Promise<string[]> {
  await files.intents.note([keys.map(at)]);
  await reconcileIntents(files, objects);
  assert.ok(files.intents.isEmpty);
  const whatOf = ({ kind, mtimeSeconds, digest }: FileEntry): string => `${kind} ${mtimeSeconds}${kind === "file" && digest === undefined ? "?" : ""}`;
  return (await everything(files)).map((entry) => `${entry.path} ${whatOf(entry)}`);
}

test("what a killed sync had noted in a tree is listed as it is there, and files are fetched anew", async () => {
  const { target, files, objects } = await world(new MemoryMirrorFiles());
  const inTarget = (path: string): string => join(target, path);
  writeFileSync(inTarget("a.d/new"), "stored, and its fact was not");
  utimesSync(inTarget("a.d"), 7, 7);
  rmSync(inTarget("c"));
  mkdirSync(inTarget("c"));
  utimesSync(inTarget("c"), 8, 8);
  rmSync(inTarget("a-b"));
  rmSync(inTarget("a/b"), { recursive: true });
  symlinkSync("/elsewhere", inTarget("a/b"));
  utimesSync(inTarget("a.d/x"), 9, 9); // Its mode or time alone.
  utimesSync(inTarget("a"), STAMP.mtimeSeconds, STAMP.mtimeSeconds);
  const keys = ["./", "a/", "a-b", "a/b", "a/b/", "a/b/deep", "a.d/", "a.d/new", "a.d/x", "c", "c/", "never", `${"n".repeat(300)}`, ".rainbow/x"];
  const before = await files.list();
  const after = await reconciled(files, objects, keys);
  const linkSeconds = (await objects.head({ key: at("a/b"), kind: "symlink" }))!.metadata!.mtimeSeconds;
  const whole = STAMP.mtimeSeconds;
  const expected = [
    `a directory ${whole}`,
    `a/b symlink ${linkSeconds}`,
    `a/link symlink ${whole}`,
    "a.d directory 7",
    `a.d/new file ${-(2 ** 32)}?`,
    "a.d/x file 9",
    "c directory 8",
  ];
  assert.equal(after, expected);
  assert.equal((await files.list()).entry(at("a.d/x"))?.digest, before.entry(at("a.d/x"))?.digest, "its content is what was recorded");
});

test("what a killed sync had noted in a bucket is listed as it is there, whatever kind it has now", async () => {
  const [files, objects] = [new MemoryMirrorFiles(), new MemoryObjects()];
  await stored(files, objects, ["same", "turned", "folder/", "folder/x", "twice", "gone", "link -> same"]);
  const metadata = { kind: "file", mode: 0o644, mtimeSeconds: 5, mtimeNanos: 0, linkTarget: undefined, digest: undefined } as const;
  const put = (key: string, kind: ObjectKind): Promise<unknown> =>
    objects.put([{ key: at(key), bytes: Buffer.alloc(0), metadata: { ...metadata, kind, linkTarget: kind === "symlink" ? at("new") : undefined } }]);
  await objects.delete([
    { key: at("turned"), kind: "file" },
    { key: at("gone"), kind: "file" },
    { key: at("folder"), kind: "directory" },
    { key: at("folder/x"), kind: "file" },
  ]);
  await put("turned", "directory");
  await put("turned/inside", "file");
  await put("folder", "file");
  await put("twice", "file");
  await put("link", "symlink");
  const keys = ["./", "same", "turned", "turned/", "turned/inside", "folder/", "folder/x", "folder", "twice", "gone", "link", "never/", "never/at/all"];
  const whole = STAMP.mtimeSeconds;
  const expected = ["folder file 5?", "link symlink 5", `same file ${whole}`, "turned directory 5", "turned/inside file 5?", "twice file 5?"];
  assert.equal(await reconciled(files, objects, keys), expected);
});

test("where a file came back beside the directory that was to take its place, the list keeps the file and nothing is left beside it", async () => {
  const [files, objects] = [new MemoryMirrorFiles(), new MemoryObjects()];
  await stored(files, objects, ["both", "other"]);
  const before = await everything(files);
  await stored(new MemoryMirrorFiles(), objects, ["both/", "both/in", "both/in/side"]);
  await reconciled(files, objects, ["both", "both/", "both/in", "both/in/side", "other"]);
  assert.equal(await everything(files), before);
  assert.equal([...objects.objects.keys()].sort(), ["both", "other"]);
});

test("a store that does not answer leaves all notes as they are", async () => {
  const { files, objects } = await world(new MemoryMirrorFiles());
  const failing = Object.create(objects, {
    head: { value: () => Promise.reject(new RainbowError("OBJECTS_UNREACHABLE", "the store is away")) },
  }) as ObjectStore;
  await files.intents.note([[at("a-b")]]);
  const error = await reconcileIntents(files, failing).catch((reason: unknown) => reason);
  assert.ok(isRainbowError(error, "OBJECTS_UNREACHABLE"));
  assert.equal([...files.intents.keys()], ["a-b"]);
  assert.is((await everything(files)).length, 8);
});

test("what is forgotten is not listed any more, and stays stored; nothing is forgotten where a path is unknown", async () => {
  const { files, target } = await world(new MemoryMirrorFiles());
  const error = await forgetPaths(files, [at("c"), at("nothing")]).catch((reason: unknown) => reason);
  assert.ok(isRainbowError(error, "NOT_FOUND"));
  assert.is((await everything(files)).length, 8);
  await forgetPaths(files, [at("c"), at("a")]);
  assert.equal(
    (await everything(files)).map(({ path }) => path),
    ["a-b", "a.d", "a.d/x"],
  );
  assert.ok(readdirSync(target).includes("c"));
});

test("both sides are walked in step, whatever their names are", async () => {
  const seed = campaignSeed();
  for (let round = 0; round < scale(200); round++) {
    const random = seededRandom(seed + round);
    const target = temporaryDirectory("walk");
    const objects = openTree(target);
    const files = new MemoryMirrorFiles();
    const names = ["a", "a-", "a-b", "a.", "a0", "a!", "\xff", "b"];
    const expected = new Map<string, string>();
    for (let i = 0; i < 12; i++) {
      const depth = 1 + random.int(3);
      const path = Array.from({ length: depth }, () => random.pick(names)).join("/");
      const isListed = random.chance(0.5);
      try {
        if (isListed) await files.record([arrivedLater(path)]);
        else {
          const onDisk = Buffer.from(join(target, "x").slice(0, -1) + path, "latin1");
          mkdirSync(Buffer.from(`${target}/${path.split("/").slice(0, -1).join("/")}`, "latin1"), { recursive: true });
          if (random.chance(0.2)) symlinkSync("x", onDisk);
          else writeFileSync(onDisk, "");
        }
      } catch {
        continue; // A name that is a file for one and a directory for another.
      }
    }
    for (const { path, kind } of await everything(files)) expected.set(kind === "directory" ? `${path}/` : path, "entry");
    for await (const page of objects.list())
      for (const { key, kind } of page) {
        const path = kind === "directory" ? `${key}/` : key;
        expected.set(path, expected.has(path) ? "both" : "object");
      }
    const seen: [string, string][] = [];
    const list = await files.list();
    for await (const { entry, object, path } of sideBySide(list, objects)) {
      const isDirectory = (entry?.kind ?? object?.kind) === "directory";
      seen.push([isDirectory ? `${path}/` : path, entry === undefined ? "object" : object === undefined ? "entry" : "both"]);
    }
    assert.equal(
      seen,
      [...expected].sort((a, b) => (a[0] < b[0] ? -1 : 1)),
      `seed ${seed + round}`,
    );
  }
});

test.run();
