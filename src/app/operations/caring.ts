/** Looking after the stores: check, repair, replay, and the events themselves. */
import { discardForReplay } from "../../actors/retention/index.ts";
import { isRainbowError, RainbowError } from "../../core/index.ts";
import { readBatches, verifyChain } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import { DigTreeProjection } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { readableEvents } from "./events.ts";
import { mendFromLiveFiles } from "./mending.ts";
import { ProgressQueue, whileWorking } from "./progress.ts";
import type { Operations, ProblemItem, ProgressItem, SalvagedItem } from "./types.ts";

export function caring(context: OperationsContext): Pick<Operations, "check" | "repair" | "replay" | "events"> {
  return {
    check: ({ readData }) => check(context, readData),
    repair: () => repair(context),
    replay: ({ verify }) => replay(context, verify),
    events: (request, signal) => readableEvents(context.host.eventStore, context.host.opened().stream, request, signal),
  };
}

async function* replay(context: OperationsContext, isVerifying: boolean): AsyncGenerator<ProgressItem | ProblemItem> {
  const { host, clock } = context;
  const { projection } = host.opened();
  const queue = new ProgressQueue();
  if (!isVerifying) return yield* replayAnew(context, queue);
  const report = yield* whileWorking(clock, projection.verifyReplay(queue.events), queue);
  for (const { what, live, replayed } of report.differences) {
    yield { type: "problem", what: `${what}: the live projection has ${live}, a replay gives ${replayed}`, where: `r${report.revision}`, paths: [] };
  }
}

/** Drops every tree after the window's start and builds them again from the events. */
async function* replayAnew({ host, capture, clock }: OperationsContext, queue: ProgressQueue): AsyncGenerator<ProgressItem> {
  if (capture !== undefined) throw new RainbowError("BUSY", "a running Rainbow answers from its projections: stop it first, then replay");
  const machine = host.opened();
  const { dig, stream } = machine;
  await discardForReplay({ machine, store: host.eventStore });
  const anew = await DigTreeProjection.open({ store: host.eventStore, stream, dig, clock });
  try {
    yield* whileWorking(clock, anew.catchUp(queue.events), queue);
  } finally {
    await anew.close();
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

async function* check({ host }: OperationsContext, readData: boolean): AsyncGenerator<ProgressItem | ProblemItem> {
  const queue = new ProgressQueue();
  for await (const problem of host.opened().dig.check({ readData, progress: queue.bytes })) {
    yield* queue.take();
    yield { type: "problem", what: problem.what, where: problem.where, paths: [] };
  }
  yield* checkEvents(host.eventStore, host.opened().stream);
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
