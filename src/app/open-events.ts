/** Opens the event store that was chosen for a data directory, embedded or on a server, and remembers the choice once it holds. */
import { join } from "node:path";
import { auditStreamOf } from "../actors/audit/index.ts";
import { streamOf } from "../actors/machine/index.ts";
import { RainbowError } from "../core/index.ts";
import type { EventStore } from "../events/index.ts";
import { openKurrentEventStore, parseAddress } from "../events/kurrent/index.ts";
import { openLmdbEventStore } from "../events/lmdb/index.ts";
import { openDisk, openOs } from "./os/index.ts";
import type { DataDirectory } from "./data-directory.ts";
import { EMBEDDED, refuseOtherHistory, rememberedEvents, rememberEvents } from "./events-choice.ts";
import { EVENTS_FILE } from "./mend-events.ts";

/** `wanted`: what the user names now; undefined for what is remembered. */
export async function openEvents(directory: DataDirectory, wanted: string | undefined): Promise<EventStore> {
  const remembered = rememberedEvents(directory.path);
  const known = remembered ?? EMBEDDED;
  const choice = wanted === undefined || wanted === EMBEDDED ? (wanted ?? known) : parseAddress(wanted).text;
  const { format, path } = directory;
  if (!format.complete) rememberEvents(path, choice); // Before the first event is anywhere: whoever starts again finds it there.
  const store = await openAt(directory, choice, !format.complete);
  try {
    if (format.complete) await refuseWhatIsNotOurs(directory, store, { known, choice });
    rememberEvents(path, choice);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function refuseWhatIsNotOurs(
  directory: DataDirectory,
  store: EventStore,
  { known, choice }: { readonly known: string; readonly choice: string },
): Promise<void> {
  const stream = streamOf(directory.format.machine);
  if (choice !== known) {
    const before = await openAt(directory, known, false);
    try {
      const advice = `move it first: rainbow events copy --from ${shown(known)} --to ${shown(choice)}`;
      for (const each of [stream, auditStreamOf(directory.format.machine)]) await refuseOtherHistory(before, store, each, advice);
    } finally {
      await before.close();
    }
  }
  if (choice !== EMBEDDED && (await store.info(stream)).headRevision < 0) {
    const what = `${shown(choice)} has no events of this machine (stream ${stream}), and nothing is made anew in their place`;
    throw new RainbowError("NO_STORE", `${what}: is it the right server, with its data? '--events' names another`, { stream });
  }
}

/** The store itself, unchecked. `create` makes an embedded one that is missing. */
export async function openAt(directory: Pick<DataDirectory, "path">, choice: string, create: boolean): Promise<EventStore> {
  if (choice !== EMBEDDED) return openKurrentEventStore({ address: choice });
  return openLmdbEventStore({ path: join(directory.path, EVENTS_FILE), create, disk: openDisk(openOs()) });
}

/** For people: without a password. */
export function shown(choice: string): string {
  return choice === EMBEDDED ? EMBEDDED : parseAddress(choice).shown;
}
