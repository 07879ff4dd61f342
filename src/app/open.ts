/**
 * Composition: a data directory, its stores, the actors over them and the table of operations. Adapters are made here and nowhere
 * else; what is below gets plain values.
 */
import { basename, join } from "node:path";
import { createCapture } from "../capture/index.ts";
import type { Capture } from "../capture/index.ts";
import { byteStringOfText, RainbowError } from "../core/index.ts";
import type { ByteString, Clock, Disk, Os, Random } from "../core/index.ts";
import { openDig } from "../dig/index.ts";
import type { Dig } from "../dig/index.ts";
import { lmdbControlOn, openLmdbControl } from "../dig/lmdb/index.ts";
import type { EventStore } from "../events/index.ts";
import { openDigests } from "../rsync/index.ts";
import type { Digests } from "../rsync/index.ts";
import { withBorrowedContent } from "./borrowed-content.ts";
import { openAgentMemory } from "./agent-memory.ts";
import { openDataDirectory } from "./data-directory.ts";
import type { DataDirectory, ReplayOrigin } from "./data-directory.ts";
import { hasOwnEvents } from "./events-choice.ts";
import { Host } from "./host.ts";
import type { Unfinished } from "./host.ts";
import { rebuildAll } from "./rebuild-machine.ts";
import { mendEvents } from "./mend-events.ts";
import { MirrorRunner, settingsOf, syncHistory } from "./mirroring/index.ts";
import { Mirrors } from "./mirrors.ts";
import type { SalvagedEvents } from "./mend-events.ts";
import { forgetNotedRoots, readNotedRoots } from "./noted-roots.ts";
import { openEvents } from "./open-events.ts";
import type { OpenedRainbow, OpenRainbowOptions } from "./open-late.ts";
import { openTarget, targetIdentity } from "./open-target.ts";
import { operationsOf } from "./operations/index.ts";
import { chooseOs, openContentCalls, openDisk, openXxh3, openZstd, openZstdStreams } from "./os/index.ts";
import { dialTcp } from "./rsync-wire.ts";
import { Starting } from "./starting.ts";

const QUOTA_SHARE = 0.2; // Of the disk, unless a policy says otherwise.
const QUOTA_BYTES_MIN = 64 << 20;

interface Agent {
  readonly capture: Capture;
  close(): Promise<void>;
}

interface Parts {
  readonly os: Os;
  readonly disk: Disk;
  readonly directory: DataDirectory;
  readonly starting: Starting;
}

/** Opens, and with mode "protect" captures from here on. Errors name what to do; everything is closed again then. */
export async function openRainbow(options: OpenRainbowOptions): Promise<OpenedRainbow> {
  const { clock, random, mode } = options;
  process.umask(0o077);
  const { os, reason } = chooseOs();
  const directory = openDataDirectory({ path: options.dataDirectory, create: options.create, forWriting: mode === "protect", os, clock, random });
  try {
    const { machine, label, replay } = directory.format;
    if (replay !== undefined && mode !== "read") throw refusedReplay(directory.path, replay);
    const starting = new Starting({ clock, dataDirectory: directory.path, machine, label, version: options.version });
    await options.onStarting?.(starting.operations);
    const parts: Parts = { os, disk: openDisk(os), directory, starting };
    const agent = mode === "protect" ? makeCapture(parts, options) : undefined;
    const capture = agent?.capture;
    let salvaged: SalvagedEvents | undefined;
    const mend = async (): Promise<void> => void (salvaged = mode === "repair" && hasOwnEvents(directory.path) ? await mendEvents(directory) : undefined);
    const beforeClosing = async (): Promise<void> => {
      await runner.close();
      await mirrors.close();
    };
    const alsoLook = (signal: AbortSignal): Promise<void> => mirrors.look(signal);
    const host = new Host({ ...hostOptions(parts, options, mend), beforeClosing, alsoLook, ...(capture === undefined ? {} : { capture }) });
    const digests = lazyDigests();
    const mirrors = makeMirrors(parts, options, host, digests);
    const runner = makeRunner(mirrors, options, host, digests);
    await host.start();
    if (replay === undefined) directory.markComplete(); // A replay is complete when it is made.
    await host.capturing();
    if (capture !== undefined) await takeOverNotes(host, capture, directory.path);
    const operations = operationsOf({
      host,
      mirrors,
      runner,
      digests,
      capture,
      isRepairing: mode === "repair",
      salvaged,
      os,
      disk: parts.disk,
      clock,
      random,
      dataDirectory: directory.path,
      machine,
      label,
      version: options.version,
      replay,
    });
    if (mode === "protect") void runner.start();
    starting.open(operations);
    const warnings =
      os.lacks.length === 0 ? directory.warnings : [...directory.warnings, `without the addon these are not kept: ${os.lacks.join(", ")} (${reason})`];
    return { operations, warnings, close: () => closeAll(host, agent, directory) };
  } catch (error) {
    directory.close();
    throw error;
  }
}

function refusedReplay(path: string, { of, revision }: ReplayOrigin): RainbowError {
  const what = `${path}: is a replay of ${of} up to r${revision}, made to be read`;
  return new RainbowError("DATA_DIR_REFUSED", `${what}; protect into ${of} itself, or name another folder with --data-dir`, { path, of, revision });
}

async function closeAll(host: Host, agent: Agent | undefined, directory: DataDirectory): Promise<Unfinished | undefined> {
  try {
    const unfinished = await host.close();
    await agent?.close();
    return unfinished;
  } finally {
    directory.close();
  }
}

function hostOptions(
  { disk, directory, starting }: Parts,
  options: OpenRainbowOptions,
  mend: () => Promise<void>,
): Omit<ConstructorParameters<typeof Host>[0], "capture"> {
  const { machine, label, replay } = directory.format;
  return {
    directory: directory.path,
    machine,
    label,
    version: options.version,
    clock: options.clock,
    random: options.random,
    ...(options.mode === "repair" ? { beforeOpening: (store: EventStore) => rebuildAll(disk, directory, store) } : {}),
    openStore: async () => {
      await mend();
      return await openEvents(directory, options.events);
    },
    openDig: async (path, hashKey, isNew) => {
      const dig = await openMachineDig(disk, path, hashKey, isNew && !directory.format.complete ? options.random.uuid() : undefined);
      return replay === undefined ? dig : await withBorrowedContent(dig, { disk, origin: replay, machine, hashKey });
    },
    freeBytes: () => disk.freeBytes(directory.path),
    onReplay: (doneEvents, allEvents) => options.onReplay?.(starting.note(doneEvents, allEvents)),
  };
}

function lazyDigests(): () => Promise<Digests> {
  let digests: Promise<Digests> | undefined;
  return () => (digests ??= openDigests(openXxh3()));
}

function makeMirrors({ os, disk, directory }: Parts, { clock, random, version }: OpenRainbowOptions, host: Host, digests: () => Promise<Digests>): Mirrors {
  return new Mirrors({
    directory: directory.path,
    version,
    clock,
    random,
    store: () => host.eventStore,
    openDig: (path, hashKey, mayMake) => openMachineDig(disk, path, hashKey, mayMake ? basename(path) : undefined),
    openMemory: (path) => openLmdbControl({ path, create: true, readOnly: false }),
    freeBytes: () => disk.freeBytes(directory.path),
    openObjects: ({ target, options }, create) => openTarget(target, { os, random, create, settings: settingsOf(options), environment: process.env }),
    identityOf: (target) => targetIdentity(target, os),
    content: { digests, owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 } },
  });
}

function makeRunner(mirrors: Mirrors, { clock, random, mode }: OpenRainbowOptions, host: Host, digests: () => Promise<Digests>): MirrorRunner {
  return new MirrorRunner({
    mirrors,
    clock,
    random,
    dial: dialTcp,
    digests,
    openZstdStream: openZstdStreams(),
    environment: process.env,
    isScheduled: mode === "protect",
    history: ({ machine }) => syncHistory(host.eventStore, machine.stream),
  });
}

function openMachineDig(disk: Disk, directory: string, hashKey: Buffer, newUuid: string | undefined): Promise<Dig> {
  const create = newUuid === undefined ? {} : { create: { uuid: newUuid, quotaBytes: quotaOf(disk, directory) } };
  return openDig({ disk, directory, hashKey, control: lmdbControlOn(disk), zstd: openZstd(), ...create });
}

function quotaOf(disk: Disk, directory: string): number {
  disk.makeDirectory(directory);
  return Math.max(QUOTA_BYTES_MIN, Math.floor(disk.freeBytes(directory) * QUOTA_SHARE));
}

/** The agent's side: its memory, and capture over it. */
function makeCapture({ os, directory }: Parts, { clock, random }: { clock: Clock; random: Random }): Agent {
  const own = join(directory.path, "agent");
  const memory = openAgentMemory(own);
  const content = openContentCalls();
  const capture = createCapture({
    os,
    clock,
    random,
    store: memory,
    homes: homesOf(),
    ...(content === undefined ? {} : { content }),
    directory: byteStringOfText(own),
    dataDirectory: byteStringOfText(directory.path),
  });
  return { capture, close: () => memory.close() };
}

/** Whose `.cache` is left out by default. */
function homesOf(): ByteString[] {
  const home = process.env["HOME"];
  return home === undefined || home === "" ? [] : [byteStringOfText(home)];
}

/** Folders that were added or removed while nothing ran. */
async function takeOverNotes(host: Host, capture: Capture, directory: string): Promise<void> {
  const noted = readNotedRoots(directory);
  if (noted.length === 0) return;
  for (const { path, options } of noted) {
    try {
      if (options === undefined) await capture.removeRoot(path);
      else await capture.addRoot(path, options);
    } catch (error) {
      if (!(error instanceof RainbowError)) throw error;
      host.live.blockedBy.next(error.message);
    }
  }
  forgetNotedRoots(directory);
}
