/** What is asked of a machine is asked of a mirror too, by mirror:NAME/PATH@INSTANT: lists and history from its trees, content from its target. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { byteStringOfText, isRainbowError } from "../../../src/core/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import { all, instant, mirrorHistory, MirrorWorld, NOW } from "../../support/mirror-world.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const at = (path: string): ByteString => byteStringOfText(path);

async function codeOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return "none";
  } catch (error) {
    if (isRainbowError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
}

const test = suite("questions about mirrors");

test("lists, trees and single entries of any instant", async () => {
  const { world, revisions } = await mirrorHistory();
  const [first, second] = revisions;
  assert.equal(
    await world.paths("mirror:debian", instant(first!)),
    ["dists", "dists/Release", "pool", "pool/a.deb"].map((path) => `mirror:debian/${path}`),
  );
  assert.equal(await world.paths("mirror:debian/pool", instant(second!), 1), ["mirror:debian/pool/a.deb", "mirror:debian/pool/b c.deb"]);
  assert.equal(await world.paths("mirror:debian/pool/", NOW), ["mirror:debian/pool/b c.deb"]);
  const found = await all(world.operations.find({ path: at("mirror:debian"), pattern: "*.deb", at: instant(second!) }));
  assert.equal(
    found.flatMap((item) => (item.type === "entry" ? [item.name] : [])),
    ["a.deb", "b c.deb"],
  );
  const { asOf, entry } = await world.operations.stat({ path: at("mirror:debian/dists/Release"), at: NOW });
  assert.equal([asOf.warnings, entry.sizeBytes, entry.mode, entry.uid], [[], 5, 0o640, process.getuid!()]);
  const folders = await world.operations.largest({ path: at("mirror:debian"), maxCount: 2, at: NOW });
  assert.equal(folders[1], { path: at("mirror:debian/pool"), bytes: 9, nodeCount: 1 });
  await world.mirrors.close();
});

test("what happened to a path, what was deleted, and what differs between two instants", async () => {
  const { world, revisions } = await mirrorHistory();
  const [first, second, third] = revisions;
  const log = await all(world.operations.log({ path: at("mirror:debian/dists/Release"), at: NOW, maxCount: 9 }));
  assert.equal(
    log.map(({ revision, path, changes }) => [revision, path, changes]),
    [
      [second, "mirror:debian/dists/Release", ["arrived 5 bytes", "grown from 3 bytes to 5 bytes", "time set"]],
      [first, "mirror:debian/dists/Release", ["created", "arrived 3 bytes"]],
    ],
  );
  const gone = await all(world.operations.log({ path: at("mirror:debian/pool/a.deb"), at: NOW, maxCount: 9 }));
  assert.equal(
    gone.map(({ revision, changes }) => [revision, changes.at(-1)]),
    [
      [third, "deleted"],
      [first, "arrived 9 bytes"],
    ],
  );
  const deleted = await all(world.operations.deleted({ path: at("mirror:debian/pool"), maxCount: 9 }));
  assert.equal(
    deleted.map(({ path, lastRevision }) => [path, lastRevision]),
    [["mirror:debian/pool/a.deb", second]],
  );
  const request = { path: at("mirror:debian"), at: instant(first!), otherPath: at("mirror:debian"), otherAt: NOW, text: false };
  const differences = (await all(world.operations.diff(request))).flatMap((item) => (item.type === "difference" ? [`${item.what} ${item.path}`] : []));
  assert.equal(differences, ["changed mirror:debian/dists/Release", "removed mirror:debian/pool/a.deb", "added mirror:debian/pool/b c.deb"]);
  const withText = await all(world.operations.diff({ ...request, text: true }));
  const texts = withText.flatMap((item) => (item.type === "difference" ? [item.text] : []));
  assert.equal(texts, [undefined, undefined, undefined], "the target has the older text no more, and the answer goes on");
  await world.mirrors.close();
});

test("content of now is read and restored; what the target does not have any more is said to be gone, never replaced by what is there", async () => {
  const { world, revisions } = await mirrorHistory();
  assert.is(await world.text("mirror:debian/dists/Release", NOW), "three");
  assert.match(await codeOf(() => world.text("mirror:debian/dists/Release", instant(revisions[0]!))), /^OBJECT_CHANGED/);
  const out = join(temporaryDirectory("out"), "copy");
  await world.restore("mirror:debian", out);
  assert.is(readFileSync(join(out, "dists/Release"), "utf8"), "three");
  assert.equal([statSync(join(out, "pool/b c.deb")).mode & 0o7777, statSync(join(out, "pool/b c.deb")).mtimeMs], [0o640, 1_000_000_009_000]);
  writeFileSync(join(out, "pool/b c.deb"), "another b");
  const again = await world.restore("mirror:debian", out, { overwrite: true });
  assert.equal(
    again.flatMap((item) => ((item as { what?: string }).what === "replaced" ? [(item as { path: string }).path] : [])),
    [join(out, "pool/b c.deb")],
  );
  assert.is(readFileSync(join(out, "pool/b c.deb"), "utf8"), "package b");
  const other = join(temporaryDirectory("out"), "older");
  const older = await world.restore("mirror:debian", other, { at: instant(revisions[0]!) });
  const failed = older.flatMap((item) => ((item as { what?: string }).what === "failed" ? [(item as { path: string }).path] : []));
  assert.equal(failed, [join(other, "dists/Release")], "the rest goes on");
  assert.is(readFileSync(join(other, "pool/a.deb"), "utf8"), "package a");
  assert.match(await codeOf(() => world.restore("mirror:debian/dists", "", { inPlace: true })), /^USAGE/);
  await world.mirrors.close();
});

test("a deleted file comes back to a place that is named, as long as its object is there", async () => {
  const { world } = await mirrorHistory();
  const out = join(temporaryDirectory("out"), "a.deb");
  await all(world.operations.undelete({ path: at("mirror:debian/pool/a.deb"), target: at(out) }));
  assert.is(readFileSync(out, "utf8"), "package a");
  assert.match(await codeOf(() => all(world.operations.undelete({ path: at("mirror:debian/pool/a.deb"), target: undefined }))), /^USAGE/);
  await world.mirrors.close();
});

test("a stored object that is not what was stored is never taken for it", async () => {
  const world = new MirrorWorld();
  const mirror = await world.mirrors.add({ label: "m", source: "rsync://host/module", target: world.target, options: {} });
  await (await mirror.files()).record([await world.put(mirror, "bad", "content", true)]);
  assert.match(await codeOf(() => world.text("mirror:m/bad", NOW)), /^OBJECT_CORRUPT/);
  await world.mirrors.close();
});

test("an unknown mirror, an empty one and a name that is none are said to be so", async () => {
  const world = new MirrorWorld();
  assert.match(await codeOf(() => world.paths("mirror:none/x", NOW)), /^NOT_FOUND: there is no mirror 'none': none is defined yet/);
  const definition = { source: "rsync://host/module", target: world.target, options: {} };
  const mirror = await world.mirrors.add({ label: "empty", ...definition });
  assert.match(await codeOf(() => world.paths("mirror:empty", NOW)), /^NOT_FOUND: mirror:empty had nothing yet/);
  assert.match(await codeOf(() => world.mirrors.add({ label: "empty", ...definition })), /^USAGE: a mirror 'empty' exists/);
  for (const label of ["", "a/b", "a@b", "-x"]) assert.match(await codeOf(() => world.mirrors.add({ label, ...definition })), /^USAGE/);
  await world.mirrors.remove(mirror);
  assert.equal(await world.mirrors.all(), []);
  await world.mirrors.close();
});

test.run();
