/** The object store over a directory: the contract on both ways to reach the filesystem, and what a tree of files promises beyond it. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openOs } from "../../src/app/os/index.ts";
import { systemRandom } from "../../src/app/platform.ts";
import { byteStringOfText } from "../../src/core/index.ts";
import type { Os } from "../../src/core/index.ts";
import { openDirectoryStore } from "../../src/objects/directory/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import { loopFilesystem } from "../support/loop-filesystem.ts";
import { isRoot, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { contentOf, directory, file, key, listed, metadata, numbered, objectStoreContract, rejects, symlink } from "./object-store-contract.ts";

const os = openOs();
const open = (path: string, through: Os = os): ObjectStore => openDirectoryStore({ path: byteStringOfText(path), os: through, random: systemRandom() });

objectStoreContract({
  name: "directory",
  make: async () => open(temporaryDirectory("objects")),
  reopen: async (store) => open(store.address),
  stop: async () => {},
});

const cases = suite("object store: a tree of files");

cases("what a mirror stores is a plain tree, and nothing else is left at its top", async () => {
  const top = temporaryDirectory("objects");
  const store = open(top);
  await store.put([directory("pool", 0o750), file("pool/a.deb", "a", { mode: 0o640 }), symlink("latest", "pool/a.deb")]);
  const upload = await store.begin({ key: key("pool/big"), metadata: metadata(), sizeBytes: 3 });
  await upload.write(Buffer.from("big"));
  await upload.complete(metadata());
  await store.setMetadata(key("pool"), metadata({ kind: "directory", mode: 0o750 }));
  await store.setMetadata(key("."), metadata({ kind: "directory", mode: 0o755 }));
  await store.settle();
  await store.close();
  assert.is(lstatSync(top).mtimeMs, 1_700_000_000_123.4568);
  assert.equal(readdirSync(top).sort(), ["latest", "pool"]);
  assert.equal(readdirSync(join(top, "pool")).sort(), ["a.deb", "big"]);
  assert.is(lstatSync(join(top, "pool/a.deb")).mode & 0o7777, 0o640);
  assert.is(lstatSync(join(top, "pool")).mode & 0o7777, 0o750);
  assert.is(lstatSync(join(top, "pool")).mtimeMs, 1_700_000_000_123.4568);
  assert.ok(lstatSync(join(top, "latest")).isSymbolicLink());
});

cases("what this store keeps for itself leaves the time of the top as it is", async () => {
  const top = temporaryDirectory("objects");
  const store = open(top);
  await store.setMetadata(key("."), metadata({ kind: "directory", mode: 0o755 }));
  const upload = await store.begin({ key: key("a"), metadata: metadata(), sizeBytes: 3 });
  assert.is(lstatSync(top).mtimeMs, 1_700_000_000_123.4568);
  await upload.abort();
  await store.close();
  assert.is(lstatSync(top).mtimeMs, 1_700_000_000_123.4568);
});

cases("what is unfinished lies beside the tree only as long as it is; a top that may not be written to is no hindrance, and stays so", async () => {
  const top = temporaryDirectory("objects");
  const store = open(top);
  const upload = await store.begin({ key: key("big"), metadata: metadata(), sizeBytes: 3 });
  await store.put([file("a", "a")]);
  await store.settle();
  assert.equal(readdirSync(top).sort(), [".rainbow", "a"]);
  await upload.complete(metadata());
  await store.setMetadata(key("."), metadata({ kind: "directory", mode: 0o555 }));
  await store.settle();
  assert.equal(readdirSync(top).sort(), ["a", "big"]);
  await store.put([file("b", "b")]);
  const abandoned = await store.begin({ key: key("c"), metadata: metadata(), sizeBytes: 1 });
  await abandoned.abort();
  await store.settle();
  assert.equal(readdirSync(top).sort(), ["a", "b", "big"]);
  assert.is(lstatSync(top).mode & 0o7777, 0o555);
  await store.close();
  chmodSync(top, 0o755);
});

cases("what an upload took since the last settle is settled by the next one, and that begins when one that runs has ended", async () => {
  const [store, tools] = [open(temporaryDirectory("objects")), temporaryDirectory("tools")];
  const said = join(tools, "said");
  writeFileSync(join(tools, "sync"), `#!/bin/sh\necho begun >> '${said}'\nsleep 0.1\necho ended >> '${said}'\n`, { mode: 0o755 });
  const syncs = (): string => readFileSync(said, "utf8").replaceAll("\n", " ");
  const path = process.env["PATH"];
  process.env["PATH"] = `${tools}:${path}`;
  try {
    const upload = await store.begin({ key: key("a"), metadata: metadata(), sizeBytes: 2 });
    await upload.write(Buffer.from("a"));
    await store.settle();
    await store.settle();
    assert.is(syncs(), "begun ended ");
    await upload.write(Buffer.from("b"));
    const running = store.settle();
    await upload.complete(metadata());
    await store.settle();
    assert.is(syncs(), "begun ended begun ended begun ended ");
    await running;
    await store.close();
  } finally {
    process.env["PATH"] = path;
  }
});

cases("no symlink of the target is followed, neither to write nor to read, list or delete", async () => {
  const outside = temporaryDirectory("outside");
  writeFileSync(join(outside, "secret"), "secret");
  mkdirSync(join(outside, "empty"));
  const top = temporaryDirectory("objects");
  const store = open(top);
  symlinkSync(outside, join(top, "way"));
  const calls: (() => Promise<unknown>)[] = [
    () => store.put([file("way/new", "x")]),
    () => store.put([file("way/deeper/new", "x")]),
    () => store.put([directory("way/new")]),
    () => store.setMetadata(key("way/secret"), metadata()),
    () => contentOf(store, "way/secret"),
    () => store.head({ key: key("way/secret"), kind: "file" }),
    () => listed(store, "way/empty"),
    async () => (await store.begin({ key: key("way/new"), metadata: metadata(), sizeBytes: 1 })).complete(metadata()),
  ];
  for (const call of calls) await rejects(call(), "TARGET_REFUSED");
  const failed = await store.delete([
    { key: key("way/secret"), kind: "file" },
    { key: key("way/empty"), kind: "directory" },
  ]);
  assert.is(failed.length, 2);
  assert.equal(readdirSync(outside).sort(), ["empty", "secret"]);
  assert.equal(
    (await listed(store)).map((object) => [object.key, object.kind]),
    [["way", "symlink"]],
  );
  await store.put([symlink("a", outside)]);
  await rejects(store.put([file("a/secret", "x")]), "TARGET_REFUSED");
  await rejects(contentOf(store, "a"), "OBJECT_CHANGED");
  assert.is(readFileSync(join(outside, "secret"), "utf8"), "secret");
});

cases("a symlink that takes the place of a directory in the same call is not followed either", async () => {
  const outside = temporaryDirectory("outside");
  const store = open(temporaryDirectory("objects"));
  await rejects(store.put([directory("d"), symlink("d", outside), file("d/x", "x")]), "TARGET_REFUSED");
  assert.equal(readdirSync(outside), []);
});

cases("Rainbow's own directory is no key, and is not listed", async () => {
  const store = open(temporaryDirectory("objects"));
  await rejects(store.put([file(".rainbow/x", "x")]), "TARGET_REFUSED");
  await rejects(store.put([file(".rainbow", "x")]), "TARGET_REFUSED");
  const upload = await store.begin({ key: key("f"), metadata: metadata(), sizeBytes: 1 });
  assert.equal(await listed(store), []);
  await upload.suspend();
  await store.close();
});

cases("a directory that is not empty is neither deleted nor replaced by a file", async () => {
  const store = open(temporaryDirectory("objects"));
  await store.put([directory("d"), file("d/f", "x")]);
  const failed = await store.delete([{ key: key("d"), kind: "directory" }]);
  assert.is(failed.length, 1);
  await rejects(Promise.reject(failed[0]?.error), "TARGET_REFUSED");
  await rejects(store.put([file("d", "x")]), "TARGET_REFUSED");
  assert.is((await contentOf(store, "d/f")).toString(), "x");
});

cases("a deletion takes only what has the kind that it names", async () => {
  const store = open(temporaryDirectory("objects"));
  await store.put([directory("d"), file("f", "x")]);
  const failed = await store.delete([
    { key: key("d"), kind: "file" },
    { key: key("f"), kind: "directory" },
  ]);
  assert.equal(failed, []);
  assert.equal(
    (await listed(store)).map((object) => object.key),
    ["d", "f"],
  );
});

cases("what others put into the tree is listed as what it is", async () => {
  const top = temporaryDirectory("objects");
  const store = open(top);
  try {
    os.makeSpecial(byteStringOfText(join(top, "pipe")), "fifo", 0o600, 0);
  } catch {
    return skipped("object store: a FIFO", "it cannot be made without the addon");
  }
  const found = await store.head({ key: key("pipe"), kind: "file" });
  assert.equal([found?.kind, found?.metadata], ["other", undefined]);
  await rejects(contentOf(store, "pipe"), "IO");
});

cases("a directory whose owner may not write takes new files all the same, and keeps its mode", async () => {
  if (isRoot) return skipped("object store: a directory without write permission", "root may write anyway");
  const top = temporaryDirectory("objects");
  const store = open(top);
  await store.put([directory("d", 0o555), file("d/f", "x"), directory("d/e"), symlink("d/l", "f")]);
  assert.is(lstatSync(join(top, "d")).mode & 0o777, 0o555);
  assert.equal(await store.delete([{ key: key("d/f"), kind: "file" }]), []);
  assert.equal(readdirSync(join(top, "d")).sort(), ["e", "l"]);
  chmodSync(join(top, "d"), 0o755);
});

cases("a full disk is DISK_FULL, leaves what was there, and the store goes on when there is room", async () => {
  const filesystem = loopFilesystem("ext4", 16);
  if (typeof filesystem === "string") return skipped("object store: a full disk", filesystem);
  const store = open(filesystem.path);
  await store.put([file("f", "before")]);
  const upload = await store.begin({ key: key("f"), metadata: metadata(), sizeBytes: 1 });
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 64; i++) await upload.write(numbered(2 ** 20));
  };
  await rejects(fill(), "DISK_FULL");
  await upload.abort();
  assert.is((await contentOf(store, "f")).toString(), "before");
  await store.put([file("f", "after")]);
  await store.settle();
  assert.is((await contentOf(store, "f")).toString(), "after");
  await store.close();
});

cases("another filesystem inside of the target is named, and nothing is written into it", async () => {
  const filesystem = loopFilesystem("ext4", 16);
  if (typeof filesystem === "string") return skipped("object store: a mount inside of the target", filesystem);
  const name = filesystem.path.split("/").at(-1)!;
  const top = filesystem.path.slice(0, -name.length - 1);
  const store = open(top);
  await rejects(store.put([file(`${name}/f`, "x")]), "TARGET_REFUSED");
  assert.is(existsSync(join(filesystem.path, "f")), false);
  await store.close();
});

cases("a target that is missing or no directory is refused at once", async () => {
  const top = temporaryDirectory("objects");
  writeFileSync(join(top, "file"), "x");
  assert.throws(() => open(join(top, "none")));
  assert.throws(() => open(join(top, "file")));
  symlinkSync(top, join(top, "self"));
  await open(join(top, "self")).put([file("through", "x")]);
  assert.is(readFileSync(join(top, "through"), "utf8"), "x");
});

cases.run();
