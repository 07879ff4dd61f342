/** Packed content, against Node's own compressors and cut at any byte. */
import { deflateRawSync, constants } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeLz4Block, InflateUnpacker } from "../../../src/rsync/unpack/index.ts";
import type { Unpacker } from "../../../src/rsync/unpack/index.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { seededRandom } from "../../support/random.ts";
import type { SeededRandom } from "../../support/random.ts";

const test = suite("rsync: packed content");

function drained(unpacker: Unpacker): Buffer {
  const pieces: Buffer[] = [];
  for (let piece = unpacker.next(); piece !== undefined; piece = unpacker.next()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** Bytes of every kind: zeros, text, noise, repeats from near and far. */
function content(random: SeededRandom, sizeBytes: number): Buffer {
  const parts: Buffer[] = [];
  let done = 0;
  while (done < sizeBytes) {
    const count = 1 + random.int(random.pick([10, 500, 40_000]));
    const all = Buffer.concat(parts.slice(-8));
    const from = random.int(Math.max(1, all.length));
    const repeat = all.subarray(from, from + count);
    const part = random.pick([
      Buffer.alloc(count),
      random.bytes(count),
      Buffer.from("the quick brown fox ".repeat(count / 20 + 1)).subarray(0, count),
      repeat.length > 0 ? repeat : Buffer.from("x"),
    ]);
    parts.push(part);
    done += part.length;
  }
  return Buffer.concat(parts).subarray(0, sizeBytes);
}

/** What a sender makes of it: a flush without its end. */
function packed(plain: Buffer, random: SeededRandom): Buffer {
  const level = random.int(10);
  const strategy = random.pick([constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE]);
  const all = deflateRawSync(plain, { level, strategy, finishFlush: constants.Z_SYNC_FLUSH });
  assert.equal(all.subarray(-4), Buffer.from([0, 0, 255, 255]));
  return all.subarray(0, -4);
}

test("deflate is unpacked as Node packs it, in chunks of any size", () => {
  const random = seededRandom(campaignSeed());
  const unpacker = new InflateUnpacker({ needsCopies: false, repeatsLongCopies: false });
  for (let round = 0; round < scale(600); round++) {
    const plain = content(random, 1 + random.int(random.pick([100, 5000, 200_000])));
    const bytes = packed(plain, random);
    unpacker.begin();
    const out: Buffer[] = [];
    const chunkBytes = random.pick([1, 7, 100, 16_383]);
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      unpacker.feed(bytes.subarray(at, at + chunkBytes));
      out.push(drained(unpacker));
    }
    unpacker.sync();
    out.push(drained(unpacker));
    assert.ok(Buffer.concat(out).equals(plain), `round ${round}`);
  }
});

test("bytes that never were deflated are refused or decoded, never more", () => {
  const random = seededRandom(campaignSeed());
  let refused = 0;
  for (let round = 0; round < scale(60_000); round++) {
    const unpacker = new InflateUnpacker({ needsCopies: false, repeatsLongCopies: false });
    const bytes = random.chance(0.5) ? random.bytes(1 + random.int(200)) : packed(content(random, 300), random);
    bytes[random.int(bytes.length)] = random.int(256);
    try {
      unpacker.begin();
      unpacker.feed(bytes);
      assert.ok(drained(unpacker).length <= 258 * 8 * bytes.length);
      unpacker.sync();
      drained(unpacker);
    } catch (error) {
      assert.match((error as Error).message, /broke the protocol: packed bytes/, String((error as Error).stack));
      refused++;
    }
  }
  assert.ok(refused > 0);
});

test("LZ4 blocks of the format's description are unpacked, and bad ones refused", () => {
  const plain = Buffer.alloc(1000);
  const decode = (hex: string): string => plain.toString("latin1", 0, decodeLz4Block(Buffer.from(hex.replaceAll(" ", ""), "hex"), plain));
  assert.is(decode("50 68656c6c6f"), "hello");
  assert.is(decode("14 61 0100 50 6263646566"), `a${"a".repeat(8)}bcdef`);
  assert.is(decode("1f 61 0100 05 50 6263646566"), `a${"a".repeat(24)}bcdef`);
  assert.is(decode("32 616263 0300 50 7a7a7a7a7a"), "abcabcabczzzzz");
  for (const hex of ["", "50 6868", "10 61 0000 00", "10 61 0200 00", "10 61 01", "1f 61 0100 ff ff ff ff 00", "f0 ff"])
    assert.throws(() => decode(hex), /broke the protocol: a packed chunk \(lz4\)/, hex);
});

test("random bytes as LZ4 stay inside their buffer", () => {
  const random = seededRandom(campaignSeed());
  const plain = Buffer.alloc(4096);
  for (let round = 0; round < scale(500_000); round++) {
    const block = random.bytes(random.int(40));
    try {
      assert.ok(decodeLz4Block(block, plain) <= plain.length);
    } catch (error) {
      assert.match((error as Error).message, /lz4/);
    }
  }
});

test.run();
