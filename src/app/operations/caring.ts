/** Looking after the stores: check, repair, replay, and the events themselves. */
import { isRainbowError, RainbowError } from "../../core/index.ts";
import type { Clock } from "../../core/index.ts";
import { NO_STREAM, readBatches, verifyChain } from "../../events/index.ts";
import type { EventStore } from "../../events/index.ts";
import { DigTreeProjection } from "../../projections/index.ts";
import type { OperationsContext } from "./context.ts";
import { readableEvents } from "./events.ts";
import { mendFromLiveFiles } from "./mending.ts";
import type { Operations, ProblemItem, ProgressItem, SalvagedItem } from "./types.ts";

const PROGRESS_MS = 250;

export function caring(context: OperationsContext): Pick<Operations, "check" | "repair" | "replay" | "events"> {
  return {
    check: ({ readData }) => check(context, readData),
    repair: () => repair(context),
    replay: ({ verify }) => replay(context, verify),
    events: (request, signal) => readableEvents(context.host.eventStore, context.host.opened().stream, request, signal),
  };
}

/** Progress is told by callbacks; this hands it on between items. */
class ProgressQueue {
  private newest: ProgressItem | undefined;

  readonly bytes = (doneBytes: number, allBytes: number): void => {
    this.newest = { type: "progress", phase: "checking", doneBytes, allBytes, doneCount: 0, allCount: 0 };
  };
  readonly events = (done: number, all: number): void => {
    this.newest = { type: "progress", phase: "replaying", doneBytes: 0, allBytes: 0, doneCount: done, allCount: all };
  };

  *take(): IterableIterator<ProgressItem> {
    if (this.newest !== undefined) yield this.newest;
    this.newest = undefined;
  }
}

/** Yields progress every so often until `work` is done, then gives its result. */
async function* whileWorking<T>(clock: Clock, work: Promise<T>, queue: ProgressQueue): AsyncGenerator<ProgressItem, T> {
  const ended = work.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, clock.sleep(PROGRESS_MS).then(() => false)]))) yield* queue.take();
  return await work;
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

/** Drops every tree and builds them again from the events. */
async function* replayAnew({ host, capture, clock }: OperationsContext, queue: ProgressQueue): AsyncGenerator<ProgressItem> {
  if (capture !== undefined) throw new RainbowError("BUSY", "a running Rainbow answers from its projections: stop it first, then replay");
  const { projection, dig, stream } = host.opened();
  await projection.close();
  await dig.trees.discardAfter(NO_STREAM);
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
