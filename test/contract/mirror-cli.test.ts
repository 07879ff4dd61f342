/** rainbow mirror as a user calls it: a real rsync daemon, a directory or a real S3 server, in the foreground and by a running host. */
// Time limit: 900 s
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openOs } from "../../src/app/os/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { openS3Store } from "../../src/objects/s3/index.ts";
import { makeAssortedTree } from "../support/assorted-tree.ts";
import { end, start } from "../support/cli.ts";
import { bytePath } from "../support/compare-trees.ts";
import { MirrorHousehold } from "../support/mirror-household.ts";
import type { Json } from "../support/mirror-household.ts";
import { plainDifferences } from "../support/mirror-rig.ts";
import { startS3Server } from "../support/s3-server.ts";
import { hasCommand, skipped } from "../support/skip.ts";

const test = suite("mirror command");
const os = openOs();

function housed(name: string, body: (house: MirrorHousehold) => Promise<void>, settings: Readonly<Record<string, string>> = {}): void {
  test(name, async () => {
    if (!hasCommand("rsync")) return skipped(`mirror command: ${name}`, "rsync is not installed");
    const house = await MirrorHousehold.open(settings);
    try {
      await body(house);
    } finally {
      await house.close();
    }
  });
}

const ofType = (items: readonly Json[], type: string): Json[] => items.filter((item) => item["type"] === type);

housed("a mirror is defined, synced, asked about, cared for and given up", async (house) => {
  house.write({ "dists/Release": "release 1", "pool/a.deb": "package a" });
  const [defined] = await house.json(["mirror", "add", house.url, "target", "--name", "debian", "--exclude", "*.iso", "--every", "6h"]);
  assert.equal([defined!["name"], defined!["source"], defined!["target"]], ["debian", house.url, house.target]);
  const { targetIdentity, ...settings } = defined!["settings"] as Json;
  assert.equal(settings, { everyMs: 21_600_000, filters: ["- *.iso"] });
  house.write({ "big.iso": "left out" });

  const dry = await house.json(["mirror", "sync", "debian", "--dry-run"]);
  assert.equal(new Set(ofType(dry, "mirror-item").map((item) => item["path"])), new Set([".", "dists", "dists/Release", "pool", "pool/a.deb"]));
  assert.equal(readdirSync(house.target), []);

  const [synced] = ofType(await house.json(["mirror", "sync"]), "mirror-synced");
  assert.equal([synced!["name"], synced!["arrivedCount"], synced!["heldBecause"]], ["debian", 5, ""]);
  assert.is(readFileSync(join(house.target, "pool/a.deb"), "utf8"), "package a");
  assert.equal(readdirSync(house.target).sort(), ["dists", "pool"]);
  assert.is(await house.ok(["cat", "mirror:debian/dists/Release"]), "release 1");

  const [status] = await house.json(["mirror", "status", "debian"]);
  assert.equal([status!["state"], status!["entryCount"], status!["sizeBytes"], status!["failure"]], ["waiting", 5, 18, ""]);
  assert.ok((status!["lastStarted"] as string) <= (status!["lastUpdated"] as string));
  const log = await house.json(["mirror", "log", "debian"]);
  assert.equal(
    log.map((item) => item["event"]),
    ["SyncFinished", "SyncStarted", "MirrorDefined"],
  );
  assert.not.match(JSON.stringify(log), /[0-9a-f]{64}/, "no key is shown");

  assert.match(await house.ok(["mirror", "check", "debian", "--read-data"]), /as upstream has it/);
  writeFileSync(join(house.target, "pool/a.deb"), "damaged!!");
  assert.match(await house.ok(["mirror", "check", "debian", "--read-data", "--mend"], 30), /damaged +pool\/a\.deb/);
  assert.is(ofType(await house.json(["mirror", "sync"]), "mirror-synced")[0]!["arrivedCount"], 1);
  assert.is(readFileSync(join(house.target, "pool/a.deb"), "utf8"), "package a");

  await house.ok(["mirror", "forget", "debian", "dists/Release"]);
  assert.is(ofType(await house.json(["mirror", "sync"]), "mirror-synced")[0]!["arrivedCount"], 1);
  await house.ok(["mirror", "forget", "debian", "nothing"], 1);
  assert.match(await house.ok(["mirror", "recover", "debian"]), /4 objects, all in the list as they are/);

  await house.ok(["mirror", "set", "debian", "--every", "never", "--delete-grace", "2h"]);
  assert.equal((await house.json(["mirror", "list"]))[0]!["settings"], {
    everyMs: 0,
    filters: ["- *.iso"],
    targetIdentity,
    deleteGraceMs: 7_200_000,
  });
  await house.ok(["mirror", "remove", "debian"]);
  assert.equal(await house.json(["mirror", "list"]), []);
  assert.ok(existsSync(join(house.target, "pool/a.deb")), "what it stored stays");
});

housed("changes and deletions follow; a list in doubt deletes nothing, and says why", async (house) => {
  house.write({ "a/1": "one", "a/2": "two", "b/3": "three" });
  await house.ok(["mirror", "add", house.url, house.target]);
  await house.ok(["mirror", "sync", "tree", "-q"]);
  rmSync(join(house.upstream, "a/1"));
  house.write({ "a/2": "two again" });
  const changed = ofType(await house.json(["mirror", "sync", "tree", "-v"]), "mirror-item");
  assert.equal(new Set(changed.map((item) => `${String(item["what"])} ${String(item["path"])}`)), new Set(["changed a/2", "deleted a/1", "touched a"]));
  assert.is(existsSync(join(house.target, "a/1")), false);
  assert.is(await house.ok(["cat", "mirror:tree/a/2"]), "two again");
  assert.match(await house.ok(["deleted", "mirror:tree"]), /a\/1/);

  for (const name of ["a", "b"]) rmSync(join(house.upstream, name), { recursive: true });
  house.write({ c: "new" });
  const held = await house.run("mirror", "sync", "tree", "--max-delete", "1");
  assert.is(held.exitCode, 3, held.stderr);
  assert.match(held.stderr, /nothing was deleted/);
  assert.ok(existsSync(join(house.target, "a/2")));
  const [status] = await house.json(["mirror", "status"], 3);
  assert.ok(status!["heldBecause"] !== "" && status!["heldSince"] !== undefined);
  await house.ok(["mirror", "sync", "tree", "--max-delete", "100"]);
  assert.equal(readdirSync(house.target), ["c"]);
  await house.ok(["mirror", "sync", "tree", "--no-delete"]);
});

housed("list-only prints what rsync --list-only prints", async (house) => {
  makeAssortedTree(os, bytePath(house.upstream));
  const env = { ...process.env, TZ: "Asia/Shanghai", LC_ALL: "C.UTF-8" };
  const reference = (...words: string[]): string[] => {
    const run = spawnSync("rsync", ["--list-only", "--links", ...words], { encoding: "latin1", env, maxBuffer: 1 << 28 });
    return run.stdout.split("\n").filter((line) => /^\S{10} /.test(line) && isPlain(line));
  };
  // Names that a terminal cannot show are escaped in ways of their own, and a directory's size is the filesystem's affair.
  const isPlain = (line: string): boolean => !/[^\x20-\x7e]|\\/.test(line);
  const plain = (lines: readonly string[]): string[] =>
    lines
      .filter(isPlain)
      .map((line) => line.replace(/^(d\S+) +[\d,]+ /, "$1 "))
      .sort();
  const own = async (...words: string[]): Promise<string[]> =>
    (await house.ok(["mirror", "list-only", ...words])).split("\n").filter((line) => line !== "" && !line.includes("'"));
  const quoteless = (lines: readonly string[]): string[] => lines.filter((line) => !line.includes("'"));
  assert.equal(plain(await own(`${house.url}/`)), quoteless(plain(reference(`${house.url}/`))));
  assert.equal(plain(await own("-r", house.url)), quoteless(plain(reference("-r", "-HD", house.url))));
  assert.equal(plain(await own("-r", "--exclude", "folder", house.url)), quoteless(plain(reference("-r", "-HD", "--exclude", "folder", house.url))));
  assert.ok(plain(await own("-r", house.url)).length > 20);
  assert.equal(await own(house.daemon.url), ["tree           \ta tree"]);
  await house.ok(["mirror", "add", house.url, house.target]);
  assert.equal(await own("-r", "tree"), await own("-r", house.url));
  await house.ok(["mirror", "list-only", `${house.url}/nothing`], 23);
  await house.ok(["mirror", "list-only", `${house.daemon.url}/nothing`], 23);
});

housed("a tree of all kinds is what rsync makes of it", async (house) => {
  makeAssortedTree(os, bytePath(house.upstream));
  await house.ok(["mirror", "add", house.url, house.target]);
  await house.ok(["mirror", "sync", "-q"]);
  const reference = join(house.home.base, "reference");
  spawnSync("rsync", ["-rlpt", "--modify-window=-1", `${house.url}/`, `${reference}/`]);
  assert.equal(plainDifferences(os, bytePath(reference), bytePath(house.target)), []);
});

housed("another directory in the target's place is refused until somebody accepts it", async (house) => {
  house.write({ f: "content" });
  await house.ok(["mirror", "add", house.url, house.target]);
  await house.ok(["mirror", "sync"]);
  renameSync(house.target, `${house.target}.away`);
  const gone = await house.run("mirror", "sync");
  assert.is(gone.exitCode, 21, gone.stderr);
  mkdirSync(house.target);
  house.write({ f: "changed content" });
  const other = await house.run("mirror", "sync");
  assert.is(other.exitCode, 2);
  assert.match(other.stderr, /is its disk mounted/);
  assert.equal(readdirSync(house.target), []);
  await house.ok(["mirror", "set", "tree", "--accept-target"]);
  await house.ok(["mirror", "recover", "tree"]);
  await house.ok(["mirror", "sync"]);
  assert.is(readFileSync(join(house.target, "f"), "utf8"), "changed content");
});

housed(
  "a password comes from a file or the environment, never from words, and is kept nowhere",
  async (house) => {
    house.write({ f: "secret content" });
    const url = house.url.replace("rsync://", "rsync://user@");
    const withPassword = await house.run("mirror", "add", house.url.replace("rsync://", "rsync://user:hunter2@"), house.target);
    assert.is(withPassword.exitCode, 2);
    assert.match(withPassword.stderr, /--password-file/);
    assert.not.match(withPassword.stderr, /hunter2/);
    const file = join(house.home.base, "password");
    writeFileSync(file, "hunter2\nmore\n", { mode: 0o600 });
    await house.ok(["mirror", "add", url, house.target, "--name", "m"]);
    const without = await house.run("mirror", "sync", "m");
    assert.is(without.exitCode, 23);
    assert.match(without.stderr, /RSYNC_AUTHENTICATION/);
    house.env = { RSYNC_PASSWORD: "wrong" };
    await house.ok(["mirror", "sync", "m"], 23);
    house.env = { RSYNC_PASSWORD: "hunter2" };
    await house.ok(["mirror", "sync", "m"]);
    assert.match(await house.ok(["mirror", "list-only", url]), /f\n/);
    house.env = {};
    await house.ok(["mirror", "sync", "m", "--password-file", "password"]);
    await house.ok(["mirror", "set", "m", "--password-file", file]);
    await house.ok(["mirror", "sync", "m"]);
    chmodSync(file, 0o604);
    const open = await house.run("mirror", "sync", "m");
    assert.is(open.exitCode, 2);
    assert.match(open.stderr, /can be read by everybody/);
    assert.not.match(JSON.stringify(await house.json(["mirror", "log", "m"])), /hunter2/);
    assert.is(spawnSync("grep", ["-rlq", "hunter2", house.home.data]).status, 1, "no file of the data directory has it");
  },
  { "auth users": "user", "secrets file": secretsFile() },
);

function secretsFile(): string {
  const path = join(process.env["TMPDIR"] ?? "/tmp", `secrets-${process.pid}`);
  writeFileSync(path, "user:hunter2\n", { mode: 0o600 });
  process.on("exit", () => rmSync(path, { force: true }));
  return path;
}

housed("a running host syncs by schedule, when it is triggered, and for whoever waits", async (house) => {
  house.write({ f: "one" });
  await house.ok(["mirror", "add", house.url, house.target, "--every", "1h"]);
  const up = start(["up", "--json"], { cwd: house.home.base, env: house.home.env });
  const ended = end(up);
  process.once("exit", () => up.kill("SIGKILL"));
  const until = async (isReached: (status: Json) => boolean): Promise<Json> => {
    for (;;) {
      const answer = await house.run("mirror", "status", "tree", "--json");
      const status = answer.stdout.length === 0 ? {} : (JSON.parse(answer.stdout.toString().split("\n")[0]!) as Json);
      if (isReached(status)) return status;
      await delay(50);
    }
  };
  const first = await until((status) => status["nextRun"] !== undefined && status["lastUpdated"] !== undefined);
  assert.is(readFileSync(join(house.target, "f"), "utf8"), "one");
  assert.ok(Date.parse(first["nextRun"] as string) - Date.parse(first["lastStarted"] as string) >= 3_590_000);
  const [host] = await house.json(["status"]);
  const [brief] = host!["mirrors"] as Json[];
  assert.equal([host!["state"], brief!["name"], brief!["state"], brief!["nextRun"]], ["mirroring", "tree", "waiting", first["nextRun"]]);
  assert.match(await house.ok(["status"]), /^state: +mirroring\n[^]*^mirrors: +tree {2}next run 2.*, updated \d.* ago$/m);
  assert.equal(readdirSync(house.target), ["f"]);
  house.write({ f: "two!" });
  await house.ok(["mirror", "trigger", "tree"]);
  await until((status) => (status["lastUpdated"] as string) > (first["lastUpdated"] as string));
  assert.is(readFileSync(join(house.target, "f"), "utf8"), "two!");
  house.write({ f: "three" });
  const synced = ofType(await house.json(["mirror", "sync", "tree", "-v"]), "mirror-item");
  assert.equal(
    synced.map((item) => item["path"]),
    ["f"],
  );
  assert.equal(ofType(await house.json(["mirror", "sync", "--checksum"]), "mirror-synced")[0]!["arrivedCount"], 0);
  await house.ok(["mirror", "check", "tree", "--read-data"]);
  await house.daemon.stop();
  assert.match((await house.run("mirror", "sync", "tree")).stderr, /RSYNC_UNREACHABLE/);
  await until((status) => status["state"] === "backing-off");
  const status = await house.run("status", "--json");
  assert.match(status.stdout.toString(), /"state":"degraded".*mirror tree: /);
  up.kill("SIGINT");
  const { exitCode, stderr } = await ended;
  assert.is(exitCode, 0, stderr);
});

housed("instants of a mirror have names of their own, and its policy is its own", async (house) => {
  house.write({ "dists/Release": "one", "pool/a@b": "an odd name" });
  await house.ok(["mirror", "add", house.url, house.target, "--name", "debian"]);
  await house.ok(["mirror", "sync"]);
  assert.match(await house.ok(["snapshot", "first", "--mirror", "debian", "--pin"]), /^mirror:debian@first is .*, pinned\n$/);
  house.write({ "dists/Release": "two, longer" });
  await house.ok(["mirror", "sync"]);
  assert.equal((await house.ok(["ls", "-1", "mirror:debian/dists@first"])).trim(), "Release");
  assert.equal((await house.ok(["ls", "-1", "mirror:debian@first"])).trim(), "dists\npool");
  assert.match(await house.ok(["log", "mirror:debian/pool/a@b"]), /created/);
  assert.match(await house.ok(["diff", "mirror:debian@first"], 1), /dists\/Release/);
  assert.match(await house.ok(["snapshots", "diff", "first", "now", "--mirror", "debian"], 1), /dists\/Release/);
  const unknown = await house.run("ls", "mirror:debian@frist");
  assert.match(unknown.stderr, /'frist' is no instant and no snapshot \(the newest snapshots are first\)/);
  await house.ok(["snapshot", "first"]);
  assert.match(await house.ok(["snapshots"]), /^first +2.*\nmirror:debian@first +2.*pinned\n$/);
  assert.equal((await house.json(["snapshots", "--mirror", "debian"])).length, 1);

  const set = await house.run("policy", "set", "window=2d", "--mirror", "debian");
  assert.match(set.stdout.toString(), /window +2 d/);
  assert.match(set.stderr, /the guard of 7 d is longer than the window/);
  assert.match(await house.ok(["policy"]), /window +30 d/);
  assert.match(await house.ok(["retention", "--mirror", "debian"]), /the window stays/);
  await house.ok(["rebase", "--to", "now", "--mirror", "debian"]);
  assert.equal((await house.ok(["ls", "-1", "mirror:debian/dists@first"])).trim(), "Release");
  await house.ok(["snapshots", "drop", "first", "--mirror", "debian"]);
  assert.equal(await house.json(["snapshots", "--mirror", "debian"]), []);
  await house.ok(["policy", "--mirror", "nothing"], 1);
});

housed("a mirror of several connections has what one of a single connection has", async (house) => {
  const large = Object.fromEntries([1, 2, 3, 4].map((i) => [`pool/${i}.deb`, String(i).repeat(5_000_000)]));
  house.write({ ...large, "dists/Release": "names them" });
  await house.ok(["mirror", "add", house.url, house.target, "--name", "debian", "--profile", "debian", "--connections", "3"]);
  assert.match(await house.ok(["mirror", "list"]), /--connections 3/);
  await house.ok(["mirror", "sync"]);
  for (const [path, text] of Object.entries(large)) assert.ok(readFileSync(join(house.target, path), "utf8") === text, path);
  await house.ok(["mirror", "check", "debian", "--read-data"]);
});

housed("a host that ends in the middle of a sync says so in the log; until then its status says how far the sync is", async (house) => {
  house.write({ large: "x".repeat(4_000_000) });
  await house.ok(["mirror", "add", house.url, house.target, "--every", "1h", "--bwlimit", "100"]);
  const up = start(["up"], { cwd: house.home.base, env: house.home.env });
  const ended = end(up);
  process.once("exit", () => up.kill("SIGKILL"));
  let text = "";
  while (!/syncing: fetching: 0 of 1 · .* of 3\.8 MiB \(\d+ %\)/.test(text)) {
    await delay(100);
    text = (await house.run("mirror", "status")).stdout.toString();
  }
  assert.match(text, /next run: +2/);
  up.kill("SIGINT");
  assert.is((await ended).exitCode, 0);
  assert.match(await house.ok(["mirror", "log", "tree"]), /failed after .*: the sync of 'tree' was stopped: .* \[NOT_RUNNING\] \(by schedule\)/);
});

housed("words that are off end with 2, and name what is wrong", async (house) => {
  await house.ok(["mirror", "add", house.url, house.target]);
  const calls: [readonly string[], RegExp][] = [
    [["mirror", "frobnicate"], /list-only/],
    [["mirror", "add", house.url], /mirror add SOURCE TARGET/],
    [["mirror", "add", "http://x/y", "t2"], /rsync:\/\//],
    [["mirror", "add", house.daemon.url, "t2"], /names no module/],
    [["mirror", "add", `${house.url}/../x`, "t2"], /leads upwards/],
    [["mirror", "add", house.url, "s3://Bad_Bucket"], /bucket's name/],
    [["mirror", "add", house.url, house.target, "--name", "other"], /inside of each other/],
    [["mirror", "add", house.url, join(house.target, "sub"), "--name", "other"], /inside of each other/],
    [["mirror", "add", house.url, "t2"], /exists already/],
    [["mirror", "add", house.url, "t2", "--name", "a/b"], /cannot name a mirror/],
    [["mirror", "add", house.url, "none/deeper", "--name", "other"], /cannot be made/],
    [["mirror", "set", "tree"], /options to be changed/],
    [["mirror", "set", "tree", "--every", "often"], /span of time/],
    [["mirror", "set", "tree", "--filter", "nonsense"], /filter rule/],
    [["mirror", "set", "tree", "--filter", ". file"], /reads a file/],
    [["mirror", "set", "tree", "--profile", "gentoo"], /debian/],
    [["mirror", "set", "tree", "--bwlimit", "fast"], /rate/],
    [["mirror", "set", "tree", "--protocol", "12"], /protocolMax/],
    [["mirror", "set", "tree", "--connections", "0"], /'connections'/],
    [["mirror", "set", "tree", "--connections", "17"], /'connections'/],
    [["mirror", "set", "tree", "-4", "-6"], /exclude each other/],
    [["mirror", "sync", "--inplace"], /unknown option/],
    [["mirror", "log"], /mirror log NAME/],
  ];
  for (const [words, pattern] of calls) {
    const { exitCode, stderr } = await house.run(...words);
    assert.is(exitCode, 2, `${words.join(" ")}: ${stderr}`);
    assert.match(stderr, pattern);
  }
  assert.match((await house.run("mirror", "sync", "nothing")).stderr, /there is no mirror 'nothing': there are tree/);
  await house.ok(["mirror", "trigger", "tree"], 11);
});

const s3 = await startS3Server();
test("a mirror in a bucket: synced, read back at every instant, checked, and its list made anew", async () => {
  if (typeof s3 === "string") return skipped("mirror command: a bucket", s3);
  const house = await MirrorHousehold.open();
  house.env = s3.environment;
  const { HeadObjectCommand, S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client({ endpoint: s3.endpoint, credentials: s3.credentials, region: "us-east-1", forcePathStyle: true });
  const mtimeOf = async (Key: string): Promise<string | undefined> => (await client.send(new HeadObjectCommand({ Bucket: "tree", Key }))).Metadata?.["mtime"];
  house.write({ "dists/Release": "one", "pool/über 1%3a.deb": "package" });
  os.symlink("dists/Release" as never, bytePath(join(house.upstream, "latest")));
  const [defined] = await house.json(["mirror", "add", house.url, "s3://", "--versioning", "--profile", "debian"]);
  assert.match(defined!["target"] as string, /^s3:\/\/tree$/);
  const [first] = ofType(await house.json(["mirror", "sync"]), "mirror-synced");
  assert.is(first!["arrivedCount"], 6);
  const [{ revision }] = (await house.json(["mirror", "log", "tree", "--number", "1"])) as [{ revision: number }];
  house.write({ "dists/Release": "two, longer" });
  await house.ok(["mirror", "sync", "-q"]);
  assert.is(await house.ok(["cat", "mirror:tree/dists/Release"]), "two, longer");
  assert.is(await house.ok(["cat", `mirror:tree/dists/Release@r${revision}`]), "one");
  const restored = join(house.home.base, "restored");
  await house.ok(["restore", "mirror:tree", "--at", `r${revision}`, "--to", restored]);
  assert.is(readFileSync(join(restored, "pool/über 1%3a.deb"), "utf8"), "package");
  assert.is(ofType(await house.json(["mirror", "sync"]), "mirror-synced")[0]!["arrivedCount"], 0);
  assert.match(await house.ok(["mirror", "check", "tree", "--read-data"]), /as upstream has it/);
  assert.match(await house.ok(["mirror", "recover", "tree"]), /objects, all in the list as they are/);

  utimesSync(join(house.upstream, "dists/Release"), 1_500_000_000, 1_500_000_000);
  assert.is(ofType(await house.json(["mirror", "sync"]), "mirror-synced")[0]!["touchedCount"], 1);
  assert.is.not(await mtimeOf("dists/Release"), "1500000000.000000000");
  assert.match(await house.ok(["mirror", "settle", "tree"]), /1 object was described anew/);
  assert.is(await mtimeOf("dists/Release"), "1500000000.000000000");
  assert.match(await house.ok(["mirror", "settle", "tree"]), /nothing was late/);
  assert.match(await house.ok(["mirror", "check", "tree", "--read-data"]), /nothing wrong[^]*as upstream has it/);
  assert.is(await house.ok(["cat", "mirror:tree/dists/Release"]), "two, longer");
  await house.ok(["mirror", "remove", "tree"]);
  await house.ok(["mirror", "add", house.url, "s3://tree"]);
  assert.match(await house.ok(["mirror", "recover", "tree"]), /5 taken into the list/);
  const [again] = ofType(await house.json(["mirror", "sync", "-v"]), "mirror-synced");
  assert.is(again!["fetchedBytes"], 0);
  house.env = { ...s3.environment, AWS_SECRET_ACCESS_KEY: "wrong" };
  assert.match((await house.run("mirror", "sync")).stderr, /OBJECTS_REFUSED/);
  client.destroy();
  await house.close();
});

test("what a bucket made of stored blocks is read back: when somebody asks, or after each sync, and what is another is fetched whole", async () => {
  if (typeof s3 === "string") return skipped("mirror command: proof", s3);
  const house = await MirrorHousehold.open();
  house.env = s3.environment;
  const store = await openS3Store({ bucket: "proof", prefix: "", create: true, versioning: undefined, ...s3 });
  const content = Buffer.alloc(300_000, "content ");
  const change = (byte: number): void => writeFileSync(join(house.upstream, "f"), content.fill(byte, 150_000, 150_010));
  const synced = async (...words: string[]): Promise<Json[]> => {
    change(content[150_000]! + 1);
    return house.json(["mirror", "sync", "tree", ...words]);
  };
  writeFileSync(join(house.upstream, "f"), content);
  await house.ok(["mirror", "add", house.url, "s3://proof"]);
  await house.ok(["mirror", "sync", "-q"]);
  assert.ok((ofType(await synced(), "mirror-synced")[0]!["fetchedBytes"] as number) < 20_000);
  const scrubbed = await house.json(["mirror", "scrub", "tree"]);
  assert.equal(scrubbed.at(-1), { type: "summary", counts: { readBytes: 300_000, provenCount: 1, lostCount: 0 } });
  assert.match(await house.ok(["mirror", "scrub", "tree"]), /nothing was to be proven/);
  await synced();
  assert.match(await house.ok(["mirror", "check", "tree", "--read-data"]), /nothing wrong, 1 file proven to be as the server said\n/);
  assert.match(await house.ok(["mirror", "check", "tree", "--read-data"]), /nothing wrong\n/);

  const spoil = async (): Promise<void> => {
    const { metadata } = (await store.head({ key: "f" as ByteString, kind: "file" }))!;
    await store.put([{ key: "f" as ByteString, metadata: metadata!, bytes: Buffer.alloc(300_000) }]);
  };
  await synced();
  await spoil();
  assert.match(await house.ok(["mirror", "scrub", "tree"], 30), /changed +f /);
  assert.match((await house.json(["mirror", "status", "tree"], 3))[0]!["failure"] as string, /'f' was not what the server had said/);
  assert.is(ofType(await house.json(["mirror", "sync"]), "mirror-synced")[0]!["fetchedBytes"], 300_000);
  assert.is((await house.json(["mirror", "status", "tree"]))[0]!["failure"], "");

  await synced();
  await spoil();
  await house.ok(["mirror", "set", "tree", "--proof", "scrub"]);
  const repaired = await house.json(["mirror", "sync", "tree", "--probe", "f"], 3);
  assert.equal(
    ofType(repaired, "mirror-item").map(({ what, path }) => [what, path]),
    [["lost", "f"]],
  );
  assert.is(ofType(repaired, "mirror-synced")[0]!["fetchedBytes"], 300_000);
  assert.is(Buffer.from(await house.ok(["cat", "mirror:tree/f"])).equals(content), true);
  const log = await house.json(["mirror", "log", "tree", "--number", "4"]);
  assert.equal(
    log.map(({ event }) => event),
    ["SyncFinished", "SyncStarted", "SyncFailed", "MirrorDefined"],
  );
  assert.ok(ofType(await synced(), "mirror-phase").some(({ phase }) => phase === "scrubbing"));
  assert.match(await house.ok(["mirror", "check", "tree", "--read-data"]), /nothing wrong\n/);
  assert.match((await house.run("mirror", "set", "tree", "--proof", "hope")).stderr, /"hope" cannot be the setting 'proof'/);
  await store.close();
  await house.close();
});

test.after(async () => {
  if (typeof s3 !== "string") await s3.stop();
});
test.run();
