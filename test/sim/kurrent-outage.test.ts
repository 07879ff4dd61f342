// Time limit: 900 s
/**
 * Outages between Rainbow and a server that keeps the events: killed and started again under load, and frozen. Nothing that was
 * acknowledged is lost, nothing is stored twice, and what was under way is resolved by itself. On a real server the same is a campaign.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../src/core/index.ts";
import type { Revision } from "../../src/core/index.ts";
import { NO_STREAM } from "../../src/events/index.ts";
import type { EventStore, NewEvent } from "../../src/events/index.ts";
import { openKurrentEventStore } from "../../src/events/kurrent/index.ts";
import { scale } from "../support/campaign.ts";
import { StandInServer } from "../support/esdb/index.ts";
import { skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("outages of the server that keeps the events");
const BATCH = 20;
const IN_FLIGHT = 4;

const startServer = (): Promise<StandInServer> => StandInServer.start(join(temporaryDirectory("stand-in"), "log.lmdb"));
const eventOf = (index: number): NewEvent => {
  const id = Buffer.alloc(16, 7);
  id.writeUInt32BE(index, 12);
  return { id, type: "Counted", data: Buffer.from(String(index)), metadata: Buffer.alloc(100) };
};

/** Appends in order, several under way, until `stop`; returns how many events were acknowledged. */
async function load(store: EventStore, stream: string, stop: () => boolean): Promise<number> {
  const underWay: Promise<unknown>[] = [];
  let next = 0;
  for (; !stop(); next += BATCH) {
    const events = Array.from({ length: BATCH }, (_, i) => eventOf(next + i));
    underWay.push(store.append(stream, (next - 1) as Revision, events));
    if (underWay.length >= IN_FLIGHT) await underWay.shift();
  }
  await Promise.all(underWay);
  return next;
}

async function assertWhole(store: EventStore, stream: string, count: number): Promise<void> {
  let seen = 0;
  while (seen < count) {
    const page = await store.read(stream, { from: seen as Revision, maxCount: 5000 });
    if (page.length === 0) break;
    for (const event of page) assert.is(Buffer.from(event.data).toString(), String(seen++), "each event once, in order");
  }
  assert.is(seen, count);
  assert.is((await store.info(stream)).headRevision, count - 1);
}

test("kills under load lose nothing that was acknowledged and double nothing", async () => {
  const server = await startServer();
  const store = await openKurrentEventStore({ address: server.address });
  let isOver = false;
  const loading = load(store, "loaded", () => isOver);
  for (let round = 0; round < scale(20); round++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await server.kill();
    await server.restart();
  }
  isOver = true;
  const count = await loading;
  await store.close();
  const fresh = await openKurrentEventStore({ address: server.address });
  await assertWhole(fresh, "loaded", count);
  await fresh.close();
});

test("an outage longer than the limit is told as an unknown outcome, and the next append goes on from what is there", async () => {
  const server = await startServer();
  const store = await openKurrentEventStore({ address: server.address, limits: { requestMsMax: 1000, outageMsMax: 1500 } });
  await store.append("s", NO_STREAM, [eventOf(0)]);
  await server.kill();
  const error: unknown = await store.append("s", 0 as Revision, [eventOf(1)]).catch((cause: unknown) => cause);
  assert.ok(isRainbowError(error, "OUTCOME_UNKNOWN"), String(error));
  assert.ok(isRainbowError(await store.info("s").catch((cause: unknown) => cause), "STORE_UNREACHABLE"));
  await server.restart();
  await store.append("s", 0 as Revision, [eventOf(1)]);
  await assertWhole(store, "s", 2);
  await store.close();
});

test("the newest events are answered from memory, also while the server is away", async () => {
  const server = await startServer();
  const store = await openKurrentEventStore({ address: server.address });
  for (let i = 0; i < 5; i++)
    await store.append(
      "s",
      (i * BATCH - 1) as Revision,
      Array.from({ length: BATCH }, (_, k) => eventOf(i * BATCH + k)),
    );
  await server.kill();
  const forwards = await store.read("s", { from: 15 as Revision, maxCount: 30, withoutPositions: true });
  const backwards = await store.read("s", { direction: "backwards", maxCount: 30, withoutPositions: true });
  assert.equal([forwards.length, Number(forwards[0]?.revision), Number(forwards.at(-1)?.revision)], [30, 15, 44]);
  assert.equal([backwards.length, Number(backwards[0]?.revision), Number(backwards.at(-1)?.revision)], [30, 99, 70]);
  assert.is(Buffer.from(forwards[0]!.data).toString(), "15");
  assert.is((await store.info("s")).headRevision, 99);
  await server.restart();
  await store.close();
});

test("reads and subscriptions go on after the server came back", async () => {
  const server = await startServer();
  const store = await openKurrentEventStore({ address: server.address });
  const stop = new AbortController();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const page of store.subscribe({ after: 0 as never, prefixes: ["s"], signal: stop.signal })) {
      for (const event of page.events) seen.push(Buffer.from(event.data).toString());
      if (seen.length === 3) stop.abort();
    }
  })();
  await store.append("s", NO_STREAM, [eventOf(0), eventOf(1)]);
  await server.kill();
  await server.restart();
  await store.append("s", 1 as Revision, [eventOf(2)]);
  await reading;
  assert.equal(seen, ["0", "1", "2"]);
  await store.close();
});

test("a server that is frozen for a while stores what was sent meanwhile, once", async () => {
  const server = await startServer();
  const store = await openKurrentEventStore({ address: server.address, limits: { requestMsMax: 1000 } });
  await store.append("s", NO_STREAM, [eventOf(0)]);
  server.pauseFor(2500);
  await Promise.all([1, 2, 3].map((i) => store.append("s", (i - 1) as Revision, [eventOf(i)])));
  await assertWhole(store, "s", 4);
  await store.close();
});

test("a server that is not there is told as such at once, with the password left out", async () => {
  const error: unknown = await openKurrentEventStore({
    address: "esdb://admin:secret@127.0.0.1:1?tls=false",
    limits: { requestMsMax: 500, outageMsMax: 500 },
  }).catch((cause: unknown) => cause);
  assert.ok(isRainbowError(error, "STORE_UNREACHABLE"), String(error));
  assert.not.match(error.message, /secret/);
});

test("a real server or cluster under load loses and doubles nothing, whatever is done to it meanwhile", async () => {
  const url = process.env["RAINBOW_ESDB_URL"];
  if (url === undefined) return skipped("outages of a real server", "RAINBOW_ESDB_URL names none");
  const secondsMs = Number(process.env["RAINBOW_ESDB_SECONDS"] ?? "10") * 1000;
  const stream = `load-${randomUUID()}`;
  const store = await openKurrentEventStore({ address: url });
  const endAtMs = performance.now() + secondsMs;
  const count = await load(store, stream, () => performance.now() > endAtMs);
  await assertWhole(store, stream, count);
  await store.close();
  const fresh = await openKurrentEventStore({ address: url });
  await assertWhole(fresh, stream, count);
  await fresh.close();
  console.log(`\n${count} events acknowledged in ${secondsMs / 1000} s, all there, each once`);
});

test.run();
