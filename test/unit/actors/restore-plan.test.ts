import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  decideDirectory,
  decideExtra,
  decideLeaf,
  doubtOf,
  hidesNames,
  isSameMetadata,
  isSameTime,
  isSameXattrs,
  safeMode,
} from "../../../src/actors/restore/plan.ts";
import type { Policy } from "../../../src/actors/restore/plan.ts";
import { isTemporaryName, joinPath, lastName, parentPath, temporaryName, UNFINISHED_NAME } from "../../../src/actors/restore/request.ts";
import { selectionOf } from "../../../src/actors/restore/selection.ts";
import type { ByteString, NodeId, NodeKind, Stat } from "../../../src/core/index.ts";
import type { Gap, NodeRecord } from "../../../src/projections/index.ts";
import { PLAIN } from "../../support/fake-view.ts";

const test = suite("restore: decisions");
const policy = (mode: Policy["mode"], more: Partial<Policy> = {}): Policy => ({ mode, delete: false, dryRun: false, timeToleranceNanos: 0, ...more });
const record = (kind: NodeKind, more: Partial<NodeRecord> = {}): NodeRecord => ({
  node: 5 as NodeId,
  kind,
  attributes: PLAIN,
  sizeBytes: 10,
  linkTarget: "" as ByteString,
  rdev: 0,
  names: [{ parent: 1 as NodeId, name: "a" as ByteString }],
  unsettled: false,
  hidden: false,
  ...more,
});
const there = (kind: NodeKind, more: Partial<Stat> = {}): Stat => ({
  kind,
  mode: PLAIN.mode,
  uid: 0,
  gid: 0,
  sizeBytes: 10,
  linkCount: 1,
  inode: 9,
  device: 1,
  rdev: 0,
  allocatedBytes: 0,
  mtimeSeconds: PLAIN.mtimeSeconds,
  mtimeNanos: PLAIN.mtimeNanos,
  ctimeSeconds: 0,
  ctimeNanos: 0,
  btimeSeconds: 0,
  btimeNanos: 0,
  ...more,
});

test("what is not there is made, whatever the mode", () => {
  for (const mode of ["fresh", "resume", "overwrite"] as const) {
    assert.is(decideLeaf(record("file"), undefined, policy(mode)).kind, "make");
    assert.is(decideDirectory(undefined, policy(mode)).kind, "make");
  }
});

test("the same size, time and kind is believed only after a comparison", () => {
  assert.is(decideLeaf(record("file"), there("file"), policy("overwrite")).kind, "compare");
  assert.is(decideLeaf(record("file"), there("file"), policy("resume")).kind, "compare");
});

test("a file of another size, time or kind, or with more names than it should have, is replaced", () => {
  for (const existing of [there("file", { sizeBytes: 11 }), there("file", { mtimeNanos: 1 }), there("symlink"), there("file", { linkCount: 2 })]) {
    assert.equal(decideLeaf(record("file"), existing, policy("overwrite")), { kind: "replace", removes: "nothing" });
  }
  assert.is(decideLeaf(record("block", { rdev: 1 }), there("block", { rdev: 2 }), policy("overwrite")).kind, "replace");
});

test("an interrupted restore goes on over what a power cut tore, and not over what its user changed", () => {
  assert.is(decideLeaf(record("file"), there("file", { sizeBytes: 0 }), policy("resume")).kind, "replace");
  assert.is(decideLeaf(record("file"), there("file", { mtimeSeconds: 5 }), policy("resume")).kind, "refuse");
  assert.is(decideLeaf(record("file"), there("symlink"), policy("resume")).kind, "refuse");
});

test("a folder gives way to a file only when it is empty or deleting is allowed", () => {
  assert.is(decideLeaf(record("file"), there("directory"), policy("fresh")).kind, "refuse");
  assert.equal(decideLeaf(record("file"), there("directory"), policy("overwrite")), { kind: "replace", removes: "empty-directory" });
  assert.equal(decideLeaf(record("file"), there("directory"), policy("overwrite", { delete: true })), { kind: "replace", removes: "tree" });
});

test("a folder is entered only where a folder is: a symlink to one is replaced or refused", () => {
  assert.is(decideDirectory(there("directory"), policy("fresh")).kind, "enter");
  assert.is(decideDirectory(there("symlink"), policy("overwrite")).kind, "replace");
  assert.is(decideDirectory(there("symlink"), policy("resume")).kind, "refuse");
});

test("extra names stay unless deleting is asked for, and what nobody can know stays even then", () => {
  const extra = { name: "x" as ByteString, isSelected: true, isNameListKnown: true, isKept: false };
  const deletes = policy("overwrite", { delete: true });
  assert.is(decideExtra(extra, policy("overwrite")), "leave");
  assert.is(decideExtra(extra, deletes), "delete");
  assert.is(decideExtra({ ...extra, isSelected: false }, deletes), "leave");
  assert.is(decideExtra({ ...extra, isKept: true }, deletes), "leave");
  assert.is(decideExtra({ ...extra, isNameListKnown: false }, deletes), "undecided");
  assert.is(decideExtra({ ...extra, name: UNFINISHED_NAME }, deletes), "leave");
  assert.is(decideExtra({ ...extra, name: temporaryName("abc", 3) }, policy("fresh")), "clear");
});

test("temporary names are told from all others", () => {
  assert.ok(isTemporaryName(temporaryName("k3j", 36)));
  for (const name of [UNFINISHED_NAME, ".rainbow-restore-", ".rainbow-restore-A-1", "x.rainbow-restore-a-1"])
    assert.not.ok(isTemporaryName(name as ByteString), name);
});

test("times are compared to the nanosecond, or within a tolerance across the second's border", () => {
  assert.not.ok(isSameTime(record("file"), there("file", { mtimeNanos: PLAIN.mtimeNanos + 1 }), 0));
  const late = record("file", { attributes: { ...PLAIN, mtimeSeconds: 10, mtimeNanos: 999_999_900 } });
  assert.ok(isSameTime(late, there("file", { mtimeSeconds: 11, mtimeNanos: 100 }), 1000));
  assert.not.ok(isSameTime(late, there("file", { mtimeSeconds: 12, mtimeNanos: 0 }), 1000));
});

test("a symlink's mode is nobody's, everything else counts", () => {
  assert.ok(isSameMetadata(record("symlink"), there("symlink", { mode: 0o777 }), policy("overwrite")));
  assert.not.ok(isSameMetadata(record("file"), there("file", { mode: 0o600 }), policy("overwrite")));
  assert.not.ok(isSameMetadata(record("file"), there("file", { gid: 3 }), policy("overwrite")));
});

test("extended attributes are compared by name and value", () => {
  const xattr = (name: string, value: string) => ({ name: name as ByteString, value: Buffer.from(value) });
  assert.ok(isSameXattrs([xattr("user.a", "1")], [xattr("user.a", "1")]));
  assert.not.ok(isSameXattrs([xattr("user.a", "1")], [xattr("user.a", "2")]));
  assert.not.ok(isSameXattrs([xattr("user.a", "1")], []));
});

test("set-id bits go only to their owner's file", () => {
  assert.is(safeMode(0o6755, true), 0o6755);
  assert.is(safeMode(0o7755, false), 0o1755);
});

test("an unsettled version and a gap are said", () => {
  const gap = { reason: "unreadable", detail: "read: EACCES" } as Gap;
  assert.is(doubtOf(record("file"), undefined), "");
  assert.match(doubtOf(record("file", { unsettled: true }), gap), /unsettled.*; in a gap \(unreadable\): read: EACCES/);
  assert.ok(hidesNames(gap));
  assert.not.ok(hidesNames({ ...gap, reason: "unsettled" }));
});

test("paths are joined and split, at the root too", () => {
  assert.is(joinPath("/" as ByteString, "a" as ByteString), "/a");
  assert.is(joinPath("/a" as ByteString, "b" as ByteString), "/a/b");
  assert.is(parentPath("/a" as ByteString), "/");
  assert.is(parentPath("/a/b" as ByteString), "/a");
  assert.is(lastName("/a/b" as ByteString), "b");
});

test("patterns select as gitignore has them", () => {
  const of = (include: string[], exclude: string[], path: string, isDirectory = false): string | undefined =>
    selectionOf(include, exclude)?.of(path as ByteString, isDirectory);
  assert.is(selectionOf([], []), undefined);
  assert.is(of([], ["*.log"], "a/b.log"), "skip");
  assert.is(of([], ["*.LOG"], "a/b.log"), "take");
  assert.is(of([], ["build/"], "build", true), "skip");
  assert.is(of([], ["build/"], "build"), "take");
  assert.is(of(["*.txt"], [], "a", true), "inside");
  assert.is(of(["*.txt"], [], "a/b.txt"), "take");
  assert.is(of(["*.txt"], [], "a/b.png"), "skip");
  assert.is(of(["/docs"], ["*.tmp"], "docs/deep/x"), "take");
  assert.is(of(["/docs"], ["*.tmp"], "docs/deep/x.tmp"), "skip");
});

test.run();
