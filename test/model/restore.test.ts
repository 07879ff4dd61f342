// Restores a directory with one of everything, whole, interrupted, attacked and over others, and compares with what it was.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openOs } from "../../src/app/os/index.ts";
import { isRainbowError } from "../../src/core/index.ts";
import type { RestoreRequest } from "../../src/actors/restore/index.ts";
import type { ByteString, Os } from "../../src/core/index.ts";
import { makeAssortedTree } from "../support/assorted-tree.ts";
import { campaignSeed, scale } from "../support/campaign.ts";
import { bytePath, rsyncDifferences, treeDifferences } from "../support/compare-trees.ts";
import { viewOf } from "../support/fake-view.ts";
import { seededRandom } from "../support/random.ts";
import { dyingOs, requestOf, runRestore, told } from "../support/restore-run.ts";
import { hasCommand, isRoot, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("restore, on a real filesystem");
const os = openOs();

interface Ground {
  readonly base: string;
  readonly from: ByteString;
  readonly to: ByteString;
  readonly source: ReturnType<typeof viewOf>;
}

/** A new assorted tree, its view, and a target that is not there yet. */
function ground(eyes: Os = os, base = temporaryDirectory("restore")): Ground {
  mkdirSync(join(base, "from"));
  const from = bytePath(join(base, "from"));
  makeAssortedTree(eyes, from);
  return { base, from, to: bytePath(join(base, "to")), source: viewOf(eyes, from) };
}

const isTemporary = (name: string): boolean => name.includes(".rainbow-restore");
const leftovers = (base: string): string[] => readdirSync(join(base, "to"), { recursive: true, encoding: "latin1" }).filter(isTemporary);

test("a folder restored into nothing is what it was", async () => {
  const { from, to, source, base } = ground();
  const { summary } = await runRestore(requestOf(os, source, to));
  assert.is(summary.failedCount, os.source === "native" ? 0 : 1);
  assert.is(summary.sameCount + summary.replacedCount + summary.deletedCount, 0);
  if (os.source === "native") assert.equal(treeDifferences(os, from, to, { isSparse: true }), []);
  assert.equal(leftovers(base), []);
});

test("a restored folder is identical in the eyes of rsync", async () => {
  if (!hasCommand("rsync")) return skipped("rsync compares a restored folder", "rsync is not installed");
  if (os.source !== "native") return skipped("rsync compares a restored folder", "the addon is not built");
  const { from, to, source } = ground();
  await runRestore(requestOf(os, source, to));
  assert.is(rsyncDifferences(from, to), "");
});

test("an empty folder is a target as good as none, and a second restore over the first finds all the same", async () => {
  const { base, from, to, source } = ground();
  mkdirSync(join(base, "to"));
  mkdirSync(join(base, "to", "lost+found"));
  const first = await runRestore(requestOf(os, source, to));
  rmSync(join(base, "to", "lost+found"), { recursive: true });
  const second = await runRestore(requestOf(os, source, to, { with: { overwrite: true } }));
  assert.is(second.summary.writtenBytes, 0);
  assert.is(second.summary.createdCount, 0);
  if (os.source !== "native") return;
  assert.equal(
    told(second.items, to).filter((line) => !line.startsWith("same")),
    ["replaced  (only its metadata)"],
    "lost+found touched the folder's time",
  );
  assert.is(second.summary.sameCount, first.summary.createdCount);
  assert.equal(treeDifferences(os, from, to), []);
});

test("a target that is not empty is refused, and nothing in it is touched", async () => {
  const { base, source, to } = ground();
  mkdirSync(join(base, "to"));
  writeFileSync(join(base, "to", "mine"), "mine");
  await refusesTarget(runRestore(requestOf(os, source, to)));
  assert.equal(readdirSync(join(base, "to")), ["mine"]);
});

test("--dry-run tells what would be done and does none of it", async () => {
  const { base, source, to } = ground();
  const { summary, items } = await runRestore(requestOf(os, source, to, { with: { dryRun: true } }));
  assert.not.ok(existsSync(join(base, "to")));
  const done = await runRestore(requestOf(os, source, to));
  assert.is(summary.createdCount, done.summary.createdCount);
  const names = (list: typeof items): string[] =>
    list
      .filter(({ what }) => what !== "metadata-failed")
      .map(({ path }) => path)
      .sort();
  assert.equal(names(items), names(done.items));
});

test("a restore that dies anywhere goes on when it is asked for again", async () => {
  const random = seededRandom(campaignSeed());
  const { base, from, source, to } = ground();
  for (let round = 0; round < scale(120); round++) {
    let deaths = 0;
    while (!(await restoredBefore(requestOf(dyingOs(os, 1 + random.int(700)), source, to)))) if (++deaths % 3 === 0) tear(base, random.int(1000));
    assert.equal(leftovers(base), [], `after ${deaths} deaths`);
    const found = treeDifferences(os, from, to);
    assert.equal(os.source === "native" ? found : found.filter((line) => !line.includes("Nanos") && !line.includes("Seconds")), [], `after ${deaths} deaths`);
    rmSync(join(base, "to"), { recursive: true });
  }
});

/** Whether it came to its end before it died. */
async function restoredBefore(request: RestoreRequest): Promise<boolean> {
  try {
    const { summary } = await runRestore(request);
    assert.ok(summary.failedCount <= 1, `${summary.failedCount} failed`);
    return true;
  } catch (error) {
    if (String(error).includes("the process is dead")) return false;
    // It died with everything done, just before the restored folder got its own time back.
    assert.ok(isRainbowError(error, "TARGET_REFUSED"), String(error));
    const { summary } = await runRestore({ ...request, os, options: { ...request.options, overwrite: true } });
    assert.is(summary.createdCount, 0, "all was there");
    return true;
  }
}

/** A power cut leaves a file with its name and its time and without its bytes. */
function tear(base: string, pick: number): void {
  const files = existsSync(join(base, "to", "folder")) ? readdirSync(join(base, "to", "folder")).filter((name) => /^f\d/.test(name)) : [];
  const name = files[pick % files.length];
  if (name === undefined) return;
  const path = join(base, "to", "folder", name);
  const { mode, atimeMs } = lstatSync(path);
  const stat = os.lstat(bytePath(path));
  chmodSync(path, 0o600);
  truncateSync(path, 0);
  chmodSync(path, mode);
  utimesSync(path, atimeMs / 1000, 0);
  os.setTimes(bytePath(path), stat.mtimeSeconds, stat.mtimeNanos);
}

test("a file that its user changed after an interruption is not replaced by the next run", async () => {
  const { base, source, to } = ground();
  await dies(runRestore(requestOf(dyingOs(os, 400), source, to)));
  writeFileSync(join(base, "to", "empty"), "the user's own words");
  const { items } = await runRestore(requestOf(os, source, to));
  assert.match(items.find(({ path }) => path === `${to}/empty`)?.detail ?? "", "changed");
  assert.is(readFileSync(join(base, "to", "empty"), "utf8"), "the user's own words");
});

test("an abort stops within a file and throws its reason", async () => {
  const { source, to } = ground();
  const abort = new AbortController();
  source.view.onRead = () => abort.abort(new Error("enough"));
  try {
    await runRestore(requestOf(os, source, to, { signal: abort.signal }));
    assert.unreachable("it went on");
  } catch (error) {
    assert.match(String(error), "enough");
  }
});

test("overwriting replaces what differs and deletes nothing; deleting removes what was not there", async () => {
  const { base, from, to, source } = ground();
  assert.is(spawnSync("cp", ["-a", join(base, "from"), join(base, "to")]).status, 0);
  rmSync(join(base, "to", "special"), { recursive: true });
  rmSync(join(base, "to", "links"), { recursive: true });
  writeFileSync(join(base, "to", "small"), "A SMALL FILE\n");
  rmSync(join(base, "to", "folder", "f1"));
  mkdirSync(join(base, "to", "folder", "f1"));
  writeFileSync(join(base, "to", "extra"), "extra");
  mkdirSync(join(base, "to", "extra folder", "below"), { recursive: true });
  rmSync(join(base, "to", "empty folder"), { recursive: true });
  writeFileSync(join(base, "to", "empty folder"), "a file now");
  mkdirSync(join(base, "to", "large.d"));
  rmSync(join(base, "to", "empty"));
  mkdirSync(join(base, "to", "empty", "not so"), { recursive: true });
  const over = await runRestore(requestOf(os, source, to, { with: { overwrite: true } }));
  assert.is(readFileSync(join(base, "to", "extra"), "utf8"), "extra");
  assert.is(over.summary.deletedCount, 0);
  assert.ok(told(over.items, to).includes("failed /empty (a folder that is not empty is in its place; --delete removes it)"));
  const dry = await runRestore(requestOf(os, source, to, { with: { delete: true, dryRun: true } }));
  assert.is(dry.summary.deletedCount, 5, "extra, extra folder and below, large.d, and what lies in the place of 'empty'");
  const cleared = await runRestore(requestOf(os, source, to, { with: { delete: true } }));
  assert.is(cleared.summary.deletedCount, 5);
  if (os.source === "native") assert.equal(treeDifferences(os, from, to), []);
});

test("--delete asks first, with the count, and does nothing when it is declined", async () => {
  const { base, source, to } = ground();
  mkdirSync(join(base, "to", "a", "b"), { recursive: true });
  let count = -1;
  const hold = async (plan: { readonly deleteCount: number }): Promise<boolean> => {
    count = plan.deleteCount;
    return false;
  };
  const { summary } = await runRestore(requestOf(os, source, to, { with: { delete: true }, hold }));
  assert.is(count, 2);
  assert.is(summary.createdCount + summary.deletedCount, 0);
  assert.equal(readdirSync(join(base, "to")), ["a"]);
});

test("--delete spares what was never captured, and what a gap hides", async () => {
  const { base, source, to } = ground();
  mkdirSync(join(base, "to", "cache"), { recursive: true });
  writeFileSync(join(base, "to", "cache", "kept"), "kept");
  mkdirSync(join(base, "to", "folder"), { recursive: true });
  writeFileSync(join(base, "to", "folder", "unknown"), "?");
  const folder = source.view.lookup(source.root, "folder" as ByteString)!.node;
  source.view.open({ node: folder, reason: "overflow" });
  const keep = (path: ByteString): string | undefined => (path.endsWith("/cache/kept") ? "excluded" : undefined);
  const { items, summary } = await runRestore(requestOf(os, source, to, { with: { delete: true }, keep }));
  assert.is(readFileSync(join(base, "to", "cache", "kept"), "utf8"), "kept");
  assert.is(readFileSync(join(base, "to", "folder", "unknown"), "utf8"), "?");
  assert.ok(told(items, to).some((line) => line.startsWith("failed /folder (1 names were not deleted")));
  assert.is(summary.doubtfulCount, 1);
});

test("a symlink in the target leads nothing out of it", async () => {
  const { base, from, source, to } = ground();
  mkdirSync(join(base, "outside"));
  writeFileSync(join(base, "outside", "f0"), "not yours");
  mkdirSync(join(base, "to"));
  symlinkSync(join(base, "outside"), join(base, "to", "folder"));
  symlinkSync(join(base, "outside", "f0"), join(base, "to", "small"));
  symlinkSync(join(base, "outside"), join(base, "to", "extra"));
  await runRestore(requestOf(os, source, to, { with: { delete: true } }));
  assert.equal(readdirSync(join(base, "outside")), ["f0"]);
  assert.is(readFileSync(join(base, "outside", "f0"), "utf8"), "not yours");
  if (os.source === "native") assert.equal(treeDifferences(os, from, to), []);
});

test("a target that is itself a symlink is refused", async () => {
  const { base, source, to } = ground();
  mkdirSync(join(base, "elsewhere"));
  symlinkSync(join(base, "elsewhere"), join(base, "to"));
  await refusesTarget(runRestore(requestOf(os, source, to, { with: { overwrite: true } })));
  assert.equal(readdirSync(join(base, "elsewhere")), []);
});

test("a folder swapped for a symlink while the restore runs ends it, with nothing made outside", async () => {
  const { base, source, to } = ground();
  mkdirSync(join(base, "outside"));
  let isSwapped = false;
  source.view.onRead = () => {
    if (isSwapped || !existsSync(join(base, "to", "folder", "f10"))) return;
    isSwapped = true;
    setImmediate(() => {
      renameSync(join(base, "to", "folder"), join(base, "to", "moved"));
      symlinkSync(join(base, "outside"), join(base, "to", "folder"));
    });
  };
  // Every look at the clock finds the slice over: the restore rests after each file.
  let nowUs = 0;
  const clock = { ...requestOf(os, source, to).clock, now: () => 1, monotonicUs: () => (nowUs += 1_000_000) } as never;
  await refusesTarget(runRestore(requestOf(os, source, to, { clock })));
  assert.ok(isSwapped);
  assert.equal(readdirSync(join(base, "outside")), []);
});

test("a plain user gets everything but what only root may make, each said, and nothing under another kind", async () => {
  if (!isRoot) return skipped("a restore as a plain user", "only root can become one");
  if (os.source !== "native") return skipped("a restore as a plain user", "the addon is not built");
  const { base, to, source } = ground(os, openDirectory());
  const script = join(import.meta.dirname, "../support/restore-as-user.ts");
  const result = spawnSync(process.execPath, [script, join(base, "from"), join(base, "to")], { encoding: "utf8" });
  assert.is(result.status, 0, result.stderr);
  const lines = JSON.parse(result.stdout) as string[];
  assert.ok(lines.includes("failed /special/null (mknod: EPERM)"), lines.filter((line) => line.includes("failed")).join("\n"));
  assert.not.ok(existsSync(join(base, "to", "special", "null")));
  assert.ok(lines.some((line) => line.startsWith("metadata-failed /folder/f5") && line.includes("owner 1234:4321 (EPERM)")));
  assert.ok(lines.some((line) => line.startsWith("metadata-failed /folder/f6") && line.includes("trusted.secret")));
  assert.ok(lines.some((line) => line.startsWith("metadata-failed /folder/f7") && line.includes("security.capability")));
  assert.ok(lines.some((line) => line.startsWith("metadata-failed /folder/f3") && line.includes("set-id bits")));
  assert.is(lstatSync(join(base, "to", "folder", "f3")).mode & 0o7777, 0o755);
  assert.ok(treeDifferences(os, source.view.node(source.root)!.names[0]!.name, to).every((line) => /uid|gid|special|xattrs|mode|many|missing/.test(line)));
});

/** A directory that any user may enter and write in; the runner's own are closed to others. */
function openDirectory(): string {
  const directory = mkdtempSync("/var/tmp/rainbow-restore-");
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  chmodSync(directory, 0o777);
  return directory;
}

async function refusesTarget(running: Promise<unknown>): Promise<void> {
  try {
    await running;
    assert.unreachable("it was not refused");
  } catch (error) {
    assert.ok(isRainbowError(error, "TARGET_REFUSED"), String(error));
  }
}

async function dies(running: Promise<unknown>): Promise<void> {
  await running.then(
    () => assert.unreachable("it lived"),
    (error: unknown) => assert.match(String(error), "dead"),
  );
}

test.run();
