/** Trees with one of everything, from a real daemon: lists as the reference client sees them, contents as they lie on the disk. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openOs, openXxh3 } from "../../src/app/os/index.ts";
import { bytesOf } from "../../src/core/index.ts";
import type { ByteString, NodeKind } from "../../src/core/index.ts";
import { openDigests, PROTOCOL_MAX, PROTOCOL_MIN } from "../../src/rsync/index.ts";
import type { DigestName, Entry, SessionOptions } from "../../src/rsync/index.ts";
import { makeAssortedTree } from "../support/assorted-tree.ts";
import { startRsyncDaemon } from "../support/rsync-daemon.ts";
import type { RsyncDaemon } from "../support/rsync-daemon.ts";
import { fetchAll } from "../support/rsync-fetch.ts";
import type { Fetched } from "../support/rsync-fetch.ts";
import { listingLine, referenceListing } from "../support/rsync-listing.ts";
import { hasCommand, isRoot, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const U32 = 2 ** 32;
const os = openOs();
const root = temporaryDirectory("rsync-tree") as ByteString;
const digests = await openDigests(openXxh3());
const plainDigests = await openDigests();
let daemon: RsyncDaemon | undefined;

function makeTree(): void {
  makeAssortedTree(os, root);
  if (!isRoot) {
    os.chmod(`${root}/folder/f4` as ByteString, 0o400); // Its own user could not read it, so neither could the daemon.
    os.chmod(`${root}/folder/deep/deeper` as ByteString, 0o755); // Nor could it be removed after the test.
  }
  const long = Array.from({ length: 3 }, (_, i) => `${i}${"d".repeat(219)}`).join("/");
  mkdirSync(`${root}/${long}`, { recursive: true });
  writeFileSync(`${root}/${long}/at the end of a long path`, "far away");
  writeFileSync(`${root}/${"w".repeat(250)}`, "wide");
  for (const name of ["foo", "foo-", "foo.d/x", "foo0/x", "a.b/x", "a-b/x", "a.txt", "a/x", "a/b/c/d/e"]) {
    mkdirSync(`${root}/order/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    writeFileSync(`${root}/order/${name}`, `content of ${name}`);
  }
  writeFileSync(`${root}/order/in the year 2100`, "late");
  os.setTimes(`${root}/order/in the year 2100` as ByteString, 4_102_444_800, 0);
  os.symlink("t".repeat(3000) as ByteString, `${root}/order/long target` as ByteString);
}

const test = suite("rsync: trees of a real daemon");

test.before(async () => {
  if (!hasCommand("rsync")) return;
  makeTree();
  daemon = await startRsyncDaemon({ tree: { path: root }, deep: { path: `${root}/order` } });
});
test.after(() => daemon?.stop());

const ALL: Omit<SessionOptions, "module"> = { hardLinks: true, owners: true, groups: true, devices: true };

function isLeftOut(what: string): boolean {
  if (!hasCommand("rsync")) skipped(`rsync: ${what}`, "rsync is not installed");
  return !hasCommand("rsync");
}

for (let protocol = PROTOCOL_MIN; protocol <= PROTOCOL_MAX; protocol++) {
  for (const isIncremental of protocol >= 30 ? [true, false] : [false]) {
    const name = `protocol ${protocol}${isIncremental ? ", list by list" : ""}`;
    test(`${name}: the list is the reference client's, and all content is the disk's`, async () => {
      if (isLeftOut(name)) return;
      const fetched = await fetchAll(daemon!.port, { session: { ...ALL, module: "tree", protocolMax: protocol, isIncremental } }, digests);
      assert.is(fetched.agreement.protocol, protocol);
      assert.is(fetched.agreement.isIncremental, isIncremental);
      const reference = referenceListing(`${daemon!.url}/tree/`, [`--protocol=${protocol}`]);
      assert.equal(fetched.entries.map(listingLine).sort(), reference.sort());
      fetched.entries.forEach((entry) => checkEntry(entry, protocol));
      checkContents(fetched);
      checkHardLinks(fetched);
      assert.is(fetched.finished.ioError, 0);
      assert.equal(fetched.messages, []);
    });
  }
}

/** All that the disk says of it, as far as the protocol carries it. */
function checkEntry(entry: Entry, protocol: number): void {
  const stat = os.lstat(entry.path === "." ? root : (`${root}/${entry.path}` as ByteString));
  const label = JSON.stringify(entry.path);
  assert.equal([entry.kind, entry.mode], [stat.kind, stat.mode], label);
  assert.is(entry.mtimeSeconds, protocol >= 30 ? stat.mtimeSeconds : (stat.mtimeSeconds + U32) % U32, label);
  assert.is(entry.mtimeNanos, protocol >= 31 ? stat.mtimeNanos : 0, label);
  assert.equal([entry.uid, entry.gid], [stat.uid, stat.gid], label);
  if (entry.kind === "file") assert.is(entry.sizeBytes, stat.sizeBytes, label);
  if (entry.kind === "symlink") assert.is(entry.linkTarget, os.readlink(`${root}/${entry.path}` as ByteString), label);
  const isDevice: boolean = (["character", "block"] as NodeKind[]).includes(entry.kind);
  if (isDevice) assert.is(entry.rdevMajor * 2 ** 20 + entry.rdevMinor, stat.rdev, label);
}

function checkContents(fetched: Fetched): void {
  const files = fetched.entries.filter((entry) => entry.kind === "file");
  assert.ok(files.length > 60);
  assert.equal([...fetched.contents.keys()].sort(), files.map((entry) => entry.path).sort());
  for (const { path } of files) {
    const sha = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
    assert.is(sha(fetched.contents.get(path)!), sha(readFileSync(bytesOf(`${root}/${path}` as ByteString))), JSON.stringify(path));
    assert.is(fetched.outcomes.get(path), "verified");
  }
}

function checkHardLinks(fetched: Fetched): void {
  const groups = Map.groupBy(
    fetched.entries.filter((entry) => entry.hardLink !== undefined),
    (entry) => entry.hardLink!.group,
  );
  const names = [...groups.values()].map((entries) => entries.map((entry) => entry.path as string).sort()).filter((paths) => paths.length > 1);
  const expected = [
    ["folder/deep/of small", "links/of small", "small"],
    ["large", "links/of large"],
  ];
  const found = names.filter((paths) => !paths.some((path) => path.includes("dangling"))).sort((a, b) => (a[0]! < b[0]! ? -1 : 1));
  assert.equal(found, expected);
}

for (const digest of ["xxh128", "xxh3", "xxh64", "md5", "md4", "sha1"] as const satisfies readonly DigestName[]) {
  test(`files are verified by ${digest}, with and without the addon`, async () => {
    if (isLeftOut(digest)) return;
    const wants = (entry: Entry): boolean => entry.path !== "sparse";
    for (const each of [digests, plainDigests]) {
      const fetched = await fetchAll(daemon!.port, { session: { module: "tree", digests: [digest] }, wants }, each);
      assert.is(fetched.agreement.digest, digest);
      assert.equal([...new Set(fetched.outcomes.values())], ["verified"]);
    }
  });
}

test("listed digests are those of the content", async () => {
  if (isLeftOut("listed digests")) return;
  for (const protocol of [27, 29, 30, 32]) {
    const session = { module: "deep", protocolMax: protocol, listDigests: true, digests: ["md5"] as const };
    const { entries, contents, agreement } = await fetchAll(daemon!.port, { session }, digests);
    for (const entry of entries.filter(({ kind }) => kind === "file")) {
      const digest = agreement.digest === "md4-seeded" ? digests.ofFile("md4", 0) : digests.ofFile("md5", 0);
      digest.update(contents.get(entry.path)!);
      assert.equal(entry.digest, digest.digest(), `${protocol} ${entry.path}`);
    }
  }
});

test("names of owners come along where they are asked for", async () => {
  if (isLeftOut("names of owners")) return;
  if (!isRoot) return skipped("rsync: names of owners", "only root knows who owns its files by name");
  for (const protocol of [29, 30, 32])
    for (const isIncremental of [false, true]) {
      const session = { module: "deep", protocolMax: protocol, isIncremental, owners: true, groups: true, numericIds: false };
      const fetched = await fetchAll(daemon!.port, { session }, digests);
      // Before 30 the name of id 0 is never sent.
      const expected = protocol >= 30 ? "root" : undefined;
      assert.equal([fetched.session.nameOfUser(0), fetched.session.nameOfGroup(0)], [expected, expected], `${protocol} ${isIncremental}`);
    }
});

test("one folder, a list without its content, and several paths can be asked for", async () => {
  if (isLeftOut("paths")) return;
  const listed = async (options: Partial<SessionOptions>): Promise<string[]> => {
    const { entries } = await fetchAll(daemon!.port, { session: { module: "deep", ...options }, wants: () => false }, digests);
    return entries.map((entry) => entry.path);
  };
  assert.equal((await listed({ paths: ["a/" as ByteString] })).sort(), [".", "b", "b/c", "b/c/d", "b/c/d/e", "x"]);
  assert.equal((await listed({ paths: ["a" as ByteString, "foo.d/x" as ByteString], isIncremental: false })).sort(), [
    "a",
    "a/b",
    "a/b/c",
    "a/b/c/d",
    "a/b/c/d/e",
    "a/x",
    "x",
  ]);
  assert.equal((await listed({ paths: ["a" as ByteString, "foo.d/x" as ByteString] })).sort(), ["a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e", "a/x", "x"]);
  assert.ok((await listed({ isRecursive: false })).every((path) => !path.includes("/")));
  assert.equal((await listed({ paths: ["a/b/c" as ByteString], isRelative: true })).sort(), ["a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e"]);
});

test.run();
