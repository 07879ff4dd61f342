/** A directory with one of everything that a filesystem holds; what only root may make is left out for others. */
import type { ByteString, Os } from "../../src/core/index.ts";
import { byteStringOfText, CHUNK_BYTES_MAX } from "../../src/core/index.ts";
import { seededRandom } from "./random.ts";
import { isRoot } from "./skip.ts";

const MINOR_SPAN = 2 ** 20;

/** `directory` must be empty. With the addon all of it, without it what plain Node can make. */
export function makeAssortedTree(os: Os, directory: ByteString, seed = 1): void {
  const random = seededRandom(seed);
  const at = (name: string): ByteString => `${directory}/${name}` as ByteString;
  const isWhole = os.source === "native";
  for (const name of ["folder", "folder/deep", "folder/deep/deeper", "empty folder", "links", "special", byteStringOfText("Größe ≠ 0")])
    os.makeDirectory(at(name));
  const file = (name: string, bytes: Buffer): void => writeFile(os, at(name), bytes);
  file("empty", Buffer.alloc(0));
  file("small", Buffer.from("a small file\n"));
  file("exactly a chunk", random.bytes(CHUNK_BYTES_MAX));
  file("over a chunk", random.bytes(CHUNK_BYTES_MAX + 1));
  file("large", random.bytes(3_000_001));
  file("folder/zeros", Buffer.alloc(200_000));
  file("folder/deep/deeper/leaf", Buffer.from("leaf"));
  file("not \xff\xfe UTF-8", Buffer.from("raw name"));
  file("line\nbreak", Buffer.from("odd name"));
  file(`${byteStringOfText("Größe ≠ 0")}/ß`, Buffer.from("text name"));
  file(`folder/${"n".repeat(255)}`, Buffer.from("longest name"));
  for (let i = 0; i < 40; i++) file(`folder/f${i}`, random.bytes(random.int(20_000)));
  makeSparse(os, at("sparse"), random.bytes(70_000));
  os.link(at("small"), at("links/of small"));
  os.link(at("small"), at("folder/deep/of small"));
  os.link(at("large"), at("links/of large"));
  os.symlink("../small" as ByteString, at("links/relative"));
  os.symlink("/nowhere/at all" as ByteString, at("links/dangling"));
  os.symlink(directory, at("links/to folder"));
  if (isWhole) {
    os.link(at("links/dangling"), at("links/second dangling"));
    os.makeSpecial(at("special/fifo"), "fifo", 0o622, 0);
    os.makeSpecial(at("special/socket"), "socket", 0o700, 0);
    os.setXattrs(at("folder/f1"), [{ name: "user.note" as ByteString, value: Buffer.from([0, 1, 255]) }]);
    os.setXattrs(at("empty folder"), [{ name: "user.empty" as ByteString, value: Buffer.alloc(0) }]);
  }
  if (isRoot) makeRootsOwn(os, at, isWhole);
  os.chmod(at("folder/f2"), 0o400);
  os.chmod(at("folder/f3"), 0o4755);
  os.chmod(at("folder/f4"), 0);
  os.chmod(at("empty folder"), 0o3775);
  os.chmod(at("folder/deep/deeper"), 0o555);
  setTimes(os, at, isWhole);
}

function makeRootsOwn(os: Os, at: (name: string) => ByteString, isWhole: boolean): void {
  os.chown(at("folder/f5"), 1234, 4321);
  os.chown(at("links/relative"), 1234, 4321);
  os.chown(at("folder/deep"), 65534, 65534);
  if (!isWhole) return;
  os.makeSpecial(at("special/null"), "character", 0o666, MINOR_SPAN + 3);
  os.makeSpecial(at("special/disk"), "block", 0o660, 7 * MINOR_SPAN + 200);
  os.setXattrs(at("folder/f6"), [{ name: "trusted.secret" as ByteString, value: Buffer.from("root's") }]);
  os.setXattrs(at("folder/f7"), [{ name: "security.capability" as ByteString, value: Buffer.from("0100000200040000000000000000000000000000", "hex") }]);
  os.setXattrs(at("folder/f8"), [{ name: "system.posix_acl_access" as ByteString, value: accessList(1234) }]);
  os.setXattrs(at("links"), [{ name: "system.posix_acl_default" as ByteString, value: accessList(4321) }]);
}

/** linux/posix_acl_xattr.h: version 2, then tag, permissions, id. Owner rw, one user r, group r, mask r, others none. */
function accessList(uid: number): Buffer {
  const entries: [tag: number, permissions: number, id: number][] = [
    [1, 6, 0xffffffff],
    [2, 4, uid],
    [4, 4, 0xffffffff],
    [16, 4, 0xffffffff],
    [32, 0, 0xffffffff],
  ];
  const list = Buffer.alloc(4 + entries.length * 8);
  list.writeUInt32LE(2, 0);
  entries.forEach(([tag, permissions, id], i) => {
    list.writeUInt16LE(tag, 4 + i * 8);
    list.writeUInt16LE(permissions, 6 + i * 8);
    list.writeUInt32LE(id, 8 + i * 8);
  });
  return list;
}

function writeFile(os: Os, path: ByteString, bytes: Buffer): void {
  const fd = os.openWrite(path, { exclusive: true, truncate: false });
  os.write(fd, bytes, 0);
  os.close(fd);
  os.chmod(path, 0o644);
}

/** Data in the middle, a hole before and after it, and 40 MiB in all. */
function makeSparse(os: Os, path: ByteString, bytes: Buffer): void {
  const fd = os.openWrite(path, { exclusive: true, truncate: false });
  os.write(fd, bytes, 16 << 20);
  os.truncate(fd, 40 << 20);
  os.close(fd);
}

/** Directories last and deepest first: what is made below one sets its time. */
function setTimes(os: Os, at: (name: string) => ByteString, isWhole: boolean): void {
  const nanos = isWhole ? 987_654_321 : 0; // Plain Node sets times through doubles.
  os.setTimes(at("small"), 1_234_567_890, nanos);
  os.setTimes(at("empty"), 0, isWhole ? 1 : 0);
  if (isWhole) os.setTimes(at("folder/f9"), -5, 999_999_999);
  os.setTimes(at("links/relative"), 1_111_111_111, nanos);
  for (const name of ["folder/deep/deeper", "folder/deep", "folder", "empty folder", "links", "special"]) os.setTimes(at(name), 1_500_000_000, nanos);
  os.setTimes(at("").slice(0, -1) as ByteString, 1_600_000_000, nanos);
}
