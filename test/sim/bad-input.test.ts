/** What people and machines do to a backup program: odd files, roots that go away, foreign and damaged data directories, wild clocks. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openRainbow, systemClock, systemRandom } from "../../src/app/index.ts";
import type { OpenedRainbow } from "../../src/app/index.ts";
import { openOs } from "../../src/app/os/index.ts";
import type { ByteString, Clock, TimeUs } from "../../src/core/index.ts";
import { byteStringOfText, isRainbowError } from "../../src/core/index.ts";
import { loopFilesystem } from "../support/loop-filesystem.ts";
import { rainbow, rainbowJson, Up } from "../support/rainbow-process.ts";
import { hasCommand, isRoot, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { recordAnswers, recordDifferences, recordTree } from "../support/tree-record.ts";

const NOBODY = 65534;
const PLAIN = { crossMounts: false, rules: [], fileBytesMax: 0 };
const RAINBOW = resolve(import.meta.dirname, "../../bin/rainbow");
const test = suite("bad input");
const os = openOs();

interface World {
  readonly base: string;
  readonly root: string;
  readonly top: ByteString;
  readonly data: string;
}

function world(): World {
  const base = temporaryDirectory("bad-input");
  const root = join(base, "root");
  mkdirSync(join(root, "folder"), { recursive: true });
  writeFileSync(join(root, "file"), "a file\n");
  writeFileSync(join(root, "folder", "other"), "another\n");
  return { base, root, top: byteStringOfText(root), data: join(base, "data") };
}

function open(data: string, clock: Clock = systemClock()): Promise<OpenedRainbow> {
  return openRainbow({ dataDirectory: data, mode: "protect", create: true, version: "test", clock, random: systemRandom() });
}

/** Protects the world's root while `act` runs. */
async function protecting(place: World, act: (rainbow: OpenedRainbow) => Promise<void>, clock?: Clock): Promise<void> {
  const opened = await open(place.data, clock);
  try {
    await opened.operations.addRoot({ path: place.top, options: PLAIN });
    await opened.operations.flush({ full: false });
    await act(opened);
    for await (const item of opened.operations.check({ readData: true })) if (item.type === "problem") assert.unreachable(`${item.where}: ${item.what}`);
  } finally {
    await opened.close();
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isRainbowError(error)) return error.code;
    throw error;
  }
  return "none";
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100 && !(await reached()); tries++) await delay(50);
  assert.ok(await reached(), "it did not come in 5 s");
}

async function gapReasons({ operations }: OpenedRainbow): Promise<string[]> {
  return (await operations.status()).gaps.map((gap) => gap.reason);
}

/** The state of now is the record, whatever became of the directory. */
async function assertKept({ operations }: OpenedRainbow, place: World, record: ReturnType<typeof recordTree>): Promise<void> {
  const { headRevision } = await operations.status();
  assert.equal(recordDifferences(record, await recordAnswers(operations, place.top, headRevision)), []);
}

test("sockets, FIFOs, dangling links and a link to itself are kept as what they are, and nothing waits for them", async () => {
  const place = world();
  const server = createServer().listen(join(place.root, "socket"));
  if (os.source === "native") os.makeSpecial(byteStringOfText(join(place.root, "fifo")), "fifo", 0o644, 0);
  symlinkSync("nowhere", join(place.root, "dangling"));
  symlinkSync("loop", join(place.root, "loop"));
  await delay(20);
  await protecting(place, async (opened) => {
    assert.equal(await gapReasons(opened), []);
    await assertKept(opened, place, recordTree(os, place.top));
  });
  server.close();
});

test("a root that does not exist, is a file, lies in another one or around it is refused with the reason", async () => {
  const place = world();
  await protecting(place, async ({ operations }) => {
    const refusal = (path: string): Promise<string> => codeOf(operations.addRoot({ path: byteStringOfText(path), options: PLAIN }));
    for (const path of [join(place.base, "missing"), join(place.root, "file"), join(place.root, "folder"), place.base, place.data])
      assert.is(await refusal(path), "ROOT_REFUSED", path);
    assert.is(await refusal(place.root), "none", "once more is no mistake");
  });
});

test("a root that is removed, replaced or emptied while it is protected is a gap, and nothing of it counts as deleted", async () => {
  for (const harm of ["moved away", "replaced", "removed"] as const) {
    const place = world();
    const record = recordTree(os, place.top);
    await protecting(place, async (opened) => {
      if (harm === "removed") rmSync(place.root, { recursive: true });
      else renameSync(place.root, `${place.root}-away`);
      if (harm === "replaced") mkdirSync(place.root);
      await opened.operations.flush({ full: false });
      assert.ok(
        (await gapReasons(opened)).some((reason) => reason.startsWith("root-")),
        `${harm}: ${(await gapReasons(opened)).join()}`,
      );
      await until(async () => (await opened.operations.status()).state === "degraded");
      if (harm !== "removed") await assertKept(opened, place, record);
    });
  }
});

test("a root that is unmounted is a gap, and it goes on when it is mounted again", async () => {
  const disk = loopFilesystem("ext4");
  if (typeof disk === "string") return skipped("unmounted root", disk);
  const base = temporaryDirectory("unmounted");
  const root = join(base, "mounted");
  mkdirSync(root);
  const mount = (): void => assert.is(spawnSync("mount", ["--bind", disk.path, root]).status, 0);
  const unmount = (): void => assert.is(spawnSync("umount", [root]).status, 0);
  mount();
  try {
    writeFileSync(join(root, "file"), "on the disk\n");
    const place: World = { base, root, top: byteStringOfText(root), data: join(base, "data") };
    const record = recordTree(os, place.top);
    await protecting(place, async (opened) => {
      unmount();
      await opened.operations.flush({ full: false });
      assert.ok(
        (await gapReasons(opened)).some((reason) => reason.startsWith("root-")),
        (await gapReasons(opened)).join(),
      );
      await assertKept(opened, place, record);
      mount();
      writeFileSync(join(root, "file"), "changed on the disk\n");
      await opened.operations.flush({ full: true });
      assert.equal(await gapReasons(opened), []);
      await assertKept(opened, place, recordTree(os, place.top));
    });
  } finally {
    spawnSync("umount", ["--lazy", root]);
  }
});

test("files that may not be read are named, and all the others are kept", async () => {
  if (isRoot && !hasCommand("setpriv")) return skipped("unreadable files", "root reads everything, and there is no setpriv to become somebody else");
  const place = world();
  writeFileSync(join(place.root, "secret"), "secret\n");
  mkdirSync(join(place.root, "locked"));
  mkdirSync(place.data, { mode: 0o700 });
  for (let at = place.base; at !== "/"; at = resolve(at, "..")) if (at.startsWith(resolve(process.env["TMPDIR"] ?? "/tmp", ".."))) chmodSync(at, 0o755);
  if (isRoot) for (const path of [place.data, place.root, join(place.root, "file")]) chownSync(path, NOBODY, NOBODY);
  for (const path of [join(place.root, "folder"), join(place.root, "folder", "other")]) chmodSync(path, 0o755); // The umask here is Rainbow's own.
  for (const path of [join(place.root, "secret"), join(place.root, "locked")]) chmodSync(path, 0);
  const runtime = join(place.base, "run");
  mkdirSync(runtime, { mode: 0o700 });
  if (isRoot) chownSync(runtime, NOBODY, NOBODY);
  const asUser = isRoot ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", RAINBOW] : [RAINBOW];
  const env = { ...process.env, XDG_RUNTIME_DIR: runtime, HOME: place.base };
  const child = spawn(asUser[0]!, [...asUser.slice(1), "up", place.root, "--data-dir", place.data], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (output += data.toString()));
  const ended = new Promise<number | null>((done) => child.once("exit", done));
  try {
    const ask = (...words: string[]): ReturnType<typeof spawnSync> => spawnSync(asUser[0]!, [...asUser.slice(1), ...words, "--data-dir", place.data], { env });
    for (let tries = 0; tries < 100 && ![0, 3].includes(ask("status").status ?? -1); tries++) await delay(100);
    const flushed = ask("flush");
    assert.is(flushed.status, 3, `${output}${flushed.stderr.toString()}`);
    for (const name of ["secret", "locked"]) assert.match(`${flushed.stdout.toString()}${flushed.stderr.toString()}`, name);
    assert.is(ask("cat", join(place.root, "folder", "other")).stdout.toString(), "another\n");
  } finally {
    child.kill("SIGINT");
  }
  assert.is(await ended, 0, output);
});

test("a data directory that is in use is refused to others", async () => {
  const place = world();
  await protecting(place, async () => {
    assert.is(await codeOf(open(place.data)), "BUSY");
  });
  const up = await Up.start(place.data, [place.root]);
  try {
    assert.is(rainbow(place.data, "repair").status, 12);
  } finally {
    assert.is(await up.stop(), 0, up.output);
  }
});

test("a control file of earlier is refused before anything is written over what is newer", async () => {
  const place = world();
  const control = (): string =>
    join(place.data, "machines", (JSON.parse(readFileSync(join(place.data, "FORMAT"), "utf8")) as { machine: string }).machine, "control.lmdb");
  const old = join(place.base, "old-control.lmdb");
  await protecting(place, () => Promise.resolve());
  cpSync(control(), old);
  await protecting(place, async ({ operations }) => {
    writeFileSync(join(place.root, "newer"), "a newer file\n");
    await operations.flush({ full: false });
  });
  cpSync(old, control());
  assert.is(await codeOf(open(place.data)), "STORE_CORRUPT");
  assert.is(rainbow(place.data, "cat", join(place.root, "newer")).status, 30);
  const repaired = rainbow(place.data, "repair");
  assert.is(repaired.status, 0, repaired.stderr);
  assert.is(rainbow(place.data, "cat", join(place.root, "newer")).stdout.toString(), "a newer file\n");
});

test("a foreign, a missing and a newer data directory are refused, and left as they are", async () => {
  const place = world();
  assert.is(rainbow(place.data, "ls", place.root).status, 10, "missing");
  assert.is(rainbow(place.base, "up", place.root).status, 2, "foreign");
  await protecting(place, () => Promise.resolve());
  const format = join(place.data, "FORMAT");
  const newer = readFileSync(format, "utf8").replace(/"format": 1/, '"format": 2');
  writeFileSync(format, newer);
  for (const words of [["ls", place.root], ["up", place.root], ["check"]]) assert.is(rainbow(place.data, ...words).status, 13, words.join(" "));
  assert.is(readFileSync(format, "utf8"), newer);
  writeFileSync(format, newer.slice(0, 20));
  assert.is(rainbow(place.data, "ls", place.root).status, 30, "a truncated FORMAT");
});

test("truncated stores are damage that is said, never a crash and never made anew", async () => {
  const place = world();
  writeFileSync(join(place.root, "large"), Buffer.alloc(300_000, "x"));
  await protecting(place, () => Promise.resolve());
  const { machine } = JSON.parse(readFileSync(join(place.data, "FORMAT"), "utf8")) as { machine: string };
  for (const file of ["events.lmdb", join("machines", machine, "data.dig"), join("machines", machine, "control.lmdb")]) {
    for (const sizeBytes of [0, 5000, 9000]) {
      const copy = `${place.data}-copy`;
      cpSync(place.data, copy, { recursive: true });
      truncateSync(join(copy, file), sizeBytes);
      for (const words of [
        ["cat", join(place.root, "large")],
        ["check", "--read-data"],
      ]) {
        const { status, stdout, stderr } = rainbow(copy, ...words);
        const isRight = words[0] === "cat" && status === 0 && stdout.equals(Buffer.alloc(300_000, "x"));
        assert.ok(
          isRight || status === 30 || status === 10,
          `${words[0]} with ${file} of ${sizeBytes} bytes ends with ${status}: ${stdout.toString().slice(0, 300)}${stderr}`,
        );
      }
      rmSync(copy, { recursive: true });
    }
  }
});

test("a damaged memory of the agent is given up and said as a gap, and everything is captured again", async () => {
  const harms: ((content: Buffer, top: string) => Buffer)[] = [
    () => Buffer.alloc(0),
    (content) => content.subarray(0, 9000),
    (content) => Buffer.alloc(content.length, 0x5a),
    (content) => content.fill(0, 0, 512).fill(0, 4096, 4608),
    (content, top) => Buffer.from(content.toString("latin1").replaceAll(top, `!${top.slice(1)}`), "latin1"), // Checksums of rows alone can tell.
  ];
  for (const [i, harm] of harms.entries()) {
    const place = world();
    await protecting(place, () => Promise.resolve());
    const file = join(place.data, "agent", "memory.lmdb");
    writeFileSync(file, harm(readFileSync(file), place.root));
    writeFileSync(join(place.root, "file"), "changed meanwhile\n");
    await protecting(place, async (opened) => {
      await opened.operations.flush({ full: true });
      await assertKept(opened, place, recordTree(os, place.top));
      const events = [];
      for await (const item of opened.operations.events({ from: 0, maxCount: 10_000, follow: false })) events.push(JSON.stringify(item));
      assert.ok(
        events.some((event) => event.includes("memory-lost")),
        `harm ${i}`,
      );
    });
  }
});

/** A wall clock that somebody sets. */
class WildClock implements Clock {
  offsetUs = 0;
  private readonly real = systemClock();

  now(): TimeUs {
    return (this.real.now() + this.offsetUs) as TimeUs;
  }
  monotonicUs(): number {
    return this.real.monotonicUs();
  }
  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.real.sleep(delayMs, signal);
  }
}

test("a wall clock that jumps back and forth is noted, and every instant stays what it was", async () => {
  const place = world();
  const clock = new WildClock();
  const instants: { readonly revision: number; readonly record: ReturnType<typeof recordTree> }[] = [];
  await protecting(
    place,
    async ({ operations }) => {
      for (const hours of [0, 24, -48, 1, -1, 240]) {
        clock.offsetUs += hours * 3_600_000_000;
        writeFileSync(join(place.root, "file"), `after a jump of ${hours} hours\n`);
        const { revision } = await operations.flush({ full: false });
        instants.push({ revision, record: recordTree(os, place.top) });
      }
      for (const { revision, record } of instants)
        assert.equal(recordDifferences(record, await recordAnswers(operations, place.top, revision)), [], `r${revision}`);
      const events = [];
      for await (const item of operations.events({ from: 0, maxCount: 10_000, follow: false })) events.push(item.event);
      assert.is(events.filter((event) => event === "ClockStepped").length, 5);
      const now = await operations.stat({ path: place.top, at: { kind: "now" } });
      assert.is(now.asOf.revision >= instants.at(-1)!.revision, true);
    },
    clock,
  );
});

test("what a command line gives in vain is told with exit code 2", async () => {
  const place = world();
  const up = await Up.start(place.data, [place.root]);
  try {
    for (const words of [["ls", `${place.root}@2099-01-01`], ["ls", "/nowhere"], ["frobnicate"], ["add", join(place.base, "missing")]])
      assert.is(rainbow(place.data, ...words).status, 2, words.join(" "));
    assert.is(rainbow(place.data, "cat", join(place.root, "missing")).status, 1);
    assert.is(rainbowJson(place.data, ["status"])["state"], "protecting");
  } finally {
    assert.is(await up.stop(), 0, up.output);
  }
});

test.run();
