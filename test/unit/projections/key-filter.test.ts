import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FilterPack, hashOfKey, KeyFilter } from "../../../src/projections/dig-tree/key-filter.ts";
import type { KeyHash } from "../../../src/projections/dig-tree/key-filter.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { seededRandom } from "../../support/random.ts";

const test = suite("filters of keys");
const random = seededRandom(campaignSeed());
const HASH_LIMIT = 2 ** 32;

/** FORMAT.md "Filter". */
function hasByFormat(bits: Uint8Array, { first, second }: KeyHash): boolean {
  for (let i = 0; i < 7; i++) {
    const bit = (first + i * second) % (bits.length * 8);
    if ((bits[Math.floor(bit / 8)]! & (1 << (bit % 8))) === 0) return false;
  }
  return true;
}

test("a pack of filters answers for each of them as the format says", () => {
  for (let round = 0; round < scale(100); round++) {
    const filters = Array.from({ length: 1 + random.int(20) }, () => {
      const filter = new KeyFilter(random.int(random.int(20_000) + 1));
      for (let i = 0; i < filter.bits.length / 2; i++) filter.bits[random.int(filter.bits.length)]! |= 1 << random.int(8);
      return filter;
    });
    const pack = new FilterPack();
    for (const filter of filters) pack.push(filter.bits);
    for (let i = 0; i < 200; i++) {
      const count = random.pick(filters).bits.length * 8;
      const edge = Math.min(HASH_LIMIT - 1, Math.max(0, count * random.int(Math.floor(HASH_LIMIT / count) + 1) + random.int(3) - 1));
      const hash = { first: i % 3 === 0 ? edge : random.int(HASH_LIMIT), second: i % 5 === 0 ? edge : random.int(HASH_LIMIT) };
      const end = random.int(filters.length + 1);
      const expected = filters.slice(0, end).findLastIndex((filter) => hasByFormat(filter.bits, hash));
      assert.is(pack.lastHaving(hash, end), expected);
      const filter = new KeyFilter(random.int(2000));
      filter.add(hash);
      assert.ok(hasByFormat(filter.bits, hash));
      pack.push(filter.bits);
      assert.is(pack.lastHaving(hash, pack.length), pack.length - 1);
    }
  }
});

test("hardly any key is said to be there that is not", () => {
  const filter = new KeyFilter(10_000);
  const key = (i: number): Buffer => Buffer.from(`key ${i}`);
  for (let i = 0; i < 10_000; i++) filter.add(hashOfKey(key(i)));
  const pack = new FilterPack();
  pack.push(filter.bits);
  let wrongCount = 0;
  for (let i = 0; i < 20_000; i++) if (pack.lastHaving(hashOfKey(key(i)), 1) === 0 && i >= 10_000) wrongCount += 1;
  for (let i = 0; i < 10_000; i++) assert.is(pack.lastHaving(hashOfKey(key(i)), 1), 0);
  assert.ok(wrongCount < 50, `${wrongCount} of 10,000`);
});

test.run();
