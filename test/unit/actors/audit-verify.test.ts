/** Verification finds every way to tamper with stored history, and names where. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { headsOf, headsText, parseHeads, verifyHistory } from "../../../src/actors/audit/index.ts";
import type { VerifyItem } from "../../../src/actors/audit/index.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import type { Epoch, Revision, TimeUs } from "../../../src/core/index.ts";
import { ChainedStream, chainHashAt, encodeEvent, MemoryEventStore } from "../../../src/events/index.ts";
import type { EventStore, NewEvent, ReadOptions, StoredEvent } from "../../../src/events/index.ts";
import { AUDIT_STREAM, MACHINE, MACHINE_STREAM, tamperedCopy, writeHistory } from "../../support/audit-history.ts";

const test = suite("verification of history");

async function verified(store: EventStore, head?: string): Promise<Exclude<VerifyItem, { type: "step" }>[]> {
  const items: Exclude<VerifyItem, { type: "step" }>[] = [];
  for await (const item of verifyHistory(store, head === undefined ? {} : { heads: parseHeads(head) })) if (item.type !== "step") items.push(item);
  return items;
}

/** "stream rN why" of each break, without the machine's long name. */
async function breaks(store: EventStore, head?: string): Promise<string[]> {
  return (await verified(store, head)).flatMap((item) =>
    item.type === "broken" ? [`${item.stream.replace(`-${MACHINE}`, "")} r${item.revision} ${item.why}`] : [],
  );
}

async function history(batchCount = 12, options = {}): Promise<MemoryEventStore> {
  const store = new MemoryEventStore();
  await writeHistory(store, batchCount, options);
  return store;
}

const ofMachine =
  (tamper: (events: StoredEvent[]) => readonly NewEvent[]) =>
  (events: StoredEvent[], stream: string): readonly NewEvent[] =>
    stream === MACHINE_STREAM ? tamper(events) : events;

/** The data of another event of the same type: sound bytes, only not those that were written. */
const altered = (event: StoredEvent): NewEvent => {
  const data = Buffer.from(event.data);
  data[data.length - 1]! ^= 1;
  return { ...event, data };
};

test("a sound history is whole, with and without the head that was kept", async () => {
  const store = await history();
  const head = headsText(await headsOf(store));
  await writeHistory(store, 0);
  const items = await verified(store, head);
  assert.equal(
    items.map((item) => (item.type === "verified" ? [item.stream, item.start.revision, item.batchCount, item.eventCount] : item)),
    [
      [AUDIT_STREAM, -1, 4, 4],
      [MACHINE_STREAM, -1, 12, 24],
    ],
  );
  assert.equal(await breaks(store), []);
  assert.equal(await breaks(store, (await headsOf(store))[0]!.chainHash), [], "a bare hash does, too");
});

test("an altered event is found and its batch named, also in the last batch where the audit knows it", async () => {
  const store = await history();
  const inMiddle = await tamperedCopy(
    store,
    ofMachine((events) => events.map((event) => (event.revision === 9 ? altered(event) : event))),
  );
  assert.match((await breaks(inMiddle)).join(), /^machine r8 the batch r8 to r10 is not what the one after it names: it was altered/);
  const inLast = await tamperedCopy(
    store,
    ofMachine((events) => events.map((event) => (event.revision === 23 ? altered(event) : event))),
  );
  assert.match((await breaks(inLast)).join(), /^machine r23 up to there history is another one than entry r3 of the audit knows/);
  const unseen = await history(12, { isWitnessed: false });
  const head = headsText(await headsOf(unseen));
  const alone = await tamperedCopy(unseen, (events) => events.map((event) => (event.revision === 23 ? altered(event) : event)));
  assert.match((await breaks(alone, head)).join(), /^machine r23 up to there history is another one than the head that was kept knows/);
});

test("a removed event is found, whether its number is missing or the rest moved up", async () => {
  const store = await history();
  const movedUp = await tamperedCopy(
    store,
    ofMachine((events) => events.filter(({ revision }) => revision !== 9)),
  );
  assert.match((await breaks(movedUp)).join(), /^machine r9 it is event \d of its batch where \d was to come: events were removed/);
  class WithHole extends MemoryEventStore {
    override async read(stream: string, options: ReadOptions): Promise<StoredEvent[]> {
      return (await super.read(stream, options)).filter((event) => event.stream !== MACHINE_STREAM || event.revision !== 9);
    }
  }
  const withHole = new WithHole();
  await writeHistory(withHole, 12);
  assert.match((await breaks(withHole)).join(), /^machine r9 it is missing: r10 follows r8/);
  const wholeBatch = await tamperedCopy(
    store,
    ofMachine((events) => events.filter(({ revision }) => revision < 8 || revision > 10)),
  );
  assert.match((await breaks(wholeBatch)).join(), /^machine r8 batches between r7 and r8 are missing: they were removed/);
});

test("two events that were exchanged are found, in one batch and across batches", async () => {
  const store = await history();
  const exchanged = (a: number, b: number) =>
    tamperedCopy(
      store,
      ofMachine((events) => events.map((event) => (event.revision === a ? events[b]! : event.revision === b ? events[a]! : event))),
    );
  for (const [a, b] of [
    [8, 9],
    [3, 14],
    [6, 12],
  ] as const) {
    const [first, ...others] = await breaks(await exchanged(a, b));
    assert.match(first ?? "", new RegExp(`^machine r(${a}|${a + 1}|${a - 1}) `), `r${a} and r${b}`);
    assert.equal(others, []);
  }
});

test("an event that was put in is found", async () => {
  const store = await history();
  const metadata = { agentTimeUs: 1 as TimeUs, monotonicUs: 1, hostTimeUs: 1 as TimeUs, epoch: 9 as Epoch, sequence: 1, index: 0, correlation: "" };
  const forged = encodeEvent(
    { type: "HostOpened", version: "x" },
    { ...metadata, batchEnd: { count: 1, previousHash: await chainHashAt(store, MACHINE_STREAM, 7 as Revision) } },
  );
  const putIn = await tamperedCopy(
    store,
    ofMachine((events) => [...events.slice(0, 8), forged, ...events.slice(8)]),
  );
  assert.match((await breaks(putIn)).join(), /^machine r8 the batch r8 is not what the one after it names: it was altered, put in/);
});

test("an end that was cut off is found by the audit, by the head that was kept, and by itself where a batch was torn", async () => {
  const store = await history();
  const head = headsText(await headsOf(store));
  const cut = (source: EventStore, count: number) =>
    tamperedCopy(
      source,
      ofMachine((events) => events.slice(0, count)),
    );
  assert.match((await breaks(await cut(store, 14))).join(), /^machine r14 the stream ends at r13, and entry r2 of the audit knows of r17: its end was cut off/);
  assert.match((await breaks(await cut(store, 10))).join(), /^machine r8 its batch has no end: the stream was cut off at r9/);
  const unseen = await history(12, { isWitnessed: false });
  assert.equal(await breaks(await cut(unseen, 14)), [], "nobody knows of it");
  assert.match((await breaks(await cut(unseen, 14), headsText(await headsOf(unseen)))).join(), /^machine r14 .*and the head that was kept knows of r23/);
  const without = await tamperedCopy(store, (events, stream) => (stream === AUDIT_STREAM ? events.slice(0, -1) : events));
  assert.equal(await breaks(without), [], "the audit's own end is in the head alone");
  assert.match((await breaks(without, head)).join(), /^host-audit r3 the stream ends at r2, and the head that was kept knows of r3/);
});

test("a history that was written anew as a whole is found by the head alone", async () => {
  const store = await history();
  const head = headsText(await headsOf(store));
  const anew = await history(12, { salt: "another" });
  assert.equal(await breaks(anew), [], "it is as consistent as the old one");
  assert.equal(
    (await breaks(anew, head)).map((text) => text.replace(/ up to .*/, "")),
    ["host-audit r3", "machine r23"],
  );
  const longer = await history(20, { salt: "another" });
  assert.match((await breaks(longer, head)).join(), /machine r23 up to there history is another one than the head that was kept knows/);
  const shifted = await tamperedCopy(
    await history(20, { salt: "another" }),
    ofMachine((events) => events.slice(0, 20)),
  );
  assert.match((await breaks(shifted, head.split(",")[1]!)).join("\n"), /machine r20 the stream ends at r19/);
  assert.match((await breaks(anew, (await headsOf(store))[1]!.chainHash)).join(), /no stream has the hash/);
  const onlyMachine = await tamperedCopy(store, (events, stream) => (stream === AUDIT_STREAM ? [] : events));
  assert.match((await breaks(onlyMachine, head)).join(), /^host-audit r3 the head that was kept is of this stream, and it is gone/);
});

test("a machine's history that was written anew beside an old audit is found by the audit", async () => {
  const [store, other] = [await history(), await history(12, { salt: "another" })];
  const events = await other.read(MACHINE_STREAM, { maxCount: 100 });
  const mixed = await tamperedCopy(
    store,
    ofMachine(() => events),
  );
  assert.match((await breaks(mixed)).join(), /^machine r5 up to there history is another one than entry r0 of the audit knows/);
});

/** As a rebase does it: the event names the tree at the window's start, then the front goes. */
async function rebased(store: EventStore, window: number, chainHash?: string): Promise<void> {
  const chain = await ChainedStream.open(store, MACHINE_STREAM);
  const recorded = chainHash ?? (await chainHashAt(store, MACHINE_STREAM, window as Revision)).toString("hex");
  const state = { enrolled: { hashKey: "00" }, trees: [{ revision: window, chainHash: recorded }], snapshots: [] };
  const times = { agentTimeUs: 1 as TimeUs, hostTimeUs: 1 as TimeUs, monotonicUs: 1, epoch: 0 as Epoch, correlation: "" };
  await chain.append([{ type: "Rebased", window: window as Revision, state }], { ...times, sequence: chain.head.revision + 1 });
  await store.truncateBefore(MACHINE_STREAM, window as Revision);
}

test("after a rebase the chain begins at the hash that the rebase recorded", async () => {
  const store = await history();
  const before = headsText(await headsOf(store));
  await rebased(store, 10);
  const [, machine] = await verified(store);
  assert.equal(machine?.type === "verified" ? [machine.start.revision, machine.batchCount] : machine, [10, 8]);
  assert.equal(await breaks(store, before), [], "a head inside the window is still proven");
  const wrong = await history();
  await rebased(wrong, 10, "ab".repeat(32));
  assert.match((await breaks(wrong)).join(), /^machine r10 up to there history is another one than the event that moved the window's start to r10 knows/);
});

test("a beginning that is gone without a record was removed, and a head from before the window can be proven by nothing", async () => {
  const store = await history();
  await store.truncateBefore(MACHINE_STREAM, 10 as Revision);
  assert.match((await breaks(store)).join(), /^machine r11 the stream begins after it, and nothing recorded says why/);
  const more = await history();
  await rebased(more, 10);
  await more.truncateBefore(MACHINE_STREAM, 13 as Revision);
  assert.match((await breaks(more)).join(), /^machine r14 the stream begins after it, and nothing recorded says why/);
  const old = await history(3, { isWitnessed: false });
  const head = headsText(await headsOf(old));
  await writeHistory(old, 0);
  const grown = await history(12, { isWitnessed: false });
  await rebased(grown, 10);
  const items = await verified(grown, head);
  assert.match(items.flatMap((item) => (item.type === "unproven" ? [`${item.head} ${item.why}`] : [])).join(), /@5 what is kept begins after r10/);
});

test("a head is a line that audit head printed, or a hash out of it", () => {
  for (const text of ["", "  ", "abc", "machine-a@x:00", `machine-a@5:${"0".repeat(63)}`]) {
    try {
      parseHeads(text);
      assert.unreachable(text);
    } catch (error) {
      assert.ok(isRainbowError(error, "USAGE"), text);
    }
  }
  const head = { stream: "machine-a", revision: 5 as Revision, chainHash: "0a".repeat(32) };
  assert.equal(parseHeads(` ${headsText([head, head])}\n${"0B".repeat(32)} `), { heads: [head, head], hashes: ["0b".repeat(32)] });
});

test.run();
