/** Batches of the host's own: snapshots, policy, rebases, starts. */
import type { Clock, Epoch } from "../../core/index.ts";
import type { ChainedStream } from "../../events/index.ts";

/** Metadata of a batch of the host's own: epoch 0, and its first revision as sequence, so that event ids never repeat. */
export function ownBatch(chain: ChainedStream, clock: Clock, correlation: string): Parameters<ChainedStream["append"]>[1] {
  const now = clock.now();
  return { agentTimeUs: now, hostTimeUs: now, monotonicUs: clock.monotonicUs(), epoch: 0 as Epoch, sequence: chain.head.revision + 1, correlation };
}
