/**
 * A replay for an auditor: a data directory of its own with the events up to an instant and projections that were built from them there,
 * beside the live ones and without a look at them. Events are copied with ids and revisions, so that the chain can be verified in it, and
 * every reading command works on it. Payload is not copied: content comes from the data directory that it was made of, verified as ever.
 * Broken off, the same command goes on where it was.
 */
import { join } from "node:path";
import type { OpenedMachine } from "../actors/machine/index.ts";
import { isRainbowError, RainbowError } from "../core/index.ts";
import type { Clock, Disk, Os, Random, Revision } from "../core/index.ts";
import { openDig } from "../dig/index.ts";
import type { Dig } from "../dig/index.ts";
import { openLmdbControl } from "../dig/lmdb/index.ts";
import { openLmdbEventStore } from "../events/lmdb/index.ts";
import type { EventStore } from "../events/index.ts";
import { compareStates, DigTreeProjection, entriesOfTree } from "../projections/index.ts";
import type { LiveState, ReplayReport } from "../projections/index.ts";
import { copyStream } from "./copy-events.ts";
import { openDataDirectory } from "./data-directory.ts";
import type { DataDirectory } from "./data-directory.ts";
import { EVENTS_FILE } from "./mend-events.ts";

const QUOTA_BYTES = 2 ** 38; // Trees alone; the data file grows with what is in it.

export interface ReplayInto {
  readonly live: OpenedMachine;
  readonly store: EventStore;
  readonly os: Os;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** The live data directory. */
  readonly of: string;
  readonly label: string;
  readonly into: string;
  /** A batch end. */
  readonly to: Revision;
  readonly signal: AbortSignal;
  readonly onCopied: (doneEvents: number, allEvents: number) => void;
  readonly onReplayed: (doneEvents: number, allEvents: number) => void;
}

/** TARGET_REFUSED where the folder holds something else; INSTANT_OUTSIDE at the very start of a window that was moved. */
export async function replayInto(request: ReplayInto): Promise<ReplayReport> {
  const { live, of, label, into, to, os, clock, random } = request;
  if (into === of || into.startsWith(`${of}/`)) throw refused(into, "lies in the data directory that it is made of");
  await refuseWindowStart(request);
  const format = { machine: live.machine, label, replay: { of, revision: to } };
  const directory = openTarget(into, { path: into, create: true, forWriting: true, os, clock, random, format });
  try {
    const { replay, machine, complete } = directory.format;
    if (replay?.of !== of || replay.revision !== to || machine !== live.machine) throw refused(into, "is another data directory");
    if (complete) throw refused(into, `has this replay already: 'rainbow --data-dir ${into} ls' reads it`);
    const state = await live.projection.liveState(to);
    try {
      return await fill(request, directory, state);
    } finally {
      state.close();
    }
  } finally {
    directory.close();
  }
}

/** A rebase leaves the last event of the batch at the window's start: a stream that ends there is none that a chain could go on from, or prove. */
async function refuseWindowStart({ store, live, to }: ReplayInto): Promise<void> {
  const { truncatedBefore } = await store.info(live.stream);
  if (to === 0 || to > truncatedBefore) return;
  const why = `the events up to r${to}, the window's start, were given up: a replay of its own begins after it`;
  throw new RainbowError("INSTANT_OUTSIDE", `${why}; name a later instant, or read this one with --at`, { revision: to });
}

function openTarget(into: string, options: Parameters<typeof openDataDirectory>[0]): DataDirectory {
  try {
    return openDataDirectory(options);
  } catch (error) {
    if (isRainbowError(error, "DATA_DIR_REFUSED")) throw new RainbowError("TARGET_REFUSED", error.message, { into }, error);
    throw error;
  }
}

function refused(into: string, why: string): RainbowError {
  return new RainbowError("TARGET_REFUSED", `${into}: ${why}; name a new or an empty folder`, { into });
}

async function fill(request: ReplayInto, directory: DataDirectory, live: LiveState): Promise<ReplayReport> {
  const { into, live: machine, to, signal } = request;
  const events = await openLmdbEventStore({ path: join(into, EVENTS_FILE), create: true });
  try {
    await copyEvents(request, events);
    const dig = await makeDig(request, join(into, "machines", machine.machine));
    try {
      const report = await build(request, { events, dig, live });
      directory.markComplete();
      return report;
    } finally {
      await dig.close();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return { revision: to, eventCount: 0, keyCount: 0, digest: "", differences: [], isInterrupted: true };
  } finally {
    await events.close();
  }
}

/** The machine's stream up to the instant, and what says where its window begins. */
async function copyEvents({ store, live, to, signal, into, onCopied }: ReplayInto, events: EventStore): Promise<void> {
  const note = await store.info(`rebased-${live.machine}`);
  if (note.headRevision >= 0) await copyStream(store, events, { info: note, signal, place: into });
  const info = await store.info(live.stream);
  await copyStream(store, events, { info: { ...info, headRevision: to }, signal, place: into, onCopied });
}

/** Always made anew: what was broken off is built again from the events. */
async function makeDig({ disk, live }: ReplayInto, directory: string): Promise<Dig> {
  for (const name of ["data.dig", "control.lmdb", "control.lmdb-lock"]) if (disk.exists(join(directory, name))) disk.remove(join(directory, name));
  const create = { uuid: live.dig.uuid, quotaBytes: QUOTA_BYTES };
  return await openDig({ disk, directory, hashKey: live.hashKey, control: openLmdbControl, create });
}

interface Built {
  readonly events: EventStore;
  readonly dig: Dig;
  readonly live: LiveState;
}

async function build({ clock, live: machine, signal, onReplayed }: ReplayInto, { events, dig, live }: Built): Promise<ReplayReport> {
  const { window, revision } = live;
  const { stream } = machine;
  if (window !== undefined) {
    const { revision: start, chainHash, nextChunk } = window.info; // The events before it are gone: it is where everything begins.
    await dig.trees.build({ revision: start, chainHash, nextChunk, changes: entriesOfTree(window), chunks: [] });
    await dig.freeing.moveWindow(start);
  }
  const projection = await DigTreeProjection.open({ store: events, stream, dig, clock });
  const stop = (): void => void projection.close();
  signal.addEventListener("abort", stop);
  try {
    await projection.catchUp(onReplayed);
    const replayed = await projection.liveState();
    try {
      const eventCount = revision - (window?.revision ?? -1);
      return { revision, eventCount, ...(await compareStates(live.state, replayed.state)), isInterrupted: false };
    } finally {
      replayed.close();
    }
  } finally {
    signal.removeEventListener("abort", stop);
    await projection.close();
  }
}
