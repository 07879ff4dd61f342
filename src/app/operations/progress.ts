/** Progress is told by callbacks; this hands it on between items. */
import type { Clock } from "../../core/index.ts";
import type { ProgressItem } from "./types.ts";

const PROGRESS_MS = 250;

export class ProgressQueue {
  private newest: ProgressItem | undefined;

  readonly bytes = (doneBytes: number, allBytes: number): void => this.put({ phase: "checking", doneBytes, allBytes });
  readonly events = (doneCount: number, allCount: number): void => this.put({ phase: "replaying", doneCount, allCount });

  /** What is left out is 0. */
  put(item: Partial<ProgressItem> & Pick<ProgressItem, "phase">): void {
    this.newest = { type: "progress", doneBytes: 0, allBytes: 0, doneCount: 0, allCount: 0, ...item };
  }

  *take(): IterableIterator<ProgressItem> {
    if (this.newest !== undefined) yield this.newest;
    this.newest = undefined;
  }
}

/** Yields progress every so often until `work` is done, then gives its result. */
export async function* whileWorking<T>(clock: Clock, work: Promise<T>, queue: ProgressQueue): AsyncGenerator<ProgressItem, T> {
  const ended = work.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, clock.sleep(PROGRESS_MS).then(() => false)]))) yield* queue.take();
  return await work;
}

/** The items of `work`, and between them, or while none comes, every so often how far it is. `stepOf`: undefined where nothing can be said. */
export async function* withProgress<Item, Step>(clock: Clock, work: AsyncGenerator<Item>, stepOf: () => Step | undefined): AsyncGenerator<Item | Step> {
  const ending = new AbortController();
  try {
    let next = work.next();
    let tick = clock.sleep(PROGRESS_MS, ending.signal);
    for (;;) {
      const isTick = await Promise.race([next.then(() => false), tick.then(() => true)]);
      if (isTick) {
        const step = stepOf();
        if (step !== undefined) yield step;
        tick = clock.sleep(PROGRESS_MS, ending.signal);
        continue;
      }
      const { done, value } = await next;
      if (done === true) return;
      yield value;
      next = work.next();
    }
  } finally {
    ending.abort();
    await work.return(undefined);
  }
}

/** Calls `tell` every so often until `work` is settled. */
export async function tellingWhile<T>(clock: Clock, work: Promise<T>, tell: () => void): Promise<T> {
  const ending = new AbortController();
  const telling = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(PROGRESS_MS, ending.signal);
      if (ending.signal.aborted) return;
      tell();
    }
  };
  try {
    void telling();
    return await work;
  } finally {
    ending.abort();
  }
}
