/**
 * Verifies a data directory's events where nothing runs: the event store alone is opened, and nothing in it or beside it is changed, as
 * opening a machine would do (it takes trees that it does not know for leftovers).
 */
import type { Clock, Random } from "../core/index.ts";
import type { EventStore } from "../events/index.ts";
import { openDataDirectory } from "./data-directory.ts";
import type { Format } from "./data-directory.ts";
import { EMBEDDED, rememberedEvents } from "./events-choice.ts";
import { openAt } from "./open-events.ts";
import { headsIn, machineNamed, proofOf } from "./operations/index.ts";
import type { ProofItem } from "./operations/index.ts";
import { chooseOs } from "./os/index.ts";

export interface VerifyRequest {
  readonly dataDirectory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly head: string | undefined;
  /** UUID or label. */
  readonly machine: string | undefined;
}

export async function* verifyEvents(request: VerifyRequest): AsyncGenerator<ProofItem> {
  const opened = await openEventsAlone(request);
  try {
    yield* proofOf(opened.store, { ...request, machine: machineNamed(request.machine, opened.format) }, request.signal);
  } finally {
    await opened.close();
  }
}

export async function storedHeads(request: Omit<VerifyRequest, "head">): Promise<string> {
  const opened = await openEventsAlone(request);
  try {
    return await headsIn(opened.store, machineNamed(request.machine, opened.format));
  } finally {
    await opened.close();
  }
}

interface EventsAlone {
  readonly store: EventStore;
  readonly format: Format;
  close(): Promise<void>;
}

async function openEventsAlone({ dataDirectory, clock, random }: Omit<VerifyRequest, "head">): Promise<EventsAlone> {
  const { os } = chooseOs();
  const directory = openDataDirectory({ path: dataDirectory, create: false, forWriting: false, os, clock, random });
  try {
    const store = await openAt(directory, rememberedEvents(dataDirectory) ?? EMBEDDED, false);
    const close = async (): Promise<void> => {
      await store.close();
      directory.close();
    };
    return { store, format: directory.format, close };
  } catch (error) {
    directory.close();
    throw error;
  }
}
