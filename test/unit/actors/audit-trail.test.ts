/** The trail: entries reach the stream in order and once, whatever the store does, and nobody waits long for them. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { agesInAudit, Trail, verifyHistory } from "../../../src/actors/audit/index.ts";
import { agesOf } from "../../../src/actors/retention/index.ts";
import { RainbowError } from "../../../src/core/index.ts";
import type { Revision } from "../../../src/core/index.ts";
import { decodeAudit, MemoryEventStore } from "../../../src/events/index.ts";
import type { Appended, AuditEvent, EventStore, NewEvent } from "../../../src/events/index.ts";
import { AUDIT_STREAM, entryOf, TickingClock } from "../../support/audit-history.ts";

const test = suite("trail of the audit");
const DAY_US = 86_400e6;

/** A store that takes nothing while it is told so. */
class Moody extends MemoryEventStore {
  mood: "well" | "refuses" | "hangs" | "stores and fails" = "well";

  override async append(stream: string, expected: Revision, events: readonly NewEvent[]): Promise<Appended> {
    if (this.mood === "refuses") throw new RainbowError("DISK_FULL", "no space is left");
    if (this.mood === "hangs") return await new Promise(() => undefined);
    const appended = await super.append(stream, expected, events);
    if (this.mood === "well") return appended;
    this.mood = "well";
    throw new RainbowError("OUTCOME_UNKNOWN", "the connection broke");
  }
}

function world(): { readonly store: Moody; readonly clock: TickingClock; readonly trail: Trail } {
  const [store, clock] = [new Moody(), new TickingClock()];
  return { store, clock, trail: new Trail({ store: () => store, stream: AUDIT_STREAM, clock }) };
}

async function eventsIn(store: EventStore): Promise<AuditEvent[]> {
  return (await store.read(AUDIT_STREAM, { maxCount: 10_000 })).map((stored) => decodeAudit(stored).event);
}

const requestsOf = (events: readonly AuditEvent[]): string[] => events.map((event) => (event.type === "ActionNoted" ? event.request : event.type));

test("an entry is durable when it is answered, and entries of one moment go in one append in their order", async () => {
  const { store, trail } = world();
  assert.is(await trail.note(entryOf({ request: "first" })), true);
  assert.equal(await Promise.all(["a", "b", "c"].map((request) => trail.note(entryOf({ request })))), [true, true, true]);
  assert.equal(requestsOf(await eventsIn(store)), ["first", "a", "b", "c"]);
  assert.equal(trail.state, { waitingCount: 0, lostCount: 0, failure: undefined });
});

test("a store that refuses holds up nobody: entries wait, are told of, and are stored in order when it takes them again", async () => {
  const { store, clock, trail } = world();
  store.mood = "refuses";
  assert.is(await trail.note(entryOf({ request: "a" })), false);
  const sleeps = clock.sleeps;
  assert.is(await trail.note(entryOf({ request: "b" })), false);
  assert.ok(clock.sleeps <= sleeps + 1, "what is known to be refused is not waited for");
  assert.match(String(trail.state.failure), /no space is left/);
  assert.is(trail.state.waitingCount, 2);
  store.mood = "well";
  while (trail.state.waitingCount > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(requestsOf(await eventsIn(store)), ["a", "b"]);
  assert.is(trail.state.failure, undefined);
});

test("a store that does not answer is waited for a moment alone", async () => {
  const { store, trail } = world();
  store.mood = "hangs";
  assert.is(await trail.note(entryOf()), false);
});

test("an append that was stored although it failed is not stored twice", async () => {
  const { store, trail } = world();
  await trail.note(entryOf({ request: "first" }));
  store.mood = "stores and fails";
  await trail.note(entryOf({ request: "a" }));
  await trail.note(entryOf({ request: "b" }));
  while (trail.state.waitingCount > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(requestsOf(await eventsIn(store)), ["first", "a", "b"]);
});

test("what is given up when too many wait is counted in the stream, behind those that waited", async () => {
  const { store, trail } = world();
  store.mood = "refuses";
  await trail.note(entryOf({ request: "0" }));
  for (let i = 1; i < 1003; i++) void trail.note(entryOf({ request: `${i}` }));
  assert.equal([trail.state.waitingCount, trail.state.lostCount], [1000, 3]);
  store.mood = "well";
  while (trail.state.waitingCount > 0) await new Promise((resolve) => setImmediate(resolve));
  const events = await eventsIn(store);
  assert.equal(
    requestsOf(events.slice(0, 1000)),
    Array.from({ length: 1000 }, (_, i) => `${i}`),
  );
  const lost = events[1000];
  assert.equal(lost?.type === "EntriesLost" ? [lost.count, lost.why] : lost, [3, "no space is left"]);
  assert.is(trail.state.lostCount, 0);
});

test("closing tries once more, and says how many entries are lost with the process", async () => {
  const { store, trail } = world();
  store.mood = "refuses";
  await trail.note(entryOf({ request: "a" }));
  assert.is(await trail.close(), 1);
  const second = world();
  second.store.mood = "refuses";
  await second.trail.note(entryOf({ request: "a" }));
  second.store.mood = "well";
  assert.is(await second.trail.close(), 0);
  assert.equal(requestsOf(await eventsIn(second.store)), ["a"]);
});

test("entries older than keep are let go, and the stream says so before they go", async () => {
  const { store, clock, trail } = world();
  for (let day = 0; day < 10; day++) {
    await trail.note(entryOf({ request: `day ${day}` }));
    clock.us += DAY_US;
  }
  const trim = async (keepDays: number): Promise<void> => {
    const nowUs = clock.us;
    await trail.trim({ keepUs: keepDays * DAY_US, nowUs, agesOf: agesInAudit([], (points) => agesOf(points, nowUs, 0).ages) });
  };
  await trim(20);
  assert.is((await store.info(AUDIT_STREAM)).truncatedBefore, 0);
  await trim(3.5);
  assert.equal(requestsOf(await eventsIn(store)), ["day 7", "day 8", "day 9", "EntriesDropped"]);
  const broken = [];
  for await (const item of verifyHistory(store)) if (item.type === "broken") broken.push(item);
  assert.equal(broken, [], "the chain begins where it was said to");
  await trim(3.5);
  assert.is((await store.info(AUDIT_STREAM)).truncatedBefore, 7, "and the rest stays");
});

test("a clock that jumps lets nothing go, and quiet weeks are no jump where trees tell of them", async () => {
  const { store, clock, trail } = world();
  for (let i = 0; i < 3; i++) await trail.note(entryOf({ request: `${i}` }));
  const startUs = clock.us;
  clock.us += 4000 * DAY_US;
  const trim = async (points: readonly number[]): Promise<void> => {
    const nowUs = clock.us;
    await trail.trim({ keepUs: 30 * DAY_US, nowUs, agesOf: agesInAudit(points, (all) => agesOf(all, nowUs, 0).ages) });
  };
  await trim([]);
  assert.is((await store.info(AUDIT_STREAM)).truncatedBefore, 0, "a jump of ten years counts for nothing");
  clock.us = startUs + 60 * DAY_US;
  await trim(Array.from({ length: 60 }, (_, day) => startUs + day * DAY_US));
  assert.is((await store.info(AUDIT_STREAM)).truncatedBefore, 2, "all but the last are old");
});

test.run();
