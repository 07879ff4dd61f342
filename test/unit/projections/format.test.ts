/** FORMAT.md and the constants of the code say the same; bytes once written are read for ever. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ByteReader, ByteWriter, nodeIdOf } from "../../../src/core/index.ts";
import type { ByteString, Epoch, NodeId } from "../../../src/core/index.ts";
import { overwrite, readRecord, writeRecord } from "../../../src/projections/blob-record/index.ts";
import type { RegionRecord } from "../../../src/projections/blob-record/index.ts";
import { hashOfKey } from "../../../src/projections/dig-tree/key-filter.ts";
import { nameKey, PREFIX, regionKey } from "../../../src/projections/dig-tree/keys.ts";
import { decodeBracket, decodeNameValue, decodeNode, encodeBracket, encodeNode, writeNameValue } from "../../../src/projections/dig-tree/values.ts";
import { decodeSums, encodeSums, ROW } from "../../../src/projections/file-list/rows.ts";
import type { NameValue, StoredNode } from "../../../src/projections/dig-tree/values.ts";
import { REPOSITORY } from "../../runner/workspace.ts";
import { seededRandom } from "../../support/random.ts";

const test = suite("format of the tree's keys and values");
const text = readFileSync(join(REPOSITORY, "src/projections/FORMAT.md"), "utf8");
const NODE: NodeId = nodeIdOf(3 as Epoch, 7);

function encoded(record: RegionRecord): Buffer {
  const writer = new ByteWriter();
  writeRecord(writer, record);
  return writer.copy();
}

function nameValueBytes(name: ByteString, value: NameValue): Buffer {
  const writer = new ByteWriter();
  writeNameValue(writer, name, value);
  return writer.copy();
}

function decoded(bytes: Buffer): RegionRecord {
  return readRecord(new ByteReader(bytes, (why) => new Error(why)));
}

test("every prefix stands in its table of keys, and no other", () => {
  const [ofTree, ofMemory] = text.split("\n## What a mirror remembers\n");
  const rowsOf = (part: string): unknown => [...part.matchAll(/^\| (0x[0-9a-f]{2}) +\| (\w+) /gm)].map(([, byte, name]) => [name, Number(byte)]);
  assert.equal(rowsOf(ofTree!), Object.entries(PREFIX));
  assert.equal(rowsOf(ofMemory!), Object.entries(ROW));
});

test("a mirrored file's node, and the sums that are remembered of it, are these bytes", () => {
  const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: -3, mtimeNanos: 4, btimeSeconds: 0, btimeNanos: 0, xattrs: [] };
  const plain = {
    node: NODE,
    kind: "file",
    attributes,
    sizeBytes: 300,
    linkTarget: "" as ByteString,
    rdev: 0,
    names: [{ parent: NODE, name: "a" as ByteString }],
  } as const;
  const mirrored = { digest: { name: "md5", bytes: Buffer.from("0102", "hex") }, place: { version: "v\xff", etag: "e" } };
  const node: StoredNode = { ...plain, unsettled: false, hidden: false, pristine: false, mirrored };
  assert.is(encodeNode(node).toString("hex"), "0201a4030000050400000 0ac02010307016 1036d6435020102020165 0276ff".replaceAll(" ", ""));
  assert.equal(decodeNode(NODE, encodeNode(node)), node);
  const bare: StoredNode = { ...node, mirrored: { digest: undefined, place: { version: undefined, etag: "" } } };
  assert.equal(decodeNode(NODE, encodeNode(bare)), bare);
  const stamp = { sizeBytes: 300, mtimeSeconds: -3, mtimeNanos: 4 };
  const sums = { digest: "md5", seed: -1, blockBytes: 700, remainderBytes: 5, strongBytes: 2, blockCount: 2, sums: Buffer.alloc(12, 9), offsets: [0, 900] };
  const row = { path: "a/\xff" as ByteString, stamp, sums };
  assert.is(encodeSums(row).toString("hex"), `03612fffac020504036d643501bc050502020100840${"7"}${"09".repeat(12)}`);
  assert.equal(decodeSums(encodeSums(row)), row);
  for (let length = 0; length < encodeSums(row).length; length++) assert.throws(() => decodeSums(encodeSums(row).subarray(0, length)), /damaged/);
});

test("the values written by version 1 are these bytes", () => {
  const node: StoredNode = {
    node: NODE,
    kind: "file",
    attributes: {
      mode: 0o644,
      uid: 1,
      gid: 2,
      mtimeSeconds: -3,
      mtimeNanos: 4,
      btimeSeconds: 5,
      btimeNanos: 6,
      xattrs: [{ name: "u" as ByteString, value: Buffer.from("v") }],
    },
    sizeBytes: 300,
    linkTarget: "" as ByteString,
    rdev: 0,
    names: [{ parent: NODE, name: "a\xff" as ByteString }],
    unsettled: true,
    hidden: false,
    pristine: false,
  };
  assert.is(encodeNode(node).toString("hex"), "0111a403010205040a060101750176ac020103070261ff");
  assert.equal(decodeNode(NODE, encodeNode(node)), node);
  assert.is(nameValueBytes("a" as ByteString, { node: NODE, kind: "directory", hidden: true }).toString("hex"), "0a0307");
  assert.is(encodeBracket({ sizeBytes: 9, attributes: undefined, linkTarget: "" as ByteString }).toString("hex"), "010900");
  assert.equal(decodeBracket(encodeBracket({ sizeBytes: 9, attributes: node.attributes, linkTarget: "x" as ByteString })).attributes, node.attributes);
  assert.is(nameKey(NODE, "a" as ByteString).toString("hex"), "10000000030000000761");
  assert.is(regionKey(PREFIX.region, NODE, 2 ** 32 + 1).toString("hex"), "3000000003000000070100000001");
  assert.equal(hashOfKey(Buffer.from("a")), { first: 0xe40c292c, second: hashOfKey(Buffer.from("a")).second });
});

test("a name that is too long for a key keeps its whole in the value", () => {
  const name = `/${"long/".repeat(200)}end` as ByteString;
  assert.ok(nameKey(0 as NodeId, name).length <= 300);
  const value = { node: NODE, kind: "directory" as const, hidden: false };
  assert.equal(decodeNameValue("" as ByteString, nameValueBytes(name, value)), { name, value });
});

test("a region of sixteen whole chunks that follow one another takes 40 bytes at most", () => {
  const record = Array.from({ length: 16 }, (_, i) => [i * 65_536, 65_536, 5_000_000 + i, 0]).flat();
  assert.ok(encoded(record).length <= 40, `${encoded(record).length} bytes`);
  assert.equal(decoded(encoded(record)), record);
});

test("a region of 256 scattered blocks takes 2 KiB at most", () => {
  const random = seededRandom(1);
  const record = Array.from({ length: 256 }, (_, i) => [i * 4096, 4096, 1 + random.int(2 ** 31), random.int(16) * 4096]).flat();
  assert.ok(encoded(record).length <= 2048, `${encoded(record).length} bytes`);
  assert.equal(decoded(encoded(record)), record);
});

test("a record of any bytes is what was written", () => {
  const random = seededRandom(2);
  for (let round = 0; round < 300; round++) {
    let record: RegionRecord = [];
    const unit = random.pick([1, 3, 512, 4096]);
    for (let i = 0; i < random.int(40); i++) {
      const from = random.int((1 << 20) / unit - 20) * unit;
      const chunk = random.chance(0.1) ? 0 : 1 + random.int(random.pick([5, 2 ** 20, 2 ** 31]));
      record = overwrite(record, from, from + (1 + random.int(15)) * unit, chunk, random.int(3) * unit, () => undefined);
    }
    assert.equal(decoded(encoded(record)), record);
  }
});

test("bytes that are no record are refused", () => {
  const good = encoded([0, 4096, 7, 0, 8192, 4096, 9, 4096]);
  for (let length = 0; length < good.length; length++) assert.throws(() => decoded(good.subarray(0, length)));
  assert.throws(() => decoded(Buffer.concat([good, Buffer.from([0])])), /follow the end/);
  assert.throws(() => decoded(Buffer.from([9, 0])), /unknown version/);
  assert.throws(() => decoded(Buffer.from([3, 1, 0x0a, 0])), /out of range/);
});

test.run();
