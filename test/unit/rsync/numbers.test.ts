/** Numbers and indexes, as they are written and as they are read. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Cursor, IndexReader, SHORT } from "../../../src/rsync/cursor.ts";
import { Outbox } from "../../../src/rsync/writer.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { seededRandom } from "../../support/random.ts";
import { IndexWriter, WireWriter } from "../../support/rsync-wire.ts";

function cursorOn(bytes: Buffer): Cursor {
  const cursor = new Cursor();
  cursor.set(bytes, 0, bytes.length);
  return cursor;
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const test = suite("rsync: numbers");

test("varints are those of the protocol's table", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["00", 0],
    ["7f", 0x7f],
    ["8080", 0x80],
    ["bfff", 0x3fff],
    ["c00040", 0x4000],
    ["e0 563412", 0x123456],
    ["f0 00000080", -0x80000000],
    ["f0 ffffffff", -1],
    ["81fe", 0x1fe],
  ];
  for (const [bytes, value] of cases) assert.is(cursorOn(hex(bytes)).varint(), value, bytes);
  assert.throws(() => cursorOn(hex("f8 0000000000")).varint(), /more than 5 bytes/);
});

test("long numbers keep their sign, and what is beyond 2^53 is refused", () => {
  assert.is(cursorOn(hex("f8 01ffffffffffffff")).varlong(4), -255);
  assert.throws(() => cursorOn(hex("f8 0000000000000020")).varlong(4), /beyond 2\^53/);
  assert.throws(() => cursorOn(hex("f8 0000000000000000")).varlong(5), /more than 9 bytes/);
  assert.is(cursorOn(hex("ffffffff 0000000001000000")).longint(), 2 ** 32);
  assert.is(cursorOn(hex("feffffff")).longint(), -2);
});

test("what a writer writes is read again, and no byte less will do", () => {
  const random = seededRandom(campaignSeed());
  for (let i = 0; i < scale(100_000); i++) {
    const magnitude = 2 ** random.int(53);
    const value = Math.floor(random.next() * magnitude) * (random.chance(0.3) ? -1 : 1);
    const small = value | 0;
    const out = new WireWriter();
    out.packed(small).long(value, 3).long(value, 4).longint(value).i32(small);
    const bytes = out.copy();
    const cursor = cursorOn(bytes);
    assert.equal([cursor.varint(), cursor.varlong(3), cursor.varlong(4), cursor.longint(), cursor.i32()], [small, value, value, value, small]);
    assert.is(cursor.readBytes, bytes.length);
    const cut = cursorOn(bytes.subarray(0, bytes.length - 1));
    let thrown: unknown;
    try {
      cut.varint();
      cut.varlong(3);
      cut.varlong(4);
      cut.longint();
      cut.i32();
    } catch (error) {
      thrown = error;
    }
    assert.ok(thrown === SHORT && SHORT.needBytes === bytes.length);
  }
});

test("indexes are written and read as differences, in both directions", () => {
  const random = seededRandom(campaignSeed());
  const [writer, reader] = [new IndexWriter(), new IndexReader()];
  const [outbox, ownReader] = [new Outbox(), new IndexReader()];
  let value = 0;
  for (let i = 0; i < scale(100_000); i++) {
    const span = random.pick([10, 300, 40_000, 2 ** 31 - 1]);
    value = random.chance(0.1)
      ? -1
      : random.chance(0.2)
        ? -2 - random.int(span)
        : Math.min(2 ** 31 - 1, random.chance(0.5) ? Math.abs(value) + random.int(span) : random.int(span));
    const out = new WireWriter();
    writer.write(out, value, 32);
    assert.is(reader.read(cursorOn(out.copy())), value);
    if (value < -1) continue;
    outbox.index(value, 32);
    assert.is(ownReader.read(cursorOn(Buffer.concat(outbox.take()))), value);
  }
});

test("frames hold at most what a server takes at once, and long bytes are not copied", () => {
  const outbox = new Outbox();
  outbox.beginFrames();
  outbox.u8(7);
  const long = Buffer.alloc(100_000, 5);
  outbox.bytes(long);
  outbox.emptyFrame(0);
  const parts = outbox.take();
  const all = Buffer.concat(parts);
  let at = 0;
  let data = 0;
  for (; at < all.length; at += 4 + (all.readUInt32LE(at) & 0xffffff)) {
    assert.is(all[at + 3], 7);
    assert.ok((all.readUInt32LE(at) & 0xffffff) <= 0x7fff);
    data += all.readUInt32LE(at) & 0xffffff;
  }
  assert.equal([at, data], [all.length, 100_001]);
  assert.ok(parts.some((part) => part.buffer === long.buffer));
});

test.run();
