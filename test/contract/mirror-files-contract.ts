/** What every MirrorFiles does, as one suite: facts become a list, and what is remembered beside them. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteString, Revision, ObjectPlace, TimeUs } from "../../src/core/index.ts";
import type { Claim, FileEntry, FileList, MirrorFact, MirrorFiles, OfArrival, RememberedSums } from "../../src/projections/index.ts";

export interface MirrorFilesHarness {
  readonly name: string;
  /** A new mirror's. */
  make(): Promise<MirrorFiles>;
  /** As after a crash just now, where anything survives one. */
  readonly reopen?: (files: MirrorFiles) => Promise<MirrorFiles>;
}

const at = (path: string): ByteString => path as ByteString;
const us = (time: number): TimeUs => time as TimeUs;
const stored = (etag: string): ObjectPlace => ({ version: undefined, etag });

export function arrived(path: string, more: Partial<Omit<MirrorFact & { type: "FileArrived" }, "type" | "path">> & OfArrival = {}): MirrorFact {
  const kind = more.kind ?? "file";
  const digest = { name: "xxh128", bytes: Buffer.alloc(16, path.length) };
  const content =
    kind === "file" ? { sizeBytes: path.length, digest, place: stored(`"${path.length}"`) } : { sizeBytes: 0, digest: undefined, place: undefined };
  return { type: "FileArrived", path: at(path), kind, mode: 0o644, mtimeSeconds: 1000, mtimeNanos: 5, rdev: 0, ...content, ...more };
}

const linked = (path: string, target: string): MirrorFact => ({
  type: "LinkArrived",
  path: at(path),
  linkTarget: at(target),
  mode: 0o777,
  mtimeSeconds: -5,
  mtimeNanos: 0,
  place: undefined,
});
const withdrawn = (path: string): MirrorFact => ({ type: "FileWithdrawn", path: at(path), reason: "gone" });
const touched = (path: string, mtimeSeconds: number): MirrorFact => ({ type: "AttributesSet", path: at(path), mode: 0o600, mtimeSeconds, mtimeNanos: 7 });

const sumsOf = (blockCount: number): RememberedSums => ({
  digest: "xxh128",
  seed: 77,
  blockBytes: 700,
  remainderBytes: 3,
  strongBytes: 16,
  blockCount,
  sums: Buffer.alloc(blockCount * 20, blockCount),
  offsets: undefined,
});

/** Every path below a directory, depth first; a folder's name ends in a slash. */
function pathsOf(list: FileList, below = at(".")): string[] {
  return [...list.children(below)].flatMap(({ path, kind }) => (kind === "directory" ? [`${path}/`, ...pathsOf(list, path)] : [path]));
}

async function listed(files: MirrorFiles): Promise<string[]> {
  const list = await files.list();
  const paths = pathsOf(list);
  list.close();
  return paths;
}

async function entryOf(files: MirrorFiles, path: string): Promise<FileEntry | undefined> {
  const list = await files.list();
  const entry = list.entry(at(path));
  list.close();
  return entry;
}

type Test = ReturnType<typeof suite>;
type Make = MirrorFilesHarness["make"];

function arrivalsCases(test: Test, make: Make): void {
  test("a new mirror has nothing", async () => {
    const files = await make();
    assert.equal(await listed(files), []);
    assert.is(await entryOf(files, "a"), undefined);
  });

  test("what arrived is listed with all that was said of it", async () => {
    const files = await make();
    const device = arrived("null", { kind: "character", rdev: 2 ** 20 + 3, mode: 0o666 });
    await files.record([
      arrived(".", { kind: "directory", mode: 0o755 }),
      arrived("d", { kind: "directory", mode: 0o1777 }),
      arrived("d/\xff\n"),
      linked("d/l", "../\xe9"),
      device,
    ]);
    assert.equal(await listed(files), ["d/", "d/l", "d/\xff\n", "null"]);
    const file = await entryOf(files, "d/\xff\n");
    assert.equal(
      { ...file, node: 0 },
      {
        node: 0,
        path: at("d/\xff\n"),
        kind: "file",
        mode: 0o644,
        sizeBytes: 4,
        mtimeSeconds: 1000,
        mtimeNanos: 5,
        linkTarget: at(""),
        rdev: 0,
        digest: { name: "xxh128", bytes: Buffer.alloc(16, 4) },
        place: { version: undefined, etag: '"4"' },
      },
    );
    const link = await entryOf(files, "d/l");
    assert.equal([link?.kind, link?.linkTarget, link?.mtimeSeconds, link?.sizeBytes], ["symlink", "../\xe9", -5, 0]);
    assert.equal((await entryOf(files, "null"))?.rdev, 2 ** 20 + 3);
    assert.equal((await entryOf(files, "."))?.mode, 0o755);
    assert.equal((await entryOf(files, "d"))?.mode, 0o1777);
  });

  test("children come in byte order of their names, folders or not", async () => {
    const files = await make();
    await files.record(["b", "a.b", "a-b", "a0", "B", "\xc3\xa9", "a\x01"].map((name) => arrived(name)));
    await files.record([arrived("a", { kind: "directory" }), arrived("a/z")]);
    assert.equal(await listed(files), ["B", "a/", "a/z", "a\x01", "a-b", "a.b", "a0", "b", "\xc3\xa9"]);
  });

  test("directories that are missing on the way are made", async () => {
    const files = await make();
    await files.record([arrived("x/y/z")]);
    assert.equal(await listed(files), ["x/", "x/y/", "x/y/z"]);
    await files.record([arrived("x/y/z/w")]); // The file gives way to the folder.
    assert.equal(await listed(files), ["x/", "x/y/", "x/y/z/", "x/y/z/w"]);
  });
}

function changesCases(test: Test, make: Make): void {
  test("what is withdrawn goes, a directory with all below it; what is not there says nothing", async () => {
    const files = await make();
    await files.record([arrived("d/e/f"), arrived("d/g"), arrived("h")]);
    await files.record([withdrawn("d/e"), withdrawn("h"), withdrawn("nothing"), withdrawn("no/where"), touched("nowhere", 4)]);
    assert.equal(await listed(files), ["d/", "d/g"]);
    await files.record([arrived("h")]);
    assert.equal(await listed(files), ["d/", "d/g", "h"]);
  });

  test("a newer version keeps the node, another kind gets one of its own and takes along what lay below", async () => {
    const files = await make();
    await files.record([arrived("a/b"), arrived("a/c"), arrived("f")]);
    const [before, folder] = [await entryOf(files, "f"), await entryOf(files, "a")];
    await files.record([arrived("f", { sizeBytes: 9, place: stored('"9"') }), arrived("a", { sizeBytes: 3 })]);
    const after = await entryOf(files, "f");
    assert.is(after?.node, before?.node);
    assert.equal([after?.sizeBytes, after?.place?.etag], [9, '"9"']);
    assert.is.not((await entryOf(files, "a"))?.node, folder?.node);
    assert.equal(await listed(files), ["a", "f"]);
    await files.record([arrived("a/b")]);
    assert.equal(await listed(files), ["a/", "a/b", "f"]);
  });

  test("a list stays as it is while facts are recorded", async () => {
    const files = await make();
    await files.record(Array.from({ length: 300 }, (_, i) => arrived(`d/${String(i).padStart(3, "0")}`)));
    const list = await files.list();
    let count = 0;
    for (const { path } of list.children(at("d"))) {
      assert.is(path, `d/${String(count).padStart(3, "0")}`);
      if (count++ % 50 === 0) await files.record([withdrawn(`d/${String(299 - count).padStart(3, "0")}`), arrived(`d/${String(count).padStart(3, "0")}.new`)]);
    }
    assert.is(count, 300);
    list.close();
    assert.is((await listed(files)).length, 301);
  });

  test("facts of calls that overlap are taken in order", async () => {
    const files = await make();
    const calls: Promise<Revision>[] = [];
    for (let i = 0; i < 50; i++) calls.push(files.record([arrived("a/b", { sizeBytes: i }), i % 7 === 3 ? withdrawn("a") : arrived(`a/${i}`)]));
    const revisions = await Promise.all(calls);
    assert.equal(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
    const list = await files.list();
    assert.is(list.entry(at("a/b"))?.sizeBytes, 49);
    assert.equal(pathsOf(list), ["a/", "a/46", "a/47", "a/48", "a/49", "a/b"]);
    list.close();
  });
}

function memoryCases(test: Test, make: Make): void {
  test("attributes alone change nothing else, and are late in the store until they are written", async () => {
    const files = await make();
    await files.record([arrived("a"), arrived("b"), arrived("c"), linked("l", "a"), arrived("d", { kind: "directory" })]);
    assert.equal(files.lateAttributes.some(at(""), 10), []);
    await files.record([touched("c", 2000), touched("a", 3000), touched("l", 4000), touched("d", 5000)]);
    const a = await entryOf(files, "a");
    assert.equal([a?.mode, a?.mtimeSeconds, a?.mtimeNanos, a?.sizeBytes, a?.place?.etag], [0o600, 3000, 7, 1, '"1"']);
    const late = files.lateAttributes.some(at(""), 10);
    assert.equal(
      late.map(({ path }) => path),
      ["a", "c"],
      "what has no object has none that is behind",
    );
    assert.equal(files.lateAttributes.some(at("a"), 10), late.slice(1));
    assert.equal([files.lateAttributes.has(at("c")), files.lateAttributes.has(at("b"))], [true, false]);
    await files.record([touched("a", 3001)]);
    await files.lateAttributes.done(late);
    assert.equal(
      files.lateAttributes.some(at(""), 10).map(({ path }) => path),
      ["a"],
      "newer ones are to be written yet",
    );
    await files.record([arrived("a")]);
    assert.equal(files.lateAttributes.some(at(""), 10), [], "a new object brings its own");
    await files.record([touched("b", 1), withdrawn("b"), arrived("x/y"), touched("x/y", 2), withdrawn("x")]);
    assert.equal(files.lateAttributes.some(at(""), 10), []);
  });

  test("deletions are due by their time, deeper ones first, and a queued one keeps its time", async () => {
    const files = await make();
    const { deletions } = files;
    await deletions.add([at("d"), at("d/e"), at("d/e/f")], us(2000));
    await deletions.add([at("z")], us(1000));
    await deletions.add([at("z"), at("late")], us(5000));
    assert.is(deletions.count, 5);
    assert.equal(deletions.due(us(999), 10), []);
    assert.equal(
      deletions.due(us(2000), 10).map(({ path }) => path),
      ["z", "d/e/f", "d/e", "d"],
    );
    assert.equal(deletions.due(us(2000), 2), [
      { path: at("z"), dueUs: us(1000) },
      { path: at("d/e/f"), dueUs: us(2000) },
    ]);
    assert.equal(deletions.queued([at("q"), at("z"), at("late")]), ["z", "late"]);
    await deletions.done([at("z"), at("nothing")]);
    assert.equal(
      deletions.due(us(9000), 10).map(({ path }) => path),
      ["d/e/f", "d/e", "d", "late"],
    );
    assert.is(deletions.count, 4);
  });
}

function intentsCases(test: Test, make: Make, reopen: MirrorFilesHarness["reopen"]): void {
  test("what is noted stays noted until it is over or cleared, also after a crash", async () => {
    let files = await make();
    const noted = (): string[] => [...files.intents.keys()].sort();
    assert.is(files.intents.isEmpty, true);
    const [first, second] = await files.intents.note([
      [at("a"), at("b/")],
      [at("b/c\n"), at("a")],
    ]);
    const [third] = await files.intents.note([[at("n".repeat(4000))]]);
    assert.equal([new Set([first, second, third]).size, files.intents.isEmpty], [3, false]);
    if (reopen !== undefined) files = await reopen(files);
    assert.equal(noted(), ["a", "a", "b/", "b/c\n", "n".repeat(4000)]);
    files.intents.over([second!, third!]);
    const [fourth] = await files.intents.note([[at("d")]]);
    assert.equal(noted(), ["a", "b/", "d"]);
    assert.ok(fourth! > third!, "a mark is given once");
    if (reopen !== undefined) files = await reopen(files);
    assert.equal(noted(), ["a", "b/", "d"]);
    await files.intents.note(Array.from({ length: 100 }, (_, i) => [at(`${i}`)]));
    await files.intents.clear();
    assert.equal([files.intents.isEmpty, noted()], [true, []]);
    if (reopen !== undefined) files = await reopen(files);
    assert.equal([files.intents.isEmpty, noted()], [true, []]);
  });
}

function sumsCases(test: Test, make: Make): void {
  test("sums are kept for their file until it changes, and found for what looks like it elsewhere", async () => {
    const files = await make();
    const { sums } = files;
    const big = { sizeBytes: 100_000, mtimeSeconds: 1000, mtimeNanos: 5 };
    await files.record([arrived("a/big.iso", big), arrived("b/big.iso", { ...big, sizeBytes: 5 }), arrived("c/other.iso", big)]);
    sums.remember(at("a/big.iso"), big, sumsOf(143));
    sums.remember(at("c/other.iso"), big, { ...sumsOf(3), offsets: [0, 700, 99_000] });
    const list = await files.list();
    const entry = list.entry(at("a/big.iso"))!;
    assert.equal(sums.of(entry), sumsOf(143));
    assert.equal(sums.of(list.entry(at("c/other.iso"))!), { ...sumsOf(3), offsets: [0, 700, 99_000] });
    assert.is(sums.of(list.entry(at("b/big.iso"))!), undefined);
    const moved = { ...big, path: at("new/place/big.iso") };
    assert.equal(sums.alike(list, moved), { entry, sums: sumsOf(143) });
    assert.is(sums.alike(list, { ...moved, sizeBytes: 100_001 }), undefined);
    assert.is(sums.alike(list, { ...moved, mtimeNanos: 6 }), undefined);
    assert.is(sums.alike(list, { ...moved, path: at("new/big") }), undefined);
    list.close();
    await files.record([touched("a/big.iso", 4000)]);
    assert.equal(sums.of((await entryOf(files, "a/big.iso"))!), sumsOf(143), "attributes alone leave the content");
    await files.record([arrived("a/big.iso", big), withdrawn("c")]);
    assert.is(sums.of((await entryOf(files, "a/big.iso"))!), undefined);
    const later = await files.list();
    assert.is(sums.alike(later, { ...big, path: at("other.iso") }), undefined);
    later.close();
    sums.remember(at("a/big.iso"), big, sumsOf(9));
    await sums.forget([at("a/big.iso"), at("nothing")]);
    assert.is(sums.of((await entryOf(files, "a/big.iso"))!), undefined);
    await sums.flush();
  });
}

const claimOf = (byte: number): Claim => ({ digest: "md4-seeded", seed: -77, bytes: Buffer.alloc(16, byte) });

function claimsCases(test: Test, make: Make): void {
  const claimed = (files: MirrorFiles, after = ""): string[] => files.claims.some(at(after), 10).map(({ path }) => path);

  test("a claim speaks for the object of its place alone, and goes with it", async () => {
    const files = await make();
    const { claims } = files;
    const unproven = (path: string, etag: string): MirrorFact => arrived(path, { digest: undefined, place: stored(etag) });
    await claims.note([
      { path: at("d/a"), place: stored("1"), claim: claimOf(1) },
      { path: at("b"), place: stored("1"), claim: claimOf(2) },
      { path: at("c"), place: { etag: "1", version: "v" }, claim: claimOf(3) },
    ]);
    await files.record([unproven("d/a", "1"), unproven("b", "1"), unproven("c", "1")]);
    assert.equal(claims.of((await entryOf(files, "d/a"))!), claimOf(1));
    assert.equal(claims.of((await entryOf(files, "b"))!), claimOf(2));
    assert.is(claims.of((await entryOf(files, "c"))!), undefined, "of another version");
    assert.equal([claimed(files), claimed(files, "b"), claims.count], [["b", "d/a"], ["d/a"], 2], "what is of no object is not kept");
    await files.record([touched("b", 9)]);
    assert.equal(claims.of((await entryOf(files, "b"))!), claimOf(2), "attributes alone leave the content");
    await claims.note([{ path: at("b"), place: stored("2"), claim: claimOf(4) }]);
    assert.is(claims.of((await entryOf(files, "b"))!), undefined, "its fact is not there yet");
    await claims.done([{ path: at("b"), place: stored("1"), claim: claimOf(2) }]);
    await files.record([unproven("b", "2")]);
    assert.equal(claims.of((await entryOf(files, "b"))!), claimOf(4));
    await files.record([arrived("b", { place: stored("2"), isSameContent: true })]);
    assert.equal([claimed(files), claims.count], [["d/a"], 1], "a file with a digest needs no claim");
    await files.record([withdrawn("d")]);
    assert.equal([claimed(files), claims.count], [[], 0]);
    await claims.note([{ path: at("e"), place: stored("1"), claim: claimOf(5) }]);
    await files.record([unproven("e", "1"), linked("e", "b")]);
    assert.equal([claimed(files), claims.count], [[], 0]);
  });

  test("a fact of the same content leaves what is remembered of it; an object without its digest is late", async () => {
    const files = await make();
    const big = { sizeBytes: 100_000, mtimeSeconds: 1000, mtimeNanos: 5 };
    await files.record([arrived("d/a", { ...big, lacksDigest: true }), arrived("b", big)]);
    for (const path of ["d/a", "b"]) files.sums.remember(at(path), big, sumsOf(143));
    const late = (): string[] => files.lateDigests.some(at(""), 10).map(({ path }) => path);
    assert.equal([late(), files.lateAttributes.some(at(""), 10)], [["d/a"], []]);
    await files.record([touched("b", 4000)]);
    await files.record([arrived("b", { ...big, mtimeSeconds: 4000, isSameContent: true, lacksDigest: true })]);
    assert.equal([late(), files.lateAttributes.has(at("b"))], [["b", "d/a"], true]);
    assert.equal(files.sums.of((await entryOf(files, "b"))!), sumsOf(143));
    await files.lateDigests.done(files.lateDigests.some(at("b"), 10));
    assert.equal(late(), ["b"]);
    await files.record([arrived("b", big)]);
    assert.equal([late(), files.lateAttributes.has(at("b")), files.sums.of((await entryOf(files, "b"))!)], [[], false, undefined]);
    await files.record([arrived("d/a", { ...big, lacksDigest: true }), arrived("b", { ...big, lacksDigest: true }), withdrawn("b"), withdrawn("d")]);
    assert.equal(late(), []);
  });
}

function crashCases(test: Test, make: Make, reopen: NonNullable<MirrorFilesHarness["reopen"]>): void {
  test("what resolved is there after a crash", async () => {
    let files = await make();
    const big = { sizeBytes: 100_000, mtimeSeconds: 1000, mtimeNanos: 5 };
    await files.record([arrived("a/big.iso", big), arrived("b"), arrived("c")]);
    files.sums.remember(at("a/big.iso"), big, sumsOf(143));
    await files.sums.flush();
    await files.claims.note([{ path: at("c"), place: stored('"1"'), claim: claimOf(1) }]);
    await files.record([touched("b", 7), arrived("c", { digest: undefined })]);
    await files.record([arrived("a/big.iso", { ...big, isSameContent: true, lacksDigest: true })]);
    await files.deletions.add([at("c"), at("b")], us(10));
    await files.deletions.done([at("b")]);
    files = await reopen(files);
    assert.equal(await listed(files), ["a/", "a/big.iso", "b", "c"]);
    assert.equal(
      files.lateAttributes.some(at(""), 10).map(({ path }) => path),
      ["b"],
    );
    assert.equal(files.deletions.due(us(10), 10), [{ path: at("c"), dueUs: us(10) }]);
    assert.is(files.deletions.count, 1);
    assert.equal([files.claims.of((await entryOf(files, "c"))!), files.claims.count], [claimOf(1), 1]);
    assert.equal(
      files.lateDigests.some(at(""), 10).map(({ path }) => path),
      ["a/big.iso"],
    );
    assert.equal(files.sums.of((await entryOf(files, "a/big.iso"))!), sumsOf(143));
    await files.record([arrived("d"), withdrawn("c")]);
    assert.equal(await listed(files), ["a/", "a/big.iso", "b", "d"]);
  });
}

export function mirrorFilesContract({ name, make, reopen }: MirrorFilesHarness): void {
  const test = suite(`mirror files: ${name}`);
  arrivalsCases(test, make);
  changesCases(test, make);
  memoryCases(test, make);
  intentsCases(test, make, reopen);
  sumsCases(test, make);
  claimsCases(test, make);
  if (reopen !== undefined) crashCases(test, make, reopen);
  test.run();
}
