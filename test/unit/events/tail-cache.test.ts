/** The newest events in memory: runs without a hole, bounded over all streams, the oldest of the largest going first. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Position, Revision } from "../../../src/core/index.ts";
import type { NewEvent, StoredEvent } from "../../../src/events/index.ts";
import { PackedEvents } from "../../../src/events/kurrent/frame.ts";
import { TailCache } from "../../../src/events/kurrent/tail-cache.ts";

const test = suite("the tail of streams in memory");

const eventOf = (index: number): NewEvent => ({
  id: Buffer.alloc(16, index % 250),
  type: "T",
  data: Buffer.alloc(100, index % 250),
  metadata: Buffer.alloc(10),
});
const packed = (first: number, count: number): PackedEvents => new PackedEvents(Array.from({ length: count }, (_, i) => eventOf(first + i)));
const storedFrom = (first: number, count: number): StoredEvent[] =>
  Array.from({ length: count }, (_, i) => ({ ...eventOf(first + i), stream: "s", revision: (first + i) as Revision, position: (first + i + 1) as Position }));
const revisions = (events: readonly StoredEvent[]): number[] => events.map((event) => event.revision);

test("appends and pages that follow one another are one run, from either end", () => {
  const tail = new TailCache();
  tail.add("s", storedFrom(5, 3));
  tail.addAppended("s", 8 as Revision, packed(8, 4), 77);
  assert.equal(revisions(tail.forwards("s", 6, 10)), [6, 7, 8, 9, 10]);
  assert.equal(revisions(tail.backwards("s", 9, 7)), [9, 8, 7]);
  assert.equal(revisions(tail.forwards("s", 4, 10)), [], "nothing where the beginning is not there");
  assert.equal(revisions(tail.backwards("s", 12, 5)), []);
  assert.equal(
    tail.forwards("s", 10, 11).map((event) => event.position),
    [0, 77],
    "the server tells the last event's position alone",
  );
  assert.is(Buffer.compare(tail.forwards("s", 9, 9)[0]!.data, Buffer.alloc(100, 9)), 0);
});

test("a page that overlaps adds what is new, and one that begins elsewhere takes the place of all", () => {
  const tail = new TailCache();
  tail.add("s", storedFrom(0, 5));
  tail.add("s", storedFrom(3, 4));
  assert.equal(revisions(tail.forwards("s", 0, 100)), [0, 1, 2, 3, 4, 5, 6]);
  tail.add("s", storedFrom(20, 2));
  assert.equal(revisions(tail.forwards("s", 0, 100)), []);
  assert.equal(revisions(tail.forwards("s", 20, 100)), [20, 21]);
});

test("its memory is bounded: the oldest run of the stream that keeps most goes first", () => {
  const tail = new TailCache(20_000);
  tail.addAppended("small", 0 as Revision, packed(0, 10), 1);
  for (let i = 0; i < 50; i++) tail.addAppended("large", (i * 10) as Revision, packed(i * 10, 10), i);
  assert.is(tail.forwards("small", 0, 9).length, 10);
  assert.is(tail.forwards("large", 0, 9).length, 0);
  assert.equal(revisions(tail.forwards("large", 490, 499)).length, 10);
});

test.run();
