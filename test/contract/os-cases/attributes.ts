/** Modes, owners, times, extended attributes and ACLs; never through a symlink. */
import { statSync } from "node:fs";
import type { ByteString, Xattr } from "../../../src/core/index.ts";
import { isRoot, skipped } from "../../support/skip.ts";
import * as assert from "uvu/assert";
import { below, codeOf, writeFile, type Cases } from "./place.ts";

const xattr = (name: string, value: Uint8Array | string): Xattr => ({ name: name as ByteString, value: Buffer.from(value) });

/** A POSIX ACL as the kernel stores it: u32 version 2, then u16 tag, u16 permissions, u32 id each. */
function aclOf(...entries: ReadonlyArray<readonly [tag: number, permissions: number, id: number]>): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2, 0);
  entries.forEach(([tag, permissions, id], i) => {
    bytes.writeUInt16LE(tag, 4 + 8 * i);
    bytes.writeUInt16LE(permissions, 6 + 8 * i);
    bytes.writeUInt32LE(id, 8 + 8 * i);
  });
  return bytes;
}
const NO_ID = 0xffffffff;
const ACL = aclOf([1, 6, NO_ID], [2, 4, 1234], [4, 4, NO_ID], [16, 6, NO_ID], [32, 0, NO_ID]);

export const attributeCases: Cases = {
  "modes keep all twelve bits; owners are kept": ({ os, folder }) => {
    const path = below(folder(), "file");
    writeFile(os, path, "");
    if (isRoot) os.chown(path, 1234, 5678);
    os.chmod(path, 0o7751);
    assert.is(os.lstat(path).mode, 0o7751);
    if (!isRoot) return skipped(`os: owners, ${os.source}`, "only root can give files away");
    assert.equal([os.lstat(path).uid, os.lstat(path).gid], [1234, 5678]);
  },

  "the modification time is set alone, to the nanosecond with the addon": ({ os, folder, isNative }) => {
    const path = below(folder(), "file");
    writeFile(os, path, "");
    const accessed = statSync(path, { bigint: true }).atimeNs;
    for (const [seconds, nanos] of [
      [1_700_000_000, 123_456_789],
      [1, 0],
      [0, 1],
      [2_000_000_000, 999_999_999],
    ] as const) {
      os.setTimes(path, seconds, nanos);
      const stat = os.lstat(path);
      if (isNative) assert.equal([stat.mtimeSeconds, stat.mtimeNanos], [seconds, nanos]);
      else assert.ok(Math.abs(stat.mtimeSeconds - seconds + (stat.mtimeNanos - nanos) / 1e9) < 1e-6);
    }
    if (isNative) assert.is(statSync(path, { bigint: true }).atimeNs, accessed);
  },

  "a symlink is changed itself, its target never": ({ os, folder, isNative }) => {
    const here = folder();
    const [target, link] = [below(here, "target"), below(here, "link")];
    writeFile(os, target, "");
    os.symlink("target" as ByteString, link);
    const before = os.lstat(target);
    os.chmod(link, 0o777);
    os.setTimes(link, 77, 0);
    if (isRoot) os.chown(link, 55, 66);
    if (isRoot && isNative) assert.equal(os.setXattrs(link, [xattr("trusted.t", "on the link")]), []);
    assert.equal(os.lstat(target), before);
    assert.is(os.lstat(link).mtimeSeconds, 77);
    if (isRoot) assert.is(os.lstat(link).uid, 55);
    assert.equal(os.xattrs(target), []);
    if (isRoot && isNative) assert.equal(os.xattrs(link), [xattr("trusted.t", "on the link")]);
    for (const open of [() => os.openRead(link), () => os.openWrite(link, { exclusive: false, truncate: true })]) assert.is(codeOf(open), "ELOOP");
  },

  "extended attributes become exactly what is wanted": ({ os, folder, isNative }) => {
    const path = below(folder(), "file");
    writeFile(os, path, "");
    const wanted = [xattr("user.\xe9", Buffer.from([0, 1, 255])), xattr("user.empty", ""), xattr("user.long", "x".repeat(2000))];
    if (!isNative) {
      assert.equal(
        os.setXattrs(path, wanted),
        wanted.map((each) => each.name),
      );
      assert.equal(os.xattrs(path), []);
      return;
    }
    assert.equal(os.setXattrs(path, [xattr("user.old", "goes")]), []);
    if (isRoot) wanted.unshift(xattr("trusted.here", "t"));
    assert.equal(os.setXattrs(path, wanted), []);
    const sorted = wanted.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    assert.equal(os.xattrs(path), sorted);
    assert.equal(os.setXattrs(path, [...wanted, xattr("nonsense", "n")]), ["nonsense" as ByteString]);
    assert.equal(os.xattrs(path), sorted);
    assert.equal(os.setXattrs(path, []), []);
    assert.equal(os.xattrs(path), []);
  },

  "many attributes in one file are all listed": ({ os, folder, isNative }) => {
    if (!isNative) return;
    const path = below(folder(), "file");
    writeFile(os, path, "");
    const wanted = Array.from({ length: 40 }, (_, i) => xattr(`user.${"n".repeat(40)}-${10 + i}`, `${i}`));
    assert.equal(os.setXattrs(path, wanted), []);
    assert.equal(os.xattrs(path), wanted);
  },

  "POSIX ACLs and capabilities are attributes like others": ({ os, folder, isNative }) => {
    if (!isNative) return; // Plain Node has none: the case above.
    if (!isRoot) return skipped("os: ACLs", "the test needs root");
    const here = folder();
    writeFile(os, below(here, "file"), "");
    const capability = Buffer.from("0000000201040000000000000000000000000000", "hex"); // VFS_CAP_REVISION_2, effective bit clear.
    capability.writeUInt32LE(0x02000000, 0);
    const ofFile = [xattr("security.capability", capability), xattr("system.posix_acl_access", ACL)];
    assert.equal(os.setXattrs(below(here, "file"), ofFile), []);
    assert.equal(os.xattrs(below(here, "file")), ofFile);
    assert.is(os.lstat(below(here, "file")).mode & 0o070, 0o060); // The mask shows as the group's bits.
    assert.equal(os.setXattrs(here, [xattr("system.posix_acl_default", ACL)]), []);
    os.makeDirectory(below(here, "inherits"));
    assert.ok(os.xattrs(below(here, "inherits")).some((each) => each.name === "system.posix_acl_default"));
  },
};
