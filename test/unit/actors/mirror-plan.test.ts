/** What a mirror decides without a server: what differs, what comes last, what is left out, and when nothing may be removed. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compareDirectory, leadsOut } from "../../../src/actors/mirror/compare.ts";
import type { CompareRules } from "../../../src/actors/mirror/compare.ts";
import { holdReason } from "../../../src/actors/mirror/deleting.ts";
import type { Found } from "../../../src/actors/mirror/deleting.ts";
import { GoneNames } from "../../../src/actors/mirror/gone-names.ts";
import { lastOfProfile } from "../../../src/actors/mirror/index.ts";
import { ListedDirectories } from "../../../src/actors/mirror/listed-directories.ts";
import type { Listed } from "../../../src/actors/mirror/listed-directories.ts";
import { isUpstreamTemporary, PublicationOrder } from "../../../src/actors/mirror/publication.ts";
import type { ByteString, NodeId } from "../../../src/core/index.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import type { FileEntry } from "../../../src/projections/index.ts";
import type { Entry } from "../../../src/rsync/index.ts";

const test = suite("mirror: plan");
const bytes = (text: string): ByteString => text as ByteString;

function entry(path: string, changes: Partial<Entry> = {}): Entry {
  const times = { mtimeSeconds: 100, mtimeNanos: 5 };
  const owner = { uid: 0, gid: 0, rdevMajor: 0, rdevMinor: 0 };
  const rest = { linkTarget: undefined, hardLink: undefined, digest: undefined, isTop: false, hasNoContent: false };
  return { path: bytes(path), kind: "file", mode: 0o644, sizeBytes: 3, ...times, ...owner, ...rest, ...changes };
}

function stored(path: string, changes: Partial<FileEntry> = {}): FileEntry {
  const rest = { linkTarget: bytes(""), rdev: 0, digest: undefined, place: undefined };
  return { node: 1 as NodeId, path: bytes(path), kind: "file", mode: 0o644, sizeBytes: 3, mtimeSeconds: 100, mtimeNanos: 5, ...rest, ...changes };
}

function differences(listed: readonly Entry[], have: readonly FileEntry[], rules: CompareRules = { hasNanos: true, listedDigest: undefined }): string[] {
  const told: string[] = [];
  const say = (what: string) => (each: Listed) => void told.push(`${what} ${each.entry.path}`);
  compareDirectory(
    listed.map((each, index) => ({ index, entry: each })),
    have.values(),
    rules,
    {
      same: say("same"),
      touched: say("touched"),
      changed: say("changed"),
      added: (each, replaced) => void told.push(`added ${each.entry.path}${replaced === undefined ? "" : ` over a ${replaced.kind}`}`),
      gone: ({ path }) => void told.push(`gone ${path}`),
    },
  );
  return told;
}

test("each name of either side is told once, in the order of bytes", () => {
  const listed = [
    entry("b"),
    entry("c", { sizeBytes: 4 }),
    entry("d", { mode: 0o600 }),
    entry("e", { mtimeNanos: 6 }),
    entry("f", { kind: "directory" }),
    entry("x"),
  ];
  const have = [stored("a"), stored("b"), stored("c"), stored("d"), stored("e"), stored("f"), stored("z")];
  assert.equal(differences(listed, have), ["gone a", "same b", "changed c", "touched d", "changed e", "added f over a file", "added x", "gone z"]);
  assert.equal(differences([], [stored("a")]), ["gone a"]);
  assert.equal(differences([entry("a")], []), ["added a"]);
});

test("where lists have whole seconds, or digests, these decide", () => {
  assert.equal(differences([entry("a", { mtimeNanos: 0 })], [stored("a")], { hasNanos: false, listedDigest: undefined }), ["same a"]);
  const digest = { name: "md5", bytes: Buffer.from("0011") };
  const rules = { hasNanos: true, listedDigest: "md5" };
  assert.equal(differences([entry("a", { mtimeSeconds: 7, digest: Buffer.from("0011") })], [stored("a", { digest })], rules), ["touched a"]);
  assert.equal(differences([entry("a", { digest: Buffer.from("0012") })], [stored("a", { digest })], rules), ["changed a"]);
  assert.equal(differences([entry("a", { digest: Buffer.from("0011") })], [stored("a")], rules), ["changed a"]);
});

test("a symlink differs by its target, and its mode says nothing", () => {
  const link = (target: string, mode = 0o777): Entry => entry("a", { kind: "symlink", linkTarget: bytes(target), mode });
  const have = [stored("a", { kind: "symlink", linkTarget: bytes("t"), mode: 0o755 })];
  assert.equal(differences([link("t")], have), ["same a"]);
  assert.equal(differences([link("u")], have), ["changed a"]);
});

test("a list of one directory comes in the order of bytes, and one list of all is cut into directories", () => {
  const incremental = new ListedDirectories(true);
  for (const [index, each] of [entry("d/b"), entry("d/a0"), entry("d/a", { kind: "directory" })].entries()) incremental.add({ index, entry: each });
  const paths = (directories: ReturnType<ListedDirectories["take"]>): unknown =>
    directories.map(({ path, listed }) => [path, listed.map((each) => each.entry.path)]);
  assert.equal(paths(incremental.take(bytes("d"))), [["d", ["d/a", "d/a0", "d/b"]]]);
  const whole = new ListedDirectories(false);
  const all = [entry(".", { kind: "directory" }), entry("d", { kind: "directory" }), entry("d/x"), entry("e", { kind: "directory" }), entry("f")];
  for (const [index, each] of all.entries()) whole.add({ index, entry: each });
  assert.equal(paths(whole.take(undefined)), [
    [".", ["d", "e", "f"]],
    ["d", ["d/x"]],
    ["e", []],
  ]);
});

test("a symlink leads out where it is absolute, empty or goes further up than it lies deep", () => {
  const cases = { "/etc": true, "": true, "../x": true, x: false, "./x/../y": false, "a/../../x": true };
  for (const [target, leads] of Object.entries(cases)) assert.is(leadsOut(bytes("link"), bytes(target)), leads, target);
  assert.is(leadsOut(bytes("d/link"), bytes("../x")), false);
  assert.is(leadsOut(bytes("d/link"), bytes("../../x")), true);
});

test("unfinished files of another rsync are told from names that people choose", () => {
  for (const name of [".file.aB3xYz", "d/.file.tar.gz.q7W2eR", ".~tmp~/file", "d/.~tmp~/file", ".~tmp~"])
    assert.is(isUpstreamTemporary(bytes(name)), true, name);
  for (const name of [".file", "file.aB3xYz", ".treeinfo.sha256", ".list.backup", ".log.202611", ".file.aB3xYz7", "d/x.md5sum"])
    assert.is(isUpstreamTemporary(bytes(name)), false, name);
});

test("files that name others come after them, in the order of the patterns", () => {
  const order = new PublicationOrder(lastOfProfile("debian"));
  const rank = (path: string): number => order.rankOf(bytes(path));
  assert.is(rank("pool/main/a/a.deb"), 0);
  assert.is(rank("dists/sid/main/binary-amd64/by-hash/SHA256/0123"), 0);
  assert.ok(rank("dists/sid/main/binary-amd64/Packages.xz") > 0);
  assert.ok(rank("dists/sid/main/i18n/Translation-de.xz") > 0);
  assert.ok(rank("dists/sid/Release") > rank("dists/sid/main/binary-amd64/Packages.xz"));
  assert.ok(rank("dists/sid/InRelease") > rank("dists/sid/Release.gpg"));
  const rpm = new PublicationOrder(lastOfProfile("rpm"));
  assert.ok(rpm.rankOf(bytes("os/repodata/repomd.xml")) > rpm.rankOf(bytes("os/repodata/abc-primary.xml.gz")));
  assert.is(new PublicationOrder(lastOfProfile("plain")).rankOf(bytes("Release")), 0);
  assert.is(new PublicationOrder(["*.lst", "z*"]).rankOf(bytes("d/z.lst")), 2);
  assert.throws(
    () => lastOfProfile("constructor"),
    (error: unknown) => isRainbowError(error, "USAGE"),
  );
});

test("nothing is removed while there is doubt, or when it is too much", () => {
  const found: Found = { doubt: undefined, entryCount: 50, keptCount: 49, removalCount: 10, example: bytes("x"), isCut: false };
  const held = (changes: Partial<Found>, maxDelete?: number): string => holdReason({ ...found, ...changes }, { maxDelete })?.why ?? "";
  assert.is(held({}), "");
  assert.is(held({ doubt: { why: "unreadable", by: bytes("d") } }), "unreadable");
  assert.match(held({ entryCount: 1 }), /lists nothing/);
  assert.match(held({ entryCount: 0, removalCount: 1 }), /lists nothing/);
  assert.match(held({ isCut: true }), /limit for new bytes/);
  assert.is(held({}, 10), "");
  assert.match(held({}, 9), /^10 names are gone upstream, more than the 9 that may go at once; look, then allow it with --max-delete 10$/);
  assert.match(held({}, 0), /more than the 0 that may go at once; .* --max-delete 10$/);
  assert.is(held({ removalCount: 100 }), "");
  assert.match(held({ removalCount: 101 }), /^101 names are gone upstream, more than the 100 that may go at once;/);
  assert.match(held({ removalCount: 501, keptCount: 500 }), /more than the 500 that stay; look, then allow it with --max-delete 501$/);
  assert.is(held({ removalCount: 500, keptCount: 500 }), "");
  assert.is(held({ removalCount: 0, entryCount: 0 }), "");
});

test("what is gone is noted packed, and told in its order", () => {
  const gone = new GoneNames();
  assert.equal([gone.isEmpty, gone.first, [...gone.paths()]], [true, undefined, []]);
  const paths = ["a", "b\n", "d/a", "d/e/\xff", "z", ...Array.from({ length: 3000 }, (_, i) => `flat/${i}`), "flat/last", "y"].map(bytes);
  for (const path of paths) gone.add(path);
  assert.equal([...gone.paths()], paths);
  assert.equal([...gone.paths()], paths, "it can be asked again");
  assert.is(gone.first, "a");
});

test.run();
