/** The real stores and the machine actor's opening over a directory, without a data directory's lock and format around them. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { closeMachine, openMachine, streamOf } from "../../../src/actors/machine/index.ts";
import type { OpenedMachine } from "../../../src/actors/machine/index.ts";
import { openDisk, openOs } from "../../../src/app/os/index.ts";
import { systemClock } from "../../../src/app/platform.ts";
import type { Clock, Random } from "../../../src/core/index.ts";
import { openDig } from "../../../src/dig/index.ts";
import type { Dig } from "../../../src/dig/index.ts";
import { lmdbControlOn } from "../../../src/dig/lmdb/index.ts";
import type { EventStore } from "../../../src/events/index.ts";
import { openLmdbEventStore } from "../../../src/events/lmdb/index.ts";
import { HASH_KEY } from "./script.ts";

export const MACHINE = "00000000-0000-4000-8000-000000000001";
export const QUOTA_BYTES: number = 1 << 30;
const HOLE_PAGES_MIN = 1; // Small stores have no long runs of free pages.
/** The key is known to all processes of a run, so that each can make the batches. */
const random: Random = { bytes: (byteCount) => Buffer.alloc(byteCount, HASH_KEY), uuid: () => MACHINE };

export interface Stores {
  readonly store: EventStore;
  readonly machine: OpenedMachine;
  /** The first failure of ingest. */
  readonly failure: () => unknown;
  close(): Promise<void>;
}

export async function openStores(directory: string, create: boolean, clock: Clock = systemClock()): Promise<Stores> {
  const disk = openDisk(openOs());
  mkdirSync(directory, { recursive: true });
  const store = await openLmdbEventStore({ path: join(directory, "events.lmdb"), create, disk, holePagesMin: HOLE_PAGES_MIN });
  let failure: unknown;
  const openMachineDig = (hashKey: Buffer, isNew: boolean): Promise<Dig> =>
    openDig({
      disk,
      directory: join(directory, "machine"),
      hashKey,
      control: lmdbControlOn(disk, HOLE_PAGES_MIN),
      ...(isNew && create ? { create: { uuid: MACHINE, quotaBytes: QUOTA_BYTES } } : {}),
    });
  try {
    const machine = await openMachine({
      stream: streamOf(MACHINE),
      enrol: (identity) => ({ type: "MachineEnrolled", machine: MACHINE, label: "test", ...identity }),
      version: "test",
      store,
      openDig: openMachineDig,
      clock,
      random,
      quiet: false,
      onReplay: () => undefined,
      onFailed: (cause) => (failure ??= cause),
    });
    const close = async (): Promise<void> => {
      await closeMachine(machine);
      await store.close();
    };
    return { store, machine, failure: () => failure, close };
  } catch (error) {
    await store.close();
    throw error;
  }
}
