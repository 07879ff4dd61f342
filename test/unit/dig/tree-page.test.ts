import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodePointer, findChild, findEntry, found, PageBuilder, PageCursor, spans } from "../../../src/dig/tree-page.ts";
import { campaignSeed, scale } from "../../support/campaign.ts";
import { seededRandom } from "../../support/random.ts";
import type { SeededRandom } from "../../support/random.ts";

const test = suite("pages of a tree");
const random = seededRandom(campaignSeed());

/** Keys of few letters have much in common with their neighbours. */
function randomKey(generator: SeededRandom): Buffer {
  const length = generator.chance(0.05) ? 200 + generator.int(100) : generator.int(12);
  return Buffer.from(Array.from({ length }, () => (generator.chance(0.9) ? 97 + generator.int(2) : generator.int(256))));
}

function sortedKeys(count: number): Buffer[] {
  const keys = new Map(Array.from({ length: count }, () => randomKey(random)).map((key) => [key.toString("latin1"), key]));
  return [...keys.values()].sort((a, b) => Buffer.compare(a, b));
}

/** A page of as many of the keys as fit, and those. */
function pageOf(keys: readonly Buffer[], valueOf: (index: number) => Buffer, level: number): { readonly page: Buffer; readonly inside: Buffer[] } {
  const builder = new PageBuilder();
  const inside = keys.filter((key, i) => builder.entryCount === i && builder.add(key, valueOf(i), false));
  return { page: Buffer.from(builder.finish(level, 1, 1).page), inside };
}

test("a lookup in a leaf finds what a walk over it finds", () => {
  for (let round = 0; round < scale(2000); round++) {
    const values = new Map<string, Buffer>();
    const keys = sortedKeys(2 + random.int(300)).filter((key) => key.length > 0);
    if (keys.length === 0) continue;
    const { page, inside } = pageOf(keys, () => random.bytes(random.int(random.chance(0.1) ? 1024 : 20)), 0);
    const cursor = new PageCursor(page);
    while (cursor.next()) values.set(cursor.key().toString("latin1"), Buffer.from(cursor.value()));
    assert.is(values.size, inside.length);
    for (const key of [...inside, ...sortedKeys(50)]) {
      const value = values.get(key.toString("latin1"));
      assert.is(findEntry(page, key), value !== undefined, key.toString("hex"));
      if (value !== undefined) assert.ok(page.subarray(found.valueStart, found.valueStart + found.valueLength).equals(value));
      const isOutside = Buffer.compare(key, inside[0]!) < 0 || Buffer.compare(key, inside.at(-1)!) > 0;
      if (isOutside) assert.not.ok(spans(page, key), "a key outside a leaf may lie in another");
    }
  }
});

test("a lookup in an inner page goes to the last child whose key is at or below", () => {
  for (let round = 0; round < scale(2000); round++) {
    const { page, inside } = pageOf(sortedKeys(1 + random.int(200)), (index) => encodePointer({ block: index, crc: 7 }), 1);
    for (const key of [...inside, ...sortedKeys(50)]) {
      const child = inside.findLastIndex((each) => Buffer.compare(each, key) <= 0);
      assert.is(findChild(page, key).block, Math.max(0, child), key.toString("hex"));
    }
  }
});

test.run();
