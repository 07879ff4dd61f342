/**
 * node writer.ts ORDER: the host of one machine, besieged. An agent sends batches; beside it people take and drop snapshots, read and
 * hold views open; beside both the window moves, old trees are dropped, their chunks freed, random policies carried out, and the disk
 * filled up. What a view answers is compared here; what must hold after the end is noted in a file, step by step.
 */
import { mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { isRainbowError } from "../../../src/core/index.ts";
import { seededRandom } from "../../support/random.ts";
import { openStores } from "../power-cut/stores.ts";
import { Agent } from "./agent.ts";
import { SetClock } from "./clock.ts";
import { NOTES } from "./model.ts";
import { MUST_OPEN_ANEW } from "./order.ts";
import type { WriterOrder } from "./order.ts";
import { People } from "./people.ts";
import { Housekeeping } from "./housekeeping.ts";

const order = JSON.parse(process.argv[2] ?? "") as WriterOrder;
mkdirSync(order.root, { recursive: true });
const notes = openSync(join(order.root, NOTES), "a");
const note = (...words: (string | number)[]): void => void writeSync(notes, `${words.join(" ")}\n`);
const random = seededRandom(order.roundSeed);
const clock = new SetClock(order.model.clockUs);

/** False where the stores must be opened anew: nothing more can be written to them. */
async function besiege(): Promise<boolean> {
  const stores = await openStores(order.root, order.create, clock);
  note("ready");
  const site = { stores, random, clock, note, model: order.model };
  const agent = new Agent(site, order);
  const others = [new People(site, agent, order.roundSeed), new Housekeeping(site, agent, order.ballast)];
  const done = agent.work(order.batchCount);
  const isDone = done.then(
    () => true,
    () => true,
  );
  await Promise.all([done, ...others.map((each) => each.work(isDone))]);
  for (const each of others) each.end();
  await stores.close();
  return true;
}

try {
  await besiege();
  note("end");
} catch (error) {
  const isFull = isRainbowError(error, "DISK_FULL", "QUOTA_FULL", "OUTCOME_UNKNOWN");
  const mustOpen = isRainbowError(error) && /opened? (it|anew)|opening this machine anew/.test(error.message);
  if (!isFull && !mustOpen) throw error;
  process.exit(MUST_OPEN_ANEW);
}
