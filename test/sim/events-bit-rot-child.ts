/** Flips one bit after the other in a copy of an event store and says, flip by flip, what came of it. A signal here is a failure. */
import { copyFileSync, openSync, readSync, rmSync, writeSync, closeSync, readFileSync } from "node:fs";
import { isRainbowError } from "../../src/core/index.ts";
import type { Revision } from "../../src/core/index.ts";
import type { EventStore } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { digestOf } from "./events-bit-rot-store.ts";

export type Flip = readonly [offset: number, bit: number];
type Truth = Readonly<Record<string, readonly string[]>>;

const [, , original = "", work = "", planFile = ""] = process.argv;
const { flips, truth } = JSON.parse(readFileSync(planFile, "utf8")) as { flips: Flip[]; truth: Truth };
const PAGE = 50;

function flipBit(path: string, [offset, bit]: Flip): void {
  const fd = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  byte[0] = byte[0]! ^ (1 << bit);
  writeSync(fd, byte, 0, 1, offset);
  closeSync(fd);
}

/** Reads all of a stream in one direction; every event that is given must be the true one. Returns whether damage was told. */
async function readAll(store: EventStore, stream: string, expected: readonly string[], from: number, direction: "forwards" | "backwards"): Promise<boolean> {
  const last = expected.length - 1;
  let next = direction === "forwards" ? from : last;
  try {
    while (next >= from && next <= last) {
      const page = await store.read(stream, { direction, from: next as Revision, maxCount: PAGE });
      if (page.length === 0) throw new Error(`${stream}@${next} is silently missing`);
      for (const event of page.filter(({ revision }) => revision <= last)) {
        if (event.revision !== next) throw new Error(`${stream}@${next} is silently missing: ${event.revision} came`);
        if (digestOf(event) !== expected[next]) throw new Error(`${stream}@${next} is wrong`);
        next += direction === "forwards" ? 1 : -1;
      }
    }
    return false;
  } catch (error) {
    if (isRainbowError(error, "EVENT_CORRUPT", "NEWER_FORMAT")) return true;
    throw error;
  }
}

async function visit(store: EventStore): Promise<boolean> {
  let isTold = false;
  for (const [stream, expected] of Object.entries(truth)) {
    const info = await store.info(stream);
    if (info.headRevision < expected.length - 1) throw new Error(`${stream} ends silently at ${info.headRevision}, not at ${expected.length - 1}`);
    for (const direction of ["forwards", "backwards"] as const) isTold = (await readAll(store, stream, expected, info.truncatedBefore, direction)) || isTold;
  }
  return isTold;
}

async function tryFlip(flip: Flip): Promise<string> {
  for (const file of [work, `${work}-lock`]) rmSync(file, { force: true });
  copyFileSync(original, work);
  flipBit(work, flip);
  try {
    let store = await openLmdbEventStore({ path: work });
    let isTold = await visit(store);
    for (const [stream, expected] of Object.entries(truth)) {
      const { headRevision } = await store.info(stream);
      await store.append(stream, headRevision, [
        { id: Buffer.alloc(16, 1), type: "Later", data: Buffer.alloc(5000, expected.length), metadata: Buffer.alloc(0) },
      ]);
    }
    await store.reclaim();
    await store.close();
    store = await openLmdbEventStore({ path: work });
    isTold = (await visit(store)) || isTold;
    await store.close();
    return isTold ? "told on reading" : "harmless";
  } catch (error) {
    if (isRainbowError(error) && [30, 13].includes(error.exitCode)) return "told on opening";
    throw error;
  }
}

for (const flip of flips) {
  try {
    console.log(`FLIP ${flip.join(":")} ${await tryFlip(flip)}`);
  } catch (error) {
    console.log(`FLIP ${flip.join(":")} FAILED ${error instanceof Error ? error.message : String(error)}`);
  }
}
