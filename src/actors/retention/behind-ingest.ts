/** How freeing yields to ingest: small steps, a rest after each, and a barrier for what was decided already. */
import type { Clock } from "../../core/index.ts";
import type { FreeBarrier } from "../../dig/index.ts";
import type { Ingest, OpenedMachine } from "../machine/index.ts";

export const STEP_MS = 2; // Of the main thread; ingest and readers get their turn after each.
export const READER_MS_MAX = 10 * 60_000; // A pager left open must not hold anything for ever.
const REST_BUSY_MS = 20; // While batches are on their way most of the time is theirs.

/** Rule 10: what freeing waits for. */
export function barrierOf({ projection }: OpenedMachine, ingest: Ingest): FreeBarrier {
  return {
    headRevision: () => ingest.settled(),
    projected: async (revision) => {
      projection.follow(revision);
      await projection.projected(revision);
    },
    isTouched: (chunk) => projection.isTouched(chunk),
  };
}

export async function rest(ingest: Ingest, clock: Clock, signal: AbortSignal): Promise<void> {
  if (ingest.isBusy) await clock.sleep(REST_BUSY_MS, signal);
  else await new Promise((resolve) => setImmediate(resolve));
}
