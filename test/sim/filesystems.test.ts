/** What filesystems do to the main job: others mounted below the folder, with and without --cross-mounts, and one without birth times. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openOs } from "../../src/app/os/index.ts";
import { byteStringOfText } from "../../src/core/index.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { loopFilesystem } from "../support/loop-filesystem.ts";
import { rainbow, rainbowJson, Up } from "../support/rainbow-process.ts";
import { seededRandom } from "../support/random.ts";
import { isRoot, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const ROUND_COUNT = 60;
const random = seededRandom(campaignSeed());
const test = suite("filesystems");

function contents(directory: string): [string, string][] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry): [string, string] => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(directory.length), createHash("sha256").update(readFileSync(path)).digest("hex")];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function restored(data: string, folder: string, to: string): [string, string][] {
  const outcome = rainbow(data, "restore", folder, "--to", to);
  assert.is(outcome.status, 0, outcome.stderr);
  return contents(to);
}

/** A folder with a tmpfs and an ext4 mounted below it, each with content; or why there is none. */
function folderWithMounts(base: string): string | { readonly reason: string } {
  const root = join(base, "root");
  mkdirSync(join(root, "memory"), { recursive: true });
  if (!isRoot) return { reason: "only root can mount" };
  const mounted = spawnSync("mount", ["-t", "tmpfs", "tmpfs", join(root, "memory")], { encoding: "utf8" });
  if (mounted.status !== 0) return { reason: `mount fails: ${mounted.stderr.trim()}` };
  process.prependListener("exit", () => spawnSync("umount", ["--lazy", join(root, "memory")]));
  const disk = loopFilesystem("ext4", undefined, join(root, "disk"));
  if (typeof disk === "string") return { reason: disk };
  writeFileSync(join(root, "own"), "own\n");
  for (const name of ["memory", "disk"]) {
    mkdirSync(join(root, name, "sub"));
    writeFileSync(join(root, name, "sub/file"), random.bytes(100_000));
  }
  return root;
}

test("with --cross-mounts what is mounted below the folder is protected as the rest is", async () => {
  const base = temporaryDirectory("cross-mounts");
  const root = folderWithMounts(base);
  if (typeof root !== "string") return skipped("--cross-mounts", root.reason);
  const data = join(base, "data");
  const up = await Up.start(data, ["--cross-mounts", root], { scanned: false });
  try {
    await up.until((status) => (status["roots"] as { firstScanDone: boolean }[]).every(({ firstScanDone }) => firstScanDone));
    const { revision } = rainbowJson(data, ["flush"]);
    const before = contents(root);
    for (const name of ["memory", "disk"]) {
      writeFileSync(join(root, name, "later"), random.bytes(3000));
      renameSync(join(root, name, "sub/file"), join(root, name, "moved"));
      writeFileSync(join(root, name, "moved"), random.bytes(50));
    }
    renameSync(join(root, "own"), join(root, "disk.own"));
    rainbowJson(data, ["flush"]);
    assert.equal(restored(data, root, join(base, "now")), contents(root));
    const then = rainbow(data, "restore", root, "--at", `r${String(revision)}`, "--to", join(base, "then"));
    assert.is(then.status, 0, then.stderr);
    assert.equal(contents(join(base, "then")), before);
  } finally {
    assert.is(await up.stop(), 0, up.output);
  }
});

test("without it they are left out, and listed as long as they are", async () => {
  const base = temporaryDirectory("no-cross-mounts");
  const root = folderWithMounts(base);
  if (typeof root !== "string") return skipped("mounts without --cross-mounts", root.reason);
  const data = join(base, "data");
  const up = await Up.start(data, [root]);
  try {
    rainbowJson(data, ["flush"]);
    assert.equal(
      restored(data, root, join(base, "now")).map(([path]) => path),
      ["/own"],
    );
    const listed = rainbow(data, "excludes").stdout.toString();
    for (const name of ["memory", "disk"]) assert.match(listed, new RegExp(`/root/${name} +another filesystem; --cross-mounts takes it in`));
    assert.match(rainbow(data, "excludes", "--why", join(root, "disk/sub/file")).stdout.toString(), /another filesystem/);
  } finally {
    assert.is(await up.stop(), 0, up.output);
  }
});

/** Deletes and makes files so that inodes are used again, with equal and with other sizes; renames and links by the way. */
function shuffle(root: string, round: number): void {
  for (let i = 0; i < 15; i++) {
    const names = readdirSync(root);
    const path = join(root, random.pick(names));
    const kind = random.int(4);
    if (kind === 0) renameSync(path, join(root, `moved ${round} ${i}`));
    else if (kind === 1)
      writeFileSync(path, random.bytes(statSync(path).size)); // The same size: the time alone tells.
    else {
      const { size } = statSync(path);
      rmSync(path);
      writeFileSync(join(root, kind === 2 ? `new ${round} ${i}` : `again ${i}`), random.bytes(size));
    }
  }
}

test("on a filesystem without birth times files whose inode is used again are not taken for one another", async () => {
  const disk = loopFilesystem("ext2", 16);
  if (typeof disk === "string") return skipped("a filesystem without birth times", disk);
  const base = temporaryDirectory("no-birth-times");
  const [root, data] = [join(disk.path, "root"), join(base, "data")];
  mkdirSync(root);
  for (let i = 0; i < 40; i++) writeFileSync(join(root, `file ${i}`), random.bytes(random.int(9000)));
  const stat = openOs().lstat(byteStringOfText(join(root, "file 0")));
  assert.equal([stat.btimeSeconds, stat.btimeNanos], [0, 0], "it has no birth times");
  let up = await Up.start(data, [root]);
  try {
    const instants: { readonly revision: string; readonly files: [string, string][] }[] = [];
    for (let round = 0; round < scale(ROUND_COUNT); round++) {
      shuffle(root, round);
      const { revision } = rainbowJson(data, ["flush"]);
      instants.push({ revision: `r${String(revision)}`, files: contents(root) });
    }
    assert.is(await up.stop(), 0, up.output);
    shuffle(root, -1); // While nothing runs.
    up = await Up.start(data, [root]);
    rainbowJson(data, ["flush"]);
    assert.equal(restored(data, root, join(base, "now")), contents(root), "after a restart");
    for (const { revision, files } of instants) {
      const to = join(base, revision);
      assert.is(rainbow(data, "restore", root, "--at", revision, "--to", to).status, 0);
      assert.equal(contents(to), files, revision);
    }
  } finally {
    assert.is(await up.stop(), 0, up.output);
  }
});

test.run();
