/** Mirrors of a real daemon's module in a real S3 server: what the bucket holds is what upstream has, and stays so. */
// Time limit: 900 s
import { appendFileSync, chmodSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lastOfProfile } from "../../src/actors/mirror/index.ts";
import { byteStringOf, byteStringOfText, bytesOf } from "../../src/core/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { openS3Store } from "../../src/objects/s3/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import type { FileEntry } from "../../src/projections/index.ts";
import { makeAssortedTree } from "../support/assorted-tree.ts";
import { bucketLines, upstreamLines } from "../support/bucket-lines.ts";
import { bytePath } from "../support/compare-trees.ts";
import { MirrorRig, rigOs } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { listingLine, referenceListing } from "../support/rsync-listing.ts";
import { startS3Server } from "../support/s3-server.ts";
import { hasCommand, isRoot, skipped } from "../support/skip.ts";
import { StoredMirror } from "../support/stored-mirror.ts";

const test = suite("mirror: into S3");
const random = seededRandom(3);
const server = hasCommand("rsync") ? await startS3Server() : "rsync is not installed";
let buckets = 0;

function mirrored(name: string, body: (rig: MirrorRig) => Promise<void>): void {
  test(name, async () => {
    if (typeof server === "string") return skipped(`mirror: ${name}`, server);
    const { endpoint, credentials } = server;
    const store = await openS3Store({ bucket: `mirror-${++buckets}`, prefix: "", create: true, versioning: undefined, endpoint, credentials });
    const mirror = await StoredMirror.make();
    const rig = await MirrorRig.open({ store, files: await mirror.opened.files() });
    try {
      await body(rig);
    } finally {
      await rig.close();
      await store.close();
      await mirror.opened.close();
    }
  });
}

test.after(async () => {
  if (typeof server !== "string") await server.stop();
});

mirrored("a tree with one of everything, its changes and removals", async (rig) => {
  makeAssortedTree(rigOs, bytePath(rig.upstream));
  if (!isRoot) rigOs.chmod(bytePath(join(rig.upstream, "folder/f4")), 0o400);
  await rig.sync();
  assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
  const second = await rig.sync();
  assert.equal([second.counts.arrivedCount, second.counts.touchedCount], [0, 0], JSON.stringify(second.items));
  const at = (name: string): string => join(rig.upstream, name);
  writeFileSync(at("small"), "other content, in both names");
  unlinkSync(at("over a chunk"));
  mkdirSync(at("over a chunk"));
  writeFileSync(at("over a chunk/inside"), "inside");
  rmSync(at("folder"), { recursive: true });
  writeFileSync(at("folder"), "a file now");
  renameSync(at("large"), at("links/moved"));
  const third = await rig.sync();
  assert.is(third.heldBecause, "");
  assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
});

const N250 = "n".repeat(250);
const UTF8_250 = byteStringOfText("é".repeat(125));
/** What lies in it has paths that no key could hold. */
const DEEP = `deep/${N250}/${UTF8_250}/${N250}/${N250}`;

/** Names, times and links that no bucket has by itself. */
function makeOddTree(directory: string): void {
  const random = seededRandom(5);
  const at = (name: string): ByteString => `${bytePath(directory)}/${name}` as ByteString;
  const file = (name: string, content: Buffer | string = name): void => writeFileSync(bytesOf(at(name)), content);
  const folder = (name: string): void => mkdirSync(bytesOf(at(name)));
  const utf8 = (text: string): string => byteStringOfText(text);
  DEEP.split("/").forEach((_, i, names) => folder(names.slice(0, i + 1).join("/")));
  file(`${DEEP}/beyond the longest key`, random.bytes(2 << 20));
  for (const name of ["beyond \xff and not UTF-8", "beyond and gone soon"]) file(`${DEEP}/${name}`, name);
  for (const name of ["an empty one beyond", "one with something"]) folder(`${DEEP}/${name}`);
  file(`${DEEP}/one with something/inside`, "inside");
  for (const name of [
    N250,
    UTF8_250,
    "caf\xe9",
    "line\nbreak",
    "tab\tand\rreturn",
    " blank first",
    "blank last ",
    "plus+and%2Bpercent",
    "a\\b",
    "*?[x]",
    "#037",
    "-rf",
  ])
    file(name);
  for (const name of [
    "quote\"&<>'",
    utf8("日本語 🌈"),
    utf8("e\u0301 and é"),
    utf8("\ufeffmark"),
    utf8("\u2028line"),
    "\x7f",
    "\xed\xa0\x80",
    ".hidden",
    "...",
    "~",
  ])
    file(name);
  folder("not \xfe UTF-8");
  file("not \xfe UTF-8/inside");
  file("empty", "");
  file("set-id");
  chmodSync(bytesOf(at("set-id")), 0o6755);
  file("last of the part", random.bytes(16 << 20));
  linkSync(bytesOf(at("last of the part")), bytesOf(at("not \xfe UTF-8/the same file")));
  linkSync(bytesOf(at("empty")), bytesOf(at(`${DEEP}/the same empty file`)));
  symlinkSync(bytesOf("elsewhere \xff\n" as ByteString), bytesOf(at("odd link")));
  symlinkSync(bytesOf("x/".repeat(1500) as ByteString), bytesOf(at("link to a long target")));
  symlinkSync(bytesOf("empty" as ByteString), bytesOf(at("not \xfe UTF-8/link")));
  const times = { "-rf": -86_400 * 365 * 60, "#037": -1, "*?[x]": 2 ** 31, "a\\b": 2 ** 32 - 1, empty: 4_102_444_800 };
  for (const [name, seconds] of Object.entries(times)) rigOs.setTimes(at(name), seconds, seconds === -1 ? 500_000_000 : 0);
}

function upstreamTimes(directory: string, path = ""): string[] {
  const stat = rigOs.lstat(`${bytePath(directory)}${path}` as ByteString);
  const own = path === "" ? [] : [`${path.slice(1)} ${stat.mtimeSeconds} ${stat.mtimeNanos}`];
  const names = stat.kind === "directory" ? readdirSync(bytesOf(`${bytePath(directory)}${path}` as ByteString), { encoding: "buffer" }) : [];
  return [...own, ...names.flatMap((name) => upstreamTimes(directory, `${path}/${byteStringOf(name)}`))].toSorted();
}

async function bucketTimes(store: ObjectStore): Promise<string[]> {
  const lines: string[] = [];
  for await (const page of store.list())
    for (const { key, kind } of page) {
      const metadata = (await store.head({ key, kind: kind === "directory" ? kind : "file" }))?.metadata;
      lines.push(`${key} ${metadata?.mtimeSeconds} ${metadata?.mtimeNanos}`);
    }
  return lines.toSorted();
}

/** What the mirror says that it has, as `rsync --list-only` prints it. */
async function listLines({ files }: MirrorRig): Promise<string[]> {
  const list = await files.list();
  const line = (entry: FileEntry): string =>
    listingLine(entry.kind === "symlink" ? { ...entry, sizeBytes: entry.linkTarget.length } : { ...entry, linkTarget: undefined });
  const walk = (path: ByteString): string[] =>
    [...list.children(path)].flatMap((entry) => [line(entry), ...(entry.kind === "directory" ? walk(entry.path) : [])]);
  try {
    return [line(list.entry("." as ByteString)!), ...walk("." as ByteString)];
  } finally {
    list.close();
  }
}

/** As `assert.equal`, and shows no more than the difference: some names are long. */
function agreeing(found: readonly string[], expected: readonly string[]): void {
  const [own, theirs] = [new Set(found), new Set(expected)];
  assert.equal({ tooMany: found.filter((line) => !theirs.has(line)), missing: expected.filter((line) => !own.has(line)) }, { tooMany: [], missing: [] });
  assert.is(found.length, expected.length);
}

mirrored("every odd name, time, link and length: the list is rsync's, the bucket is upstream, again and after changes", async (rig) => {
  makeOddTree(rig.upstream);
  const at = (name: string): Buffer => bytesOf(`${bytePath(rig.upstream)}/${name}` as ByteString);
  const agree = async (): Promise<void> => {
    agreeing(await listLines(rig), referenceListing(`${rig.daemon.url}/tree/`));
    agreeing(await bucketLines(rig.store), upstreamLines(rig.upstream));
  };
  const first = await rig.sync();
  assert.equal([first.heldBecause, first.counts.failedCount, first.counts.skippedCount], ["", 0, 0]);
  await agree();
  agreeing(await bucketTimes(rig.store), upstreamTimes(rig.upstream));
  const second = await rig.sync();
  assert.equal([second.counts.arrivedCount, second.counts.touchedCount, second.counts.fetchedBytes], [0, 0, 0], JSON.stringify(second.items));
  writeFileSync(at(`${DEEP}/beyond the longest key`), "another content");
  writeFileSync(at("caf\xe9"), "another content");
  for (const name of [`${DEEP}/beyond and gone soon`, "line\nbreak", "odd link", "\xed\xa0\x80"]) unlinkSync(at(name));
  rmSync(at("not \xfe UTF-8"), { recursive: true });
  writeFileSync(at("not \xfe UTF-8"), "a file now");
  writeFileSync(at("odd link"), "a file now");
  mkdirSync(at("line\nbreak"));
  linkSync(at("set-id"), at("line\nbreak/another name"));
  renameSync(at(`${DEEP}/an empty one beyond`), at("not beyond any more"));
  const third = await rig.sync();
  assert.is(third.heldBecause, "");
  await agree();
  const fourth = await rig.sync();
  assert.equal([fourth.counts.arrivedCount, fourth.counts.touchedCount, fourth.counts.withdrawnCount], [0, 0, 0], JSON.stringify(fourth.items));
});

mirrored("a changed large file is put together from what the bucket has, and what changed", async (rig) => {
  const content = random.bytes(40 << 20);
  const file = join(rig.upstream, "image");
  writeFileSync(file, content);
  await rig.sync();
  content.fill(1, 20_000_000, 20_200_000);
  writeFileSync(file, Buffer.concat([content.subarray(0, 31_000_000), random.bytes(777), content.subarray(31_000_000)]));
  const synced = await rig.sync();
  assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
  assert.ok(synced.counts.fetchedBytes < 400_000, `${synced.counts.fetchedBytes} bytes were fetched`);
  renameSync(file, join(rig.upstream, "moved"));
  linkSync(join(rig.upstream, "moved"), join(rig.upstream, "second name"));
  mkdirSync(join(rig.upstream, "old"));
  renameSync(join(rig.upstream, "moved"), join(rig.upstream, "old/image"));
  const moved = await rig.sync();
  assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
  assert.ok(moved.counts.fetchedBytes < 42 << 20, `${moved.counts.fetchedBytes} bytes were fetched for two names`);
});

mirrored("large and many files that come last wait in the bucket, and nothing of them stays there", async (rig) => {
  mkdirSync(join(rig.upstream, "dists"));
  const change = (): void => {
    writeFileSync(join(rig.upstream, "dists/Packages"), random.bytes(12 << 20));
    for (let i = 0; i < 30; i++) writeFileSync(join(rig.upstream, `dists/Contents-${i}`), random.bytes(900_000));
    appendFileSync(join(rig.upstream, "dists/InRelease"), "names all of them");
  };
  for (let round = 0; round < 2; round++) {
    change();
    await rig.sync({ last: lastOfProfile("debian") });
    assert.equal(await bucketLines(rig.store), upstreamLines(rig.upstream));
  }
});

test.run();
