/** Looking after the stores: check, repair, replay, and the events themselves. */
import { discardForReplay } from "../../actors/retention/index.ts";
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";
import { readBatches, verifyChain, walkChain } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import { DigTreeProjection } from "../../projections/index.ts";
import type { ReplayReport } from "../../projections/index.ts";
import { replayInto } from "../replay-into.ts";
import type { OperationsContext } from "./context.ts";
import { readableEvents } from "./events.ts";
import { resolveInstant } from "./instants.ts";
import { mendFromLiveFiles } from "./mending.ts";
import { ProgressQueue, whileWorking } from "./progress.ts";
import type { Operations, ProblemItem, ProgressItem, ReplayedItem, SalvagedItem } from "./types.ts";

export function caring(context: OperationsContext): Pick<Operations, "check" | "repair" | "replay" | "events"> {
  return {
    check: ({ readData }) => check(context, readData),
    repair: () => repair(context),
    replay: (request, signal) => replay(context, request, signal),
    events: (request, signal) => readableEvents(context.host.eventStore, context.host.opened().stream, request, signal),
  };
}

type Asked = Parameters<Operations["replay"]>[0];

async function* replay(
  context: OperationsContext,
  asked: Asked,
  signal = new AbortController().signal,
): AsyncGenerator<ProgressItem | ProblemItem | ReplayedItem> {
  const { host, clock } = context;
  const queue = new ProgressQueue();
  if (!asked.verify && asked.to === undefined && asked.into === undefined) return yield* replayAnew(context, queue);
  const { projection } = host.opened();
  const { revision } = await resolveInstant(host.opened(), asked.to ?? { kind: "now" });
  const startedUs = clock.monotonicUs();
  const ending = AbortSignal.any([signal, host.stopSignal]);
  const work =
    asked.into === undefined
      ? projection.verifyReplay({ to: revision, onProgress: queue.events, signal: ending })
      : replayBeside(context, { into: asked.into, to: revision, queue, signal: ending });
  const report = yield* whileWorking(clock, work, queue);
  if (report.isInterrupted) return;
  for (const { what, live, replayed } of report.differences) {
    yield { type: "problem", what: `${what}: the live projection has ${live}, a replay gives ${replayed}`, where: `r${report.revision}`, paths: [] };
  }
  const { eventCount, keyCount, digest, differences } = report;
  const seconds = (clock.monotonicUs() - startedUs) / 1e6;
  const eventsPerSecond = seconds > 0 ? Math.round(eventCount / seconds) : 0;
  const where = asked.into === undefined ? {} : { into: asked.into };
  const timeUs = await projection.timeOf(revision);
  yield { type: "replayed", revision, timeUs, eventCount, keyCount, seconds, eventsPerSecond, digest, differenceCount: differences.length, ...where };
}

interface Beside {
  readonly into: string;
  readonly to: Revision;
  readonly queue: ProgressQueue;
  readonly signal: AbortSignal;
}

async function replayBeside(
  { host, os, disk, clock, random, label, dataDirectory }: OperationsContext,
  { into, to, queue, signal }: Beside,
): Promise<ReplayReport> {
  const onCopied = (doneCount: number, allCount: number): void => queue.put({ phase: "copying events", doneCount, allCount });
  const rest = { os, disk, clock, random, label, of: dataDirectory, into, to, signal, onCopied, onReplayed: queue.events };
  return await replayInto({ live: host.opened(), store: host.eventStore, ...rest });
}

/** Drops every tree after the window's start and builds them again from the events: of the machine, then of each mirror. */
async function* replayAnew({ host, mirrors, capture, clock }: OperationsContext, queue: ProgressQueue): AsyncGenerator<ProgressItem> {
  if (capture !== undefined) throw new RainbowError("BUSY", "a running Rainbow answers from its projections: stop it first, then replay");
  for (const machine of [host.opened(), ...(await mirrors.all()).map((mirror) => mirror.machine)]) {
    const { dig, stream } = machine;
    await discardForReplay({ machine, store: host.eventStore });
    const anew = await DigTreeProjection.open({ store: host.eventStore, stream, dig, clock });
    try {
      yield* whileWorking(clock, anew.catchUp(queue.events), queue);
    } finally {
      await anew.close();
    }
  }
}

/** Damaged events were salvaged and the control file was rebuilt when the stores were opened for this; what is left is to store bad chunks anew. */
async function* repair(context: OperationsContext): AsyncGenerator<ProgressItem | ProblemItem | SalvagedItem> {
  const { salvaged, host } = context;
  if (!context.isRepairing) throw new RainbowError("BUSY", "a running Rainbow holds the stores: stop it first, then repair");
  if (salvaged !== undefined) yield { type: "salvaged", ...salvaged, savedTimeUs: await host.opened().projection.timeOf(salvaged.savedRevision) };
  yield* mendFromLiveFiles(context);
  yield* check(context, true);
}

/** The stores of the machine, and the trees and events of each mirror; what mirrors list is `mirror check`'s. */
async function* check({ host, mirrors }: OperationsContext, readData: boolean): AsyncGenerator<ProgressItem | ProblemItem> {
  const queue = new ProgressQueue();
  const owners = [
    { machine: host.opened(), of: "" },
    ...(await mirrors.all()).map((mirror) => ({ machine: mirror.machine, of: `mirror ${mirror.definition().label}: ` })),
  ];
  for (const { machine, of } of owners) {
    for await (const problem of machine.dig.check({ readData, progress: queue.bytes })) {
      yield* queue.take();
      yield { type: "problem", what: problem.what, where: of + problem.where, paths: [] };
    }
    yield* checkEvents(host.eventStore, machine.stream);
  }
  for (const [mirror, { message }] of mirrors.broken) yield { type: "problem", what: message, where: `mirror ${mirror}`, paths: [] };
  yield* checkAudit(host.eventStore, host.trail.stream);
}

/** Every entry that people left is there as it was written. */
async function* checkAudit(store: EventStore, stream: string): AsyncGenerator<ProblemItem> {
  const info = await store.info(stream);
  if (info.headRevision < 0) return;
  try {
    const walk = walkChain(store, info);
    while ((await walk.next()).done !== true);
  } catch (error) {
    if (!isRainbowError(error, "EVENT_CORRUPT", "STORE_CORRUPT")) throw error;
    yield { type: "problem", what: error.message, where: `stream ${stream}`, paths: [] };
  }
}

/** Every event is read, and every batch must name the hash of the one before it. */
async function* checkEvents(store: EventStore, stream: string): AsyncGenerator<ProblemItem> {
  const { headRevision, truncatedBefore } = await store.info(stream);
  try {
    await verifyChain(readBatches(store, stream, truncatedBefore, headRevision));
  } catch (error) {
    if (!isRainbowError(error, "EVENT_CORRUPT", "STORE_CORRUPT")) throw error;
    yield { type: "problem", what: error.message, where: `stream ${stream}`, paths: [] };
  }
}
