/** What capture does with a real directory, case by case: what it costs, what it leaves out, and what it says of what it cannot see. */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openOs } from "../../src/app/os/index.ts";
import { byteStringOfText, isRainbowError, OsError, type Change, type Clock, type Os, type TimeUs } from "../../src/core/index.ts";
import { CaptureRig, plainOptions, systemClock } from "../support/capture-rig.ts";
import { hasCommand, isRoot, skipped } from "../support/skip.ts";

const test = suite("capture behaviour");
const TAG = "Signature: 8a477f597d28d172789f06886806bc55\n";

async function started(prepare: (root: string) => void = () => undefined, options = plainOptions, rig = new CaptureRig()): Promise<CaptureRig> {
  prepare(rig.rootPath);
  await rig.start();
  await rig.protect(options);
  await rig.flush();
  return rig;
}

function same(rig: CaptureRig): void {
  assert.equal(rig.differences(), []);
}

function types(rig: CaptureRig, from: number): string[] {
  return rig.replica.log.slice(from).map((change) => change.type);
}

function gaps(rig: CaptureRig): string[] {
  return [...rig.replica.gaps.values()].map((gap) => gap.reason).sort();
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 500) throw new Error(`it never came to this: ${what}`);
    await systemClock.sleep(20);
  }
}

/** An Os whose methods can be replaced one by one. */
function disturbed(changes: (os: Os) => Partial<Os>): Os {
  const os = openOs();
  const own = changes(os);
  return new Proxy(os, {
    get: (target, key) => {
      const value = (Object.hasOwn(own, key) ? own : target)[key as keyof Os] as unknown;
      return typeof value === "function" ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

test("one changed block of a big file costs one block", async () => {
  const rig = await started((root) => fs.writeFileSync(join(root, "big"), randomBytes(10 << 20)));
  const before = rig.replica.payloadBytes;
  const fd = fs.openSync(join(rig.rootPath, "big"), "r+");
  fs.writeSync(fd, randomBytes(4096), 0, 4096, 5 << 20);
  fs.closeSync(fd);
  await rig.flush();
  same(rig);
  assert.is(rig.replica.payloadBytes - before, 4096);
  await rig.stop();
});

test("scattered blocks share chunks of at most 16 KiB", async () => {
  const rig = await started((root) => fs.writeFileSync(join(root, "big"), randomBytes(4 << 20)));
  const from = rig.replica.log.length;
  const fd = fs.openSync(join(rig.rootPath, "big"), "r+");
  for (let i = 0; i < 40; i++) fs.writeSync(fd, randomBytes(4096), 0, 4096, i * 3 * 4096);
  fs.closeSync(fd);
  await rig.flush();
  same(rig);
  const written = rig.replica.log.slice(from).find((change) => change.type === "ExtentsWritten") as Extract<Change, { type: "ExtentsWritten" }>;
  assert.is(written.extents.length, 40);
  assert.is(new Set(written.extents.map((extent) => extent.chunk)).size, 10);
  await rig.stop();
});

test("renames and moves of files and directories move no data", async () => {
  const rig = await started((root) => {
    fs.mkdirSync(join(root, "a/b/c"), { recursive: true });
    fs.writeFileSync(join(root, "a/b/c/big"), randomBytes(3 << 20));
  });
  const [before, from] = [rig.replica.payloadBytes, rig.replica.log.length];
  fs.renameSync(join(rig.rootPath, "a/b"), join(rig.rootPath, "moved"));
  fs.renameSync(join(rig.rootPath, "moved/c/big"), join(rig.rootPath, "renamed"));
  await rig.flush();
  same(rig);
  assert.is(rig.replica.payloadBytes, before);
  assert.is(types(rig, from).filter((type) => type === "NodeRenamed").length, 2);
  await rig.stop();
});

test("directories made and filled quickly are captured whole", async () => {
  const rig = await started();
  for (let i = 0; i < 300; i++) {
    fs.mkdirSync(join(rig.rootPath, `n${i}/x/y`), { recursive: true });
    fs.writeFileSync(join(rig.rootPath, `n${i}/x/y/f`), `${i}`);
  }
  await rig.flush();
  same(rig);
  for (let i = 0; i < 300; i++) fs.appendFileSync(join(rig.rootPath, `n${i}/x/y/f`), "more");
  await rig.flush();
  same(rig);
  await rig.stop();
});

test("a sparse file costs what is in it", async () => {
  const rig = await started();
  const fd = fs.openSync(join(rig.rootPath, "sparse"), "w");
  fs.ftruncateSync(fd, 300 << 20);
  fs.writeSync(fd, randomBytes(5000), 0, 5000, 100 << 20);
  fs.closeSync(fd);
  await rig.flush();
  same(rig);
  assert.is(rig.replica.payloadBytes, 8192);
  await rig.stop();
});

test("a file that never rests is sent as unsettled and named by flush, and settles when it rests", async () => {
  let isRestless = true;
  let lookCount = 0;
  const rig = new CaptureRig(
    disturbed((os) => ({
      fstat: (fd) => {
        const stat = os.fstat(fd);
        return isRestless && stat.sizeBytes === 12_345 ? { ...stat, ctimeNanos: ++lookCount } : stat;
      },
      readSmallFiles: (directory, listing, indexes, into) => {
        const files = os.readSmallFiles(directory, listing, indexes, into);
        return isRestless ? { ...files, lengths: files.lengths.map(() => -1) } : files;
      },
    })),
  );
  await started((root) => fs.writeFileSync(join(root, "live.db"), randomBytes(12_345)), plainOptions, rig);
  const incomplete = await rig.flush();
  assert.match(incomplete.join(), /live\.db did not rest/);
  assert.ok(
    rig.replica.log.some((change) => change.type === "VersionSettled" && change.unsettled),
    types(rig, 0).join(),
  );
  isRestless = false;
  fs.utimesSync(join(rig.rootPath, "live.db"), 1, 1);
  assert.equal(await rig.flush(), []);
  same(rig);
  await rig.stop();
});

test("an unreadable file is recorded with its attributes, left out by name, and a gap until it can be read", async () => {
  let isLocked = true;
  const rig = new CaptureRig(
    disturbed((os) => ({
      openRead: (path) => {
        if (isLocked && path.endsWith("/secret")) throw new OsError("EACCES", "open", path);
        return os.openRead(path);
      },
      readSmallFiles: (directory, listing, indexes, into) => {
        const files = os.readSmallFiles(directory, listing, indexes, into);
        return isLocked ? { ...files, lengths: files.lengths.map(() => -1) } : files;
      },
    })),
  );
  await started((root) => fs.writeFileSync(join(root, "secret"), "hidden"), plainOptions, rig);
  assert.is(rig.replica.find(rig.root, [byteStringOfText("secret")])?.kind, "file");
  assert.equal(gaps(rig), ["unreadable"]);
  assert.equal(
    rig.capture.leftOut(rig.root).items.map((item) => item.why),
    ["unreadable"],
  );
  isLocked = false;
  await rig.flush(true);
  assert.equal(gaps(rig), []);
  same(rig);
  await rig.stop();
});

test("folders that cannot be protected are refused, with the reason", async () => {
  const rig = await started((root) => {
    fs.mkdirSync(join(root, "in/side"), { recursive: true });
    fs.writeFileSync(join(root, "file"), "");
    fs.symlinkSync(root, join(root, "../link"));
  });
  const refusal = async (path: string, why: RegExp): Promise<void> => {
    try {
      await rig.capture.addRoot(byteStringOfText(path), plainOptions);
    } catch (error) {
      assert.ok(isRainbowError(error, "ROOT_REFUSED"), String(error));
      assert.match(error.message, why);
      return;
    }
    assert.unreachable(path);
  };
  await refusal(join(rig.rootPath, "missing"), /does not exist/);
  await refusal(join(rig.rootPath, "file"), /is a file/);
  await refusal(join(rig.base, "link"), /symbolic link/);
  await refusal(join(rig.rootPath, "in/side"), /lies in/);
  await refusal(rig.base, /contains/);
  await refusal(rig.agentPath, /data directory/);
  await refusal("relative", /absolute/);
  assert.is((await rig.capture.addRoot(byteStringOfText(`${rig.rootPath}/`), plainOptions)).root, rig.root);
  await rig.stop();
});

test("a root that goes is a gap and nothing is deleted; when it comes back it is reconciled", async () => {
  const rig = await started((root) => fs.writeFileSync(join(root, "kept"), "kept"));
  fs.renameSync(rig.rootPath, `${rig.rootPath}-away`);
  await until("a gap", () => gaps(rig).includes("root-missing"));
  assert.is(rig.capture.roots()[0]?.state, "missing");
  fs.mkdirSync(rig.rootPath);
  await systemClock.sleep(100);
  assert.ok(rig.replica.find(rig.root, [byteStringOfText("kept")]) !== undefined);
  fs.rmdirSync(rig.rootPath);
  fs.writeFileSync(join(`${rig.rootPath}-away`, "meanwhile"), "x");
  fs.renameSync(`${rig.rootPath}-away`, rig.rootPath);
  await until("the gap's end", () => gaps(rig).length === 0);
  await rig.flush();
  same(rig);
  await rig.stop();
});

test("another folder in a root's place is protected only when that is asked for", async () => {
  const rig = await started((root) => fs.writeFileSync(join(root, "old"), "old"));
  fs.renameSync(rig.rootPath, `${rig.rootPath}-away`);
  fs.mkdirSync(rig.rootPath);
  fs.writeFileSync(join(rig.rootPath, "new"), "new");
  await until("a gap", () => gaps(rig).length === 1);
  assert.ok(rig.replica.find(rig.root, [byteStringOfText("old")]) !== undefined);
  await rig.protect();
  await rig.flush();
  same(rig);
  assert.equal(gaps(rig), []);
  await rig.stop();
});

test("an honest removal of everything is a removal", async () => {
  const rig = await started((root) => fs.writeFileSync(join(root, "a"), "a"));
  fs.rmSync(join(rig.rootPath, "a"));
  await rig.flush();
  same(rig);
  assert.equal(gaps(rig), []);
  await rig.stop();
});

test("an unmounted root is a gap, and a mount below a root is left out and listed", async () => {
  if (!isRoot || !hasCommand("mount")) return skipped("unmounted root", "only root can mount");
  const rig = new CaptureRig();
  const mount = (path: string): boolean => spawnSync("mount", ["-t", "tmpfs", "tmpfs", path]).status === 0;
  if (!mount(rig.rootPath)) return skipped("unmounted root", "mount failed");
  try {
    fs.mkdirSync(join(rig.rootPath, "below"));
    fs.writeFileSync(join(rig.rootPath, "file"), "on tmpfs");
    assert.ok(mount(join(rig.rootPath, "below")));
    fs.writeFileSync(join(rig.rootPath, "below/hidden"), "x");
    await started(() => undefined, plainOptions, rig);
    assert.equal(
      rig.capture.leftOut(rig.root).items.map((item) => item.why),
      ["other-filesystem"],
    );
    assert.is(rig.replica.find(rig.root, ["below", "hidden"].map(byteStringOfText)), undefined);
    spawnSync("umount", [join(rig.rootPath, "below")]);
    spawnSync("umount", [rig.rootPath]);
    await until("a gap", () => gaps(rig).some((reason) => reason.startsWith("root-")));
    assert.ok(rig.replica.find(rig.root, [byteStringOfText("file")]) !== undefined);
    await rig.stop();
  } finally {
    spawnSync("umount", [join(rig.rootPath, "below")]);
    spawnSync("umount", [rig.rootPath]);
  }
});

test("new rules reach what was captured before and did not change, and what they let in again", async () => {
  const rig = new CaptureRig();
  fs.mkdirSync(join(rig.rootPath, "deep/er"), { recursive: true });
  for (const name of ["a.log", "b.tmp", "c"]) fs.writeFileSync(join(rig.rootPath, "deep/er", name), name);
  await rig.start();
  const names = (): string[] => [...(rig.replica.find(rig.root, ["deep", "er"].map(byteStringOfText))?.children.keys() ?? [])].sort();
  for (const [rules, expected] of [
    [["*.log"], ["b.tmp", "c"]],
    [["*.tmp"], ["a.log", "c"]],
    [[], ["a.log", "b.tmp", "c"]],
    [["er/"], []],
  ] as const) {
    await rig.protect({ crossMounts: false, rules, fileBytesMax: 0 });
    await rig.flush();
    assert.equal(names(), expected, `with the rules ${rules.join()}`);
  }
  await rig.stop();
});

test("new rules reach everything also where a stop came before their walk had ended", async () => {
  const rig = new CaptureRig();
  for (let i = 0; i < 400; i++) {
    fs.mkdirSync(join(rig.rootPath, `d${i}`));
    for (const name of ["a.log", "b"]) fs.writeFileSync(join(rig.rootPath, `d${i}`, name), name);
  }
  await rig.start();
  await rig.protect();
  await rig.flush();
  await rig.capture.addRoot(byteStringOfText(rig.rootPath), { crossMounts: false, rules: ["*.log"], fileBytesMax: 0 });
  await rig.stop();
  await rig.start();
  await rig.flush();
  for (let i = 0; i < 400; i++) assert.equal([...(rig.replica.find(rig.root, [byteStringOfText(`d${i}`)])?.children.keys() ?? [])], ["b"]);
  await rig.stop();
});

test("caches, rules, large files and Rainbow's own data are left out, and each is told why", async () => {
  const rig = new CaptureRig();
  const root = rig.rootPath;
  for (const path of ["tagged/deep", ".cache/x", "node_modules/y", "plain"]) fs.mkdirSync(join(root, path), { recursive: true });
  fs.writeFileSync(join(root, "tagged/CACHEDIR.TAG"), TAG);
  fs.writeFileSync(join(root, "tagged/deep/file"), "x");
  fs.writeFileSync(join(root, "plain/a.log"), "x");
  fs.writeFileSync(join(root, "plain/large"), Buffer.alloc(20_000));
  await rig.start({}, { homes: [byteStringOfText(root)] });
  await rig.protect({ crossMounts: false, rules: ["node_modules/", "*.log"], fileBytesMax: 10_000 });
  await rig.flush();
  const why = (path: string): string | undefined => rig.capture.why(byteStringOfText(join(root, path)))?.why;
  assert.is(why("tagged/deep/file"), "cachedir-tag");
  assert.is(why(".cache/x"), "default-cache");
  assert.is(why("node_modules/y"), "rule");
  assert.is(why("plain/a.log"), "rule");
  assert.is(why("plain/large"), "too-large");
  assert.is(why("plain"), undefined);
  const names = (path: string[]): string[] => [...(rig.replica.find(rig.root, path.map(byteStringOfText))?.children.keys() ?? [])];
  assert.equal(names([]).sort(), ["plain", "tagged"]);
  assert.equal(names(["tagged"]), ["CACHEDIR.TAG"]);
  assert.equal(names(["plain"]), []);
  fs.rmSync(join(root, "tagged/CACHEDIR.TAG"));
  fs.truncateSync(join(root, "plain/large"), 5);
  await rig.flush(true);
  assert.equal(names(["tagged", "deep"]), ["file"]);
  assert.equal(names(["plain"]), ["large"]);
  const listed = (): string[] => rig.capture.leftOut(rig.root).items.map((item) => item.path.slice(root.length + 1));
  const still = [".cache", "node_modules", "plain/a.log"];
  assert.equal(listed().sort(), still, "what did not change is still listed");
  await rig.flush(true);
  await rig.stop();
  await rig.start({}, { homes: [byteStringOfText(root)] });
  assert.equal(listed().sort(), still, "after a restart too");
  fs.rmSync(join(root, "node_modules"), { recursive: true });
  await rig.flush(true);
  assert.equal(listed().sort(), [".cache", "plain/a.log"]);
  await rig.stop();
});

test("a lost memory is a gap, and everything is scanned anew", async () => {
  const rig = await started((root) => fs.writeFileSync(join(root, "a"), randomBytes(9000)));
  await rig.stop();
  fs.rmSync(join(rig.agentPath, "memory.lmdb"));
  fs.writeFileSync(join(rig.rootPath, "b"), "b");
  await rig.start();
  assert.ok(rig.capture.status().openGaps.some((gap) => gap.reason === "memory-lost"));
  await rig.protect();
  await rig.flush();
  same(rig);
  await until("the gap's end", () => gaps(rig).length === 0);
  await rig.stop();
});

test("what happened while nothing ran is captured, and the time is a gap", async () => {
  const rig = await started((root) => fs.writeFileSync(join(root, "a"), randomBytes(9000)));
  await rig.stop();
  fs.appendFileSync(join(rig.rootPath, "a"), "more");
  fs.mkdirSync(join(rig.rootPath, "d"));
  const from = rig.replica.log.length;
  await rig.start();
  await rig.flush();
  same(rig);
  const opened = rig.replica.log.slice(from).find((change) => change.type === "GapOpened");
  assert.is(opened?.type === "GapOpened" ? opened.reason : "", "agent-away");
  await until("the gap's end", () => gaps(rig).length === 0);
  await rig.stop();
});

test("a pause is a gap that the reconcile after it closes", async () => {
  const rig = await started();
  await rig.capture.pause(undefined);
  fs.writeFileSync(join(rig.rootPath, "meanwhile"), "x");
  await systemClock.sleep(60);
  assert.is(rig.replica.find(rig.root, [byteStringOfText("meanwhile")]), undefined);
  assert.equal(gaps(rig), ["paused"]);
  await rig.capture.resume();
  await rig.flush();
  same(rig);
  await until("the gap's end", () => gaps(rig).length === 0);
  await rig.stop();
});

test("directories beyond the limit of watches are covered by flush, and said with the command that raises it", async () => {
  const rig = new CaptureRig();
  for (let i = 0; i < 20; i++) fs.mkdirSync(join(rig.rootPath, `d${i}`));
  const max = Number(fs.readFileSync("/proc/sys/fs/inotify/max_user_watches", "utf8"));
  await rig.start({ watchShare: 5 / max });
  await rig.protect();
  await rig.flush();
  assert.is(rig.capture.roots()[0]?.unwatchedDirectoryCount, 16);
  assert.match(rig.capture.status().limits.join(), /sysctl fs\.inotify\.max_user_watches=\d+/);
  for (let i = 0; i < 20; i++) fs.writeFileSync(join(rig.rootPath, `d${i}/f`), `${i}`);
  await rig.flush();
  same(rig);
  await rig.stop();
});

test("a wall clock that jumps is an event", async () => {
  let aheadUs = 0;
  const clock: Clock = { ...systemClock, now: () => (systemClock.now() + aheadUs) as TimeUs };
  const rig = new CaptureRig();
  await rig.start({}, { clock });
  await rig.protect();
  await rig.flush();
  aheadUs = -7_200_000_000;
  fs.writeFileSync(join(rig.rootPath, "a"), "a");
  await rig.flush();
  const step = rig.replica.log.find((change) => change.type === "ClockStepped");
  assert.ok(step?.type === "ClockStepped" && Math.abs(step.beforeUs - step.afterUs - 7_200_000_000) < 1_000_000);
  same(rig);
  await rig.stop();
});

test("without the addon hints bring what comes and what is written, long before the next comparison, which brings the rest", async () => {
  const rig = new CaptureRig(openOs({ only: "node" }));
  fs.mkdirSync(join(rig.rootPath, "old"));
  for (const name of ["a", "gone"]) fs.writeFileSync(join(rig.rootPath, "old", name), "first");
  await rig.start({ pollEveryMs: 3_600_000 });
  await rig.protect();
  await rig.flush();
  assert.is(rig.capture.status().source, "hints");
  const found = (...names: string[]): string | undefined => {
    const node = rig.replica.find(rig.root, names.map(byteStringOfText));
    return node?.content.toString();
  };
  fs.appendFileSync(join(rig.rootPath, "old/a"), " more");
  fs.mkdirSync(join(rig.rootPath, "new/deep"), { recursive: true });
  fs.writeFileSync(join(rig.rootPath, "new/deep/b"), "b");
  await until("both are captured", () => found("old", "a") === "first more" && found("new", "deep", "b") === "b");
  fs.writeFileSync(join(rig.rootPath, "new/deep/b"), "b again");
  await until("a new folder is watched, too", () => found("new", "deep", "b") === "b again");
  fs.rmSync(join(rig.rootPath, "old/gone"));
  await rig.flush();
  same(rig);
  await rig.stop();
});

test("without the addon a flush looks at everything", async () => {
  const rig = await started((root) => fs.writeFileSync(join(root, "a"), randomBytes(70_000)), plainOptions, new CaptureRig(openOs({ only: "node" })));
  assert.is(rig.capture.status().source, "hints");
  fs.writeFileSync(join(rig.rootPath, "b"), "b");
  fs.renameSync(join(rig.rootPath, "a"), join(rig.rootPath, "c"));
  const before = rig.replica.payloadBytes;
  await rig.flush();
  same(rig);
  assert.ok(rig.replica.payloadBytes - before < 10, "what moved is not sent again"); // The new byte is, where a hint came before its clock tick was over.
  await rig.stop();
});

test("a folder that is released is forgotten, and can be protected again", async () => {
  const rig = await started((root) => fs.writeFileSync(join(root, "a"), "a"));
  await rig.capture.removeRoot(byteStringOfText(rig.rootPath));
  assert.is(rig.capture.roots().length, 0);
  fs.writeFileSync(join(rig.rootPath, "b"), "b");
  await rig.protect();
  await rig.flush();
  same(rig);
  await rig.stop();
});

test.run();
