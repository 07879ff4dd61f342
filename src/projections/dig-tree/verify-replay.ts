/** Rebuilds the state from the events alone, beside the live one and in memory, and compares every key and the counts of chunks. */
import { displayOf } from "../../core/index.ts";
import type { ByteString, ChunkNumber, Revision } from "../../core/index.ts";
import { NO_STREAM, readBatches } from "../../events/index.ts";
import { ChunkCounts } from "./chunk-counts.ts";
import { evolve } from "./evolve.ts";
import { namePartOfKey, nodeOfKey, PREFIX, regionOfKey } from "./keys.ts";
import type { LiveState } from "./live-state.ts";
import { referencesOfTree } from "./named-chunks.ts";
import { State } from "./state.ts";
import { StateDigest, walkState } from "./walk-state.ts";

export interface ReplayDifference {
  /** Which answer differs, for people. */
  readonly what: string;
  readonly live: string;
  readonly replayed: string;
}

export interface ReplayReport {
  readonly revision: Revision;
  readonly eventCount: number;
  readonly keyCount: number;
  /** Digest of the replayed state, in hex. */
  readonly digest: string;
  /** The first few. */
  readonly differences: readonly ReplayDifference[];
  /** It was not replayed to the end, and nothing was compared. */
  readonly isInterrupted: boolean;
}

const DIFFERENCES_MAX = 20;
const SLICE_KEYS = 10_000;
const SLICE_EVENTS = 5000; // About 15 ms of folding; others get their turn then.

export interface ReplayOptions {
  /** A batch end of the window. Default: now. */
  readonly to?: Revision;
  readonly onProgress?: (doneEvents: number, allEvents: number) => void;
  /** Aborted, the replay ends at once. */
  readonly signal?: AbortSignal;
}

/** Closes `live`. */
export async function verifyReplay(live: LiveState, options: ReplayOptions): Promise<ReplayReport> {
  try {
    return await replayBeside(live, options);
  } finally {
    live.close();
  }
}

async function replayBeside(live: LiveState, options: ReplayOptions): Promise<ReplayReport> {
  const { store, stream, window, revision } = live;
  const atWindow = new Map<ChunkNumber, number>();
  if (window !== undefined) await referencesOfTree(window.reader, (chunk) => void atWindow.set(chunk, (atWindow.get(chunk) ?? 0) + 1));
  const counts = new ChunkCounts((chunk) => atWindow.get(chunk) ?? 0);
  for (const chunk of atWindow.keys()) counts.touch(chunk);
  const replayed = new State({ base: window, counts });
  const before = window?.revision ?? NO_STREAM;
  let [eventCount, sliceCount] = [0, 0];
  for await (const batch of readBatches(store, stream, (before + 1) as Revision, revision)) {
    for (const recorded of batch.events) evolve(replayed, recorded);
    eventCount += batch.events.length;
    sliceCount += batch.events.length;
    if (options.signal?.aborted === true) return { revision, eventCount, keyCount: 0, digest: "", differences: [], isInterrupted: true };
    if (sliceCount < SLICE_EVENTS) continue;
    sliceCount = 0;
    options.onProgress?.(batch.last - before, revision - before);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { keyCount, differences, digest } = await compareStates(live.state, replayed);
  for (const [chunk, count] of live.liveCount === undefined ? [] : counts.snapshot()) {
    const liveCount = live.liveCount!(chunk as ChunkNumber);
    if (liveCount !== count && differences.length < DIFFERENCES_MAX)
      differences.push({ what: `references of chunk ${chunk}`, live: `${liveCount}`, replayed: `${count}` });
  }
  return { revision, eventCount, keyCount, digest, differences, isInterrupted: false };
}

export interface Comparison {
  readonly keyCount: number;
  /** The first few. */
  readonly differences: ReplayDifference[];
  /** Of the replayed state, in hex. */
  readonly digest: string;
}

/** Key by key, in slices; neither is written meanwhile. */
export async function compareStates(liveState: State, replayedState: State): Promise<Comparison> {
  const [live, replayed, digest] = [walkState(liveState), walkState(replayedState), new StateDigest()];
  const differences: ReplayDifference[] = [];
  const differs = (what: string, left: string, right: string): void => {
    if (differences.length < DIFFERENCES_MAX) differences.push({ what, live: left, replayed: right });
  };
  let keyCount = 0;
  for (let [x, y] = [live.next(), replayed.next()]; x.done !== true || y.done !== true; keyCount++) {
    const order = x.done === true ? 1 : y.done === true ? -1 : Buffer.compare(x.value.key, y.value.key);
    if (order < 0) differs(nameOfKey(x.value!.key), x.value!.value.toString("hex"), "missing");
    else if (order > 0) differs(nameOfKey(y.value!.key), "missing", y.value!.value.toString("hex"));
    else if (!x.value!.value.equals(y.value!.value)) differs(nameOfKey(x.value!.key), x.value!.value.toString("hex"), y.value!.value.toString("hex"));
    if (order >= 0) digest.add(y.value!);
    if (order <= 0) x = live.next();
    if (order >= 0) y = replayed.next();
    if (keyCount % SLICE_KEYS === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { keyCount, differences, digest: digest.hex() };
}

/** A key for people. */
function nameOfKey(key: Buffer): string {
  const prefix = key[0]!;
  if (prefix === PREFIX.name) return `name '${displayOf(namePartOfKey(key) as ByteString)}' in directory ${nodeOfKey(key)}`;
  if (prefix === PREFIX.node) return `node ${nodeOfKey(key)}`;
  if (prefix === PREFIX.region) return `content of file ${nodeOfKey(key)}, region ${regionOfKey(key)}`;
  if (prefix === PREFIX.stagedRegion) return `staged content of file ${nodeOfKey(key)}, region ${regionOfKey(key)}`;
  return `fact ${key.toString("hex")}`;
}
