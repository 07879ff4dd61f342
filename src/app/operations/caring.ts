/** Looking after the stores: check, repair, replay, and the events themselves. */
import { RainbowError } from "../../core/index.ts";
import type { OperationsContext } from "./context.ts";
import { readableEvents } from "./events.ts";
import type { Operations, ProblemItem, ProgressItem } from "./types.ts";

export function caring(context: OperationsContext): Pick<Operations, "check" | "repair" | "replay" | "events"> {
  return {
    check: ({ readData }) => check(context, readData),
    repair: () => notYet("repair"),
    replay: () => notYet("replay"),
    events: (request) => readableEvents(context.host.eventStore, context.host.opened().stream, request),
  };
}

// eslint-disable-next-line require-yield
async function* notYet(what: string): AsyncGenerator<ProgressItem | ProblemItem> {
  throw new RainbowError("UNSUPPORTED", `${what} is not built yet`);
}

async function* check({ host }: OperationsContext, readData: boolean): AsyncGenerator<ProgressItem | ProblemItem> {
  const progress: ProgressItem[] = [];
  const note = (doneBytes: number, allBytes: number): void => {
    progress.push({ type: "progress", phase: "checking", doneBytes, allBytes, doneCount: 0, allCount: 0 });
  };
  for await (const problem of host.opened().dig.check({ readData, progress: note })) {
    yield* progress.splice(0);
    yield { type: "problem", what: problem.what, where: problem.where, paths: [] };
  }
  yield* progress.splice(0).slice(-1);
}
