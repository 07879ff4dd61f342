/** Making, moving and removing nodes of every kind. */
import { byteStringOfText } from "../../../src/core/index.ts";
import type { ByteString, NodeKind } from "../../../src/core/index.ts";
import { isRoot, skipped } from "../../support/skip.ts";
import * as assert from "uvu/assert";
import { below, codeOf, readFile, system, writeFile, type Cases } from "./place.ts";

const RDEV = 300 * 2 ** 20 + 70_000; // Numbers beyond 8 bits, so that no half of them is lost.

export const nodeCases: Cases = {
  "files, directories, symlinks and hard links are what they were made as": ({ os, folder }) => {
    const here = folder();
    writeFile(os, below(here, "file"), "content");
    os.makeDirectory(below(here, "directory"));
    os.symlink("no/such target" as ByteString, below(here, "symlink"));
    os.link(below(here, "file"), below(here, "second"));
    assert.is(os.lstat(below(here, "file")).kind, "file");
    assert.is(os.lstat(below(here, "file")).linkCount, 2);
    assert.is(os.lstat(below(here, "file")).sizeBytes, 7);
    assert.is(os.lstat(below(here, "file")).inode, os.lstat(below(here, "second")).inode);
    assert.is(os.lstat(below(here, "file")).mode, 0o600);
    assert.is(os.lstat(below(here, "directory")).kind, "directory");
    assert.is(os.lstat(below(here, "symlink")).kind, "symlink");
    assert.is(os.readlink(below(here, "symlink")), "no/such target");
  },

  "FIFOs, sockets and devices are made with their exact mode, whatever the umask": ({ os, folder, isNative }) => {
    const here = folder();
    if (!isNative) {
      assert.is(
        codeOf(() => os.makeSpecial(below(here, "fifo"), "fifo", 0o600, 0)),
        "ENOTSUP",
      );
      return;
    }
    const kinds: NodeKind[] = ["fifo", "socket", ...(isRoot ? (["character", "block"] as const) : [])];
    for (const kind of kinds) {
      const rdev = kind === "fifo" || kind === "socket" ? 0 : RDEV;
      os.makeSpecial(below(here, kind), kind, 0o4777, rdev);
      const stat = os.lstat(below(here, kind));
      assert.equal({ kind: stat.kind, mode: stat.mode, rdev: stat.rdev }, { kind, mode: 0o4777, rdev });
    }
    assert.is(
      codeOf(() => os.makeSpecial(below(here, "f"), "file", 0o600, 0)),
      "EINVAL",
    );
    if (!isRoot) return skipped(`os: devices, ${os.source}`, "only root can make them");
    assert.is(system("stat", "-c", "%t:%T", below(here, "block")), `${(300).toString(16)}:${(70_000).toString(16)}`);
  },

  "a rename replaces its target, and removal asks for the right kind": ({ os, folder }) => {
    const here = folder();
    writeFile(os, below(here, "a"), "new");
    writeFile(os, below(here, "b"), "old");
    os.rename(below(here, "a"), below(here, "b"));
    assert.is(readFile(os, below(here, "b")).toString(), "new");
    assert.is(
      codeOf(() => os.lstat(below(here, "a"))),
      "ENOENT",
    );
    assert.is(
      codeOf(() => os.removeDirectory(below(here, "b"))),
      "ENOTDIR",
    );
    assert.is(
      codeOf(() => os.removeDirectory(here)),
      "ENOTEMPTY",
    );
    assert.is(
      codeOf(() => os.makeDirectory(below(here, "b"))),
      "EEXIST",
    );
    os.unlink(below(here, "b"));
    os.removeDirectory(here);
    assert.is(
      codeOf(() => os.lstat(here)),
      "ENOENT",
    );
  },

  "an error names the code, the operation and the path, and shows bytes readably": ({ os, folder }) => {
    const path = below(folder(), "missing \xe9");
    for (const action of [() => os.lstat(path), () => os.listDirectory(path), () => os.readlink(path), () => os.xattrs(path), () => os.openRead(path)]) {
      assert.is(codeOf(action), "ENOENT");
    }
    for (const action of [() => os.chmod(path, 0o600), () => os.chown(path, 0, 0), () => os.setTimes(path, 1, 0), () => os.setXattrs(path, [])]) {
      assert.is(codeOf(action), "ENOENT");
    }
    assert.throws(
      () => os.lstat(path),
      (error: { path: string; operation: string }) => error.path === path && error.operation === "lstat",
    );
    assert.is(
      codeOf(() => os.lstat("a\0b" as ByteString)),
      "EINVAL",
    );
    assert.is(
      codeOf(() => os.fstat(999_999)),
      "EBADF",
    );
  },

  "every byte but NUL and slash is a name, and names have up to 255 of them": ({ os, folder }) => {
    const here = folder();
    const names = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1)).filter((name) => name !== "/" && name !== ".");
    names.push("\xff".repeat(255), "a".repeat(255), "\xe4\xf6\xfc");
    for (const name of names) writeFile(os, below(here, name), name);
    for (const name of names) assert.is(readFile(os, below(here, name)).toString("utf8"), name);
    os.symlink("\xff\xfe" as ByteString, below(here, "link"));
    assert.is(os.readlink(below(here, "link")), "\xff\xfe");
    assert.is(
      codeOf(() => os.lstat(below(here, "x".repeat(256)))),
      "ENAMETOOLONG",
    );
  },

  "the filesystem of a path is named with its type, mount point and UUID": ({ os, folder, filesystem }) => {
    const info = os.filesystem(folder());
    assert.ok(info.totalBytes > 0 && info.freeBytes > 0 && info.freeBytes <= info.totalBytes);
    assert.is(info.readOnly, false);
    assert.ok(os.mountPoints().includes("/proc" as ByteString));
    if (filesystem === undefined) return;
    assert.is(info.type, filesystem.type);
    assert.is(info.mountPoint, byteStringOfText(filesystem.path));
    assert.ok(os.mountPoints().includes(info.mountPoint));
    // The kernel tells the UUID from 6.9 on; before it, and without the addon, udev's links do where there is udev.
    if (!info.uuid.startsWith("fsid:") && info.uuid !== "") assert.is(info.uuid, filesystem.uuid);
  },

  "paths of nearly PATH_MAX bytes work, and the addon goes beyond": ({ os, folder, isNative }) => {
    const here = folder();
    let deep = here;
    for (; deep.length + 102 < 4090; deep = below(deep, "d".repeat(100))) os.makeDirectory(below(deep, "d".repeat(100)));
    const edge = below(deep, "e".repeat(4095 - deep.length - 1));
    writeFile(os, edge, "at the edge");
    assert.is(readFile(os, edge).toString(), "at the edge");
    const beyond = `${deep}/${"f".repeat(200)}` as ByteString;
    if (!isNative) {
      assert.is(
        codeOf(() => os.makeDirectory(beyond)),
        "ENAMETOOLONG",
      );
      return;
    }
    os.makeDirectory(beyond);
    writeFile(os, below(beyond, "file"), "far below");
    os.rename(below(beyond, "file"), below(beyond, "moved"));
    assert.is(readFile(os, below(beyond, "moved")).toString(), "far below");
    assert.is(os.listDirectory(beyond).readUInt32LE(0), 1);
    assert.is(os.listDirectory(`${beyond}///` as ByteString).readUInt32LE(0), 1);
    assert.equal(os.xattrs(below(beyond, "moved")), []);
    os.setTimes(below(beyond, "moved"), 5, 6);
    assert.is(os.lstat(below(beyond, "moved")).mtimeNanos, 6);
    os.unlink(below(beyond, "moved"));
    os.removeDirectory(beyond);
    assert.is(
      codeOf(() => os.lstat(`/${"g".repeat(5000)}` as ByteString)),
      "ENAMETOOLONG",
    );
  },
};
