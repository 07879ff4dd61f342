/** Whether two directories are the same in all that a backup keeps, told by Rainbow's own eyes and by rsync's. */
import { spawnSync } from "node:child_process";
import type { ByteString, Os, Stat } from "../../src/core/index.ts";
import { bytesOf, displayOf, listingCount, listingName, listingStat } from "../../src/core/index.ts";

/** Differences, one a line; [] where there are none. Link groups are compared by the first name that each inode was met under. */
export function treeDifferences(os: Os, left: ByteString, right: ByteString, options: { readonly isSparse?: boolean } = {}): string[] {
  const found: string[] = [];
  const groups = [new Map<number, string>(), new Map<number, string>()] as const;
  const walk = (relative: string): void => {
    const [a, b] = [`${left}${relative}` as ByteString, `${right}${relative}` as ByteString];
    const [x, y] = [os.lstat(a), os.lstat(b)];
    const differ = (what: string): void => void found.push(`${displayOf(relative as ByteString)}: ${what}`);
    for (const field of ["kind", "mode", "uid", "gid", "mtimeSeconds", "mtimeNanos", "rdev"] as const) {
      if (x[field] !== y[field]) differ(`${field} ${x[field]} and ${y[field]}`);
    }
    if (x.kind !== y.kind) return;
    if (leaderOf(groups[0], x, relative) !== leaderOf(groups[1], y, relative)) differ("linked with others");
    const [xattrsLeft, xattrsRight] = [xattrText(os, a), xattrText(os, b)];
    if (xattrsLeft !== xattrsRight) differ(`xattrs ${xattrsLeft} and ${xattrsRight}`);
    if (x.kind === "symlink" && os.readlink(a) !== os.readlink(b)) differ("target");
    if (x.kind === "file") {
      if (!sameContent(os, a, b)) differ("content");
      if (options.isSparse === true && y.allocatedBytes > x.allocatedBytes + 65_536) differ(`takes ${y.allocatedBytes} bytes, not ${x.allocatedBytes}`);
    }
    if (x.kind === "directory") for (const name of namesIn(os, a, b, differ)) walk(`${relative}/${name}`);
  };
  walk("");
  return found;
}

/** What rsync would change to make `right` what `left` is. */
export function rsyncDifferences(left: ByteString, right: ByteString): string {
  const options = ["-aHAXn", "--checksum", "--delete", "--itemize-changes"];
  const result = spawnSync("rsync", [...options, `${displayOf(left)}/`, `${displayOf(right)}/`], { encoding: "utf8" });
  return `${result.stdout}${result.stderr}`;
}

function namesIn(os: Os, left: ByteString, right: ByteString, differ: (what: string) => void): ByteString[] {
  const [a, b] = [listed(os, left), listed(os, right)];
  for (const name of a.keys()) if (!b.has(name)) differ(`'${displayOf(name)}' is missing`);
  for (const name of b.keys()) if (!a.has(name)) differ(`'${displayOf(name)}' is too many`);
  return [...a.keys()].filter((name) => b.has(name));
}

function listed(os: Os, path: ByteString): Map<ByteString, Stat | undefined> {
  const listing = os.listDirectory(path);
  return new Map(Array.from({ length: listingCount(listing) }, (_, i) => [listingName(listing, i), listingStat(listing, i)]));
}

function leaderOf(groups: Map<number, string>, stat: Stat, relative: string): string {
  if (stat.kind === "directory" || stat.linkCount === 1) return relative;
  if (!groups.has(stat.inode)) groups.set(stat.inode, relative);
  return groups.get(stat.inode) as string;
}

function xattrText(os: Os, path: ByteString): string {
  return JSON.stringify(os.xattrs(path).map(({ name, value }) => [name, Buffer.from(value).toString("hex")]));
}

function sameContent(os: Os, left: ByteString, right: ByteString): boolean {
  const [a, b] = [os.openRead(left), os.openRead(right)];
  const [x, y] = [Buffer.alloc(1 << 20), Buffer.alloc(1 << 20)];
  try {
    for (let at = 0; ; at += x.length) {
      const [m, n] = [os.read(a, x, at), os.read(b, y, at)];
      if (m !== n || !x.subarray(0, m).equals(y.subarray(0, n))) return false;
      if (m < x.length) return true;
    }
  } finally {
    os.close(a);
    os.close(b);
  }
}

/** A path of the test's own as bytes. */
export function bytePath(path: string): ByteString {
  return Buffer.from(path, "utf8").toString("latin1") as ByteString;
}

/** The other way round, for node:fs. */
export function rawPath(path: ByteString): Buffer {
  return bytesOf(path);
}
