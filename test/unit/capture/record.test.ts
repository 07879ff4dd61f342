import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RECORD_KINDS, decodeRecord, encodeRecord, type CaptureSource, type SourceRecord } from "../../../src/capture/index.ts";
import type { ByteString } from "../../../src/core/index.ts";

const test = suite("capture record");

const written: SourceRecord = {
  kind: "written",
  sequence: 0x0102030405,
  monotonicNs: 7,
  deviceMajor: 8,
  deviceMinor: 1,
  inode: 42,
  target: 0,
  offset: 4096,
  dataBytes: 3,
  name: "" as ByteString,
  newName: "" as ByteString,
  data: Buffer.from("abc"),
};
const renamed: SourceRecord = {
  ...written,
  kind: "renamed",
  target: 43,
  offset: 0,
  dataBytes: 0,
  name: "a\xff" as ByteString,
  newName: "b" as ByteString,
  data: undefined,
};

/** Bytes as version 1 writes them for ever. */
const GOLDEN: readonly (readonly [SourceRecord, string])[] = [
  [
    written,
    "480000000101000005040302010000000700000000000000080000000100000" +
      "02a0000000000000000000000000000000010000000000000030000000000000061626300000000" +
      "00",
  ],
  [
    renamed,
    "480000000105000005040302010000000700000000000000080000000100000" +
      "02a000000000000002b000000000000000000000000000000000000000200010061ff6200000000" +
      "00",
  ],
];

test("records are written as version 1 has them, and read back", () => {
  for (const [record, hex] of GOLDEN) {
    assert.is(encodeRecord(record).toString("hex"), hex);
    assert.equal(decodeRecord(Buffer.from(hex, "hex")), { record, lengthBytes: hex.length / 2 });
  }
});

test("a record names the process that made the change where the source knows it", () => {
  const record: SourceRecord = { ...renamed, origin: { pid: 4711, name: "postgrés" } };
  const hex =
    "580000000205020005040302010000000700000000000000080000000100000" +
    "02a000000000000002b000000000000000000000000000000000000000200010061ff62" +
    "6712000009706f737467" +
    "72c3a9730000000000000000";
  assert.is(
    encodeRecord(record)
      .toString("hex")
      .replace(/(00)+$/, ""),
    hex.replace(/(00)+$/, ""),
  );
  assert.equal(decodeRecord(encodeRecord(record)).record, record);
  const both: SourceRecord = { ...written, origin: { pid: 1, name: "" } };
  assert.equal(decodeRecord(encodeRecord(both)).record, both);
  const bytes = encodeRecord(record);
  for (const [at, value] of [
    [4, 1],
    [67, 0],
    [71, 200],
  ] as const) {
    const spoilt = Buffer.from(bytes);
    spoilt[at] = value;
    if (at === 67) spoilt.fill(0, 67, 71);
    assert.throws(() => decodeRecord(spoilt), /cannot be read/, `byte ${at}`);
  }
});

test("a write without its data says so and is read back without", () => {
  const record: SourceRecord = { ...written, dataBytes: 5_000_000, data: undefined };
  const bytes = encodeRecord(record);
  assert.is(bytes.length, 64);
  assert.equal(decodeRecord(bytes).record, record);
});

test("every kind has its code", () => {
  RECORD_KINDS.forEach((kind, i) => assert.is(encodeRecord({ ...renamed, kind })[5], i + 1));
});

test("a stream of records is read one after the other", async () => {
  const stream = Buffer.concat([encodeRecord(written), encodeRecord(renamed)]);
  const source: CaptureSource = {
    promise: "crash-ordered",
    async *records() {
      for (let at = 0; at < stream.length;) {
        const { record, lengthBytes } = decodeRecord(stream.subarray(at));
        yield record;
        at += lengthBytes;
      }
    },
    close: () => Promise.resolve(),
  };
  const found: SourceRecord[] = [];
  for await (const record of source.records()) found.push(record);
  assert.equal(found, [written, renamed]);
});

test("anything that the table does not allow is refused", () => {
  const spoilt = (at: number, value: number): Buffer => {
    const bytes = encodeRecord(written);
    bytes[at] = value;
    return bytes;
  };
  for (const [at, value] of [
    [0, 0x40],
    [0, 0x49],
    [4, 0],
    [4, 3],
    [5, 0],
    [5, 9],
    [6, 2],
    [7, 1],
    [15, 0xff],
    [56, 200],
    [60, 255],
    [71, 1],
  ] as const)
    assert.throws(() => decodeRecord(spoilt(at, value)), /cannot be read/, `byte ${at}`);
  for (let length = 0; length < 72; length++) assert.throws(() => decodeRecord(encodeRecord(written).subarray(0, length)), /cannot be read/);
});

test.run();
