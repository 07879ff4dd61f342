/**
 * Makes a damaged event store sound again for `repair`: what can be read of it goes into a new file, which takes its place only when it
 * is whole; the damaged one stays beside it. Nothing is changed where the store is sound, or where nothing of use could be saved.
 */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { enrolmentOf, mirrorStreamOf, streamOf } from "../actors/machine/index.ts";
import { isRainbowError, RainbowError } from "../core/index.ts";
import type { Revision } from "../core/index.ts";
import { readBatches, verifyChain, walkChain } from "../events/index.ts";
import type { EventStore, StreamInfo } from "../events/index.ts";
import { auditStreamOf } from "../actors/audit/index.ts";
import { openLmdbEventStore, salvageLmdbEventStore } from "../events/lmdb/index.ts";
import type { DataDirectory } from "./data-directory.ts";

export const EVENTS_FILE = "events.lmdb";
const PROBLEMS_TOLD = 5; // Pages; one bad disk sector seldom makes more.

export interface SalvagedEvents {
  readonly damage: string;
  readonly savedRevision: Revision;
  /** undefined where the damaged store does not tell. */
  readonly lostEventCount: number | undefined;
  readonly keptPath: string;
}

/** undefined where the store is sound. STORE_CORRUPT where nothing can be saved; then everything is as it was. */
export async function mendEvents({ path: directory, format }: DataDirectory): Promise<SalvagedEvents | undefined> {
  const path = join(directory, EVENTS_FILE);
  const stream = streamOf(format.machine);
  const damage = await damageOf(path, stream);
  if (damage === undefined) return undefined;
  const target = `${path}.salvaged`;
  removeWithLock(target); // Of a repair that was cut off.
  try {
    const { problems, streams } = await salvageLmdbEventStore(path, target);
    const saved = streams.find((each) => each.stream === stream);
    if (saved === undefined || !(await isEnrolled(target, stream))) throw nothingSaved(path, damage);
    const keptPath = swap(directory, path, target);
    const pages = problems.slice(0, PROBLEMS_TOLD).map(({ page, what }) => `page ${page}: ${what}`);
    return {
      damage: pages.length === 0 ? damage : pages.join("; "),
      savedRevision: saved.savedRevision,
      lostEventCount: saved.headRevision === undefined ? undefined : saved.headRevision - saved.savedRevision,
      keptPath,
    };
  } catch (error) {
    removeWithLock(target);
    throw error;
  }
}

/** What is wrong with the store, in words; every event is read, and every batch must name the hash of the one before it. */
async function damageOf(path: string, machineStream: string): Promise<string | undefined> {
  try {
    const store = await openLmdbEventStore({ path });
    try {
      const mirrors = (await store.streams(mirrorStreamOf(""))).filter(({ deleted }) => !deleted);
      for (const stream of [machineStream, ...mirrors.map((info) => info.stream)]) {
        const { headRevision, truncatedBefore } = await store.info(stream);
        await verifyChain(readBatches(store, stream, truncatedBefore, headRevision));
      }
      for (const info of await store.streams(auditStreamOf(""))) if (!info.deleted && info.headRevision >= 0) await walked(store, info);
      return undefined;
    } finally {
      await store.close();
    }
  } catch (error) {
    if (isRainbowError(error, "STORE_CORRUPT", "EVENT_CORRUPT")) return error.message;
    throw error;
  }
}

/** EVENT_CORRUPT where the stream is not whole; its events are not decoded. */
async function walked(store: EventStore, info: StreamInfo): Promise<void> {
  const walk = walkChain(store, info);
  while ((await walk.next()).done !== true);
}

/** The machine's first event holds the key of its chunks: without it no content can be verified. */
async function isEnrolled(path: string, stream: string): Promise<boolean> {
  const store = await openLmdbEventStore({ path });
  try {
    return (await enrolmentOf(store, stream)) !== undefined;
  } catch (error) {
    if (isRainbowError(error, "STORE_CORRUPT")) return false;
    throw error;
  } finally {
    await store.close();
  }
}

function nothingSaved(path: string, damage: string): RainbowError {
  const what = `${path}: its first event cannot be read (${damage}), and with it the key that verifies every stored byte is lost`;
  return new RainbowError("STORE_CORRUPT", `${what}; nothing was changed: keep the data directory, and protect into another one with --data-dir`, { path });
}

/** The new file takes the place in one step; there is an event store at every moment. Returns where the damaged one is. */
function swap(directory: string, path: string, target: string): string {
  let kept = `${path}.damaged`;
  for (let i = 2; existsSync(kept); i++) kept = `${path}.damaged-${i}`;
  linkSync(path, kept);
  syncDirectory(directory);
  renameSync(target, path);
  for (const lock of [`${path}-lock`, `${target}-lock`]) rmSync(lock, { force: true });
  syncDirectory(directory);
  return kept;
}

function removeWithLock(path: string): void {
  for (const each of [path, `${path}-lock`]) rmSync(each, { force: true });
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
