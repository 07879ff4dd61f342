/** The checksums of the rsync protocol against values of other programs: the xxHash library's, RFC 1320's, and Node's own. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openXxh3 } from "../../../src/app/os/index.ts";
import { Md4 } from "../../../src/rsync/digests/index.ts";
import { openDigests } from "../../../src/rsync/index.ts";
import type { RunningDigest } from "../../../src/rsync/index.ts";
import { seededRandom } from "../../support/random.ts";
import { skipped } from "../../support/skip.ts";

type Row = readonly [seed: number, size: number, xxh3: string, xxh128: string, xxh64: string];
const rows = JSON.parse(readFileSync(join(import.meta.dirname, "xxh3.json"), "utf8")) as Row[];
const content = Buffer.from(Array.from({ length: 10_000 }, (_, i) => (i * 167 + (i >> 8) * 13 + 5) & 255));
const plain = await openDigests();
const startNative = openXxh3();

/** The wire has each word little-endian and the low one first: the reverse of how people write it. */
const wire = (hex: string): string => Buffer.from(hex, "hex").reverse().toString("hex");

const test = suite("rsync: digests");

for (const [name, digests] of [
  ["in TypeScript", plain],
  ["in the addon", startNative === undefined ? undefined : await openDigests(startNative)],
] as const)
  test(`XXH3 ${name} gives the library's values, with and without seed`, () => {
    if (digests === undefined) return skipped("rsync: XXH3 in the addon", "there is no addon");
    for (const [seed, size, xxh3, xxh128, xxh64] of rows) {
      const of = (algorithm: "xxh3" | "xxh128" | "xxh64"): string => digests.ofBlock(algorithm, { seed, isBeforeContent: true }, content.subarray(0, size)).toString("hex");
      assert.equal([of("xxh3"), of("xxh128"), of("xxh64")], [wire(xxh3), wire(xxh128), wire(xxh64)], `${size} bytes, seed ${seed}`);
    }
  });

test("it makes no difference in how many parts the bytes come", async () => {
  const random = seededRandom(3);
  for (const digests of [plain, ...(startNative === undefined ? [] : [await openDigests(startNative)])])
    for (const name of ["xxh128", "xxh3", "xxh64", "md5", "md4", "sha1", "md4-seeded"] as const)
      for (let round = 0; round < 60; round++) {
        const bytes = random.bytes(random.int(5000));
        const parts = digests.ofFile(name, 9);
        for (let at = 0; at < bytes.length;) {
          const end = at + 1 + random.int(random.pick([3, 70, 300, 2000]));
          parts.update(bytes.subarray(at, end));
          at = end;
        }
        const whole = digests.ofFile(name, 9);
        whole.update(bytes);
        assert.equal(parts.digest(), whole.digest(), `${name}, ${bytes.length} bytes`);
      }
});

test("MD4 is that of RFC 1320, A.5", () => {
  const cases = {
    "": "31d6cfe0d16ae931b73c59d7e0c089c0",
    a: "bde52cb31de33e46245e05fbdbd6fb24",
    abc: "a448017aaf21d8525fc10ae87aa6729d",
    "message digest": "d9130a8164549fe818874806e1c7014b",
    abcdefghijklmnopqrstuvwxyz: "d79e1c308aa5bbcdeea8ed63df412da9",
    ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789: "043f8582f241db351ce627e153e7f0e4",
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890": "e33b4ddc9c38f2199c3e7b164fcc0536",
  };
  for (const [text, digest] of Object.entries(cases)) assert.is(new Md4().update(Buffer.from(text)).digest().toString("hex"), digest, text);
});

test("seeds stand where the protocol has them, and a seed of 0 nowhere but in the oldest digest", () => {
  const block = Buffer.from("block");
  const seed = Buffer.from([5, 0, 0, 0]);
  const ended = (digest: RunningDigest, ...parts: readonly Buffer[]): Buffer => {
    for (const part of parts) digest.update(part);
    return digest.digest();
  };
  const of = (name: "md5" | "sha1" | "md4", isBeforeContent: boolean, value = 5): Buffer => plain.ofBlock(name, { seed: value, isBeforeContent }, block);
  assert.equal(of("md5", true), ended(createHash("md5"), seed, block));
  assert.equal(of("md5", false), ended(createHash("md5"), block, seed));
  assert.equal(of("md5", false, 0), ended(createHash("md5"), block));
  assert.equal(of("sha1", false), ended(createHash("sha1"), seed, block));
  assert.equal(of("md4", true), ended(new Md4(), block, seed));
  assert.equal(ended(plain.ofFile("md4-seeded", 5), block), ended(new Md4(), seed, block));
  assert.equal(ended(plain.ofFile("md4", 5), block), ended(new Md4(), block));
});

test.run();
