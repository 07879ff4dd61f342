/**
 * What a Rebased event carries (rule 17), so that the events after the window's start and the kept trees are enough: who the machine
 * is, the trees, and the control state at the window's start. The newest one is copied into a stream of its own before anything that it
 * replaces goes, so that it is found at once whatever the length of the machine's stream.
 */
import { isDeepStrictEqual } from "node:util";
import { RainbowError } from "../../core/index.ts";
import type { Clock, Epoch, Revision } from "../../core/index.ts";
import type { SealedTree } from "../../dig/index.ts";
import { ChainedStream, decodeEvent } from "../../events/index.ts";
import type { Enrolment, EventStore, MachineEnrolled, MirrorDefined, Rebased } from "../../events/index.ts";
import type { ClockJumps, ControlFacts, Snapshot } from "../../projections/index.ts";
import { ownBatch } from "./own-batch.ts";
import type { LastBatch, MachineState } from "./state.ts";

const PAGE_EVENTS = 1000;

export interface RebasedState {
  readonly enrolled: Omit<MachineEnrolled, "type"> | Omit<MirrorDefined, "type">;
  /** Of the window's start and of every kept snapshot before it, ascending. */
  readonly trees: readonly SealedTree[];
  /** As of the window's start; later ones are in the events after it. */
  readonly snapshots: readonly Snapshot[];
  readonly nextChunk: number;
  readonly epoch: Epoch;
  /** The newest batch of an agent; null where none ever came. */
  readonly last: LastBatch | null;
  readonly policy: Readonly<Record<string, unknown>> | null;
  readonly roots: ControlFacts["roots"];
  readonly openGaps: ControlFacts["openGaps"];
  /** Jumps of the host's clock before the window's start: snapshots that were taken before them are not as old as the clock says. */
  readonly jumps?: ClockJumps;
}

export interface NewestRebased {
  readonly window: Revision;
  readonly state: RebasedState;
}

export function streamOf(machine: string): string {
  return `machine-${machine}`;
}

export function mirrorStreamOf(mirror: string): string {
  return `mirror-${mirror}`;
}

export function isMirrorStream(stream: string): boolean {
  return stream.startsWith("mirror-");
}

/** Of the stream of a machine or a mirror. */
function noteStreamOf(stream: string): string {
  return stream.replace(/^(machine|mirror)-/, "rebased-");
}

export function rebasedEvent(window: Revision, state: RebasedState): Rebased {
  return { type: "Rebased", window, state: { ...state } };
}

/** STORE_CORRUPT where the event lacks what a later start needs. */
export function readRebased({ window, state }: Rebased): NewestRebased {
  const { enrolled, trees, snapshots } = state as unknown as RebasedState;
  const isWhole = typeof enrolled?.hashKey === "string" && Array.isArray(trees) && Array.isArray(snapshots);
  if (isWhole && trees.at(-1)?.revision === window) return { window, state: state as unknown as RebasedState };
  throw new RainbowError("STORE_CORRUPT", `the event that moved the window's start to r${window} is not whole`, { window });
}

/** The newest move of the window that is noted, else the newest in the stream; undefined where there was none. */
export async function newestRebased(store: EventStore, stream: string): Promise<NewestRebased | undefined> {
  const noted = await newestOf(store, noteStreamOf(stream), 1);
  return noted ?? (await newestOf(store, stream, PAGE_EVENTS));
}

interface MovesForRebuild {
  readonly newest: NewestRebased | undefined;
  /** Nothing was taken away for the newest one yet: all is still there that the noted one, or the stream's start, leads to. */
  readonly isNewestNoted: boolean;
  readonly noted: NewestRebased | undefined;
}

/**
 * For a rebuild: the newest move of the window in the stream, noted or not, or the noted one where the stream lost its end. All
 * of the stream may be read for it.
 */
export async function newestOfAll(store: EventStore, stream: string): Promise<MovesForRebuild> {
  const inStream = await newestOf(store, stream, PAGE_EVENTS);
  const noted = await newestOf(store, noteStreamOf(stream), 1);
  const newest = noted !== undefined && noted.window > (inStream?.window ?? -1) ? noted : inStream;
  return { newest, noted, isNewestNoted: isDeepStrictEqual(newest, noted) };
}

async function newestOf(store: EventStore, stream: string, pageEvents: number): Promise<NewestRebased | undefined> {
  let { headRevision: from } = await store.info(stream);
  while (from >= 0) {
    const page = await store.read(stream, { direction: "backwards", from, maxCount: pageEvents });
    for (const stored of page) {
      const event = stored.type === "Rebased" ? decodeEvent(stored).event : undefined;
      if (event?.type === "Rebased") return readRebased(event);
    }
    if (page.length === 0) return undefined;
    from = (page.at(-1)!.revision - 1) as Revision;
  }
  return undefined;
}

/** The Rebased that stands at `revision` of the stream. */
export async function rebasedAt(store: EventStore, stream: string, revision: Revision): Promise<NewestRebased> {
  const [stored] = await store.read(stream, { from: revision, maxCount: 1 });
  const event = stored === undefined ? undefined : decodeEvent(stored).event;
  if (event?.type === "Rebased") return readRebased(event);
  throw new RainbowError("STORE_CORRUPT", `r${revision} should have moved the window's start, and did not`, { revision });
}

/** Copies the stream's newest Rebased, which stands at `revision`, where newestRebased looks first. Repeated, it does nothing. */
export async function noteRebased(store: EventStore, stream: string, revision: Revision, clock: Clock): Promise<void> {
  const { window, state } = await rebasedAt(store, stream, revision);
  const event = rebasedEvent(window, state);
  const note = noteStreamOf(stream);
  const noted = await newestOf(store, note, 1);
  if (isDeepStrictEqual(noted, { window, state })) return;
  const chain = await ChainedStream.open(store, note);
  const { revision: at } = await chain.append([event], ownBatch(chain, clock, "rebase"));
  await store.truncateBefore(note, at);
}

/** The stream's first event, or what a rebase kept of it; undefined where the machine was never enrolled, or the mirror never defined. */
export async function enrolmentOf(store: EventStore, stream: string): Promise<Enrolment | undefined> {
  const { headRevision, truncatedBefore } = await store.info(stream);
  if (headRevision < 0) return undefined;
  if (truncatedBefore > 0) {
    const newest = await newestRebased(store, stream);
    if (newest !== undefined) return enrolmentIn(newest.state);
  }
  const [first] = await store.read(stream, { maxCount: 1 });
  const event = first === undefined ? undefined : decodeEvent(first).event;
  if (event?.type === "MachineEnrolled" || event?.type === "MirrorDefined") return event;
  throw new RainbowError(
    "STORE_CORRUPT",
    `stream ${stream} does not begin with MachineEnrolled or MirrorDefined: the event store belongs to something else, or its start was lost`,
    { stream },
  );
}

function enrolmentIn({ enrolled }: RebasedState): Enrolment {
  return "mirror" in enrolled ? { type: "MirrorDefined", ...enrolled } : { type: "MachineEnrolled", ...enrolled };
}

/** What a rebase kept of the stream's fold, for where the events before the window's start are gone. */
export function stateBefore({ state }: NewestRebased): MachineState {
  return { epoch: state.epoch, last: state.last ?? undefined };
}
