/**
 * What the writer did, as its own notes in the recording tell: which batch was sent in which epoch, and which were acknowledged
 * before a moment. Batches are counted from 0 over all sessions; from the epochs and the seed anybody makes the same batches again.
 */
import type { Epoch } from "../../../src/core/index.ts";
import { FactMaker } from "../../support/facts.ts";
import type { FilesNow } from "../../support/facts.ts";
import type { Recording } from "./rebuild.ts";

export const NOTES = "notes";
export const HASH_KEY = Buffer.alloc(32, 0x5a);

/** The epoch of each batch. */
export type Script = readonly Epoch[];

export interface WriterOrder {
  readonly root: string;
  readonly seed: number;
  /** What the stores hold already. */
  readonly script: Script;
  readonly batchCount: number;
}

export interface Moment {
  /** Of every batch that was perhaps sent before. */
  readonly script: Script;
  readonly acknowledgedCount: number;
}

/** Notes are "session EPOCH FIRST" before the session's first batch is sent, "ack INDEX" after it was acknowledged, "ready" and "end". */
export function momentOf(recording: Recording, before: Script, cutAt: number): Moment {
  const script = [...before];
  let acknowledgedCount = before.length;
  let epoch = 0 as Epoch;
  for (const { at, line } of recording.lines(NOTES)) {
    if (at >= cutAt) break;
    const [what, first, second] = line.split(" ");
    if (what === "session") {
      epoch = Number(first) as Epoch;
      script.length = Number(second);
    }
    if (what === "sent") script[Number(first)] = epoch;
    if (what === "ack") acknowledgedCount = Math.max(acknowledgedCount, Number(first) + 1);
  }
  return { script, acknowledgedCount };
}

/** The files after each batch: element i is what is true after i batches. */
export function historyOf(seed: number, script: Script): FilesNow[] {
  const maker = new FactMaker(seed, HASH_KEY);
  const history: FilesNow[] = [new Map()];
  for (const epoch of script) {
    maker.next(epoch);
    history.push(new Map(maker.files));
  }
  return history;
}
