/**
 * Opening a machine: enrol it where it is new, read the end of its stream, shut out appends of before by HostOpened, let the
 * projection catch up, and give back chunks that no event names. Only then is a batch taken.
 */
import { RainbowError } from "../../core/index.ts";
import type { Clock, Epoch, Random, Revision } from "../../core/index.ts";
import type { Dig } from "../../dig/index.ts";
import { ChainedStream, decodeEvent } from "../../events/index.ts";
import type { Enrolment, EventStore } from "../../events/index.ts";
import { DigTreeProjection } from "../../projections/index.ts";
import { Ingest } from "./ingest.ts";
import { ownBatch } from "./own-batch.ts";
import { enrolmentOf, newestRebased, stateBefore } from "./rebased.ts";
import { evolve, INITIAL_STATE } from "./state.ts";
import type { MachineState } from "./state.ts";
import { Turns } from "./turns.ts";

const PAGE_EVENTS = 256; // The newest agent batch is nearly always among the last events.

export interface OpenMachineOptions {
  /** `machine-<uuid>` or `mirror-<uuid>`. */
  readonly stream: string;
  /** The first event of a new stream. It may throw where there should be one already. */
  readonly enrol: (identity: { readonly hashKey: string; readonly dataFile: string }) => Enrolment;
  readonly version: string;
  readonly store: EventStore;
  /** Opens the machine's data file, making it where the machine is new. */
  readonly openDig: (hashKey: Buffer, isNew: boolean) => Promise<Dig>;
  /** Serves readers alone until something is written: nothing is appended by opening. */
  readonly quiet: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Replaying a long tail at start: how far it is. */
  readonly onReplay: (doneEvents: number, allEvents: number) => void;
  readonly onFailed: (cause: unknown) => void;
}

/** A machine, or a mirror: a stream, its appender and its trees. */
export interface OpenedMachine {
  /** UUID. */
  readonly machine: string;
  readonly stream: string;
  readonly hashKey: Buffer;
  readonly dig: Dig;
  readonly projection: DigTreeProjection;
  /** Decisions over snapshots, policy and the window, one after the other. */
  readonly turns: Turns;
  /** Moves of the window, and what they leave to do, one after the other. */
  readonly rebasing: Turns;
  /** Who it is. */
  readonly enrolled: Enrolment;
  /** The appender. Made at open, or at the first call where the machine was opened quietly. */
  readonly ingest: () => Promise<Ingest>;
  /** Resolves when every batch decided so far is durable or refused. */
  readonly idle: () => Promise<void>;
}

export async function openMachine(options: OpenMachineOptions): Promise<OpenedMachine> {
  const { stream, store, clock } = options;
  const enrolled = await enrolmentOf(store, stream);
  const hashKey = enrolled === undefined ? options.random.bytes(32) : Buffer.from(enrolled.hashKey, "hex");
  const dig = await options.openDig(hashKey, enrolled === undefined);
  try {
    const chain = await ChainedStream.open(store, stream);
    const identity = enrolled ?? options.enrol({ hashKey: hashKey.toString("hex"), dataFile: dig.uuid });
    if (enrolled === undefined) await chain.append([identity], ownBatch(chain, clock, "enrolment"));
    const projection = await DigTreeProjection.open({ store, stream, dig, clock });
    await projection.catchUp(options.onReplay);
    refuseLostChunks(projection, dig);
    let ingest: Promise<Ingest> | undefined;
    const opened: OpenedMachine = {
      machine: identity.type === "MirrorDefined" ? identity.mirror : identity.machine,
      stream,
      hashKey,
      dig,
      projection,
      turns: new Turns(),
      rebasing: new Turns(),
      enrolled: identity,
      ingest: () => (ingest ??= openIngest(options, opened, chain)),
      idle: async () => (await ingest?.catch(() => undefined))?.idle(), // One that could not be opened has decided nothing.
    };
    if (!options.quiet) await opened.ingest();
    return opened;
  } catch (error) {
    await dig.close();
    throw error;
  }
}

/** Chunks are durable before the events that name them: where the store knows fewer, its control file is an old, a foreign or an empty one. */
function refuseLostChunks(projection: DigTreeProjection, dig: Dig): void {
  const [named, known] = [projection.nextChunk(), dig.chunks.nextNumber()];
  if (named <= known) return;
  throw new RainbowError(
    "STORE_CORRUPT",
    `events name chunks up to ${named - 1}, the control file knows those up to ${known - 1}: it is not the one that belongs here; run \`rainbow repair\``,
    {
      named,
      known,
    },
  );
}

/** Shuts out appends of before, gives back chunks that no event names, and takes batches from here on. */
async function openIngest(options: OpenMachineOptions, { machine, stream, hashKey, dig, projection }: OpenedMachine, chain: ChainedStream): Promise<Ingest> {
  const { store, clock } = options;
  const state = await foldEnd(store, stream);
  await chain.append([{ type: "HostOpened", version: options.version }], ownBatch(chain, clock, "start"));
  projection.follow(chain.head.revision);
  await projection.projected(chain.head.revision);
  await dig.chunks.giveBack(projection.nextChunk());
  return new Ingest({
    machine,
    hashKey,
    chain,
    chunks: dig.chunks,
    clock,
    state,
    readEvents: (from, to) => readEvents(store, stream, from, to),
    onAppended: (revision) => projection.follow(revision),
    onFailed: options.onFailed,
  });
}

/** Lets decided batches end, builds the last tree and closes the data file. */
export async function closeMachine(opened: OpenedMachine | undefined): Promise<void> {
  if (opened === undefined) return;
  await opened.idle();
  try {
    await opened.projection.close();
  } finally {
    await opened.dig.close();
  }
}

/** Reads the stream backwards until an agent's batch tells the newest epoch and sequence; before its start a rebase knows them. */
export async function foldEnd(store: EventStore, stream: string): Promise<MachineState> {
  const { headRevision, truncatedBefore } = await store.info(stream);
  let from = headRevision;
  let state = INITIAL_STATE;
  while (from >= 0 && state.last === undefined) {
    const page = await store.read(stream, { direction: "backwards", from, maxCount: PAGE_EVENTS });
    if (page.length === 0) break;
    for (const stored of page) {
      const older = evolve(INITIAL_STATE, decodeEvent(stored));
      state = { epoch: Math.max(state.epoch, older.epoch) as Epoch, last: state.last ?? older.last };
    }
    from = (page.at(-1)!.revision - 1) as Revision;
  }
  if (state.last !== undefined || truncatedBefore === 0) return state;
  const rebased = await newestRebased(store, stream);
  const before = rebased === undefined ? INITIAL_STATE : stateBefore(rebased);
  return { epoch: Math.max(state.epoch, before.epoch) as Epoch, last: before.last };
}

async function readEvents(store: EventStore, stream: string, from: Revision, to: Revision): Promise<ReturnType<typeof decodeEvent>["event"][]> {
  const events = [];
  for (let next = from; next <= to;) {
    const page = await store.read(stream, { from: next, maxCount: Math.min(10_000, to - next + 1) });
    if (page.length === 0) break;
    events.push(...page.map((stored) => decodeEvent(stored).event));
    next = (page.at(-1)!.revision + 1) as Revision;
  }
  return events;
}
