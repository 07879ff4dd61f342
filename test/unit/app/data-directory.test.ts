/** Where the data lies, who may make it, and what is refused. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chooseDataDirectory, isDataDirectory, realDataDirectory } from "../../../src/app/data-directory-choice.ts";
import { openDataDirectory } from "../../../src/app/data-directory.ts";
import type { DataDirectory, OpenDataDirectoryOptions } from "../../../src/app/data-directory.ts";
import { isOnSameDisk, whyTypeIsUnfit } from "../../../src/app/filesystem-fitness.ts";
import { openOs } from "../../../src/app/os/index.ts";
import { systemClock, systemRandom } from "../../../src/app/platform.ts";
import { byteStringOfText, isRainbowError, OsError, RainbowError } from "../../../src/core/index.ts";
import type { ErrorCode, FilesystemInfo, Os } from "../../../src/core/index.ts";
import { isRoot, skipped } from "../../support/skip.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const os = openOs();

function open(path: string, more: Partial<OpenDataDirectoryOptions> = {}): DataDirectory {
  return openDataDirectory({ path, create: true, forWriting: true, os, clock: systemClock(), random: systemRandom(), ...more });
}

function refusal(code: ErrorCode, action: () => unknown): RainbowError {
  try {
    action();
  } catch (error) {
    assert.ok(isRainbowError(error, code), String(error));
    return error as RainbowError;
  }
  throw new Error(`it was not refused with ${code}`);
}

/** The same machine with another filesystem below everything. */
function osWith(more: { readonly type?: string; readonly readOnly?: boolean; readonly punches?: boolean }): Os {
  const filesystem = (path: never): FilesystemInfo => ({
    ...os.filesystem(path),
    ...(more.type === undefined ? {} : { type: more.type }),
    readOnly: more.readOnly ?? false,
  });
  return new Proxy(os, {
    get: (target, name: keyof Os) => {
      if (name === "filesystem") return filesystem;
      if (name === "source") return "native";
      if (name === "punchHole") return () => more.punches ?? true;
      const value: unknown = target[name];
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

const test = suite("data directory");

test("the option wins, then the environment, then the place for root and for others", () => {
  const from = { env: {}, uid: 1000, home: "/home/me", cwd: "/here" };
  assert.is(chooseDataDirectory("d", { ...from, env: { RAINBOW_DATA_DIR: "/e" } }), "/here/d");
  assert.is(chooseDataDirectory(undefined, { ...from, env: { RAINBOW_DATA_DIR: "e" } }), "/here/e");
  assert.is(chooseDataDirectory(undefined, { ...from, uid: 0 }), "/var/lib/rainbow");
  assert.is(chooseDataDirectory(undefined, from), "/home/me/.local/share/rainbow");
  assert.is(chooseDataDirectory(undefined, { ...from, env: { XDG_DATA_HOME: "/x" } }), "/x/rainbow");
  assert.is(chooseDataDirectory(undefined, { ...from, env: { XDG_DATA_HOME: "relative" } }), "/home/me/.local/share/rainbow");
  refusal("USAGE", () => chooseDataDirectory("", from));
  refusal("USAGE", () => chooseDataDirectory(undefined, { ...from, env: { RAINBOW_DATA_DIR: "" } }));
});

test("a new one is made for its owner alone, says what it is and how to read it", () => {
  const path = join(temporaryDirectory("d"), "a/b");
  const directory = open(path);
  assert.is(statSync(path).mode & 0o777, 0o700);
  assert.is(directory.format.complete, false);
  const format = JSON.parse(readFileSync(join(path, "FORMAT"), "utf8")) as Record<string, unknown>;
  assert.equal([format["format"], format["machine"]], [1, directory.format.machine]);
  assert.is(statSync(join(path, "FORMAT")).mode & 0o777, 0o600);
  assert.match(readFileSync(join(path, "RESTORE.txt"), "utf8"), /bin\/rainbow --data-dir DATA restore/);
  assert.ok(isDataDirectory(path));
  directory.close();
});

test("opening again gives the same machine, and who may not create gets NO_STORE where there is none", () => {
  const path = join(temporaryDirectory("d"), "data");
  refusal("NO_STORE", () => open(path, { create: false }));
  assert.not(existsSync(path));
  const first = open(path);
  first.close();
  const second = open(path, { create: false });
  assert.is(second.format.machine, first.format.machine);
  second.close();
});

test("a second holder gets BUSY until the first closes", () => {
  const path = temporaryDirectory("d");
  const first = open(path);
  refusal("BUSY", () => open(path));
  first.close();
  first.close(); // Harmless.
  open(path).close();
});

test("where nothing can be locked it is refused, with what to install", () => {
  const lockless = new Proxy(os, {
    get: (target, name: keyof Os) => {
      if (name === "lockExclusive") return () => fail("ENOTSUP");
      const value: unknown = target[name];
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const fail = (code: string): never => {
    throw new OsError(code, "lock", byteStringOfText("/x"));
  };
  assert.match(refusal("UNSUPPORTED", () => open(temporaryDirectory("d"), { os: lockless })).message, /install flock/);
});

test("a folder that holds something else is refused and left as it was", () => {
  const path = temporaryDirectory("d");
  writeFileSync(join(path, "letter.txt"), "x");
  chmodSync(path, 0o755);
  assert.match(refusal("DATA_DIR_REFUSED", () => open(path)).message, /'letter\.txt'/);
  assert.equal([existsSync(join(path, "FORMAT")), statSync(path).mode & 0o777], [false, 0o755]);
  rmSync(join(path, "letter.txt"));
  mkdirSync(join(path, "lost+found"));
  open(path).close();
});

test("a path that is a file, or below one, is refused", () => {
  const file = join(temporaryDirectory("d"), "file");
  writeFileSync(file, "x");
  refusal("DATA_DIR_REFUSED", () => open(file));
  refusal("DATA_DIR_REFUSED", () => open(join(file, "x")));
});

test("a newer format is named, a damaged FORMAT too", () => {
  const path = temporaryDirectory("d");
  open(path).close();
  const text = readFileSync(join(path, "FORMAT"), "utf8");
  writeFileSync(join(path, "FORMAT"), text.replace('"format": 1', '"format": 2'));
  assert.is(refusal("NEWER_FORMAT", () => open(path)).exitCode, 13);
  for (const bad of ["", "{", "[]", "null", '{"format": 1}', text.replace(/"machine": "[^"]*"/, '"machine": "../../etc"'), text.slice(0, 20)]) {
    writeFileSync(join(path, "FORMAT"), bad);
    assert.is(refusal("STORE_CORRUPT", () => open(path)).exitCode, 30, JSON.stringify(bad));
  }
});

test("stores that were there once and are missing are never made anew", () => {
  const path = temporaryDirectory("d");
  const directory = open(path);
  directory.markComplete();
  directory.close();
  assert.is(refusal("NO_STORE", () => open(path)).exitCode, 10);
  writeFileSync(join(path, "events.lmdb"), "");
  assert.match(refusal("STORE_CORRUPT", () => open(path)).message, /data\.dig is missing/);
  mkdirSync(join(path, "machines", directory.format.machine), { recursive: true });
  writeFileSync(join(path, "machines", directory.format.machine, "data.dig"), "");
  const again = open(path);
  assert.is(again.format.complete, true);
  again.close();
});

test("network, FUSE and FAT filesystems are told by their type", () => {
  for (const type of ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse", "fuse.sshfs", "fuseblk", "vfat", "exfat", "msdos", "ntfs3"])
    assert.ok(whyTypeIsUnfit(type), type);
  for (const type of ["ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay", "tmpfs", "bcachefs", "unknown"]) assert.is(whyTypeIsUnfit(type), undefined, type);
});

test("an unfit filesystem is refused before anything is kept there", () => {
  for (const unfit of [{ type: "nfs4" }, { type: "vfat" }, { readOnly: true }, { punches: false }]) {
    const path = join(temporaryDirectory("d"), "data");
    const error = refusal("DATA_DIR_REFUSED", () => open(path, { os: osWith(unfit) }));
    assert.match(error.message, /name a folder on a local disk/);
    assert.not(isDataDirectory(path));
  }
});

test("a filesystem that only reads is good enough to read from", () => {
  const path = temporaryDirectory("d");
  open(path).close();
  open(path, { os: osWith({ punches: false }), forWriting: false, create: false }).close();
});

test("a place in memory is taken, with a warning", () => {
  const directory = open(temporaryDirectory("d"), { os: osWith({ type: "tmpfs" }) });
  assert.match(directory.warnings.join(), /gone after a restart/);
  directory.close();
});

test("one disk is told from two", () => {
  const [a, b] = [temporaryDirectory("a"), temporaryDirectory("b")].map(byteStringOfText);
  assert.ok(isOnSameDisk(a!, b!, os));
  assert.not(isOnSameDisk(a!, byteStringOfText("/proc"), os));
  assert.not(isOnSameDisk(a!, byteStringOfText("/does/not/exist"), os));
});

test("a symlink to a data directory is the directory it leads to", () => {
  const base = temporaryDirectory("d");
  mkdirSync(join(base, "real"));
  symlinkSync("real", join(base, "link"));
  assert.is(realDataDirectory(join(base, "link")), join(base, "real"));
  assert.is(realDataDirectory(join(base, "missing")), join(base, "missing"));
});

test("a folder that others can read is closed to them", () => {
  if (!isRoot) return skipped("foreign data directory", "only root can own for another");
  const path = temporaryDirectory("d");
  open(path).close();
  chmodSync(path, 0o755);
  open(path).close();
  assert.is(statSync(path).mode & 0o777, 0o700);
});

test.run();
