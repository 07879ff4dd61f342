/**
 * node writer.ts ORDER: opens the stores and sends batches, several under way at a time, in sessions that end by a new one or by a
 * new opening. Each step is noted in a file below the recorded root, so that its place in the recording orders it against the writes.
 */
import { mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { FactMaker } from "../../support/facts.ts";
import { seededRandom } from "../../support/random.ts";
import { HASH_KEY, NOTES } from "./script.ts";
import type { WriterOrder } from "./script.ts";
import { openStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

const IN_FLIGHT = 5;
const order = JSON.parse(process.argv[2] ?? "") as WriterOrder;
const random = seededRandom(order.seed + order.script.length);
const maker = new FactMaker(order.seed, HASH_KEY);
for (const epoch of order.script) maker.next(epoch);
mkdirSync(order.root, { recursive: true });
const notes = openSync(join(order.root, NOTES), "a");
const note = (...words: (string | number)[]): void => void writeSync(notes, `${words.join(" ")}\n`);

/** One session; returns the index after its last batch. */
async function session({ machine, failure }: Stores, first: number, count: number): Promise<number> {
  const ingest = await machine.ingest();
  const { epoch } = await ingest.openSession();
  note("session", epoch, first);
  const underWay = new Set<Promise<void>>();
  for (let i = first; i < first + count; i++) {
    const batch = maker.next(epoch);
    note("sent", i);
    const sent = ingest.send(batch).then(() => {
      note("ack", i);
      underWay.delete(sent);
    });
    underWay.add(sent);
    if (random.chance(0.1)) await Promise.all(underWay); // A quiet moment now and then.
    while (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
    if (random.chance(0.08)) await machine.projection.buildTree();
  }
  await Promise.all(underWay);
  if (failure() !== undefined) throw failure();
  return first + count;
}

let stores = await openStores(order.root, order.script.length === 0);
note("ready");
for (let next = order.script.length; next < order.script.length + order.batchCount;) {
  next = await session(stores, next, 3 + random.int(12));
  if (random.chance(0.5)) continue;
  await stores.close();
  stores = await openStores(order.root, false);
}
await stores.close();
note("end");
