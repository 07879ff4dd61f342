/** Entries of every protocol's layout, and the order that both sides must agree on. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WANTED } from "../../../src/rsync/agreement.ts";
import type { Agreement, Wanted } from "../../../src/rsync/agreement.ts";
import { Cursor, SHORT } from "../../../src/rsync/cursor.ts";
import type { Entry } from "../../../src/rsync/entry.ts";
import { EntryReader, FLAG } from "../../../src/rsync/entry-reader.ts";
import { LIMITS } from "../../../src/rsync/limits.ts";
import { sortEntries, sortKey } from "../../../src/rsync/list-order.ts";
import type { ByteString } from "../../../src/core/index.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { seededRandom } from "../../support/random.ts";
import type { SeededRandom } from "../../support/random.ts";
import { WireWriter, writeEntry, writeListEnd } from "../../support/rsync-wire.ts";
import type { EntryStyle, WireEntry } from "../../support/rsync-wire.ts";

const STYLES: readonly EntryStyle[] = [27, 28, 29, 30, 31, 32].flatMap((protocol) =>
  (protocol >= 30 ? [true, false] : [false]).flatMap((hasVarintFlags) =>
    [true, false].map((isRich) => ({ protocol, hasVarintFlags, owners: isRich, devices: isRich })),
  ),
);

function readerFor(style: EntryStyle): EntryReader {
  const compat = style.hasVarintFlags ? 510 : 0;
  const agreement: Agreement = { protocol: style.protocol, compat, isIncremental: false, digest: "md5", compressor: undefined, seed: 0 };
  const wanted: Wanted = { ...WANTED, module: "m", owners: style.owners, groups: style.owners, devices: style.devices, hardLinks: true };
  return new EntryReader(agreement, wanted, LIMITS, { users: new Map(), groups: new Map() });
}

function randomEntry(random: SeededRandom, protocol: number): WireEntry {
  const kind = random.pick([0o10, 0o10, 0o10, 4, 0o12, 1, 2, 6, 0o14]);
  const name = random
    .bytes(1 + random.int(random.chance(0.1) ? 900 : 20))
    .toString("latin1")
    .replace(/[/\0.]/g, "_");
  const mtimeSeconds = protocol >= 30 ? random.int(2 ** 33) - 2 ** 32 : random.int(2 ** 32);
  return {
    path: random.chance(0.3) ? `${name}/${name.slice(0, 9)}x` : name,
    mode: (kind << 12) | random.int(0o10000),
    sizeBytes: Math.floor(random.next() * 2 ** random.int(50)),
    mtimeSeconds,
    uid: random.int(2 ** 32),
    gid: random.int(2 ** 31),
    rdev: [random.int(4096), random.int(2 ** 20)],
    ...(protocol >= 31 && random.chance(0.5) ? { mtimeNanos: random.int(1_000_000_000) } : {}),
    ...(kind === 0o12
      ? {
          linkTarget: random
            .bytes(1 + random.int(300))
            .toString("latin1")
            .replaceAll("\0", "_"),
        }
      : {}),
    ...(kind === 0o10 && (protocol === 27 || (protocol < 30 && random.chance(0.3))) ? { hardLink: [random.int(99), random.int(2 ** 40)] as const } : {}),
    ...(kind === 0o10 && protocol >= 30 && random.chance(0.3) ? { hardLink: "first" as const } : {}),
  };
}

function check(entry: Entry, wire: WireEntry, style: EntryStyle): void {
  const type = wire.mode >> 12;
  const isDevice = type === 2 || type === 6;
  const hasNoSize = isDevice || type === 1 || type === 0o14;
  const expected = {
    path: wire.path,
    mode: wire.mode & 0o7777,
    sizeBytes: hasNoSize ? 0 : wire.sizeBytes,
    mtimeSeconds: wire.mtimeSeconds,
    mtimeNanos: wire.mtimeNanos ?? 0,
    uid: style.owners ? wire.uid : 0,
    gid: style.owners ? wire.gid : 0,
    rdev: style.devices && isDevice ? wire.rdev : [0, 0],
    linkTarget: wire.linkTarget,
  };
  const { path, mode, sizeBytes, mtimeSeconds, mtimeNanos, uid, gid, rdevMajor, rdevMinor, linkTarget } = entry;
  assert.equal({ path, mode, sizeBytes, mtimeSeconds, mtimeNanos, uid, gid, rdev: [rdevMajor, rdevMinor], linkTarget }, expected);
  assert.is(entry.hardLink === undefined, wire.hardLink === undefined);
  if (typeof wire.hardLink === "object") assert.is(entry.hardLink?.group, wire.hardLink.join(":"));
}

/** Reads with fewer and fewer bytes missing, as they come over the wire: nothing may be remembered of a reading that failed. */
function readInParts(
  reader: EntryReader,
  bytes: Buffer,
  list: { readonly startIndex: number; readonly entries: readonly Entry[] },
): { readonly value: ReturnType<EntryReader["read"]>; readonly usedBytes: number } {
  const cursor = new Cursor();
  for (let end = 0; ; end = SHORT.needBytes) {
    assert.ok(end <= bytes.length, "it asks for no more bytes than there are");
    cursor.set(bytes, 0, end);
    try {
      return { value: reader.read(cursor, list), usedBytes: cursor.readBytes };
    } catch (error) {
      if (error !== SHORT) throw error;
    }
  }
}

const test = suite("rsync: file lists");

for (const style of STYLES) {
  const name = `protocol ${style.protocol}${style.hasVarintFlags ? ", packed flags" : ""}${style.owners ? ", with owners and devices" : ""}`;
  test(`${name}: what a sender writes is read, also in the smallest parts`, () => {
    const random = seededRandom(campaignSeed());
    const reader = readerFor(style);
    const entries: Entry[] = [];
    for (let i = 0; i < scale(20_000); i++) {
      const wire = randomEntry(random, style.protocol);
      const out = new WireWriter();
      writeEntry(out, wire, style);
      const bytes = out.copy();
      const { value, usedBytes } = readInParts(reader, bytes, { startIndex: 0, entries });
      assert.is(usedBytes, bytes.length);
      assert.not("end" in value);
      check(value as Entry, wire, style);
      entries.push(value as Entry);
    }
    const end = new WireWriter();
    writeListEnd(end, style, 5);
    assert.equal(readInParts(reader, end.copy(), { startIndex: 0, entries }).value, { end: true, ioError: style.hasVarintFlags ? 5 : 0 });
  });
}

test("what is the same as before is told by flags alone", () => {
  const style = { protocol: 32, hasVarintFlags: true, owners: true, devices: false };
  const reader = readerFor(style);
  const list = { startIndex: 0, entries: [] };
  const first = new WireWriter();
  writeEntry(first, { path: "folder/one", mode: 0o100600, sizeBytes: 1, mtimeSeconds: -7, mtimeNanos: 5, uid: 11, gid: 12 }, style);
  readInParts(reader, first.copy(), list);
  const second = new WireWriter();
  second.packed(FLAG.sharedPrefix | FLAG.sameMode | FLAG.sameTime | FLAG.sameUid | FLAG.sameGid);
  second.bytes(Buffer.from([7, 3]));
  second.bytes(Buffer.from("two"));
  second.long(9, 3);
  const { value } = readInParts(reader, second.copy(), list);
  const { path, mode, sizeBytes, mtimeSeconds, mtimeNanos, uid, gid } = value as Entry;
  assert.equal([path, mode, sizeBytes, mtimeSeconds, mtimeNanos, uid, gid], ["folder/two", 0o600, 9, -7, 0, 11, 12]);
});

test("a later name of a hard-linked file is a copy of the first one of its list, or stands by itself", () => {
  const style = { protocol: 32, hasVarintFlags: true, owners: false, devices: false };
  const reader = readerFor(style);
  const out = new WireWriter();
  writeEntry(out, { path: "one", mode: 0o100640, sizeBytes: 1234, mtimeSeconds: 99, hardLink: "first" }, style);
  const one = readInParts(reader, out.copy(), { startIndex: 10, entries: [] }).value as Entry;
  assert.equal(one.hardLink, { group: 10, isFirst: true });
  const same = new WireWriter();
  same.packed(FLAG.hardLinked);
  same.u8(3);
  same.bytes(Buffer.from("two"));
  same.packed(10);
  const two = readInParts(reader, same.copy(), { startIndex: 10, entries: [one] }).value as Entry;
  assert.equal([two.path, two.sizeBytes, two.mode, two.mtimeSeconds, two.hardLink], ["two", 1234, 0o640, 99, { group: 10, isFirst: false }]);
  const later = new WireWriter();
  writeEntry(later, { path: "far", mode: 0o100640, sizeBytes: 1234, mtimeSeconds: 99, hardLink: 10 }, style);
  const far = readInParts(reader, later.copy(), { startIndex: 20, entries: [] }).value as Entry;
  assert.equal([far.path, far.sizeBytes, far.hardLink], ["far", 1234, { group: 10, isFirst: false }]);
});

test("from protocol 29 on files come before folders, and a folder before its content", () => {
  // "a-b/" comes before "a/", as "-" comes before the slash that ends a folder's name.
  const expected = [".", "a-b.txt", "b", "z", "a-b/", "a-b/x", "a.b/", "a/", "a/c", "a/b/", "a/b/x", "foo/", "foo/x"];
  const keyOf = (name: string): string => sortKey(name.replace(/\/$/, "") as ByteString, name.endsWith("/"), 29);
  assert.equal(
    expected.toReversed().sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)),
    expected,
  );
});

test("before protocol 29 whole names are compared, byte by byte", () => {
  const entries = ["b", "a/x", ".", "a", "a-", "\xff", "Z"].map((path) => ({ path, kind: path === "a" ? "directory" : "file" }) as Entry);
  assert.equal(
    sortEntries(entries, 28).entries.map((entry) => entry?.path),
    [".", "Z", "a", "a-", "a/x", "b", "\xff"],
  );
});

test.run();
