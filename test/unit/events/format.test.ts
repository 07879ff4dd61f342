/** FORMAT.md says what the constants say. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { STORE_MAGIC, STORE_OFFSETS, STORE_RECORD_BYTES, STREAM_OFFSETS, STREAM_RECORD_BYTES } from "../../../src/events/lmdb/keys.ts";
import { ROW_HEADER_BYTES, ROW_MAGIC, ROW_OFFSETS } from "../../../src/events/lmdb/row.ts";
import { encodeReference, PackedEvents } from "../../../src/events/kurrent/frame.ts";
import { READERS } from "../../../src/events/codec-binary.ts";

const test = suite("FORMAT.md of events");
const text = readFileSync(new URL("../../../src/events/FORMAT.md", import.meta.url), "utf8");

/** The rows of the table under a heading, as cells. */
function tableUnder(heading: string): string[][] {
  const section = text.split(`\n${heading}\n`)[1]?.split(/\n#+ /)[0] ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function checkOffsets(heading: string, offsets: Readonly<Record<string, number>>, byteCount: number): void {
  const rows = tableUnder(heading).filter((row) => row[3] !== "body");
  assert.equal(Object.fromEntries(rows.map((row) => [row[3], Number(row[0])])), offsets, heading);
  let end = 0;
  for (const [offset, size, , field] of rows) {
    assert.is(Number(offset), end, `${field} follows the field before it`);
    end += Number(size);
  }
  assert.is(end, byteCount, `${heading} has ${byteCount} bytes`);
}

test("the frames of a server's events are where the tables say", () => {
  const packed = new PackedEvents([{ id: Buffer.alloc(16), type: "T", data: Buffer.from("data"), metadata: Buffer.from("meta!") }]);
  assert.is(packed.frame(0).toString("hex"), `01${"05000000"}${Buffer.from("meta!data").toString("hex")}`);
  const reference = { firstPart: 0x01020304, partCount: 5, offset: 0x060708, metadataBytes: 0x090a0b, dataBytes: 0x0c0d0e };
  assert.is(encodeReference(reference).toString("hex"), "02040302010508070" + "60b0a090e0d0c");
  const rows = tableUnder("### Reference frame").map((row) => [Number(row[0]), Number(row[1])]);
  assert.equal(rows, [
    [0, 1],
    [1, 4],
    [5, 1],
    [6, 3],
    [9, 3],
    [12, 3],
  ]);
  assert.is(tableUnder("### Inline frame").at(-1)?.[0], "5");
});

test("the tables have the fields, offsets and sizes of the constants, without a hole", () => {
  checkOffsets("### Row", ROW_OFFSETS, ROW_HEADER_BYTES);
  checkOffsets("### Stream record", STREAM_OFFSETS, STREAM_RECORD_BYTES);
  checkOffsets("### Store record", STORE_OFFSETS, STORE_RECORD_BYTES);
});

test("the magics spell what the tables say", () => {
  for (const [heading, magic] of [
    ["### Row", ROW_MAGIC],
    ["### Store record", STORE_MAGIC],
  ] as const) {
    const rule = tableUnder(heading).find((row) => row[3] === "magic")?.[4];
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(magic);
    assert.is(rule, `0x${magic.toString(16)}, "${bytes.toString("latin1")}"`);
  }
});

test("every binary type is listed once, in its newest version", () => {
  assert.equal(
    tableUnder("## Binary events").map((row) => row[0]),
    Object.keys(READERS),
  );
  assert.ok(Object.values(READERS).every((versions) => versions.length === 1));
});

test.run();
