/**
 * What every EventStore does, as one suite. Cases from vectors/events/eventstoredb.json are what a real server answered; the rest is
 * the port's own wording. A store is given as a harness, so that it can be closed and opened again.
 */
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../src/core/index.ts";
import type { ErrorCode, Position, Revision } from "../../src/core/index.ts";
import { APPEND_BYTES_MAX, APPEND_EVENTS_MAX, NO_STREAM, READ_COUNT_MAX } from "../../src/events/index.ts";
import type { EventStore, NewEvent, StoredEvent, SubscriptionPage } from "../../src/events/index.ts";
import { skipped } from "../support/skip.ts";

export interface EventStoreHarness {
  readonly name: string;
  /** An empty store. */
  make(): Promise<EventStore>;
  /** Closes and opens again; absent where nothing survives a close. */
  readonly reopen?: (store: EventStore) => Promise<EventStore>;
  /** Other streams lie in the same server: positions do not begin at 0, cannot be foretold, and what is reclaimed is not ours alone. */
  readonly isShared?: boolean;
}

interface VectorStep {
  readonly append?: readonly string[];
  readonly expected?: number;
  readonly revision?: number;
  readonly conflict?: number;
  readonly read?: string | null;
  readonly softDelete?: boolean;
  readonly truncateBefore?: number;
}

const VECTORS = new URL("../vectors/events/eventstoredb.json", import.meta.url);

export function testEvent(name: string, data: string | Uint8Array = `data of ${name}`): NewEvent {
  return { id: createHash("md5").update(name).digest(), type: "Tested", data: Buffer.from(data), metadata: Buffer.from(JSON.stringify({ name })) };
}

const nameOf = (event: NewEvent): string => (JSON.parse(Buffer.from(event.metadata).toString()) as { name: string }).name;
const rev = (revision: number): Revision => revision as Revision;
const at = (position: number): Position => position as Position;
const shown = (events: readonly StoredEvent[]): string => events.map((event) => `${event.revision}:${nameOf(event)}`).join(" ");

export async function rejectsWith(promise: Promise<unknown>, code: ErrorCode, facts: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isRainbowError(error, code)) throw new Error(`expected ${code}, not ${String(error)}`, { cause: error });
  for (const [fact, value] of Object.entries(facts)) assert.equal(error.facts[fact], value, fact);
}

function seed(store: EventStore, stream: string, count: number, prefix = "e"): Promise<unknown> {
  return store.append(
    stream,
    NO_STREAM,
    Array.from({ length: count }, (_, i) => testEvent(`${prefix}${i}`)),
  );
}

/** Pages until a live one, at least `count` events. */
async function collect(pages: AsyncIterable<SubscriptionPage>, count: number): Promise<{ readonly events: StoredEvent[]; readonly checkpoint: Position }> {
  const events: StoredEvent[] = [];
  for await (const page of pages) {
    events.push(...page.events);
    if (page.live && events.length >= count) return { events, checkpoint: page.checkpoint };
  }
  throw new Error("the subscription ended early");
}

async function runStep(store: EventStore, stream: string, step: VectorStep): Promise<void> {
  if (step.append !== undefined) {
    const sent = store.append(
      stream,
      rev(step.expected ?? NO_STREAM),
      step.append.map((name) => testEvent(name)),
    );
    if (step.conflict === undefined) assert.is((await sent).revision, step.revision, `append ${step.append.join()} at ${step.expected}`);
    else await rejectsWith(sent, "REVISION_CONFLICT", { stream, expected: step.expected, actual: step.conflict });
  } else if (step.softDelete === true) await store.softDelete(stream);
  else if (step.truncateBefore !== undefined) await store.truncateBefore(stream, rev(step.truncateBefore));
  else if (step.read === null) await rejectsWith(store.read(stream, { maxCount: 100 }), "STREAM_NOT_FOUND", { stream });
  else assert.is(shown(await store.read(stream, { maxCount: 100 })), step.read);
}

export function eventStoreContract(harness: EventStoreHarness): void {
  const test = suite(`event store: ${harness.name}`);
  const check = (name: string, body: (store: EventStore) => Promise<void>): void => {
    test(name, () =>
      listed(harness, name, async () => {
        const store = await harness.make();
        try {
          await body(store);
        } finally {
          await store.close();
        }
      }),
    );
  };
  vectorCases(check, harness);
  for (const cases of [appendCases, appendLimitCases, readCases, pageCases, truncationCases]) cases(check);
  for (const cases of [subscriptionCases, resumeCases, deletionCases]) cases(check, harness);
  if (harness.reopen !== undefined) reopenCases(test, harness, harness.reopen);
  test.run();
}

/** Says how a case went on a store, for `npm test -- --cases`. */
async function listed(harness: EventStoreHarness, name: string, body: () => Promise<void>): Promise<void> {
  let outcome = "failed";
  try {
    await body();
    outcome = "passed";
  } finally {
    console.log(`\nCASE ${outcome}  ${harness.name}: ${name}`);
  }
}

type Check = (name: string, body: (store: EventStore) => Promise<void>) => void;

function vectorCases(check: Check, harness: EventStoreHarness): void {
  const { cases } = JSON.parse(readFileSync(VECTORS, "utf8")) as { cases: { case: string; steps: VectorStep[] }[] };
  for (const vector of cases) {
    check(`as the real server: ${vector.case}`, async (fresh) => {
      let store = fresh;
      for (const [i, step] of vector.steps.entries()) {
        await runStep(store, "vector", step);
        if (harness.reopen !== undefined && (harness.isShared !== true || i === 0)) store = await harness.reopen(store); // Concrete expectations survive a restart.
      }
      if (store !== fresh) await store.close();
    });
  }
}

function appendCases(check: Check): void {
  check("revisions count from 0 in each stream and positions ascend over all streams", async (store) => {
    const a = await store.append("a", NO_STREAM, [testEvent("a0"), testEvent("a1")]);
    const b = await store.append("b", NO_STREAM, [testEvent("b0")]);
    const c = await store.append("a", rev(1), [testEvent("a2")]);
    assert.equal([a.revision, b.revision, c.revision], [1, 0, 2]);
    assert.ok(0 < a.position && a.position < b.position && b.position < c.position);
    assert.equal([a.repeated, b.repeated, c.repeated], [false, false, false]);
  });
  check("appends to one stream may be pipelined, and each is decided after those before it", async (store) => {
    const sent = Array.from({ length: 200 }, (_, i) => store.append("p", rev(i - 1), [testEvent(`p${i}`)]));
    assert.equal(
      (await Promise.all(sent)).map((appended) => appended.revision),
      Array.from({ length: 200 }, (_, i) => i),
    );
  });
  check("when a pipelined append fails, those after it are refused with the real head", async (store) => {
    const outcomes = await Promise.allSettled([
      store.append("p", NO_STREAM, [testEvent("p0")]),
      store.append("p", rev(5), [testEvent("p6")]),
      store.append("p", rev(6), [testEvent("p7")]),
      store.append("p", rev(0), [testEvent("p1")]),
    ]);
    assert.equal(
      outcomes.map((outcome) => outcome.status),
      ["fulfilled", "rejected", "rejected", "fulfilled"],
    );
  });
  check("a repeat answers with the old revision and position and writes nothing", async (store) => {
    const events = [testEvent("a"), testEvent("b")];
    const first = await store.append("s", NO_STREAM, events);
    const [again, third] = await Promise.all([store.append("s", NO_STREAM, events), store.append("s", rev(1), [testEvent("c")])]);
    assert.equal(again, { ...first, repeated: true });
    assert.is(third.revision, 2);
    assert.is((await store.read("s", { maxCount: 10 })).length, 3);
  });
  check("a repeat may bring other metadata, as it carries the time of the try", async (store) => {
    await store.append("s", NO_STREAM, [testEvent("a")]);
    assert.is((await store.append("s", NO_STREAM, [{ ...testEvent("a"), metadata: Buffer.from("{}") }])).repeated, true);
  });
  check("stricter than the real server: the same id with other data or type is a conflict", async (store) => {
    await store.append("s", NO_STREAM, [testEvent("a")]);
    await rejectsWith(store.append("s", NO_STREAM, [testEvent("a", "other")]), "REVISION_CONFLICT");
    await rejectsWith(store.append("s", NO_STREAM, [{ ...testEvent("a"), type: "Other" }]), "REVISION_CONFLICT");
    assert.is((await store.append("t", NO_STREAM, [testEvent("a")])).repeated, false, "ids are per stream");
  });
}

function appendLimitCases(check: Check): void {
  check("stricter than the real server: metadata and types count towards the limit of an append", async (store) => {
    const half = Buffer.alloc(APPEND_BYTES_MAX / 2);
    await rejectsWith(store.append("s", NO_STREAM, [{ ...testEvent("a"), data: half, metadata: half }]), "APPEND_TOO_LARGE");
    await store.append("s", NO_STREAM, [{ ...testEvent("a"), data: half, metadata: Buffer.alloc(1000) }]);
    const [read] = await store.read("s", { maxCount: 1 });
    assert.is(read?.data.length, half.length);
  });
  check("an append of more events than the limit is refused whole", async (store) => {
    const events = Array.from({ length: APPEND_EVENTS_MAX + 1 }, (_, i) => ({ ...testEvent("x"), id: Buffer.from(String(i).padStart(16, "0")) }));
    await rejectsWith(store.append("s", NO_STREAM, events), "APPEND_TOO_LARGE");
    assert.is((await store.info("s")).headRevision, NO_STREAM);
  });
  check("bad names, ids, types and expectations are refused by name", async (store) => {
    for (const stream of ["", "a\u0000b", "x".repeat(201), "\ud800"]) await rejectsWith(store.append(stream, NO_STREAM, [testEvent("a")]), "LIMIT");
    for (const event of [
      { ...testEvent("a"), id: Buffer.alloc(15) },
      { ...testEvent("a"), type: "" },
    ])
      await rejectsWith(store.append("s", NO_STREAM, [event]), "LIMIT");
    for (const expected of [-2, 0.5, Number.NaN]) await rejectsWith(store.append("s", rev(expected), [testEvent("a")]), "LIMIT");
  });
  check("events come back byte for byte, whatever their shape", async (store) => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const events: NewEvent[] = [
      { id: all.subarray(0, 16), type: "B", data: Buffer.alloc(0), metadata: Buffer.alloc(0) },
      { id: all.subarray(16, 32), type: "日本 🎉/x y", data: all, metadata: Buffer.from("00ff", "hex") },
      { id: all.subarray(32, 48), type: "$x", data: Buffer.alloc(70_000, "abc"), metadata: all },
    ];
    await store.append("日本/ $x", NO_STREAM, events);
    const read = await store.read("日本/ $x", { maxCount: 10 });
    assert.equal(
      read.map(({ id, type, data, metadata }) => ({ id: Buffer.from(id), type, data: Buffer.from(data), metadata: Buffer.from(metadata) })),
      events.map(({ id, type, data, metadata }) => ({ id: Buffer.from(id), type, data: Buffer.from(data), metadata: Buffer.from(metadata) })),
    );
  });
  check("what a caller does to its buffers after the call changes nothing", async (store) => {
    const event = { ...testEvent("a"), data: Buffer.from("before") };
    const sent = store.append("s", NO_STREAM, [event]);
    event.data.fill(0);
    await sent;
    assert.is(Buffer.from((await store.read("s", { maxCount: 1 }))[0]!.data).toString(), "before");
  });
}

function readCases(check: Check): void {
  const revisions = async (store: EventStore, options: Parameters<EventStore["read"]>[1]): Promise<number[]> =>
    (await store.read("r", options)).map((event) => event.revision);
  check("as the real server: 3.read-stream", async (store) => {
    await seed(store, "r", 10);
    const from = (n: number): { from: Revision } => ({ from: rev(n) });
    assert.equal(await revisions(store, { maxCount: 100 }), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(await revisions(store, { maxCount: 3 }), [0, 1, 2]);
    assert.equal(await revisions(store, { ...from(4), maxCount: 2 }), [4, 5]);
    assert.equal(await revisions(store, { ...from(9), maxCount: 100 }), [9]);
    assert.equal(await revisions(store, { ...from(10), maxCount: 100 }), []);
    assert.equal(await revisions(store, { ...from(1000), maxCount: 100 }), []);
    const backwards = { direction: "backwards", maxCount: 100 } as const;
    assert.equal(await revisions(store, backwards), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert.equal(await revisions(store, { ...backwards, ...from(4) }), [4, 3, 2, 1, 0]);
    assert.equal(await revisions(store, { ...backwards, ...from(4), maxCount: 2 }), [4, 3]);
    assert.equal(await revisions(store, { ...backwards, ...from(1000), maxCount: 1 }), [9]);
    await rejectsWith(store.read("missing", { maxCount: 1 }), "STREAM_NOT_FOUND", { stream: "missing" });
    await rejectsWith(store.read("missing", { ...backwards }), "STREAM_NOT_FOUND");
  });
  check("a count out of range and a revision below 0 are refused", async (store) => {
    await seed(store, "r", 1);
    for (const maxCount of [0, -1, READ_COUNT_MAX + 1]) await rejectsWith(store.read("r", { maxCount }), "LIMIT");
    await rejectsWith(store.read("r", { from: rev(-1), maxCount: 1 }), "LIMIT");
  });
}

function pageCases(check: Check): void {
  const revisions = async (store: EventStore, options: Parameters<EventStore["read"]>[1]): Promise<number[]> =>
    (await store.read("r", options)).map((event) => event.revision);
  check("pages over many appends give every event once, in both directions", async (store) => {
    let head = -1;
    for (const size of [1, 300, 2, 150, 1, 1, 64, 65]) {
      await store.append(
        "r",
        rev(head),
        Array.from({ length: size }, (_, i) => testEvent(`r${head + 1 + i}`)),
      );
      head += size;
    }
    for (const direction of ["forwards", "backwards"] as const) {
      const seen: number[] = [];
      for (let next = direction === "forwards" ? 0 : head; next >= 0 && next <= head;) {
        const page = await revisions(store, { direction, from: rev(next), maxCount: 37 });
        seen.push(...page);
        next = page.at(-1)! + (direction === "forwards" ? 1 : -1);
      }
      const all = Array.from({ length: head + 1 }, (_, i) => i);
      assert.equal(seen, direction === "forwards" ? all : all.toReversed());
    }
  });
  check("a limit in bytes cuts a page, but never below one event", async (store) => {
    await store.append(
      "r",
      NO_STREAM,
      Array.from({ length: 10 }, (_, i) => testEvent(`r${i}`, Buffer.alloc(1000))),
    );
    assert.equal(await revisions(store, { maxCount: 100, bytesMax: 3500 }), [0, 1, 2]);
    assert.equal(await revisions(store, { maxCount: 100, bytesMax: 1 }), [0]);
    assert.equal(await revisions(store, { direction: "backwards", maxCount: 100, bytesMax: 2200 }), [9, 8]);
  });
  check("what was appended is read at once, with the stream's name, revision and position", async (store) => {
    for (let i = 0; i < 50; i++) {
      const { position } = await store.append("r", rev(i - 1), [testEvent(`r${i}`)]);
      const [last] = await store.read("r", { direction: "backwards", maxCount: 1 });
      assert.equal([last?.stream, last?.revision, last?.position], ["r", i, position]);
    }
  });
  check("streams lists by prefix in byte order", async (store) => {
    for (const stream of ["machine-b", "machine-a", "queue-x", "machine-"]) await seed(store, stream, 2);
    assert.equal(
      (await store.streams("machine-")).map((info) => info.stream),
      ["machine-", "machine-a", "machine-b"],
    );
    assert.equal(await store.info("nothing"), { stream: "nothing", headRevision: -1, truncatedBefore: 0, deleted: false });
    assert.is((await store.streams("")).length, 4);
  });
}

function subscriptionCases(check: Check, harness: EventStoreHarness): void {
  check("a subscription gives all events in position order and says when it is live", async (store) => {
    for (let i = 0; i < 30; i++) await store.append(`s${i % 3}`, rev(Math.floor(i / 3) - 1), [testEvent(`x${i}`)]);
    const stop = new AbortController();
    const { events, checkpoint } = await collect(store.subscribe({ after: at(0), prefixes: [], signal: stop.signal }), 30);
    assert.equal(
      events.map(nameOf),
      Array.from({ length: 30 }, (_, i) => `x${i}`),
    );
    const last = events.at(-1)!.position;
    assert.ok(harness.isShared === true ? checkpoint >= last : checkpoint === last);
    stop.abort();
  });
  check("a subscription goes on with what becomes durable later, and ends when it is aborted", async (store) => {
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const page of store.subscribe({ after: at(0), prefixes: [], signal: stop.signal })) {
        for (const event of page.events) seen.push(nameOf(event));
        if (seen.length === 3) stop.abort();
      }
    })();
    await seed(store, "a", 1);
    await store.append("b", NO_STREAM, [testEvent("b0"), testEvent("b1")]);
    await reading;
    assert.equal(seen, ["e0", "b0", "b1"]);
  });
  check("an empty store's subscription says at once that it is live", async (store) => {
    for await (const page of store.subscribe({ after: at(0), prefixes: [], signal: new AbortController().signal })) {
      assert.equal(page.events, []);
      if (harness.isShared !== true) assert.equal(page, { events: [], checkpoint: at(0), live: true });
      if (page.live) break;
    }
  });
}

function resumeCases(check: Check, harness: EventStoreHarness): void {
  check("prefixes filter streams, and checkpoints pass over what does not match", async (store) => {
    await seed(store, "f-a", 2);
    await seed(store, "g-a", 500, "g");
    await seed(store, "f-b", 1, "b");
    const { position } = await store.append("z", NO_STREAM, [testEvent("z")]);
    const { signal } = new AbortController();
    const filtered = await collect(store.subscribe({ after: at(0), prefixes: ["f-", "nothing"], signal }), 3);
    assert.equal(
      filtered.events.map((event) => `${event.stream}@${event.revision}`),
      ["f-a@0", "f-a@1", "f-b@0"],
    );
    assert.ok(harness.isShared === true ? filtered.checkpoint >= position : filtered.checkpoint === position, "safe to resume from, beyond the last match");
  });
  check("resuming after any event gives exactly what follows it", async (store) => {
    await seed(store, "a", 5);
    await seed(store, "b", 5, "b");
    const { signal } = new AbortController();
    const { events } = await collect(store.subscribe({ after: at(0), prefixes: [], signal }), 10);
    for (const [i, event] of events.entries()) {
      const rest = await collect(store.subscribe({ after: event.position, prefixes: [], signal }), 9 - i);
      assert.equal(rest.events.map(nameOf), events.slice(i + 1).map(nameOf));
    }
  });
  if (harness.isShared === true)
    skippedCase(check, harness, "a subscription from beyond the end skips what comes before that position", "positions of a server cannot be foretold");
  else
    check("a subscription from beyond the end skips what comes before that position", async (store) => {
      const stop = new AbortController();
      const pages = store.subscribe({ after: at(4), prefixes: [], signal: stop.signal });
      const reading = collect(pages, 1);
      await seed(store, "a", 4);
      await store.append("a", rev(3), [testEvent("late")]);
      assert.equal((await reading).events.map(nameOf), ["late"]);
      stop.abort();
    });
  check("truncated and deleted events are not delivered, at once and not only after a reclaim", async (store) => {
    await seed(store, "t", 6);
    await seed(store, "d", 3, "d");
    await store.truncateBefore("t", rev(4));
    await store.softDelete("d");
    await store.append("d", rev(2), [testEvent("again")]);
    const { events } = await collect(store.subscribe({ after: at(0), prefixes: [], signal: new AbortController().signal }), 3);
    assert.equal(
      events.map((event) => `${event.stream}@${event.revision}`),
      ["t@4", "t@5", "d@3"],
    );
  });
}

function truncationCases(check: Check): void {
  check("truncating hides what is before, both ways, and never renumbers", async (store) => {
    await seed(store, "t", 10);
    await store.truncateBefore("t", rev(4));
    const numbers = async (options: Parameters<EventStore["read"]>[1]): Promise<number[]> => (await store.read("t", options)).map((event) => event.revision);
    assert.equal(await numbers({ maxCount: 2 }), [4, 5]);
    assert.equal(await numbers({ from: rev(1), maxCount: 4 }), [4, 5, 6, 7]);
    assert.equal(await numbers({ direction: "backwards", from: rev(6), maxCount: 100 }), [6, 5, 4]);
    assert.equal(await numbers({ direction: "backwards", from: rev(3), maxCount: 100 }), []);
    assert.is((await store.append("t", rev(9), [testEvent("next")])).revision, 10);
    assert.equal(await store.info("t"), { stream: "t", headRevision: 10, truncatedBefore: 4, deleted: false });
  });
  check("stricter than the real server: a truncation never goes down and never passes the last event", async (store) => {
    await seed(store, "t", 10);
    await store.truncateBefore("t", rev(4));
    await store.truncateBefore("t", rev(2));
    assert.is((await store.info("t")).truncatedBefore, 4);
    await store.truncateBefore("t", rev(100));
    assert.is((await store.info("t")).truncatedBefore, 9);
    assert.is(shown(await store.read("t", { maxCount: 10 })), "9:e9");
    await rejectsWith(store.append("t", rev(99), [testEvent("x")]), "REVISION_CONFLICT", { actual: 9 });
    assert.is((await store.append("t", rev(9), [testEvent("x")])).revision, 10);
  });
  check("stricter than the real server: truncating or deleting a missing stream is refused", async (store) => {
    await rejectsWith(store.truncateBefore("none", rev(1)), "STREAM_NOT_FOUND");
    await rejectsWith(store.softDelete("none"), "STREAM_NOT_FOUND");
  });
}

function deletionCases(check: Check, harness: EventStoreHarness): void {
  check("a soft-deleted stream reads as not found, is told as deleted, and numbering goes on", async (store) => {
    await seed(store, "d", 5);
    await store.softDelete("d");
    await store.softDelete("d");
    assert.equal(await store.info("d"), { stream: "d", headRevision: -1, truncatedBefore: 0, deleted: true });
    await rejectsWith(store.read("d", { maxCount: 1 }), "STREAM_NOT_FOUND");
    await store.append("d", NO_STREAM, [testEvent("n")]);
    assert.equal(await store.info("d"), { stream: "d", headRevision: 5, truncatedBefore: 5, deleted: false });
  });
  check("reclaim frees truncated and deleted appends, keeps the last event of each stream, and can be repeated", async (store) => {
    for (let i = 0; i < 20; i++) {
      await store.append(
        "t",
        rev(i * 10 - 1),
        Array.from({ length: 10 }, (_, k) => testEvent(`t${i * 10 + k}`)),
      );
    }
    await seed(store, "d", 3, "d");
    await store.append("d", rev(2), [testEvent("d3")]);
    await store.truncateBefore("t", rev(155));
    await store.softDelete("d");
    assert.ok((await store.reclaim()).freedBytes > 0);
    const again = (await store.reclaim()).freedBytes;
    if (harness.isShared !== true) assert.is(again, 0);
    assert.is(shown(await store.read("t", { maxCount: 2 })), "155:t155 156:t156");
    assert.is((await store.append("t", rev(199), [testEvent("t200")])).revision, 200);
    assert.is((await store.append("d", rev(3), [testEvent("d4")])).revision, 4);
    const { events } = await collect(store.subscribe({ after: at(0), prefixes: ["t"], signal: new AbortController().signal }), 46);
    assert.is(events.length, 46);
    // The embedded store has forgotten its id, a server may remember it: nothing is written again in either case.
    await store.append("t", NO_STREAM, [testEvent("t0")]).then(
      ({ repeated }) => assert.ok(repeated && harness.isShared),
      (error: unknown) => assert.ok(isRainbowError(error, "REVISION_CONFLICT")),
    );
    assert.is((await store.info("t")).headRevision, 200);
  });
  check("a closed store refuses everything", async (store) => {
    await seed(store, "s", 1);
    await store.close();
    await rejectsWith(store.append("s", rev(0), [testEvent("x")]), "IO");
    await rejectsWith(store.read("s", { maxCount: 1 }), "IO");
    await rejectsWith(store.info("s"), "IO");
  });
}

function reopenCases(test: ReturnType<typeof suite>, harness: EventStoreHarness, reopen: (store: EventStore) => Promise<EventStore>): void {
  const name = "everything is there after closing and opening again";
  test(name, () => listed(harness, name, () => survivesReopening(harness, reopen)));
}

async function survivesReopening(harness: EventStoreHarness, reopen: (store: EventStore) => Promise<EventStore>): Promise<void> {
  let store = await harness.make();
  await seed(store, "a", 10);
  await seed(store, "d", 2, "d");
  await store.truncateBefore("a", rev(3));
  await store.softDelete("d");
  const { position } = await store.append("b", NO_STREAM, [testEvent("b0")]);
  store = await reopen(store);
  assert.is(shown(await store.read("a", { maxCount: 2 })), "3:e3 4:e4");
  assert.equal(
    (await store.streams("")).map((info) => [info.stream, info.headRevision, info.truncatedBefore, info.deleted]),
    [
      ["a", 9, 3, false],
      ["b", 0, 0, false],
      ["d", -1, 0, true],
    ],
  );
  assert.ok((await store.append("b", rev(0), [testEvent("b1")])).position > position);
  await store.close();
}

function skippedCase(check: Check, harness: EventStoreHarness, name: string, reason: string): void {
  check(`(skipped) ${name}`, async () => skipped(`${harness.name}: ${name}`, reason));
}
