/**
 * What the machine's actor must know to decide: a fold of its stream's end. Small on purpose: everything else is a projection.
 */
import { EPOCH_MAX, RainbowError } from "../../core/index.ts";
import type { AgentSession, Batch, Epoch, Revision, TimeUs } from "../../core/index.ts";
import type { MachineEvent, Recorded } from "../../events/index.ts";

/** The newest batch of an agent that the stream holds. */
export interface LastBatch {
  readonly epoch: Epoch;
  readonly sequence: number;
  readonly revision: Revision;
  readonly agentTimeUs: TimeUs;
}

export interface MachineState {
  /** The newest epoch that was minted; 0 where none was. */
  readonly epoch: Epoch;
  readonly last: LastBatch | undefined;
}

export const INITIAL_STATE: MachineState = { epoch: 0 as Epoch, last: undefined };

/** Total: any recorded event moves the state or leaves it. */
export function evolve(state: MachineState, recorded: Recorded): MachineState {
  const { event, metadata, revision } = recorded;
  if (event.type === "EpochStarted") return { ...state, epoch: Math.max(state.epoch, event.epoch) as Epoch };
  if (metadata.epoch === 0 || metadata.batchEnd === undefined) return state;
  return {
    epoch: Math.max(state.epoch, metadata.epoch) as Epoch,
    last: { epoch: metadata.epoch, sequence: metadata.sequence, revision, agentTimeUs: metadata.agentTimeUs },
  };
}

export type BatchVerdict = "next" | "repeat";

/** Whether a batch follows what the host has (`expectedSequence` counts decided batches too). BATCH_REFUSED where it does not. */
export function judge(batch: Batch, session: Pick<AgentSession, "epoch">, expectedSequence: number): BatchVerdict {
  const facts = { epoch: batch.epoch, sequence: batch.sequence, currentEpoch: session.epoch, expectedSequence };
  if (batch.epoch !== session.epoch) {
    throw new RainbowError(
      "BATCH_REFUSED",
      `batch ${batch.sequence} is of epoch ${batch.epoch}, the host's session is ${session.epoch}: open a new session`,
      facts,
    );
  }
  if (batch.sequence > expectedSequence) {
    throw new RainbowError("BATCH_REFUSED", `batch ${batch.sequence} leaves out batch ${expectedSequence}: send that one first`, facts);
  }
  return batch.sequence === expectedSequence ? "next" : "repeat";
}

/** EpochStarted for the next session. */
export function startEpoch(state: MachineState): MachineEvent[] {
  if (state.epoch >= EPOCH_MAX) throw new RainbowError("LIMIT", "this machine has had 2,097,151 sessions: enrol it anew", { epoch: state.epoch });
  return [{ type: "EpochStarted", epoch: (state.epoch + 1) as Epoch }];
}
