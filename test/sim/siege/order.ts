/** What the besieged writer is told to do. */
import type { Model } from "./model.ts";

export interface WriterOrder {
  /** Holds the stores and the notes. */
  readonly root: string;
  /** Of the agent's facts; the same in all rounds of one history. */
  readonly seed: number;
  /** Of what people and policy do in this round. */
  readonly roundSeed: number;
  readonly batchCount: number;
  /** The stores were never finished, and may be made. */
  readonly create: boolean;
  readonly model: Model;
  /** A file on the same disk that takes all its room, where that may be done. */
  readonly ballast: string | undefined;
}

/** Exit code of a writer whose stores must be opened anew, as after a commit that found no room. */
export const MUST_OPEN_ANEW = 75;
