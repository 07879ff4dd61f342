/** Appends over the server's limit: all or nothing, read back byte by byte, and their parts go with them when they are truncated. */
import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { KurrentDBClient } from "@kurrent/kurrentdb-client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Position, Revision } from "../../src/core/index.ts";
import { NO_STREAM } from "../../src/events/index.ts";
import type { NewEvent } from "../../src/events/index.ts";
import { openKurrentEventStore, parseAddress } from "../../src/events/kurrent/index.ts";
import { StandInServer } from "../support/esdb/index.ts";
import { temporaryDirectory } from "../support/temp.ts";

const test = suite("appends over the server's limit");
const MIB = 1 << 20;

const eventOf = (data: Buffer, metadata = Buffer.alloc(0)): NewEvent => ({ id: randomBytes(16), type: "Large", data, metadata });
const address = async (): Promise<string> =>
  process.env["RAINBOW_ESDB_URL"] ?? (await StandInServer.start(join(temporaryDirectory("stand-in"), "log.lmdb"))).address;

test("one event over the limit, many small ones together over it, and one with all in its metadata come back as they were", async () => {
  const where = await address();
  const store = await openKurrentEventStore({ address: where });
  const stream = `large-${randomUUID()}`;
  const appends = [
    [eventOf(randomBytes(3 * MIB))],
    Array.from({ length: 10_000 }, (_, i) => eventOf(Buffer.from(`small ${i} `.repeat(10)), Buffer.from(String(i)))),
    [eventOf(Buffer.alloc(0), randomBytes(MIB)), eventOf(Buffer.from("beside it"))],
  ];
  let head = NO_STREAM as number;
  for (const events of appends) {
    head = (await store.append(stream, head as Revision, events)).revision;
    assert.is((await store.append(stream, (head - events.length) as Revision, events)).repeated, true, "a repeat is told as one");
  }
  const all = appends.flat();
  const fresh = await openKurrentEventStore({ address: where });
  for (let next = 0; next < all.length;) {
    const page = await fresh.read(stream, { from: next as Revision, maxCount: 10_000 });
    for (const event of page) {
      const sent = all[next++]!;
      assert.ok(Buffer.compare(event.data, sent.data) === 0 && Buffer.compare(event.metadata, sent.metadata) === 0 && Buffer.compare(event.id, sent.id) === 0);
    }
  }
  for await (const page of fresh.subscribe({ after: 0 as Position, prefixes: [stream], signal: AbortSignal.timeout(60_000) })) {
    assert.ok(
      page.events.every((event) => event.stream === stream),
      "parts are no events of anybody",
    );
    if (page.live) break;
  }
  await Promise.all([store.close(), fresh.close()]);
});

test("parts are truncated with the events that refer to them, and not before", async () => {
  const where = await address();
  const store = await openKurrentEventStore({ address: where });
  const client = KurrentDBClient.connectionString(parseAddress(where).connectionString);
  const stream = `large-${randomUUID()}`;
  const partRevisions = async (): Promise<number[]> => {
    const found: number[] = [];
    for await (const { event } of client.readStream(`rainbow-parts-${stream}`)) found.push(Number(event?.revision));
    return found;
  };
  for (let i = 0; i < 3; i++) await store.append(stream, (i - 1) as Revision, [eventOf(randomBytes(1.5 * MIB))]);
  assert.equal(await partRevisions(), [0, 1, 2, 3, 4, 5]);
  await store.truncateBefore(stream, 1 as Revision);
  assert.equal(await partRevisions(), [2, 3, 4, 5]);
  assert.is((await store.read(stream, { maxCount: 10 })).length, 2);
  await Promise.all([store.close(), client.dispose()]);
});

test.run();
